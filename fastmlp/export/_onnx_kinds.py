"""What each kind of layer becomes in ONNX: functions of (graph, the layer's node, the values that it reads), which
write operators and return the value of the layer, before its activation.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .._types import Shape
from ._nodes import Node

TO_ONNX = (3, 2, 0, 1)  # the axes of W, (kh, kw, c_in, c_out), in ONNX's order
TO_MAPS, TO_ROWS = (0, 3, 1, 2), (0, 2, 3, 1)
INT64 = 7  # ONNX's number of the type
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # Klambauer et al. 2017
ERFC_MOST, ERFC_DEGREE = 30.0, 24  # above it erfc is 0; degree of a polynomial as accurate as float64


class Graph(Protocol):
    """The graph to which operators are written."""

    dtype: np.dtype[Any]

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Write an operator; returns the name of its output, or of the last of several."""

    def constant(self, values: Any, name: str | None = None) -> str:
        """Write an array; returns its name, which is `name` if that is free."""

    def weights(self, W: Any, name: str, axes: Sequence[int]) -> str:
        """Write a weight matrix or filter, stored as the model stores weights, with axes in this order; returns its
        name."""


class Value:
    """The value of a layer: rows (n, d), or maps in ONNX's order, (n, c, h, w); each is made from the other when first
    needed.

    shape: (h, w, c) of a map, (d,) of rows.
    """

    def __init__(self, graph: Graph, shape: Shape, rows: str | None = None, maps: str | None = None) -> None:
        self.graph, self.shape, self._rows, self._maps = graph, shape, rows, maps

    def rows(self) -> str:
        if self._rows is None:
            last = self.graph.op("Transpose", str(self._maps), perm=TO_ROWS)
            self._rows = reshaped(self.graph, last, (math.prod(self.shape),))
        return self._rows

    def maps(self) -> str:
        if self._maps is None:
            shape = (1, *self.shape) if len(self.shape) == 2 else self.shape
            self._maps = self.graph.op("Transpose", reshaped(self.graph, str(self._rows), shape), perm=TO_MAPS)
        return self._maps

    def through(self, function: Any) -> Value:
        """The value after an elementwise function. function: from a name to a name."""
        if self._maps is not None:
            return Value(self.graph, self.shape, maps=function(self._maps))
        return Value(self.graph, self.shape, rows=function(self.rows()))


def reshaped(graph: Graph, x: str, shape: Shape) -> str:
    """x with rows of a shape."""
    return graph.op("Reshape", x, graph.constant(np.array([-1, *shape], np.int64)))


# ---- kinds


def dense(graph: Graph, node: Node, x: Value) -> Value:
    assert node.W is not None
    W, b = weights(graph, node, node.W)
    if node.W.ndim == 3:  # (groups, d_in, d_out) of each
        apart = reshaped(graph, x.rows(), (len(node.W), 1, node.W.shape[1]))
        out = reshaped(graph, graph.op("MatMul", apart, W), node.shape)
        return Value(graph, node.shape, rows=graph.op("Add", out, b) if b else out)
    out = graph.op("Gemm", x.rows(), W, b) if b else graph.op("MatMul", x.rows(), W)
    return Value(graph, node.shape, rows=out)


def columns(graph: Graph, node: Node, x: Value) -> Value:
    """the numbers, and for each category a row of its table"""
    spec: Any = node.layer
    rows, (d,) = x.rows(), node.shapes[0]
    parts = [cut(graph, rows, 0, spec.numeric, 1)] if spec.numeric else []
    tables = [] if node.W is None else spec.tables(node.W)
    for k, table in enumerate(tables):
        column = d - len(tables) + k
        W = graph.weights(table, f"W.{node.number}.{k}", (0, 1))
        parts.append(row_of_table(graph, cut(graph, rows, column, column + 1, 1), W, *table.shape))
    return Value(graph, node.shape, rows=graph.op("Concat", *parts, axis=1))


def row_of_table(graph: Graph, category: str, table: str, n: int, units: int) -> str:
    """A category's row of a table (n, units); zeros for unknown categories."""
    least, most = (number(graph, float(end)) for end in (0, n))
    inside = graph.op("And", graph.op("GreaterOrEqual", category, least), graph.op("Less", category, most))
    known = graph.op("And", inside, graph.op("Equal", category, graph.op("Floor", category)))
    place = graph.op("Cast", graph.op("Where", known, category, least), to=INT64)
    return graph.op("Where", known, reshaped(graph, graph.op("Gather", table, place, axis=0), (units,)), least)


