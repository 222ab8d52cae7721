"""Residual blocks: layers that read others than the one before."""
import numpy as np
import pytest

import reference
from fastmlp import MLP, Adam, Conv2D, Dense, Dropout, Flatten, MaxPool2D, Residual, activations, tie_layers
from fastmlp.layers import Add, Projection
from layer_checks import assert_the_sweep_is_the_twins
from test_files import assert_goes_on_from_a_file
from test_gradients import derivative
from test_twin import OPTIMIZERS, TOLERANCE, assert_near, with_argument

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
RNG = np.random.default_rng(0)


def nested(activation="tanh"):
    return [5, Dense(8, activation), Residual(Dense(6, activation), Residual(6, Dense(6)), 8),
            Residual(Dense(17, activation), project=True), 3]


def problem(layers, dtype, n=150):
    net = MLP(layers, activation="tanh", dtype=dtype, random_state=0)
    twin = reference.twin_of(net)
    X, y = (RNG.standard_normal((n, d)).astype(np.float32) for d in (net.d[0], net.d[-1]))
    return net, twin, X, y


@dtypes
@pytest.mark.parametrize("activation", activations())
def test_the_sweep_is_the_twins(activation, dtype):
    net, _, X, y = problem(nested(with_argument(activation)), dtype)
    assert_the_sweep_is_the_twins(net, X, y, times=1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_training_is_the_twins(optimizer):
    net, twin, X, y = problem(nested(), "float64")
    twins = reference.OPTIMIZERS[type(optimizer).__name__](**vars(optimizer))
    net.fit(X, y, optimizer, epochs=3, batch_size=64, shuffle=False)
    layers = range(1, twin.L + 1)
    for _ in range(3):
        for i in range(0, len(X), 64):
            g = twin.backprop(X[i:i + 64], y[i:i + 64])
            pairs = [(a, da, weight) for arrays, grads, weight in ((twin.W, g.dW, True), (twin.b, g.db, False))
                     for a, da in ((arrays[l], grads[l]) for l in layers) if a is not None]
            twins.step(*(list(column) for column in zip(*pairs)))
    for l in layers:
        for a, b in ((net.W[l], twin.W[l]), (net.b[l], twin.b[l])):
            assert a is None or np.abs(a - b).max() < 1e-10


def test_a_block_of_zeros_is_the_identity():
    net = MLP([4, Residual(Dense(9, "relu"), Dense(4, init="zeros")), Dense(2)], dtype="float64", random_state=0)
    X = RNG.standard_normal((7, 4))
    np.testing.assert_array_equal(net.forward(X).x[3], X)


def test_second_derivatives_and_the_jacobian():
    net, _, X, y = problem(nested(), "float64", n=40)
    v, p = RNG.standard_normal(net.n_params), net.params

    def gradient_along(h):
        net.params = p + h * v
        return net.loss_and_grad(X, y)[1]

    hvp = net.hvp(v, X, y)
    np.testing.assert_allclose(hvp, derivative(gradient_along), rtol=1e-5, atol=1e-6)
    net.params = p
    J, V = net.jacobian(X), RNG.standard_normal(X.shape)
    np.testing.assert_allclose(net.jvp(X, V), np.einsum("nkj,nj->nk", J, V), rtol=1e-11, atol=1e-12)
    for penalty in ("gradient_penalty", "jacobian_penalty"):
        def loss_along(h, penalty=penalty):
            net.params = p + h * v
            return net.loss_and_grad(X, y, **{penalty: 0.3})[0]

        net.params = p
        slope = net.loss_and_grad(X, y, **{penalty: 0.3})[1] @ v
        assert slope == pytest.approx(derivative(loss_along), rel=1e-6)


def test_maps_ties_and_files(tmp_path):
    of_maps = Residual(Conv2D(2, 3, "relu", padding="same"), Dropout(0.25))
    layers = [(6, 6, 2), of_maps, MaxPool2D(2), Flatten(), Residual(18, 18), 3]
    net = MLP(layers, ties=[tie_layers(6, 7)], random_state=0)
    X, y = RNG.standard_normal((50, 6, 6, 2)), RNG.standard_normal((50, 3))
    net.fit(X, y, Adam(), epochs=2, gradient_penalty=0.1)
    np.testing.assert_array_equal(net.W[6], net.W[7])
    assert_goes_on_from_a_file(net, X, y, tmp_path / "net")


def test_several_layers_read_the_input():
    """Whose delta training has no place for."""
    net, twin, X, y = problem([5, Residual(Residual(5)), 3], "float64")
    assert_near(net.loss_and_grad(X, y)[1][:25], twin.backprop(X, y).dW[1].ravel(), 1e-12)
    net.fit(X, y, epochs=2, jacobian_penalty=0.1)


def test_numbers_of_layers():
    net = MLP([8, Residual(16, 8), 1])
    assert net.d == (8, 16, 8, 8, 1) and [layer.kind for layer in net.layers] == ["dense", "dense", "sum", "dense"]
    assert net.layers[0].activation == net.layers[1].activation == "relu"
    net = MLP([8, Residual(16, project=True), 1])
    assert net.d == (8, 16, 16, 16, 1) and isinstance(net.layers[1], Projection) and net.W[2].shape == (8, 16)
    assert repr(Residual(16, Dense(8), project=True)) == f"Residual(16, {Dense(8)!r}, project=True)"


@pytest.mark.parametrize("layers, error, message", [
    ([4, Residual(5), 1], ValueError, r"layers\[1\]: x \+ f\(x\) needs .* of the shape of x, \(4,\), got \(5,\)"),
    ([4, Residual(4)], ValueError, "the last of layers must be a Dense layer"),
    ([4, Residual("x"), 1], TypeError, r"layers\[1\].layers\[0\] must be an int or a layer spec, got 'x'"),
    ([4, Residual(0), 1], ValueError, r"units of layers\[1\].layers\[0\] must be at least 1, got 0"),
    ([(6, 6, 1), Residual(Conv2D(2, 3), project=True), 1], ValueError, "project must be False for maps"),
    ([4, 4, Add(3), 1], ValueError, r"back of layers\[2\] must be at most 2, got 3"),
    ([4, 4, Projection(4, back=2), 1], ValueError, r"must be read by a later one, got none that reads x\(1\)"),
    ([4, 4, Add(2.0), 1], TypeError, r"back of layers\[2\] must be an integer, got 2.0"),
])
def test_errors(layers, error, message):
    with pytest.raises(error, match=message):
        MLP(layers)


def test_errors_of_the_block_itself():
    with pytest.raises(ValueError, match="at least one layer"):
        Residual()
    with pytest.raises(TypeError, match="project of Residual must be True or False, got 1"):
        Residual(3, project=1)
