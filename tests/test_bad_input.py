"""Bad input gets an error that names the argument, what came and what was wanted, before anything changed."""
import copy
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import fastmlp
from fastmlp import MLP, SGD, Adam, AdamW, Dense, Dropout, EarlyStopping, TimeLimit
from fastmlp.schedules import Constant, Cosine, Exponential, InverseScaling, OneCycle, Step

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 4)), RNG.standard_normal((20, 2))
LABELS = RNG.integers(0, 3, 20)


def spoiled(a, value, dtype=None):
    a = np.array(a, dtype)
    a.flat[-1] = value
    return a


def csr_with_bad_index(values=X):
    S = sparse.csr_array(values)
    S.indices[-1] = 99
    return S


def csr_with_few_rows():
    S = sparse.csr_array(X)
    S.indptr = S.indptr[:2].copy()
    return S


# what is wrong: (arguments of MLP, error, what the message says)
CONSTRUCTION = {
    "no list": (lambda: MLP(5), TypeError, "layers.*5"),
    "a name": (lambda: MLP("64"), TypeError, "layers.*64"),
    "one entry": (lambda: MLP([5]), ValueError, "layers.*at least one layer"),
    "no input": (lambda: MLP([0, 3]), ValueError, r"layers\[0\].*at least 1.*0"),
    "negative size": (lambda: MLP([4, -3, 1]), ValueError, r"layers\[1\].*at least 1.*-3"),
    "fraction": (lambda: MLP([4, 2.5, 1]), TypeError, r"layers\[1\].*2.5"),
    "size of a spec": (lambda: MLP([4, Dense(0)]), ValueError, r"layers\[1\].*at least 1.*0"),
    "true for a size": (lambda: MLP([4, Dense(True)]), TypeError, r"layers\[1\].*True"),
    "activation": (lambda: MLP([4, 3, 1], activation="rleu"), ValueError, "activation.*relu.*rleu"),
    "activation of a spec": (lambda: MLP([4, Dense(3, "rleu")]), ValueError, r"activation of layers\[1\].*relu.*rleu"),
    "kind of an activation": (lambda: MLP([4, 3, 1], activation=3), TypeError, "activation.*3"),
    "argument of an activation": (lambda: MLP([4, 3, 1], activation=("elu", "x")), TypeError, "activation.*'x'"),
    "number of an activation": (lambda: MLP([4, 3, 1], activation=("tanh", 3)), ValueError,
                                r"activation 'tanh' takes no number, got \('tanh', 3\)"),
    "number of a loss": (lambda: MLP([4, 1], loss=("squared_error", 3)), ValueError,
                         "loss 'squared_error' takes no number"),
    "loss": (lambda: MLP([4, 1], loss="msle"), ValueError, "loss.*squared_error.*msle"),
    "threshold": (lambda: MLP([4, 1], loss=("huber", 0)), ValueError, "huber.*above 0.*0"),
    "quantile": (lambda: MLP([4, 1], loss=("quantile", 1.0)), ValueError, "quantile.*between 0 and 1.*1"),
    "dtype": (lambda: MLP([4, 1], dtype="float16"), ValueError, "dtype.*float32.*float64.*float16"),
    "no dtype": (lambda: MLP([4, 1], dtype="float"), None, None),
    "unknown dtype": (lambda: MLP([4, 1], dtype="flaot32"), ValueError, "dtype.*flaot32"),
    "initializer": (lambda: MLP([4, 1], init="xavier"), ValueError, "init of layer 1.*glorot_uniform.*xavier"),
    "shape of given weights": (lambda: MLP([4, Dense(3, init=np.zeros((3, 4)))]), ValueError,
                               r"init of layer 1.*\(4, 3\).*\(3, 4\)"),
    "given weights not finite": (lambda: MLP([4, Dense(1, init=np.full((4, 1), np.nan))]), ValueError,
                                 "init of layer 1.*finite"),
    "given weights too large": (lambda: MLP([4, Dense(1, init=np.full((4, 1), 1e300))]), ValueError,
                                "init of layer 1 must be finite in float32"),
    "given bias too large": (lambda: MLP([4, Dense(1, bias_init=1e39)]), ValueError,
                             "bias_init of layer 1 must be finite in float32"),
    "None for dtype": (lambda: MLP([4, 1], dtype=None), ValueError, "dtype.*float32.*got None"),
    "every": (lambda: Step(0.1, 0), ValueError, "every.*at least 1.*0"),
    "rate of a schedule": (lambda: Constant(-0.1), ValueError, "lr.*at least 0.*-0.1"),
    "kind of a schedule's rate": (lambda: Cosine("fast", 3), TypeError, "lr.*'fast'"),
    "factor of steps": (lambda: Step(0.1, 2, "x"), TypeError, "factor.*'x'"),
    "factor": (lambda: Exponential(0.1, -1), ValueError, "factor.*at least 0.*-1"),
    "power": (lambda: InverseScaling(0.1, power="a"), TypeError, "power.*'a'"),
    "epochs of a cosine": (lambda: Cosine(0.1, 0), ValueError, "epochs.*at least 1.*0"),
    "final rate": (lambda: Cosine(0.1, 3, final=-1), ValueError, "final.*at least 0.*-1"),
    "epochs of one cycle": (lambda: OneCycle(0.1, 0), ValueError, "epochs.*at least 1.*0"),
    "warmup": (lambda: OneCycle(0.1, 10, warmup=2), ValueError, "warmup.*at most 1.*2"),
    "nesterov": (lambda: SGD(nesterov="yes"), TypeError, "nesterov.*'yes'"),
    "bias": (lambda: MLP([4, Dense(1, bias="no")]), TypeError, r"bias of layers\[1\].*'no'"),
    "div": (lambda: OneCycle(0.1, 5, div=0), ValueError, "div.*above 0.*0"),
    "kind of given weights": (lambda: MLP([4, Dense(1, init=object())]), TypeError, "init of layer 1"),
    "shape of given biases": (lambda: MLP([4, Dense(3, bias_init=[1, 2])]), ValueError,
                              r"bias_init of layer 1.*\(3,\).*\(2,\)"),
    "seed": (lambda: MLP([4, 1], random_state="x"), TypeError, "random_state.*'x'"),
    "negative seed": (lambda: MLP([4, 1], random_state=-1), ValueError, "random_state.*at least 0.*-1"),
    "rate": (lambda: MLP([4, Dropout(1.0), 1]), ValueError, r"rate of layers\[1\].*below 1.*1"),
    "dropout last": (lambda: MLP([4, 3, Dropout(0.1)]), ValueError, "last of layers.*Dropout"),
    "learning rate": (lambda: SGD(0), ValueError, "lr.*above 0.*0"),
    "kind of a learning rate": (lambda: Adam("fast"), TypeError, "lr.*'fast'"),
    "learning rate not finite": (lambda: SGD(float("nan")), ValueError, "lr.*finite.*nan"),
    "momentum": (lambda: SGD(0.1, momentum=1.5), ValueError, "momentum.*at most 1.*1.5"),
    "beta1": (lambda: Adam(beta1=-0.1), ValueError, "beta1.*at least 0.*-0.1"),
    "beta2": (lambda: Adam(beta2=1), ValueError, "beta2.*below 1.*1"),
    "eps": (lambda: Adam(eps=0), ValueError, "eps.*above 0.*0"),
    "l2": (lambda: SGD(l2=-1), ValueError, "l2.*at least 0.*-1"),
    "clip_norm": (lambda: SGD(clip_norm=0), ValueError, "clip_norm.*above 0.*0"),
    "weight_decay": (lambda: AdamW(weight_decay=-1), ValueError, "weight_decay.*at least 0.*-1"),
    "patience": (lambda: EarlyStopping(patience=0), ValueError, "patience.*at least 1.*0"),
    "mode": (lambda: EarlyStopping(mode="up"), ValueError, "mode.*max.*min.*up"),
    "seconds": (lambda: TimeLimit(-1), ValueError, "seconds.*at least 0.*-1"),
}


