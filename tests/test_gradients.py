"""The gradient is the derivative of the loss that evaluate reports: difference quotients on random networks."""
import numpy as np
import pytest

from fastmlp import MLP, Dense

SIZES = (1, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 101, 127, 129)
BATCHES = (1, 2, 31, 32, 33, 200)
SMOOTH = ("tanh", "sigmoid", "softplus", "gelu", "silu", "mish", "sin", "cos")
LOSSES = ("squared_error", "poisson", "binary_cross_entropy", "cross_entropy")
STEP = 2e-3
TOLERANCE = 1e-7


def quotients(f):
    """Central differences at 0, over STEP and over its half."""
    return [(f(h) - f(-h)) / (2 * h) for h in (STEP, STEP / 2)]


def derivative(f):
    """f'(0) to O(STEP^4): Richardson's extrapolation of central differences."""
    wide, narrow = quotients(f)
    return (4 * narrow - wide) / 3


def assert_derivatives(net, X, y, v):
    """By difference quotients along a direction v of the parameters: of the loss, of the gradient, of penalties."""
    p = net.params

    def along(f):
        def at(h):
            net.params = p + h * v
            return f()
        return at

    gradient, hvp = net.loss_and_grad(X, y)[1], net.hvp(v, X, y)
    assert gradient @ v == pytest.approx(derivative(along(lambda: net.evaluate(X, y))), rel=1e-7)
    quotient = derivative(along(lambda: net.loss_and_grad(X, y)[1]))
    np.testing.assert_allclose(hvp, quotient, rtol=1e-7, atol=1e-7 * np.abs(hvp).max())
    for penalty in ({"gradient_penalty": 0.3}, {"jacobian_penalty": 0.3}):
        net.params = p
        slope = net.loss_and_grad(X, y, **penalty)[1] @ v
        assert slope == pytest.approx(derivative(along(lambda penalty=penalty: net.loss_and_grad(X, y, **penalty)[0])),
                                      rel=1e-7)
    net.params = p


def network(sizes, rng, loss=None):
    """A random float64 network of smooth units, some layers without biases, and data for it."""
    loss = loss or LOSSES[rng.integers(len(LOSSES))]
    layers = [Dense(d, SMOOTH[rng.integers(len(SMOOTH))], bias=rng.random() < 0.8) for d in sizes[1:-1]]
    net = MLP([sizes[0], *layers, Dense(sizes[-1], "identity" if loss == "poisson" else "tanh")], loss=loss,
              dtype="float64")
    net.params = net.params + 0.3 * scaled_noise(net, rng)
    n = BATCHES[rng.integers(len(BATCHES))]
    y = {"squared_error": rng.standard_normal, "poisson": lambda shape: rng.poisson(1.0, shape),
         "binary_cross_entropy": rng.random, "cross_entropy": lambda shape: rng.dirichlet(np.ones(shape[1]), n)}[loss]
    return net, rng.standard_normal((n, sizes[0])), y((n, sizes[-1])), rng.random(n) + 0.1


def scaled_noise(net, rng):
    """A random direction in the parameters that moves signals of all layers alike."""
    scales = [np.full(a.size, 1 / np.sqrt(len(a)) if a.ndim == 2 else 1.0)
              for l in range(1, len(net.W)) for a in (net.W[l], net.b[l]) if a is not None]
    return rng.standard_normal(net.n_params) * np.concatenate(scales)


def blocks(net):
    """The slice of params that each W(l) and b(l) is."""
    ends = np.cumsum([0] + [a.size for l in range(1, len(net.W)) for a in (net.W[l], net.b[l]) if a is not None])
    return [slice(i, j) for i, j in zip(ends, ends[1:])]


def directions(net, gradient, rng):
    """In all parameters, in one W(l) or b(l), and along single coordinates: the first, the last, the steepest, any."""
    yield from (scaled_noise(net, rng) for _ in range(2))
    for block in blocks(net):
        v = np.zeros(net.n_params)
        v[block] = scaled_noise(net, rng)[block]
        yield v
    for i in {0, net.n_params - 1, int(np.abs(gradient).argmax()), *rng.integers(0, net.n_params, 4).tolist()}:
        yield np.eye(1, net.n_params, i)[0]


def check(net, X, y, w, rng):
    start = net.params
    loss, gradient = net.loss_and_grad(X, y, w)
    assert loss == pytest.approx(net.evaluate(X, y, w), rel=1e-13)

    noise = 8 * np.finfo(float).eps * loss / STEP  # a quotient's own, of the rounding of two losses

    def loss_along(v):
        def f(h):
            net.params = start + h * v
            return net.evaluate(X, y, w)
        return f

    for v in directions(net, gradient, rng):
        scale = np.linalg.norm(gradient * v) if np.count_nonzero(v) > 1 else np.abs(gradient).max()
        assert abs(derivative(loss_along(v)) - gradient @ v) <= TOLERANCE * scale + noise
    net.params = start
    run = net.backprop(X, y, w)
    flat = [a.ravel() for l in range(1, len(net.W)) for a in (run.dW[l], run.db[l]) if a is not None]
    np.testing.assert_allclose(np.concatenate(flat), gradient, rtol=0, atol=1e-13 * np.abs(gradient).max())
    V = rng.standard_normal(X.shape) / np.sqrt(X.shape[1])
    terms = (w / w.sum())[:, None] * run.dX * V
    measured = derivative(lambda h: net.evaluate(X + h * V, y, w))
    assert abs(measured - terms.sum()) <= TOLERANCE * np.linalg.norm(terms) + noise


@pytest.mark.parametrize("position", ["input", "hidden", "output"])
@pytest.mark.parametrize("size", SIZES)
def test_each_size_in_each_position(size, position):
    rng = np.random.default_rng([size, len(position)])
    for depth in (2, 1 + rng.integers(5)):
        sizes = rng.choice(SIZES, depth + 1 if position != "hidden" else max(3, depth + 1))
        sizes[{"input": 0, "hidden": rng.integers(1, len(sizes) - 1) if len(sizes) > 2 else 0,
               "output": -1}[position]] = size
        check(*network(sizes.tolist(), rng), rng)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("depth", range(1, 6))
def test_each_depth_with_each_loss(depth, loss):
    rng = np.random.default_rng([depth, LOSSES.index(loss)])
    check(*network(rng.choice(SIZES[1:8], depth + 1).tolist(), rng, loss), rng)


@pytest.mark.parametrize("n", BATCHES)
@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_the_gradient_is_of_what_evaluate_reports(n, outputs):
    """Squared error by itself: no factor hides in the number of outputs or of rows."""
    rng = np.random.default_rng(n)
    net = MLP([3, Dense(outputs)], dtype="float64", random_state=0)
    X, y = rng.standard_normal((n, 3)), rng.standard_normal((n, outputs))
    r = X @ net.W[1] + net.b[1] - y
    loss, gradient = net.loss_and_grad(X, y)
    assert loss == pytest.approx((r**2).sum() / n, rel=1e-13)
    np.testing.assert_allclose(gradient, np.concatenate([(2 * X.T @ r / n).ravel(), 2 * r.mean(axis=0)]), rtol=1e-11,
                               atol=1e-13)
