"""A second fit of what is being fitted: an error, and the first fit goes on as if nothing had been."""
import os
import threading

import numpy as np
import pytest

from fastmlp import (
    MLP,
    SGD,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    ProgressBar,
    TimeLimit,
)

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 4)), RNG.standard_normal((40, 2))
LABELS = RNG.integers(0, 2, 40)


def network():
    return MLP([4, 8, 2], activation="tanh", dtype="float64", random_state=0)


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def refused(fit, messages):
    try:
        fit()
    except RuntimeError as error:
        messages.append(str(error))


WAYS = {"the call that this one came from": lambda function: function(), "another thread": in_a_thread}


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
@pytest.mark.parametrize("way", WAYS)
def test_of_a_network(way, name):
    net, twin, messages = network(), network(), []
    again = lambda: getattr(net, name)(X[:7], Y[:7], SGD(0.5), epochs=3)
    history = net.fit(X, Y, epochs=4, callbacks=[lambda *_: WAYS[way](lambda: refused(again, messages))])
    assert len(messages) == 4 and "this MLP is being fitted" in messages[0] and way in messages[0]
    assert history == twin.fit(X, Y, epochs=4) and net.params.tobytes() == twin.params.tobytes()
    again()  # now it can


@pytest.mark.parametrize("make, y", [
    (lambda **how: MLPRegressor(random_state=0, max_iter=4, **how), Y),
    (lambda **how: MLPRegressor(random_state=0, max_iter=4, solver="lbfgs", **how), Y),
    (lambda **how: MLPClassifier(random_state=0, max_iter=4, **how), LABELS),
    (lambda **how: MLPAutoencoder((2,), random_state=0, max_iter=4, **how), None)],
    ids=["regressor", "lbfgs", "classifier", "autoencoder"])
@pytest.mark.parametrize("way", WAYS)
def test_of_an_estimator(way, make, y):
    messages, nets = [], []

    def again(net, epoch, logs):
        if hasattr(model, "partial_fit"):
            WAYS[way](lambda: refused(lambda: model.partial_fit(X, y), messages))
        WAYS[way](lambda: refused(lambda: model.fit(X, y), messages))
        nets.append(net)
        WAYS[way](lambda: refused(lambda: net.fit(X, Y), messages))

    model = make(callbacks=[again])
    model.fit(X, y)
    assert len(messages) == (12 if hasattr(model, "partial_fit") else 8)
    assert all("being fitted" in message for message in messages) and type(model).__name__ in messages[0]
    twin = make().fit(X, y)
    assert all((a == b).all() for a, b in zip(model.coefs_, twin.coefs_)) and model.loss_ == twin.loss_
    model.set_params(callbacks=None).fit(X, y)


def test_others_can_be_fitted_meanwhile():
    net = network()
    net.fit(X, Y, epochs=2, callbacks=[lambda *_: bool(network().fit(X, Y, epochs=1)) and False])
    assert len(net.history["loss"]) == 2


def test_an_error_ends_the_fit_as_well():
    net = network()
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, callbacks=[lambda *_: 1 / 0])
    net.fit(X, Y, epochs=1)
    with pytest.raises(RuntimeError, match="being fitted by the call"):
        net.fit(X, Y, callbacks=[lambda *_: net.fit(X, Y)])
    net.fit(X, Y, epochs=1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_child_may_fit_what_another_thread_was_fitting():
    net, begun, go_on = network(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: net.fit(X, Y, epochs=1, n_threads=1, callbacks=[
        lambda *_: begun.set() or go_on.wait()]))
    thread.start()
    begun.wait()
    child = os.fork()
    if not child:
        status = 1
        try:
            net.fit(X, Y, epochs=1, n_threads=1)
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    go_on.set()
    thread.join()
    assert status == 0


@pytest.mark.parametrize("make", [lambda path: EarlyStopping("loss"), lambda path: Checkpoint(path / "net", "loss"),
                                  lambda path: CSVLogger(path / "log"), lambda path: TimeLimit(1000.0),
                                  lambda path: ProgressBar()],
                         ids=["EarlyStopping", "Checkpoint", "CSVLogger", "TimeLimit", "ProgressBar"])
@pytest.mark.parametrize("way", WAYS)
def test_of_a_callback(way, make, tmp_path):
    """One that keeps what it sees of a fit is for one at a time: else one network would get the other's weights."""
    own, other, messages, fits = make(tmp_path), network(), [], []
    before = other.params.tobytes()

    def again(net, epoch, logs):
        WAYS[way](lambda: refused(lambda: other.fit(X, Y, epochs=3, callbacks=own), messages))

    for callbacks in ([own, again], [make(tmp_path)]):
        net = network()
        fits.append((net.fit(X, Y, SGD(0.1), epochs=4, callbacks=callbacks), net.params.tobytes()))
    assert len(messages) == 4 and f"this {type(own).__name__} is in use" in messages[0] and way in messages[0]
    assert fits[0] == fits[1] and other.params.tobytes() == before and not other.history
    other.fit(X, Y, epochs=3, callbacks=own)  # now it can
