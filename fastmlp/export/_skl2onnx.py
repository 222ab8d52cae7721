"""Converters for skl2onnx, so that a Pipeline that ends with one of fastmlp's estimators can be converted to ONNX."""
from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import needs
from . import _onnx_tables as tables
from ._onnx import OPSETS, element_type
from ._onnx_estimators import kind_of, labels
from ._tables import names_of, require_columns

OPTIONS = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [True, False]}


class ContainerGraph:
    """A graph that writes operators to skl2onnx's container. Implements Graph."""

    def __init__(self, scope: Any, container: Any, dtype: np.dtype[Any]) -> None:
        self.dtype, self._scope, self._container = dtype, scope, container

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = self._scope.get_unique_variable_name(kind)
        own = self._scope.get_unique_operator_name(kind)
        version = OPSETS[domain] if domain else None  # None for the one that is wanted
        self._container.add_node(kind, list(inputs), name, domain, version, name=own, **attributes)
        return name

    def constant(self, values: Any, name: str | None = None) -> str:
        name = self._scope.get_unique_variable_name(name or "constant")
        values = np.asarray(values)
        onnx = needs("onnx", "skl2onnx")
        if values.dtype.kind == "O":
            texts = [text.encode() for text in values]
            self._container.add_initializer(name, onnx.TensorProto.STRING, values.shape, texts)
        else:
            array = onnx.numpy_helper.from_array(np.asarray(values, order="C"))
            self._container.add_initializer(name, array.data_type, values.shape, array)
        return name

    def weights(self, W: Any, name: str, axes: Any) -> str:
        return self.constant(W.transpose(axes), name)


def convert(scope: Any, operator: Any, container: Any) -> None:
    """The converter that skl2onnx calls for fastmlp's estimators."""
    graph = ContainerGraph(scope, container, np.dtype(np.float64 if doubles(operator) else np.float32))
    est = operator.raw_operator
    kind = kind_of(est)
    x = as_type(graph, operator.inputs[0].full_name, graph.dtype) if kind.single else table(graph, operator, est)
    for wanted, output in zip(operator.outputs, kind.outputs(graph, est, x).values()):
        container.add_node("Identity", output.value, wanted.full_name, name=scope.get_unique_operator_name("Identity"))


def doubles(operator: Any) -> bool:
    """Whether to use float64: if the numbers of an input are float64."""
    return any(type(given.type).__name__ == "DoubleTensorType" for given in apart(operator.inputs))


def apart(inputs: Any) -> list[Any]:
    """The inputs, with mixed ones divided into numbers and text: skl2onnx would convert their numbers to text."""
    found = []
    for given in inputs:
        parts = apart(part for made_by in given.operators_outputs_ if made_by.type == "SklearnConcat"
                      for part in made_by.inputs)
        found += parts if len({is_text(part) for part in parts}) > 1 else [given]
    return found


def is_text(given: Any) -> bool:
    return type(given.type).__name__ == "StringTensorType"


def table(graph: ContainerGraph, operator: Any, est: Any) -> tables.Columns:
    """The columns of an estimator of tables, from inputs with one or several columns each."""
    require_columns(est, "ONNX")
    inputs, names = apart(operator.inputs), names_of(est)
    n = sum(given.type.shape[1] for given in inputs)
    if n != len(names):
        raise ValueError(f"initial_types must be of {len(names)} columns, those of fit, got {n}")
    if set(est.kinds_) == {"number"} and len(inputs) == 1:
        return tables.of_matrix(as_type(graph, inputs[0].full_name, graph.dtype), est)
    read: list[str] = []
    for given in inputs:
        for place in range(given.type.shape[1]):
            name, kind = names[len(read)], est.kinds_[len(read)]
            wanted = TYPES[kind]
            if type(given.type).__name__ not in wanted:
                raise ValueError(f"initial_types must be {', '.join(wanted)} for {name!r}, a {kind}, got {given.type}: "
                                 "give each column a type of its own, as skl2onnx.to_onnx does of a frame")
            alone = given.full_name if given.type.shape[1] == 1 else tables.picked(graph, given.full_name, [place])
            read.append(as_type(graph, alone, graph.dtype if kind == "number" else np.dtype(object)))
    return tables.of_columns(graph, est, read)


# kind of a column -> types of skl2onnx that it may be of
TYPES = {
    "number": ("FloatTensorType", "DoubleTensorType", "Int64TensorType", "Int32TensorType", "BooleanTensorType"),
    "category": ("StringTensorType", "Int64TensorType", "Int32TensorType"),
}


def as_type(graph: ContainerGraph, value: str, dtype: np.dtype[Any]) -> str:
    return graph.op("Cast", value, to=element_type(dtype))


def table_shapes(operator: Any) -> None:
    """Set the types and shapes of the outputs of estimators of tables."""
    types = needs("skl2onnx.common.data_types", "register_skl2onnx")
    n, est = operator.inputs[0].get_first_dimension(), operator.raw_operator
    real = types.DoubleTensorType if doubles(operator) else types.FloatTensorType
    if len(operator.outputs) == 1:
        operator.outputs[0].type = real([n, 1])
        return
    label = types.StringTensorType if labels(est.classes_).dtype == object else types.Int64TensorType
    operator.outputs[0].type = label([n])
    operator.outputs[1].type = real([n, len(est.classes_)])


def classifier_shapes(operator: Any) -> None:
    """The types and shapes of what an MLPClassifier gives: as skl2onnx has them, but for labels of several a row."""
    needs("skl2onnx.common.shape_calculator", "register_skl2onnx").calculate_linear_classifier_output_shapes(operator)
    est, labels = operator.raw_operator, operator.outputs[0]
    if est._y_type.startswith("multilabel"):
        labels.type = type(labels.type)([operator.inputs[0].get_first_dimension(), len(est.classes_)])


def numbers_shape(operator: Any) -> None:
    """The type and shape of what an MLPRegressor predicts, an output of the network each, or transform of an
    MLPAutoencoder gives."""
    given, est = operator.inputs[0], operator.raw_operator
    types = needs("skl2onnx.common.data_types", "register_skl2onnx")
    real = types.DoubleTensorType if isinstance(given.type, types.DoubleTensorType) else types.FloatTensorType
    outputs = est._n_features_out if hasattr(est, "inverse_transform") else len(est.intercepts_[-1])
    operator.outputs[0].type = real([given.get_first_dimension(), outputs])


def register() -> None:
    """Implements register_skl2onnx."""
    from ..estimators import MLPAutoencoder, MLPClassifier, MLPRegressor
    from ..tabular import TabularClassifier, TabularRegressor

    skl2onnx = needs("skl2onnx", "register_skl2onnx")
    for estimator, shape, options in (
            (MLPClassifier, classifier_shapes, OPTIONS), (MLPRegressor, numbers_shape, None),
            (TabularClassifier, table_shapes, OPTIONS), (TabularRegressor, table_shapes, None),
            (MLPAutoencoder, numbers_shape, None)):
        skl2onnx.update_registered_converter(estimator, f"Fastmlp{estimator.__name__}", shape, convert, options=options)
