"""Attributions: linear networks by hand, completeness, each method on each kind of model."""
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fastmlp import MLP, Conv2D, Dense, MaxPool2D, MLPAutoencoder, MLPClassifier, MLPRegressor, _arrays, tie_transpose
from fastmlp import sensitivity as S

BACKGROUND = np.random.default_rng(1).standard_normal((40, 6))
METHODS = {
    "saliency": S.saliency,
    "input_x_gradient": S.input_x_gradient,
    "integrated_gradients": S.integrated_gradients,
    "smooth_grad": lambda *a, **k: S.smooth_grad(*a, random_state=0, **k),
    "expected_gradients": lambda model, X, *a, **k: S.expected_gradients(model, X, *a, background=X, random_state=0,
                                                                         **k),
}
BY_HAND = {  # of f(x) = w x, with rows x: name -> (what is called, what it must give)
    "saliency": (S.saliency, lambda w, X: np.abs(w) + 0 * X),
    "input_x_gradient": (S.input_x_gradient, lambda w, X: w * X),
    "integrated_gradients": (S.integrated_gradients, lambda w, X: w * X),
    "integrated_gradients, one step": (lambda *a, **k: S.integrated_gradients(*a, n_steps=1, **k), lambda w, X: w * X),
    "integrated_gradients, a baseline": (
        lambda *a, **k: S.integrated_gradients(*a, baselines=BACKGROUND[0], **k), lambda w, X: w * (X - BACKGROUND[0])),
    "integrated_gradients, baselines": (
        lambda *a, **k: S.integrated_gradients(*a, baselines=BACKGROUND[:9], **k),
        lambda w, X: w * (X - BACKGROUND[:9])),
    "smooth_grad": (lambda *a, **k: S.smooth_grad(*a, n_samples=7, stdev=3.0, random_state=0, **k),
                    lambda w, X: w + 0 * X),
    "expected_gradients": (lambda *a, **k: S.expected_gradients(*a, background=BACKGROUND[:1], n_samples=3,
                                                                random_state=0, **k),
                           lambda w, X: w * (X - BACKGROUND[0])),
}
NETWORKS = {
    "tanh": lambda **k: MLP([6, Dense(9, "tanh"), Dense(17, "silu"), 3], **k),
    "relu": lambda **k: MLP([6, 20, 20, 3], **k),
    "ties": lambda **k: MLP([6, Dense(4, "softplus"), Dense(6, "gelu"), 3], ties=[tie_transpose(1, 2)], **k),
    "convolution": lambda **k: MLP([(3, 2, 1), Conv2D(4, 2, "tanh", padding="same"), MaxPool2D((2, 1)), 3], **k),
    "one output": lambda **k: MLP([6, Dense(8, "tanh"), 1], **k),
}
KINKED = {"relu", "convolution"}  # by relu and max pooling: what is missed falls as 1 / n_steps only
methods = pytest.mark.parametrize("method", METHODS)
networks = pytest.mark.parametrize("network", NETWORKS)


def rows(n=9):
    return np.random.default_rng(0).standard_normal((n, 6))


def fitted(kind, X, y):
    return kind(max_iter=3, random_state=0, hidden_layer_sizes=(5,)).fit(X, y)


@pytest.mark.parametrize("name", BY_HAND)
def test_linear_networks_by_hand(name):
    call, expected = BY_HAND[name]
    net, X = MLP([6, 3], dtype="float64", random_state=0), rows()
    for k in range(3):
        np.testing.assert_allclose(call(net, X, output=k), expected(net.W[1][:, k], X), rtol=1e-12, atol=1e-12)
    k = np.arange(9) % 3
    np.testing.assert_allclose(call(net, X, output=k), expected(net.W[1].T[k], X), rtol=1e-12, atol=1e-12)


def test_saliency_and_input_x_gradient_are_of_the_gradient():
    net, X, y = NETWORKS["tanh"](dtype="float64", random_state=0), rows(), BACKGROUND[:9, :3]
    g = net.input_gradient(X, y)
    np.testing.assert_array_equal(S.saliency(net, X, y), np.abs(g))
    np.testing.assert_array_equal(S.input_x_gradient(net, X, y), X * g)
    g = net.input_gradient(X, output=1, at="probabilities")
    np.testing.assert_array_equal(S.saliency(net, X, output=1, at="probabilities"), np.abs(g))


@pytest.mark.parametrize("of", ["output", "loss"])
@pytest.mark.parametrize("at", ["logits", "probabilities"])
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy", "cross_entropy"])
@networks
def test_integrated_gradients_are_complete(network, loss, at, of):
    net, X, b = NETWORKS[network](loss=loss, dtype="float64", random_state=0), rows(), BACKGROUND[0]
    if of == "loss":
        y = np.abs(BACKGROUND[:9, :net.d[-1]])
        y /= y.sum(axis=1, keepdims=True)
        asked, f = {"y": y}, lambda Z: np.array([net.evaluate(z[None], t[None]) for z, t in zip(Z, y)])
    else:
        k = net.d[-1] - 1
        asked, f = {"output": k}, lambda Z: (net.forward(Z).x[-1] if at == "logits" else net.predict(Z))[:, k]
    A, delta = S.integrated_gradients(net, X, **asked, at=at, baselines=b, n_steps=300, return_convergence_delta=True)
    missed = A.sum(axis=1) - (f(X) - f(b + 0 * X))
    assert np.abs(missed).max() < (1e-2 if network in KINKED else 1e-8)
    np.testing.assert_allclose(delta, missed, atol=1e-12)


