"""What each kind of layer becomes in C: functions of (file, the layer's node, the arrays that it reads), which write a
call of a function of c/layers.inc and return the array of the layer's values, before its activation.
"""
from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ._nodes import Node


class Source(Protocol):
    """The file to write to."""

    def array(self, name: str, values: Any) -> str:
        """A constant array; its name, NULL for None."""

    def weights(self, name: str, values: Any) -> tuple[str, str]:
        """Constant weights, as the file stores them; (their name, that of the units' factors or NULL)."""

    def weights_in_order(self, name: str, values: Any) -> tuple[str, str, str]:
        """The same for weights that are read sequentially, after the prefix of functions that read them: "sparse_" if
        zeros are omitted. Then the second array has a bit for each weight."""

    def integers(self, name: str, values: Any) -> str:
        """A constant array of sizes; its name."""

    def apply(self, activation: tuple[str, float], x: str, out: str, size: int) -> None:
        """out = an activation, (name, argument), of x, which may be out."""

    def window(self, name: str, numbers: Any) -> str:
        """A constant window; the address of it."""

    def room(self, node: Node) -> str:
        """The name of an array for the values of a layer."""

    def call(self, function: str, *arguments: Any) -> None:
        """A call of a function of the library's sources."""


def dense(file: Source, node: Node, x: str) -> str:
    assert node.W is not None
    *groups, d_in, d_out = node.W.shape
    kind, W, more = file.weights_in_order(f"W{node.number}", node.W)
    b, out = file.array(f"b{node.number}", node.b), file.room(node)
    if not groups and d_out == 1 and d_in > 1 and node.sources[0] > 0:  # where the engine has `dots`
        file.call(f"{kind}lone_unit", x, W, more, b, out, d_in)
    elif groups or kind:
        file.call(f"{kind}grouped", x, W, more, b, out, *(groups or [1]), d_in, d_out)
    else:
        file.call("dense", x, W, more, b, out, d_in, d_out)
    return out


def columns(file: Source, node: Node, x: str) -> str:
    spec: Any = node.layer
    out, at = file.room(node), spec.numeric
    if spec.numeric:
        file.call("numbers", x, out, spec.numeric)
    tables = [] if node.W is None else spec.tables(node.W)
    for k, table in enumerate(tables):
        W, factor = file.weights(f"W{node.number}_{k}", table)
        category = f"{x}[{node.shapes[0][0] - len(tables) + k}]"
        file.call("row_of_table", category, W, factor, f"{out} + {at}", *table.shape)
        at += table.shape[1]
    return out


def same(file: Source, node: Node, x: str) -> str:
    """For layers that do nothing in prediction, or only reshape maps, which are stored as rows anyway."""
    return x


def copy(file: Source, node: Node, x: str) -> str:
    """A copy of x, for an activation in place, since other layers may read x."""
    out = file.room(node)
    file.apply(("identity", 0.0), x, out, node.size)
    return out


def add(file: Source, node: Node, x: str, other: str) -> str:
    out = file.room(node)
    file.call("add", x, other, out, node.size)
    return out


def join(file: Source, node: Node, x: str, other: str) -> str:
    out, (n, m) = file.room(node), (shape[-1] for shape in node.shapes)
    file.call("join", other, x, out, node.size // (n + m), m, n)
    return out


def affine(file: Source, node: Node, x: str) -> str:
    gamma, beta, out = vectors(file, node)
    file.call("affine", x, gamma, beta, out, node.size // node.shape[-1], node.shape[-1])
    return out


def row_norm(file: Source, node: Node, x: str) -> str:
    spec: Any = node.layer
    gamma, beta, out = vectors(file, node)
    file.call("row_norm", x, gamma, beta, out, node.size // node.shape[-1], node.shape[-1], int(spec.centred), spec.eps)
    return out


def batch_norm(file: Source, node: Node, x: str) -> str:
    assert node.statistics is not None
    mean, var = node.statistics
    gamma, beta, out = vectors(file, node)
    scale = 1 / np.sqrt(var.astype(np.float64) + node.layer.eps)  # type: ignore[attr-defined]
    means, scales = (file.array(f"{name}{node.number}", values) for name, values in (("mean", mean), ("scale", scale)))
    file.call("normalise", x, means, scales, gamma, beta, out, node.size // len(mean), len(mean))
    return out


def mixture(file: Source, node: Node, x: str, from_theta: bool = False) -> str:
    """x + a (theta(x) - x); or theta(x) + a (x - theta(x))"""
    share, _, out = vectors(file, node)
    file.apply(node.theta, x, out, node.size)
    ends = (out, x) if from_theta else (x, out)
    file.call("blend", *ends, share, out, node.size // node.shape[-1], node.shape[-1])
    return out


def prelu(file: Source, node: Node, x: str) -> str:
    return mixture(file, node, x, from_theta=True)


def glu(file: Source, node: Node, x: str) -> str:
    out, n = file.room(node), node.shape[-1]
    file.call("second_half", x, out, node.size // n, n)
    file.apply(node.theta, out, out, node.size)
    file.call("gate", x, out, node.size // n, n)
    return out


def waves(file: Source, node: Node, x: str) -> str:
    spec: Any = node.layer
    out, n = file.room(node), node.size // spec.groups
    file.call("waves" if spec.sine else "cosines", x, out, spec.groups, n // 2 if spec.sine else n)
    return out


def bins(file: Source, node: Node, x: str) -> str:
    edges = [np.asarray(feature, np.float64) for feature in node.layer.edges]  # type: ignore[attr-defined]
    first = file.integers(f"first{node.number}", np.cumsum([0, *(len(feature) - 1 for feature in edges)]))
    ends = file.array(f"edges{node.number}", np.concatenate(edges))
    slope = file.array(f"slope{node.number}", np.concatenate([1 / np.diff(feature) for feature in edges]))
    W, factor = file.weights(f"W{node.number}", node.W)
    b, out = file.array(f"b{node.number}", node.b), file.room(node)
    file.call("bins", x, first, ends, slope, W, factor, b, out, len(edges), node.size)
    return out


def conv(file: Source, node: Node, x: str) -> str:
    kind, W, more = file.weights_in_order(f"W{node.number}", node.W)
    b, out = file.array(f"b{node.number}", node.b), file.room(node)
    file.call(f"{kind}conv", windows(file, node), x, W, more, b, out, node.shape[-1])
    return out


def max_pool(file: Source, node: Node, x: str) -> str:
    out = file.room(node)
    file.call("max_pool", windows(file, node), x, out)
    return out


def avg_pool(file: Source, node: Node, x: str) -> str:
    out = file.room(node)
    file.call("avg_pool", windows(file, node), x, out)
    return out


def vectors(file: Source, node: Node) -> tuple[str, str, str]:
    """The names of W and b, numbers by features, and of the values."""
    return file.array(f"W{node.number}", node.W), file.array(f"b{node.number}", node.b), file.room(node)


def windows(file: Source, node: Node) -> str:
    return file.window(f"window{node.number}", node.window)
