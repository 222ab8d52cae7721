"""How the rows of an epoch, in their order, are divided into batches."""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._types import Integers

AT_ONCE = 2**20  # elements of the temporary arrays of ProportionalCut, which is computed in pieces


class Stretch(NamedTuple):
    """Consecutive batches with the same number of this rank's rows in each: what one call of the engine trains on.

    first, last: the batches first .. last - 1 of the epoch. begin, end: this rank's rows in them, as positions in its
    order. rows: this rank's rows per batch, 0 if only other ranks have some; the last batch of an epoch may have fewer.
    whole: rows of all ranks per batch.
    """

    first: int
    last: int
    begin: int
    end: int
    rows: int
    whole: int

    def where(self, wanted: NDArray[np.bool_]) -> Iterator[Stretch]:
        """Split into stretches of the wanted batches only. wanted: a flag for each batch of the stretch."""
        edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False)).tolist()
        for i, j in zip(edges[::2], edges[1::2]):
            yield Stretch(self.first + i, self.first + j, self.begin + i * self.rows, self.begin + j * self.rows,
                          self.rows, self.whole)


class Cut:
    """Batches of `batch` rows each out of n, the last one perhaps smaller. begin(b): the position of the first row of
    batch b, or n for the batch after the last."""

    def __init__(self, n: int, batch: int) -> None:
        self.n, self.batch, self.batches = n, batch, -(-n // batch)
        self.asked = 0, 0  # the last arguments of stretches, mostly the same in each epoch,
        self.answer: list[Stretch] = []  # and its result

    def begin(self, b: int) -> int:
        return min(b * self.batch, self.n)

    def stretches(self, first: int, last: int) -> list[Stretch]:
        """Batches first .. last - 1, as the smallest possible number of stretches."""
        if self.asked != (first, last):
            self.asked, self.answer = (first, last), self._stretches(first, last)
        return self.answer

    def _stretches(self, first: int, last: int) -> list[Stretch]:
        return [Stretch(first, last, first * self.batch, min(last * self.batch, self.n), self.batch, self.batch)]


class ProportionalCut(Cut):
    """Batches over several ranks, to which each rank contributes in proportion to its number of rows.

    sizes: the number of rows of each rank. Row i of the n rows of a rank is due at (i + 1/2) / n of the epoch, and a
    batch is the `batch` rows that are due next; ties go to the lower rank (Sainte-Lague's method of apportionment).
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
    """Among the first c rows of all ranks, how many belong to each rank, for every c in counts: (counts, ranks)."""
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
