"""What is no number is not taken for one, without a word: imaginary parts, dates, text, bytes, booleans for sizes; and
NumPy's small integers do not wrap. What is shaped like X comes as maps or flat."""

import datetime
import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from fastmlp import MLP, SGD, Adam, AdamW, Conv1D, Conv2D, Dense, Frozen, TiedGroup, schedules, sensitivity, tie_map

X, Y = np.random.default_rng(0).standard_normal((2, 6, 3))
# kind: an array of that kind, of a shape
NO_NUMBERS = {
    "complex": lambda shape: np.ones(shape, complex),
    "dates": lambda shape: np.zeros(shape, "M8[s]"),
    "durations": lambda shape: np.zeros(shape, "m8[s]"),
    "text": lambda shape: np.full(shape, "1"),
    "bytes": lambda shape: np.full(shape, b"1"),
    "text as objects": lambda shape: np.full(shape, "1", object),
    "bytes as objects": lambda shape: np.full(shape, b"1", object),
    "complex as objects": lambda shape: np.full(shape, 1j, object),
    "dates as objects": lambda shape: np.full(shape, datetime.date(2020, 1, 1), object),
    "durations as objects": lambda shape: np.full(shape, np.timedelta64(1, "s"), object),
    "None": lambda shape: np.full(shape, None),
    "records": lambda shape: np.zeros(shape, "f4,f4"),
    "raw": lambda shape: np.zeros(shape, "V4"),
}
# where numbers are wanted: (what takes them, their shape, the name in the message)
PLACES = {
    "X": (lambda a: MLP([3, 3]).predict(a), (6, 3), "X"),
    "X of maps": (lambda a: MLP([(3, 1), Conv1D(1, 2), 1]).predict(a), (6, 3, 1), "X"),
    "y": (lambda a: MLP([3, 3]).evaluate(X, a), (6, 3), "y"),
    "labels": (lambda a: MLP([3, 3], loss="cross_entropy").evaluate(X, a), (6,), "y"),
    "sample_weight": (lambda a: MLP([3, 3]).evaluate(X, Y, a), (6,), "sample_weight"),
    "params": (lambda a: setattr(MLP([3, 3]), "params", a), (12,), "params"),
    "v": (lambda a: MLP([3, 3]).hvp(a, X, Y), (12,), "v"),
    "V": (lambda a: MLP([3, 3]).jvp(X, a), (6, 3), "V"),
    "U": (lambda a: MLP([3, 3]).vjp(X, a), (6, 3), "U"),
    "init": (lambda a: MLP([3, Dense(3, init=a)]), (3, 3), "init of layer 1"),
    "bias_init": (lambda a: MLP([3, Dense(3, bias_init=a)]), (3,), "bias_init of layer 1"),
    "scales": (lambda a: MLP([3, 3], ties=[TiedGroup([(1, 0, 0), (1, 1, 1)], a)]), (2,), "scales of TiedGroup"),
    "value": (lambda a: MLP([3, 3], ties=[Frozen(1, np.ones((3, 3), bool), a)]), (3, 3), "value of Frozen"),
    "ids": (lambda a: MLP([3, 3], ties=[tie_map(1, a)]), (3, 3), "ids of tie_map"),
    "mask": (lambda a: MLP([3, 3], ties=[Frozen(1, a)]), (3, 3), "mask of Frozen"),
    "W": (lambda a: Conv1D(1, 2).as_dense((3, 1), 1, W=a), (2, 1, 1), "W"),
    "baselines": (lambda a: sensitivity.integrated_gradients(MLP([3, 1]), X, baselines=a), (3,), "baselines"),
    "background": (
        lambda a: sensitivity.expected_gradients(MLP([3, 1]), X, background=a, n_samples=1),
        (6, 3),
        "background: X",
    ),
    "stdev": (lambda a: sensitivity.smooth_grad(MLP([3, 1]), X, stdev=a), (3,), "stdev"),
    "scale": (lambda a: sensitivity.noise_curve(MLP([3, 3]), X, Y, [0.1], scale=a), (3,), "scale"),
    "sigmas": (lambda a: sensitivity.noise_curve(MLP([3, 3]), X, Y, a), (3,), "sigmas"),
    "what a loss returns": (
        lambda a: MLP([3, 3], loss=lambda x, y: (np.ones(len(x)), a)).evaluate(X, Y),
        (6, 3),
        "what a loss function returns",
    ),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_number(place, kind):
    use, shape, name = PLACES[place]
    with pytest.raises(
        (TypeError, ValueError) if name in ("ids of tie_map", "mask of Frozen") else TypeError, match=f"{name} must be"
    ):
        use(NO_NUMBERS[kind](shape))


@pytest.mark.parametrize("place", [p for p in PLACES if p not in ("ids", "mask", "sigmas", "labels")])
def test_numbers_as_objects_are_numbers(place):
    use, shape, _ = PLACES[place]
    use(np.ones(shape).astype(object))


@pytest.mark.parametrize(
    "layers",
    [
        pd.Series([3, 2, 3]),
        pd.Index([3, 2, 3]),
        pd.DataFrame([[3, 2, 3]]),
        {3: 2},
        {3, 2},
        "323",
        b"323",
        bytearray(b"ab"),
        memoryview(b"ab"),
        range(3, 5),
        np.array([3.0, 2.0]),
        np.array([[3, 2]]),
        sparse.csr_array([[3, 2]]),
        iter([3, 2]),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_no_list_of_layers(layers):
    with pytest.raises(TypeError, match="layers must be a list"):
        MLP(layers)


@pytest.mark.parametrize(
    "entry", [True, np.True_, np.timedelta64(3, "D"), 3.0, np.float64(3), "3", b"3", None, 3j, Dense, [[3]]], ids=repr
)
def test_what_is_no_layer(entry):
    with pytest.raises(TypeError, match=r"layers\[1\] must be an int or a layer spec"):
        MLP([3, entry, 3])


def test_small_integers_of_numpy_do_not_wrap():
    conv = Conv2D(np.int8(100), np.int8(2))
    net = MLP([(3, 3, 2), conv, np.int8(100), 1], random_state=0)
    assert net.d == (18, 400, 100, 1) and net.W[1].shape == (2, 2, 2, 100)
    spec, ties = conv.as_dense((3, 3, 2), 1, net.W[1], net.b[1])
    twin = MLP([18, spec, 1], ties=ties, dtype="float64")
    x = np.random.default_rng(0).standard_normal((4, 18))
    np.testing.assert_allclose(twin.forward(x).s[1], net.forward(x).s[1], rtol=0, atol=1e-5)
    wide, plain = (
        sensitivity.pgd(MLP([3, 3], random_state=0), X, Y, 0.1, max_iter=n, random_state=0) for n in (np.int8(100), 100)
    )
    assert np.array_equal(wide, plain)
    f = sensitivity.integrated_gradients(MLP([3, 1], random_state=0), X, n_steps=np.int8(100))
    assert np.array_equal(f, sensitivity.integrated_gradients(MLP([3, 1], random_state=0), X, n_steps=100))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: SGD(n(0.1), momentum=n(0.9), l2=n(1e-3)),
        lambda n: AdamW(n(1e-3), weight_decay=n(1e-3)),
        lambda n: SGD(schedules.OneCycle(n(0.1), 100, div=n(30.0))),
    ],
    ids=["sgd", "adamw", "schedule"],
)
def test_half_precision_numbers_are_taken_as_they_are(make):
    """Products of float16 would round, or be 0."""
    nets = []
    for kind in (np.float16, lambda value: float(np.float16(value))):
        nets.append(MLP([3, 3], random_state=0, dtype="float64"))
        nets[-1].fit(X, Y, make(kind), epochs=3)
    assert np.array_equal(nets[0].params, nets[1].params)


def test_an_int_that_is_too_large_for_a_float_comes_out_at_once():
    assert schedules.InverseScaling(0.1, 2**31)(1) == 0 and schedules.InverseScaling(0.1, -(2**31))(1) == math.inf
    assert Adam(lr=schedules.Exponential(1, 2)).lr(3) == 8


# ---- maps or flat


def maps(channels=2):
    rng = np.random.default_rng(1)
    net = MLP([(4, 3, channels), Conv2D(3, 2, "tanh"), 5, 2], random_state=0, dtype="float64")
    return net, rng.standard_normal((6, 4, 3, channels)), rng.standard_normal((6, 2)), rng


def forms(a, channels):
    """The same as maps, flat and, for one channel, without it."""
    found = [a, a.reshape(len(a), -1), a.tolist(), np.asfortranarray(a)]
    return found + [a[..., 0]] * (channels == 1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("what", ["V", "baselines", "a baseline", "background", "stdev", "scale", "attacks"])
def test_what_is_shaped_like_X(what, channels):
    net, X, Y, rng = maps(channels)
    other = rng.standard_normal(X.shape)
    one = lambda a: [form[0] for form in forms(a[None], channels)]
    uses = {
        "V": (lambda V: net.jvp(X, V), forms(other, channels)),
        "baselines": (lambda b: sensitivity.integrated_gradients(net, X, Y, baselines=b), forms(other, channels)),
        "a baseline": (lambda b: sensitivity.integrated_gradients(net, X, Y, baselines=b), one(other[0])),
        "background": (
            lambda b: sensitivity.expected_gradients(net, X, Y, background=b, n_samples=3, random_state=0),
            forms(other, channels),
        ),
        "stdev": (
            lambda s: sensitivity.smooth_grad(net, X, Y, stdev=s, n_samples=3, random_state=0),
            one(other[0] ** 2),
        ),
        "scale": (
            lambda s: sensitivity.noise_curve(net, X, Y, [0.1], scale=s, random_state=0).error,
            one(other[0] ** 2),
        ),
        "attacks": (
            lambda x: sensitivity.fgsm(net, x, Y, 0.1),
            forms(sensitivity.pgd(net, X, Y, 0.1).reshape(X.shape), channels),
        ),
    }
    use, given = uses[what]
    results = [use(a) for a in given]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_a_direction_as_maps_is_that_of_the_jacobian():
    """sum_j v_j dx(L)/dx_j"""
    net, X, _, rng = maps()
    V = rng.standard_normal(X.shape)
    np.testing.assert_allclose(net.jvp(X, V), np.einsum("nkj,nj->nk", net.jacobian(X), V.reshape(6, -1)), rtol=1e-12)
    np.testing.assert_array_equal(net.jvp(X, sparse.csr_array(V.reshape(6, -1))), net.jvp(X, V))
    for wrong in (V[:, :3], V[:5], V[..., :1], np.moveaxis(V, 3, 1)):
        with pytest.raises(ValueError, match="V must have shape"):
            net.jvp(X, wrong)
