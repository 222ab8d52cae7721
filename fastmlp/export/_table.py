"""The tables of what each kind of layer, activation and link becomes in each format.

Activations have no column for C: the kernels' own formulas are used.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import _checks, layers
from . import _c_kinds as c
from . import _onnx_kinds as onnx
from . import _torch_kinds as torch
from ._torch_kinds import Module


@dataclass(frozen=True)
class Kind:
    """A kind of layer. onnx: (graph, node, values) -> value. c: (file, node, arrays) -> array. torch: (nn, node) -> a
    module."""

    onnx: Callable[..., onnx.Value]
    c: Callable[..., str]
    torch: Callable[..., Any]


@dataclass(frozen=True)
class Activation:
    """onnx: (graph, s, argument) -> x, names. torch: its module."""

    onnx: Callable[[onnx.Graph, str, float], str]
    torch: Module


@dataclass(frozen=True)
class Link:
    """onnx: (graph, x(L), outputs of each target) -> predictions, names. c: a function of x(L), in place, and d(L), or
    where it goes by targets of these and the outputs of each. torch: its module."""

    onnx: Callable[[onnx.Graph, str, int], str]
    c: str
    torch: Module
    by_targets: bool = False


def operator(kind: str) -> Callable[[onnx.Graph, str, float], str]:
    """An activation for which ONNX has an operator."""
    return lambda graph, s, a: graph.op(kind, s)


def with_theta(function: Callable[..., Any], column: str) -> Callable[..., Any]:
    """A kind's function, with the kind's inner activation as its last argument, from a column of ACTIVATIONS: for ONNX
    a function of names, for PyTorch a module."""

    def of_node(target: Any, node: Any, *values: Any) -> Any:
        name, argument = node.theta
        activation = getattr(row(ACTIVATIONS, name, "the activation"), column)
        theta = activation.make(target, argument) if column == "torch" else lambda s: activation(target, s, argument)
        return function(target, node, *values, theta)

    return of_node


KINDS: dict[type[layers.Layer], Kind] = {
    layers.Dense: Kind(onnx.dense, c.dense, torch.dense),
    layers.Projection: Kind(onnx.dense, c.dense, torch.dense),
    layers.Projection1D: Kind(onnx.conv, c.conv, torch.conv),
    layers.Projection2D: Kind(onnx.conv, c.conv, torch.conv),
    layers.Columns: Kind(onnx.columns, c.columns, torch.columns),
    layers.Dropout: Kind(onnx.same, c.same, torch.dropout),
    layers.Identity: Kind(onnx.same, c.same, torch.same),
    layers.Activation: Kind(onnx.same, c.copy, torch.activation),
    layers.Add: Kind(onnx.add, c.add, torch.add),
    layers.Join: Kind(onnx.join, c.join, torch.join),
    layers.BatchNorm: Kind(onnx.batch_norm, c.batch_norm, torch.batch_norm),
    layers.LayerNorm: Kind(onnx.row_norm, c.row_norm, torch.features),
    layers.RMSNorm: Kind(onnx.row_norm, c.row_norm, torch.features),
    layers.Scale: Kind(onnx.affine, c.affine, torch.features),
    layers.Shift: Kind(onnx.affine, c.affine, torch.features),
    layers.PReLU: Kind(onnx.prelu, c.prelu, torch.prelu),
    layers.Mixture: Kind(with_theta(onnx.mixture, "onnx"), c.mixture, with_theta(torch.mixture, "torch")),
    layers.GLU: Kind(with_theta(onnx.glu, "onnx"), c.glu, with_theta(torch.glu, "torch")),
    layers.Waves: Kind(onnx.waves, c.waves, torch.waves),
    layers.PiecewiseLinear: Kind(onnx.bins, c.bins, torch.bins),
    layers.Conv1D: Kind(onnx.conv, c.conv, torch.conv),
    layers.Conv2D: Kind(onnx.conv, c.conv, torch.conv),
    layers.MaxPool1D: Kind(onnx.max_pool, c.max_pool, torch.max_pool),
    layers.MaxPool2D: Kind(onnx.max_pool, c.max_pool, torch.max_pool),
    layers.AvgPool1D: Kind(onnx.avg_pool, c.avg_pool, torch.avg_pool),
    layers.AvgPool2D: Kind(onnx.avg_pool, c.avg_pool, torch.avg_pool),
    layers.GlobalAvgPool: Kind(onnx.global_avg_pool, c.avg_pool, torch.global_avg_pool),
    layers.Flatten: Kind(onnx.flatten, c.same, torch.flatten),
}

ACTIVATIONS = {
    "identity": Activation(lambda graph, s, a: s, Module("Identity")),
    "relu": Activation(operator("Relu"), Module("ReLU")),
    "leaky_relu": Activation(onnx.leaky_relu, Module("LeakyReLU", "negative_slope")),
    "elu": Activation(onnx.elu, Module("ELU", "alpha")),
    "selu": Activation(onnx.selu, Module("SELU")),
    "gelu": Activation(onnx.gelu, Module("GELU")),
    "silu": Activation(onnx.silu, Module("SiLU")),
    "mish": Activation(onnx.mish, Module("Mish")),
    "softplus": Activation(onnx.softplus, Module("Softplus", more={"threshold": 40})),  # above it torch's is linear
    "tanh": Activation(operator("Tanh"), Module("Tanh")),
    "sigmoid": Activation(operator("Sigmoid"), Module("Sigmoid")),
    "softsign": Activation(onnx.softsign, Module("Softsign")),
    "relu6": Activation(onnx.relu6, Module("ReLU6")),
    "hard_swish": Activation(onnx.hard_swish, Module("Hardswish")),
    "sin": Activation(operator("Sin"), Module("Sin")),
    "cos": Activation(operator("Cos"), Module("Cos")),
}

LINKS = {
    "identity": Link(lambda graph, x, each: graph.op("Identity", x), "", Module("Identity")),
    "exp": Link(lambda graph, x, each: graph.op("Exp", x), "exponential", Module("Exp")),
    "sigmoid": Link(lambda graph, x, each: graph.op("Sigmoid", x), "sigmoid", Module("Sigmoid")),
    "softmax": Link(lambda graph, x, each: graph.op("Softmax", x, axis=1), "softmax",
                    Module("Softmax", more={"dim": 1})),
    "increasing": Link(onnx.increasing, "increasing", Module("Increasing", "each"), by_targets=True),
}


def row(table: Mapping[Any, Any], key: Any, what: str) -> Any:
    """A row of a table; ValueError if there is none, since no format supports it."""
    if key not in table:
        name = key.__name__ if isinstance(key, type) else key
        raise ValueError(f"layers must be of kinds that formats know, got {what} {_checks.described(name)}: it has no "
                         "row in fastmlp/export/_table.py")
    return table[key]
