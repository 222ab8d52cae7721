"""Ranks against one process, and data out of core: python benchmarks/run/distributed.py --help

Float32, Adam, one thread a rank. By mpiexec, in rounds that take turns: an epoch of one process without a communicator,
of one rank with one, and of two ranks that share its rows; the time of a sum over two ranks by its size. An epoch of
mnist-512 from a memory map in the page cache, a window at a time, against the same rows in memory, by turns in one
process. Then what a model of the network makes of these times for up to 1,000 ranks. Needs mpi4py and mpich: pip
install "fastmlp[mpi]". Writes distributed.json, distributed.md and distributed.png.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import _path  # noqa: F401
import fastmlp
from lib import machine, options, report, timing
from lib.workloads import WORKLOADS

ITEMS = ("wide", "mnist-512", "mnist-100")
WINDOW = 1024
SUMS = [2**k for k in range(10, 25, 2)]  # bytes
WAYS = {"one process": (1, False), "one rank": (1, True), "two ranks": (2, True)}  # ranks, with a communicator


def made(name, rows):
    """(network, X, y, batch) of a workload, with so many rows."""
    w = WORKLOADS[name]
    X, y = type(w)(**{**vars(w), "rows": rows}).data("float32")
    loss = "cross_entropy" if w.classes else "squared_error"
    return fastmlp.MLP(list(w.sizes), loss=loss, activation=w.activation, random_state=0), X, y, w.batch


# ---- in each rank


def seconds_of_steps(name, comm):
    """The time of a step: of the fastest of a few epochs, since ranks wait for the slowest."""
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    net, X, y, batch = made(name, WORKLOADS[name].rows)
    rows, best = slice(len(X) * rank // size, len(X) * (rank + 1) // size), np.inf
    for _ in range(4):  # of which the first warms up
        began = time.perf_counter()
        net.partial_fit(X[rows], y[rows], fastmlp.Adam(), batch_size=batch, n_threads=1, comm=comm)
        best = min(best, time.perf_counter() - began)
    return best / -(-len(X) // batch)


def seconds_of_sums(comm):
    from fastmlp.distributed import communicator_of

    communicator, found = communicator_of(comm), {}
    for size in SUMS:
        buffer = np.ones(size // 4, np.float32)
        found[size] = min(timed(communicator.sum_, buffer) for _ in range(20))
    return found


def timed(call, *arguments):
    began = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - began


def in_a_rank(what, with_communicator):
    """Prints what rank 0 found."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD if with_communicator else None
    found = seconds_of_sums(comm) if what == "sums" else seconds_of_steps(what, comm)
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps(found))


def by_ranks(what, way):
    """What rank 0 prints."""
    ranks, with_communicator = WAYS[way]
    mpiexec = shutil.which("mpiexec", path=str(pathlib.Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        sys.exit('there is no mpiexec: pip install "fastmlp[mpi]"')
    command = [mpiexec, "-n", str(ranks), sys.executable, "-m", "mpi4py", __file__, "--rank", what,
               *["--communicator"] * with_communicator]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# ---- out of core


def out_of_core(rounds):
    """{way: seconds of an epoch of mnist-512 in each round}"""
    net, X, y, batch = made("mnist-512", 16 * WINDOW)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "X.npy"
        np.save(path, X)
        mapped = np.load(path, mmap_mode="r")
        train = lambda X, **given: net.partial_fit(X, y, fastmlp.Adam(), batch_size=batch, n_threads=1, **given)
        ways = {"in memory": lambda: train(X), "in windows": lambda: train(mapped, window=WINDOW)}
        for call in ways.values():
            call()
        return timing.compare(ways, rounds)


# ---- the model


def fitted(sums):
    """(alpha, beta): seconds of a message, and of a byte, from sums over two ranks. A sum over p ranks is 2 (p - 1)
    messages of each rank, that together are 2 (p - 1) / p of the buffer."""
    sizes = np.array([int(size) for size in sums])
    seconds = np.array(list(sums.values()))
    A = np.stack([np.full(len(sizes), 2.0), sizes.astype(float)], axis=1) / seconds[:, None]  # relative errors
    alpha, beta = np.linalg.lstsq(A, np.ones(len(sizes)), rcond=None)[0]
    return max(float(alpha), 1e-7), max(float(beta), 1e-12)


def main():
    p = options.parser(__doc__, 5, ITEMS)
    p.add_argument("--rank", help="within mpiexec: what this rank times")
    p.add_argument("--communicator", action="store_true", help="within mpiexec: with a communicator")
    args = p.parse_args()
    if args.rank:
        in_a_rank(args.rank, args.communicator)
        return
    found = {"info": machine.describe(["float32"]), "steps": []}
    for name in args.items:
        taken = timing.interleaved({way: lambda name=name, way=way: by_ranks(name, way) for way in WAYS}, args.rounds)
        batch = WORKLOADS[name].batch
        found["steps"].append({"item": name, "batch": batch, "parameters": made(name, batch)[0].n_params,
                               "seconds": taken})
        print(name, {way: statistics.median(values) for way, values in taken.items()}, flush=True)
    found["sums"] = by_ranks("sums", "two ranks")
    found["alpha"], found["beta"] = fitted(found["sums"])
    found["out of core"] = out_of_core(args.rounds)
    report.write(found, args.out, "distributed", charted=True)


if __name__ == "__main__":
    main()
