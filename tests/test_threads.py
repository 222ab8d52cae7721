"""Threads: right results whoever runs beside, none left behind, forks work, and Ctrl-C stops a fit."""
import _thread
import contextlib
import multiprocessing
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from conftest import threads
from fastmlp import MLP, SGD, Adam, BatchNorm, Callback, DivergenceWarning, _core, _threads

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 12)).astype(np.float32)
Y = np.column_stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]])


def network(seed=0, **more):
    return MLP([12, 70, 40, 2], random_state=seed, **more)


def trained(seed=0, n_threads=1, **more):
    net = network(seed)
    net.fit(X, Y, Adam(0.01), epochs=4, n_threads=n_threads, **more)
    return net.params


def threads_left(before):
    return threads(before, 10) - before


# ---- results


@pytest.mark.parametrize("n_threads", [2, 4 * _core.cores(), 33, None])
def test_any_number_of_threads_gives_the_same(n_threads):
    assert np.array_equal(trained(n_threads=n_threads), trained())
    few = {"batch_size": 3}  # fewer rows than threads
    assert np.array_equal(trained(n_threads=n_threads, **few), trained(**few))


def test_fits_side_by_side():
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda seed: trained(seed, n_threads=1 + seed % 3), range(12)))
    for seed, params in enumerate(together):
        assert np.array_equal(params, trained(seed))


def test_one_network_used_from_many_threads():
    net = network()
    uses = [
        lambda: net.predict(X),
        lambda: net.predict(X[:3]),
        lambda: net.predict(X.astype(np.float64)),
        lambda: net.evaluate(X, Y),
        lambda: net.backprop(X, Y).dW[1],
        lambda: net.loss_and_grad(X, Y)[1],
        lambda: net.forward(X).x[-1],
    ]
    wanted = [use() for use in uses]
    start = threading.Barrier(len(uses))

    def repeat(use, want):
        start.wait()
        return all(np.array_equal(use(), want) for _ in range(100))

    with ThreadPoolExecutor(len(uses)) as pool:
        assert all(pool.map(repeat, uses, wanted))


# ---- what is left behind


def failing_loss(x, y):
    raise ZeroDivisionError("on purpose")


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_no_thread_is_left_behind(n_threads):
    before = threads()
    network().fit(X, Y, n_threads=n_threads)
    assert threads_left(before) == 0
    with pytest.raises(ZeroDivisionError):
        network(loss=failing_loss).fit(X, Y, n_threads=n_threads)
    assert threads_left(before) == 0
    with pytest.warns(DivergenceWarning):
        network().fit(X, Y, SGD(1e30), n_threads=n_threads)
    assert threads_left(before) == 0

    def stop(net, epoch, logs):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        network().fit(X, Y, callbacks=[stop], n_threads=n_threads)
    assert threads_left(before) == 0


def test_the_next_call_has_the_same_threads():
    before, net, started = threads(), network(), []
    start = _thread.start_new_thread

    def counted(*arguments):
        started.append(arguments)
        return start(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", counted)
        for _ in range(20):
            net.partial_fit(X, Y, n_threads=3)
        assert len(started) < 10, "a call or two may be late for them on a busy machine"
        with _core.borrow_team(3) as one, _core.borrow_team(3) as other:
            assert one is not other
        for n in (2, 3, 4, 5, 6):
            net.partial_fit(X, Y, n_threads=n)
    assert threads_left(before) == 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or _core.cores() < 2, reason="needs two cores, on Linux")
def test_threads_that_left_the_callers_core_may_return():
    net = network()
    for _ in range(10):  # new threads each time, of which most start on that core
        threads()
        before = set(os.listdir("/proc/self/task"))
        net.partial_fit(X, Y, epochs=50, n_threads=2)
        deadline = time.monotonic() + 10  # a busy machine gives them no time at once
        for thread in set(os.listdir("/proc/self/task")) - before:
            while os.sched_getaffinity(int(thread)) != os.sched_getaffinity(0) and time.monotonic() < deadline:
                time.sleep(0.001)
            assert os.sched_getaffinity(int(thread)) == os.sched_getaffinity(0)


def test_threads_that_cannot_be_started():
    before, wanted, start, few = threads(), trained(), _thread.start_new_thread, [1, 2]

    def limited(*arguments):
        if not few:
            raise RuntimeError("can't start new thread")
        few.pop()
        return start(*arguments)

    net = network()
    net.fit(X, Y, n_threads=1)
    history, params = net.history, net.params
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", limited)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            net.fit(X, Y, Adam(0.01), epochs=4, n_threads=7)
        with _core.borrow_team(7, True) as team:    # of a call that did not say how many
            assert team.n == 1
    time.sleep(0.2)  # a thread counts once it has begun
    assert threads_left(before) == 0
    assert net.history is history and np.array_equal(net.params, params)
    net = network()
    net.fit(X, Y, Adam(0.01), epochs=4, n_threads=7)
    assert np.array_equal(net.params, wanted)


