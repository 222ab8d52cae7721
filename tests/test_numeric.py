"""Numeric features as waves and by bins: held to the NumPy twin, to encodings written out as columns, to numbers worked
out by hand, and to PyTorch where that is installed."""
import pickle

import numpy as np
import pytest

import layer_checks
import reference
from fastmlp import (
    MLP,
    SGD,
    Adam,
    Concat,
    Dense,
    Frozen,
    Periodic,
    PiecewiseLinear,
    Residual,
    Scale,
    TiedGroup,
)
from fastmlp.layers import Join, Waves
from test_files import assert_goes_on_from_a_file
from test_gradients import assert_derivatives
from test_twin import TOLERANCE

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
RNG = np.random.default_rng(0)
SIZES = (2, 3, 4, 9, 17, 49)  # edges of six features
EDGES = [np.sort(np.random.default_rng(n).uniform(-2, 2, n)) for n in SIZES]
LAYERS = {
    "periodic": [6, Periodic(5, 0.3), Dense(20, "tanh"), Periodic(16, 0.1), 3],
    "linear": [6, Periodic(5, 0.3, 4), Dense(20, "tanh"), Periodic(3, 0.1, 2, "silu"), 3],
    "phases": [6, Periodic(5, 0.3, phases=True), Dense(20, "tanh"), Periodic(17, 0.1, 3, "tanh", True), 3],
    "bins": [6, PiecewiseLinear(EDGES, 20, "tanh"), Dense(6, "tanh"), PiecewiseLinear(EDGES, 33, bias=False), 3],
    "wide bins": [6, PiecewiseLinear(EDGES, 130, "relu"), Dense(6, "tanh"), PiecewiseLinear(EDGES, 64, "silu"), 3],
}
networks = pytest.mark.parametrize("name", LAYERS)


@dtypes
@networks
def test_the_sweep_is_the_twins(name, dtype):
    layer_checks.assert_the_sweep_is_the_twins(*layer_checks.problem(LAYERS[name], RNG, dtype))


@networks
def test_steps_are_the_twins(name):
    layer_checks.assert_steps_are_the_twins(*layer_checks.problem(LAYERS[name], RNG), lr=0.002, rtol=1e-9)


@pytest.mark.parametrize("name", ["periodic", "linear", "phases"])
def test_derivatives_alone_and_nested(name):
    net, X, y = layer_checks.problem(LAYERS[name], RNG, n=20)
    assert_derivatives(net, X, y, 3 * layer_checks.NEAR * RNG.standard_normal(net.n_params))
    layer_checks.assert_the_jvp_is_the_jacobians(net, X, RNG, atol=1e-11)


# ---- waves

