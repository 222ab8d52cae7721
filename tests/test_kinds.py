"""Each kind of layer in all that a network does: the twin's numbers, derivatives by difference quotients, attacks,
ties, threads, files. By a table, in which a new kind gets a row."""
import pickle

import numpy as np
import pytest

import fastmlp
import reference
from fastmlp import (
    MLP,
    Adam,
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Frozen,
    LayerNorm,
    MaxPool2D,
    RMSNorm,
    TiedGroup,
    _core,
)
from fastmlp.sensitivity import Attack, fgsm, pgd
from layer_checks import assert_steps_are_the_twins, assert_the_sweep_is_the_twins, trained
from test_gradients import derivative

EDGES = [np.linspace(-1.5, 1.5, n) for n in (2, 3, 4, 9, 20)]  # of five features
# networks of smooth activations, so that difference quotients say something; dropout drops in training alone
CASES = {
    "dense": [5, Dense(8, "tanh"), Dense(7, "silu"), 3],
    "dropout": [5, Dense(8, "tanh"), Dropout(0.5), Dense(7, "gelu"), 3],
    "sum": [5, Dense(8, "tanh"), fastmlp.Residual(Dense(6, "gelu"), 8),
            fastmlp.Residual(Dense(4, "tanh"), project=True), 3],
    "grouped": [6, Dense(8, "tanh", groups=2), Dense(12, "silu", groups=4), Dense(3, groups=3)],
    "concat": [5, fastmlp.Concat([8, 3], [], fastmlp.Residual(Dense(4, "gelu"), 5)), 7, fastmlp.Concat([], 2, 3), 3],
    "columns": [fastmlp.Columns(2, [fastmlp.Embedding(7, 4), fastmlp.Embedding(80, 3, "zero")]), Dense(8, "tanh"), 3],
    "identity": [5, Dense(8, "tanh"), fastmlp.Identity(), Dense(7), fastmlp.Activation("silu"),
                 fastmlp.Residual(fastmlp.Activation("tanh"), Dense(7)), fastmlp.Activation("gelu"), 3],
    "scale": [5, fastmlp.Scale(), Dense(8, "tanh"), fastmlp.Scale(0.5), 3],
    "shift": [5, fastmlp.Shift(), Dense(8, "tanh"), fastmlp.Shift(0.5), 3],
    "layer_norm": [5, LayerNorm(), Dense(8, "tanh"), fastmlp.Residual(LayerNorm(), Dense(20, "gelu"), 8),
                   LayerNorm(0.1, scale=False), 3],
    "rms_norm": [5, RMSNorm(), Dense(8, "tanh"), fastmlp.Residual(RMSNorm(0.1), Dense(20, "gelu"), 8),
                 RMSNorm(scale=False), 3],
    "mixture": [5, fastmlp.Mixture("tanh", 0.5), Dense(8), fastmlp.Mixture("silu"),
                fastmlp.Residual(Dense(6), fastmlp.Mixture("gelu", 0.3), 8), 3],
    "prelu": [5, fastmlp.PReLU(), Dense(8, "tanh"), fastmlp.Residual(Dense(6), fastmlp.PReLU(0.5), 8), 3],
    "glu": [6, fastmlp.GLU(), Dense(8, "tanh"), fastmlp.Residual(Dense(12), fastmlp.GLU("silu"), 8), 3],
    "waves": [5, fastmlp.Periodic(3, 0.3), Dense(4, "tanh"), fastmlp.Periodic(2, 0.2, 3, "tanh", phases=True), 3],
    "bins": [5, fastmlp.PiecewiseLinear(EDGES, 8, "tanh"), Dense(5, "tanh"), fastmlp.PiecewiseLinear(EDGES, 8), 3],
    "batch_norm": [5, fastmlp.BatchNorm(), Dense(8, "tanh"), fastmlp.Residual(fastmlp.BatchNorm(0.3), 8), 3],
    "conv": [(5, 4, 2), Conv2D(3, 2, "tanh", padding=1), Conv2D(4, 3, "gelu", stride=2), 3],
    "max_pool": [(6, 5, 2), Conv2D(3, 2, "tanh"), MaxPool2D(2, 1), Dense(6, "tanh"), 3],
    "avg_pool": [(6, 5, 2), Conv2D(3, 2, "tanh"), AvgPool2D(2, 1, padding=1), Dense(6, "tanh"), 3],
}
kinds = pytest.mark.parametrize("kind", CASES)
ROWS = 90
NEAR = 0.01  # difference quotients look no further, lest other elements are the largest of a window there


