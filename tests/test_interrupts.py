"""Ctrl-C in every call that may take long, at random times: seen within 0.2 s, and the network is unharmed.

FASTMLP_INTERRUPTS says how many there are in all, FASTMLP_INTERRUPTS_SEED draws others.
"""

import copy
import functools
import os
import random
import signal
import tempfile
import threading
import time

import numpy as np
import pytest

from fastmlp import (
    MLP,
    SGD,
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    MLPClassifier,
    MLPRegressor,
    TabularClassifier,
    TabularRegressor,
    fit_many,
    sensitivity,
    tie_map,
    tie_transpose,
)
from fastmlp.sensitivity import Attack
from test_kinds import CASES as KINDS

SIGNALS = int(os.environ.get("FASTMLP_INTERRUPTS", 200))    # to all calls together, at least
SEED = os.environ.get("FASTMLP_INTERRUPTS_SEED", "0")       # of the times at which they come
SECONDS = 0.2  # of the caller's CPU time, so that it does not matter what else the machine does,
PATIENCE = 30 if "asan" in os.environ.get("LD_PRELOAD", "") else 3  # and of time, on a busy machine

pytestmark = [
    pytest.mark.slow,  # they time how soon a call ends, which a busy machine makes later
    pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="needs the clock of a thread"),
]


def wide(**more):
    return MLP([784, 512, 512, 10], loss="cross_entropy", random_state=0, **more)


def steep(**more):
    return MLP([200, Dense(512, "tanh"), 100], random_state=0, **more)


def huge():
    return MLP([2000, 4000, 2000], random_state=0)


def normalised():
    return MLP([200, 512, BatchNorm(), Dense(512, "tanh"), BatchNorm(), 100], random_state=0)


def settling():
    """A batch of its data takes seconds, of which a weight phase takes one."""
    return MLP([200, 2000, BatchNorm(), Dense(2000, "tanh"), BatchNorm(), 100], random_state=0)


def of_kind(kind):
    return MLP(KINDS[kind], activation="tanh", random_state=0)


def middling():
    return MLP([1000, 2000, 1000], random_state=0)


def convolutions():
    return MLP([(32, 32, 3), Conv2D(64, 5), Conv2D(64, 5), 10], loss="cross_entropy", random_state=0)


