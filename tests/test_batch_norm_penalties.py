"""Penalties on the sensitivity with batch normalisation, lam/2 times the sum of c_i |g_i|^2: of the batch's error
e = sum of c_i e_i, c_i the share of row i in the sum of the weights, g_i is 1/c_i de/dx_i, through the statistics of
the batch. Held to central differences, to the NumPy twin and to PyTorch's double backward."""
import copy

import numpy as np
import pytest

import reference
from fastmlp import (
    MLP,
    SGD,
    Activation,
    Adam,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    LayerNorm,
    MaxPool2D,
    Residual,
    tie_layers,
)
from fastmlp._engine import runtime
from fastmlp.sensitivity import Attack
from layer_checks import assert_the_parameters_are_the_twins
from test_gradients import derivative

LAM = 0.7
LAYERS = {
    "rows": [5, BatchNorm(), Dense(20, "tanh"), BatchNorm(0.3, 1e-3), Dense(33, "gelu"), BatchNorm(), 3],
    "one after the other": [5, BatchNorm(), BatchNorm(0.2), Dense(9, "tanh"), 3],
    "residual": [5, Dense(8, "tanh"), Residual(BatchNorm(), Dense(16, "silu"), Dense(8)), BatchNorm(), 3],
    "branches": [5, Concat([Dense(7, "tanh"), BatchNorm()], [BatchNorm(), Dense(4, "gelu")], []), 3],
    "activations": [5, Dense(8), BatchNorm(), Activation("silu"), LayerNorm(), Dense(6), BatchNorm(),
                    Activation("tanh"), 3],
    "maps": [(4, 5, 2), Conv2D(3, 2, "tanh", padding=1), BatchNorm(), MaxPool2D(2), BatchNorm(), 3],
}
DROPPED = {"dropout": [5, BatchNorm(), Dense(20, "tanh"), Dropout(0.3), BatchNorm(), 3]}
layers = pytest.mark.parametrize("name", LAYERS)
penalties = pytest.mark.parametrize("penalty", ["gradient_penalty", "jacobian_penalty"])
weighted = pytest.mark.parametrize("weights", [False, True], ids=["alike", "weighted"])


def problem(name, dtype="float64", n=21, loss="squared_error"):
    """(a network whose parameters all have values of their own, X, y, weights of the rows, some of them 0)"""
    rng = np.random.default_rng(3)
    net = MLP((LAYERS | DROPPED)[name], dtype=dtype, loss=loss, random_state=0)
    net.params = net.params + 0.2 * rng.standard_normal(net.n_params)
    X, y = (rng.standard_normal((n, d)).astype(dtype) for d in (net.d[0], net.d[-1]))
    return net, X * 2 + 1, y, rng.integers(0, 4, n) / 2


def step(net, p, X, y, w, penalty):
    """(what is minimised of a batch of all rows, from parameters p, its penalty, and what a step of SGD takes off)"""
    one = copy.deepcopy(net)
    one.params = p
    one.fit(X, y, SGD(1.0), epochs=1, batch_size=None, sample_weight=w, shuffle=False, n_threads=1, **{penalty: LAM})
    value = one.history[penalty][0]
    return one.history["loss"][0] + value, value, p - one.params


def shares(w, n):
    return np.full(n, 1 / n) if w is None else w / w.sum()


@penalties
@weighted
@pytest.mark.parametrize("name", LAYERS | DROPPED)
def test_a_step_is_by_the_derivative_of_the_penalised_loss(name, weights, penalty):
    """Of the same projections and dropped units."""
    net, X, y, w = problem(name)
    w, p, rng = w if weights else None, net.params, np.random.default_rng(0)
    _, value, gradient = step(net, p, X, y, w, penalty)
    assert value > 1e-3
    for _ in range(4):
        v = 0.01 * rng.standard_normal(net.n_params)
        slope = derivative(lambda h, v=v: step(net, p + h * v, X, y, w, penalty)[0])
        assert gradient @ v == pytest.approx(slope, rel=1e-7)


@weighted
@layers
def test_the_value_is_the_twins(name, weights):
    net, X, y, w = problem(name)
    w = w if weights else None
    c = shares(w, len(X))
    dX = reference.twin_of(net).backprop(X, y, c, training=True).dX
    assert step(net, net.params, X, y, w, "gradient_penalty")[1] == pytest.approx(
        LAM / 2 * c @ (dX**2).sum(axis=1), rel=1e-12)


