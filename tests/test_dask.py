"""DaskMLPClassifier and DaskMLPRegressor on a cluster of two processes.

The steps of SGD with all rows of a worker in one batch are linear in the rows: the mean of the workers' weights after
each is what one step on all rows gives, wherever the rows are. So one process is the twin of any cluster.
"""
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score

pytest.importorskip("distributed", reason='there is no distributed: pip install "fastmlp[dask]"')
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

from dask_collections import frame, of_unknown_chunks, with_empty_parts  # noqa: E402
from fastmlp import EarlyStopping, LambdaCallback, MLPClassifier, MLPRegressor  # noqa: E402
from fastmlp._running_fits import fit_of  # noqa: E402
from fastmlp.distributed import DaskMLPClassifier, DaskMLPRegressor  # noqa: E402
from fastmlp.distributed.collections import Shard  # noqa: E402
from fastmlp.distributed.rounds import Tally, Trained, tally  # noqa: E402
from kinds_of_targets import CLOSE, NUMBER, NUMBERS, RNG, SEVERAL, TEXT, TWO, WEIGHT, D, N, X  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
              pytest.mark.filterwarnings("ignore::UserWarning")]

FULL = dict(hidden_layer_sizes=(7,), solver="sgd", learning_rate_init=0.1, alpha=0, max_iter=6, random_state=0)


CUTS = {
    "even": lambda a: da.from_array(a, chunks=30),
    "uneven": lambda a: da.from_array(a, chunks=((7, 50, 1, 62), *[-1] * (a.ndim - 1))),
    "X in columns too": lambda a: da.from_array(a, chunks=(40, *[2] * (a.ndim - 1))),
    "one": lambda a: da.from_array(a, chunks=-1),
    "frames": lambda a: dd.from_pandas(frame(a), npartitions=5, sort=False),
    "unknown": lambda a: of_unknown_chunks(a, 3),
    "empty": with_empty_parts,
}
PAIRS = [(name, name) for name in CUTS] + [("even", "uneven"), ("frames", "even"), ("uneven", "frames"),
                                           ("empty", "unknown")]


def twin(kind, y, weight=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**{**FULL, **options}).fit(X, y, weight)


def assert_alike(model, one):
    for a, b in zip(model.coefs_ + model.intercepts_, one.coefs_ + one.intercepts_):
        np.testing.assert_allclose(a, b, **CLOSE)
    np.testing.assert_allclose(model.loss_curve_, one.loss_curve_, **CLOSE)


# ---- training


@pytest.mark.parametrize("of_X, of_y", PAIRS)
def test_any_cut_of_the_rows_is_one_process(client, of_X, of_y):
    weight = WEIGHT if of_X != of_y or of_X in ("uneven", "frames") else None
    model = DaskMLPRegressor(**FULL)
    model.fit(CUTS[of_X](X), CUTS[of_y](NUMBER), None if weight is None else CUTS[of_y](weight))
    assert_alike(model, twin(MLPRegressor, NUMBER, weight))
    assert model.n_iter_ == 6 and model.t_ == 6 * N
    assert getattr(model, "feature_names_in_", np.array([])).tolist() == (
        [f"c{j}" for j in range(D)] if of_X in ("frames", "empty") else [])


def test_names_of_features_are_those_of_the_last_fit(client):
    model = DaskMLPRegressor(**FULL).fit(CUTS["frames"](X), CUTS["frames"](NUMBER))
    model.fit(da.from_array(X, chunks=40), da.from_array(NUMBER, chunks=40))
    assert not hasattr(model, "feature_names_in_")
    assert len(model.predict(X)) == N


@pytest.mark.parametrize("unknown", [False, True])
def test_partitions_are_computed_once(client, unknown, tmp_path):
    def read(part):
        with open(tmp_path / "read", "a") as file:
            file.write("x" * (part.shape[0] == 40))  # Dask asks for the kind of what comes by an empty one
        return part

    dX, dy = da.from_array(X, chunks=(40, -1)).map_blocks(read, dtype=X.dtype), da.from_array(NUMBER, chunks=30)
    model = DaskMLPRegressor(**FULL).fit(dX[np.ones(N, bool)] if unknown else dX, dy)
    assert (tmp_path / "read").read_text() == "xxx"
    assert_alike(model, twin(MLPRegressor, NUMBER))


