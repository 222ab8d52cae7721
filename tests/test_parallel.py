"""Calls in several threads: results in order, errors, and Ctrl-C in all of them."""
import os
import signal
import threading
import time

import numpy as np
import pytest

from conftest import threads
from fastmlp import MLP, SGD, TabularRegressor, fit_many
from fastmlp._fit.parallel import side_by_side

pytestmark = pytest.mark.skipif(threading.current_thread() is not threading.main_thread(),
                                reason="signals go to the main thread")
PATIENCE = 30  # seconds: it takes some tenths, and machines are busy


def for_ever(begun):
    begun.release()
    while True:
        time.sleep(0.001)


def interrupt_after(begun, n):
    """Send Ctrl-C once so many calls have begun."""
    def send():
        for _ in range(n):
            assert begun.acquire(timeout=PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()


@pytest.mark.parametrize("n_threads", [1, 2, 50])
def test_results_are_in_the_order_of_the_calls(n_threads):
    calls = [lambda i=i: time.sleep(0.001 * (i % 3)) or i for i in range(20)]
    assert side_by_side(calls, n_threads, all_end=True) == list(range(20))
    assert side_by_side([], n_threads, all_end=True) == []


def test_ctrl_c_ends_all_calls_and_begins_no_more(no_threads_left):
    begun, ends = threading.Semaphore(0), []

    def call():
        try:
            for_ever(begun)
        except KeyboardInterrupt:
            ends.append("interrupted")
            raise

    interrupt_after(begun, 3)
    with pytest.raises(KeyboardInterrupt):
        side_by_side([call] * 10, 3, all_end=True)
    assert ends == ["interrupted"] * 3


@pytest.mark.parametrize("all_end", [True, False])
def test_an_error_comes_out(all_end, no_threads_left):
    begun, other = threading.Semaphore(0), []

    def fail():
        assert begun.acquire(timeout=PATIENCE)
        raise ZeroDivisionError

    def call():
        begun.release()
        for _ in range(1000 if all_end else 10**9):
            time.sleep(0.0001)
        other.append("ended")

    with pytest.raises(ZeroDivisionError):
        side_by_side([call, fail], 2, all_end)
    assert other == ["ended"] * all_end


def test_ctrl_c_that_comes_as_a_call_ends_stays_within(no_threads_left, caplog):
    """The moment differs from time to time; the pool, which would log it, never has it in its own code."""
    for _ in range(30):
        begun = threading.Semaphore(0)
        interrupt_after(begun, 2)
        with pytest.raises(KeyboardInterrupt):
            while True:
                side_by_side([begun.release] * 4, 2, all_end=True)
    assert not caplog.records


def test_ctrl_c_stops_many_fits():
    before, nets = threads(), [MLP([3, 5, 1], random_state=seed) for seed in range(6)]
    X, y, begun = np.ones((50, 3)), np.ones(50), threading.Semaphore(0)
    interrupt_after(begun, 2)   # epochs of the first
    each = [{"callbacks": lambda *_: begun.release()}, *[{}] * 5]
    with pytest.raises(KeyboardInterrupt):
        fit_many(nets, X, y, optimizer=SGD(1e-4), epochs=10**8, n_threads=2, each=each)
    assert len(nets[0].history["loss"]) and not nets[-1].history
    assert threads(before, 10) == before
    for net in nets:
        net.fit(X, y, epochs=1)
        assert np.isfinite(net.params).all()


def test_ctrl_c_stops_the_members_of_a_table():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 3)), rng.standard_normal(200)
    model = TabularRegressor("fast", n_members=4, max_iter=10**6, n_threads=2, random_state=0).fit(X, y)
    wanted = model.predict(X)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            model.fit(X, y)
    assert np.array_equal(model.predict(X), wanted)  # of the last fit that came to its end, all of which are the same
