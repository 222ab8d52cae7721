"""Batch normalisation: training held to the NumPy twin, statistics to their definitions."""
import copy
import math
import pickle

import numpy as np
import pytest

import reference
from fastmlp import (
    MLP,
    SGD,
    Adam,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    DivergenceWarning,
    EarlyStopping,
    LambdaCallback,
    Residual,
    Scale,
)
from fastmlp._engine import runtime
from fastmlp.sensitivity import Attack, pgd
from layer_checks import assert_the_parameters_are_the_twins
from test_twin import TOLERANCE

RNG = np.random.default_rng(0)
LAYERS = {
    "rows": [5, BatchNorm(), Dense(20, "tanh"), BatchNorm(0.3, 1e-3), Dense(33, "relu"), BatchNorm(), 3],
    "residual": [5, Dense(8, "tanh"), Residual(BatchNorm(), Dense(16, "relu"), Dense(8)), BatchNorm(), 3],
    "maps": [(4, 5, 2), Conv2D(3, 2, "tanh", padding=1), BatchNorm(), 3],
}


def problem(name, dtype="float64", n=60):
    net = MLP(LAYERS[name], dtype=dtype, random_state=0)
    X, y = RNG.standard_normal((n, net.d[0])).astype(dtype) * 2 + 1, RNG.standard_normal((n, 3)).astype(dtype)
    return net, X, y


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", LAYERS)
def test_steps_are_the_twins(name, dtype):
    net, X, y = problem(name, dtype)
    twin = reference.twin_of(net)
    net.fit(X, y, SGD(0.05, momentum=0.9), epochs=2, batch_size=25, shuffle=False, n_threads=2)
    optimizer = reference.SGD(0.05, momentum=0.9)
    reference.train(twin, optimizer, X, y, epochs=2, batch=25)
    assert_the_parameters_are_the_twins(net, twin, 10 * TOLERANCE[dtype], 10 * TOLERANCE[dtype])


def test_a_large_batch_whose_gradient_is_summed_in_pieces():
    """Between which signals are looked for: 320 rows are a tenth of a second of work. Columns are settled in parts."""
    net = MLP([300, 3000, BatchNorm(), Dense(1500, "tanh"), BatchNorm(), 3], dtype="float64", random_state=0)
    twin, X, y = reference.twin_of(net), RNG.standard_normal((400, 300)), RNG.standard_normal((400, 3))
    net.fit(X, y, SGD(0.05), epochs=1, batch_size=None, shuffle=False, n_threads=2)
    reference.train(twin, reference.SGD(0.05), X, y, epochs=1, batch=400)
    assert_the_parameters_are_the_twins(net, twin, 1e-9, 1e-9)


