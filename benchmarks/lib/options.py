"""The options of the scripts here: where results go, how many rounds, and which items."""
import argparse
import pathlib

from . import machine


def several(kind, known=()):
    """What reads a comma-separated list, of what is known if that is given."""
    def read(text):
        parts = [kind(part) for part in text.split(",")]
        unknown = [part for part in parts if known and part not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} not of {', '.join(known)}")
        return parts

    return read


def parser(doc, rounds=None, items=(), kind=str):
    """With --out, and with --rounds and --items where a script has such; items that are numbers may be others too."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=pathlib.Path, default=machine.RESULTS, help="the folder for what is written")
    if rounds:
        p.add_argument("--rounds", type=int, default=rounds)
    if items:
        p.add_argument("--items", type=several(kind, items if kind is str else ()), default=list(items),
                       help=f"comma-separated, of {', '.join(map(str, items))}; default all")
    return p
