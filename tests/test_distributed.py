"""Ranks that train one network together: the same as one that has the rows of all, and what they decide together."""
import threading
import time

import numpy as np
import pytest

from fastmlp import (
    MLP,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Callback,
    Conv2D,
    DivergenceWarning,
    Dropout,
    EarlyStopping,
    Frozen,
    Residual,
    TiedGroup,
    callbacks,
    optim,
    tie_layers,
)
from fastmlp._fit.batches import Cut, ProportionalCut
from fastmlp.distributed import Communicator, MPICommunicator, SerialCommunicator, communicator_of
from fastmlp.sensitivity import Attack
from ranks import all_of, on_ranks, order_of_the_union

RNG = np.random.default_rng(0)
D, OUT = 5, 3
SHARDS = [(48, 48), (80, 16), (33, 30), (40, 0), (17, 1, 30), (20, 20, 20, 20), (1, 0, 50, 9)]
N = max(map(sum, SHARDS))
X, Y = RNG.standard_normal((N, D)), RNG.standard_normal((N, OUT))
LABELS, WEIGHT = RNG.integers(0, OUT, N), RNG.uniform(0, 2, N)
CLOSE = dict(rtol=1e-12, atol=1e-12)


def network(layers=(D, 7, OUT), dtype="float64", seed=0, **options):
    return MLP(list(layers), activation="tanh", dtype=dtype, random_state=seed, **options)


def shard(a, sizes, rank):
    if a is None:
        return None
    begin = sum(sizes[:rank])
    return a[begin:begin + sizes[rank]]


def together(sizes, make, *arrays, weight=None, validation=None, **options):
    """The networks of all ranks, each trained on its shard; those of other ranks start elsewhere."""

    def fit(comm):
        net = make(seed=comm.rank)
        cut = lambda a: shard(a, sizes, comm.rank)
        held = None if validation is None else tuple(map(cut, validation))
        net.fit(*map(cut, arrays), sample_weight=cut(weight), validation_data=held, comm=comm, **options)
        return net

    return all_of(len(sizes), fit)


def assert_the_same(nets):
    for net in nets[1:]:
        assert net.params.tobytes() == nets[0].params.tobytes()
        assert net.history == nets[0].history


def assert_as_one(sizes, make=network, arrays=(X, Y), weight=None, batch=16, epochs=9, optimizer=None, **options):
    """Ranks give the numbers, and the same bits, of one network that is trained on the union of each batch."""
    optimizer = optimizer or Adam(0.01)
    order = order_of_the_union(sizes, batch)
    nets = together(sizes, make, *arrays, weight=weight, batch_size=batch, epochs=epochs,
                    optimizer=optimizer, shuffle=False, **options)
    assert_the_same(nets)
    one = make(seed=0)
    one.fit(*(a[order] for a in arrays), sample_weight=None if weight is None else weight[order], batch_size=batch,
            epochs=epochs, optimizer=optimizer, shuffle=False, **options)
    np.testing.assert_allclose(nets[0].params, one.params, **CLOSE)
    np.testing.assert_allclose(nets[0].history["loss"], one.history["loss"], **CLOSE)
    return nets, one


# ---- how batches are cut


