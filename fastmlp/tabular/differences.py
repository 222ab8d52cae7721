"""Features as sparse rows of differences, of which the engine multiplies the few that are not 0: kernels/stacked.inc.

A number has one feature for each part of its range, ones below the number and zeros above: two differences say it all.
A category is one feature of many.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .._types import Floats

ROWS = 8192  # that are looked at at a time
WORTH = 3  # features for each difference, from which on these are multiplied sooner


class Differences(NamedTuple):
    """What is left of each feature over the one that stands on it, (n, d) as CSR, and for each feature whether it
    stands on the one before, (d,) of uint8."""

    rows: Any
    stacked: NDArray[np.uint8]


def differences(features: Floats, stacked: NDArray[np.uint8]) -> Differences | None:
    """The Differences of features (n, d), None where they are too many to pay."""
    above = np.flatnonzero(stacked)
    pieces = []
    for begin in range(0, len(features), ROWS):
        left = features[begin:begin + ROWS].copy()
        left[:, above - 1] -= features[begin:begin + ROWS, above]
        pieces.append(sparse.csr_array(left))
    rows = sparse.vstack(pieces, format="csr")
    return Differences(rows, stacked) if WORTH * rows.nnz < features.size else None
