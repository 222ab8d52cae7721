"""The stack of a network's layers, built entry by entry, and the base class of blocks, which become several layers."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

from numpy.typing import DTypeLike

from .. import _checks
from .._types import Shape
from ._base import MOST_UNITS, Layer


class Stack:
    """The layers of a network so far.

    shapes: of x(0) .. x(l). specs: a checked spec for each layer. dtype: of the network. unfinished: a checked spec
    that must be combined with the next entry, or None.
    """

    def __init__(self, input_shape: Shape, dtype: DTypeLike) -> None:
        self.shapes: list[Shape] = [input_shape]
        self.specs: list[Layer] = []
        self.dtype = dtype
        self.unfinished: Layer | None = None

    @property
    def top(self) -> int:
        """The number of the last layer, 0 for the input."""
        return len(self.specs)

    def append(self, entry: Any, name: str) -> None:
        """Check a layer or a block, and add it. name: for errors, such as "layers[2]"."""
        if self.unfinished is not None:
            entry, self.unfinished = self.unfinished.finished_by(entry, name), None
        if isinstance(entry, Block):
            entry.append_to(self, name)
            return
        if not isinstance(entry, Layer):
            raise TypeError(f"{name} must be an int or a layer spec, got {_checks.described(entry)}")
        spec = entry.checked(name, self.dtype)
        if max(spec.reads) > len(self.shapes):
            raise ValueError(f"back of {name} must be at most {len(self.shapes)}, got {max(spec.reads)}")
        try:
            shape = spec.joins(*(self.shapes[-back] for back in spec.reads))
            _checks.integer("its units", math.prod(shape), 1, MOST_UNITS)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if spec.unfinished:
            self.unfinished = spec
        else:
            self.shapes.append(shape)
            self.specs.append(spec)


class Block:
    """An entry of MLP's list that stands for several layers."""

    def with_specs(self, spec_of: Callable[[Any], Any]) -> Self:
        """The block with each of its entries replaced by spec_of(entry)."""
        raise NotImplementedError

    def append_to(self, stack: Stack, name: str) -> None:
        """Add its layers to a stack. name: of the block, for errors."""
        raise NotImplementedError
