"""Penalties on the sensitivity to the input, and Hessian-vector products: by central differences of what they are made
of."""
import warnings

import numpy as np
import pytest

from fastmlp import (
    MLP,
    SGD,
    Adam,
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Frozen,
    MaxPool2D,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    TiedGroup,
    activations,
    losses,
    tie_transpose,
)
from fastmlp._engine import runtime

RNG = np.random.default_rng(0)
NETWORKS = {
    **{a: (lambda a=a, **k: MLP([6, Dense(9, a), Dense(17, a), Dense(3, a)], **k)) for a in activations()},
    "flipped": lambda **k: MLP([6, Dense(33, "tanh"), Dense(2, "silu"), 3], **k),
    "one output": lambda **k: MLP([6, Dense(20, "gelu"), 1], **k),
    "one layer": lambda **k: MLP([6, 3], **k),
    "dropout": lambda **k: MLP([6, Dense(33, "softplus"), Dropout(0.5), Dense(3, "gelu")], **k),
    "no bias": lambda **k: MLP([6, Dense(5, "tanh", bias=False), 3], **k),
    "transposed": lambda **k: MLP([6, Dense(4, "tanh"), Dense(6, "gelu"), 3], ties=[tie_transpose(1, 2)], **k),
    "groups": lambda **k: MLP([6, Dense(4, "tanh"), 3],
                              ties=[TiedGroup([(1, 0, 0), (2, 1, 1), (1, None, 2)], scales=[1, -2, 0.5]),
                                    Frozen(2, np.eye(4, 3) > 0, 0.3)], **k),
    "convolution": lambda **k: MLP([(3, 2, 1), Conv2D(4, 2, "tanh", padding="same"), MaxPool2D((2, 1)), 3], **k),
    "two convolutions": lambda **k: MLP([(3, 2, 1), Conv2D(3, 2, "silu", padding=1), AvgPool2D(2),
                                         Conv2D(2, (2, 1), "mish"), 3], **k),
}
networks = pytest.mark.parametrize("name", NETWORKS)
PENALTIES = ["gradient_penalty", "jacobian_penalty"]
penalties = pytest.mark.parametrize("penalty", PENALTIES)


def problem(name, loss="squared_error", dtype="float64", n=11):
    net = NETWORKS[name](loss=loss, dtype=dtype, random_state=0)
    net.params = net.params + 0.1 * RNG.standard_normal(net.n_params)
    y = RNG.random((n, net.d[-1])) + 0.1
    X = RNG.standard_normal((200, 6))
    kinks = np.min([np.abs(s).min(axis=1) for s in net.forward(X).s[1:]], axis=0)  # differences must not step over one
    return net, X[np.argsort(-kinks)[:n]], y / y.sum(axis=1, keepdims=True), RNG.integers(0, 3, n) / 2 + 0.0


def differences(net, f, h=1e-5):
    p, out = net.params, []
    for e in np.eye(len(p)):
        ends = []
        for sign in (1, -1):
            net.params = p + sign * h * e
            ends.append(f())
        out.append((ends[0] - ends[1]) / (2 * h))
    net.params = p
    return np.array(out)


def close(a, b, rtol=1e-6):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


def value(net, X, y, w, lam):
    """loss + lam/2 mean ||de/dx||^2, from what backprop gives"""
    w = w / w.mean()
    return np.average(net.evaluate(X, y, w)) + lam / 2 * (w * (net.input_gradient(X, y) ** 2).sum(axis=1)).mean()


@networks
def test_gradient_penalty(name):
    net, X, y, w = problem(name)
    loss, G = net.loss_and_grad(X, y, w, gradient_penalty=0.7)
    assert loss == pytest.approx(value(net, X, y, w, 0.7), rel=1e-12)
    close(G, differences(net, lambda: value(net, X, y, w, 0.7)))


@pytest.mark.parametrize("loss", losses())
def test_gradient_penalty_of_losses(loss):
    net, X, y, w = problem("tanh", loss)
    loss, G = net.loss_and_grad(X, y, w, gradient_penalty=0.7)
    assert loss == pytest.approx(value(net, X, y, w, 0.7), rel=1e-12)
    close(G, differences(net, lambda: value(net, X, y, w, 0.7)))


@networks
def test_jacobian_penalty(name):
    net, X, y, w = problem(name)
    f = lambda: net.loss_and_grad(X, y, w, jacobian_penalty=0.7)[0]
    close(net.loss_and_grad(X, y, w, jacobian_penalty=0.7)[1], differences(net, f))
    assert f() > net.evaluate(X, y, w)


@networks
def test_hvp(name):
    net, X, y, w = problem(name)
    v = RNG.standard_normal(net.n_params)
    H = differences(net, lambda: net.loss_and_grad(X, y, w)[1])
    close(net.hvp(v, X, y, w), H @ v)


