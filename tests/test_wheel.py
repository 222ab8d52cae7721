"""The wheel holds what runs and what describes it, and nothing of what it was made from."""
import pathlib
import subprocess
import sys
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

import sources


@pytest.mark.slow
def test_what_the_wheel_holds(tmp_path):
    tree = sources.copied(tmp_path / "source")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, tree],
                   check=True)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if name.startswith("fastmlp/")]
        extension = next(wheel.read(name) for name in names if name.endswith(EXTENSION_SUFFIXES[0]))
    endings = {pathlib.PurePath(name).suffix for name in names}
    assert endings == {".py", ".pyi", ".typed", ".inc", pathlib.PurePath(EXTENSION_SUFFIXES[0]).suffix}
    sources_of_exports = {"export/c/scalar.inc", "export/c/layers.inc", "kernels/vecmath.inc",
                          "kernels/activations.inc"}
    assert {name.removeprefix("fastmlp/") for name in names if name.endswith(".inc")} == sources_of_exports
    assert b".symtab" not in extension  # stripped
