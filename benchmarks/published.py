"""Networks for which others have published figures: python benchmarks/published.py --help

Each step or call in interleaved rounds, and the time to the same loss with a cold start: a new process imports, builds, compiles and
takes the same steps over the same batches. Writes published.json, published.md and a chart.
"""
import argparse
import time

import contest
import machine
import report
import timing
from contestants import TRAINING
from processes import Failed, Refused, Remote
from subjects import Subject
from workloads import PUBLISHED

GRADIENT = "gradient-200"
EPOCHS = {"matrix-exponential": 500, "higgs-shaped": 5}  # with a cold start
UNCACHED = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}  # what was compiled in an earlier run is not used


def prepare_training(subject, workload):
    subject.call("open", workload)
    return subject.call("settle")


def prepare_gradient(subject, workload):
    subject.call("open", workload)
    subject.call("gradient_seconds")
    return ""


def cold(name, workload, threads):
    """Seconds from nothing to the loss that the epochs lead to, and that loss."""
    began = time.perf_counter()
    with Remote(threads, Subject, name, "float32", threads, environ=UNCACHED) as subject:
        subject.call("open", workload, {}, {"shuffle": False})
        loss, _ = subject.call("train", EPOCHS[workload])
        return time.perf_counter() - began, loss


def cold_rows(names, workload, threads, rounds):
    losses, able = {}, []
    for name in names:
        try:
            losses[name] = cold(name, workload, threads)[1]  # once more than counts: files come into the system's cache
            able.append(name)
        except (Refused, Failed) as why:
            print(f"{name} left out of {workload}: {str(why).strip().splitlines()[-1]}", flush=True)
    taken = timing.interleaved({name: lambda name=name: cold(name, workload, threads)[0] for name in able}, rounds)
    return [{"item": workload, "dtype": "float32", "threads": threads, "contestant": name, "cold": True, "way": "", "seconds": taken[name],
             "epochs": EPOCHS[workload], "loss": losses[name]} for name in able]


def main():
    args = contest.arguments(__doc__, PUBLISHED, TRAINING, ["float32"])
    found = {"info": machine.describe(["float32"]), "rows": []}
    print(machine.in_words(found["info"]), flush=True)
    trained = [item for item in args.items if item != GRADIENT]
    parts = [(trained, args.threads, prepare_training, "epoch_seconds"),
             ([GRADIENT] if GRADIENT in args.items else [], [1], prepare_gradient, "gradient_seconds")]
    for items, numbers, prepare, measure in parts:
        some = argparse.Namespace(**{**vars(args), "items": items})
        for threads in numbers:
            found["rows"] += map(shown, contest.contest(some, "float32", threads, prepare, measure))
    for workload in trained:
        found["rows"] += map(shown, cold_rows(args.contestants, workload, max(args.threads), min(args.rounds, 3)))
    contest.write(found, args.out, "published")


def shown(row):
    print(report.line(row), flush=True)
    return row


if __name__ == "__main__":
    main()