@pytest.mark.parametrize("wrong", CONSTRUCTION)
def test_construction(wrong):
    make, error, message = CONSTRUCTION[wrong]
    if error is None:
        make()
        return
    with pytest.raises(error, match=message):
        make()


# what is wrong: (arguments of fit, error, what the message says)
FIT = {
    "one row": ((X[0], Y), {}, ValueError, r"X must have shape \(rows, 4\).*\(4,\).*reshape"),
    "columns": ((X[:, :3], Y), {}, ValueError, "X must have 4 columns, got 3"),
    "columns of a sparse matrix": ((sparse.csr_array(X[:, :3]), Y), {}, ValueError, "X must have 4 columns.*3"),
    "cube": ((X[None], Y), {}, ValueError, "X must have shape"),
    "no rows": ((X[:0], Y[:0]), {}, ValueError, "X must have at least one row"),
    "NaN": ((spoiled(X, np.nan), Y), {}, ValueError, "X must be finite"),
    "infinity": ((spoiled(X, np.inf, np.float32), Y), {}, ValueError, "X must be finite"),
    "too large for float32": ((spoiled(X, 1e39), Y), {}, ValueError, "X must be finite in float32"),
    "NaN in a sparse matrix": ((sparse.csr_array(spoiled(X, np.nan)), Y), {}, ValueError, "X must be finite"),
    "index of a sparse matrix": ((csr_with_bad_index(), Y), {}, ValueError, "X is not a valid CSR"),
    "numbers as text": ((X.astype(str), Y), {}, TypeError, "X must be numbers, got text"),
    "words": ((np.full((20, 4), "a"), Y), {}, TypeError, "X must be numbers"),
    "words in a table": ((pd.DataFrame({c: ["a"] * 20 for c in "abcd"}), Y), {}, TypeError, "X must be numbers"),
    "rows of a sparse matrix": ((csr_with_few_rows(), Y), {}, ValueError, "X is not a valid CSR"),
    "complex": ((X + 1j, Y), {}, TypeError, "X must be real"),
    "dates": ((np.zeros((20, 4), "M8[D]"), Y), {}, TypeError, "X must be real numbers, got datetime64"),
    "masked": ((np.ma.masked_less(X, 0), Y), {}, ValueError, "X must have no masked elements"),
    "ragged": (([[1.0] * 4] * 19 + [[1.0]], Y), {}, ValueError, "X must be an array, its rows of one length"),
    "fewer targets": ((X, Y[:19]), {}, ValueError, r"y must have 20 rows.*\(19, 2\)"),
    "outputs": ((X, Y[:, :1]), {}, ValueError, r"y must have shape \(20, 2\).*\(20, 1\)"),
    "flat targets": ((X, Y[:, 0]), {}, ValueError, r"y must have shape \(20, 2\).*\(20,\)"),
    "NaN in y": ((X, spoiled(Y, np.nan)), {}, ValueError, "y must be finite"),
    "NaN in sparse y": ((X, sparse.csr_array(spoiled(Y, np.nan))), {}, ValueError, "y must be finite"),
    "index of sparse y": ((X, csr_with_bad_index(Y)), {}, ValueError, "y is not a valid CSR"),
    "sum in sparse y": ((X, sparse.csr_array((np.full(2, 2e38), [0, 0], [0, *[2] * 20]), (20, 2))), {}, ValueError,
                        "y must be finite in float32"),
    "outputs of sparse y": ((X, sparse.csr_array(Y[:, :1])), {}, ValueError, r"y must have shape \(20, 2\).*\(20, 1\)"),
    "rows of sparse y": ((X, sparse.csr_array(Y[:19])), {}, ValueError, r"y must have 20 rows.*\(19, 2\)"),
    "a number for y": ((X, 3), {}, ValueError, "y must have 20 rows"),
    "batch_size 0": ((X, Y), {"batch_size": 0}, ValueError, "batch_size.*at least 1.*0"),
    "batch_size 2.5": ((X, Y), {"batch_size": 2.5}, TypeError, "batch_size.*2.5"),
    "epochs 0": ((X, Y), {"epochs": 0}, ValueError, "epochs.*at least 1.*0"),
    "n_threads 0": ((X, Y), {"n_threads": 0}, ValueError, "n_threads.*at least 1.*0"),
    "n_threads 10000": ((X, Y), {"n_threads": 10_000}, ValueError, "n_threads.*at most.*10000"),
    "shuffle": ((X, Y), {"shuffle": "yes"}, TypeError, "shuffle must be True or False, got 'yes'"),
    "optimizer": ((X, Y), {"optimizer": "adan"}, ValueError, "optimizer.*adam.*adan"),
    "rate of a schedule": ((X, Y), {"optimizer": SGD(lambda epoch: -1.0)}, ValueError,
                           "learning rate of epoch [02].*at least 0.*-1"),
    "kind of a schedule's rate": ((X, Y), {"optimizer": SGD(lambda epoch: "x")}, TypeError,
                                  "learning rate of epoch [02].*'x'"),
    "shape of weights": ((X, Y), {"sample_weight": np.ones(19)}, ValueError, r"sample_weight.*\(20,\).*\(19,\)"),
    "negative weight": ((X, Y), {"sample_weight": spoiled(np.ones(20), -1)}, ValueError,
                        "sample_weight.*at least 0.*-1"),
    "no weight": ((X, Y), {"sample_weight": np.zeros(20)}, ValueError, "sample_weight.*not all 0"),
    "NaN weight": ((X, Y), {"sample_weight": spoiled(np.ones(20), np.nan)}, ValueError, "sample_weight must be finite"),
    "validation_data": ((X, Y), {"validation_data": X}, ValueError, r"validation_data must be \(X, y\).*got ndarray"),
    "three and one": ((X, Y), {"validation_data": (X, Y, None, None)}, ValueError,
                      "validation_data must be .*got a tuple of 4"),
    "kind of callbacks": ((X, Y), {"callbacks": 3}, TypeError, "callbacks must be a Callback object, .*got 3"),
    "columns of validation_data": ((X, Y), {"validation_data": (X[:, :2], Y)}, ValueError,
                                   "validation_data.*4 columns.*2"),
    "validation_fraction": ((X, Y), {"validation_fraction": 1.0}, ValueError, "validation_fraction.*below 1.*1"),
    "validation_fraction of few rows": ((X, Y), {"validation_fraction": 0.01}, ValueError,
                                        "validation_fraction.*rows on both sides"),
    "both validations": ((X, Y), {"validation_fraction": 0.1, "validation_data": (X, Y)}, ValueError, "not both"),
    "metrics": ((X, Y), {"metrics": ["acuracy"]}, ValueError, "metrics.*accuracy.*acuracy"),
    "kind of metrics": ((X, Y), {"metrics": [3]}, TypeError, "metrics.*3"),
    "metric of classes": ((X, Y), {"metrics": ["auc"]}, ValueError, "metrics auc wants labels for y"),
    "metric of right classes": ((X, Y), {"metrics": ["mae", "accuracy"]}, ValueError,
                                "metrics accuracy wants labels for y, or columns of 0 to 1"),
    "callbacks": ((X, Y), {"callbacks": [3]}, TypeError, "callbacks.*3"),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("wrong", FIT)
def test_fit(wrong, method):
    arguments, more, error, message = FIT[wrong]
    net = MLP([4, 3, 2], random_state=0)
    net.partial_fit(X, Y, Adam(), epochs=2)
    before, history = net.params, copy.deepcopy(net.history)
    with pytest.raises(error, match=message):
        getattr(net, method)(*arguments, **more)
    assert np.array_equal(net.params, before) and net.history == history
    twin = MLP([4, 3, 2], random_state=0)
    twin.partial_fit(X, Y, Adam(), epochs=2)
    for n in (net, twin):
        n.partial_fit(X, Y)
    assert np.array_equal(net.params, twin.params)


# loss: (targets, what the message says)
TARGETS = {
    "label too large": ("cross_entropy", spoiled(LABELS, 3), r"labels 0\.\.2.*3"),
    "negative label": ("cross_entropy", spoiled(LABELS, -1), r"labels 0\.\.2.*-1"),
    "fractional label": ("cross_entropy", LABELS + 0.5, r"integer labels 0\.\.2"),
    "NaN label": ("cross_entropy", spoiled(LABELS, np.nan, float), r"integer labels 0\.\.2"),
    "rows that do not sum to 1": ("cross_entropy", np.ones((20, 3)), "sum to 1.*from 3 to 3"),
    "labels in a column": ("cross_entropy", np.zeros((20, 1), int),
                           r"shape \(20, 3\) or be integer labels \(20,\), got \(20, 1\)"),
    "negative probability": ("cross_entropy", np.tile([1.5, -0.5, 0.0], (20, 1)), "between 0 and 1.*-0.5"),
    "probability above 1": ("binary_cross_entropy", np.full((20, 3), 1.5), "between 0 and 1.*1.5"),
    "negative count": ("poisson", np.full((20, 3), -1.0), "at least 0.*-1"),
}


@pytest.mark.parametrize("metric", ["r2", "mae"])
def test_metrics_of_numbers_refuse_labels(metric):
    with pytest.raises(ValueError, match=f"metrics {metric} want numbers for y, got labels"):
        MLP([4, 3], loss="cross_entropy").fit(X, LABELS, metrics=["accuracy", metric])


@pytest.mark.parametrize("use", ["fit", "partial_fit", "evaluate", "backprop", "loss_and_grad"])
@pytest.mark.parametrize("wrong", TARGETS)
def test_targets(wrong, use):
    loss, y, message = TARGETS[wrong]
    with pytest.raises(ValueError, match=f"y must (be|have).*{message}"):
        getattr(MLP([4, 3], loss=loss), use)(X, y)


@pytest.mark.parametrize("use", ["predict", "forward"])
@pytest.mark.parametrize("wrong", [*(k for k, ((x, y, *_), *_) in FIT.items() if y is Y and x is not X),
                                   "one row", "no rows"])
def test_inputs_of_predict_and_forward(wrong, use):
    arguments, _, error, message = FIT[wrong]
    with pytest.raises(error, match=message):
        getattr(MLP([4, 3, 2]), use)(arguments[0])


def test_what_cannot_be_written():
    net = MLP([4, 3, 2])
    for write in (lambda: net.W.__setitem__(1, 0), lambda: setattr(net, "W", []), lambda: setattr(net, "b", []),
                  lambda: setattr(net, "n_params", 3), lambda: setattr(net, "dtype", "float64"),
                  lambda: setattr(net, "loss", "huber"),
                  lambda: setattr(net, "d", [4, 1]), lambda: net.d.__setitem__(0, 9),
                  lambda: net.shapes.__setitem__(0, (9,)), lambda: net.layers.__setitem__(0, Dense(9))):
        with pytest.raises((TypeError, AttributeError)):
            write()
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.layers[0].units = 5
    for p, error, message in ((np.zeros(3), ValueError, r"params must have shape \(23,\), got \(3,\)"),
                              (np.full(23, np.nan), ValueError, "params must be finite"),
                              (["a"] * 23, TypeError, "params must be numbers")):
        with pytest.raises(error, match=message):
            net.params = p


def test_labels_that_change_in_a_fit_stay_in_bounds():
    y = LABELS.astype(np.int32)

    def spoil(net, epoch, logs):
        y[:] = 2**31 - 1

    MLP([4, 3], loss="cross_entropy").fit(X, y, epochs=3, callbacks=[spoil])


def test_sources_without_what_is_compiled(tmp_path):
    package = pathlib.Path(fastmlp.__file__).parent
    shutil.copytree(package, tmp_path / "fastmlp", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    # without site: what is installed in place is found wherever its parent is
    run = subprocess.run([sys.executable, "-S", "-c", "import fastmlp"], cwd=tmp_path, env=environ, capture_output=True,
                         text=True)
    assert run.returncode and str(tmp_path) in run.stderr
    assert "ImportError: fastmlp's compiled part is not in" in run.stderr


def test_an_unknown_instruction_set(monkeypatch):
    monkeypatch.setenv("FASTMLP_ISA", "avx1024")
    with pytest.raises(ImportError, match="FASTMLP_ISA.*avx1024.*generic"):
        fastmlp._core.choose_isa()
