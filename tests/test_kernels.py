"""The kernels of all instruction sets, NEON under an emulator, give the same bits (tests/kernels)."""
import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("kernels") / "run.sh"


@pytest.mark.slow
def test_same_bits_under_all_instruction_sets_and_compilers():
    if not shutil.which("sh") or not (RUN.parents[2] / "fastmlp" / "kernels").is_dir():
        pytest.skip("needs a shell and the sources of the kernels")
    done = subprocess.run(["sh", str(RUN)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if done.stdout.startswith("skipped: "):
        pytest.skip(done.stdout.strip().removeprefix("skipped: "))
    assert "aarch64 neon: the same" in done.stdout
