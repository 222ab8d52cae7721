"""Training speed, fastmlp and its peers, in one run: python benchmarks/bench.py --help

For each dtype and number of threads, each contestant gets a process of its own (processes.py); for each workload all warm up, settle
on the fastest of their ways, and are then timed in interleaved rounds. Writes training.json, training.md and the charts.
"""
import argparse
import json
import pathlib

import charts
import machine
import report
import timing
from contestants import TRAINING
from processes import Failed, Refused, Remote
from subjects import Subject
from workloads import TRAINED


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")  # noqa: E731
    p.add_argument("--workloads", type=words, default=list(TRAINED), help="comma-separated; default all")
    p.add_argument("--contestants", type=words, default=TRAINING, help="comma-separated; default all that are installed")
    p.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=sorted({1, machine.cores()}))
    p.add_argument("--dtypes", type=words, default=["float32", "float64"])
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--out", type=pathlib.Path, default=machine.RESULTS, help="the folder for what is written")
    return p.parse_args()


def ready(subjects, workload):
    """({contestant: its way} of those that can, {contestant: why} of the others)"""
    ways, refused = {}, {}
    for name, subject in subjects.items():
        try:
            subject.call("open", workload)
            ways[name] = subject.call("settle")
        except Refused as reason:
            refused[name] = str(reason)
        except Failed as failure:
            refused[name] = str(failure).strip().splitlines()[-1]
            print(f"{name} failed on {workload}:\n{failure}", flush=True)
    return ways, refused


def measure(subjects, workload, rounds):
    """A row for each contestant: its way and its samples/s of each round, or why there are none."""
    ways, refused = ready(subjects, workload)
    taken = timing.interleaved({name: lambda name=name: subjects[name].call("epoch_seconds") for name in ways}, rounds)
    rows = TRAINED[workload].rows
    return [*({"contestant": name, "way": ways[name], "rates": [rows / s for s in taken[name]]} for name in ways),
            *({"contestant": name, "refused": why} for name, why in refused.items())]


def main():
    args = arguments()
    found = {"info": machine.describe(args.dtypes), "rows": []}
    print(machine.in_words(found["info"]), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    for dtype in args.dtypes:
        for threads in args.threads:
            subjects = {name: Remote(threads, Subject, name, dtype, threads) for name in args.contestants}
            for workload in args.workloads:
                for row in measure(subjects, workload, args.rounds):
                    row = {"workload": workload, "dtype": dtype, "threads": threads, **row}
                    found["rows"].append(row)
                    print(report.line(row), flush=True)
                (args.out / "training.json").write_text(json.dumps(found, indent=1) + "\n")
            for subject in subjects.values():
                subject.close()
    report.training(args.out)
    charts.training(args.out)


if __name__ == "__main__":
    main()
