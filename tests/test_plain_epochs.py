"""Short epochs are one call of the engine each, and many of them one where nothing looks at the network in between; it
shows in nothing but the time."""
import contextlib
import signal
import threading
import warnings
from unittest import mock

import numpy as np
import pytest
from scipy import sparse

from fastmlp import (
    MLP,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Dense,
    Dropout,
    LambdaCallback,
    NAdam,
    tie_transpose,
)
from fastmlp._fit import loop, plain_epochs
from fastmlp._fit.epochs import Epochs

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((23, 3)), RNG.standard_normal((23, 2))
LABELS = RNG.integers(0, 2, 23)
SEEN = LambdaCallback(on_epoch_end=lambda net, epoch, logs: None)
# how fits are compared: many epochs a call, one a call, and each put together from batches as those of other kinds are
WAYS = ("many", "one", "batches")


def distance(x, y):
    return ((x - y)**2).sum(axis=1), 2 * (x - y)


# name -> (layers and what else MLP takes, y, what else fit takes)
FITS = {
    "one batch": ({"layers": [3, 4, 2]}, Y, {"batch_size": None}),
    "one row": ({"layers": [3, 4, 2]}, Y, {"batch_size": 1, "optimizer": NAdam()}),
    "a smaller batch at the end": ({"layers": [3, Dense(40, "relu"), 2]}, Y, {"batch_size": 5, "optimizer": Adam()}),
    "in order": ({"layers": [3, 4, 2]}, Y, {"shuffle": False}),
    "labels": ({"layers": [3, 4, 2], "loss": "cross_entropy"}, LABELS, {"optimizer": AdamW(weight_decay=0.1)}),
    "weights": ({"layers": [3, 4, 2]}, Y, {"batch_size": 1, "sample_weight": np.arange(23) % 5}),
    "dropout": ({"layers": [3, 9, Dropout(0.5), 2]}, Y, {"batch_size": 4}),
    "batch norm": ({"layers": [3, BatchNorm(), 9, 2]}, Y, {"batch_size": 8}),
    "ties": ({"layers": [3, 2, 3], "ties": [tie_transpose(1, 2)]}, X, {"batch_size": 8}),
    "clipped": ({"layers": [3, 4, 2]}, Y, {"batch_size": 8, "optimizer": SGD(0.1, clip_norm=0.5, l2=0.1)}),
    "a function": ({"layers": [3, 4, 2], "loss": distance}, Y, {"batch_size": 8}),
    "two threads": ({"layers": [3, 4, 2]}, Y, {"batch_size": 8, "n_threads": 2}),
    "bfloat16": ({"layers": [3, 4, 2], "precision": "bfloat16"}, Y, {"batch_size": 8}),
}


@contextlib.contextmanager
def trained_by(way):
    """The callbacks of a fit that goes one of the WAYS."""
    kind = mock.patch.object(loop, "_kind_of_epochs", lambda *of: Epochs)
    with kind if way == "batches" else contextlib.nullcontext():
        yield () if way == "many" else [SEEN]


@pytest.fixture
def calls(monkeypatch):
    """Numbers of epochs in calls of the engine for several, which are of about ten."""
    found, repeat = [], plain_epochs.PlainEpochs._repeat

    def counting(self, start, done, sums):
        if sums is not self.sum:
            found.append(len(sums))
        return repeat(self, start, done, sums)

    monkeypatch.setattr(plain_epochs.PlainEpochs, "_repeat", counting)
    monkeypatch.setattr(plain_epochs.PlainEpochs, "_seconds", lambda self: plain_epochs.SECONDS / 10)
    return found


@pytest.fixture
def one_by_one(monkeypatch):
    """How many went well, 0 or 1, of calls of the engine for one epoch."""
    found, train = [], plain_epochs.PlainEpochs._train_epoch

    def counting(self, start):
        sums = train(self, start)
        found.append(int(self.at_once > 0))
        return sums

    monkeypatch.setattr(plain_epochs.PlainEpochs, "_train_epoch", counting)
    return found


