"""Users' arrays, checked and in a form that the engine reads. Each error names the argument, what came and what was wanted."""
import numpy as np

from . import _core

BLOCK_BYTES = 2**26  # of what is held at once besides the result


def finite(argument, a, dtype):
    """Whether every element is finite, also once converted to dtype. Works in blocks of rows."""
    if a.dtype.kind != "f":
        return
    if a.dtype == dtype and a.flags.c_contiguous and a.flags.aligned:
        good = a.size == 0 or _core.all_finite(a)
    else:
        largest = np.finfo(dtype).max
        step = max(1, 1_000_000 // max(1, a[:1].size))
        good = all(bool(np.abs(a[i:i + step]).max() <= largest) for i in range(0, len(a), step)) if a.size else True
    if not good:
        raise ValueError(f"{argument} must be finite in {np.dtype(dtype).name}, got NaN, infinity or a larger number")


def _array(argument, a):
    if np.ma.is_masked(a):
        raise ValueError(f"{argument} must have no masked elements, got {np.ma.count_masked(a)}")
    try:
        return np.asarray(a)
    except ValueError as error:
        raise ValueError(f"{argument} must be an array, its rows of one length: {error}") from error


def numeric(argument, a, dtype):
    """An array of an element type that the core reads as it is, else a conversion to dtype."""
    if type(a) is not np.ndarray:
        a = _array(argument, a)
    if a.dtype in _core.SOURCES:
        return a
    if a.dtype.kind in "cmM":
        raise TypeError(f"{argument} must be real numbers, got {a.dtype}")
    if a.dtype.kind in "US":
        raise TypeError(f"{argument} must be numbers, got text, {a.dtype}")
    try:
        return a.astype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{argument} must be numbers, got an array of {a.dtype}") from error


def plain(a, dtype):
    """a, or a copy that is C-contiguous, aligned and of the dtype."""
    return a if a.dtype == dtype and a.flags.c_contiguous and a.flags.aligned else np.require(a, dtype, ["C", "A"])


def shaped(argument, a, shape, dtype):
    """a as finite numbers of exactly a shape, not copied where the core can read it."""
    a = numeric(argument, a, dtype)
    if a.shape != shape:
        raise ValueError(f"{argument} must have shape {shape}, got {a.shape}")
    finite(argument, a, dtype)
    return a


def dense(a):
    """a, or what is sparse as an array."""
    return a.toarray() if hasattr(a, "toarray") else a


def features(X, d, dtype):
    """X as a 2-D array or CSR matrix of d columns, not copied where the core can read it."""
    if hasattr(X, "tocsr"):
        return _csr("X", X.tocsr(), d, dtype)
    X = numeric("X", X, dtype)
    if X.ndim != 2:
        raise ValueError(f"X must have shape (rows, {d}), got {X.shape}"
                         + ("; one row is X.reshape(1, -1)" if X.ndim == 1 else ""))
    if X.shape[1] != d:
        raise ValueError(f"X must have {d} columns, got {X.shape[1]}")
    if len(X) == 0:
        raise ValueError("X must have at least one row, got none")
    finite("X", X, dtype)
    return X


def _csr(argument, X, d, dtype):
    """A CSR matrix of d columns as csr_array of an element type that the core reads, its arrays not copied where it reads them."""
    if X.ndim != 2 or X.shape[1] != d:
        raise ValueError(f"{argument} must have {d} columns, got shape {X.shape}")
    if X.shape[0] == 0:
        raise ValueError(f"{argument} must have at least one row, got none")
    values = numeric(argument, X.data, dtype)
    index = np.int64 if X.indices.dtype.itemsize == 8 else np.int32
    indices, indptr = (plain(a, index) for a in (X.indices, X.indptr))
    if (indptr.shape != (X.shape[0] + 1,) or indptr[0] < 0 or (np.diff(indptr) < 0).any() or indptr[-1] > min(len(indices), len(values))
            or (len(indices) and not 0 <= indices.min() <= indices.max() < d)):
        raise ValueError(f"{argument} is not a valid CSR matrix: its indptr or indices point outside of it")
    finite(argument, values, dtype)
    from scipy import sparse  # not at import: it takes longer than all of fastmlp

    out = sparse.csr_array(X.shape, dtype=values.dtype)
    out.data, out.indices, out.indptr = plain(values, values.dtype), indices, indptr
    return out


def _canonical(argument, a, dtype):
    """CSR of dtype that has each of its elements once, in order. What the user holds is not changed."""
    first, last = a.indptr[0], a.indptr[-1]
    a = type(a)((a.data[first:last].astype(dtype, copy=False), a.indices[first:last], a.indptr - first), a.shape)
    if not a.has_canonical_format:
        a = a.copy()
        a.sum_duplicates()
        finite(argument, a.data, dtype)
    return a


def targets(y, n, d, loss, dtype):
    """y for the core: int32 labels (n,) for cross_entropy with labels, else (n, d) of dtype, C-contiguous or canonical CSR."""
    sparse = hasattr(y, "tocsr") and y.ndim == 2
    y = y.tocsr() if sparse else numeric("y", dense(y), dtype)
    if y.shape[:1] != (n,):
        raise ValueError(f"y must have {n} rows, as X has, got shape {y.shape}")
    if loss == "cross_entropy" and y.ndim == 1:
        return _labels(y, d)
    if y.shape not in ((n, d),) + (((n,),) if d == 1 else ()):
        flat = f" or ({n},)" if d == 1 else f" or be integer labels ({n},)" if loss == "cross_entropy" else ""
        raise ValueError(f"y must have shape ({n}, {d}){flat}, got {y.shape}")
    if sparse:
        y = _canonical("y", _csr("y", y, d, dtype), dtype)
    else:
        finite("y", y, dtype)
        y = plain(y, dtype).reshape(n, d)
    low, high, wanted = RANGES.get(loss, (None, None, None))
    if (low is not None and y.min() < low) or (high is not None and y.max() > high):
        raise ValueError(f"y must be {wanted} for {loss}, got values from {y.min():g} to {y.max():g}")
    if loss == "cross_entropy":
        sums = np.ravel(y.sum(axis=1, dtype=np.float64))
        if np.abs(sums - 1).max() > 1e-3:
            raise ValueError("y must be rows of probabilities that sum to 1 for cross_entropy, or integer labels (rows,), got sums from "
                             f"{sums.min():g} to {sums.max():g}")
    return y


RANGES = {
    "poisson": (0, None, "at least 0"),
    "binary_cross_entropy": (0, 1, "between 0 and 1"),
    "cross_entropy": (0, 1, "between 0 and 1"),
}


def _labels(y, d):
    if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.floor(y)).all()):
        raise ValueError(f"y must be integer labels 0..{d - 1} for cross_entropy, got fractions, NaN or infinity")
    if y.min() < 0 or y.max() >= d:
        raise ValueError(f"y must be labels 0..{d - 1} for cross_entropy, got values from {y.min():g} to {y.max():g}")
    return plain(y, np.int32)


def weights(sample_weight, n, dtype):
    """sample_weight as (n,) of dtype, scaled to mean 1, or None."""
    if sample_weight is None:
        return None
    w = numeric("sample_weight", sample_weight, dtype)
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {w.shape}")
    finite("sample_weight", w, dtype)
    if w.min() < 0 or not w.max() > 0:
        raise ValueError("sample_weight must be at least 0 and not all 0, got "
                         + (f"{w.min():g}" if w.min() < 0 else "only 0"))
    w = w / w.max().astype(np.float64)  # whose sum cannot overflow
    return np.ascontiguousarray(w / w.mean(), dtype)


def blocks(n, row_bytes):
    """Slices of n rows, as many as fit into a block, one at least."""
    step = max(1, BLOCK_BYTES // row_bytes)
    return [slice(i, i + step) for i in range(0, n, step)]
