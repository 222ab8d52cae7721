"""Predicting 1, 100 and a million rows, 64-100-10, softmax included, and some rows by several threads at once:
python benchmarks/run/predict.py --help

Each contestant settles on whole calls or pieces of 4096 rows, and on one BLAS thread or all. All must predict the same,
else the exit code is 1. Writes predict.json, predict.md and a chart.
"""
import functools
import sys

import numpy as np

import _path  # noqa: F401
from lib import contest, machine, report, timing
from lib.contestants import PREDICTING
from lib.processes import Failed, Refused, Remote
from lib.subjects import Subject
from lib.workloads import WORKLOADS

ROWS = (1, 100, 1_000_000)
TOGETHER = (("digits", 1), ("digits", 100), ("mnist-512", 1))  # workload, rows a call
SERVING = ("fastmlp", "fastmlp's C file", "pytorch", "onnxruntime")
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}  # of a probability


class Prepare:
    """Makes a subject ready for some rows and holds its predictions against those of the first."""

    def __init__(self, dtype):
        self.dtype, self.first, self.fine = dtype, {}, True

    def __call__(self, subject, rows):
        subject.call("open", "digits")
        way, predictions = subject.call("rows", rows)
        apart = np.abs(self.first.setdefault(rows, predictions) - predictions).max()
        if not apart <= TOLERANCE[self.dtype]:
            self.fine = False
            raise Failed(f"predictions differ by {apart}")
        return way


def together(args):
    """Calls a second of one Python thread and of one for each core, none of which starts others."""
    for item, rows in TOGETHER:
        subjects = {}
        for name in [name for name in args.contestants if name in SERVING]:
            subjects[name] = Remote(1, Subject, name, "float32", 1, pinned=False)
            try:
                subjects[name].call("open", item)
            except Refused:
                subjects.pop(name).close()
        rates = timing.interleaved({(name, workers): functools.partial(subject.call, "rate_together", rows, workers)
                                    for name, subject in subjects.items() for workers in machine.one_and_all()},
                                   args.rounds)
        for subject in subjects.values():
            subject.close()
        sizes = "-".join(map(str, WORKLOADS[item].sizes))
        for (name, workers), found in rates.items():
            yield {"item": sizes, "rows": rows, "contestant": name, "workers": workers, "rates": found}


def main():
    args = contest.arguments(__doc__, ROWS, PREDICTING, kind=int)
    found, fine = {"info": machine.describe(args.dtypes), "rows": []}, True
    print(machine.in_words(found["info"]), flush=True)
    for dtype in args.dtypes:
        for threads in args.threads:
            prepare = Prepare(dtype)
            for row in contest.contest(args, dtype, threads, prepare, "predict_seconds"):
                found["rows"].append(row)
                print(report.line(row), flush=True)
            fine = fine and prepare.fine
    found["together"] = list(together(args))
    report.write(found, args.out, "predict", charted=True)
    sys.exit(0 if fine else "the contestants do not predict the same")


if __name__ == "__main__":
    main()
