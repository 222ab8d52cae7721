"""Predicting 1, 100 and a million rows, 64-100-10, softmax included: python benchmarks/run/predict.py --help

Each contestant settles on whole calls or pieces of 4096 rows, and on one BLAS thread or all. All must predict the same,
else the exit code is 1. Writes predict.json, predict.md and a chart.
"""
import sys

import numpy as np

import _path  # noqa: F401
from lib import contest, machine, report
from lib.contestants import PREDICTING
from lib.processes import Failed

ROWS = (1, 100, 1_000_000)
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
    report.write(found, args.out, "predict", charted=True)
    sys.exit(0 if fine else "the contestants do not predict the same")


if __name__ == "__main__":
    main()
