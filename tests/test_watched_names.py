"""Callbacks that watch what a fit does not log: an error at the call, before anything has changed, whatever is fitted.
"""
import copy
import functools
import re

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

from fastmlp import (
    MLP,
    Adam,
    Checkpoint,
    EarlyStopping,
    LambdaCallback,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    TabularClassifier,
    TabularRegressor,
    fit_many,
)
from ranks import all_of

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

RNG = np.random.default_rng(0)
X, Y, LABELS = RNG.standard_normal((60, 4)), RNG.standard_normal(60), np.array(["a", "b", "c"] * 20)
HELD, HELD_LABELS = (X[:20], Y[:20]), (X[:20], LABELS[:20])
SCORES = {"r2": "r2", "size": lambda y, prediction: np.abs(prediction).mean()}


def network(method="fit", data=(X, Y), **options):
    """(an MLP that is trained already, a function that trains it further)"""
    net = MLP([4, 3, 1], dtype="float64", random_state=0)
    net.fit(X, Y, Adam(0.01), epochs=2)
    return net, functools.partial(getattr(net, method), *data, epochs=2, **options)


def batches():
    return ((X[i:i + 20], Y[i:i + 20]) for i in (0, 20, 40))


def several():
    net = MLP([4, 3, 1], random_state=0)
    return net, lambda callbacks: fit_many([net, MLP([4, 1])], X, Y, each=[{}, {"callbacks": callbacks}], epochs=2)


def on_ranks():
    """What rank 0 is given alone."""
    nets = [MLP([4, 3, 1], random_state=0) for _ in range(2)]
    rows = [slice(0, 40), slice(40, 60)]

    def fit(callbacks):
        all_of(2, lambda comm: nets[comm.rank].fit(X[rows[comm.rank]], Y[rows[comm.rank]], epochs=2, comm=comm,
                                                   callbacks=callbacks if comm.rank == 0 else ()))

    return nets[0], fit


def fitted_to(est, *data, fit="fit", **given):
    """(an estimator that is fitted already, a function that fits it again)"""
    est.fit(*data)

    def again(callbacks):
        est.callbacks = callbacks
        try:
            getattr(est, fit)(*data, **given)
        finally:
            est.callbacks = None

    return est, again


def estimator(kind, *data, fit="fit", given=(), **parameters):
    return fitted_to(kind((3,), max_iter=3, random_state=0, **parameters), *data, fit=fit, **dict(given))


def of_table(kind, *data, **given):
    return fitted_to(kind("fast", n_members=2, max_iter=2, random_state=0), *data, **given)


FORMS = {
    "fit": network,
    "fit with validation_data": lambda: network(validation_data=HELD),
    "fit with sets by name": lambda: network(validation_data={"new": HELD, "old": HELD}, metrics=SCORES),
    "fit with validation_fraction": lambda: network(validation_fraction=0.2, metrics=SCORES),
    "fit with metrics": lambda: network(metrics=SCORES),
    "fit with gradient_penalty": lambda: network(gradient_penalty=0.1),
    "fit with jacobian_penalty": lambda: network(jacobian_penalty=0.1, validation_data=HELD),
    "fit with a penalty of 0": lambda: network(jacobian_penalty=0, gradient_penalty=0),
    "partial_fit": lambda: network("partial_fit"),
    "window": lambda: network(window=20),
    "batches": lambda: network(data=(), batches=batches, validation_data=HELD),
    "comm": on_ranks,
    "fit_many": several,
    "MLPClassifier": lambda: estimator(MLPClassifier, X, LABELS),
    "MLPClassifier that is warm": lambda: estimator(MLPClassifier, X, LABELS, warm_start=True),
    "partial_fit of MLPClassifier": lambda: estimator(MLPClassifier, X, LABELS, fit="partial_fit"),
    "a score of the training rows": lambda: estimator(MLPClassifier, X, LABELS, monitor="score"),
    "early_stopping": lambda: estimator(MLPClassifier, X, LABELS, early_stopping=True),
    "validation_data": lambda: estimator(MLPClassifier, X, LABELS, given={"validation_data": HELD_LABELS}),
    "lbfgs": lambda: estimator(functools.partial(MLPRegressor, "squared_error"), X, Y, solver="lbfgs"),
    "MLPAutoencoder": lambda: estimator(MLPAutoencoder, X),
    "TabularClassifier": lambda: of_table(TabularClassifier, X, LABELS),
    "TabularRegressor": lambda: of_table(TabularRegressor, X, Y, validation_data=HELD),
}
forms = pytest.mark.parametrize("form", FORMS)