def problem(kind, dtype="float64", ties=()):
    net = MLP(CASES[kind], activation="tanh", dtype=dtype, ties=ties, random_state=0)
    rng = np.random.default_rng(0)
    X, y = (rng.standard_normal((ROWS, d)).astype(dtype) for d in (net.d[0], net.d[-1]))
    return net, reference.with_categories(net, X), y, rng


def test_the_table_has_all_kinds():
    assert set(CASES) == set(_core.KINDS)
    for kind, layers in CASES.items():
        assert kind in {layer.kind for layer in MLP(layers).layers}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@kinds
def test_a_sweep_is_the_twins(kind, dtype):
    net, X, y, _ = problem(kind, dtype)
    assert_the_sweep_is_the_twins(net, X, y)


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind != "dropout"])
def test_steps_are_the_twins(kind):
    net, X, y, _ = problem(kind)
    assert_steps_are_the_twins(net, X, y)


@kinds
def test_first_derivatives(kind):
    net, X, y, rng = problem(kind)
    net.fit(X, y, epochs=1)
    p, v, V = net.params, NEAR * rng.standard_normal(net.n_params), NEAR * rng.standard_normal(X.shape)
    V[:, net._network.numeric:] = 0

    def loss_along(h):
        net.params = p + h * v
        return net.evaluate(X, y)

    slope = derivative(loss_along)
    net.params = p
    everything, (loss, gradient) = net.backprop(X, y), net.loss_and_grad(X, y)
    assert gradient @ v == pytest.approx(slope, rel=1e-6)
    assert everything.loss == pytest.approx(loss, rel=1e-12)
    flat = np.concatenate([a.ravel() for pair in zip(everything.dW, everything.db) for a in pair if a is not None])
    np.testing.assert_allclose(flat, gradient, rtol=1e-11, atol=1e-13)
    dX = net.input_gradient(X, y)
    np.testing.assert_allclose(everything.dX, dX, rtol=1e-12, atol=1e-14)
    assert (dX * V).sum() / ROWS == pytest.approx(derivative(lambda h: net.evaluate(X + h * V, y)), rel=1e-6)
    J = net.jacobian(X)
    np.testing.assert_allclose(net.jvp(X, V), np.einsum("nkj,nj->nk", J, V), rtol=1e-11, atol=1e-13)


@kinds
def test_a_step_is_by_the_derivative_of_the_training_loss(kind):
    """Through the statistics of the batch, of rows that count as they weigh, and with the units that are dropped."""
    net, X, y, rng = problem(kind)
    net.fit(X, y, epochs=1)
    p, v, w = net.params, NEAR * rng.standard_normal(net.n_params), rng.integers(0, 4, ROWS) / 2
    slope = trained(net, p, X, y, w)[1] @ v
    assert slope == pytest.approx(derivative(lambda h: trained(net, p + h * v, X, y, w)[0]), rel=1e-7)


@kinds
def test_second_derivatives(kind):
    net, X, y, rng = problem(kind)
    net.fit(X, y, epochs=1)
    p, v = net.params, NEAR * rng.standard_normal(net.n_params)

    def at(h, f):
        net.params = p + h * v
        return f()

    hvp = net.hvp(v, X, y)
    quotient = derivative(lambda h: at(h, lambda: net.loss_and_grad(X, y)[1]))
    np.testing.assert_allclose(hvp, quotient, rtol=1e-5, atol=1e-8)
    for penalty in ("gradient_penalty", "jacobian_penalty"):
        slope = at(0, lambda penalty=penalty: net.loss_and_grad(X, y, **{penalty: 0.3})[1]) @ v
        quotient = derivative(lambda h, name=penalty: at(h, lambda: net.loss_and_grad(X, y, **{name: 0.3})[0]))
        assert slope == pytest.approx(quotient, rel=1e-6)


