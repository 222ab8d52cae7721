"""Dense layers in groups, held to Dense layers with frozen zeros."""
import numpy as np
import pytest

import reference
from fastmlp import MLP, SGD, Adam, Dense, Frozen
from test_gradients import assert_derivatives
from test_twin import TOLERANCE, assert_near

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
RNG = np.random.default_rng(0)
# (inputs, units, groups): whole vectors, parts of one, groups of one unit
SIZES = [(64, 32, 2), (6, 8, 2), (12, 20, 4), (5, 5, 5), (48, 99, 3), (100, 4, 4), (17, 17, 1), (128, 192, 2)]
sizes = pytest.mark.parametrize("size", SIZES, ids=str)


def problem(size, dtype="float64", activation="tanh", n=70):
    n_in, units, groups = size
    net = MLP([n_in, n_in, Dense(units, activation, groups=groups), 3], activation="tanh", dtype=dtype, random_state=0)
    X, y = RNG.standard_normal((n, n_in)).astype(np.float32), RNG.standard_normal((n, 3)).astype(np.float32)
    return net, X, y


def whole(blocks):
    """(d(l-1), d(l)) with the blocks on the diagonal, and where they are not."""
    if blocks.ndim == 2:
        return blocks, np.zeros(blocks.shape, bool)
    g, n_in, units = blocks.shape
    W, zeros = np.zeros((g * n_in, g * units)), np.ones((g * n_in, g * units), bool)
    for k in range(g):
        at = slice(k * n_in, (k + 1) * n_in), slice(k * units, (k + 1) * units)
        W[at], zeros[at] = blocks[k], False
    return W, zeros


@sizes
def test_it_is_a_dense_layer_with_frozen_zeros(size):
    net, X, y = problem(size)
    W, zeros = whole(net.W[2])
    dense = MLP([size[0], size[0], Dense(size[1], "tanh", init=W), 3], activation="tanh", dtype="float64",
                random_state=0, ties=[Frozen(2, zeros, 0.0)] if zeros.any() else [])
    for l in (1, 3):
        dense.W[l][...] = net.W[l]
    for found, wanted in ((net.predict(X), dense.predict(X)), (net.input_gradient(X, y), dense.input_gradient(X, y)),
                          (whole(net.backprop(X, y).dW[2])[0][~zeros], dense.backprop(X, y).dW[2][~zeros])):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(net.loss_and_grad(X, y)[0], dense.loss_and_grad(X, y)[0], rtol=1e-12)
    for one in (net, dense):
        one.fit(X, y, SGD(0.05, momentum=0.9), epochs=3, batch_size=32, shuffle=False)
    np.testing.assert_allclose(whole(net.W[2])[0], dense.W[2], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.b[2], dense.b[2], rtol=1e-12, atol=1e-12)


@dtypes
@pytest.mark.parametrize("activation", ["relu", "gelu", "identity"])
@sizes
def test_the_sweep_is_the_twins(size, activation, dtype):
    net, X, y = problem(size, dtype, activation)
    found, wanted = net.backprop(X, y), reference.twin_of(net).backprop(X, y)
    assert_near(found.dX, wanted.dX, 2 * TOLERANCE[dtype])
    for l in (1, 2, 3):
        for part in ("x", "delta", "dW", "db"):
            assert_near(getattr(found, part)[l], getattr(wanted, part)[l], 2 * TOLERANCE[dtype])


@sizes
def test_derivatives_alone_and_nested(size):
    net, X, y = problem(size, n=10)
    assert_derivatives(net, X, y, 0.02 * RNG.standard_normal(net.n_params))


def test_by_hand():
    """Two groups of two units and of one: on two rows of four."""
    layer = Dense(2, groups=2, init=[[[1.0], [2.0]], [[3.0], [4.0]]], bias_init=[0.5, -0.5])
    net = MLP([4, layer, Dense(1, bias=False, init=[[1.0], [1.0]])], dtype="float64")
    X = np.array([[1.0, 2.0, 6.0, 0.0], [-3.0, 0.0, 0.0, 1.0]])
    found = net.backprop(X, net.predict(X) - 0.5)  # delta is 1 everywhere
    np.testing.assert_array_equal(found.x[1], [[5.5, 17.5], [-2.5, 3.5]])
    np.testing.assert_array_equal(found.dX, [[1, 2, 3, 4]] * 2)
    np.testing.assert_array_equal(2 * found.dW[1], [[[-2], [2]], [[6], [1]]])
    np.testing.assert_array_equal(2 * found.db[1], [2, 2])


def test_starts_files_and_text(tmp_path):
    """A block starts as a Dense layer of its size does."""
    net = MLP([400, Dense(600, "relu", groups=2, init="he_normal"), 3], random_state=0)
    assert net.W[1].shape == (2, 200, 300) and np.std(net.W[1]) == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    X, y = RNG.standard_normal((20, 400)), RNG.standard_normal((20, 3))
    net.fit(X, y, Adam(), epochs=1)
    net.save(tmp_path / "net")
    again = MLP.load(tmp_path / "net")
    assert repr(again) == repr(net) and "600 relu in 2 groups" in repr(net) and "2x200x300" in net.summary()
    assert "120,600    240,000\n" in net.summary()  # parameters, and operations a row: two for each weight
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


def test_ties_are_by_the_blocks():
    still = Frozen(1, np.eye(2, 6).reshape(2, 3, 2) > 0, 0.5)
    net = MLP([6, Dense(4, "tanh", groups=2), 2], ties=[still], random_state=0)
    net.fit(RNG.standard_normal((20, 6)), RNG.standard_normal((20, 2)), epochs=2)
    assert net.W[1][0, 0, 0] == 0.5 != net.W[1][0, 0, 1]


@pytest.mark.parametrize("layers, error, message", [
    ([6, Dense(4, groups=4), 1], ValueError, r"layers\[1\]: groups must divide the units before, 6, got 4"),
    ([6, Dense(4, groups=3), 1], ValueError, r"units of layers\[1\] must be a multiple of its groups, 3, got 4"),
    ([6, Dense(4, groups=0), 1], ValueError, r"groups of layers\[1\] must be at least 1, got 0"),
    ([6, Dense(4, groups=2.0), 1], TypeError, r"groups of layers\[1\] must be an integer, got 2.0"),
])
def test_errors(layers, error, message):
    with pytest.raises(error, match=message):
        MLP(layers)