def names_in(error):
    return re.search(r"monitor must be one of (.*), got 'nothing'", str(error)).group(1).split(", ")


@forms
def test_names_of_the_error_are_those_that_are_logged(form):
    logged = []
    FORMS[form]()[1](callbacks=lambda net, epoch, logs: logged.append(list(logs)))
    with pytest.raises(ValueError) as caught:
        FORMS[form]()[1](callbacks=EarlyStopping("nothing"))
    assert logged and all(names == names_in(caught.value) for names in logged)


def state(model):
    """What a fit changes, to be compared with ==."""
    if not isinstance(model, MLP):
        held = getattr(model, "networks_", None) or [model.network_]
        return {name: id(value) for name, value in vars(model).items()}, list(map(state, held))
    trained = model._network.progress.optimizer_state
    return (model.params.tobytes(), dict(model.history), id(trained), model._network.progress.epochs_ever,
            trained and [a.tobytes() for a in trained.arrays()], model.classes)


@pytest.mark.parametrize("name", ["nothing", "val_nothing", "score", "jacobian_penalties"])
@pytest.mark.parametrize("make", [EarlyStopping, lambda name: Checkpoint("never", name)], ids=["stop", "save"])
@forms
def test_nothing_has_changed_and_nobody_was_called(form, make, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = []
    first = LambdaCallback(on_fit_begin=lambda *_: called.append("begin"), on_epoch_end=lambda *_: called.append("end"))
    model, fit = FORMS[form]()
    before = state(model)
    with pytest.raises(ValueError, match=rf"monitor must be one of .*loss.*, got '{name}'"):
        fit(callbacks=[first, make(name)])
    assert state(model) == before and not called and not list(tmp_path.iterdir())


def test_what_is_to_be_given_for_a_number_of_held_out_rows():
    for form in ("fit", "window", "partial_fit", "MLPClassifier"):
        with pytest.raises(ValueError, match="got 'val_loss'; val_ names are there where fit is given validation_data"):
            FORMS[form]()[1](callbacks=EarlyStopping())
    for form in ("lbfgs", "partial_fit of MLPClassifier", "fit with validation_data"):  # which cannot, or does
        with pytest.raises(ValueError, match="got 'val_none'$"):
            FORMS[form]()[1](callbacks=EarlyStopping("val_none", mode="min"))


def test_a_checkpoint_of_each_epoch_watches_nothing(tmp_path):
    network()[1](callbacks=Checkpoint(tmp_path / "net", best=False))
    assert (tmp_path / "net").exists()


# ---- what is refused where callbacks begin


class Refusing(LambdaCallback):
    def on_fit_begin(self, net, logs):
        raise ZeroDivisionError


@pytest.mark.parametrize("callback, error", [
    (lambda path: Checkpoint(path / "no" / "net", "loss"), OSError), (lambda path: Refusing(), ZeroDivisionError),
    (lambda path: EarlyStopping("size"), ValueError)], ids=["a path", "a user's error", "no direction"])
@pytest.mark.parametrize("form", ["fit with metrics", "partial_fit", "window", "comm", "MLPClassifier that is warm"])
def test_a_fit_that_does_not_begin_changes_nothing(form, callback, error, tmp_path):
    """The optimiser's state and the history are those of the fit before: training goes on as if nothing had been."""
    model, fit = FORMS[form]()
    before, twin = state(model), copy.deepcopy(model)
    with pytest.raises(error):
        fit(callbacks=callback(tmp_path))
    assert state(model) == before
    for one in (model, twin):
        one.partial_fit(X, LABELS if isinstance(model, MLPClassifier) else Y)
    assert state(getattr(model, "network_", model))[:2] == state(getattr(twin, "network_", twin))[:2]
