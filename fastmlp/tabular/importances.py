"""Permutation importances of the columns of a fitted estimator (Breiman 2001; Fisher, Rudin and Dominici 2019)."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _checks
from .._types import Floats, Integers
from ..model import MLP
from .columns import Column, n_rows
from .ensemble import Part

MOST_ROWS = 2000  # of each member
REPEATS = 3
MOST_REPEATS = 1000  # largest n_repeats: more do not change the mean
Rows = tuple[Floats, Any, Any]  # features, targets, weights or None


def drawn(features: Floats, targets: Any, weight: Any, rows: Integers, most: int, rng: np.random.Generator) -> Rows:
    """At most `most` of some rows, drawn at random, in order."""
    rows = np.sort(rng.permutation(rows)[:most])
    return features[rows], targets[rows], None if weight is None else weight[rows]


@dataclass
class HeldOut:
    """Rows that members held out: for each member features, targets, weights or None, and permutations."""

    parts: list[tuple[Floats, Any, Any, list[Integers]]]

    @classmethod
    def some(cls, features: Floats, targets: Any, weight: Any, parts: Sequence[Part],
             rng: np.random.Generator) -> HeldOut | None:
        """At most MOST_ROWS for each member; None if a member has held out none."""
        if not all(len(part.held_out) for part in parts):
            return None
        return cls.of((drawn(features, targets, weight, part.held_out, MOST_ROWS, rng) for part in parts), rng)

    @classmethod
    def of(cls, rows: Iterable[Rows], rng: np.random.Generator) -> HeldOut:
        """From the rows of each member."""
        return cls([(*one, [rng.permutation(len(one[0])) for _ in range(REPEATS)]) for one in rows])

    def rises(self, nets: Sequence[MLP], source: Integers, n_columns: int) -> Floats:
        """The increase of the loss when the features of a column are shuffled, the mean over members, (n_columns,).

        source : the column of each feature, (d,).
        """
        rises = np.zeros(n_columns)
        for net, (X, y, weight, orders) in zip(nets, self.parts):
            whole = net.evaluate(X, y, weight)
            for j in np.unique(source):
                for order in orders:
                    mixed = X.copy()
                    mixed[:, source == j] = X[order][:, source == j]
                    rises[j] += net.evaluate(mixed, y, weight) - whole
        return rises / (len(nets) * REPEATS)


def of_score(estimator: Any, columns: Sequence[Column], y: Any, sample_weight: Any, n_repeats: int,
             rng: np.random.Generator) -> Floats:
    """The decrease of the estimator's score when a column is shuffled, for each column, (n_columns,)."""
    _checks.integer("n_repeats", n_repeats, 1, MOST_REPEATS)
    whole = estimator._score_of(columns, y, sample_weight)
    falls = np.zeros(len(columns))
    for j, column in enumerate(columns):
        for _ in range(n_repeats):
            mixed = replace(column, values=column.values[rng.permutation(n_rows(columns))])
            falls[j] += whole - estimator._score_of([*columns[:j], mixed, *columns[j + 1:]], y, sample_weight)
    return falls / n_repeats