# name: a function that gives a model and what is called then, which takes seconds
CALLS = {
    "fit": lambda: fitting(wide(), 40_000, epochs=100),
    "fit, one large batch": lambda: fitting(huge(), 4000, SGD(1e-4), 50, None),
    "fit, tiny": lambda: fitting(MLP([2, 2, 1]), 64, SGD(1e-4), 10**6, 1),
    "fit, float64": lambda: fitting(steep(dtype="float64"), 50_000, SGD(1e-4), 100, 10_000),
    "fit, convolutions": lambda: fitting(convolutions(), 2000, epochs=100, batch_size=500),
    "fit, batch norm": lambda: fitting(normalised(), 20_000, SGD(1e-4), 100, None),
    "fit, batch norm, one large batch": lambda: fitting(settling(), 8000, SGD(1e-4), 100, None),
    "fit, window": lambda: fitting(wide(), 40_000, epochs=100, window=10_000),
    **{f"fit, batch norm, {penalty}": lambda penalty=penalty: fitting(
        settling(), 4000, SGD(1e-6), 100, None, **{penalty: 0.1})
       for penalty in ("gradient_penalty", "jacobian_penalty")},
    "fit_many": lambda: many([wide() for _ in range(4)], 40_000),
    **{f"fit, {kind}": lambda kind=kind: fitting(of_kind(kind), 200_000, SGD(1e-6), 10**5, None) for kind in KINDS},
    "fit, gradient_penalty": lambda: fitting(wide(), 20_000, epochs=100, batch_size=None, gradient_penalty=0.1),
    "fit, adversarial": lambda: fitting(
        wide(), 20_000, epochs=100, batch_size=5000, adversarial=Attack(0.1, max_iter=100)
    ),
    "fit, validation": lambda: fitting(wide(), 10, epochs=100, validation_data=data(wide(), 200_000)),
    "predict": lambda: using(wide(), "predict", 1_000_000),
    "predict, floats": lambda: using(steep(), "predict", 500_000, np.float32),
    "predict, tiny": lambda: using(MLP([2, 2, 1]), "predict", 100_000_000),
    "evaluate": lambda: using(wide(), "evaluate", 1_000_000, y=True),
    "forward": lambda: using(steep(), "forward", 200_000),
    "backprop": lambda: using(steep(), "backprop", 200_000, y=True),
    "loss_and_grad": lambda: using(wide(), "loss_and_grad", 400_000, y=True),
    "hvp": lambda: hvp(wide(), 400_000),
    "jacobian": lambda: using(steep(), "jacobian", 10_000),
    "vjp": lambda: along(steep(), "vjp", 400_000, 100),
    "jvp": lambda: along(steep(), "jvp", 400_000, 200),
    "fgsm": lambda: asking(wide(), sensitivity.fgsm, 400_000, eps=0.1),
    "pgd": lambda: asking(wide(), sensitivity.pgd, 20_000, eps=0.1, max_iter=1000),
    "pgd of few rows": lambda: asking(MLP([2, 2, 1]), sensitivity.pgd, 3, eps=0.1, max_iter=10**7),
    "saliency": lambda: asking(wide(), sensitivity.saliency, 400_000),
    "integrated_gradients": lambda: asking(wide(), sensitivity.integrated_gradients, 20_000, n_steps=200),
    "smooth_grad": lambda: asking(wide(), sensitivity.smooth_grad, 20_000, n_samples=200),
    "expected_gradients": lambda: asking(
        wide(), sensitivity.expected_gradients, 20_000, background=bytes_of(1000, 784)
    ),
    "local_lipschitz": lambda: (net := steep(), lambda: sensitivity.local_lipschitz(net, bytes_of(20_000, 200))),
    "noise_curve": lambda: asking(wide(), sensitivity.noise_curve, 100_000, sigmas=[0.1, 0.5]),
    "classifier": lambda: fitting(MLPClassifier((300,), max_iter=1000, n_iter_no_change=1000), 50_000),
    "lbfgs": lambda: fitting(MLPRegressor(hidden_layer_sizes=(300,), solver="lbfgs", max_iter=1000), 50_000),
    "tabular": lambda: table(TabularClassifier("best", max_iter=1000), "fit"),
    "tabular, one thread": lambda: table(TabularRegressor("best", max_iter=1000, n_threads=1), "fit"),
    "tabular, predict": lambda: table(fitted_to_table(), "predict", 10**6),
    "tabular, importances": lambda: table(fitted_to_table(), "permutation_importances", 10**5, n_repeats=100),
    "to_c": lambda: (net := middling(), lambda: net.to_c()),
    "to_onnx": lambda: (net := middling(), lambda: [net.to_onnx() for _ in range(50)]),
    "save": lambda: (net := middling(), lambda: [net.save(FILE) for _ in range(50)]),
    "load": lambda: (net := middling(), net.save(FILE), lambda: [MLP.load(FILE) for _ in range(50)])[::2],
    "copy": lambda: (net := middling(), lambda: [copy.deepcopy(net) for _ in range(1000)]),
    "summary": lambda: (net := middling(), lambda: [net.summary() for _ in range(10**5)]),
    "ties": lambda: (middling(), lambda: MLP([2000, 1000, 2000], ties=[tie_transpose(1, 2)])),
    "tie_map": lambda: (
        middling(),
        lambda: MLP([2000, 1000, 1], ties=[tie_map(1, np.arange(2 * 10**6).reshape(2000, 1000) % 9)]),
    ),
}
FILE = os.path.join(tempfile.mkdtemp(), "network")


