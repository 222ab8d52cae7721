"""How each public callable is called: a row of CALLS for each of them, with arguments that are good.

tests/test_fuzz.py finds all that is public by itself, and fails for what has no row here. A row is a Call: what is
inspected for its parameters, what is done with arguments of these names, and good ones.
"""

import atexit
import functools
import importlib
import importlib.util
import inspect
import math
import warnings
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from sklearn import neural_network

import bits
import fastmlp
from fastmlp import (
    GLU,
    MLP,
    SGD,
    Activation,
    Adam,
    AvgPool1D,
    AvgPool2D,
    BatchNorm,
    Columns,
    Concat,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Frozen,
    Identity,
    LayerNorm,
    MaxPool1D,
    MaxPool2D,
    Mixture,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    Periodic,
    PiecewiseLinear,
    PReLU,
    Residual,
    RMSNorm,
    Scale,
    Shift,
    TabularClassifier,
    TabularRegressor,
    TiedGroup,
    callbacks,
    distributed,
    export,
    fit_many,
    layers,
    metrics,
    schedules,
    sensitivity,
    tie_layers,
    tie_map,
    tie_transpose,
    ties,
)

RNG = np.random.default_rng(0)
X, Y, LABELS, WEIGHT = RNG.standard_normal((6, 4)), RNG.random((6, 2)), np.array([0, 1, 2] * 2), np.ones(6)
MAPS, IMAGE, SERIES = RNG.standard_normal((6, 4, 4, 2)), (4, 4, 2), (8, 2)
NETWORK, CONTAINER, PARQUET = "network", "container", "table"  # files that tests/test_fuzz.py puts where calls look
Loss = importlib.import_module("fastmlp.losses").Loss  # fastmlp.losses is a function


class Call(NamedTuple):
    inspected: Any
    call: Any
    good: dict[str, Any]


def stop(net, epoch, logs):
    return True


def plain(function, **good):
    return Call(function, function, good)


def method_of(name, make, /, **good):
    """Of an object that is made anew for each call."""
    return Call(getattr(make(), name), lambda **given: getattr(make(), name)(**given), good)


# ---- layers, losses, optimisers, schedules, ties: what a network is made of


def layer(spec, shape=(4,), **good):
    first = shape if len(shape) > 1 else shape[0]
    return Call(spec, lambda **given: MLP([first, spec(**given), 2]), good)


def optimizer(spec, **good):
    return Call(spec, lambda **given: MLP([4, 2], random_state=0).fit(X, Y, spec(**given), epochs=1), good)


def schedule(spec, **good):
    return Call(spec, lambda **given: MLP([4, 2], random_state=0).fit(X, Y, SGD(spec(**given)), epochs=2), good)


def tie(spec, **good):
    return Call(spec, lambda **given: MLP([4, 4, 4], ties=[spec(**given)]), good)


DENSE = dict(units=3, activation="relu", bias=True, init="zeros", bias_init=0.0, groups=1, lr_scale=1.0, decay=1.0,
             bias_lr_scale=1.0, bias_decay=0.0)
CONV = dict(filters=2, kernel=2, activation="relu", stride=1, padding="valid", dilation=1, bias=True, init="zeros",
            bias_init=0.0, lr_scale=1.0, decay=1.0, bias_lr_scale=1.0, bias_decay=0.0)
POOL = dict(kernel=2, stride=None, padding="valid")
IDS = np.zeros((4, 4), int)

