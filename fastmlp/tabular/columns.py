"""Read tables into columns, each of one kind: numbers, categories or times.

DataFrames of pandas, polars and pyarrow are read through narwhals, which is imported only when needed; arrays and lists
are treated as in scikit-learn, with columns identified by position. fit determines the kind of each column; later
tables are read accordingly.
"""
from __future__ import annotations

import datetime
import decimal
import math
import numbers
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

from .. import _checks
from .._optional import needing
from .._types import Floats
from ..estimators._input import asked

NUMBER, CATEGORY, TIME = "number", "category", "time"


@dataclass(frozen=True)
class Column:
    """A column: its name, its kind and its n values.

    values: of NUMBER float64, NaN where missing; of TIME float64, seconds since 1970, NaN where missing; of CATEGORY
    objects, labels as text, None where missing.
    """

    name: Any
    kind: str
    values: NDArray[Any]


def is_frame(X: Any) -> bool:
    """Whether X is a table with named columns of different types, not an array."""
    named = hasattr(X, "columns") or hasattr(X, "column_names")
    return named and hasattr(X, "shape") and not isinstance(X, np.ndarray)


def names_of(X: Any) -> list[Any]:
    """The names of a DataFrame's columns. ValueError if two are equal."""
    names = list(X.column_names) if hasattr(X, "column_names") else list(X.columns)
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise ValueError(f"X must have columns of different names, got {sorted(map(str, twice))} more than once")
    return names


def table(X: Any, estimator: Any = None) -> Any:
    """X as a DataFrame, or as an array (n_samples, n_features) of any dtype, checked by scikit-learn's rules."""
    if is_frame(X):
        return X
    X = check_array(asked("X", X), dtype=None, ensure_all_finite=False, estimator=estimator, input_name="X")
    if X.dtype.kind == "c":
        raise ValueError("Complex data not supported: X must have real numbers")
    if X.dtype.kind == "V":
        raise TypeError(f"X must have columns of numbers, text or points in time, got {X.dtype}")
    return X


def read(X: Any, kinds: Sequence[str] | None = None, names: Sequence[Any] | None = None,
         categorical: Collection[int] = ()) -> list[Column]:
    """The columns of a result of `table`.

    kinds : those that fit found, None in fit. names : of fit's columns in order, by which columns are taken from a
    DataFrame. categorical : numbers of the columns that are categories regardless of their values.

    ValueError or TypeError names a column with infinite numbers, or with values that are not of its kind.
    """
    if is_frame(X):
        given, arrays = _frame_arrays(X, names)
    else:
        given = list(range(X.shape[1])) if names is None else list(names)
        arrays = [X[:, j] for j in range(X.shape[1])]
    columns = []
    for j, (name, values) in enumerate(zip(given, arrays)):
        kind = CATEGORY if j in categorical else None if kinds is None else kinds[j]
        columns.append(_column(name, values, kind))
    return columns


def n_rows(columns: Sequence[Column]) -> int:
    """The number of rows."""
    return len(columns[0].values)


def rows_of(columns: Sequence[Column], rows: Any) -> list[Column]:
    """The columns, restricted to some rows. rows: an index of NumPy."""
    return [replace(column, values=column.values[rows]) for column in columns]


# ---- frames

def _frame_arrays(X: Any, names: Sequence[Any] | None) -> tuple[list[Any], list[NDArray[Any]]]:
    """(names, an array of values for each) of a DataFrame, in the order of `names` if given."""
    with needing("frames", "need"):
        import narwhals.stable.v2 as nw
    given = names_of(X)
    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError as error:
        raise TypeError("X must be an array or a frame of pandas, polars or pyarrow, got "
                        f"{type(X).__name__}") from error
    if not len(given) or not len(frame):
        what = "sample" if len(given) else "feature"
        raise ValueError(f"Found array with 0 {what}(s) (shape={frame.shape}) while a minimum of 1 is required.")
    wanted = given if names is None else list(names)
    require_columns(wanted, given)
    return wanted, [_series_array(frame[:, given.index(name)], nw) for name in wanted]


def require_columns(wanted: Sequence[Any], given: Sequence[Any]) -> None:
    """ValueError if some wanted names are not among the given ones."""
    absent = [name for name in wanted if name not in given]
    if absent:
        raise ValueError(f"X must have the columns of fit, got none of the name {', '.join(map(repr, absent))}")


def _series_array(series: Any, nw: Any) -> NDArray[Any]:
    """A series as an array: floats, datetime64, or objects with None where missing."""
    dtype = series.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        if not dtype.is_decimal():
            return np.asarray(series.cast(nw.Float64).to_numpy(), np.float64)
    elif dtype == nw.Datetime or dtype == nw.Date:
        wall = series.dt.replace_time_zone(None) if getattr(dtype, "time_zone", None) else series
        micros = np.asarray(wall.cast(nw.Datetime("us")).dt.timestamp("us").cast(nw.Float64).to_numpy(), np.float64)
        return _as_datetime64(micros)
    elif dtype == nw.Duration:
        return np.asarray(series.dt.total_microseconds().cast(nw.Float64).to_numpy(), np.float64) / 1e6
    values = np.empty(len(series), object)
    values[:] = series.to_list()
    if dtype == nw.Categorical or dtype == nw.Enum:  # also those of numbers
        values[:] = _labels(series.name, values)
    return values