CASES = {"text": (DaskMLPClassifier, MLPClassifier, TEXT), "two": (DaskMLPClassifier, MLPClassifier, TWO),
         "several": (DaskMLPClassifier, MLPClassifier, SEVERAL), "numbers": (DaskMLPRegressor, MLPRegressor, NUMBERS)}


@pytest.mark.parametrize("name", CASES)
def test_kinds_of_targets(client, name):
    kind, plain, y = CASES[name]
    order = np.argsort(TEXT, kind="stable")  # some classes are on one worker alone
    model = kind(**FULL).fit(da.from_array(X[order], chunks=40), da.from_array(y[order], chunks=40))
    assert_alike(model, twin(plain, y))
    if plain is MLPClassifier:
        assert (model.classes_ == twin(plain, y).classes_).all()


def test_known_classes_and_their_weights(client):
    dX, dy = da.from_array(X, chunks=40), da.from_array(TEXT, chunks=40)
    known = DaskMLPClassifier(**FULL).fit(dX, dy, classes=["south", "east", "north", "west"])
    assert known.classes_.tolist() == ["east", "north", "south", "west"] and known.coefs_[-1].shape[1] == 4
    with pytest.raises(ValueError, match="classes not in"):
        DaskMLPClassifier(**FULL).fit(dX, dy, classes=["south", "east"])
    # weights of classes are weights of rows, of which the mean over workers is that of the rows, not of the weights
    two = client.submit(lambda: 0, workers=[sorted(client.scheduler_info()["workers"])[0]])
    two.result()
    balanced = DaskMLPClassifier(**FULL, class_weight="balanced").fit(da.from_array(X, chunks=-1),
                                                                      da.from_array(TEXT, chunks=-1))
    assert_alike(balanced, twin(MLPClassifier, TEXT, class_weight="balanced"))


def test_sparse_blocks(client):
    dX = da.from_array(X, chunks=(40, -1)).map_blocks(sparse.csr_matrix)
    model = DaskMLPRegressor(**FULL).fit(dX, da.from_array(NUMBER, chunks=40))
    assert_alike(model, twin(MLPRegressor, NUMBER))
    np.testing.assert_allclose(model.predict(dX).compute(), model.predict(X), **CLOSE)


def test_rounds_of_several_epochs_and_adam(client):
    """By hand, on one worker: with the rows in one place rounds are partial_fits."""
    options = dict(hidden_layer_sizes=(7,), batch_size=16, shuffle=False, random_state=0)
    model = DaskMLPRegressor(**options, max_iter=5, local_epochs=2)
    model.fit(da.from_array(X, chunks=-1), da.from_array(NUMBER, chunks=-1))
    one = MLPRegressor(**options, max_iter=5)
    one.fit(X, NUMBER)
    np.testing.assert_allclose(model.coefs_[0], one.coefs_[0], **CLOSE)
    assert model.n_iter_ == 5 and len(model.loss_curve_) == 3
    assert model.loss_curve_ == pytest.approx([one.loss_curve_[i] for i in (1, 3, 4)], rel=1e-10)


def test_a_warm_start_goes_on(client):
    dX, dy = da.from_array(X, chunks=40), da.from_array(NUMBER, chunks=40)
    model = DaskMLPRegressor(**{**FULL, "max_iter": 3}, warm_start=True)
    model.fit(dX, dy).fit(dX, dy)
    np.testing.assert_allclose(model.coefs_[0], twin(MLPRegressor, NUMBER).coefs_[0], **CLOSE)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("monitor", [None, "loss"])
def test_rows_to_watch(client, name, monitor):
    kind, _, y = CASES[name]
    held = X[::-1][:70] + 0.3, y[:70], WEIGHT[:70]
    dX, dy = da.from_array(X, chunks=40), da.from_array(y, chunks=40)
    watched = [da.from_array(a, chunks=20) for a in held]
    model = kind(hidden_layer_sizes=(20,), learning_rate_init=0.05, n_iter_no_change=2, monitor=monitor, random_state=0)
    model.fit(dX, dy, eval_set=[tuple(watched[:2]), (dX, dy)], eval_sample_weight=[watched[2], da.ones(N, chunks=40)])
    logs = model.evals_result_
    assert [len(numbers) for of in logs.values() for numbers in of.values()] == [len(model.loss_curve_)] * 4
    assert len(model.loss_curve_) < 200  # patience ended it
    score = r2_score if kind is DaskMLPRegressor else accuracy_score
    best = np.argmax(logs["validation_0"]["score"]) if monitor is None else np.argmin(logs["validation_0"]["loss"])
    wanted = score(held[1], model.predict(held[0]), sample_weight=held[2])
    assert logs["validation_0"]["score"][best] == pytest.approx(wanted, rel=1e-9)  # of the weights that came back
    assert model.score(dX, dy) == pytest.approx(score(y, model.predict(X)), rel=1e-9)


