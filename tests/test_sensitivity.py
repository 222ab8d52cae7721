"""Derivatives by the input: central differences, backprop, each other."""
import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from fastmlp import MLP, Conv2D, Dense, Dropout, MaxPool2D, MLPAutoencoder, MLPClassifier, MLPRegressor, tie_transpose

RNG = np.random.default_rng(0)
NETWORKS = {
    "tanh": lambda **k: MLP([6, Dense(9, "tanh"), Dense(17, "silu"), 3], **k),
    "softplus, dropout": lambda **k: MLP([6, Dense(33, "softplus"), Dropout(0.5), Dense(3, "gelu")], **k),
    "ties": lambda **k: MLP([6, Dense(4, "tanh"), Dense(6, "gelu"), 3], ties=[tie_transpose(1, 2)], **k),
    "convolution": lambda **k: MLP([(3, 2, 1), Conv2D(4, 2, "tanh", padding="same"), MaxPool2D((2, 1)), 3], **k),
    "one output": lambda **k: MLP([6, Dense(8, "tanh"), 1], **k),
}
LOSSES = ["squared_error", "poisson", "binary_cross_entropy", "cross_entropy"]
networks = pytest.mark.parametrize("name", NETWORKS)
losses = pytest.mark.parametrize("loss", LOSSES)


def problem(name, loss="squared_error", dtype="float64", n=23):
    net = NETWORKS[name](loss=loss, dtype=dtype, random_state=0)
    y = RNG.random((n, net.d[-1]))
    return net, RNG.standard_normal((n, 6)), y / y.sum(axis=1, keepdims=True)


def differences(f, X, h=1e-5):
    """df/dx_j by rows: (n, outputs, d(0))"""
    return np.stack([(f(X + h * e) - f(X - h * e)) / (2 * h) for e in np.eye(X.shape[1])], axis=-1)


@losses
@networks
def test_of_the_loss(name, loss):
    net, X, y = problem(name, loss)
    g = net.input_gradient(X, y)
    one = lambda Z: np.array([[net.evaluate(z[None], t[None])] for z, t in zip(Z, y)])
    np.testing.assert_allclose(g, differences(one, X)[:, 0], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(g, net.backprop(X, y).dX, rtol=1e-12, atol=1e-14)


@losses
@networks
def test_of_outputs(name, loss):
    net, X, _ = problem(name, loss)
    for at, f in (("logits", lambda Z: net.forward(Z).x[-1]), ("probabilities", net.predict)):
        J = net.jacobian(X, at=at)
        assert J.shape == (23, net.d[-1], 6)
        np.testing.assert_allclose(J, differences(f, X), rtol=1e-8, atol=1e-8)
        U, V = RNG.standard_normal((23, net.d[-1])), RNG.standard_normal((23, 6))
        np.testing.assert_allclose(net.vjp(X, U, at=at), np.einsum("nkj,nk->nj", J, U), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(net.jvp(X, V, at=at), np.einsum("nkj,nj->nk", J, V), rtol=1e-12, atol=1e-12)
        for k in range(net.d[-1]):
            np.testing.assert_array_equal(net.input_gradient(X, output=k, at=at), J[:, k])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_by_rows(dtype, monkeypatch):
    """For any number of rows and threads, sparse rows too."""
    from fastmlp import _core
    from fastmlp._network import Network

    net, X, y = problem("tanh", dtype=dtype, n=700)
    X = np.where(X > 0, X, 0).astype(dtype)
    whole, V = net.input_gradient(X, y), RNG.standard_normal((700, 6))
    pushed = net.jvp(X, V)
    assert whole.dtype == dtype
    for rows in (1, 31, 64):
        np.testing.assert_array_equal(net.input_gradient(X[:rows], y[:rows]), whole[:rows])
        np.testing.assert_array_equal(net.jvp(X[:rows], V[:rows]), pushed[:rows])
    np.testing.assert_array_equal(net.input_gradient(sparse.csr_array(X), y), whole)
    np.testing.assert_array_equal(net.jvp(sparse.csr_array(X), V), pushed)
    for threads in (2, 3):
        monkeypatch.setattr(Network, "team", lambda self, *a: _core.borrow_team(threads))
        np.testing.assert_array_equal(net.input_gradient(X, y), whole)
        np.testing.assert_array_equal(net.jvp(X, V), pushed)


def test_a_function_as_the_loss():
    net = MLP([6, Dense(5, "tanh"), 2], loss=lambda x, y: (((x - y) ** 2).sum(axis=1), 2 * (x - y)), dtype="float64",
              random_state=0)
    own = MLP([6, Dense(5, "tanh"), 2], dtype="float64", random_state=0)
    X, y = RNG.standard_normal((30, 6)), RNG.standard_normal((30, 2))
    np.testing.assert_allclose(net.input_gradient(X, y), own.input_gradient(X, y), rtol=1e-12, atol=1e-14)


def test_errors():
    net, X, y = problem("tanh")
    for call, message in ((lambda: net.input_gradient(X), "one of y"),
                          (lambda: net.input_gradient(X, y, output=1), "one of y"),
                          (lambda: net.input_gradient(X, output=3), "output must be at most 2"),
                          (lambda: net.vjp(X, y[:, :2]), "U must have shape"),
                          (lambda: net.jvp(X, X[:, :2]), "V must have shape"),
                          (lambda: net.vjp(X, y, at="odds"), "at must be one of"),
                          (lambda: net.vjp(X, np.full_like(y, np.nan)), "U must be finite")):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_of_estimators():
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    model = MLPClassifier((8,), "tanh", max_iter=20, random_state=0).fit(X, y)
    winner = model.predict(X)
    logits = lambda Z: np.log(model.predict_proba(Z))  # differences of logits are those of logarithms
    J = differences(logits, X)
    mine = np.stack([model.input_gradient(X, output=k) for k in range(3)], axis=1)
    np.testing.assert_allclose(mine - mine[:, :1], J - J[:, :1], atol=1e-7)
    np.testing.assert_array_equal(model.input_gradient(X), mine[np.arange(150), winner])
    np.testing.assert_allclose(model.input_gradient(X, y), -J[np.arange(150), y], atol=1e-7)
    one = MLPRegressor(activation="tanh", max_iter=5, random_state=0).fit(X, X[:, 0])
    np.testing.assert_allclose(one.input_gradient(X), differences(lambda Z: one.predict(Z)[:, None], X)[:, 0],
                               atol=1e-8)
    two = MLPRegressor(max_iter=5, random_state=0).fit(X, X[:, :2])
    with pytest.raises(ValueError, match="one of y and output must be given for 2 outputs"):
        two.input_gradient(X)
    coder = MLPAutoencoder((2,), "tanh", max_iter=5, random_state=0).fit(X)
    assert coder.input_gradient(X, X).shape == X.shape
