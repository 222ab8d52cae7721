"""Ten thousand epochs leak nothing."""
import gc
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from fastmlp import MLP, Adam, Callback, Dropout, EarlyStopping

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((24, 3)).astype(np.float32), RNG.random((24, 2)).astype(np.float32)


class Watching(Callback):
    def on_batch_end(self, net, batch, logs):
        pass


def squared(x, y):
    return ((x - y) ** 2).sum(axis=1), 2 * (x - y)


def resident():
    """Bytes of memory that this process holds, or 0 where that is not to be had."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096
    except OSError:
        return 0


def growth(work, times):
    """Bytes by which (Python's memory, the process) grow from a tenth of the way to the end."""
    marks = []

    def mark(i):
        if i in (times // 10, times - 1):
            gc.collect()
            marks.append((tracemalloc.get_traced_memory()[0], resident()))

    tracemalloc.start()
    try:
        work(mark)
    finally:
        tracemalloc.stop()
    (python, process), (python_now, process_now) = marks
    return python_now - python, process_now - process


def assert_flat(work, times):
    python, process = growth(work, times)
    assert python < 20_000 and process < 3_000_000


EVERYTHING = {"callbacks": [Watching(), EarlyStopping(patience=10**9)], "validation_fraction": 0.25,
              "metrics": ["mae", "r2"], "sample_weight": RNG.random(24) + 0.1}


@pytest.mark.parametrize("how", [{}, pytest.param(EVERYTHING, marks=pytest.mark.slow)], ids=["plain", "everything"])
def test_ten_thousand_epochs(how):
    def work(mark):
        def epoch_end(net, epoch, logs):
            mark(epoch - 1)
            net.history.clear()  # which is meant to grow

        net = MLP([3, 4, Dropout(0.2), 2], random_state=0)
        net.fit(X, Y, Adam(0.001), epochs=10_000, batch_size=None, n_threads=1,
                **{**how, "callbacks": [*how.get("callbacks", ()), epoch_end]})

    assert_flat(work, 10_000)


@pytest.mark.parametrize("kind", ["dense", "sparse", "python loss", "threads"])
def test_a_thousand_calls(kind):
    """Of partial_fit, and of all else that computes."""
    net = MLP([3, 4, 2], loss=squared if kind == "python loss" else "squared_error", random_state=0)
    data, threads = sparse.csr_array(X) if kind == "sparse" else X, 2 if kind == "threads" else 1

    def work(mark):
        for i in range(1000):
            net.partial_fit(data, Y, Adam(0.001), batch_size=None, n_threads=threads)
            net.history.clear()
            if i % 10 == 0:
                net.predict(data)
                net.evaluate(data, Y)
                net.backprop(data, Y)
                net.loss_and_grad(data, Y)
                net.forward(data)
            mark(i)

    assert_flat(work, 1000)


def test_many_networks(tmp_path):
    """Made, trained, saved, loaded, and failing in a callback."""
    def fail(net, epoch, logs):
        raise KeyError

    def work(mark):
        for i in range(100):
            net = MLP([3, 40, 2], random_state=0)
            with pytest.raises(KeyError):
                net.fit(X, Y, Adam(0.001), callbacks=[fail])
            net.save(tmp_path / "net")
            MLP.load(tmp_path / "net").predict(X)
            mark(i)

    assert_flat(work, 100)