PARTS = {
    "Dense": layer(Dense, **DENSE),
    "Dropout": layer(Dropout, rate=0.5),
    "BatchNorm": layer(BatchNorm, momentum=0.1, eps=1e-5, lr_scale=1.0, decay=0.0),
    "LayerNorm": layer(LayerNorm, eps=1e-5, scale=True, shift=True, lr_scale=1.0, decay=0.0),
    "RMSNorm": layer(RMSNorm, eps=1e-5, scale=True, lr_scale=1.0, decay=0.0),
    "Scale": layer(Scale, init=1.0, lr_scale=1.0, decay=0.0),
    "Shift": layer(Shift, init=0.0, lr_scale=1.0, decay=0.0),
    "PReLU": layer(PReLU, init=0.25, lr_scale=1.0, decay=0.0),
    "Mixture": layer(Mixture, theta="tanh", init=1.0, lr_scale=1.0, decay=0.0),
    "GLU": layer(GLU, theta="silu"),
    "Activation": layer(Activation, activation="silu"),
    "Periodic": layer(Periodic, n_frequencies=2, sigma=0.1, linear=3, activation="relu", phases=False, lr_scale=1.0,
                      decay=1.0),
    "Waves": layer(layers.Waves, groups=2, sine=True),
    "PiecewiseLinear": layer(PiecewiseLinear, edges=[[0.0, 1.0]] * 4, units=3, activation="relu", bias=True,
                             init="zeros", bias_init=0.0, lr_scale=1.0, decay=1.0, bias_lr_scale=1.0, bias_decay=0.0),
    "PiecewiseLinear.quantiles": plain(PiecewiseLinear.quantiles, X=X, n_bins=3, dtype="float32"),
    "Identity": layer(Identity, back=1),
    "Columns": Call(Columns, lambda **given: MLP([Columns(**given), 2]),
                    dict(numeric=2, categories=[Embedding(3, 2)], lr_scale=1.0, decay=1.0)),
    "Columns.tables": method_of("tables", lambda: Columns(2, [Embedding(3, 2)]), W=np.zeros(6)),
    "Embedding": Call(Embedding, lambda **given: MLP([Columns(2, [Embedding(**given)]), 2]),
                      dict(n_values=3, units=2, unknown="zero", init=0.5, lr_scale=1.0, decay=1.0)),
    "Join": Call(layers.Join, lambda **given: MLP([4, 4, layers.Join(**given), 2]), dict(back=2)),
    "Concat": Call(Concat, lambda branches: MLP([4, Concat(branches, 3), 2]), dict(branches=3)),
    "Add": Call(layers.Add, lambda **given: MLP([4, 4, layers.Add(**given), 2]), dict(back=2)),
    "Projection": layer(layers.Projection, **DENSE, back=1),
    "Projection1D": layer(layers.Projection1D, SERIES, **CONV, back=1),
    "Projection2D": layer(layers.Projection2D, IMAGE, **CONV, back=1),
    "Residual": Call(Residual, lambda layers, project: MLP([4, Residual(layers, project=project), 2]),
                     dict(layers=4, project=False)),
    "Conv2D": layer(Conv2D, IMAGE, **CONV),
    "Conv1D": layer(Conv1D, SERIES, **CONV),
    "MaxPool2D": layer(MaxPool2D, IMAGE, **POOL),
    "MaxPool1D": layer(MaxPool1D, SERIES, **POOL),
    "AvgPool2D": layer(AvgPool2D, IMAGE, **POOL),
    "AvgPool1D": layer(AvgPool1D, SERIES, **POOL),
    "Conv2D.as_dense": method_of("as_dense", lambda: Conv2D(2, 2), input_shape=(3, 3, 1), layer=1,
                                 W=np.zeros((2, 2, 1, 2)), b=np.zeros(2)),
    "AvgPool1D.as_dense": method_of("as_dense", lambda: AvgPool1D(2), input_shape=(4, 1), layer=1, W=None, b=None),
    "Conv1D.weight_ids": method_of("weight_ids", lambda: Conv1D(2, 2), input_shape=(4, 1)),
    "Loss": plain(Loss, spec="huber", dtype=np.float64),
    **{kind.__name__: optimizer(kind, **asdict(kind(0.1, l2=0.1, l1=0.1, clip_norm=1.0, **numbers)),
                                  learning_rate=None)
       for kind, numbers in bits.OPTIMIZERS.values()},
    "Constant": schedule(schedules.Constant, lr=0.1),
    "Step": schedule(schedules.Step, lr=0.1, every=2, factor=0.5),
    "Exponential": schedule(schedules.Exponential, lr=0.1, factor=0.5),
    "InverseScaling": schedule(schedules.InverseScaling, lr=0.1, power=0.5),
    "Cosine": schedule(schedules.Cosine, lr=0.1, epochs=3, final=0.0),
    "OneCycle": schedule(schedules.OneCycle, lr=0.1, epochs=3, warmup=0.3, div=10.0, final_div=100.0),
    "Cosine.__call__": method_of("__call__", lambda: schedules.Cosine(0.1, 3), epoch=1),
    "TiedGroup": tie(TiedGroup, members=[(1, 0, 0), (1, None, 1)], scales=None),
    "TiedLayers": tie(ties.TiedLayers, l=1, m=2, transposed=False, biases=False),
    "TiedMap": tie(ties.TiedMap, l=1, ids=IDS, biases=False),
    "Frozen": tie(Frozen, l=1, mask=np.ones((4, 4), bool), value=0.0, biases=False),
    "tie_transpose": tie(tie_transpose, l=1, m=2),
    "tie_layers": tie(tie_layers, l=1, m=2),
    "tie_map": tie(tie_map, l=1, ids=IDS, biases=False),
}


