"""Encode columns as features for a network: each column becomes a block of features, (n, d) of float32.

Numbers are scaled by their median and quartiles and clipped smoothly, x / sqrt(1 + (x/3)^2) (RealMLP: Holzmueller,
Grinsztajn and Steinwart 2024); in addition they have a piecewise-linear encoding with quantiles as edges (Gorishniy,
Rubachev and Babenko 2022), and common values are also encoded as categories. Categories are one-hot; if there are many,
the rarest are hashed. Missing values have a feature of their own, and 0 in the others.
"""
from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Floats
from .columns import CATEGORY, Column, n_rows
from .presets import Preset
from .sketch import Distribution, Labels, Summary, factorize, parts_of, quantiles

CLIP = 3.0  # limit of scaled numbers
FEWEST_BINS = 4
LEAST_COMMON = 10  # a value needs so many rows for a feature of its own
MOST = 1e9  # scaled numbers are cut off here before the smooth clipping, whose square might not be finite
ROWS = 8192  # rows that are encoded at a time; Ctrl-C is handled in between
HASHED = 32  # features that the rare levels of a column with many levels share


class Encoder:
    """Columns -> features. `fit` uses the columns only, never the target.

    source : for each feature the number of the column it comes from, (d,). n_features : d. stacked : (d,) of uint8,
    1 for a feature that is above 0 only where the one before it has all it can: a part of a range above another one.
    """

    def __init__(self, preset: Preset) -> None:
        self.preset = preset

    def fit(self, columns: Sequence[Column]) -> Encoder:
        return self.fit_summaries([Summary.of(column, exact=True) for column in columns])

    def fit_summaries(self, columns: Sequence[Summary]) -> Encoder:
        """Fit to Summaries of the columns."""
        numeric = sum(column.kind != CATEGORY for column in columns)
        room = columns[0].n // (self.preset.values_of_a_bin * max(1, numeric))
        bins = int(np.clip(room, FEWEST_BINS, self.preset.bins))
        blocks: list[tuple[int, str, Any]] = []
        for j, column in enumerate(columns):
            for part, found in column.parts.items():
                block = (CategoryBlock.fit(found, self.preset) if column.kind == CATEGORY
                         else NumberBlock.fit(found.distribution(), self.preset, bins))
                if block.width:
                    blocks.append((j, part, block))
        return self.with_blocks(blocks)

    def with_blocks(self, blocks: list[tuple[int, str, Any]]) -> Encoder:
        """Set the results of `fit`: tuples (column, part of it, its encoding)."""
        self.blocks = blocks
        self.source = np.repeat([j for j, _, _ in blocks], [block.width for _, _, block in blocks]).astype(int)
        self.n_features = len(self.source)
        self.stacked = np.concatenate([block.stacked() for _, _, block in blocks] or [np.zeros(1)]).astype(np.uint8)
        return self

    def transform(self, columns: Sequence[Column]) -> Floats:
        """Features, (n, d) of float32; if all columns are constant, a single feature that is 0."""
        out = np.zeros((n_rows(columns), max(1, self.n_features)), np.float32)
        begin, parts = 0, {}
        for j, part, block in self.blocks:
            if j not in parts:
                parts = {j: parts_of(columns[j])}
            block.encode(parts[j][part], out[:, begin:begin + block.width])
            begin += block.width
        return out


