"""Which rows of the data are trained on, and in what order."""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from .. import _core
from .._types import Integers
from .ranks import ALONE, Ranks


def hold_out(data: _core.Data, rows: Integers | None, fraction: float, seed: int,
             ranks: Ranks) -> tuple[Integers | None, Integers | None]:
    """(numbers of the rows to train on, or None for all; numbers of those held out for validation, or None), drawn by
    the seed on each rank separately. ValueError if one side would have no rows, or no weight.

    rows: the available row numbers, None for all.
    """
    if not fraction:
        return rows, None
    order = np.empty(data.n if rows is None else len(rows), np.int64)
    _core.shuffle(order, seed, 2**40)  # instead of an epoch's number: no fit has so many
    held = round(len(order) * fraction)
    trained, of_all = ranks.sums(len(order) - held, len(order))
    if not 0 < trained < of_all:
        raise ValueError(f"validation_fraction must leave rows on both sides, got {fraction:g} of {of_all:g} rows")
    rows, held_out = np.sort(order[held:]), np.sort(order[:held])
    require_weight(data, rows, held_out, ranks)
    return rows, held_out


def require_weight(data: _core.Data, rows: Integers, held_out: Integers, ranks: Ranks = ALONE) -> None:
    """ValueError if the rows to train on, or those held out, have weight 0 in total."""
    trained, held = ranks.sums(data.weight_of(rows), data.weight_of(held_out))
    if not trained > 0 or not held > 0:
        raise ValueError("sample_weight must not be all 0 on either side of validation_fraction")


Place = tuple[int, int, int]  # (epoch, begin, end): positions in the order of an epoch
Piece = tuple[_core.Data, Integers | None]  # data, and numbers of rows in it, None for all


class Section(NamedTuple):
    """The rows of some consecutive batches: the data that hold them, their numbers there, and a salt, by which rows of
    the same number in other data get other random numbers."""

    data: _core.Data
    rows: Integers
    salt: int


class Order:
    """The rows to train on, and their order in each epoch.

    rows: their numbers, or None for all `available` rows of the data. n: how many there are. window: how many are in
    memory at once, None if all are.

    A call gives the numbers of the rows at positions begin .. end - 1 of an epoch. For the present epoch and the one
    before, the same call gives the same rows again: undoing a step means to train again up to it.
    """

    def __init__(self, available: int, rows: Integers | None = None) -> None:
        self.rows, self.n = rows, available if rows is None else len(rows)
        self.window: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Called when the fit has ended."""

    def __call__(self, epoch: int, begin: int, end: int) -> Integers:
        raise NotImplementedError

    def open(self, data: _core.Data, place: Place) -> Section:
        """With a window: read the rows of a place."""
        raise NotImplementedError

    def look_ahead(self, place: Place) -> None:
        """With a window: begin to read the place that is likely to be opened next."""

    def weight_of_all(self, data: _core.Data) -> float:
        """The sum of the weights of all rows to train on."""
        return data.weight_of(self.rows)

    def pieces(self, data: _core.Data) -> Iterator[Piece]:
        """All rows to train on, in pieces that are in memory together: (data, their numbers there or None for all).
        There may be none."""
        if self.n:
            yield data, self.rows


class InOrder(Order):
    """The order of the data."""

    seed = None

    def __call__(self, epoch: int, begin: int, end: int) -> Integers:
        return np.arange(begin, end) if self.rows is None else self.rows[begin:end]


class Shuffled(Order):
    """A new shuffle for each epoch, determined by a seed and the number of the epoch."""

    def __init__(self, available: int, rows: Integers | None, seed: int) -> None:
        super().__init__(available, rows)
        self.seed = seed

    def __call__(self, epoch: int, begin: int, end: int) -> Integers:
        places = np.empty(end - begin, np.int64)
        _core.shuffle(places, self.seed, epoch, begin, self.n)
        return places if self.rows is None else self.rows[places]


class Reshuffled(Order):
    """Each epoch shuffles the order of the last one, with a numpy RandomState, as scikit-learn does."""

    def __init__(self, available: int, rows: Integers | None, random_state: np.random.RandomState) -> None:
        super().__init__(available, rows)
        self.random_state, self.last = random_state, np.arange(self.n) if rows is None else rows
        self.drawn: dict[int, Integers] = {}  # the orders of the last two epochs

    def __call__(self, epoch: int, begin: int, end: int) -> Integers:
        if epoch not in self.drawn:
            shuffle = np.arange(self.n)
            self.random_state.shuffle(shuffle)
            self.last = self.last[shuffle]
            self.drawn = {**dict([*self.drawn.items()][-1:]), epoch: self.last}
        return self.drawn[epoch][begin:end]
