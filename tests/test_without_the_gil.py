"""Python without the GIL: importing fastmlp leaves it off, and threads may use one network at the same time."""
import sys
import sysconfig
import threading

import numpy as np
import pytest

from fastmlp import MLP, BatchNorm

if not sysconfig.get_config_var("Py_GIL_DISABLED"):
    pytest.skip("this Python has the GIL", allow_module_level=True)

RNG = np.random.default_rng(0)
LAYERS = {"labels": [64, 100, 10], "running statistics": [20, BatchNorm(), 30, 3]}


def test_it_is_off():
    assert not sys._is_gil_enabled()


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_calls_at_the_same_time_give_the_same_bits(layers):
    net = MLP(layers, random_state=0)
    batches = [(RNG.standard_normal((n, layers[0])).astype(np.float32), RNG.standard_normal((n, layers[-1])))
               for n in (1, 3, 70, 3000)]
    calls = [lambda X, y: net.predict(X), net.evaluate, net.input_gradient, lambda X, y: net.loss_and_grad(X, y)[1]]
    wanted = [[call(X, y) for X, y in batches] for call in calls]
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(400):
                c, b = rng.integers(len(calls)), rng.choice(len(batches), p=[0.4, 0.3, 0.25, 0.05])
                if not np.array_equal(calls[c](*batches[b]), wanted[c][b]):
                    wrong.append((c, b))
        except Exception as error:
            wrong.append(error)

    in_threads(work, 6)
    assert not wrong


def test_fits_at_the_same_time_give_the_same_bits():
    X, y = RNG.standard_normal((50, 5)), RNG.standard_normal(50)
    found = []

    def work(seed):
        for k in range(10):
            net = MLP([5, 16, 1], random_state=0)
            net.fit(X, y, "adam", epochs=20, n_threads=1 + (seed + k) % 3)
            found.append(net.params)

    in_threads(work, 6)
    assert len(found) == 60 and all(np.array_equal(params, found[0]) for params in found)


def in_threads(work, n):
    """Run work(0), .., work(n - 1), each in a thread of its own."""
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
