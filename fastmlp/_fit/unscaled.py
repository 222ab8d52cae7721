"""Warn about unscaled inputs or targets before training."""
from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import _arrays, _core
from .._network import Network
from ..losses import OF_QUANTILES

# Root mean square of a column above which there is a warning. The limit is lower for targets: outputs are about 0 at
# first, and Adam at its default rate takes a thousand steps to move a bias by 1.
LARGE = {"X": 600.0, "y": 100.0}
ROWS, ELEMENTS = 1000, 2**14  # at most so many rows and numbers are examined
# floating point operations of a fit above which X and y are examined: it takes a millisecond or more, the check a
# hundredth of that
WORTH = 2e7
SCALED = ("dense", "conv")  # kinds of first layers for which the scale of X matters
OF_NUMBERS = ("squared_error", "half_squared_error", "absolute_error", "huber", *OF_QUANTILES)
REMEDIES = {"X": "sklearn.preprocessing.StandardScaler, in a Pipeline, brings each column to mean 0 and variance 1",
            "y": "sklearn.compose.TransformedTargetRegressor with a StandardScaler fits to scaled targets and predicts "
                 "in the units of y"}


class ScaleWarning(UserWarning):
    """X or y has columns of such large numbers that training will suffer. The initial weights are meant for numbers of
    about 1, and the steps of an optimiser have the same size for all weights."""


def warn_of_scales(network: Network, X: Any, y: Any, epochs: int, stacklevel: int) -> None:
    """ScaleWarning if a column of X or y is far too large; not for fits so short that the check would cost time.

    X, y: checked, (n, d) or (n,), all rows of the fit. Only some rows are examined; sparse data, labels and counts are
    not. stacklevel: as in warnings.warn.
    """
    if 6.0 * network.core.work * X.shape[0] * epochs < WORTH:
        return
    given = {"X": X if network.layers[0].kind in SCALED else None, "y": y if network.loss.name in OF_NUMBERS else None}
    for name, a in given.items():
        if a is None or _arrays.is_sparse(a):
            continue
        column, size = _largest_column(a.reshape(len(a), -1), LARGE[name])
        if size > LARGE[name]:
            where = f"column {column} of {name}" if a.ndim > 1 and a.shape[1] > 1 else name
            warnings.warn(f"{where} has values around {10 ** round(math.log10(size)):g}, with which training can "
                          f"hardly go well: {REMEDIES[name]}", ScaleWarning, stacklevel=stacklevel + 1)


def _largest_column(a: Any, large: float) -> tuple[int, float]:
    """(column with the largest root mean square, that value) over some of the rows (n, d); (0, 0) if no number exceeds
    `large`."""
    step = -(-len(a) // max(1, min(ROWS, ELEMENTS // a.shape[1])))
    some = np.ascontiguousarray(a[::step], np.float64)
    if _core.largest(some) <= large:
        return 0, 0.0
    with np.errstate(over="ignore"):
        sizes = np.sqrt(np.mean(some ** 2, axis=0))
    column = int(sizes.argmax())
    return column, min(float(sizes[column]), np.finfo(np.float64).max)
