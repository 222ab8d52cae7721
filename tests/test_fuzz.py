"""All public callables with values of every wrong kind for every parameter: they work, or raise a ValueError or
TypeError that names the argument. Never another error, never a hang.

FASTMLP_FUZZ is the number of calls, FASTMLP_FUZZ_SEED what draws them: `make fuzz` makes a million.
"""

import contextlib
import datetime
import decimal
import fractions
import functools
import importlib
import inspect
import io
import math
import os
import pathlib
import re
import signal
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import fastmlp
from fastmlp import (
    MLP,
    SGD,
    Adam,
    AdamW,
    AvgPool1D,
    AvgPool2D,
    BatchNorm,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Frozen,
    MaxPool1D,
    MaxPool2D,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    Residual,
    TabularClassifier,
    TabularRegressor,
    TiedGroup,
    callbacks,
    fit_many,
    layers,
    schedules,
    sensitivity,
    tie_layers,
    tie_map,
    tie_transpose,
    ties,
)

Loss = importlib.import_module("fastmlp.losses").Loss  # fastmlp.losses is a function
CALLS = int(os.environ.get("FASTMLP_FUZZ", 20_000))
SEED = int(os.environ.get("FASTMLP_FUZZ_SEED", 0))
SECONDS = 10  # that no call takes

RNG = np.random.default_rng(0)
X, Y, LABELS, WEIGHT = RNG.standard_normal((6, 4)), RNG.random((6, 2)), np.array([0, 1, 2] * 2), np.ones(6)
MAPS, NARROW = RNG.standard_normal((6, 4, 4, 2)), (8, 2)


class Broken:
    """An object that lets itself be asked for nothing."""

    def __len__(self):
        raise RuntimeError("broken")

    __iter__ = __array__ = __float__ = __index__ = __bool__ = __repr__ = __fspath__ = __len__


def stop(net, epoch, logs):
    return True


# ---- values of every kind

S = sparse.csr_array(X)


def bad_csr():
    a = sparse.csr_array(X)
    a.indices = a.indices.copy()
    a.indices[-1] = 99
    return a


