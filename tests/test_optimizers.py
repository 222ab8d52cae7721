"""Optimisers: three steps by hand, PyTorch's where it is installed, and state that goes on."""
from dataclasses import asdict

import numpy as np
import pytest

import bits
import fastmlp
from fastmlp import MLP, SGD, Adagrad, Adam, AdamW, Dense, Lion, NAdam, RMSprop, optim

GRADIENTS = (1.0, -2.0, 3.0)  # of three steps


def after_three_steps(optimizer):
    """A weight that starts from 1/2 and has these gradients."""
    net = MLP([1, Dense(1, bias=False, init=np.full((1, 1), 0.5))], loss="absolute_error", dtype="float64")
    # |w x - y| with y far below has the derivative x by w
    net.fit(np.array(GRADIENTS)[:, None], np.full(3, -1e6), optimizer, epochs=1, batch_size=1, shuffle=False)
    return net.W[1].item()


def root(x):
    return x**0.5


def nadam_by_hand():
    """mu(t) = 1/4 (1 - 1/2 0.96^t); v as Adam's below, corrected."""
    mu = [0.25 * (1 - 0.5 * f) for f in (0.96, 0.9216, 0.884736, 0.84934656)]
    M = [mu[0], mu[0] * mu[1], mu[0] * mu[1] * mu[2], mu[0] * mu[1] * mu[2] * mu[3]]
    m = [0.75, 0.25 * 0.75 + 0.75 * -2, 0.25 * (0.25 * 0.75 - 1.5) + 0.75 * 3]
    v = [0.25 / 0.25, 1.1875 / 0.4375, 3.140625 / 0.578125]
    w = 0.5
    for t, g in enumerate(GRADIENTS):
        w -= (mu[t + 1] * m[t] / (1 - M[t + 1]) + (1 - mu[t]) * g / (1 - M[t])) / root(v[t])
    return w


# with a rate of 1 and an eps too small to count, unless it says otherwise
BY_HAND = {
    SGD(1.0): 0.5 - 1 + 2 - 3,
    SGD(1.0, momentum=0.5): 0.5 - 1 + (-0.5 + 2) + (0.75 - 3),
    SGD(1.0, momentum=0.5, nesterov=True): 0.5 - (1 + 0.5) + (0.75 + 2) - (1.125 + 3),
    # m: 1/2, -3/4, 9/8; v: 1/4, 19/16, 201/64; divided by 1 - 2^-t and 1 - (3/4)^t
    Adam(1.0, 0.5, 0.75, 1e-100): 0.5 - 1 + (0.75 / 0.75) / root(1.1875 / 0.4375) - (1.125 / 0.875) / root(
        3.140625 / 0.578125),
    AdamW(1.0, 0.5, 0.75, 1e-100, weight_decay=0.5): (((0.5 / 2 - 1) / 2 + 1 / root(1.1875 / 0.4375)) / 2
                                                     - (1.125 / 0.875) / root(3.140625 / 0.578125)),
    # v: 1/2, 9/4, 45/8
    RMSprop(1.0, 0.5, 1e-100): 0.5 - 1 / root(0.5) + 2 / 1.5 - 3 / root(5.625),
    RMSprop(1.0, 0.5, 0.5): 0.5 - 1 / (root(0.5) + 0.5) + 2 / (1.5 + 0.5) - 3 / (root(5.625) + 0.5),
    # each quotient again with half of its weight
    RMSprop(1.0, 0.5, 1e-100, momentum=0.5): 0.5 - 1.75 / root(0.5) + 1.5 * 2 / 1.5 - 3 / root(5.625),
    # v: 1, 5, 14
    Adagrad(1.0, 1e-100): 0.5 - 1 + 2 / root(5) - 3 / root(14),
    Adagrad(1.0, 1.0): 0.5 - 1 / (1 + 1) + 2 / (root(5) + 1) - 3 / (root(14) + 1),
    # m before each: 0, 0.25, -0.3125; signs of 0.5, -0.875, 1.34375
    Lion(1.0, 0.5, 0.75): 0.5 - 1 + 1 - 1,
    # of m 0, 0.01, 0.0296 and 0.5 m + 0.5 g; with half of w each time
    Lion(1.0, 0.5, 0.99, weight_decay=0.5): ((0.5 / 2 - 1) / 2 + 1) / 2 - 1,
    NAdam(1.0, 0.25, 0.75, 1e-100, momentum_decay=1.0): nadam_by_hand(),
}


