"""Ranks that divide each step: each steps a part of the parameters, and the bits are those of ranks that step all."""
import os

import numpy as np
import pytest

from fastmlp import (
    MLP,
    SGD,
    Adam,
    BatchNorm,
    Callback,
    Columns,
    Conv2D,
    Embedding,
    MaxPool2D,
    Periodic,
    PiecewiseLinear,
    Residual,
    TiedGroup,
    _core,
    optim,
)
from fastmlp._fit.collective import Together
from fastmlp._fit.mlp import NetworkPlan
from fastmlp.distributed import parts
from ranks import DividingCommunicator, ThreadCommunicator, all_of, on_ranks, shard

RNG = np.random.default_rng(0)
D, OUT, N = 6, 3, 80
X, Y = RNG.standard_normal((N, D)), RNG.standard_normal((N, OUT))
WEIGHT = RNG.uniform(0, 2, N) * (np.arange(N) % 7 > 0)
SHARDS = [(40, 40), (60, 0, 20), (1, 30, 9, 40)]

KINDS = {name: getattr(optim, name) for name in optim.__all__}
OPTIMIZERS = {name: kind() for name, kind in KINDS.items() if issubclass(kind, optim.Optimizer)} | {
    "l2": SGD(0.05, l2=0.1), "l1": Adam(0.01, l1=0.01), "clipped": Adam(0.01, clip_norm=0.1)}
LAYERS = {
    "narrow": (D, 7, OUT),
    "in two groups": (D, 64, 64, OUT),
    "in panels": (D, 150, 200, OUT),
    "one output": (D, 300, 1),
    "statistics": (D, 70, BatchNorm(), OUT),
    "waves": (D, Periodic(4, 1.0), 33, OUT),
    "bins": (D, PiecewiseLinear([np.linspace(-3, 3, 6 + i) for i in range(D)], 16), OUT),
    "sums": (D, 40, Residual(40, 40), OUT),
    "maps": ((D, 1, 1), Conv2D(8, (2, 1)), MaxPool2D((2, 1)), 20, OUT),
}


def fits(sizes, make, kind, rows=X, y=Y, weight=None, threads=(1,), **options):
    """(weights, the optimiser's state, losses) of each rank."""

    def fit(comm):
        net = make()
        cut = lambda a: None if a is None else shard(a, sizes, comm.rank)
        net.fit(cut(rows), cut(y), batch_size=20, shuffle=False, sample_weight=cut(weight), comm=comm,
                n_threads=threads[comm.rank % len(threads)], **{"epochs": 2, **options})
        return found(net)

    return all_of(len(sizes), fit, kind)


def found(net):
    state = net._network.progress.optimizer_state
    return net.params.tobytes(), [a.tobytes() for a in state.arrays()], net.history["loss"]


def assert_divided_as_whole(sizes, make, **options):
    divided = fits(sizes, make, DividingCommunicator, **options)
    whole = fits(sizes, make, ThreadCommunicator, **options)
    assert all(one == whole[0] for one in [*divided, *whole])


@pytest.mark.parametrize("sizes", SHARDS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, dtype, sizes):
    layers = LAYERS[name]
    y = Y[:, :layers[-1]]
    make = lambda: MLP(list(layers), dtype=dtype, random_state=0)
    assert_divided_as_whole(sizes, make, y=y, optimizer="adam", weight=WEIGHT, threads=(1, 2))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("sizes", SHARDS, ids=str)
def test_tables_of_categories(sizes, optimizer):
    """SGD steps the rows that occur alone."""
    rows = np.column_stack([X[:, :2], RNG.integers(0, 50, N), RNG.integers(0, 900, N)])
    layers = [4, Columns(2, [Embedding(50, 5, "zero"), Embedding(900, 17, "zero")]), 33, OUT]
    assert_divided_as_whole(sizes, lambda: MLP(layers, random_state=0), rows=rows, optimizer=optimizer)


def test_operands_in_bfloat16():
    make = lambda: MLP([D, 150, 200, OUT], dtype="float32", precision="bfloat16", random_state=0)
    assert_divided_as_whole((50, 30), make, optimizer="adam")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    make = lambda: MLP([D, 30, 20, OUT], random_state=0)
    assert_divided_as_whole((50, 30), make, optimizer=OPTIMIZERS[name])


class Batches(Callback):
    """One that has each batch be a call of the engine."""

    def on_batch_end(self, net, batch, logs):
        return False


@pytest.mark.parametrize("options", [{"gradient_penalty": 0.1}, {"ema": 0.9}, {"input_noise": 0.1},
                                     {"callbacks": [Batches()]}], ids=lambda options: next(iter(options)))
def test_options(options):
    make = lambda: MLP([D, 70, 20, OUT], activation="tanh", random_state=0)
    assert_divided_as_whole((50, 30), make, optimizer="adam", **options)


@pytest.mark.parametrize("threads", [(1,), (2, 1)], ids=str)
def test_ranks_that_are_ahead_wait(threads):
    """For each layer that others have not stepped, or of which they have no gradient yet: with more ranks than cores
    some are behind everywhere."""
    make = lambda: MLP([D, 250, 130, 250, OUT], random_state=0)
    assert_divided_as_whole((11, 29, 24, 16), make, optimizer="adam", threads=threads, epochs=20)


