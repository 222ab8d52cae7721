"""Turn the list of layers that `MLP` takes into checked specs: an int means a Dense layer, a block several layers."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import _checks
from ._types import Shape
from .layers import MOST_UNITS, Block, Dense, Layer, Stack, checked_activation, map_shape

MOST_WEIGHTS = 2**48  # largest number of weights of a network; more than fits into memory


def input_shape(entry: Any) -> Shape:
    """The first entry of the constructor's list as a shape."""
    if isinstance(entry, (tuple, list)):
        return map_shape(entry)
    return (_checks.integer("layers[0]", entry, 1, MOST_UNITS),)


def entries_to_specs(entries: Any, activation: Any, init: Any) -> list[Any]:
    """The constructor's list with ints replaced by specs."""
    if isinstance(entries, np.ndarray) and entries.ndim == 1 and entries.dtype.kind in "iu":
        entries = entries.tolist()
    if not isinstance(entries, (list, tuple)):
        raise TypeError(f"layers must be a list such as [64, 100, 10], got {_checks.described(entries)}")
    if len(entries) < 2:
        raise ValueError(f"layers must have an input and at least one layer, got {_checks.described(entries)}")
    checked_activation("activation", activation)
    first, *hidden, last = entries
    return [first, *(with_specs(entry, activation, init) for entry in hidden), with_specs(last, "identity", init)]


def with_specs(entry: Any, activation: Any, init: Any) -> Any:
    """An entry of the list, with ints replaced by Dense specs, also inside blocks."""
    if _checks.is_integer(entry):
        return Dense(int(entry), activation, init=init)
    if isinstance(entry, Block):
        return entry.with_specs(lambda inner: with_specs(inner, activation, init))
    return entry


def checked_layers(entries: Sequence[Any], dtype: DTypeLike) -> tuple[tuple[Shape, ...], tuple[Layer, ...]]:
    """(shapes of x(0) .. x(L), a checked spec for each layer). entries: the input, an int, a shape or Columns; then
    specs."""
    first = entries[0]
    columns = isinstance(first, Layer)
    stack = Stack(first.as_input("layers[0]", dtype) if columns else input_shape(first), dtype)
    for i, entry in enumerate(entries):
        if i > 0 or columns:
            stack.append(entry, f"layers[{i}]")
    shapes, specs = stack.shapes, stack.specs
    if stack.unfinished is not None or not isinstance(specs[-1], Dense):
        last = specs[-1] if isinstance(entries[-1], Dense) else entries[-1]
        raise ValueError(f"the last of layers must be a Dense layer or an int, got {_checks.described(last)}")
    weights = [spec.weights(shapes[spec.sources(l)[0]]) for l, spec in enumerate(specs, 1)]
    _checks.integer("the weights of layers", sum(math.prod(W) for W in weights if W is not None), 1, MOST_WEIGHTS)
    unread = {*range(len(specs))}.difference(*(spec.sources(l) for l, spec in enumerate(specs, 1)))
    if unread:
        raise ValueError(f"each of layers must be read by a later one, got none that reads x({min(unread)})")
    _check_readers_of_columns(shapes[0], specs)
    return tuple(shapes), tuple(specs)


def _check_readers_of_columns(shape: Shape, specs: Sequence[Layer]) -> None:
    """ValueError if Columns reads anything but the input, or another layer reads the input's categories."""
    n = max(spec.n_categories for spec in specs)
    of_input = {0}  # the input, and layers that equal it
    for l, spec in enumerate(specs, 1):
        reads = not of_input.isdisjoint(spec.sources(l))
        if spec.kind == "columns":
            if not reads:
                raise ValueError(f"Columns must read the input, got layer {l}, {spec.brief()}, which does not")
            if n and spec.numeric > shape[0] - n:  # type: ignore[attr-defined]
                raise ValueError(f"numeric of layer {l} must be at most {shape[0] - n}, since the last {n} columns are "
                                 f"categories, got {spec.brief()}")
        elif spec.kind == "identity" and spec.activation == "identity" and reads:
            of_input.add(l)
        elif n and reads:
            raise ValueError(f"categories of the input must be read by Columns alone, got layer {l}, {spec.brief()}")
