"""Tiny networks are trained by a kernel of their own, on one thread: the bits are those of the others."""
import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

import bits
from fastmlp import MLP, SGD, Adam, Dense, _core, tie_layers

LANES = {"float32": 4, "float64": 2}  # of the narrowest vectors; a network of so many units is tiny everywhere


def layers(d, activation="tanh", bias=True):
    return [d, *(Dense(n, activation, bias=bias) for n in (d, d - 1)), Dense(d - 1 or 1, bias=bias)]


def cases(dtype):
    """name -> (layers, loss, optimiser, batch, what else fit takes)"""
    d, step = LANES[dtype], Adam(1 / 64)
    for name in _core.ACTIVATIONS:
        yield f"activation {name}", (layers(d, name), "squared_error", step, 1, {})
        yield f"last activation {name}", ([d, Dense(d, "tanh"), Dense(d, name)], "squared_error", step, 3, {})
    for name, batch in itertools.product(_core.LOSSES, (1, 4)):
        yield f"loss {name}, {batch}", (layers(d), name, step, batch, {})
        yield f"loss {name}, {batch}, one output", ([d, d, 1], name, step, batch, {})
    for name, (kind, numbers) in bits.OPTIMIZERS.items():
        yield f"step {name}", (layers(d), "squared_error", kind(1 / 64, **numbers), 1, {})
        yield f"step {name}, l2", (layers(d), "squared_error", kind(1 / 64, **numbers, l2=1 / 16, clip_norm=1 / 4), 4,
                                  {})
    for n in range(1, 33):
        yield f"{n} inputs", ([n, Dense(4, "sigmoid"), 1], "squared_error", step, 1, {})
        yield f"{n} units", ([3, Dense(n, "relu"), Dense(n, "elu"), 2], "squared_error", step, 2, {})
    for depth in range(1, 9):
        yield f"{depth} layers", ([d, *[Dense(d, "gelu")] * depth], "squared_error", step, 2, {})
    yield "no biases", (layers(d, "silu", False), "squared_error", step, 3, {})
    yield "arguments", ([d, Dense(d, ("elu", 0.5)), 2], ("huber", 0.25), step, 2, {})
    yield "weights", (layers(d), "squared_error", step, 1, {"sample_weight": np.arange(29) % 4})
    yield "smoothed", (layers(d), "binary_cross_entropy", step, 3, {"label_smoothing": 1 / 8})
    yield "factors", ([d, Dense(d, "tanh", lr_scale=0.5), Dense(1, bias_lr_scale=2.0)], "squared_error", step, 2, {})
    yield "ema", (layers(d), "squared_error", step, 2, {"ema": 0.75})
    yield "more rows", (layers(d), "squared_error", step, 5, {})


def run(dtype, made, loss, optimizer, batch, given, n_threads):
    net = MLP(made, loss=loss, dtype=dtype, random_state=0)
    X = bits.whole(1, (29, net.d[0]), -128, 128) / 64
    history = net.fit(X.astype(dtype), bits.targets(loss, 29, net._network.n_targets), optimizer, 3, batch,
                      n_threads=n_threads, **given)
    return bits.digest([net.params, history["loss"], *net._network.progress.optimizer_state.arrays()])


@pytest.mark.parametrize("isa", [isa for isa in _core.available_isas() if isa != "amx"])
def test_the_bits_of_the_other_kernels(isa):
    """One thread and two, of which each has rows, and nothing is tiny."""
    done = subprocess.run([sys.executable, __file__], env={**os.environ, "FASTMLP_ISA": isa}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) > 300
    assert {name: pair for name, pair in found.items() if pair[0] != pair[1]} == {}


@pytest.mark.parametrize("given", [{"input_noise": 0.5}, {"gradient_penalty": 0.5}, {"mixup": 0.5}])
def test_what_the_kernel_does_not_know(given):
    hashes = {run("float32", layers(4), "squared_error", Adam(1 / 64), 2, given, n) for n in (1, 2)}
    assert len(hashes) == 1
    assert hashes != {run("float32", layers(4), "squared_error", Adam(1 / 64), 2, {}, 1)}


def test_sparse_rows_and_ties():
    X, y = bits.whole(1, (29, 4), -128, 128) / 64, bits.whole(2, (29, 4), -96, 96) / 64
    for data, ties in ((sparse.csr_array(X), ()), (X, [tie_layers(1, 2)])):
        nets = [MLP([4, 4, 4], ties=ties, random_state=0) for _ in range(2)]
        for n_threads, net in enumerate(nets, 1):
            net.fit(data, y, SGD(1 / 64), 3, 2, n_threads=n_threads)
        assert np.array_equal(nets[0].params, nets[1].params)


def main():
    print(json.dumps({f"{dtype} {name}": [run(dtype, *case, n_threads) for n_threads in (1, 2)]
                      for dtype in LANES for name, case in cases(dtype)}))


if __name__ == "__main__":
    main()