def trained_in_child(connection):
    connection.send(trained(n_threads=2))
    connection.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_a_fit():
    wanted = trained(n_threads=2)
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    child = context.Process(target=trained_in_child, args=(theirs,))
    child.start()
    try:
        assert mine.poll(60), "the child hangs"
        assert np.array_equal(mine.recv(), wanted)
    finally:
        child.kill()
        child.join()


def in_child(work):
    """What work gives, or the exception that it raises, in a child made by os.fork; the child ends with it."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        try:
            try:
                found = work()
            except BaseException as error:
                found = f"{type(error).__name__}: {error}"
            os.write(sending, pickle.dumps(found))
        finally:
            os._exit(0)
    os.close(sending)
    try:
        assert select.select([receiving], [], [], 60)[0], "the child hangs"
        with open(receiving, "rb") as pipe:
            return pickle.loads(pipe.read())
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Forks(Callback):
    """Forks at the end of an epoch or of a batch; the child then does something."""

    def __init__(self, at, then):
        self.at, self.then, self.calls, self.forked = at, then, 0, False

    def here(self):
        self.calls += 1
        if self.calls == 3:
            self.forked = not os.fork()
            if self.forked:
                self.then()

    def on_epoch_end(self, net, epoch, logs):
        if self.at == "epoch":
            self.here()

    def on_batch_end(self, net, batch, logs):
        if self.at == "batch":
            self.here()


class Left(Exception):
    pass


def leave():
    raise Left


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("at", ["epoch", "batch"])
@pytest.mark.parametrize("then", [leave, lambda: None], ids=["leaves the fit", "goes on"])
def test_fork_in_a_callback(at, then):
    """A child's next call with two threads has two; a fit that goes on there has the bits of any other."""
    wanted = trained()

    def fit_and_fork():  # in a child, of which the one that the callback makes is the child
        callback = Forks(at, then)
        with contextlib.suppress(Left):
            inside = trained(n_threads=2, callbacks=[callback])
            assert np.array_equal(inside, wanted)
        again = trained(n_threads=2)
        if not callback.forked:
            return np.array_equal(again, wanted), os.waitstatus_to_exitcode(os.wait()[1])
        os._exit(5 if np.array_equal(again, wanted) else 6)

    assert in_child(fit_and_fork) == (True, 5)


def normalised(**more):
    """A network of which the threads meet within the row phase too."""
    return MLP([12, 70, BatchNorm(), 40, BatchNorm(), 2], random_state=0, **more)


def outcome_of_fork(fit, forked):
    """In a child of the test, of which the fit's child is the child: (the error of the fit here, the exit code there,
    5 where the fit failed for the fork, and the next one has the right bits)."""
    try:
        fit()
        error = ""
    except (RuntimeError, Left) as raised:
        error = str(raised)
    if forked[0]:
        return error, os.waitstatus_to_exitcode(os.waitpid(forked[0], 0)[1])
    os._exit(5 if "forked" in error and np.array_equal(trained(n_threads=2), trained()) else 6)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("make", [network, normalised])
