"""Subnormal numbers, which take processors many times as long as others: the engine makes none and sees none.

What runs beside the engine does: the mode is the engine's own, for as long as its jobs run."""
import ctypes
import ctypes.util
import json
import os
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastmlp import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Conv2D,
    Dense,
    Lion,
    MaxPool2D,
    MLPClassifier,
    NAdam,
    RMSprop,
    _core,
    tie_transpose,
)

# whose steps shrink a weight without any other gradient so much that it ends below all normal numbers
OPTIMIZERS = {
    "sgd": SGD(0.1, l2=3.0),
    "momentum": SGD(0.1, momentum=0.5, l2=3.0),
    "nesterov": SGD(0.1, momentum=0.5, nesterov=True, l2=3.0),
    "adam": Adam(0.1, beta1=0.5, beta2=0.5, eps=1.0, l2=3.0),
    "adamw": AdamW(0.02, beta1=0.5, beta2=0.5, weight_decay=20.0),
    "nadam": NAdam(0.1, beta1=0.5, beta2=0.5, eps=1.0, l2=3.0),
    "rmsprop": RMSprop(0.1, rho=0.5, eps=1.0, l2=3.0),
    "rmsprop_momentum": RMSprop(0.1, rho=0.5, eps=1.0, momentum=0.5, l2=3.0),
    "adagrad": Adagrad(0.1, eps=1.0, l2=3.0),
    "lion": Lion(0.02, beta1=0.5, beta2=0.5, weight_decay=20.0),
}
EPOCHS = 3000
RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 6))
X[:, 2:4] = 0  # the gradient of these inputs' weights is that of the penalty alone
Y = RNG.standard_normal((24, 2))
on_a_known_processor = pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64", "aarch64", "arm64"),
                                          reason="the engine knows the mode of x86-64 and aarch64")


def subnormal(a):
    a = np.abs(np.asarray(a))
    return int(((0 < a) & (a < np.finfo(a.dtype).tiny)).sum())


def count(net, X=X, Y=Y):
    """Subnormal numbers by what they are in."""
    state, kept = net._network.progress.optimizer_state, net.backprop(X, Y)
    found = {"weights": net._network.core.P, "slots": np.array(state.slots or [[0.0]]), "powers": state.powers,
             "gradient": net.loss_and_grad(X, Y)[1], "deltas": np.concatenate([d.ravel() for d in kept.delta[1:]]),
             "x": np.concatenate([x.ravel() for x in kept.x[1:]]), "prediction": net.predict(X)}
    return {name: n for name, a in found.items() if (n := subnormal(a))}


def trained_networks():
    """{case: subnormal numbers}, for every step, dtype, and in a larger network, with ties, and in convolutions."""
    found = {}
    for dtype in ("float32", "float64"):
        for name, optimizer in OPTIMIZERS.items():
            net = MLP([6, 9, 2], activation="tanh", dtype=dtype, random_state=0)
            net.fit(X, Y, optimizer, EPOCHS, None)
            found[f"{name} {dtype}"] = count(net)
        large = MLP([6, Dense(70), Dense(80), 2], dtype=dtype, random_state=0)
        large.fit(X, Y, OPTIMIZERS["momentum"], 1000, 8, n_threads=2)
        found[f"large {dtype}"] = count(large)
        tied = MLP([6, Dense(9, "tanh"), 6], dtype=dtype, random_state=0, ties=[tie_transpose(1, 2)])
        tied.fit(X, X, OPTIMIZERS["adamw"], EPOCHS, None)
        found[f"tied {dtype}"] = count(tied, X, X)
        maps = np.repeat(X[:, :, None], 6, 2)[..., None]
        conv = MLP([(6, 6, 1), Conv2D(4, 3, activation="sigmoid"), MaxPool2D(2), 2], dtype=dtype, random_state=0)
        conv.fit(maps, Y, OPTIMIZERS["adam"], EPOCHS, None)
        found[f"convolution {dtype}"] = count(conv, maps, Y)
    return found


