"""Ranks that are threads of one process: a communicator for tests of what ranks decide together."""
import threading

import numpy as np

import fastmlp
from fastmlp import BatchNorm, Dropout, Frozen, TiedGroup, _core, optim, tie_layers
from fastmlp.distributed.parts import Parts

SECONDS = 5  # after which a rank that waits for others gives up


class ThreadCommunicator:
    """What ranks 0 .. size - 1 have in common is `shared`: a barrier and a place for each one's buffer."""

    def __init__(self, rank, size, shared):
        self.rank, self.size, (self.barrier, self.buffers) = rank, size, shared

    def _all(self, buffer):
        """The buffers of all ranks, in their order."""
        self.buffers[self.rank] = buffer.copy()
        self.barrier.wait(SECONDS)
        found = list(self.buffers)
        self.barrier.wait(SECONDS)
        assert len({(a.shape, a.dtype) for a in found}) == 1, [(a.shape, a.dtype) for a in found]
        return found

    def sum_(self, buffer):
        first, *others = self._all(buffer)
        buffer[...] = first
        for other in others:
            buffer += other

    def broadcast_(self, buffer):
        buffer[...] = self._all(buffer)[0]


class DividingCommunicator(ThreadCommunicator):
    """One whose ranks step a part of the parameters each."""

    def parts(self, parameters, dtype, forms_size):
        self.buffers[self.rank] = [_core.aligned(parameters, dtype), _core.aligned(parameters, dtype),
                                   _core.aligned(forms_size, np.uint8),
                                   _core.aligned(self.size * _core.Meeting.BYTES, np.uint8)]
        self.barrier.wait(SECONDS)
        gradients, parameters, forms, places = zip(*self.buffers)
        self.barrier.wait(SECONDS)
        meeting = _core.Meeting(places[0], self.rank, self.size)
        return Parts(gradients, parameters[0], forms[0], meeting, lambda: None)


def on_ranks(size, function, kind=ThreadCommunicator):
    """function(communicator) on each of some ranks at once: (results, exceptions) by rank, None where there is none.
    Fails where a rank does not end."""
    shared = threading.Barrier(size), [None] * size
    results, errors = [None] * size, [None] * size

    def run(rank):
        try:
            results[rank] = function(kind(rank, size, shared))
        except BaseException as error:
            errors[rank] = error

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    return results, errors


def all_of(size, function, kind=ThreadCommunicator):
    """The results of function(communicator) on each rank; the first exception is raised."""
    results, errors = on_ranks(size, function, kind)
    for error in errors:
        if error is not None:
            raise error
    return results


SIZES = {2: (100, 60), 4: (70, 0, 31, 59)}  # rows of the ranks that are processes, by how many there are


def shard(a, sizes, rank):
    """A rank's rows."""
    begin = sum(sizes[:rank])
    return a[begin:begin + sizes[rank]]


KINDS = {name: getattr(optim, name) for name in optim.__all__}
OPTIMIZERS = {name: kind() for name, kind in KINDS.items() if issubclass(kind, optim.Optimizer)} | {
    "momentum": optim.SGD(0.05, momentum=0.9), "nesterov": optim.SGD(0.05, momentum=0.9, nesterov=True),
    "adamw": optim.AdamW(0.01, weight_decay=0.1), "l2": optim.SGD(0.05, l2=0.1), "l1": optim.Adam(0.01, l1=0.01),
    "clipped": optim.SGD(0.05, clip_norm=0.1)}
TIES = (TiedGroup([(1, 0, 0), (2, 3, 1), (1, 2, 3)]), Frozen(2, np.eye(7, 3, dtype=bool), 0.5))
# layers after x(0), options of MLP, of fit
NETWORKS = {
    "ties": ((7, 3), dict(ties=TIES), {}),
    "shared layers": ((7, 7, 7, 3), dict(ties=[tie_layers(2, 3)]), {}),
    "statistics": ((33, BatchNorm(), 17, BatchNorm(0.3), 3), {}, {}),
    "dropout": ((33, Dropout(0.3), 3), {}, {}),
    "panels": ((401, 3), {}, {}),
    "clipped ties": ((7, 3), dict(ties=TIES), dict(optimizer=optim.Adam(0.01, clip_norm=0.1))),
    "noise": ((9, 3), {}, dict(input_noise=0.1)),
    "a penalty": ((9, 3), {}, dict(gradient_penalty=0.1)),
    "an average": ((9, 3), {}, dict(ema=0.9)),
    "in order": ((9, 3), {}, dict(shuffle=False)),
    "held out": ((9, 3), {}, dict(validation_fraction=0.25, metrics=["r2"])),
    "averages": ((9, 3), {}, dict(sync=2)),
}


def fits(comm, X, y, weight):
    """What ranks learn of their rows, or one process with groups of all: {what: numbers}, to the bit."""
    found = {}

    def fit(name, layers=(9, 3), network=None, weighted=False, dtype="float64", **options):
        net = fastmlp.MLP([X.shape[1], *layers], dtype=dtype, activation="tanh", random_state=comm.rank,
                          **(network or {}))
        history = net.fit(X, y, **{"optimizer": "adam", **options}, sample_weight=weight if weighted else None,
                          batch_size=32, epochs=2, n_threads=1, comm=comm)
        found[f"{name} {dtype}"] = [net.params.tobytes().hex(), net._network.core.statistics.tobytes().hex(), *map(
            list, history.values())]

    for dtype in ("float32", "float64"):
        for name, optimizer in OPTIMIZERS.items():
            fit(name, optimizer=optimizer, dtype=dtype)
        for name, (layers, network, options) in NETWORKS.items():
            fit(name, layers, network, dtype=dtype, **options)
        fit("weights", dtype=dtype, weighted=True)
    labels = np.array(["north", "east", "south"])[y.argmax(axis=1)]
    est = fastmlp.MLPClassifier(max_iter=20, n_iter_no_change=1, tol=0.1, early_stopping=True, n_threads=1)
    est.set_params(random_state=0).fit(X, labels, comm=comm)
    found["classifier"] = [est.coefs_[0].tobytes().hex(), est.classes_.tolist(), est.validation_scores_]
    est = fastmlp.MLPRegressor(max_iter=3, n_threads=1, random_state=0)
    est.fit(X, y, validation_data=(X, y, weight), comm=comm)  # as many of each rank's: evenly, where it has groups
    found["regressor"] = [est.coefs_[0].tobytes().hex()]
    return found


def order_of_the_union(sizes, batch):
    """Numbers of the rows, the ranks' one after another, in the order in which batches take them without shuffle: the
    definition, by sorting."""
    due = sorted(((i + 0.5) / n, rank, i) for rank, n in enumerate(sizes) for i in range(n))
    first = np.concatenate([[0], np.cumsum(sizes)])
    order = []
    for begin in range(0, len(due), batch):
        order += sorted(first[rank] + i for _, rank, i in due[begin:begin + batch])
    return np.array(order)