def test_by_hand():
    """Two rows of three units, of which the second does not vary: means 1, 2, 1, variances 16, 0, 2.25^2, and with
    eps = 9 deviations 5, 3, 3.75. Layer 1 is the identity, by whose gradient de/dx of layer 2 is seen."""
    X = np.array([[5.0, 2.0, 3.25], [-3.0, 2.0, -1.25]])
    net = MLP([3, Scale(), BatchNorm(0.5, 9.0), Dense(1, bias=False, init="zeros")], dtype="float64")
    net.W[2][...], net.b[2][...], net.W[3][...] = [1, 2, -1], [0.5, 0, 1], 1
    # x^ = 0.8, 0, 0.6 and -0.8, 0, -0.6: x(2) = 1.3, 0, 0.4 and -0.3, 0, 1.6; predictions 1.7 and 1.3
    y = np.array([[1.2], [-0.2]])  # so that de/dx(3) = 2 (x - y) = 1 and 3
    before = net.params
    history = net.fit(X, y, SGD(1.0), epochs=1, batch_size=2, shuffle=False)
    assert history["loss"][0] == pytest.approx((0.25 + 2.25) / 2, rel=1e-14)
    gradient = before - net.params
    # de/dx(1) = +-(-0.072, -2/3, 0.64 / 3.75), half of it times x in the sum over rows
    np.testing.assert_allclose(gradient[:3], [-0.288, 0, 0.384], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(gradient[3:9], [-0.8, 0, -0.6, 2, 2, 2], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(gradient[9:], [0.2, 0, 2.6], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(net._network.core.statistics, [0.5, 1, 0.5, 16.5, 0.5, 5.5625], rtol=1e-14)


def test_weights_count_rows():
    """A row of weight 2 is a row that is there twice; one of weight 0 is not there."""
    net, X, y = problem("rows", n=20)
    twice = copy.deepcopy(net)
    weight = np.repeat([2.0, 1.0, 0.0, 1.0], 5)
    again = np.repeat(np.arange(20), weight.astype(int))
    net.fit(X, y, SGD(0.05), epochs=3, batch_size=None, sample_weight=weight)
    twice.fit(X[again], y[again], SGD(0.05), epochs=3, batch_size=None)
    np.testing.assert_allclose(net.params, twice.params, rtol=1e-10, atol=1e-12)


def test_running_statistics():
    """mean and var after each batch, by hand; var has n - 1 in the place of n."""
    net = MLP([3, BatchNorm(0.25), 2], dtype="float64", random_state=0)
    X, y = RNG.standard_normal((30, 3)) * 3 + 1, RNG.standard_normal((30, 2))
    net.fit(X, y, epochs=2, batch_size=10, shuffle=False)
    mean, var = np.zeros(3), np.ones(3)
    for rows in [slice(i, i + 10) for i in (0, 10, 20)] * 2:
        mean, var = 0.75 * mean + 0.25 * X[rows].mean(axis=0), 0.75 * var + 0.25 * X[rows].var(axis=0, ddof=1)
    np.testing.assert_allclose(net._network.core.statistics, [*mean, *var], rtol=1e-12)
    x = net.W[1] * (X - mean) / np.sqrt(var + 1e-5) + net.b[1]
    np.testing.assert_allclose(net.predict(X), x @ net.W[2] + net.b[2], rtol=1e-12, atol=1e-13)
    assert net.predict(X[:1]).tobytes() == net.predict(X)[:1].tobytes()


def test_a_batch_of_one_row_and_one_without_weight():
    net, X, y = problem("rows", n=21)
    net.fit(X, y, SGD(0.01), epochs=2, batch_size=20)
    net.fit(X, y, SGD(0.01), epochs=1, batch_size=7, shuffle=False, sample_weight=np.repeat([1.0, 0.0, 1.0], 7))
    assert np.isfinite(net.params).all() and np.isfinite(net._network.core.statistics).all()


def test_penalties_of_weights_leave_gamma_and_beta_alone():
    plain, X, y = problem("rows")
    heavy = copy.deepcopy(plain)
    for net, l2 in ((plain, 0.0), (heavy, 1.0)):
        net.fit(X, y, SGD(1e-3, l2=l2), epochs=1, batch_size=None)
    np.testing.assert_array_equal(plain.W[1], heavy.W[1])
    assert (plain.W[2] != heavy.W[2]).all()


def test_files_and_pickles_carry_the_statistics(tmp_path):
    net, X, y = problem("maps")
    net.fit(X, y, Adam(), epochs=2)
    net.save(tmp_path / "net")
    for twin in (MLP.load(tmp_path / "net"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        np.testing.assert_array_equal(twin.predict(X), net.predict(X))
        expected = copy.deepcopy(net)
        for one in (twin, expected):
            one.partial_fit(X, y)
        np.testing.assert_array_equal(twin.predict(X), expected.predict(X))


def test_a_fit_that_diverges_goes_back_to_the_statistics_before():
    """To those before the step that made it so, here the second one: after it the third batch's loss is infinite."""
    net, X, y = problem("rows")
    y[12] = 1e200  # the square of which no float64 holds
    twin = copy.deepcopy(net)
    with pytest.warns(DivergenceWarning):
        net.fit(X, y, SGD(0.01), epochs=1, batch_size=5, shuffle=False)
    twin.fit(X[:5], y[:5], SGD(0.01), epochs=1, batch_size=5, shuffle=False)
    np.testing.assert_array_equal(net._network.core.statistics, twin._network.core.statistics)


def test_the_best_epoch_comes_back_with_its_statistics():
    """The rate is such that the best epoch is not the last."""
    net, X, y = problem("rows")
    seen = []
    watch = LambdaCallback(on_epoch_end=lambda net, epoch, logs: seen.append((logs["val_loss"], net.predict(X))))
    net.fit(X, y, SGD(lambda epoch: 0.01 * 2.0**epoch), epochs=6, validation_data=(X, y),
            callbacks=[EarlyStopping(patience=9), watch])
    best = min(range(len(seen)), key=lambda i: seen[i][0])
    assert best < len(seen) - 1
    np.testing.assert_array_equal(net.predict(X), seen[best][1])


@pytest.mark.parametrize("norm", [2, math.inf])
@pytest.mark.parametrize("name", LAYERS)
def test_rows_are_attacked_as_predictions_see_them(name, norm):
    """Each batch by the running statistics before it, then it is one of moved rows."""
    net, X, y = problem(name)
    net.fit(X, y, SGD(0.01), epochs=2)
    twin = copy.deepcopy(net)
    for i in (0, 25, 50):
        moved = pgd(twin, X[i:i + 25], y[i:i + 25], 0.3, max_iter=3, norm=norm)
        assert np.abs(moved - X[i:i + 25]).max() > 0.05
        twin.partial_fit(moved, y[i:i + 25], batch_size=None)
    net.partial_fit(X, y, batch_size=25, shuffle=False, n_threads=2, adversarial=Attack(0.3, max_iter=3, norm=norm))
    np.testing.assert_allclose(net.params, twin.params, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(net._network.core.statistics, twin._network.core.statistics, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", LAYERS)
def test_attacks_have_the_same_bits(name, dtype, monkeypatch):
    _, X, y = problem(name, dtype, 150)
    seen = set()
    for threads, block, fill in ((1, 0, None), (2, 8, b"\xff"), (3, 0, b"\x7e")):
        monkeypatch.setattr(runtime, "scratch_fill", fill)
        net = MLP(LAYERS[name], dtype=dtype, random_state=0)
        net._network.core.block_rows = block
        net.fit(X, y, Adam(0.01), epochs=2, batch_size=40, n_threads=threads, input_noise=0.1,
                adversarial=Attack(0.1, max_iter=2, random_start=True))
        seen.add(net.params.tobytes() + net._network.core.statistics.tobytes())
    assert len(seen) == 1


def test_after_pooling_and_errors():
    MLP([(4, 4, 2), AvgPool2D(2), BatchNorm(), 3])
    for wrong, message in (({"momentum": 0}, "momentum"), ({"momentum": 1.5}, "momentum"), ({"eps": 0}, "eps")):
        with pytest.raises(ValueError, match=f"{message} of layers"):
            MLP([3, BatchNorm(**wrong), 1])
    with pytest.raises(ValueError, match="the last of layers must be a Dense layer"):
        MLP([3, 4, BatchNorm()])