def test_waves_by_hand():
    """Of a feature that is a twelfth and a quarter of 1, with the frequencies 1, 2 and -1."""
    X, root = np.array([[1 / 12], [0.25]]), np.sqrt(3) / 2
    net = MLP([1, Dense(3, bias=False, init=[[1, 2, -1]], groups=1), Waves(), Dense(1, bias=False)], dtype="float64")
    net.W[3][...] = 1
    found = net.backprop(X, net.predict(X) - 0.5)  # de/dx(3) = 1
    waves = [[root, 0.5, root, 0.5, root, -0.5], [0, -1, 0, 1, 0, -1]]
    np.testing.assert_allclose(found.x[2], waves, rtol=1e-14, atol=1e-15)
    # d/dv (cos + sin)(2 pi v) = 2 pi (cos - sin)
    slopes = 2 * np.pi * np.array([[root - 0.5, 0.5 - root, root + 0.5], [-1, -1, 1]])
    np.testing.assert_allclose(found.delta[1], slopes, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(2 * found.dW[1], (X * slopes).sum(axis=0, keepdims=True), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(found.dX, slopes @ [[1], [2], [-1]], rtol=1e-13)


def test_whole_turns_are_exact_however_many():
    net = MLP([3, Waves(), Dense(1)], dtype="float64")
    x = net.forward([[1e6 + 0.25, -(2.0**40) - 0.5, 2.0**60]]).x[1][0]
    np.testing.assert_allclose(x, [0, -1, 1, 1, 0, 0], atol=1e-15)


def test_periodic_is_what_it_says():
    """cos and sin of 2 pi c x, through the feature's own linear map, after the features."""
    net, X, _ = layer_checks.problem([3, Periodic(4, 0.5, 2, "tanh"), Dense(1)], RNG)
    c, W, b = net.W[1].reshape(3, 4), net.W[3], net.b[3].reshape(3, 2)
    for i in range(3):
        angle = 2 * np.pi * c[i] * X[:, i:i + 1]
        own = np.tanh(np.hstack([np.cos(angle), np.sin(angle)]) @ W[i] + b[i])
        np.testing.assert_allclose(net.forward(X).x[4][:, 3 + 2 * i:5 + 2 * i], own, rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(net.forward(X).x[4][:, :3], X)
    assert [type(layer) for layer in net.layers] == [Dense, Waves, Dense, Join, Dense]


def test_how_periodic_starts():
    net = MLP([50, Periodic(100, 0.3, phases=True), 1], random_state=0)
    c, b = net.W[1], net.b[1]
    assert c.std() == pytest.approx(0.3, rel=0.05) and abs(c.mean()) < 0.02
    assert -0.5 <= b.min() < -0.49 and 0.49 < b.max() <= 0.5
    assert MLP([50, Periodic(100, 0.3), 1]).b[1] is None
    one, other = (MLP([5, Periodic(3, lr_scale=0.0), 1], random_state=seed) for seed in (0, 1))
    before = one.W[1].copy()
    one.fit(RNG.standard_normal((20, 5)), np.ones((20, 1)), Adam(0.1), epochs=1)
    np.testing.assert_array_equal(one.W[1], before)
    assert (other.W[1] != before).all()


@pytest.mark.parametrize("wrong, message", [
    (dict(n_frequencies=0), "n_frequencies of Periodic"), (dict(sigma=0), "sigma of Periodic"),
    (dict(sigma=np.inf), "sigma of Periodic"), (dict(linear=0), "linear of Periodic"),
    (dict(activation="relu"), "activation of Periodic"), (dict(lr_scale=-1), "lr_scale of Periodic"),
    (dict(decay=-1), "decay of Periodic")])
def test_wrong_values_of_periodic(wrong, message):
    with pytest.raises(ValueError, match=message):
        Periodic(**dict(n_frequencies=2) | wrong)


def test_where_periodic_cannot_be():
    with pytest.raises(ValueError, match=r"layers\[1\]: Periodic must come after a row"):
        MLP([(3, 2), Periodic(2), 1])
    with pytest.raises(ValueError, match=r"activation of layers\[1\]"):
        MLP([3, Periodic(2, linear=3, activation="tan"), 1])
    with pytest.raises(ValueError, match="groups must divide the units before, 3, got 2"):
        MLP([3, Waves(2), 1])


# ---- bins

def columns_of(X):
    return reference.Bins(EDGES).columns(X)[0]


@dtypes
def test_bins_are_a_dense_layer_on_the_encoding_as_columns(dtype):
    """Outputs, gradients and steps, also where an optimiser remembers: to 1e-12 in float64."""
    binned = MLP([6, PiecewiseLinear(EDGES, 20, "tanh"), 3], dtype=dtype, random_state=0)
    dense = MLP([sum(SIZES) - 6, Dense(20, "tanh"), 3], dtype=dtype, random_state=0)
    np.testing.assert_array_equal(binned.params, dense.params)  # it starts as that does
    X, y = RNG.uniform(-3, 3, (200, 6)).astype(dtype), RNG.standard_normal((200, 3)).astype(dtype)
    E, near = columns_of(X.astype(np.float64)), TOLERANCE[dtype]
    np.testing.assert_allclose(binned.predict(X), dense.predict(E), rtol=near, atol=near)
    np.testing.assert_allclose(binned.loss_and_grad(X, y)[1], dense.loss_and_grad(E, y)[1], rtol=near, atol=near)
    for net, rows in ((binned, X), (dense, E)):
        net.fit(rows, y, SGD(0.01, momentum=0.9, l2=0.01, clip_norm=2.0), epochs=5, batch_size=32, shuffle=False)
    if dtype == "float64":
        assert abs(binned.params - dense.params).max() < 1e-12
    np.testing.assert_allclose(binned.params, dense.params, rtol=10 * near, atol=10 * near)


def test_bins_by_hand():
    """Two features: of edges 0, 1, 3 and of 0, 10; W is 1 and 10 for the bins of the first one, 100 for the other's."""
    layer = PiecewiseLinear([[0, 1, 3], [0, 10]], 1, init=[[1], [10], [100]], bias=False)
    net = MLP([2, layer, Dense(1, bias=False, init=[[1.0]])], dtype="float64")
    X = np.array([[0.5, 5], [2, 10], [-1, -1], [5, 20], [1, 0]])
    encoded = np.array([[0.5, 0, 0.5], [1, 0.5, 1], [-1, 0, -0.1], [1, 2, 2], [1, 0, 0]])
    found = net.backprop(X, net.predict(X) - 0.5)  # de/dx(2) = 1
    np.testing.assert_allclose(found.x[1], encoded @ [[1], [10], [100]], rtol=1e-14)
    np.testing.assert_allclose(found.dX, [[1, 10], [5, 10], [1, 10], [5, 10], [5, 10]], rtol=1e-14)
    np.testing.assert_allclose(5 * found.dW[1], encoded.sum(axis=0)[:, None], rtol=1e-13)


def test_without_units_they_are_one_with_the_dense_layer_after_them():
    own = {"lr_scale": 0.5, "bias_lr_scale": 2.0, "decay": 0.5, "bias_decay": 0.1}
    for layers, wanted in (
            ([6, PiecewiseLinear(EDGES), Dense(20, "tanh", init="he_normal", **own), 3],
             [6, PiecewiseLinear(EDGES, 20, "tanh", init="he_normal", **own), 3]),
            ([6, PiecewiseLinear(EDGES), 20, 3], [6, PiecewiseLinear(EDGES, 20, "relu"), 3]),
            ([6, Concat([PiecewiseLinear(EDGES), 9], Residual(PiecewiseLinear(EDGES), 9, 6)), 3],
             [6, Concat(PiecewiseLinear(EDGES, 9, "relu"), Residual(PiecewiseLinear(EDGES, 9, "relu"), 6)), 3])):
        nets = [MLP(entries, dtype="float64", random_state=0) for entries in (layers, wanted)]
        X, y = layer_checks.rows_for(nets[0], RNG)
        for net in nets:
            net.fit(X, y, SGD(0.01, l2=0.1), epochs=2)
        assert repr(nets[0]) == repr(nets[1]) and nets[0].summary() == nets[1].summary()
        np.testing.assert_array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize("after", [[Dense(4, groups=2)], [Scale()], [PiecewiseLinear(EDGES, 4)], [Residual(6)],
                                   [Concat(4, 4)]], ids=repr)
def test_what_cannot_come_after_bins_without_units(after):
    with pytest.raises(ValueError, match=r"layers\[2\].* must be a Dense layer, since PiecewiseLinear without units"):
        MLP([6, PiecewiseLinear(EDGES), *after, 3])


@pytest.mark.parametrize("layers, message", [
    ([6, PiecewiseLinear(EDGES)], "the last of layers must be a Dense layer or an int, got PiecewiseLinear"),
    ([6, PiecewiseLinear(EDGES), 3], "the last of layers must be a Dense layer or an int, got PiecewiseLinear"),
    ([6, Residual(Dense(6), PiecewiseLinear(EDGES)), 3], r"layers\[1\] must be a Dense layer"),
    ([5, PiecewiseLinear(EDGES), 4, 3], r"layers\[1\]: edges must be given for each of the 5 units"),
    ([6, PiecewiseLinear(EDGES, activation="tanh"), 4, 3], r"units of layers\[1\] must be given with its activation")])
def test_where_bins_without_units_cannot_be(layers, message):
    with pytest.raises(ValueError, match=message):
        MLP(layers)


def test_derivatives_of_bins():
    net, X, y = layer_checks.problem(LAYERS["bins"], RNG, n=20)
    net.W[2][...] /= 10  # inputs of the second encoding stay in their bins
    assert_derivatives(net, X, y, layer_checks.NEAR / 10 * RNG.standard_normal(net.n_params))
    J, V = net.jacobian(X), RNG.standard_normal(X.shape)
    np.testing.assert_allclose(net.jvp(X, V), np.einsum("nkj,nj->nk", J, V), rtol=1e-11, atol=1e-12)


@dtypes
@pytest.mark.parametrize("rows", [40, 200])  # in one sum and in two
def test_the_same_bits_however_rows_and_features_are_shared(rows, dtype):
    seen, gradients = set(), set()
    net, X, y = layer_checks.problem(LAYERS["wide bins"], RNG, dtype, rows)
    for threads, block, chunk in ((1, 0, 0), (2, 8, 0), (3, 0, 16), (4, 16, 48), (8, 1, 5)):
        twin = pickle.loads(pickle.dumps(net))
        twin._network.core.block_rows, twin._network.core.chunk_rows = block, chunk
        twin.fit(X, y, Adam(0.01), epochs=2, batch_size=rows, n_threads=threads)
        twin.partial_fit(X, y, Adam(0.01, clip_norm=0.1), batch_size=rows, n_threads=threads, gradient_penalty=0.1)
        seen.add(twin.params.tobytes())
        gradients.add(twin.loss_and_grad(X, y)[1].tobytes())
    assert len(seen) == len(gradients) == 1


def test_bins_with_ties_and_frozen_rows():
    first = np.zeros((sum(SIZES) - 6, 20), bool)
    first[0] = True
    net = MLP([6, PiecewiseLinear(EDGES, 20, "tanh"), 3], dtype="float64", random_state=0,
              ties=[Frozen(1, first, 0.25), TiedGroup([(1, 5, 0), (1, 30, 7)])])
    X, y = RNG.standard_normal((50, 6)), RNG.standard_normal((50, 3))
    assert_derivatives(net, X, y, layer_checks.NEAR / 10 * RNG.standard_normal(net.n_params))
    net.fit(X, y, Adam(0.01), epochs=2, batch_size=16, n_threads=2)
    assert (net.W[1][0] == 0.25).all() and net.W[1][5, 0] == net.W[1][30, 7] and (net.W[1][1] != 0.25).all()


def test_small_predictions_follow_the_weights():
    net, X, _ = layer_checks.problem(LAYERS["bins"], RNG, "float32")
    whole = net.predict(X)
    np.testing.assert_array_equal(np.vstack([net.predict(row[None]) for row in X]), whole)
    net.W[1][...] = net.W[1] * 2
    np.testing.assert_array_equal(net.predict(X[:1]), net.predict(X)[:1])
    assert (net.predict(X) != whole).any()


def test_quantiles():
    X = np.stack([np.arange(101.0), np.repeat([1.0, 2.0], [51, 50]), np.full(101, -3.0)], axis=1)
    edges = PiecewiseLinear.quantiles(X, 4)
    np.testing.assert_allclose(edges[0], [0, 25, 50, 75, 100])
    np.testing.assert_array_equal(edges[1], [1, 2])
    np.testing.assert_array_equal(edges[2], [-3, 0])
    assert MLP([3, PiecewiseLinear(edges, 8), 1]).W[1].shape == (6, 8)
    with pytest.raises(ValueError, match="X must have shape"):
        PiecewiseLinear.quantiles(X[0], 4)
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        PiecewiseLinear.quantiles(X, 0)


def test_decay_of_its_own():
    """With gradients of 0 a step of SGD multiplies weights by 1 - lr l2 decay."""
    for decay, left in ((0.0, 1.0), (1.0, 0.8), (2.0, 0.6)):
        net = MLP([3, Periodic(4, 0.5, 2, decay=decay), Dense(1, init="zeros")], dtype="float64", random_state=0)
        before = [net.W[1].copy(), net.W[3].copy()]
        net.fit(np.ones((8, 3)), np.zeros((8, 1)), SGD(0.1, l2=2.0), epochs=1)
        for W, was in zip((net.W[1], net.W[3]), before):
            np.testing.assert_allclose(W, left * was, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_quantiles_are_edges_that_a_network_takes(dtype):
    columns = [1e6 + RNG.random(500), RNG.random(500) * 1e-44, 1e-3 * RNG.integers(0, 9, 500) - 1e5,
               np.full(500, 1e6), RNG.standard_normal(500) * 1e30]
    edges = PiecewiseLinear.quantiles(np.stack(columns, axis=1), 48, dtype)
    net = MLP([5, PiecewiseLinear(edges, 4), 1], dtype=dtype)
    assert np.isfinite(net.predict(np.stack(columns, axis=1))).all()
    # float32 numbers near 1e6 are 1/16 apart: 17 of them from 1e6 to 1e6 + 1
    assert len(edges[0]) == 49 if dtype == "float64" else 10 < len(edges[0]) <= 17
    with pytest.raises(ValueError, match="dtype must be"):
        PiecewiseLinear.quantiles(np.stack(columns, axis=1), 48, "int8")


@pytest.mark.parametrize("edges, error, message", [
    (3, TypeError, "edges of layers"), (np.array(3.0), TypeError, "edges of layers"),
    ([[0, 1]], ValueError, "each of the 2 units before, got 1"),
    ([[0, 1], [0]], ValueError, r"edges\[1\] of layers\[1\] must be at least 2"),
    ([[0, 1], [0, 0]], ValueError, "must increase"), ([[0, 1], [1, 0]], ValueError, "must increase"),
    ([[0, 1], [1, 1 + 1e-9]], ValueError, "must increase in float32"),
    ([[0, 1], [0, np.nan]], ValueError, r"edges\[1\] .* finite"), ([[0, 1], ["a", "b"]], TypeError, r"edges\[1\]")])
def test_wrong_edges(edges, error, message):
    with pytest.raises(error, match=message):
        MLP([2, PiecewiseLinear(edges, 3), 1])


@networks
def test_files_keep_them(name, tmp_path):
    net, X, y = layer_checks.problem(LAYERS[name], RNG)
    net.fit(X, y, Adam(), epochs=1)
    assert_goes_on_from_a_file(net, X, y, tmp_path / "net")
