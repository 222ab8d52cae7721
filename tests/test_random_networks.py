"""Random networks against the NumPy twin: layers of all kinds, blocks in blocks, ties, losses, weights, layouts of the
data, optimisers. What is compared is all that a sweep keeps, predictions, gradients by the parameters, and training."""

import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

import fastmlp
import reference
from fastmlp import (
    MLP,
    SGD,
    Adam,
    AdamW,
    AvgPool2D,
    Conv2D,
    Flatten,
    Frozen,
    GlobalAvgPool,
    MaxPool2D,
    TiedGroup,
    tie_layers,
    tie_map,
    tie_transpose,
)
from fastmlp._layer_list import checked_layers
from layer_checks import trained
from nested_networks import entries, some
from test_gradients import STEP, quotients
from test_twin import LABELS, targets

TOLERANCE = {"float64": 1e-9, "float32": 2e-4}
SMOOTH_LOSSES = ("squared_error", "half_squared_error", "poisson", "binary_cross_entropy", "cross_entropy", LABELS)
OPTIMIZERS = [
    SGD(0.02),
    SGD(0.02, momentum=0.8),
    SGD(0.02, momentum=0.9, nesterov=True, clip_norm=0.3),
    Adam(0.01, eps=1e-6),
    Adam(0.01, 0.7, 0.9, 1e-3),
    Adam(0.01, eps=1e-6, clip_norm=0.1),
    Adam(0.01, eps=1e-3, clip_norm=0.1),
]
PENALISED = [
    SGD(0.02, l2=0.1, l1=0.01),
    SGD(0.02, momentum=0.8, l2=0.05),
    AdamW(0.01, eps=1e-6, weight_decay=0.2, l1=0.01),
    AdamW(0.01, eps=1e-3, weight_decay=0.2, l1=0.01),
]
LARGEST = 10  # weights, which start from less than 2.5, of a training that goes well
MOST_SPREAD = 1000  # parameters of networks with ties, since E of W = E p is made of a column for each
BY_FEATURE = ("scale", "shift", "layer_norm", "rms_norm", "batch_norm", "mixture", "prelu")


class Same:
    """What dropout is outside of training, and with a rate of 0."""

    def forward(self, x, W):
        return x

    def backward(self, x, s, delta, W):
        return delta, None


# ---- what is drawn


def architectures(smooth, rates=(0.0,)):
    """Lists for MLP. Waves of waves are chaos, in which rounding grows by orders of magnitude in a few steps."""
    return entries(smooth, rates).filter(lambda layers: n_waves(layers) < 2)


def n_waves(layers):
    return sum(layer.kind == "waves" for layer in checked_layers(layers, np.float64)[1])


def losses(smooth):
    """A loss as the twin knows it."""
    return st.sampled_from(SMOOTH_LOSSES if smooth else [*reference.LOSSES, LABELS])


def problem(layers, loss, n, rng, dtype="float64", tied=(), reach=0.5, zeros=0.0):
    """(a network whose parameters and statistics have values of their own, rows for it, of which a share is 0, targets)
    """
    spec = {"huber": ("huber", 0.6), "quantile": ("quantile", 0.8), LABELS: "cross_entropy"}.get(loss, loss)
    net = MLP(layers, loss=spec, dtype=dtype, random_state=0, ties=tied)
    net._network.n_threads = 1
    if net.n_params:
        net.params = rng.normal(0, reach, net.n_params).astype(np.float32)
    statistics = net._network.core.statistics
    statistics[...] = statistics + rng.random(len(statistics)).astype(np.float32)
    X, y = rng.standard_normal((n, *net.shapes[0])).astype(np.float32), targets(loss, n, net.d[-1], rng)
    return net, reference.with_categories(net, X * (rng.random(X.shape) >= zeros).astype(np.float32)), y


