"""The estimators beyond scikit-learn's: what differs on purpose (docs/differences.md), and what is new."""
import copy
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network
from scipy.optimize import approx_fprime
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.metrics import get_scorer, log_loss
from sklearn.preprocessing import scale

from fastmlp import (
    MLP,
    SGD,
    Adam,
    AdamW,
    DivergenceWarning,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    _core,
    activations,
    schedules,
)

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

RNG = np.random.default_rng(0)
IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = scale(IRIS)
X = RNG.standard_normal((60, 5))
Y = np.column_stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2], X[:, 3] ** 2])
y = Y[:, 0] + Y[:, 1]
BOTH = [(MLPClassifier, IRIS, SPECIES), (MLPRegressor, X, y)]
both = pytest.mark.parametrize("Estimator, X, y", BOTH, ids=["classifier", "regressor"])


def weights(model):
    return [np.array(a) for a in (*model.coefs_, *model.intercepts_)]


def packed(arrays):
    return np.concatenate([a.ravel() for a in arrays])


# ---- where scikit-learn is wrong


@pytest.mark.parametrize("sample_weight", [None, RNG.uniform(0, 2, 60)], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_lbfgs_descends_on_the_loss_it_reports(outputs, sample_weight):
    targets = Y[:, :outputs]
    model = MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", solver="lbfgs", alpha=0.7, max_iter=3,
                         random_state=0)
    model.fit(X, targets, sample_weight)
    at = packed(weights(model)) + 0.1 * RNG.standard_normal(packed(weights(model)).size)
    loss, gradient = model._loss_grad_lbfgs(at, X, targets, sample_weight)
    numeric = approx_fprime(at, lambda p: model._loss_grad_lbfgs(p, X, targets, sample_weight)[0], 1e-7)
    np.testing.assert_allclose(gradient, numeric, atol=1e-6)
    w = np.ones(60) if sample_weight is None else sample_weight
    model.coefs_ = [at[:30].reshape(5, 6), at[30:30 + 6 * outputs].reshape(6, outputs)]
    model.intercepts_ = [at[30 + 6 * outputs:36 + 6 * outputs], at[36 + 6 * outputs:]]
    error = (model.predict(X).reshape(60, -1) - targets) ** 2
    penalty = 0.35 * sum((W**2).sum() for W in model.coefs_) / w.sum()
    assert loss == pytest.approx(0.5 * np.average(error, axis=0, weights=w).mean() + penalty, rel=1e-12)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@both
