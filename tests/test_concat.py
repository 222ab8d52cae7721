"""Branches side by side: layers that read one, and what joins them."""
import numpy as np
import pytest

from fastmlp import MLP, Adam, Concat, Conv2D, Dense, Dropout, Identity, MaxPool2D, Residual, tie_layers
from fastmlp.layers import Join
from layer_checks import assert_the_sweep_is_the_twins
from test_files import assert_goes_on_from_a_file
from test_gradients import assert_derivatives, derivative
from test_twin import TOLERANCE

RNG = np.random.default_rng(0)
BRANCHES = {
    "rows": [5, Concat(17, [Dense(8, "gelu"), 3], Identity()), Dense(6, "silu"), Concat([], 2), 3],
    "nested": [5, Concat([], [Concat([8], [Residual(5)], [])], Residual(4, project=True)), 3],
    "copies": [5, Concat([], []), Identity(), Dense(4, "tanh"), Concat(Identity(), [Identity(), Identity()]), 3],
}


def problem(layers, dtype="float64", n=50):
    net = MLP(layers, activation="tanh", dtype=dtype, random_state=0)
    X, y = (RNG.standard_normal((n, d)).astype(np.float32) for d in (net.d[0], net.d[-1]))
    return net, X, y


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", BRANCHES)
def test_the_sweep_is_the_twins(name, dtype):
    net, X, y = problem(BRANCHES[name], dtype)
    assert_the_sweep_is_the_twins(net, X, y, times=1)


@pytest.mark.parametrize("name", BRANCHES)
def test_derivatives_alone_and_nested(name):
    net, X, y = problem(BRANCHES[name])
    assert_derivatives(net, X, y, 0.1 * RNG.standard_normal(net.n_params))


def test_by_hand():
    """On two rows of three units: twice their sum, and themselves."""
    net = MLP([3, Concat(Dense(1, init=[[2.0]] * 3), Identity()), Dense(1, init=[[1.0], [10.0], [100.0], [1000.0]])],
              dtype="float64")
    X = np.array([[1.0, 2.0, 6.0], [-3.0, 0.0, 0.0]])
    np.testing.assert_array_equal(net.forward(X).x[3], [[18, 1, 2, 6], [-6, -3, 0, 0]])
    np.testing.assert_array_equal(net.jacobian(X), [[[12, 102, 1002]]] * 2)
    np.testing.assert_array_equal(net.backprop(X, net.predict(X) - 0.5).delta[3], [[1, 10, 100, 1000]] * 2)


def test_of_maps_the_channels_are_joined():
    layers = [(4, 5, 2), Concat(Conv2D(3, 3, "tanh", padding="same"), [], MaxPool2D(3, 1, padding=1)), 3]
    net, X, y = problem(layers)
    x = net.forward(X).x
    maps = [a.reshape(50, 4, 5, -1) for a in (x[1], x[0])]
    np.testing.assert_array_equal(x[6].reshape(50, 4, 5, 7)[..., :5], np.concatenate(maps, axis=3))
    V = RNG.standard_normal(X.shape)
    quotient = derivative(lambda h: net.evaluate(X + 0.01 * h * V, y))
    assert (net.input_gradient(X, y) * V).sum() / 50 * 0.01 == pytest.approx(quotient, rel=1e-6)
    with pytest.raises(ValueError, match=r"maps of one size, got \(4, 5, 2\) and \(2, 2, 2\)"):
        MLP([(4, 5, 2), Concat([], MaxPool2D(2)), 3])


def test_training_ties_and_files(tmp_path):
    net = MLP([6, Concat([8, Dropout(0.25)], [8]), Concat(Identity(), 4), 3], activation="tanh", random_state=0,
              ties=[tie_layers(1, 4)])
    X, y = RNG.standard_normal((50, 6)), RNG.standard_normal((50, 3))
    net.fit(X, y, Adam(0.01), epochs=3, batch_size=16, gradient_penalty=0.1)
    np.testing.assert_array_equal(net.W[1], net.W[4])
    assert_goes_on_from_a_file(net, X, y, tmp_path / "net")


def test_numbers_of_layers():
    net = MLP([8, Concat(16, [32, 4], Identity()), 1])
    assert net.d == (8, 16, 8, 32, 4, 20, 8, 28, 1)
    branches = ["dense", "identity", "dense", "dense", "concat", "identity", "concat"]
    assert [layer.kind for layer in net.layers] == [*branches, "dense"]
    assert net.layers[0].activation == "relu"
    assert repr(Concat(16, [Dense(4)], [])) == f"Concat([16], [{Dense(4)!r}], [])"


@pytest.mark.parametrize("layers, error, message", [
    ([4, Concat([], [0]), 1], ValueError, r"units of layers\[1\].branches\[1\]\[0\] must be at least 1, got 0"),
    ([4, Concat([], "x"), 1], TypeError, r"layers\[1\].branches\[1\]\[0\] must be an int or a layer spec, got 'x'"),
    ([4, Concat([], [])], ValueError, "the last of layers must be a Dense layer"),
    ([4, 4, Join(3), 1], ValueError, r"back of layers\[2\] must be at most 2, got 3"),
    ([4, 4, Identity(0), 1], ValueError, r"back of layers\[2\] must be at least 1, got 0"),
    ([4, 4, Identity(2), 1], ValueError, r"must be read by a later one, got none that reads x\(1\)"),
])
def test_errors(layers, error, message):
    with pytest.raises(error, match=message):
        MLP(layers)


def test_errors_of_the_block_itself():
    with pytest.raises(ValueError, match="at least two branches, got 1"):
        Concat(3)
