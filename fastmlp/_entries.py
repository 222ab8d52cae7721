"""The list of layers that `MLP` takes: an int stands for a Dense layer, a block for several layers."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import _checks, _core
from ._types import Shape
from .layers import (
    LIMITS,
    MOST_UNITS,
    Add,
    Concat,
    Dense,
    Identity,
    Join,
    Layer,
    Projection,
    Residual,
    map_shape,
)

MOST_WEIGHTS = 2**48  # of a network; more than there is memory for


def input_shape(entry: Any) -> Shape:
    """The first entry of the constructor's list as a shape."""
    if isinstance(entry, (tuple, list)):
        return map_shape(entry)
    return (_checks.integer("layers[0]", entry, 1, MOST_UNITS),)


def entries_to_specs(entries: Any, activation: Any, init: Any) -> list[Any]:
    """The constructor's list with a spec in the place of each int."""
    if isinstance(entries, np.ndarray) and entries.ndim == 1 and entries.dtype.kind in "iu":
        entries = entries.tolist()
    if not isinstance(entries, (list, tuple)):
        raise TypeError(f"layers must be a list such as [64, 100, 10], got {_checks.described(entries)}")
    if len(entries) < 2:
        raise ValueError(f"layers must have an input and at least one layer, got {_checks.described(entries)}")
    _checks.named("activation", activation, _core.ACTIVATIONS, LIMITS)
    first, *hidden, last = entries
    return [first, *(with_specs(entry, activation, init) for entry in hidden), with_specs(last, "identity", init)]


def with_specs(entry: Any, activation: Any, init: Any) -> Any:
    """An entry of the list with a Dense spec in the place of an int, in a Residual or a Concat too."""
    if _checks.is_integer(entry):
        return Dense(int(entry), activation, init=init)
    if isinstance(entry, Concat):
        return Concat(*([with_specs(inner, activation, init) for inner in branch] for branch in entry.branches))
    if isinstance(entry, Residual):
        return Residual(*(with_specs(inner, activation, init) for inner in entry.layers), project=entry.project)
    return entry


def checked_layers(entries: Sequence[Any], dtype: DTypeLike) -> tuple[tuple[Shape, ...], tuple[Layer, ...]]:
    """(shapes of x(0) .. x(L), a checked spec for each layer) of the input, an int or a shape, and specs."""
    shapes: list[Shape] = [input_shape(entries[0])]
    specs: list[Layer] = []
    for i, entry in enumerate(entries[1:], 1):
        _append(entry, f"layers[{i}]", shapes, specs, dtype)
    if not isinstance(specs[-1], Dense):
        raise ValueError(f"the last of layers must be a Dense layer or an int, got {_checks.described(entries[-1])}")
    weights = [spec.weights(shapes[l - spec.reads[0]]) for l, spec in enumerate(specs, 1)]
    _checks.integer("the weights of layers", sum(math.prod(W) for W in weights if W is not None), 1, MOST_WEIGHTS)
    unread = {*range(len(specs))} - {l - back for l, spec in enumerate(specs, 1) for back in spec.reads}
    if unread:
        raise ValueError(f"each of layers must be read by a later one, got none that reads x({min(unread)})")
    return tuple(shapes), tuple(specs)


def _append(entry: Any, name: str, shapes: list[Shape], specs: list[Layer], dtype: DTypeLike) -> None:
    """Append an entry's layers, checked, and their shapes; errors call it by a name."""
    if isinstance(entry, Residual):
        _append_residual(entry, name, shapes, specs, dtype)
        return
    if isinstance(entry, Concat):
        _append_concat(entry, name, shapes, specs, dtype)
        return
    if not isinstance(entry, Layer):
        raise TypeError(f"{name} must be an int or a layer spec, got {_checks.described(entry)}")
    spec = entry.checked(name, dtype)
    if max(spec.reads) > len(shapes):
        raise ValueError(f"back of {name} must be at most {len(shapes)}, got {max(spec.reads)}")
    try:
        shapes.append(spec.joins(*(shapes[-back] for back in spec.reads)))
        _checks.integer("its units", math.prod(shapes[-1]), 1, MOST_UNITS)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    specs.append(spec)


def _append_residual(block: Residual, name: str, shapes: list[Shape], specs: list[Layer], dtype: DTypeLike) -> None:
    x = len(shapes) - 1  # the number of the layer that the block reads
    for i, inner in enumerate(block.layers):
        _append(inner, f"{name}.layers[{i}]", shapes, specs, dtype)
    if block.project:
        if len(shapes[-1]) > 1 or len(shapes[x]) > 1:
            raise ValueError(f"{name}: project must be False for maps, got shapes {shapes[x]} and {shapes[-1]}")
        _append(Projection(shapes[-1][0], back=len(shapes) - x), name, shapes, specs, dtype)
        x = len(shapes) - 2  # now it is W^T x and f(x) that are added
    _append(Add(len(shapes) - x), name, shapes, specs, dtype)


def _append_concat(block: Concat, name: str, shapes: list[Shape], specs: list[Layer], dtype: DTypeLike) -> None:
    x = joined = len(shapes) - 1  # the numbers of the layer that all branches read, and of what is joined so far
    for i, branch in enumerate(block.branches):
        if i > 0:
            _append(Identity(len(shapes) - x), name, shapes, specs, dtype)
        for k, inner in enumerate(branch):
            if not (isinstance(inner, Identity) and inner.back == 1):
                _append(inner, f"{name}.branches[{i}][{k}]", shapes, specs, dtype)
        if i > 0:
            _append(Join(len(shapes) - joined), name, shapes, specs, dtype)
        joined = len(shapes) - 1
