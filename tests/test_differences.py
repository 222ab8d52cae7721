"""Rows of differences (kernels/stacked.inc): what is learned of them is what is learned of the rows that they are short
for, to rounding, and the bits do not depend on threads, blocks, chunks, scratch memory or the instruction set."""
import hashlib
import os
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest

import bits
from fastmlp import (
    MLP,
    Adam,
    AdamW,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    PiecewiseLinear,
    TabularClassifier,
    TabularRegressor,
    TiedGroup,
    _core,
)
from fastmlp._engine import runtime
from fastmlp._engine.requests import Objective
from fastmlp._fit.epochs import Epochs
from fastmlp._fit.orders import Shuffled
from fastmlp._parameters import OptimizerState
from fastmlp.tabular import differences as module
from fastmlp.tabular import ensemble
from fastmlp.tabular.differences import differences
from fastmlp.tabular.ensemble import Crew

ROWS = 150
STACKS = (1, 6, 1, 1, 24, 3, 1, 5)
D = sum(STACKS)
STACKED = np.concatenate([np.arange(n) > 0 for n in STACKS]).astype(np.uint8)
NETWORKS = {
    "two groups": [D, Dense(16, "tanh"), Dense(3)],
    "a step of tiles": [D, Dense(140, "silu"), Dropout(0.25), Dense(70, "relu"), Dense(3)],
    "dropout first": [D, Dropout(0.375), Dense(140, "relu"), Dense(3)],
    "no bias": [D, Dropout(0.25), Dense(230, bias=False), Dense(3)],
}


def rows():
    """Encodings: of each stack ones up to some place, a fraction there, zeros above; sixteenths, so that differences
    are exact."""
    X, begin = np.zeros((ROWS, D)), 0
    for k, n in enumerate(STACKS):
        at = bits.whole(20 + k, ROWS, 0, 16 * n) / 16
        X[:, begin:begin + n] = np.clip(at[:, None] - np.arange(n), 0, 1)
        begin += n
    return X


def trained(layers, dtype, short, optimizer=None, epochs=3, n_threads=1, block_rows=0, chunk_rows=0, weighted=False):
    """(parameters, losses, predictions) of a network that has learned from rows, or from their differences."""
    net = MLP(layers, dtype=dtype, random_state=1)
    network = net._network
    network.core.block_rows, network.core.chunk_rows = block_rows, chunk_rows
    X, y = rows().astype(dtype), (bits.whole(2, (ROWS, 3), -96, 96) / 64)
    weight = bits.whole(5, ROWS, 0, 4) / 2 if weighted else None
    data = network.bind_differences(*differences(X, STACKED), y, weight) if short else network.bind(X, y, weight)
    state = OptimizerState.following(None, network.parameters, optimizer or AdamW(1 / 64, weight_decay=1 / 8))
    with _core.borrow_team(n_threads) as team:
        run = Epochs(network, state, data, Shuffled(ROWS, None, 3), 70, team, Objective()).run
        losses = [run(1 / 64).loss for _ in range(epochs)]
        measured = network.core.evaluate(data, team, np.arange(0, ROWS, 2))
        predicted = network.core.predict(data, team), network.core.evaluate_and_predict(data, team)[1]
    assert np.array_equal(*predicted)
    return net.params, np.array([*losses, measured]), predicted[0]