def cut(graph: Graph, x: str, begin: int, end: int, axis: int) -> str:
    """Elements begin .. end of x along an axis."""
    return graph.op("Slice", x, *(graph.constant(np.array([i])) for i in (begin, end, axis)))


def same(graph: Graph, node: Node, x: Value) -> Value:
    """For layers that do nothing in prediction."""
    return x


def flatten(graph: Graph, node: Node, x: Value) -> Value:
    return Value(graph, node.shape, rows=x.rows())


def add(graph: Graph, node: Node, x: Value, other: Value) -> Value:
    if len(node.shape) > 1:
        return Value(graph, node.shape, maps=graph.op("Add", x.maps(), other.maps()))
    return Value(graph, node.shape, rows=graph.op("Add", x.rows(), other.rows()))


def join(graph: Graph, node: Node, x: Value, other: Value) -> Value:
    """other and x concatenated"""
    if len(node.shape) > 1:
        return Value(graph, node.shape, maps=graph.op("Concat", other.maps(), x.maps(), axis=1))
    return Value(graph, node.shape, rows=graph.op("Concat", other.rows(), x.rows(), axis=1))


def affine(graph: Graph, node: Node, x: Value) -> Value:
    """gamma x + beta, by features, as far as there are both"""
    return by_features(x, lambda name: moved(graph, node, name))


def row_norm(graph: Graph, node: Node, x: Value) -> Value:
    """gamma x^ + beta, with x^ normalised over the features of a row, or for maps the channels of a position; centred
    or not"""
    spec: Any = node.layer

    def normalised(name: str) -> str:
        if spec.centred:
            name = graph.op("Sub", name, graph.op("ReduceMean", name, axes=[1]))
        square = graph.op("ReduceMean", graph.op("Mul", name, name), axes=[1])
        root = graph.op("Sqrt", graph.op("Add", square, number(graph, spec.eps)))
        return moved(graph, node, graph.op("Div", name, root))

    return by_features(x, normalised)


def by_features(x: Value, function: Any) -> Value:
    """The value after a function, from a name to a name, that works along the features: axis 1, units or channels."""
    if len(x.shape) > 1:
        return Value(x.graph, x.shape, maps=function(x.maps()))
    return Value(x.graph, x.shape, rows=function(x.rows()))


def moved(graph: Graph, node: Node, x: str) -> str:
    """gamma x + beta, of maps by channels."""
    by_channels = (-1,) + (1,) * (2 if len(node.shape) > 1 else 0)
    for kind, name, values in (("Mul", "W", node.W), ("Add", "b", node.b)):
        if values is not None:
            x = graph.op(kind, x, graph.constant(values.reshape(by_channels), f"{name}.{node.number}"))
    return x


def batch_norm(graph: Graph, node: Node, x: Value) -> Value:
    """eps is added to the variances by a separate operator, since attributes are float32."""
    assert node.statistics is not None
    gamma, beta = weights(graph, node, node.W)
    mean = graph.constant(node.statistics[0], f"mean.{node.number}")
    eps = node.layer.eps  # type: ignore[attr-defined]
    var = graph.op("Add", graph.constant(node.statistics[1], f"var.{node.number}"), number(graph, eps))

    def normalised(name: str) -> str:
        return graph.op("BatchNormalization", name, gamma, beta, mean, var, epsilon=0.0)

    return by_features(x, normalised)


def prelu(graph: Graph, node: Node, x: Value) -> Value:
    return by_features(x, lambda name: graph.op("PRelu", name, share(graph, node)))


def mixture(graph: Graph, node: Node, x: Value, theta: Any) -> Value:
    """x + a (theta(x) - x)"""

    def mixed(name: str) -> str:
        rest = graph.op("Sub", theta(name), name)
        return graph.op("Add", name, graph.op("Mul", rest, share(graph, node)))

    return by_features(x, mixed)


def share(graph: Graph, node: Node) -> str:
    """W of a layer with a number for each feature, shaped to be broadcast over positions."""
    assert node.W is not None
    by_channels = (-1,) + (1,) * (2 if len(node.shape) > 1 else 0)
    return graph.constant(node.W.reshape(by_channels), f"W.{node.number}")


