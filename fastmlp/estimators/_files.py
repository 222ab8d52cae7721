"""Save estimators to files and load them: their state, arrays and built-in objects, as JSON and tensors in the format
of `MLP.save`. Nothing in a file is executed.
"""
from __future__ import annotations

import datetime
import inspect
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks
from .._files import document, safetensors

FORMAT = 1
TENSORS = (np.float32, np.float64)  # dtypes of tensors; other arrays are stored in the text
LISTED = "biuUOMm"  # kinds of dtypes of those others
HALF = np.dtype(np.float16)
WIDE = 2**20  # arrays of strings with more bytes are reduced to the length of the longest string


def save(est: Any, path: str | os.PathLike[str], state: dict[str, Any] | None = None) -> None:
    """Implements save of an estimator. state : of types that `Writer` knows; None for the state of a pickle."""
    writer = Writer()
    state = est.__getstate__() if state is None else state
    encoded = {name: writer.encoded(name, value) for name, value in state.items()}
    text = json.dumps({"format": FORMAT, "estimator": type(est).__name__, "state": encoded})
    safetensors.write(path, text, writer.tensors)


def load(cls: type[Any], path: str | os.PathLike[str], restored: Callable[..., Any] | None = None) -> Any:
    """Implements load of an estimator. restored : a function (class, state passed to save) -> estimator, which may
    raise any exception if the state is wrong; None for `of_network`."""
    with safetensors.opened(path) as container:
        try:
            found = json.loads(container.text)
            if found.get("estimator") != cls.__name__:
                raise ValueError(f"it is of {found.get('estimator', 'an MLP')}")
            if _checks.integer("format", found["format"], 1) > FORMAT:
                raise ValueError(f"its format is {found['format']}, this version reads up to {FORMAT}")
            tensors = container.read_tensors()
            state = {name: decoded(value, tensors) for name, value in found["state"].items()}
            return (restored or of_network)(cls, state)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"{os.fspath(path)!r} is no {cls.__name__} that fastmlp saved: {error}") from error


def with_state(cls: type[Any], state: dict[str, Any]) -> Any:
    """An estimator with a state, its parameters checked as by fit."""
    parameters = inspect.signature(cls.__init__).parameters
    methods = [name for name in state if name not in parameters and hasattr(cls, name)]
    if methods:
        raise ValueError(f"its state has {', '.join(methods)}, which the class has itself")
    est = object.__new__(cls)
    est.__setstate__(state)
    est._validate_params()
    return est


def of_network(cls: type[Any], state: dict[str, Any]) -> Any:
    """An estimator with one network, from a state; ready to predict if it is fitted."""
    check_run((state.get("_run") or {}).get("state"))
    est = with_state(cls, state)
    if "coefs_" in state:
        network = est.network_._network
        sizes, wanted = (network.d[0], network.n_targets), (est.n_features_in_, est.n_outputs_)
        if sizes != wanted or not est.n_layers_ - 1 == len(est.coefs_) == len(est.intercepts_):
            raise ValueError(f"its weights are {len(est.coefs_)} layers for (features, outputs) {sizes}, it has "
                             f"{est.n_layers_ - 1} for {wanted}")
        check_fitted(est)
        est._decode(est.network_.predict(np.zeros((1, sizes[0]))))
    return est


def check_fitted(est: Any) -> None:
    """ValueError or TypeError if fitted attributes are of wrong types, or do not go with the weights."""
    check_attributes(est)
    if hasattr(est, "classes_"):
        outputs = {"binary": 1, "multiclass": len(est.classes_), "multilabel-indicator": len(est.classes_)}
        most = 2 if est._y_type == "binary" else np.inf
        if outputs[est._y_type] != est.n_outputs_ or not 0 < len(est.classes_) <= most:
            raise ValueError(f"it has {len(est.classes_)} {est._y_type} classes for {est.n_outputs_} outputs")
    names = vars(est).get("feature_names_in_")
    if names is not None and len(names) != est.n_features_in_:
        raise ValueError(f"it has {len(names)} names for {est.n_features_in_} features")


def check_attributes(est: Any) -> None:
    """ValueError or TypeError if attributes that all estimators have are of wrong types."""
    for name, check in FITTED.items():
        if name in vars(est):
            check(name, getattr(est, name))


def _count(name: str, value: Any) -> None:
    _checks.integer(name, value, 0)


def _number(name: str, value: Any) -> None:
    if not isinstance(value, float) and not _checks.is_number(value):  # NaN and infinities are, too
        raise TypeError(f"its {name} should be a number, got {_checks.described(value)}")


def _or_none(check: Callable[[str, Any], None]) -> Callable[[str, Any], None]:
    return lambda name, value: None if value is None else check(name, value)


