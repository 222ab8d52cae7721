"""fit(..., input_noise=sigma): what is added to X, seen by a loss behind a layer that passes it on."""
import warnings

import numpy as np
import pytest
from scipy import stats

from fastmlp import MLP, SGD, Adam, Dense, MLPRegressor
from fastmlp._engine import runtime


def noise(sigma=1.0, n=400, d=37, seed=1, epochs=1, dtype="float64", **fit):
    """(epochs, n, d)"""
    out, counts = np.full((epochs, n, d), np.nan), np.zeros(n, int)
    X = np.arange(n * d).reshape(n, d) / 64.0

    def loss(x, y):
        rows = y[:, 0].astype(int)
        out[counts[rows], rows] = x - X[rows]
        counts[rows] += 1
        return np.zeros(len(x)), np.zeros_like(x)

    net = MLP([d, Dense(d, bias=False, init=np.eye(d))], loss=loss, dtype=dtype)
    net._network.progress.seed = seed
    net.fit(X, np.repeat(np.arange(n), d).reshape(n, d), SGD(0.1), epochs=epochs, n_threads=1, input_noise=sigma, **fit)
    return out


def test_it_is_normal():
    """By the test of Kolmogorov and Smirnov, of moments, of neighbours in rows, units and epochs."""
    z = noise(2.0, n=1000, d=61, epochs=2)
    flat = z.ravel()
    assert stats.kstest(flat / 2, "norm").pvalue > 1e-4
    for moment, value, spread in ((1, 0, 1), (2, 1, np.sqrt(2)), (3, 0, np.sqrt(15)), (4, 3, np.sqrt(96))):
        assert abs(((flat / 2) ** moment).mean() - value) < 5 * spread / np.sqrt(flat.size)
    for a, b in ((z[0], z[1]), (z[0, 1:], z[0, :-1]), (z[0, :, 1:], z[0, :, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)
    assert 4 < np.abs(flat / 2).max() < 6


def test_what_it_depends_on():
    """Seed, epoch, row and column; not batches, their order, or sigma but as a factor."""
    z = noise(epochs=2)
    for how in ({"batch_size": 7}, {"batch_size": None}, {"shuffle": False}):
        np.testing.assert_allclose(noise(epochs=2, **how), z, atol=1e-11)
    np.testing.assert_allclose(noise(3.0), 3 * z[:1], atol=1e-11)
    assert abs(np.corrcoef(noise(seed=2).ravel(), z[0].ravel())[0, 1]) < 0.05
    assert (noise(0.0) == 0).all()
    assert np.abs(noise(dtype="float32", n=50)).max() > 2.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [[5, 9, 2], [1, 3, 2], [300, 1]])
def test_the_same_bits(sizes, dtype, monkeypatch):
    X, Y = (np.random.default_rng(0).standard_normal((150, n)) for n in (sizes[0], sizes[-1]))
    seen = set()
    for threads, block, chunk, fill in ((1, 0, 0, None), (2, 8, 0, b"\xff"), (3, 0, 16, b"\x00")):
        monkeypatch.setattr(runtime, "scratch_fill", fill)
        net = MLP(sizes, dtype=dtype, random_state=0)
        net._network.core.block_rows, net._network.core.chunk_rows = block, chunk
        net.fit(X, Y, Adam(0.01), epochs=3, batch_size=40, n_threads=threads, input_noise=0.3)
        seen.add(net.params.tobytes())
    assert len(seen) == 1 and net.params.tobytes() != MLP(sizes, dtype=dtype, random_state=0).params.tobytes()


def test_a_linear_network_learns_ridge_regression():
    """The mean of (y - w (x + e))^2 over noise e is (y - w x)^2 + sigma^2 |w|^2 (Bishop 1995)."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((60, 3)), np.array([1.0, -2.0, 0.5])
    y = X @ w + 0.1 * rng.standard_normal(60)
    net = MLP([3, Dense(1, bias=False)], dtype="float64", random_state=0)
    net.fit(X, y, SGD(lambda epoch: 0.1 / (1 + epoch / 20)), epochs=6000, batch_size=None, input_noise=0.7)
    ridge = np.linalg.solve(X.T @ X + 60 * 0.49 * np.eye(3), X.T @ y)
    np.testing.assert_allclose(net.W[1].ravel(), ridge, atol=0.03)


def test_estimators_and_errors():
    X = np.random.default_rng(0).standard_normal((50, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a, b, c = (MLPRegressor(max_iter=3, random_state=0, input_noise=s).fit(X, X[:, 0]) for s in (0.0, 0.5, 0.5))
    assert (a.coefs_[0] != b.coefs_[0]).any() and (b.coefs_[0] == c.coefs_[0]).all()
    for wrong in (-1.0, np.nan):
        with pytest.raises(ValueError, match="input_noise must be finite, at least 0"):
            MLP([3, 1]).fit(X, X[:, 0], input_noise=wrong)
    with pytest.raises(ValueError, match="l1, dropout and input_noise must be 0"):
        MLPRegressor(solver="lbfgs", input_noise=0.1).fit(X, X[:, 0])
