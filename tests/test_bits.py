"""The promise of the same bits: for any number of threads, any blocking, any instruction set, any machine."""
import functools
import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

import bits
from fastmlp import MLP, _core

TABLE = json.loads(bits.TABLE.read_text())
# where the compiler may count on a fused multiply-add, generic code too gives the bits of the others
FUSED_GENERIC = platform.machine().lower() in ("aarch64", "arm64")


@functools.cache
def results(isa):
    """{setting: {case: hashes}} of one instruction set, which is chosen at import: in a process of its own."""
    if isa not in _core.available_isas():
        pytest.skip(f"this machine or build lacks {isa}")
    done = subprocess.run([sys.executable, bits.__file__], env={**os.environ, "FASTMLP_ISA": isa}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def differing(got, wanted):
    return {name: (got.get(name), wanted.get(name)) for name in {*got, *wanted} if got.get(name) != wanted.get(name)}


@pytest.mark.parametrize("isa", _core.available_isas())
def test_the_instruction_set_is_the_one_asked_for(isa):
    done = subprocess.run([sys.executable, "-P", "-c", "import fastmlp; print(fastmlp.instruction_set())"],
                          env={**os.environ, "FASTMLP_ISA": isa}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == isa


@pytest.mark.parametrize("isa", ["avx2", "avx512", "amx", "neon", "generic"])
def test_the_table(isa):
    """Every machine is held to the same hashes; python tests/bits.py --write makes them anew."""
    if isa == "generic" and not FUSED_GENERIC:
        pytest.skip("generic code has no fused multiply-add here")
    assert differing(results(isa)["plain"], TABLE) == {}


@pytest.mark.parametrize("setting", [s for s in bits.SETTINGS if s != "plain"])
@pytest.mark.parametrize("isa", ["avx2", "avx512", "amx", "neon", "generic"])
def test_nothing_shows(isa, setting):
    """Threads, blocks, chunks and what scratch held do not show in the bits."""
    assert differing(results(isa)[setting], results(isa)["plain"]) == {}


def test_the_table_is_whole():
    """Every activation, loss, step and kind of layer of the core has its rows."""
    tables = {"activation": _core.ACTIVATIONS, "loss": _core.LOSSES, "penalty": [*_core.ACTIVATIONS, *_core.LOSSES],
              "step": _core.STEPS, "kind": [k for k in _core.KINDS if k != "dense"]}
    for kind, names in tables.items():
        for name in names:
            for dtype in ("float32", "float64"):
                assert f"{dtype} {kind} {name}" in TABLE


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", [[3, 2], [40, 1], [9, 17, 4], [64, 40, 1], [700, 3, 50]])
def test_a_row_alone_is_a_row_among_many(layers, dtype):
    """Predictions of few rows take a path of their own; it must see the weights of today and give the same bits."""
    net = MLP(layers, activation="tanh", dtype=dtype, random_state=0)
    X = (bits.whole(1, (150, layers[0]), -128, 128) / 64).astype(dtype)
    y = bits.targets("squared_error", 150, layers[-1])
    for _ in range(2):
        many = net.predict(X)
        for n in (1, 2, 5, 17, 64, 65):
            assert np.array_equal(net.predict(X[:n]), many[:n])
            assert np.array_equal(net.predict(X[n::2]), many[n::2])
            assert np.array_equal(net.forward(X[:n]).x[-1], many[:n])
        net.fit(X, y, epochs=1)
    net.W[1][...] *= 2
    assert np.array_equal(net.predict(X[:3]), net.predict(X)[:3])
