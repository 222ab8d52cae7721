"""Makes the pages and charts of a folder's .json again, of benchmarks/results/ unless another is named.

    python benchmarks/run/pages.py [FOLDER]
"""
import argparse
import pathlib

import _path  # noqa: F401
from lib import charts, machine, report


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path, nargs="?", default=machine.RESULTS)
    folder = p.parse_args().folder
    for name in report.REPORTS:
        if (folder / f"{name}.json").exists():
            report.make(folder, name)
            if name in charts.CHARTS:
                charts.CHARTS[name](folder)


if __name__ == "__main__":
    main()
