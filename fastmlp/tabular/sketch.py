"""Mergeable sketches of a table's columns: the statistics that encodings need, from one pass over rows in pieces. There
is a Summary for each piece, and two Summaries can be added.

Few distinct values are counted exactly. If there are more than a capacity K, a weighted sample of the numbers is kept,
from which quantiles are computed (Manku, Rajagopalan and Lindsay 1998; mergeable: Agarwal et al. 2012): of each two
neighbours in sorted order one is kept, alternately the lower and the higher, with twice the weight. For n numbers this
happens at 1 + log2(n / K) levels at most, and each changes the rank of a number by n / K at most: for a million numbers
by half a percent in total, typically by a tenth of a percent. Frequencies of common values are kept by K counters
(Misra and Gries 1982), which are too small by n / K at most.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .._types import Floats, Integers
from .columns import CATEGORY, TIME, Column, n_rows

DAY = 86_400.0
LARGEST = 1e300  # larger numbers are cut off here
NUMBERS = 2048  # capacity: distinct numbers that are counted exactly, and numbers kept at each level
LABELS = 65_536  # capacity: distinct labels that are counted
EXACT = 2**62  # a capacity that is never exceeded


class Distribution(NamedTuple):
    """The distribution of a column's numbers, for encodings. values, counts: distinct numbers in ascending order, (m,),
    and the weight of each. common, times: numbers that may be frequent, (k,), and their frequencies. missing: the
    number of missing values."""

    values: Floats
    counts: Integers
    common: Floats
    times: Integers
    missing: int

    @property
    def n(self) -> int:
        """The number of numbers, without missing ones."""
        return int(self.counts.sum())


class Numbers:
    """A sketch of numbers.

    values, times: distinct numbers in ascending order, and their frequencies; lost: the largest error by which these
    are too small, 0 if exact. levels: samples whose numbers have the weights 1, 2, 4, ..; empty while `times` are
    exact."""

    def __init__(self, x: Floats, capacity: int = NUMBERS) -> None:
        """x : (n,), NaN where missing."""
        present = x[~np.isnan(x)]
        self.capacity, self.missing = capacity, len(x) - len(present)
        self.values, self.times = np.unique(present, return_counts=True)
        self.least, self.most = float(present.min(initial=np.inf)), float(present.max(initial=-np.inf))
        self.lost = 0
        self.levels: list[Floats] = []
        self.turns: list[int] = []  # how often each level was halved
        self._shrink()

    def __add__(self, other: Numbers) -> Numbers:
        """The sketch of the numbers of both."""
        both = object.__new__(Numbers)
        both.capacity, both.missing = self.capacity, self.missing + other.missing
        both.least, both.most = min(self.least, other.least), max(self.most, other.most)
        both.lost, both.levels, both.turns = self.lost + other.lost, [], []
        if self.levels or other.levels:
            for one in (self, other):
                both._take(one.levels or _by_bits(one.values, one.times))
                both._take_turns(one.turns)
        both.values, both.times = _added(self.values, self.times, other.values, other.times)
        both._shrink()
        return both

    def distribution(self) -> Distribution:
        """The Distribution of the numbers."""
        values, counts = self.values, self.times
        if self.levels:
            weights = [np.full(len(level), 1 << h) for h, level in enumerate(self.levels)]
            values, counts = _added(np.concatenate(self.levels), np.concatenate(weights))
            ends = np.array([self.least, self.most])  # one of those that the first and the last stand for
            counts[[0, -1]] -= 1
            values, counts = _added(values, counts, ends, np.ones(2, np.int64))
            values, counts = values[counts > 0], counts[counts > 0]
        return Distribution(values, counts, self.values, self.times, self.missing)

    def points(self, most: int) -> Floats:
        """All numbers in ascending order or, if there are more than `most`, so many quantiles at equal distances."""
        values, counts, *_ = self.distribution()
        if counts.sum() <= most:
            return np.repeat(values, counts)
        return quantiles(values, counts, (np.arange(most) + 0.5) / most)

    def _shrink(self) -> None:
        """Reduce the sketch to its capacity."""
        if len(self.values) > self.capacity:
            if not self.levels:
                self._take(_by_bits(self.values, self.times))
            cut = np.partition(self.times, -self.capacity - 1)[-self.capacity - 1]
            kept = self.times > cut
            self.values, self.times, self.lost = self.values[kept], self.times[kept] - cut, self.lost + int(cut)
        h = 0
        while h < len(self.levels):
            if len(self.levels[h]) > self.capacity:
                self._halve(h)
            h += 1

    def _halve(self, h: int) -> None:
        """Move one of each two neighbours of level h to the next level; alternately the lower and the higher."""
        level = np.sort(self.levels[h])
        even = len(level) - len(level) % 2
        self._take_turns([0] * (h + 1))
        self._take([*[np.empty(0)] * (h + 1), level[self.turns[h] % 2:even:2]])
        self.levels[h] = level[even:]
        self.turns[h] += 1

    def _take(self, levels: Sequence[Floats]) -> None:
        """Add numbers to the levels."""
        self.levels += [np.empty(0)] * (len(levels) - len(self.levels))
        for h, numbers in enumerate(levels):
            if len(numbers):
                self.levels[h] = np.concatenate([self.levels[h], numbers])

    def _take_turns(self, turns: Sequence[int]) -> None:
        self.turns += [0] * (len(turns) - len(self.turns))
        for h, times in enumerate(turns):
            self.turns[h] += times


def _by_bits(values: Floats, times: Integers) -> list[Floats]:
    """Numbers with frequencies as levels, whose numbers have the weights 1, 2, 4, .."""
    return [values[times >> h & 1 == 1] for h in range(int(times.max(initial=0)).bit_length())]


def _added(values: Floats, times: Integers, more: Floats | None = None,
           more_times: Integers | None = None) -> tuple[Floats, Integers]:
    """(distinct values in ascending order, their frequencies)"""
    if more is not None and more_times is not None:
        values, times = np.concatenate([values, more]), np.concatenate([times, more_times])
    distinct, place = np.unique(values, return_inverse=True)
    total = np.zeros(len(distinct), np.int64)
    np.add.at(total, place, times)
    return distinct, total


def quantiles(values: Floats, counts: Integers, q: Any) -> Floats:
    """numpy.quantile(numpy.repeat(values, counts), q) with the same bits, without the memory for it.

    values : in ascending order, (m,). counts : (m,), at least 1. q : from 0 to 1.
    """
    ends = np.cumsum(counts)
    place = np.asarray(q, np.float64) * (ends[-1] - 1)
    low = np.floor(place).astype(np.int64)
    below, above = (values[np.searchsorted(ends, i, "right")] for i in (low, np.minimum(low + 1, ends[-1] - 1)))
    part, apart = place - low, above - below
    return np.where(part >= 0.5, above - apart * (1 - part), below + apart * part)


class Labels:
    """A sketch of labels.

    counts: label -> frequency; if there are more than `capacity` labels, only the most frequent ones, and a count may
    be too small by up to `lost`. missing: the number of missing values.
    """

    def __init__(self, labels: Any, capacity: int = LABELS) -> None:
        """labels : (n,), text or None."""
        distinct, codes = factorize(labels)
        self.capacity, self.lost = capacity, 0
        self.counts = {label: int(n) for label, n in zip(distinct, np.bincount(codes)) if label is not None}
        self.missing = len(labels) - sum(self.counts.values())
        self._shrink()

    def __add__(self, other: Labels) -> Labels:
        """The sketch of the labels of both."""
        both = object.__new__(Labels)
        both.capacity, both.lost, both.missing = self.capacity, self.lost + other.lost, self.missing + other.missing
        both.counts = dict(self.counts)
        for label, n in other.counts.items():
            both.counts[label] = both.counts.get(label, 0) + n
        both._shrink()
        return both

    def _shrink(self) -> None:
        """Reduce the counters to the capacity (Misra and Gries)."""
        if len(self.counts) > self.capacity:
            cut = sorted(self.counts.values())[-self.capacity - 1]
            self.counts = {label: n - cut for label, n in self.counts.items() if n > cut}
            self.lost += cut


def factorize(labels: Any) -> tuple[list[str | None], Integers]:
    """(distinct labels in the order of first occurrence, the index of each row's label among them (n,))"""
    places: dict[str | None, int] = {}
    codes = np.fromiter((places.setdefault(label, len(places)) for label in labels), np.int64, len(labels))
    return list(places), codes


@dataclass
class Summary:
    """A sketch of a column: its kind; n, the number of rows; for each of its parts, by name, the Numbers or Labels; and
    whether it holds any value, including rows that do not count."""

    kind: str
    n: int
    parts: dict[str, Any]
    holds: bool

    @classmethod
    def of(cls, column: Column, counting: Any = ..., exact: bool = False) -> Self:
        """counting : a mask of the rows that count. exact : keep all distinct values, however many."""
        sketch, capacity = (Labels, LABELS) if column.kind == CATEGORY else (Numbers, NUMBERS)
        some = replace(column, values=column.values[counting])
        parts = {name: sketch(values, EXACT if exact else capacity) for name, values in parts_of(some).items()}
        holds = any(value is not None and value == value for value in column.values)
        return cls(column.kind, n_rows([some]), parts, holds)

    @classmethod
    def missing(cls, kind: str, n: int) -> Self:
        """The Summary of a column of a kind in which all n values are missing."""
        found = cls.of(Column("", kind, np.empty(0, object if kind == CATEGORY else np.float64)))
        for part in found.parts.values():
            part.missing = n
        return cls(kind, n, found.parts, False)

    def __add__(self, other: Summary) -> Summary:
        """The Summary of the rows of both, which must be of one kind."""
        parts = {name: part + other.parts[name] for name, part in self.parts.items()}
        return Summary(self.kind, self.n + other.n, parts, self.holds or other.holds)


def parts_of(column: Column) -> dict[str, NDArray[Any]]:
    """The parts of a column that are encoded separately, by name: a time has several numbers, other columns have one
    part. Numbers are cut off at LARGEST, so that their differences are finite."""
    if column.kind == CATEGORY:
        return {"": column.values}
    if column.kind != TIME:
        return {"": np.clip(column.values, -LARGEST, LARGEST)}
    seconds = column.values
    days = np.floor(seconds / DAY)
    missing = np.isnan(days)
    dates = np.where(missing, 0, days).astype(np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    numbers = {"time": seconds / DAY, "year": dates.astype("datetime64[Y]").astype(int) + 1970,
               "month": months.astype(int) % 12 + 1, "day": (dates - months).astype(int) + 1,
               "weekday": (days - 4) % 7, "hour": np.floor(seconds / 3600) % 24, "minute": np.floor(seconds / 60) % 60}
    return {name: np.where(missing, np.nan, value) for name, value in numbers.items()}


def kind_of(summaries: Sequence[Summary]) -> str:
    """The kind of a column from its pieces: that of the pieces with values; CATEGORY if these differ, as for a column
    of objects that are not all numbers."""
    kinds = {summary.kind for summary in summaries if summary.holds}
    return kinds.pop() if len(kinds) == 1 else CATEGORY if kinds else summaries[0].kind