# ---- MLP


def network():
    return MLP([4, 3, 2], random_state=0)


def classifier():
    return MLP([4, 3, 3], loss="cross_entropy", random_state=0)


def of_maps():
    return MLP([IMAGE, Conv2D(2, 3), 2], random_state=0)


def quiet(model, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*data)


def theirs(spec=neural_network.MLPClassifier):
    return quiet(spec(hidden_layer_sizes=(3,), max_iter=1), X, LABELS)


def from_onnx(path, cls=MLP):
    MLP([4, 2]).to_onnx("net.onnx")
    export.from_onnx(cls, path)


def set_params(p):
    MLP([4, 2]).params = p


def set_classes(names):
    classifier().classes = names


DATA = dict(X=X, y=Y, sample_weight=WEIGHT)
FIT = dict(X=X, y=Y, optimizer=Adam(), epochs=2, batch_size=3, sample_weight=WEIGHT, validation_data=None,
           callbacks=[stop], shuffle=True, n_threads=1, verbose=0, validation_fraction=0.0, metrics=(), input_noise=0.0,
           gradient_penalty=0.0, jacobian_penalty=0.0, adversarial=None, ema=0.9, label_smoothing=0.0, mixup=0.0,
           class_weight=None, comm=None, sync="step", window=4, batches=None)

NETWORKS = {
    "MLP": plain(MLP, layers=[4, 3, 2], activation="relu", loss="squared_error", dtype="float32",
                 init="glorot_uniform", random_state=0, ties=(), precision="bfloat16"),
    "MLP.params": plain(set_params, p=np.zeros(10)),
    "MLP.classes": plain(set_classes, names=["a", "b", "c"]),
    "MLP.predict_labels": method_of("predict_labels", classifier, X=X),
    "MLP.forward": method_of("forward", network, X=X),
    "MLP.forward of maps": method_of("forward", of_maps, X=MAPS),
    "MLP.predict": method_of("predict", network, X=X),
    "MLP.predict of maps": method_of("predict", of_maps, X=MAPS),
    "MLP.evaluate": method_of("evaluate", network, **DATA),
    "MLP.evaluate of labels": method_of("evaluate", classifier, **{**DATA, "y": LABELS}),
    "MLP.score": method_of("score", network, **DATA),
    "MLP.score of labels": method_of("score", classifier, **{**DATA, "y": LABELS}),
    "MLP.backprop": method_of("backprop", network, **DATA),
    "MLP.loss_and_grad": method_of("loss_and_grad", network, **DATA, gradient_penalty=0.0, jacobian_penalty=0.0),
    "MLP.hvp": method_of("hvp", lambda: MLP([4, 2]), v=np.ones(10), **DATA),
    "MLP.input_gradient": method_of("input_gradient", network, X=X, y=None, output=1, at="logits"),
    "MLP.jacobian": method_of("jacobian", network, X=X, at="logits"),
    "MLP.jvp": method_of("jvp", network, X=X, V=X, at="logits"),
    "MLP.jvp of maps": method_of("jvp", of_maps, X=MAPS, V=MAPS, at="logits"),
    "MLP.vjp": method_of("vjp", network, X=X, U=Y, at="logits"),
    "MLP.fit": method_of("fit", network, **FIT),
    "MLP.partial_fit": method_of("partial_fit", network, **FIT),
    "MLP.fit of labels": method_of("fit", classifier, **{**FIT, "y": LABELS, "label_smoothing": 0.1,
                                                         "class_weight": {0: 2.0, 1: 0.5}, "window": None}),
    "distributed.SerialCommunicator": plain(distributed.SerialCommunicator, groups=(2, 3)),
    "MLP.fit in groups": method_of("fit", network, **{**FIT, "comm": distributed.SerialCommunicator(2),
                                                      "window": None}),
    "distributed.communicator_of": plain(distributed.communicator_of, comm=distributed.SerialCommunicator()),
    "MLP.save": method_of("save", network, path="saved"),
    "MLP.load": plain(MLP.load, path=NETWORK),
    "MLP.to_c": method_of("to_c", network, path="net.c", dtype="float32", name="predict", weights="int8"),
    "MLP.pruned": method_of("pruned", network, threshold=0.1, X=X),
    "MLP.quantized": method_of("quantized", network, kind="int8", X=X),
    "MLP.from_sklearn": plain(MLP.from_sklearn, est=theirs()),
    "export.to_c": plain(export.to_c, model=network(), path="net.c", dtype="float32", name="predict", weights="int8"),
    "export.pruned": plain(export.pruned, net=network(), threshold=0.1, X=X),
    "export.quantized": plain(export.quantized, net=network(), kind="int8", X=X),
    "export.from_sklearn": plain(export.from_sklearn, cls=MLP, est=theirs()),
    "export.from_sklearn of an estimator": plain(export.from_sklearn, cls=MLPClassifier, est=theirs()),
    "io.read": plain(fastmlp.io.read, path=CONTAINER),
    "io.write": plain(fastmlp.io.write, path="written", text="text", tensors={"a": np.ones(3)}),
    "io.encode": plain(fastmlp.io.encode, value=Dense(3)),
    "io.decode": plain(fastmlp.io.decode, value=fastmlp.io.encode(Dense(3))),
}
METRICS = {f"metrics.{name}": plain(getattr(metrics, name), y=LABELS, prediction=np.full((6, 3), 1 / 3), weight=WEIGHT)
           for name in metrics.__all__ if name not in metrics.OF_NUMBERS}
