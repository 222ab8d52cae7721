"""One process that sums in groups of rows, as so many ranks do: to the same bits. test_distributed_mpi.py has it of
ranks that are processes."""
import copy
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from fastmlp import MLP, BatchNorm, Dropout, EarlyStopping, MLPAutoencoder, MLPClassifier, MLPRegressor
from fastmlp.distributed import SerialCommunicator
from ranks import NETWORKS, OPTIMIZERS, all_of, shard
from wrong_values import Broken

RNG = np.random.default_rng(0)
N, D, OUT = 90, 5, 3
X, Y, WEIGHT = RNG.standard_normal((N, D)), RNG.standard_normal((N, OUT)), RNG.uniform(0, 2, N)
GROUPS = [(45, 45), (60, 30), (40, 0, 50), (1, 29, 30, 30)]


def network(seed=0, layers=(7, OUT), **options):
    return MLP([D, *layers], activation="tanh", random_state=seed, **options)


def learned(net):
    state = net._network.progress.optimizer_state
    return [a.tobytes() for a in (net.params, net._network.core.statistics, *state.arrays())], dict(net.history)


def of_ranks(sizes, make=network, weight=None, **options):
    """What a network learned on the first of ranks that are threads."""

    def fit(comm):
        net = make(comm.rank)
        cut = lambda a: shard(a, sizes, comm.rank)
        net.fit(cut(X), cut(Y), sample_weight=None if weight is None else cut(weight), comm=comm, **options)
        return learned(net)

    return all_of(len(sizes), fit)[0]


def in_groups(groups, make=network, weight=None, **options):
    net = make()
    net.fit(X, Y, sample_weight=weight, comm=SerialCommunicator(groups), **options)
    return learned(net)


@pytest.mark.parametrize("sizes", GROUPS, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name, sizes):
    layers, given, options = NETWORKS[name]
    make = lambda seed=0: network(seed, layers, **given)
    options = dict(batch_size=16, epochs=2) | options
    assert in_groups(sizes, make, **options) == of_ranks(sizes, make, **options)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    options = dict(optimizer=OPTIMIZERS[name], batch_size=16, epochs=2, weight=WEIGHT)
    assert in_groups((60, 30), **options) == of_ranks((60, 30), **options)


@pytest.mark.parametrize("groups, sizes", [(2, (45, 45)), (4, (23, 23, 22, 22)), (np.array([89, 1]), (89, 1))])
def test_groups_by_number_are_of_even_size(groups, sizes):
    found = in_groups(groups, batch_size=16)
    assert found == of_ranks(sizes, batch_size=16)
    assert found[0] != in_groups(1, batch_size=16)[0]


def test_going_on():
    """With the optimiser's state."""
    net, comm = network(), SerialCommunicator((60, 30))
    for _ in range(2):
        net.partial_fit(X, Y, "adam", comm=comm)

    def fit(comm):
        net = network(comm.rank)
        for _ in range(2):
            net.partial_fit(shard(X, (60, 30), comm.rank), shard(Y, (60, 30), comm.rank), "adam", comm=comm)
        return learned(net)

    assert learned(net) == all_of(2, fit)[0]


def test_others_may_go_on():
    """More ranks, of which a new one has a copy, then one process."""
    net = network()
    net.partial_fit(X, Y, "adam", comm=SerialCommunicator((60, 30)))
    net.partial_fit(X, Y, "adam", comm=SerialCommunicator((1, 29, 60)))
    net.partial_fit(X, Y, "adam")
    nets = [network(seed) for seed in range(2)]
    for sizes in ((60, 30), (1, 29, 60)):
        nets += [copy.deepcopy(nets[1]) for _ in sizes[len(nets):]]
        all_of(len(sizes), lambda comm: nets[comm.rank].partial_fit(
            shard(X, sizes, comm.rank), shard(Y, sizes, comm.rank), "adam", comm=comm))
    for one in nets:
        one.partial_fit(X, Y, "adam")
        assert learned(one)[0] == learned(net)[0]