def test_what_ends_it(client):
    dX, dy = da.from_array(X, chunks=40), da.from_array(NUMBER, chunks=40)
    seen = []

    def stop(net, epoch, logs):
        seen.append((epoch, net.params))
        return epoch == 3

    model = DaskMLPRegressor(**FULL, callbacks=[stop]).fit(dX, dy)
    assert [epoch for epoch, _ in seen] == [1, 2, 3] and (seen[-1][1] == model.network_.params).all()
    limited = DaskMLPRegressor(**{**FULL, "max_iter": 10**6}, max_time=0.5, tol=0, n_iter_no_change=np.inf)
    assert limited.fit(dX, dy).n_iter_ < 10**4
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        DaskMLPRegressor(**FULL).fit(dX, dy)


@pytest.mark.parametrize("options", [dict(alpha=0.3, l1=0.02, learning_rate_init=0.25),
                                     dict(gradient_penalty=0.1, learning_rate_init=0.3),
                                     dict(batch_size=9, learning_rate_init=0.2)],
                         ids=lambda options: next(iter(options)))
def test_weights_of_the_least_loss_come_back(client, options):
    """As in one process, where all rows are on one worker. The loss of a round is a mean over steps, each at weights
    that are gone: those that come back have the least loss of all that there were at the end of a round."""
    options = dict(hidden_layer_sizes=(7,), solver="sgd", batch_size=40, max_iter=12, shuffle=False,
                   random_state=0, tol=0, n_iter_no_change=99) | options
    stops = [EarlyStopping("loss", patience=99) for _ in range(2)]
    one = MLPRegressor(**options, callbacks=[stops[0]]).fit(X, NUMBER, WEIGHT)
    model = DaskMLPRegressor(**options, callbacks=[stops[1]])
    model.fit(*(da.from_array(a, chunks=-1) for a in (X, NUMBER, WEIGHT)))
    assert stops[0].best_epoch == stops[1].best_epoch != 1 + np.argmin(one.loss_curve_)
    np.testing.assert_allclose(model.coefs_[0], one.coefs_[0], **CLOSE)


def test_the_loss_at_the_present_weights_is_of_all_workers(client):
    found = []
    dX, dy, weight = (da.from_array(a, chunks=40) for a in (X, NUMBER, WEIGHT))
    look = lambda net, *_: found.append((fit_of(net).present["loss"](), net.params))
    model = DaskMLPRegressor(**FULL, callbacks=[look])
    model.fit(dX, dy, weight)
    for loss, params in found:
        model.network_.params = params
        assert loss == pytest.approx(model.network_.evaluate(X, NUMBER, WEIGHT), rel=1e-10)


def test_a_worker_without_weight_and_all_without(client):
    light = np.where(np.arange(N) < 60, 0.0, WEIGHT)
    model = DaskMLPRegressor(**FULL)
    model.fit(da.from_array(X, chunks=60), da.from_array(NUMBER, chunks=60), da.from_array(light, chunks=60))
    assert_alike(model, twin(MLPRegressor, NUMBER, light))
    with pytest.raises(ValueError, match="sample_weight must not be all 0"):
        model.fit(da.from_array(X, chunks=60), da.from_array(NUMBER, chunks=60), da.zeros(N, chunks=60))


