"""Losses of several quantiles at once, that may cross or never do: held to the NumPy twin, to networks of one quantile
each, to numbers worked out by hand, and to what quantiles are."""
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import d2_pinball_score, mean_pinball_loss

import fastmlp
import layer_checks
import reference
from fastmlp import MLP, SGD, Adam, Dense, MLPRegressor
from fastmlp.losses import OF_QUANTILES
from fastmlp.metrics import d2_pinball
from fastmlp.schedules import Cosine
from test_files import assert_goes_on_from_a_file
from test_gradients import assert_derivatives, derivative
from test_twin import TOLERANCE, assert_near

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
names = pytest.mark.parametrize("name", OF_QUANTILES)
shapes = pytest.mark.parametrize("levels, targets", [((0.1, 0.5, 0.9), 1), ((0.3, 0.8), 2), ((0.25,), 3),
                                                     (tuple(np.arange(1, 20) / 20), 1), ((0.01, 0.2, 0.7), 7)])
RNG = np.random.default_rng(0)


def problem(name, levels, targets=1, dtype="float64", n=37, activation="tanh"):
    """A network and rows; targets are so far from what it predicts that no small step takes one past the other."""
    net = MLP([4, Dense(9, activation), targets * len(levels)], loss=(name, levels), dtype=dtype, random_state=0)
    X = RNG.standard_normal((n, 4)).astype(dtype)
    y = (RNG.choice([-1.0, 1.0], (n, targets)) * RNG.uniform(20, 30, (n, targets))).astype(dtype)
    return net, X, y


def test_the_names():
    assert [name for name in fastmlp.losses() if name in OF_QUANTILES] == list(OF_QUANTILES)


@dtypes
@shapes
@names
@pytest.mark.parametrize("far", [True, False])
def test_all_is_the_twins(name, levels, targets, dtype, far):
    net, X, y = problem(name, levels, targets, dtype)
    y = y if far else y / 20
    layer_checks.assert_the_sweep_is_the_twins(net, X, y, times=2)
    twin, w = reference.twin_of(net), RNG.integers(0, 4, len(X)) / 2
    assert_near(net.predict(X), twin.predict(X), TOLERANCE[dtype])
    np.testing.assert_array_equal(net.predict(X[:2]), net.predict(X)[:2])
    true = twin.backprop(X, y, w / w.sum())
    loss, gradient = net.loss_and_grad(X, y, w)
    assert loss == pytest.approx(true.loss, rel=TOLERANCE[dtype])
    assert net.evaluate(X, y, w) == pytest.approx(true.loss, rel=TOLERANCE[dtype])
    flat = np.concatenate([a.ravel() for l in (1, 2) for a in (true.dW[l], true.db[l])])
    assert_near(gradient, flat, 2 * TOLERANCE[dtype])


@names
def test_steps_are_the_twins(name):
    layer_checks.assert_steps_are_the_twins(*problem(name, (0.1, 0.5, 0.9), 2, n=60), lr=0.001)


@shapes
@names
def test_derivatives(name, levels, targets):
    net, X, y = problem(name, levels, targets, n=20)
    assert_derivatives(net, X, y, layer_checks.NEAR * RNG.standard_normal(net.n_params))


@dtypes
@shapes
@names
def test_derivatives_of_what_is_predicted(name, levels, targets, dtype):
    """Of quantiles themselves, through the link, beside those before it."""
    net, X, _ = problem(name, levels, targets, n=6)
    V, U = (RNG.standard_normal((6, d)) for d in (4, net.d[-1]))
    slope = derivative(lambda h: net.predict(X + h * V))
    np.testing.assert_allclose(net.jvp(X, V, "probabilities"), slope, rtol=1e-7, atol=1e-9)
    back = net.vjp(X, U, "probabilities")
    np.testing.assert_allclose((back * V).sum(axis=1), (U * slope).sum(axis=1), rtol=1e-7, atol=1e-9)
    J = net.jacobian(X, "probabilities")
    np.testing.assert_allclose(np.einsum("nkj,nj->nk", J, V), slope, rtol=1e-7, atol=1e-9)


