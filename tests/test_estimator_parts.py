"""The estimators as parts: in pipelines, searches and ensembles, copied, kept and loaded, watched by scikit-learn's
callbacks."""
import copy
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fastmlp import SGD, MLPAutoencoder, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

IRIS, SPECIES = load_iris(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(150)
IRIS, NAMES = IRIS[ORDER], np.array(["setosa", "versicolor", "virginica"])[SPECIES[ORDER]]
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
DIABETES, PROGRESSION = scale(DIABETES), scale(PROGRESSION)
FILES = Path(__file__).parent / "files"


def classifier(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": (16,), "learning_rate_init": 0.02, "max_iter": 60, "random_state": 0,
                            **parameters})


def regressor(**parameters):
    return MLPRegressor(**{"hidden_layer_sizes": (8,), "learning_rate_init": 0.01, "max_iter": 30, "random_state": 0,
                           "alpha": 1.0, **parameters})


def coder(**parameters):
    return MLPAutoencoder(**{"hidden_layer_sizes": (3,), "max_iter": 30, "random_state": 0, **parameters})


CLASSIFIERS = {
    "pipeline": lambda: make_pipeline(StandardScaler(), classifier()),
    "calibrated": lambda: CalibratedClassifierCV(make_pipeline(StandardScaler(), classifier()), cv=3),
    "stacking": lambda: StackingClassifier([("mlp", classifier()), ("linear", LogisticRegression())], cv=3),
    "voting": lambda: VotingClassifier([("a", classifier()), ("b", classifier(random_state=1))], voting="soft"),
    "bagging": lambda: BaggingClassifier(classifier(), n_estimators=3, random_state=0),
    "adaboost": lambda: AdaBoostClassifier(classifier(), n_estimators=3, random_state=0),
    "hidden units": lambda: make_pipeline(StandardScaler(), classifier(), LogisticRegression()),
}
REGRESSORS = {
    "pipeline": lambda: make_pipeline(StandardScaler(), regressor()),
    "transformed target": lambda: TransformedTargetRegressor(regressor(), transformer=StandardScaler()),
    "stacking": lambda: StackingRegressor([("mlp", regressor()), ("linear", Ridge())], cv=3),
    "voting": lambda: VotingRegressor([("a", regressor()), ("b", regressor(random_state=1))]),
    "bagging": lambda: BaggingRegressor(regressor(), n_estimators=3, random_state=0),
    "adaboost": lambda: AdaBoostRegressor(regressor(), n_estimators=3, random_state=0),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name):
    model = CLASSIFIERS[name]().fit(IRIS[:100], NAMES[:100])
    assert model.score(IRIS[100:], NAMES[100:]) > 0.9
    assert model.predict(IRIS).dtype == NAMES.dtype


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name):
    model = REGRESSORS[name]().fit(DIABETES[:300], PROGRESSION[:300])
    assert model.score(DIABETES[300:], PROGRESSION[300:]) > 0.35


