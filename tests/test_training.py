"""fit and partial_fit: epochs, batches, sample weights, penalties, schedules, shuffling, and going on."""
import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fastmlp import MLP, SGD, Adam, AdamW, Callback, Dense, DivergenceWarning, History, _core, schedules
from fastmlp._engine import runtime
from fastmlp._engine.requests import Batches, Objective, State, Step

OPTIMIZERS = [SGD(0.05), SGD(0.02, momentum=0.9), SGD(0.02, momentum=0.9, nesterov=True), Adam(0.01), AdamW(0.01),
              Adam(schedules.Cosine(0.01, 10), l2=0.01, l1=1e-3, clip_norm=0.1)]
optimizers = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])

RNG = np.random.default_rng(0)
X = RNG.standard_normal((53, 4))
Y = np.sin(X[:, :2]) + 0.1 * RNG.standard_normal((53, 2))


def network(dtype="float64", loss="squared_error", seed=0):
    return MLP([4, 12, 2], activation="tanh", loss=loss, dtype=dtype, random_state=seed)


# ---- history and going on


def test_history():
    net = network()
    start = copy.deepcopy(net)
    history = net.fit(X, Y, SGD(0.01), epochs=3, batch_size=None, validation_data=(X[:9], Y[:9]))
    assert isinstance(history, History) and history is net.history
    assert {name: len(values) for name, values in history.items()} == {"loss": 3, "lr": 3, "val_loss": 3}
    assert history["lr"] == [0.01] * 3
    for epoch in range(3):  # the loss is at the weights before the step, val_loss at those after the epoch
        assert history["loss"][epoch] == pytest.approx(start.evaluate(X, Y), rel=1e-12)
        start.partial_fit(X, Y, SGD(0.01), batch_size=None)
        assert history["val_loss"][epoch] == start.evaluate(X[:9], Y[:9])
    assert len(net.partial_fit(X, Y, epochs=2)["loss"]) == 5
    assert len(net.fit(X, Y, epochs=2)["loss"]) == 2


def test_the_loss_of_an_epoch_is_the_mean_over_rows_not_batches():
    net = network()
    rows = [slice(0, 50), slice(50, 53)]
    losses = [net.evaluate(X[r], Y[r]) for r in rows]
    history = net.fit(X, Y, SGD(1e-12), epochs=1, batch_size=50, shuffle=False)
    assert history["loss"][0] == pytest.approx((50 * losses[0] + 3 * losses[1]) / 53, rel=1e-9)


@dtypes
@optimizers
def test_fit_in_two_parts(optimizer, dtype):
    whole, parts = network(dtype), network(dtype)
    history = whole.fit(X, Y, optimizer, epochs=10, batch_size=8)
    parts.fit(X, Y, optimizer, epochs=4, batch_size=8)
    assert parts.partial_fit(X, Y, epochs=6, batch_size=8) == history
    assert parts.params.tobytes() == whole.params.tobytes()


@optimizers
def test_partial_fit_alone_is_fit(optimizer):
    fitted, partly = network(), network()
    fitted.fit(X, Y, optimizer, epochs=3)
    for _ in range(3):
        partly.partial_fit(X, Y, optimizer)
    assert partly.params.tobytes() == fitted.params.tobytes()


@optimizers
def test_fit_starts_with_a_fresh_optimizer(optimizer):
    net = network()
    start = net.params
    first = net.fit(X, Y, optimizer, epochs=3, shuffle=False)
    end = net.params
    net.params = start
    assert net.fit(X, Y, optimizer, epochs=3, shuffle=False) == first
    assert net.params.tobytes() == end.tobytes()
    net.params = start
    net.partial_fit(X, Y, epochs=3, shuffle=False)
    assert (net.params.tobytes() == end.tobytes()) == (optimizer == SGD(0.05))  # nothing to remember but in plain SGD


