"""Check users' arrays and convert them to a form that the engine reads; `_checks.py` checks numbers and names.

Each error names the argument, what came and what was wanted. Arrays that the engine can read directly are not copied.
"""
from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _core
from ._types import Floats, Shape

BLOCK_BYTES = 2**26  # size of temporary arrays
# argument -> a hint for the error about text
OF_TEXT = {"y": "; labels that are text are for cross_entropy, or binary_cross_entropy of one output, and must be in "
                "net.classes, which fit finds where it has all of y"}
# loss -> what its targets must be: least, most, in words
RANGES: dict[str, tuple[float, float | None, str]] = {
    "poisson": (0, None, "at least 0"),
    "binary_cross_entropy": (0, 1, "between 0 and 1"),
    "cross_entropy": (0, 1, "between 0 and 1"),
}


# ---- any array


def finite(argument: str, a: NDArray[Any], dtype: DTypeLike) -> None:
    """ValueError unless every element is finite, also after conversion to dtype. Works in blocks of rows."""
    if a.dtype.kind != "f":
        return
    if is_plain(a, dtype):
        good = a.size == 0 or _core.all_finite(a)
    else:
        largest = np.finfo(dtype).max
        step = max(1, 1_000_000 // max(1, a[:1].size))
        good = all(bool(np.abs(a[i:i + step]).max() <= largest) for i in range(0, len(a), step)) if a.size else True
    if not good:
        raise ValueError(f"{argument} must be finite in {np.dtype(dtype).name}, got NaN, infinity or a larger number")


def numeric(argument: str, a: Any, dtype: DTypeLike) -> NDArray[Any]:
    """a as an array: unchanged if the engine reads its element type, otherwise converted to dtype."""
    array: NDArray[Any] = a if type(a) is np.ndarray else as_array(argument, a)
    if array.dtype in _core.SOURCES:
        return array
    kind = array.dtype.kind
    if kind in "cmMV":
        raise TypeError(f"{argument} must be real numbers, got {array.dtype}")
    if kind in "UST":
        raise TypeError(f"{argument} must be numbers, got text, {array.dtype}{OF_TEXT.get(argument, '')}")
    if kind == "O":
        from decimal import Decimal  # here, so that importing fastmlp stays fast

        known = (numbers.Real, Decimal, np.bool_)
        wrong = [t for t in set(map(type, array.flat)) if not issubclass(t, known) or issubclass(t, np.timedelta64)]
        if wrong:
            raise TypeError(f"{argument} must be numbers, got an array of objects, some of them {wrong[0].__name__}")
    try:
        with np.errstate(over="ignore"):  # gives infinity, which `finite` refuses
            return array.astype(dtype)
    except OverflowError:
        raise ValueError(f"{argument} must be finite in {np.dtype(dtype).name}, got a larger number") from None


def as_array(argument: str, a: Any) -> NDArray[Any]:
    """a as an array of any kind."""
    if np.ma.is_masked(a):
        raise ValueError(f"{argument} must have no masked elements, got {a.mask.sum()}")
    if is_sparse(a):
        raise TypeError(f"{argument} must be dense, got {type(a).__name__}")
    try:
        return np.asarray(a)
    except ValueError as error:
        raise ValueError(f"{argument} must be an array, its rows of one length: {error}") from error
    except Exception as error:  # a user's object may raise anything
        raise TypeError(f"{argument} must be an array, got {type(a).__name__}: {error!r}") from error


def is_sparse(a: Any) -> bool:
    """Whether a is one of scipy's sparse matrices or arrays."""
    return type(a) is not np.ndarray and hasattr(type(a), "tocsr")


def shaped(argument: str, a: Any, shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
    """a as an array of finite numbers of exactly this shape."""
    array = numeric(argument, a, dtype)
    if array.shape != shape:
        raise ValueError(f"{argument} must have shape {shape}, got {array.shape}")
    finite(argument, array, dtype)
    return array


def is_plain(a: NDArray[Any], dtype: DTypeLike) -> bool:
    """Whether it is C-contiguous, aligned and of the dtype."""
    flags = a.flags
    return bool(a.dtype == dtype and flags.c_contiguous and flags.aligned)


def plain(a: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """a, or a copy that is C-contiguous, aligned and of the dtype."""
    if is_plain(a, dtype):
        return a
    return np.require(a, dtype, ["C", "A"])


def dense(a: Any, argument: str) -> Any:
    """a, converted to an array if it is sparse. ValueError if its indices point outside of the matrix."""
    return sound(argument, a).toarray() if is_sparse(a) else a


def blocks(n: int, row_bytes: int) -> list[slice]:
    """Slices of n rows, each of as many rows as fit into BLOCK_BYTES, at least one."""
    step = max(1, BLOCK_BYTES // row_bytes)
    return [slice(i, i + step) for i in range(0, n, step)]


# ---- what fit and predict take


def features(X: Any, d: int, dtype: DTypeLike, tables: Sequence[tuple[int, bool]] = ()) -> Any:
    """X as a 2-D array or a CSR matrix of d columns. tables: of the last columns, which hold categories, see
    _require_categories; X must then be dense."""
    if is_sparse(X) and not tables:
        return _csr("X", sound("X", X), d, dtype)
    X = numeric("X", X, dtype)
    if X.ndim != 2:
        hint = "; one row is X.reshape(1, -1)" if X.ndim == 1 else ""
        raise ValueError(f"X must have shape (rows, {d}), got {X.shape}{hint}")
    if X.shape[1] != d:
        raise ValueError(f"X must have {d} columns, got {X.shape[1]}")
    if len(X) == 0:
        raise ValueError("X must have at least one row, got none")
    if tables:
        finite("X", X[:, :d - len(tables)], dtype)
        _require_categories(X[:, d - len(tables):], d - len(tables), tables)
    else:
        finite("X", X, dtype)
    return X


def _require_categories(X: NDArray[Any], first: int, tables: Sequence[tuple[int, bool]]) -> None:
    """ValueError unless the columns X hold categories. first: number of the first column. tables: for each column, the
    number of its values 0, 1, .., and whether other integers and NaN are allowed."""
    n_values, open_ended = map(np.array, zip(*tables))
    for rows in blocks(len(X), 8 * len(tables)):
        part = X[rows]
        with np.errstate(invalid="ignore"):
            whole = part == np.floor(part) if part.dtype.kind == "f" else np.ones(part.shape, bool)
            good = whole & (part >= 0) & (part < n_values)
            if not good.all():
                good |= open_ended & ((whole & np.isfinite(part)) | np.isnan(part))
        if not good.all():
            i, k = np.argwhere(~good)[0]
            wanted = "integers, or NaN," if open_ended[k] else f"integers 0..{n_values[k] - 1}"
            raise ValueError(f"X must have {wanted} in column {first + k}, got {part[i, k]:g} in row {rows.start + i}")


def targets(y: Any, n: int, d: int, loss: str | None, dtype: DTypeLike) -> Any:
    """y for n rows and d outputs: int32 labels (n,) for cross_entropy with labels, else (n, d) of dtype, C-contiguous
    or canonical CSR. loss: its name, None for a function."""
    sparse = is_sparse(y) and y.ndim == 2
    y = sound("y", y).tocsr() if sparse else numeric("y", dense(y, "y"), dtype)
    if y.shape[:1] != (n,):
        raise ValueError(f"y must have {n} rows, as X has, got shape {y.shape}")
    if loss == "cross_entropy" and y.ndim == 1:
        return _labels(y, d)
    if y.shape != (n, d) and not (d == 1 and y.shape == (n,)):
        flat = f" or ({n},)" if d == 1 else f" or be integer labels ({n},)" if loss == "cross_entropy" else ""
        raise ValueError(f"y must have shape ({n}, {d}){flat}, got {y.shape}")
    if sparse:
        y = _canonical("y", _csr("y", y, d, dtype), dtype)
    else:
        finite("y", y, dtype)
        y = plain(y, dtype).reshape(n, d)
    _check_range(y, loss)
    return y


def weights(sample_weight: Any, n: int, dtype: DTypeLike) -> Floats | None:
    """sample_weight as (n,) of dtype, scaled to mean 1, or None."""
    if sample_weight is None:
        return None
    w = unscaled_weights(sample_weight, n, dtype)
    if not w.max() > 0:
        raise ValueError("sample_weight must be at least 0 and not all 0, got only 0")
    w = w / w.max().astype(np.float64)  # so that the sum cannot overflow
    return np.ascontiguousarray(w / w.mean(), dtype)


def unscaled_weights(sample_weight: Any, n: int, dtype: DTypeLike) -> NDArray[Any]:
    """sample_weight as (n,) numbers that are at least 0."""
    w = shaped("sample_weight", sample_weight, (n,), dtype)
    if w.min() < 0:
        raise ValueError(f"sample_weight must be at least 0 and not all 0, got {w.min():g}")
    return w


# ---- targets


def _labels(y: NDArray[Any], d: int) -> NDArray[np.int32]:
    if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.floor(y)).all()):
        raise ValueError(f"y must be integer labels 0..{d - 1} for cross_entropy, got fractions, NaN or infinity")
    if y.min() < 0 or y.max() >= d:
        raise ValueError(f"y must be labels 0..{d - 1} for cross_entropy, got values from {y.min():g} to {y.max():g}"
                         "; y.astype(str) are names for other numbers")
    return plain(y, np.int32)


def _check_range(y: Any, loss: str | None) -> None:
    """ValueError unless dense or sparse targets are in the range for which the loss is defined."""
    if loss not in RANGES:
        return
    least, most, wanted = RANGES[loss]
    if y.min() < least or (most is not None and y.max() > most):
        raise ValueError(f"y must be {wanted} for {loss}, got values from {y.min():g} to {y.max():g}")
    if loss == "cross_entropy":
        sums = np.ravel(y.sum(axis=1, dtype=np.float64))
        if np.abs(sums - 1).max() > 1e-3:
            raise ValueError("y must be rows of probabilities that sum to 1 for cross_entropy, or integer labels "
                             f"(rows,), got sums from {sums.min():g} to {sums.max():g}")


# ---- sparse matrices


def sound(argument: str, a: Any) -> Any:
    """a, checked to be safe for use with scipy: if it is sparse, ValueError if indices point outside of the matrix.
    Scipy's conversions and products trust the indices, and would write wherever they point."""
    form = getattr(a, "format", None)
    if form in _INDEX_BOUNDS:
        bounds = _INDEX_BOUNDS[form](a)
        if not _inside(a.indptr, a.indices, len(a.data), bounds):
            raise _unsound(argument, form)
    elif form == "lil":
        sound(argument, a.tocsr())  # which copies the lists of indices unchecked
    elif form in ("coo", "dok"):
        coo = a.tocoo()
        places = coo.coords if hasattr(coo, "coords") else (coo.row, coo.col)
        if not all(len(at) == len(coo.data) and _below(at, n) for at, n in zip(places, coo.shape)):
            raise _unsound(argument, form)
    return a


def kept(a: Any) -> Any:
    """a, or where it is sparse one of the same elements whose indices nobody else can change: scipy, and what calls it,
    believes them each time that it is asked for something."""
    return a.copy() if is_sparse(a) else a


# (rows that indptr has, what indices are below) by format
_INDEX_BOUNDS = {
    "csr": lambda a: (1, *a.shape)[-2:],
    "csc": lambda a: a.shape[::-1],
    "bsr": lambda a: tuple(n // size for n, size in zip(a.shape, a.data.shape[1:])),
}


def _unsound(argument: str, form: str) -> ValueError:
    indices = "its indptr or indices" if form in _INDEX_BOUNDS else "its coordinates"
    return ValueError(f"{argument} is not a valid {form.upper()} matrix: {indices} point outside of it")


def _csr(argument: str, X: Any, d: int, dtype: DTypeLike) -> Any:
    """A sparse matrix of d columns as csr_array of an element type that the engine reads.

    Its indptr and indices are copies: the engine trusts them during the whole fit, while callbacks and other threads
    might change the user's. The elements are not copied; they may change as those of a dense X may.
    """
    if X.ndim != 2 or X.shape[1] != d:
        raise ValueError(f"{argument} must have {d} columns, got shape {X.shape}")
    X = X.tocsr()
    if X.shape[0] == 0:
        raise ValueError(f"{argument} must have at least one row, got none")
    values = numeric(argument, X.data, dtype)
    index_type = np.int64 if X.indices.dtype.itemsize == 8 else np.int32
    indices, indptr = np.array(X.indices, index_type), np.array(X.indptr, index_type)
    if not _inside(indptr, indices, len(values), X.shape):
        raise _unsound(argument, "csr")
    finite(argument, values, dtype)
    from scipy import sparse  # here: it takes longer to import than all of fastmlp

    out = sparse.csr_array(X.shape, dtype=values.dtype)
    out.data, out.indices, out.indptr = plain(values, values.dtype), indices, indptr
    return out


def _inside(indptr: NDArray[Any], indices: NDArray[Any], n_values: int, shape: tuple[int, ...]) -> bool:
    """Whether all rows of a CSR matrix begin and end within its arrays, and all indices are valid columns."""
    if indptr.shape != (shape[0] + 1,) or indptr[0] < 0 or (np.diff(indptr) < 0).any():
        return False
    if indptr[-1] > min(len(indices), n_values):
        return False
    return _below(indices, shape[1])


def _below(indices: NDArray[Any], n: int) -> bool:
    """Whether all indices are in 0 .. n - 1."""
    return not len(indices) or bool(0 <= indices.min() <= indices.max() < n)


def _canonical(argument: str, a: Any, dtype: DTypeLike) -> Any:
    """A CSR matrix of dtype in canonical format: no duplicates, sorted indices. The user's matrix is not changed."""
    first, last = a.indptr[0], a.indptr[-1]
    values = a.data[first:last].astype(dtype, copy=False)
    a = type(a)((values, a.indices[first:last], a.indptr - first), a.shape)
    if not a.has_canonical_format:
        a = a.copy()
        a.sum_duplicates()
        finite(argument, a.data, dtype)
    return a