def test_several_outputs_by_several_networks():
    both = np.column_stack([PROGRESSION, -PROGRESSION])
    assert MultiOutputRegressor(regressor()).fit(DIABETES, both).score(DIABETES, both) > 0.4


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_in_processes_and_threads(backend):
    with joblib.parallel_backend(backend, n_jobs=2):
        search = GridSearchCV(classifier(max_iter=20),
                              {"hidden_layer_sizes": [(4,), (32,)], "activation": ["tanh", ["silu"]],
                               "optimizer": [None, SGD(0.05, momentum=0.9)]}, cv=3)
        search.fit(IRIS, NAMES)
    alone = GridSearchCV(search.estimator, search.param_grid, cv=3).fit(IRIS, NAMES)
    assert (search.cv_results_["mean_test_score"] == alone.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.85


def test_cross_validation():
    assert cross_val_score(classifier(), IRIS, NAMES, cv=3).mean() > 0.9
    p = cross_val_predict(classifier(), IRIS, NAMES, cv=3, method="predict_log_proba")
    assert p.shape == (150, 3) and (p <= 0).all()


def test_fits_in_threads_at_once():
    models = [regressor(random_state=i) for i in range(4)]
    threads = [threading.Thread(target=m.fit, args=(DIABETES, PROGRESSION)) for m in models]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, m in enumerate(models):
        assert (m.predict(DIABETES) == regressor(random_state=i).fit(DIABETES, PROGRESSION).predict(DIABETES)).all()


def test_data_frames():
    frame = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    model = classifier().fit(frame, pd.Series(NAMES, dtype="category"))
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    assert (model.predict(frame) == classifier().fit(IRIS, NAMES).predict(IRIS)).all()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict_proba(IRIS)
    hidden = model.set_output(transform="pandas").transform(frame)
    assert list(hidden.columns) == [f"mlpclassifier{i}" for i in range(16)] and len(hidden) == 150


# ---- copies and files


def copies(model, tmp_path):
    joblib.dump(model, tmp_path / "model.joblib")
    yield pickle.loads(pickle.dumps(model))
    yield copy.copy(model)
    yield copy.deepcopy(model)
    yield joblib.load(tmp_path / "model.joblib")
    yield joblib.load(tmp_path / "model.joblib", mmap_mode="r")


USES = {classifier: "predict_proba", regressor: "predict", coder: "transform"}


@pytest.mark.parametrize("make, X, y", [(classifier, IRIS, NAMES), (regressor, DIABETES, PROGRESSION),
                                        (coder, DIABETES, None)],
                         ids=["classifier", "regressor", "autoencoder"])
def test_copies_go_on_to_the_bit(make, X, y, tmp_path):
    model = make(max_iter=5, batch_size=32, dropout=0.1).fit(X, y)
    outputs = getattr(model, USES[make])(X)
    twins = list(copies(model, tmp_path))
    model.partial_fit(X, y)
    for twin in twins:
        assert (getattr(twin, USES[make])(X) == outputs).all()
        twin.partial_fit(X, y)
        assert all((a == b).all() for a, b in zip(twin.coefs_, model.coefs_))
    fresh = clone(model)
    assert not hasattr(fresh, "coefs_") and fresh.get_params() == model.get_params()


def test_state_is_arrays_and_builtins():
    known = (np.ndarray, np.generic, int, float, str, bool, type(None), np.random.RandomState)

    def look(value, where):
        if isinstance(value, dict):
            for k, v in value.items():
                look(v, f"{where}[{k!r}]")
        elif isinstance(value, (list, tuple)):
            for v in value:
                look(v, where)
        else:
            assert isinstance(value, known), (where, type(value))

    for model in (classifier().fit(IRIS, NAMES), regressor(solver="sgd").fit(DIABETES, PROGRESSION),
                  coder().fit(DIABETES)):
        look(model.__getstate__(), "state")
        assert model.__getstate__()["_format"] == 1


def test_the_file_of_an_autoencoder():
    model, kept = pickle.loads((FILES / "autoencoder_1.pickle").read_bytes()), np.load(FILES / "autoencoder_1.npz")
    np.testing.assert_allclose(model.transform(kept["X"]), kept["predicted"], rtol=1e-12)
    np.testing.assert_allclose(model.partial_fit(kept["X"]).coefs_[0], kept["coefs_after"], rtol=1e-12)


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_a_file_of_format_1(name):
    """Made by tests/files/make.py when the format was; what it predicts was written beside it."""
    model = pickle.loads((FILES / f"{name}_1.pickle").read_bytes())
    kept = np.load(FILES / f"{name}_1.npz")
    np.testing.assert_allclose(model.predict(kept["X"]) == kept["predicted"] if name == "classifier"
                               else model.predict(kept["X"]),
                               True if name == "classifier" else kept["predicted"], rtol=1e-12)
    np.testing.assert_allclose(model.partial_fit(kept["X"], kept["y"]).coefs_[0], kept["coefs_after"], rtol=1e-12)


def test_a_file_of_a_later_format_is_refused():
    state = regressor().fit(DIABETES, PROGRESSION).__getstate__()
    with pytest.raises(ValueError, match="saved by a later fastmlp.*formats up to 1"):
        MLPRegressor().__setstate__({**state, "_format": 2})


def test_skops(tmp_path):
    skops = pytest.importorskip("skops.io")
    model = classifier().fit(IRIS, NAMES)
    skops.dump(model, tmp_path / "model.skops")
    unknown = skops.get_untrusted_types(file=tmp_path / "model.skops")
    assert unknown == ["fastmlp.estimators._classifier.MLPClassifier"]
    again = skops.load(tmp_path / "model.skops", trusted=unknown)
    assert (again.predict_proba(IRIS) == model.predict_proba(IRIS)).all()
    assert (again.partial_fit(IRIS, NAMES).coefs_[0] == model.partial_fit(IRIS, NAMES).coefs_[0]).all()


def test_parameters_can_change_after_fit():
    model = classifier(warm_start=True, max_iter=3).fit(IRIS, NAMES)
    before = model.loss_
    model.set_params(max_iter=20, solver="sgd", learning_rate_init=0.05, batch_size=50).fit(IRIS, NAMES)
    assert model.loss_ < before and model.n_iter_ == 20


@pytest.mark.parametrize("first, then, rate", [
    ({"learning_rate_init": 0.01}, {"learning_rate_init": 0.5}, 0.5),
    ({"learning_rate_init": 0.01}, {"solver": "sgd", "learning_rate_init": 0.2}, 0.2),
    ({"optimizer": SGD(0.5)}, {"optimizer": None}, 0.02), ({"optimizer": SGD(0.5)}, {"optimizer": SGD(0.25)}, 0.25),
    ({"learning_rate": lambda epoch: 0.5}, {"learning_rate": "constant"}, 0.02),
    ({"solver": "sgd", "learning_rate": "invscaling"}, {"learning_rate": "constant"}, 0.02),
    ({}, {"alpha": 0.1}, 0.02)], ids=str)
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_a_rate_that_is_set_anew_counts(first, then, rate, how):
    seen = []
    model = classifier(warm_start=True, max_iter=3, callbacks=[lambda net, epoch, logs: seen.append(logs["lr"])],
                       **first).fit(IRIS, NAMES)
    del seen[:]
    getattr(model.set_params(**then), how)(IRIS, NAMES)
    assert seen[0] == rate


def test_a_rate_that_fell_stays_so():
    """Unless it is set anew, in a copy too."""
    model = classifier(solver="sgd", learning_rate="adaptive", tol=10.0, n_iter_no_change=2, warm_start=True,
                       max_iter=10).fit(IRIS, NAMES)
    rate = model._optimizer.learning_rate
    assert rate < 0.02
    seen = []
    again = pickle.loads(pickle.dumps(model)).set_params(callbacks=[lambda net, epoch, logs: seen.append(logs["lr"])])
    again.fit(IRIS, NAMES)
    assert seen[0] == rate


@pytest.mark.parametrize("first, options, then", [({}, {"validation_data": (IRIS, NAMES)}, {}),
                                                  ({"early_stopping": True}, {}, {"early_stopping": False}),
                                                  ({"monitor": "score"}, {}, {"monitor": None}),
                                                  ({"solver": "lbfgs"}, {}, {"solver": "adam"})], ids=str)
def test_what_is_watched_can_change(first, options, then):
    model = classifier(warm_start=True, max_iter=4, **first).fit(IRIS, NAMES, **options)
    model.set_params(**then).fit(IRIS, NAMES).partial_fit(IRIS, NAMES)
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.validation_scores_ is model.best_validation_score_ is None
    model.set_params(monitor="score").fit(IRIS, NAMES)
    assert len(model.validation_scores_) == 4 and model.best_loss_ is None


def test_a_loss_that_is_set_anew_counts_from_the_next_fit():
    model = regressor(warm_start=True).fit(DIABETES, np.exp(PROGRESSION))
    before = model.predict(DIABETES)
    assert (model.set_params(loss="poisson").predict(DIABETES) == before).all() and model.out_activation_ == "identity"
    model.fit(DIABETES, np.exp(PROGRESSION))
    assert model.out_activation_ == "exp" and (model.predict(DIABETES) > 0).all()


# ---- scikit-learn's callbacks


def test_its_callbacks():
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring="neg_mean_squared_error")
    model = regressor(max_iter=6).set_callbacks(monitor).fit(DIABETES, PROGRESSION)
    log = monitor.get_logs()[-1] if isinstance(monitor.get_logs(), list) else monitor.get_logs()
    scores = [row["neg_mean_squared_error"] for row in log.data if row["task_name"] == "epoch"]
    twin = regressor(max_iter=1, warm_start=True)
    for score in scores:
        twin.fit(DIABETES, PROGRESSION)
        assert -np.mean((twin.predict(DIABETES) - PROGRESSION) ** 2) == pytest.approx(score, rel=1e-9)
        break  # the order of later epochs is drawn from the epochs before
    assert len(scores) == model.n_iter_ == 6 and scores == sorted(scores)
    lbfgs = regressor(solver="lbfgs", max_iter=5).set_callbacks(monitor).fit(DIABETES, PROGRESSION)
    assert lbfgs.n_iter_ == 5


