"""Convolutions and pooling: against the NumPy twin, differences, and themselves written as Dense."""
import pickle
from dataclasses import replace

import numpy as np
import pytest

import reference
from fastmlp import (
    MLP,
    SGD,
    Adam,
    AvgPool1D,
    AvgPool2D,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    MaxPool1D,
    MaxPool2D,
    _core,
)
from layer_checks import summed
from test_twin import TOLERANCE, assert_near, with_argument

# the shape of the map, the layer, and for the twin: kernel, strides, padding, dilation
ROWS = [
    ((9, 8, 1), Conv2D(6, 5), (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((9, 8, 3), Conv2D(20, (2, 3), stride=(2, 1), padding=(1, 2)), (2, 3), (2, 1), ((1, 1), (2, 2)), (1, 1)),
    ((7, 6, 2), Conv2D(3, 3, padding="same", bias=False), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ((7, 6, 2), Conv2D(3, 2, stride=2, padding="same"), (2, 2), (2, 2), ((0, 1), (0, 0)), (1, 1)),
    ((9, 9, 2), Conv2D(4, (3, 2), dilation=(2, 3), padding=1), (3, 2), (1, 1), ((1, 1), (1, 1)), (2, 3)),
    ((6, 5, 17), Conv2D(33, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((3, 3, 2), Conv2D(1, 3), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((40, 40, 8), Conv2D(2, 5), (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((11, 3), Conv1D(5, 4, stride=2, padding=1), (1, 4), (1, 2), ((0, 0), (1, 1)), (1, 1)),
    ((8, 6, 5), MaxPool2D(2), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((7, 6, 6), MaxPool2D(2), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((6, 6, 16), MaxPool2D((2, 3)), (2, 3), (2, 3), ((0, 0), (0, 0)), (1, 1)),
    ((6, 5, 20), MaxPool2D(2, 3), (2, 2), (3, 3), ((0, 0), (0, 0)), (1, 1)),
    ((7, 6, 3), MaxPool2D(3, 2, padding=1), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    ((9, 2), MaxPool1D(2, 1, padding="same"), (1, 2), (1, 1), ((0, 0), (0, 1)), (1, 1)),
    ((8, 6, 5), AvgPool2D((2, 3)), (2, 3), (2, 3), ((0, 0), (0, 0)), (1, 1)),
    ((7, 6, 3), AvgPool2D(3, 2, padding=1), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    ((9, 2), AvgPool1D(3, 2), (1, 3), (1, 2), ((0, 0), (0, 0)), (1, 1)),
    ((5, 4, 3), GlobalAvgPool(), (5, 4), (1, 1), ((0, 0), (0, 0)), (1, 1)),
]
rows = pytest.mark.parametrize("row", ROWS, ids=[f"{row[1]!r} of {row[0]}" for row in ROWS])
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def test_the_twin_has_all_kinds():
    assert set(reference.KINDS) == set(_core.KINDS)


def problem(row, dtype, activation="tanh", n=13):
    """The layer between a 1x1 convolution, so that it has a gradient to pass on, and a Dense one; the twin; data."""
    shape, layer, kernel, stride, padding, dilation = row
    rng = np.random.default_rng(0)
    first = (Conv1D, Conv2D)[len(shape) - 2](shape[-1], 1, with_argument(activation))
    if hasattr(layer, "filters"):
        layer = type(layer)(**{**vars(layer), "activation": with_argument(activation)})
    net = MLP([shape, first, layer, 3], dtype=dtype, random_state=0)
    for a in (*net.W[1:], *net.b[1:]):
        if a is not None:
            a[...] = rng.normal(0, 1 / np.sqrt(a.size // a.shape[-1] if a.ndim > 1 else 4), a.shape).astype(np.float32)
    maps = (1, *shape)[-3:]
    W = [w if w is None or w.ndim != 3 else w[None] for w in net.W]
    kinds = [reference.Conv(maps, (1, 1), (1, 1)),
             reference.KINDS[layer.kind](maps, kernel, stride, padding, dilation, getattr(layer, "filters", None)),
             reference.Dense()]
    twin = reference.Network(W, net.b, [y.activation for y in net.layers], "squared_error", kinds)
    X, y = (rng.standard_normal(s).astype(np.float32) for s in ((n, *shape), (n, 3)))
    return net, twin, X, y, rng.integers(0, 4, n) / 2


def check(net, twin, X, y, w, dtype):
    run, true = net.backprop(X, y, w), twin.backprop(X.reshape(len(X), -1), y, w / w.sum())
    for name in ("loss", "dX"):
        assert_near(getattr(run, name), getattr(true, name), TOLERANCE[dtype])
    for name in ("s", "x", "delta", "dW", "db"):
        for a, b in zip(getattr(run, name), getattr(true, name)):
            assert_near(a, b if b is None or name != "dW" else b.reshape(a.shape), TOLERANCE[dtype])
    loss, gradient = net.loss_and_grad(X, y, w)
    assert_near(gradient, np.concatenate([a.ravel() for pair in zip(true.dW, true.db) for a in pair if a is not None]),
                TOLERANCE[dtype])
    assert_near(net.predict(X), twin.predict(X.reshape(len(X), -1)), TOLERANCE[dtype])
    assert_near(net.evaluate(X, y, w), true.loss, TOLERANCE[dtype])


MAP = np.array([[[1.0, 2.0, -1.0], [0.0, 3.0, 4.0]]])  # one row: a map (2, 3) of one channel
KERNEL = np.array([[1.0, -1.0], [2.0, 0.0]]).reshape(2, 2, 1, 1)
BY_HAND = {  # the layer, its x, and dX where de/dx of each of these is 1
    "conv": (Conv2D(1, 2, "relu", init=KERNEL, bias_init=0.5), [0, 9.5], [[0, 1, -1], [0, 2, 0]]),  # s = -0.5, 9.5
    "max": (MaxPool2D(2, 1), [3, 4], [[0, 0, 0], [0, 1, 1]]),
    "average": (AvgPool2D(2, 1), [1.5, 2], [[0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]),
    "of all": (GlobalAvgPool(), [1.5], np.full((2, 3), 1 / 6)),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    layer, x, dX = BY_HAND[name]
    net = MLP([(2, 3, 1), layer, Dense(1, bias=False)], dtype="float64")
    found = summed(net, MAP)
    np.testing.assert_allclose(found.x[1], [x], rtol=1e-15)
    np.testing.assert_allclose(found.dX.reshape(2, 3), dX, rtol=1e-14)
    if name == "conv":
        np.testing.assert_allclose(found.dW[1][:, :, 0, 0], [[2, -1], [3, 4]], rtol=1e-14)
        assert found.db[1][0] == pytest.approx(1, rel=1e-14)


@dtypes
@rows
def test_every_kind(row, dtype):
    check(*problem(row, dtype), dtype)


@dtypes
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_every_activation(activation, dtype):
    check(*problem(ROWS[1], dtype, activation), dtype)


@pytest.mark.parametrize("filters", [3, 60])
@pytest.mark.parametrize("optimizer", [SGD(0.05, momentum=0.5), Adam(0.01, l2=0.1, l1=0.01, clip_norm=0.2)],
                         ids=["sgd", "adam"])
def test_steps(optimizer, filters):
    """Steps as one vector, and of networks too large for that."""
    shape = (6, 6, 2)
    net = MLP([shape, Conv2D(filters, 3, "tanh"), 16, 3], dtype="float64", random_state=0)
    kinds = [reference.Conv(shape, (3, 3), (1, 1), channels=filters), reference.Dense(), reference.Dense()]
    twin = reference.Network(net.W, net.b, [y.activation for y in net.layers], "squared_error", kinds)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((150, 72)), rng.standard_normal((150, 3))
    numbers = {name: getattr(optimizer, name) for name in vars(optimizer)}
    twin.train(X, y, reference.OPTIMIZERS[type(optimizer).__name__](**numbers), 3, 70)
    net.fit(X, y, optimizer, 3, 70, shuffle=False)
    for a, b in zip((*net.W[1:], *net.b[1:]), (*twin.W[1:], *twin.b[1:])):
        assert_near(a, b, 1e-11)


@rows
def test_differences(row):
    net, _, X, y, w = problem(row, "float64")
    _, gradient = net.loss_and_grad(X, y, w)
    start, rng, h = net.params, np.random.default_rng(1), 1e-5
    for _ in range(3):
        v = rng.standard_normal(net.n_params)
        losses = []
        for sign in (1, -1):
            net.params = start + sign * h * v
            losses.append(net.evaluate(X, y, w))
        assert (losses[0] - losses[1]) / (2 * h) == pytest.approx(gradient @ v, rel=1e-6,
                                                                  abs=1e-6 * np.linalg.norm(gradient))


DENSE = [r for r in ROWS if hasattr(r[1], "as_dense") and r[0] != (40, 40, 8)]


@pytest.mark.parametrize("row", DENSE, ids=lambda r: f"{r[1]!r} of {r[0]}")
def test_as_dense(row):
    """The general case: Dense + ties + frozen zeros, to 1e-12, gradients by p too, and to 1e-10 after ten steps."""
    net, _, X, y, w = problem(row, "float64")
    spec, ties = net.layers[1].as_dense(net.shapes[1], 2, net.W[2], net.b[2])
    before, after = (replace(net.layers[l - 1], init=net.W[l], bias_init=net.b[l]) for l in (1, 3))
    dense = MLP([net.shapes[0], before, spec, after], dtype="float64", ties=ties)
    assert dense.n_params == net.n_params
    a, b = net.backprop(X.reshape(len(X), -1), y, w), dense.backprop(X.reshape(len(X), -1), y, w)
    for name in ("s", "x", "delta"):
        for l in (1, 2, 3):
            assert_near(getattr(a, name)[l], getattr(b, name)[l], 1e-12)
    assert_near(a.dX, b.dX, 1e-12)
    ids = net.layers[1].weight_ids(net.shapes[1])
    flat = X.reshape(len(X), -1)
    order = np.concatenate([np.arange(net.W[1].size + net.b[1].size),
                            net.W[1].size + net.b[1].size + kernel_order(net, ids),
                            np.arange(net.n_params - net.W[3].size - net.b[3].size, net.n_params)]).astype(int)
    for pair in ((net.params, dense.params), (net.loss_and_grad(flat, y, w)[1], dense.loss_and_grad(flat, y, w)[1])):
        assert_near(pair[0][order], pair[1], 1e-12)
    for each in (net, dense):
        each.fit(flat, y, Adam(0.01, l2=0.01), epochs=10, batch_size=None, shuffle=False)
    assert_near(net.params[order], dense.params, 1e-10)


def kernel_order(net, ids):
    """The numbers of the kernel's weights, then biases, in the order of their first places in the dense layer."""
    if net.W[2] is None:
        return np.empty(0)
    flat = ids.ravel()
    kernel = flat[np.sort(np.unique(flat, return_index=True)[1])]
    return np.concatenate([kernel[kernel >= 0], net.W[2].size + np.arange(0 if net.b[2] is None else net.b[2].size)])


def lenet(dtype="float32"):
    return MLP([(12, 12, 1), Conv2D(6, 3, "relu"), MaxPool2D(2), Dropout(0.25), Conv2D(16, 3, "relu"), Flatten(),
                20, 3], dtype=dtype, loss="cross_entropy", random_state=0)


def test_forms_of_X_and_files(tmp_path):
    from scipy import sparse
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((70, 12, 12)).astype("float32"), rng.integers(0, 3, 70)
    net = lenet()
    net.fit(X, y, Adam(0.01), 2)
    flat = X.reshape(70, 144)
    for same in (X[..., None], flat, sparse.csr_array(flat), flat.astype(float)):
        assert np.array_equal(net.predict(same), net.predict(X))
    assert np.array_equal(net.predict(flat[:1]), net.predict(flat)[:1])
    net.save(tmp_path / "net")
    for copy in (MLP.load(tmp_path / "net"), pickle.loads(pickle.dumps(net))):
        assert copy.W[1].shape == (3, 3, 1, 6) and np.shares_memory(copy.W[1], copy._network.core.P)
        copy.partial_fit(X, y)
        again = MLP.load(tmp_path / "net")
        again.partial_fit(X, y, n_threads=3)
        assert np.array_equal(copy.params, again.params)
    assert "3x3x6x16" in net.summary() and "(12, 12, 1)" in repr(net)


def test_the_first_of_equal_maxima():
    net = MLP([(2, 2, 1), MaxPool2D(2), Dense(1, bias=False, init="zeros")], dtype="float64")
    net.W[2][...] = 1
    assert net.backprop(np.full((1, 4), 2.0), [0.0]).dX.tolist() == [[4, 0, 0, 0]]


@pytest.mark.parametrize("layer, message", [
    (Conv2D(3, 6), r"layers\[1\]: Conv2D with its kernel over \(6, 6\) must fit"),
    (Conv2D(3, 3, dilation=3), r"must fit"),
    (Conv2D(0, 3), "filters of Conv2D must be at least 1, got 0"),
    (Conv2D(3, 3, padding="all"), "padding of Conv2D must be 'valid', 'same'"),
    (Conv1D(3, 3), r"Conv1D must come after a map of shape \(length, c\), got \(5, 5, 2\)"),
    (MaxPool2D(2, padding=2), "at most half its kernel"),
    (MaxPool2D(2, stride=0), "stride of MaxPool2D must be at least 1"),
])
def test_errors(layer, message):
    with pytest.raises(ValueError, match=message):
        MLP([(5, 5, 2), layer, 3])
    with pytest.raises(ValueError, match=r"X must have shape \(n, 5, 5, 2\) or \(n, 50\), got \(4, 2, 5, 5\)"):
        MLP([(5, 5, 2), Conv2D(3, 3), 3]).predict(np.zeros((4, 2, 5, 5)))


@pytest.mark.parametrize("W, b, message",
                         [(np.zeros((3, 2, 2, 2)), None, r"W must have shape \(2, 2, 2, 3\), got \(3, 2, 2, 2\)"),
                          (None, np.zeros(2), r"b must have shape \(3,\), got \(2,\)")])
def test_as_dense_wants_the_layers_shapes(W, b, message):
    with pytest.raises(ValueError, match=message):
        Conv2D(3, 2).as_dense((5, 5, 2), 1, W, b)