def glu(graph: Graph, node: Node, x: Value, theta: Any) -> Value:
    """b theta(c), of the halves of the features"""
    n = node.shape[-1]

    def gated(name: str) -> str:
        ends = [graph.constant(np.array([i * n], np.int64)) for i in range(3)]
        b, c = (graph.op("Slice", name, *pair, graph.constant(np.array([1]))) for pair in zip(ends, ends[1:]))
        return graph.op("Mul", b, theta(c))

    maps = len(x.shape) > 1
    out = gated(x.maps() if maps else x.rows())
    return Value(graph, node.shape, maps=out) if maps else Value(graph, node.shape, rows=out)


def waves(graph: Graph, node: Node, x: Value) -> Value:
    """cos(2 pi x) and sin(2 pi x), by groups"""
    spec: Any = node.layer
    turns = graph.op("Sub", x.rows(), graph.op("Round", x.rows()))
    angle = graph.op("Mul", turns, number(graph, 2 * math.pi))
    cos = graph.op("Cos", angle)
    if not spec.sine:
        return Value(graph, node.shape, rows=cos)
    apart = [reshaped(graph, name, (spec.groups, node.size // spec.groups // 2))
             for name in (cos, graph.op("Sin", angle))]
    return Value(graph, node.shape, rows=reshaped(graph, graph.op("Concat", *apart, axis=2), node.shape))


def bins(graph: Graph, node: Node, x: Value) -> Value:
    """W^T e + b, e the piecewise linear encoding by bins: for each bin the position of x in it, limited to 0 .. 1
    except at the first and last edge of a feature."""
    lower, slope, least, most, feature = bin_columns(node, graph.dtype)
    each = graph.op("Gather", x.rows(), graph.constant(feature), axis=1)
    part = graph.op("Mul", graph.op("Sub", each, graph.constant(lower)), graph.constant(slope))
    held = graph.op("Min", graph.op("Max", part, graph.constant(least)), graph.constant(most))
    W, b = weights(graph, node, node.W)
    out = graph.op("Gemm", held, W, b) if b else graph.op("MatMul", held, W)
    return Value(graph, node.shape, rows=out)


def bin_columns(node: Node, dtype: Any) -> tuple[Any, ...]:
    """An encoding by bins as arrays with an element for each bin, of dtype: lower edge, 1 / width, lower and upper
    limit of the encoding; and the bin's feature."""
    edges = [np.asarray(feature, np.float64) for feature in node.layer.edges]  # type: ignore[attr-defined]
    lower = np.concatenate([feature[:-1] for feature in edges])
    slope = np.concatenate([1 / np.diff(feature) for feature in edges])
    feature = np.repeat(np.arange(len(edges)), [len(each) - 1 for each in edges])
    ends = np.diff(feature, prepend=-1, append=-1) != 0
    least, most = np.where(ends[:-1], -np.inf, 0.0), np.where(ends[1:], np.inf, 1.0)
    return *(a.astype(dtype) for a in (lower, slope, least, most)), feature


def conv(graph: Graph, node: Node, x: Value) -> Value:
    assert node.W is not None
    if graph.dtype == np.float64:
        return Value(graph, node.shape, rows=product_of_windows(graph, node, x, node.W.reshape(-1, node.shape[-1])))
    W = node.W if node.W.ndim == 4 else node.W[None]
    names = [name for name in weights(graph, node, W, TO_ONNX) if name]
    dilations = node.window[9:11]
    return Value(graph, node.shape, maps=graph.op("Conv", x.maps(), *names, dilations=dilations, **window(node)))


def product_of_windows(graph: Graph, node: Node, x: Value, matrix: Any) -> str:
    """A convolution in float64, for which onnxruntime has no Conv: each window times W, (kh kw c_in, filters)."""
    W, b = weights(graph, node, matrix)
    by_position = reshaped(graph, windows(graph, node, x), (math.prod(node.window[-2:]), len(matrix)))
    out = graph.op("MatMul", by_position, W)
    return reshaped(graph, graph.op("Add", out, b) if b else out, (node.size,))


def max_pool(graph: Graph, node: Node, x: Value) -> Value:
    """The map is padded by a separate operator: onnx.reference confuses the sides of MaxPool's own pads."""
    maps, attributes = x.maps(), window(node)
    top, left, bottom, right = attributes["pads"]
    if any(attributes["pads"]):
        around = graph.constant(np.array([0, 0, top, left, 0, 0, bottom, right]))
        maps = graph.op("Pad", maps, around, number(graph, -np.inf))
        attributes["pads"] = [0] * 4
    return Value(graph, node.shape, maps=graph.op("MaxPool", maps, **attributes))


def avg_pool(graph: Graph, node: Node, x: Value) -> Value:
    if graph.dtype == np.float64:  # where onnxruntime has no AveragePool
        means = graph.op("ReduceMean", windows(graph, node, x), axes=[2], keepdims=0)
        return Value(graph, node.shape, rows=reshaped(graph, means, (node.size,)))
    means = graph.op("AveragePool", x.maps(), count_include_pad=1, **window(node))
    return Value(graph, node.shape, maps=means)


def global_avg_pool(graph: Graph, node: Node, x: Value) -> Value:
    return Value(graph, node.shape, rows=graph.op("ReduceMean", x.maps(), axes=[2, 3], keepdims=0))


def weights(graph: Graph, node: Node, W: Any, axes: Sequence[int] | None = None) -> tuple[str, str]:
    """The names of W, with its axes in this order, and of b, or "" if there is none."""
    W = graph.weights(W, f"W.{node.number}", axes or range(W.ndim))
    return W, "" if node.b is None else graph.constant(node.b, f"b.{node.number}")


def window(node: Node) -> dict[str, Any]:
    """The window that a layer slides, as attributes."""
    h, w, _, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow = node.window
    ends = [max((o - 1) * s + d * (k - 1) + 1 - n - p, 0)
            for o, s, d, k, n, p in ((oh, sh, dh, kh, h, ph), (ow, sw, dw, kw, w, pw))]
    return {"kernel_shape": [kh, kw], "strides": [sh, sw], "pads": [ph, pw, *ends]}


def windows(graph: Graph, node: Node, x: Value) -> str:
    """The elements in a layer's windows, (n, positions, kh kw, channels), with zeros outside of the map."""
    h, w, c, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow = node.window
    rows, columns = (np.arange(o)[:, None] * s - p + np.arange(k) * d
                     for o, s, p, k, d in ((oh, sh, ph, kh, dh), (ow, sw, pw, kw, dw)))
    row, column = rows[:, None, :, None], columns[None, :, None, :]
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    places = np.where(inside, row * w + column, h * w).reshape(oh * ow, kh * kw)
    maps = reshaped(graph, x.rows(), (h * w, c))
    if not inside.all():  # a place of zeros comes after those of the map
        maps = graph.op("Pad", maps, graph.constant(np.array([0, 0, 0, 0, 1, 0])), number(graph, 0.0))
    return graph.op("Gather", maps, graph.constant(places), axis=1)


# ---- activations for which ONNX has no operator, or one whose argument is float32, or one that onnxruntime has only in
# float32: Elu, Erf, Softplus and Softsign


def number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, graph.dtype))


