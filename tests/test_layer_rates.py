"""Factors of the rate and the decay for each layer, and dropout by a schedule."""
from dataclasses import asdict, replace

import numpy as np
import pytest

import bits
import reference
from fastmlp import (
    MLP,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Conv2D,
    Dense,
    DivergenceWarning,
    Dropout,
    LayerNorm,
    Mixture,
    PReLU,
    Residual,
    RMSNorm,
    Scale,
    Shift,
    TiedGroup,
    schedules,
)
from fastmlp.layers import FACTORS as FACTOR_NAMES
from test_twin import assert_near, problem

SIZES = {"narrow": (3, 4, 2), "small": (5, 20, 9, 3), "large": (33, 100, 70, 1)}
# lr_scale, decay, bias_lr_scale, bias_decay, of the layers
FACTORS = [(0.5, 3.0, 1.0, 0.0), (2.0, 0.0, 0.25, 2.0), (0.0, 1.0, 3.0, 1.0)]


def scaled(optimizer, lr_scale, decay):
    """The twin of an optimiser with another rate and decay."""
    changed = {"lr": optimizer.lr * lr_scale, "l2": optimizer.l2 * decay, "l1": optimizer.l1 * decay}
    numbers = asdict(optimizer) | changed
    if "weight_decay" in numbers:
        numbers["weight_decay"] *= decay
    return reference.OPTIMIZERS[type(optimizer).__name__](**numbers)


