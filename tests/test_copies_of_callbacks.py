"""Callbacks and schedules are parameters: they can be cloned, pickled and copied before, during and after a fit."""
import copy
import io
import os
import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from fastmlp import MLP, SGD, Callback, MLPClassifier, MLPRegressor, callbacks, schedules

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4))
Y = X[:, 0] * X[:, 1]


def never(net, epoch, logs):
    return False


CALLBACKS = {
    "Callback": lambda path: Callback(),
    "EarlyStopping": lambda path: callbacks.EarlyStopping("loss"),
    "Checkpoint": lambda path: callbacks.Checkpoint(path / "net", "loss"),
    "ProgressBar": lambda path: callbacks.ProgressBar(),
    "CSVLogger": lambda path: callbacks.CSVLogger(path / "log.csv"),
    "TimeLimit": lambda path: callbacks.TimeLimit(1000.0),
    "LambdaCallback": lambda path: callbacks.LambdaCallback(on_epoch_end=never),
}
SCHEDULES = [schedules.Constant(0.1), schedules.Step(0.1, 2), schedules.Exponential(0.1), schedules.InverseScaling(0.1),
             schedules.Cosine(0.1, 5), schedules.OneCycle(0.1, 5)]
WAYS = {"clone": lambda made: clone(made, safe=False), "pickle": lambda made: pickle.loads(pickle.dumps(made)),
        "deepcopy": copy.deepcopy}
ways = pytest.mark.parametrize("way", WAYS)


def test_all_that_are_included():
    assert set(CALLBACKS) == set(callbacks.__all__)
    assert {type(schedule).__name__ for schedule in SCHEDULES} == set(schedules.__all__)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def open_files():
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


@pytest.mark.parametrize("where", ["lines", "a terminal"])
@ways
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks(name, way, where, tmp_path, monkeypatch):
    if where == "a terminal":
        monkeypatch.setattr(sys, "stderr", Terminal())
    made, copies, before = CALLBACKS[name](tmp_path), [], open_files()
    take = lambda *_: copies.append(WAYS[way](made)) and False
    take()
    MLP([4, 3, 1], random_state=0).fit(X, Y, epochs=3, callbacks=[made, take])
    assert open_files() == before
    take()
    assert len(copies) == 5
    for number, twin in enumerate(copies):
        net, plain = (MLP([4, 3, 1], random_state=0) for _ in range(2))
        net.fit(X, Y, epochs=3 + number, callbacks=[twin])
        assert net.history == plain.fit(X, Y, epochs=3 + number)
    if name == "CSVLogger":
        assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 7


@ways
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_schedules(schedule, way):
    copies = [WAYS[way](schedule)]
    MLP([4, 1]).fit(X, Y, SGD(schedule), epochs=2, callbacks=[lambda *_: copies.append(WAYS[way](schedule)) and False])
    copies.append(WAYS[way](schedule))
    assert copies == [schedule] * 4 and [twin(3) for twin in copies] == [schedule(3)] * 4


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@ways
def test_estimators_that_hold_them(way, solver, tmp_path):
    copies, held = [], [make(tmp_path) for make in CALLBACKS.values()]
    model = MLPRegressor("squared_error", (3,), solver=solver, max_iter=3, random_state=0, callbacks=held)
    take = lambda: copies.append(WAYS[way](model))
    Callback.on_epoch_end, kept = lambda *_: take(), Callback.on_epoch_end
    try:
        take()
        model.fit(X, Y)
        take()
    finally:
        Callback.on_epoch_end = kept
    assert len(copies) >= 5
    for twin in copies:
        assert all((a == b).all() for a, b in zip(twin.fit(X, Y).coefs_, model.coefs_))


def test_cross_validation(tmp_path):
    model = MLPClassifier((3,), max_iter=3, random_state=0,
                          callbacks=[callbacks.CSVLogger(tmp_path / "log.csv", append=True)])
    assert cross_val_score(model, X, Y > 0, cv=3, n_jobs=2).shape == (3,)
    assert len((tmp_path / "log.csv").read_text().splitlines()) >= 9
    model.fit(X, Y > 0)
    assert cross_val_score(model, X, Y > 0, cv=3).shape == (3,)
