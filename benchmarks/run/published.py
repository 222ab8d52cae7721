"""Networks for which others have published figures: python benchmarks/run/published.py --help

Each step or call in interleaved rounds, and in float32 the time to a loss with a cold start: a new process imports,
builds, compiles and trains, from the same weights over the same batches, until the loss over all rows, looked at every
few epochs, is as low as in TARGETS. It trains in the way that the contestant settled on before. Writes published.json,
published.md and a chart.
"""
import argparse
import time

import _path  # noqa: F401
from lib import contest, machine, report, timing
from lib.contestants import TRAINING
from lib.processes import Failed, Refused, Remote
from lib.subjects import Subject
from lib.workloads import PUBLISHED

GRADIENT = "gradient-200"
# loss, looked at every .. epochs, most epochs
TARGETS = {"matrix-exponential": (0.238, 10, 1000), "higgs-shaped": (0.088, 1, 10)}
COLD_ROUNDS = 3
UNCACHED = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}  # what was compiled in an earlier run is not used


def prepare_gradient(subject, workload):
    subject.call("open", workload)
    subject.call("gradient_seconds")
    return ""


def warm_rows(args, dtype, threads):
    trained = [item for item in args.items if item != GRADIENT]
    gradient = [GRADIENT] if GRADIENT in args.items and threads == 1 else []
    for items, prepare, measure in ((trained, contest.settled, "epoch_seconds"),
                                    (gradient, prepare_gradient, "gradient_seconds")):
        if items:
            some = argparse.Namespace(**{**vars(args), "items": items})
            yield from contest.contest(some, dtype, threads, prepare, measure)


def cold(row):
    """(Seconds from nothing to the loss, or to the most epochs, those that it took, the loss they led to) of what the
    row says."""
    began = time.perf_counter()
    with Remote(row["threads"], Subject, row["contestant"], row["dtype"], row["threads"], environ=UNCACHED) as subject:
        subject.call("open", row["item"], {}, {"shuffle": False})
        subject.call("take", row["way"])
        epochs, loss = subject.call("train_to", *TARGETS[row["item"]])
        return time.perf_counter() - began, epochs, loss


def able(row):
    """Whether there is a cold start at all; and files come into the system's cache."""
    try:
        cold(row)
        return True
    except (Refused, Failed) as why:
        print(f"{row['contestant']} left out of {row['item']}: {str(why).strip().splitlines()[-1]}", flush=True)
        return False


def cold_rows(warm, rounds):
    """Of one workload, for those that trained it warm."""
    rows = {row["contestant"]: row for row in warm if "way" in row and able(row)}
    taken = timing.interleaved({name: lambda row=row: cold(row) for name, row in rows.items()}, rounds)
    for name, row in rows.items():
        (target, *_), (seconds, epochs, losses) = TARGETS[row["item"]], zip(*taken[name])
        reached = {"seconds": list(seconds), "epochs": max(epochs), "loss": max(losses)}
        missed = {"refused": f"not reached: {max(losses):.6g} after {max(epochs)} epochs"}
        yield {**{key: row[key] for key in ("item", "dtype", "threads", "contestant", "way")}, "cold": True,
               "target": target, **(reached if max(losses) <= target else missed)}


def measured(args):
    for dtype in args.dtypes:
        for threads in args.threads:
            warm = []
            for row in warm_rows(args, dtype, threads):
                warm.append(row)
                yield row
            for workload in TARGETS if dtype == "float32" else ():
                yield from cold_rows([row for row in warm if row["item"] == workload], min(args.rounds, COLD_ROUNDS))


def main():
    args = contest.arguments(__doc__, PUBLISHED, TRAINING)
    found = {"info": machine.describe(args.dtypes), "rows": []}
    print(machine.in_words(found["info"]), flush=True)
    for row in measured(args):
        print(report.line(row), flush=True)
        found["rows"].append(row)
    report.write(found, args.out, "published", charted=True)


if __name__ == "__main__":
    main()
