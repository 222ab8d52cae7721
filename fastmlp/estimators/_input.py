"""Check X, y and sample weights by scikit-learn's rules.

scikit-learn lets scipy convert sparse matrices, which trusts their indices, calls arbitrary methods of users' objects,
and accepts dates and text as numbers. So data are first checked here.
"""
from __future__ import annotations

import datetime
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils import validation
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import unique_labels

from .. import _arrays, _checks
from .._fit.options import described, is_tuple_of
from .._fit.ranks import ALONE, Ranks
from .._types import Floats
from ._several_ranks import balanced

NONE = "no_validation"  # scikit-learn's value for a y that is not needed
NO_NUMBERS = "mMUSTV"   # kinds of dtypes: times, text, records
TEXT_OR_TIME = (str, bytes, datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


def asked(argument: str, a: Any) -> Any:
    """a, checked to be safe to pass to scikit-learn. ValueError for a sparse matrix whose indices point outside of it
    or which is not two-dimensional, and for masked elements; TypeError if it is not an array."""
    if _arrays.is_sparse(a):
        if a.ndim != 2:
            raise ValueError(f"{argument} must be a sparse matrix of two dimensions, got {a.ndim}")
        return _arrays.sound(argument, a)
    looked_at = _arrays.as_array(argument, a) if np.ma.is_masked(a) or not hasattr(a, "shape") else a
    if not len(looked_at.shape):
        raise TypeError(f"{argument} must be an array, got {_checks.described(a)}")
    return a


def numbers(argument: str, a: Any) -> Any:
    """The same for numeric data. TypeError for text, dates, durations or records."""
    a = _arrays.as_array(argument, a) if isinstance(a, list) else asked(argument, a)  # converts a list only once
    if not _arrays.is_sparse(a):
        kinds = _kinds(argument, a)
        if kinds & set(NO_NUMBERS):
            raise TypeError(f"{argument} must be numbers, got text, times or records")
        if "O" in kinds:
            of_text = {t for t in set(map(type, _arrays.as_array(argument, a).flat)) if issubclass(t, TEXT_OR_TIME)}
            if of_text:
                raise TypeError(f"{argument} must be numbers, got some {of_text.pop().__name__}")
    return a


def _kinds(argument: str, a: Any) -> set[Any]:
    """The dtype kinds of an array, a column or a table."""
    dtypes = [a.dtype] if hasattr(a, "dtype") else getattr(a, "dtypes", [])
    kinds = {getattr(dtype, "kind", None) for dtype in dtypes}
    return kinds if kinds and None not in kinds else {_arrays.as_array(argument, a).dtype.kind}


def validate_data(estimator: Any, X: Any, y: Any = NONE, **options: Any) -> Any:
    """scikit-learn's validate_data, after the checks above."""
    without_y = y is None or isinstance(y, str) and y == NONE
    with _checks.asking("X" if without_y else "X and y"):
        y = y if without_y else (numbers if options.get("y_numeric") else asked)("y", y)
        return validation.validate_data(estimator, numbers("X", X), y, **options)


def validate_rows(estimator: Any, X: Any, y: Any, ranks: Ranks, *, y_numeric: bool = False,
                  **options: Any) -> tuple[Any, Any]:
    """X and y, validated. With several ranks, some may have no rows."""
    if not (ranks.several and _has_no_rows(X) and _has_no_rows(y)):
        return validate_data(estimator, X, y, multi_output=True, y_numeric=y_numeric, **options)
    return validate_data(estimator, X, ensure_min_samples=0, **options), np.asarray(_arrays.dense(y, "y"))


def _has_no_rows(a: Any) -> bool:
    if _arrays.is_sparse(a):  # which have no len
        return a.shape[0] == 0
    return hasattr(a, "__len__") and len(a) == 0


def validate_weight(sample_weight: Any, X: Any, dtype: DTypeLike | None = None) -> Floats:
    """sample_weight as (n_samples,) of a dtype; by default that of X, if it is a float."""
    with _checks.under("sample_weight"):
        weight = sample_weight if _checks.is_number(sample_weight) else numbers("sample_weight", sample_weight)
        return validation._check_sample_weight(weight, X, dtype=dtype)


# ---- validation rows


def rows_to_watch(validation_data: Any, X_val: Any, y_val: Any, weight_val: Any) -> Any:
    """validation_data, or (X_val, y_val, weight_val) instead; None if neither is given."""
    if y_val is None and X_val is not None:
        raise ValueError("y_val must be given where X_val is, got None")
    return either(validation_data, None if X_val is None else (X_val, y_val, weight_val), y_val, weight_val)


def either(validation_data: Any, given: Any, *beside: Any) -> Any:
    """Validation rows, from validation_data or from X_val. given : the rows from X_val, None without it; beside : the
    other arguments that belong to X_val."""
    if given is None:
        if any(a is not None for a in beside):
            raise ValueError("X_val must be given where y_val or sample_weight_val is, got None")
        return validation_data
    if validation_data is not None:
        raise ValueError("validation_data and X_val must not both be given")
    return given


def parts_to_watch(given: Any) -> tuple[Any, Any, Any]:
    """X, y and sample_weight, or None, of validation rows."""
    if not is_tuple_of(given, 2, 3):
        raise ValueError(f"validation_data must be (X, y) or (X, y, sample_weight), got {described(given)}")
    X, y, weight = (*given, None)[:3]
    return X, y, weight


# ---- weights of classes


def weight_by_class(est: Any, y: Any, sample_weight: Floats | None, ranks: Ranks = ALONE) -> Floats | None:
    """sample_weight times the class_weight of a classifier, (n_samples,), or None. y : labels, of classes_."""
    factors = est.class_weight
    if ranks.several and isinstance(factors, str):
        if y.ndim == 2:
            raise ValueError("class_weight must be None for several labels a row where comm is given, got "
                             + _checks.described(factors))
        factors = balanced(est.classes_, y, ranks)
    if factors is None or y.shape[0] == 0:
        return sample_weight
    if isinstance(factors, dict):  # classes that are not in this y are ignored
        absent = {*est.classes_.tolist()} - {*unique_labels(y).tolist()}
        factors = {name: weight for name, weight in factors.items() if name not in absent}
        for name, weight in factors.items():
            _checks.number(f"class_weight of {name!r}", weight, least=0)
    weight = compute_sample_weight(factors, y)
    if not weight.any() and not ranks.several:  # rows of other ranks may have weight
        raise ValueError("class_weight must be above 0 for one of the classes in y at least, got "
                         + _checks.described(est.class_weight))
    return weight if sample_weight is None else weight * sample_weight
