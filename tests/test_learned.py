"""Activations with learned numbers, and gates: held to the NumPy twin, to numbers worked out by hand, and to PyTorch
where that is installed."""
import numpy as np
import pytest

import fastmlp
import reference
from fastmlp import GLU, MLP, SGD, Adam, Conv2D, Dense, MaxPool2D, Mixture, PReLU, Residual, tie_layers
from test_gradients import assert_derivatives
from test_twin import TOLERANCE, assert_near

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
RNG = np.random.default_rng(0)
NEAR = 0.01  # see test_kinds
# 5, 20 and 33 features: less than a vector, and vectors with a part of one
LAYERS = {
    "mixture": [5, Mixture("tanh", 0.5), Dense(20), Mixture("silu"), Dense(33), Mixture("gelu", 1.5), 3],
    "prelu": [5, PReLU([0.1, 0.2, 0.3, 1, 2]), Dense(20), PReLU(), Dense(33), PReLU(-0.5), 3],
    "glu": [6, GLU("tanh"), Dense(40), GLU("silu"), Dense(66), GLU(), 3],
    "residual": [5, Dense(8, "tanh"), Residual(Dense(16), GLU("gelu"), Dense(8), Mixture("mish")), PReLU(), 3],
    "maps": [(4, 5, 3), Mixture("sin"), Conv2D(14, 2, padding=1), GLU("silu"), PReLU(), MaxPool2D(2), 3],
    "wide maps": [(3, 2, 34), GLU(), Conv2D(33, 2), Mixture(("elu", 0.5), 0.7), 3],
}
networks = pytest.mark.parametrize("name", LAYERS)


def problem(name, dtype="float64", n=60):
    layers = LAYERS[name] if isinstance(name, str) else name
    net = MLP(layers, dtype=dtype, random_state=0)
    net.params = net.params + 0.3 * RNG.standard_normal(net.n_params)
    X, y = RNG.standard_normal((n, net.d[0])).astype(dtype), RNG.standard_normal((n, net.d[-1])).astype(dtype)
    return net, X, y


def assert_the_sweep_is_the_twins(net, X, y, dtype):
    found, wanted = net.backprop(X, y), reference.twin_of(net).backprop(X, y)
    assert found.loss == pytest.approx(wanted.loss, rel=10 * TOLERANCE[dtype])
    assert_near(found.dX, wanted.dX, 10 * TOLERANCE[dtype])
    for l in range(1, len(net.d)):
        for part in ("x", "delta", "dW", "db"):
            a, b = getattr(found, part)[l], getattr(wanted, part)[l]
            assert (a is None) == (b is None)
            if a is not None:
                assert_near(a, b, 10 * TOLERANCE[dtype])


@dtypes
@networks
def test_the_sweep_is_the_twins(name, dtype):
    assert_the_sweep_is_the_twins(*problem(name, dtype), dtype)


@pytest.mark.parametrize("activation", fastmlp.activations())
def test_each_activation(activation):
    net, X, y = problem([6, Mixture(activation, 0.5), Dense(20), GLU(activation), Mixture(activation), 3])
    assert_the_sweep_is_the_twins(net, X, y, "float64")


@networks
def test_steps_are_the_twins(name):
    net, X, y = problem(name)
    twin, optimizer = reference.twin_of(net), reference.SGD(0.01, momentum=0.9)
    net.fit(X, y, SGD(0.01, momentum=0.9), epochs=2, batch_size=25, shuffle=False, n_threads=2)
    reference.train(twin, optimizer, X, y, epochs=2, batch=25)
    for l in range(1, len(net.d)):
        for a, b in ((net.W[l], twin.W[l]), (net.b[l], twin.b[l])):
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in ("prelu", "maps", "residual", "wide maps")])
def test_derivatives_alone_and_nested(name):
    net, X, y = problem(name, n=20)
    assert_derivatives(net, X, y, NEAR * RNG.standard_normal(net.n_params))
    J, V = net.jacobian(X), RNG.standard_normal(X.shape)
    np.testing.assert_allclose(net.jvp(X, V), np.einsum("nkj,nj->nk", J, V), rtol=1e-11, atol=1e-12)


def sums_of(net, X):
    """(x(1), dX, dW) of layer 1 where the error is the sum of all its outputs: layer 2 adds them up."""
    net.W[2][...] = 1
    found = net.backprop(X, net.predict(X) - 0.5)  # de/dx(2) = 2 (x - y) = 1
    return found.x[1], found.dX, None if found.dW[1] is None else len(X) * found.dW[1]


