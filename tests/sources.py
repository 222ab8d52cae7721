"""Copies of the sources, for tests that build them."""
import pathlib
import shutil

ROOT = pathlib.Path(__file__).parents[1]
BUILT_FROM = ("setup.py", "pyproject.toml", "LICENSE", "README.md")


def left_by_builds(folder, names):
    """Those of the names in a folder that a build in place or a run has left there."""
    written_by_hand = pathlib.Path(folder).name == "kernels"
    endings = (".so",) if written_by_hand else (".so", ".c")
    return [name for name in names if name == "__pycache__" or name.endswith(endings)]


def copied(to, *more):
    """A new folder with what the package is built from, and more of the project's folders; returned."""
    to.mkdir()
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, to)
    for name in ("fastmlp", *more):
        shutil.copytree(ROOT / name, to / name, ignore=left_by_builds if name == "fastmlp" else None)
    return to
