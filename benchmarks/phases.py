"""Where the time of training goes: make phases

For a build with FASTMLP_PROFILE set: of each workload (float32, Adam) the share of the threads' time in each phase, and in the
phases that are matrix products their share of the cores' peak of fused multiply-adds. Row-wise phases: gather, forward, loss, delta
(the backward sweep); then weight (gradients) and update (steps, and other forms of W); barrier is waiting for the other thread.
"""
import argparse
import os
import time

from bench import peak
from workloads import WORKLOADS

from fastmlp import MLP, Adam, _core

PRODUCTS = {"forward": 2, "delta": 2, "weight": 2}  # operations for each weight


def measure(w, threads, seconds=1.0):
    """(rows a second, {phase: ticks of all threads})"""
    X, y = w.data("float32")
    net = MLP(list(w.sizes), loss="cross_entropy" if w.classes else "squared_error", random_state=0)
    fit = lambda: net.partial_fit(X, y, Adam(1e-4), epochs=1, batch_size=w.batch, n_threads=threads)
    fit()
    _core.phases()
    began, epochs = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        fit()
        epochs += 1
    rate = epochs * w.rows / (time.perf_counter() - began)
    return rate, {phase: sum(ticks) for phase, ticks in _core.phases().items()}


def of_peak(w, phase, rate, share, top, threads):
    """The share of the peak in a phase of products."""
    pairs = list(zip(w.sizes, w.sizes[1:]))[phase == "delta":]
    flops = PRODUCTS[phase] * sum(a * b for a, b in pairs)
    return rate * flops / (share * threads * top * 1e9)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", default=f"1,{os.cpu_count()}", help="comma-separated")
    args = p.parse_args()
    if _core.phases() is None:
        raise SystemExit("this fastmlp was not built with FASTMLP_PROFILE set: make phases builds one")
    top = peak("float32")
    names = list(_core.phases())
    print(f"FMA peak of a core {top:.0f} GFLOP/s; share of time, in brackets share of peak\n")
    print("| workload | threads | rows/s | " + " | ".join(names) + " |")
    print("|---" * (3 + len(names)) + "|")
    for name, w in WORKLOADS.items():
        for threads in map(int, args.threads.split(",")):
            rate, ticks = measure(w, threads)
            total, cells = sum(ticks.values()), []
            for phase in names:
                share = ticks[phase] / total
                cells.append(f"{share:.0%}" + (f" ({of_peak(w, phase, rate, share, top, threads):.0%})" if phase in PRODUCTS else ""))
            print(f"| {name} | {threads} | {rate:,.0f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