@pytest.mark.parametrize("norm", [2, np.inf])
@kinds
def test_attacks(kind, norm):
    """A step along the gradient, and three that stay within reach; what is in columns of categories stays."""
    net, X, y, _ = problem(kind)
    net.fit(X, y, epochs=1)
    n = net._network.numeric

    def moved(Z, step):
        g = net.input_gradient(Z, y)[:, :n]
        Z = Z.copy()
        Z[:, :n] += step * (np.sign(g) if norm == np.inf else g / np.linalg.norm(g, axis=1, keepdims=True))
        far = Z[:, :n] - X[:, :n]
        Z[:, :n] = X[:, :n] + (np.clip(far, -0.3, 0.3) if norm == np.inf else
                               far * np.minimum(1, 0.3 / np.linalg.norm(far, axis=1, keepdims=True)))
        return Z

    np.testing.assert_allclose(fgsm(net, X, y, 0.3, norm), moved(X, 0.3), rtol=0, atol=1e-11)
    Z = X
    for _ in range(3):
        Z = moved(Z, 0.2)
    np.testing.assert_allclose(pgd(net, X, y, 0.3, 0.2, max_iter=3, norm=norm), Z, rtol=0, atol=1e-11)


def first_of(kind):
    """(number, W) of the first layer of a kind that has W, in the network of its case, or (0, None)."""
    net = MLP(CASES[kind])
    return next(((l, net.W[l]) for l, layer in enumerate(net.layers, 1) if layer.kind == kind and net.W[l] is not None),
                (0, None))


def of_the_weights_of(net, kind):
    """A network of a case without ties that has all weights of another one."""
    free, _, _, _ = problem(kind)
    for a, b in zip([*free.W, *free.b], [*net.W, *net.b]):
        if a is not None:
            a[...] = b
    free._network.core.statistics[...] = net._network.core.statistics
    return free


@pytest.mark.parametrize("kind", [kind for kind in CASES if first_of(kind)[0]])
def test_ties(kind):
    """One number in three places of the kind's W, by scales, and one place that stands still. Steps keep them so, and
    derivatives are those of a network without ties, along what moves in all its weights."""
    l, W = first_of(kind)
    places = [np.unravel_index(k, W.shape) for k in (0, 1, W.size - 1, 2)]
    still = np.zeros(W.shape, dtype=bool)
    still[places[3]] = True
    group = TiedGroup([(l, *map(int, place)) for place in places[:3]], scales=[1, 2, -0.5])
    net, X, y, rng = problem(kind, ties=[group, Frozen(l, still, 0.25)])
    net.fit(X, y, Adam(0.01), epochs=2, batch_size=40, gradient_penalty=0.1)
    w = [net.W[l][place] for place in places]
    np.testing.assert_allclose(w, [w[0], 2 * w[0], -0.5 * w[0], 0.25], rtol=1e-15)
    p, v, free = net.params, rng.standard_normal(net.n_params), of_the_weights_of(net, kind)
    net.params = p + v
    all_along = of_the_weights_of(net, kind).params - free.params
    net.params = p
    np.testing.assert_array_equal(net.predict(X), free.predict(X))
    for options in ({}, {"gradient_penalty": 0.3}, {"jacobian_penalty": 0.3}):
        assert net.loss_and_grad(X, y, **options)[1] @ v == pytest.approx(
            free.loss_and_grad(X, y, **options)[1] @ all_along, rel=1e-10)
    assert v @ net.hvp(v, X, y) == pytest.approx(all_along @ free.hvp(all_along, X, y), rel=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@kinds
def test_the_same_bits_for_any_number_of_threads_block_and_chunk(kind, dtype):
    seen = set()
    for threads, block, chunk in ((1, 0, 0), (2, 8, 0), (3, 0, 16), (2, 16, 48)):
        net, X, y, _ = problem(kind, dtype)
        net._network.core.block_rows, net._network.core.chunk_rows = block, chunk
        net.fit(X, y, Adam(0.01), epochs=2, batch_size=70, n_threads=threads)
        for option in ({"gradient_penalty": 0.1}, {"jacobian_penalty": 0.1}, {"adversarial": Attack(0.1, max_iter=2)}):
            net.partial_fit(X, y, batch_size=70, n_threads=threads, **option)
        seen.add(net.params.tobytes())
    assert len(seen) == 1


@kinds
def test_files_pickles_and_text(kind, tmp_path):
    net, X, y, _ = problem(kind)
    net.fit(X, y, Adam(0.01), epochs=2)
    net.save(tmp_path / "net")
    twins = [MLP.load(tmp_path / "net"), pickle.loads(pickle.dumps(net))]
    net.partial_fit(X, y)
    for twin in twins:
        assert repr(twin) == repr(net) and twin.summary() == net.summary()
        twin.partial_fit(X, y)
        np.testing.assert_array_equal(twin.params, net.params)
