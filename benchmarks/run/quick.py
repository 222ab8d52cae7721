"""A guard against slowing down, under two minutes: python benchmarks/run/quick.py --help

For three workloads on one thread: instructions a row, counted by valgrind's callgrind or by perf where they work, and
how many times NumPy's speed fastmlp's is. Both are held against baseline.json, which says by which compiler it was;
--write makes that anew. Instructions are the same in each run of the same build by the same compiler, ratios are not:
what moved is what moved by more than the noise. --record appends the instructions to history.json, by commit and
compiler, and draws history.png.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import re
import statistics
import subprocess
import sys

import _path  # noqa: F401
from lib import machine, timing
from lib.processes import Remote
from lib.subjects import Subject
from lib.workloads import WORKLOADS

NAMES = ("tiny-32", "digits-200", "mnist-100")
BASELINE, HISTORY = machine.RESULTS / "baseline.json", machine.RESULTS / "history.json"
ROUNDS, ROWS = 5, 800
STILL = {"instructions": 0.01, "ratio": 0.10}  # the least that counts as moved
# name: (command in front, what finds the count in its error output)
COUNTERS = {
    "callgrind": (["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"], r"Collected : (\d+)"),
    "perf stat": (["perf", "stat", "-x,", "-e", "instructions:u"], r"^(\d+),.*instructions"),
}


def train(epochs):
    """In the process that is counted: each workload so many epochs."""
    from dataclasses import replace

    from lib.contestants.ours import FastMLP

    for name, number in zip(NAMES, epochs):
        w = WORKLOADS[name]
        contestant = FastMLP(replace(w, rows=ROWS), "float32", 1)
        for _ in range(number):
            contestant.epoch()


def counted(counter, *command):
    """Instructions of a command, or None where the counter does not work."""
    front, pattern = COUNTERS[counter]
    # valgrind knows no AVX-512; what is hashed by chance is hashed alike
    environ = {**os.environ, "FASTMLP_ISA": "avx2", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    try:
        run = subprocess.run([*front, *command], capture_output=True, text=True, env=environ)
    except OSError:
        return None
    found = re.search(pattern, run.stderr, re.MULTILINE)
    return int(found[1]) if found and run.returncode == 0 else None


def instructions(counter):
    """{workload: instructions a row}: what one more epoch of it costs."""
    runs = [[1] * len(NAMES)] + [[1 + (i == j) for j in range(len(NAMES))] for i in range(len(NAMES))]
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        first, *more = pool.map(lambda run: counted(counter, sys.executable, __file__, "--train", *map(str, run)), runs)
    if first is None or None in more:
        return None
    return {name: (n - first) / ROWS for name, n in zip(NAMES, more)}


def ratios():
    """{workload: fastmlp's speed over NumPy's, one a round}"""
    found = {}
    with Remote(1, Subject, "fastmlp", "float32", 1) as ours, Remote(1, Subject, "numpy", "float32", 1) as numpy:
        for name in NAMES:
            for subject in (ours, numpy):
                subject.call("open", name)
                subject.call("settle")
            taken = timing.interleaved({"ours": lambda: ours.call("epoch_seconds"),
                                        "numpy": lambda: numpy.call("epoch_seconds")}, ROUNDS, near=False)
            found[name] = [theirs / mine for mine, theirs in zip(taken["ours"], taken["numpy"])]
    return found


def compiler():
    """What the engine was built by."""
    from fastmlp import _core

    return _core.COMPILER


def measure():
    counter = next((c for c in COUNTERS if counted(c, "true") is not None), None)
    counts = instructions(counter) if counter else None
    found = {"machine": machine.processor(), "compiler": compiler(), "counter": counter if counts else None,
             "workloads": {}}
    for name, values in ratios().items():
        found["workloads"][name] = {"instructions": round(counts[name], 1) if counts else None,
                                    "ratio": round(statistics.median(values), 3),
                                    "spread": round(timing.spread(values), 4)}
    return found


def moved(kind, now, before):
    """In words, how a figure differs from the baseline's."""
    if before is None or now[kind] is None or before[kind] is None:
        return "no baseline"
    change = now[kind] / before[kind] - 1
    noise = max(STILL[kind], 3 * (now["spread"] + before["spread"]) if kind == "ratio" else 0)
    if abs(change) <= noise:
        return f"{change:+.1%}, within the noise of {noise:.0%}"
    return f"MOVED {change:+.1%}, {'better' if (change > 0) == (kind == 'ratio') else 'worse'}"


def record(now, path=HISTORY):
    """Append the counts to the history, in the place of those that it has of the same commit, built and counted in the
    same way, and draw it."""
    from lib import charts  # here: what is counted need not import matplotlib

    commit = machine.commit()
    if not now["counter"] or not commit or commit.endswith(machine.CHANGED):
        raise SystemExit(f"a history has counts of commits, got counter {now['counter']} and commit {commit}")
    row = {"commit": commit, "date": datetime.date.today().isoformat(), "machine": now["machine"],
           "compiler": now["compiler"], "counter": now["counter"],
           "instructions": {name: row["instructions"] for name, row in now["workloads"].items()}}
    kind = ("commit", "compiler", "counter")
    rows = [old for old in (json.loads(path.read_text()) if path.exists() else ())
            if any(old[name] != row[name] for name in kind)]
    path.write_text(json.dumps([*rows, row], indent=1) + "\n")
    charts.history(path.parent)


def show(now, before):
    print(f"instructions: {now['counter'] or 'not counted, neither valgrind nor perf stat works here'}")
    if before and before["machine"] != now["machine"]:
        print(f"the baseline is of another machine, {before['machine']}: its ratios may differ for that alone")
    if before and before["compiler"] != now["compiler"]:
        print(f"it is of a build by {before['compiler']}, this one is by {now['compiler']}: instructions may differ "
              "for that alone")
    old = before["workloads"] if before and before["counter"] == now["counter"] else {}
    if before and not old:
        old = {name: {**row, "instructions": None} for name, row in before["workloads"].items()}
    for name, row in now["workloads"].items():
        count, ratio = (moved(kind, row, old.get(name)) for kind in ("instructions", "ratio"))
        instructions = f"{row['instructions']:,.0f} instructions a row ({count}), " if row["instructions"] else ""
        print(f"{name:12s} {instructions}{row['ratio']:.2f} x NumPy ±{row['spread']:.0%} ({ratio})")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--write", action="store_true", help=f"make {BASELINE.name} anew")
    p.add_argument("--record", action="store_true", help=f"append the instructions to {HISTORY.name}")
    p.add_argument("--train", type=int, nargs=len(NAMES),
                   help="epochs of each workload, with nothing measured: what the counters run")
    args = p.parse_args()
    if args.train:
        train(args.train)
        return
    now = measure()
    show(now, json.loads(BASELINE.read_text()) if BASELINE.exists() else None)
    if args.write:
        BASELINE.write_text(json.dumps(now, indent=1) + "\n")
    if args.record:
        record(now)


if __name__ == "__main__":
    main()
