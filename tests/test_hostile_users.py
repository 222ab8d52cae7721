"""What users pass, return and do that nobody would expect: it works, or a ValueError or TypeError says what is wrong.

Single values of wrong kinds for each parameter are tests/test_fuzz.py's; here are whole situations: containers of all
kinds, functions that return nonsense, callbacks that meddle with the fit. A row of FINE works as its plain twin does, a
row of REFUSED is refused with a message, and what it was given is not changed.
"""

import copy
import datetime
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from fastmlp import (
    MLP,
    SGD,
    Adam,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    ProgressBar,
)
from fastmlp.sensitivity import integrated_gradients

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:R.2 score", "ignore:the loss was not")

RNG = np.random.default_rng(0)
X, Y, LABELS = RNG.standard_normal((12, 4)), RNG.random((12, 2)), np.array([0, 1, 2] * 4)


def fitted(X=X, y=Y, *, of=None, **how):
    """The weights of a network after a fit."""
    net = MLP([4, 3, np.shape(Y)[1]], random_state=0, **(of or {}))
    net.fit(X, y, **{"epochs": 2, **how})
    return net.params


def classified(X=X, y=LABELS, *, weight=None, **how):
    """The weights of a classifier after a fit."""
    model = MLPClassifier(**{"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, **how})
    return model.fit(X, y, weight)._mlp().params


def regressed(X=X, y=Y, **how):
    return MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0, **how).fit(X, y)._mlp().params


# ---- containers


class Protocol:
    """An array to those who ask for one."""

    def __init__(self, a):
        self.a = a

    def __array__(self, dtype=None, copy=None):
        return self.a


class Interface:
    def __init__(self, a):
        self.a, self.__array_interface__ = a, a.__array_interface__


class Subclass(np.ndarray):
    pass


def unaligned(a):
    return np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape)


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def on_disk(a, tmp_path):
    np.save(tmp_path / "a.npy", a)
    return np.load(tmp_path / "a.npy", mmap_mode="r")


SAME = {
    "a list": lambda a: a.tolist(),
    "rows as tuples": lambda a: [tuple(row) for row in a],
    "rows as arrays": list,
    "columns": np.asfortranarray,
    "backwards": lambda a: a[::-1].copy()[::-1],
    "not aligned": unaligned,
    "big-endian": lambda a: a.astype(">f8"),
    "objects": lambda a: a.astype(object),
    "read-only": read_only,
    "a subclass": lambda a: a.view(Subclass),
    "a matrix": np.asmatrix,
    "masked, but nothing": lambda a: np.ma.masked_array(a),
    "long double": lambda a: a.astype(np.longdouble),
    "__array__": Protocol,
    "__array_interface__": Interface,
    "a table": pd.DataFrame,
    "a table with another index": lambda a: pd.DataFrame(a, index=range(50, 50 + len(a))),
    "a table of objects": lambda a: pd.DataFrame(a.astype(object)),
    "a table of Float64": lambda a: pd.DataFrame(a).astype("Float64"),
    "a table of categories": lambda a: pd.DataFrame(a).astype("category"),
    "a sparse table": lambda a: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(a)),
}


@pytest.mark.parametrize("kind", SAME)
def test_containers_of_the_same_numbers(kind):
    assert np.array_equal(fitted(SAME[kind](X), SAME[kind](Y)), fitted())
    if kind != "a matrix":  # scikit-learn refuses it
        assert np.array_equal(regressed(SAME[kind](X), Y), regressed())


def test_an_array_on_a_disk(tmp_path):
    assert np.array_equal(fitted(on_disk(X, tmp_path)), fitted())


def with_dates(a):
    return np.zeros(a.shape, "M8[s]")


