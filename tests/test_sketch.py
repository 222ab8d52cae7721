"""Summaries of columns in pieces: exact where few values are different, and within their bounds where not."""
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from fastmlp.tabular import columns as tables
from fastmlp.tabular.encode import Encoder
from fastmlp.tabular.presets import PRESETS
from fastmlp.tabular.sketch import LABELS, NUMBERS, Labels, Numbers, Summary, kind_of, quantiles

RNG = np.random.default_rng(0)
Q = np.r_[0, 1, 0.25, 0.5, 0.75, np.linspace(0, 1, 37), RNG.uniform(size=20)]
MANY = 200_000
SHAPES = {
    "normal": RNG.standard_normal(MANY),
    "skewed": np.exp(3 * RNG.standard_normal(MANY)),
    "rising": np.arange(MANY) / 7,
    "falling": -np.arange(MANY) / 7,
    "common ones": np.where(RNG.uniform(size=MANY) < 0.6, RNG.integers(0, 5, MANY), RNG.standard_normal(MANY)),
    "whole": RNG.integers(0, 6000, MANY).astype(float),
}


def merged(pieces):
    first, *others = pieces
    return sum(others, first)


def in_pieces(a, n):
    return np.array_split(a, n)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1001])
@pytest.mark.parametrize("values", [3, 10**6])
def test_quantiles_are_those_of_numpy_to_the_bit(n, values):
    x = RNG.integers(0, values, n) * 1.1
    assert quantiles(*np.unique(x, return_counts=True), Q).tobytes() == np.quantile(x, Q).tobytes()


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_few_values_are_counted_exactly(pieces):
    x = np.where(RNG.uniform(size=5000) < 0.1, np.nan, RNG.integers(0, NUMBERS, 5000) / 3)
    found = merged(map(Numbers, in_pieces(x, pieces))).distribution()
    present = x[~np.isnan(x)]
    values, counts = np.unique(present, return_counts=True)
    assert found.missing == np.isnan(x).sum() and found.n == len(present)
    for a, b in [(found.values, values), (found.counts, counts), (found.common, values), (found.times, counts)]:
        assert (a == b).all()


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("pieces", [1, 2, 64, 3000])
def test_ranks_are_within_their_bound(name, pieces):
    x = SHAPES[name]
    sketch = merged(map(Numbers, in_pieces(x, pieces)))
    found = sketch.distribution()
    assert found.n == len(x) and (found.counts > 0).all() and all(len(level) <= NUMBERS for level in sketch.levels)
    halved = sum(times > 0 for times in sketch.turns)
    assert 0 < halved <= 1 + np.log2(MANY / NUMBERS) and len(sketch.levels) <= 1 + np.log2(MANY)
    order = np.sort(x)
    bound = halved * MANY / NUMBERS + 1
    for q, value in zip(Q, quantiles(found.values, found.counts, Q)):
        low, high = np.searchsorted(order, value, "left"), np.searchsorted(order, value, "right")
        assert low - bound <= q * (MANY - 1) <= high + bound
        assert low - 0.002 * MANY <= q * (MANY - 1) <= high + 0.002 * MANY  # as a rule well within
    assert found.values[0] == order[0] and found.values[-1] == order[-1]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("pieces", [1, 64])
def test_counts_of_common_numbers_are_within_their_bound(name, pieces):
    x = SHAPES[name]
    sketch = merged(map(Numbers, in_pieces(x, pieces)))
    values, times = np.unique(x, return_counts=True)
    of = dict(zip(sketch.values.tolist(), sketch.times.tolist()))
    assert len(of) <= NUMBERS and 0 < sketch.lost <= MANY / NUMBERS
    for value, n in zip(values.tolist(), times.tolist()):
        assert n - sketch.lost <= of.get(value, 0) <= n


def test_labels_are_counted(monkeypatch):
    labels = np.array([f"v{int(v)}" if v < 900 else None for v in RNG.exponential(150, 20_000)], object)
    wanted = Counter(labels.tolist())
    missing = wanted.pop(None)
    found = merged(map(Labels, in_pieces(labels, 9)))
    assert found.counts == wanted and found.missing == missing and found.lost == 0
    few = merged(Labels(piece, capacity=100) for piece in in_pieces(labels, 9))
    assert len(few.counts) <= 100 and 0 < few.lost <= len(labels) / 100
    assert all(n - few.lost <= few.counts.get(label, 0) <= n for label, n in wanted.items())
    assert LABELS == Labels(labels).capacity


def table(n):
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 10**8, n), unit="s")
    return pd.DataFrame({
        "number": RNG.standard_normal(n), "few": RNG.integers(0, 4, n), "same": 1.0, "when": when,
        "label": pd.Series(RNG.choice(["a", "b", "c", None], n), dtype=object),
        "many": [f"v{v}" for v in RNG.integers(0, 400, n)],
        "gaps": np.where(RNG.uniform(size=n) < 0.2, np.nan, RNG.uniform(size=n))})


def encoder_of(X, pieces):
    columns = [[Summary.of(column) for column in tables.read(X.iloc[piece])]
               for piece in in_pieces(np.arange(len(X)), pieces)]
    return Encoder(PRESETS["default"]).fit_summaries([merged(of) for of in zip(*columns)])


@pytest.mark.parametrize("pieces", [1, 3])
def test_encodings_of_pieces_are_those_of_the_whole(pieces):
    X = table(1500)
    columns = tables.read(X)
    whole = Encoder(PRESETS["default"]).fit(columns)
    found = encoder_of(X, pieces)
    assert (found.source == whole.source).all()
    assert found.transform(columns).tobytes() == whole.transform(columns).tobytes()


def test_encodings_of_many_rows_are_near_those_of_the_whole():
    X = table(60_000)
    columns = tables.read(X)
    whole, found = Encoder(PRESETS["default"]).fit(columns).transform(columns), encoder_of(X, 20).transform(columns)
    assert whole.shape == found.shape and abs(whole - found).max() < 0.05 < abs(whole).max()


def test_the_kind_of_pieces():
    def summary(values):
        return Summary.of(tables.read(pd.DataFrame({"a": pd.Series(values, dtype=object)}))[0])

    numbers, labels, nothing = summary([1, 2.5]), summary(["a", None]), summary([None, None])
    assert kind_of([nothing, numbers, nothing]) == "number" and kind_of([nothing, labels]) == "category"
    assert kind_of([numbers, labels]) == "category" and kind_of([nothing]) == "number"
    light = Summary.of(tables.read(pd.DataFrame({"a": ["x", "y"]}))[0], np.array([False, False]))
    assert light.n == 0 and kind_of([nothing, light]) == "category"  # rows without weight have their say


@pytest.mark.parametrize("kind", ["number", "category", "time"])
def test_values_that_are_missing(kind):
    values = np.full(7, None, object) if kind == "category" else np.full(7, np.nan)
    one, other = Summary.of(tables.Column("a", kind, values)), Summary.missing(kind, 7)
    assert one.n == other.n == 7 and not one.holds and not other.holds and [*one.parts] == [*other.parts]
    assert all(part.missing == 7 == other.parts[name].missing for name, part in one.parts.items())