def _numbers(name: str, value: Any) -> None:
    if not isinstance(value, list):
        raise TypeError(f"its {name} should be a list of numbers, got {_checks.described(value)}")
    for one in value:
        _number(name, one)


def _row(name: str, value: Any) -> None:
    if not (isinstance(value, np.ndarray) and value.ndim == 1):
        raise TypeError(f"its {name} should be an array of one dimension, got {_checks.described(value)}")


# attribute -> its check
FITTED: dict[str, Callable[[str, Any], Any]] = {
    "classes_": _row, "feature_names_in_": _row, "n_features_in_": _count, "n_layers_": _count, "n_outputs_": _count,
    "n_iter_": _count, "t_": _number, "loss_": _number, "loss_curve_": _numbers, "best_loss_": _or_none(_number),
    "validation_scores_": _or_none(_numbers), "best_validation_score_": _or_none(_number),
    "_no_improvement_count": _count, "_rate": _number, "_y_sparse": _checks.boolean,
    "_y_type": lambda name, value: _checks.one_of(name, value, ("binary", "multiclass", "multilabel-indicator")),
    "out_activation_": lambda name, value: _checks.one_of(name, value, ("identity", "exp", "logistic", "softmax"))}


def check_run(run: Any) -> None:
    """ValueError or TypeError if the solver's state is invalid; the sizes of its arrays are checked later."""
    if run is not None:
        _checks.integer("epoch", run["epoch"], 0, 2**40)
        arrays = [*run["slots"], run["powers"]]
        if not all(isinstance(a, np.ndarray) and a.ndim == 1 for a in arrays) or run["powers"].size != 2:
            raise ValueError("its solver's state is not of flat arrays and two powers")


class Writer:
    """Converts values for JSON, and collects the arrays that become tensors."""

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = {}

    def encoded(self, name: str, value: Any) -> Any:
        """Convert a value. name: for errors. ValueError if it cannot be saved."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.generic) and value.dtype.kind in "biufU":
            return value.item()
        if isinstance(value, (tuple, list)):
            items = [self.encoded(name, item) for item in value]
            return {"tuple": items} if isinstance(value, tuple) else items
        if type(value) is dict:
            return {"dict": [[self.encoded(name, k), self.encoded(name, v)] for k, v in value.items()]}
        if isinstance(value, np.ndarray):
            return self._of_array(name, value)
        if isinstance(value, datetime.date) and not getattr(value, "nanosecond", 0):
            return {"moment" if isinstance(value, datetime.datetime) else "date": value.isoformat()}
        if isinstance(value, np.random.RandomState):
            state: Any = value.get_state()
            return {"random_state": [state[0], state[1].tolist(), *state[2:]]}
        try:
            return document.encode(value)
        except ValueError:
            raise ValueError(f"{name} must be of numbers, names, arrays and fastmlp's specs to be saved, got "
                             f"{_checks.described(value)}") from None

    def _of_array(self, name: str, a: Any) -> Any:
        if a.dtype in TENSORS:
            key = f"{name}.{len(self.tensors)}"
            self.tensors[key] = a
            return {"tensor": key}
        if a.dtype.kind not in LISTED and a.dtype != HALF:
            raise ValueError(f"{name} must be an array of numbers or strings to be saved, got {a.dtype}")
        flat = np.ravel(a)
        values = [self.encoded(name, item) for item in (flat.view(np.int64) if a.dtype.kind in "Mm" else flat).tolist()]
        return {"array": values, "dtype": a.dtype.str, "shape": list(a.shape)}


def decoded(value: Any, tensors: dict[str, Any]) -> Any:
    """The inverse of Writer.encoded."""
    if isinstance(value, list):
        return [decoded(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(decoded(value["tuple"], tensors))
    if "dict" in value:
        return {decoded(k, tensors): decoded(v, tensors) for k, v in value["dict"]}
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "array" in value:
        dtype = np.dtype(value["dtype"])
        if dtype.kind not in LISTED and dtype != HALF:
            raise ValueError(f"it has an array of {dtype}")
        if dtype.kind == "U" and dtype.itemsize * len(value["array"]) > WIDE:
            dtype = np.array(value["array"], str).dtype
        flat = np.empty(len(value["array"]), np.int64 if dtype.kind in "Mm" else dtype)
        flat[:] = decoded(value["array"], tensors)
        flat = flat.view(dtype)
        return flat.reshape(value["shape"])
    if "moment" in value:
        return datetime.datetime.fromisoformat(value["moment"])
    if "date" in value:
        return datetime.date.fromisoformat(value["date"])
    if "random_state" in value:
        stream = np.random.RandomState()
        stream.set_state(tuple(value["random_state"]))
        return stream
    return document.decode(value)
