"""Tables and targets at the edges: what is no number, what is a very large one."""
import copy
import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_validate

from fastmlp import TabularClassifier, TabularRegressor

RNG = np.random.default_rng(0)
N = 60
X = RNG.standard_normal((N, 3))
Y = X[:, 0] + X[:, 1] ** 2


def quick(Estimator=TabularRegressor, **options):
    return Estimator("fast", **{"max_iter": 3, "n_members": 2, "random_state": 0, "n_threads": 1, **options})


MODEL = quick().fit(X, Y)
DAYS = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
NO_NUMBERS = {
    "dates": DAYS, "durations": DAYS - DAYS[0], "a series of dates": pd.Series(DAYS),
    "a series of durations": pd.Series(DAYS - DAYS[0]), "dates of Python": [datetime.date(2024, 1, 1)] * N,
    "text of digits": ["7"] * N, "array of digits": np.array(["7", "8"] * 30), "bytes of digits": [b"7"] * N,
    "objects of digits": np.array(["7", 8.0] * 30, object), "strings of pandas": pd.Series(["7"] * N, dtype="string"),
}


@pytest.mark.parametrize("what", NO_NUMBERS)
def test_targets_that_are_no_numbers(what):
    y = NO_NUMBERS[what]
    assert len(y) == N
    calls = {
        "^y must be numbers, got": [lambda: quick().fit(X, y), lambda: MODEL.score(X, y),
                                    lambda: MODEL.permutation_importances(X, y)],
        "y_val.*y must be numbers, got": [lambda: quick().fit(X, Y, X_val=X, y_val=y)],
        "validation_data.*y must be numbers, got": [lambda: quick().fit(X, Y, validation_data=(X, y))]}
    for message, of_message in calls.items():
        for call in of_message:
            with pytest.raises(TypeError, match=message):
                call()


@pytest.mark.parametrize("Estimator", [TabularClassifier, TabularRegressor])
def test_score_takes_what_fit_takes(Estimator):
    y = Y > 1 if Estimator is TabularClassifier else Y
    model = quick(Estimator).fit(X, y)
    weight = RNG.random(N)
    assert model.score(X, y, weight) == pytest.approx(super(Estimator, model).score(X, y, weight), abs=1e-12)
    for given, message in (((X, None), "requires y"), ((X, y, -weight), "sample_weight must be at least 0"),
                           ((X, y, weight[:3]), "sample_weight"), ((X, y, 0 * weight), "sample_weight"),
                           ((X, y[:9]), "inconsistent|y"), ((X[:, :2], y), "X has 2 features")):
        with pytest.raises(ValueError, match=message):
            model.score(*given)


# ---- very large and very small numbers


@pytest.mark.parametrize("options", [{}, {"target_transform": "power"}, {"clip": False}], ids=str)
@pytest.mark.parametrize("size", [2.0**660, 2.0**-660, 2.0**980, 2.0**-980])
@pytest.mark.filterwarnings("error")
def test_targets_of_any_size(size, options):
    """Powers of 2 apart, all numbers are the same to the bit, in units of these."""
    small, large = (quick(**options).fit(X, y) for y in (Y, Y * size))
    np.testing.assert_array_equal(large.predict(X), small.predict(X) * size)
    for found, wanted in ((large.predict(X, return_std=True), small.predict(X, return_std=True)),
                          (large.predict_interval(X, 0.5), small.predict_interval(X, 0.5))):
        np.testing.assert_array_equal(found, np.multiply(wanted, size))
    assert large.score(X, Y * size) == small.score(X, Y)
    assert np.ptp(large.predict(X)) > 0


def test_targets_that_are_too_large():
    with pytest.raises(ValueError, match="^y must be from -1e.300 to 1e.300, got"):
        quick().fit(X, np.where(np.arange(N) == 3, 1.7e308, Y))


@pytest.mark.parametrize("large", [1e12, 1e200, 1.7e308])
@pytest.mark.filterwarnings("error")
def test_one_very_large_number_is_the_largest(large):
    column = np.where(np.arange(N) == 7, large, X[:, 0])[:, None]
    encoder = quick().fit(column, Y)._encoder
    features = encoder.transform(quick()._read_table(column, True, None))
    assert features[7, 0] == np.float32(3) == features[:, 0].max() and np.isfinite(features).all()
    features = encoder.transform(quick()._read_table(-column, True, None))
    assert features[7, 0] == np.float32(-3)


@pytest.mark.filterwarnings("error")
def test_a_column_of_the_largest_numbers_there_are():
    column = np.where(X[:, :1] > 0, 1.7e308, -1.7e308)
    some = np.hstack([column, X[:, 1:], X[:, :1] * 1e307])
    model = quick(TabularClassifier, max_iter=60).fit(some, X[:, 0] > 0)
    assert model.score(some, X[:, 0] > 0) > 0.95


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_very_large_numbers_in_other_formats(dtype, tmp_path):
    """Whose float32 cannot hold the square of what float64 can."""
    onnxruntime = pytest.importorskip("onnxruntime")
    rows = X.copy()
    rows[:4] *= 1e25
    model = quick().fit(X, Y)
    session = onnxruntime.InferenceSession(model.to_onnx(dtype=dtype).SerializeToString())
    found, = session.run(None, {session.get_inputs()[0].name: rows.astype(dtype)})[:1]
    np.testing.assert_allclose(np.ravel(found), model.predict(rows), rtol=1e-4, atol=1e-5)


# ---- copies


@pytest.mark.parametrize("Estimator", [TabularClassifier, TabularRegressor])
def test_copies_have_importances(Estimator):
    model = quick(Estimator).fit(X, Y > 1 if Estimator is TabularClassifier else Y)
    copies = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)]
    assert all((one.feature_importances_ == model.feature_importances_).all() for one in copies)


def test_importances_of_estimators_from_other_processes():
    found = cross_validate(quick(), X, Y, cv=2, n_jobs=2, return_estimator=True)
    assert all(one.feature_importances_.shape == (3,) for one in found["estimator"])


@pytest.mark.parametrize("Estimator", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize("size", [2.0**1022, 2.0**500, 2.0**-1000])
def test_only_what_weights_are_to_each_other_counts(Estimator, size):
    weight = RNG.integers(1, 4, len(X)).astype(float) * (2.0**-4 if size > 1 else 1.0)
    y = (Y > np.median(Y)) if Estimator is TabularClassifier else Y
    models = [Estimator("fast", n_members=2, max_iter=3, random_state=0).fit(X, y, w) for w in (weight, weight * size)]
    assert (models[0].predict(X) == models[1].predict(X)).all()
    assert models[0].score(X, y, weight) == models[1].score(X, y, weight * size)