@pytest.mark.parametrize("optimizer", BY_HAND, ids=str)
def test_three_steps_by_hand(optimizer):
    np.testing.assert_allclose(after_three_steps(optimizer), BY_HAND[optimizer], rtol=1e-14, atol=1e-14)


def test_every_optimiser_is_there():
    assert {type(o).__name__ for o in BY_HAND} == {kind.__name__ for kind, _ in bits.OPTIMIZERS.values()}
    assert {type(o).__name__ for o in BY_HAND} == set(fastmlp.optim.__all__)


@pytest.mark.parametrize("name", bits.OPTIMIZERS)
def test_partial_fit_goes_on(name):
    """Two fits of two epochs are one of four."""
    kind, numbers = bits.OPTIMIZERS[name]
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 2))
    nets = [MLP([4, 9, 2], random_state=0) for _ in range(2)]
    nets[0].fit(X, y, kind(0.02, **numbers), epochs=4)
    nets[1].fit(X, y, kind(0.02, **numbers), epochs=2)
    nets[1].partial_fit(X, y, epochs=2)
    assert nets[0].params.tobytes() == nets[1].params.tobytes()


@pytest.mark.parametrize("name", bits.OPTIMIZERS)
def test_a_long_fit_stays_finite(name):
    """What falls from step to step ends at 0, and what grows does not overflow."""
    kind, numbers = bits.OPTIMIZERS[name]
    X, y = np.ones((1000, 1)), np.zeros(1000)
    net = MLP([1, Dense(1)], random_state=0)
    net.fit(X, y, kind(1e-3, **numbers), epochs=100, batch_size=1)
    assert np.isfinite(net.params).all() and net.evaluate(X, y) < 1e-3


@pytest.mark.parametrize("kind, numbers, name", [
    (NAdam, {"momentum_decay": -0.1}, "momentum_decay"), (RMSprop, {"rho": 1.0}, "rho"), (RMSprop, {"eps": 0.0}, "eps"),
    (RMSprop, {"momentum": 1.5}, "momentum"), (Adagrad, {"eps": -1.0}, "eps"), (Lion, {"beta2": 1.0}, "beta2"),
    (Lion, {"weight_decay": -1.0}, "weight_decay"), (NAdam, {"beta1": 1.0}, "beta1"),
])
def test_wrong_numbers(kind, numbers, name):
    with pytest.raises(ValueError, match=name):
        kind(**numbers)


def test_specs_keep_builtins():
    for kind, numbers in bits.OPTIMIZERS.values():
        spec = kind(np.float32(0.25), **numbers)
        assert type(spec.lr) is float and type(spec)(**asdict(spec)) == spec


@pytest.mark.parametrize("name", optim.BY_LOWER_NAME.values())
def test_a_name_stands_for_one_spec_with_all_defaults(name):
    assert optim.named(name.lower()) == getattr(fastmlp, name)()
    assert optim.named(name.lower()) is optim.named(name.lower())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_state_starts_on_a_cache_line(dtype):
    for units in range(1, 20):
        net = MLP([2, units, 1], dtype=dtype, random_state=0)
        net.fit(np.ones((2, 2)), np.ones(2), Adam(), epochs=1)
        slots = net._network.progress.optimizer_state.slots
        assert [slot.shape for slot in slots] == [net._network.core.P.shape] * 2
        assert {slot.ctypes.data % 64 for slot in slots} == {0}
