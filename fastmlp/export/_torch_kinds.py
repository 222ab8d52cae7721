"""What each kind of layer becomes in PyTorch: functions of (namespace with the modules, the layer's node), which return
the modules that compute the layer, before its activation. Maps are (n, c, h, w) there, or (n, c, length).
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._nodes import Node
from ._onnx_kinds import TO_ONNX, bin_columns


@dataclass(frozen=True)
class Module:
    """A module without weights. name: of its class. argument: its name for the activation's number, if it has one.
    more: its other arguments."""

    name: str
    argument: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def make(self, nn: Any, number: float = 0.0) -> Any:
        return getattr(nn, self.name)(**({self.argument: number} if self.argument else {}), **self.more)


def dense(nn: Any, node: Node) -> list[Any]:
    assert node.W is not None
    if node.W.ndim == 3:
        return [*rows(nn, node), nn.Grouped(node.W, node.b)]
    made = nn.Linear(*node.W.shape, bias=node.b is not None, dtype=nn.dtype_of(node.W))
    return [*rows(nn, node), nn.loaded(made, weight=node.W.T, bias=node.b)]


def columns(nn: Any, node: Node) -> list[Any]:
    spec: Any = node.layer
    tables = [] if node.W is None else spec.tables(node.W)
    return [nn.Columns(node.shapes[0][0], spec.numeric, tables, [table.unknown for table in spec.categories])]


def same(nn: Any, node: Node) -> list[Any]:
    return [nn.Identity()]


def activation(nn: Any, node: Node) -> list[Any]:
    """No module: the activation follows; but an identity module if there is no activation."""
    return same(nn, node) if node.activation[0] == "identity" else []


def join(nn: Any, node: Node) -> list[Any]:
    return [nn.Join()]


def features(nn: Any, node: Node) -> list[Any]:
    """The module <name of the layer>Features."""
    return [getattr(nn, f"{type(node.layer).__name__}Features")(node.W, node.b, getattr(node.layer, "eps", 0.0))]


def flatten(nn: Any, node: Node) -> list[Any]:
    return [nn.FlattenMaps()]


def rows(nn: Any, node: Node) -> list[Any]:
    """A module that flattens maps, if the layer reads maps."""
    return [nn.Rows()] * (len(node.shapes[0]) > 1)


def dropout(nn: Any, node: Node) -> list[Any]:
    """A Dropout module; for a schedule with the rate of epoch 0."""
    return [nn.Dropout(node.layer.rate_at(0))]  # type: ignore[attr-defined]


def add(nn: Any, node: Node) -> list[Any]:
    return [nn.Add()]


def batch_norm(nn: Any, node: Node) -> list[Any]:
    assert node.statistics is not None
    mean, var = node.statistics
    spec: Any = node.layer
    of_maps = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d}[len(node.shape)]
    made = of_maps(len(mean), spec.eps, spec.momentum, dtype=nn.dtype_of(mean))
    return [nn.loaded(made, weight=node.W, bias=node.b, running_mean=mean, running_var=var)]


def prelu(nn: Any, node: Node) -> list[Any]:
    assert node.W is not None
    return [nn.loaded(nn.PReLU(len(node.W), dtype=nn.dtype_of(node.W)), weight=node.W)]


def mixture(nn: Any, node: Node, theta: Any) -> list[Any]:
    return [nn.Mixture(node.W, theta)]


def glu(nn: Any, node: Node, theta: Any) -> list[Any]:
    return [nn.GLU(1) if node.theta[0] == "sigmoid" else nn.Gate(theta)]


def waves(nn: Any, node: Node) -> list[Any]:
    spec: Any = node.layer
    return [*rows(nn, node), nn.Waves(spec.groups, spec.sine)]


def bins(nn: Any, node: Node) -> list[Any]:
    assert node.W is not None
    spec: Any = node.layer
    return [*rows(nn, node), nn.PiecewiseLinear(spec.edges, bin_columns(node, node.W.dtype), node.W, node.b)]


def conv(nn: Any, node: Node) -> list[Any]:
    assert node.W is not None
    axes = len(node.shape) - 1
    W = node.W.transpose(TO_ONNX if axes == 2 else (2, 1, 0))
    padding, around = paddings(node)
    made = by_axes(nn, "Conv", axes)(W.shape[1], W.shape[0], W.shape[2:], strides(node), padding, dilations(node),
                                     bias=node.b is not None, dtype=nn.dtype_of(W))
    return [*padded(nn, around, 0.0), nn.loaded(made, weight=W, bias=node.b)]


def max_pool(nn: Any, node: Node) -> list[Any]:
    padding, around = paddings(node)
    made = by_axes(nn, "MaxPool", len(node.shape) - 1)(kernel(node), strides(node), padding)
    return [*padded(nn, around, -np.inf), made]


def avg_pool(nn: Any, node: Node) -> list[Any]:
    padding, around = paddings(node)
    made = by_axes(nn, "AvgPool", len(node.shape) - 1)(kernel(node), strides(node), padding)
    return [*padded(nn, around, 0.0), made]


def global_avg_pool(nn: Any, node: Node) -> list[Any]:
    return [by_axes(nn, "AdaptiveAvgPool", len(node.shapes[0]) - 1)(1), nn.Flatten()]


# ---- windows


def by_axes(nn: Any, name: str, axes: int) -> Any:
    return getattr(nn, f"{name}{axes}d")


def numbers(node: Node, pair: int) -> tuple[int, ...]:
    """A pair of the window's numbers; for maps of one axis only its second element."""
    first = 3 + 2 * pair
    return node.window[first + 2 - (len(node.shapes[0]) - 1):first + 2]


def kernel(node: Node) -> tuple[int, ...]:
    return numbers(node, 0)


def strides(node: Node) -> tuple[int, ...]:
    return numbers(node, 1)


def dilations(node: Node) -> tuple[int, ...]:
    return numbers(node, 3)


def paddings(node: Node) -> tuple[tuple[int, ...], list[int]]:
    """(zeros on both sides by axis, []), or if the sides differ (no zeros, [zeros before and after the last axis, then
    for the one before it])."""
    before, positions = numbers(node, 2), numbers(node, 4)
    after = [max((o - 1) * s + d * (k - 1) + 1 - n - p, 0) for o, s, d, k, n, p in
             zip(positions, strides(node), dilations(node), kernel(node), node.shapes[0], before)]
    fits = node.W is not None or all(2 * b <= k for b, k in zip(before, kernel(node)))  # of pools at most half
    if fits and all(b >= a for a, b in zip(after, before)):
        return before, []
    return (0,) * len(before), [n for pair in reversed([*zip(before, after)]) for n in pair]


def padded(nn: Any, around: list[int], value: float) -> list[Any]:
    return [by_axes(nn, "ConstantPad", len(around) // 2)(tuple(around), value)] if around else []