class Stop:
    """After the second task of its kind that ends."""

    def __init__(self):
        self.ended = 0

    def setup(self, estimator, context):
        self.is_set_up = True

    def teardown(self, estimator, context):
        self.is_set_up = False

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        assert fitted_estimator.predict(DIABETES).shape == (442,)
        self.ended += 1
        return self.ended == 2


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_of_its_kind_stops_a_fit(solver):
    pytest.importorskip("sklearn.callback")
    stop = Stop()
    model = regressor(solver=solver, max_iter=30).set_callbacks(stop).fit(DIABETES, PROGRESSION)
    assert model.n_iter_ == 2 and stop.is_set_up is False
    assert not hasattr(pickle.loads(pickle.dumps(model)), "_callback_fit_ctx")


# ---- imports


def run(code):
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)


def test_importing_fastmlp_imports_no_scikit_learn():
    done = run("import sys, fastmlp; assert 'sklearn' not in sys.modules; "
               "fastmlp.MLPClassifier; assert 'sklearn' in sys.modules")
    assert done.returncode == 0, done.stderr


def test_without_scikit_learn():
    done = run("import sys; sys.modules['sklearn'] = None\nimport fastmlp\ntry: fastmlp.MLPRegressor\n"
               "except ImportError as e: print(e)\n"
               "try: fastmlp.MLPTransformer\nexcept AttributeError as e: print(e)")
    assert done.stdout.splitlines() == ['MLPRegressor needs scikit-learn: pip install "fastmlp[sklearn]"',
                                        "module 'fastmlp' has no attribute 'MLPTransformer'"], done.stderr
