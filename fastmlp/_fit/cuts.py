"""Where the rows of an epoch, in their order, are cut into batches."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._types import Integers

AT_ONCE = 2**20  # numbers


class Stretch(NamedTuple):
    """Batches that follow each other, with as many rows of this rank in each: what a call of the engine trains on.

    first, last: numbers of batches in the epoch. begin, end: this rank's rows of them, places in its order. rows: of
    this rank in a batch, 0 where others alone have some; the last batch of an epoch may have fewer. whole: rows of all
    ranks in a batch, where there are several.
    """

    first: int
    last: int
    begin: int
    end: int
    rows: int
    whole: int

    def where(self, wanted: NDArray[np.bool_]) -> Iterator[Stretch]:
        """The stretches that are left where some of the batches are wanted alone."""
        edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False)).tolist()
        for i, j in zip(edges[::2], edges[1::2]):
            yield Stretch(self.first + i, self.first + j, self.begin + i * self.rows, self.begin + j * self.rows,
                          self.rows, self.whole)


    def parts(self, batches: int) -> Sequence[Stretch]:
        """Stretches of so many batches at most, one after another."""
        if self.last - self.first <= batches:
            return (self,)
        place = lambda b: min(self.begin + (b - self.first) * self.rows, self.end)
        return [self._replace(first=b, last=min(b + batches, self.last), begin=place(b), end=place(b + batches))
                for b in range(self.first, self.last, batches)]


class Cut:
    """Batches of `batch` of n rows each, but the last one. begin(b): the place of a batch's first row; of one past the
    last, the end."""

    def __init__(self, n: int, batch: int) -> None:
        self.n, self.batch, self.batches = n, batch, -(-n // batch)
        self.asked = 0, 0  # what stretches was asked for last, as in each epoch,
        self.answer: list[Stretch] = []  # and what it said

    def begin(self, b: int) -> int:
        return min(b * self.batch, self.n)

    def stretches(self, first: int, last: int) -> list[Stretch]:
        """Batches first .. last, as few stretches as can be."""
        if self.asked != (first, last):
            self.asked, self.answer = (first, last), self._stretches(first, last)
        return self.answer

    def _stretches(self, first: int, last: int) -> list[Stretch]:
        return [Stretch(first, last, first * self.batch, min(last * self.batch, self.n), self.batch, self.batch)]


class ProportionalCut(Cut):
    """Batches of rows of several ranks, each of which gives in proportion to the rows that it has.

    sizes: the ranks' rows. Row i of the n that a rank has is due at (i + 1/2) / n of the epoch, and a batch is the
    `batch` rows that are due next, of the lower rank where two are due at once (Sainte-Lague's method of seats).
    """

    def __init__(self, sizes: Integers, rank: int, batch: int) -> None:
        super().__init__(int(sizes.sum()), batch)
        ends = np.minimum(np.arange(self.batches + 1) * batch, self.n)
        step = max(1, AT_ONCE // len(sizes))
        self.begins = np.concatenate([taken(sizes, ends[i:i + step])[:, rank] for i in range(0, len(ends), step)])
        rows, whole = np.diff(self.begins), np.diff(ends)
        changes = (rows[1:] != rows[:-1]) | (whole[1:] != whole[:-1])
        self.starts = np.concatenate([[0], 1 + np.flatnonzero(changes)])  # of stretches
        self.rows, self.whole = rows[self.starts], whole[self.starts]

    def begin(self, b: int) -> int:
        return int(self.begins[min(b, self.batches)])

    def _stretches(self, first: int, last: int) -> list[Stretch]:
        found = []
        for i in range(int(np.searchsorted(self.starts, first, "right")) - 1, len(self.starts)):
            begin = max(first, int(self.starts[i]))
            end = min(last, int(self.starts[i + 1]) if i + 1 < len(self.starts) else self.batches)
            if begin >= end:
                break
            found.append(Stretch(begin, end, self.begin(begin), self.begin(end), int(self.rows[i]),
                                 int(self.whole[i])))
        return found


def taken(sizes: Integers, counts: Integers) -> Integers:
    """How many rows of each rank are among the first of all, for each of some counts: (counts, ranks)."""
    n = sizes.sum()
    found = (2 * sizes * counts[:, None] + n) // (2 * n)  # rows due by then; the sum may differ from the count by a few
    excess = found.sum(axis=1) - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        while excess.any():
            latest = np.where(found > 0, (2 * found - 1) / sizes, -np.inf)
            earliest = np.where(found < sizes, (2 * found + 1) / sizes, np.inf)
            over, under = np.flatnonzero(excess > 0), np.flatnonzero(excess < 0)
            found[over, len(sizes) - 1 - latest[over, ::-1].argmax(axis=1)] -= 1
            found[under, earliest[under].argmin(axis=1)] += 1
            excess = np.sign(excess) * (abs(excess) - 1)
    return found