def state(net):
    """All that a fit leaves."""
    left = net._network.progress
    optimizer = left.optimizer_state
    return [net.params, *net._network.learned, *optimizer.arrays(), optimizer.epoch, left.epochs_ever,
            net.history["loss"], net.history["lr"]]


def assert_same(one, *others):
    for other in others:
        for a, b in zip(state(one), state(other), strict=True):
            assert np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("name", FITS)
def test_watched_or_not(calls, one_by_one, name):
    made, y, given = FITS[name]
    nets = {way: MLP(**made, activation="tanh", random_state=0) for way in WAYS}
    given = {"optimizer": SGD(0.01), **given}
    for method, epochs in (("fit", 34), ("partial_fit", 9), ("partial_fit", 3), ("fit", 11)):
        for way, net in nets.items():
            with trained_by(way) as callbacks:
                getattr(net, method)(X, y, epochs=epochs, callbacks=callbacks, **given)
            assert len(net.history["loss"]) >= epochs
        assert_same(*nets.values())
    assert calls == [9, 1, 9, 1, 9, 1, 3, 1] + [8, 1] + [9, 1, 1]
    assert one_by_one == [1] * (3 + 34 + 9 + 3 + 11)  # the 3 of a call that is too short for many at a time


def test_sparse_rows(calls):
    nets = [MLP([3, 4, 2], random_state=0) for _ in range(2)]
    nets[0].fit(sparse.csr_array(X), Y, epochs=20, batch_size=4)
    nets[1].fit(X, Y, epochs=20, batch_size=4)
    assert_same(*nets)
    assert sum(calls) == 40


def test_what_comes_after_other_numbers(calls):
    """A partial_fit adds to a History that has more names."""
    nets = [MLP([3, 4, 2], random_state=0) for _ in range(2)]
    for net, callbacks in zip(nets, ((), SEEN)):
        net.fit(X, Y, epochs=2, validation_data=(X, Y))
        net.partial_fit(X, Y, epochs=20, callbacks=callbacks)
    assert [*nets[0].history] == ["loss", "lr", "val_loss"]
    assert nets[0].history["val_loss"][2:] == pytest.approx([np.nan] * 20, nan_ok=True)
    assert_same(*nets)
    assert calls == [9, 1, 9, 1]


@pytest.mark.parametrize("given", [
    {"validation_data": (X, Y)}, {"metrics": "r2"}, {"verbose": 1}, {"callbacks": [SEEN]},
    {"optimizer": SGD(lambda epoch: 0.01 / (1 + epoch))},
], ids=lambda given: next(iter(given)))
def test_what_looks_between_epochs(calls, one_by_one, given, capsys):
    nets = [MLP([3, 4, 2], random_state=0) for _ in range(2)]
    for net, way in zip(nets, ("many", "batches")):
        with trained_by(way):
            net.fit(X, Y, epochs=20, **given)
    assert nets[0].history == nets[1].history
    assert_same(*nets)
    assert calls == []
    assert one_by_one == [1] * 20


@pytest.mark.parametrize("given", [
    {"validation_fraction": 0.5}, {"ema": 0.5}, {"input_noise": 0.1}, {"gradient_penalty": 0.1}, {"mixup": 0.5},
    {"window": 9}, {"callbacks": LambdaCallback(on_batch_end=lambda net, batch, logs: None)},
], ids=lambda given: next(iter(given)))
def test_what_is_more_than_the_mean_loss_of_all_rows(calls, one_by_one, given):
    MLP([3, 4, 2], random_state=0).fit(X, Y, epochs=20, **given)
    assert calls == one_by_one == []