def leaky_relu(graph: Graph, s: str, a: float) -> str:
    return graph.op("PRelu", s, graph.constant(np.array([a], graph.dtype)))


def elu(graph: Graph, s: str, a: float) -> str:
    """relu(s) + a (e^min(s, 0) - 1)"""
    below = less_one(graph, graph.op("Min", s, number(graph, 0.0)))
    return graph.op("Add", graph.op("Relu", s), graph.op("Mul", below, number(graph, a)))


def less_one(graph: Graph, x: str) -> str:
    """e^x - 1 for x <= 0; in float64 as 2 t / (1 - t) with t = tanh(x/2), which is accurate near 0"""
    if graph.dtype == np.float32:
        return graph.op("Elu", x)
    t = graph.op("Tanh", graph.op("Mul", x, number(graph, 0.5)))
    return graph.op("Div", graph.op("Add", t, t), graph.op("Sub", number(graph, 1.0), t))


def selu(graph: Graph, s: str, a: float) -> str:
    return graph.op("Mul", elu(graph, s, SELU_ALPHA), number(graph, SELU_SCALE))


def gelu(graph: Graph, s: str, a: float) -> str:
    """s/2 (1 + erf(s / sqrt(2))) = s/2 erfc(-s / sqrt(2))"""
    half = graph.op("Mul", s, number(graph, 0.5))
    if graph.dtype == np.float32:
        erf = graph.op("Erf", graph.op("Mul", s, number(graph, math.sqrt(0.5))))
        return graph.op("Mul", half, graph.op("Add", erf, number(graph, 1.0)))
    return graph.op("Mul", half, erfc(graph, graph.op("Mul", s, number(graph, -math.sqrt(0.5)))))