NO_NUMBERS = {
    "dates": with_dates,
    "durations": lambda a: np.ones(a.shape, "m8[s]"),
    "digits": lambda a: a.astype(str),
    "digits as objects": lambda a: a.astype(str).astype(object),
    "digits as bytes": lambda a: a.astype("S"),
    "lists of digits": lambda a: a.astype(str).tolist(),
    "a table of dates": lambda a: pd.DataFrame(with_dates(a)),
    "a table with a column of dates": lambda a: pd.DataFrame(a).assign(day=pd.Timestamp("2020")).iloc[:, -a.shape[1]:],
    "a table of time zones": lambda a: pd.DataFrame(with_dates(a)).apply(lambda c: c.dt.tz_localize("UTC")),
    "a table of digits": lambda a: pd.DataFrame(a).astype(str),
    "a table of strings": lambda a: pd.DataFrame(a).astype("string"),
    "objects that are dates": lambda a: np.full(a.shape, datetime.date(2020, 1, 1), object),
    "records": lambda a: np.zeros(len(a), "f4,f4,f4,f4"),
    "a generator": lambda a: (row for row in a),
    "a map": lambda a: map(list, a),
    "a dict": lambda a: dict(enumerate(a)),
    "a set": lambda a: {1.0, 2.0},
    "a string": lambda a: "1234",
}
TAKES_X = {
    "MLP.fit": lambda X: fitted(X),
    "MLP.predict": lambda X: MLP([4, 2]).predict(X),
    "MLPClassifier.fit": lambda X: classified(X),
    "MLPRegressor.predict": lambda X: MLPRegressor(max_iter=1).fit(np.eye(4), [0.0, 1, 2, 3]).predict(X),
    "MLPAutoencoder.fit": lambda X: MLPAutoencoder((2,), max_iter=1).fit(X),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
@pytest.mark.parametrize("use", TAKES_X)
def test_what_are_no_numbers(use, kind):
    with pytest.raises(TypeError, match="X must be"):
        TAKES_X[use](NO_NUMBERS[kind](X))


@pytest.mark.parametrize("use", TAKES_X)
def test_masked_elements(use):
    with pytest.raises(ValueError, match="X must have no masked elements, got"):
        TAKES_X[use](np.ma.masked_less(X, 0))


@pytest.mark.parametrize("kind", [kind for kind in NO_NUMBERS if kind not in ("records", "a generator", "a map")])
def test_what_are_no_weights(kind):
    given = NO_NUMBERS[kind](X[:, :1])
    given = given.iloc[:, 0] if isinstance(given, pd.DataFrame) else given
    given = np.ravel(given) if isinstance(given, (np.ndarray, list)) else given
    for fit in (lambda: fitted(sample_weight=given), lambda: classified(weight=given)):
        with pytest.raises(TypeError, match="sample_weight must be"):
            fit()


# ---- functions that return nonsense


def returning(value):
    return lambda *_: value


def spoil(y, prediction):
    y.fill(math.nan)


def loss(y, prediction):
    return 1.0


def outside(a):
    a = sparse.csr_array(a)
    a.indices[-1] = 99
    return a


NO_RESULTS = {"text": "x", "None": None, "an array": np.ones(3), "complex": 1j, "a list": [1.0], "a date": pd.NaT}
NO_VERDICTS = {"an array": np.array([1, 2]), "a table": pd.DataFrame([[1, 2]]), "a missing value": pd.NA}
REFUSED = {
    **{f"a metric of {k}": (lambda v=v: fitted(metrics=[returning(v)]), "metrics '<lambda>' must return a number")
       for k, v in NO_RESULTS.items()},
    **{f"a monitor of {k}": (lambda v=v: classified(monitor=returning(v)), "monitor must return a number")
       for k, v in NO_RESULTS.items()},
    **{f"{event} of {k}": (lambda v=v, event=event: fitted(callbacks=[LambdaCallback(**{event: returning(v)})]),
                           f"{event} of LambdaCallback must return True or False")
       for k, v in NO_VERDICTS.items() for event in ("on_epoch_end", "on_batch_end")},
    "a rate of text": (lambda: fitted(optimizer=SGD(returning("x"))), "the learning rate of epoch 0 must be a number"),
    "a metric that writes": (lambda: fitted(metrics=[spoil]), "read-only"),
    "two metrics of one name": (lambda: fitted(metrics=[returning(1), returning(2)]), "metrics must have names"),
    "a metric named loss": (lambda: fitted(metrics=[loss]), "metrics must have names of .*'loss': it is logged"),
    "a loss of None": (lambda: fitted(of={"loss": returning(None)}), "a loss function must return"),
    "logs of text": (lambda: fitted(callbacks=[lambda net, epoch, logs: logs.update(loss="x"), EarlyStopping("loss")]),
                     "monitor 'loss' must be a number in the logs, got 'x'"),
    # what estimators are given
    **{f"a class's weight of {v!r}": (lambda v=v: classified(class_weight={0: v}), "class_weight of 0 must be")
       for v in ("x", None, 1j, -1, math.nan, 10**400, np.timedelta64(1, "s"))},
    "weights of classes that are all 0": (lambda: classified(class_weight=dict.fromkeys(range(3), 0)),
                                          "class_weight must be above 0"),
    "all rows held out": (lambda: classified(early_stopping=True, validation_fraction=0.99), "validation_fraction: "),
    "none held out": (lambda: classified(early_stopping=True, validation_fraction=0), "validation_fraction: "),
    "labels of several kinds": (lambda: classified(y=np.array([1, "a", 2.0] * 4, object)), "y: '<' not supported"),
    "labels of a generator": (lambda: classified(y=(i for i in LABELS)), "y must be an array"),
    "no classes": (lambda: MLPClassifier((3,)).partial_fit(X, LABELS, classes=()), "classes must be a list of labels"),
    "classes as text": (lambda: MLPClassifier((3,)).partial_fit(X, LABELS, classes="012"), "classes must be a list"),
    "baselines of which indices point outside": (
        lambda: integrated_gradients(MLP([4, 1]), X, baselines=outside(X)), "baselines is not a valid CSR matrix"),
    "sizes of text": (lambda: classified(hidden_layer_sizes=["3"]), "hidden_layer_sizes must be an integer, got '3'"),
    "sizes of None": (lambda: classified(hidden_layer_sizes=[None]), "hidden_layer_sizes must be an integer, got None"),
    "sizes that are True": (lambda: classified(hidden_layer_sizes=[True]), "hidden_layer_sizes must be an integer"),
    "sizes in a table": (lambda: classified(hidden_layer_sizes=pd.DataFrame([[3]], columns=[3])), "hidden_layer_sizes"),
    "sizes as keys": (lambda: classified(hidden_layer_sizes={3: 2}), "hidden_layer_sizes must be .*list of integers"),
    "True for a number": (lambda: classified(alpha=True), "alpha must be a number, got True"),
    "a duration for a number": (lambda: classified(tol=np.timedelta64(1, "s")), "tol must be of another type"),
    "a duration for a random_state": (lambda: classified(random_state=np.timedelta64(3, "D")),
                                      "random_state must be a number, got np.timedelta64"),
    **{f"{name} that no float32 bears": (lambda given=given: classified(dtype="float32", **given), f"^{name} must be")
       for name, given in {
           "epsilon": {"epsilon": 1e-30}, "learning_rate_init": {"learning_rate_init": 1e39},
           "beta_1": {"beta_1": 1 - 1e-9}, "gradient_clip": {"gradient_clip": 1e-50, "optimizer": Adam()}}.items()},
    "a dropout of text": (lambda: classified(dropout=["x"]), "dropout must be a number, got 'x'"),
    "a dropout of all in float32": (lambda: classified(dropout=1 - 1e-9, dtype="float32"), "dropout must be .*below 1"),
    "callbacks that are none": (lambda: classified(callbacks=["x"]), "callbacks must be Callback objects"),
    "a path that is a number": (lambda: CSVLogger(1), "path must be a string"),
    "a path of bytes": (lambda: Checkpoint(b"x", "loss"), "path must be a string"),
    "a monitor that is no name": (lambda: EarlyStopping(b"val_loss"), "monitor must be a string"),
    "best that is no switch": (lambda: Checkpoint("x", best="no"), "best must be True or False"),
    "an array as verbose": (lambda: fitted(verbose=np.ones(2)), "verbose must be an integer"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    use, message = REFUSED[what]
    before = X.copy(), Y.copy(), LABELS.copy()
    with pytest.raises((ValueError, TypeError), match=message):
        use()
    assert all(map(np.array_equal, before, (X, Y, LABELS)))


# ---- numbers of unusual types, and callbacks that meddle


class Float(float):
    pass


class Int(int):
    pass


class Text(str):
    pass


def meddling(meddle):
    return [lambda net, epoch, logs: (meddle(net), None)[1]]


def refit(net):
    with pytest.raises(RuntimeError, match="being fitted"):
        net.fit(X, Y)


FINE = {  # what is done, and its plain twin
    "a subclass of float": (lambda: fitted(optimizer=SGD(Float(0.1))), lambda: fitted(optimizer=SGD(0.1))),
    "a subclass of int": (lambda: fitted(epochs=Int(2), batch_size=Int(5)), lambda: fitted(batch_size=5)),
    "a subclass of str": (lambda: fitted(of={"activation": Text("tanh")}), lambda: fitted(of={"activation": "tanh"})),
    "epochs as int8": (lambda: fitted(epochs=np.int8(100)), lambda: fitted(epochs=100)),
    "a batch as int8": (lambda: fitted(batch_size=np.int8(120)), lambda: fitted(batch_size=120)),
    "half precision": (lambda: fitted(input_noise=np.float16(0.5)), lambda: fitted(input_noise=0.5)),
    "sizes as int8": (lambda: classified(hidden_layer_sizes=np.array([3], np.int8)), classified),
    "sizes as a column": (lambda: classified(hidden_layer_sizes=pd.Series([3], index=[7])), classified),
    "dropout as float32": (lambda: classified(dropout=np.float32(0.5)), lambda: classified(dropout=0.5)),
    "no dropout as float32": (lambda: classified(dropout=np.float32(0)), classified),
    "the same callback twice": (lambda: fitted(callbacks=[EarlyStopping("loss", 9)] * 2), fitted),
    "a metric of a 0-d array": (lambda: fitted(metrics=[returning(np.array(1.0))]), fitted),
    "a metric of True": (lambda: fitted(metrics=[returning(np.True_)]), fitted),
    "a second fit": (lambda: fitted(callbacks=meddling(refit)), fitted),
    "a pickle": (lambda: fitted(callbacks=meddling(lambda net: pickle.loads(pickle.dumps(net)).fit(X, Y))), fitted),
    "a copy": (lambda: fitted(callbacks=meddling(lambda net: copy.deepcopy(net).fit(X, Y))), fitted),
    "predictions": (lambda: fitted(callbacks=meddling(lambda net: net.evaluate(X, Y) and net.predict(X[:1]))), fitted),
    "no history": (lambda: fitted(callbacks=meddling(lambda net: net.history.clear())), fitted),
    "no logs": (lambda: fitted(callbacks=[EarlyStopping("loss"), lambda net, epoch, logs: logs.clear()]), fitted),
    "text for a bar": (
        lambda: fitted(callbacks=[lambda net, epoch, logs: logs.update(note="x"), ProgressBar()]), fitted),
}


@pytest.mark.parametrize("what", FINE)
def test_fine(what):
    use, plainly = FINE[what]
    assert np.array_equal(use(), plainly())


@pytest.mark.parametrize("meddle", [lambda X: X.fill(math.nan), lambda X: X.fill(1e30)], ids=["NaN", "large numbers"])
def test_rows_that_change_in_a_fit(meddle):
    """They may, as the engine reads them where they are; a network then stops before a step that is not finite."""
    own = X.copy()
    weights = fitted(own, callbacks=[lambda net, epoch, logs: meddle(own)], epochs=5)
    assert np.isfinite(weights).all()


REFUSALS = {  # (what is set, what is given)
    "numbers": ({"epsilon": 1e-320}, {"X": X[:, :2]}),
    "rows": ({}, {"X": X * math.nan}),
    "labels": ({}, {"y": LABELS[:5]}),
    "weights": ({}, {"weight": -np.ones(12)}),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refused_fit_leaves_the_last_one(what):
    model = MLPClassifier((3,), max_iter=2, random_state=0).fit(X, LABELS)
    before, weights = model.predict_proba(pd.DataFrame(X)), [W.copy() for W in model.coefs_]
    wrong, given = REFUSALS[what]
    with pytest.raises(ValueError):
        data = {"X": X, "y": LABELS, "weight": None} | given
        model.set_params(**wrong).fit(data["X"], data["y"], data["weight"])
    assert model.n_features_in_ == 4 and all(map(np.array_equal, weights, model.coefs_))
    assert np.array_equal(model.predict_proba(pd.DataFrame(X)), before)


@pytest.mark.parametrize(
    "given",
    [{"X": X * math.nan}, {"classes": [0, 1]}, {"classes": [[0, 1, 2]]}, {"y": LABELS[:5]}],
    ids=["rows", "classes", "shape of classes", "labels"],
)
def test_a_refused_first_partial_fit_is_none(given):
    model, good = MLPClassifier((3,), random_state=0), {"X": X, "y": LABELS, "classes": [0, 1, 2]}
    with pytest.raises(ValueError):
        model.partial_fit(**{**good, **given})
    assert np.array_equal(model.partial_fit(**good).classes_, [0, 1, 2])
    assert np.array_equal(model.coefs_[0], MLPClassifier((3,), random_state=0).partial_fit(**good).coefs_[0])


def test_a_callback_that_raises_leaves_a_network_that_works():
    net = MLP([4, 2], random_state=0)

    def fail(net, epoch, logs):
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        net.fit(X, Y, callbacks=[fail])
    assert np.isfinite(net.fit(X, Y, epochs=1)["loss"]).all()
