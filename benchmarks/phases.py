"""Where the time of training goes: make phases

For a build with FASTMLP_PROFILE set: of each workload (float32, Adam) the share of the threads' time in each phase, and in the
phases that are matrix products their share of the cores' peak of fused multiply-adds. Row-wise phases: gather, forward, loss, delta
(the backward sweep); then weight (gradients) and update (steps, and other forms of W); barrier is waiting for the other thread.
"""
import argparse
import functools

import machine
import timing
from contestants.ours import FastMLP
from workloads import TRAINED

from fastmlp import _core

PRODUCTS = {"forward": 0, "delta": 1, "weight": 0}  # phases, and the first layer that has a product in them


def measure(w, threads, seconds=1.0):
    """(rows a second, {phase: ticks of all threads})"""
    contestant = FastMLP(w, "float32", threads)
    contestant.options["n_threads"] = threads
    contestant.epoch()
    _core.phases()
    rate = w.rows / timing.seconds(contestant.epoch, seconds)
    return rate, {phase: sum(ticks) for phase, ticks in _core.phases().items()}


def of_peak(w, phase, rate, share, top, threads):
    """The share of the peak in a phase of products."""
    return rate * 2 * sum(w.uses[PRODUCTS[phase]:]) / (share * threads * top * 1e9)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", default=f"1,{machine.cores()}", help="comma-separated")
    args = p.parse_args()
    if _core.phases() is None:
        raise SystemExit("this fastmlp was not built with FASTMLP_PROFILE set: make phases builds one")
    top = machine.peak("float32")
    names = list(_core.phases())
    print(f"FMA peak of a core {top:.0f} GFLOP/s; share of time, in brackets share of peak\n")
    print("| workload | threads | rows/s | " + " | ".join(names) + " |")
    print("|---" * (3 + len(names)) + "|")
    for name, w in TRAINED.items():
        for threads in map(int, args.threads.split(",")):
            rate, ticks = timing.undisturbed(functools.partial(measure, w, threads), near=threads > 1)
            total, cells = sum(ticks.values()), []
            for phase in names:
                share = ticks[phase] / total
                cells.append(f"{share:.0%}" + (f" ({of_peak(w, phase, rate, share, top, threads):.0%})" if phase in PRODUCTS else ""))
            print(f"| {name} | {threads} | {rate:,.0f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
