"""Ranks that are threads of one process: a communicator for tests of what ranks decide together."""
import threading

import numpy as np

import fastmlp
from fastmlp import _core
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

    def parts(self, edges, dtype, forms_size):
        meet = lambda: self.barrier.wait(SECONDS)
        self.buffers[self.rank] = [_core.aligned(edges[-1], dtype), _core.aligned(edges[-1], dtype),
                                   _core.aligned(forms_size, np.uint8)]
        meet()
        gradients, parameters, forms = zip(*self.buffers)
        meet()
        return Parts(self.rank, edges, gradients, parameters[0], forms[0], meet, lambda: None)


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


def fits(comm, X, y):
    """What ranks learn of their rows: a network with batches' statistics, and a classifier that stops by a score."""
    net = fastmlp.MLP([X.shape[1], 33, fastmlp.BatchNorm(), 401, y.shape[1]], random_state=comm.rank)
    net.fit(X, y, "adam", batch_size=32, epochs=3, comm=comm, n_threads=1)
    est = fastmlp.MLPClassifier(max_iter=20, n_iter_no_change=1, tol=0.1, early_stopping=True, n_threads=1)
    est.set_params(random_state=0).fit(X, np.array(["north", "east", "south"])[y.argmax(axis=1)], comm=comm)
    return {"net": net.params.astype(float).tolist(), "est": est.coefs_[0].tolist(), "classes": est.classes_.tolist(),
            "scores": est.validation_scores_}


def order_of_the_union(sizes, batch):
    """Numbers of the rows, the ranks' one after another, in the order in which batches take them without shuffle: the
    definition, by sorting."""
    due = sorted(((i + 0.5) / n, rank, i) for rank, n in enumerate(sizes) for i in range(n))
    first = np.concatenate([[0], np.cumsum(sizes)])
    order = []
    for begin in range(0, len(due), batch):
        order += sorted(first[rank] + i for _, rank, i in due[begin:begin + batch])
    return np.array(order)