def bytes_of(n, d, dtype=np.uint8):
    """(n, d) of numbers 0 .. 6, each row the one before moved by one: they take n + d elements of memory."""
    return np.lib.stride_tricks.sliding_window_view(np.resize(np.arange(7, dtype=dtype), n + d - 1), d)


def data(net, n):
    """Rows and targets for a network or an estimator."""
    if not isinstance(net, MLP):
        return np.array(bytes_of(n, 100), float), np.arange(n) % 9
    if net.loss.name == "cross_entropy":
        return bytes_of(n, net.d[0]), np.arange(n) % net.d[-1]
    return bytes_of(n, net.d[0]), np.array(bytes_of(n, net.d[-1]), net.dtype)


def fitting(net, n, *arguments, **more):
    X, y = data(net, n)
    return net, lambda: net.fit(X, y, *arguments, **more)


def many(nets, n):
    X, y = data(nets[0], n)
    return nets[0], lambda: fit_many(nets, X, y, epochs=100, n_threads=2)


def using(net, method, n, dtype=np.uint8, y=False):
    given = data(net, n) if y else (np.array(bytes_of(n, net.d[0], dtype)),)
    return net, lambda: getattr(net, method)(*given)


def hvp(net, n):
    X, y = data(net, n)
    v = np.ones(net.n_params, np.float32)
    return net, lambda: net.hvp(v, X, y)


def along(net, method, n, d):
    X, V = bytes_of(n, net.d[0]), np.ones((n, d), np.float32)
    return net, lambda: getattr(net, method)(X, V)


@functools.cache
def fitted_to_table():
    return TabularRegressor("fast", max_iter=1, random_state=0).fit(*rows_of_table(1000))


def rows_of_table(n):
    return np.random.default_rng(0).standard_normal((n, 20)), np.arange(n) % 9


def table(model, method, n=50_000, **more):
    X, y = rows_of_table(n)
    given = (X,) if method == "predict" else (X, y)
    return model, lambda: getattr(model, method)(*given, **more)


def asking(net, function, n, **more):
    X, y = data(net, n)
    return net, lambda: function(net, X, y, **more)


def interrupted(call, after):
    """Send a signal some seconds after a call began, which is made again where it is done before. (CPU time of the
    caller, time) until it came back by the signal."""
    caller, sent = time.pthread_getcpuclockid(threading.get_ident()), []

    def send():
        time.sleep(after)
        sent.append((time.clock_gettime(caller), time.monotonic()))
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send, daemon=True)
    try:
        sender.start()
        while not sent:
            call()  # an estimator returns when it is interrupted, as scikit-learn's do
        sender.join()
    except KeyboardInterrupt:
        pass
    return time.clock_gettime(caller) - sent[0][0], time.monotonic() - sent[0][1]


def unharmed(model):
    """The weights are finite, and it trains on as one that is made anew of its weights does."""
    net = model if isinstance(model, MLP) else vars(model).get("_net", (None,))[0]
    if net is None:
        return
    assert np.isfinite(net.params).all()
    again = MLP(
        [net.shapes[0] if len(net.shapes[0]) > 1 else net.d[0], *net.layers], loss=net.loss.spec, dtype=net.dtype
    )
    again.params = net.params
    again._network.core.statistics[...] = net._network.core.statistics
    again._network.progress.seed, again._network.progress.epochs_ever = (
        net._network.progress.seed, net._network.progress.epochs_ever)
    X, y = data(net, 50)
    assert np.array_equal(net.predict(X), again.predict(X))
    for n in (net, again):
        n.fit(X, y, Adam(1e-4), epochs=2, shuffle=False)
    assert np.array_equal(net.params, again.params)


@pytest.mark.parametrize("name", CALLS)
def test_signals_are_seen_soon(name):
    rng, (model, call) = random.Random(f"{SEED} {name}"), CALLS[name]()
    for _ in range(-(-SIGNALS // len(CALLS))):
        cpu, passed = interrupted(call, rng.uniform(0.02, 1.0))
        assert cpu < SECONDS and passed < PATIENCE
    unharmed(model)
