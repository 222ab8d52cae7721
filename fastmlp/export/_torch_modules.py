"""Modules of PyTorch, and those that it lacks. Imported only once PyTorch is asked for."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import *  # noqa: F403  the kinds find all modules here
from torch.nn import Module, ModuleList


class Exp(Module):
    """e^x"""

    def forward(self, x: Any) -> Any:
        return torch.exp(x)


class Maps(Module):
    """Rows (n, d), or maps (n, h, w, c), as PyTorch has maps, (n, c, h, w)."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Any) -> Any:
        return x.reshape(-1, *self.shape).movedim(-1, 1)

    def extra_repr(self) -> str:
        return repr(self.shape)


class Rows(Module):
    """Maps (n, c, h, w) as rows (n, h w c)."""

    def forward(self, x: Any) -> Any:
        return x.movedim(1, -1).flatten(1)


class Add(Module):
    """x + y"""

    def forward(self, x: Any, y: Any) -> Any:
        return x + y


class Layers(Module):
    """Layers that may read others than the one before.

    layers: a module each. sources: numbers of the layers that each of them reads, 0 the input.
    """

    def __init__(self, layers: Sequence[Module], sources: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.layers, self.sources = ModuleList(layers), [tuple(those) for those in sources]

    def forward(self, x: Any) -> Any:
        values = [x]
        for layer, sources in zip(self.layers, self.sources):
            values.append(layer(*(values[source] for source in sources)))
        return values[-1]


def dtype_of(a: np.ndarray[Any, Any]) -> Any:
    """PyTorch's dtype for an array's."""
    return torch.float32 if a.dtype == np.float32 else torch.float64


def loaded(module: Module, **arrays: Any) -> Module:
    """A module with these numbers in its parameters and buffers; None for those that it does not have."""
    with torch.no_grad():
        for name, values in arrays.items():
            if values is not None:
                getattr(module, name).copy_(torch.from_numpy(np.array(values)))
    return module
