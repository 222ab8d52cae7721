"""Every fitted attribute is there after every solver and tells of that fit; and what y may be from fit to fit."""
import warnings

import numpy as np
import pytest
import scipy.sparse

from fastmlp import SGD, CSVLogger, MLPAutoencoder, MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor
from fastmlp.tabular.ensemble import MemberPlan

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4))
Y = X[:, 0] * X[:, 1]
LABELS = np.array(["no", "yes"])[(Y > 0) * 1]
SEVERAL = np.column_stack([Y > 0, X[:, 2] > 0, X[:, 3] < 1]) * 1
SOLVERS = [{"solver": "adam"}, {"solver": "sgd"}, {"solver": "lbfgs"}, {"optimizer": SGD(0.01)},
           {"solver": "adam", "early_stopping": True}, {"solver": "adam", "monitor": "score"}]
NAMES = {"coefs_", "intercepts_", "n_layers_", "n_outputs_", "out_activation_", "n_iter_", "t_", "loss_", "loss_curve_",
         "best_loss_", "validation_scores_", "best_validation_score_", "n_features_in_"}


def check(model, epochs, rows):
    assert {name for name in vars(model) if name.endswith("_") and not name.startswith("_")} - {"classes_"} == NAMES
    assert model.n_iter_ == epochs and len(model.loss_curve_) == epochs
    assert model.loss_ == pytest.approx(model.loss_curve_[-1], rel=1e-12)
    if model.early_stopping and model.solver != "lbfgs" or model.monitor:
        assert model.best_loss_ is None and len(model.validation_scores_) == epochs
        assert model.best_validation_score_ == max(model.validation_scores_)
    else:
        assert model.best_loss_ == min(model.loss_curve_)
        assert model.validation_scores_ is model.best_validation_score_ is None
    assert model.t_ == (0 if model.solver == "lbfgs" else epochs * rows)


@pytest.mark.parametrize("how", SOLVERS, ids=str)
def test_after_every_solver(how):
    check(MLPRegressor("squared_error", (3,), max_iter=6, random_state=0, **how).fit(X, Y), 6,
          36 if "early_stopping" in how else 40)


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("first, then", [(a, b) for a in SOLVERS for b in SOLVERS
                                         if (a.get("solver") == "lbfgs") != (b.get("solver") == "lbfgs")], ids=str)
def test_after_a_change_of_the_solver(first, then, warm):
    before, after = ({"solver": "adam", "optimizer": None, "early_stopping": False, "monitor": None, **how}
                     for how in (first, then))
    model = MLPRegressor("squared_error", (3,), max_iter=4, random_state=0, warm_start=warm, **before).fit(X, Y)
    model.set_params(max_iter=6, **after).fit(X, Y)
    check(model, 6, 36 if model.early_stopping else 40)


# ---- classes


@pytest.mark.parametrize("how", ["fit", "partial_fit", "lbfgs"])
def test_one_class(how):
    model = MLPClassifier((3,), max_iter=3, random_state=0, solver="lbfgs" if how == "lbfgs" else "adam")
    y = np.full(40, "only")
    model.partial_fit(X, y, classes=["only"]) if how == "partial_fit" else model.fit(X, y)
    assert model.predict_proba(X).tolist() == [[1.0]] * 40 and model.predict_log_proba(X).tolist() == [[0.0]] * 40
    assert (model.predict(X) == y).all() and model.score(X, y) == 1.0 and list(model.classes_) == ["only"]


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("how", ["warm", "partial"])
def test_one_label_a_row_and_several_do_not_mix(how, form):
    one, several = (MLPClassifier((3,), max_iter=2, random_state=0, warm_start=how == "warm") for _ in range(2))
    y, many = RNG.integers(0, 3, 40), form(SEVERAL)
    again = "fit" if how == "warm" else "partial_fit"
    one.fit(X, y)
    several.fit(X, many)
    weights = one.coefs_[0].copy(), several.coefs_[0].copy()
    with pytest.raises(ValueError, match="y must be one label a row, as what was fitted, got an indicator matrix"):
        getattr(one, again)(X, many)
    with pytest.raises(ValueError, match="y must be an indicator matrix, .* as what was fitted, got one label a row"):
        getattr(several, again)(X, y)
    assert (weights[0] == one.coefs_[0]).all() and (weights[1] == several.coefs_[0]).all()
    getattr(one, again)(X, y)
    getattr(several, again)(X, many)


