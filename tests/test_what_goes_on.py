"""What fits and partial fits keep of the ones before them, and what they drop: as the docstrings say."""
import copy
import pickle

import numpy as np
import pytest

from fastmlp import MLP, Adam, EarlyStopping, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4))
Y = X[:, 0] * X[:, 1]


def regressor(**how):
    return MLPRegressor("squared_error", (3,), **{"activation": "tanh", "alpha": 0.0, "batch_size": 40, "max_iter": 3,
                                                  "random_state": 0, "warm_start": True, **how})


def test_after_lbfgs_the_optimiser_is_fresh():
    """The first step of a fresh Adam changes each weight by the rate, whatever the gradient."""
    model = regressor(learning_rate_init=0.01, max_iter=50).fit(X, Y)
    model.set_params(solver="lbfgs", max_iter=2).fit(X, Y)
    before = [W.copy() for W in model.coefs_]
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.set_params(solver="adam", max_iter=1).fit(X, Y)
        for W, start in zip(twin.coefs_, before):
            np.testing.assert_allclose(np.abs(W - start), 0.01, rtol=1e-2)
        assert twin._optimizer.learning_rate == 0.01 and len(twin.loss_curve_) == 1


def test_lbfgs_has_no_memory():
    """A warm fit is one from the weights that are there."""
    warm = regressor(solver="lbfgs").fit(X, Y)
    start = [W.copy() for W in warm.coefs_], [b.copy() for b in warm.intercepts_]
    warm.fit(X, Y)
    other = regressor(solver="lbfgs", random_state=1, max_iter=9).fit(X, -Y)
    other.coefs_, other.intercepts_ = start
    other.set_params(max_iter=3).fit(X, Y)
    assert all((a == b).all() for a, b in zip(warm.coefs_, other.coefs_))


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_early_stopping_has_no_best_from_the_fit_before(how):
    """Its weights and its waiting are of this call, though the loss is of targets ten times as large."""
    net, stopping = MLP([4, 3, 1], random_state=0), EarlyStopping("loss", patience=2)
    net.fit(X, Y, Adam(), epochs=4, callbacks=[stopping])
    before = net.params
    getattr(net, how)(X, 10 * Y, epochs=4, callbacks=[stopping])
    assert stopping.best_epoch == (4 if how == "fit" else 8) and (net.params != before).any()
    assert len(net.history["loss"]) == (4 if how == "fit" else 8)


def test_partial_fit_goes_on_as_a_warm_fit_does():
    """Without shuffling three calls of it are a fit of three epochs, in every number."""
    parts, whole = regressor(shuffle=False, batch_size=7), regressor(shuffle=False, batch_size=7).fit(X, Y)
    for _ in range(3):
        parts.partial_fit(X, Y)
    assert all((a == b).all() for a, b in zip(parts.coefs_, whole.coefs_))
    for name in ("loss_curve_", "best_loss_", "t_", "_no_improvement_count"):
        assert getattr(parts, name) == getattr(whole, name)
