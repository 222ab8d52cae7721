"""Dropout: which elements are dropped, the exact gradient under that mask, and that nothing else matters."""
import numpy as np
import pytest
from scipy import sparse

import reference
from fastmlp import MLP, SGD, Adam, Dense, Dropout, _core

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
RNG = np.random.default_rng(0)
U = np.uint64


def mask(seed, epoch, layer, rows, units, rate):
    """Which elements of x(layer) stay: splitmix64 of the seed and epoch, then of the row, then lowbias32 by the
    unit."""
    z = ((seed << 20) + epoch) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> shift)) * factor % 2**64
    row = U((z ^ (z >> 31)) + layer) + rows.astype(U) * U(0x9E3779B97F4A7C15)
    row = (row ^ (row >> U(30))) * U(0xBF58476D1CE4E5B9)
    row = (row ^ (row >> U(27))) >> U(32)
    x = (row[:, None] + np.arange(units, dtype=U) * U(0x9E3779B9)) & U(0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> U(shift))) * U(factor) & U(0xFFFFFFFF)
    return (x ^ (x >> U(16))) >= U(int(rate * 2**32))


def dropped(rate, n, units, layers_before=0, seed=1, dtype="float64", epochs=1, **fit):
    """What dropout makes of ones, epoch by epoch (epochs, n, units): seen by a loss behind layers that pass x on."""
    through = lambda: Dense(units, bias=False, init=np.eye(units))
    out = np.full((epochs, n, units), np.nan)
    counts = np.zeros(n, int)

    def loss(x, y):
        rows = y[:, 0].astype(int)
        out[counts[rows], rows] = x
        counts[rows] += 1
        return np.zeros(len(x)), np.zeros_like(x)

    net = MLP([units, *(through() for _ in range(layers_before)), Dropout(rate), through()], loss=loss, dtype=dtype)
    net._network.progress.seed = seed
    net.fit(np.ones((n, units)), np.repeat(np.arange(n), units).reshape(n, units), SGD(0.1), epochs=epochs,
            n_threads=1, **fit)
    assert (counts == epochs).all()
    return out


# ---- the mask


@dtypes
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_mask(rate, dtype):
    """Of seed, epoch, row, layer and unit, whatever the batches and their order; the rest is scaled."""
    for layers_before, seed, how in ((0, 1, {}), (0, 2**62 + 3, {"batch_size": 7}), (1, 5, {"batch_size": None}),
                                     (3, 5, {"shuffle": False})):
        got = dropped(rate, 50, 37, layers_before, seed, dtype, epochs=3, **how)
        for epoch in range(3):
            wanted = mask(seed, epoch, layers_before + 1, np.arange(50), 37, rate)
            np.testing.assert_allclose(got[epoch], wanted / (1 - rate), rtol=1e-6 if dtype == "float32" else 1e-15)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.8])
def test_the_share_that_stays(rate):
    """As chance has it, over all, by row, by unit and of neighbours; and means stay as they are."""
    stays = dropped(rate, 600, 128, epochs=2) > 0
    keep = 1 - rate
    within = lambda share, n, p=keep: (abs(share - p) < 5 * np.sqrt(p * (1 - p) / n)).all()
    assert within(stays.mean(), stays.size)
    assert within(stays[0].mean(axis=0), 600) and within(stays[0].mean(axis=1), 128)
    same = rate**2 + keep**2
    for a, b in ((stays[0, 1:], stays[0, :-1]), (stays[0, :, 1:], stays[0, :, :-1]), (stays[0], stays[1])):
        assert within((a == b).mean(), a.size, same)


@pytest.mark.parametrize("change", [{"seed": 2}, {"layers_before": 1}])
def test_other_seeds_and_layers_drop_others(change):
    assert 0.4 < ((dropped(0.5, 100, 50) > 0) == (dropped(0.5, 100, 50, **change) > 0)).mean() < 0.6


# ---- the gradient under a fixed mask: training by hand


class Twin:
    """Dense layers and Dropout as the formulas have them:
    x(l) = m x(l-1) / (1 - rate), de/dx(l-1) = m de/dx(l) / (1 - rate)."""

    def __init__(self, net):
        self.seed, self.layers = net._network.progress.seed, net.layers
        self.W, self.b = ([None if a is None else a.copy() for a in arrays] for arrays in (net.W, net.b))

    def gradient(self, X, y, rows, epoch):
        x, s, factors = [X[rows]], [None], [None]
        for l, layer in enumerate(self.layers, 1):
            if isinstance(layer, Dropout):
                factors.append(mask(self.seed, epoch, l, rows, x[-1].shape[1], layer.rate) / (1 - layer.rate))
                s.append(None)
                x.append(x[-1] * factors[l])
            else:
                factors.append(None)
                s.append(x[-1] @ self.W[l] + self.b[l])
                x.append(reference.ACTIVATIONS[layer.activation][0](s[l]))
        value, derivative = reference.LOSSES["squared_error"]
        dx, grads = derivative(x[-1], y[rows]) / len(rows), {}
        for l in range(len(self.layers), 0, -1):
            if factors[l] is not None:
                dx = dx * factors[l]
                continue
            delta = dx * reference.ACTIVATIONS[self.layers[l - 1].activation][1](s[l])
            grads[l] = x[l - 1].T @ delta, delta.sum(axis=0)
            dx = delta @ self.W[l].T
        return value(x[-1], y[rows]).sum(), grads

    def train(self, X, y, optimizer, epochs, batch_size, first_epoch=0):
        losses, order = [], np.empty(len(X), np.int64)
        for epoch in range(first_epoch, first_epoch + epochs):
            _core.shuffle(order, self.seed, epoch)
            total = 0.0
            for i in range(0, len(X), batch_size):
                loss, grads = self.gradient(X, y, order[i:i + batch_size], epoch)
                total += loss
                optimizer.step([self.W[l] for l in grads] + [self.b[l] for l in grads],
                               [dW for dW, _ in grads.values()] + [db for _, db in grads.values()],
                               [True] * len(grads) + [False] * len(grads))
            losses.append(total / len(X))
        return losses