def penalised(twin, X, y, c):
    """(dW, db) of the twin's loss with the penalty: those of the loss, and how they change along x' = lam g."""
    plain = copy.deepcopy(twin).backprop(X, y, c, training=True)
    far = 0.01 / max(np.abs(plain.dX).max(), 1e-9)

    def along(h):
        moved = copy.deepcopy(twin).backprop(X + h * far * plain.dX, y, c, training=True)
        return np.concatenate([np.ravel(a) for arrays in (moved.dW, moved.db) for a in arrays if a is not None])

    added, found = LAM * derivative(along) / far, []
    for arrays in (plain.dW, plain.db):
        for a in arrays:
            size = 0 if a is None else a.size
            found.append(a if a is None else a + added[:size].reshape(a.shape))
            added = added[size:]
    L = len(plain.dW)
    return found[:L], found[L:]


@layers
def test_steps_are_the_twins(name):
    """Six of them, of which the last of each epoch has one row, by weights; the statistics move once a batch."""
    net, X, y, w = problem(name)
    w[-1] = 1
    twin = reference.twin_of(net)
    net.fit(X, y, SGD(0.001), epochs=2, batch_size=10, sample_weight=w, shuffle=False, n_threads=2,
            gradient_penalty=LAM)
    for i in [0, 10, 20] * 2:
        rows = slice(i, i + 10)
        c = w[rows] / w.mean() / len(X[rows])
        dW, db = penalised(twin, X[rows], y[rows], c)
        twin.backprop(X[rows], y[rows], c, training=True)   # for the running statistics
        for a, da in zip([*twin.W, *twin.b], [*dW, *db]):
            if a is not None:
                a -= 0.001 * da
    assert_the_parameters_are_the_twins(net, twin, 1e-8, 1e-9)
    np.testing.assert_allclose(net._network.core.statistics, np.concatenate(
        [numbers for norm in twin.batch_norms for numbers in (norm.mean, norm.var)]), rtol=1e-8, atol=1e-9)


@layers
def test_as_pytorch(name):
    """Its double backward in training mode, over five steps."""
    torch = pytest.importorskip("torch")
    net, X, y, _ = problem(name)
    module = net.to_torch(link=False).double().train()
    steps = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    x = torch.tensor(X, requires_grad=True)
    for _ in range(5):
        steps.zero_grad()
        e = (module(x) - torch.from_numpy(y)).square().sum(1)
        g, = torch.autograd.grad(e.sum(), x, create_graph=True)
        (e.mean() + LAM / 2 * g.square().sum(1).mean()).backward()
        steps.step()
    net.fit(X, y, SGD(0.01, momentum=0.9), epochs=5, batch_size=None, shuffle=False, gradient_penalty=LAM)
    theirs = MLP.from_torch(module.eval(), net.shapes[0] if len(net.shapes[0]) > 1 else None)
    for found, wanted in zip(net._network.learned, theirs._network.learned):  # parameters, running statistics
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


@weighted
def test_the_jacobian_penalty_on_average(weights):
    """lam/2 times the sum of c_i (c_k / c_i)^2 |dx_k(L)/dx_i(0)|^2 over all pairs of rows, over many projections."""
    net = MLP([2, BatchNorm(0.1, 0.1), Dense(4, "tanh"), BatchNorm(), 2], dtype="float64", random_state=0)
    rng = np.random.default_rng(1)
    X, y, w = rng.standard_normal((4, 2)), np.zeros((4, 2)), np.array([1.0, 2.0, 0.5, 1.0]) if weights else np.ones(4)
    c, twin = shares(w, 4), reference.twin_of(net)
    for norm in twin.batch_norms:
        norm.shares = c
    wanted = 0.0
    for i, j in np.ndindex(X.shape):
        V = np.zeros(X.shape)
        V[i, j] = 0.01
        slopes = derivative(lambda h, V=V: copy.deepcopy(twin).forward(X + h * V)[1][-1]) / 0.01
        wanted += LAM / 2 * c[i] * (c / c[i])**2 @ (slopes**2).sum(axis=1)
    got = []
    for net._network.progress.seed in range(1500):
        got.append(step(net, net.params, X, y, w, "jacobian_penalty")[1])
    assert abs(np.mean(got) - wanted) < 4 * np.std(got) / np.sqrt(len(got))
    assert np.std(got) / np.sqrt(len(got)) < 0.03 * wanted


