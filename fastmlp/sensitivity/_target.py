"""The target of a derivative: a model with its rows, and the number of each row that is differentiated."""
from __future__ import annotations

import contextlib
import numbers
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import _arrays, _checks, _core
from .._derivatives import OUTPUTS
from .._types import Floats, Integers
from ..model import MLP

# an MLP, a fitted MLPClassifier, MLPRegressor or MLPAutoencoder, for attributions also a fitted TabularClassifier or
# TabularRegressor, or a Pipeline that ends with one
Model = Any
MOST_DRAWS = 2**20  # largest number of random draws for each row
Rows = slice | NDArray[Any]  # numbers of rows


def network(model: Model, X: Any, y: Any = None) -> tuple[MLP, Any, Any]:
    """(net, X, y) for an MLP or one of the estimators: X (n, d(0)), dense or CSR, and y, checked and converted for the
    network.

    TypeError for another kind of model; the model's own errors if it is not fitted or X or y does not fit it.
    """
    require_network(model)
    if is_pipeline(model):
        model, X = last_step(model), features_of_last_step(model, X)
    if not isinstance(model, MLP):
        model, X, y = model._as_network(X, y)
    X = model._network.features(X)
    return model, X, None if y is None else model._network.targets(y, X.shape[0])


class Networks(NamedTuple):
    """The networks of a model, for attributions.

    nets : the networks whose mean output, or loss, is attributed. X : (n, d(0)), and y, as they take them. source : for
    a table the column of each feature, else None; n_columns : the number of columns.
    """

    nets: list[MLP]
    X: Any
    y: Any
    source: Integers | None
    n_columns: int


def networks(model: Model, X: Any, y: Any = None) -> Networks:
    """As `network`, but also for an estimator of tables."""
    last = last_step(model)
    if not hasattr(type(last), "_as_networks"):
        net, X, y = network(model, X, y)
        return Networks([net], X, y, None, net.d[0])
    return Networks(*last._as_networks(features_of_last_step(model, X), y))


def require_network(model: Model, pipelines: bool = True) -> None:
    """TypeError unless a model, or with `pipelines` the last step of a Pipeline, has a network of fastmlp."""
    last = last_step(model) if pipelines else model
    if not hasattr(type(last), "_as_network") and not isinstance(last, MLP):
        hint = "; of a Pipeline take the last step, and transform X before" if is_pipeline(model) else ""
        raise TypeError("model must be an MLP or a fitted MLPClassifier, MLPRegressor or MLPAutoencoder of fastmlp, "
                        + ("or a Pipeline that ends with one, " if pipelines else "")
                        + f"got {type(last).__module__}.{type(last).__qualname__}{hint}")


# ---- Pipelines: what is said of one is said of its last step, whose features are what the steps before it give


def is_pipeline(model: Model) -> bool:
    """Whether a model is one of scikit-learn's Pipelines, without importing scikit-learn."""
    module = sys.modules.get("sklearn.pipeline")
    return module is not None and isinstance(model, module.Pipeline)


def last_step(model: Model) -> Model:
    """The last step of a Pipeline; any other model itself."""
    while is_pipeline(model):
        model = model[-1]
    return model


def features_of_last_step(pipeline: Any, X: Any) -> Any:
    """X as the last step of a Pipeline gets it."""
    while is_pipeline(pipeline):
        X = pipeline[:-1].transform(X) if len(pipeline.steps) > 1 else X
        pipeline = pipeline[-1]
    return X


def feature_names(model: Model) -> Any:
    """The names of the network's features, or None if it has none; for a Pipeline, those from the steps before the
    last."""
    if is_pipeline(model) and len(model.steps) > 1:
        try:
            return model[:-1].get_feature_names_out()
        except (AttributeError, ValueError):  # a step has no names
            return None
    return getattr(last_step(model), "feature_names_in_", None)


def required_mlp(net: Any) -> MLP:
    """net, which must be an MLP."""
    if not isinstance(net, MLP):
        raise TypeError(f"net must be an MLP, got {_checks.described(net)}{where_its_network_is(net)}")
    return net


def where_its_network_is(model: Any) -> str:
    """A hint for errors: where the MLP of an estimator, or of a Pipeline that ends with one, is found."""
    last, whose = type(last_step(model)), "its last step's" if is_pipeline(model) else "its"
    if hasattr(last, "_as_network"):
        return f"; once fitted, the MLP is {whose} network_"
    return f"; once fitted, the MLPs are {whose} networks_" if hasattr(last, "_as_networks") else ""


def required(y: Any) -> Any:
    """y, which must be given."""
    if y is None:
        raise ValueError("y must be the model's targets, got None")
    return y


@contextlib.contextmanager
def naming(argument: str) -> Iterator[None]:
    """A context in which errors about a network's X or y name the user's argument instead."""
    try:
        yield
    except TypeError as error:
        raise TypeError(f"{argument}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{argument}: {error}") from error


def dense_rows(X: Any, rows: Rows, dtype: DTypeLike) -> Floats:
    """Rows of X, which may be CSR, as an array (m, d(0))."""
    return np.asarray(_arrays.dense(X[rows], "X"), dtype)


