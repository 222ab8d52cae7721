"""skl2onnx's own tests of scikit-learn's perceptron, with our estimators in its place.

Its package comes without them: they are taken from its source distribution of the same version, which pip fetches, and
run in another process, since the swap must come before they are imported.
"""
import os
import re
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
PATH = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
NAME = "test_sklearn_mlp_converter.py"


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    """The folder of its tests."""
    for package in ("skl2onnx", "onnxruntime"):
        pytest.importorskip(package)
    version, folder = metadata.version("skl2onnx"), tmp_path_factory.mktemp("skl2onnx")
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "skl2onnx",
                           "--dest", folder, f"skl2onnx=={version}"], capture_output=True, text=True)
    archives = list(folder.glob("*.tar.gz"))
    if not archives:
        pytest.skip(f"pip has no source distribution of skl2onnx {version}: {done.stderr.strip()[-200:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    found = list(folder.glob(f"*/tests/{NAME}"))
    if not found:
        pytest.skip(f"the source distribution of skl2onnx {version} has no {NAME}")
    return found[0].parent


@pytest.mark.parametrize("plugins", [[], ["-p", "use_fastmlp", "-p", "use_fastmlp_converters"]], ids=["its", "ours"])
def test_they_pass(tests, plugins):
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-W", "ignore", *plugins, NAME]
    done = subprocess.run(command, cwd=tests, env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = dict(reversed(pair) for pair in re.findall(r"(\d+) (\w+)", done.stdout.strip().splitlines()[-1]))
    assert int(outcomes["passed"]) >= 17 and not {"failed", "errors", "skipped"} & set(outcomes)