METRICS |= {f"metrics.{name}": plain(getattr(metrics, name), y=Y, prediction=Y[::-1], weight=WEIGHT)
            for name in metrics.OF_NUMBERS}
METRICS["metrics.pinball"] = plain(metrics.pinball, y=Y, prediction=np.hstack([Y, Y]), weight=WEIGHT, levels=(0.1, 0.9))

if importlib.util.find_spec("onnx"):
    NETWORKS |= {
        "MLP.to_onnx": method_of("to_onnx", network, path="net.onnx", dtype="float32", weights="int8"),
        "MLP.from_onnx": Call(MLP.from_onnx, from_onnx, dict(path="net.onnx")),
        "export.to_onnx": plain(export.to_onnx, model=network(), path="net.onnx", dtype="float32", weights="int8"),
        "export.from_onnx": Call(export.from_onnx, from_onnx, dict(cls=MLP, path="net.onnx")),
    }
if importlib.util.find_spec("torch"):
    NETWORKS |= {
        "MLP.to_torch": method_of("to_torch", network, link=True),
        "MLP.from_torch": plain(MLP.from_torch, module=classifier().to_torch(), input_shape=None, loss=None),
        "export.to_torch": plain(export.to_torch, net=network(), link=True),
        "export.from_torch": plain(export.from_torch, cls=MLP, module=classifier().to_torch(), input_shape=None,
                                   loss=None),
    }


# ---- callbacks


def callback(spec, **good):
    more = dict(epochs=1, validation_data=(X, Y))
    return Call(spec, lambda **given: MLP([4, 2], random_state=0).fit(X, Y, **more, callbacks=[spec(**given)]), good)


CALLBACKS = {
    "EarlyStopping": callback(callbacks.EarlyStopping, monitor="val_loss", patience=3, min_delta=0.0, mode="auto",
                              restore_best=True),
    "Checkpoint": callback(callbacks.Checkpoint, path="checkpoint", monitor="val_loss", best=True, mode="auto"),
    "CSVLogger": callback(callbacks.CSVLogger, path="log", append=False),
    "TimeLimit": callback(callbacks.TimeLimit, seconds=9.0),
    "LambdaCallback": Call(callbacks.LambdaCallback,
                           lambda functions: callbacks.LambdaCallback(on_epoch_end=functions), dict(functions=stop)),
}


# ---- sensitivity, and pictures of it


