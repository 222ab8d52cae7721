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
    """(numbers of the rows to train on, or None for all, numbers of those held out for validation, or None): a part
    that the seed draws, on each rank of its own. ValueError where one side would be without rows, or without weight.

    rows: the numbers that there are, None for all.
    """
    if not fraction:
        return rows, None
    order = np.empty(data.n if rows is None else len(rows), np.int64)
    _core.shuffle(order, seed, 2**40)  # in the place of an epoch: no fit has so many
    held = round(len(order) * fraction)
    trained, of_all = ranks.sums(len(order) - held, len(order))
    if not 0 < trained < of_all:
        raise ValueError(f"validation_fraction must leave rows on both sides, got {fraction:g} of {of_all:g} rows")
    rows, held_out = np.sort(order[held:]), np.sort(order[:held])
    require_weight(data, rows, held_out, ranks)
    return rows, held_out


def require_weight(data: _core.Data, rows: Integers, held_out: Integers, ranks: Ranks = ALONE) -> None:
    """ValueError where the rows to train on or those held out are without weight."""
    trained, held = ranks.sums(data.weight_of(rows), data.weight_of(held_out))
    if not trained > 0 or not held > 0:
        raise ValueError("sample_weight must not be all 0 on either side of validation_fraction")


Place = tuple[int, int, int]  # of rows: (epoch, begin, end)
Piece = tuple[_core.Data, Integers | None]  # data, and numbers of rows in it, None for all


class Section(NamedTuple):
    """Rows of some batches that follow each other: the data that they are in, their numbers there, and what makes the
    random numbers of rows differ from those of the same numbers in other data."""

    data: _core.Data
    rows: Integers
    salt: int


class Order:
    """The rows to train on, and their order in each epoch.

    rows: their numbers, or None for all `available` rows of the data. n: how many they are. window: how many are held
    at once, None where all data are.

    A call gives the numbers of the rows at places begin .. end of an epoch, and the same when it is asked for the same
    again, of the present epoch and of the one before: a step that led nowhere is undone by training once more up to it.
    """

    def __init__(self, available: int, rows: Integers | None = None) -> None:
        self.rows, self.n = rows, available if rows is None else len(rows)
        self.window: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """The fit has ended."""

    def __call__(self, epoch: int, begin: int, end: int) -> Integers:
        raise NotImplementedError

    def open(self, data: _core.Data, place: Place) -> Section:
        """The rows at a place, where there is a window, after what was opened last."""
        raise NotImplementedError

    def look_ahead(self, place: Place) -> None:
        """What is likely to be opened next."""

    def weight_of_all(self, data: _core.Data) -> float:
        """The weight of all rows to train on."""
        return data.weight_of(self.rows)

    def pieces(self, data: _core.Data) -> Iterator[Piece]:
        """All of them, as many at a time as are held at once: (data, their numbers there, None for all). There may be
        none."""
        if self.n:
            yield data, self.rows


class InOrder(Order):
    """As they come."""

    seed = None

    def __call__(self, epoch: int, begin: int, end: int) -> Integers:
        return np.arange(begin, end) if self.rows is None else self.rows[begin:end]


class Shuffled(Order):
    """Shuffled anew for each epoch, by a seed and the number of the epoch."""

    def __init__(self, available: int, rows: Integers | None, seed: int) -> None:
        super().__init__(available, rows)
        self.seed = seed

    def __call__(self, epoch: int, begin: int, end: int) -> Integers:
        places = np.empty(end - begin, np.int64)
        _core.shuffle(places, self.seed, epoch, begin, self.n)
        return places if self.rows is None else self.rows[places]


class Reshuffled(Order):
    """Each epoch's is a shuffle of the last one's by a numpy RandomState, as scikit-learn has it."""

    def __init__(self, available: int, rows: Integers | None, random_state: np.random.RandomState) -> None:
        super().__init__(available, rows)
        self.random_state, self.last = random_state, np.arange(self.n) if rows is None else rows
        self.drawn: dict[int, Integers] = {}  # orders by epoch: of the last two

    def __call__(self, epoch: int, begin: int, end: int) -> Integers:
        if epoch not in self.drawn:
            shuffle = np.arange(self.n)
            self.random_state.shuffle(shuffle)
            self.last = self.last[shuffle]
            self.drawn = {**dict([*self.drawn.items()][-1:]), epoch: self.last}
        return self.drawn[epoch][begin:end]
