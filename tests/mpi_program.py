"""What test_distributed_mpi.py runs on each rank: python mpi_program.py SCENARIO FOLDER. Each rank leaves what it found
in a file of the folder."""
import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from mpi4py import MPI

import fastmlp
import ranks
from fastmlp.distributed import MPICommunicator, communicator_of

COMM = MPI.COMM_WORLD
RNG = np.random.default_rng(0)
X, Y, WEIGHT = RNG.standard_normal((160, 20)), RNG.standard_normal((160, 3)), RNG.uniform(0, 2, 160)

LAYERS = {"panels": (401, 3), "statistics": (70, fastmlp.BatchNorm(), 3), "small": (7, 3)}


def own(a):
    return ranks.shard(a, ranks.SIZES[COMM.size], COMM.rank)


def network(dtype="float64", units=40):
    return fastmlp.MLP([20, units, 3], dtype=dtype, activation="tanh", random_state=COMM.rank)


def fits():
    return ranks.fits(communicator_of(COMM), own(X), own(Y), own(WEIGHT))


class Apart(MPICommunicator):
    """As it is on several machines."""

    def parts(self, parameters, dtype, forms_size):
        return None


def train():
    """Small and large networks; steps that are divided, and steps that are not."""
    found = {}
    parts = communicator_of(COMM).parts(9, np.dtype("float32"), 64)
    assert parts is not None
    parts.close()
    for dtype in ("float64", "float32"):
        for units in (7, 1001):
            for kind in (lambda comm: comm, Apart):
                net = network(dtype, units)
                net.fit(own(X), own(Y), fastmlp.Adam(0.01), batch_size=32, epochs=4, shuffle=False, comm=kind(COMM),
                        n_threads=1)
                found.setdefault(f"{dtype} {units}", []).append(net.params.astype(float).tolist())
    return found


def sums():
    """Rounding shows the order in which the ranks are added."""
    comm, found = communicator_of(COMM), {}
    for n in (1, 3, 5000):
        for dtype in ("float32", "float64", "int64", "uint8"):
            a = (np.random.default_rng(COMM.rank).standard_normal((2, n)) * 9).astype(dtype)
            comm.sum_(a)
            found[f"{n} {dtype}"] = a.astype(float).tolist()
    return found


def failing(net, y):
    """What ended a fit in which one rank's loss raises, or is not finite, and what was learned before."""
    try:
        net.fit(own(X), own(y), "adam", batch_size=32, epochs=3, comm=COMM, shuffle=False, n_threads=1)
    except BaseException as error:
        return [type(error).__name__, str(error), learned(net)]
    return ["nothing", "", learned(net)]


def learned(net):
    state = net._network.progress.optimizer_state
    return [a.tobytes().hex() for a in (net.params, *state.arrays())]


def infinite():
    warnings.simplefilter("ignore")
    y = np.where(np.arange(160)[:, None] == 110, 1e200, Y)
    return {name: failing(fastmlp.MLP([20, *layers], dtype="float64", random_state=0), y)
            for name, layers in LAYERS.items()}


def raising():
    calls = []

    def loss(x, y):
        calls.append(1)
        if COMM.rank == 1 and len(calls) == 7:
            raise ZeroDivisionError("now")
        return ((x - y) ** 2).sum(axis=1), 2 * (x - y)

    found = {}
    for name, layers in LAYERS.items():
        calls.clear()
        found[name] = failing(fastmlp.MLP([20, *layers], loss=loss, random_state=0), Y)
    return found


def long_fit(before, seconds=30, batch=32, layers=(300, 3)):
    """A fit that something ends before its time: the kind and text of what ended it, and when."""
    def late(net, epoch, logs):
        return time.monotonic() > began + seconds

    began = time.monotonic()
    if COMM.rank == 1:
        before()
    try:
        fastmlp.MLP([20, *layers], random_state=0).fit(own(X), own(Y), batch_size=batch, epochs=10**6, comm=COMM,
                                                       callbacks=[late], n_threads=1)
    except BaseException as error:
        return [type(error).__name__, str(error), time.monotonic()]
    return ["nothing", "", time.monotonic()]


def interrupt():
    return long_fit(lambda: threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start())


def interrupt_normalised():
    """In a network whose rows need each other: ranks meet within a batch too."""
    return long_fit(lambda: threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start(),
                    layers=LAYERS["statistics"])


def limit():
    def over(number, frame):
        raise TimeoutError("it takes too long")

    signal.signal(signal.SIGALRM, over)
    return long_fit(lambda: signal.setitimer(signal.ITIMER_REAL, 0.5))


def kill():
    return long_fit(lambda: threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start())


def uncaught():
    """In a part of the program of one rank, while the others train."""
    if COMM.rank == 1:
        raise OSError("no such file")
    return long_fit(lambda: None)


if __name__ == "__main__":
    scenario, folder = sys.argv[1:]
    result = globals()[scenario]()
    (Path(folder) / str(COMM.rank)).write_text(json.dumps(result))
