"""What a choice costs: python benchmarks/choices.py

Training with Adam, all variants of a network in one process, by turns; medians of the rounds' ratios of times. threads: as many as pay
(n_threads=None) in the place of one.
"""
import argparse
import dataclasses
import functools
import statistics

import machine
import timing
from contestants.ours import FastMLP
from workloads import TRAINED

NETWORKS = [name for name, w in TRAINED.items() if not w.convs]
# what is held against what: activation, dtype, n_threads
CHOICES = [
    ("tanh over relu, float32", ("tanh", "float32", 1), ("relu", "float32", 1)),
    ("threads", ("tanh", "float32", None), ("relu", "float32", None)),
    ("tanh over relu, float64", ("tanh", "float64", 1), ("relu", "float64", 1)),
    ("threads", ("tanh", "float64", None), ("relu", "float64", None)),
    ("float64 over float32", ("relu", "float64", 1), ("relu", "float32", 1)),
    ("threads", ("relu", "float64", None), ("relu", "float32", None)),
    ("threads over one, float32", ("relu", "float32", None), ("relu", "float32", 1)),
    ("threads over one, float64", ("relu", "float64", None), ("relu", "float64", 1)),
]


def epochs_of(w, activation, dtype, threads):
    """A call that trains an epoch."""
    contestant = FastMLP(dataclasses.replace(w, activation=activation), dtype, machine.cores())
    contestant.options["n_threads"] = threads
    contestant.epoch()
    return contestant.epoch


def measure(w, rounds):
    """{variant: [seconds of each round]}"""
    calls = {variant: epochs_of(w, *variant) for _, *pair in CHOICES for variant in pair}
    return timing.interleaved({variant: functools.partial(timing.seconds, call) for variant, call in calls.items()}, rounds)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--items", default=",".join(NETWORKS), help="comma-separated")
    p.add_argument("--rounds", type=int, default=7)
    args = p.parse_args()
    print("| workload | " + " | ".join(title for title, *_ in CHOICES) + " |")
    print("|---" * (1 + len(CHOICES)) + "|")
    for name in args.items.split(","):
        taken = measure(TRAINED[name], args.rounds)
        ratios = [statistics.median(a / b for a, b in zip(taken[these], taken[those])) for _, these, those in CHOICES]
        print(f"| {name} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |", flush=True)


if __name__ == "__main__":
    main()
