"""precision="bfloat16": the bits of its definition where layers multiply, and what is of full precision still."""
import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

import reference
from fastmlp import (
    MLP,
    SGD,
    Adam,
    BatchNorm,
    Conv1D,
    Conv2D,
    Dense,
    DivergenceWarning,
    MaxPool2D,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    Residual,
    TiedGroup,
)
from fastmlp.sensitivity import Attack

RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


# ---- a twin, whose only arithmetic besides products is sums of float32


def product(A, B, C=None):
    return reference.bfloat16_product(A, B, np.zeros((len(A), B.shape[1]), np.float32) if C is None else C)


class Blocks:
    """A Dense layer in groups, of which there may be one."""

    def blocks(self, *arrays):
        W, *rows = arrays
        W = W.reshape(-1, *W.shape[-2:])
        return zip(W, *(np.split(a, len(W), -1) for a in rows))

    def forward(self, x, W, b):
        return np.concatenate([product(x_, W_, np.broadcast_to(b_, (len(x), len(b_))))
                               for W_, x_, b_ in self.blocks(W, x, b)], 1)

    def backward(self, x, delta, W):
        """(de/dx, de/dW)"""
        return (np.concatenate([product(d_, W_.T) for W_, d_ in self.blocks(W, delta)], 1),
                np.stack([product(x_.T, d_) for W_, x_, d_ in self.blocks(W, x, delta)]).reshape(W.shape))


class Convolution:
    """By the windows of the float64 twin, a position at a time."""

    def __init__(self, layer, shape):
        self.windows = reference.kind_of(layer, shape)

    def forward(self, x, W, b):
        self.padded, W = self.windows.padded(x, 0.0), W.reshape(-1, W.shape[-1])
        seen = [self.padded[(slice(None), *window)].reshape(len(x), -1) for _, window in self.windows.at]
        self.seen = np.stack(seen, 1)
        return np.concatenate([product(part, W, np.broadcast_to(b, (len(x), len(b)))) for part in seen], 1)

    def backward(self, x, delta, W):
        delta, dx = delta.reshape(*self.seen.shape[:2], -1), np.zeros(self.padded.shape, np.float32)
        flat = W.reshape(-1, W.shape[-1])
        for p, (_, window) in enumerate(self.windows.at):
            part = dx[(slice(None), *window)]
            part += product(delta[:, p], flat.T).reshape(part.shape)
        G = np.zeros(flat.shape, np.float32)
        for seen, d in zip(self.seen, delta):
            G = product(seen.T, d, G)
        return self.windows.cut(dx), G.reshape(W.shape)


class Twin:
    """A network of relu and identity, with the mean over rows of the squared error."""

    def __init__(self, net):
        self.layers = net.layers
        self.sources = [None] + [layer.sources(l) for l, layer in enumerate(net.layers, 1)]
        self.kinds = [None] + [Convolution(layer, net.shapes[first]) if layer.kind == "conv" else Blocks()
                               for layer, (first, *_) in zip(net.layers, self.sources[1:])]
        self.W = [None if W is None else np.array(W) for W in net.W]
        self.b = [None if b is None else np.array(b) for b in net.b]

    def forward(self, X):
        x = [X]
        for l, layer in enumerate(self.layers, 1):
            read = [x[i] for i in self.sources[l]]
            if self.W[l] is None:
                x.append(read[0] + read[1])
                continue
            s = self.kinds[l].forward(read[0], self.W[l], self.b[l])
            x.append(np.maximum(s, 0) if layer.activation == "relu" else s)
        return x

    def step(self, X, y, lr):
        """One step of gradient descent."""
        x = self.forward(X)
        dx = [None] * len(x)
        dx[-1] = np.float32(2) * (x[-1] - y) * np.float32(1 / len(X))
        for l in range(len(self.layers), 0, -1):
            delta = dx[l] * (x[l] > 0) if self.W[l] is not None and self.layers[l - 1].activation == "relu" else dx[l]
            back = [delta, delta]
            if self.W[l] is not None:
                delta = reference.bfloat16(delta)
                dx_, dW = self.kinds[l].backward(x[self.sources[l][0]], delta, self.W[l])
                back = [dx_]
                self.W[l] -= lr * dW
                self.b[l] -= lr * np.cumsum(delta.reshape(-1, len(self.b[l])), 0, dtype=np.float32)[-1]
            for i, part in zip(self.sources[l], back):
                dx[i] = part if dx[i] is None else dx[i] + part