ALONG = dict(X=X, y=LABELS, output=None, at="logits")
OF_A_MODEL = {
    "saliency": ALONG,
    "input_x_gradient": ALONG,
    "integrated_gradients": dict(**ALONG, baselines=None, n_steps=2, return_convergence_delta=False),
    "smooth_grad": dict(**ALONG, n_samples=2, stdev=0.1, random_state=0),
    "expected_gradients": dict(**ALONG, background=X, n_samples=2, random_state=0),
    "fgsm": dict(X=X, y=LABELS, eps=0.1, norm=math.inf, clip=None),
    "pgd": dict(X=X, y=LABELS, eps=0.1, eps_step=0.1, max_iter=2, num_random_init=1, norm=2, clip=(-9, 9),
                random_state=0),
    "noise_curve": dict(X=X, y=LABELS, sigmas=[0.1], n_repeats=2, scale=1.0, random_state=0),
    "local_lipschitz": dict(X=X, at="logits"),
    "report": dict(X_train=X, y_train=LABELS, X_test=X, y_test=LABELS, at="logits", n_repeats=1, random_state=0),
}
ATTACK = dict(eps=0.1, eps_step=0.1, max_iter=2, norm=2, clip=(-9, 9), random_start=True)
IMAGE_OF_FOUR = dict(feature_names=list("abcd"), image_shape=None, max_features=3)


@functools.cache
def trained():
    return MLP([4, 3, 3], loss="cross_entropy", random_state=0)


def fitted_network():
    net = network()
    net.fit(X, Y, epochs=2)
    return net


def closed(draw):
    """A picture, and its figure closed."""

    def call(**given):
        from matplotlib import pyplot

        try:
            draw(**given)
        finally:
            pyplot.close("all")

    return call


def picture(draw, **good):
    return Call(draw, closed(draw), good)


SENSITIVITY = {
    "sensitivity.input_gradient": plain(sensitivity.input_gradient, net=trained(), **ALONG),
    "sensitivity.jacobian": plain(sensitivity.jacobian, net=trained(), X=X, at="logits"),
    "sensitivity.jvp": plain(sensitivity.jvp, net=trained(), X=X, V=X, at="logits"),
    "sensitivity.vjp": plain(sensitivity.vjp, net=trained(), X=X, U=np.ones((6, 3)), at="logits"),
    **{f"sensitivity.{name}": plain(getattr(sensitivity, name), model=trained(), **good)
       for name, good in OF_A_MODEL.items()},
    "sensitivity.Attack": Call(
        sensitivity.Attack,
        lambda **given: MLP([4, 2]).fit(X, Y, epochs=1, adversarial=sensitivity.Attack(**given)), ATTACK),
    "SensitivityDisplay": plain(fastmlp.SensitivityDisplay, values=np.ones(4), **IMAGE_OF_FOUR, label="x"),
    "SensitivityDisplay.from_estimator": picture(
        fastmlp.SensitivityDisplay.from_estimator, model=trained(), **ALONG, method=sensitivity.saliency,
        **IMAGE_OF_FOUR, ax=None),
    "SensitivityDisplay.plot": picture(fastmlp.SensitivityDisplay(np.ones(4)).plot, ax=None),
    "NoiseCurveDisplay": plain(fastmlp.NoiseCurveDisplay, sigmas=np.ones(3), error=np.ones(3), error_std=np.ones(3),
                               name="x", measure="error"),
    "NoiseCurveDisplay.from_estimator": picture(
        fastmlp.NoiseCurveDisplay.from_estimator, model=trained(), X=X, y=LABELS, sigmas=[0.1], measure="error",
        n_repeats=2, scale=1.0, random_state=0, name="x", ax=None),
    "LossCurveDisplay": plain(fastmlp.LossCurveDisplay, curves={"loss": [1.0, 2.0]}),
    "LossCurveDisplay.from_estimator": picture(
        fastmlp.LossCurveDisplay.from_estimator, model=fitted_network(), ax=None),
    "History.plot": picture(fitted_network().history.plot, ax=None),
}


# ---- estimators


def estimator(spec, y, **given_first):
    """Its parameters, all at their defaults but those given."""
    good = {name: p.default for name, p in inspect.signature(spec).parameters.items()}
    return Call(spec, lambda **given: spec(**{**given_first, **given}).fit(X, y), good)


@functools.cache
def fitted(spec):
    y = {MLPClassifier: [LABELS], MLPRegressor: [Y], MLPAutoencoder: []}[spec]
    return quiet(spec(hidden_layer_sizes=(3,), max_iter=1, random_state=0), X, *y)


def using(spec, name, /, **good):
    """A method of an estimator that is fitted already."""
    return method_of(name, lambda: fitted(spec), **good)


def fitting(spec, name, /, **good):
    """A method of one that is new."""
    return method_of(name, lambda: spec(hidden_layer_sizes=(2,), max_iter=1), **good)