def test_callbacks_and_validation():
    """The former of the first group alone, the latter of rows that are cut evenly."""
    threads, nets, stop = [], [], EarlyStopping("val_loss", patience=1)
    net = network()

    def look(seen, epoch, logs):
        threads.append(threading.current_thread())
        nets.append(seen)

    net.fit(X, Y, epochs=9, comm=SerialCommunicator(3), callbacks=[look, stop], validation_data=(X[:31], Y[:31]))
    assert {*threads} == {threading.current_thread()} and all(one is net for one in nets)
    assert net.history["val_loss"][-1] == pytest.approx(net.evaluate(X[:31], Y[:31]), rel=1e-12)
    assert threading.active_count() == 1 or not any("group" in one.name for one in threading.enumerate())


FORMS = {
    "lists": (X.tolist(), Y.tolist()),
    "sparse": (sparse.csc_matrix(X), Y),
    "frames": (pd.DataFrame(X, index=np.arange(N)[::-1]), pd.DataFrame(Y)),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_rows(form):
    net = network()
    net.fit(*FORMS[form], epochs=2, comm=SerialCommunicator(2))
    np.testing.assert_allclose(net.params, network_of_arrays().params, rtol=1e-12, atol=1e-12)


def network_of_arrays():
    net = network()
    net.fit(X, Y, epochs=2, comm=SerialCommunicator(2))
    return net


ESTIMATORS = {
    "classifier": (MLPClassifier, np.array(["north", "east", "south"])[Y.argmax(axis=1)]),
    "regressor": (MLPRegressor, Y),
    "autoencoder": (MLPAutoencoder, None),
}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("warm_start", [False, True])
def test_estimators(name, warm_start):
    kind, y = ESTIMATORS[name]
    # a rank that is a process shuffles a second time where its own stream of random numbers stands
    make = lambda: kind(hidden_layer_sizes=(9,), max_iter=3, random_state=0, warm_start=warm_start,
                        shuffle=not warm_start)

    def fit(comm):
        est, seen = make(), []
        cut = lambda a: a if isinstance(comm, SerialCommunicator) or a is None else shard(a, (50, 40), comm.rank)
        est.callbacks = [lambda net, epoch, logs: seen.append(epoch)]
        for _ in range(2):
            est.fit(cut(X), cut(y), cut(WEIGHT), comm=comm)
        return [a.tobytes() for a in est.coefs_], est.loss_curve_, seen

    one = fit(SerialCommunicator((50, 40)))
    assert one == all_of(2, fit)[0]
    assert len(one[2]) == 6


def test_sparse_rows_of_an_estimator():
    """Which have no len."""
    for form in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array):
        found, wanted = (MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(
            rows, Y, comm=SerialCommunicator((0, 50, N - 50)))._mlp().params for rows in (form(X), X))
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_a_group_without_weight():
    """Is as one without rows."""
    weight = np.where(np.arange(N) < 50, 0.0, 1.0)
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    loss = model.fit(X, Y, weight, comm=SerialCommunicator((50, N - 50))).loss_
    assert np.isfinite(loss)
    with pytest.raises(ValueError, match="sample_weight must not be all 0"):
        model.fit(X, Y, 0 * weight, comm=SerialCommunicator((50, N - 50)))


def test_validation_rows_of_an_autoencoder():
    model = MLPAutoencoder((2,), max_iter=3, monitor="loss", random_state=0)
    model.fit(X, validation_data=X[:30], comm=SerialCommunicator(2))
    assert len(model.validation_scores_) == 3
    with pytest.raises(ValueError, match="monitor must be 'loss' for validation rows where comm is given"):
        MLPAutoencoder((2,)).fit(X, validation_data=X[:30], comm=SerialCommunicator(2))


