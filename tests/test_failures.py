"""Training that goes wrong: errors in users' functions, and divergence. The network stays usable."""
import copy
import itertools
import warnings

import numpy as np
import pytest

from fastmlp import MLP, SGD, Adam, AdamW, Dense, DivergenceWarning, schedules

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
threads = pytest.mark.parametrize("n_threads", [1, 2, 5])
N = 200
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((N, 6)), RNG.standard_normal((N, 1))


class Mishap(Exception):
    pass


def usable(net):
    """The network computes, and trains as one that is made anew of its weights does."""
    twin = copy.deepcopy(net)
    assert np.isfinite(net.predict(X)).all()
    for n in (net, twin):
        n.loss.function = None
        n.fit(X, Y, SGD(1e-4), epochs=1, shuffle=False)
    assert net.params.tobytes() == twin.params.tobytes()


def failing_at(call, error=Mishap):
    """A squared error that fails at a call."""
    calls = []

    def loss(x, y):
        calls.append(len(x))
        if len(calls) == call:
            raise error("in the loss")
        return ((x - y) ** 2).sum(axis=1), 2 * (x - y)

    return loss


@threads
@pytest.mark.parametrize("call", [1, 2, 7])
@pytest.mark.parametrize("error", [Mishap, KeyboardInterrupt])
def test_an_error_in_a_loss_surfaces(call, error, n_threads, no_threads_left):
    net = MLP([6, 9, 1], loss=failing_at(call, error), random_state=0)
    with pytest.raises(error, match="in the loss"):
        net.fit(X, Y, SGD(1e-3), epochs=9, batch_size=50, n_threads=n_threads)
    assert np.isfinite(net.params).all()
    assert len(net.fit(X, Y, SGD(1e-3), epochs=2, n_threads=n_threads)["loss"]) == 2


@pytest.mark.parametrize("use", ["evaluate", "backprop", "loss_and_grad"])
def test_an_error_in_a_loss_surfaces_everywhere(use, no_threads_left):
    net = MLP([6, 9, 1], loss=failing_at(1), random_state=0)
    with pytest.raises(Mishap, match="in the loss"):
        getattr(net, use)(X, Y)
    getattr(net, use)(X, Y)


@pytest.mark.parametrize("result, error", [
    (lambda x, y: np.zeros(len(x)), TypeError),
    (lambda x, y: (np.zeros(len(x) + 1), x), ValueError),
    (lambda x, y: (np.zeros((len(x), 1)), x), ValueError),
    (lambda x, y: (np.zeros(len(x)), x[:, :0]), ValueError),
], ids=["no tuple", "too many values", "values in columns", "no derivatives"])
def test_a_loss_of_the_wrong_shape_is_an_error(result, error, no_threads_left):
    net = MLP([6, 9, 1], loss=result, random_state=0)
    start = net.params
    with pytest.raises(error, match="a loss function must return"):
        net.fit(X, Y, n_threads=2)
    assert net.params.tobytes() == start.tobytes()


@threads
def test_an_error_in_a_callback_surfaces(n_threads, no_threads_left):
    def callback(net, epoch, logs):
        if epoch == 2:
            raise Mishap("in the callback")

    failed, stopped = (MLP([6, 9, 1], random_state=0) for _ in range(2))
    with pytest.raises(Mishap, match="in the callback"):
        failed.fit(X, Y, SGD(1e-3), epochs=9, callbacks=[callback], n_threads=n_threads)
    history = stopped.fit(X, Y, SGD(1e-3), epochs=9, callbacks=[lambda net, epoch, logs: epoch == 2],
                          n_threads=n_threads)
    assert failed.history == history and len(history["loss"]) == 2
    assert failed.params.tobytes() == stopped.params.tobytes()
    failed.partial_fit(X, Y)
    stopped.partial_fit(X, Y)
    assert failed.params.tobytes() == stopped.params.tobytes()
    usable(failed)


def test_an_error_in_a_schedule_or_in_validation_data_comes_before_any_step():
    net = MLP([6, 9, 1], random_state=0)
    start = net.params
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, SGD(lambda epoch: 1 / (2 - epoch)), epochs=4)
    with pytest.raises(ValueError, match="validation_data"):
        net.fit(X, Y, validation_data=(X, Y[:-1]))
    assert net.params.tobytes() == start.tobytes()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_an_error(poison):
    for name, l in (("W", 1), ("b", 2)):
        net = MLP([6, 9, 1], dtype="float64", random_state=0)
        getattr(net, name)[l].flat[-1] = poison
        for use in (lambda: net.fit(X, Y), lambda: net.partial_fit(X, Y), lambda: net.predict(X),
                    lambda: net.predict(X[:1]), lambda: net.evaluate(X, Y), lambda: net.forward(X),
                    lambda: net.backprop(X, Y), lambda: net.loss_and_grad(X, Y)):
            with pytest.raises(ValueError, match=rf"{name}\[{l}\]"):
                use()
    with pytest.raises(ValueError, match="params"):
        net.params = np.full(net.n_params, poison)


# ---- divergence


HUGE = {"float32": 1e15, "float64": 1e120}