def test_rows_that_cannot_give_what_is_watched(client):
    """Found before anything is trained, in fit and in score."""
    dX, dy, none = da.from_array(X, chunks=40), da.from_array(NUMBER, chunks=40), da.zeros(N, chunks=40)
    one, seen = (da.from_array(X[:1]), da.from_array(NUMBER[:1])), []
    model = DaskMLPRegressor(**FULL, callbacks=[lambda *_: seen.append(1)])
    with pytest.raises(ValueError, match=r"eval_sample_weight must be above 0 for some row, .* eval_set\[1\]"):
        model.fit(dX, dy, eval_set=[(dX, dy)] * 2, eval_sample_weight=[da.ones(N, chunks=40), none])
    with pytest.raises(ValueError, match="monitor 'score' must be a finite number .* got 1 in eval_set"):
        model.fit(dX, dy, eval_set=[one])
    assert not seen and not hasattr(model, "coefs_")
    model.set_params(monitor="loss", callbacks=None).fit(dX, dy, eval_set=[one])
    assert np.isnan(model.score(*one))  # as scikit-learn's R^2 of one row
    with pytest.raises(ValueError, match="sample_weight must be above 0 for some row"):
        model.score(dX, dy, none)


def test_the_default_callbacks_watch_the_first_rows_of_eval_set(client):
    dX, dy, logs = da.from_array(X, chunks=40), da.from_array(NUMBER, chunks=40), []
    keep = LambdaCallback(on_epoch_end=lambda net, epoch, given: logs.append(given) and False)
    DaskMLPRegressor(**FULL, callbacks=[EarlyStopping(), keep]).fit(dX, dy, eval_set=[(dX, dy)])
    assert [(log["val_loss"], log["val_score"]) for log in logs] == [
        (log["validation_0_loss"], log["validation_0_score"]) for log in logs]


@pytest.mark.parametrize("sets", [0, 2])
def test_a_callback_that_watches_what_is_not_logged_is_refused_at_once(client, sets):
    dX, dy, logs = da.from_array(X, chunks=40), da.from_array(NUMBER, chunks=40), []
    watch = [lambda net, epoch, given: logs.append(list(given)) and False]
    model = DaskMLPRegressor(**FULL, callbacks=watch)
    rows = dict(eval_set=[(dX, dy)] * sets or None)
    model.fit(dX, dy, **rows)
    before, seen = model.predict(X), len(logs)
    with pytest.raises(ValueError, match="val_no'$" if sets else "val_ names are there where fit is given eval_set"):
        model.set_params(callbacks=EarlyStopping("val_no", mode="min")).fit(dX, dy, **rows)
    model.set_params(callbacks=watch)
    with pytest.raises(ValueError, match=f"^monitor must be one of {', '.join(logs[0])}, got 'lr'"):
        model.set_params(callbacks=[*model.callbacks, EarlyStopping("lr")]).fit(dX, dy, **rows)
    assert len(logs) == seen and (model.predict(X) == before).all()


def test_a_warm_start_without_the_rows_that_were_watched(client):
    dX, dy = da.from_array(X, chunks=40), da.from_array(NUMBER, chunks=40)
    model = DaskMLPRegressor(**{**FULL, "max_iter": 3}, warm_start=True)
    model.fit(dX, dy, eval_set=[(dX, dy)]).fit(dX, dy)
    assert model.evals_result_ == {} and model.validation_scores_ is model.best_validation_score_ is None
    assert model.best_loss_ == min(model.loss_curve_) and len(model.loss_curve_) == 3


def test_an_error_in_a_callback_leaves_what_was_fitted(client):
    dX, dy = da.from_array(X, chunks=40), da.from_array(NUMBER, chunks=40)
    model = DaskMLPRegressor(**FULL).fit(dX, dy)
    before = model.predict(X)
    with pytest.raises(ZeroDivisionError):
        model.set_params(callbacks=[lambda *_: 1 / 0]).fit(dX[:, :2], dy)
    assert (model.predict(X) == before).all()


# ---- workers that die


def test_a_worker_that_dies_between_rounds(client):
    dX, dy = da.from_array(X, chunks=20), da.from_array(NUMBER, chunks=20)

    def kill(net, epoch, logs):
        if epoch == 2:
            os.kill(list(client.run(os.getpid).values())[0], signal.SIGKILL)

    model = DaskMLPRegressor(**FULL, callbacks=[kill]).fit(dX, dy)
    assert_alike(model, twin(MLPRegressor, NUMBER))
    client.wait_for_workers(2)


