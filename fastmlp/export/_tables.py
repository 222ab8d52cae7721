"""What formats ask of estimators of tables."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

MOST_LOST = 1e-3  # of the width of what a feature tells apart, in rounding


def names_of(est: Any) -> list[Any]:
    """What users call the columns: numbers of an array's."""
    return list(range(est.n_features_in_)) if est._names is None else est._names


# kind of a column -> what to say of one that formats do not take, "" for one that they take
REFUSED = {
    "number": "", "category": "",
    "time": "points in time: fit to a table that has their parts, such as year, month and hour, as numbers instead",
}


def require_columns(est: Any, form: str) -> None:
    """ValueError where an estimator has a column that a format does not take."""
    for name, kind in zip(names_of(est), est.kinds_):
        if REFUSED[kind]:
            raise ValueError(f"columns must be numbers or categories for {form}, got {name!r} of {REFUSED[kind]}")


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


class Labels(NamedTuple):
    """What a CategoryBlock makes of labels: the place of the feature that is 1, None for none.

    places: of those that fit saw. missing, others: of a missing one, and of one that fit did not see. frequency_at: the
    feature that says how common a label is, of encodings that have one, and frequencies: what it is then of those that
    fit saw.
    """

    places: dict[str, int | None]
    missing: int | None
    others: int | None
    frequency_at: int | None
    frequencies: dict[str, float]


def labels_of(block: Any) -> Labels:
    """The Labels of a CategoryBlock."""
    from ..tabular.encode import HASHED

    seen = [*block.levels, *block.counts]
    encoded = np.zeros((len(seen) + 1, block.width), np.float32)
    block.encode(np.array([*seen, None], object), encoded)
    at, frequencies = len(block.levels) + HASHED if block.many else None, {}
    if at is not None:
        frequencies = dict(zip(seen, encoded[:, at].tolist()))
        encoded[:, at] = 0
    *places, missing = (int(row.argmax()) if row.any() else None for row in encoded)
    others = len(block.levels) if block.counts and not block.many else None
    return Labels(dict(zip(seen, places)), missing, others, at, frequencies)


def hashed(name: Any, form: str) -> str:
    """What to warn of where a column has labels of which new ones are hashed."""
    return (f"column {name!r} has many categories, of which new ones are hashed: {form} cannot, and takes each that "
            "fit did not see for one without features")
