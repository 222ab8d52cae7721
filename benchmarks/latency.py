"""The time of an import, each in a process of its own: python benchmarks/latency.py"""
import statistics
import subprocess
import sys

import timing

MODULES = ("numpy", "fastmlp")


def import_milliseconds(module):
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout) * 1e3


def main():
    taken = timing.interleaved({name: lambda name=name: import_milliseconds(name) for name in MODULES}, 9, pause=0, near=False)
    median = {name: statistics.median(values) for name, values in taken.items()}
    print(f"import fastmlp {median['fastmlp']:.0f} ms, import numpy {median['numpy']:.0f} ms, "
          f"difference {median['fastmlp'] - median['numpy']:.0f} ms")


if __name__ == "__main__":
    main()