def test_ties_and_chunks():
    tied = lambda: MLP([D, 7, OUT], ties=[TiedGroup([(1, 0, 0), (2, 3, 1)])], random_state=0)
    assert_divided_as_whole((50, 30), tied, optimizer="adam")

    def in_chunks():
        net = MLP([D, 70, OUT], random_state=0)
        net._network.core.chunk_rows = 4
        return net

    assert_divided_as_whole((50, 30), in_chunks, optimizer="adam", threads=(2, 1))


@pytest.mark.parametrize("kind", [ThreadCommunicator, DividingCommunicator])
def test_each_rank_steps_its_part(kind, monkeypatch):
    """As the state shows before the end of the fit, where it is put together."""
    monkeypatch.setattr(Together, "_spread_state", lambda ranks: None)

    def fit(comm):
        net = MLP([16, 30, 20, 12], random_state=0)
        net.fit(np.tile(X, 3)[:20, :16], np.tile(Y, 4)[:20], "adam", epochs=1, comm=comm)
        slot = net._network.progress.optimizer_state.slots[0].copy()
        own = []
        for begin, end in net._network.core.parts(2)[comm.rank]:
            own.append(slot[begin:end].any())
            slot[begin:end] = 0
        return all(own), slot.any()

    assert all_of(2, fit, kind) == [(True, kind is ThreadCommunicator)] * 2


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_each_layer_is_cut_evenly(ranks):
    """Into tiles of 8 rows, here of 304, 208 and 208 elements: the last layer is kept as its transpose."""
    core = MLP([100, 300, 200, 10], random_state=0)._network.core
    places = core.parts(ranks)
    assert places.shape == (ranks, 3, 2)
    pieces = sorted(map(tuple, places.reshape(-1, 2).tolist()))
    covered = np.zeros(len(core.P), int)
    for begin, end in pieces:
        covered[begin:end] += 1
    assert (covered == 1).all()
    sizes = places[..., 1] - places[..., 0]
    assert (np.ptp(sizes, axis=0) <= np.array([304, 208, 208]) * 8 + 304).all()


def test_layers_with_fewer_rows_than_ranks():
    places = MLP([2, 1], random_state=0)._network.core.parts(7)
    assert (places[:, 0, 0] < places[:, 0, 1]).sum() == 1


@pytest.mark.parametrize("size", [1, 2, 5])
def test_ranks_meet(size):
    """Nobody goes on before all have come, what was written before is seen, and sums are in the order of the ranks."""
    memory = _core.aligned(size * _core.Meeting.BYTES, np.uint8)
    written, numbers = np.zeros(size, np.int64), np.random.default_rng(0).standard_normal((300, size, 4))
    wanted = numbers[:, 0].copy()
    for rank in range(1, size):
        wanted += numbers[:, rank]

    def meet(comm):
        meeting, found = _core.Meeting(memory, comm.rank, size), numbers[:, comm.rank].copy()
        for i in range(300):
            written[comm.rank] = i
            meeting.sums(found[i])
            if not (written >= i).all():
                return i
            meeting.meet()
        return found.tobytes()

    assert all_of(size, meet) == [wanted.tobytes()] * size


@pytest.mark.skipif(not os.path.isdir(parts.SHARED_FOLDER), reason="shared memory is not in a folder")
def test_memory_that_is_too_large_to_share_is_not_asked_for():
    """Writing to it would kill the process."""
    assert parts._fits(4096) and not parts._fits(10**18)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("call", [6, None], ids=["within an epoch", "after one"])
def test_what_ends_a_fit_leaves_the_state_whole(rank, call, monkeypatch):
    """As it is where steps are not divided."""
    end_epoch = NetworkPlan.end_epoch

    def ends(plan, result):
        found = end_epoch(plan, result)
        if call is None and plan.epochs.ranks.rank == rank and found[0] == 2:
            raise ZeroDivisionError
        return found

    monkeypatch.setattr(NetworkPlan, "end_epoch", ends)

    def states(kind):
        nets, calls = [None, None], [0, 0]

        def loss_of(number):
            def loss(x, y):
                calls[number] += 1
                if number == rank and calls[number] == call:
                    raise ZeroDivisionError
                return ((x - y) ** 2).sum(axis=1), 2 * (x - y)

            return loss

        def fit(comm):
            net = nets[comm.rank] = MLP([D, 30, 20, OUT], loss=loss_of(comm.rank), random_state=0)
            cut = lambda a: shard(a, (40, 40), comm.rank)
            net.fit(cut(X), cut(Y), "adam", batch_size=10, epochs=3, shuffle=False, comm=comm)

        _, errors = on_ranks(2, fit, kind)
        assert all(isinstance(error, ZeroDivisionError) for error in errors)
        return [found(net)[:2] for net in nets]

    whole, divided = states(ThreadCommunicator), states(DividingCommunicator)
    assert whole[0] == whole[1] == divided[0] == divided[1]