def test_the_jacobian_penalty_on_average():
    """lam/2 mean ||J||_F^2, over many projections."""
    net, X, y, w = problem("tanh")
    net._network.progress.seed, got = 0, []
    for net._network.progress.seed in range(3000):
        got.append(net.loss_and_grad(X, y, jacobian_penalty=2.0)[0] - net.evaluate(X, y))
    wanted = (net.jacobian(X) ** 2).sum(axis=(1, 2)).mean()
    assert abs(np.mean(got) - wanted) < 5 * np.std(got) / np.sqrt(len(got))
    one, X, y, w = problem("one output")  # the only unit vector is +-1
    assert one.loss_and_grad(X, y, jacobian_penalty=2.0)[0] == pytest.approx(
        one.evaluate(X, y) + (one.jacobian(X) ** 2).sum(axis=(1, 2)).mean(), rel=1e-12)


@penalties
def test_a_step_of_fit(penalty):
    """Is that of loss_and_grad, batch by batch, and what is logged is the mean of the penalty."""
    net, X, y, w = problem("tanh")
    twin, _, _, _ = problem("tanh")
    net.params = twin.params
    h = net.fit(X, y, SGD(0.1), epochs=1, batch_size=None, sample_weight=w, **{penalty: 0.7})
    assert h["loss"][0] == pytest.approx(twin.evaluate(X, y, w), rel=1e-12)
    if penalty == "jacobian_penalty":  # whose projections are drawn anew in each epoch
        assert h[penalty][0] > 0
        return
    loss, G = twin.loss_and_grad(X, y, w, gradient_penalty=0.7)
    assert h[penalty][0] == pytest.approx(loss - h["loss"][0], rel=1e-12)
    np.testing.assert_allclose(net.params, twin.params - 0.1 * G, rtol=1e-12, atol=1e-14)
    net.fit(X, y, SGD(0.1), epochs=1, batch_size=4, shuffle=False, sample_weight=w, **{penalty: 0.7})
    twin.params = twin.params - 0.1 * G
    for i in range(0, len(X), 4):
        batch = slice(i, i + 4)
        if w[batch].any():
            G = twin.loss_and_grad(X[batch], y[batch], w[batch], **{penalty: 0.7})[1] * w[batch].mean() / w.mean()
            twin.params = twin.params - 0.1 * G
    np.testing.assert_allclose(net.params, twin.params, rtol=1e-11, atol=1e-13)


def test_a_weight_of_two_is_the_row_twice():
    net, X, y, _ = problem("tanh")
    w = np.ones(len(X))
    w[3] = 2
    twice = np.append(np.arange(len(X)), 3)
    for a, b in zip(net.loss_and_grad(X, y, w, gradient_penalty=0.5),
                    net.loss_and_grad(X[twice], y[twice], gradient_penalty=0.5)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@penalties
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_hardly_any_weight(dtype, penalty):
    """Are as if they were not there."""
    net, X, y, _ = problem("tanh", dtype=dtype)
    w = np.where(np.arange(len(X)) < 6, 1.0, 1e-36)
    loss, G = net.loss_and_grad(X, y, w, **{penalty: 0.5})
    assert np.isfinite(loss) and np.isfinite(G).all()
    if penalty == "gradient_penalty":
        np.testing.assert_allclose(G, net.loss_and_grad(X[:6], y[:6], **{penalty: 0.5})[1], rtol=1e-4, atol=1e-6)


@penalties
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["tanh", "dropout", "groups", "convolution", "one output"])
def test_the_same_bits(name, dtype, penalty, monkeypatch):
    """For any number of threads, block, chunk, what scratch held, batches of one group and of two."""
    for rows in (40, 150):
        seen = set()
        for threads, block, chunk, fill in ((1, 0, 0, None), (2, 8, 0, b"\xff"), (3, 0, 16, b"\x00"),
                                            (2, 0, 48, b"\x7f")):
            monkeypatch.setattr(runtime, "scratch_fill", fill)
            net = NETWORKS[name](loss="cross_entropy" if name != "one output" else "poisson", dtype=dtype,
                                 random_state=0)
            X = np.random.default_rng(1).standard_normal((rows, 6))
            net._network.core.block_rows, net._network.core.chunk_rows = block, chunk
            net.fit(X, np.arange(rows) % (3 if name != "one output" else 7), Adam(0.01), epochs=2, batch_size=100,
                    n_threads=threads, input_noise=0.1, **{penalty: 0.1})
            seen.add(net.params.tobytes())
        assert len(seen) == 1
        plain = NETWORKS[name](loss="cross_entropy" if name != "one output" else "poisson", dtype=dtype, random_state=0)
        assert net.params.tobytes() != plain.params.tobytes()


