"""Residual blocks: layers that read others than the one before."""
import numpy as np
import pytest

import reference
from fastmlp import (
    MLP,
    Adam,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    Residual,
    activations,
    tie_layers,
)
from fastmlp.layers import Add, Projection, Projection1D, Projection2D
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


def ones_after(block):
    """A network of a block after three units and of the sum of what that gives, two rows for it, and its sweep where
    the error is that sum."""
    net = MLP([3, block, Dense(1, bias=False)], dtype="float64")
    net.W[-1][...] = 1
    X = np.array([[1.0, -2.0, 3.0], [0.0, 1.0, -2.0]])
    return net.backprop(X, net.predict(X) - 0.5)  # de/dx(L) = 2 (x - y) = 1


def test_by_hand():
    """x + relu(W^T x), and P^T x + relu(W^T x)."""
    W = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [-1.0, 1.0, 0.0]])
    found = ones_after(Residual(Dense(3, "relu", bias=False, init=W)))  # s = -2, 1, 4 and 2, -1, -1
    np.testing.assert_array_equal(found.x[2], [[1, -1, 7], [2, 1, -2]])
    np.testing.assert_allclose(found.dX, [[3, 1, 2], [2, 1, 0]], rtol=1e-14)  # 1 + W delta
    np.testing.assert_allclose(2 * found.dW[1], [[0, 1, 1], [1, -2, -2], [-2, 3, 3]], rtol=1e-14)
    P = np.array([[1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])
    found = ones_after(Residual(Dense(2, "relu", bias=False, init=W[:, :2]),
                                project=Dense(2, bias=False, init=P)))  # P^T x = -2, -3 and 2, 2
    np.testing.assert_array_equal(found.x[3], [[-2, -2], [4, 2]])
    np.testing.assert_allclose(found.dX, [[2, 3, 0], [3, 2, -2]], rtol=1e-14)
    np.testing.assert_allclose(2 * found.dW[1], [[0, 1], [1, -2], [-2, 3]], rtol=1e-14)
    np.testing.assert_allclose(2 * found.dW[2], [[1, 1], [-1, -1], [1, 1]], rtol=1e-14)


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


OF_MAPS = {  # x, f, and the convolution that stands for project=True
    "channels": ((4, 4, 2), [Conv2D(3, 3, "tanh", padding="same")], Projection2D(3, 1, back=2)),
    "a strided block of a ResNet": ((7, 6, 2), [Conv2D(5, 3, "tanh", 2, "same"), Conv2D(5, 3, padding="same")],
                                    Projection2D(5, 1, stride=2, back=3)),
    "another stride by axis": ((7, 4, 1), [MaxPool2D((3, 1), padding=(1, 0)), Conv2D(3, 1)],
                               Projection2D(3, 1, stride=(3, 1), back=3)),
    "a row of a map": ((3, 2, 2), [Dense(5, "tanh")], Projection(5, back=2)),
}


@pytest.mark.parametrize("name", OF_MAPS)
def test_projections_of_maps(name, tmp_path):
    shape, f, projection = OF_MAPS[name]
    net, twin, X, y = problem([shape, Residual(*f, project=True), Dense(6, "tanh"), 3], "float64", n=40)
    found, wanted = net.backprop(X, y), twin.backprop(X, y)
    assert_near(found.dX, wanted.dX, 1e-12)
    for l in range(1, len(net.d)):
        assert net.W[l] is None or np.abs(found.dW[l] - wanted.dW[l]).max() < 1e-12
    flat = MLP([shape, *f, projection, Add(2), Dense(6, "tanh"), 3], activation="tanh", dtype="float64", random_state=0)
    np.testing.assert_array_equal(flat.params, net.params)
    np.testing.assert_array_equal(flat.predict(X), net.predict(X))
    p, v = net.params, 0.01 * RNG.standard_normal(net.n_params)

    def gradient_along(h):
        net.params = p + h * v
        return net.loss_and_grad(X, y)[1]

    if name != "another stride by axis":  # there a quotient may go from one maximum to another
        np.testing.assert_allclose(net.hvp(v, X, y), derivative(gradient_along), rtol=1e-5, atol=1e-8)
    net.params = p
    net.fit(X, y, Adam(), epochs=2, gradient_penalty=0.1)
    assert_goes_on_from_a_file(net, X, y, tmp_path / "net")


def test_a_projection_of_one_axis_is_that_of_a_map_of_one_row():
    one = MLP([(8, 3), Residual(Conv1D(4, 5, "silu", 4, "same"), project=True), 2], dtype="float64", random_state=0)
    two = MLP([(1, 8, 3), Residual(Conv2D(4, (1, 5), "silu", (1, 4), "same"), project=True), 2], dtype="float64")
    assert isinstance(one.layers[1], Projection1D) and one.layers[1].stride == (4,)
    two.params = one.params
    X, y = RNG.standard_normal((9, 24)), RNG.standard_normal((9, 2))
    np.testing.assert_array_equal(one.predict(X), two.predict(X))
    np.testing.assert_array_equal(one.loss_and_grad(X, y)[1], two.loss_and_grad(X, y)[1])


def test_a_projection_by_hand():
    """Every second position of x, times 10, and the sums of two neighbours."""
    sums, tens = Conv1D(1, 2, stride=2, init=[[[1.0]], [[1.0]]]), Conv1D(1, 1, stride=2, init=[[[10.0]]])
    net = MLP([(4, 1), Residual(sums, project=tens), Dense(1, init=[[1.0], [100.0]])])
    np.testing.assert_array_equal(net.predict([[1.0, 2, 3, 4]]), [[13 + 37 * 100]])


def test_a_projection_as_dense():
    net = MLP([(4, 3, 2), Residual(Conv2D(3, 3, "tanh", 2, "same"), project=True), 2], dtype="float64", random_state=0)
    spec, ties = net.layers[1].as_dense((4, 3, 2), 2, net.W[2])
    conv, ties_of_conv = net.layers[0].as_dense((4, 3, 2), 1, net.W[1], net.b[1])
    dense = MLP([24, conv, spec, Add(2), Dense(2, init=net.W[4])], dtype="float64", ties=[*ties_of_conv, *ties])
    X = RNG.standard_normal((9, 24))
    np.testing.assert_allclose(dense.predict(X), net.predict(X), rtol=1e-12, atol=1e-13)


def test_a_projection_of_ones_own():
    net = MLP([4, Residual(8, Dense(6), project=Dense(6, bias=True, lr_scale=0.0, init="zeros")), 1], random_state=0)
    X, y = RNG.standard_normal((30, 4)), RNG.standard_normal((30, 1))
    net.fit(X, y, Adam(0.1), epochs=2)
    assert isinstance(net.layers[2], Projection) and net.layers[2].lr_scale == 0
    assert not net.W[3].any() and not net.b[3].any()
    assert repr(Residual(3, project=Dense(3))) == f"Residual(3, project={Dense(3)!r})"


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
    ([(6, 6, 1), Residual(Conv2D(2, 3), project=True), 1], ValueError,
     r"layers\[1\]: project=True must .* shapes \(6, 6, 1\) and \(4, 4, 2\)"),
    ([(2, 2, 1), Residual(Conv2D(2, 3, padding=2), project=True), 1], ValueError, "project=True must .* and .4, 4, 2"),
    ([4, Residual(5, project=Dense(6)), 1], ValueError, r"of the shape of x, \(5,\), got \(6,\)"),
    ([(6, 6, 1), Residual(Conv2D(2, 3), project=Conv2D(2, 0)), 1], ValueError, "kernel of Projection2D must be at le"),
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
    with pytest.raises(TypeError, match="project of Residual must be True, False, a Dense layer .*, got 1"):
        Residual(3, project=1)