NETWORKS = {
    "first": [5, Dropout(0.25), Dense(7, "tanh"), Dense(3)],
    "inside": [5, Dense(20, "softplus"), Dropout(0.5), Dense(17, "relu"), Dense(3)],
    "before the last": [5, Dense(9, "elu"), Dropout(0.3), Dense(3)],
    "several": [5, Dropout(0.1), Dense(40, "relu"), Dropout(0.5), Dropout(0.2), Dense(33, "gelu"), Dropout(0.4),
                Dense(3)],
}
networks = pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS)
X, Y = RNG.standard_normal((50, 5)), RNG.standard_normal((50, 3))


@networks
@pytest.mark.parametrize("optimizer, by_hand", [(SGD(0.02, momentum=0.9), lambda: reference.SGD(0.02, 0.9)),
                                                (Adam(0.01), lambda: reference.Adam(0.01))], ids=["sgd", "adam"])
def test_training_by_hand(layers, optimizer, by_hand):
    net = MLP(layers, dtype="float64", random_state=0)
    twin = Twin(net)
    net.fit(X, Y, optimizer, epochs=3, batch_size=16)
    net.partial_fit(X, Y, epochs=2, batch_size=16)  # the epochs go on
    losses = twin.train(X, Y, by_hand(), 5, 16)
    np.testing.assert_allclose(net.history["loss"], losses, rtol=1e-12)
    for l in range(1, len(layers)):
        if net.W[l] is not None:
            np.testing.assert_allclose(net.W[l], twin.W[l], rtol=1e-11, atol=1e-12)
            np.testing.assert_allclose(net.b[l], twin.b[l], rtol=1e-11, atol=1e-12)


def test_a_fit_after_a_fit_drops_others():
    net = MLP(NETWORKS["inside"], dtype="float64", random_state=0)
    twin = Twin(net)
    for first in (0, 2):
        net.fit(X, Y, SGD(0.02), epochs=2, batch_size=16)
        twin.train(X, Y, reference.SGD(0.02), 2, 16, first)
    np.testing.assert_allclose(net.W[1], twin.W[1], rtol=1e-11, atol=1e-12)


@dtypes
@networks
def test_nothing_else_shows_in_the_bits(layers, dtype):
    def trained(X=X, n_threads=1, block_rows=0, chunk_rows=0):
        net = MLP(layers, dtype=dtype, random_state=0)
        net._network.core.block_rows, net._network.core.chunk_rows = block_rows, chunk_rows
        history = net.fit(X, Y, Adam(0.01), epochs=2, batch_size=40, n_threads=n_threads)
        return net.params.tobytes(), history["loss"]

    plain = trained()
    for how in ({"n_threads": 2}, {"n_threads": 7}, {"block_rows": 3, "n_threads": 2}, {"chunk_rows": 11},
                {"chunk_rows": 13, "block_rows": 5, "n_threads": 3}, {"X": np.asfortranarray(X)},
                {"X": sparse.csr_array(X)}):
        assert trained(**how) == plain, how


# ---- off otherwise


@dtypes
@networks
def test_off_where_nothing_is_trained(layers, dtype):
    net = MLP(layers, dtype=dtype, random_state=0)
    net.fit(X, Y, SGD(0.01), epochs=2)
    without = MLP([y for y in layers if not isinstance(y, Dropout)], dtype=dtype)
    without.params = net.params
    for n in (1, 50):
        assert net.predict(X[:n]).tobytes() == without.predict(X[:n]).tobytes()
    assert net.evaluate(X, Y) == without.evaluate(X, Y)
    a, b = net.backprop(X, Y), without.backprop(X, Y)
    assert a.loss == b.loss and a.dX.tobytes() == b.dX.tobytes()
    assert [g.tobytes() for g in a.dW if g is not None] == [g.tobytes() for g in b.dW if g is not None]
    assert net.loss_and_grad(X, Y)[1].tobytes() == without.loss_and_grad(X, Y)[1].tobytes()
    assert net.forward(X).x[-1].tobytes() == without.forward(X).x[-1].tobytes()


@dtypes
@networks
def test_a_rate_of_zero_is_no_dropout(layers, dtype):
    layers = [Dropout(0) if isinstance(y, Dropout) else y for y in layers]
    net, without = (MLP([y for y in layers if keep or not isinstance(y, Dropout)], dtype=dtype, random_state=0)
                    for keep in (True, False))
    for n in (net, without):
        n.fit(X, Y, Adam(0.01), epochs=3, batch_size=16)
    assert net.params.tobytes() == without.params.tobytes()


@pytest.mark.parametrize("rate, error", [*((rate, ValueError) for rate in (1, 1.5, -0.1, float("nan"))),
                                         *((rate, TypeError) for rate in ("half", None, True))])
def test_bad_rates(rate, error):
    with pytest.raises(error, match=r"rate of layers\[1\]"):
        MLP([3, Dropout(rate), 1])


def test_the_last_layer_must_not_be_dropout():
    for layers in ([3, Dropout(0.5)], [3, 4, Dropout(0.5)]):
        with pytest.raises(ValueError, match="last of layers"):
            MLP(layers)
