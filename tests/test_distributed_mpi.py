"""Ranks that are processes, by mpiexec: the same numbers as one process, and no rank that hangs."""
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp.distributed import SerialCommunicator
from ranks import SIZES, fits, order_of_the_union

pytest.importorskip("mpi4py", reason='there is no mpi4py: pip install "fastmlp[mpi]"')
# the one beside this Python: one of the system may be of another MPI than mpi4py
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent))
if MPIEXEC is None:
    pytest.skip('there is no mpiexec beside Python: pip install "fastmlp[mpi]"', allow_module_level=True)

PROGRAM = Path(__file__).with_name("mpi_program.py")
SECONDS = 60


def run(ranks, scenario, folder):
    """(exit code, what each rank found, None where it left nothing, seconds)"""
    began = time.monotonic()
    # mpi4py puts the program's folder in the place of the first of sys.path: without -P that is the present folder
    done = subprocess.run([MPIEXEC, "-n", str(ranks), sys.executable, "-m", "mpi4py", str(PROGRAM), scenario,
                           str(folder)], timeout=SECONDS, capture_output=True, text=True)
    files = [folder / str(rank) for rank in range(ranks)]
    found = [json.loads(file.read_text()) if file.exists() else None for file in files]
    return done, found, time.monotonic() - began


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((160, 20)), rng.standard_normal((160, 3)), rng.uniform(0, 2, 160)


@pytest.mark.parametrize("ranks, sizes", SIZES.items())
def test_ranks_are_one_network(ranks, sizes, data, tmp_path):
    done, found, _ = run(ranks, "train", tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(one == found[0] for one in found)
    rows = order_of_the_union(sizes, 32)
    for name, (params, undivided) in found[0].items():
        assert params == undivided
        dtype, units = name.split()
        one = fastmlp.MLP([20, int(units), 3], dtype=dtype, activation="tanh", random_state=0)
        one.fit(*(a[rows] for a in data[:2]), fastmlp.Adam(0.01), batch_size=32, epochs=4, shuffle=False)
        np.testing.assert_allclose(params, one.params, **{
            "float64": dict(rtol=1e-12, atol=1e-12), "float32": dict(rtol=1e-4, atol=1e-4)}[dtype], err_msg=name)


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_bits_are_those_of_one_process_that_sums_in_groups(ranks, data, tmp_path):
    """In the order of the ranks."""
    done, found, _ = run(ranks, "fits", tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(one == found[0] for one in found)
    one = fits(SerialCommunicator(SIZES[ranks]), *data)
    assert one.keys() == found[0].keys()
    for name, numbers in one.items():
        assert numbers == found[0][name], name


@pytest.mark.parametrize("ranks", [2, 4])
def test_sums_are_in_the_order_of_the_ranks(ranks, tmp_path):
    done, found, _ = run(ranks, "sums", tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(one == found[0] for one in found)
    for name, result in found[0].items():
        n, dtype = name.split()
        first, *others = ((np.random.default_rng(rank).standard_normal((2, int(n))) * 9).astype(dtype)
                          for rank in range(ranks))
        for other in others:
            first += other
        assert first.astype(float).tolist() == result, name


@pytest.mark.parametrize("scenario, kind, text", [("infinite", "nothing", ""), ("raising", "ZeroDivisionError", "now")])
@pytest.mark.parametrize("ranks", [2, 4])
def test_what_ends_one_rank_within_an_epoch_leaves_all_with_the_same(ranks, scenario, kind, text, tmp_path):
    """Weights and the optimiser's state, whoever has stepped them."""
    done, found, _ = run(ranks, scenario, tmp_path)
    assert done.returncode == 0, done.stderr
    for name, (_, _, learned) in found[0].items():
        for rank, of_rank in enumerate(found):
            said = text if rank == 1 or not text else f"rank 1: {text}"
            assert of_rank[name] == [kind, said, learned], (name, rank)


@pytest.mark.parametrize("scenario, kind, text", [("interrupt", "KeyboardInterrupt", ""),
                                                  ("interrupt_normalised", "KeyboardInterrupt", ""),
                                                  ("limit", "TimeoutError", "it takes too long")])
def test_a_signal_on_one_rank_ends_all_within_a_second(scenario, kind, text, tmp_path):
    done, (first, second), _ = run(2, scenario, tmp_path)
    assert done.returncode == 0, done.stderr
    assert second[:2] == [kind, text]
    assert first[:2] == [kind, f"rank 1: {text}"]
    assert abs(first[2] - second[2]) < 1


@pytest.mark.parametrize("scenario", ["kill", "uncaught"])
def test_a_rank_that_dies_takes_the_others_with_it(scenario, tmp_path):
    done, found, seconds = run(2, scenario, tmp_path)
    assert done.returncode != 0 and found == [None, None]
    assert seconds < 20  # of 30 that the fit would take


def test_importing_starts_no_mpi():
    code = ("import sys, numpy as np, fastmlp, fastmlp.distributed; "
            "fastmlp.MLP([2, 1]).fit(np.ones((4, 2)), np.ones(4)); print('mpi4py' in sys.modules)")
    assert subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True).stdout == "False\n"