def test_fit_starts_from_the_present_weights():
    one, two = network(), network()
    one.fit(X, Y, SGD(0.01), epochs=2, batch_size=None)
    for _ in range(2):
        two.fit(X, Y, SGD(0.01), epochs=1, batch_size=None)
    np.testing.assert_allclose(two.params, one.params, rtol=1e-12)


@optimizers
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))],
                         ids=["copy", "pickle"])
def test_copies_go_on_alike_and_apart(duplicate, optimizer):
    net = network("float32")
    net.fit(X, Y, optimizer, epochs=3)
    twin = duplicate(net)
    kept = net.params
    twin.partial_fit(X, Y, epochs=4)
    assert net.params.tobytes() == kept.tobytes() != twin.params.tobytes()
    net.partial_fit(X, Y, epochs=4)
    assert net.params.tobytes() == twin.params.tobytes()
    assert net.history == twin.history
    assert net.predict(X).tobytes() == twin.predict(X).tobytes()
    twin.W[1][...] = 0
    assert net.W[1].any()


def test_predictions_follow_the_weights():
    """Of few rows, for which there is a short way, as of many."""
    for sizes in ([4, 12, 1], [4, 3, 12, 2], [4, 1]):
        net = MLP(sizes, dtype="float64", random_state=0)
        for change in (lambda: None, lambda: net.fit(X, Y[:, :sizes[-1]]),
                       lambda: setattr(net, "params", net.params + 1),
                       lambda: net.W[1].fill(0.5)):
            change()
            for n in (1, 3, 53):
                np.testing.assert_allclose(net.predict(X[:n]), net.forward(X[:n]).x[-1], rtol=1e-13)


