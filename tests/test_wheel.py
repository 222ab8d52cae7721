"""The wheel holds what runs and what describes it, and nothing of what it was made from."""
import pathlib
import shutil
import subprocess
import sys
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = ("setup.py", "pyproject.toml", "LICENSE", "README.md")


def generated(folder, names):
    """What a build in place leaves in a folder: the wheel is made without."""
    by_hand = pathlib.Path(folder).name == "kernels"
    return [name for name in names if name == "__pycache__" or name.endswith(".so")
            or name.endswith(".c") and not by_hand]


@pytest.mark.slow
def test_what_the_wheel_holds(tmp_path):
    apart = tmp_path / "source"
    shutil.copytree(ROOT / "fastmlp", apart / "fastmlp", ignore=generated)
    for name in SOURCES:
        shutil.copy(ROOT / name, apart)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, apart],
                   check=True)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if name.startswith("fastmlp/")]
        extension = next(wheel.read(name) for name in names if name.endswith(EXTENSION_SUFFIXES[0]))
    endings = {pathlib.PurePath(name).suffix for name in names}
    assert endings == {".py", ".pyi", ".typed", pathlib.PurePath(EXTENSION_SUFFIXES[0]).suffix}
    assert b".symtab" not in extension  # stripped
