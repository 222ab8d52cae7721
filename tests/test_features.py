"""Factors and summands by feature, and the normalisation of rows: held to the NumPy twin, to numbers worked out by
hand, and to PyTorch where that is installed."""
import numpy as np
import pytest

import layer_checks
from fastmlp import (
    MLP,
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
from test_files import assert_goes_on_from_a_file
from test_gradients import assert_derivatives, derivative
from test_twin import TOLERANCE

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
RNG = np.random.default_rng(0)
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
    net, X, y = layer_checks.problem(LAYERS[name], RNG, dtype, n)
    return net, 2 * X + 1, y


@dtypes
@networks
def test_the_sweep_is_the_twins(name, dtype):
    layer_checks.assert_the_sweep_is_the_twins(*problem(name, dtype))


@networks
def test_steps_are_the_twins(name):
    layer_checks.assert_steps_are_the_twins(*problem(name))


@networks
def test_derivatives_alone_and_nested(name):
    net, X, y = problem(name, n=20)
    assert_derivatives(net, X, y, layer_checks.NEAR * RNG.standard_normal(net.n_params))
    layer_checks.assert_the_jvp_is_the_jacobians(net, X, RNG)


def sums_of(net, X):
    """x(1), and dX and the sums over rows of dW(1) and db(1) of `layer_checks.summed`."""
    found = layer_checks.summed(net, X)
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
    """Nor a beta without gamma, which the engine keeps in the place of W."""
    layer_checks.assert_decay_leaves_alone(LAYERS["layer_norm"], RNG, lambda net: net.W[1], lambda net: net.b[3])


def test_ties():
    """Layers as a whole, single factors and summands, and those that stand still."""
    ties = [tie_layers(1, 3), TiedGroup([(5, 0), (5, 2)]), TiedGroup([(7, None, 1), (7, None, 2)]),
            Frozen(9, np.array([True, False, False]), 0.25)]
    layers = [4, LayerNorm(), 4, LayerNorm(), 3, Scale(), 3, Shift(), 3, RMSNorm(), 2]
    net = MLP(layers, activation="tanh", ties=ties, dtype="float64", random_state=0)
    X, y = RNG.standard_normal((40, 4)), RNG.standard_normal((40, 2))
    p, v = net.params, layer_checks.NEAR * RNG.standard_normal(net.n_params)

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
    assert_goes_on_from_a_file(net, X, y, tmp_path / "net")


@pytest.mark.parametrize("ours, theirs", [(LayerNorm(1e-3), "LayerNorm"), (RMSNorm(1e-3), "RMSNorm")])
def test_pytorch(ours, theirs):
    torch = pytest.importorskip("torch")
    net, X, y = layer_checks.problem([20, ours, Dense(4)], RNG, n=30)
    theirs = getattr(torch.nn, theirs)(20, eps=1e-3, dtype=torch.float64)
    theirs.weight.data = torch.tensor(net.W[1])
    if net.b[1] is not None:
        theirs.bias.data = torch.tensor(net.b[1])
    layer_checks.assert_equal_to_pytorch(net, theirs, X, y)