VALUES = [
    None,
    True,
    False,
    np.True_,
    0,
    1,
    2,
    3,
    -1,
    -7,
    2**31,
    2**63,
    10**400,
    -(10**400),
    0.0,
    -0.0,
    0.5,
    3.7,
    -0.5,
    1e-320,
    1e39,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    1j,
    np.complex128(1 + 1j),
    np.int8(3),
    np.uint64(2**64 - 1),
    np.float16("nan"),
    np.float32("inf"),
    np.longdouble(1),
    np.datetime64("2020-01-01"),
    np.timedelta64(3, "D"),
    datetime.date(2020, 1, 1),
    datetime.timedelta(3),
    decimal.Decimal("0.5"),
    fractions.Fraction(1, 3),
    "",
    "x",
    "relu",
    "3",
    "float32",
    "probabilities",
    "loss",
    "\ud800",
    "a" * 300,
    b"",
    b"relu",
    bytearray(b"3"),
    memoryview(b"abc"),
    (),
    (1,),
    (4,),
    (1, 2),
    (1, 2, 3),
    (2, 2),
    (None,),
    ("relu",),
    ("elu", -1),
    ("elu", "x"),
    ("elu", 1, 2),
    ("huber", math.nan),
    (0.5, math.nan),
    ((), ()),
    [],
    [[]],
    [None],
    [0],
    [1],
    [4, 3, 2],
    [1, [2, 3]],
    ["a", "b"],
    [b"a"],
    [math.nan] * 4,
    [1j] * 4,
    [[1, 2], [3]],
    [object()],
    [Broken()],
    [{}],
    [10**400],
    [[10**400] * 4] * 6,
    {},
    {"a": 1},
    {0: 1},
    set(),
    {1, 2},
    frozenset({4}),
    range(4),
    slice(1),
    ...,
    NotImplemented,
    object(),
    object,
    int,
    len,
    math.sqrt,
    lambda: None,
    lambda *a: None,
    lambda *a: "x",
    lambda *a: math.nan,
    Broken(),
    Broken,
    ValueError("x"),
    re,
    iter([1, 2]),
    (i for i in range(3)),
    pathlib.Path("nowhere/x"),
    np.array(3),
    np.array(0.5),
    np.array("x"),
    np.array(None),
    np.array([]),
    np.zeros((0, 4)),
    np.zeros((6, 0)),
    np.zeros(3),
    np.zeros(4),
    np.zeros(6),
    np.zeros((4, 6)),
    np.zeros((6, 4)),
    np.zeros((6, 3)),
    np.ones((6, 2)),
    np.zeros((1, 4)),
    np.zeros((6, 4, 1)),
    np.zeros((4, 4, 2)),
    np.zeros((6, 4, 4, 2)),
    np.zeros((2, 2, 2, 2, 2)),
    np.full(4, -1),
    np.full(6, np.nan),
    np.full(6, 10**20, object),
    np.arange(6),
    np.arange(6) - 1,
    np.full(6, 2**63, np.uint64),
    np.ones((6, 4), bool),
    X * 1j,
    X.astype(str),
    X.astype("S"),
    X.astype(object),
    np.full((6, 4), None),
    np.full((6, 4), "a", object),
    np.full((6, 4), 1e300),
    np.full((6, 4), np.nan),
    np.zeros((6, 4), "M8[s]"),
    np.zeros((6, 4), "m8[s]"),
    np.zeros(6, "M8[D]"),
    np.zeros(6, "f4,f4"),
    np.zeros((6, 4), "V3"),
    np.ma.masked_less(X, 0),
    np.ma.masked_all((6, 4, 4, 2)),
    np.asmatrix(X) if hasattr(np, "asmatrix") else X,
    X.astype(">f8"),
    X.astype(np.float16),
    X.astype(np.longdouble),
    X[::-1, ::-1],
    S,
    S.tocsc(),
    S.tocoo(),
    sparse.csr_matrix(X),
    S * 1j,
    sparse.csr_array((6, 3)),
    sparse.csr_array((0, 4)),
    bad_csr(),
    sparse.csr_array(np.full((6, 4), np.nan)),
    sparse.coo_array(np.ones(4)),
    sparse.csr_array(X > 0),
    pd.DataFrame(X),
    pd.DataFrame(X).astype(str),
    pd.DataFrame({"a": pd.date_range("2020", periods=6)}),
    pd.Series(WEIGHT),
    pd.Series(["a"] * 6),
    pd.Series([1, None] * 3, dtype="Int64"),
    pd.Series([1, 2] * 3, dtype="category"),
    pd.Series([4, 3, 2]),
    pd.Series(pd.date_range("2020", periods=6)),
    pd.DataFrame(),
    pd.Index([1, 2]),
    pd.NA,
    pd.NaT,
    pd.Timestamp("2020"),
    np.random.default_rng(0),
    np.random.RandomState(0),
    np.random.SeedSequence(0),
    np.random,
    MLP([4, 2]),
    MLP,
    Dense(3),
    Dense,
    Dense(-1),
    SGD(),
    SGD,
    Residual(3),
    Frozen(1, [True]),
    TiedGroup([(1, 0, 0)]),
    TiedGroup([(1, 0)]),
    MLPRegressor,
    MLPRegressor(),
    schedules.Cosine(0.1, 3),
    sensitivity.Attack(0.1),
    callbacks.EarlyStopping(),
    callbacks.Callback,
    np.dtype("f4"),
    np.float32,
]


# ---- what is called. name -> (the callable that is inspected, what is done with its arguments, good arguments)


def classifier():
    return MLP([4, 3, 3], loss="cross_entropy", random_state=0)


def of_maps():
    return MLP([(4, 4, 2), Conv2D(2, 3), 2], random_state=0)


def quiet(est):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est


@functools.cache
def fitted():
    return quiet(MLPClassifier(hidden_layer_sizes=(3,), max_iter=1, random_state=0).fit(X, LABELS))


@functools.cache
def fitted_to_table(Estimator):
    return tabular(Estimator, X=np.vstack([X] * 4), y=np.tile(LABELS, 4))


def tabular(Estimator, X=X, y=LABELS, **given):
    return Estimator(**{"preset": "fast", "n_members": 1, "max_iter": 1, "random_state": 0, **given}).fit(X, y)


def as_layer(spec, shape=(4,), more=()):
    return spec, lambda **given: MLP([shape if len(shape) > 1 else shape[0], spec(**given), *more, 2])


