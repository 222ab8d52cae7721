"""What a choice costs: python benchmarks/run/choices.py --help

Training with Adam, all variants of a network in one process, by turns; ratios of the rounds' times. threads: as many as
pay (n_threads=None) in the place of one. Writes choices.json and choices.md.
"""
import dataclasses

import _path  # noqa: F401
from lib import machine, options, report, timing
from lib.contestants.ours import FastMLP
from lib.workloads import DENSE, TRAINED

# what is held against what: activation, dtype, n_threads
CHOICES = [
    ("tanh over relu, float32", ("tanh", "float32", 1), ("relu", "float32", 1)),
    ("tanh over relu, float32, threads", ("tanh", "float32", None), ("relu", "float32", None)),
    ("tanh over relu, float64", ("tanh", "float64", 1), ("relu", "float64", 1)),
    ("tanh over relu, float64, threads", ("tanh", "float64", None), ("relu", "float64", None)),
    ("float64 over float32", ("relu", "float64", 1), ("relu", "float32", 1)),
    ("float64 over float32, threads", ("relu", "float64", None), ("relu", "float32", None)),
    ("threads over one, float32", ("relu", "float32", None), ("relu", "float32", 1)),
    ("threads over one, float64", ("relu", "float64", None), ("relu", "float64", 1)),
]


def epochs_of(w, activation, dtype, threads):
    """A call that trains an epoch."""
    contestant = FastMLP(dataclasses.replace(w, activation=activation), dtype, machine.cores())
    contestant.options["n_threads"] = threads
    contestant.epoch()
    return contestant.epoch


def measure(name, rounds):
    """A row for each choice: the seconds of each round of these and of those."""
    taken = timing.compare({variant: epochs_of(TRAINED[name], *variant) for _, *pair in CHOICES for variant in pair},
                           rounds)
    return [{"item": name, "choice": title, "these": taken[these], "those": taken[those]}
            for title, these, those in CHOICES]


def main():
    args = options.parser(__doc__, 7, DENSE).parse_args()
    found = {"info": machine.describe(), "rows": []}
    for name in args.items:
        found["rows"] += measure(name, args.rounds)
        print(name, flush=True)
    report.write(found, args.out, "choices")


if __name__ == "__main__":
    main()