@pytest.mark.parametrize("optimizer", [None, Adam(1 / 64, clip_norm=0.25)], ids=["", "clipped"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_they_teach_what_the_rows_do(name, weighted, optimizer):
    """Dropout of x(0) too, whose mask is the same."""
    ours, theirs = (trained(NETWORKS[name], np.float64, short, optimizer, weighted=weighted) for short in (True, False))
    for got, wanted in zip(ours, theirs):
        np.testing.assert_allclose(got, wanted, rtol=1e-7, atol=1e-9)


SETTINGS = {key: setting for key, setting in bits.SETTINGS.items() if key != "plain"}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_shows_in_the_bits(name, setting):
    options = dict(SETTINGS[setting])
    runtime.scratch_fill = options.pop("scratch", None)
    try:
        got = trained(NETWORKS[name], np.float32, True, **options)
    finally:
        runtime.scratch_fill = None
    for one, other in zip(got, trained(NETWORKS[name], np.float32, True)):
        assert np.array_equal(one, other)


def digest():
    """Of all networks in both types."""
    h = hashlib.sha256()
    for layers in NETWORKS.values():
        for dtype in (np.float32, np.float64):
            for array in trained(layers, dtype, True):
                h.update(array.tobytes())
    return h.hexdigest()


@pytest.mark.parametrize("isa", [isa for isa in _core.available_isas() if isa not in ("amx", "generic")])
def test_every_instruction_set_has_the_same_bits(isa):
    done = subprocess.run([sys.executable, "-P", __file__], capture_output=True, text=True,
                          env={**os.environ, "FASTMLP_ISA": isa, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest()


def test_a_call_of_other_data_is_another():
    """A network's calls are kept for the next: of differences for differences, with room for as many terms as these
    have."""
    net = MLP([D, Dense(20, "relu"), 3], dtype="float64", random_state=0)._network
    X, y = rows(), np.zeros((ROWS, 3))
    few = X * (np.arange(D) < 3)
    with _core.borrow_team(1) as team:
        for some in (few, X, few):
            for _ in range(2):
                short = net.bind_differences(*differences(some, STACKED), y, None)
                wanted = net.core.predict(net.bind(some, y), team)
                np.testing.assert_allclose(net.core.predict(short, team), wanted, rtol=1e-12)


@pytest.mark.parametrize("layers, takes", [
    ([3, 16], True), ([3, Dropout(0.5), 16], True), ([40, 30, 2], True), ([40, 5, 2], False),
    ([3, Dropout(0.5), Dropout(0.5), 16], False),
    ([3, PiecewiseLinear([[0, 1]] * 3, 16), 2], False), ([(4, 4, 1), Conv2D(2, 2), 2], False),
    ([3, Concat(Dense(16), Dense(16)), 1], False), ([100, 1], False)])
def test_which_networks_take_them(layers, takes):
    network = MLP(layers)._network
    assert network.core.takes_differences == takes
    if not takes:
        d = network.d[0]
        data = _core.Data(*short_of(np.ones((5, d), np.float32), np.zeros(d, np.uint8)))
        with pytest.raises(ValueError, match="differences"), _core.borrow_team(1) as team:
            network.core.predict(data, team)


def short_of(X, stacked):
    """Arguments of Data."""
    with mock.patch.object(module, "WORTH", 0):
        rows, stacked = differences(X, stacked)
    return rows, None, None, None, stacked


def test_ties_and_rounding_take_none():
    tied = MLP([3, 16], ties=[TiedGroup([(1, 0, 0), (1, 1, 1)])])
    assert not tied._network.core.takes_differences
    assert not MLP([3, 16], precision="bfloat16")._network.core.takes_differences


def test_derivatives_of_them_are_refused():
    network = MLP([D, 20, 3])._network
    data = network.bind_differences(*differences(rows().astype(np.float32), STACKED), np.zeros((ROWS, 3)), None)
    with _core.borrow_team(1) as team:
        for asked in (network.core.gradient, network.core.pull):
            with pytest.raises(ValueError, match="differences must be"):
                asked(data, team)


# ---- of tables

@pytest.mark.parametrize("n", [1, ROWS])
def test_differences_add_up_to_the_features(n):
    with mock.patch.object(module, "ROWS", 64):
        short = differences(rows()[:n], STACKED)
    total, begin = np.zeros((n, D)), 0
    for size in STACKS:
        part = short.rows.toarray()[:, begin:begin + size]
        total[:, begin:begin + size] = part[:, ::-1].cumsum(axis=1)[:, ::-1]
        begin += size
    assert np.array_equal(total, rows()[:n])
    assert short.rows.has_canonical_format
    assert np.diff(short.rows.indptr).max() <= 2 * len(STACKS)


def test_where_they_are_many_there_are_none():
    assert differences(np.ones((5, 4)), np.zeros(4, np.uint8)) is None
    assert differences(np.ones((5, 4)), np.array([0, 1, 1, 1], np.uint8)) is not None


def table(n=600):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 6)).round(2)
    X[::7, 3], X[:, 5] = np.nan, rng.integers(0, 4, n)
    return X, X[:, 0] * X[:, 1] + np.abs(X[:, 2])


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_estimators_learn_the_same_of_them(kind):
    X, y = table()
    y = (y > y.mean()).astype(int) if kind is TabularClassifier else y
    options = {"n_members": 2, "max_iter": 3, "random_state": 0}
    ours = kind(**options).fit(X, y, X_val=X[:60], y_val=y[:60])
    with mock.patch.object(module, "WORTH", 1e9):
        theirs = kind(**options).fit(X, y, X_val=X[:60], y_val=y[:60])
    assert ours._encoder.stacked.sum() > 100
    for one, other in zip(ours.networks_, theirs.networks_):
        assert not np.array_equal(one.params, other.params)  # they were multiplied in another order
        np.testing.assert_allclose(one.params, other.params, atol=2e-3)
    predict = "predict_proba" if kind is TabularClassifier else "predict"
    np.testing.assert_allclose(getattr(ours, predict)(X), getattr(theirs, predict)(X), atol=1e-3)


def test_threads_of_members_that_have_ended_help_the_others():
    crew = Crew(4, 6)
    shares = [crew.share]
    for _ in range(6):
        with crew.member():
            pass
        shares.append(crew.share)
    assert shares == [1, 1, 1, 1, 2, 4, 4]


def test_helping_threads_do_not_show():
    """A member that waits for the other to end goes on with the threads of both."""
    X, y = table()
    found, teams, slow = [], [], []
    end_epoch = ensemble.MemberPlan.end_epoch

    def watched(self, result):
        teams.append((self.crew.threads, self.epochs.team.n))
        slow[:] = slow or [self]
        while self is slow[0] and self.crew.threads > 1 and self.crew.left > 1:
            time.sleep(0.001)
        return end_epoch(self, result)

    with mock.patch.object(ensemble.MemberPlan, "end_epoch", watched):
        for n_threads in (1, 2):
            slow.clear()
            model = TabularRegressor(n_members=2, max_iter=5, random_state=0, n_threads=n_threads).fit(X, y)
            found.append([net.params for net in model.networks_])
    assert np.array_equal(*found)
    assert {*teams} == {(1, 1), (2, 1), (2, 2)}


if __name__ == "__main__":
    print(digest())
