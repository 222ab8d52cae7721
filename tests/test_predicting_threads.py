"""predict of one network from several threads at once: the same bits, and none waits for what another computes."""
import sys
import threading
import time

import numpy as np
import pytest

from fastmlp import MLP, BatchNorm, Conv2D, Dense
from fastmlp.layers import Activation

RNG = np.random.default_rng(0)
SIZES = {"held": (1, [20, 30, 3]), "small": (64, [64, 100, 10]), "in blocks": (130, [64, 100, 10]),
         "wide": (1, [784, 512, 10]), "large": (200, [64, 300, 10]),
         "running statistics": (3, [20, BatchNorm(), 30, 3]), "not small": (3000, [20, 30, 3])}


@pytest.mark.parametrize("n, layers", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits(n, layers, dtype):
    net = MLP(layers, activation="tanh", loss="cross_entropy", dtype=dtype, random_state=0)
    rows = [RNG.standard_normal((n, net.d[0])).astype(dtype) for _ in range(4)]
    wanted, wrong = [net._network.predict(X) for X in rows], []

    def work(X, p):
        for _ in range(200):
            found = net.predict(X)
            if not np.array_equal(found, p):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(rows, wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("name", ["small", "in blocks", "wide", "large"])
def test_others_run_meanwhile(name):
    """Python is not asked to switch threads, so that another one runs only where a call lets it."""
    n, layers = SIZES[name]
    net, X = MLP(layers, random_state=0), RNG.standard_normal((n, layers[0])).astype(np.float32)
    net.predict(X)
    turns, over, interval = [0], threading.Event(), sys.getswitchinterval()

    def count():
        while not over.is_set():
            turns[0] += 1
            time.sleep(0)

    other = threading.Thread(target=count)
    other.start()
    sys.setswitchinterval(100)
    try:
        before = turns[0]
        for _ in range(2000):
            net.predict(X)
        assert turns[0] > before
    finally:
        sys.setswitchinterval(interval)
        over.set()
        other.join()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 70])
def test_running_statistics_that_change_between_calls(n, dtype):
    layers = [(6, 5, 2), BatchNorm(), Conv2D(3, 2, "relu"), BatchNorm(), Dense(9), BatchNorm(), Activation("tanh"), 2]
    net = MLP(layers, dtype=dtype, random_state=0)
    X, Z, y = RNG.standard_normal((n, 60)).astype(dtype), RNG.standard_normal((50, 60)), RNG.standard_normal((50, 2))
    found = []
    for times in (1, 2, 3):
        assert net._network.core.predict_small(X) is not None
        found.append(net.predict(X))
        np.testing.assert_array_equal(found[-1], net._network.predict(X))
        net.partial_fit(times * Z, y, "adam", batch_size=25)
    assert not np.allclose(found[0], found[1]) and not np.allclose(found[1], found[2])
    before = net.predict(X)
    net._network.core.statistics[...] *= 2  # they alone
    assert not np.allclose(net.predict(X), before)
    np.testing.assert_array_equal(net.predict(X), net._network.predict(X))


def test_weights_that_change_between_calls():
    net, X = MLP([784, 512, 1], random_state=0), RNG.standard_normal((1, 784)).astype(np.float32)
    for _ in range(3):
        net.params = RNG.standard_normal(net.n_params).astype(np.float32)
        np.testing.assert_array_equal(net.predict(X), net._network.predict(X))
    net.W[1][3, 4] = np.nan
    with pytest.raises(ValueError, match="weights must be finite"):
        net.predict(X)