NETWORKS = {
    "dense": [7, Dense(33, "relu"), Dense(40, "relu"), 3],
    "dense, in panels": [130, Dense(150, "relu"), Dense(145), 5],
    "dense, blocks of K": [800, Dense(65, "relu"), 2],
    "one output": [64, Dense(40, "relu"), 1],
    "one layer": [300, 1],
    "grouped": [12, Dense(20, "relu", groups=4), Dense(32, groups=2), 3],
    "conv": [(6, 5, 2), Conv2D(5, 3, "relu", padding="same"), Conv2D(17, 2, stride=2), 3],
    "conv, one axis": [(40, 3), Conv1D(6, 5, "relu", dilation=2), 2],
    "sum": [12, Dense(18, "relu"), Residual(Dense(20, "relu"), Dense(18)), 3],
}


@pytest.mark.parametrize("rows", [1, 2, 33, 50])
@pytest.mark.parametrize("name", NETWORKS)
def test_training_has_the_bits_of_the_definition(name, rows):
    net = MLP(NETWORKS[name], precision="bfloat16", random_state=0)
    for b in net.b:
        if b is not None:
            b[...] = numbers(*b.shape) / 8
    X, y = numbers(rows, net.d[0]), numbers(rows, net.d[-1])
    assert not np.array_equal(net.predict(X), full(net).predict(X))
    twin = Twin(net)
    for _ in range(2):
        assert np.array_equal(net.predict(X), twin.forward(X)[-1])
        for found, wanted in zip(net.forward(X).x, twin.forward(X)):
            assert np.array_equal(found, wanted)
        net.fit(X, y, SGD(0.25), epochs=1, batch_size=None, shuffle=False)
        twin.step(X, y, np.float32(0.25))
        for found, wanted in zip([*net.W, *net.b], [*twin.W, *twin.b]):
            assert found is None or np.array_equal(found, wanted)


def full(net):
    """The same network in full precision."""
    other = MLP([net.shapes[0] if len(net.shapes[0]) > 1 else net.d[0], *net.layers], loss=net.loss.spec, ties=net.ties)
    other.params = net.params
    other._network.core.statistics[...] = net._network.core.statistics
    other._network.progress.seed = net._network.progress.seed
    return other


def test_a_large_batch_is_summed_in_two_groups_of_whole_blocks():
    net = MLP([9, 1], precision="bfloat16", random_state=0)
    X, y, W, b = numbers(150, 9), numbers(150, 1), net.W[1].copy(), net.b[1].copy()
    delta = np.float32(2) * (net.predict(X) - y) * np.float32(1 / 150)
    parts = [product(X[rows].T, delta[rows]) for rows in (slice(96), slice(96, None))]
    net.fit(X, y, SGD(1.0), epochs=1, batch_size=None, shuffle=False)
    assert np.array_equal(net.W[1], W - (parts[0] + parts[1]))
    sums = [np.cumsum(reference.bfloat16(delta[rows]), 0)[-1] for rows in (slice(96), slice(96, None))]
    assert np.array_equal(net.b[1], b - (sums[0] + sums[1]))


def test_rounding():
    """To nearest, ties to even; zeros keep their sign; what is subnormal becomes 0; the largest become infinite."""
    one = 2.0**-7   # the last bit of numbers from 1 to 2
    known = {1.0: 1.0, 1 + one / 2: 1.0, 1 + one * 0.51: 1 + one, 1 + one * 1.5: 1 + 2 * one, 1 + one * 0.49: 1.0,
             -1 - one / 2: -1.0, -1 - 1.5 * one: -1 - 2 * one, 3.0e-39: 0.0, 2.0**-126: 2.0**-126,
             2.0**-126 * (1 - 2.0**-23): 0.0, 3.3961775e38: np.inf, 3.38953139e38: 3.38953139e38}
    net = MLP([1, Dense(1, bias=False)], precision="bfloat16")
    net.W[1][...] = 1
    X = np.array([*known], np.float32)[:, None]
    for rows in (X, np.repeat(X, 20, 1)[:, :1]):
        assert np.array_equal(net.predict(rows)[:, 0], np.array([*known.values()], np.float32))
    assert np.array_equal(reference.bfloat16(X[:, 0]), np.array([*known.values()], np.float32))


