"""Noise curves, spectral norms and the report, from mathematics: linear networks, numpy's svd, the rule of the
verdict."""
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fastmlp import MLP, Conv2D, Dense, MLPAutoencoder, MLPClassifier, MLPRegressor, _arrays
from fastmlp import sensitivity as S
from fastmlp.sensitivity import _report

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((30, 6)), RNG.standard_normal((30, 3))
NETWORKS = {
    "more inputs": lambda **k: MLP([6, Dense(9, "tanh"), 3], **k),
    "more outputs": lambda **k: MLP([6, Dense(9, "tanh"), 11], **k),
    "one output": lambda **k: MLP([6, Dense(9, "gelu"), 1], **k),
    "convolution": lambda **k: MLP([(3, 2, 1), Conv2D(4, 2, "tanh"), 3], **k),
}
CURVES = ("error", "error_std", "misclassified", "misclassified_std")


def linear(loss="squared_error"):
    return MLP([6, 3], loss=loss, dtype="float64", random_state=0)


def curves_equal(a, b):
    for name in ("sigmas", *CURVES):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


# ---- spectral norms

@pytest.mark.parametrize("at", ["logits", "probabilities"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("name", NETWORKS)
def test_local_lipschitz(name, loss, at, monkeypatch):
    net = NETWORKS[name](loss=loss, dtype="float64", random_state=0)
    expected = np.linalg.svd(net.jacobian(X, at=at), compute_uv=False)[:, 0]
    np.testing.assert_allclose(S.local_lipschitz(net, X, at=at), expected, rtol=1e-12, atol=1e-15)
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", 1000)
    np.testing.assert_allclose(S.local_lipschitz(net, sparse.csr_array(X), at=at), expected, rtol=1e-12, atol=1e-15)


def test_local_lipschitz_of_one_output_is_the_length_of_its_gradient():
    net = NETWORKS["one output"](dtype="float64", random_state=0)
    np.testing.assert_allclose(S.local_lipschitz(net, X), np.linalg.norm(net.input_gradient(X, output=0), axis=1),
                               rtol=1e-12)


# ---- noise curves

def test_noise_curve_of_a_linear_network_by_hand():
    """e(x + sigma z) = e(x) + sigma^2 sum_j scale_j^2 |w_j|^2 in the mean, w_j the weights of feature j."""
    net, scales = linear(), np.arange(6) / 3
    curve = S.noise_curve(net, X, Y, [0, 0.5, 2], n_repeats=4000, scale=scales, random_state=0)
    expected = net.evaluate(X, Y) + np.array([0, 0.25, 4]) * (scales**2 * (net.W[1] ** 2).sum(axis=1)).sum()
    np.testing.assert_allclose(curve.error, expected, rtol=0.01)
    np.testing.assert_allclose(curve.error[0], net.evaluate(X, Y), rtol=1e-12)
    assert curve.error_std[0] < 1e-11 < 0.01 < curve.error_std[1] < curve.error_std[2]
    assert curve.misclassified is None and curve.misclassified_std is None


def test_noise_curve_is_the_mean_over_draws():
    net = linear("cross_entropy")
    y = RNG.integers(3, size=30)
    rng = np.random.default_rng(3)
    noise = [rng.standard_normal((30, 6)) for _ in range(5)]
    errors = np.array([[net.evaluate(X + sigma * z, y) for z in noise] for sigma in (0.1, 1)])
    wrong = np.array([[np.mean(net.predict(X + sigma * z).argmax(axis=1) != y) for z in noise] for sigma in (0.1, 1)])
    curve = S.noise_curve(net, X, y, [0.1, 1], n_repeats=5, random_state=3)
    for name, expected in zip(CURVES, (errors.mean(axis=1), errors.std(axis=1), wrong.mean(axis=1), wrong.std(axis=1))):
        np.testing.assert_allclose(getattr(curve, name), expected, rtol=1e-9, atol=1e-15)
    assert len(set(wrong.ravel())) > 2


def test_noise_curves_do_not_depend_on_blocks(monkeypatch):
    net = linear("binary_cross_entropy")
    whole = S.noise_curve(net, X, Y > 0, [0, 1], n_repeats=3, random_state=0)
    curves_equal(whole, S.noise_curve(net, sparse.csr_array(X), Y > 0, [0, 1], n_repeats=3, random_state=0))
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", 29 * 144)
    again = S.noise_curve(net, X, Y > 0, [0, 1], n_repeats=1, random_state=0)
    monkeypatch.undo()
    whole = S.noise_curve(net, X, Y > 0, [0, 1], n_repeats=1, random_state=0)
    np.testing.assert_allclose(again.error, whole.error, rtol=1e-14)
    np.testing.assert_allclose(again.misclassified, whole.misclassified, rtol=1e-14)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators():
    """Give what their networks give; an accuracy is that of score."""
    data = load_iris(as_frame=True)
    Z, y = data.data, data.target_names[data.target]
    for kind, target, codes in ((MLPClassifier, y, data.target), (MLPClassifier, y == "virginica", data.target == 2),
                                (MLPRegressor, Z.iloc[:, :2], Z.iloc[:, :2]), (MLPAutoencoder, Z, Z)):
        model = kind(hidden_layer_sizes=(5,), max_iter=3, random_state=0).fit(Z, target)
        curve = S.noise_curve(model, Z, target, [0, 1], random_state=0)
        curves_equal(curve, S.noise_curve(model._mlp(), Z.to_numpy(), codes.to_numpy(), [0, 1], random_state=0))
        np.testing.assert_array_equal(S.local_lipschitz(model, Z), S.local_lipschitz(model._mlp(), Z.to_numpy()))
        if kind is MLPClassifier:
            assert curve.misclassified[0] == pytest.approx(1 - model.score(Z, target))
        found = S.report(model, Z, target, Z, target, random_state=0)
        assert found.feature_names == list(Z.columns)


# ---- the report

def diabetes():
    data = load_diabetes(as_frame=True)
    Z, y = data.data.apply(scale), scale(data.target)
    return Z[:60], y[:60], Z[60:], y[60:]


def test_report_of_the_numbers():
    net, (Z, y, Z_new, y_new) = MLP([10, Dense(5, "tanh"), 1], dtype="float64", random_state=0), diabetes()
    found = S.report(net, Z, y, Z_new, y_new, n_repeats=3, random_state=4)
    np.testing.assert_allclose(found.gradient, np.abs(net.input_gradient(Z_new, y_new)).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.spread, Z.to_numpy().std(axis=0), rtol=1e-12)
    norms = np.linalg.norm(net.input_gradient(Z_new, output=0), axis=1)
    for q, norm in found.lipschitz.items():
        assert norm == pytest.approx(np.quantile(norms, q), rel=1e-12)
    assert found.train_error == pytest.approx(net.evaluate(Z, y))
    assert found.test_error == pytest.approx(net.evaluate(Z_new, y_new))
    assert found.gap == found.test_error - found.train_error
    rng = np.random.default_rng(4)
    for curve, rows in ((found.train_noise, (Z, y)), (found.test_noise, (Z_new, y_new))):
        curves_equal(curve, S.noise_curve(net, *rows, _report.SIGMAS, n_repeats=3, scale=found.spread,
                                          random_state=rng))
    assert found.feature_names == [f"x{j}" for j in range(10)]
    assert str(found) == str(S.report(net, Z, y, Z_new, y_new, n_repeats=3, random_state=4))


def test_spread_of_sparse_rows():
    Z = sparse.random_array((50, 6), density=0.3, rng=0, format="csr")
    np.testing.assert_allclose(_report._spread(Z), Z.toarray().std(axis=0), rtol=1e-12)


@pytest.mark.parametrize("train, test, noisy, word", [
    (1.0, 1.5, 1.5, "Steady"), (1.0, 0.2, 0.9, "Steady"), (0.0, 0.0, 0.0, "Steady"), (-1.0, -0.5, -0.9, "Steady"),
    (1.0, 1.5, 1.6, "Sensitive"), (1.0, 1.6, 1.5, "Overfitted, though smooth"),
    (-1.0, -0.4, -1.0, "Overfitted, though smooth"),
    (1.0, 1.6, 1.6, "Fitted to noise"), (0.0, 0.1, 0.1, "Fitted to noise"),
])
def test_verdict(train, test, noisy, word):
    def curve(*error):
        return S.NoiseCurve(np.array(_report.SIGMAS), np.array(error), np.zeros(6), None, None)

    found = S.Report(["a"], np.ones(1), np.ones(1), {0.5: 1.0}, curve(train, 9, noisy, 9, 9, 9),
                     curve(test, 0, 0, 0, 0, 0))
    assert found.verdict.startswith(word + ":")
    for number in (train, test, noisy):
        assert f"{number:.3g}" in found.verdict


def test_report_prints():
    one = S.NoiseCurve(np.array(_report.SIGMAS), np.arange(1, 7) / 8, np.zeros(6), np.full(6, 0.25), np.zeros(6))
    text = str(S.Report(["low", "high"], np.array([1.0, 2.0]), np.array([1.0, 3.0]), {0.5: 1.5, 1.0: 2.5}, one, one))
    *table, empty, verdict = text.splitlines()
    assert table == ["                             train         test",
                     "error                        0.125        0.125",
                     "misclassified                 0.25         0.25",
                     "error, noise 0.05 sd          0.25         0.25",
                     "error, noise 0.1 sd          0.375        0.375",
                     "error, noise 0.2 sd            0.5          0.5",
                     "error, noise 0.5 sd          0.625        0.625",
                     "error, noise 1 sd             0.75         0.75",
                     "",
                     "feature                    |de/dx|     times sd",
                     "high                             2            6",
                     "low                              1            1",
                     "",
                     "spectral norm of       dx(L)/dx(0)",
                     "50% of rows up to              1.5",
                     "100% of rows up to             2.5"]
    assert (empty, verdict) == ("", S.Report(["a"], None, None, {}, one, one).verdict)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_what_it_says_of_networks_that_overfit_and_do_not():
    Z, y, Z_new, y_new = diabetes()
    over = MLPRegressor(max_iter=1000, tol=0, n_iter_no_change=1000, random_state=0).fit(Z, y)
    calm = MLPRegressor(max_iter=300, alpha=10, random_state=0).fit(Z, y)
    assert S.report(over, Z, y, Z_new, y_new, random_state=0).verdict.startswith("Fitted to noise:")
    assert S.report(calm, Z, y, Z_new, y_new, random_state=0).verdict.startswith("Steady:")


# ---- errors

BAD = {
    "sigmas below 0": (ValueError, r"sigmas must be finite and at least 0, got \[-1\]", dict(sigmas=[-1])),
    "sigmas' kind": (TypeError, "sigmas must be numbers, got an array of <U1", dict(sigmas=["a"])),
    "sigmas' shape": (ValueError, r"sigmas must have shape \(m,\), with m at least 1, got \(\)", dict(sigmas=1.0)),
    "no sigmas": (ValueError, r"sigmas must have shape \(m,\), with m at least 1, got \(0,\)",
                  dict(sigmas=np.zeros(0))),
    "n_repeats": (ValueError, "n_repeats must be at least 1, got 0", dict(n_repeats=0)),
    "scale": (ValueError, r"scale must be a number or have shape \(6,\), got \(2,\)", dict(scale=[1, 2])),
    "random_state": (TypeError, "random_state must be None", dict(random_state="a")),
    "y": (ValueError, "y must be the model's targets, got None", dict(y=None)),
    "y's rows": (ValueError, "y must have 30 rows, as X has", dict(y=Y[:3])),
    "X": (ValueError, "X must have 6 columns, got 2", dict(X=X[:, :2])),
    "model": (TypeError, "model must be an MLP or a fitted MLPClassifier, .* got sklearn.*StandardScaler",
              dict(model=make_pipeline(StandardScaler()))),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    kind, message, given = BAD[case]
    given = {"model": linear(), "X": X, "y": Y, "sigmas": [0.0], **given}
    with pytest.raises(kind, match=message):
        S.noise_curve(given.pop("model"), given.pop("X"), given.pop("y"), given.pop("sigmas"), **given)


def test_reports_say_which_data_are_bad():
    with pytest.raises(ValueError, match="X_test, y_test: X must have 6 columns, got 2"):
        S.report(linear(), X, Y, X[:, :2], Y)
    with pytest.raises(ValueError, match="X_train, y_train: y must have 30 rows"):
        S.report(linear(), X, Y[:2], X, Y)
    with pytest.raises(ValueError, match="at must be one of"):
        S.report(linear(), X, Y, X, Y, at="odds")
    with pytest.raises(ValueError, match="at must be one of"):
        S.local_lipschitz(linear(), X, at="odds")
    assert isinstance(S.report(linear(), pd.DataFrame(X), Y, X, Y), S.Report)