def test_a_weight_of_two_is_the_row_twice(Estimator, X, y, solver):
    w = RNG.integers(0, 4, len(X))
    weighted, repeated = (Estimator(solver=solver, max_iter=10, batch_size=w.sum(), alpha=0.3, random_state=0,
                                    hidden_layer_sizes=(8,))
                          for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weighted.fit(X, y, w)
        repeated.fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(packed(weights(weighted)), packed(weights(repeated)), rtol=1e-6, atol=1e-8)


def test_weights_count_in_batches_of_one_row():
    w = np.where(np.arange(60) < 30, 1.0, 0.01)
    a, b = (MLPRegressor(batch_size=1, max_iter=30, random_state=0,
                         solver="sgd").fit(X, np.where(np.arange(60) < 30, 1.0, -1.0), v)
            for v in (w, w[::-1]))
    assert a.predict(X).mean() > 0.3 and b.predict(X).mean() < -0.3


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_batch_without_weight_is_no_step(solver):
    """Weights that are 3 in one batch of three, mean 1, give steps of 3 times the loss of that batch alone."""
    three = {"sgd": {"learning_rate_init": 3e-3}, "adam": {"epsilon": 1e-8 / 3}}[solver]
    model, alone = (MLPRegressor(solver=solver, batch_size=20, shuffle=False, max_iter=5, random_state=0, alpha=0.1)
                    for _ in range(2))
    model.fit(X, y, np.repeat([0.0, 1.0, 0.0], 20))
    alone.set_params(**three).fit(X[20:40], y[20:40])
    np.testing.assert_allclose(packed(weights(model)), packed(weights(alone)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.loss_curve_, alone.loss_curve_, rtol=1e-9)


def test_negative_weights_are_refused():
    with pytest.raises(ValueError, match="sample_weight must be at least 0.*got -1"):
        MLPRegressor().fit(X, y, -np.ones(60))


@pytest.mark.parametrize("parameters", [{"early_stopping": True}, {"restore_best": True}])
def test_a_diverging_fit_ends_and_keeps_the_best(parameters):
    model = MLPRegressor(activation="identity", solver="sgd", learning_rate_init=30.0, max_iter=500, random_state=0,
                         **parameters)
    with pytest.warns(DivergenceWarning, match="not finite"):
        model.fit(X, y)
    assert model.n_iter_ < 500 and np.isnan(model.loss_) and np.isfinite(packed(weights(model))).all()


def test_a_diverging_fit_without_a_best_is_an_error():
    model = MLPRegressor(activation="identity", solver="sgd", learning_rate_init=30.0, max_iter=500, random_state=0)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        model.fit(X, y)
    assert model.n_iter_ < 500 and np.isfinite(packed(weights(model))).all()


@pytest.mark.parametrize("parameters", [{"solver": "adam"}, {"solver": "sgd"},
                                        {"solver": "sgd", "learning_rate": "invscaling"},
                                        {"optimizer": AdamW(0.01)}])
@both
def test_warm_start_keeps_the_optimisers_state(Estimator, X, y, parameters):
    whole = Estimator(max_iter=10, shuffle=False, random_state=0, batch_size=32, **parameters).fit(X, y)
    parts = Estimator(max_iter=5, shuffle=False, random_state=0, batch_size=32, warm_start=True, **parameters).fit(X, y)
    parts = pickle.loads(pickle.dumps(parts)).fit(X, y)
    assert packed(weights(parts)).tobytes() == packed(weights(whole)).tobytes()
    assert parts.loss_curve_ == whole.loss_curve_ and parts.t_ == whole.t_ and parts.n_iter_ == 5


def test_partial_fit_follows_classes_with_warm_start_too():
    model = MLPClassifier(warm_start=True, random_state=0)
    model.partial_fit(IRIS[:50], SPECIES[:50], classes=[0, 1, 2])
    model.partial_fit(IRIS[50:100], SPECIES[50:100])
    assert model.predict_proba(IRIS).shape == (150, 3)
    with pytest.raises(ValueError, match="classes not in"):
        model.partial_fit(IRIS, SPECIES + 1)


def test_an_int_seed_does_not_replay_one_shuffle():
    """Two partial_fits see two orders: with one row a batch the second of two equal calls takes another way."""
    seen = []
    model = MLPRegressor(batch_size=1, random_state=0, callbacks=[lambda net, epoch, logs: seen.append(logs["loss"])])
    model.partial_fit(X, y)
    start = copy.deepcopy(model)
    orders = set()
    for _ in range(3):
        orders.add(tuple(model._random_state.permutation(60)))
        model.partial_fit(X, y)
    assert len(orders) == 3 and len(seen) == 4 and start._random_state is not model._random_state


def test_log_probabilities_are_exact():
    model = MLPClassifier(max_iter=2, random_state=0).fit(IRIS, SPECIES)
    for W in model.coefs_:
        W *= 60
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logs = model.predict_log_proba(IRIS)
    assert logs.min() < -745 and np.isfinite(logs).all()  # where exp gives 0
    np.testing.assert_allclose(np.exp(logs), model.predict_proba(IRIS), rtol=1e-12, atol=1e-300)
    two = MLPClassifier(max_iter=2, random_state=0).fit(IRIS[:100], SPECIES[:100])
    two.coefs_[1] *= 1e5
    assert np.isfinite(two.predict_log_proba(IRIS)).all() and two.predict_log_proba(IRIS).min() < -745


@both
def test_a_refit_changes_no_array_that_was_handed_out(Estimator, X, y):
    model = Estimator(max_iter=3, random_state=0, warm_start=True).fit(X, y)
    for again in ("fit", "partial_fit", "fresh fit"):
        model.set_params(warm_start=again != "fresh fit")
        held, before = [*model.coefs_, *model.intercepts_], weights(model)
        (model.partial_fit if again == "partial_fit" else model.fit)(X, y)
        assert all((a == b).all() for a, b in zip(held, before))
        assert not (model.coefs_[0] == before[0]).all()


# ---- what is new


@both
def test_float32_in_float32_and_float64(Estimator, X, y):
    for given, asked, got in (("f8", None, "f8"), ("f4", None, "f4"), ("f8", "float32", "f4"), ("f4", "float64", "f8")):
        model = Estimator(max_iter=2, dtype=asked).fit(X.astype(given), y)
        assert {a.dtype for a in weights(model)} == {np.dtype(got)}
        assert (model.predict_proba if Estimator is MLPClassifier else model.predict)(X).dtype == got


@both
def test_the_same_bits_for_any_number_of_threads(Estimator, X, y):
    fits = [Estimator(max_iter=4, random_state=0, n_threads=n, dropout=0.2).fit(X, y) for n in (None, 1, 2, 3)]
    assert len({packed(weights(m)).tobytes() for m in fits}) == 1


def test_class_weight():
    counts = np.bincount(SPECIES[:110])
    balanced = MLPClassifier(class_weight="balanced", max_iter=5, random_state=0).fit(IRIS[:110], SPECIES[:110])
    by_hand = MLPClassifier(class_weight={c: 110 / (3 * n) for c, n in enumerate(counts)}, max_iter=5, random_state=0)
    by_weight = MLPClassifier(max_iter=5, random_state=0)
    by_hand.fit(IRIS[:110], SPECIES[:110])
    by_weight.fit(IRIS[:110], SPECIES[:110], (110 / (3 * counts))[SPECIES[:110]])
    first, *others = (packed(weights(model)).tobytes() for model in (balanced, by_hand, by_weight))
    assert others == [first, first]


@pytest.mark.parametrize("monitor", ["loss", "score"])
def test_class_weight_counts_in_what_is_watched(monitor):
    """Whether rows are held out or given."""
    heavy = {0: 50.0, 1: 1.0, 2: 2.0}
    watched = MLPClassifier(class_weight=heavy, max_iter=5, random_state=0, monitor=monitor)
    watched.fit(IRIS, SPECIES, validation_data=(IRIS, SPECIES))
    weighted = MLPClassifier(class_weight=heavy, max_iter=5, random_state=0, monitor=monitor)
    weighted.fit(IRIS, SPECIES, validation_data=(IRIS, SPECIES, np.ones(150)))
    by_hand = MLPClassifier(max_iter=5, random_state=0, monitor=monitor)
    w = np.array([50.0, 1.0, 2.0])[SPECIES]
    by_hand.fit(IRIS, SPECIES, w, validation_data=(IRIS, SPECIES, w))
    assert watched.validation_scores_ == weighted.validation_scores_ == by_hand.validation_scores_


def test_class_weight_of_parts():
    few, w = SPECIES < 2, np.array([1.0, 3.0, 7.0])[SPECIES]
    by_class = MLPClassifier(class_weight={1: 3.0, 2: 7.0},
                             random_state=0).partial_fit(IRIS[few], SPECIES[few], classes=[0, 1, 2])
    by_hand = MLPClassifier(random_state=0).partial_fit(IRIS[few], SPECIES[few], w[few], classes=[0, 1, 2])
    assert (by_class.coefs_[0] == by_hand.coefs_[0]).all()
    with pytest.raises(ValueError, match="are not in class_weight"):
        MLPClassifier(class_weight={1: 3.0, 9: 7.0}).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="class_weight must be a dict or None for partial_fit.*'balanced'"):
        MLPClassifier(class_weight="balanced").partial_fit(IRIS, SPECIES, classes=[0, 1, 2])


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
def test_sparse_targets(form):
    several = np.stack([SPECIES == 0, SPECIES > 0], axis=1) * 1
    how = {"max_iter": 5, "random_state": 0, "early_stopping": True}
    theirs = sklearn.neural_network.MLPClassifier(max_iter=5, random_state=0).fit(IRIS, form(several)).predict(IRIS)
    ours = MLPClassifier(max_iter=5, random_state=0).fit(IRIS, form(several)).predict(IRIS)
    assert type(ours) is type(theirs) and (ours.toarray() == theirs.toarray()).all()
    for Estimator in (MLPClassifier, MLPRegressor):
        dense, sparse = (Estimator(**how).fit(IRIS, of(several)) for of in (np.asarray, form))
        assert (dense.coefs_[0] == sparse.coefs_[0]).all() and dense.validation_scores_ == sparse.validation_scores_


def test_threads_of_all_that_computes(monkeypatch):
    """n_threads counts in each method, as it is at the time."""
    asked, team = [], _core.borrow_team
    A, b = np.tile(X, (50, 1)), np.tile(y, 50)     # more than what one thread predicts by itself
    monkeypatch.setattr(_core, "borrow_team", lambda n, auto=False: asked.append((n, auto)) or team(n, auto))
    model = MLPRegressor(max_iter=2, n_threads=1).fit(A, b)
    coder = MLPAutoencoder((100, 3), max_iter=2, n_threads=1).fit(A)
    for n in (1, 2):
        model.set_params(n_threads=n), coder.set_params(n_threads=n)
        calls = {"predict": lambda: model.predict(A), "transform": lambda: model.transform(A),
                 "input_gradient": lambda: model.input_gradient(A),
                 "score": lambda: coder.score(A), "there": lambda: coder.transform(A),
                 "back": lambda: coder.inverse_transform(coder.transform(A)),
                 "loss": lambda: model.input_gradient(A, b), "fit": lambda: model.fit(A, b)}
        for name, call in calls.items():
            asked.clear()
            call()
            assert asked and set(asked) == {(n, False)}, name


@pytest.mark.parametrize("activation", [*activations(), "logistic", [("elu", 0.5), "tanh"], ("silu", "mish")], ids=str)
def test_activations(activation):
    model = MLPRegressor(hidden_layer_sizes=(6, 4), activation=activation, max_iter=3, random_state=0).fit(X, y)
    names = [activation] * 2 if isinstance(activation, str) else list(activation)
    names = ["sigmoid" if a == "logistic" else a for a in names]
    from fastmlp import Dense

    net = MLP([5, Dense(6, names[0], init=model.coefs_[0], bias_init=model.intercepts_[0]),
               Dense(4, names[1], init=model.coefs_[1], bias_init=model.intercepts_[1]),
               Dense(1, init=model.coefs_[2], bias_init=model.intercepts_[2])], dtype="float64")
    assert (net.predict(X).ravel() == model.predict(X)).all()
    for layer in (0, 1, -1, -2):
        np.testing.assert_allclose(model.transform(X, layer), net.forward(X).x[1 + layer % 2], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("loss, value", [
    ("absolute_error", lambda r: np.abs(r)), ("huber", lambda r: np.where(np.abs(r) < 1, r * r / 2, np.abs(r) - 0.5)),
    (("huber", 0.3), lambda r: np.where(np.abs(r) < 0.3, r * r / 2, 0.3 * (np.abs(r) - 0.15))),
    ("quantile", lambda r: np.abs(r) / 2), (("quantile", 0.9), lambda r: np.maximum(0.9 * r, -0.1 * r))], ids=str)
def test_losses_of_regression(loss, value):
    model = MLPRegressor(loss, max_iter=1, batch_size=60, random_state=0, alpha=0.0, warm_start=True).fit(X, Y)
    expected = value(Y - model.predict(X)).sum(axis=1).mean()
    assert model.fit(X, Y).loss_ == pytest.approx(expected, rel=1e-12)


def test_label_smoothing():
    for labels in (SPECIES, SPECIES == 1, make_multilabel_classification(150, 4, random_state=0)[1]):
        model = MLPClassifier(label_smoothing=0.2, max_iter=1, batch_size=150, alpha=0.0, random_state=0,
                              warm_start=True)
        model.fit(IRIS, labels)
        p = model.predict_proba(IRIS)
        if labels.ndim == 2:
            target = labels * 0.8 + 0.1
            expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(axis=1).mean()
        else:
            target = (labels[:, None] == model.classes_) * 0.8 + 0.2 / p.shape[1]
            expected = -(target * np.log(p)).sum(axis=1).mean()
        assert model.fit(IRIS, labels).loss_ == pytest.approx(expected, rel=1e-10)


def test_an_optimiser_and_a_schedule():
    spec = MLPRegressor(optimizer=SGD(0.02, momentum=0.8), max_iter=6, random_state=0,
                        hidden_layer_sizes=(7,)).fit(X, y)
    stock = MLPRegressor(solver="sgd", learning_rate_init=0.02, momentum=0.8, nesterovs_momentum=False, max_iter=6,
                         random_state=0, hidden_layer_sizes=(7,)).fit(X, y)
    assert packed(weights(spec)).tobytes() == packed(weights(stock)).tobytes()
    rates = []
    look = [lambda net, epoch, logs: rates.append(logs["lr"])]
    MLPRegressor(learning_rate=schedules.Step(0.1, 2), max_iter=4, callbacks=look).fit(X, y)
    MLPRegressor(optimizer=Adam(lambda epoch: 0.1 / (1 + epoch)), max_iter=4, callbacks=look).fit(X, y)
    assert rates == pytest.approx([*(schedules.Step(0.1, 2)(e) for e in range(4)), 0.1, 0.05, 0.1 / 3, 0.025])
    assert MLPRegressor(solver="lbfgs", optimizer=SGD(0.01), max_iter=2).fit(X, y).loss_curve_


def test_l1_and_clipping():
    plain, sparse = (MLPRegressor(max_iter=1, batch_size=60, alpha=0.0, random_state=0, l1=l1).fit(X, y)
                     for l1 in (0.0, 3.0))
    start = MLPRegressor(optimizer=SGD(1e-300), max_iter=1, random_state=0, alpha=0.0).fit(X, y)
    assert sparse.loss_ - plain.loss_ == pytest.approx(3.0 * sum(np.abs(W).sum() for W in start.coefs_) / 60, rel=1e-12)
    clipped = MLPRegressor(solver="sgd", momentum=0.0, learning_rate_init=0.1, gradient_clip=1e-3, max_iter=1,
                           batch_size=60, random_state=0, alpha=0.0).fit(X, y)
    assert np.linalg.norm(packed(weights(clipped)) - packed(weights(start))) == pytest.approx(1e-4, rel=1e-9)


# ---- watching and ending


def test_validation_data():
    train, held = slice(0, 100), slice(100, 150)
    order = np.random.default_rng(1).permutation(150)
    A, b = IRIS[order], SPECIES[order]
    model = MLPClassifier(max_iter=40, random_state=0, n_iter_no_change=5)
    model.fit(A[train], b[train], validation_data=(A[held], b[held]))
    assert len(model.validation_scores_) == model.n_iter_ and model.best_loss_ is None
    assert model.score(A[held], b[held]) == model.best_validation_score_ == max(model.validation_scores_)
    for wrong, message in ((A, "validation_data must be"), ((A, b, None, None), "got a tuple of 4"),
                           ((A[:, :2], b), "features")):
        with pytest.raises(ValueError, match=message):
            model.fit(A[train], b[train], validation_data=wrong)


@pytest.mark.parametrize("monitor", ["loss", "score", "neg_log_loss", "balanced_accuracy", get_scorer("neg_log_loss")],
                         ids=str)
def test_monitor(monitor):
    model = MLPClassifier(max_iter=15, random_state=0, monitor=monitor, alpha=0.0)
    model.fit(IRIS[::2], SPECIES[::2], validation_data=(IRIS[1::2], SPECIES[1::2]))
    expected = {"loss": lambda: -log_loss(SPECIES[1::2], model.predict_proba(IRIS[1::2])),
                "score": lambda: model.score(IRIS[1::2], SPECIES[1::2])}.get(monitor)
    expected = expected() if expected else get_scorer(monitor)(model, IRIS[1::2], SPECIES[1::2])
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("how", ["patience", "max_iter", "Ctrl-C", "time", "callback"])
def test_the_best_weights_come_back(how):
    """However training ended. The rate grows, so that the best epoch is not the last."""

    def end(net, epoch, logs):
        if epoch == 8 and how == "Ctrl-C":
            raise KeyboardInterrupt
        return epoch == 8 and how == "callback"

    model = MLPRegressor(solver="sgd", learning_rate=lambda epoch: 1e-3 * 2.0**epoch, momentum=0.0, batch_size=60,
                         shuffle=False, max_iter=9, n_iter_no_change=3 if how == "patience" else 100,
                         restore_best=True, random_state=0, alpha=0.0, callbacks=[end],
                         max_time=1e-9 if how == "time" else None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert any("interrupted" in str(w.message) for w in caught) == (how == "Ctrl-C")
    best = int(np.argmin(model.loss_curve_))
    again = MLPRegressor(solver="sgd", learning_rate=lambda epoch: 1e-3 * 2.0**epoch, momentum=0.0, batch_size=60,
                         shuffle=False, max_iter=best + 1, random_state=0, alpha=0.0).fit(X, y)
    assert packed(weights(model)).tobytes() == packed(weights(again)).tobytes()


def test_callbacks_see_the_network():
    seen = []
    model = MLPRegressor(max_iter=5, random_state=0, early_stopping=True, monitor="loss",
                         callbacks=[lambda net, epoch, logs: seen.append((epoch, net.n_params, dict(logs)))]).fit(X, y)
    assert [epoch for epoch, _, _ in seen] == [1, 2, 3, 4, 5] and {n for _, n, _ in seen} == {5 * 100 + 100 + 100 + 1}
    assert [logs["loss"] for _, _, logs in seen] == model.loss_curve_
    assert [logs["val_score"] for _, _, logs in seen] == model.validation_scores_


# ---- data and state


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.csr_matrix])
@both
def test_sparse_rows(Estimator, X, y, form):
    Z = np.where(np.abs(X) > 0.5, X, 0.0)
    dense, sparse = (Estimator(max_iter=4, random_state=0, early_stopping=True).fit(z, y) for z in (Z, form(Z)))
    assert packed(weights(dense)).tobytes() == packed(weights(sparse)).tobytes()
    assert (dense.predict(Z) == sparse.predict(form(Z))).all()
    assert (dense.transform(Z) == dense.transform(form(Z))).all()


@both
def test_weights_can_be_written(Estimator, X, y):
    model = Estimator(max_iter=3, random_state=0).fit(X, y)
    other = Estimator(max_iter=3, random_state=1).fit(X, y)
    for mine, theirs in zip([*model.coefs_, *model.intercepts_], weights(other)):
        mine[...] = theirs  # into the views
    assert (model.predict(X[:9]) == other.predict(X[:9])).all()
    model.coefs_, model.intercepts_ = ([2 * a for a in arrays] for arrays in (other.coefs_, other.intercepts_))
    other.coefs_[0] *= 2
    other.coefs_[1] *= 2
    for b in other.intercepts_:
        b *= 2
    assert (model.predict(X) == other.predict(X)).all()
    assert (pickle.loads(pickle.dumps(model)).predict(X) == other.predict(X)).all()


@both
def test_a_change_of_activation_after_fit(Estimator, X, y):
    model = Estimator(max_iter=3, random_state=0).fit(X, y)
    before = model.transform(X)
    assert (model.set_params(activation="tanh").transform(X) != before).any()
    assert (model.set_params(activation="relu").transform(X) == before).all()


@pytest.mark.parametrize("wrong, message", [
    ({"activation": ["relu"]}, "activation must be one value or a list of 2.*got \\['relu'\\]"),
    ({"activation": ["relu", "cube"]}, "activation.*cube"),
    ({"dropout": [0.1]}, "dropout must be one value or a list of 2"),
    ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes must be > 0"),
    ({"l1": 0.1, "solver": "lbfgs"}, "l1, dropout and input_noise must be 0"),
    ({"dropout": 0.1, "solver": "lbfgs"}, "l1, dropout and input_noise must be 0"), ({"monitor": "best"}, "best"),
    ({"gradient_clip": 1.0, "monitor": "r2", "solver": "lbfgs"},
     "gradient_clip and monitor must be None for solver='lbfgs'"),
    ({"loss": ("poisson",)}, "loss must be one of"), ({"loss": ()}, "loss must be one of"),
    ({"loss": ("poisson", 1.0)}, "loss must be one of"),
    ({"loss": ("huber", -1.0)}, "loss"), ({"dtype": "float16"}, "dtype"), ({"gradient_clip": 0}, "gradient_clip")],
                         ids=str)
def test_bad_parameters(wrong, message):
    with pytest.raises(ValueError, match=message):
        MLPRegressor(**{"hidden_layer_sizes": (4, 3), "max_iter": 2, **wrong}).fit(X, y)


def test_lbfgs_has_no_partial_fit():
    assert not any(hasattr(Estimator(solver="lbfgs"), "partial_fit") for Estimator in (MLPClassifier, MLPRegressor))


def test_the_reported_loss_is_not_clipped():
    """A row that is wrong by 100 times what its probability can show."""
    model = MLPClassifier((), solver="sgd", learning_rate_init=1e-9, momentum=0.0, alpha=0.0, max_iter=1,
                          random_state=0).fit([[1.0], [-1.0]], [0, 1])
    model.coefs_[0][...], model.intercepts_[0][...] = 4000.0, 0.0
    model.partial_fit([[1.0], [-1.0]], [0, 1])
    assert model.loss_ == pytest.approx(4000.0)


def test_a_refusal_of_lbfgs_changes_nothing():
    model = MLPRegressor(max_iter=2, random_state=0).fit(X, y)
    before = weights(model)
    with pytest.raises(ValueError, match="validation_data must be None for solver='lbfgs'"):
        model.set_params(solver="lbfgs").fit(X, y, validation_data=(X, y))
    assert packed(weights(model)).tobytes() == packed(before).tobytes()


@pytest.mark.parametrize("how", ["callback", "time"])
def test_lbfgs_is_watched(how):
    seen = []
    model = MLPRegressor(solver="lbfgs", max_iter=50, random_state=0, max_time=1e-9 if how == "time" else None,
                         callbacks=[lambda net, epoch, logs: seen.append((epoch, logs["loss"], net.params))
                                    or (how == "callback" and epoch == 4)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    last = 4 if how == "callback" else 1
    assert [epoch for epoch, _, _ in seen] == list(range(1, last + 1)) and model.n_iter_ == last
    assert model.loss_ == seen[-1][1] and np.array_equal(model._net[0].params, seen[-1][2])


def test_another_shape_cannot_go_on():
    model = MLPRegressor(max_iter=2, random_state=0, warm_start=True).fit(X, y)
    before = weights(model)
    with pytest.raises(ValueError, match="must stay as in the first fit"):
        model.set_params(hidden_layer_sizes=(3,)).fit(X, y)
    with pytest.raises(ValueError, match="layer must be one of"):
        model.transform(X, layer=3)
    with pytest.raises(ValueError, match="hidden_layer_sizes has none"):
        MLPRegressor(hidden_layer_sizes=(), max_iter=2).fit(X, y).transform(X)
    assert all((a == b).all() for a, b in zip(weights(model), before))


def test_it_is_the_peer_that_the_tests_compare_with():
    assert sklearn.neural_network.MLPClassifier is not MLPClassifier


def test_labels_that_cannot_be_sorted_are_named():
    """Also where y is a letter of what went wrong: <class 'NoneType'>."""
    with pytest.raises(TypeError, match="^y: "):
        MLPClassifier().fit(np.ones((6, 2)), [None] * 6)