def test_nan_and_infinity_are_seen():
    net = MLP([3, 4, 1], precision="bfloat16", random_state=0)
    before = net.params
    with pytest.warns(DivergenceWarning):
        net.fit(numbers(40, 3) * 1e30, numbers(40, 1), SGD(1e30), epochs=3)
    assert np.isfinite(net.params).all() and before.shape == net.params.shape


# ---- what is of full precision

DERIVATIVES = {
    "backprop": lambda net, X, y: net.backprop(X, y).dW[1:] + net.backprop(X, y).s[1:],
    "loss_and_grad": lambda net, X, y: net.loss_and_grad(X, y),
    "hvp": lambda net, X, y: [net.hvp(np.ones(net.n_params), X, y)],
    "input_gradient": lambda net, X, y: [net.input_gradient(X, y)],
    "jacobian": lambda net, X, y: [net.jacobian(X)],
    "jvp": lambda net, X, y: [net.jvp(X, np.ones_like(X))],
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_are_of_full_precision(name):
    net = MLP([(6, 6, 1), Conv2D(4, 3, "tanh"), Dense(20, "tanh", groups=2), 2], precision="bfloat16", random_state=0)
    X, y = numbers(30, 36), numbers(30, 2)
    net.predict(X)
    for found, wanted in zip(DERIVATIVES[name](net, X, y), DERIVATIVES[name](full(net), X, y), strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("options", [{"gradient_penalty": 0.1}, {"jacobian_penalty": 0.1},
                                     {"adversarial": Attack(0.1)}, {}], ids=str)
def test_sensitivity_is_trained_in_full_precision(options):
    net = MLP([6, Dense(20, "tanh"), 2], precision="bfloat16", random_state=0)
    other = full(net)
    X, y = numbers(30, 6), numbers(30, 2)
    for one in (net, other):
        one.fit(X, y, Adam(0.01), epochs=2, **options)
    assert np.array_equal(net.params, other.params) == bool(options)


def test_full_is_the_default_and_changes_nothing():
    X, y = numbers(30, 6), numbers(30, 2)
    nets = [MLP([6, 20, 2], random_state=0), MLP([6, 20, 2], precision="full", random_state=0)]
    for net in nets:
        net.fit(X, y)
        assert net.precision == "full"
    assert np.array_equal(nets[0].params, nets[1].params)


def test_what_leaves_is_of_full_precision():
    net = MLP([6, 8, 2], precision="bfloat16", random_state=0)
    assert net.to_c().replace("precision='bfloat16', ", "") == full(net).to_c()     # but for its repr
    rounded = net.quantized("bfloat16", numbers(20, 6))     # a network of weights that are rounded already
    assert rounded.network.precision == "bfloat16" and rounded.largest == 0


# ---- estimators


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor, MLPAutoencoder])
def test_estimators(Estimator):
    X = numbers(150, 8).astype(np.float64)
    y = X[:, 0] > 0 if Estimator is MLPClassifier else X[:, 0] * X[:, 1]
    options = {"hidden_layer_sizes": 12, "max_iter": 40, "random_state": 0}
    exact, rounded = (Estimator(dtype="float32", precision=precision, **options).fit(X, y)
                      for precision in ("full", "bfloat16"))
    found, wanted = (model.network_.predict(X) for model in (rounded, exact))
    assert rounded.network_.precision == clone(rounded).precision == "bfloat16"
    assert not np.array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, atol=0.1 * np.abs(wanted).max())
    other = pickle.loads(pickle.dumps(rounded)).network_
    assert other.precision == "bfloat16" and np.array_equal(other.predict(X), found)
    default = Estimator(precision="bfloat16", **options).fit(X, y)
    assert default.coefs_[0].dtype == np.float32 and np.array_equal(default.coefs_[0], rounded.coefs_[0])
    assert rounded.set_params(precision="full").network_.precision == "full"