@penalties
def test_it_does_what_it_is_for(penalty):
    """Less sensitive, by the measure of each, than without: a network too small to fit all, whose errors do not
    vanish."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 6))
    y = np.sin(2 * X[:, 0]) + 0.5 * rng.standard_normal(300)
    size = {"gradient_penalty": lambda net: (net.input_gradient(X, y) ** 2).sum(axis=1).mean(),
            "jacobian_penalty": lambda net: (net.jacobian(X) ** 2).sum(axis=(1, 2)).mean()}[penalty]
    sizes = []
    for lam in (0.0, 1.0):
        net = MLP([6, Dense(8, "tanh"), 1], dtype="float64", random_state=0)
        net.fit(X, y, Adam(0.01), epochs=100, **{penalty: lam})
        sizes.append(size(net))
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize("name", ["tanh", "gelu", "one output"])
@penalties
def test_as_pytorch(name, penalty):
    torch = pytest.importorskip("torch")
    net, X, y, _ = problem(name)
    if penalty == "jacobian_penalty" and net.d[-1] > 1:
        pytest.skip("the projections are random")
    act = {"tanh": torch.tanh, "gelu": torch.nn.functional.gelu}[name if name in ("tanh", "gelu") else "gelu"]
    W, b = ([torch.tensor(a.copy(), requires_grad=True) for a in arrays[1:]] for arrays in (net.W, net.b))
    x = x0 = torch.tensor(X, requires_grad=True)
    for l in range(len(W)):
        s = x @ W[l] + b[l]
        x = act(s) if l < len(W) - 1 or name != "one output" else s
    e = ((x - torch.tensor(y)) ** 2).sum(1)
    g, = torch.autograd.grad((e if penalty == "gradient_penalty" else x).sum(), x0, create_graph=True)
    (e.mean() + 0.35 * (g ** 2).sum(1).mean()).backward()
    wanted = np.concatenate([a.grad.numpy().ravel() for pair in zip(W, b) for a in pair])
    np.testing.assert_allclose(net.loss_and_grad(X, y, **{penalty: 0.7})[1], wanted, rtol=1e-9, atol=1e-12)


def test_bad_input():
    net, X, y, _ = problem("tanh")
    function = MLP([6, 3], loss=lambda x, y: (((x - y) ** 2).sum(axis=1), 2 * (x - y)), dtype="float64")
    before = net.params
    for call, kind, message in (
            (lambda: net.fit(X, y, gradient_penalty=-1.0), ValueError,
             "gradient_penalty must be finite, at least 0, got -1"),
            (lambda: net.fit(X, y, jacobian_penalty="a"), TypeError, "jacobian_penalty must be a number, got 'a'"),
            (lambda: net.fit(X, y, gradient_penalty=1.0, jacobian_penalty=1.0), ValueError,
             "gradient_penalty and jacobian_penalty must not"),
            (lambda: function.fit(X, y, gradient_penalty=1.0), ValueError,
             "gradient_penalty must be 0 where the loss is a function"),
            (lambda: function.hvp(function.params, X, y), ValueError, "hvp needs second derivatives"),
            (lambda: net.hvp(before[1:], X, y), ValueError, r"v must have shape \(\d+,\), got"),
            (lambda: net.hvp(before * np.nan, X, y), ValueError, "v must be finite")):
        with pytest.raises(kind, match=message):
            call()
    np.testing.assert_array_equal(net.params, before)
    function.fit(X, y, jacobian_penalty=1.0, epochs=2)


@pytest.mark.parametrize("kind, solver", [(MLPClassifier, "adam"), (MLPClassifier, "lbfgs"), (MLPRegressor, "adam"),
                                          (MLPRegressor, "lbfgs"), (MLPAutoencoder, "adam")])
def test_of_estimators(kind, solver):
    """What is reported is the loss with the penalty, and minimising it makes that smaller at the fitted rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    y = X if kind is MLPAutoencoder else rng.integers(0, 3, 300)
    penal, models = [], []
    for lam in (0.0, 0.5):
        model = kind(hidden_layer_sizes=(6,), activation="tanh", solver=solver, alpha=0.0, max_iter=60,
                     learning_rate_init=0.02, random_state=0, gradient_penalty=lam)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(*((X,) if kind is MLPAutoencoder else (X, y)))
        penal.append((model.input_gradient(X, y) ** 2).sum(axis=1).mean())
        models.append(model)
    assert penal[1] < 0.9 * penal[0]
    if solver == "lbfgs":
        loss = models[1]._mlp().evaluate(X, models[1]._targets(y, np.float64)) + 0.25 * penal[1]
        assert models[1].loss_ == pytest.approx(models[1]._loss_to_report(loss), rel=1e-6)
