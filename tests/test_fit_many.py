"""fit_many: the same as one fit after another, to the bit."""
import concurrent.futures
import contextlib
import threading
import tracemalloc

import numpy as np
import pytest

from fastmlp import MLP, SGD, Adam, _threads, fit_many
from fastmlp.distributed import SerialCommunicator

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((300, 5)).astype(np.float32), RNG.standard_normal((300, 1))


def nets(n, **options):
    return [MLP([5, 8, 1], random_state=seed, **options) for seed in range(n)]


@pytest.mark.parametrize("n_threads", [None, 1, 2, 5])
def test_the_same_bits_as_one_after_another(n_threads):
    side_by_side, after = nets(4), nets(4)
    histories = fit_many(side_by_side, X, Y, optimizer=Adam(0.01), epochs=5, validation_fraction=0.2,
                         n_threads=n_threads)
    wanted = [net.fit(X, Y, optimizer=Adam(0.01), epochs=5, validation_fraction=0.2) for net in after]
    assert histories == wanted
    assert all(np.array_equal(a.params, b.params) for a, b in zip(side_by_side, after))


def test_as_many_at_a_time_as_are_allowed(monkeypatch):
    asked = []

    class Pool(concurrent.futures.ThreadPoolExecutor):
        def __init__(self, threads):
            asked.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", Pool)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    fit_many(nets(3), X, Y, epochs=1)
    fit_many(nets(3), X, Y, epochs=1, n_threads=2)
    assert asked == [1, 2]


def test_options_of_each_go_before_those_of_all():
    two = nets(2)
    histories = fit_many(two, X, Y, each=[{"epochs": 3}, {"optimizer": SGD(0.5)}], epochs=2, optimizer=SGD(0.125))
    assert [h["lr"] for h in histories] == [[0.125] * 3, [0.5] * 2]


def test_networks_of_different_inputs_types_and_losses():
    labels = (Y[:, 0] > 0).astype(int)
    mixed = [MLP([5, 3, 2], loss="cross_entropy", dtype=dtype, random_state=0) for dtype in ("float32", "float64")]
    fit_many(mixed, X.astype(float), labels, epochs=2)
    for net in mixed:
        alone = MLP([5, 3, 2], loss="cross_entropy", dtype=net.dtype, random_state=0)
        alone.fit(X.astype(float), labels, epochs=2)
        assert np.array_equal(alone.params, net.params)


def test_x_is_not_copied_for_each():
    whole = RNG.integers(-9, 9, (40_000, 50)).astype(object)  # which the engine cannot read
    y = np.asarray(whole[:, 0], float)
    copy = MLP([50, 1])._network.features(whole).nbytes
    many = [MLP([50, 1], random_state=seed) for seed in range(6)]
    tracemalloc.start()
    fit_many(many, whole, y, epochs=1, n_threads=6)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert copy < peak < 4 * copy


def test_they_train_in_several_threads():
    meeting = threading.Barrier(2, timeout=20)  # broken unless two fits are under way at once
    fit_many(nets(2), X, Y, epochs=1, callbacks=[lambda net, epoch, logs: meeting.wait() < 0], n_threads=2)


def test_errors():
    one = nets(1)[0]
    cases = [(dict(nets=one), TypeError, "nets"), (dict(nets=[one, one]), ValueError, "nets"),
             (dict(nets=[one, 3]), TypeError, "nets"), (dict(nets=[one], each={}), TypeError, "each"),
             (dict(nets=[one], each=[{}, {}]), ValueError, "each"), (dict(nets=[one], epochs=0), ValueError, "epochs"),
             (dict(nets=[one], comm=SerialCommunicator()), ValueError, "comm must be None for fit_many"),
             (dict(nets=[one], window=10), ValueError, "window must be None for fit_many"),
             (dict(nets=[one], each=[{"batches": []}]), ValueError, "batches must be None for fit_many"),
             (dict(nets=[one], n_threads=0), ValueError, "n_threads"), (dict(nets=[one], no=1), TypeError, "no")]
    for arguments, error, words in cases:
        with pytest.raises(error, match=words):
            fit_many(X=X, y=Y, **arguments)
    assert fit_many([], X, Y) == []


def searched(seed):
    """What a search does in a worker: some networks side by side, on as many threads as that one may use."""
    some = nets(2)
    histories = fit_many(some, X, Y, epochs=2, each=[{"optimizer": Adam(0.01 * (1 + seed))}, {}])
    return _threads.allowed(), [net.params for net in some], histories


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing", "dask"])
def test_under_the_backends_of_joblib(backend, monkeypatch):
    """The same bits in each; a worker process uses its part of the cores."""
    joblib = pytest.importorskip("joblib")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    client = contextlib.nullcontext()
    if backend == "dask":
        distributed = pytest.importorskip("distributed", reason='there is no distributed: pip install "fastmlp[dask]"')
        client = distributed.Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
    with client, joblib.parallel_config(backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(searched)(seed) for seed in range(3))
    for seed, (threads, params, histories) in enumerate(found):
        _, here, those = searched(seed)
        assert histories == those and all((a == b).all() for a, b in zip(params, here))
        if backend == "loky":
            assert threads == max(1, joblib.cpu_count() // 2)


def test_one_that_fails_lets_the_others_end():
    two = nets(2)
    before = [net.params for net in two]
    with pytest.raises(ValueError, match="epochs"):
        fit_many(two, X, Y, each=[{"epochs": -1}, {"epochs": 2}])
    assert np.array_equal(two[0].params, before[0]) and not np.array_equal(two[1].params, before[1])
