"""fit_many: the same as one fit after another, to the bit."""
import contextlib
import os
import signal
import threading
import tracemalloc

import numpy as np
import pytest

from fastmlp import MLP, SGD, Adam, EarlyStopping, LambdaCallback, _threads, fit_many
from fastmlp._fit import many
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
    monkeypatch.setattr(many, "side_by_side", lambda fits, threads, all_end: asked.append(threads))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    fit_many(nets(3), X, Y, epochs=1)
    fit_many(nets(3), X, Y, epochs=1, n_threads=2)
    fit_many(nets(3), X, Y, epochs=1, n_threads=20)
    assert asked == [1, 2, 20]


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
             (dict(nets=[one], metrics="auc"), ValueError, "metrics auc"),
             (dict(nets=[one], n_threads=0), ValueError, "n_threads"), (dict(nets=[one], no=1), TypeError, "'no'")]
    for arguments, error, words in cases:
        with pytest.raises(error, match=words):
            fit_many(X=X, y=Y, **arguments)
    assert fit_many([], X, Y) == []


@pytest.mark.parametrize("wrong", [
    {"validation_data": (X, Y[:3])}, {"metrics": "auc"}, {"callbacks": EarlyStopping()}, {"optimizer": "none"},
    {"sample_weight": -np.ones(len(X))}, {"gradient_penalty": -1}], ids=lambda wrong: next(iter(wrong)))
def test_none_is_trained_where_one_cannot_be(wrong):
    some = nets(3)
    before = [net.params.tobytes() for net in some]
    with pytest.raises((TypeError, ValueError), match=r"^each\[1\]"):
        fit_many(some, X, Y, each=[{}, wrong, {}], epochs=1, n_threads=1)
    assert [net.params.tobytes() for net in some] == before


def test_callbacks_that_keep_what_they_see_are_of_one_network():
    some, stops = nets(2), [EarlyStopping("loss", 50) for _ in range(2)]
    before = [net.params.tobytes() for net in some]
    with pytest.raises(ValueError, match=r"^callbacks must be of each network's own .* got EarlyStopping\(monitor"):
        fit_many(some, X, Y, callbacks=stops[0], epochs=2)
    assert [net.params.tobytes() for net in some] == before
    histories = fit_many(some, X, Y, each=[{"callbacks": stop} for stop in stops], epochs=9, n_threads=2)
    for net, stop, history in zip(some, stops, histories):
        assert len(history["loss"]) == 9 and 1 <= stop.best_epoch <= 9 and np.isfinite(net.params).all()


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
        distributed = pytest.importorskip("dask.distributed", reason='there is no Dask: pip install "fastmlp[dask]"')
        client = distributed.Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
    with client, joblib.parallel_config(backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(searched)(seed) for seed in range(3))
    for seed, (threads, params, histories) in enumerate(found):
        _, here, those = searched(seed)
        assert histories == those and all((a == b).all() for a, b in zip(params, here))
        if backend == "loky":
            assert threads == max(1, joblib.cpu_count() // 2)


WRONG = [
    ({"epochs": -1}, ValueError, r"each\[1\].*epochs"), ({"epoch": 3}, TypeError, r"each\[1\].*'epoch'"),
    ({3: 3}, TypeError, r"each\[1\].*got 3"), ({"n_threads": "x"}, TypeError, r"each\[1\].*'n_threads'"),
    ({"metrics": "none"}, ValueError, r"each\[1\].*metrics"), ({"callbacks": 3}, TypeError, r"each\[1\].*callbacks"),
    ({"sample_weight": -np.ones(300)}, ValueError, r"each\[1\].*sample_weight"),
    ({"validation_data": 3}, ValueError, r"each\[1\].*validation_data"), ({"comm": 3}, ValueError, r"each\[1\].*comm")]


@pytest.mark.parametrize("wrong, error, message", WRONG, ids=str)
def test_what_is_wrong_with_one_is_found_before_any_is_trained(wrong, error, message):
    three = nets(3)
    with pytest.raises(error, match=message):
        fit_many(three, X, Y, each=[{}, wrong, {}])
    assert all(np.array_equal(net.params, before.params) for net, before in zip(three, nets(3)))


def test_options_and_targets_that_are_wrong_for_all():
    for wrong, error, message in ((dict(epoch=3), TypeError, "^options must be of .*'epoch'"),
                                  (dict(epochs=-1), ValueError, "^epochs")):
        with pytest.raises(error, match=message):
            fit_many(nets(2), X, Y, **wrong)
    some = [MLP([5, 1], random_state=0), MLP([5, 2], random_state=0)]
    with pytest.raises(ValueError, match="^y must"):
        fit_many(some, X, Y)
    assert np.array_equal(some[0].params, MLP([5, 1], random_state=0).params)


def test_labels_that_are_text():
    names = np.array(["a", "b", "c"] * 100)
    some = [MLP([5, 3], loss="cross_entropy", random_state=seed) for seed in range(2)]
    with pytest.raises(ValueError, match="sample_weight"):
        fit_many(some, X, names, sample_weight=-np.ones(300))
    assert all(net.classes is None for net in some)
    fit_many(some, X, names, epochs=1, n_threads=2)
    assert all(net.classes.tolist() == ["a", "b", "c"] for net in some)


def test_one_that_fails_lets_the_others_end():
    two = nets(2)
    fail = lambda net, epoch, logs: 1 / 0
    with pytest.raises(ZeroDivisionError):
        fit_many(two, X, Y, each=[{"callbacks": fail}, {"epochs": 20}], n_threads=2)
    assert len(two[1].history["loss"]) == 20


@pytest.mark.skipif(os.name == "nt", reason="of POSIX")
def test_ctrl_c_ends_all_within_an_epoch():
    """Of two networks whose epochs take many seconds."""
    make = lambda: [MLP([5, 64, 64, 1], random_state=seed) for seed in range(2)]
    two = make()
    both = threading.Barrier(2, threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start)
    with pytest.raises(KeyboardInterrupt):
        fit_many(two, np.repeat(X, 10_000, axis=0), np.repeat(Y, 10_000, axis=0), epochs=9, batch_size=4, n_threads=2,
                 callbacks=LambdaCallback(on_fit_begin=lambda net, logs: both.wait()))
    assert all(len(net.history["loss"]) == 0 for net in two)
    assert all(not np.array_equal(net.params, old.params) for net, old in zip(two, make()))