@dtypes
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("batch_size", [None, 100, 30, 1])
@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
@pytest.mark.parametrize("optimizer", [SGD, lambda lr: SGD(lr, momentum=0.9),
                                       lambda lr: SGD(lr, momentum=0.9, nesterov=True),
                                       Adam, lambda lr: AdamW(lr, weight_decay=1e-30)],
                         ids=["sgd", "momentum", "nesterov", "adam", "adamw"])
def test_divergence_stops_with_finite_weights(optimizer, activation, batch_size, n_threads, dtype, no_threads_left):
    net = MLP([6, 9, 9, 1], activation=activation, dtype=dtype, random_state=0)
    lr = HUGE[dtype] ** (1.3 if activation == "tanh" else 1)
    with pytest.warns(DivergenceWarning, match="not finite"):
        history = net.fit(X, Y, optimizer(lr), epochs=8, batch_size=batch_size, n_threads=n_threads)
    assert np.isfinite(net.params).all()
    assert np.isfinite(net.evaluate(X, Y))
    assert len(history.get("loss", [])) < 8 and np.isfinite(history.get("loss", [])).all()
    twin = copy.deepcopy(net)
    for n in (net, twin):
        n.params = n.params * 0 + 0.1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            n.fit(X, Y, SGD(1e-3), epochs=2)
    assert net.params.tobytes() == twin.params.tobytes()


@dtypes
@pytest.mark.parametrize("batch_size, lr", [(N, 1.0), (N, 100.0), (N // 2, 1.0), (N // 2, 30.0), (30, 1.0), (7, 1.0),
                                            (1, 0.5)])
def test_the_weights_kept_are_those_before_the_step(batch_size, lr, dtype):
    """Descent by hand, batch by batch, on a linear network that diverges after some epochs or within one."""
    net, by_hand = (MLP([6, 5, 1], activation="identity", dtype=dtype, random_state=0) for _ in range(2))
    batches = [slice(i, i + batch_size) for i in range(0, N, batch_size)]
    w, before, steps = by_hand.params, None, 0  # steps taken before the one that goes wrong
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in itertools.cycle(batches):
            by_hand.params = w
            loss, gradient = by_hand.loss_and_grad(X[rows], Y[rows])
            if not np.isfinite(loss):
                steps -= 1
                break
            before, w = w, w - np.dtype(dtype).type(lr) * gradient
            if not np.isfinite(w).all():
                break
            steps += 1
    with pytest.warns(DivergenceWarning):
        net.fit(X, Y, SGD(lr), epochs=1000, batch_size=batch_size, shuffle=False)
    np.testing.assert_allclose(net.params, before, rtol=1e-3 if dtype == "float32" else 1e-9)
    assert len(net.history.get("loss", [])) == steps // len(batches)


@pytest.mark.parametrize("optimizer", [lambda lr: SGD(lr, momentum=0.9), Adam], ids=["momentum", "adam"])
def test_divergence_by_the_last_step_of_an_epoch(optimizer):
    """A learning rate that explodes in epoch 3: its only step, with the optimiser's state, is undone."""
    calm, wild = (MLP([6, 9, 1], dtype="float32", random_state=0) for _ in range(2))
    calm.fit(X, Y, optimizer(0.01), epochs=2, batch_size=None, shuffle=False)
    with pytest.warns(DivergenceWarning, match="epoch 3"):
        history = wild.fit(X, Y, optimizer(lambda epoch: 0.01 if epoch < 2 else 1e18), epochs=6, batch_size=None,
                           shuffle=False)
    assert len(history["loss"]) == 2
    for net in (calm, wild):
        net.partial_fit(X, Y, optimizer(0.01), epochs=2, batch_size=50, shuffle=False)
    assert wild.params.tobytes() == calm.params.tobytes()


def test_divergence_seen_by_the_first_batch_of_an_epoch():
    """Row 2 moves w from 0 to 2000, at which row 1 overflows: in epoch 2, which undoes the last step of epoch 1."""
    net = MLP([1, Dense(1, bias=False, init="zeros")], dtype="float32")
    with pytest.warns(DivergenceWarning, match="epoch 2"):
        history = net.fit([[1e18], [1.0]], [0.0, 1000.0], SGD(1.0), epochs=3, batch_size=1, shuffle=False)
    assert len(history["loss"]) == 1
    assert net.W[1][0, 0] == 0


def test_a_loss_or_derivative_that_is_not_finite_is_divergence(no_threads_left):
    for value, derivative in ((np.inf, 1.0), (np.nan, 1.0), (1.0, np.nan), (1.0, np.inf)):
        net = MLP([6, 9, 1], loss=lambda x, y: (np.full(len(x), value), np.full_like(x, derivative)), random_state=0)
        start = net.params
        with pytest.warns(DivergenceWarning):
            history = net.fit(X, Y, n_threads=2)
        assert net.params.tobytes() == start.tobytes() and history == {"loss": [], "lr": []}


def test_a_fit_that_does_not_diverge_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLP([6, 9, 1], random_state=0).fit(X, Y, Adam(schedules.Cosine(0.01, 20)), epochs=20)
