"""The wheel holds what runs and what describes it, and nothing of what it was made from."""
import os
import pathlib
import re
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
        metadata = next(wheel.read(name) for name in wheel.namelist() if name.endswith("/METADATA")).decode()
        extension = next(wheel.read(name) for name in names if name.endswith(EXTENSION_SUFFIXES[0]))
    endings = {pathlib.PurePath(name).suffix for name in names}
    assert endings == {".py", ".pyi", ".typed", ".inc", pathlib.PurePath(EXTENSION_SUFFIXES[0]).suffix}
    sources_of_exports = {"export/c/scalar.inc", "export/c/layers.inc", "kernels/vecmath.inc",
                          "kernels/activations.inc"}
    assert {name.removeprefix("fastmlp/") for name in names if name.endswith(".inc")} == sources_of_exports
    assert b".symtab" not in extension  # stripped
    links = re.findall(r"\]\(([^)]+)\)", metadata)
    assert links and all(link.startswith(("https://", "#")) for link in links)  # an index page has no files beside it


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a compiler is found in another way there")
def test_without_a_compiler_the_last_line_says_what_to_install(tmp_path):
    tree = sources.copied(tmp_path / "source")
    done = subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, tree],
                          env={**os.environ, "CC": "no-such-compiler"}, capture_output=True, text=True)
    assert done.returncode
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    end = next(i for i, line in enumerate(said) if line.startswith("[end of output]"))
    assert said[end - 2] == "no-such-compiler was not found"
    assert said[end - 1].startswith("To build fastmlp install a C compiler")