def test_an_estimator_of_float64():
    model = MLPRegressor(dtype="float64", precision="bfloat16")
    with pytest.raises(ValueError, match="precision must be 'full' where dtype is 'float64'"):
        model.fit(numbers(20, 3), numbers(20))


def test_lbfgs_trains_in_full_precision():
    X, y = numbers(60, 4), numbers(60)
    options = {"hidden_layer_sizes": 8, "solver": "lbfgs", "dtype": "float32", "random_state": 0, "max_iter": 10}
    exact, rounded = (MLPRegressor(precision=precision, **options).fit(X, y) for precision in ("full", "bfloat16"))
    assert all(map(np.array_equal, exact.coefs_, rounded.coefs_))


# ---- with other things


@pytest.mark.parametrize("more", [{}, {"ema": 0.9}, {"input_noise": 0.1}, {"sample_weight": np.arange(200) % 3},
                                  {"optimizer": Adam(0.01, clip_norm=0.1)}], ids=[*"abcde"])
@pytest.mark.parametrize("layers", [[8, 30, Residual(BatchNorm(), Dense(30, "silu")), 2],
                                    [(8, 1), Conv1D(5, 3, "relu"), 2]], ids=["norm", "conv"])
def test_it_trains_as_well_as_full_precision(layers, more):
    X = numbers(200, 8)
    y = np.stack([np.sin(X[:, 0]) + X[:, 1], X[:, 2] * X[:, 3]], 1)
    losses = []
    for precision in ("full", "bfloat16"):
        net = MLP(layers, precision=precision, random_state=0)
        net.fit(X, y, **{"optimizer": Adam(0.01), "epochs": 30, **more})
        losses.append(net.evaluate(X, y))
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=0.2)


def test_ties():
    ties = [TiedGroup([(1, 0, 0), (2, 1, 1)])]
    net = MLP([6, 20, 20, 2], precision="bfloat16", ties=ties, random_state=0)
    net.fit(numbers(60, 6), numbers(60, 2), epochs=3)
    assert net.W[1][0, 0] == net.W[2][1, 1] != reference.bfloat16(net.W[1][0, 0])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_one_row_is_a_row_of_many(n_threads):
    net = MLP([(6, 6, 1), Conv2D(4, 3, "relu"), MaxPool2D(2), 20, 2], precision="bfloat16", random_state=0)
    net._network.n_threads = n_threads
    X = numbers(300, 36)
    many = net.predict(X)
    for n in (1, 3, 64, 65):
        assert np.array_equal(net.predict(X[:n]), many[:n])
        assert np.array_equal(net.predict(X[::2][:n]), many[::2][:n])
    net.W[1][...] *= 2
    assert np.array_equal(net.predict(X[:2]), net.predict(X)[:2])


# ---- how it is said


@pytest.mark.parametrize("value", ["float16", "Full", None, 16, np.float32], ids=str)
def test_a_precision_that_is_none(value):
    with pytest.raises(ValueError, match="precision must be one of bfloat16, full, got"):
        MLP([3, 1], precision=value)


def test_it_goes_with_float32_alone():
    with pytest.raises(ValueError, match="precision must be 'full' where dtype is 'float64'"):
        MLP([3, 1], dtype="float64", precision="bfloat16")


def test_it_is_shown_kept_and_copied(tmp_path):
    net = MLP([6, 20, 2], precision="bfloat16", random_state=0)
    X, y = numbers(60, 6), numbers(60, 2)
    net.fit(X, y, Adam(0.01), epochs=2)
    net.save(tmp_path / "net")
    assert "precision='bfloat16'" in repr(net) and "products of bfloat16" in net.summary()
    assert "precision" not in repr(full(net)) and "bfloat16" not in full(net).summary()
    others = [MLP.load(tmp_path / "net"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)]
    net.partial_fit(X, y)
    for other in others:
        assert other.precision == "bfloat16"
        other.partial_fit(X, y)
        assert np.array_equal(other.params, net.params)
        assert np.array_equal(other.predict(X), net.predict(X))
