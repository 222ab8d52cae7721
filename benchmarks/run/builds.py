"""Two builds of the library by turns: python benchmarks/run/builds.py BEFORE AFTER --help

BEFORE and AFTER are folders into which `pip install --no-deps --target=FOLDER` has put one each. Each trains the
networks of bench.py with Adam in a process of its own, and predicts one row. Writes builds.json and builds.md.
"""
import pathlib
import sys

import numpy as np

import _path  # noqa: F401
from lib import machine, options, processes, report, timing
from lib.workloads import TRAINED

ONE_ROW = "one row predicted"
SHORT = 0.1  # seconds of a timing: many short rounds tell more than a few long ones


class Build:
    """In its process: the library of a folder."""

    def __init__(self, folder, threads):
        sys.path.insert(0, folder)
        import fastmlp
        from lib.subjects import Subject

        if not pathlib.Path(fastmlp.__file__).is_relative_to(folder):
            raise ImportError(f"no fastmlp in {folder}")
        self.subject = Subject("fastmlp", "float32", threads)
        self.net, self.row = fastmlp.MLP([8, 32, 32, 1], random_state=0), np.ones((1, 8), np.float32)

    def open(self, item):
        self.subject.open("xor-online" if item == ONE_ROW else item)
        self.seconds = self.row_seconds if item == ONE_ROW else self.subject.epoch_seconds
        self.take()

    def row_seconds(self, least):
        return timing.seconds(lambda: self.net.predict(self.row), least)

    def take(self):
        return self.seconds(SHORT)


def measure(remotes, item, rounds):
    for remote in remotes.values():
        remote.call("open", item)
    taken = timing.interleaved({name: lambda remote=remote: remote.call("take") for name, remote in remotes.items()},
                               rounds)
    ratio = np.median(np.divide(taken["after"], taken["before"]))
    print(f"{item}: {ratio:.3f}", flush=True)
    return taken


def main():
    parser = options.parser(__doc__, 21, [ONE_ROW, *TRAINED])
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--names", nargs=2, default=("before", "after"), help="of the builds, as of their commits")
    args = parser.parse_args()
    folders = {"before": args.before.resolve(), "after": args.after.resolve()}
    sys.path.append(str(folders["after"]))      # which the page describes
    found = {"info": machine.describe(["float32"]), "names": args.names, "rows": []}
    for threads in machine.one_and_all():
        with processes.Remote(threads, Build, str(folders["before"]), threads) as before, \
                processes.Remote(threads, Build, str(folders["after"]), threads) as after:
            for item in args.items:
                if item != ONE_ROW or threads == 1:
                    found["rows"].append({"item": item, "threads": threads,
                                          **measure({"before": before, "after": after}, item, args.rounds)})
    report.write(found, args.out, "builds")


if __name__ == "__main__":
    main()