@pytest.mark.parametrize("who", ["caller", "other"])
def test_fork_in_a_loss(make, who):
    """A child without the other thread gets an error from its fit and computes on; one without the caller ends."""
    def fit_and_fork():
        main, forked, both = threading.get_ident(), [], set()

        def loss(x, y):
            here = "caller" if threading.get_ident() == main else "other"
            both.add(here)
            if len(both) == 2 and here == who and not forked:
                forked.append(os.fork())
            return ((x - y) ** 2).sum(axis=1), 2 * (x - y)

        net = make(loss=loss)
        return outcome_of_fork(lambda: net.fit(X, Y, epochs=20, batch_size=200, n_threads=2), forked)

    assert in_child(fit_and_fork) == ("", 5 if who == "caller" else 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_fork_in_a_handler_of_a_signal():
    """In the row phase of a batch that takes far longer than the signal needs to come. The first epoch may be the
    caller's alone, while the other thread begins."""
    rows, targets = np.resize(X, (30_000, 12)), np.ones((30_000, 2), np.float32)

    def fit_and_fork():
        forked, net = [], MLP([12, 300, BatchNorm(), 300, BatchNorm(), 2], random_state=0)

        def fork(*_):
            forked.append(os.fork())
            if forked[0]:
                raise Left("here")

        def epoch_end(net, epoch, logs):
            if epoch == 3:
                signal.setitimer(signal.ITIMER_REAL, 0.01)

        signal.signal(signal.SIGALRM, fork)
        return outcome_of_fork(lambda: net.fit(rows, targets, epochs=5, batch_size=None, n_threads=2,
                                               callbacks=[epoch_end]), forked)

    assert in_child(fit_and_fork) == ("here", 5)


# ---- how many: what others say that this process may have


def threads_of(n_threads=None):
    """How many threads long work takes."""
    net = network()
    with net._network.team(10**6, 3, n_threads) as team:
        return team.n


def threads_in(program):
    """What a program prints in a process whose environment says nothing of threads."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-P", "-c", f"from test_threads import *\n{program}"],
                          env={**environment, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("said, wanted", [("1", 1), ("3", 3), ("3,2", 3), ("5000", 1023), ("", None), ("no", None),
                                          ("0", None), ("-1", None)])
def test_omp_num_threads(said, wanted, monkeypatch):
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert _threads.allowed() == (wanted or _core.cores())
    if (wanted or 0) < 4:
        assert threads_of() == (wanted or _core.cores())
    assert threads_of(2) == 2 and threads_of(7) == 7


LIMITS = """
import threadpoolctl
found = [threads_of()]
with threadpoolctl.threadpool_limits(1):
    found += [threads_of(), threads_of(2)]
    import json.tool, sqlite3
    found.append(threads_of())
print(found + [threads_of()])
"""


@pytest.mark.parametrize("imports", ["", "import sklearn.neural_network"])
def test_limits_of_threadpoolctl(imports):
    n = _core.cores()
    assert threads_in(imports + LIMITS) == str([n, 1, 2, 1, n])


def test_a_limit_of_blas_alone_is_not_of_ours_where_there_is_openmp():
    program = """
import sklearn.neural_network, threadpoolctl
with threadpoolctl.threadpool_limits(1, user_api="blas"):
    print(threads_of())
"""
    assert threads_in(program) == str(_core.cores())


def test_nothing_is_imported_for_it():
    program = """
import sys
from fastmlp._threads import allowed
allowed()
print([name for name in ("threadpoolctl", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.skipif(_core.cores() < 2, reason="needs two cores")
def test_workers_of_joblib_share_the_cores():
    program = """
from joblib import Parallel, delayed
print(max(Parallel(2)(delayed(threads_of)() for _ in range(4))))
"""
    assert threads_in(program) == str(_core.cores() // 2)


# ---- Ctrl-C


# seconds; it takes some tenths, the rest is for busy machines, and for sanitizers
PATIENCE = 30 if "asan" in os.environ.get("LD_PRELOAD", "") else 3


def slow_loss(x, y):
    time.sleep(0.002)
    return ((x - y) ** 2).sum(axis=1), 2 * (x - y)


def long_fit(kind, n_threads):
    """A network, and a fit of it in which an epoch (but short ones) and a batch take seconds."""
    sizes, rows, batch, epochs, more = {
        "short epochs": ([12, 70, 40, 2], 500, 10, 20_000, {}),
        "long epochs": ([12, 300, 300, 2], 2_000_000, 100, 100, {}),
        "one full batch": ([12, 500, 500, 2], 1_500_000, None, 100, {}),
        "python loss": ([12, 70, 40, 2], 20_000, 10, 100, {"loss": slow_loss}),
        "validation": ([12, 500, 500, 2], 10, 10, 100, {}),
    }[kind]
    net = MLP(sizes, random_state=0, **more)
    X = np.resize(np.arange(7, dtype=np.uint8), (rows, 12))
    y = np.ones((rows, 2), np.float32)
    n = 3_000_000
    validation = (np.ones((n, 12), np.uint8), np.ones((n, 2), np.float32)) if kind == "validation" else None
    return net, lambda: net.fit(X, y, SGD(1e-5), epochs, batch, validation_data=validation, n_threads=n_threads)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals go to the main thread")
@pytest.mark.parametrize("n_threads", [1, 2, None])
@pytest.mark.parametrize("kind", ["short epochs", "long epochs", "one full batch", "python loss", "validation"])
def test_ctrl_c_stops_a_fit(kind, n_threads):
    before = threads()
    net, fit = long_fit(kind, n_threads)
    start, sent = net.params, []

    def interrupt():
        while net._network.progress.optimizer_state is None:  # the fit has not begun
            time.sleep(0.01)
        time.sleep(0.3)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=interrupt, daemon=True)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        fit()
    waited = time.monotonic() - sent[0]
    sender.join()
    assert waited < PATIENCE
    assert threads_left(before) == 0

    # it had begun; what is left is a network as good as any
    assert kind == "one full batch" or not np.array_equal(net.params, start)
    assert np.isfinite(net.params).all()
    again = MLP(net.d, loss=net.loss.spec)
    again.params = net.params
    rows = np.ones((50, net.d[0]), np.float32)
    assert np.array_equal(net.predict(rows), again.predict(rows))
    for n in (net, again):
        n.fit(rows, np.zeros((50, 2)), Adam(0.01), epochs=2, shuffle=False, n_threads=n_threads)
    assert np.array_equal(net.params, again.params)
