"""Where the time of training goes: make phases

For a build with FASTMLP_PROFILE set: of each workload (float32, Adam) the rate, and the ticks of all threads in each
phase of a step. Writes phases.json and phases.md.
"""
import functools

import _path  # noqa: F401
from fastmlp import _core
from lib import machine, options, report, timing
from lib.contestants.ours import FastMLP
from lib.workloads import TRAINED


def measure(name, threads, seconds=1.0):
    w = TRAINED[name]
    contestant = FastMLP(w, "float32", threads)
    contestant.options["n_threads"] = threads
    contestant.epoch()
    _core.phases()
    rate = w.rows / timing.seconds(contestant.epoch, seconds)
    return {"item": name, "threads": threads, "rate": rate,
            "ticks": {phase: sum(ticks) for phase, ticks in _core.phases().items()}}


def main():
    p = options.parser(__doc__, items=TRAINED)
    args = p.parse_args()
    if _core.phases() is None:
        p.error("this fastmlp was not built with FASTMLP_PROFILE set: make phases builds one")
    found = {"info": machine.describe(["float32"]), "rows": []}
    for name in args.items:
        for threads in machine.one_and_all():
            found["rows"].append(timing.undisturbed(functools.partial(measure, name, threads), near=threads > 1))
            print(f"{name}, {threads} threads: {found['rows'][-1]['rate']:,.0f} rows/s", flush=True)
    report.write(found, args.out, "phases")


if __name__ == "__main__":
    main()
