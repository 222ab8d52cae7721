"""What is asked of whom: a network or an estimator with its rows, and the number of each row whose derivative is
wanted."""
from __future__ import annotations

import contextlib
import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import _arrays, _checks, _core
from .._derivatives import OUTPUTS
from .._types import Floats, Integers
from ..model import MLP

Model = Any  # an MLP, or a fitted MLPClassifier, MLPRegressor or MLPAutoencoder
MOST_DRAWS = 2**20  # of random numbers for each row
Rows = slice | NDArray[Any]  # numbers of rows


def network(model: Model, X: Any, y: Any = None) -> tuple[MLP, Any, Any]:
    """(net, X, y) of an MLP or one of the estimators: X (n, d(0)), dense or CSR, and y as the network takes them,
    checked.

    TypeError for another kind of model; what the model itself raises where it is not fitted or X or y does not fit it.
    """
    require_network(model)
    if not isinstance(model, MLP):
        model, X, y = model._as_network(X, y)
    X = model._network.features(X)
    return model, X, None if y is None else model._network.targets(y, X.shape[0])


def require_network(model: Model) -> None:
    """TypeError where a model has no network of ours."""
    if not hasattr(type(model), "_as_network") and not isinstance(model, MLP):
        raise TypeError("model must be an MLP or a fitted MLPClassifier, MLPRegressor or MLPAutoencoder of fastmlp, "
                        f"got {type(model).__module__}.{type(model).__qualname__}; of a Pipeline take the last step, "
                        "and transform X before")


def required_mlp(net: Any) -> MLP:
    """net, which must be an MLP."""
    if not isinstance(net, MLP):
        raise TypeError(f"net must be an MLP, got {_checks.described(net)}")
    return net


def required(y: Any) -> Any:
    """y, which must be given."""
    if y is None:
        raise ValueError("y must be the model's targets, got None")
    return y


@contextlib.contextmanager
def naming(argument: str) -> Iterator[None]:
    """Errors about what is X or y to a network say which argument it was."""
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
    """The number of a network's output, where what is asked for may be a class: two classes have a single output, that
    of the second, which is so called 1 as well as 0."""
    if len(getattr(model, "classes_", ())) != 2 or model.n_outputs_ != 1:
        return output
    if isinstance(output, np.ndarray) and output.ndim == 1 and output.dtype.kind in "iu":
        return np.where(output == 1, 0, output)
    if isinstance(output, (list, tuple)):
        return [output_of_class(model, k) for k in output]
    return 0 if isinstance(output, numbers.Integral) and not isinstance(output, bool) and output == 1 else output


class Target:
    """A number f of each row: its loss for targets y, or an output of it.

    output : k, one for each row (n,), or None for the only one or the class that is predicted. at : of which outputs,
    "logits" or "probabilities". Attributes: net, the MLP; X and y as it takes them; n rows of d features; k outputs.
    """

    def __init__(self, model: Model, X: Any, y: Any = None, output: Any = None, at: str = "logits") -> None:
        if y is not None and output is not None:
            raise ValueError("y, for the loss, and output, for a single output, must not both be given")
        self.at = _checks.one_of("at", at, OUTPUTS)
        self.net, self.X, self.y = network(model, X, y)
        self.n, (self.d, self.k) = self.X.shape[0], (self.net.d[0], self.net.d[-1])
        self.net._network.parameters.require_finite()
        if y is None:
            self.output = self._predicted() if output is None else self._given(output_of_class(model, output))

    def _predicted(self) -> Integers:
        """The number of the only output, or of the class that is predicted for each row."""
        if self.k == 1:
            return np.zeros(self.n, int)
        if self.net.loss.link != _core.LINKS["softmax"]:
            raise ValueError(f"one of y and output must be given for {self.k} outputs")
        return np.concatenate([self.net.predict(self.X[rows]).argmax(axis=1) for rows in self.blocks()])

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
        """Slices of rows of which so many points each fit into a block, with their derivatives and what is made of
        both."""
        return _arrays.blocks(self.n, points * (4 * self.d + 2 * self.k) * self.net.dtype.itemsize)

    def gradient(self, Z: Floats, rows: Rows) -> Floats:
        """df/dx(0) at points Z (m, d(0)), each in the place of one of the rows (m,)."""
        if self.y is not None:
            return self.net.input_gradient(Z, self.y[rows])
        return self.net.vjp(Z, np.eye(self.k, dtype=self.net.dtype)[self.output[rows]], self.at)

    def value(self, Z: Floats, rows: Rows) -> Floats:
        """f at points Z (m, d(0)), each in the place of one of the rows: (m,)."""
        network = self.net._network
        if self.y is None:
            outputs = network.predict(Z, linked=self.at == "probabilities")
            return outputs[np.arange(len(outputs)), self.output[rows]]
        data = network.bind(Z, self.y[rows])
        with network.team(data.n, 1) as team:
            return network.core.pull(data, team)[1]