@on_a_known_processor
@pytest.mark.parametrize("isa", _core.available_isas())
def test_training_makes_none(isa):
    done = subprocess.run([sys.executable, __file__], env={**os.environ, "FASTMLP_ISA": isa}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 2 * (len(OPTIMIZERS) + 3)
    assert {case: n for case, n in found.items() if n} == {}


def test_every_step_is_among_these():
    assert {optimizer.step for optimizer in OPTIMIZERS.values()} == set(_core.STEPS)


@on_a_known_processor
def test_an_estimator_makes_none():
    model = MLPClassifier((9,), solver="sgd", learning_rate_init=0.1, momentum=0.5, alpha=72.0, max_iter=EPOCHS, tol=0,
                          n_iter_no_change=EPOCHS, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, Y[:, 0] > 0)
    assert sum(map(subnormal, [*model.coefs_, *model.intercepts_])) == 0


# ---- the least numbers as operands


@on_a_known_processor
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_they_are_zeros_as_operands(dtype):
    """2^(least exponent - 3), times 2^10: not 2^(least exponent + 7), but 0. predict of few rows, of many, training."""
    net = MLP([1, Dense(1, "identity")], dtype=dtype)
    net.W[1][:], net.b[1][:] = 1024, 0
    tiny = np.finfo(dtype).tiny
    for rows in (1, 5000):
        x = np.full((rows, 1), tiny / 8, dtype)
        assert not net.predict(x).any()
        np.testing.assert_array_equal(net.predict(8 * x), 1024 * tiny)
    net.W[1][:] = tiny / 8
    net.fit(np.ones((1, 1), dtype), np.zeros(1, dtype), SGD(0.5), epochs=1)
    assert net.W[1][0, 0] == 0


# ---- the caller's mode


def makes_subnormals():
    """Whether Python here and now computes with subnormal numbers."""
    least = [np.full(8, np.finfo(dtype).tiny) for dtype in ("float32", "float64")]
    return all((tiny / 2).all() and ((tiny / 2) * 2 == tiny).all() for tiny in least)


def squared(seen):
    def loss(x, y):
        seen.append((threading.get_ident(), makes_subnormals()))
        return ((x - y) ** 2).sum(axis=1), 2 * (x - y)
    return loss


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_python_sees_subnormals_in_a_loss_and_after_each_call(n_threads):
    seen, epochs = [], []
    net = MLP([6, 9, 2], loss=squared(seen), random_state=0)
    rows = np.resize(X, (5000, 6)), np.resize(Y, (5000, 2))
    net.fit(*rows, SGD(1e-3), 3, 1000, n_threads=n_threads, callbacks=[lambda *_: epochs.append(makes_subnormals())])
    assert len({thread for thread, _ in seen}) == n_threads
    assert all(good for _, good in seen) and epochs == [True] * 3
    for use in (lambda: net.predict(X), lambda: net.predict(rows[0]), lambda: net.evaluate(*rows),
                lambda: net.backprop(*rows), lambda: net.jacobian(X)):
        use()
        assert makes_subnormals()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_a_loss_leaves_the_mode(n_threads):
    def failing(x, y):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        MLP([6, 9, 2], loss=failing).fit(X, Y, n_threads=n_threads)
    assert makes_subnormals()


FE_UPWARD = {"x86_64": 0x800, "aarch64": 0x400000}.get(platform.machine())


@pytest.mark.skipif(not FE_UPWARD or not sys.platform.startswith("linux"), reason="needs fesetround of Linux")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_rounding_of_the_caller_does_not_show_and_is_given_back(n_threads):
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    rows = np.resize(X, (3000, 6)).astype(np.float32), np.resize(Y, (3000, 2)).astype(np.float32)

    def trained(loss="squared_error"):
        net = MLP([6, 40, 2], loss=loss, random_state=0)
        net.fit(*rows, Adam(0.01), epochs=3, batch_size=1000, n_threads=n_threads)
        return net

    modes, one = [], 1.0

    def upward():
        return one + 2.0**-60 > one

    def loss(x, y):
        modes.append(upward())
        return ((x - y) ** 2).sum(axis=1), 2 * (x - y)

    wanted = trained()
    outputs = [wanted.predict(rows[0][:n]) for n in (1, 3000)]
    start = MLP([6, 40, 2], random_state=0)
    nearest = libm.fegetround()
    libm.fesetround(FE_UPWARD)
    try:
        start.fit(*rows, Adam(0.01), epochs=3, batch_size=1000, n_threads=n_threads)
        after = upward()
        again = [wanted.predict(rows[0][:n]) for n in (1, 3000)]
        last = upward()
        trained(loss)
    finally:
        libm.fesetround(nearest)
    assert not upward() and after and last and len(modes) > 3 and all(modes)
    assert wanted.params.tobytes() == start.params.tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(outputs, again))


if __name__ == "__main__":
    print(json.dumps(trained_networks()))