class ByLayer:
    """The twin's optimisers, one for each W and each b, with its own rate and decay."""

    def __init__(self, optimizer, factors):
        self.each = [[scaled(optimizer, lr, decay), scaled(optimizer, lr * bias_lr, bias_decay)]
                     for lr, decay, bias_lr, bias_decay in factors]

    def step(self, params, grads, penalised):
        n = len(self.each)
        for i, (p, g) in enumerate(zip(params, grads)):  # all W, then all b
            self.each[i % n][i // n].step([p], [g], [True])


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", bits.OPTIMIZERS)
def test_each_layer_has_its_own_rate(name, sizes):
    kind, numbers = bits.OPTIMIZERS[name]
    plain, _, X, y, _ = problem("silu", "squared_error", "float64", sizes, n=96)
    factors = FACTORS[-len(plain.layers):]
    layers = [replace(layer, bias=True, **dict(zip(FACTOR_NAMES, own))) for layer, own in zip(plain.layers, factors)]
    net = MLP([sizes[0], *layers], dtype="float64", random_state=1)
    twin = reference.Network(net.W, net.b, [layer.activation for layer in net.layers], "squared_error")
    optimizer = kind(0.02, **numbers, l2=0.1, l1=0.01)
    twin.train(X, y, ByLayer(optimizer, factors), 2, 40)
    net.fit(X, y, optimizer, epochs=2, batch_size=40, shuffle=False)
    for l in range(1, len(sizes)):
        assert_near(net.W[l], twin.W[l], 1e-12)
        assert_near(net.b[l], twin.b[l], 1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_layers_by_feature_have_factors_too(decay):
    """A step of each: gamma -= lr lr_scale (d gamma + decay l2 gamma), and beta likewise; without a decay of their own
    penalties leave them alone."""
    own = {"lr_scale": 0.5, "decay": decay}
    layers = [5, Scale(2.0, **own), Shift(0.5, **own), LayerNorm(**own), LayerNorm(scale=False, **own), RMSNorm(**own),
              BatchNorm(**own), Mixture("tanh", 0.5, **own), PReLU(**own)]
    net = MLP([*layers, Dense(2, bias_lr_scale=3.0, bias_decay=2.0)], dtype="float64", random_state=0)
    X, y = np.random.default_rng(0).standard_normal((40, 5)), np.ones((40, 2))
    twin, last = reference.twin_of(net), len(layers)
    g = twin.backprop(X, y, training=True)
    net.fit(X, y, SGD(0.1, l2=0.3), epochs=1, batch_size=40)
    for l in range(1, last):
        for found, before, slope in ((net.W[l], twin.W[l], g.dW[l]), (net.b[l], twin.b[l], g.db[l])):
            if found is not None:
                assert_near(found, before - 0.05 * (slope + 0.3 * decay * before), 1e-12)
    assert_near(net.W[last], twin.W[last] - 0.1 * (g.dW[last] + 0.3 * twin.W[last]), 1e-12)
    assert_near(net.b[last], twin.b[last] - 0.3 * (g.db[last] + 0.6 * twin.b[last]), 1e-12)


def test_a_factor_of_0_leaves_a_layer_alone():
    X, y = np.random.default_rng(0).standard_normal((40, 12)), np.ones((40, 2))
    net = MLP([(3, 2, 2), Conv2D(3, 2, "relu", lr_scale=0.0), Dense(6), Residual(Dense(6, lr_scale=0)), 2],
              random_state=0)
    before = [net.W[l].copy() for l in (1, 2, 3, 5)]
    net.fit(X, y, AdamW(0.1), epochs=2)
    assert [np.array_equal(net.W[l], W) for l, W in zip((1, 2, 3, 5), before)] == [True, False, True, False]


def test_clipping_is_of_the_whole_gradient():
    """Its norm knows no factors: what sgd adds to a layer is lr_scale times what it adds without."""
    X, y = np.random.default_rng(0).standard_normal((16, 3)), np.ones((16, 2))
    moves = []
    for scale in (1.0, 0.25):
        net = MLP([3, Dense(4, "tanh", lr_scale=scale), Dense(2)], dtype="float64", random_state=0)
        before = net.params
        net.fit(X, y, SGD(0.1, clip_norm=1e-3), epochs=1, batch_size=16)
        moves.append(net.params - before)
    np.testing.assert_allclose(moves[1][:16], 0.25 * moves[0][:16], rtol=1e-9)
    np.testing.assert_allclose(moves[1][16:], moves[0][16:], rtol=1e-9)


def test_layers_with_ties_have_no_factors():
    with pytest.raises(ValueError, match="lr_scale of layer 1 .* ties"):
        MLP([3, Dense(2, lr_scale=0.5), 2], ties=[TiedGroup([(1, 0, 0), (1, 1, 1)])])
    MLP([3, Dense(2), Dense(2, lr_scale=0.5)], ties=[TiedGroup([(1, 0, 0), (1, 1, 1)])])


@pytest.mark.parametrize("factor", FACTOR_NAMES)
@pytest.mark.parametrize("value", [-1.0, np.nan, 1e300, "1", None, True])
def test_wrong_factors(factor, value):
    with pytest.raises((TypeError, ValueError), match=factor):
        MLP([3, Dense(2, **{factor: value})])


# ---- dropout by a schedule

X, Y = np.random.default_rng(1).standard_normal((50, 4)), np.random.default_rng(2).standard_normal((50, 2))


def dropping(rate):
    return MLP([4, Dense(30, "tanh"), Dropout(rate), 2], dtype="float64", random_state=0)


@pytest.mark.parametrize("options", [{}, {"jacobian_penalty": 0.1}, {"n_threads": 2}], ids=str)
def test_each_epoch_drops_at_its_own_rate(options):
    rates = [0.5, 0.0, 0.25]
    net = dropping(rates.__getitem__)
    net.fit(X, Y, Adam(0.01), epochs=3, **options)
    before = None
    for rate in rates:
        one = dropping(rate)
        if before is not None:
            one.__setstate__({**before.__getstate__(), "_layers": one.layers})
        one.partial_fit(X, Y, Adam(0.01), epochs=1, **options)
        before = one
    assert before.params.tobytes() == net.params.tobytes()


def test_a_constant_schedule_is_a_number():
    nets = dropping(0.3), dropping(schedules.Constant(0.3)), dropping(lambda epoch: 0.3)
    for net in nets:
        net.fit(X, Y, Adam(0.01), epochs=2)
    assert len({net.params.tobytes() for net in nets}) == 1


def test_the_epochs_are_those_of_the_learning_rate():
    asked = []
    net = dropping(lambda epoch: asked.append(epoch) or 0.5)
    asked.clear()
    net.fit(X, Y, epochs=2)
    net.partial_fit(X, Y, epochs=3)
    net.fit(X, Y, epochs=1)
    assert asked == [0, 1, 2, 3, 4, 0]


def test_a_schedule_is_checked_before_anything_changes():
    net = dropping(lambda epoch: 0.5 + epoch / 4)
    before = net.params
    with pytest.raises(ValueError, match="rate of Dropout in epoch 2"):
        net.fit(X, Y, epochs=3)
    assert np.array_equal(net.params, before)
    with pytest.raises(TypeError, match="rate of Dropout"):
        dropping(lambda epoch: "half")


def test_a_diverging_fit_goes_back_at_the_rates_of_its_epochs():
    """The steps that are run once more drop what they dropped the first time."""
    net, twin = dropping(schedules.Step(0.5, 1, 0.5)), dropping(schedules.Step(0.5, 1, 0.5))
    steps = []
    rate = lambda epoch: 0.01 if epoch < 2 else 1e200  # noqa: E731
    with pytest.warns(DivergenceWarning):
        net.fit(X, Y, SGD(rate), epochs=4, batch_size=50)
    twin.fit(X, Y, SGD(0.01), epochs=2, batch_size=50,
             callbacks=[lambda net, epoch, logs: steps.append(net.params) and None])
    assert np.array_equal(net.params, steps[-1])


def test_files_keep_factors_and_schedules(tmp_path):
    net = MLP([4, Dense(8, "tanh", lr_scale=0.5, decay=2.0), Dropout(schedules.Cosine(0.5, 4)), 2], random_state=0)
    net.fit(X, Y, Adam(0.01), epochs=2)
    net.save(tmp_path / "net")
    again = MLP.load(tmp_path / "net")
    assert again.layers[0].lr_scale == 0.5 and again.layers[0].decay == 2.0
    for n in (net, again):
        n.partial_fit(X, Y, epochs=2)
    assert net.params.tobytes() == again.params.tobytes()
