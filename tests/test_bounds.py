"""Numbers past what the engine takes are refused where they come in, whichever way, and quickly."""
import json
import math
import threading

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    MLP,
    SGD,
    AvgPool1D,
    Conv1D,
    Conv2D,
    Dense,
    EarlyStopping,
    Frozen,
    GlobalAvgPool,
    MLPClassifier,
    MLPRegressor,
    TiedGroup,
    schedules,
    sensitivity,
)
from test_damaged_files import put_together, taken_apart

X, Y = np.random.default_rng(0).standard_normal((2, 8, 2))
LARGE = (2**31, 2**62, 2**63, 2**64, 10**400)

def stop(net, epoch, logs):
    return True


# what is given so large: (a function of it, the name in the message)
INTEGERS = {
    "inputs": (lambda n: MLP([n, 1]), r"layers\[0\]"),
    "units": (lambda n: MLP([2, n, 1]), r"units of layers\[1\]"),
    "a map's side": (lambda n: MLP([(n, 4, 1), GlobalAvgPool(), 1]), "the shape of a map"),
    "filters": (lambda n: MLP([(4, 4, 1), Conv2D(n, 3), 1]), r"layers\[1\].*filters"),
    "kernel": (lambda n: MLP([(4, 1), Conv1D(1, n, padding=n - 1), 1]), r"layers\[1\].*(kernel|padding)"),
    "padding": (lambda n: MLP([(4, 1), Conv1D(1, 3, padding=n), 1]), r"layers\[1\].*padding"),
    "padding on one axis": (lambda n: MLP([(4, 4, 1), Conv2D(1, 3, padding=(0, n)), 1]), r"layers\[1\].*padding"),
    "padding of a pool": (lambda n: MLP([(4, 1), AvgPool1D(3, n, padding=n), 1]), r"layers\[1\].*(stride|padding)"),
    "stride": (lambda n: MLP([(4, 1), Conv1D(1, 3, stride=n), 1]), r"layers\[1\].*stride"),
    "dilation": (lambda n: MLP([(4, 1), Conv1D(1, 2, dilation=n), 1]), r"layers\[1\].*dilation"),
    "n_threads": (lambda n: MLP([2, 2]).fit(X, Y, n_threads=n), "n_threads"),
    "n_threads of an estimator": (lambda n: MLPRegressor(n_threads=n, max_iter=1).fit(X, Y), "n_threads"),
    "hidden_layer_sizes": (lambda n: MLPRegressor(hidden_layer_sizes=(n,), max_iter=1).fit(X, Y), "hidden_layer_sizes"),
    "n_steps": (lambda n: sensitivity.integrated_gradients(MLP([2, 1]), X, n_steps=n), "n_steps"),
    "n_samples": (lambda n: sensitivity.smooth_grad(MLP([2, 1]), X, n_samples=n), "n_samples"),
    "n_repeats": (lambda n: sensitivity.noise_curve(MLP([2, 2]), X, Y, [0.1], n_repeats=n), "n_repeats"),
    "num_random_init": (lambda n: sensitivity.pgd(MLP([2, 2]), X, Y, 0.1, num_random_init=n), "num_random_init"),
    "max_iter": (lambda n: sensitivity.pgd(MLP([2, 2]), X, Y, 0.1, max_iter=n), "max_iter"),
}
# numbers that count, but of which nothing is made: beyond an int64 only
COUNTS = {
    "every": (lambda n: schedules.Step(0.1, n), "every"),
    "epochs of a schedule": (lambda n: schedules.Cosine(0.1, n), "epochs"),
    "batch_size": (lambda n: MLP([2, 2]).fit(X, Y, batch_size=n, epochs=1), "batch_size"),
    "patience": (lambda n: EarlyStopping(patience=n), "patience"),
    "epochs": (lambda n: MLP([2, 2]).fit(X, Y, epochs=n, callbacks=[stop]), "epochs"),
    "epochs of partial_fit": (lambda n: MLP([2, 2]).partial_fit(X, Y, epochs=n, callbacks=[stop]), "epochs"),
    "max_fun": (lambda n: MLPRegressor(solver="lbfgs", max_fun=n, max_iter=2).fit(X, Y), "max_fun"),
    "max_iter of lbfgs": (lambda n: MLPRegressor(solver="lbfgs", max_iter=n, max_time=1e-9).fit(X, Y), "max_iter"),
    "n_iter_no_change": (lambda n: MLPRegressor(n_iter_no_change=n, max_iter=1).fit(X, Y), "n_iter_no_change"),
    "max_iter of an estimator": (lambda n: MLPRegressor(max_iter=n, max_time=1e-9).fit(X, Y), "max_iter"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", [*LARGE], ids=["2^31", "2^62", "2^63", "2^64", "10^400"])
@pytest.mark.parametrize("what", [*INTEGERS, *COUNTS])
def test_integers(what, n):
    use, name = (INTEGERS | COUNTS)[what]
    if what in COUNTS and n < 2**63:
        use(n)
        return
    with pytest.raises(ValueError, match=name):
        use(n)


@pytest.mark.parametrize("n", [1023, 1024, 1025, 4095, 100_000])
def test_threads_of_estimators_are_bounded_as_those_of_a_network(n):
    """Beyond the most there are, nothing is started."""
    before = threading.active_count()
    if n > fastmlp._core.MOST_THREADS:
        for est in (MLPClassifier, MLPRegressor):
            with pytest.raises(ValueError, match="n_threads.*1023"):
                est(n_threads=n, max_iter=1).fit(X, [0, 1] * 4)
        est = MLPRegressor(max_iter=1, solver="lbfgs").fit(X, Y)
        est.n_threads = n
        with pytest.raises(ValueError, match="n_threads must be at most 1023"):
            est.predict(X)
    assert threading.active_count() == before


@pytest.mark.parametrize("sizes", [[2**31 - 1, 2**31 - 1], [2**30, 2**30, 1], [2**24, 2**24, 1], [2**20] * 3])
def test_networks_beyond_memory(sizes):
    with pytest.raises(ValueError, match="layers must (be|fit)"):
        MLP(sizes)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 10**400, 1e39])
