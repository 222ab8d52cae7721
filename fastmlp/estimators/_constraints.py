"""Check parameters of the estimators beyond scikit-learn's constraints.

Those accept True as a number, compare arbitrary objects, and do not consider the dtype. Each error names the parameter,
what came and what was wanted.
"""
from __future__ import annotations

from collections.abc import Mapping, Set
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

from .. import _arrays, _checks
from ..callbacks import as_callbacks
from ..layers import MOST_UNITS
from . import _solvers

SWITCHES = ("boolean", "verbose")  # constraints that allow True and False


def check_kinds(est: Any) -> None:
    """Check by scikit-learn's constraints, with its errors; TypeError also for wrong types that these accept or cannot
    handle."""
    for name, constraints in est._parameter_constraints.items():
        value = getattr(est, name)
        if _checks.is_number(value) and not isinstance(value, (Integral, float)):
            value = _checks.rounded(value)  # NumPy's functions, which compare it, do not accept fractions
        try:
            validate_parameter_constraints({name: constraints}, {name: value}, type(est).__name__)
        except InvalidParameterError:
            raise
        except Exception as error:  # a user's object may do as it likes
            raise TypeError(f"{name} must be of another type than {type(value).__name__}: {error!r}") from error
        switch = isinstance(value, bool) and any(constraint in SWITCHES for constraint in constraints)
        if isinstance(value, _checks.NO_NUMBERS) and not switch:
            raise TypeError(f"{name} must be a number, got {_checks.described(value)}")
    as_callbacks(est.callbacks or ())


def check_bounds(est: Any, dtype: DTypeLike) -> None:
    """ValueError if a parameter is a number that the engine can never use."""
    for name in est._parameter_constraints:
        value = getattr(est, name)
        if not (name == "n_iter_no_change" and value == np.inf):
            _checks.bounded(name, value, dtype)


def check_numbers(est: Any, dtype: DTypeLike) -> None:
    """ValueError if a number is out of range for networks of this dtype."""
    optimizer, parameters = _solvers.numbers_of_optimizer(est)
    for name, limits in optimizer.limits(dtype).items():
        if name in parameters and est._stochastic:
            _checks.number(parameters[name], getattr(est, parameters[name]), **limits, dtype=dtype)
    for rate in each_hidden(est, "dropout", len(est._hidden_sizes()), Real):
        _checks.number("dropout", rate, least=0, below=1, dtype=dtype)


def hidden_sizes(given: Any) -> list[int]:
    """hidden_layer_sizes as a list."""
    if not _checks.is_integer(given):
        shape = _arrays.as_array("hidden_layer_sizes", given).shape
        if len(shape) != 1 or isinstance(given, (Mapping, Set)):
            raise TypeError("hidden_layer_sizes must be an integer or a list of integers, got "
                            + _checks.described(given))
    sizes = [given] if _checks.is_integer(given) else list(given)
    sizes = [_checks.integer("hidden_layer_sizes", size, -np.inf, MOST_UNITS) for size in sizes]
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")  # in scikit-learn's words
    return sizes


def each_hidden(est: Any, parameter: str, n_hidden: int, one: type) -> list[Any]:
    """A parameter as a list with a value for each hidden layer; given as such a list, or as a single value of type
    `one`."""
    given = getattr(est, parameter)
    if isinstance(given, one):
        return [given] * n_hidden
    if len(given) != n_hidden:
        raise ValueError(f"{parameter} must be one value or a list of {n_hidden}, one for each hidden layer, "
                         f"got {_checks.described(given)}")
    return list(given)
