"""Callbacks on estimators: what is logged of held-out rows, and which way is better. And what is no minimum."""
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
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