def test_expected_gradients_are_complete_in_the_mean():
    net, X = NETWORKS["tanh"](dtype="float64", random_state=0), rows()
    A = S.expected_gradients(net, X, output=0, background=BACKGROUND, n_samples=20000, random_state=0)
    f = lambda Z: net.forward(Z).x[-1][:, 0]
    np.testing.assert_allclose(A.sum(axis=1), f(X) - f(BACKGROUND).mean(), atol=0.03)


def test_smooth_grad_is_the_mean_over_noise():
    """Without noise it is the gradient; each feature has its own."""
    net, X = NETWORKS["tanh"](dtype="float64", random_state=0), rows()
    np.testing.assert_allclose(S.smooth_grad(net, X, output=0, n_samples=2, stdev=0), net.input_gradient(X, output=0),
                               rtol=1e-12)
    stdev = np.array([0, 0, 0, 0, 0, 2.0])
    noise = np.random.default_rng(5).standard_normal((9, 4, 6)) * stdev
    mean = np.mean([net.input_gradient(X + noise[:, t], output=0) for t in range(4)], axis=0)
    np.testing.assert_allclose(S.smooth_grad(net, X, output=0, n_samples=4, stdev=stdev, random_state=5), mean,
                               rtol=1e-12, atol=1e-15)