def as_optimizer(spec):
    return spec, lambda **given: MLP([4, 2], random_state=0).fit(X, Y, spec(**given), epochs=1)


def as_schedule(spec):
    return spec, lambda **given: MLP([4, 2], random_state=0).fit(X, Y, SGD(spec(**given)), epochs=2)


def as_tie(spec):
    return spec, lambda **given: MLP([4, 4, 4], ties=[spec(**given)])


def as_method(name, make=lambda: MLP([4, 3, 2], random_state=0)):
    return getattr(MLP, name), lambda **given: getattr(make(), name)(**given)


def as_callback(spec):
    return spec, lambda **given: MLP([4, 2], random_state=0).fit(
        X, Y, epochs=1, validation_data=(X, Y), callbacks=[spec(**given)]
    )


def plainly(function):
    return function, function


def as_estimator(spec, y):
    given_first = {"hidden_layer_sizes": (3,), "max_iter": 1} if spec is not MLPAutoencoder else {"max_iter": 1}
    return spec, lambda **given: spec(**{**given_first, **given}).fit(X, y)


def set_params(p):
    MLP([4, 2]).params = p


ALONG = dict(X=X, y=LABELS, output=None, at="logits")
CASES = {
    "MLP": (
        *plainly(MLP),
        dict(
            layers=[4, 3, 2],
            activation="relu",
            loss="squared_error",
            dtype="float32",
            init="glorot_uniform",
            random_state=0,
            ties=(),
        ),
    ),
    "Dense": (*as_layer(Dense), dict(units=3, activation="relu", bias=True, init="zeros", bias_init=0.0)),
    "Dropout": (*as_layer(Dropout), dict(rate=0.5)),
    "BatchNorm": (*as_layer(BatchNorm), dict(momentum=0.1, eps=1e-5)),
    "Add": (*as_layer(layers.Add, more=()), dict(back=2)),
    "Projection": (
        *as_layer(layers.Projection),
        dict(units=3, activation="identity", bias=False, init="zeros", bias_init=0.0, back=1),
    ),
    "Residual": (
        Residual,
        lambda layers, project: MLP([4, Residual(layers, project=project), 2]),
        dict(layers=4, project=False),
    ),
    "Conv2D": (
        *as_layer(Conv2D, (4, 4, 2)),
        dict(
            filters=2,
            kernel=2,
            activation="relu",
            stride=1,
            padding="valid",
            dilation=1,
            bias=True,
            init="zeros",
            bias_init=0.0,
        ),
    ),
    "Conv1D": (
        *as_layer(Conv1D, NARROW),
        dict(
            filters=2,
            kernel=2,
            activation="relu",
            stride=1,
            padding="valid",
            dilation=1,
            bias=True,
            init="zeros",
            bias_init=0.0,
        ),
    ),
    **{
        spec.__name__: (
            *as_layer(spec, (4, 4, 2) if spec.__name__[-2] == "2" else NARROW),
            dict(kernel=2, stride=None, padding="valid"),
        )
        for spec in (MaxPool2D, AvgPool2D, MaxPool1D, AvgPool1D)
    },
    "Conv2D.as_dense": (
        Conv2D.as_dense,
        lambda **given: Conv2D(2, 2).as_dense(**given),
        dict(input_shape=(3, 3, 1), layer=1, W=np.zeros((2, 2, 1, 2)), b=np.zeros(2)),
    ),
    "AvgPool1D.as_dense": (
        AvgPool1D.as_dense,
        lambda **given: AvgPool1D(2).as_dense(**given),
        dict(input_shape=(4, 1), layer=1, W=None, b=None),
    ),
    "Conv1D.weight_ids": (
        Conv1D.weight_ids,
        lambda **given: Conv1D(2, 2).weight_ids(**given),
        dict(input_shape=(4, 1)),
    ),
    "Loss": (*plainly(Loss), dict(spec="huber", dtype=np.float64)),
    "SGD": (*as_optimizer(SGD), dict(lr=0.1, momentum=0.5, nesterov=True, l2=0.1, l1=0.1, clip_norm=1.0)),
    "Adam": (*as_optimizer(Adam), dict(lr=0.1, beta1=0.9, beta2=0.9, eps=1e-8, l2=0.1, l1=0.1, clip_norm=1.0)),
    "AdamW": (
        *as_optimizer(AdamW),
        dict(lr=0.1, beta1=0.9, beta2=0.9, eps=1e-8, l2=0.1, l1=0.1, clip_norm=1.0, weight_decay=0.1),
    ),
    "Constant": (*as_schedule(schedules.Constant), dict(lr=0.1)),
    "Step": (*as_schedule(schedules.Step), dict(lr=0.1, every=2, factor=0.5)),
    "Exponential": (*as_schedule(schedules.Exponential), dict(lr=0.1, factor=0.5)),
    "InverseScaling": (*as_schedule(schedules.InverseScaling), dict(lr=0.1, power=0.5)),
    "Cosine": (*as_schedule(schedules.Cosine), dict(lr=0.1, epochs=3, final=0.0)),
    "OneCycle": (*as_schedule(schedules.OneCycle), dict(lr=0.1, epochs=3, warmup=0.3, div=10.0, final_div=100.0)),
    "Cosine.__call__": (schedules.Cosine.__call__, schedules.Cosine(0.1, 3), dict(epoch=1)),
    "TiedGroup": (*as_tie(TiedGroup), dict(members=[(1, 0, 0), (1, None, 1)], scales=None)),
    "TiedLayers": (*as_tie(ties.TiedLayers), dict(l=1, m=2, transposed=False, biases=False)),
    "TiedMap": (*as_tie(ties.TiedMap), dict(l=1, ids=np.zeros((4, 4), int), biases=False)),
    "Frozen": (*as_tie(Frozen), dict(l=1, mask=np.ones((4, 4), bool), value=0.0, biases=False)),
    "tie_transpose": (*as_tie(tie_transpose), dict(l=1, m=2)),
    "tie_layers": (*as_tie(tie_layers), dict(l=1, m=2)),
    "tie_map": (*as_tie(tie_map), dict(l=1, ids=np.zeros((4, 4), int), biases=False)),
    "MLP.params": (set_params, set_params, dict(p=np.zeros(10))),
    "MLP.forward": (*as_method("forward"), dict(X=X)),
    "MLP.forward of maps": (*as_method("forward", of_maps), dict(X=MAPS)),
    "MLP.predict": (*as_method("predict"), dict(X=X)),
    "MLP.predict of maps": (*as_method("predict", of_maps), dict(X=MAPS)),
    "MLP.evaluate": (*as_method("evaluate"), dict(X=X, y=Y, sample_weight=WEIGHT)),
    "MLP.evaluate of labels": (*as_method("evaluate", classifier), dict(X=X, y=LABELS, sample_weight=WEIGHT)),
    "MLP.backprop": (*as_method("backprop"), dict(X=X, y=Y, sample_weight=WEIGHT)),
    "MLP.loss_and_grad": (
        *as_method("loss_and_grad"),
        dict(X=X, y=Y, sample_weight=WEIGHT, gradient_penalty=0.0, jacobian_penalty=0.0),
    ),
    "MLP.hvp": (*as_method("hvp", lambda: MLP([4, 2])), dict(v=np.ones(10), X=X, y=Y, sample_weight=WEIGHT)),
    "MLP.input_gradient": (*as_method("input_gradient"), dict(X=X, y=None, output=1, at="logits")),
    "MLP.jacobian": (*as_method("jacobian"), dict(X=X, at="logits")),
    "MLP.jvp": (*as_method("jvp"), dict(X=X, V=X, at="logits")),
    "MLP.jvp of maps": (*as_method("jvp", of_maps), dict(X=MAPS, V=MAPS, at="logits")),
    "MLP.vjp": (*as_method("vjp"), dict(X=X, U=Y, at="logits")),
    **{
        f"MLP.{method}": (
            *as_method(method),
            dict(
                X=X,
                y=Y,
                optimizer=Adam(),
                epochs=2,
                batch_size=3,
                sample_weight=WEIGHT,
                validation_data=None,
                callbacks=[stop],
                shuffle=True,
                n_threads=1,
                verbose=0,
                validation_fraction=0.0,
                metrics=(),
                input_noise=0.0,
                gradient_penalty=0.0,
                jacobian_penalty=0.0,
                adversarial=None,
            ),
        )
        for method in ("fit", "partial_fit")
    },
    "MLP.save": (*as_method("save"), dict(path="net")),
    "MLP.load": (*as_method("load"), dict(path="net")),
    **{
        f"sensitivity.{name}": (
            getattr(sensitivity, name),
            lambda name=name, **given: getattr(sensitivity, name)(**given),
            good,
        )
        for name, good in {
            "input_gradient": dict(net=classifier(), **ALONG),
            "jacobian": dict(net=classifier(), X=X, at="logits"),
            "jvp": dict(net=classifier(), X=X, V=X, at="logits"),
            "vjp": dict(net=classifier(), X=X, U=np.ones((6, 3)), at="logits"),
            "saliency": dict(model=classifier(), **ALONG),
            "input_x_gradient": dict(model=classifier(), **ALONG),
            "integrated_gradients": dict(
                model=classifier(), **ALONG, baselines=None, n_steps=2, return_convergence_delta=False
            ),
            "smooth_grad": dict(model=classifier(), **ALONG, n_samples=2, stdev=0.1, random_state=0),
            "expected_gradients": dict(model=classifier(), **ALONG, background=X, n_samples=2, random_state=0),
            "fgsm": dict(model=classifier(), X=X, y=LABELS, eps=0.1, norm=math.inf, clip=None),
            "pgd": dict(
                model=classifier(),
                X=X,
                y=LABELS,
                eps=0.1,
                eps_step=0.1,
                max_iter=2,
                num_random_init=1,
                norm=2,
                clip=(-9, 9),
                random_state=0,
            ),
            "noise_curve": dict(
                model=classifier(), X=X, y=LABELS, sigmas=[0.1], n_repeats=2, scale=1.0, random_state=0
            ),
            "local_lipschitz": dict(model=classifier(), X=X, at="logits"),
            "report": dict(
                model=classifier(),
                X_train=X,
                y_train=LABELS,
                X_test=X,
                y_test=LABELS,
                at="logits",
                n_repeats=1,
                random_state=0,
            ),
        }.items()
    },
    "Attack": (
        sensitivity.Attack,
        lambda **given: MLP([4, 2]).fit(X, Y, epochs=1, adversarial=sensitivity.Attack(**given)),
        dict(eps=0.1, eps_step=0.1, max_iter=2, norm=2, clip=(-9, 9), random_start=True),
    ),
    "io.read": (*plainly(fastmlp.io.read), dict(path="net")),
    "io.write": (*plainly(fastmlp.io.write), dict(path="container", text="text", tensors={"a": np.ones(3)})),
    "SensitivityDisplay": (
        *plainly(fastmlp.SensitivityDisplay),
        dict(values=np.ones(4), feature_names=list("abcd"), image_shape=None, max_features=3, label="x"),
    ),
    "NoiseCurveDisplay": (
        *plainly(fastmlp.NoiseCurveDisplay),
        dict(sigmas=np.ones(3), error=np.ones(3), error_std=np.ones(3), name="x", measure="error"),
    ),
    "LossCurveDisplay": (*plainly(fastmlp.LossCurveDisplay), dict(curves={"loss": [1.0, 2.0]})),
    "EarlyStopping": (
        *as_callback(callbacks.EarlyStopping),
        dict(monitor="val_loss", patience=3, min_delta=0.0, mode="auto", restore_best=True),
    ),
    "Checkpoint": (
        *as_callback(callbacks.Checkpoint),
        dict(path="checkpoint", monitor="val_loss", best=True, mode="auto"),
    ),
    "CSVLogger": (*as_callback(callbacks.CSVLogger), dict(path="log", append=False)),
    "TimeLimit": (*as_callback(callbacks.TimeLimit), dict(seconds=9.0)),
    "LambdaCallback": (
        callbacks.LambdaCallback,
        lambda functions: callbacks.LambdaCallback(on_epoch_end=functions),
        dict(functions=stop),
    ),
    "MLPClassifier": (*as_estimator(MLPClassifier, LABELS), None),
    "MLPRegressor": (*as_estimator(MLPRegressor, Y), None),
    "MLPAutoencoder": (*as_estimator(MLPAutoencoder, None), None),
    **{
        f"MLPClassifier.{name}": (
            getattr(MLPClassifier, name),
            lambda name=name, **given: getattr(fitted(), name)(**given),
            good,
        )
        for name, good in {
            "predict": dict(X=X),
            "predict_proba": dict(X=X),
            "predict_log_proba": dict(X=X),
            "decision_function": dict(X=X),
            "score": dict(X=X, y=LABELS, sample_weight=WEIGHT),
            "transform": dict(X=X, layer=0),
            "input_gradient": dict(X=X, y=LABELS, output=None),
        }.items()
        if hasattr(MLPClassifier, name)
    },
    "MLPClassifier.fit": (
        MLPClassifier.fit,
        lambda **given: MLPClassifier((2,), max_iter=1).fit(**given),
        dict(X=X, y=LABELS, sample_weight=WEIGHT, validation_data=None, X_val=None, y_val=None, sample_weight_val=None),
    ),
    **{
        f"{spec.__name__}{of}": case
        for spec in (TabularClassifier, TabularRegressor)
        for of, case in {
            "": (spec, functools.partial(tabular, spec), None),
            ".fit": (
                spec.fit,
                lambda spec=spec, **given: spec("fast", n_members=1, max_iter=1).fit(**given),
                dict(
                    X=X,
                    y=LABELS,
                    sample_weight=WEIGHT,
                    validation_data=None,
                    X_val=None,
                    y_val=None,
                    sample_weight_val=None,
                ),
            ),
            ".predict": (
                spec.predict,
                lambda spec=spec, **given: fitted_to_table(spec).predict(**given),
                dict(X=X, return_std=False),
            ),
            ".permutation_importances": (
                spec.permutation_importances,
                lambda spec=spec, **given: fitted_to_table(spec).permutation_importances(**given),
                dict(X=X, y=LABELS, sample_weight=WEIGHT, n_repeats=1, random_state=0),
            ),
        }.items()
    },
    "TabularClassifier.predict_proba": (
        TabularClassifier.predict_proba,
        lambda **given: fitted_to_table(TabularClassifier).predict_proba(**given),
        dict(X=X),
    ),
    "TabularRegressor.predict_interval": (
        TabularRegressor.predict_interval,
        lambda **given: fitted_to_table(TabularRegressor).predict_interval(**given),
        dict(X=X, alpha=0.6),
    ),
    "fit_many": (
        fit_many,
        lambda options=None, **given: fit_many(**given, epochs=1),
        dict(nets=[MLP([4, 2])], X=X, y=Y, each=None, n_threads=None, options=None),
    ),
}
# public, but not called here
ELSEWHERE = {
    "Flatten": "takes nothing",
    "GlobalAvgPool": "takes nothing",
    "activations": "takes nothing",
    "losses": "takes nothing",
    "initializers": "takes nothing",
    "instruction_set": "takes nothing",
    "show_config": "takes nothing",
    "Callback": "a protocol",
    "ProgressBar": "takes nothing",
    "History": "a dict",
    "DivergenceWarning": "a warning",
    "NoiseCurve": "a result",
    "Report": "a result",
    "encode": "of what `of` gives",
    "decode": "of what JSON gives",
}
# what another file has to mend: the case, or the case and the parameter -> that file
OWNERS = {
    ("MLP.fit", "metrics"): "metrics.py",
    ("MLP.partial_fit", "metrics"): "metrics.py",
    ("MLP.fit", "verbose"): "_fit/options.py",
    ("MLP.partial_fit", "verbose"): "_fit/options.py",
    ("MLP.fit", "epochs"): "_fit/mlp.py",
    ("MLP.partial_fit", "epochs"): "_fit/mlp.py",
    ("MLP.fit", "optimizer"): "_fit/options.py",
    ("MLP.partial_fit", "optimizer"): "_fit/options.py",
    ("MLP.fit", "callbacks"): "_fit/options.py",
    ("MLP.partial_fit", "callbacks"): "_fit/options.py",
    "MLPClassifier": "estimators/_base.py",
    "MLPRegressor": "estimators/_base.py",
    "MLPAutoencoder": "estimators/_base.py",
    "TabularClassifier": "tabular/_base.py",
    "TabularRegressor": "tabular/_base.py",
    **{
        (f"MLPClassifier.{method}", name): "estimators/_base.py"
        for method in ("fit", "predict", "predict_proba", "score", "transform", "input_gradient", "predict_log_proba")
        for name in ("X", "y", "sample_weight")
    },
    **{
        (f"{spec}.{method}", name): "scikit-learn, which asks data for anything"
        for spec in ("TabularClassifier", "TabularRegressor")
        for method in ("fit", "predict", "predict_proba", "predict_interval", "permutation_importances")
        for name in ("X", "y", "sample_weight")
    },
    "LambdaCallback": "callbacks.py",
    "EarlyStopping": "callbacks.py",
    "Checkpoint": "callbacks.py",
    "CSVLogger": "callbacks.py",
}
# scikit-learn checks these, in its words
ESTIMATORS = ("MLPClassifier", "MLPRegressor", "MLPAutoencoder", "TabularClassifier", "TabularRegressor")
ESTIMATORS_DATA = ("X", "y", "sample_weight", "validation_data", "X_val", "y_val", "sample_weight_val")
FUNCTIONS = (
    "lr",
    "loss",
    "spec",
    "metrics",
    "callbacks",
    "functions",
    "monitor",
    "learning_rate",
)  # may be functions that fail
# an argument that errors name by another word: by parameter, or by (case, parameter)
OTHER_WORDS = {
    "units": "layers",
    "filters": "layers|units|elements",
    "kernel": "layers",
    "stride": "layers",
    "padding": "layers",
    "dilation": "layers",
    "init": "layers",
    "bias_init": "layers",
    "back": "layers|x \\+ f",
    "layers": "Residual|activation|init|shape of a map",
    "members": "ties?d? member|TiedGroup|layer of a tie|ties|index",
    "scales": "ties",
    "ids": "tie_map",
    "mask": "Frozen",
    "value": "Frozen|ties",
    "l": "ties?|layer",
    "m": "ties?|layer",
    "transposed": "ties?",
    "biases": "bias|ties?|mask|ids",
    "p": "params",
    "spec": "loss",
    "input_shape": "shape|map|layers",
    "lr": "rate",
    "curves": "curves",
    "net": "model|net|X|V|U|y|output",
    "error": "sigmas",
    "values": "feature_names|image_shape",
    "error_std": "sigmas",
    "sigmas": "sigmas",
    "functions": "on_epoch_end",
    "X": "V|U|v|y|baselines",
    "X_train": "X",
    "y_train": "y",
    "X_test": "X",
    "y_test": "y",
    "feature_names": "feature_names",
    "model": "model|X|y|features|fitted",
    "callbacks": "callback",
    "metrics": "metric",
    "y": "labels|targets|output",
    "output": "y",
    "validation_data": "X|y",
    "epochs": "epoch",
    "adversarial": "Attack|adversarial",
    "path": "path|file|network|directory|'",
    "tensors": "tensors",
    "project": "layers|project",
    "rate": "layers",
    "every": "epoch",
    "factor": "learning rate",
    "power": "learning rate",
    "final": "learning rate",
    "div": "learning rate",
    "final_div": "learning rate",
    "eps": "eps|clip",
    "clip": "clip",
    "W": "W",
    "b": "b",
    "layer": "layer|tie",
}