def test_by_hand():
    """On two rows of three units, and on two rows of four."""
    X = np.array([[1.0, -2.0, 6.0], [-3.0, -4.0, 0.0]])
    net = MLP([3, PReLU([0.5, -1, 2]), Dense(1, bias=False)], dtype="float64")
    x, dX, dW = sums_of(net, X)
    np.testing.assert_array_equal(x, [[1, 2, 6], [-1.5, 4, 0]])
    np.testing.assert_allclose(dX, [[1, -1, 1], [0.5, -1, 2]], rtol=1e-14)
    np.testing.assert_allclose(dW, [-3, -6, 0], rtol=1e-14)
    # theta(x) = max(x, 0): (1 - a) x below 0
    net = MLP([3, Mixture("relu", [0.5, 2, 1]), Dense(1, bias=False)], dtype="float64")
    x, dX, dW = sums_of(net, X)
    np.testing.assert_array_equal(x, [[1, 2, 6], [-1.5, 4, 0]])
    np.testing.assert_allclose(dX, [[1, -1, 1], [0.5, -1, 0]], rtol=1e-14)
    np.testing.assert_allclose(dW, [3, 6, 0], rtol=1e-14)
    net = MLP([4, GLU("leaky_relu"), Dense(1, bias=False)], dtype="float64")
    x, dX, dW = sums_of(net, np.array([[1.0, -2.0, 3.0, -100.0], [-3.0, 5.0, -200.0, 7.0]]))
    np.testing.assert_allclose(x, [[3, 2], [6, 35]], rtol=1e-14)
    np.testing.assert_allclose(dX, [[3, -1, 1, -0.02], [-2, 7, -0.03, 5]], rtol=1e-14)
    assert dW is None


def test_of_maps_each_position_by_itself():
    net, X, _ = problem([(2, 3, 4), GLU("tanh"), PReLU(), 2])
    b, c = np.split(X.reshape(60, 6, 4), 2, axis=2)
    x = net.forward(X).x
    np.testing.assert_allclose(x[1].reshape(60, 6, 2), b * np.tanh(c), rtol=1e-12)
    np.testing.assert_allclose(x[2], np.where(x[1] > 0, x[1], x[1] * np.tile(net.W[2], 6)), rtol=1e-12)
    assert net.shapes[1] == (2, 3, 2) and net.W[2].shape == (2,)


def test_penalties_of_weights_leave_them_alone():
    nets = [MLP(LAYERS["mixture"], random_state=0) for _ in range(2)]
    X, y = RNG.standard_normal((30, 5)), RNG.standard_normal((30, 3))
    for net, l2 in zip(nets, (0.0, 1.0)):
        net.fit(X, y, SGD(1e-3, l2=l2), epochs=1, batch_size=None)
    np.testing.assert_array_equal(nets[0].W[1], nets[1].W[1])
    assert (nets[0].W[2] != nets[1].W[2]).all()


def test_ties_and_rates():
    net = MLP([4, Mixture("tanh"), 4, Mixture("tanh"), 2], ties=[tie_layers(1, 3)], dtype="float64", random_state=0)
    X, y = RNG.standard_normal((40, 4)), RNG.standard_normal((40, 2))
    net.fit(X, y, Adam(0.01), epochs=3, batch_size=8)
    np.testing.assert_array_equal(net.W[1], net.W[3])
    assert (net.W[1] != 1).all()
    net = MLP([4, Mixture("tanh", lr_scale=0.0), PReLU(lr_scale=0.0), 2], random_state=0)
    net.fit(X, y, Adam(0.01), epochs=1)
    assert (net.W[1] == 1).all() and (net.W[2] == 0.25).all()


def test_starts_names_and_errors():
    net = MLP([2, PReLU([1, 2]), Mixture("swish", ("normal", 0.5)), GLU("linear"), 2], random_state=0)
    np.testing.assert_array_equal(net.W[1], [1, 2])
    assert net.layers[1].theta == "silu" and net.layers[2].theta == "identity" and len({*net.W[2]}) == 2
    for wrong, message in ((PReLU([1, 2]), "init of layer 1"), (Mixture("tan"), "theta of layers"),
                           (Mixture(("elu", -1.0)), "theta of layers"), (GLU("tan"), "theta of layers"),
                           (GLU(), "even number of units or channels, got 3"), (PReLU(lr_scale=-1), "lr_scale of")):
        with pytest.raises(ValueError, match=message):
            MLP([3, wrong, 1])


@networks
def test_files_keep_them(name, tmp_path):
    net, X, y = problem(name)
    net.fit(X, y, Adam(), epochs=1)
    net.save(tmp_path / "net")
    again = MLP.load(tmp_path / "net")
    assert again.summary() == net.summary() and repr(again) == repr(net)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


@pytest.mark.parametrize("ours", [PReLU(0.3), GLU()], ids=repr)
def test_pytorch(ours):
    torch = pytest.importorskip("torch")
    net, X, y = problem([20, ours, Dense(4)])
    theirs = torch.nn.GLU()
    if net.W[1] is not None:
        theirs = torch.nn.PReLU(20, dtype=torch.float64)
        theirs.weight.data = torch.tensor(net.W[1])
    rows = torch.tensor(X, requires_grad=True)
    out = theirs(rows) @ torch.tensor(net.W[2]) + torch.tensor(net.b[2])
    ((out - torch.tensor(y)) ** 2).sum(dim=1).mean().backward()
    found = net.backprop(X, y)
    np.testing.assert_allclose(found.x[2], out.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.dX / 60, rows.grad, rtol=1e-10, atol=1e-12)
    if net.W[1] is not None:
        np.testing.assert_allclose(found.dW[1], theirs.weight.grad, rtol=1e-10, atol=1e-12)