def _as_datetime64(micros: Floats) -> NDArray[Any]:
    missing = np.isnan(micros)
    moments = np.where(missing, 0, micros).astype(np.int64).astype("datetime64[us]")
    moments[missing] = np.datetime64("NaT")
    return moments


# ---- one column

def _column(name: Any, values: NDArray[Any], kind: str | None) -> Column:
    """A Column from the user's values. kind: the required one, None to determine it from the values."""
    found = values.dtype.kind
    if found in "fiub":
        numbers_ = values.astype(np.float64)
        own = NUMBER
    elif found == "m":
        numbers_, own = values.astype("timedelta64[us]").astype(np.float64) / 1e6, NUMBER
        numbers_[np.isnat(values)] = np.nan
    elif found == "M":
        numbers_, own = values.astype("datetime64[us]").astype(np.int64) / 1e6, TIME
        numbers_[np.isnat(values)] = np.nan
    else:
        return _column_of_objects(name, values, kind)
    if kind == CATEGORY:
        return _column_of_objects(name, values.astype(object), CATEGORY)
    if kind not in (None, own) and not np.isnan(numbers_).all():
        raise TypeError(f"column {name!r} of X must hold what it held in fit, {_WHAT[kind]}, got {values.dtype}")
    return Column(name, kind or own, _finite(name, numbers_))


_WHAT = {NUMBER: "numbers", CATEGORY: "categories", TIME: "points in time"}


def _column_of_objects(name: Any, values: NDArray[Any], kind: str | None) -> Column:
    """A column of Python objects: numbers or times if all values are, otherwise categories."""
    objects = values.tolist() if values.dtype.kind in "USO" else list(values)
    own = _kind_of(objects) if kind != CATEGORY else CATEGORY
    own = kind or NUMBER if own is None else own
    if own != (kind or own):
        raise TypeError(f"column {name!r} of X must hold what it held in fit, {_WHAT[kind or own]}, got "
                        f"{_checks.described(next(v for v in objects if not is_missing(v)))}")
    if own == CATEGORY:
        labels = np.empty(len(objects), object)
        labels[:] = _labels(name, objects)
        return Column(name, CATEGORY, labels)
    present = [not is_missing(v) for v in objects]
    if own == TIME:
        wall = [v.replace(tzinfo=None) if getattr(v, "tzinfo", None) else v for v in objects]  # as of frames
        moments = np.array([v if there else "NaT" for v, there in zip(wall, present)], "datetime64[us]")
        return _column(name, moments, TIME)
    try:
        floats = np.array([float(v) if there else math.nan for v, there in zip(objects, present)], np.float64)
    except OverflowError as error:
        raise ValueError(f"column {name!r} of X must have finite numbers, got one that is too large") from error
    return Column(name, NUMBER, _finite(name, floats))


def _kind_of(objects: list[Any]) -> str | None:
    """The kind of a column with these values, some of which may be missing; None if all are missing."""
    kinds = set(map(type, objects))
    if str in kinds and kinds <= {str, float, type(None)}:  # text, with or without missing values: most columns
        return CATEGORY
    kinds = {type(v) for v in objects if not is_missing(v)}
    if any(issubclass(k, numbers.Complex) and not issubclass(k, numbers.Real) for k in kinds):
        raise ValueError("Complex data not supported: X must have real numbers")
    if not kinds:
        return None
    if all(issubclass(k, (numbers.Real, np.bool_, decimal.Decimal)) for k in kinds):
        return NUMBER
    if all(issubclass(k, (np.datetime64, datetime.date)) for k in kinds):
        return TIME
    return CATEGORY


def is_missing(value: Any) -> bool:
    """Whether a value is missing: None, NaN, NaT, pandas.NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and bool(value != value)


def _labels(name: Any, values: Iterable[Any]) -> list[str | None]:
    """Categories as text, None where missing."""
    return [value if type(value) is str else None if is_missing(value) else _label(name, value) for value in values]


def _label(name: Any, value: Any) -> str:
    """A category as text: 3 and 3.0 are the same, since a missing value elsewhere in a column makes floats of ints."""
    if isinstance(value, str):
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_)) and value == value // 1:
        return str(int(float(value)))
    if isinstance(value, (dict, list, set, np.ndarray)):
        raise TypeError(f"column {name!r} of X: argument must be a string or a number, got {type(value).__name__}")
    return str(value)


def _finite(name: Any, values: Floats) -> Floats:
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise ValueError(f"column {name!r} of X must have finite numbers or missing ones, got {values[infinite[0]]} in "
                         f"row {infinite[0]}: Input X contains infinity or a value too large for its dtype")
    return values

