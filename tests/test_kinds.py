"""Each kind of layer in all that a network does: derivatives by difference quotients, threads, files. By a table, in
which a new kind gets a row."""
import pickle

import numpy as np
import pytest

import fastmlp
import reference
from fastmlp import MLP, Adam, AvgPool2D, Conv2D, Dense, Dropout, LayerNorm, MaxPool2D, RMSNorm, _core
from fastmlp.sensitivity import Attack
from layer_checks import trained
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


def problem(kind, dtype="float64"):
    net = MLP(CASES[kind], activation="tanh", dtype=dtype, random_state=0)
    rng = np.random.default_rng(0)
    X, y = (rng.standard_normal((ROWS, d)).astype(dtype) for d in (net.d[0], net.d[-1]))
    return net, reference.with_categories(net, X), y, rng


def test_the_table_has_all_kinds():
    assert set(CASES) == set(_core.KINDS)
    for kind, layers in CASES.items():
        assert kind in {layer.kind for layer in MLP(layers).layers}


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