@penalties
def test_rows_count_as_they_weigh(penalty):
    """A row of weight 0 is not there; of weight 2, with gradient_penalty, it is there twice."""
    net, X, y, _ = problem("rows")
    weight = np.repeat([2.0 if penalty == "gradient_penalty" else 1.0, 1.0, 0.0], 7)
    twice = np.repeat(np.arange(len(X)), weight.astype(int))
    if penalty == "gradient_penalty":
        found, wanted = (step(net, net.params, X[rows], y[rows], w, penalty)
                         for rows, w in ((slice(None), weight), (twice, None)))
        for a, b in zip(found, wanted):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    moved = np.where(weight[:, None] == 0, 9.0, X)
    np.testing.assert_array_equal(*(step(net, net.params, x, y, weight, penalty)[2] for x in (X, moved)))


@penalties
def test_a_batch_of_one_row_and_one_without_weight(penalty):
    net, X, y, _ = problem("rows")
    net.fit(X, y, SGD(0.001), epochs=2, batch_size=20, **{penalty: LAM})
    net.fit(X, y, SGD(0.001), batch_size=7, shuffle=False, sample_weight=np.repeat([1.0, 0.0, 1.0], 7),
            epochs=1, **{penalty: LAM})
    assert np.isfinite(net.params).all() and np.isfinite(net._network.core.statistics).all()


@pytest.mark.parametrize("penalty, option", [("gradient_penalty", {}),
                                             ("jacobian_penalty", {"adversarial": Attack(0.1, max_iter=2)})])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["rows", "branches", "maps", "dropout"])
def test_the_same_bits(name, dtype, penalty, option, monkeypatch):
    """For any number of threads, block and what scratch held, also with rows that are attacked first."""
    seen = set()
    for threads, block, fill in ((1, 0, None), (2, 8, b"\xff"), (3, 0, b"\x7e")):
        monkeypatch.setattr(runtime, "scratch_fill", fill)
        net, X, y, _ = problem(name, dtype, 100)
        net._network.core.block_rows = block
        net.fit(X, y, Adam(0.01), epochs=1, batch_size=70, n_threads=threads, input_noise=0.1, **{penalty: 0.1},
                **option)
        seen.add(net.params.tobytes() + net._network.core.statistics.tobytes())
    assert len(seen) == 1


def test_ties_and_clipping():
    """Of what the whole gradient is made of first: a step with both is that of the free parameters."""
    layers = [4, BatchNorm(), Dense(4, "tanh"), BatchNorm(), Dense(4, "tanh"), 2]
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    net = MLP(layers, ties=[tie_layers(2, 4)], dtype="float64", random_state=0)
    p = net.params
    _, _, gradient = step(net, p, X, y, None, "gradient_penalty")
    for _ in range(3):
        v = 0.01 * rng.standard_normal(net.n_params)
        slope = derivative(lambda h, v=v: step(net, p + h * v, X, y, None, "gradient_penalty")[0])
        assert gradient @ v == pytest.approx(slope, rel=1e-7)
    norm = np.linalg.norm(gradient)
    net.fit(X, y, SGD(1.0, clip_norm=norm / 4), epochs=1, batch_size=None, gradient_penalty=LAM)
    np.testing.assert_allclose(p - net.params, gradient / 4, rtol=1e-9, atol=1e-12)


def test_a_large_batch_whose_gradient_is_summed_in_pieces():
    """Between which signals are looked for: 192 rows, with their tangents, are a tenth of a second of work."""
    net = MLP([20, 3000, BatchNorm(), Dense(1500, "tanh"), BatchNorm(), 3], dtype="float64", random_state=0)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 20)), rng.standard_normal((200, 3))
    p, v = net.params, 1e-9 * rng.standard_normal(net.n_params)
    ahead, behind = (step(net, q, X, y, None, "gradient_penalty")[0] for q in (p + v, p - v))
    assert step(net, p, X, y, None, "gradient_penalty")[2] @ v == pytest.approx((ahead - behind) / 2, rel=1e-6)


def test_other_losses_and_a_loss_in_python():
    for loss in ("cross_entropy", "huber", "poisson"):
        net, X, y, w = problem("rows", loss=loss)
        y = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
        p, v = net.params, 0.01 * np.random.default_rng(1).standard_normal(net.n_params)
        slope = derivative(lambda h: step(net, p + h * v, X, y, w, "gradient_penalty")[0])
        assert step(net, p, X, y, w, "gradient_penalty")[2] @ v == pytest.approx(slope, rel=1e-7)
    net, X, y, w = problem("rows")
    own, _, _, _ = problem("rows", loss=lambda x, y: (((x - y)**2).sum(axis=1), 2 * (x - y)))
    for a, b in zip(*(step(n, n.params, X, y, w, "jacobian_penalty") for n in (net, own))):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
