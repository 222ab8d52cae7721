"""Callbacks on estimators: what is logged of held-out rows, and which way is better. And what is no minimum."""
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import get_scorer, log_loss, make_scorer, mean_squared_error, r2_score
from sklearn.preprocessing import scale

from fastmlp import MLP, Checkpoint, EarlyStopping, MLPAutoencoder, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

CANCER, KIND = load_breast_cancer(return_X_y=True)
CANCER = scale(CANCER)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 4))
COUNTS = RNG.poisson(2.0, 50).astype(float)
PARTS = (CANCER[:300], KIND[:300]), (CANCER[300:], KIND[300:])


def classifier(**how):
    return MLPClassifier((8,), random_state=0, learning_rate_init=0.03, max_iter=60, **how)


@pytest.mark.parametrize("monitor", ["val_loss", "val_score"])
def test_the_best_of_held_out_rows(monitor, tmp_path):
    logged = []
    seen = lambda net, epoch, logs: logged.append((logs[monitor], net.params))
    stopping = EarlyStopping(monitor, 100)
    model = classifier(n_iter_no_change=100, callbacks=[seen, stopping, Checkpoint(tmp_path / "best", monitor)])
    model.fit(*PARTS[0], validation_data=PARTS[1])
    numbers = [number for number, _ in logged]
    best = int(np.argmin(numbers) if monitor == "val_loss" else np.argmax(numbers))
    assert 0 < best < 59 and stopping.best_epoch == best + 1
    assert (MLP.load(tmp_path / "best").params == logged[best][1]).all()


@pytest.mark.parametrize("monitor", [None, "loss", "score", "neg_log_loss"])
def test_both_are_logged(monitor):
    logged = []
    model = classifier(monitor=monitor, n_iter_no_change=100, callbacks=[
        lambda net, epoch, logs: logged.append({**logs, "ours": log_loss(PARTS[1][1], net.predict(PARTS[1][0]))})])
    model.fit(*PARTS[0], validation_data=PARTS[1])
    assert [logs["val_score"] for logs in logged] == model.validation_scores_
    assert [logs["val_loss"] for logs in logged] == pytest.approx([logs["ours"] for logs in logged], rel=1e-12)


@pytest.mark.parametrize("model, X, y", [
    (MLPRegressor(early_stopping=True), X, X[:, :2]), (MLPAutoencoder((2,), early_stopping=True), X, None),
    (classifier(early_stopping=True), CANCER, KIND)], ids=["regressor", "autoencoder", "classifier"])
def test_the_default_callbacks_work(model, X, y, tmp_path):
    logged = []
    model.set_params(max_iter=5, random_state=0, callbacks=[EarlyStopping(), Checkpoint(tmp_path / "best"),
                                                            lambda net, epoch, logs: logged.append(dict(logs))])
    model.fit(X, y)
    assert all(set(logs) == {"loss", "lr", "val_loss", "val_score"} for logs in logged)
    own = model.set_params(monitor="loss", callbacks=None).fit(X, y)
    assert [logs["val_loss"] for logs in logged] == [-score for score in own.validation_scores_]


def test_no_advice_to_do_what_is_done():
    with pytest.raises(ValueError, match="one of loss, lr, val_loss, val_score, got 'val_accuracy'$"):
        classifier(callbacks=[EarlyStopping("val_accuracy")]).fit(*PARTS[0], validation_data=PARTS[1])
    with pytest.raises(ValueError, match="one of loss, lr, got 'val_loss'; val_ names are there where fit is given"):
        classifier(callbacks=[EarlyStopping()]).fit(*PARTS[0])


# ---- the direction is the metric's own, whatever its name


def brier(y, prediction):
    return np.mean((y - prediction) ** 2)


def neg_brier(y, prediction):
    return -brier(y, prediction)


SETS = {"val": PARTS[1], "new": PARTS[1], "val_old": PARTS[1]}
# metrics that fall, or where they are scores rise, as the network learns; what is logged, and whether it rises
LEARNED = {
    "a scorer of an error": ([get_scorer("neg_brier_score")], "val_brier_score_loss", True),
    "a scorer turned round": (make_scorer(mean_squared_error, greater_is_better=False), "val_mean_squared_error", True),
    "a scorer called an error": ({"error": "r2"}, "val_error", True),
    "a scorer called a metric": ({"mse": "neg_mean_squared_error"}, "val_mse", True),
    "a metric called an error": ({"error": "auc"}, "val_error", True),
    "a metric called a score": ({"score": "log_loss"}, "val_score", False),
    "a scorer whose name says nothing": ("matthews_corrcoef", "val_matthews_corrcoef", True),
    "a scorer of a set": ("neg_log_loss", "new_neg_log_loss", True),
    "a function of a set": (neg_brier, "new_neg_brier", True),
    "the loss of a set": ((), "val_old_loss", False),
    "a function by its own name": ({"brier": mean_squared_error}, "val_brier", False),
}


