"""Factors and summands by feature, and the normalisation of rows: held to the NumPy twin, to numbers worked out by
hand, and to PyTorch where that is installed."""
import numpy as np
import pytest

import reference
from fastmlp import (
    MLP,
    SGD,
    Adam,
    Conv2D,
    Dense,
    Frozen,
    LayerNorm,
    MaxPool2D,
    Residual,
    RMSNorm,
    Scale,
    Shift,
    TiedGroup,
    tie_layers,
)
from test_gradients import assert_derivatives, derivative
from test_twin import TOLERANCE, assert_near

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
RNG = np.random.default_rng(0)
NEAR = 0.01  # see test_kinds
# 5, 20 and 33 features: less than a vector, and vectors with a part of one
LAYERS = {
    "scale": [5, Scale(), Dense(20, "tanh"), Scale(0.5), Dense(33, "relu"), Scale(), 3],
    "shift": [5, Shift([1, 2, 3, 4, 5]), Dense(20, "tanh"), Shift(0.5), Dense(33, "relu"), Shift(), 3],
    "layer_norm": [5, LayerNorm(), Dense(20, "tanh"), LayerNorm(0.1, scale=False), Dense(33, "relu"),
                   LayerNorm(shift=False), Dense(64, "relu"), LayerNorm(1e-3, False, False), 3],
    "rms_norm": [5, RMSNorm(), Dense(20, "tanh"), RMSNorm(0.1, scale=False), Dense(33, "relu"), RMSNorm(), 3],
    "residual": [5, Dense(8, "tanh"), Residual(LayerNorm(), Dense(16, "relu"), Dense(8)), RMSNorm(), Shift(), 3],
    "maps": [(4, 5, 3), LayerNorm(), Conv2D(7, 2, "tanh", padding=1), RMSNorm(), Scale(), Shift(0.1), MaxPool2D(2),
             LayerNorm(scale=False), 3],
    "wide maps": [(3, 2, 17), RMSNorm(), Conv2D(33, 2, "tanh"), LayerNorm(), 3],
}
networks = pytest.mark.parametrize("name", LAYERS)


def problem(name, dtype="float64", n=60):
    net = MLP(LAYERS[name], dtype=dtype, random_state=0)
    net.params = net.params + 0.3 * RNG.standard_normal(net.n_params)
    X, y = RNG.standard_normal((n, net.d[0])).astype(dtype) * 2 + 1, RNG.standard_normal((n, 3)).astype(dtype)
    return net, X, y


@dtypes
@networks
def test_the_sweep_is_the_twins(name, dtype):
    net, X, y = problem(name, dtype)
    found, wanted = net.backprop(X, y), reference.twin_of(net).backprop(X, y)
    assert found.loss == pytest.approx(wanted.loss, rel=10 * TOLERANCE[dtype])
    assert_near(found.dX, wanted.dX, 10 * TOLERANCE[dtype])
    for l in range(1, len(net.d)):
        for part in ("x", "delta", "dW", "db"):
            a, b = getattr(found, part)[l], getattr(wanted, part)[l]
            assert (a is None) == (b is None)
            if a is not None:
                assert_near(a, b, 10 * TOLERANCE[dtype])


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


@networks
def test_derivatives_alone_and_nested(name):
    net, X, y = problem(name, n=20)
    assert_derivatives(net, X, y, NEAR * RNG.standard_normal(net.n_params))
    J, V = net.jacobian(X), RNG.standard_normal(X.shape)
    np.testing.assert_allclose(net.jvp(X, V), np.einsum("nkj,nj->nk", J, V), rtol=1e-11, atol=1e-12)


def sums_of(net, X):
    """(dX, dW, db) of layer 1 where the error is the sum of all outputs of layer 1: layer 2 adds them up."""
    net.W[2][...] = 1
    found = net.backprop(X, net.predict(X) - 0.5)  # de/dx(2) = 2 (x - y) = 1
    return found.x[1], found.dX, *(None if a is None else len(X) * a for a in (found.dW[1], found.db[1]))


X23 = np.array([[1.0, 2.0, 6.0], [-3.0, 0.0, 0.0]])


