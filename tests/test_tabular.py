"""TabularClassifier and TabularRegressor: what they take, what they refuse, and what comes out."""
import datetime
import pickle
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import fastmlp
from fastmlp import TabularClassifier, TabularRegressor
from fastmlp.tabular import _base

N = 240
BOTH = [TabularClassifier, TabularRegressor]


def quick(Estimator, **options):
    return Estimator("fast", **{"max_iter": 4, "random_state": 0, "n_threads": 1, **options})


def frame(n=N, seed=0):
    """One column of each kind that people have."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({
        "size": rng.standard_normal(n),
        "hour": rng.integers(0, 24, n),
        "colour": rng.choice(["red", "green", "blue"], n),
        "grade": pd.Categorical(rng.choice(["a", "b"], n)),
        "yes": rng.random(n) < 0.5,
        "maybe": pd.array(rng.choice([True, False], n), dtype="boolean"),
        "count": pd.array(rng.integers(0, 99, n), dtype="Int64"),
        "when": pd.Timestamp("2024-02-28") + pd.to_timedelta(rng.integers(0, 10**7, n), unit="s"),
        "took": pd.to_timedelta(rng.integers(0, 10**5, n), unit="s"),
        "same": 1.0,
        "none": None,
    })
    for name in ("size", "colour", "grade", "maybe", "count", "when", "took"):
        X.loc[rng.random(n) < 0.1, name] = None
    return X


def targets(Estimator, n=N, seed=0):
    y = np.random.default_rng(seed).standard_normal(n)
    return np.where(y > 0, "up", "down") if Estimator is TabularClassifier else y


def polars_of(X):
    return pytest.importorskip("polars").from_pandas(X)


def predictions(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@pytest.mark.parametrize("Estimator", BOTH)
def test_scikit_learns_checks(Estimator):
    reason = "chance deals rows to members and batches: two of weight 1 may part, one of weight 2 does not"
    failed = {"check_sample_weight_equivalence_on_dense_data": reason}
    results = check_estimator(quick(Estimator), expected_failed_checks=failed, on_skip=None)
    assert len(results) > 50 and {r["status"] for r in results} <= {"passed", "skipped", "xfail"}
    assert [r["check_name"] for r in results if r["status"] == "skipped"] in ([], ["check_array_api_input"])


# ---- what X may be

@pytest.mark.parametrize("Estimator", BOTH)
def test_frames_of_all_kinds_give_the_same(Estimator):
    pl = pytest.importorskip("polars")
    X, y = frame(), targets(Estimator)
    model = quick(Estimator).fit(X, y)
    assert model.kinds_ == ["number", "number", "category", "category", "number", "number", "number", "time", "number",
                            "number", "number"]
    wanted = predictions(model, X)
    arrow = pl.from_pandas(X).to_arrow()
    for other in (pl.from_pandas(X), arrow, X[X.columns[::-1]], X.astype({"colour": "category", "grade": object})):
        assert np.array_equal(predictions(model, other), wanted)
        assert np.array_equal(predictions(quick(Estimator).fit(other[list(X.columns)] if other is not arrow else other,
                                                               y), X), wanted)


def test_an_array_of_objects_is_a_frame_without_names():
    X, y = frame()[["size", "colour", "hour"]], targets(TabularClassifier)
    model = quick(TabularClassifier).fit(X.to_numpy(), y)
    assert model.kinds_ == ["number", "category", "number"] and not hasattr(model, "feature_names_in_")
    assert np.array_equal(model.predict_proba(X.to_numpy()), quick(TabularClassifier).fit(X, y).predict_proba(X))


def test_frames_are_taken_by_place_where_arrays_were_fitted_and_arrays_where_frames_were():
    pa = pytest.importorskip("pyarrow")
    X, y = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 3))), np.arange(60.0)
    of_array, of_frame = quick(TabularRegressor).fit(X.to_numpy(), y), quick(TabularRegressor).fit(X, y)
    wanted = of_array.predict(X.to_numpy())
    named = X.set_axis(list("abc"), axis=1)
    for model in (of_array, of_frame, quick(TabularRegressor).fit(X.to_numpy().tolist(), y)):
        assert np.array_equal(model.predict(X), wanted) and np.array_equal(model.predict(X.to_numpy()), wanted)
    for frame_ in (named, pa.Table.from_pandas(named)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's, of names that are there now
            assert np.array_equal(of_array.predict(frame_), wanted)
    with pytest.raises(ValueError, match="2 features"):
        of_array.predict(X.iloc[:, :2])


def test_frames_without_the_package_that_reads_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals.stable.v2", None)
    with pytest.raises(ImportError, match="fastmlp.tabular"):
        TabularRegressor("fast").fit(pd.DataFrame({"a": [1.0, 2.0]}), [1.0, 2.0])


class Broken:
    """An object that lets itself be asked for nothing."""

    def __array__(self, *_, **__):
        raise RuntimeError("broken")

    __bool__ = __str__ = __repr__ = __len__ = __iter__ = __float__ = __array__


ROWS = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize("Estimator", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize(("name", "value"), [
    ("X", [Broken()]), ("X", pd.DataFrame({"a": [Broken()] * 6})), ("y", Broken()), ("y", [Broken()] * 6),
    ("sample_weight", Broken()), ("sample_weight", 10**400),
])
def test_data_that_cannot_be_read_is_named(Estimator, name, value):
    given = {"X": ROWS, "y": [0, 1] * 3, name: value}
    with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
        Estimator("fast", n_members=1, max_iter=1).fit(**given)


@pytest.mark.parametrize("Estimator", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize(("name", "value"), [
    *((name, Broken()) for name in ("preset", "n_members", "members", "bagging", "categorical_features", "max_iter",
                                    "time_limit", "random_state", "n_threads", "callbacks")),
    ("categorical_features", [1, [2, 3]]), ("categorical_features", [Broken()]), ("callbacks", [1]),
    ("random_state", np.timedelta64(3, "D")), ("n_members", np.timedelta64(3, "D")), ("max_iter", True),
])
def test_parameters_of_wrong_kinds_are_named(Estimator, name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        Estimator(**{"preset": "fast", "n_members": 1, name: value}).fit(ROWS, [0, 1] * 3)


@pytest.mark.parametrize("value", ["x", -1, np.nan, Broken()])
def test_a_class_weight_that_is_none_is_named(value):
    with pytest.raises((ValueError, TypeError), match="class_weight of 0 must be"):
        TabularClassifier("fast", n_members=1, class_weight={0: value}).fit(ROWS, [0, 1] * 3)


def test_missing_labels():
    y = pd.Series(["a", "b", None] * 2, dtype="string")
    with pytest.raises(ValueError, match="Input y contains NaN: missing labels"):
        TabularClassifier("fast").fit(ROWS, y)


def test_categorical_features_by_number_name_or_mask():
    X, y = frame()[["size", "hour"]], targets(TabularClassifier)
    wanted = quick(TabularClassifier, categorical_features=["hour"]).fit(X, y)
    assert wanted.kinds_ == ["number", "category"]
    for given in ([1], [-1], [False, True], np.array([1])):
        model = quick(TabularClassifier, categorical_features=given).fit(X, y)
        assert np.array_equal(model.predict_proba(X), wanted.predict_proba(X))
    for wrong in ([2], ["no"], [True], [0.5]):
        with pytest.raises(ValueError, match="categorical_features"):
            quick(TabularClassifier, categorical_features=wrong).fit(X, y)


def test_numbers_as_categories_are_the_same_with_and_without_fractions():
    y = targets(TabularClassifier)
    X = pd.DataFrame({"code": pd.Categorical(np.arange(N) % 5)})
    model = quick(TabularClassifier).fit(X, y)
    missing = pd.DataFrame({"code": [3.0, None]})  # which makes 3 a float
    assert np.array_equal(model.predict_proba(missing)[0], model.predict_proba(X)[3])


def test_what_is_new_in_predict():
    X, y = frame().drop(columns="none"), targets(TabularRegressor)
    whole = X.ffill().bfill()
    model = quick(TabularRegressor).fit(whole, y)
    new = whole.astype({"grade": object, "yes": object}).copy()
    new.loc[0, "colour"] = new.loc[1, "grade"] = "never seen"
    new.loc[2] = None
    assert np.isfinite(model.predict(new)).all()
    assert np.array_equal(model.predict(new)[3:], model.predict(whole)[3:])
    nothing = pd.DataFrame({name: [None] for name in whole})
    assert np.allclose(model.predict(nothing), model.predict(new)[2])


def test_a_hundred_thousand_levels_are_no_hundred_thousand_features():
    n = 100_000
    X = pd.DataFrame({"id": [f"row {i}" for i in range(n)], "twice": [f"{i // 2}" for i in range(n)]})
    X["good"] = np.arange(n) % 2
    y = X.good.to_numpy()
    model = quick(TabularClassifier, max_iter=1, n_members=1).fit(X, y)
    assert model._encoder.n_features < 400 and model.score(X[:1000], y[:1000]) == 1


def test_columns_that_tell_nothing():
    X = pd.DataFrame({"a": [1.0] * 40, "b": ["x"] * 40, "c": [None] * 40})
    model = quick(TabularRegressor).fit(X, np.arange(40.0))
    assert np.ptp(model.predict(X)) == 0


@pytest.mark.parametrize("Estimator", BOTH)
def test_targets_of_arrow(Estimator):
    pa = pytest.importorskip("pyarrow")
    X, y = frame(), targets(Estimator)
    wanted = quick(Estimator).fit(X, y)
    for given in (pa.array(y), pa.chunked_array([y[:50], y[50:]])):
        model = quick(Estimator).fit(X, given)
        assert np.array_equal(predictions(model, X), predictions(wanted, X))
        assert model.score(X, given) == wanted.score(X, y)


@pytest.mark.filterwarnings("error")
def test_times_of_a_zone_are_those_on_its_clocks_in_frames_and_arrays():
    when = pd.Series(pd.date_range("2024-01-01", periods=N, freq="7h", tz="Europe/Berlin"))
    X, y = pd.DataFrame({"when": when, "none": None}), targets(TabularRegressor)
    model = quick(TabularRegressor).fit(X, y)
    assert model.kinds_[0] == "time"
    clocks = X.assign(when=when.dt.tz_localize(None))
    for given in (clocks, clocks.to_numpy(object), X.to_numpy(object), X.astype(object)):
        assert np.array_equal(quick(TabularRegressor).fit(given, y).predict(given), model.predict(X))


@pytest.mark.parametrize("Estimator", BOTH)
def test_rows_are_predicted_some_at_a_time(Estimator, monkeypatch):
    X = frame()
    model = quick(Estimator).fit(X, targets(Estimator))
    monkeypatch.setattr(_base, "ROWS", N)
    wanted = predictions(model, X)
    for rows in (1, 7, N - 1):
        monkeypatch.setattr(_base, "ROWS", rows)
        assert np.array_equal(predictions(model, X), wanted)


# ---- what X may not be

@pytest.mark.parametrize("make", [lambda X: X, lambda X: X.to_numpy(object), polars_of])
def test_an_infinite_number_is_an_error_that_names_the_column(make):
    X, y = frame()[["hour", "size"]].astype(float), targets(TabularClassifier)
    model = quick(TabularClassifier).fit(make(X), y)
    X.loc[7, "size"] = np.inf
    for call in (lambda: model.predict(make(X)), lambda: clone(model).fit(make(X), y)):
        with pytest.raises(ValueError, match=r"column ('size'|1) of X .*inf.*row 7"):
            call()


@pytest.mark.parametrize("name, value, error, words", [
    ("size", "large", TypeError, "column 'size' of X .* numbers"),
    ("when", "today", TypeError, "column 'when' of X .* points in time"),
    ("when", 3.0, TypeError, "column 'when' of X .* points in time"),
    ("size", datetime.datetime(2024, 1, 1), TypeError, "column 'size' of X .* numbers"),
    ("size", 10**400, ValueError, "column 'size' of X"),
])
def test_a_column_of_another_kind_is_an_error(name, value, error, words):
    X = frame()
    model = quick(TabularClassifier).fit(X, targets(TabularClassifier))
    X[name] = pd.Series([value] * N, dtype=object)
    with pytest.raises(error, match=words):
        model.predict(X)


def test_absent_and_doubled_columns():
    X, y = frame(), targets(TabularClassifier)
    model = quick(TabularClassifier).fit(X, y)
    with pytest.raises(ValueError, match="'hour'"):
        model.predict(X.drop(columns="hour"))
    with pytest.raises(ValueError, match="hour"):
        quick(TabularClassifier).fit(pd.concat([X, X[["hour"]]], axis=1), y)
    assert np.array_equal(model.predict(X.assign(more=1)), model.predict(X))  # as by name


# ---- y, weights, validation rows

def test_labels_come_back_as_they_were():
    X, _ = load_iris(return_X_y=True)
    for labels in (np.array(["b", "a", "c"]), np.array([5, -1, 7]), np.array([True, False, True])):
        y = labels[load_iris().target]
        model = quick(TabularClassifier, max_iter=30).fit(X, pd.Series(y))
        assert model.classes_.tolist() == sorted(set(y.tolist())) and model.score(X, y) > 0.9
        assert np.allclose(model.predict_proba(X).sum(axis=1), 1)
        assert np.allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))


@pytest.mark.parametrize("Estimator", BOTH)
def test_rows_without_weight_are_as_if_they_were_not_there(Estimator):
    X, y = frame(), targets(Estimator)
    weight = np.random.default_rng(3).uniform(0.5, 2, N)
    weight[::3] = 0
    there = weight > 0
    other = X.assign(size=np.where(there, X["size"], 1e6), colour=X["colour"].where(there, "odd"))
    model = quick(Estimator).fit(other, np.where(there, y, y[0]), weight)
    wanted = quick(Estimator).fit(X[there], y[there], weight[there])
    assert np.array_equal(predictions(model, X), predictions(wanted, X))
    assert np.isnan(model.oof_prediction_[~there]).all()
    np.testing.assert_array_equal(model.oof_prediction_[there], wanted.oof_prediction_)


def test_weights_that_leave_no_row():
    y = np.array([0, 1] * 20)
    with pytest.raises(ValueError, match="sample_weight times class_weight"):
        quick(TabularClassifier, class_weight={0: 0.0, 1: 1.0}).fit(np.ones((40, 1)), y, 1 - y)


def test_class_weight():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((N, 2)), (rng.random(N) < 0.15).astype(int)
    plain, balanced = (quick(TabularClassifier, class_weight=w, max_iter=20).fit(X, y) for w in (None, "balanced"))
    assert plain.predict_proba(X)[:, 1].mean() < 0.25 < 0.4 < balanced.predict_proba(X)[:, 1].mean()
    weights = np.where(y == 1, N / 2 / y.sum(), N / 2 / (N - y.sum()))
    by_rows = quick(TabularClassifier, max_iter=20).fit(X, y, weights)
    assert np.allclose(by_rows.predict_proba(X), balanced.predict_proba(X))


@pytest.mark.parametrize("Estimator", BOTH)
def test_validation_rows_in_both_ways(Estimator):
    X, y = frame(), targets(Estimator)
    A, B, a, b = X[:180], X[180:], y[:180], y[180:]
    one = quick(Estimator).fit(A, a, validation_data=(B, b))
    two = quick(Estimator).fit(A, a, X_val=B, y_val=b)
    assert np.array_equal(predictions(one, X), predictions(two, X)) and np.isnan(one.oof_prediction_).all()
    for wrong in ({"X_val": B}, {"y_val": b}, {"X_val": B, "y_val": b, "validation_data": (B, b)},
                  {"validation_data": (B,)}):
        with pytest.raises(ValueError, match="_val|validation_data"):
            quick(Estimator).fit(A, a, **wrong)


def test_members_stop_by_the_validation_rows_and_keep_the_best_weights():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 5)), rng.integers(0, 2, 100)  # noise: the longer the worse
    V, v = rng.standard_normal((400, 5)), rng.integers(0, 2, 400)
    seen = []
    watch = lambda net, epoch, logs: seen.append(logs["val_loss"])
    model = quick(TabularClassifier, n_members=1, max_iter=200, callbacks=watch).fit(X, y, X_val=V, y_val=v)
    assert len(seen) == model.n_iter_ < 200 and np.argmin(seen) < len(seen) - 5
    p = model.predict_proba(V)[np.arange(400), v]
    assert -np.log(p).mean() == pytest.approx(min(seen), rel=1e-4)


# ---- members

@pytest.mark.parametrize("bagging", ["folds", "bootstrap"])
@pytest.mark.parametrize("Estimator", BOTH)
def test_held_out_predictions_are_those_of_members_that_did_not_see_the_row(Estimator, bagging):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((60, 40))
    y = rng.integers(0, 2, 60) if Estimator is TabularClassifier else rng.standard_normal(60)
    model = quick(Estimator, bagging=bagging, n_members=8, max_iter=80).fit(X, y)
    oof = model.oof_prediction_
    there = ~np.isnan(oof if oof.ndim == 1 else oof[:, 0])
    assert there.mean() > 0.9
    # y is noise: held-out rows can only be guessed, seen ones are learned
    if Estimator is TabularClassifier:
        missed = lambda p: -np.log(p[np.arange(60), y])[there].mean()
    else:
        missed = lambda p: ((y - p)[there] ** 2).mean()
    assert missed(oof) > 1.15 * missed(predictions(model, X))


@pytest.mark.parametrize("Estimator", BOTH)
def test_threads_do_not_change_the_result(Estimator):
    X, y = frame(), targets(Estimator)
    one, two, four = (quick(Estimator, n_members=3, n_threads=n).fit(X, y) for n in (1, 2, 4))
    assert np.array_equal(predictions(one, X), predictions(two, X))
    assert np.array_equal(predictions(one, X), predictions(four, X))


def test_an_error_in_a_thread_comes_out():
    def fail(net, epoch, logs):
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        quick(TabularRegressor, n_threads=2, callbacks=[fail]).fit(frame(), targets(TabularRegressor))


def test_the_spread_of_members():
    X, y = load_diabetes(return_X_y=True)
    model = quick(TabularRegressor, n_members=3).fit(X, y)
    mean, spread = model.predict(X, return_std=True)
    assert np.array_equal(mean, model.predict(X)) and spread.shape == mean.shape and spread.min() > 0
    alone = quick(TabularRegressor, n_members=1).fit(X, y)
    assert alone.predict(X, return_std=True)[1].max() == 0


def test_time_limit_ends_a_fit():
    X, y = load_diabetes(return_X_y=True)
    model = TabularRegressor("best", max_iter=10**6, time_limit=0.2, n_threads=1, random_state=0).fit(X, y)
    assert model.n_iter_ < 10**4 and np.isfinite(model.predict(X)).all()


# ---- intervals

@pytest.mark.parametrize("alpha", [0.1, 0.4])
@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_cover_new_rows_as_often_as_they_say(alpha, skewed):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 3))
    y = X[:, 0] + rng.standard_normal(1500)
    y = np.exp(y) if skewed else y
    model = quick(TabularRegressor, n_members=5, max_iter=10, target_transform="power").fit(X[:700], y[:700])
    low, high = model.predict_interval(X[700:], alpha)
    covered = ((low <= y[700:]) & (y[700:] <= high)).mean()
    assert abs(covered - (1 - alpha)) < 0.05  # 800 rows: four standard deviations


def test_intervals_need_enough_held_out_rows():
    X, y = load_diabetes(return_X_y=True)
    model = quick(TabularRegressor, n_members=5).fit(X[:50], y[:50])
    with pytest.raises(ValueError, match="alpha must be at least"):
        model.predict_interval(X, 0.01)
    with pytest.raises(ValueError, match="alpha"):
        model.predict_interval(X, 1.5)


# ---- importances

@pytest.mark.parametrize("Estimator", BOTH)
def test_importances_find_the_column_that_tells(Estimator):
    X = frame()
    y = X["hour"].to_numpy() % 12 >= 6
    y = y if Estimator is TabularClassifier else y.astype(float)
    model = quick(Estimator, max_iter=60).fit(X, y)
    assert X.columns[model.feature_importances_.argmax()] == "hour" and model.feature_importances_.shape == (11,)
    assert model.feature_importances_[[9, 10]].tolist() == [0, 0]  # constant, and all missing
    new = frame(seed=1)
    again = model.permutation_importances(new, (new["hour"].to_numpy() % 12 >= 6).astype(y.dtype))
    assert X.columns[again.argmax()] == "hour"


# ---- as an estimator

@pytest.mark.parametrize("Estimator", BOTH)
def test_copies_predict_the_same_and_fit_on(Estimator, tmp_path):
    X, y = frame(), targets(Estimator)
    model = quick(Estimator).fit(X, y)
    joblib.dump(model, tmp_path / "model")
    for copy in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")):
        assert np.array_equal(predictions(copy, X), predictions(model, X))
        assert np.array_equal(copy.feature_importances_, model.feature_importances_)
        assert np.array_equal(predictions(copy.fit(X, y), X), predictions(model, X))
    assert np.array_equal(predictions(clone(model).fit(X, y), X), predictions(model, X))


def test_pipelines_and_cross_validation():
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), quick(TabularClassifier, max_iter=20))
    assert cross_val_score(pipeline, X, y).mean() > 0.85
    with sklearn.config_context(enable_metadata_routing=True):
        later = make_pipeline(StandardScaler(), quick(TabularClassifier).set_fit_request(X_val=True, y_val=True),
                              transform_input=["X_val"])
        assert later.fit(X, y, X_val=X, y_val=y).predict(X).shape == (150,)


def test_they_are_public():
    assert fastmlp.TabularClassifier is TabularClassifier and "TabularRegressor" in fastmlp.__all__


@pytest.mark.parametrize("Estimator", BOTH)
def test_skops(Estimator, tmp_path):
    skops = pytest.importorskip("skops.io")
    X, y = frame(), targets(Estimator)
    model = quick(Estimator).fit(X, y)
    skops.dump(model, tmp_path / "model.skops")
    unknown = skops.get_untrusted_types(file=tmp_path / "model.skops")
    assert [name for name in unknown if not name.startswith("fastmlp.")] in ([], ["numpy.dtype"])
    again = skops.load(tmp_path / "model.skops", trusted=unknown)
    assert np.array_equal(predictions(again, X), predictions(model, X))
