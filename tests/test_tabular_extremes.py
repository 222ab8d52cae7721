"""Tables and targets at the edges: what is no number, what is a very large one."""
import datetime

import numpy as np
import pandas as pd
import pytest

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