def standard_deviations(argument: str, value: Any, net: MLP) -> Floats:
    """Standard deviations of noise: a number of at least 0 or one for each feature."""
    dtype, d = net.dtype, net.d[0]
    if _checks.is_number(value):
        _checks.number(argument, value, least=0)
    a = _arrays.numeric(argument, net._network.flat_row(value, argument), dtype)
    if a.shape not in ((), (d,)):
        raise ValueError(f"{argument} must be a number or have shape ({d},), got {a.shape}")
    a = a.astype(dtype)
    _arrays.finite(argument, a, dtype)
    if a.min() < 0:
        raise ValueError(f"{argument} must be at least 0, got {a.min():g}")
    return a


def output_of_class(model: Model, output: Any) -> Any:
    """The number of a network's output, given that of a class: two classes have a single output, for the second, which
    may be called 1 as well as 0."""
    model = last_step(model)
    if len(getattr(model, "classes_", ())) != 2 or getattr(model, "n_outputs_", 2) != 1:
        return output
    if isinstance(output, np.ndarray) and output.ndim == 1 and output.dtype.kind in "iu":
        return np.where(output == 1, 0, output)
    if isinstance(output, (list, tuple)):
        return [output_of_class(model, k) for k in output]
    return 0 if isinstance(output, numbers.Integral) and not isinstance(output, bool) and output == 1 else output


class Target:
    """A number f of each row: its loss for targets y, or an output; for several networks the mean of theirs.

    output : k, one for each row (n,), or None for the only one or the predicted class. at : "logits" or
    "probabilities". Attributes: nets, MLPs of one kind, the first of them net; X and y as they take them; n rows of d
    features; k outputs; source and n_columns as in Networks.
    """

    def __init__(self, model: Model, X: Any, y: Any = None, output: Any = None, at: str = "logits") -> None:
        if y is not None and output is not None:
            raise ValueError("y, for the loss, and output, for a single output, must not both be given")
        self.at = _checks.one_of("at", at, OUTPUTS)
        self.model = model
        self.nets, self.X, self.y, self.source, self.n_columns = networks(model, X, y)
        self.net = self.nets[0]
        self.n, (self.d, self.k) = self.X.shape[0], (self.net.d[0], self.net.d[-1])
        for net in self.nets:
            net._network.parameters.require_finite()
        if y is None:
            self.output = self._predicted() if output is None else self._given(output_of_class(model, output))

    def _predicted(self) -> Integers:
        """The number of the only output, or of the predicted class of each row."""
        if self.k == 1:
            return np.zeros(self.n, int)
        if self.net.loss.link != _core.LINKS["softmax"]:
            raise ValueError(f"one of y and output must be given for {self.k} outputs")
        return np.concatenate([self._mean(net.predict(self.X[rows]) for net in self.nets).argmax(axis=1)
                               for rows in self.blocks()])

    def _given(self, output: Any) -> Integers:
        given, output = output, _arrays.as_array("output", output)
        if output.ndim == 0:
            return np.full(self.n, _checks.integer("output", given, 0, self.k - 1))
        if output.dtype.kind not in "iu":
            raise TypeError(f"output must be an integer or an array of integers, got {output.dtype}")
        if output.shape != (self.n,):
            raise ValueError(f"output must be an integer or have shape ({self.n},), got {output.shape}")
        if output.min() < 0 or output.max() >= self.k:
            raise ValueError(f"output must be 0..{self.k - 1}, got values from {output.min()} to {output.max()}")
        return output

    def blocks(self, points: int = 1) -> list[slice]:
        """Slices of rows such that `points` points for each, their derivatives and temporary arrays fit into a
        block."""
        return _arrays.blocks(self.n, points * (4 * self.d + 2 * self.k) * self.net.dtype.itemsize)

    def gradient(self, Z: Floats, rows: Rows) -> Floats:
        """df/dx(0) at points Z (m, d(0)), each of which replaces one of the rows (m,)."""
        if self.y is not None:
            return self._mean(net.input_gradient(Z, self.y[rows]) for net in self.nets)
        wanted = np.eye(self.k, dtype=self.net.dtype)[self.output[rows]]
        return self._mean(net.vjp(Z, wanted, self.at) for net in self.nets)

    def value(self, Z: Floats, rows: Rows) -> Floats:
        """f at points Z (m, d(0)), each of which replaces one of the rows: (m,)."""
        return self._mean(self._value_of(net, Z, rows) for net in self.nets)

    def _value_of(self, net: MLP, Z: Floats, rows: Rows) -> Floats:
        network = net._network
        if self.y is None:
            outputs = network.predict(Z, linked=self.at == "probabilities")
            return outputs[np.arange(len(outputs)), self.output[rows]]
        data = network.bind(Z, self.y[rows])
        with network.team(data.n, 1) as team:
            return network.core.pull(data, team)[1]

    def _mean(self, arrays: Iterator[Floats]) -> Floats:
        """The mean of the arrays of all networks."""
        first = next(arrays)
        return first if len(self.nets) == 1 else sum(arrays, start=first) / len(self.nets)

    def by_column(self, by_feature: Floats) -> Floats:
        """Values of features, (m, d(0)), summed over the features of each column of a table, (m, n_columns)."""
        if self.source is None:
            return by_feature
        own = (self.source[:, None] == np.arange(self.n_columns)).astype(by_feature.dtype)
        return by_feature[:, :len(own)] @ own
