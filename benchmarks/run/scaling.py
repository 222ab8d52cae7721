"""How time and memory grow: python benchmarks/run/scaling.py [--quick] [--out FOLDER]

Time of training in float32 with Adam by rows, batch, width, depth and threads, the memory of training by rows, each in
a process of its own, and the time of one backprop on one core by the number of weights. Points are timed in interleaved
rounds. Writes scaling.json, scaling.md and scaling.png. Exit code 1 where memory is above its bound, data + 3 x
parameters + 64 MB, the interpreter included, or the time of a backprop a weight is more than twice that of another
size.
"""
import contextlib
import resource
import statistics
import sys

import numpy as np

import _path  # noqa: F401
import fastmlp
from lib import machine, options, report, timing
from lib.processes import Remote, one_core

MIB = 2**20
ALLOWED = 64  # MB besides data and parameters
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
# multiplications by weights of a point, and the fewest batches, so that what a call costs is spread
WORK, BATCHES = 2e9, 8
ROWS = [10**k for k in range(3, 8)]
THREADED = {"digits": ((64, 100, 10), 200), "mnist-512": ((784, 512, 512, 10), 128),
            "wide": ((256, 1024, 1024, 10), 256)}


def weights(sizes):
    return sum(a * b for a, b in zip(sizes, sizes[1:]))


def trainer(sizes, batch, rows, threads=None):
    """A call that trains an epoch; data and network are made when it is first called."""
    made = []

    def epoch():
        if not made:
            rng = np.random.default_rng(0)
            made.extend((fastmlp.MLP(list(sizes), random_state=0), rng.standard_normal((rows, sizes[0]), np.float32),
                         rng.standard_normal((rows, sizes[-1]), np.float32)))
        net, X, y = made
        net.partial_fit(X, y, fastmlp.Adam(), batch_size=batch, n_threads=threads)

    return epoch


def some_rows(sizes, batch):
    """As many rows as make a point of WORK, in whole batches."""
    return batch * max(BATCHES, round(min(WORK / weights(sizes), 200_000) / batch))


def point(sizes, batch, threads=None):
    rows = some_rows(sizes, batch)
    return rows, trainer(sizes, batch, rows, threads)


class Memory:
    """In a process of its own: what training rows of 8 numbers takes at its peak."""

    SIZES = (8, 32, 1)

    def train(self, rows):
        X, y = np.empty((rows, self.SIZES[0]), np.float32), np.empty(rows, np.float32)
        rng = np.random.default_rng(0)
        for array in (X, y):
            rng.standard_normal(dtype=np.float32, out=array)
        net = fastmlp.MLP(list(self.SIZES), random_state=0)
        before = self.peak()
        net.fit(X, y, fastmlp.Adam(), epochs=1, batch_size=256)
        bound = (X.nbytes + y.nbytes + 3 * net.params.nbytes) / MIB + ALLOWED
        return {"rows": rows, "peak": self.peak(), "before training": before, "data": (X.nbytes + y.nbytes) / MIB,
                "bound": bound}

    @staticmethod
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / MIB


def memory(rows):
    with Remote(machine.cores(), Memory) as fresh:
        return fresh.call("train", rows)


def backprop(Q, batch=256):
    """Of two hidden layers of equal width on 32 inputs, about Q weights in all."""
    h = int((-34 + np.sqrt(34**2 + 4 * Q)) / 2)
    net, rng = fastmlp.MLP([32, h, h, 1], random_state=0), np.random.default_rng(0)
    X, y = rng.standard_normal((batch, 32), np.float32), rng.standard_normal(batch, np.float32)
    return net.n_params, lambda: net.backprop(X, y)


def curves(most_rows):
    """{panel: {x: (how many units a call does, call)}}; a figure is seconds a unit."""
    cores = machine.cores()
    found = {
        "rows": {n: (n, trainer(Memory.SIZES, 256, n)) for n in ROWS if n <= most_rows},
        "batch": {b: point((64, 100, 10), b) for b in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)},
        "width": {},
        "depth": {},
        "weights": {n: (n, call) for n, call in map(backprop, np.logspace(4, 7, 10))},
    }
    for h in (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
        rows, call = point((64, h, h, 10), 256)
        found["width"][h] = rows * weights((64, h, h, 10)), call
    for L in (1, 2, 4, 8, 16, 32, 64):
        rows, call = point((64, *[64] * L, 10), 256)
        found["depth"][L] = rows * weights((64, *[64] * L, 10)), call
    for name, (sizes, batch) in THREADED.items():
        found[f"threads, {name}"] = {t: point(sizes, batch, t) for t in range(1, 2 * cores + 1)}
    return found


def measure(points, rounds):
    """{x: [seconds a unit of each round]}; the first call of each warms up."""
    for _, call in points.values():
        call()
    taken = timing.interleaved({x: lambda call=call: timing.seconds(call, 0.05) for x, (_, call) in points.items()},
                               rounds, pause=0)
    return {x: [s / units for s in taken[x]] for x, (units, _) in points.items()}


def main():
    p = options.parser(__doc__)
    p.add_argument("--quick", action="store_true", help="one round, at most a hundred thousand rows")
    args = p.parse_args()
    rounds, most = (1, 10**5) if args.quick else (5, ROWS[-1])
    found = {"info": machine.describe(["float32"]), "curves": {}}
    print(machine.in_words(found["info"]), flush=True)
    found["memory"] = [memory(n) for n in ROWS if n <= most]
    for m in found["memory"]:
        print(f"memory: {m['rows']:>9,} rows, peak {m['peak']:.0f} MB, bound {m['bound']:.0f} MB", flush=True)
    for panel, points in curves(most).items():
        with one_core() if panel == "weights" else contextlib.nullcontext():
            taken = measure(points, rounds)
        found["curves"][panel] = [{"x": x, "seconds": values} for x, values in taken.items()]
        print(f"{panel}: " + ", ".join(f"{x:,} {statistics.median(v) * 1e9:.3g}" for x, v in taken.items()) + " ns",
              flush=True)
    report.write(found, args.out, "scaling", charted=True)
    sys.exit("\n".join(broken(found)) or 0)


def broken(found):
    """What is not as it should be."""
    each = [statistics.median(point["seconds"]) for point in found["curves"]["weights"]]
    if max(each) > 2 * min(each):
        yield f"a backprop's time by weights is not proportional: {max(each) / min(each):.2f} times the least a weight"
    for m in found["memory"]:
        if m["peak"] > m["bound"]:
            yield f"memory above its bound at {m['rows']} rows"


if __name__ == "__main__":
    main()
