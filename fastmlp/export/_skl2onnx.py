"""Converters for skl2onnx, so that a Pipeline with one of our estimators at its end becomes ONNX as a whole."""
from __future__ import annotations

from typing import Any

import numpy as np

from .._needs import needs
from . import _onnx_tables as tables
from ._onnx_estimators import row

OPTIONS = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [True, False]}


class ContainerGraph:
    """Operators in a container of skl2onnx. It has the methods of Graph."""

    def __init__(self, scope: Any, container: Any, dtype: np.dtype[Any]) -> None:
        self.dtype, self._scope, self._container = dtype, scope, container

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = self._scope.get_unique_variable_name(kind)
        own = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, list(inputs), name, op_domain=domain, name=own, **attributes)
        return name

    def constant(self, values: Any, name: str | None = None) -> str:
        name = self._scope.get_unique_variable_name(name or "constant")
        values = np.asarray(values)
        onnx = needs("onnx", "skl2onnx")
        if values.dtype.kind == "O":
            texts = [text.encode() for text in values]
            self._container.add_initializer(name, onnx.TensorProto.STRING, values.shape, texts)
        else:
            array = onnx.numpy_helper.from_array(np.ascontiguousarray(values))
            self._container.add_initializer(name, array.data_type, values.shape, array)
        return name

    def weights(self, W: Any, name: str, axes: Any) -> str:
        return self.constant(W.transpose(axes), name)


def convert(scope: Any, operator: Any, container: Any) -> None:
    """What skl2onnx calls for one of our estimators."""
    given = operator.inputs[0]
    doubles = type(given.type).__name__ == "DoubleTensorType"
    graph = ContainerGraph(scope, container, np.dtype(np.float64 if doubles else np.float32))
    number = needs("onnx.helper", "skl2onnx").np_dtype_to_tensor_dtype(graph.dtype)
    est, x = operator.raw_operator, graph.op("Cast", given.full_name, to=number)
    kind = row(est)
    found = kind.outputs(graph, est, x if kind.single else tables.of_matrix(x, est))
    for wanted, output in zip(operator.outputs, found.values()):
        container.add_node("Identity", output.value, wanted.full_name, name=scope.get_unique_operator_name("Identity"))


def code_shape(operator: Any) -> None:
    """The type and shape of what transform of an MLPAutoencoder gives."""
    given = operator.inputs[0].type
    types = needs("skl2onnx.common.data_types", "register_skl2onnx")
    kind = types.DoubleTensorType if isinstance(given, types.DoubleTensorType) else types.FloatTensorType
    operator.outputs[0].type = kind([given.shape[0], operator.raw_operator._n_features_out])


def register() -> None:
    """What register_skl2onnx does."""
    from ..estimators import MLPAutoencoder, MLPClassifier, MLPRegressor
    from ..tabular import TabularClassifier, TabularRegressor

    skl2onnx = needs("skl2onnx", "register_skl2onnx")
    shapes = needs("skl2onnx.common.shape_calculator", "register_skl2onnx")
    for estimator, shape, options in (
            (MLPClassifier, shapes.calculate_linear_classifier_output_shapes, OPTIONS),
            (MLPRegressor, shapes.calculate_linear_regressor_output_shapes, None),
            (TabularClassifier, shapes.calculate_linear_classifier_output_shapes, OPTIONS),
            (TabularRegressor, shapes.calculate_linear_regressor_output_shapes, None),
            (MLPAutoencoder, code_shape, None)):
        skl2onnx.update_registered_converter(estimator, f"Fastmlp{estimator.__name__}", shape, convert, options=options)
