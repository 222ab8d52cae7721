"""Read the network from an ONNX model that to_onnx wrote."""
from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import _checks
from .._files import document, whole
from .._optional import needs
from .._parameters import flatten
from ._onnx import FACTOR, METADATA, PRESENT, SHAPE
from ._onnx_kinds import TO_ONNX

if TYPE_CHECKING:
    from ..model import MLP

    Net = TypeVar("Net", bound=MLP)


BEGIN = b"\x08"  # of a model: its first field is a number, ir_version. No message of protobuf has 2 GiB


def network(cls: type[Net], path: str | os.PathLike[str]) -> Net:
    """Implements MLP.from_onnx."""
    text = _checks.path("path", path)
    onnx = needs("onnx", "from_onnx")
    with whole.reading(text) as (file, size):
        begins = file.read(1)
        data = begins + file.read() if begins == BEGIN and size < 2**31 else None
    try:
        if data is None:
            raise ValueError(f"it has {size} bytes, the first of which is {begins!r}")
        model = onnx.load_model_from_string(data)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        if METADATA not in metadata:
            raise ValueError(f"it has no {METADATA!r} among its metadata, where to_onnx of a network says what that is")
        arrays = {array.name: onnx.numpy_helper.to_array(array) for array in model.graph.initializer}
        dtype = onnx.helper.tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type)
        return _of_arrays(cls, json.loads(metadata[METADATA]), dtype, arrays)
    except Exception as error:  # protobuf has its own exceptions for damaged files
        raise ValueError(f"path {text!r} is not an ONNX model that fastmlp wrote of a network: "
                         f"{type(error).__name__}: {error}") from error


def _of_arrays(cls: type[Net], described: dict[str, Any], dtype: np.dtype[Any], arrays: dict[str, Any]) -> Net:
    net = cls([document.decode(described["d0"]), *map(document.decode, described["layers"])],
              loss=document.decode(described["loss"]), dtype=dtype)
    W: list[Any] = [None]
    b: list[Any] = [None]
    statistics: list[Any] = []
    for l in range(1, len(net.d)):
        W.append(None if net.W[l] is None else _as_ours(_weights(arrays, f"W.{l}", dtype), net.W[l].shape))
        b.append(None if net.b[l] is None else arrays[f"b.{l}"].reshape(net.b[l].shape))
        statistics += [arrays[name] for name in (f"mean.{l}", f"var.{l}") if name in arrays]
    net._network.parameters.resume(flatten(W, b), None)
    net._network.core.statistics[...] = np.concatenate(statistics) if statistics else ()
    net.classes = described.get("classes")
    return net


def _weights(arrays: dict[str, Any], name: str, dtype: np.dtype[Any]) -> Any:
    """Weights in the network's form, however they were stored; those of columns table by table."""
    if name not in arrays:
        tables = (f"{name}.{k}" for k in itertools.count())
        parts = itertools.takewhile(arrays.__contains__, tables)
        return np.concatenate([_weights(arrays, part, dtype).ravel() for part in parts])
    W, factor = arrays[name].astype(dtype), arrays.get(FACTOR + name)
    if PRESENT + name in arrays:
        whole = np.zeros(arrays[SHAPE + name], dtype)
        present = np.unpackbits(arrays[PRESENT + name], count=whole.size, bitorder="little").astype(bool)
        whole[present.reshape(whole.shape)] = W[:np.count_nonzero(present)]
        return whole
    return W if factor is None else W * factor


def _as_ours(W: Any, shape: tuple[int, ...]) -> Any:
    """W of a layer; for a convolution with its axes in fastmlp's order."""
    return (W.transpose(np.argsort(TO_ONNX)) if W.ndim == 4 else W).reshape(shape)