def good_of(case):
    inspected, call, good = CASES[case]
    if good is None:  # an estimator: its defaults
        good = {name: p.default for name, p in inspect.signature(inspected).parameters.items()}
    return inspected, call, good


PAIRS = [(case, name) for case in CASES for name in good_of(case)[2]]


class Hang(BaseException):
    """A call that does not return."""


@contextlib.contextmanager
def time_limit(seconds):
    def end(*_):
        raise Hang

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def spoiled(good, rng):
    """Something near a good value that may be wrong."""
    if isinstance(good, np.ndarray) and good.size:
        ways = [
            lambda a: a[:-1],
            lambda a: a[..., :-1],
            lambda a: a[None],
            lambda a: a.ravel(),
            lambda a: a.T,
            lambda a: a * -3,
            lambda a: a.astype(complex),
            lambda a: a.astype(object),
            lambda a: a.astype(str),
            lambda a: a.tolist(),
            lambda a: sparse.coo_array(a),
            lambda a: pd.DataFrame(a.reshape(len(a), -1)),
            lambda a: a * np.nan,
            lambda a: a * 1e300,
            lambda a: a.astype("M8[s]"),
            lambda a: np.ma.masked_array(a, a > 0),
            lambda a: [[v] for v in a],
            lambda a: a[:0],
            lambda a: a.astype(np.int8),
            lambda a: np.asfortranarray(a),
            lambda a: a[..., None],
        ]
        return ways[rng.integers(len(ways))](good.astype(float) if good.dtype == bool else good)
    if isinstance(good, (int, float)) and not isinstance(good, bool):
        return [
            -good,
            good * 1e9,
            float(good),
            np.array(good),
            np.array([good]),
            str(good),
            complex(good),
            [good],
            (good,) * 2,
            (good,) * 3,
            np.float32(good),
            good * 1e-60,
            pd.Series([good]),
        ][rng.integers(13)]
    if isinstance(good, str):
        return [good.upper(), good[:-1], good.encode(), [good], (good, 1), np.str_(good), (good,)][rng.integers(7)]
    return VALUES[rng.integers(len(VALUES))]


