"""Activations as layers, with learned numbers and without, and gates: held to the NumPy twin, to numbers worked out by
hand, and to PyTorch where that is installed."""
import numpy as np
import pytest

import fastmlp
import layer_checks
from fastmlp import (
    GLU,
    MLP,
    Activation,
    Adam,
    Conv2D,
    Dense,
    LayerNorm,
    MaxPool2D,
    Mixture,
    PReLU,
    Residual,
    tie_layers,
)
from test_files import assert_goes_on_from_a_file
from test_gradients import assert_derivatives
from test_twin import TOLERANCE

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
RNG = np.random.default_rng(0)
# 5, 20 and 33 features: less than a vector, and vectors with a part of one
LAYERS = {
    "mixture": [5, Mixture("tanh", 0.5), Dense(20), Mixture("silu"), Dense(33), Mixture("gelu", 1.5), 3],
    "prelu": [5, PReLU([0.1, 0.2, 0.3, 1, 2]), Dense(20), PReLU(), Dense(33), PReLU(-0.5), 3],
    "glu": [6, GLU("tanh"), Dense(40), GLU("silu"), Dense(66), GLU(), 3],
    "activation": [5, Activation("tanh"), Dense(20), LayerNorm(), Activation("gelu"), Residual(Dense(20)),
                   Activation(("elu", 0.5)), Dense(33), Activation("silu"), Activation("tanh"), 3],
    "activation of maps": [(4, 5, 3), Activation("mish"), Conv2D(14, 2), MaxPool2D(2), Activation("silu"),
                           Residual(Activation("relu"), Conv2D(14, 3, padding="same")), Activation("tanh"), 3],
    "residual": [5, Dense(8, "tanh"), Residual(Dense(16), GLU("gelu"), Dense(8), Mixture("mish")), PReLU(), 3],
    "maps": [(4, 5, 3), Mixture("sin"), Conv2D(14, 2, padding=1), GLU("silu"), PReLU(), MaxPool2D(2), 3],
    "wide maps": [(3, 2, 34), GLU(), Conv2D(33, 2), Mixture(("elu", 0.5), 0.7), 3],
}
networks = pytest.mark.parametrize("name", LAYERS)


@dtypes
@networks
def test_the_sweep_is_the_twins(name, dtype):
    layer_checks.assert_the_sweep_is_the_twins(*layer_checks.problem(LAYERS[name], RNG, dtype))


@pytest.mark.parametrize("activation", fastmlp.activations())
def test_each_activation(activation):
    for layers in ([6, Mixture(activation, 0.5), Dense(20), GLU(activation), Mixture(activation), 3],
                   [6, Activation(activation), Dense(20), LayerNorm(), Activation(activation), Residual(Dense(20)),
                    Activation(activation), 3]):
        layer_checks.assert_the_sweep_is_the_twins(*layer_checks.problem(layers, RNG))


@dtypes
@pytest.mark.parametrize("activation", fastmlp.activations())
def test_an_activation_of_its_own_is_that_of_the_layer_before(activation, dtype):
    """To the bit, in all that a network does."""
    inside = MLP([5, Dense(20, activation), Dense(7, activation), 3], dtype=dtype, random_state=0)
    apart = MLP([5, Dense(20), Activation(activation), Dense(7), Activation(activation), 3], dtype=dtype,
                random_state=0)
    X, y = RNG.standard_normal((90, 5)).astype(dtype), RNG.standard_normal((90, 3)).astype(dtype)
    np.testing.assert_array_equal(apart.params, inside.params)
    for what in (lambda net: net.predict(X), lambda net: net.predict(X[:1]), lambda net: net.input_gradient(X, y),
                 lambda net: net.hvp(net.params, X, y),
                 lambda net: net.loss_and_grad(X, y, gradient_penalty=0.3)[1],
                 lambda net: net.fit(X, y, Adam(0.01), epochs=2, batch_size=32)["loss"], lambda net: net.params):
        np.testing.assert_array_equal(what(apart), what(inside))
    np.testing.assert_array_equal(apart.forward(X).s[2], inside.forward(X).s[1])
    np.testing.assert_array_equal(apart.forward(X).x[2], inside.forward(X).x[1])


def test_an_activation_by_hand():
    net = MLP([3, Activation("relu"), Dense(1, init=[[1.0], [10.0], [100.0]])], loss="half_squared_error")
    X = np.array([[1.0, -2, 3], [-4, 5, -6]])
    np.testing.assert_array_equal(net.predict(X), [[301], [50]])
    np.testing.assert_array_equal(net.input_gradient(X, net.predict(X) - 1), [[1, 0, 100], [0, 10, 0]])
    assert net.n_params == 4 and "Activation('relu')" in repr(net)


@networks
def test_steps_are_the_twins(name):
    layer_checks.assert_steps_are_the_twins(*layer_checks.problem(LAYERS[name], RNG))


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in ("prelu", "maps", "residual", "wide maps")])
def test_derivatives_alone_and_nested(name):
    net, X, y = layer_checks.problem(LAYERS[name], RNG, n=20)
    assert_derivatives(net, X, y, layer_checks.NEAR * RNG.standard_normal(net.n_params))
    layer_checks.assert_the_jvp_is_the_jacobians(net, X, RNG)


def sums_of(net, X):
    """x(1), and dX and the sum over rows of dW(1) of `layer_checks.summed`."""
    found = layer_checks.summed(net, X)
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
    net, X, _ = layer_checks.problem([(2, 3, 4), GLU("tanh"), PReLU(), 2], RNG)
    b, c = np.split(X.reshape(60, 6, 4), 2, axis=2)
    x = net.forward(X).x
    np.testing.assert_allclose(x[1].reshape(60, 6, 2), b * np.tanh(c), rtol=1e-12)
    np.testing.assert_allclose(x[2], np.where(x[1] > 0, x[1], x[1] * np.tile(net.W[2], 6)), rtol=1e-12)
    assert net.shapes[1] == (2, 3, 2) and net.W[2].shape == (2,)


def test_penalties_of_weights_leave_them_alone():
    layer_checks.assert_decay_leaves_alone(LAYERS["mixture"], RNG, lambda net: net.W[1])


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
    net, X, y = layer_checks.problem(LAYERS[name], RNG)
    net.fit(X, y, Adam(), epochs=1)
    assert_goes_on_from_a_file(net, X, y, tmp_path / "net")


@pytest.mark.parametrize("ours", [PReLU(0.3), GLU()], ids=repr)
def test_pytorch(ours):
    torch = pytest.importorskip("torch")
    net, X, y = layer_checks.problem([20, ours, Dense(4)], RNG)
    theirs = torch.nn.GLU()
    if net.W[1] is not None:
        theirs = torch.nn.PReLU(20, dtype=torch.float64)
        theirs.weight.data = torch.tensor(net.W[1])
    layer_checks.assert_equal_to_pytorch(net, theirs, X, y)
