"""scikit-learn's own tests with our estimators in the place of its, and its checks of estimators, run in other
processes: the swap must come before its test modules are imported, and SCIPY_ARRAY_API before scipy."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PATH = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])  # an empty part would be this folder


def run(*arguments):
    """(outcomes by name, reasons of the skips)"""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-W", "ignore", *arguments]
    done = subprocess.run(command, cwd=HERE / "sklearn_checks",
                          env={**os.environ, "PYTHONPATH": PATH, "SCIPY_ARRAY_API": "1"},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    outcomes = {name: int(n) for n, name in re.findall(r"(\d+) (passed|skipped|failed|xfailed|xpassed|error)", last)}
    return outcomes, re.findall(r"^SKIPPED \[(\d+)\] [^ ]+ (.*)$", done.stdout, re.MULTILINE)


def test_the_tests_of_its_perceptron():
    outcomes, _ = run("-p", "use_fastmlp", "--pyargs", "sklearn.neural_network.tests.test_mlp")
    assert outcomes == {"passed": 59}


def test_its_common_tests():
    outcomes, skips = run("-p", "use_fastmlp", "--pyargs", "sklearn.tests.test_common", "-k", "MLP")
    assert outcomes["passed"] > 140 and not {"failed", "error", "xfailed"} & set(outcomes)
    allowed = ("MLPClassifier does not have a decision_function method", "polars is not installed",
               "doesn't require writeable input")
    assert all(any(reason in text for reason in allowed) for _, text in skips), skips


def test_its_checks_of_estimators():
    outcomes, skips = run("check_estimators.py")
    assert outcomes["passed"] > 135 and set(outcomes) == {"passed", "skipped"}
    assert [text for _, text in skips] == ["MLPClassifier does not have a decision_function method."]


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_swap_swaps(name):
    code = f"import use_fastmlp, fastmlp; from sklearn.neural_network import {name}; assert {name} is fastmlp.{name}"
    subprocess.run([sys.executable, "-P", "-c", code], env={**os.environ, "PYTHONPATH": PATH}, check=True)
