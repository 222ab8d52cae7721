"""Write a network as an ONNX model; the graph is also used for estimators."""
from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._files import document, whole
from .._optional import needs
from .._version import __version__
from . import _table
from ._nodes import nodes_of
from ._onnx_kinds import Graph, Value, reshaped
from ._smaller import bfloat16, int8

if TYPE_CHECKING:
    from ..model import MLP

OPSETS, IR = {"": 17, "ai.onnx.ml": 3}, 8  # of 2022: supported by all runtimes since then
METADATA = "fastmlp"  # key of the metadata that describe the network
# what names begin with of what weights have beside them: factors of units; of sparse ones bits, and their shape
FACTOR, PRESENT, SHAPE = "factor.", "present.", "shape."


class ModelGraph:
    """The graph of a model in the making, with unique names. Implements Graph.

    kept: how weights are stored, None for unchanged, else one of KEPT.
    """

    def __init__(self, dtype: np.dtype[Any], kept: str | None = None) -> None:
        self.dtype, self.kept = dtype, None if kept is None else _checks.one_of("weights", kept, KEPT)
        self._helper, self._arrays = needs("onnx.helper", "to_onnx"), needs("onnx.numpy_helper", "to_onnx")
        self._inputs: dict[str, Any] = {}
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def input(self, name: str, dtype: Any, shape: Sequence[int]) -> str:
        """Add an input. shape: of a row. Inputs must be added first, so that nothing else takes their names."""
        self._inputs[name] = self._described(name, dtype, shape)
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = self._free(f"{kind}{len(self._nodes)}")
        self._nodes.append(self._helper.make_node(kind, inputs, [name], name, domain=domain, **attributes))
        return name

    def constant(self, values: Any, name: str | None = None) -> str:
        name = self._free(name)
        self._constants[name] = self._arrays.from_array(np.asarray(values, order="C"), name)
        return name

    def weights(self, W: Any, name: str, axes: Sequence[int]) -> str:
        if self.kept is None or W.ndim == 1:
            return self.constant(W.transpose(axes), name)
        return KEPT[self.kept](self, W, name, axes)

    def bfloat16(self, values: Any, name: str) -> str:
        """An array whose values need only the bits of bfloat16."""
        name = self._free(name)
        upper = (values.astype(np.float32).view(np.uint32) >> 16).astype("<u2")
        kind = needs("onnx", "to_onnx").TensorProto.BFLOAT16
        self._constants[name] = self._helper.make_tensor(name, kind, values.shape, upper.tobytes(), raw=True)
        return name

    def model(self, outputs: Mapping[str, tuple[str, Any, Sequence[int]]], metadata: dict[str, str]) -> Any:
        """Make the model. outputs: name -> (value in the graph, its dtype, shape of a row)."""
        for name, (value, _, _) in outputs.items():
            self._nodes.append(self._helper.make_node("Identity", [value], [name], name=name))
        infos = [self._described(name, dtype, shape) for name, (_, dtype, shape) in outputs.items()]
        graph = self._helper.make_graph(self._nodes, "fastmlp", list(self._inputs.values()), infos,
                                        list(self._constants.values()))
        domains = {node.domain for node in self._nodes}
        opsets = [self._helper.make_opsetid(name, opset) for name, opset in OPSETS.items() if name in domains]
        model = self._helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="fastmlp",
                                        producer_version=__version__)
        self._helper.set_model_props(model, metadata)
        return model

    def _described(self, name: str, dtype: Any, shape: Sequence[int]) -> Any:
        return self._helper.make_tensor_value_info(name, element_type(dtype), ["n", *shape])

    def _free(self, name: str | None) -> str:
        """The name, or a new one if it is None or in use."""
        if name is None or name in self._constants:
            name = f"constant{len(self._constants)}"
        while name in self._inputs:
            name += "_"
        return name


# Weights in less space. They are computed from constants, which runtimes do once, when they load the model. With
# DequantizeLinear, which is meant for this, onnxruntime would compute the weights again in each call.


def as_int8(graph: ModelGraph, W: Any, name: str, axes: Sequence[int]) -> str:
    whole, factor = int8(W)
    number = graph.op("Cast", graph.constant(whole.astype(np.int8).transpose(axes), name), to=element_type(graph.dtype))
    by_unit = factor.reshape((1,) * (W.ndim - 1) + (-1,)).transpose(axes)
    return graph.op("Mul", number, graph.constant(by_unit, FACTOR + name))


