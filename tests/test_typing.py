"""The annotations of the public API, as a user's type checker sees them."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastmlp
import pages
import sources
from fastmlp import _lazy

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


def checked(checker, code, tmp_path, cache):
    """A type checker on code that need not annotate its functions, given where fastmlp is."""
    (tmp_path / "code.py").write_text(code)
    home = Path(fastmlp.__file__).parents[1]
    if checker == "mypy":
        command = mypy(cache, "--disable-error-code=import-untyped", "--allow-untyped-defs", "code.py")
    else:
        settings = {"include": ["code.py"], "extraPaths": [str(home)], "typeCheckingMode": "basic"}
        (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
        command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    # mypy finds what is installed by itself, and refuses to be told
    path = {} if home.name == "site-packages" else {"MYPYPATH": str(home)}
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, **path})


@pytest.mark.parametrize("checker", ["mypy", pytest.param("pyright", marks=pytest.mark.slow)])
def test_all_public_names_are_known(checker, tmp_path, cache):
    """Those that are imported when they are asked for, too."""
    pytest.importorskip(checker)
    names = [*fastmlp.__all__, *_lazy.MODULES]
    done = checked(checker, "import fastmlp\n" + "".join(f"fastmlp.{name}\n" for name in names), tmp_path, cache)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = checked(checker, "import fastmlp\nfastmlp.nothing\n", tmp_path, cache)
    assert wrong.returncode and "nothing" in wrong.stdout


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