def test_logarithms_of_several_labels_warn_of_nothing():
    model = MLPClassifier((), max_iter=1, random_state=0).fit(X, SEVERAL)
    model.coefs_[0][...], model.intercepts_[0][...] = 0.0, [-800.0, 0.0, 800.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.predict_log_proba(X[:1]).tolist() == [[-800.0, np.log(0.5), 0.0]]


# ---- weights on both sides of a split


@pytest.mark.parametrize("make, y", [(MLPRegressor, Y), (MLPClassifier, LABELS), (MLPAutoencoder, None)])
@pytest.mark.parametrize("side", ["held out", "trained on"])
def test_weights_that_are_all_0_on_one_side(make, y, side):
    from sklearn.model_selection import train_test_split

    model = make(early_stopping=True, random_state=np.random.RandomState(3), max_iter=3)
    held = []

    def spy(*args, **options):
        parts = train_test_split(*args, **options)
        held.append(parts[1])
        return parts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastmlp.estimators._watched.train_test_split", spy)
        model.fit(X, y)
    weight = np.isin(np.arange(40), held[0]) == (side == "trained on")
    model.set_params(random_state=np.random.RandomState(3))
    with pytest.raises(ValueError, match="sample_weight must not be all 0 on either side of validation_fraction"):
        model.fit(X, y, sample_weight=weight * 1.0)


# ---- fits that fail


def fail(net, epoch, logs):
    raise ZeroDivisionError


MODELS = {
    "classifier": (lambda **how: MLPClassifier((3,), max_iter=2, random_state=0, **how), LABELS),
    "several labels": (lambda **how: MLPClassifier((3,), max_iter=2, random_state=0, **how), SEVERAL),
    "regressor": (lambda **how: MLPRegressor("squared_error", (3,), max_iter=2, random_state=0, **how), Y),
    "lbfgs": (lambda **how: MLPRegressor("squared_error", (3,), solver="lbfgs", max_iter=2, **how), Y),
    "autoencoder": (lambda **how: MLPAutoencoder((2,), max_iter=2, random_state=0, **how), None),
    "classifier of tables": (lambda **how: TabularClassifier("fast", max_iter=2, random_state=0, **how), LABELS),
    "regressor of tables": (lambda **how: TabularRegressor("fast", max_iter=2, random_state=0, **how), Y),
}
WIDER, OTHERS = RNG.standard_normal((40, 6)), np.array(["some", "more", "of", "them"] * 10)
# what is wrong: parameters, and what fit is given besides WIDER and another y
WRONG = {
    "weights": ({}, {"sample_weight": np.full(40, -1.0)}),
    "validation rows": ({}, {"validation_data": (X, Y)}),
    "a callback": ({"callbacks": [CSVLogger("nowhere/log")]}, {}),
}


def answers(model):
    return model.transform(X) if isinstance(model, MLPAutoencoder) else model.predict(X)


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_that_fails_before_training_leaves_all_as_it_was(name, wrong, fitted):
    make, y = MODELS[name]
    model, (parameters, given) = make(), WRONG[wrong]
    if fitted:
        model.fit(X, y)
        wanted = answers(model)
    model.set_params(**parameters)
    before = dict(vars(model))
    other = None if y is None else OTHERS if hasattr(model, "class_weight") else 10 * Y
    with pytest.raises((ValueError, OSError)):
        model.fit(WIDER, other, **given)
    assert {k: id(v) for k, v in vars(model).items()} == {k: id(v) for k, v in before.items()}
    if fitted:
        assert np.array_equal(answers(model), wanted)


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_that_fails_in_training_leaves_one_fit_not_two(name):
    """That of tables the one before, since its networks come at the end; else what was learned so far."""
    make, y = MODELS[name]
    model = make().fit(X, y)
    model.set_params(callbacks=[fail])
    other = None if y is None else OTHERS if hasattr(model, "class_weight") else 10 * Y
    with pytest.raises(ZeroDivisionError):
        model.fit(WIDER, other)
    rows = X if "tables" in name else WIDER
    assert model.n_features_in_ == rows.shape[1]
    found = model.transform(rows) if y is None else model.predict(rows)
    if hasattr(model, "classes_") and name != "several labels":
        assert set(found) <= set(model.classes_) and set(model.classes_) == set(y if "tables" in name else OTHERS)


def test_a_first_partial_fit_that_fails_is_still_to_come():
    model = MLPClassifier((3,), random_state=0)
    with pytest.raises(ValueError):
        model.partial_fit(X, LABELS, -np.ones(40), classes=["no", "yes"])
    model.partial_fit(X, OTHERS, classes=np.unique(OTHERS))
    assert model.coefs_[-1].shape == (3, 4)


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_that_goes_on_is_one_fit_not_two(name):
    """What callbacks see of the estimator: that of tables is the one before, since its networks come at the end; else
    what is learned so far."""
    make, y = MODELS[name]
    model, seen = make().fit(X, y), []
    before = answers(model)
    rows = X if "tables" in name else WIDER
    look = lambda net, epoch, logs: seen.append(model.transform(rows) if y is None else model.predict(rows))
    model.set_params(callbacks=[look])
    other = None if y is None else OTHERS if hasattr(model, "class_weight") else 1e6 * Y + 5e6
    model.fit(WIDER, other)
    if "tables" in name:
        assert all(np.array_equal(found, before) for found in seen)
    elif hasattr(model, "classes_") and name != "several labels":
        assert all(set(found) <= set(OTHERS) for found in seen)
    assert len(seen) and all(len(found) == len(rows) for found in seen)


@pytest.mark.parametrize("name", ["classifier of tables", "regressor of tables"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_fit_to_a_table_that_ctrl_c_ends_leaves_the_one_before(name, n_threads, monkeypatch):
    make, y = MODELS[name]
    model = make(n_threads=n_threads, n_members=2).fit(X, y)
    before, state = answers(model), dict(vars(model))
    end_epoch, ended = MemberPlan.end_epoch, []

    def interrupted(self, result):
        ended.append(1)
        if len(ended) == 2:
            raise KeyboardInterrupt
        return end_epoch(self, result)

    monkeypatch.setattr(MemberPlan, "end_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(WIDER, OTHERS if "classifier" in name else 1e6 * Y + 5e6)
    assert np.array_equal(answers(model), before) and vars(model) == state
