"""However L-BFGS ends, its weights are those of the last iterate, and n_iter_ and loss_ are of it."""
import os
import signal
import threading
import warnings

import numpy as np
import pytest

from fastmlp import LambdaCallback, MLPClassifier, MLPRegressor
from fastmlp.estimators._lbfgs import LossAndGradient

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5))
Y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]


def regressor(**how):
    return MLPRegressor("squared_error", (6,), solver="lbfgs", random_state=0, max_iter=30, **how)


def iterates(model):
    """[(loss, weights)] of all iterations."""
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(callbacks=[lambda net, epoch, logs: seen.append((logs["loss"], net.params))]).fit(X, Y)
    return seen


def weights(model):
    return model._net[0].params


@pytest.mark.parametrize("evaluations", [1, 2, 5, 17, 30])
def test_ctrl_c_in_an_evaluation(evaluations, monkeypatch):
    """At a trial point, whose weights must not stay."""
    seen, start = iterates(regressor()), regressor(max_time=None)
    count, function = [0], LossAndGradient.__call__

    def interrupted(self, packed):
        count[0] += 1
        found = function(self, packed)
        if count[0] == evaluations:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(LossAndGradient, "__call__", interrupted)
    model = start
    with pytest.warns(UserWarning, match="Training interrupted by user") as caught:
        model.fit(X, Y)
    assert len(caught) == 1
    n = model.n_iter_
    assert 0 <= n < evaluations and len(model.loss_curve_) == n
    if n:
        assert (weights(model) == seen[n - 1][1]).all() and model.loss_ == seen[n - 1][0] == model.loss_curve_[-1]
    else:
        assert model.loss_ == model.best_loss_ > seen[0][0]
    assert np.isfinite(model.predict(X)).all()


def test_ctrl_c_in_a_callback():
    seen = iterates(regressor())

    def interrupt(net, epoch, logs):
        if epoch == 4:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = regressor(callbacks=[interrupt]).fit(X, Y)
    assert model.n_iter_ == 4 and model.loss_ == seen[3][0] and (weights(model) == seen[3][1]).all()


def test_ctrl_c_of_a_long_fit():
    rows = np.tile(X, (4000, 1))
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    begin = LambdaCallback(on_fit_begin=lambda net, logs: timer.start())
    model = MLPRegressor("squared_error", (64,), solver="lbfgs", random_state=0, max_iter=100000, tol=0.0, n_threads=1,
                         callbacks=[begin])
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(rows, np.tile(Y, 4000))
    timer.join()
    assert np.isfinite(model.loss_) and len(model.loss_curve_) == model.n_iter_


def test_an_error_of_a_callback_leaves_the_last_iterate():
    seen, model = iterates(regressor()), regressor(callbacks=[lambda net, epoch, logs: 1 / (epoch - 3) and None])
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y)
    assert model.n_iter_ == 3 and model.loss_ == seen[2][0] and (weights(model) == seen[2][1]).all()


@pytest.mark.parametrize("how", [{"callbacks": [lambda net, epoch, logs: epoch == 3]}, {"max_time": 1e-9}], ids=str)
def test_being_stopped_is_no_failure(how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = regressor(**how).fit(X, Y)
    assert model.n_iter_ == (3 if "callbacks" in how else 1) == len(model.loss_curve_)


def test_the_last_iteration_warns_as_ever():
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge after 3 iteration"):
        MLPClassifier((3,), solver="lbfgs", max_iter=3, random_state=0).fit(X, Y > 0)
