"""Columns as what a network takes: each column becomes a block of features, (n, d) of float32.

Numbers are scaled by their median and quartiles and clipped smoothly, x / sqrt(1 + (x/3)^2) (RealMLP: Holzmueller,
Grinsztajn and Steinwart 2024), and stand beside it as a piecewise-linear encoding with quantiles for edges (Gorishniy,
Rubachev and Babenko 2022); numbers of few values are categories as well. Categories are one-hot, the rarest of many
hashed. A missing value has a feature of its own, by which the network learns its place, and 0 in the others.
"""
from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._types import Floats, Integers
from .columns import CATEGORY, TIME, Column, n_rows
from .presets import Preset

CLIP = 3.0  # what numbers in units of the quartiles' spread stay below
HASHED = 32  # features that the rare levels of a column with many share
DAY = 86_400.0


class Encoder:
    """Columns -> features. `fit` looks at the columns alone, never at what is to be predicted.

    source : for each feature the number of the column that it comes from, (d,). n_features : d.
    """

    def __init__(self, preset: Preset) -> None:
        self.preset = preset

    def fit(self, columns: Sequence[Column]) -> Encoder:
        self.blocks: list[tuple[int, str, Any]] = []  # (column, part of it, its encoding)
        for j, column in enumerate(columns):
            for part, values in _parts(column).items():
                kind = CategoryBlock if column.kind == CATEGORY else NumberBlock
                block = kind.fit(values, self.preset)
                if block.width:
                    self.blocks.append((j, part, block))
        widths = [block.width for _, _, block in self.blocks]
        self.source = np.repeat([j for j, _, _ in self.blocks], widths).astype(int)
        self.n_features = len(self.source)
        return self

    def transform(self, columns: Sequence[Column]) -> Floats:
        """Features, (n, d) of float32; at least one, which is 0 where all columns are constant."""
        out = np.zeros((n_rows(columns), max(1, self.n_features)), np.float32)
        begin, parts = 0, {}
        for j, part, block in self.blocks:
            if j not in parts:
                parts = {j: _parts(columns[j])}
            block.encode(parts[j][part], out[:, begin:begin + block.width])
            begin += block.width
        return out


def _parts(column: Column) -> dict[str, Any]:
    """What of a column is encoded, by name: a point in time is several numbers, anything else is itself."""
    if column.kind != TIME:
        return {"": column.values}
    seconds = column.values
    days = np.floor(seconds / DAY)
    missing = np.isnan(days)
    dates = np.where(missing, 0, days).astype(np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    numbers = {"time": seconds / DAY, "year": dates.astype("datetime64[Y]").astype(int) + 1970,
               "month": months.astype(int) % 12 + 1, "day": (dates - months).astype(int) + 1,
               "weekday": (days - 4) % 7, "hour": np.floor(seconds / 3600) % 24, "minute": np.floor(seconds / 60) % 60}
    return {name: np.where(missing, np.nan, value) for name, value in numbers.items()}


class NumberBlock:
    """The features of numbers: scaled, piecewise-linear, by value where there are few, missing.

    centre, scale : of the first. edges : (bins + 1,) of the encoding. values : those that have a feature of their own.
    means : of the features so far, which are taken off. misses : whether values were missing. width : how many features
    there are.
    """

    def __init__(self, centre: float, scale: float, edges: Floats, values: Floats, misses: bool) -> None:
        self.centre, self.scale, self.edges, self.values, self.misses = centre, scale, edges, values, misses
        self.width = 0 if not scale and not misses else bool(scale) * (1 + len(edges) - 1 + len(values)) + misses

    @classmethod
    def fit(cls, x: Floats, preset: Preset) -> NumberBlock:
        present = x[~np.isnan(x)]
        misses = len(present) < len(x)
        distinct = np.unique(present)
        if len(distinct) < 2:
            return cls(0.0, 0.0, np.empty(0), np.empty(0), misses and len(distinct) > 0)
        low, centre, high = np.quantile(present, [0.25, 0.5, 0.75])
        spread = high - low or (distinct[-1] - distinct[0]) / 2
        if len(distinct) <= preset.bins:
            edges = distinct
        else:
            edges = np.unique(np.quantile(present, np.linspace(0, 1, preset.bins + 1)))
        few = distinct if 2 < len(distinct) <= preset.distinct else np.empty(0)
        if len(edges) < 3:
            edges = np.empty(1)  # a single part would be the scaled number again
        return cls(float(centre), float(spread), edges, few, misses)

    def encode(self, x: Floats, out: Floats) -> None:
        missing, k = np.isnan(x), len(self.edges) - 1
        if self.scale:
            z = (x - self.centre) / self.scale
            out[:, 0] = z / np.sqrt(1 + (z / CLIP) ** 2)
            low, high = self.edges[:-1], self.edges[1:]
            out[:, 1:1 + k] = np.clip((x[:, None] - low) / (high - low), 0, 1)
            if len(self.values):
                out[:, 1 + k:1 + k + len(self.values)] = x[:, None] == self.values
            out[missing] = 0
        if self.misses:
            out[:, -1] = missing


class CategoryBlock:
    """The features of categories: one for each common level, one for missing ones, and for the others one, or where
    there are many the hash of the level and how common it is.

    levels : label -> place. counts : label -> how often it was there, of those without a place.
    """

    def __init__(self, levels: dict[str, int], counts: dict[str, int], misses: bool, many: bool) -> None:
        self.levels, self.counts, self.misses, self.many = levels, counts, misses, many
        rest = HASHED + 1 if many else bool(counts)
        self.width = len(levels) + rest + misses
        if len(levels) + bool(counts) + misses < 2:
            self.width = 0

    @classmethod
    def fit(cls, labels: Any, preset: Preset) -> CategoryBlock:
        distinct, codes = factorize(labels)
        counts = {label: int(n) for label, n in zip(distinct, np.bincount(codes)) if label is not None}
        by_count = sorted(counts, key=lambda label: (-counts[label], label))
        common = [label for label in by_count[:preset.levels] if counts[label] > 1]
        levels = {label: place for place, label in enumerate(common)}
        rest = {label: counts[label] for label in by_count if label not in levels}
        many = len(by_count) > preset.levels and sum(rest.values()) >= 2 * len(rest)  # what comes once tells nothing
        return cls(levels, rest, None in distinct, many)

    def encode(self, labels: Any, out: Floats) -> None:
        distinct, codes = factorize(labels)
        k, missing = len(self.levels), self.width - 1
        nowhere = k if self.counts else self.width
        place = np.array([self._place(label, k, missing, nowhere) for label in distinct], np.int64)[codes]
        known = np.flatnonzero(place < self.width)
        out[known, place[known]] = 1
        if self.many:
            common = np.array([np.log1p(self.counts.get(label or "", 0)) for label in distinct], np.float32)
            rest = (place >= k) & (place < k + HASHED)
            out[rest, k + HASHED] = common[codes][rest]

    def _place(self, label: str | None, rest: int, missing: int, nowhere: int) -> int:
        """The feature that is 1 for a label; `nowhere` for a new one where all were common."""
        if label is None:
            return missing if self.misses else nowhere
        if label in self.levels:
            return self.levels[label]
        return rest + zlib.crc32(label.encode()) % HASHED if self.many else nowhere


def factorize(labels: Any) -> tuple[list[str | None], Integers]:
    """(the different labels in the order in which they come, the place of each row's among them (n,))"""
    places: dict[str | None, int] = {}
    codes = np.fromiter((places.setdefault(label, len(places)) for label in labels), np.int64, len(labels))
    return list(places), codes