@methods
def test_default_output(method):
    """The class that is predicted of a softmax, the only one of one."""
    net, X = NETWORKS["tanh"](loss="cross_entropy", dtype="float64", random_state=0), rows()
    winners = net.predict(X).argmax(axis=1)
    assert len(set(winners)) > 1
    np.testing.assert_array_equal(METHODS[method](net, X), METHODS[method](net, X, output=winners))
    net = NETWORKS["one output"](random_state=0)
    np.testing.assert_array_equal(METHODS[method](net, X), METHODS[method](net, X, output=0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@methods
def test_blocks_do_not_matter(method, dtype, monkeypatch):
    """Nor does it whether rows are sparse."""
    net, X = NETWORKS["tanh"](loss="cross_entropy", dtype=dtype, random_state=0), np.maximum(rows(50), 0)
    whole = METHODS[method](net, X)
    assert whole.dtype == dtype and whole.shape == X.shape
    delta = S.integrated_gradients(net, X, return_convergence_delta=True)[1]
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", 1000)
    np.testing.assert_array_equal(METHODS[method](net, X), whole)
    np.testing.assert_array_equal(METHODS[method](net, sparse.csc_array(X)), whole)
    np.testing.assert_array_equal(S.integrated_gradients(net, X, return_convergence_delta=True)[1], delta)


@methods
def test_random_state(method):
    net, X = NETWORKS["one output"](random_state=0), rows()
    np.testing.assert_array_equal(METHODS[method](net, X), METHODS[method](net, X))
    for call in (S.smooth_grad, lambda *a, **k: S.expected_gradients(*a, background=BACKGROUND, **k)):
        assert not np.array_equal(call(net, X, random_state=1), call(net, X, random_state=2))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@methods
def test_estimators(method):
    """Give what their networks give, with labels in their classes, and look at the names of features."""
    data = load_iris(as_frame=True)
    X, y = data.data, data.target_names[data.target]
    for labels in (y, np.where(y == "setosa", "yes", "no")):
        model = fitted(MLPClassifier, X, labels)
        net, codes = model._mlp(), np.unique(labels, return_inverse=True)[1]
        np.testing.assert_array_equal(METHODS[method](model, X), METHODS[method](net, X.to_numpy()))
        np.testing.assert_array_equal(METHODS[method](model, X, labels), METHODS[method](net, X.to_numpy(), codes))
    with pytest.raises(ValueError, match="classes"):
        METHODS[method](model, X, y)
    with pytest.raises(ValueError, match="feature names"):
        METHODS[method](model, X.iloc[:, ::-1])
    model = fitted(MLPRegressor, X, X.iloc[:, :2])
    Z = X.to_numpy()
    np.testing.assert_array_equal(METHODS[method](model, X, X.iloc[:, :2]), METHODS[method](model._mlp(), Z, Z[:, :2]))
    model = fitted(MLPAutoencoder, X, None)
    np.testing.assert_array_equal(METHODS[method](model, X, X), METHODS[method](model._mlp(), Z, Z))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators_do_not_warn_of_names():
    X, y = pd.DataFrame(scale(load_iris().data), columns=list("abcd")), load_iris().target
    model = fitted(MLPClassifier, X, y)
    np.testing.assert_array_equal(np.abs(model.input_gradient(X, y)), S.saliency(model, X, y))
    np.testing.assert_array_equal(model.input_gradient(X, output=y),
                                  S.smooth_grad(model, X, output=y, n_samples=1, stdev=0))


@methods
def test_maps(method):
    net, X = NETWORKS["convolution"](random_state=0), rows()
    np.testing.assert_array_equal(METHODS[method](net, X.reshape(9, 3, 2), output=0), METHODS[method](net, X, output=0))
    b = BACKGROUND[:9]
    np.testing.assert_array_equal(S.integrated_gradients(net, X, output=0, baselines=b.reshape(9, 3, 2, 1)),
                                  S.integrated_gradients(net, X, output=0, baselines=b))


BAD = {
    "both": (ValueError, "y, for the loss, and output", dict(y=np.ones((9, 3)), output=0)),
    "neither": (ValueError, "one of y and output must be given for 3 outputs", dict()),
    "at": (ValueError, "at must be one of logits, probabilities, got 'odds'", dict(output=0, at="odds")),
    "output too large": (ValueError, "output must be at most 2, got 3", dict(output=3)),
    "output a fraction": (TypeError, "output must be an integer, got 0.5", dict(output=0.5)),
    "outputs fractions": (TypeError, "output must be an integer or an array of integers, got float64",
                          dict(output=np.ones(9))),
    "too few outputs": (ValueError, r"output must be an integer or have shape \(9,\), got \(2,\)", dict(output=[0, 1])),
    "outputs too large": (ValueError, "output must be 0..2, got values from 0 to 8", dict(output=np.arange(9))),
    "y": (ValueError, r"y must have shape \(9, 3\)", dict(y=np.ones((9, 2)))),
    "X": (ValueError, "X must have 6 columns, got 5", dict(X=np.ones((9, 5)), output=0)),
}
BAD_OWN = {
    "baselines' shape": (ValueError, r"baselines must have shape \(6,\) or \(9, 6\), got \(5,\)",
                         S.integrated_gradients, dict(baselines=np.ones(5))),
    "baselines' kind": (TypeError, "baselines must be numbers", S.integrated_gradients, dict(baselines=["a"] * 6)),
    "baselines' values": (ValueError, "baselines must be finite", S.integrated_gradients,
                          dict(baselines=np.full(6, np.nan))),
    "n_steps": (ValueError, "n_steps must be at least 1, got 0", S.integrated_gradients, dict(n_steps=0)),
    "n_samples": (TypeError, "n_samples must be an integer, got 1.5", S.smooth_grad, dict(n_samples=1.5)),
    "stdev below 0": (ValueError, "stdev must be finite, at least 0, got -1", S.smooth_grad, dict(stdev=-1)),
    "stdevs below 0": (ValueError, "stdev must be at least 0, got -1", S.smooth_grad, dict(stdev=-np.ones(6))),
    "stdev's shape": (ValueError, r"stdev must be a number or have shape \(6,\), got \(2,\)", S.smooth_grad,
                      dict(stdev=[1, 2])),
    "random_state": (TypeError, "random_state must be None, an int", S.smooth_grad, dict(random_state="a")),
    "background": (ValueError, "background: X must have 6 columns, got 2", S.expected_gradients,
                   dict(background=np.ones((3, 2)))),
}


@pytest.mark.parametrize("case", BAD)
@methods
def test_bad_input(method, case):
    kind, message, given = BAD[case]
    given = {"X": rows(), **given}
    with pytest.raises(kind, match=message):
        METHODS[method](NETWORKS["tanh"](random_state=0), given.pop("X"), **given)


@pytest.mark.parametrize("case", BAD_OWN)
def test_bad_arguments(case):
    kind, message, method, given = BAD_OWN[case]
    with pytest.raises(kind, match=message):
        method(NETWORKS["tanh"](random_state=0), rows(), output=0, **given)


@methods
def test_bad_models(method):
    with pytest.raises(TypeError, match="model must be an MLP or .* or a Pipeline .* got .*StandardScaler"):
        METHODS[method](make_pipeline(StandardScaler()).fit(rows()), rows())
    with pytest.raises(NotFittedError):
        METHODS[method](MLPClassifier(), rows())
    net = NETWORKS["one output"](random_state=0)
    net.W[1][0, 0] = np.nan
    with pytest.raises(ValueError, match="weights must be finite"):
        METHODS[method](net, rows())


@methods
def test_memory_does_not_grow_with_the_rows(method, monkeypatch):
    """What is held besides the result is about a block, of what would be 20 to 1000 times as much at once."""
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", 2**19)
    net, X = MLP([100, Dense(8, "tanh"), 3], loss="cross_entropy", random_state=0), np.zeros((20_000, 100), np.float32)
    X = X[:1000] if method in ("integrated_gradients", "smooth_grad", "expected_gradients") else X
    METHODS[method](net, X[:10])
    tracemalloc.start()
    try:
        result = METHODS[method](net, X)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * 2**19 + 2 * result.nbytes
    finally:
        tracemalloc.stop()