def test_validation_rows_of_an_estimator():
    comm = SerialCommunicator(2)
    options = dict(validation_data=(X[:20], Y[:20]), comm=comm), dict(X_val=X[:20], y_val=Y[:20], comm=comm)
    first, second = (MLPRegressor(hidden_layer_sizes=(9,), max_iter=50, random_state=0, tol=0.1).fit(X, Y, **one)
                     for one in options)
    assert first.validation_scores_ == second.validation_scores_
    assert first.best_validation_score_ == pytest.approx(max(first.validation_scores_))


BAD = {
    "fewer y": (dict(y=Y[:9]), ValueError, "^y must have 90 rows, as X has, got 9"),
    "more weights": (dict(sample_weight=np.ones(91)), ValueError, "^sample_weight must have 90 rows"),
    "groups of other rows": (dict(comm=SerialCommunicator((9, 9))), ValueError, "^X must have 18 rows, as the groups"),
    "X": (dict(X=3), TypeError, "^X must have rows"),
    "infinity": (dict(X=np.where(np.arange(N)[:, None] == 80, np.inf, X)), ValueError, "rank 1: X must be finite"),
    "optimizer": (dict(optimizer="nothing"), ValueError, "^optimizer"),
    "window": (dict(window=9), ValueError, "^window must be None"),
    "batches": (dict(X=None, y=None, batches=[(X, Y)]), ValueError, "comm must be None"),
    "validation_data": (dict(validation_data=(3, 4)), TypeError, "^validation_data must have rows"),
    "callbacks": (dict(callbacks=7), TypeError, "^callbacks"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused_before_anything_changed(name):
    given, kind, message = BAD[name]
    net = network()
    before = net.params
    with pytest.raises(kind, match=message):
        net.fit(**dict(X=X, y=Y, comm=SerialCommunicator(2)) | given)
    assert (net.params == before).all() and net.history == {}


def test_a_window_that_shows_nothing_of_itself():
    with pytest.raises(ValueError, match="^window must be None where comm has groups.* got a list"):
        network().fit(X, Y, comm=SerialCommunicator(2), window=[Broken()])


@pytest.mark.parametrize("groups", ["2", 0, -1, 1.5, (), (3, -1), (2, "3"), np.ones((2, 2)), None, 10**6])
def test_groups_that_are_none(groups):
    with pytest.raises((TypeError, ValueError), match="groups must be"):
        SerialCommunicator(groups)


@pytest.mark.parametrize("where", ["callback", "loss"])
def test_an_exception_ends_all(where):
    calls = []

    def loss(x, y):
        calls.append(threading.current_thread())
        if where == "loss" and len(calls) == 9:
            raise OSError("now")
        return ((x - y) ** 2).sum(axis=1), 2 * (x - y)

    def look(net, epoch, logs):
        if where == "callback" and epoch == 2:
            raise OSError("now")

    with pytest.raises(OSError, match="now"):
        network(loss=loss).fit(X, Y, epochs=9, batch_size=10, comm=SerialCommunicator(3), callbacks=[look])
    assert not any("group" in one.name for one in threading.enumerate())


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")
def test_ctrl_c_ends_all():
    net = network(layers=(9, BatchNorm(), Dropout(0.5), OUT))
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=10**6, comm=SerialCommunicator(3))
    assert time.monotonic() - began < 3 and np.isfinite(net.params).all()
    assert not any("group" in one.name for one in threading.enumerate())


def test_a_rank_that_cannot_talk_ends_all(monkeypatch):
    """As where a buffer finds no memory."""
    from fastmlp._fit import groups

    of_all, calls = groups.Group._of_all, []

    def fails(group, buffer):
        calls.append(group.rank)
        if group.rank == 1 and calls.count(1) == 30:
            raise MemoryError("no room")
        return of_all(group, buffer)

    monkeypatch.setattr(groups.Group, "_of_all", fails)
    with pytest.raises(MemoryError, match="no room"):
        network().fit(X, Y, epochs=99, comm=SerialCommunicator(3))