def erfc(graph: Graph, x: str) -> str:
    """1 - erf(x); of x >= 0 it is e^(-x^2) / (1 + 2x) times a polynomial in u = (x - 3.75) / (x + 3.75) (Shepherd and
    Laframboise 1981), of others 2 - erfc(-x)."""
    at = graph.op("Min", graph.op("Abs", x), number(graph, ERFC_MOST))
    shift = number(graph, 3.75)
    u = graph.op("Div", graph.op("Sub", at, shift), graph.op("Add", at, shift))
    *lower, highest = erfc_polynomial()
    value = number(graph, highest)
    for coefficient in reversed(lower):
        value = graph.op("Add", graph.op("Mul", value, u), number(graph, coefficient))
    exponential = graph.op("Exp", graph.op("Neg", graph.op("Mul", at, at)))
    scale = graph.op("Div", exponential, graph.op("Add", graph.op("Add", at, at), number(graph, 1.0)))
    above = graph.op("Mul", value, scale)
    below = graph.op("Sub", number(graph, 2.0), above)
    return graph.op("Where", graph.op("Less", x, number(graph, 0.0)), below, above)


@functools.cache
def erfc_polynomial() -> tuple[float, ...]:
    """The coefficients, from that of u^0 on, of (1 + 2x) e^(x^2) erfc(x), x = 3.75 (1 + u) / (1 - u)."""
    from numpy.polynomial import chebyshev
    from scipy.special import erfcx

    def interpolated(u: Any) -> Any:
        x = 3.75 * (1 + u) / (1 - u)
        return (1 + 2 * x) * erfcx(x)

    return tuple(chebyshev.cheb2poly(chebyshev.chebinterpolate(interpolated, ERFC_DEGREE)).tolist())


def silu(graph: Graph, s: str, a: float) -> str:
    return graph.op("Mul", s, graph.op("Sigmoid", s))


def softplus(graph: Graph, s: str, a: float) -> str:
    """relu(s) + log(1 + e^-|s|), which cannot overflow"""
    small = graph.op("Neg", graph.op("Abs", s))
    if graph.dtype == np.float32:
        rest = graph.op("Softplus", small)
    else:
        rest = graph.op("Log", graph.op("Add", graph.op("Exp", small), number(graph, 1.0)))
    return graph.op("Add", graph.op("Relu", s), rest)


def softsign(graph: Graph, s: str, a: float) -> str:
    """s / (1 + |s|)"""
    if graph.dtype == np.float32:
        return graph.op("Softsign", s)
    return graph.op("Div", s, graph.op("Add", graph.op("Abs", s), number(graph, 1.0)))


def relu6(graph: Graph, s: str, a: float) -> str:
    return graph.op("Clip", s, number(graph, 0.0), number(graph, 6.0))


def hard_swish(graph: Graph, s: str, a: float) -> str:
    """s relu6(s + 3) / 6"""
    above = relu6(graph, graph.op("Add", s, number(graph, 3.0)), a)
    return graph.op("Mul", s, graph.op("Mul", above, number(graph, 1 / 6)))


def mish(graph: Graph, s: str, a: float) -> str:
    return graph.op("Mul", s, graph.op("Tanh", softplus(graph, s, a)))


# ---- links


def increasing(graph: Graph, x: str, each: int) -> str:
    """for each target, x of its first output; for the others that plus the sum of softplus(x) up to them"""
    if each == 1:
        return graph.op("Identity", x)
    by_target = reshaped(graph, x, (each,))
    rises = softplus(graph, cut(graph, by_target, 1, each, 1), 0.0)
    parts = graph.op("Concat", cut(graph, by_target, 0, 1, 1), rises, axis=1)
    return graph.op("Reshape", graph.op("CumSum", parts, graph.constant(np.array(1))), graph.op("Shape", x))
