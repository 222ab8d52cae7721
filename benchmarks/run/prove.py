"""That all contestants compute the same: from the same weights over the same batches, the same loss and weights after
some steps.

    python benchmarks/run/prove.py --help

Each trains two epochs of five batches and a shorter one, in order, with Adam; its eps is 1e-18 here, since some hold it
against the corrected and some against the uncorrected root, which are equal where it vanishes. Compared with fastmlp:
the loss, relative, and the weights, as the distance relative to the way that they have come. Each does so in ways that
have all of its options, on all threads. Exit code 1 where a distance is above its tolerance. Writes proof.md.
"""
import sys

import numpy as np

import _path  # noqa: F401
from lib import machine, options, tables
from lib.contestants import TRAINING
from lib.processes import Refused, Remote
from lib.subjects import Subject
from lib.workloads import PUBLISHED, TRAINED, WORKLOADS

TOLERANCE = {"float32": (1e-3, 1e-2), "float64": (1e-9, 1e-9)}  # of the loss, of the weights
EPOCHS = 2


def trained(subject, workload, way=None):
    """(loss, weights) by subject.call, in the way of that name"""
    w = WORKLOADS[workload]
    rows = w.rows if w.batch == w.rows else 5 * w.batch + w.batch // 2
    subject.call("open", workload, {"rows": rows, "batch": min(w.batch, rows)}, {"shuffle": False, "eps": 1e-18})
    if way:
        subject.call("take", way)
    return subject.call("train", EPOCHS)


def flat(weights):
    return np.concatenate([a.ravel() for pair in weights for a in pair]).astype(np.float64)


def distances(workload, dtype, ours, theirs):
    """(of the losses, of the weights), relative"""
    start = flat(WORKLOADS[workload].weights(dtype))
    (loss, weights), (loss2, weights2) = ours, theirs
    a, b = flat(weights), flat(weights2)
    return abs(loss2 - loss) / abs(loss), np.linalg.norm(b - a) / np.linalg.norm(a - start)


def same(apart, dtype):
    """Whether distances are within their tolerances."""
    return all(distance <= most for distance, most in zip(apart, TOLERANCE[dtype]))


def check(names, workloads, dtype):
    """Rows of (workload, contestant, way, loss, distances); of what was refused why in the place of the loss, and no
    distances."""
    threads = machine.cores()
    subjects = {name: Remote(threads, Subject, name, dtype, threads) for name in names}
    for workload in workloads:
        ours = None
        for name, subject in subjects.items():
            try:
                found = trained(subject, workload)
                ours = ours or found
                for k, way in enumerate(subject.call("ways_with_all_options")):
                    found = trained(subject, workload, way) if k else found
                    yield workload, name, way, found[0], distances(workload, dtype, ours, found)
            except Refused as reason:
                yield workload, name, "", str(reason), None
    for subject in subjects.values():
        subject.close()


def lines(names, workloads, dtypes):
    """The comparison as a table, line by line, each with whether it holds."""
    yield "| workload | dtype | contestant | way | loss | loss apart | weights apart | |", True
    yield "|---|---|---|---|---|---|---|---|", True
    for dtype in dtypes:
        for workload, name, way, loss, apart in check(names, workloads, dtype):
            if apart is None:
                yield f"| {workload} | {dtype} | {name} | | {loss} | | | left out |", True
                continue
            holds = same(apart, dtype)
            yield (f"| {workload} | {dtype} | {name} | {way} | {loss:.9g} | {apart[0]:.1e} | {apart[1]:.1e} | "
                   f"{'the same' if holds else 'DIFFERENT'} |", holds)


def main():
    args = options.parser(__doc__, items=[*TRAINED, *PUBLISHED]).parse_args()
    info, written, fine = machine.describe(), [], True
    for line, holds in lines(TRAINING, args.items, list(TOLERANCE)):
        print(line, flush=True)
        written.append(line)
        fine = fine and holds
    args.out.mkdir(parents=True, exist_ok=True)
    words = __doc__.split("\n\n", 2)[2].strip() + " `python benchmarks/run/prove.py`"
    (args.out / "proof.md").write_text(tables.page("The contestants compute the same", info, words, "\n".join(written))
                                       + "\n")
    sys.exit(0 if fine else "the contestants do not compute the same")


if __name__ == "__main__":
    main()
