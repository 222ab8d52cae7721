"""The library equals its NumPy twin: every activation with every loss, and every optimiser."""
from dataclasses import asdict

import numpy as np
import pytest

import bits
import fastmlp
import reference
from fastmlp import MLP, SGD, Adam, Dense, _core

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
ARGUMENTS = {"leaky_relu": 0.3, "elu": 0.7, "huber": 0.6, "quantile": 0.8}
LABELS = "cross_entropy of labels"

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
activations = pytest.mark.parametrize("activation", reference.ACTIVATIONS)
losses = pytest.mark.parametrize("loss", [*reference.LOSSES, LABELS])


def test_the_twin_has_all_that_the_library_has():
    assert set(reference.ACTIVATIONS) == set(fastmlp.activations())
    assert set(reference.LOSSES) == set(reference.LINKS) == set(fastmlp.losses())
    assert {optimizer.step for optimizer in OPTIMIZERS} == set(_core.STEPS)


def with_argument(name):
    """The name, or the pair of it and a number that is not the default."""
    return (name, ARGUMENTS[name]) if name in ARGUMENTS else name


def targets(loss, n, d, rng):
    """y that suits the loss."""
    if loss == LABELS:
        return rng.integers(0, d, n)
    if loss == "cross_entropy":
        return rng.dirichlet(np.ones(d), n)
    if loss == "poisson":
        return rng.poisson(1.5, (n, d)).astype(float)
    return rng.random((n, d)) if loss == "binary_cross_entropy" else rng.standard_normal((n, d))


def problem(activation, loss, dtype, sizes=(5, 20, 9, 3), n=37, weighted=True, active_output=False):
    """A network of random weights, its twin, and data of values that float32 holds."""
    rng = np.random.default_rng(len(activation) + 100 * len(loss))
    spec = "cross_entropy" if loss == LABELS else with_argument(loss)
    activation = with_argument(activation)
    hidden = [Dense(d, activation, bias=l != 2) for l, d in enumerate(sizes[1:-1], 1)]
    net = MLP([sizes[0], *hidden, Dense(sizes[-1], activation if active_output else "identity")],
              loss=spec, dtype=dtype, random_state=1)
    for a in (*net.W[1:], *(b for b in net.b[1:] if b is not None)):
        a[...] = rng.normal(0, 1 / np.sqrt(len(a) if a.ndim == 2 else 4), a.shape).astype(np.float32)
    twin = reference.Network(net.W, net.b, [layer.activation for layer in net.layers], spec)
    X, y = (a.astype(np.float32) if a.dtype.kind == "f" else a
            for a in (rng.standard_normal((n, sizes[0])), targets(loss, n, sizes[-1], rng)))
    w = rng.integers(0, 4, n) / 2 if weighted else None
    return net, twin, X, y, w


def assert_near(a, b, tolerance):
    """Equal within a part of the largest element."""
    assert (a is None) == (b is None)
    if a is not None:
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


@dtypes
@losses
@activations
def test_backprop(activation, loss, dtype):
    net, twin, X, y, w = problem(activation, loss, dtype)
    run, true = net.backprop(X, y, w), twin.backprop(X, y, w / w.sum())
    for name in ("loss", "dX"):
        assert_near(getattr(run, name), getattr(true, name), TOLERANCE[dtype])
    for name in ("s", "x", "delta", "dW", "db"):
        assert len(getattr(run, name)) == len(getattr(true, name)) == 4
        for a, b in zip(getattr(run, name), getattr(true, name)):
            assert_near(a, b, TOLERANCE[dtype])
    assert all(a.dtype == dtype for a in (run.dX, run.s[1], run.x[0], run.delta[1], run.dW[1], run.db[1]))


@dtypes
@losses
@activations
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient_and_predictions(activation, loss, dtype, weighted):
    net, twin, X, y, w = problem(activation, loss, dtype, (4, 17, 6), weighted=weighted, active_output=True)
    true = twin.backprop(X, y, None if w is None else w / w.sum())
    loss_, gradient = net.loss_and_grad(X, y, w)
    flat = [a.ravel() for l in (1, 2) for a in (true.dW[l], true.db[l])]
    assert_near(loss_, true.loss, TOLERANCE[dtype])
    assert_near(gradient, np.concatenate(flat), TOLERANCE[dtype])
    assert_near(net.evaluate(X, y, w), true.loss, TOLERANCE[dtype])
    assert_near(net.predict(X), twin.predict(X), TOLERANCE[dtype])
    assert_near(net.forward(X).x[-1], true.x[-1], TOLERANCE[dtype])


@losses
def test_saturation(loss):
    """Signals so large that exponentials over- or underflow where they are written naively."""
    net, twin, X, y, w = problem("tanh", loss, "float64", (3, 4, 2), n=60)
    for l in (1, 2):
        net.W[l][...] *= 150
        twin.W[l] *= 150
    run, true = net.backprop(X, y, w), twin.backprop(X, y, w / w.sum())
    assert np.abs(true.x[2]).max() > 100
    assert_near(run.loss, true.loss, 1e-12)
    assert_near(run.delta[2], true.delta[2], 1e-12)
    assert_near(net.predict(X), twin.predict(X), 1e-12)


OPTIMIZERS = [
    *(kind(0.02, **numbers, **more) for kind, numbers in bits.OPTIMIZERS.values()
      for more in ({}, {"l2": 0.1, "l1": 0.01, "clip_norm": 0.2})),
    SGD(0.05, momentum=0.0, nesterov=True),
    Adam(0.01, beta1=0.8, beta2=0.95, eps=1e-3, l2=0.1, l1=0.01, clip_norm=0.2),
]
# networks that are stepped as one vector, of halves of vectors where there are any and whole, and one that is stepped
# tile by tile
SIZES = {"narrow": (3, 4, 2), "small": (5, 20, 9, 3), "large": (33, 100, 70, 1)}


def assert_same_steps(sizes, optimizer, rows, batch_size, weighted, loss="squared_error", dtype="float64"):
    """Twenty steps, or as many more as make whole epochs; returns the network."""
    net, twin, X, y, w = problem("silu", loss, dtype, sizes, n=rows)
    w = w if weighted else None
    epochs = -(-20 // -(-len(X) // batch_size))
    twin.train(X, y, reference.OPTIMIZERS[type(optimizer).__name__](**asdict(optimizer)), epochs, batch_size, w)
    net.fit(X, y, optimizer, epochs=epochs, batch_size=batch_size, sample_weight=w, shuffle=False)
    for l in range(1, len(sizes)):
        assert_near(net.W[l], twin.W[l], TOLERANCE[dtype])
        assert_near(net.b[l], twin.b[l], TOLERANCE[dtype])
    return net


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("batch_size", [40, 96, 160])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_twenty_steps(optimizer, batch_size, sizes):
    assert_same_steps(sizes, optimizer, 160, batch_size, True)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_twenty_steps_of_a_row_each(optimizer, sizes):
    assert_same_steps(sizes, optimizer, 20, 1, False)


@dtypes
@losses
def test_a_lone_output_and_a_row_a_batch(loss, dtype):
    """What online learning does, which has kernels of its own; and nothing comes to stand between the parameters."""
    net = assert_same_steps((3, 4, 1), SGD(0.05, momentum=0.9), 20, 1, False, loss, dtype)
    places = net._network.core.like_params()
    for l in (1, 2):
        net._network.core.weight(l, places)[...] = net._network.core.bias(l, places)[...] = 1
    assert not net._network.core.P[places == 0].any()