@dtypes
@pytest.mark.parametrize("batch_size", [1, 7])
def test_steps_of_wide_layers(batch_size, dtype):
    """Whose weights are stepped tile by tile, and whose bias is wider than a tile is large."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(7, 100)).astype(dtype), rng.normal(size=(7, 1)).astype(dtype)
    net, twin = (MLP([100, 6000, 1], dtype=dtype, random_state=0) for _ in range(2))
    net.fit(X, y, SGD(1e-3), 1, batch_size, shuffle=False, n_threads=1)
    for i in range(0, 7, batch_size):
        twin.params = twin.params - 1e-3 * twin.loss_and_grad(X[i:i + batch_size], y[i:i + batch_size])[1]
    tight = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(net.params, twin.params, rtol=tight, atol=tight)


@dtypes
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS[1:3], Adam(0.01, beta2=0.9)], ids=str)
def test_the_state_of_a_weight_without_gradient_becomes_zero(optimizer, dtype):
    """It does not stay at a subnormal number, which rounding would keep there, and which takes long to compute with."""
    net = MLP([4, Dense(12, "relu"), 2], dtype=dtype, random_state=0)
    net.fit(X, Y, optimizer, epochs=1, batch_size=None)
    net.b[1][:] = -1000  # no unit of the hidden layer is active from here on
    net.partial_fit(X, Y, epochs=8000, batch_size=None)
    network = net._network
    slots = [np.abs(network.parameters.take(slot))[:4 * 12 + 12] for slot in network.progress.optimizer_state.slots]
    assert len(slots) == _core.STEPS[optimizer.step][1] > 0 and not np.any(slots)


def test_the_powers_of_adam_become_zero():
    """So does beta^t, of which 1 - beta^t is taken."""
    net = MLP([4, 2], random_state=0)
    net.fit(X, Y, Adam(0.01, beta1=0.5, beta2=0.75), epochs=1000, batch_size=None)
    powers = net._network.progress.optimizer_state.powers
    np.testing.assert_allclose(powers, [0.5**1000, 0.75**1000], rtol=1e-12, atol=0)
    net.partial_fit(X, Y, epochs=4000, batch_size=None)
    assert not net._network.progress.optimizer_state.powers.any()


# ---- the order of rows


def seen(net, n, epochs, **fit):
    """The order in which training takes rows, an epoch a row."""
    rows = []

    def loss(x, y):
        rows.extend(y[:, 0].astype(int))
        return np.zeros(len(x)), np.zeros_like(x)

    MLP([1, 1], loss=loss, random_state=net).fit(np.zeros((n, 1)), np.arange(n), SGD(0.1), epochs=epochs, n_threads=1,
                                                 **fit)
    return np.reshape(rows, (epochs, n))


@pytest.mark.parametrize("n, batch_size", [(1, 1), (2, 1), (100, 7), (100, None), (1025, 1025)])
def test_each_epoch_takes_each_row_once(n, batch_size):
    orders = seen(0, n, 4, batch_size=batch_size)
    assert (np.sort(orders) == np.arange(n)).all()
    assert (seen(0, n, 2, batch_size=batch_size, shuffle=False) == np.arange(n)).all()
    if n > 2:
        assert len({tuple(order) for order in orders}) == 4
        assert not np.array_equal(orders, seen(1, n, 4, batch_size=batch_size))
        assert np.array_equal(orders, seen(0, n, 4, batch_size=batch_size))


def test_orders_are_even():
    """Each row comes at each place as often as chance has it."""
    order, counts, times = np.arange(6), np.zeros((6, 6)), 6000
    for epoch in range(times):
        _core.shuffle(order, 7, epoch)
        counts[np.arange(6), order] += 1
    assert abs(counts - times / 6).max() < 5 * np.sqrt(times / 6)


def test_large_orders_are_made_in_parts():
    n, part = _core.WHOLE + 12345, 300_000
    order = np.empty(n, np.int64)
    _core.shuffle(order, 7, 3)
    assert (np.sort(order) == np.arange(n)).all()
    for first in range(0, n, part):
        some = np.empty(min(part, n - first), np.int64)
        _core.shuffle(some, 7, 3, first, n)
        assert np.array_equal(some, order[first:first + part])
    other = np.empty(n, np.int64)
    _core.shuffle(other, 7, 4)
    # two random permutations agree at one place on average, and neither runs along with the numbers
    assert (order == other).sum() < 10 and (order == np.arange(n)).sum() < 10
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 5 / np.sqrt(n)
    assert abs(np.corrcoef(order, np.arange(n))[0, 1]) < 5 / np.sqrt(n)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 9, 64, 100])
def test_orders_of_parts_are_permutations_of_any_size(n, monkeypatch):
    monkeypatch.setattr(runtime, "WHOLE", 1)
    order = np.empty(n, np.int64)
    for epoch in range(20):
        _core.shuffle(order, 1, epoch)
        assert (np.sort(order) == np.arange(n)).all()


class ByBatch(Callback):
    """Has training go batch by batch."""

    def on_batch_end(self, net, batch, logs):
        return False


@pytest.mark.parametrize("batch_size", [1, 5, 16, 20, 53, None])
def test_windows_of_rows(batch_size, monkeypatch):
    """More rows than are shuffled as a whole: each once an epoch, and the same weights as without windows and batch by
    batch."""
    plain, weight = network(), RNG.random(53)
    history = plain.fit(X, Y, Adam(0.01), epochs=3, batch_size=batch_size, shuffle=False, sample_weight=weight)
    for module in (_core, runtime):
        monkeypatch.setattr(module, "WHOLE", 16)
    parts = network()
    by_parts = parts.fit(X, Y, Adam(0.01), epochs=3, batch_size=batch_size, shuffle=False, sample_weight=weight)
    assert by_parts["loss"] == pytest.approx(history["loss"], rel=1e-13)
    assert parts.params.tobytes() == plain.params.tobytes()
    orders = seen(0, 53, 4, batch_size=batch_size)
    assert (np.sort(orders) == np.arange(53)).all() and len({tuple(order) for order in orders}) == 4
    for fraction in (0.0, 0.3):
        batches = copy.deepcopy(parts)
        runs = [net.fit(X, Y, Adam(0.01), epochs=3, batch_size=batch_size, sample_weight=weight,
                        callbacks=[ByBatch()] * watched,
                        validation_fraction=fraction) for net, watched in ((parts, False), (batches, True))]
        assert runs[0]["loss"] == pytest.approx(runs[1]["loss"], rel=1e-13)
        assert parts.params.tobytes() == batches.params.tobytes()


def test_a_fit_that_diverges_in_a_later_window_is_undone(monkeypatch):
    for module in (_core, runtime):
        monkeypatch.setattr(module, "WHOLE", 16)
    y = Y.copy()
    y[40] = 1e200  # the square of which no float64 holds
    net, twin = network(), network()
    with pytest.warns(DivergenceWarning):
        net.fit(X, y, SGD(0.01), epochs=2, batch_size=4, shuffle=False)
    # to before the step that was followed by it
    twin.fit(X[:36], Y[:36], SGD(0.01), epochs=1, batch_size=4, shuffle=False)
    assert net.params.tobytes() == twin.params.tobytes()


# ---- sample weights


@optimizers
def test_weight_two_is_the_row_twice(optimizer):
    weighted, doubled = network(), network()
    w = np.where(np.arange(53) < 20, 2.0, 1.0)
    a = weighted.fit(X, Y, optimizer, epochs=6, batch_size=None, sample_weight=w, shuffle=False)
    b = doubled.fit(np.vstack([X, X[:20]]), np.vstack([Y, Y[:20]]), optimizer, epochs=6, batch_size=None, shuffle=False)
    np.testing.assert_allclose(weighted.params, doubled.params, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-12)


@optimizers
def test_weight_zero_is_the_row_left_out(optimizer):
    weighted, without = network(), network()
    a = weighted.fit(X, Y, optimizer, epochs=6, batch_size=None, sample_weight=(np.arange(53) >= 20) * 1.0,
                     shuffle=False)
    b = without.fit(X[20:], Y[20:], optimizer, epochs=6, batch_size=None, shuffle=False)
    np.testing.assert_allclose(weighted.params, without.params, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-12)


def test_only_ratios_of_weights_count():
    nets = [network() for _ in range(2)]
    w = RNG.random(53)
    for net, scale in zip(nets, (1.0, 1e6)):
        net.fit(X, Y, SGD(0.05), epochs=3, batch_size=10, sample_weight=scale * w)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-10)
    assert nets[0].evaluate(X, Y, w) == pytest.approx(nets[0].evaluate(X, Y, 1e6 * w), rel=1e-13)


def test_validation_loss_is_what_evaluate_gives():
    net, w = network("float32"), RNG.random(20)
    losses = []
    history = net.fit(X[20:], Y[20:], epochs=4, validation_data=(X[:20], Y[:20], w),
                      callbacks=[lambda net, epoch, logs: losses.append(net.evaluate(X[:20], Y[:20], w))])
    assert history["val_loss"] == losses and len(set(losses)) == 4


# ---- penalties and clipping: one step of gradient descent shows the gradient


def gradient_of_a_step(optimizer, net=None):
    net = net or network()
    before = [a.copy() for a in (net.W[1], net.b[1], net.W[2], net.b[2])]
    net.fit(X, Y, optimizer, epochs=1, batch_size=None)
    return before, [(a - b) / optimizer.lr for a, b in zip(before, (net.W[1], net.b[1], net.W[2], net.b[2]))]


def test_penalties_are_for_weights_and_not_for_biases():
    net = network()
    net.params = net.params + 0.1
    plain = copy.deepcopy(net).backprop(X, Y)
    (W1, b1, W2, b2), (dW1, db1, dW2, db2) = gradient_of_a_step(SGD(0.1, l2=0.3, l1=0.2), net)
    for W, dW, g in ((W1, dW1, plain.dW[1]), (W2, dW2, plain.dW[2])):
        np.testing.assert_allclose(dW, g + 0.3 * W + 0.2 * np.sign(W), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(db1, plain.db[1], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(db2, plain.db[2], rtol=1e-11, atol=1e-12)


def test_clipping():
    norm = np.linalg.norm(network().loss_and_grad(X, Y)[1])
    for clip in (norm / 10, 0.99 * norm, 1.01 * norm, None):
        step = np.concatenate([a.ravel() for a in gradient_of_a_step(SGD(0.1, clip_norm=clip))[1]])
        assert np.linalg.norm(step) == pytest.approx(min(norm, clip or norm), rel=1e-11)
    # the gradient is scaled first and penalised then
    (W1, *_), (dW1, *_) = gradient_of_a_step(SGD(0.1, clip_norm=norm / 10, l2=2.0))
    np.testing.assert_allclose(dW1, network().backprop(X, Y).dW[1] / 10 + 2 * W1, rtol=1e-10, atol=1e-12)


# ---- schedules


@pytest.mark.parametrize("schedule, by_hand", [
    (schedules.Constant(0.3), {0: 0.3, 99: 0.3}),
    (schedules.Step(0.8, 3, 0.5), {0: 0.8, 2: 0.8, 3: 0.4, 5: 0.4, 6: 0.2}),
    (schedules.Exponential(1.0, 0.5), {0: 1.0, 1: 0.5, 4: 0.0625}),
    (schedules.InverseScaling(1.0, 0.5), {0: 1.0, 3: 0.5, 8: 1 / 3}),
    (schedules.Cosine(1.0, 5), {0: 1.0, 1: (2 + 2**0.5) / 4, 2: 0.5, 3: (2 - 2**0.5) / 4, 4: 0.0, 9: 0.0}),
    (schedules.Cosine(1.0, 3, 0.2), {0: 1.0, 1: 0.6, 2: 0.2}),
    (schedules.OneCycle(1.0, 11, 0.4, 10, 100), {0: 0.1, 2: 0.55, 4: 1.0, 7: 0.505, 10: 0.01}),
], ids=lambda a: type(a).__name__)
def test_schedules(schedule, by_hand):
    for epoch, lr in by_hand.items():
        assert schedule(epoch) == pytest.approx(lr, abs=1e-15)
    history = network().fit(X, Y, SGD(schedule), epochs=4)
    assert history["lr"] == [schedule(epoch) for epoch in range(4)]


def test_a_schedule_goes_on_in_partial_fit_and_starts_anew_in_fit():
    net, optimizer = network(), SGD(schedules.Exponential(0.5, 0.5))
    net.fit(X, Y, optimizer, epochs=2)
    assert net.partial_fit(X, Y, epochs=2)["lr"] == [0.5, 0.25, 0.125, 0.0625]
    assert net.fit(X, Y, optimizer, epochs=2)["lr"] == [0.5, 0.25]


# ---- losses written in Python, and learning


def squared(x, y):
    return ((x - y) ** 2).sum(axis=1), 2 * (x - y)


@dtypes
def test_a_loss_in_python_is_the_built_in_one(dtype):
    tolerance, w = {"float32": 1e-5, "float64": 1e-12}[dtype], RNG.random(53)
    own, built_in = network(dtype, squared), network(dtype)
    for net in (own, built_in):
        net.fit(X, Y, Adam(0.01), epochs=5, batch_size=10, sample_weight=w, n_threads=2)
    np.testing.assert_allclose(own.params, built_in.params, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(own.history["loss"], built_in.history["loss"], rtol=tolerance)
    built_in.params = own.params
    assert own.evaluate(X, Y, w) == pytest.approx(built_in.evaluate(X, Y, w), rel=tolerance)
    np.testing.assert_allclose(own.loss_and_grad(X, Y, w)[1], built_in.loss_and_grad(X, Y, w)[1], rtol=tolerance,
                               atol=tolerance)
    np.testing.assert_allclose(own.backprop(X, Y, w).dX, built_in.backprop(X, Y, w).dX, rtol=tolerance, atol=tolerance)


@dtypes
@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), Adam(0.005), AdamW(0.005)], ids=str)
def test_learning_digits(optimizer, dtype):
    digits, labels = load_digits(return_X_y=True)
    digits = digits / 16
    net = MLP([64, Dense(32, "relu"), 10], loss="cross_entropy", dtype=dtype, random_state=0)
    history = net.fit(digits[:1400], labels[:1400], optimizer, epochs=20,
                      validation_data=(digits[1400:], labels[1400:]))
    assert history["loss"][0] > 3 * history["loss"][-1] and history["loss"][-1] < 0.1
    assert (net.predict(digits[1400:]).argmax(axis=1) == labels[1400:]).mean() > 0.9
    assert history["val_loss"][-1] == net.evaluate(digits[1400:], labels[1400:])


# ---- batches without weight, and penalties on a batch's sum


@optimizers
@pytest.mark.parametrize("clip_norm", [None, 1e3])
def test_a_batch_without_weight_is_no_step(optimizer, clip_norm):
    optimizer = replace(optimizer, clip_norm=clip_norm)
    w = np.where(np.arange(53) // 10 % 2 == 0, 1.0, 0.0)  # batches 1, 3 and 5 have none: 30 rows are left
    kept = np.flatnonzero(w)
    net = network()
    net.fit(X, Y, optimizer, epochs=3, batch_size=10, sample_weight=w, shuffle=False)
    # the batches that are left divide by their rows, and weights have mean 1 over all rows: the same rows alone
    # give the steps of a gradient scaled by the mean weight
    scaled = MLP([4, 12, 2], activation="tanh", dtype="float64", random_state=0,
                 loss=lambda x, y: tuple(53 / 30 * a for a in squared(x, y)))
    scaled.fit(X[kept], Y[kept], optimizer, epochs=3, batch_size=10, shuffle=False)
    np.testing.assert_allclose(net.params, scaled.params, rtol=1e-9, atol=1e-12)


@dtypes
@pytest.mark.parametrize("clip_norm", [0.0, 1e6])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_penalties_of_rows(dtype, clip_norm, threads):
    """l2/2 ||W||^2 + l1 ||W||_1 on the sum of a batch's losses, by hand."""
    net, twin = network(dtype), network(dtype)
    l2, l1, lr = 0.3, 0.2, 0.01
    losses = penalties = 0.0
    for begin in range(0, 53, 20):
        rows, m = slice(begin, begin + 20), len(X[begin:begin + 20])
        loss, gradient = twin.loss_and_grad(X[rows], Y[rows])
        losses += m * loss
        penalties += sum(l2 / 2 * np.square(W, dtype="f8").sum() + l1 * np.abs(W, dtype="f8").sum() for W in twin.W[1:])
        pull = [(l2 * a + l1 * np.sign(a)).ravel() if a.ndim == 2 else np.zeros(a.size)
                for pair in zip(twin.W[1:], twin.b[1:]) for a in pair]
        twin.params = twin.params - lr * (gradient + np.concatenate(pull) / m)
    data = net._network.bind(X, Y)
    with _core.borrow_team(threads) as team:
        step = Step(_core.STEPS["sgd"][0], lr, clip_norm=clip_norm)
        loss, done, penalty, _ = net._network.core.train(data, team, Batches(np.arange(53), 20, 0, 3), step,
                                                         State([], np.ones(2)), Objective(l2, l1))
    tight = 1e-12 if dtype == "float64" else 1e-5
    assert done == 3 and (loss, penalty) == pytest.approx((losses, penalties), rel=tight)
    np.testing.assert_allclose(net.params, twin.params, rtol=tight, atol=tight)


@pytest.mark.parametrize("beta1, beta2", [(0.0, 0.0), (0.9, 0.0), (0.0, 0.999)])
def test_adam_with_betas_of_zero(beta1, beta2):
    net, twin = network(), network()
    net.fit(X, Y, Adam(0.01, beta1, beta2), epochs=3, batch_size=None, shuffle=False)
    m = v = 0.0
    for t in range(1, 4):
        g = twin.loss_and_grad(X, Y)[1]
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        twin.params = twin.params - 0.01 * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t))
                                                                   + 1e-8 / np.sqrt(1 - beta2**t))
    np.testing.assert_allclose(net.params, twin.params, rtol=1e-9, atol=1e-12)