@st.composite
def ties(draw, net):
    """Up to three ties of a network, which may contradict each other."""
    rng, found = np.random.default_rng(draw(some(0, 2**32))), []
    weighted = [l for l, W in enumerate(net.W) if W is not None]
    member = lambda l: (l, *(int(rng.integers(n)) for n in net.W[l].shape))  # noqa: E731
    for kind in draw(
        st.lists(st.sampled_from(["group", "scales", "map", "zeros", "frozen", "layers", "transpose"]), max_size=3)
    ):
        l, m = (draw(st.sampled_from(weighted)) for _ in range(2))
        if kind in ("group", "scales"):
            members = list({member(draw(st.sampled_from(weighted))) for _ in range(draw(some(1, 5)))})
            found.append(
                TiedGroup(
                    members,
                    rng.uniform(0.5, 2, len(members)) * rng.choice([-1, 1], len(members)) if kind == "scales" else None,
                )
            )
        elif kind == "map":
            found.append(tie_map(l, rng.integers(-1, 4, net.W[l].shape)))
        elif kind == "zeros":
            found.append(Frozen(l, rng.random(net.W[l].shape) < 0.4, 0.0))
        elif kind == "frozen":
            found.append(Frozen(l, rng.random(net.W[l].shape) < 0.4))
        elif l != m:
            found.append((tie_layers if kind == "layers" else tie_transpose)(l, m))
    return found


def layout(X, kind):
    """The same numbers, held in another way."""
    flat = X.reshape(len(X), -1)
    return {
        "as it is": lambda: X,
        "flat": lambda: flat,
        "columns": lambda: np.asfortranarray(X),
        "list": lambda: X.tolist(),
        "strides": lambda: np.repeat(X, 2, axis=0)[::-2][::-1],
        "backwards": lambda: np.ascontiguousarray(X[::-1])[::-1],
        "float64": lambda: X.astype(float),
        "big-endian": lambda: X.astype(">f4"),
        "csr": lambda: sparse.csr_array(flat),
        "csc": lambda: sparse.csc_array(flat),
        "table": lambda: pd.DataFrame(flat),
    }[kind]()


LAYOUTS = (
    "as it is",
    "flat",
    "columns",
    "list",
    "strides",
    "backwards",
    "float64",
    "big-endian",
    "csr",
    "csc",
    "table",
)


# ---- the twin


