"""One contest: contestants in processes of their own, each made ready for an item, then timed in interleaved rounds."""
import argparse
import functools
import json
import pathlib

import machine
import timing
from processes import Failed, Refused, Remote
from subjects import Subject


def arguments(doc, items, contestants, dtypes=("float32", "float64"), kind=str):
    """The options that all contests have."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    several = lambda kind: lambda text: [kind(part) for part in text.split(",")]  # noqa: E731
    p.add_argument("--items", type=several(kind), default=list(items), help=f"comma-separated, of {', '.join(map(str, items))}; default all")
    p.add_argument("--contestants", type=several(str), default=list(contestants), help="comma-separated; default all that are installed")
    p.add_argument("--threads", type=several(int), default=sorted({1, machine.cores()}), help="comma-separated; default 1 and all")
    p.add_argument("--dtypes", type=several(str), default=list(dtypes))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--out", type=pathlib.Path, default=machine.RESULTS, help="the folder for what is written")
    args = p.parse_args()
    for name, known in (("items", items if kind is str else args.items), ("contestants", contestants)):
        unknown = [part for part in getattr(args, name) if part not in known]
        if unknown:
            p.error(f"--{name}: {', '.join(unknown)} not of {', '.join(known)}")
    return args


def ready(subjects, item, prepare, near):
    """({contestant: its way} of those that can, {contestant: why} of the others)"""
    ways, refused = {}, {}
    for name, subject in subjects.items():
        try:
            ways[name] = timing.undisturbed(functools.partial(prepare, subject, item), 2, near)
        except Refused as reason:
            refused[name] = str(reason)
        except Failed as failure:
            refused[name] = str(failure).strip().splitlines()[-1]
            print(f"{name} failed on {item}:\n{failure}", flush=True)
    return ways, refused


def contest(args, dtype, threads, prepare, measure):
    """Rows by item and contestant: its way and the seconds of each round, or why there are none. prepare(subject, item) returns the way,
    measure is the name of what a subject is then asked for."""
    subjects = {name: Remote(threads, Subject, name, dtype, threads) for name in args.contestants}
    for item in args.items:
        ways, refused = ready(subjects, item, prepare, threads > 1)
        taken = timing.interleaved({name: lambda name=name: subjects[name].call(measure) for name in ways}, args.rounds, near=threads > 1)
        for name in args.contestants:
            what = {"refused": refused[name]} if name in refused else {"way": ways[name], "seconds": taken[name]}
            yield {"item": item, "dtype": dtype, "threads": threads, "contestant": name, **what}
    for subject in subjects.values():
        subject.close()


def write(found, folder, name):
    """JSON, table and charts."""
    import charts  # not above: each contestant's process imports this module, and its start is timed too
    import report

    found["info"]["timings taken again"] = timing.disturbed
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    report.REPORTS[name](folder)
    charts.CHARTS[name](folder)
    print(f"written: {folder / name}.json, .md and charts")