class NumberBlock:
    """The features of a column of numbers: the scaled number; piecewise-linear parts; one for each common value; one
    for missing values.

    centre, scale : of the scaled number; scale is 0 for a constant, which has at most the last feature. edges : of the
    parts. values : the common ones. part_scale : factor of parts and values. misses : whether values were missing.
    width : the number of features.
    """

    def __init__(self, centre: float, scale: float, edges: Floats, values: Floats, part_scale: float,
                 misses: bool) -> None:
        self.centre, self.scale, self.edges, self.values = centre, scale, edges, values
        self.part_scale, self.misses = part_scale, misses
        self.width = bool(scale) * (1 + self.parts + len(values)) + misses

    @property
    def parts(self) -> int:
        """How many parts of the range there are."""
        return max(0, len(self.edges) - 1)

    def stacked(self) -> NDArray[np.bool_]:
        """Whether each feature is a part of the range above another one."""
        feature = np.arange(self.width)
        return (2 <= feature) & (feature <= self.parts)

    @classmethod
    def fit(cls, found: Distribution, preset: Preset, bins: int) -> NumberBlock:
        """bins : the largest number of parts and of common values; half as many of the latter if there are more."""
        values, counts, common, times, missing = found
        if len(values) < 2:
            return cls(0.0, 0.0, np.empty(0), np.empty(0), 0.0, bool(missing) and len(values) > 0)
        low, centre, high = quantiles(values, counts, [0.25, 0.5, 0.75])
        scale = high - low or (values[-1] - values[0]) / 2
        first = np.argsort(-times, kind="stable")[:bins if len(values) <= bins else bins // 2]
        first = first[times[first] >= max(LEAST_COMMON, preset.common * found.n)]
        own = np.sort(common[first]) if len(values) > 2 else np.empty(0)
        return cls(float(centre), float(scale), _edges(found, bins), own, preset.part_scale, bool(missing))

    def encode(self, x: Floats, out: Floats) -> None:
        for begin in range(0, len(x), ROWS):
            self._encode_rows(x[begin:begin + ROWS], out[begin:begin + ROWS])

    def _encode_rows(self, x: Floats, out: Floats) -> None:
        missing, parts = np.isnan(x), self.parts
        if self.scale:
            z = np.clip((x - self.centre) / self.scale, -MOST, MOST)
            out[:, 0] = z / np.sqrt(1 + (z / CLIP) ** 2)
            low, high = self.edges[:-1], self.edges[1:]
            out[:, 1:1 + parts] = np.clip((x[:, None] - low) / (high - low), 0, 1) * self.part_scale
            out[:, 1 + parts:1 + parts + len(self.values)] = (x[:, None] == self.values) * self.part_scale
            out[missing] = 0
        if self.misses:
            out[:, -1] = missing


def _edges(found: Distribution, bins: int) -> Floats:
    """The edges of at most `bins` parts: values that are more frequent than 1 / bins, and quantiles of the others. No
    edges if there would be a single part, which is the number itself."""
    values = found.values
    if len(values) > bins:
        frequent = found.common[found.times > found.n / bins]
        others = ~np.isin(values, frequent)
        q = np.linspace(0, 1, max(2, bins + 1 - len(frequent)))
        values = np.unique(np.concatenate([frequent, quantiles(values[others], found.counts[others], q)]))
    return values if len(values) > 2 else np.empty(0)


class CategoryBlock:
    """The features of a column of categories: one for each common level; one for missing values; for the other levels a
    single one or, if there are many, a hash of the level and its frequency.

    levels : label -> place. counts : label -> frequency in fit, for labels without a place.
    """

    def __init__(self, levels: dict[str, int], counts: dict[str, int], misses: bool, many: bool) -> None:
        self.levels, self.counts, self.misses, self.many = levels, counts, misses, many
        rest = HASHED + 1 if many else bool(counts)
        self.width = len(levels) + rest + misses
        if len(levels) + bool(counts) + misses < 2:
            self.width = 0

    @classmethod
    def fit(cls, found: Labels, preset: Preset) -> CategoryBlock:
        counts = found.counts
        by_count = sorted(counts, key=lambda label: (-counts[label], label))
        common = [label for label in by_count[:preset.levels] if counts[label] > 1]
        levels = {label: place for place, label in enumerate(common)}
        rest = {label: counts[label] for label in by_count if label not in levels}
        many = len(by_count) > preset.levels and sum(rest.values()) >= 2 * len(rest)  # single ones tell nothing
        return cls(levels, rest, bool(found.missing), many)

    def stacked(self) -> NDArray[np.bool_]:
        """None is."""
        return np.zeros(self.width, bool)

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
        """The feature that is 1 for a label; `nowhere` for a new label if all labels of fit were common."""
        if label is None:
            return missing if self.misses else nowhere
        if label in self.levels:
            return self.levels[label]
        return rest + zlib.crc32(label.encode()) % HASHED if self.many else nowhere
