"""The annotations of the public API, as a user's type checker sees them."""
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).with_name("typing_example.py")


def test_mypy_strict_on_a_users_file(tmp_path):
    pytest.importorskip("mypy")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=",
                           f"--cache-dir={tmp_path}", EXAMPLE],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_users_file_runs():
    pytest.importorskip("sklearn")
    subprocess.run([sys.executable, EXAMPLE], capture_output=True, check=True)
