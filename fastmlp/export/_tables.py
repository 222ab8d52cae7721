"""What formats ask of estimators of tables."""
from __future__ import annotations

from typing import Any

import numpy as np

MOST_LOST = 1e-3  # of the width of what a feature tells apart, in rounding


def names_of(est: Any) -> list[Any]:
    """What users call the columns: numbers of an array's."""
    return list(range(est.n_features_in_)) if est._names is None else est._names


def require_told_apart(block: Any, name: Any, dtype: np.dtype[Any]) -> None:
    """ValueError where dtype rounds what a NumberBlock compares a column with by more than a little of the widths that
    count there."""
    edges, values = block.edges.astype(dtype), block.values.astype(dtype)
    for points, widths in ((np.array([block.centre]), np.array([block.scale])), (edges[1:], np.diff(edges)),
                           (values[1:], np.diff(values))):
        lost = np.finfo(dtype).eps * np.abs(points)
        if dtype != np.float64 and (lost > MOST_LOST * widths).any():
            raise ValueError(f"dtype must tell a column's values apart, got {dtype.name} for {name!r}, whose values "
                             'are near to each other for their size: give dtype="float64"')
