"""The PyTorch modules for exported networks: PyTorch's own, and those that it lacks. Imported only when needed."""
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


class Increasing(Module):
    """For each group of `each` outputs, x of the first; for the others that plus the sum of softplus(x) up to them."""

    def __init__(self, each: int) -> None:
        super().__init__()
        self.each = each

    def forward(self, x: Any) -> Any:
        x = x.unflatten(1, (-1, self.each))
        rises = torch.nn.functional.softplus(x[:, :, 1:], threshold=40)  # above it torch's is linear
        return torch.cat([x[:, :, :1], rises], 2).cumsum(2).flatten(1)


class Sin(Module):
    """sin(x)"""

    def forward(self, x: Any) -> Any:
        return torch.sin(x)


class Cos(Module):
    """cos(x)"""

    def forward(self, x: Any) -> Any:
        return torch.cos(x)


class Columns(Module):
    """Of in_features columns, the first `numeric` unchanged, then for each of the others a row of its table; zeros for
    unknown categories.

    unknown: for each table, how fastmlp treats unknown categories: "error" or "zero".
    """

    def __init__(self, in_features: int, numeric: int, tables: Sequence[Any], unknown: Sequence[str]) -> None:
        super().__init__()
        self.in_features, self.numeric, self.unknown = in_features, numeric, list(unknown)
        self.tables = ModuleList(torch.nn.Embedding.from_pretrained(torch.from_numpy(np.array(table)), freeze=False)
                                 for table in tables)

    def forward(self, x: Any) -> Any:
        categories = x[:, x.shape[1] - len(self.tables):].unbind(1) if self.tables else ()
        return torch.cat([x[:, :self.numeric], *map(row_of_table, categories, self.tables)], 1)


def row_of_table(category: Any, table: Any) -> Any:
    known = (category >= 0) & (category < table.num_embeddings) & (category == category.floor())
    rows = table(torch.where(known, category, 0).long())
    return torch.where(known[:, None], rows, 0)


class Grouped(Module):
    """A grouped linear layer: W (groups, inputs of each, units of each)."""

    def __init__(self, W: Any, b: Any) -> None:
        super().__init__()
        self.weight, self.bias, self.in_features = parameter(W), parameter(b), W.shape[0] * W.shape[1]

    def forward(self, x: Any) -> Any:
        groups, d_in, _ = self.weight.shape
        out = torch.einsum("ngi,gio->ngo", x.reshape(-1, groups, d_in), self.weight).flatten(1)
        return out if self.bias is None else out + self.bias


class Mixture(Module):
    """x + a (theta(x) - x), by features, of maps by channels."""

    def __init__(self, a: Any, theta: Module) -> None:
        super().__init__()
        self.weight, self.theta = parameter(a), theta

    def forward(self, x: Any) -> Any:
        return x + self.weight.reshape(-1, *[1] * (x.ndim - 2)) * (self.theta(x) - x)


class Gate(Module):
    """b theta(c), of the halves of the features."""

    def __init__(self, theta: Module) -> None:
        super().__init__()
        self.theta = theta

    def forward(self, x: Any) -> Any:
        b, c = x.chunk(2, 1)
        return b * self.theta(c)


class Waves(Module):
    """cos(2 pi x), then sin(2 pi x), of the units of each group."""

    def __init__(self, groups: int, sine: bool) -> None:
        super().__init__()
        self.groups, self.sine = groups, sine

    def forward(self, x: Any) -> Any:
        angle = 2 * torch.pi * (x - x.round()).unflatten(1, (self.groups, -1))
        return (torch.cat([angle.cos(), angle.sin()], -1) if self.sine else angle.cos()).flatten(1)


class PiecewiseLinear(Module):
    """W^T e + b, e the piecewise linear encoding by bins: for each bin the position of x in it, limited to 0 .. 1
    except at the first and last edge of a feature."""

    def __init__(self, edges: Any, columns: Sequence[Any], W: Any, b: Any) -> None:
        super().__init__()
        self.edges, self.in_features = edges, len(edges)
        self.weight, self.bias = parameter(W), parameter(b)
        for name, values in zip(("lower", "slope", "least", "most", "feature"), columns):
            self.register_buffer(name, torch.from_numpy(np.array(values)))

    def forward(self, x: Any) -> Any:
        e = (x[:, self.feature] - self.lower) * self.slope
        out = torch.minimum(torch.maximum(e, self.least), self.most) @ self.weight
        return out if self.bias is None else out + self.bias


class ScaleFeatures(Module):
    """gamma x + beta, by features, of maps by channels; without gamma or beta 1 and 0."""

    centred = False

    def __init__(self, gamma: Any, beta: Any, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = parameter(gamma), parameter(beta), eps

    def forward(self, x: Any) -> Any:
        by_channels = (-1, *[1] * (x.ndim - 2))
        out = x if self.weight is None else x * self.weight.reshape(by_channels)
        return out if self.bias is None else out + self.bias.reshape(by_channels)


class ShiftFeatures(ScaleFeatures):
    """x + beta."""


class RMSNormFeatures(ScaleFeatures):
    """gamma x^ + beta, with x^ normalised by the root mean square over the features of a row, or for maps the channels
    of a position."""

    def forward(self, x: Any) -> Any:
        if self.centred:
            x = x - x.mean(1, keepdim=True)
        return super().forward(x / (x.square().mean(1, keepdim=True) + self.eps).sqrt())


class LayerNormFeatures(RMSNormFeatures):
    """The same, with the mean subtracted."""

    centred = True


class Join(Module):
    """y and x concatenated"""

    def forward(self, x: Any, y: Any) -> Any:
        return torch.cat([y, x], 1)


class Maps(Module):
    """Converts the input: rows (n, d) are unchanged; maps (n, h, w, c), or flattened maps, become (n, c, h, w)."""

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


class FlattenMaps(Rows):
    """The same, for a Flatten layer."""


class Add(Module):
    """x + y"""

    def forward(self, x: Any, y: Any) -> Any:
        return x + y


class Layers(Module):
    """Layers that may read other layers than the previous one.

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


def parameter(values: Any) -> Any:
    """A parameter with these values; None for None."""
    return None if values is None else torch.nn.Parameter(torch.from_numpy(np.array(values)))


def dtype_of(a: np.ndarray[Any, Any]) -> Any:
    """PyTorch's dtype for an array's."""
    return torch.float32 if a.dtype == np.float32 else torch.float64


def loaded(module: Module, **arrays: Any) -> Module:
    """Copy arrays into a module's parameters and buffers; None for those that it does not have."""
    with torch.no_grad():
        for name, values in arrays.items():
            if values is not None:
                getattr(module, name).copy_(torch.from_numpy(np.array(values)))
    return module
