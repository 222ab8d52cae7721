"""Training speed, fastmlp and its peers, in one run: python benchmarks/run/bench.py --help

For each dtype and number of threads, each contestant gets a process of its own (processes.py); for each workload all
warm up, settle on the fastest of their ways, and are then timed in interleaved rounds. Writes training.json, three
pages made from it, training.md, summary.md and goals.md, and two charts.
"""
import _path  # noqa: F401
from lib import contest, machine, report
from lib.contestants import TRAINING
from lib.workloads import TRAINED


def main():
    args = contest.arguments(__doc__, TRAINED, TRAINING)
    found = {"info": machine.describe(args.dtypes), "rows": []}
    print(machine.in_words(found["info"]), flush=True)
    for dtype in args.dtypes:
        for threads in args.threads:
            for row in contest.contest(args, dtype, threads, contest.settled, "epoch_seconds"):
                if "seconds" in row:
                    row["rates"] = [TRAINED[row["item"]].rows / s for s in row.pop("seconds")]
                found["rows"].append(row)
                print(report.line(row), flush=True)
    report.write(found, args.out, "training", charted=True)


if __name__ == "__main__":
    main()