def complaint(case, names, values):
    """What is wrong with a call, or None."""
    _, call, good = good_of(case)
    given = {**good, **dict(zip(names, values))}
    own_functions = any(name in FUNCTIONS and callable(value) for name, value in zip(names, values))
    caught = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
            contextlib.redirect_stdout(caught),
            contextlib.redirect_stderr(caught),
            time_limit(SECONDS),
        ):
            warnings.simplefilter("ignore")
            call(**given)
    except (ValueError, TypeError) as error:
        own = case.partition(".")[0] in ESTIMATORS
        if own_functions or own and any(name in ESTIMATORS_DATA for name in names):
            return None
        words = "|".join([*names, *(OTHER_WORDS[name] for name in names if name in OTHER_WORDS)])
        if re.search(rf"\b({words})", str(error)):
            return None
        return f"{type(error).__name__} that does not name it: {error}"
    except OSError as error:
        return None if "path" in names else f"{type(error).__name__}: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return None


def shown(value):
    try:
        return f"{type(value).__name__} {value!r:.60}"
    except Exception:
        return type(value).__name__


@pytest.mark.parametrize("case", CASES)
def test_wrong_values(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MLP([4, 2]).save("net")
    names = [name for name in good_of(case)[2] if (case, name) not in OWNERS and case not in OWNERS]
    rng = np.random.default_rng([SEED, list(CASES).index(case)])
    wrong = {}
    for k in range(-(-CALLS * len(names) // len(PAIRS))):
        some = [names[k % len(names)]]
        if k >= len(names) * len(VALUES):  # all values have been there alone
            some += [str(name) for name in rng.choice(names, rng.integers(0, 3)) if name not in some]
        elif k < len(names) * 10:
            values = [spoiled(good_of(case)[2][some[0]], rng)]
        values = [
            VALUES[rng.integers(len(VALUES))] if rng.random() < 0.8 else spoiled(good_of(case)[2][name], rng)
            for name in some
        ]
        found = complaint(case, some, values)
        if found:
            wrong.setdefault((*some, found[:60]), f"{dict(zip(some, map(shown, values)))}: {found[:300]}")
    assert not wrong, f"{case}, {len(wrong)} kinds:\n" + "\n".join(wrong.values())


def test_all_that_is_public_is_called():
    public = set()
    for module in (
        "",
        ".callbacks",
        ".schedules",
        ".optim",
        ".layers",
        ".ties",
        ".losses",
        ".plot",
        ".model",
        ".sensitivity",
        ".estimators",
        ".tabular",
        ".io",
    ):
        module = importlib.import_module(f"fastmlp{module}")
        names = getattr(module, "__all__", [])
        public |= {name for name in names if callable(getattr(module, name))}
    methods = {f"MLP.{name}" for name, value in inspect.getmembers(MLP, callable) if not name.startswith("_")} - {
        "MLP.summary"
    }
    called = {case.removeprefix("sensitivity.").removeprefix("io.").partition(" ")[0] for case in CASES}
    assert public | methods <= called | set(ELSEWHERE), (public | methods) - called - set(ELSEWHERE)


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][2] is not None])
def test_good_arguments_are_good_and_all_there_are(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MLP([4, 2]).save("net")
    inspected, call, good = CASES[case]
    parameters = [name for name in inspect.signature(inspected).parameters if name not in ("self", "cls")]
    assert parameters == list(good)
    if case not in ("Add",):
        call(**good)
