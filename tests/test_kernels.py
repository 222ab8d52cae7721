"""The kernels in C: declared alike to C and to Cython, the same bits under all instruction sets (tests/kernels)."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ROOT / "fastmlp" / "kernels"
RUN = ROOT / "tests" / "kernels" / "run.sh"

pytestmark = pytest.mark.skipif(not KERNELS.is_dir(), reason="needs the sources of the kernels")


def declarations(pattern, text):
    """{name: its type and parameters, each with one space between words}"""
    found = re.findall(pattern, text, re.DOTALL | re.MULTILINE)
    return {name: (type_, " ".join(parameters.split())) for type_, name, parameters in found}


def test_cython_is_told_of_the_kernels_that_there_are():
    table = re.sub(r"/\*.*?\*/", "", (KERNELS / "table.h").read_text(), flags=re.DOTALL)
    in_c = declarations(r"^(?:KERNEL|PRODUCT)\((\w+), (\w+), \((.*?)\)\)", table.replace("ptrdiff_t", "Py_ssize_t"))
    pxd = (ROOT / "fastmlp" / "_c.pxd").read_text()
    in_cython = declarations(r"^ +(\w+) \(\*(\w+)\)\(([^)]*)\) noexcept nogil$", pxd)
    assert len(in_c) == table.count("KERNEL(") + table.count("PRODUCT(") > 0
    assert in_cython == in_c


@pytest.mark.slow
def test_same_bits_under_all_instruction_sets_and_compilers():
    if not shutil.which("sh"):
        pytest.skip("needs a shell")
    done = subprocess.run(["sh", str(RUN)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if done.stdout.startswith("skipped: "):
        pytest.skip(done.stdout.strip().removeprefix("skipped: "))
    assert "aarch64 neon: the same" in done.stdout