@pytest.mark.parametrize("name", ["alpha", "l1", "tol", "power_t", "learning_rate_init", "epsilon", "input_noise",
                                  "gradient_penalty", "gradient_clip", "max_time", "momentum", "beta_1", "dropout",
                                  "validation_fraction"])
def test_floats_of_estimators(name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        MLPRegressor(max_iter=1, dtype="float32", **{name: value}).fit(X, Y)


# ---- schedules


@pytest.mark.parametrize("schedule, epoch, rate", [
    (schedules.Exponential(1.0, 1e300), 2, math.inf), (schedules.Step(1.0, 1, 1e300), 2, math.inf),
    (schedules.InverseScaling(1.0, 1e308), 1, 0.0), (schedules.InverseScaling(1.0, -1e308), 1, math.inf),
    (schedules.InverseScaling(1.0, -2), 2, 9.0), (schedules.InverseScaling(1.0, 2), 1, 0.25),
    (schedules.Exponential(1.0, 0.0), 0, 1.0), (schedules.Exponential(1.0, 0.5), 10**6, 0.0)])
def test_rates_that_leave_the_floats(schedule, epoch, rate):
    assert schedule(epoch) == rate
    if rate == math.inf:
        net = MLP([2, 2], random_state=0)
        with pytest.raises(ValueError, match=f"the learning rate of epoch {epoch} must be finite"):
            net.fit(X, Y, SGD(schedule), epochs=epoch + 1)


@pytest.mark.parametrize("epoch, error", [(-1, ValueError), (1.5, TypeError), ("1", TypeError), (2**70, ValueError)])
def test_epochs_of_a_schedule(epoch, error):
    with pytest.raises(error, match="^epoch must be"):
        schedules.Cosine(0.1, 5)(epoch)


# ---- ties

CHAIN = [(1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)]


@pytest.mark.parametrize("dtype, scales", [
    ("float64", [1e200, 1e-200]), ("float64", [1e-200, 1e200]), ("float64", [1.0, 1e-310]), ("float64", [1.0, -1e300]),
    ("float32", [1.0, 1e39]), ("float32", [1e-39, 1.0])])
def test_scales_that_leave_the_numbers(dtype, scales):
    groups = [TiedGroup(CHAIN[i:i + 2], scales) for i in range(3)]
    for ties in (groups, groups[:1], [TiedGroup([CHAIN[0], CHAIN[1]]), TiedGroup(CHAIN[1:3], scales)]):
        with pytest.raises(ValueError, match=rf"ties: scales must be between .* in {dtype}, got .* for \(1, "):
            MLP([2, 2], ties=ties, dtype=dtype)


def test_scales_that_multiply_until_they_leave_the_numbers():
    """1e13 each is well within float32, 1e13^3 is not."""
    groups = [TiedGroup(CHAIN[i:i + 2], [1.0, 1e13]) for i in range(3)]
    with pytest.raises(ValueError, match=r"ties: scales must be between .*got 1e\+39 for \(1, 1, 1\)"):
        MLP([2, 2], ties=groups)
    net = MLP([2, 2], ties=groups, dtype="float64", random_state=0)
    np.testing.assert_allclose(net.W[1] / net.W[1][0, 0], [[1, 1e13], [1e26, 1e39]], rtol=1e-12)


def test_scales_at_the_border():
    """The first member keeps its start, and the gradient by p is the sum of scale times the members' own."""
    least = 2.0**-63
    group = TiedGroup([(1, 0, 0), (1, 1, 0)], [least, 1 / least])
    net = MLP([2, 1], ties=[group, Frozen(1, np.ones(1, bool), 0.0, biases=True)], random_state=0)
    start = MLP([2, 1], random_state=0).W[1][0, 0]
    assert net.W[1][0, 0] == start and net.W[1][1, 0] == start * 2.0**126
    run = net.backprop(X[:1] * 2.0**-120, Y[:1, :1])
    _, gradient = net.loss_and_grad(X[:1] * 2.0**-120, Y[:1, :1])
    np.testing.assert_allclose(gradient, [run.dW[1][0, 0] * least + run.dW[1][1, 0] / least], rtol=1e-6)


def test_scales_in_a_crafted_file(tmp_path):
    path = tmp_path / "net"
    MLP([2, 2], ties=[TiedGroup(CHAIN[:2], [2.0, 3.0]), TiedGroup(CHAIN[1:3], [3.0, 3.0])]).save(path)
    rows, document, data = taken_apart(path.read_bytes())
    for scales in ([1e200, 1e-200], [1e-200, 1e200], [math.inf, 1.0], [math.nan, 1.0], [0.0, 1.0], [1e-46, 1.0]):
        for which in (0, 1):
            crafted = json.loads(json.dumps(document))
            crafted["ties"][which]["scales"] = scales
            path.write_bytes(put_together(rows, crafted, data))
            with pytest.raises(ValueError, match="scales"):
                MLP.load(path)


@pytest.mark.parametrize("place, value", [
    ("d0", 2**62), ("d0", 2**31), ("units", 2**62), ("units", 2**70), ("epochs_ever", 2**62), ("rate", 1.0),
    ("lr", 1e39),
    ("activation", ["elu", -1.0]), ("activation", ["leaky_relu", 1e39])])
def test_numbers_in_a_crafted_file(place, value, tmp_path):
    path = tmp_path / "net"
    net = MLP([2, Dense(3, ("elu", 0.5)), fastmlp.Dropout(0.5), 2])
    net.fit(X, Y, SGD(0.1), epochs=1)
    net.save(path)
    rows, document, data = taken_apart(path.read_bytes())
    homes = {"units": document["layers"][0], "activation": document["layers"][0], "rate": document["layers"][1],
             "lr": document["training"]["optimizer"]}
    home = homes.get(place, document)
    assert place in home
    home[place] = value
    path.write_bytes(put_together(rows, document, data))
    with pytest.raises(ValueError, match="not a network that fastmlp saved"):
        MLP.load(path)


@pytest.mark.parametrize("power", [2**31, 2**62, 1e9, 1e300])
def test_powers_whose_result_no_float_holds(power):
    """Python's integers grow without an end, and take as long."""
    model = MLPRegressor(solver="sgd", learning_rate="invscaling", power_t=power, max_iter=2, momentum=0,
                         random_state=0)
    constant = MLPRegressor(solver="sgd", max_iter=1, momentum=0, random_state=0)
    assert model.fit(X, Y).n_iter_ == 2
    assert all(map(np.array_equal, model.coefs_, constant.fit(X, Y).coefs_))  # from the second epoch on the rate is 0