@pytest.mark.slow
def test_workers_that_die_within_rounds(client):
    dX, dy = da.from_array(X, chunks=20), da.from_array(NUMBER, chunks=20)
    options = {**FULL, "max_iter": 120, "learning_rate_init": 0.01}

    def kill(net, epoch, logs):
        """Some time in the round to come; the third time the last worker, if the others are not back yet."""
        if epoch % 40 == 20:
            pid, *_ = client.run(os.getpid).values()
            threading.Timer(RNG.uniform(0, 0.1), os.kill, (pid, signal.SIGKILL)).start()

    model = DaskMLPRegressor(**options, n_iter_no_change=np.inf, callbacks=[kill]).fit(dX, dy)
    one = MLPRegressor(**options, n_iter_no_change=np.inf).fit(X, NUMBER)
    np.testing.assert_allclose(model.coefs_[0], one.coefs_[0], rtol=1e-8, atol=1e-10)


# ---- using


@pytest.mark.parametrize("name", [*CASES, "number"])
def test_predictions_are_lazy_and_those_of_the_local_estimator(client, name):
    kind, _, y = CASES.get(name, (DaskMLPRegressor, MLPRegressor, NUMBER))
    model = kind(**{**FULL, "max_iter": 1}).fit(da.from_array(X, chunks=40), da.from_array(y, chunks=40))
    local = model.to_local()
    assert type(local) is kind.plain
    methods = [name for name in ("predict", "predict_proba", "predict_log_proba") if hasattr(model, name)]
    for method in methods:
        wanted = getattr(local, method)(X)
        assert (getattr(model, method)(X) == wanted).all()
        for cut in ("X in columns too", "frames", "empty") if method == "predict" else ("uneven",):
            found = getattr(model, method)(CUTS[cut](X))
            assert isinstance(found, da.Array) and found.ndim == wanted.ndim and found.dtype == wanted.dtype
            computed = found.compute()
            assert computed.shape == wanted.shape and (computed == wanted).all()


def test_it_is_an_estimator(client):
    dX, dy = CUTS["frames"](X), CUTS["frames"](TEXT)
    model = DaskMLPClassifier((7,), max_iter=2, random_state=0, client=client, local_epochs=2)
    assert {*model.get_params()} == {*MLPClassifier().get_params(), "client", "local_epochs"}
    assert clone(model).get_params() == model.get_params()
    model.fit(dX, dy)
    again = pickle.loads(pickle.dumps(model))
    assert again.client is None and (again.predict(X) == model.predict(X)).all()
    local = model.to_local()
    assert local.get_params() == {k: v for k, v in model.get_params().items() if k not in ("client", "local_epochs")}
    local.partial_fit(frame(X), TEXT)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(dX.rename(columns={"c0": "other"}))


# ---- what is refused

