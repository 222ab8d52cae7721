"""Columns as what a network takes: each column becomes a block of features, (n, d) of float32.

Numbers are scaled by their median and quartiles and clipped smoothly, x / sqrt(1 + (x/3)^2) (RealMLP: Holzmueller,
Grinsztajn and Steinwart 2024), and stand beside it as a piecewise-linear encoding with quantiles for edges (Gorishniy,
Rubachev and Babenko 2022); common values are categories as well. Categories are one-hot, the rarest of many
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
FEWEST_BINS = 4
LEAST_COMMON = 10  # rows of a value that has a feature of its own
HASHED = 32  # features that the rare levels of a column with many share
DAY = 86_400.0


class Encoder:
    """Columns -> features. `fit` looks at the columns alone, never at what is to be predicted.

    source : for each feature the number of the column that it comes from, (d,). n_features : d.
    """

    def __init__(self, preset: Preset) -> None:
        self.preset = preset

    def fit(self, columns: Sequence[Column]) -> Encoder:
        numeric = sum(column.kind != CATEGORY for column in columns)
        room = n_rows(columns) // (self.preset.values_of_a_bin * max(1, numeric))
        bins = int(np.clip(room, FEWEST_BINS, self.preset.bins))
        blocks: list[tuple[int, str, Any]] = []
        for j, column in enumerate(columns):
            for part, values in _parts(column).items():
                block = (CategoryBlock.fit(values, self.preset) if column.kind == CATEGORY
                         else NumberBlock.fit(values, self.preset, bins))
                if block.width:
                    blocks.append((j, part, block))
        return self.with_blocks(blocks)

    def with_blocks(self, blocks: list[tuple[int, str, Any]]) -> Encoder:
        """Take what `fit` found: (column, part of it, its encoding) one after the other."""
        self.blocks = blocks
        self.source = np.repeat([j for j, _, _ in blocks], [block.width for _, _, block in blocks]).astype(int)
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
    """The features of numbers: scaled, by parts of the range, by value for common ones, missing.

    centre, scale : of the first; scale is 0 for a constant, which has none but the last. edges : of the parts. values :
    the common ones. part_scale : what parts and values are multiplied by. misses : whether values were missing. width :
    how many features there are.
    """

    def __init__(self, centre: float, scale: float, edges: Floats, values: Floats, part_scale: float,
                 misses: bool) -> None:
        self.centre, self.scale, self.edges, self.values = centre, scale, edges, values
        self.part_scale, self.misses = part_scale, misses
        self.width = bool(scale) * (1 + max(0, len(edges) - 1) + len(values)) + misses

    @classmethod
    def fit(cls, x: Floats, preset: Preset, bins: int) -> NumberBlock:
        """bins : most parts, and most common values; of more values half as many."""
        present = x[~np.isnan(x)]
        misses = len(present) < len(x)
        values, counts = np.unique(present, return_counts=True)
        if len(values) < 2:
            return cls(0.0, 0.0, np.empty(0), np.empty(0), 0.0, misses and len(values) > 0)
        low, centre, high = np.quantile(present, [0.25, 0.5, 0.75])
        scale = high - low or (values[-1] - values[0]) / 2
        common = np.argsort(-counts, kind="stable")[:bins if len(values) <= bins else bins // 2]
        common = common[counts[common] >= max(LEAST_COMMON, preset.common * len(present))]
        own = np.sort(values[common]) if len(values) > 2 else np.empty(0)
        return cls(float(centre), float(scale), _edges(values, counts, bins), own, preset.part_scale, misses)

    def encode(self, x: Floats, out: Floats) -> None:
        missing, parts = np.isnan(x), max(0, len(self.edges) - 1)
        if self.scale:
            z = (x - self.centre) / self.scale
            out[:, 0] = z / np.sqrt(1 + (z / CLIP) ** 2)
            low, high = self.edges[:-1], self.edges[1:]
            out[:, 1:1 + parts] = np.clip((x[:, None] - low) / (high - low), 0, 1) * self.part_scale
            out[:, 1 + parts:1 + parts + len(self.values)] = (x[:, None] == self.values) * self.part_scale
            out[missing] = 0
        if self.misses:
            out[:, -1] = missing


def _edges(values: Floats, counts: Integers, bins: int) -> Floats:
    """The edges of at most `bins` parts: values of which there is more than a part's share, and quantiles of the
    others. None where there would be a single part, which is the number itself."""
    if len(values) > bins:
        frequent = counts > counts.sum() / bins
        others = np.repeat(values[~frequent], counts[~frequent])
        quantiles = np.quantile(others, np.linspace(0, 1, max(2, bins + 1 - int(frequent.sum()))))
        values = np.unique(np.concatenate([values[frequent], quantiles]))
    return values if len(values) > 2 else np.empty(0)


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
