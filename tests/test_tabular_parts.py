"""The parts of the estimators for tables, each against its formula: columns, encodings, targets, rows of members."""
import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fastmlp import Dropout, TabularClassifier
from fastmlp.tabular import columns as tables
from fastmlp.tabular.encode import HASHED, Encoder
from fastmlp.tabular.ensemble import batch_size, deal
from fastmlp.tabular.presets import PRESETS, Preset
from fastmlp.tabular.sketch import factorize, parts_of
from fastmlp.tabular.targets import TargetScale

PRESET = Preset(bins=4, levels=5)


def column(values):
    (found,) = tables.read(pd.DataFrame({"a": values}))
    return found


def encoded(values, others=None):
    """(the features of a column, of other values of it)"""
    encoder = Encoder(PRESET).fit([column(values)])
    return encoder, encoder.transform([column(values if others is None else others)])


# ---- columns

@pytest.mark.parametrize("values, kind, wanted", [
    ([1, None, 2.5], "number", [1, np.nan, 2.5]),
    ([True, False, None], "number", [1, 0, np.nan]),
    ([decimal.Decimal("0.5"), None, 2], "number", [0.5, np.nan, 2]),
    (pd.array([1, None, 3], dtype="Int8"), "number", [1, np.nan, 3]),
    (np.array([1, 2], "timedelta64[m]"), "number", [60, 120]),
    (["b", None, "a"], "category", ["b", None, "a"]),
    (["b", np.nan, 3], "category", ["b", None, "3"]),
    (pd.Categorical([3, 1, None]), "category", ["3", "1", None]),
    ([datetime.date(1970, 1, 2), None], "time", [86400, np.nan]),
    (np.array(["1970-01-01T00:01", "NaT"], "datetime64[s]"), "time", [60, np.nan]),
    (pd.to_datetime(["1970-01-01 00:01+02:00"]).tz_convert("Europe/Berlin"), "time", [-7140 + 3600]),
    ([None, None], "number", [np.nan, np.nan]),
])
def test_what_a_column_is(values, kind, wanted):
    found = column(values)
    assert found.kind == kind
    if kind == "category":
        assert found.values.tolist() == wanted
    else:
        np.testing.assert_array_equal(found.values, wanted)


def test_factorize_gives_the_labels_back():
    labels = np.array(["b", None, "a", "b", None], object)
    distinct, codes = factorize(labels)
    assert distinct == ["b", None, "a"] and [distinct[c] for c in codes] == labels.tolist()


# ---- encodings

def test_numbers_are_scaled_clipped_and_cut_into_parts():
    x = np.arange(0.0, 101)  # quartiles 25, 50, 75; edges 0, 25, 50, 75, 100
    _, out = encoded(x, [50.0, 60.0, 1e9, -1e9])
    z = (60 - 50) / 50
    np.testing.assert_allclose(out[:, 0], [0, z / np.sqrt(1 + z**2 / 9), 3, -3], rtol=1e-6)
    parts = [[1, 1, 0, 0], [1, 1, 0.4, 0], [1] * 4, [0] * 4]
    np.testing.assert_allclose(out[:, 1:] / PRESET.part_scale, parts, rtol=1e-6)


def test_few_values_are_categories_as_well():
    _, out = encoded([0.0, 1, 2] * 20, [0, 1, 2, 1.5])
    assert out.shape == (4, 1 + 2 + 3)
    np.testing.assert_array_equal(out[:, 3:] / PRESET.part_scale, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])


def test_a_missing_number_is_a_feature_of_its_own():
    _, out = encoded([*np.arange(50.0), None])
    assert out[-1, -1] == 1 and not out[-1, :-1].any() and not out[:-1, -1].any()
    _, out = encoded(np.arange(50.0), [None])  # never seen
    assert not out.any()