def test_by_hand():
    """On two rows of three units."""
    net = MLP([3, Scale([2, -1, 0.5]), Dense(1, bias=False)], dtype="float64")
    x, dX, dW, _ = sums_of(net, X23)
    np.testing.assert_array_equal(x, [[2, -2, 3], [-6, 0, 0]])
    np.testing.assert_allclose(dX, [[2, -1, 0.5]] * 2, rtol=1e-14)
    np.testing.assert_allclose(dW, [-2, 2, 6], rtol=1e-14)
    net = MLP([3, Shift([2, -1, 0.5]), Dense(1, bias=False)], dtype="float64")
    x, dX, dW, db = sums_of(net, X23)
    np.testing.assert_array_equal(x, [[3, 1, 6.5], [-1, -1, 0.5]])
    np.testing.assert_allclose(dX, np.ones((2, 3)), rtol=1e-14)
    assert dW is None and net.W[1] is None
    np.testing.assert_allclose(db, [2, 2, 2], rtol=1e-14)
    # rows of mean 3 and -1, whose squares around it are 4, 1, 9 and 4, 1, 1: variances 14/3 and 2
    net = MLP([3, LayerNorm(1e-300), Dense(1, bias=False)], dtype="float64")
    normal = np.array([[-2, -1, 3] / np.sqrt(14 / 3), [-2, 1, 1] / np.sqrt(2)])
    x, dX, dW, db = sums_of(net, X23)
    np.testing.assert_allclose(x, normal, rtol=1e-14)
    np.testing.assert_allclose(dX, np.zeros((2, 3)), atol=1e-14)  # the sum of x^ is 0 wherever x is
    np.testing.assert_allclose(dW, normal.sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(db, [2, 2, 2], rtol=1e-14)
    # mean squares 41/3 and 3; d(sum x^)/dx = r (1 - x^ mean(x^))
    net = MLP([3, RMSNorm(1e-300), Dense(1, bias=False)], dtype="float64")
    r = np.sqrt([[3 / 41], [1 / 3]])
    x, dX, dW, _ = sums_of(net, X23)
    np.testing.assert_allclose(x, X23 * r, rtol=1e-14)
    np.testing.assert_allclose(dX, r * (1 - X23 * r * (np.array([[9.0], [-3.0]]) * r / 3)), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dW, (X23 * r).sum(axis=0), rtol=1e-13)


def test_of_maps_each_position_by_itself():
    net = MLP([(2, 3, 4), LayerNorm(), RMSNorm(), 2], dtype="float64", random_state=0)
    X = RNG.standard_normal((5, 24))
    by_position = X.reshape(5, 6, 4)
    mean, var = by_position.mean(axis=2, keepdims=True), by_position.var(axis=2, keepdims=True)
    normal = (by_position - mean) / np.sqrt(var + 1e-5)
    x = net.forward(X).x
    np.testing.assert_allclose(x[1], normal.reshape(5, 24), rtol=1e-11, atol=1e-12)
    again = normal / np.sqrt((normal ** 2).mean(axis=2, keepdims=True) + 1e-5)
    np.testing.assert_allclose(x[2], again.reshape(5, 24), rtol=1e-11, atol=1e-12)
    assert net.W[1].shape == net.b[1].shape == net.W[2].shape == (4,)


def test_a_row_far_from_zero_and_one_of_equal_units():
    net = MLP([4, LayerNorm(), 2], dtype="float64", random_state=0)
    x = net.forward([[1e8 + 1, 1e8 - 1, 1e8 + 3, 1e8 - 3], [7.0] * 4]).x[1]
    np.testing.assert_allclose(x[0], np.array([1, -1, 3, -3]) / np.sqrt(5 + 1e-5), rtol=1e-12)
    np.testing.assert_array_equal(x[1], 0)


def test_penalties_of_weights_leave_them_alone():
    nets = [MLP(LAYERS["layer_norm"], random_state=0) for _ in range(2)]
    X, y = RNG.standard_normal((30, 5)), RNG.standard_normal((30, 3))
    for net, l2 in zip(nets, (0.0, 1.0)):
        net.fit(X, y, SGD(1e-3, l2=l2), epochs=1, batch_size=None)
    plain, heavy = nets
    np.testing.assert_array_equal(plain.W[1], heavy.W[1])
    np.testing.assert_array_equal(plain.b[3], heavy.b[3])  # which the engine keeps in the place of W
    assert (plain.W[2] != heavy.W[2]).all()


def test_ties():
    """Layers as a whole, single factors and summands, and those that stand still."""
    ties = [tie_layers(1, 3), TiedGroup([(5, 0), (5, 2)]), TiedGroup([(7, None, 1), (7, None, 2)]),
            Frozen(9, np.array([True, False, False]), 0.25)]
    layers = [4, LayerNorm(), 4, LayerNorm(), 3, Scale(), 3, Shift(), 3, RMSNorm(), 2]
    net = MLP(layers, activation="tanh", ties=ties, dtype="float64", random_state=0)
    X, y = RNG.standard_normal((40, 4)), RNG.standard_normal((40, 2))
    p, v = net.params, NEAR * RNG.standard_normal(net.n_params)

    def loss_along(h):
        net.params = p + h * v
        return net.evaluate(X, y)

    assert net.loss_and_grad(X, y)[1] @ v == pytest.approx(derivative(loss_along), rel=1e-6)
    net.fit(X, y, Adam(0.01), epochs=3, batch_size=8)
    np.testing.assert_array_equal(net.W[1], net.W[3])
    np.testing.assert_array_equal(net.b[1], net.b[3])
    assert net.W[5][0] == net.W[5][2] != 1 and net.b[7][1] == net.b[7][2] != 0 and net.W[9][0] == 0.25 != net.W[9][1]


def test_starts_and_errors():
    net = MLP([3, Scale([1, 2, 3]), Shift(4.0), 2])
    np.testing.assert_array_equal(net.W[1], [1, 2, 3])
    np.testing.assert_array_equal(net.b[2], [4, 4, 4])
    for wrong, message in ((LayerNorm(0), "eps of layers"), (RMSNorm(-1), "eps of layers"),
                           (Scale([1, 2]), "init of layer 1"), (Shift([1, 2]), "init of layer 1")):
        with pytest.raises(ValueError, match=message):
            MLP([3, wrong, 1])
    for wrong, message in ((LayerNorm(scale=1), "scale of layers"), (LayerNorm(shift=1), "shift of layers"),
                           (RMSNorm(scale=0), "scale of layers")):
        with pytest.raises(TypeError, match=message):
            MLP([3, wrong, 1])
    with pytest.raises(ValueError, match="at least 2 units or channels, got 1"):
        MLP([1, LayerNorm(), 1])


@networks
def test_files_keep_them(name, tmp_path):
    net, X, y = problem(name)
    net.fit(X, y, Adam(), epochs=1)
    net.save(tmp_path / "net")
    again = MLP.load(tmp_path / "net")
    assert again.summary() == net.summary() and repr(again) == repr(net)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


@pytest.mark.parametrize("ours, theirs", [(LayerNorm(1e-3), "LayerNorm"), (RMSNorm(1e-3), "RMSNorm")])
def test_pytorch(ours, theirs):
    torch = pytest.importorskip("torch")
    net = MLP([20, ours, Dense(4)], dtype="float64", random_state=0)
    net.params = net.params + 0.3 * RNG.standard_normal(net.n_params)
    theirs = getattr(torch.nn, theirs)(20, eps=1e-3, dtype=torch.float64)
    theirs.weight.data = torch.tensor(net.W[1])
    if net.b[1] is not None:
        theirs.bias.data = torch.tensor(net.b[1])
    X, y = torch.tensor(RNG.standard_normal((30, 20)), requires_grad=True), torch.tensor(RNG.standard_normal((30, 4)))
    out = theirs(X) @ torch.tensor(net.W[2]) + torch.tensor(net.b[2])
    ((out - y) ** 2).sum(dim=1).mean().backward()
    found = net.backprop(X.detach().numpy(), y.numpy())
    np.testing.assert_allclose(found.x[2], out.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.dX / 30, X.grad, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.dW[1], theirs.weight.grad, rtol=1e-10, atol=1e-12)
