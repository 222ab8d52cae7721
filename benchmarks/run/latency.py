"""What is paid besides arithmetic: python benchmarks/run/latency.py --help

The time of an import, each in a process of its own, and the epochs a second of 2-2-1 on 4 rows in one batch, all in one
partial_fit with Adam. Writes latency.json and latency.md.
"""
import subprocess
import sys

import numpy as np

import _path  # noqa: F401
import fastmlp
from lib import machine, options, report, timing

MODULES = ("numpy", "fastmlp")
EPOCHS = 100_000


def import_seconds(module):
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout)


def epochs(rounds):
    """A second, of each round."""
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    net = fastmlp.MLP([2, 2, 1], random_state=0)
    taken = timing.compare({"xor": lambda: net.partial_fit(X, X[:, 0] * X[:, 1], fastmlp.Adam(), epochs=EPOCHS,
                                                           batch_size=4)}, rounds)
    return [EPOCHS / seconds for seconds in taken["xor"]]


def main():
    args = options.parser(__doc__, 9).parse_args()
    found = {"info": machine.describe(["float32"])}
    found["imports"] = timing.interleaved({name: lambda name=name: import_seconds(name) for name in MODULES},
                                          args.rounds, pause=0, near=False)
    found["epochs a second"] = epochs(args.rounds)
    report.write(found, args.out, "latency")


if __name__ == "__main__":
    main()
