"""Functions on estimators of tables that all formats need: names and kinds of columns, labels, precision."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

MOST_LOST = 1e-3  # largest allowed rounding error, as a fraction of the widths that a feature distinguishes


def names_of(est: Any) -> list[Any]:
    """The names of the columns; their numbers for arrays."""
    return list(range(est.n_features_in_)) if est._names is None else est._names


# kind of a column -> description for an error if formats do not support it, "" if they do
REFUSED = {
    "number": "", "category": "",
    "time": "points in time: fit to a table that has their parts, such as year, month and hour, as numbers instead",
}


def require_columns(est: Any, form: str) -> None:
    """ValueError if an estimator has a column that a format does not support."""
    for name, kind in zip(names_of(est), est.kinds_):
        if REFUSED[kind]:
            raise ValueError(f"columns must be numbers or categories for {form}, got {name!r} of {REFUSED[kind]}")


def require_told_apart(block: Any, name: Any, dtype: np.dtype[Any]) -> None:
    """ValueError if dtype is too coarse for the numbers with which a NumberBlock compares a column: if rounding changes
    them by more than MOST_LOST of the widths between them."""
    edges, values = block.edges.astype(dtype), block.values.astype(dtype)
    for points, widths in ((np.array([block.centre]), np.array([block.scale])), (edges[1:], np.diff(edges)),
                           (values[1:], np.diff(values))):
        lost = np.finfo(dtype).eps * np.abs(points)
        if dtype != np.float64 and (lost > MOST_LOST * widths).any():
            raise ValueError(f"dtype must tell a column's values apart, got {dtype.name} for {name!r}, whose values "
                             'are near to each other for their size: give dtype="float64"')


class Labels(NamedTuple):
    """The encoding of labels by a CategoryBlock: for each label the place of the feature that is 1, None for none.

    places: for labels of fit. missing, others: for missing values, and for new labels. frequency_at: the place of the
    feature for the frequency of a label, if the encoding has one; frequencies: its values for the labels of fit.
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
    """The warning for a column whose new labels are hashed by predict."""
    return (f"column {name!r} has many categories, of which new ones are hashed: {form} cannot, and takes each that "
            "fit did not see for one without features")
