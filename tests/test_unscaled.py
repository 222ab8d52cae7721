"""The warning where X or y has columns that are far too large."""
import warnings

import numpy as np
import pytest
from scipy import sparse

from fastmlp import MLP, BatchNorm, MLPClassifier, MLPRegressor, Residual, ScaleWarning
from fastmlp._fit import unscaled

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 5))
Y = X[:, :2] + 0.1
WIDE = X * [1, 1, 5000, 1, 1]


def said(X, y, layers=(5, 64, 2), epochs=200, **network):
    """The ScaleWarnings of a fit whose rate is too small for anything to happen."""
    net = MLP(list(layers), random_state=0, **network)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(X, y, "adam", epochs=epochs)
    return [str(w.message) for w in caught if w.category is ScaleWarning]


def test_columns_that_are_too_large():
    message, = said(WIDE, Y)
    assert message.startswith("column 2 of X has values around 10000") and "StandardScaler" in message
    message, = said(X, Y * [1, 1e6])
    assert message.startswith("column 1 of y has values around 1e+06") and "TransformedTargetRegressor" in message
    message, = said(X, Y[:, 0] + 1e5, (5, 64, 1), epochs=400)
    assert message.startswith("y has values around 100000")
    assert len(said(WIDE, Y * 1e5)) == 2
    assert len(said(WIDE.astype(np.float32)[:, ::-1], Y)) == len(said((WIDE * 100).astype(int), Y)) == 1


@pytest.mark.parametrize("load, make, what", [("load_diabetes", MLPRegressor, "y has"),
                                              ("load_wine", MLPClassifier, "column 12 of X"),
                                              ("load_breast_cancer", MLPClassifier, "column 23 of X")])
def test_small_tables_that_people_try_first(load, make, what):
    with pytest.warns(ScaleWarning, match=what):
        make(random_state=0).fit(*getattr(pytest.importorskip("sklearn.datasets"), load)(return_X_y=True))


@pytest.mark.parametrize("loss", ["half_squared_error", "absolute_error", "huber", "quantile"])
def test_losses_of_numbers(loss):
    assert len(said(X, Y * 1e5, loss=loss)) == 1


@pytest.mark.parametrize("what, X, y, more", [
    ("standardised", X, Y, {}), ("pixels", RNG.integers(0, 256, (400, 5)), Y, {}),
    ("sparse", sparse.csr_array(WIDE), Y, {}), ("one-hot", np.eye(5)[RNG.integers(5, size=400)], Y, {}),
    ("labels", X, np.arange(400), {"layers": (5, 64, 400), "loss": "cross_entropy", "epochs": 20}),
    ("counts", X, RNG.poisson(9000, (400, 2)), {"loss": "poisson"}),
    ("normalised by the network", WIDE, Y, {"layers": (5, BatchNorm(), 64, 2)}),
    ("a short fit", WIDE, Y, {"epochs": 10}),
    ("one row that is far off", np.where(np.arange(400)[:, None] == 1, 1e4, X), Y, {})], ids=lambda v: str(v)[:20])
def test_no_false_alarm(what, X, y, more):
    assert not said(X, y, **more)


def test_the_first_layer_says_what_it_takes():
    assert len(said(WIDE, Y, (5, Residual(64, 5), 2))) == 1


def test_estimators():
    pytest.importorskip("sklearn")
    model = MLPRegressor(max_iter=200, random_state=0)
    with pytest.warns(ScaleWarning, match="column 2 of X"):
        model.fit(WIDE, Y)
    with pytest.warns(ScaleWarning, match="^y has values around 1e"):
        model.fit(X, Y[:, 0] * 1e6)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScaleWarning)
        model.fit(X, Y)


def test_what_is_looked_at_is_bounded(monkeypatch):
    seen = []
    monkeypatch.setattr(unscaled._core, "largest", lambda a: seen.append(a.shape) or 0.0)
    for shape in ((10**6, 2), (3, 10**6), (5000, 100)):
        unscaled._largest_column(np.broadcast_to(np.float32(1), shape), 600.0)
    assert seen == [(1000, 2), (1, 10**6), (162, 100)]
