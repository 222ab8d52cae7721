"""Numbers of activations, losses, optimisers and layers that the mathematics or the dtype cannot bear are refused, and
those at the border give right derivatives."""

import numpy as np
import pytest

import fastmlp
from fastmlp import GLU, MLP, SGD, Adam, AdamW, Dense, Dropout, Mixture, MLPRegressor, Residual
from fastmlp.layers._base import INSTEAD

X, Y = np.random.default_rng(0).standard_normal((2, 8, 3))

# what is wrong: (a network or a fit, what the message says)
REFUSED = {
    "slope below 0": (
        lambda dtype: MLP([3, 2, 3], activation=("leaky_relu", -0.1), dtype=dtype),
        "the number of activation 'leaky_relu' must be finite, at least 0, got -0.1",
    ),
    "slope of a layer": (
        lambda dtype: MLP([3, Dense(3, ("leaky_relu", -1))], dtype=dtype),
        r"activation of layers\[1\] 'leaky_relu' must be finite in float.., at least 0.*got -1",
    ),
    "alpha of a layer in a block": (
        lambda dtype: MLP([3, Residual(Dense(3, ("elu", -0.5))), 3], dtype=dtype),
        r"activation of layers\[1\]\.layers\[0\] 'elu' must be .*at least 0.*got -0.5",
    ),
    "dropout of all": (
        lambda dtype: MLP([3, Dropout(1 - 1e-9), 3], dtype=dtype),
        r"rate of layers\[1\] .*in float32, at least 0, below 1",
    ),
}
# numbers that float64 holds, and float32 does not
REFUSED_IN_FLOAT32 = {
    "alpha too large": (
        lambda dtype: MLP([3, Dense(3, ("elu", 1e39))], dtype=dtype),
        r"activation of layers\[1\] 'elu' must be finite in float32, at least 0, got 1e\+39",
    ),
    "slope too large": (lambda dtype: MLP([3, Dense(2, ("leaky_relu", 1e39)), 3], dtype=dtype), "finite.* in float32"),
    "threshold that is 0": (
        lambda dtype: MLP([3, 3], loss=("huber", 1e-50), dtype=dtype),
        "the number of loss 'huber' must be finite in float32, above 0, got 1e-50",
    ),
    "threshold that is infinite": (lambda dtype: MLP([3, 3], loss=("huber", 1e39), dtype=dtype), "huber.* in float32"),
    "quantile that is 0": (
        lambda dtype: MLP([3, 3], loss=("quantile", 1e-46), dtype=dtype),
        "in float32, between 0 and 1, got 1e-46",
    ),
    "quantile that is 1": (
        lambda dtype: MLP([3, 3], loss=("quantile", 1 - 1e-9), dtype=dtype),
        "in float32, between 0 and 1",
    ),
    "eps that is 0": (
        lambda dtype: fitted(dtype, Adam(eps=1e-50)),
        "eps must be finite in float32.*above 0, got 1e-50",
    ),
    "eps below the root of the least v": (
        lambda dtype: fitted(dtype, Adam(eps=1e-20)),
        "eps must .*at least 1.08.*e-19",
    ),
    "beta1 that is 1": (lambda dtype: fitted(dtype, Adam(beta1=1 - 1e-9)), "beta1 .* in float32, at least 0, below 1"),
    "beta2 that is 1": (lambda dtype: fitted(dtype, AdamW(beta2=1 - 1e-9)), "beta2 .* in float32, at least 0, below 1"),
    "rate that is 0": (lambda dtype: fitted(dtype, SGD(1e-50)), "lr must be finite in float32, above 0, got 1e-50"),
    "rate too large": (lambda dtype: fitted(dtype, SGD(1e39)), r"lr must be .* in float32, above 0, got 1e\+39"),
    "clip_norm that is 0": (
        lambda dtype: fitted(dtype, SGD(clip_norm=1e-50)),
        "clip_norm .* in float32, above 0, got 1e-50",
    ),
    "l2 too large": (lambda dtype: fitted(dtype, SGD(l2=1e39)), "l2 .* in float32"),
    "weight_decay too large": (lambda dtype: fitted(dtype, AdamW(weight_decay=1e39)), "weight_decay .* in float32"),
    "penalty too large": (
        lambda dtype: MLP([3, 3], dtype=dtype).loss_and_grad(X, Y, gradient_penalty=1e39),
        "gradient_penalty .* in float32",
    ),
    "eps of an estimator": (
        lambda dtype: MLPRegressor(epsilon=1e-50, dtype=dtype, max_iter=1).fit(X, Y),
        "^epsilon must be .* in float32, .*got 1e-50",
    ),
}


