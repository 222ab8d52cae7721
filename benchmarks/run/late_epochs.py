"""Do late epochs take as long as early ones? python benchmarks/run/late_epochs.py

For each optimiser with each penalty, dtype and instruction set: the median CPU time of the last 50 of 2000 epochs over
that of the first 50, on scikit-learn's digits, of which three pixels are 0 in all rows: the gradient of their weights
is that of the penalty alone. Prints a table, and fails where a ratio is above 1.2.
"""
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
from sklearn.datasets import load_digits

import _path  # noqa: F401
import fastmlp
from fastmlp import MLP, SGD, Adagrad, Adam, AdamW, Lion, MLPClassifier, NAdam, RMSprop, _core

EPOCHS, SOME, MOST = 2000, 50, 1.2
X, Y = load_digits(return_X_y=True)
STEPS = {
    "SGD": SGD(0.01),
    "SGD momentum 0.9": SGD(0.01, momentum=0.9),
    "SGD nesterov 0.9": SGD(0.01, momentum=0.9, nesterov=True),
    "Adam": Adam(),
    "NAdam": NAdam(),
    "RMSprop": RMSprop(0.001),
    "RMSprop momentum 0.9": RMSprop(0.001, momentum=0.9),
    "Adagrad": Adagrad(),
    "Lion": Lion(),
}
PENALTIES = {"": {}, ", l2 0.01": {"l2": 0.01}, ", l1 0.01": {"l1": 0.01}}
OPTIMIZERS = {
    **{name + added: replace(step, **penalty) for name, step in STEPS.items() for added, penalty in PENALTIES.items()},
    "AdamW, decay 0.01": AdamW(weight_decay=0.01),
    "AdamW, decay 1": AdamW(0.01, weight_decay=1.0),
    "Lion, decay 1": Lion(0.01, weight_decay=1.0),
}
ESTIMATORS = {"MLPClassifier": {}, "MLPClassifier, alpha 1": {"alpha": 1.0},
              "MLPClassifier, sgd, alpha 1": {"alpha": 1.0, "solver": "sgd"}}


class Clock(fastmlp.Callback):
    """The CPU time at the end of each epoch."""

    def __init__(self):
        self.times = []

    def on_epoch_end(self, net, epoch, logs):
        self.times.append(time.process_time())

    def ratio(self):
        taken = np.diff(self.times)
        return statistics.median(taken[-SOME:]) / statistics.median(taken[:SOME])


def ratio(name, dtype):
    clock = Clock()
    if name in OPTIMIZERS:
        net = MLP([64, 100, 10], loss="cross_entropy", dtype=dtype, random_state=0)
        net.fit(X, Y, OPTIMIZERS[name], EPOCHS, 200, callbacks=[clock], n_threads=1)
    else:
        MLPClassifier(max_iter=EPOCHS, n_iter_no_change=EPOCHS, tol=0, random_state=0, n_threads=1, callbacks=[clock],
                      **ESTIMATORS[name]).fit(X.astype(dtype), Y)
    return clock.ratio()


def table():
    """The lines of one instruction set, which is chosen at import; whether all ratios are as they should be."""
    good = True
    for name in [*OPTIMIZERS, *ESTIMATORS]:
        ratios = [ratio(name, dtype) for dtype in ("float32", "float64")]
        print(f"| {_core.ISA} | {name} | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)
        good = good and max(ratios) < MOST
    return good


def main():
    if sys.argv[1:] == ["--one"]:
        return not table()
    print("| instruction set | | float32 | float64 |\n|---|---|---|---|", flush=True)
    runs = [subprocess.run([sys.executable, __file__, "--one"], env={**os.environ, "FASTMLP_ISA": isa})
            for isa in _core.available_isas()]
    return any(run.returncode for run in runs)


if __name__ == "__main__":
    sys.exit(main())