def test_by_hand():
    """y = 1 between x = 0 and x = 2; x + ln 2 where the second output is 0."""
    net = MLP([1, 2], loss=("quantile", (0.25, 0.5)), dtype="float64", init="zeros")
    net.b[1][...] = [0, 2]
    found = net.backprop([[7.0]], [1.0])
    assert found.loss == 0.25 * 1 + 0.5 * 1
    np.testing.assert_array_equal(found.delta[1], [[-0.25, 0.5]])
    net = MLP([1, 2], loss=("ordered_quantile", (0.25, 0.5)), dtype="float64", init="zeros")
    np.testing.assert_allclose(net.predict([[7.0]]), [[0, np.log(2)]], rtol=1e-15)
    found = net.backprop([[7.0]], [[0.5]])  # g = -0.25, 0.5; sigmoid(0) = 1/2
    assert found.loss == pytest.approx(0.25 * 0.5 + 0.5 * (np.log(2) - 0.5), rel=1e-14)
    np.testing.assert_allclose(found.delta[1], [[0.25, 0.25]], rtol=1e-15)


@dtypes
def test_one_network_is_several_of_one_quantile_each(dtype):
    levels = (0.2, 0.5, 0.7)
    net, X, y = problem("quantile", levels, 2, dtype)
    y /= 20
    for j, q in enumerate(levels):
        one = MLP([4, Dense(9, "tanh"), 2], loss=("quantile", q), dtype=dtype, random_state=0)
        one.W[1][...], one.b[1][...] = net.W[1], net.b[1]
        one.W[2][...], one.b[2][...] = net.W[2][:, j::3], net.b[2][j::3]
        np.testing.assert_array_equal(one.predict(X), net.predict(X)[:, j::3])
        np.testing.assert_array_equal(one.backprop(X, y).delta[2], net.backprop(X, y).delta[2][:, j::3])


@dtypes
def test_ordered_quantiles_never_cross(dtype):
    """However wild the weights are, while others do."""
    crossed = []
    for name in OF_QUANTILES:
        net, X, _ = problem(name, tuple(np.arange(1, 10) / 10), 2, dtype, n=500)
        for W in net.W[1:]:
            W *= 100
        rises = np.diff(net.predict(X).reshape(500, 2, 9), axis=2)
        crossed.append(bool((rises < 0).any()))
    assert crossed == [True, False]


@names
def test_targets_come_in_all_forms(name):
    net, X, y = problem(name, (0.2, 0.6), 3)
    y[::2] = 0
    one, X1, y1 = problem(name, (0.2, 0.6))
    assert net.evaluate(X, sparse.csr_array(y)) == pytest.approx(net.evaluate(X, y), rel=1e-14)
    assert one.evaluate(X1, y1.ravel()) == one.evaluate(X1, y1)
    for given in ({"window": 10, "batch_size": 10}, {"mixup": 0.0}):
        whole, other = (problem(name, (0.2, 0.6), 3)[0] for _ in range(2))
        whole.fit(X, y, epochs=2, batch_size=10, shuffle=False)
        other.fit(X, y, epochs=2, shuffle=False, **{"batch_size": 10} | given)
        np.testing.assert_array_equal(whole.params, other.params)
    for wrong in (y[:, :2], np.repeat(y, 2, axis=1)):
        with pytest.raises(ValueError, match=r"y must have shape \(37, 3\)"):
            net.evaluate(X, wrong)


@names
def test_mixed_targets_are_the_mean_of_both(name):
    """Of rows whose targets are all one number mixing makes no difference but in X, which counts for nothing here."""
    net = MLP([3, 4], loss=(name, (0.2, 0.6)), dtype="float64", init="zeros")
    other = MLP([3, 4], loss=(name, (0.2, 0.6)), dtype="float64", init="zeros")
    X, y = np.zeros((40, 3)), np.full((40, 2), [3.0, -2.0])
    net.fit(X, y, SGD(0.1), epochs=5, mixup=0.7)
    other.fit(X, y, SGD(0.1), epochs=5)
    np.testing.assert_array_equal(net.params, other.params)
    assert net.params.any()