def kind_of(layer, shape):
    if layer.kind == "dropout" or isinstance(layer, Flatten):
        return Same()
    if not isinstance(layer, (Conv2D, AvgPool2D, MaxPool2D, GlobalAvgPool)):
        return reference.kind_of(layer, shape)
    if isinstance(layer, GlobalAvgPool):
        kernel = stride = shape[:-1]
        padding, dilation = [(0, 0)] * len(kernel), (1,) * len(kernel)
    else:
        kernel, stride, dilation = (
            a if isinstance(a, tuple) else (a,) * (len(shape) - 1)
            for a in (layer.kernel, layer.stride or layer.kernel, layer.dilation)
        )
        padding = [(0, 0)] * len(kernel) if layer.padding == "valid" else layer.padding
        if padding == "same":  # ceil(n / s) positions, where the zeros are odd one more behind
            around = [
                max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
                for n, k, s, d in zip(shape, kernel, stride, dilation)
            ]
            padding = [(a // 2, a - a // 2) for a in around]
        padding = [p if isinstance(p, tuple) else (p, p) for p in padding]
    if len(shape) == 2:
        shape, kernel, stride, dilation, padding = (
            (1, *shape),
            (1, *kernel),
            (1, *stride),
            (1, *dilation),
            [(0, 0), *padding],
        )
    return reference.KINDS[layer.kind](shape, kernel, stride, padding, dilation, getattr(layer, "filters", None))


def flat(W, b):
    return np.concatenate([a.ravel() for pair in zip(W[1:], b[1:]) for a in pair if a is not None])


def unflat(values, like):
    """Lists W and b by layer of a flat array, shaped like those of the twin."""
    W, b, at = [None], [None], 0
    for l in range(1, like.L + 1):
        for arrays, shaped in ((W, like.W[l]), (b, like.b[l])):
            size = 0 if shaped is None else shaped.size
            arrays.append(None if shaped is None else values[at : at + size].reshape(shaped.shape))
            at += size
    return W, b


def spread(net):
    """E and what stands still: all weights = offset + E p, by setting one parameter at a time."""
    p, columns = net.params, []
    net.params = np.zeros_like(p)
    offset = flat(net.W, net.b).astype(float)
    for k in range(len(p)):
        net.params = np.arange(len(p)) == k
        columns.append(flat(net.W, net.b) - offset)
    net.params = p
    return np.array(columns, float).reshape(len(p), -1).T, offset


def assert_tied(net):
    """What the ties say holds."""
    for tie in net.ties:
        if isinstance(tie, TiedGroup):
            scales = np.ones(len(tie.members)) if tie.scales is None else tie.scales
            p = [net.W[l][tuple(index)] / scale for (l, *index), scale in zip(tie.members, scales)]
            np.testing.assert_allclose(p, p[0], rtol=1e-5 if net.dtype == "float32" else 1e-12)
        elif isinstance(tie, fastmlp.ties.TiedMap):
            for i in set(np.ravel(tie.ids)) - {-1}:
                assert len(set(net.W[tie.l][tie.ids == i])) == 1
        elif isinstance(tie, fastmlp.ties.TiedLayers):
            first, second = (net.W[l].reshape(-1, net.W[l].shape[-1]) for l in (tie.l, tie.m))
            np.testing.assert_array_equal(first.T if tie.transposed else first, second)
        elif tie.value is not None:
            assert (net.W[tie.l][tie.mask] == tie.value).all()


# ---- the test


def compare(data):
    draw = data.draw
    dtype = draw(st.sampled_from(["float64", "float64", "float32"]), label="dtype")
    smooth = dtype == "float32"  # at a kink its rounding decides
    layers = draw(architectures(smooth), label="layers")
    loss = draw(losses(smooth), label="loss")
    rng = np.random.default_rng(draw(some(0, 2**32), label="seed"))
    untied = MLP(layers)
    tied = draw(ties(untied), label="ties") if untied.n_params <= MOST_SPREAD else []
    n = draw(some(1, 40), label="rows")
    try:
        net, X, y = problem(layers, loss, n, rng, dtype, tied, zeros=0.3)
    except ValueError as error:
        assert "tie" in str(error)  # they contradict each other, or do not fit
        net, X, y = problem(layers, loss, n, rng, dtype, zeros=0.3)
    assert_tied(net)
    y = y.astype(np.float32) if y.dtype.kind == "f" else y
    w = rng.integers(0, 4, n) / 2 if draw(st.booleans(), label="weighted") else None
    if w is not None:
        w[rng.integers(n)] = 1
    layouts = [kind for kind in LAYOUTS if not (net._network.tables and kind in ("csr", "csc"))]
    given = layout(X, draw(st.sampled_from(layouts), label="layout"))
    given_y = sparse.csr_array(y) if loss != LABELS and draw(st.booleans(), label="sparse y") else y
    net._network.n_threads = draw(st.sampled_from([1] * 9 + [2]), label="threads")
    if draw(st.booleans(), label="small blocks"):
        net._network.core.block_rows, net._network.core.chunk_rows = 8, 16
    twin = reference.twin_of(net, kind_of)
    E = spread(net) if net.ties and net.n_params else None
    assert_same_sweep(net, twin, E, (given, given_y, w), (X.reshape(n, -1), y, w), rng)
    comparable = [how for how in OPTIMIZERS + PENALISED * (not net.ties) if can_be_compared(how, dtype)]
    optimizer = draw(st.sampled_from(comparable), label="optimizer")
    assert_same_training(
        net, twin, E, optimizer, (given, given_y, w), (X.reshape(n, -1), y, w), draw(some(1, n), label="batch")
    )


def can_be_compared(optimizer, dtype):
    """Whether its steps move by less than the tolerance where gradients move by their rounding, some 16 units in the
    last place. Those of Adam do not with a small eps in float32: a gradient of 0 but for rounding has any sign."""
    amplified = optimizer.lr / optimizer.eps if isinstance(optimizer, Adam) else optimizer.lr
    return 16 * np.finfo(dtype).eps * amplified < TOLERANCE[dtype]


def near(a, b, dtype):
    if a is None or b is None:
        assert a is b
        return
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.size == b.size
    np.testing.assert_allclose(a.ravel(), b.ravel(), rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(b).max(initial=0)))


def assert_same_sweep(net, twin, E, given, plain, rng):
    (X, y, w), dtype = plain, net.dtype.name
    c = None if w is None else w / w.sum()
    run, true = net.backprop(*given), twin.backprop(X, y, c)
    for name in ("loss", "dX"):
        near(getattr(run, name), getattr(true, name), dtype)
    for name in ("s", "x", "delta", "dW", "db"):
        for l in range(1, twin.L + 1):
            if name != "s" or net.W[l] is not None:  # of other layers it is x
                near(getattr(run, name)[l], getattr(true, name)[l], dtype)
    loss, gradient = net.loss_and_grad(*given)
    everything = flat(true.dW, true.db)
    near(loss, true.loss, dtype)
    if E is not None:
        near(gradient, E[0].T @ everything, dtype)
    elif not net.ties:
        near(gradient, everything, dtype)
    near(net.evaluate(*given), true.loss, dtype)
    near(net.predict(given[0]), twin.predict(X), dtype)
    U, V = rng.standard_normal((len(X), net.d[-1])), rng.standard_normal(X.shape)
    sides = (net.vjp(given[0], U) * V).sum(), (U * net.jvp(given[0], V)).sum()
    near(*sides, dtype)


def assert_same_training(net, twin, E, optimizer, given, plain, batch):
    X, y, w = plain
    weights = np.ones(len(X)) if w is None else w / w.mean()
    name = type(optimizer).__name__
    steps = reference.OPTIMIZERS[name](**asdict(optimizer))
    net.fit(given[0], given[1], optimizer, epochs=2, batch_size=batch, sample_weight=given[2], shuffle=False)
    if len(net.history["loss"]) < 2 or np.abs(net.params).max(initial=0) > LARGEST:
        return  # it diverges, and rounding grows as the weights do
    p = None if E is None else np.linalg.lstsq(*((E[0], flat(twin.W, twin.b) - E[1])), rcond=None)[0]
    for _ in range(2):
        for i in range(0, len(X), batch):
            rows = slice(i, i + batch)
            if not weights[rows].any():
                continue  # no step
            g = twin.backprop(X[rows], y[rows], weights[rows] / len(X[rows]), training=True)
            if E is not None:
                steps.step([p], [E[0].T @ flat(g.dW, g.db)], [True])
                twin.W, twin.b = unflat(E[1] + E[0] @ p, twin)
            elif not net.ties:
                trained = [
                    (a, d, weight)
                    for l in range(1, twin.L + 1)
                    for a, d, weight in (
                        (twin.W[l], g.dW[l], net.layers[l - 1].kind not in BY_FEATURE),
                        (twin.b[l], g.db[l], False),
                    )
                    if a is not None
                ]
                steps.step(*map(list, zip(*trained)))
    for l in range(1, twin.L + 1):
        near(net.W[l], twin.W[l], net.dtype.name)
        near(net.b[l], twin.b[l], net.dtype.name)
    running = [numbers for norm in twin.batch_norms for numbers in (norm.mean, norm.var)]
    near(net._network.core.statistics, np.concatenate([np.zeros(0), *running]), net.dtype.name)
    assert_tied(net)


NEAR = 0.02  # difference quotients look no further than STEP times this
NO_LIMIT = dict(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.filterwarnings("ignore:the loss was not finite")
@settings(max_examples=600, derandomize=True, phases=[Phase.generate], **NO_LIMIT)
@given(st.data())
def test_random_networks(data):
    compare(data)


def assert_slope(found, f, scale, noise=0.0):
    """A slope is that of f at 0, by difference quotients, to 1e-7 of a scale. Not said where f has a kink within the
    step: two quotients that should differ by STEP^2 differ by more."""
    wide, narrow = quotients(f)
    assume(np.abs(wide - narrow).max() <= 1e-4 * scale + noise)
    np.testing.assert_allclose(found, (4 * narrow - wide) / 3, rtol=0, atol=1e-7 * scale + noise)


@settings(max_examples=200, derandomize=True, phases=[Phase.generate], **NO_LIMIT)
@given(architectures(smooth=False, rates=(0.0, 0.3)), losses(smooth=False), some(1, 30), some(0, 2**32))
def test_first_derivatives(layers, loss, n, seed):
    """Of the training loss, which a fit reports, by the parameters: what a step of SGD goes by, through the statistics
    of the batch and with what dropout drops. Of evaluate's by the parameters and by the input."""
    rng = np.random.default_rng(seed)
    net, X, y = problem(layers, loss, n, rng, reach=0.4)
    w, p = rng.integers(0, 4, n) / 2 + (np.arange(n) == 0), net.params
    v, V = NEAR * rng.standard_normal(net.n_params) / np.sqrt(net.n_params), NEAR * rng.standard_normal(X.shape)
    V.reshape(n, -1)[:, net._network.numeric:] = 0

    def evaluated(h):
        net.params = p + h * v
        return net.evaluate(X, y, w)

    def noise(value):
        """A quotient's own, of the rounding of two losses."""
        return 16 * np.finfo(float).eps * abs(value) / STEP

    loss_there, step = trained(net, p, X, y, w)
    assume(np.isfinite(loss_there))
    assert_slope(step @ v, lambda h: trained(net, p + h * v, X, y, w)[0], np.linalg.norm(step * v), noise(loss_there))
    value, gradient = net.loss_and_grad(X, y, w)
    assert_slope(gradient @ v, evaluated, np.linalg.norm(gradient * v), noise(value))
    net.params = p
    terms = (w / w.sum())[:, None] * net.backprop(X, y, w).dX * V.reshape(n, -1)
    assert_slope(terms.sum(), lambda h: net.evaluate(X + h * V, y, w), np.linalg.norm(terms), noise(value))


@settings(max_examples=100, derandomize=True, phases=[Phase.generate], **NO_LIMIT)
@given(architectures(smooth=False), some(1, 20), some(0, 2**32))
def test_second_derivatives(layers, n, seed):
    """The Hessian times a vector and gradients with penalties, by difference quotients of first derivatives."""
    rng = np.random.default_rng(seed)
    net, X, y = problem(layers, "squared_error", n, rng, reach=0.4)
    p, v = net.params, NEAR * rng.standard_normal(net.n_params)

    def along(h, f):
        net.params = p + h * v
        return f()

    hvp = along(0, lambda: net.hvp(v, X, y))
    assert_slope(hvp, lambda h: along(h, lambda: net.loss_and_grad(X, y)[1]), max(1, np.abs(hvp).max()))
    for penalty in ({"gradient_penalty": 0.3}, {"jacobian_penalty": 0.3}):
        slope = along(0, lambda penalty=penalty: net.loss_and_grad(X, y, **penalty)[1]) @ v
        assert_slope(slope, lambda h, penalty=penalty: along(h, lambda: net.loss_and_grad(X, y, **penalty)[0]),
                     max(1, abs(slope)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the loss was not finite")
@settings(max_examples=12_000, phases=[Phase.generate, Phase.shrink], **NO_LIMIT)
@given(st.data())
def test_many_random_networks(data):
    """About 20 minutes."""
    compare(data)
