"""That all contestants compute the same: from the same weights over the same batches, the same loss and weights after some steps.

    python benchmarks/prove.py [workload ..]

Each trains two epochs of five batches and a shorter one, in order, with Adam; its eps is 1e-18 here, since some hold it against the
corrected and some against the uncorrected root, which are equal where it vanishes. Compared with fastmlp: the loss, relative, and
the weights, as the distance relative to the way that they have come. Exit code 1 where a distance is
above the tolerance. Writes proof.md where no workloads are named.
"""
import sys

import machine
import numpy as np
import tables
from contestants import TRAINING
from processes import Refused, Remote
from subjects import Subject
from workloads import PUBLISHED, TRAINED, WORKLOADS

TOLERANCE = {"float32": 1e-2, "float64": 1e-9}
EPOCHS = 2


def trained(subject, workload):
    """(loss, weights) by subject.call"""
    w = WORKLOADS[workload]
    rows = w.rows if w.batch == w.rows else 5 * w.batch + w.batch // 2
    subject.call("open", workload, {"rows": rows, "batch": min(w.batch, rows)}, {"shuffle": False, "eps": 1e-18})
    return subject.call("train", EPOCHS)


def flat(weights):
    return np.concatenate([a.ravel() for pair in weights for a in pair]).astype(np.float64)


def distances(workload, dtype, ours, theirs):
    """(of the losses, of the weights), relative"""
    start = flat(WORKLOADS[workload].weights(dtype))
    (loss, weights), (loss2, weights2) = ours, theirs
    a, b = flat(weights), flat(weights2)
    return abs(loss2 - loss) / abs(loss), np.linalg.norm(b - a) / np.linalg.norm(a - start)


def check(names, workloads, dtype, threads=1):
    """Rows of (workload, dtype, contestant, loss, distances, whether they are within the tolerance); None for what was refused."""
    subjects = {name: Remote(threads, Subject, name, dtype, threads) for name in names}
    for workload in workloads:
        ours = None
        for name, subject in subjects.items():
            try:
                found = trained(subject, workload)
            except Refused as reason:
                yield workload, dtype, name, str(reason), None, None
                continue
            ours = ours or found
            apart = distances(workload, dtype, ours, found)
            yield workload, dtype, name, found[0], apart, max(apart) <= TOLERANCE[dtype]
    for subject in subjects.values():
        subject.close()


def lines(names, workloads, dtypes):
    """The comparison as a table, line by line, each with whether it holds."""
    yield "| workload | dtype | contestant | loss | loss apart | weights apart | tolerance | |\n|---|---|---|---|---|---|---|---|", True
    for dtype in dtypes:
        for workload, _, name, loss, apart, within in check(names, workloads, dtype):
            if apart is None:
                yield f"| {workload} | {dtype} | {name} | {loss} | | | | left out |", True
                continue
            yield (f"| {workload} | {dtype} | {name} | {loss:.9g} | {apart[0]:.1e} | {apart[1]:.1e} | {TOLERANCE[dtype]:g} | "
                   f"{'the same' if within else 'DIFFERENT'} |", within)


def main():
    written, fine = [], True
    for line, within in lines(TRAINING, sys.argv[1:] or [*TRAINED, *PUBLISHED], list(TOLERANCE)):
        print(line, flush=True)
        written.append(line)
        fine = fine and within
    if not sys.argv[1:]:
        machine.RESULTS.mkdir(exist_ok=True)
        words = __doc__.split("\n\n", 2)[2].strip() + " `python benchmarks/prove.py`"
        page = tables.page("The contestants compute the same", machine.describe(), words, "\n".join(written))
        (machine.RESULTS / "proof.md").write_text(page + "\n")
    sys.exit(0 if fine else "the contestants do not compute the same")


if __name__ == "__main__":
    main()
