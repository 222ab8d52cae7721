"""One contest: contestants in processes of their own, each made ready for an item, then timed in interleaved rounds."""
import functools

from . import machine, options, timing
from .options import several
from .processes import Failed, Refused, Remote
from .subjects import Subject


def arguments(doc, items, contestants, dtypes=("float32", "float64"), kind=str):
    """The options that all contests have."""
    p = options.parser(doc, 5, items, kind)
    p.add_argument("--contestants", type=several(str, contestants), default=list(contestants),
                   help="comma-separated; default all that are installed")
    p.add_argument("--threads", type=several(int), default=machine.one_and_all(),
                   help="comma-separated; default 1 and all")
    p.add_argument("--dtypes", type=several(str), default=list(dtypes))
    return p.parse_args()


def settled(subject, workload):
    """What prepares a subject for training."""
    subject.call("open", workload)
    return subject.call("settle")


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
    """Rows by item and contestant: its way and the seconds of each round, or why there are none. prepare(subject, item)
    returns the way, measure is the name of what a subject is then asked for."""
    subjects = {name: Remote(threads, Subject, name, dtype, threads) for name in args.contestants}
    for item in args.items:
        ways, refused = ready(subjects, item, prepare, threads > 1)
        taken = timing.interleaved({name: lambda name=name: subjects[name].call(measure) for name in ways}, args.rounds,
                                   near=threads > 1)
        for name in args.contestants:
            what = {"refused": refused[name]} if name in refused else {"way": ways[name], "seconds": taken[name]}
            yield {"item": item, "dtype": dtype, "threads": threads, "contestant": name, **what}
    for subject in subjects.values():
        subject.close()
