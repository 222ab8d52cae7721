"""A network in the form that all formats use: a node for each layer, with its sources and its weights in the file's
dtype."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks, _core
from .._types import Floats, Shape
from ..layers import Layer
from ..model import MLP


@dataclass(frozen=True)
class Node:
    """A layer.

    number: l, 1 the first. layer: its spec. sources: numbers of the layers that it reads, 0 the input. shapes: theirs,
    and shape its own, of one row. W, b: None where it has none. statistics: (2, channels), running means and variances,
    None for layers without. activation: (name, argument).
    """

    number: int
    layer: Layer
    sources: tuple[int, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    W: Floats | None
    b: Floats | None
    statistics: Floats | None
    activation: tuple[str, float]

    @property
    def window(self) -> Shape:
        """For a layer with a window: h, w, c, then as pairs the kernel, strides, paddings before the map, dilations and
        numbers of positions."""
        return self.layer.window(self.shapes[0])  # type: ignore[attr-defined]

    @property
    def theta(self) -> tuple[str, float]:
        """For a mixture or a gate: (name, argument) of its inner activation."""
        return _checks.named("theta", getattr(self.layer, "theta", "relu"), _core.ACTIVATIONS)

    @property
    def size(self) -> int:
        """The number of units."""
        return math.prod(self.shape)


def nodes_of(net: MLP, dtype: Any = None) -> list[Node]:
    """A node for each layer of a network. dtype: of the numbers, None for the network's.

    ValueError if a weight is not finite, also after conversion to dtype.
    """
    net._network.parameters.require_finite()
    wanted = net.dtype if dtype is None else _checks.floating(dtype)
    nodes, statistics = [], net._network.core.statistics
    for l, layer in enumerate(net.layers, 1):
        sources = layer.sources(l)
        shapes = tuple(net.shapes[source] for source in sources)
        n = layer.n_statistics(shapes[0])
        own, statistics = statistics[:n], statistics[n:]
        nodes.append(Node(l, layer, sources, shapes, net.shapes[l], W=_as(wanted, f"W[{l}]", net.W[l]),
                          b=_as(wanted, f"b[{l}]", net.b[l]),
                          statistics=_as(wanted, "statistics", own.reshape(2, -1) if n else None),
                          activation=_checks.named("activation", layer.activation, _core.ACTIVATIONS)))
    return nodes


def last_readers(nodes: Sequence[Node]) -> dict[int, int]:
    """layer -> the last layer that reads it."""
    return {source: node.number for node in nodes for source in node.sources}


def _as(dtype: np.dtype[Any], name: str, values: Any) -> Any:
    if values is None:
        return None
    with np.errstate(over="ignore"):
        held = np.asarray(values, dtype)
    if not np.isfinite(held).all():
        raise ValueError(f"dtype must hold all weights, got {dtype.name}, in which {name} is infinite")
    return held