def skewed(n=4000):
    """y given x is exponential of a mean of 1 + x^2: quantile q is -(1 + x^2) log(1 - q)."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (n, 1))
    return x, (1 + x**2) * rng.exponential(size=(n, 1))


@names
def test_what_is_learned_are_the_quantiles(name):
    levels = np.array([0.1, 0.5, 0.9])
    X, y = skewed()
    net = MLP([1, 16, 3], activation="silu", loss=(name, tuple(levels)), random_state=0)
    net.fit(X, y, Adam(Cosine(0.02, 40)), epochs=40, batch_size=100)
    found, true = net.predict(X), -(1 + X**2) * np.log(1 - levels)
    np.testing.assert_allclose((y < found).mean(axis=0), levels, atol=0.01)
    assert np.abs(found - true).mean() < 0.06  # of true ones of 1.6 in the mean
    assert net.score(X, y) == pytest.approx(d2_pinball(y, true, None, levels), abs=0.002)


# ---- scores and metrics


@pytest.mark.parametrize("weighted", [False, True])
def test_score(weighted):
    net, X, y = problem("quantile", (0.2, 0.45, 0.9), 2)
    y /= 20
    w = RNG.integers(0, 4, len(y)) / 2 if weighted else np.ones(len(y))
    p, shares = net.predict(X).reshape(-1, 2, 3), []
    for k in range(2):
        for j, q in enumerate((0.2, 0.45, 0.9)):
            of = [mean_pinball_loss(y[:, k], np.full(len(y), c), sample_weight=w, alpha=q) for c in y[:, k]]
            shares.append(1 - mean_pinball_loss(y[:, k], p[:, k, j], sample_weight=w, alpha=q) / min(of))
    assert net.score(X, y, w if weighted else None) == pytest.approx(np.mean(shares), rel=1e-12)
    assert np.mean(shares) == pytest.approx(np.mean([  # whose constant is not quite the best
        d2_pinball_score(y[:, k], p[:, k, j], alpha=q, sample_weight=w) for k in range(2)
        for j, q in enumerate((0.2, 0.45, 0.9))]), abs=0.1)
    assert d2_pinball(y, np.repeat(y, 3, axis=1), w, (0.2, 0.45, 0.9)) == 1
    assert d2_pinball(np.zeros((4, 1)), np.ones((4, 2)), None, (0.2, 0.5)) == 0


def test_pinball_is_a_metric():
    levels = (0.2, 0.45, 0.9)
    net, X, y = problem("ordered_quantile", levels, 2)
    net.fit(X, y, epochs=1, metrics="pinball")
    p = net.predict(X).reshape(-1, 2, 3)
    wanted = np.mean([mean_pinball_loss(y, p[:, :, j], alpha=q) for j, q in enumerate(levels)])
    assert net.history["pinball"] == [pytest.approx(wanted, rel=1e-12)]
    median = MLP([4, 2], dtype="float64", random_state=0)
    median.fit(X, y, epochs=1, metrics=["pinball", "mae"])
    assert median.history["pinball"][0] == pytest.approx(median.history["mae"][0] / 2, rel=1e-12)
    net.fit(X, y, epochs=1, metrics={"high": lambda y, p: float((y < p.reshape(-1, 2, 3)[:, :, 2]).mean())})
    for metric in ("r2", "mae", "mse", "rmse"):
        for given, name in ((metric, metric), ({"own": metric}, "own")):
            with pytest.raises(ValueError, match=f"metrics {name} must be left out where the loss is of several quant"):
                net.fit(X, y, metrics=given)
    with pytest.raises(ValueError, match="metrics neg_mean_absolute_error must be for these targets and this loss"):
        net.fit(X, y, metrics="neg_mean_absolute_error")
    with pytest.raises(ValueError, match="metrics pinball want numbers"):
        MLP([4, 3], loss="cross_entropy").fit(X, np.arange(37) % 3, metrics="pinball")
    stopped = net.fit(X, y, epochs=9, validation_fraction=0.3, metrics="pinball",
                      callbacks=fastmlp.EarlyStopping("val_pinball", patience=1))
    assert "val_pinball" in stopped
    net.fit(X, y, epochs=1, validation_fraction=0.3, metrics={"score": "pinball"},
            callbacks=fastmlp.EarlyStopping("val_score"))


# ---- what a network is


@names
def test_files_and_pickles_keep_them(name, tmp_path):
    net, X, y = problem(name, (0.1, 0.5, 0.9))
    net.fit(X, y, Adam(), epochs=1)
    assert_goes_on_from_a_file(net, X, y, tmp_path / "net")
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert again.evaluate(X, y) == net.evaluate(X, y)
    assert f"loss=('{name}', (0.1, 0.5, 0.9))" in repr(net) and "(0.1, 0.5, 0.9)" in net.summary()


def test_how_they_may_be_given():
    for given in ([0.1, 0.9], np.array([0.1, 0.9]), (np.float32(0.1), 0.9)):
        spec = MLP([2, 2], loss=("quantile", given)).loss.spec
        assert spec[1] == pytest.approx((0.1, 0.9), rel=1e-7) and type(spec[1]) is tuple
    assert MLP([2, 3], loss="ordered_quantile").loss.levels == (0.5,)


@names
@pytest.mark.parametrize("levels, error, message", [
    ((), ValueError, "must increase"), ((0.5, 0.5), ValueError, "must increase"),
    ((0.9, 0.1), ValueError, "must increase"), ((0.5, 0.5 + 1e-9), ValueError, "must increase in float32"),
    ((0.1, 1.0), ValueError, ".* between 0 and 1, got 1"), ((0.0, 0.1), ValueError, ".* between 0 and 1"),
    ((0.1, np.nan), ValueError, "must be finite"), ((0.1, "a"), TypeError, "must be a number"),
    ("a", TypeError, "must be a number or several"), (np.ones((2, 2)), TypeError, "must be a number or several"),
    ({0.1, 0.5}, TypeError, "must be a number or several"), (None, TypeError, "must be a number or several")])
def test_wrong_quantiles(name, levels, error, message):
    with pytest.raises(error, match=f"loss '{name}' {message}"):
        MLP([2, 2], loss=(name, levels))
    with pytest.raises(error, match=f"loss '{name}' {message}"):
        MLPRegressor(loss=(name, levels), dtype="float32").fit(np.zeros((4, 2)), np.zeros(4))


def test_each_target_needs_all_its_outputs():
    with pytest.raises(ValueError, match="last of layers must have a multiple of 3 units, one for .*quantiles.* got 4"):
        MLP([2, 4], loss=("quantile", (0.1, 0.5, 0.9)))


# ---- the estimator


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@names
def test_regressor(name, solver, tmp_path):
    X, y = skewed(600)
    levels = (0.1, 0.5, 0.9)
    model = MLPRegressor(loss=(name, levels), hidden_layer_sizes=(8,), solver=solver, max_iter=60, random_state=0,
                         learning_rate_init=0.01)
    for targets in (y.ravel(), np.hstack([y, -y])):
        model.fit(X, targets)
        found = model.predict(X)
        assert model.n_outputs_ == targets.size // 600 and found.shape == (*targets.shape, 3)
        flat = found.reshape(600, -1, 3)
        wide = targets.reshape(600, -1)
        assert model.score(X, targets) == pytest.approx(d2_pinball(wide, flat.reshape(600, -1), None, levels))
        assert np.abs((wide[:, :, None] < flat).mean(axis=0) - levels).max() < 0.1
        if name == "ordered_quantile":
            assert (np.diff(found) >= 0).all()
        model.save(tmp_path / "model")
        np.testing.assert_array_equal(MLPRegressor.load(tmp_path / "model").predict(X), found)
    with pytest.raises(ValueError, match="y must have 2 columns"):
        model.score(X, y)


def test_regressor_stops_early_by_its_score():
    X, y = skewed(600)
    model = MLPRegressor(loss=("quantile", (0.1, 0.9)), early_stopping=True, max_iter=8, random_state=0)
    with pytest.warns(UserWarning):
        model.fit(X, y.ravel())
    assert len(model.validation_scores_) == 8 and max(model.validation_scores_) == model.best_validation_score_