@pytest.mark.parametrize("sizes", SHARDS)
@pytest.mark.parametrize("batch", [1, 7, 16, 1000])
def test_a_batch_has_rows_of_each_rank_in_proportion(sizes, batch):
    n = sum(sizes)
    batch = min(batch, n)
    cuts = [ProportionalCut(np.array(sizes), rank, batch) for rank in range(len(sizes))]
    order = order_of_the_union(sizes, batch)
    edges = np.cumsum(sizes)
    for b in range(cuts[0].batches):
        rows = order[b * batch:(b + 1) * batch]
        by_rank = np.bincount(np.searchsorted(edges, rows, "right"), minlength=len(sizes))
        assert [cut.begin(b + 1) - cut.begin(b) for cut in cuts] == by_rank.tolist()
    for cut in cuts:
        for first, last in ((0, cut.batches), (cut.batches // 3, cut.batches // 2 + 1)):
            found = cut.stretches(first, last)
            assert [s.first for s in found] == [first, *(s.last for s in found[:-1])] and found[-1].last == last
            for s in found:
                for b in range(s.first, s.last):
                    assert cut.begin(b + 1) - cut.begin(b) == s.rows
                    assert min(batch, n - b * batch) == s.whole
                assert (s.begin, s.end) == (cut.begin(s.first), cut.begin(s.last))


def test_equal_shares_are_one_stretch():
    cut = ProportionalCut(np.array([96, 96]), 1, 32)
    assert len(cut.stretches(0, cut.batches)) == 1 == len(Cut(100, 7).stretches(0, 15))


def test_the_batches_that_are_wanted_of_a_stretch():
    stretch, = Cut(60, 10).stretches(0, 6)
    found = list(stretch.where(np.array([True, True, False, True, False, False])))
    assert [(s.first, s.last, s.begin, s.end) for s in found] == [(0, 2, 0, 20), (3, 4, 30, 40)]


# ---- the same numbers as one process


@pytest.mark.parametrize("sizes", SHARDS)
def test_ranks_are_one_network(sizes):
    assert_as_one(sizes)


KINDS = {name: getattr(optim, name) for name in optim.__all__}
OPTIMIZERS = {name: kind() for name, kind in KINDS.items() if issubclass(kind, optim.Optimizer)} | {
    "momentum": SGD(0.05, momentum=0.9), "nesterov": SGD(0.05, momentum=0.9, nesterov=True),
    "adamw": AdamW(0.01, weight_decay=0.1), "l2": SGD(0.05, l2=0.1), "l1": Adam(0.01, l1=0.01),
    "clipped": SGD(0.05, clip_norm=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    """50 steps and more."""
    assert_as_one((60, 20), optimizer=OPTIMIZERS[name], epochs=10)


NETWORKS = {
    "ties": lambda seed: network(seed=seed, ties=[TiedGroup([(1, 0, 0), (2, 3, 1), (1, 2, 3)]),
                                                  Frozen(2, np.eye(7, OUT, dtype=bool), 0.5)]),
    "shared layers": lambda seed: network((D, 7, 7, 7, OUT), ties=[tie_layers(2, 3)], seed=seed),
    "deep": lambda seed: network((D, *[8] * 6, OUT), seed=seed),
    "wide": lambda seed: network((D, 300, OUT), seed=seed),
    "cross entropy": lambda seed: network(loss="cross_entropy", seed=seed),
    "python loss": lambda seed: network(loss=lambda x, y: (((x - y) ** 2).sum(axis=1), 2 * (x - y)), seed=seed),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sizes", [(60, 20), (25, 0, 9)])
def test_networks(name, sizes):
    assert_as_one(sizes, NETWORKS[name], (X, LABELS) if name == "cross entropy" else (X, Y))


NORMALISED = {
    "rows": lambda seed: network((D, 7, BatchNorm(), 6, BatchNorm(0.3), OUT), seed=seed),
    "first": lambda seed: network((D, BatchNorm(), 7, OUT), seed=seed),
    "residual": lambda seed: network((D, 7, Residual(BatchNorm(), 7, BatchNorm()), OUT), seed=seed),
    "maps": lambda seed: network(((D, 1, 1), Conv2D(4, (2, 1)), BatchNorm(), OUT), seed=seed),
}


@pytest.mark.parametrize("name", NORMALISED)
@pytest.mark.parametrize("sizes", [(60, 20), (25, 0, 9), (1, 30, 17)])
@pytest.mark.parametrize("weight", [None, WEIGHT, WEIGHT * (np.arange(N) >= 28)], ids=["none", "all", "some"])
def test_statistics_of_batches_are_of_all_ranks(name, sizes, weight):
    """SGD: a bias before a normalisation has no gradient but its rounding, of which Adam would make whole steps."""
    nets, one = assert_as_one(sizes, NORMALISED[name], weight=weight, epochs=5, optimizer=SGD(0.01, momentum=0.5))
    for net in nets:
        assert net._network.core.statistics.tobytes() == nets[0]._network.core.statistics.tobytes()
    np.testing.assert_allclose(nets[0]._network.core.statistics, one._network.core.statistics, **CLOSE)


@pytest.mark.parametrize("name", NORMALISED)
@pytest.mark.parametrize("sizes", [(60, 20), (25, 0, 9)])
def test_rows_that_are_attacked_by_running_statistics(name, sizes):
    """Norm 2: steps by the signs of derivatives may go elsewhere for a last digit."""
    assert_as_one(sizes, NORMALISED[name], weight=WEIGHT, epochs=3, optimizer=SGD(0.01),
                  adversarial=Attack(0.3, max_iter=2, norm=2))


@pytest.mark.parametrize("name", NORMALISED)
@pytest.mark.parametrize("sizes", [(60, 20), (25, 0, 9)])
@pytest.mark.parametrize("weight", [None, WEIGHT * (np.arange(N) >= 28)], ids=["none", "some"])
def test_a_sensitivity_penalty_through_the_statistics_of_all(name, sizes, weight):
    nets, one = assert_as_one(sizes, NORMALISED[name], weight=weight, epochs=5, optimizer=SGD(0.01),
                              gradient_penalty=0.1)
    np.testing.assert_allclose(nets[0].history["gradient_penalty"], one.history["gradient_penalty"], **CLOSE)


def test_statistics_of_batches_are_the_same_on_any_number_of_threads():
    fits = [together((60, 20), NORMALISED["rows"], X, Y, batch_size=40, epochs=3, n_threads=n) for n in (1, 3)]
    assert_the_same([net for nets in fits for net in nets])


def test_statistics_between_averages_are_of_each_rank_and_then_averaged():
    """By hand: two networks apart that each take one batch an epoch."""
    sizes = (40, 20)
    options = dict(optimizer=SGD(0.05), shuffle=False)
    nets = together(sizes, NORMALISED["rows"], X, Y, batch_size=60, epochs=3, sync=7, **options)
    assert_the_same(nets)
    apart = [NORMALISED["rows"](0) for _ in sizes]
    for _ in range(3):
        for rank, net in enumerate(apart):
            net.partial_fit(shard(X, sizes, rank), shard(Y, sizes, rank), batch_size=40, **options)
        learned = [(2 * a + b) / 3 for a, b in zip(*(net._network.learned for net in apart))]
        for net in apart:
            net._network.learned = learned
    for found, wanted in zip(nets[0]._network.learned, apart[0]._network.learned):
        np.testing.assert_allclose(found, wanted, **CLOSE)


@pytest.mark.parametrize("weight", [WEIGHT, WEIGHT * (np.arange(N) >= 40), WEIGHT * (np.arange(N) % 29 == 0)],
                         ids=["all", "none on rank 0", "few"])
def test_weights_of_rows(weight):
    """Their mean is 1 over all ranks; a batch without any is no step."""
    for sizes in (40, 40), (43, 0, 37):
        assert_as_one(sizes, weight=weight, batch=4)


def test_a_sensitivity_penalty():
    nets, one = assert_as_one((60, 20), gradient_penalty=0.1)
    np.testing.assert_allclose(nets[0].history["gradient_penalty"], one.history["gradient_penalty"], **CLOSE)


@pytest.mark.parametrize("sizes", [(60, 20), (50, 0, 30)])
def test_the_mean_of_the_weights(sizes):
    nets, _ = assert_as_one(sizes, ema=0.9, callbacks=[lambda net, epoch, logs: False])
    assert not np.allclose(nets[0].params, assert_as_one(sizes)[1].params)


@pytest.mark.parametrize("sizes", [(60, 20), (50, 0, 30)])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 2: 0.5}])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_classes_are_counted_on_all_ranks(sizes, class_weight, weight):
    labels = np.sort(LABELS)  # some ranks do not have some of them
    assert_as_one(sizes, NETWORKS["cross entropy"], (X, labels), weight, label_smoothing=0.1, class_weight=class_weight)


def test_rates_of_dropout_that_change():
    rates = [0.5, 0.0, 0.2]
    assert_as_one((40, 0), lambda seed: network((D, 7, Dropout(lambda epoch: rates[epoch]), OUT), seed=seed), epochs=3)


def test_the_optimizer_state_goes_on():
    """Two fits that follow each other, of which the second goes on, also where the ranks' networks were others."""
    sizes, order = (60, 20), order_of_the_union((60, 20), 16)

    def fit(comm):
        net = network(seed=comm.rank)
        for epochs in (1, 2):
            net.partial_fit(shard(X, sizes, comm.rank), shard(Y, sizes, comm.rank), Adam(0.01), batch_size=16,
                            epochs=epochs, shuffle=False, comm=comm)
        return net

    nets, one = all_of(2, fit), network()
    assert_the_same(nets)
    one.partial_fit(X[order], Y[order], Adam(0.01), batch_size=16, epochs=3, shuffle=False)
    np.testing.assert_allclose(nets[0].params, one.params, **CLOSE)


def test_what_is_drawn_is_the_same_each_time_and_not_on_each_rank():
    """Shuffle, dropout, noise: ranks with the same rows draw otherwise."""
    make = lambda seed: network((D, 7, Dropout(0.3), OUT), seed=seed)
    rows = np.concatenate([X[:32], X[:32]]), np.concatenate([Y[:32], Y[:32]])
    for options in ({}, {"shuffle": False}, {"shuffle": False, "input_noise": 0.1}):
        first, again = (together((32, 32), make, *rows, batch_size=8, epochs=3, **options) for _ in range(2))
        assert_the_same([*first, *again])
        # were they to draw the same, this would be one rank with a batch of half the size
        one = make(0)
        one.fit(X[:32], Y[:32], batch_size=4, epochs=3, **options)
        assert abs(first[0].params - one.params).max() > 1e-6


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("chunk", [0, 8])
def test_threads_and_chunks_do_not_change_bits(threads, chunk):
    def make(seed):
        net = network(seed=seed)
        net._network.core.chunk_rows = chunk
        return net

    nets = together((60, 20), make, X, Y, batch_size=40, epochs=3, n_threads=threads)
    assert_the_same([*nets, *together((60, 20), network, X, Y, batch_size=40, epochs=3, n_threads=1)])


@pytest.mark.parametrize("sizes", [(60, 20), (50, 0, 30)])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_windows_of_rows_on_each_rank(sizes, weight):
    options = dict(batch_size=10, epochs=3, shuffle=False, weight=weight)
    whole, read = together(sizes, network, X, Y, **options), together(sizes, network, X, Y, window=20, **options)
    for one, other in zip(whole, read):
        assert one.params.tobytes() == other.params.tobytes()
        np.testing.assert_allclose(one.history["loss"], other.history["loss"], rtol=1e-13)
    assert_the_same(together(sizes, network, X, Y, window=20, batch_size=10, callbacks=[EarlyStopping("loss")]))


def test_one_rank_is_none():
    plain, ranked = network(), network()
    plain.fit(X, Y, epochs=2)
    ranked.fit(X, Y, epochs=2, comm=SerialCommunicator())
    assert_the_same([plain, ranked])


# ---- steps of their own between averages


@pytest.mark.parametrize("sizes", [(48, 48), (60, 20), (50, 0, 30)])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("ties", [(), [TiedGroup([(1, 0, 0), (2, 3, 1)]), Frozen(2, np.eye(7, OUT, dtype=bool), 0.5)]])
def test_an_average_after_each_step_of_sgd_is_the_step_of_all(sizes, weight, ties):
    options = dict(optimizer=SGD(0.05), batch_size=10, epochs=3, shuffle=False, weight=weight)
    make = lambda seed: network(ties=ties, seed=seed)
    step, local = together(sizes, make, X, Y, **options), together(sizes, make, X, Y, sync=1, **options)
    assert_the_same(local)
    np.testing.assert_allclose(local[0].params, step[0].params, **CLOSE)
    np.testing.assert_allclose(local[0].history["loss"], step[0].history["loss"], **CLOSE)


@pytest.mark.parametrize("steps", [1, 2, 4, 100])
@pytest.mark.parametrize("window", [None, 24])
def test_averages_of_weights_and_state(steps, window):
    """By hand: two networks apart, averaged after each of some steps and at the end of each epoch."""
    sizes, batch, batches, epochs = (40, 20), 12, 5, 2
    nets = together(sizes, network, X, Y, optimizer=Adam(0.01), batch_size=batch, epochs=epochs, shuffle=False,
                    sync=steps, window=window)
    assert_the_same(nets)
    apart = [network() for _ in sizes]
    rows = [shard(X, sizes, rank) for rank in range(2)], [shard(Y, sizes, rank) for rank in range(2)]
    for _ in range(epochs):
        for begin in range(0, batches, steps):
            end = min(begin + steps, batches)
            for rank, (net, take) in enumerate(zip(apart, (8, 4))):
                part = slice(begin * take, end * take)
                net.partial_fit(rows[0][rank][part], rows[1][rank][part], Adam(0.01), batch_size=take, shuffle=False)
            states = [net._network.progress.optimizer_state for net in apart]
            mean = lambda a, b: (2 * a + b) / 3     # the first has twice as many rows
            both = [mean(*arrays) for arrays in zip(*(state.arrays() for state in states))]
            p = mean(*(net.params for net in apart))
            for net, state in zip(apart, states):
                net.params = p
                for a, values in zip(state.arrays(), both):
                    a[...] = values
    np.testing.assert_allclose(nets[0].params, apart[0].params, **CLOSE)


@pytest.mark.filterwarnings("ignore:the loss was not finite")
def test_a_loss_that_is_not_finite_between_averages():
    y = Y.copy()
    y[48 + 30] = 1e200
    nets = together((48, 48), network, X, y, batch_size=16, epochs=3, shuffle=False, sync=4)
    assert_the_same(nets)
    assert (nets[1].params == network().params).all() and nets[0].history["loss"] == []


def test_no_callbacks_of_batches_between_averages():
    nets = [network(), network()]
    _, errors = on_ranks(2, lambda comm: nets[comm.rank].fit(X[:40], Y[:40], callbacks=[Batches()], sync=2, comm=comm))
    assert all("on_batch_end" in str(error) for error in errors)
    assert all(net._network.progress.optimizer_state is None for net in nets)  # it was said before anything changed


def test_no_mean_of_the_weights_between_averages():
    _, errors = on_ranks(2, lambda comm: network().fit(X[:40], Y[:40], ema=0.9, sync=2, comm=comm))
    assert all("ema must be None" in str(error) for error in errors)


# ---- what is measured


@pytest.mark.parametrize("sizes", [(60, 20), (50, 0, 30)])
def test_validation_and_metrics_are_of_all_ranks(sizes):
    validation = RNG.standard_normal((sum(sizes), D)), RNG.standard_normal((sum(sizes), OUT)), WEIGHT[:sum(sizes)]
    options = dict(metrics=["r2", "mae"], validation=validation)
    nets = together(sizes, network, X, Y, batch_size=16, epochs=3, **options)
    assert_the_same(nets)
    history, net = nets[0].history, nets[0]
    np.testing.assert_allclose(history["val_loss"][-1], net.evaluate(*validation), **CLOSE)
    difference = abs(validation[1] - net.predict(validation[0])).mean(axis=1)
    np.testing.assert_allclose(history["val_mae"][-1], np.average(difference, weights=validation[2]), rtol=1e-12)


@pytest.mark.parametrize("sizes", [(60, 20), (50, 0, 30)])
@pytest.mark.parametrize("loss, y, metric", [("squared_error", Y, "mae"), ("cross_entropy", LABELS, "accuracy")])
def test_sets_of_validation_rows_are_of_all_ranks(sizes, loss, y, metric):
    """Also where but one rank gives weights."""
    n, heavy = sum(sizes), np.where(np.arange(sum(sizes)) < sizes[0], WEIGHT[:sum(sizes)], 1.0)

    def fit(comm):
        cut = lambda a: shard(a, sizes, comm.rank)
        net = network(loss=loss, seed=comm.rank)
        sets = {"old": (cut(X), cut(y)), "new": (cut(X[::-1]), cut(y), *[cut(heavy)] * (comm.rank == 0))}
        net.fit(cut(X), cut(y), validation_data=sets, metrics=metric, epochs=2, comm=comm)
        return net

    nets = all_of(len(sizes), fit)
    assert_the_same(nets)
    net, history = nets[0], nets[0].history
    for name, rows, weight in ("old", X[:n], None), ("new", X[::-1][:n], heavy):
        assert history[f"{name}_loss"][-1] == pytest.approx(net.evaluate(rows, y[:n], weight), rel=1e-12)
        x = net.predict(rows)
        right = abs(x - y[:n]).mean(axis=1) if metric == "mae" else x.argmax(axis=1) == y[:n]
        assert history[f"{name}_{metric}"][-1] == pytest.approx(np.average(right, weights=weight), rel=1e-12)


def test_metrics_of_the_training_rows():
    for sizes in (50, 30), (0, 80):
        nets = together(sizes, lambda seed: network(loss="cross_entropy", seed=seed), X, LABELS, metrics="accuracy",
                        epochs=3)
        expected = (nets[0].predict(X[:80]).argmax(axis=1) == LABELS[:80]).mean()
        assert nets[1].history["accuracy"][-1] == pytest.approx(expected, abs=1e-12)


def test_a_fraction_is_held_out_on_each_rank():
    nets = together((60, 20), network, X, Y, validation_fraction=0.25, epochs=2)
    assert_the_same(nets)
    assert len(nets[0].history["val_loss"]) == 2
    _, errors = on_ranks(2, lambda comm: network().fit(X[:1], Y[:1], validation_fraction=0.1, comm=comm))
    assert all("validation_fraction" in str(error) for error in errors)


# ---- what is decided together


class Record(Callback):
    def __init__(self, stops=0):
        self.epochs, self.batches, self.stops = [], [], stops

    def on_epoch_end(self, net, epoch, logs):
        self.epochs.append((epoch, logs["loss"]))
        return len(self.epochs) == self.stops


class OnEveryRank(Record):
    every_rank = True


class Batches(Record):
    def on_batch_end(self, net, batch, logs):
        self.batches.append(logs["loss"])
        return len(self.batches) == 3


@pytest.mark.parametrize("kind, called", [(Record, [True, False]), (OnEveryRank, [True, True])])
def test_callbacks_are_called_on_rank_0_or_on_every_rank(kind, called):
    def fit(comm):
        record = kind(stops=2 * (comm.rank == called.count(True) - 1))
        network().fit(X[:40], Y[:40], epochs=5, callbacks=[record], comm=comm)
        return len(record.epochs)

    assert all_of(2, fit) == [2 * was for was in called]    # and one that stops stops all


def test_a_callback_of_batches():
    def fit(comm):
        record, net = Batches(), network(seed=comm.rank)
        net.fit(shard(X, (60, 20), comm.rank), shard(Y, (60, 20), comm.rank), batch_size=16, callbacks=[record],
                epochs=4, shuffle=False, comm=comm)
        return net, record.batches

    (net, batches), (other, nothing) = all_of(2, fit)
    assert_the_same([net, other])
    assert len(batches) == 3 and nothing == []
    rows = order_of_the_union((60, 20), 16)[:16]
    assert batches[0] == pytest.approx(network().evaluate(X[rows], Y[rows]), rel=1e-12)


@pytest.mark.parametrize("monitor", ["val_loss", "loss", "gradient_penalty"])
def test_early_stopping_gives_all_ranks_the_best_weights(monitor):
    validation = X[:80], Y[::-1][:80]

    def fit(comm):
        net, stop = network(seed=comm.rank), EarlyStopping(monitor, patience=2)
        part = [shard(a, (60, 20), comm.rank) for a in (X, Y)]
        net.fit(*part, SGD(0.3), epochs=40, comm=comm, callbacks=[stop], gradient_penalty=0.01,
                validation_data=tuple(shard(a, (60, 20), comm.rank) for a in validation))
        return net, stop

    (net, stop), (other, _) = all_of(2, fit)
    assert_the_same([net, other])
    if monitor == "val_loss":
        assert net.evaluate(*validation) == pytest.approx(min(net.history["val_loss"]), rel=1e-12)
        assert len(net.history["val_loss"]) == stop.best_epoch + 2 < 40


def test_a_callback_on_rank_0_may_change_the_weights():
    def half(net, epoch, logs):
        net.params = net.params / 2

    assert_as_one((60, 20), epochs=3, callbacks=[half])


def test_files_are_written_by_rank_0(tmp_path):
    def fit(comm):
        net = network(seed=comm.rank)
        net.fit(X[:40], Y[:40], epochs=2, comm=comm, callbacks=[callbacks.CSVLogger(tmp_path / str(comm.rank))])

    all_of(2, fit)
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.filterwarnings("ignore:the loss was not finite")
def test_a_loss_that_is_not_finite_on_one_rank(rank):
    """All stop before the step of the fourth batch, and undo that of the third, as one does."""
    y = Y.copy()
    y[48 * rank + 3 * 8 + 2] = 1e200
    nets, _ = assert_as_one((48, 48), arrays=(X, y))
    rows, one = order_of_the_union((48, 48), 16)[:32], network()
    one.fit(X[rows], Y[rows], Adam(0.01), batch_size=16, epochs=1, shuffle=False)
    for net in nets:
        np.testing.assert_allclose(net.params, one.params, **CLOSE)
        assert net.history["loss"] == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_that_diverges_diverges_on_all_ranks(dtype):
    with pytest.warns(DivergenceWarning):
        nets = together((60, 20), lambda seed: MLP([D, 9, OUT], dtype=dtype, random_state=seed), X, Y,
                        optimizer=SGD(1e6), epochs=5)
    assert_the_same(nets)
    assert np.isfinite(nets[0].params).all()


def normalised(loss):
    return network((D, 7, BatchNorm(), BatchNorm(), OUT), loss=loss)


class Wrong(Exception):
    """One that is not Python's."""


@pytest.mark.parametrize("error, found", [(KeyboardInterrupt("stop"), KeyboardInterrupt), (OSError("disk"), OSError),
                                          (Wrong("odd"), RuntimeError)])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("event", ["on_fit_begin", "on_epoch_end", "on_batch_end", "on_fit_end"])
def test_an_exception_of_a_callback_on_one_rank_ends_all(error, found, rank, event):
    def fails(net, *arguments):
        raise error

    def fit(comm):
        callback = callbacks.LambdaCallback(**{event: fails})
        callback.every_rank = True
        network().fit(X[:40], Y[:40], comm=comm, callbacks=[callback] if comm.rank == rank else [])

    began = time.monotonic()
    _, errors = on_ranks(2, fit)
    assert time.monotonic() - began < 5
    assert errors[rank] is error
    assert type(errors[1 - rank]) is found and f"rank {rank}: " in str(errors[1 - rank])


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("make", [network, normalised])
def test_an_exception_within_a_batch_ends_all(rank, make):
    """In the row phase, from where it has to go on to the exchange, while others settle the columns of a layer."""
    def fit(comm):
        calls = []

        def loss(x, y):
            calls.append(1)
            if comm.rank == rank and len(calls) == 5:
                raise Wrong("now")
            return ((x - y) ** 2).sum(axis=1), 2 * (x - y)

        make(loss=loss).fit(X[:40], Y[:40], batch_size=8, epochs=9, comm=comm)

    _, errors = on_ranks(2, fit)
    assert isinstance(errors[rank], Wrong) and str(errors[1 - rank]) == f"rank {rank}: Wrong: now"


BAD = {
    "X of one rank": lambda rank: dict(X=X[:40] * (np.nan if rank == 1 else 1)),
    "y of one rank": lambda rank: dict(y=Y[:39 + (rank == 0)]),
    "sample_weight of one rank": lambda rank: dict(sample_weight=WEIGHT[:40] * (-1) ** rank),
    "sample_weight of all": lambda rank: dict(sample_weight=np.zeros(40)),
    "epochs": lambda rank: dict(epochs=2 + rank),
    "sync of one rank": lambda rank: dict(sync=1 - rank),
    "sync": lambda rank: dict(sync=1 + rank),
    "optimizer": lambda rank: dict(optimizer=Adam(0.1 * (1 + rank))),
    "batch_size": lambda rank: dict(batch_size=8 * (1 + rank)),
    "shuffle": lambda rank: dict(shuffle=rank == 0),
    "validation_data": lambda rank: dict(validation_data=(X, Y) if rank else None),
    "validation_data of other names": lambda rank: dict(validation_data={"ab"[rank]: (X, Y)}),
    "validation_data of another order": lambda rank: dict(validation_data=dict.fromkeys(["ab", "ba"][rank], (X, Y))),
    "metrics": lambda rank: dict(metrics=["r2", "mae"][rank]),
    "callbacks of one rank": lambda rank: dict(callbacks=[] if rank else 7),
    "the network": lambda rank: {},
    "no rows": lambda rank: dict(X=X[:0], y=Y[:0]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_on_one_rank_is_an_error_on_all_before_anything_changed(name):
    def fit(comm):
        net = network((D, 7 + comm.rank if name == "the network" else 7, OUT), seed=comm.rank)
        before = net.params
        given = dict(X=X[:40], y=Y[:40], comm=comm) | BAD[name](comm.rank)
        with pytest.raises((ValueError, TypeError), match=name.split(" of ")[0].replace("no rows", "X")) as caught:
            net.fit(**given)
        assert (net.params == before).all()
        return str(caught.value)

    first, second = all_of(2, fit)
    assert first.removeprefix("rank 1: ") == second.removeprefix("rank 0: ")


def test_a_network_that_is_being_fitted_on_one_rank():
    def fit(comm):
        together = lambda net, *_: net.fit(X[:40], Y[:40], comm=comm)
        if comm.rank == 0:
            together(network())
        else:
            network().fit(X[:40], Y[:40], callbacks=[together])

    _, errors = on_ranks(2, fit)
    assert isinstance(errors[1], RuntimeError) and str(errors[0]) == f"rank 1: {errors[1]}"


# ---- communicators


@pytest.mark.parametrize("comm", [3, "world", object(), SerialCommunicator, np.zeros(3)])
def test_what_is_no_communicator(comm):
    with pytest.raises(TypeError, match="^comm must be"):
        network().fit(X, Y, comm=comm)


def test_a_users_object_that_has_no_text():
    class Mute:
        def __repr__(self):
            raise ZeroDivisionError

    nets = [network(loss="cross_entropy") for _ in range(2)]
    _, errors = on_ranks(2, lambda comm: nets[comm.rank].fit(X[:9], LABELS[:9], comm=comm, class_weight=[Mute()]))
    assert all(isinstance(error, TypeError) and "class_weight must be a dict" in str(error) for error in errors)


@pytest.mark.parametrize("rank, size, error", [("a", 2, TypeError), (2, 2, ValueError), (-1, 2, ValueError),
                                               (0, 0, ValueError), (0.0, 2, TypeError)])
def test_a_rank_that_is_none(rank, size, error):
    comm = SerialCommunicator()
    comm.rank, comm.size = rank, size
    with pytest.raises(error, match="^the (rank|size) of comm must be"):
        network().fit(X, Y, comm=comm)


def test_what_is_no_communicator_of_mpi():
    with pytest.raises(TypeError, match="^comm must be a communicator of mpi4py, got 3"):
        MPICommunicator(3)


def test_what_is_one():
    assert isinstance(SerialCommunicator(), Communicator)
    assert communicator_of(SerialCommunicator()).size == 1


def test_no_thread_or_handler_is_left():
    import signal

    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    together((60, 20), network, X, Y, epochs=1)
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
    assert threading.active_count() == 1 or all(not t.name.startswith("fastmlp") for t in threading.enumerate())
