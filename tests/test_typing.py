"""The annotations of the public API, as a user's type checker sees them."""
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import fastmlp
import pages
import sources
from fastmlp import _lazy, layers, optim

EXAMPLE = Path(__file__).with_name("typing_example.py")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("mypy")


def mypy(cache, *arguments):
    return [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=",
            f"--cache-dir={cache}", *arguments]


def test_mypy_strict_on_a_users_file(cache):
    pytest.importorskip("mypy")
    done = subprocess.run(mypy(cache, EXAMPLE), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def environment(folder, *more):
    """The Python of an environment that has what this one has, and more folders, as if all were installed: of what is
    installed pyright takes only the names that a package makes public."""
    venv.create(folder, symlinks=True)
    installed = [path for path in sys.path if path.endswith("site-packages")]
    packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(packages, "more.pth").write_text("\n".join(map(str, [*more, *installed])))
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def checked(checker, code, tmp_path, cache):
    """A type checker on code that need not annotate its functions, given where fastmlp is."""
    (tmp_path / "code.py").write_text(code)
    home = Path(fastmlp.__file__).parents[1]
    if checker == "mypy":
        command = mypy(cache, "--disable-error-code=import-untyped", "--allow-untyped-defs", "code.py")
    else:
        (tmp_path / "pyrightconfig.json").write_text(json.dumps({"include": ["code.py"], "typeCheckingMode": "basic"}))
        command = [sys.executable, "-m", "pyright", "--pythonpath", environment(tmp_path / "environment", home)]
    # mypy finds what is installed by itself, and refuses to be told
    path = {} if home.name == "site-packages" else {"MYPYPATH": str(home)}
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, **path})


@pytest.mark.parametrize("checker", ["mypy", pytest.param("pyright", marks=pytest.mark.slow)])
def test_all_public_names_are_known(checker, tmp_path, cache):
    """Those that are imported when they are asked for, too."""
    pytest.importorskip(checker)
    names = [*fastmlp.__all__, *_lazy.MODULES]
    used = "".join(f"fastmlp.{name}\n" for name in names)
    imported = "".join(f"from fastmlp import {name}\n" for name in fastmlp.__all__)
    done = checked(checker, f"import fastmlp\n{used}{imported}", tmp_path, cache)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = checked(checker, "import fastmlp\nfastmlp.nothing\n", tmp_path, cache)
    assert wrong.returncode and "nothing" in wrong.stdout


def test_layers_and_optimisers_are_listed():
    """They are in __all__ as a literal, which is all that type checkers read of it."""
    assert {*layers.NAMES, *optim.NAMES} <= set(fastmlp.__all__) and len(set(fastmlp.__all__)) == len(fastmlp.__all__)


def test_all_public_names_are_completed():
    assert {*fastmlp.__all__, *_lazy.MODULES} <= set(dir(fastmlp))
    assert {"MLPClassifier", "SensitivityDisplay", "sensitivity"} <= set(dir(fastmlp))


@pytest.mark.parametrize("checker", ["mypy", pytest.param("pyright", marks=pytest.mark.slow)])
def test_the_code_of_readme(checker, tmp_path, cache):
    pytest.importorskip(checker)
    code = "\n".join(block for _, block in pages.blocks((sources.ROOT / "README.md").read_text()))
    done = checked(checker, code, tmp_path, cache)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_pyright_on_a_users_file(tmp_path, cache):
    """With a callback and a loss of the user's."""
    pytest.importorskip("pyright")
    done = checked("pyright", EXAMPLE.read_text(), tmp_path, cache)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = checked("pyright", EXAMPLE.read_text().replace('logs["loss"]', 'logs.nothing'), tmp_path, cache)
    assert wrong.returncode and "nothing" in wrong.stdout


def test_the_users_file_runs():
    pytest.importorskip("sklearn")
    subprocess.run([sys.executable, EXAMPLE], capture_output=True, check=True)