def in_a_file(spec, model=None):
    def load(path):
        (fitted(spec) if model is None else model()).save("estimator")
        spec.load(path)

    return Call(spec.load, load, dict(path="estimator"))


def leaving(spec):
    """What an estimator has to leave Python, and to come back."""
    name, calls = spec.__name__, {}
    calls[f"{name}.save"], calls[f"{name}.load"] = using(spec, "save", path="saved"), in_a_file(spec)
    if hasattr(spec, "from_sklearn"):
        calls[f"{name}.from_sklearn"] = plain(spec.from_sklearn, est=theirs(getattr(neural_network, name)))
    if importlib.util.find_spec("onnx"):
        calls[f"{name}.to_onnx"] = using(spec, "to_onnx", path="estimator.onnx", dtype="float32", weights="int8")
    return calls


OF_LABELS = dict(X=X, y=LABELS, sample_weight=WEIGHT)
OF_ROWS = dict(X=X, y=None, sample_weight=WEIGHT)
HELD_OUT = dict(validation_data=None, X_val=None, y_val=None, sample_weight_val=None)
ALONE = dict(comm=None, sync="step")

ESTIMATORS = {
    "MLPClassifier": estimator(MLPClassifier, LABELS, hidden_layer_sizes=(3,), max_iter=1),
    "MLPRegressor": estimator(MLPRegressor, Y, hidden_layer_sizes=(3,), max_iter=1),
    "MLPAutoencoder": estimator(MLPAutoencoder, None, max_iter=1),
    "MLPClassifier.fit": fitting(MLPClassifier, "fit", **OF_LABELS, **HELD_OUT, **ALONE),
    "MLPClassifier.fit_transform": fitting(MLPClassifier, "fit_transform", X=X, y=LABELS, layer=0),
    "MLPClassifier.partial_fit": fitting(MLPClassifier, "partial_fit", **OF_LABELS, classes=[0, 1, 2]),
    "MLPClassifier.predict": using(MLPClassifier, "predict", X=X),
    "MLPClassifier.predict_proba": using(MLPClassifier, "predict_proba", X=X),
    "MLPClassifier.predict_log_proba": using(MLPClassifier, "predict_log_proba", X=X),
    "MLPClassifier.score": using(MLPClassifier, "score", **OF_LABELS),
    "MLPClassifier.transform": using(MLPClassifier, "transform", X=X, layer=0),
    "MLPClassifier.input_gradient": using(MLPClassifier, "input_gradient", X=X, y=LABELS, output=None),
    "MLPRegressor.fit": fitting(MLPRegressor, "fit", **DATA, **HELD_OUT, **ALONE),
    "MLPRegressor.partial_fit": fitting(MLPRegressor, "partial_fit", **DATA),
    "MLPRegressor.predict": using(MLPRegressor, "predict", X=X),
    "MLPRegressor.score": using(MLPRegressor, "score", **DATA),
    "MLPAutoencoder.fit": fitting(MLPAutoencoder, "fit", **OF_ROWS, **HELD_OUT, **ALONE),
    "MLPAutoencoder.partial_fit": fitting(MLPAutoencoder, "partial_fit", **OF_ROWS),
    "MLPAutoencoder.transform": using(MLPAutoencoder, "transform", X=X),
    "MLPAutoencoder.inverse_transform": using(MLPAutoencoder, "inverse_transform", X=np.ones((6, 3))),
    "MLPAutoencoder.score": using(MLPAutoencoder, "score", **OF_ROWS),
    **leaving(MLPClassifier),
    **leaving(MLPRegressor),
    **leaving(MLPAutoencoder),
    "export.to_sklearn": plain(export.to_sklearn, est=fitted(MLPClassifier)),
}


# ---- of tables


def of_table(Estimator, X=X, y=LABELS, **given):
    return Estimator(**{"preset": "fast", "n_members": 1, "max_iter": 1, "random_state": 0, **given}).fit(X, y)


@functools.cache
def fitted_to_table(Estimator):
    return of_table(Estimator, np.vstack([X] * 4), np.tile(LABELS, 4))


