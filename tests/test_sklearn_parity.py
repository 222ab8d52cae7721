"""The estimators against scikit-learn's, epoch by epoch: the same draws, so the same numbers to rounding."""
import warnings

import numpy as np
import pytest
import sklearn.neural_network as peer
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

import fastmlp

pytestmark = pytest.mark.filterwarnings("ignore")

CLASSIFICATION = {name: getattr(datasets, f"load_{name}") for name in ("iris", "wine", "breast_cancer", "digits")}
REGRESSION = {name: getattr(datasets, f"load_{name}") for name in ("diabetes", "linnerud")}  # one output and three
SOLVERS = {
    "adam": {"solver": "adam"},
    "adam, small batches": {"solver": "adam", "batch_size": 17, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4},
    "adam, without shuffling": {"solver": "adam", "shuffle": False},
    "adam, early stopping": {"solver": "adam", "early_stopping": True, "validation_fraction": 0.2,
                             "n_iter_no_change": 3},
    "sgd, constant": {"solver": "sgd", "learning_rate_init": 0.01},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1, "power_t": 0.25},
    "sgd, adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2},
    "sgd, no momentum": {"solver": "sgd", "momentum": 0.0},
    "sgd, plain momentum": {"solver": "sgd", "nesterovs_momentum": False, "alpha": 0.1},
}
NETWORKS = {"relu": (100,), "tanh": (20, 10), "logistic": (30,), "identity": ()}


@pytest.fixture(autouse=True)
def one_blas_thread():
    """Two spin longer than they work on products this small."""
    with threadpool_limits(1, user_api="blas"):
        yield


def both(kind, **parameters):
    return getattr(peer, kind)(random_state=5, **parameters), getattr(fastmlp, kind)(random_state=5, **parameters)


def table(name):
    """(kind of estimator, standardised X, y)"""
    if name in CLASSIFICATION:
        X, y = CLASSIFICATION[name](return_X_y=True)
        return "MLPClassifier", scale(X), y
    X, y = REGRESSION[name](return_X_y=True)
    return "MLPRegressor", scale(X), scale(y)


def assert_same(theirs, ours, tolerance=1e-11):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(theirs, name), getattr(ours, name), strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(b, a, rtol=0, atol=tolerance)
    for name in ("loss_curve_", "validation_scores_", "loss_", "best_loss_", "best_validation_score_"):
        if theirs.solver == "lbfgs" and name not in vars(theirs):
            continue  # it has only some of them there; ours are held to in test_fitted_attributes.py
        a, b = getattr(theirs, name, None), getattr(ours, name, None)
        assert (a is None) == (b is None), name
        if a is not None:
            np.testing.assert_allclose(b, a, rtol=0, atol=tolerance, err_msg=name)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_",
                 *["_no_improvement_count"] * (theirs.solver != "lbfgs")):
        assert getattr(theirs, name, None) == getattr(ours, name, None), name
    if theirs.solver != "lbfgs":
        assert ours._optimizer.learning_rate == pytest.approx(theirs._optimizer.learning_rate
                                                              if theirs.solver == "sgd" else 0.001)


@pytest.mark.parametrize("activation", NETWORKS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", [*CLASSIFICATION, *REGRESSION])
def test_twenty_epochs(name, solver, activation):
    kind, X, y = table(name)
    theirs, ours = both(kind, max_iter=20, activation=activation, hidden_layer_sizes=NETWORKS[activation],
                        **SOLVERS[solver])
    theirs.fit(X, y)
    ours.fit(X, y)
    assert_same(theirs, ours)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=1e-10)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-12)
    if kind == "MLPClassifier":
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-11)


@pytest.mark.parametrize("activation", NETWORKS)
@pytest.mark.parametrize("name", [*CLASSIFICATION, "diabetes"])  # of several outputs scikit-learn's gradient is another
def test_lbfgs(name, activation):
    kind, X, y = table(name)
    theirs, ours = both(kind, solver="lbfgs", max_iter=10, activation=activation,
                        hidden_layer_sizes=NETWORKS[activation])
    theirs.fit(X, y)
    ours.fit(X, y)
    assert_same(theirs, ours, 1e-8)  # a search along a line amplifies rounding


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_multilabel_poisson_and_weights(solver):
    X, y = datasets.make_multilabel_classification(120, 8, random_state=0)
    theirs, ours = both("MLPClassifier", solver=solver, max_iter=8)
    assert_same(theirs.fit(scale(X), y), ours.fit(scale(X), y), 1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    X, y = scale(X), np.random.default_rng(0).poisson(2.0, 120)
    theirs, ours = both("MLPRegressor", loss="poisson", solver=solver, max_iter=8)
    assert_same(theirs.fit(X, y), ours.fit(X, y), 1e-9)
    # a batch of all rows is the one case in which scikit-learn's weights are those of the loss
    w = np.random.default_rng(1).uniform(0, 3, 120)
    theirs, ours = both("MLPRegressor", solver=solver, max_iter=8, batch_size=120, alpha=0.5)
    assert_same(theirs.fit(X, y, w), ours.fit(X, y, w), 1e-9)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit(solver):
    """The first is the same; the later ones shuffle anew here, so one batch of all rows."""
    kind, X, y = table("iris")
    theirs, ours = both(kind, solver=solver, batch_size=150)
    for _ in range(10):
        theirs.partial_fit(X, y, classes=[0, 1, 2])
        ours.partial_fit(X, y, classes=[0, 1, 2])
    assert_same(theirs, ours)


def test_parameters_and_defaults_are_scikit_learns_and_then_ours():
    for kind in ("MLPClassifier", "MLPRegressor"):
        import inspect

        theirs, ours = (list(inspect.signature(getattr(module, kind)).parameters.values())
                        for module in (peer, fastmlp))
        described = lambda parameters: [(p.name, p.default, p.kind) for p in parameters]
        assert described(ours[:len(theirs)]) == described(theirs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            a, b = both(kind, max_iter=1)
            kind_of = {n for n in vars(a.fit([[0.0], [1.0]], [0, 1])) if n.endswith("_")}
        assert kind_of <= {n for n in vars(b.fit([[0.0], [1.0]], [0, 1])) if n.endswith("_")}


@pytest.mark.parametrize("parameters", [{"max_iter": 3}, {"max_iter": 30, "tol": 10.0, "n_iter_no_change": 2},
                                        {"max_iter": 40, "tol": 10.0, "n_iter_no_change": 2, "solver": "sgd",
                                         "learning_rate": "adaptive"},
                                        {"max_iter": 40, "tol": 10.0, "n_iter_no_change": 2, "early_stopping": True}])
def test_what_is_printed_and_warned(parameters, capsys):
    kind, X, y = table("iris")
    said = []
    for model in both(kind, verbose=True, batch_size=1000, **parameters):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y)
        said.append((capsys.readouterr().out, [(w.category, str(w.message)) for w in caught]))
    assert said[0] == said[1]
    assert (ConvergenceWarning in [c for c, _ in said[0][1]]) == (parameters["max_iter"] == 3)