@pytest.mark.parametrize("case", LEARNED)
def test_the_direction_of_metrics(case, tmp_path):
    metrics, name, rises = LEARNED[case]
    net, weights, stopping = MLP([30, 8, 1], loss="binary_cross_entropy", random_state=0), [], EarlyStopping(name, 99)
    history = net.fit(*PARTS[0], "adam", epochs=12, metrics=metrics, validation_data=SETS, callbacks=[
        stopping, Checkpoint(tmp_path / "best", name), lambda net, epoch, logs: weights.append(net.params)])
    best = int(np.argmax(history[name]) if rises else np.argmin(history[name]))
    assert best > 3 and stopping.best_epoch == best + 1 and (net.params == weights[best]).all()
    assert (MLP.load(tmp_path / "best").params == weights[best]).all()


@pytest.mark.parametrize("metrics, name", [(brier, "brier"), ({"error": r2_score}, "error"),
                                           (lambda y, prediction: 0.0, "<lambda>"),
                                           ({"brier_score": brier}, "brier_score"),
                                           ({"mean_interval_score": brier}, "mean_interval_score")])
def test_functions_that_do_not_say_it_or_both_want_a_mode(metrics, name):
    for monitor in (f"val_{name}", f"new_{name}"):
        net = MLP([30, 1], random_state=0)
        with pytest.raises(ValueError, match=f"^mode must be 'min' or 'max' for monitor '{monitor}'"):
            net.fit(*PARTS[0], metrics=metrics, validation_data=SETS, callbacks=EarlyStopping(monitor))
        assert (net.params == MLP([30, 1], random_state=0).params).all()


def test_the_word_of_the_user_goes_before():
    stopping = EarlyStopping("val_r2", 99, mode="min")
    history = MLP([30, 1], random_state=0).fit(*PARTS[0], metrics="r2", validation_data=PARTS[1], callbacks=stopping)
    assert stopping.best_epoch == np.argmin(history["val_r2"]) + 1


@pytest.mark.parametrize("how, name", [
    ({"metrics": {"a_loss": "r2"}, "validation_data": {"val": PARTS[1], "val_a": PARTS[1]}}, "val_a_loss"),
    ({"metrics": {"b_r2": "r2", "r2": "r2"}, "validation_data": {"a": PARTS[1], "a_b": PARTS[1]}}, "a_b_r2"),
    ({"metrics": {"loss": "r2"}, "validation_data": PARTS[1]}, "loss"),
    ({"metrics": {"penalty": "r2"}, "validation_data": {"gradient": PARTS[1]}}, "gradient_penalty"),
    ({"metrics": {"val_loss": brier}}, "val_loss"), ({"metrics": {"val_r2": "mse"}}, "val_r2")], ids=str)
def test_a_name_stands_for_one_number(how, name):
    net = MLP([30, 1], random_state=0)
    with pytest.raises(ValueError, match=f"metrics .*{name!r}"):
        net.fit(*PARTS[0], epochs=1, **how)
    assert (net.params == MLP([30, 1], random_state=0).params).all()


# ---- a loss that overflows is no minimum


def test_a_loss_that_is_not_finite_has_no_gradient():
    net = MLP([4, 8, 1], loss="poisson", random_state=0)
    loss, gradient = net.loss_and_grad(1000 * X, COUNTS)
    assert not np.isfinite(loss) and gradient.shape == (net.n_params,) and np.isnan(gradient).all()
    assert np.isnan(net.hvp(np.ones(net.n_params), 1000 * X, COUNTS)).all()
    loss, gradient = net.loss_and_grad(X, COUNTS)
    assert np.isfinite(loss) and np.isfinite(gradient).all() and gradient.any()

    def objective(p):
        net.params = p
        return net.loss_and_grad(1000 * X, COUNTS)

    with pytest.raises(ValueError, match="params must be finite"):
        minimize(objective, net.params, jac=True, method="L-BFGS-B")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.filterwarnings("ignore:overflow")
def test_an_overflow_is_an_error_whatever_the_solver(solver, dtype):
    model = MLPRegressor("poisson", (8,), solver=solver, dtype=dtype, random_state=0)
    with pytest.raises(ValueError, match="Solver produced non-finite"):
        model.fit(1e5 * X, COUNTS)
    assert not np.isfinite(model.loss_) and all(np.isfinite(W).all() for W in model.coefs_)


def test_a_search_along_a_line_turns_back_from_an_overflow():
    """scipy's own scale of the first step, 1 / |gradient|, keeps it finite; a later one here goes too far."""
    model = MLPRegressor("poisson", (8,), solver="lbfgs", random_state=0, max_iter=200, alpha=0.0)
    model.fit(20 * X, COUNTS)
    assert np.isfinite(model.loss_) and model.n_iter_ > 5 and model.loss_ < model.loss_curve_[0]