def of_tables(Estimator):
    """What both estimators of tables have."""
    new, name = lambda: Estimator("fast", n_members=1, max_iter=1), Estimator.__name__
    good = {parameter: p.default for parameter, p in inspect.signature(Estimator).parameters.items()}
    return {
        name: Call(Estimator, functools.partial(of_table, Estimator), good),
        f"{name}.fit": method_of("fit", new, **OF_LABELS, **HELD_OUT, window=1000),
        f"{name}.predict": method_of("predict", lambda: fitted_to_table(Estimator), X=X, return_std=False),
        f"{name}.score": method_of("score", lambda: fitted_to_table(Estimator), **OF_LABELS),
        f"{name}.permutation_importances": method_of(
            "permutation_importances", lambda: fitted_to_table(Estimator), **OF_LABELS, n_repeats=1, random_state=0),
        f"{name}.save": method_of("save", lambda: fitted_to_table(Estimator), path="saved"),
        f"{name}.load": in_a_file(Estimator, lambda: fitted_to_table(Estimator)),
        f"{name}.to_c": method_of("to_c", lambda: fitted_to_table(Estimator), path="table.c", dtype="float32",
                                  name="predict", weights="int8"),
        **({f"{name}.to_onnx": method_of("to_onnx", lambda: fitted_to_table(Estimator), path="table.onnx",
                                         dtype="float32", weights="int8")} if importlib.util.find_spec("onnx") else {}),
    }


TABLES = {
    **of_tables(TabularClassifier),
    **of_tables(TabularRegressor),
    "TabularClassifier.predict_proba": method_of(
        "predict_proba", lambda: fitted_to_table(TabularClassifier), X=X),
    "TabularClassifier.predict_log_proba": method_of(
        "predict_log_proba", lambda: fitted_to_table(TabularClassifier), X=X),
    "TabularRegressor.predict_interval": method_of(
        "predict_interval", lambda: fitted_to_table(TabularRegressor), X=X, alpha=0.6),
}


def read_in_windows(Estimator, target):
    """A fit to a file of which more than a window has to be read; X is the file where it is None."""

    def fit(X, **given):
        source = fastmlp.data.Parquet(PARQUET, target) if X is None else X
        Estimator("fast", n_members=1, max_iter=1).fit(source, **given)

    return Call(Estimator.fit, fit, dict(X=None, y=None, sample_weight=np.ones(24), **HELD_OUT, window=10))


if importlib.util.find_spec("pyarrow"):
    TABLES |= {
        "data.Parquet": Call(fastmlp.data.Parquet, lambda **given: len(fastmlp.data.Parquet(**given).X),
                             dict(path=PARQUET, target="number", columns=["x0"])),
        "TabularClassifier.fit of a file": read_in_windows(TabularClassifier, "label"),
        "TabularRegressor.fit of a file": read_in_windows(TabularRegressor, "number"),
    }


# ---- on Dask


@functools.cache
def client():
    """A cluster within this process."""
    made = importlib.import_module("distributed").Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    atexit.register(made.close)
    return made


def own_of_dask(client=None, local_epochs=1):
    """The parameters that estimators on Dask do not have of their plain ones, which check theirs by one function."""


def fit_on_dask(Estimator, parameters, /, **given):
    return Estimator(**parameters, max_iter=1, client=client()).fit(**given)


def made_for_dask(Estimator, parameters, data, /, **own):
    client()  # is in use from then on, and taken where None is given
    Estimator(**parameters, max_iter=1, **own).fit(*data)


def use_on_dask(fitted, method, /, **given):
    """What a method of a fitted estimator gives, computed."""
    importlib.import_module("dask").compute(getattr(fitted(), method)(**given))


def of_dask():
    """The estimators that learn where Dask has the rows."""
    from dask.array import from_array

    calls, small = {}, {"MLP": dict(hidden_layer_sizes=(2,)), "Tabular": dict(preset="fast", n_members=1)}
    for kind, parameters in small.items():
        for task, y in (("Classifier", LABELS), ("Regressor", Y[:, 0])):
            Estimator, name = getattr(distributed, f"Dask{kind}{task}"), f"distributed.Dask{kind}{task}"
            data = [from_array(a, chunks=(3, *a.shape[1:])) for a in (X, y, WEIGHT)]
            rows = dict(zip(("X", "y", "sample_weight"), data))
            given = rows | {"alpha": 0.6}
            calls[name] = Call(own_of_dask, functools.partial(made_for_dask, Estimator, parameters, data),
                               dict(client=None, local_epochs=2))
            calls[f"{name}.fit"] = Call(Estimator.fit, functools.partial(fit_on_dask, Estimator, parameters),
                                        dict(**rows, classes=None, eval_set=None, eval_sample_weight=None))
            more = [from_array(np.concatenate([a] * 10), chunks=(30, *a.shape[1:])) for a in (X, y)]
            fitted = functools.cache(functools.partial(fit_on_dask, Estimator, parameters, **dict(zip("Xy", more))))
            for method in ("predict", "predict_proba", "predict_log_proba", "predict_interval", "score"):
                function = getattr(Estimator, method, None)
                if function is not None:
                    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values()}
                    good = {p: given.get(p, default) for p, default in defaults.items() if p != "self"}
                    calls[f"{name}.{method}"] = Call(function, functools.partial(use_on_dask, fitted, method), good)
    return calls