def test_long_epochs_come_one_by_one(monkeypatch):
    monkeypatch.setattr(plain_epochs.PlainEpochs, "_run_call", None)
    rows = np.zeros((20_000, 3), np.float32)
    MLP([3, 4, 2], random_state=0).fit(rows, rows[:, :2], epochs=8, batch_size=1)


def trained(way, y, loss, rate, epochs=40):
    net = MLP([1, Dense(1, bias=False, init="zeros")], loss=loss, random_state=0)
    with warnings.catch_warnings(record=True) as said, trained_by(way) as callbacks:
        warnings.simplefilter("always")
        net.fit(np.ones((len(y), 1)), y, SGD(rate), epochs=epochs, batch_size=1, callbacks=callbacks)
    return net, [str(one.message) for one in said]


@pytest.mark.parametrize("steps", [*range(20, 33), 60])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_way_back(calls, rows, steps):
    """The weight is the number of steps so far. After some of them a loss is not finite, in whatever batch of whatever
    epoch of a call; so the last step but one is what stays, be it of the call before."""
    def loss(x, y):
        return np.where(x[:, 0] < steps, 1.0, np.inf), -1.0 - y

    nets, said = zip(*(trained(way, np.zeros(rows), loss, 1.0) for way in WAYS))
    assert nets[0].W[1] == min(steps - 1, 40 * rows)
    assert said[0] == said[1] == said[2]
    assert len(said[0]) == (steps <= 40 * rows - (rows > 1 or steps == 40))
    assert_same(*nets)
    assert calls
    # steps that differ from row to row: the order that they come in matters
    assert_same(*(trained(way, np.arange(rows) / 8, loss, 1.0)[0] for way in WAYS))


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.9, 1.1, 3.0, 1e6])
def test_weights_that_become_too_large(calls, rate):
    """Steps that go further and further away from 0, once the weight is not below 1e4 no more than one at a time."""
    nets, said = zip(*(trained(way, np.ones(2), lambda x, y: ((x - y)[:, 0]**2, 2 * (x - y)), rate, 2000)
                       for way in WAYS))
    assert said[0] == said[1] == said[2]
    assert (rate > 1) == bool(said[0])
    assert_same(*nets)
    assert calls


def test_large_weights_that_are_no_harm(calls, one_by_one):
    """After the first epoch of which that is found out none comes as one call any more."""
    nets = {way: MLP([3, 4, 2], random_state=0) for way in WAYS}
    for way, net in nets.items():
        net.b[1][...] = 2e4
        net.W[2][...] = 0
        with trained_by(way) as callbacks:
            net.fit(X, Y, SGD(1e-12), epochs=30, callbacks=callbacks)
    assert_same(*nets.values())
    assert calls == [9]
    assert one_by_one == [0] * 60


@pytest.mark.parametrize("after", [1, 30, 61, 200, 400])
def test_what_an_exception_leaves(calls, after):
    """A loss that raises in some batch: epochs before are there, in History and on the clock of the next fit."""
    nets = []
    for way in WAYS:
        left = [after]

        def loss(x, y, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return distance(x, y)

        net = MLP([3, 4, 2], loss=loss, random_state=0)
        with trained_by(way) as callbacks:
            with pytest.raises(KeyboardInterrupt):
                net.fit(X, Y, epochs=100, batch_size=4, callbacks=callbacks)
            assert len(net.history["loss"]) == (after - 1) // 6
            net.partial_fit(X, Y, epochs=12, batch_size=4, callbacks=callbacks)
        nets.append(net)
    assert_same(*nets)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_a_signal_ends_it():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread")

    def end(number, frame):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, end)
    net = MLP([3, 4, 2], random_state=0)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(InterruptedError):
            net.fit(X, Y, SGD(1e-6), epochs=10**9, batch_size=4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    done = len(net.history["loss"])
    other = MLP([3, 4, 2], random_state=0)
    other.fit(X, Y, SGD(1e-6), epochs=done, batch_size=4)
    assert net.history == other.history
    assert done == net._network.progress.epochs_ever