def test_common_levels_are_one_hot_and_rare_ones_share_a_feature():
    _, out = encoded(["a"] * 9 + ["b"] * 5 + ["c", "d"], ["a", "b", "c", "d", "new"])
    np.testing.assert_array_equal(out, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    _, out = encoded(["a"] * 9 + ["b"] * 5 + [None], ["b", None, "new"])
    np.testing.assert_array_equal(out, [[0, 1, 0], [0, 0, 1], [0, 0, 0]])


def test_the_rare_of_many_levels_are_hashed():
    values = [f"v{i % 20}" for i in range(200)]
    encoder, out = encoded(values)
    assert encoder.n_features == 5 + HASHED + 1
    rare = out[:, :5].sum(axis=1) == 0
    assert rare.sum() == 150 and (out[rare, 5:-1].sum(axis=1) == 1).all()
    np.testing.assert_allclose(out[rare, -1], np.log(11), rtol=1e-6)


def test_points_in_time_are_taken_apart_as_pandas_does():
    when = pd.Series(pd.date_range("2023-11-05 13:17", periods=300, freq="37h"))
    parts = parts_of(column(when))
    for name, wanted in {"year": when.dt.year, "month": when.dt.month, "day": when.dt.day, "hour": when.dt.hour,
                         "weekday": when.dt.day_of_week, "minute": when.dt.minute}.items():
        np.testing.assert_array_equal(parts[name], wanted)


def test_source_is_the_column_of_each_feature():
    X = pd.DataFrame({"a": np.arange(30.0), "same": 1, "b": ["x", "y"] * 15, "when": pd.date_range("2024", periods=30)})
    encoder = Encoder(PRESET).fit(tables.read(X))
    out = encoder.transform(tables.read(X))
    assert len(encoder.source) == out.shape[1] and set(encoder.source.tolist()) == {0, 2, 3}
    moved = encoder.transform(tables.read(X.assign(a=X.a[::-1].to_numpy())))
    assert set(encoder.source[(out != moved).any(axis=0)].tolist()) == {0}


# ---- targets

@pytest.mark.parametrize("y", [np.linspace(-3, 5, 50), np.exp(np.linspace(-2, 4, 50)), -np.exp(np.linspace(-2, 4, 50)),
                               np.full(9, 2.5), np.r_[-1e4, np.arange(50.0)], np.r_[1e4, np.arange(50.0)]])
@pytest.mark.parametrize("transforms", [False, True])
def test_targets_go_there_and_back(y, transforms):
    scale = TargetScale(transforms).fit(y)
    t = scale.transform(y)
    assert abs(t.mean()) < 1e-9 and (np.ptp(y) == 0 or abs(t.std() - 1) < 1e-9)
    np.testing.assert_allclose(scale.inverse(t), y, rtol=1e-9, atol=1e-9)


def test_skewed_targets_are_transformed_as_yeo_and_johnson_say():
    y = np.exp(np.random.default_rng(0).standard_normal(500))
    scale = TargetScale(True).fit(y)
    assert scale.power < 0.5 and TargetScale().fit(y).power == 1
    z = (y - y.mean()) / y.std()
    wanted = stats.yeojohnson(z, scale.power)
    np.testing.assert_allclose(scale.transform(y), (wanted - wanted.mean()) / wanted.std(), rtol=1e-9, atol=1e-9)


def test_means_are_without_bias_after_the_way_back():
    rng = np.random.default_rng(0)
    x = rng.uniform(3, 4, 20_000)
    y = np.exp(x + rng.standard_normal(20_000) / 2) - 1  # whose mean given x is exp(x + 1/8) - 1
    scale = TargetScale(True).fit(y)
    scale.centre, scale.unit, scale.power, scale.mean, scale.scale = 0.0, 1.0, 0.0, 0.0, 1.0  # log(1 + y)
    scale.smear(scale.transform(y) - x)
    np.testing.assert_allclose(scale.inverse(x), np.exp(x) - 1)
    np.testing.assert_allclose(scale.means(x), np.exp(x + 1 / 8) - 1, rtol=0.01)


def test_what_is_between_the_points_of_the_smeared_mean():
    scale = TargetScale(True).fit(np.exp(np.random.default_rng(0).standard_normal(500)))
    scale.smear(np.linspace(-1, 1, 100))
    outputs = np.linspace(-2, 2, 1001)
    wanted = [scale.inverse(output + scale.residuals).mean() for output in outputs]
    np.testing.assert_allclose(scale.means(outputs, clip=False), wanted, rtol=1e-3, atol=1e-3)
    assert scale.means(outputs[:1], clip=False)[0] == pytest.approx(wanted[0], abs=1e-3)  # one row as among many


def test_means_stay_within_the_range_seen_unless_asked_otherwise():
    scale = TargetScale().fit(np.arange(11.0))
    assert scale.means(np.array([-9.0, 0.0, 9.0])).tolist() == [0, 5, 10]
    assert scale.means(np.array([9.0]), clip=False)[0] > 30


def test_weighted_targets_have_the_weighted_mean():
    y, weight = np.array([1.0, 2, 10]), np.array([2.0, 1, 1])
    t = TargetScale().fit(y, weight).transform(y)
    assert abs((weight * t).sum()) < 1e-9 and (weight * t**2).sum() == pytest.approx(4)


# ---- rows of members

def test_folds_hold_out_each_row_once_and_have_as_much_of_each_class():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    parts = deal(y, 5, 5, "folds", np.random.default_rng(0))
    assert np.array_equal(np.sort(np.concatenate([p.held_out for p in parts])), np.arange(100))
    for part in parts:
        assert np.bincount(y[part.held_out]).tolist() == [10, 6, 4]
        assert np.array_equal(np.union1d(part.rows, part.held_out), np.arange(100))
        assert not np.intersect1d(part.rows, part.held_out).size


def test_bootstraps_hold_out_what_they_did_not_draw():
    for part in deal(np.zeros(150), 3, 5, "bootstrap", np.random.default_rng(0)):
        assert len(part.rows) == 150 and set(part.rows) | set(part.held_out) == set(range(150))
        assert 0.3 < len(part.held_out) / 150 < 0.45  # 1/e of them


def test_few_rows_are_all_trained_on():
    (part,) = deal(np.zeros(5), 1, 5, "folds", np.random.default_rng(0))
    assert part.rows.tolist() == list(range(5)) and not len(part.held_out)


@pytest.mark.parametrize("preset, columns, wanted", [("default", 10, 0.1), ("default", 9, None), ("fast", 10, None)])
def test_classifiers_of_many_columns_of_numbers_drop_features_in_training(preset, columns, wanted):
    X, y = pd.DataFrame(np.random.default_rng(0).standard_normal((60, columns))), np.arange(60) % 2
    X["text"] = ["a", "b", "c"] * 20
    X = X.set_axis(map(str, X), axis=1)
    model = TabularClassifier(preset, n_members=2, max_iter=1, n_threads=1, random_state=0).fit(X, y)
    for net in model.networks_:
        assert (net.layers[0].rate if isinstance(net.layers[0], Dropout) else None) == wanted


@pytest.mark.parametrize("name", PRESETS)
def test_batches_are_powers_of_two_within_their_bounds(name):
    preset = PRESETS[name]
    least, most = preset.batches
    for n in (1, 20, 1000, 6000, 10**6):
        size = batch_size(preset, n)
        assert size == n or (least <= size <= most and size & size - 1 == 0)
    assert batch_size(preset, 10**7) == most