def as_bfloat16(graph: ModelGraph, W: Any, name: str, axes: Sequence[int]) -> str:
    return graph.op("Cast", graph.bfloat16(bfloat16(W).transpose(axes), name), to=element_type(graph.dtype))


def as_sparse(graph: ModelGraph, W: Any, name: str, axes: Sequence[int]) -> str:
    """Weights stored as those that are not 0, and a bit for each weight that says whether it is one of these."""
    W = W.transpose(axes)
    present = W != 0
    values = graph.constant(W[present] if present.any() else np.zeros(1, W.dtype), name)
    octets = graph.constant(np.packbits(present, bitorder="little")[:, None], PRESENT + name)
    integer = graph.op("Cast", octets, to=element_type(np.int64))
    shifted = graph.op("Div", integer, graph.constant(2 ** np.arange(8)))
    bits = graph.op("Reshape", graph.op("Mod", shifted, graph.constant(np.array(2))), graph.constant(np.array([-1])))
    bits = graph.op("Slice", bits, graph.constant(np.array([0])), graph.constant(np.array([W.size])))
    before = graph.op("CumSum", bits, graph.constant(np.array(0)), exclusive=1)
    last = graph.constant(np.array(max(0, np.count_nonzero(present) - 1)))
    each = graph.op("Gather", values, graph.op("Min", before, last))
    is_one = graph.op("Cast", bits, to=element_type(np.bool_))
    flat = graph.op("Where", is_one, each, graph.constant(np.zeros((), W.dtype)))
    return graph.op("Reshape", flat, graph.constant(np.array(W.shape), SHAPE + name))


KEPT = {"int8": as_int8, "bfloat16": as_bfloat16, "sparse": as_sparse}


def element_type(dtype: Any) -> int:
    """ONNX's number for a dtype of NumPy, object for strings."""
    onnx, dtype = needs("onnx", "to_onnx"), np.dtype(dtype)
    return onnx.TensorProto.STRING if dtype.kind == "O" else onnx.helper.np_dtype_to_tensor_dtype(dtype)


def written(graph: Graph, net: MLP, x: str) -> str:
    """Write the operators of a network, from an input x to its predictions, (n, d(L)); returns their name."""
    nodes = nodes_of(net, graph.dtype)
    values = {0: Value(graph, net.shapes[0], x if len(net.shapes[0]) == 1 else reshaped(graph, x, (net.d[0],)))}
    for node in nodes:
        kind = _table.row(_table.KINDS, type(node.layer), "a")
        name, argument = node.activation
        activation = _table.row(_table.ACTIVATIONS, name, "the activation")
        value = kind.onnx(graph, node, *(values[source] for source in node.sources))
        values[node.number] = value.through(lambda s, f=activation.onnx, a=argument: f(graph, s, a))
    link = _table.row(_table.LINKS, net.loss.link_name, "the link")
    return str(link.onnx(graph, values[len(nodes)].rows(), net.loss.outputs_each))


def of_network(net: MLP, path: str | os.PathLike[str] | None, dtype: Any, weights: str | None) -> Any:
    """Implements MLP.to_onnx."""
    graph = ModelGraph(net.dtype if dtype is None else _checks.floating(dtype), weights)
    x = graph.input("X", graph.dtype, net.shapes[0])
    outputs = {"output": (written(graph, net, x), graph.dtype, (net.d[-1],))}
    return saved(graph.model(outputs, described(net)), path)


def described(net: MLP) -> dict[str, str]:
    """The metadata that from_onnx needs besides arrays; {} if the network contains users' functions."""
    try:
        text = {"d0": net.d[0] if len(net.shapes[0]) == 1 else list(net.shapes[0]),
                "layers": [document.encode(layer) for layer in net.layers], "loss": document.encode(net.loss.spec),
                "classes": None if net.classes is None else net.classes.tolist()}
    except ValueError:
        return {}
    return {METADATA: json.dumps(text)}


def saved(model: Any, path: str | os.PathLike[str] | None) -> Any:
    """Check a model, write it to path unless that is None, and return it."""
    if path is not None:
        path = _checks.path("path", path)
    if model.ByteSize() > 2**31 - 2**20:
        raise ValueError(f"layers must make a model of less than 2 GiB for ONNX, got {model.ByteSize()} bytes")
    needs("onnx.checker", "to_onnx").check_model(model, full_check=True)
    if path is not None:
        whole.write(path, [model.SerializeToString()])
    return model
