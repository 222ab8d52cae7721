"""Estimators as ONNX models: the network, and what predict and predict_proba make of its outputs, under the names that
skl2onnx has for them.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from ._onnx import ModelGraph, described, saved, written
from ._onnx_kinds import Graph, number

INT64 = 7  # ONNX's number for it


class Output(NamedTuple):
    """value: its name in the graph. dtype, and shape of a row."""

    value: str
    dtype: Any
    shape: tuple[int, ...]


def classifier(graph: Graph, est: Any, x: str) -> dict[str, Output]:
    """label (n,), or of several labels a row (n, n_classes) of 0 and 1; probabilities (n, n_classes)."""
    p, n_classes, classes = written(graph, est.network_, x), len(est.classes_), labels(est.classes_)
    if est.out_activation_ == "softmax":
        label = graph.op("Gather", graph.constant(classes), graph.op("ArgMax", p, axis=1, keepdims=0))
        return {"label": Output(label, classes.dtype, ()), "probabilities": Output(p, graph.dtype, (n_classes,))}
    yes = graph.op("Cast", graph.op("Greater", p, number(graph, 0.5)), to=INT64)
    if est._y_type.startswith("multilabel"):
        return {"label": Output(yes, np.int64, (n_classes,)), "probabilities": Output(p, graph.dtype, (n_classes,))}
    flat = graph.op("Reshape", yes, graph.constant(np.array([-1])))
    index = graph.op("Mod", flat, graph.constant(np.array(n_classes)))
    no = graph.op("Sub", number(graph, 1.0), p)
    p = graph.op("Add", no, p) if n_classes == 1 else graph.op("Concat", no, p, axis=1)
    label = graph.op("Gather", graph.constant(classes), index)
    return {"label": Output(label, classes.dtype, ()), "probabilities": Output(p, graph.dtype, (n_classes,))}


def regressor(graph: Graph, est: Any, x: str) -> dict[str, Output]:
    """variable (n, n_outputs): what predict gives."""
    return {"variable": Output(written(graph, est.network_, x), graph.dtype, (est.n_outputs_,))}


def autoencoder(graph: Graph, est: Any, x: str) -> dict[str, Output]:
    """variable (n, units of the code): what transform gives; reconstruction (n, n_features): the rows again."""
    encoder, decoder = est._halves()
    code = written(graph, encoder, x)
    return {"variable": Output(code, graph.dtype, (encoder.d[-1],)),
            "reconstruction": Output(written(graph, decoder, code), graph.dtype, (decoder.d[-1],))}


# name of the class -> what its outputs are
ESTIMATORS: dict[str, Callable[[Graph, Any, str], dict[str, Output]]] = {
    "MLPClassifier": classifier, "MLPRegressor": regressor, "MLPAutoencoder": autoencoder,
}


def row(model: Any) -> Callable[[Graph, Any, str], dict[str, Output]]:
    """The row of ESTIMATORS that a model's class or one of its bases has. TypeError where there is none."""
    for cls in type(model).__mro__:
        if cls.__module__.startswith("fastmlp.") and cls.__name__ in ESTIMATORS:
            return ESTIMATORS[cls.__name__]
    raise TypeError(f"model must be an MLP, {', '.join(ESTIMATORS)} for ONNX, got {_checks.described(model)}")


def outputs(graph: Graph, est: Any, x: str) -> dict[str, Output]:
    """Have what an estimator gives computed from an input x."""
    return row(est)(graph, est, x)


def labels(classes: Any) -> Any:
    """Classes as ONNX has them: numbers as int64, or strings. ValueError for others."""
    classes = np.asarray(classes)
    if classes.dtype.kind in "biuf":
        return classes.astype(np.int64)
    if not all(isinstance(name, str) for name in classes):
        raise ValueError(f"classes_ must be numbers or strings for ONNX, got {_checks.described(classes)}")
    return classes.astype(object)


def of_estimator(est: Any, path: str | os.PathLike[str] | None, dtype: Any) -> Any:
    """What to_onnx of an estimator does."""
    row(est)
    net = est.network_
    graph = ModelGraph(net.dtype if dtype is None else _checks.floating(dtype))
    return saved(graph.model(net.shapes[0], outputs(graph, est, "X"), described(net)), path)