WRONG = {
    "X of NumPy": (dict(X=X), TypeError, "^X must be a Dask array or DataFrame"),
    "y of NumPy": (dict(y=NUMBER), TypeError, "^y must be a Dask array or DataFrame"),
    "fewer y": (dict(y=da.from_array(NUMBER[:90], chunks=30)), ValueError, "^y must have 120 rows, as X has, got 90"),
    "fewer weights": (dict(sample_weight=da.ones(7)), ValueError, "^sample_weight must have 120 rows"),
    "three dimensions": (dict(X=da.ones((4, 3, 2))), ValueError, "^X must have two dimensions"),
    "one dimension": (dict(X=da.ones(120)), ValueError, "^X must have two dimensions, got 1"),
    "y of dates": (dict(y=da.from_array(np.zeros(N, "M8[s]"), chunks=40)), TypeError, "y must be numbers"),
    "weights that cancel": (dict(sample_weight=da.from_array(np.tile([1.0, -1.0], 60))), ValueError, "^sample_weight"),
    "no rows": (dict(X=da.ones((0, 3)), y=da.ones(0)), ValueError, "^X must have at least one row"),
    "NaN": (dict(X=da.from_array(np.where(X > 2, np.nan, X), chunks=40)), ValueError, "NaN"),
    "lbfgs": (dict(solver="lbfgs"), ValueError, "^solver must be"),
    "adaptive": (dict(solver="sgd", learning_rate="adaptive"), ValueError, "^learning_rate must be"),
    "early_stopping": (dict(early_stopping=True), ValueError, "^early_stopping must be False"),
    "monitor": (dict(monitor="r2"), ValueError, "^monitor must be"),
    "local_epochs": (dict(local_epochs=0), ValueError, "local_epochs"),
    "alpha": (dict(alpha=-1), ValueError, "alpha"),
    "loss": (dict(loss=("quantile", (0.1, 0.9))), ValueError, "^loss must be of one quantile"),
    "eval_set": (dict(eval_set=3), TypeError, "^eval_set must be"),
    "eval_sample_weight": (dict(eval_sample_weight=[None]), ValueError, "^eval_set must be given"),
    "classes": (dict(classes=[0, 1]), ValueError, "^classes must be None"),
    "client": (dict(client=3), TypeError, "^client must be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(client, name):
    given, error, message = WRONG[name]
    given = dict(X=da.from_array(X, chunks=40), y=da.from_array(NUMBER, chunks=40)) | given
    own = {k: given.pop(k) for k in [*given] if k in DaskMLPRegressor._get_param_names()}
    with pytest.raises(error, match=message):
        DaskMLPRegressor(**own).fit(**given)


WITHOUT = {  # weights of score
    "negative": (-WEIGHT, ValueError, "sample_weight must be at least 0"),
    "infinite": (WEIGHT * np.inf, ValueError, "sample_weight must be finite"),
    "text": (np.full(N, "a"), TypeError, "sample_weight must be numbers"),
    "a column": (WEIGHT[:, None], ValueError, "sample_weight must have shape"),
}
UNFIT = {  # targets of score
    "text": (np.full(N, "a"), TypeError, "y must be numbers"),
    "complex": (NUMBER * 1j, TypeError, "y must be real numbers"),
    "NaN": (np.where(NUMBER > 0, np.nan, NUMBER), ValueError, "y must be finite"),
    "two columns": (np.c_[NUMBER, NUMBER], ValueError, "y must have shape"),
    "large numbers": (NUMBER * 1e200, ValueError, "y must have a finite variance"),
}


def cut(a):
    return da.from_array(a, chunks=(40, *a.shape[1:]))


@pytest.mark.filterwarnings("ignore:overflow")
def test_score_refuses_what_fit_refuses(client):
    regressor = DaskMLPRegressor(**FULL).fit(cut(X), cut(NUMBER))
    classifier = DaskMLPClassifier(**FULL).fit(cut(X), cut(TEXT))
    for y, error, message in UNFIT.values():
        with pytest.raises(error, match=message):
            regressor.score(cut(X), cut(y))
    for weight, error, message in WITHOUT.values():
        for model, y in ((regressor, NUMBER), (classifier, TEXT)):
            with pytest.raises(error, match=message):
                model.score(cut(X), cut(y), cut(weight))
    for y in (NUMBER, np.c_[TEXT, TEXT]):
        with pytest.raises((ValueError, TypeError), match="^y: "):
            classifier.score(cut(X), cut(y))


def test_without_a_client():
    code = ("import numpy as np, dask.array as da\nfrom fastmlp.distributed import DaskMLPRegressor\n"
            "try: DaskMLPRegressor().fit(da.ones((4, 2)), da.ones(4))\nexcept ValueError as error: print(error)")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout == "client must be given where no distributed.Client is in use, got None\n", done.stderr


def test_importing_imports_no_dask():
    code = ("import sys, fastmlp.distributed; fastmlp.distributed.DaskMLPRegressor\n"
            "print({'dask', 'distributed', 'mpi4py'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("outputs", [1, 2])
def test_tallies_add_up(outputs):
    """R^2 of rows in pieces, also where a piece does not vary or has no weight."""
    y = np.vstack([NUMBERS, np.full((5, 2), 3.0)])[:, :outputs]
    rows, weight = np.vstack([X, X[:5]]), np.append(WEIGHT, [0, 0, 0, 0, 0])
    y = y[:, 0] if outputs == 1 else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est = MLPRegressor(hidden_layer_sizes=(7,), max_iter=5, random_state=0).fit(rows, y)
    pieces = [tally(Trained(est, 0.0, 0.0), Shard(rows[i:j], y[i:j], weight[i:j]))
              for i, j in [(0, 10), (10, 11), (11, 120), (120, 125)]]
    total = sum(pieces[1:], pieces[0])
    assert isinstance(total, Tally)
    assert total.score(False) == pytest.approx(r2_score(y, est.predict(rows), sample_weight=weight), rel=1e-12)
    assert total.weight == pytest.approx(weight.sum())
