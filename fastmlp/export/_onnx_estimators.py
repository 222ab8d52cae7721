"""Write estimators as ONNX models: the network, then the operations of predict and predict_proba, with skl2onnx's names
of outputs.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from ..sensitivity._target import is_pipeline
from . import _onnx_tables as tables
from ._estimators import row
from ._onnx import ModelGraph, described, saved, written
from ._onnx_kinds import Graph, number

INT64 = 7  # ONNX's number for it


class Output(NamedTuple):
    """value: its name in the graph. dtype, and shape of a row."""

    value: str
    dtype: Any
    shape: tuple[int, ...]


def matrix(graph: ModelGraph, est: Any) -> str:
    """The input X of estimators that take a matrix."""
    return graph.input("X", graph.dtype, est.network_.shapes[0])


def classifier(graph: Graph, est: Any, x: str) -> dict[str, Output]:
    """label (n,), or with several labels per row (n, n_classes) of 0 and 1; probabilities (n, n_classes)."""
    p, n_classes, classes = written(graph, est.network_, x), len(est.classes_), labels(est.classes_)
    if est.out_activation_ == "softmax":
        return most_probable(graph, p, classes)
    yes = graph.op("Cast", graph.op("Greater", p, number(graph, 0.5)), to=INT64)
    if est._y_type.startswith("multilabel"):
        return {"label": Output(yes, np.int64, (n_classes,)), "probabilities": Output(p, graph.dtype, (n_classes,))}
    flat = graph.op("Reshape", yes, graph.constant(np.array([-1])))
    index = graph.op("Mod", flat, graph.constant(np.array(n_classes)))
    no = graph.op("Sub", number(graph, 1.0), p)
    p = graph.op("Add", no, p) if n_classes == 1 else graph.op("Concat", no, p, axis=1)
    label = graph.op("Gather", graph.constant(classes), index)
    return {"label": Output(label, classes.dtype, ()), "probabilities": Output(p, graph.dtype, (n_classes,))}


def most_probable(graph: Graph, p: str, classes: Any) -> dict[str, Output]:
    """The outputs of a classifier whose probabilities are p, (n, n_classes)."""
    label = graph.op("Gather", graph.constant(classes), graph.op("ArgMax", p, axis=1, keepdims=0))
    return {"label": Output(label, classes.dtype, ()), "probabilities": Output(p, graph.dtype, (len(classes),))}


def regressor(graph: Graph, est: Any, x: str) -> dict[str, Output]:
    """variable (n, n_outputs): the result of predict; with several quantiles, those of the first output first."""
    return {"variable": Output(written(graph, est.network_, x), graph.dtype, (est.network_.d[-1],))}


def autoencoder(graph: Graph, est: Any, x: str) -> dict[str, Output]:
    """variable (n, units of the code): the result of transform; reconstruction (n, n_features): the decoded rows."""
    encoder, decoder = est._halves()
    code = written(graph, encoder, x)
    return {"variable": Output(code, graph.dtype, (encoder.d[-1],)),
            "reconstruction": Output(written(graph, decoder, code), graph.dtype, (decoder.d[-1],))}


def tabular_classifier(graph: Graph, est: Any, columns: tables.Columns) -> dict[str, Output]:
    """label (n,); probabilities (n, n_classes), the mean of the members'."""
    classes, like = labels(est.classes_), columns.any()
    if len(classes) == 1:
        return most_probable(graph, tables.filled(graph, 1.0, like), classes)
    return most_probable(graph, tables.mean_of(graph, members(graph, est, columns)), classes)


def tabular_regressor(graph: Graph, est: Any, columns: tables.Columns) -> dict[str, Output]:
    """variable (n, 1): the result of predict."""
    output = tables.mean_of(graph, members(graph, est, columns))
    return {"variable": Output(tables.targets(graph, est._scale, output, est.clip), graph.dtype, (1,))}


def members(graph: Graph, est: Any, columns: tables.Columns) -> list[str]:
    """The predictions of each network of an ensemble."""
    x = tables.features(graph, est._encoder, columns)
    return [written(graph, net, x) for net in est._members()]


class Estimator(NamedTuple):
    """A class of estimators.

    inputs: (graph, estimator) -> x. outputs: (graph, estimator, x) -> outputs by name. single: whether network_ is all
    that it has.
    """

    inputs: Callable[[ModelGraph, Any], Any]
    outputs: Callable[[Graph, Any, Any], dict[str, Output]]
    single: bool = True


ESTIMATORS = {
    "MLPClassifier": Estimator(matrix, classifier),
    "MLPRegressor": Estimator(matrix, regressor),
    "MLPAutoencoder": Estimator(matrix, autoencoder),
    "TabularClassifier": Estimator(tables.inputs, tabular_classifier, single=False),
    "TabularRegressor": Estimator(tables.inputs, tabular_regressor, single=False),
}


def kind_of(model: Any) -> Estimator:
    """The table's row for a model. TypeError if there is none."""
    if is_pipeline(model):
        raise TypeError("model must be an MLP or an estimator, got a Pipeline; after "
                        "fastmlp.export.register_skl2onnx() skl2onnx.to_onnx(model, X) takes it as a whole")
    kind: Estimator = row(ESTIMATORS, model, "an MLP")
    return kind


def labels(classes: Any) -> Any:
    """Classes for ONNX: int64 or strings. ValueError for others."""
    classes = np.asarray(classes)
    if classes.dtype.kind in "biuf":
        return classes.astype(np.int64)
    if not all(isinstance(name, str) for name in classes):
        raise ValueError(f"classes_ must be numbers or strings for ONNX, got {_checks.described(classes)}")
    return classes.astype(object)


def of_estimator(est: Any, path: str | os.PathLike[str] | None, dtype: Any, weights: str | None) -> Any:
    """Implements to_onnx of an estimator."""
    kind = kind_of(est)
    net = est.network_ if kind.single else est._members()[0]
    graph = ModelGraph(net.dtype if dtype is None else _checks.floating(dtype), weights)
    outputs = kind.outputs(graph, est, kind.inputs(graph, est))
    return saved(graph.model(outputs, described(net) if kind.single else {}), path)