def fitted(dtype, optimizer):
    net = MLP([3, 3], dtype=dtype, random_state=0)
    before = net.params
    try:
        net.fit(X, Y, optimizer, epochs=1)
    except ValueError:
        assert np.array_equal(net.params, before) and net._network.progress.optimizer_state is None and not net.history
        raise
    return net


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("wrong", REFUSED)
def test_what_the_mathematics_cannot_bear(wrong, dtype):
    make, message = REFUSED[wrong]
    with pytest.raises(ValueError, match=message):
        make(dtype)


@pytest.mark.filterwarnings("ignore:the loss was not finite", "ignore:Stochastic Optimizer")
@pytest.mark.parametrize("wrong", REFUSED_IN_FLOAT32)
def test_what_the_dtype_cannot_bear(wrong):
    make, message = REFUSED_IN_FLOAT32[wrong]
    with pytest.raises(ValueError, match=message):
        make("float32")
    make("float64")


@pytest.mark.parametrize(
    "optimizer, name",
    [
        (lambda: SGD(lr=1e-310), "lr"),
        (lambda: Adam(eps=1e-310), "eps"),
        (lambda: SGD(clip_norm=10**400), "clip_norm"),
        (lambda: Adam(beta1=1), "beta1"),
        (lambda: SGD(momentum=1 + 1e-9), "momentum"),
    ],
)
def test_what_no_dtype_can_bear_is_refused_at_once(optimizer, name):
    with pytest.raises(ValueError, match=f"^{name} must be finite"):
        optimizer()


# theta'(s) at s = -ln 2, 0 and 1: of leaky_relu a, a, 1, of elu a / 2, a, 1
@pytest.mark.parametrize("a", [0.0, 0.25, 1.0, 3.0])
@pytest.mark.parametrize("name, at_minus_ln_2", [("leaky_relu", 1.0), ("elu", 0.5)])
def test_derivatives_with_the_numbers_that_are_allowed(name, at_minus_ln_2, a):
    net = MLP(
        [1, Dense(1, (name, a), init="zeros"), Dense(1, init=[[1.0]])], loss="half_squared_error", dtype="float64"
    )
    net.W[1][...] = 1
    s = np.array([[-np.log(2)], [0.0], [1.0]])
    delta = net.backprop(s, net.forward(s).x[2] - 1).delta[1]  # so that de/dx(2) = 1
    np.testing.assert_allclose(delta[:, 0], [a * at_minus_ln_2, a, 1], rtol=1e-15, atol=0)


@pytest.mark.parametrize("activation", INSTEAD)
def test_what_is_no_activation_names_what_to_take(activation):
    assert activation not in fastmlp.activations()
    for name, make in {
        "activation": lambda: MLP([4, 6, 1], activation=activation),
        r"activation of layers\[1\]": lambda: MLP([4, Dense(6, activation), 1]),
        r"theta of layers\[1\]": lambda: MLP([4, GLU(activation), 1]),
        r"theta of layers\[1\].layers\[0\]": lambda: MLP([4, Residual(Mixture((activation, 0.5))), 1]),
    }.items():
        with pytest.raises(ValueError, match=f"^{name} must be one of fastmlp.activations.*{activation}.*: .*it"):
            make()


@pytest.mark.parametrize("layer", [text.split("a layer, ")[1].split("), after")[0] + ")"
                                   for text in INSTEAD.values() if "a layer" in text])
def test_the_layers_that_stand_for_activations_are_there(layer):
    net = MLP([4, Dense(6), eval(layer, {"GLU": GLU, "PReLU": fastmlp.PReLU}), 1])
    assert net.predict(np.ones((1, 4))).shape == (1, 1)