if importlib.util.find_spec("dask"):
    TABLES |= of_dask()
if importlib.util.find_spec("art"):
    ESTIMATORS |= {
        "MLPClassifier.to_art": using(MLPClassifier, "to_art", clip_values=(-9, 9), at="logits"),
        "MLPRegressor.to_art": using(MLPRegressor, "to_art", clip_values=(-9, 9)),
    }
ESTIMATORS |= TABLES
NETWORKS["fit_many"] = Call(fit_many, lambda options=None, **given: fit_many(**given, epochs=1),
                            dict(nets=[MLP([4, 2])], X=X, y=Y, each=None, n_threads=None, options=None))
CALLS = {**PARTS, **NETWORKS, **METRICS, **CALLBACKS, **SENSITIVITY, **ESTIMATORS}
# public, but not called: why
NOT_CALLED = {
    "Callback": "the protocol",
    "History": "a dict that fit makes",
    "DivergenceWarning": "a warning",
    "ScaleWarning": "a warning",
    "sensitivity.NoiseCurve": "a result",
    "sensitivity.Report": "a result",
    "data.Parquet": "where pyarrow is installed",
    "data.Columns": "what Parquet has",
    "distributed.Communicator": "a protocol",
    "distributed.MPICommunicator": "wants MPI: tests/test_distributed_mpi.py",
    **{f"distributed.Dask{kind}{method}": "where Dask is installed"
       for kind, more in (("MLPClassifier", ("_proba", "_log_proba")), ("MLPRegressor", ()),
                          ("TabularClassifier", ("_proba", "_log_proba")), ("TabularRegressor", ("_interval",)))
       for method in ("", ".fit", ".predict", ".score", *(f".predict{name}" for name in more))},
    "training.State": "a name that old files know",
    **dict.fromkeys(("MLP.to_onnx", "MLP.from_onnx", "export.to_onnx", "export.from_onnx", "MLPClassifier.to_onnx",
                     "MLPRegressor.to_onnx", "MLPAutoencoder.to_onnx", "TabularClassifier.to_onnx",
                     "TabularRegressor.to_onnx"), "where onnx is installed"),
    **dict.fromkeys(("MLP.to_torch", "MLP.from_torch", "export.to_torch", "export.from_torch"),
                    "where torch is installed"),
    **{f"{name}.to_art": "where the toolbox is installed"
       for name in ("MLPClassifier", "MLPRegressor", "distributed.DaskMLPClassifier", "distributed.DaskMLPRegressor")},
}
# methods that the library calls, not its users
INTERNAL = {
    "Parquet": ("read",),
    "Callback": ("on_fit_begin", "on_epoch_end", "on_batch_end", "on_fit_end"),
    "Layer": ("after", "as_input", "brief", "checked", "engine_row", "finished_by", "initial_bias", "initial_weights",
              "joins", "matrices", "n_statistics", "rate_at", "sources", "weights", "window"),
    "Embedding": ("brief", "checked"),
    "Block": ("append_to", "with_specs"),
    "Optimizer": ("at_rate", "check", "limits", "numbers"),
    "_Schedule": ("at",),
    "Tie": ("edges", "frozen", "layers"),
    "Attack": ("numbers",),
    "Loss": ("rows", "n_targets"),
    **dict.fromkeys(("Communicator", "SerialCommunicator"), ("sum_", "broadcast_")),
    "MPICommunicator": ("sum_", "broadcast_", "parts"),
    **dict.fromkeys(("Projection1D", "Projection2D"), ("as_dense",)),
    "History": ("log", "lists"),
    "OptimizerState": ("export", "following", "restore", "step_at"),
}
