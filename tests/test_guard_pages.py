"""Nothing is read before the first or after the last element of what a user gives: pages there end the process.

Each call is made in a process of its own for each instruction set, with arrays that begin where a page that may not be
read ends, and with arrays that end where one begins: those of the user, and again those that checks made of them for
the engine, which it does not read elsewhere.
"""
import ctypes
import itertools
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from fastmlp import (
    GLU,
    MLP,
    AvgPool2D,
    BatchNorm,
    Columns,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Identity,
    LayerNorm,
    MaxPool2D,
    Mixture,
    Periodic,
    PiecewiseLinear,
    PReLU,
    Residual,
    RMSNorm,
    Scale,
    Shift,
    _core,
    sensitivity,
)

if os.name == "nt":
    pytest.skip("needs mprotect", allow_module_level=True)

COLUMNS, ROWS = (1, 3, 17), (1, 7, 33)
PAGE, PROT_NONE = mmap.PAGESIZE, 0
libc = ctypes.CDLL(None)
NETWORKS = {  # from columns to a network of as many outputs; those that read columns in ways of their own first
    "dense": lambda d: [d, Dense(5, "tanh"), d],
    "categories": lambda d: [Columns(d - 1, [Embedding(9, 3, "zero")]), 6, d],
    "categories alone": lambda d: [Columns(0, [Embedding(5 + k, 1 + k % 4, "zero") for k in range(d)]), d],
    "wide": lambda d: [d, 70, d],
    "one output": lambda d: [d, 1],
    "convolution": lambda d: [(d, 1, 1), Conv2D(2, (min(d, 3), 1), activation="relu"), MaxPool2D((1, 1)), d],
    "means of maps": lambda d: [(d, 1, 1), AvgPool2D((1, 1)), d],
    "features": lambda d: [d, Scale(), Shift(), 6, LayerNorm(), Mixture("tanh"), RMSNorm(), PReLU(), GLU(), d],
    "blocks": lambda d: [d, Residual(Dropout(0.3), d), Concat(3, [Identity()]), Dense(6), Dense(4, groups=2), d],
    "waves": lambda d: [d, Periodic(2, 0.1, 3), d],
    "bins": lambda d: [d, PiecewiseLinear([[-1, 0, 1]] * d, 5, "tanh"), d],
    "batch norm": lambda d: [d, BatchNorm(), 6, BatchNorm(), d],
}
OWN_WAYS = 3  # how many those are


def room_of(n, at_end):
    """(memory between two pages that may not be touched, where n bytes begin that are at its end, or beginning)"""
    pages = -(-n // PAGE) or 1
    room = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for page in (0, pages + 1):
        assert libc.mprotect(ctypes.c_void_p(start + page * PAGE), PAGE, PROT_NONE) == 0
    return room, (pages + 1) * PAGE - n if at_end else PAGE


def guarded(a, at_end, shift=0):
    """A copy of an array, or of a CSR array's three, between two such pages; shift: bytes that it is off its place."""
    if a is None:
        return None
    if sparse.issparse(a):
        out = sparse.csr_array(a.shape, dtype=a.dtype)
        out.data, out.indices, out.indptr = (guarded(part, at_end, shift) for part in (a.data, a.indices, a.indptr))
        return out
    room, begin = room_of(a.nbytes, at_end)
    out = np.ndarray(a.shape, a.dtype, room, begin, order="F" if a.flags.f_contiguous and a.ndim > 1 else "C")
    out[...] = a
    return np.ndarray(a.shape, a.dtype, room, begin + shift, out.strides) if shift else out


def guard_what_the_engine_reads(at_end, shifts=(0, 0, 0)):  # of X, of y, of sample_weight
    """Have _core.Data get its arrays guarded. Returns what undoes it."""
    bind = _core.Data

    def bind_guarded(X, targets=None, weight=None, loss=None):
        arrays = (guarded(a, at_end, shift) for a, shift in zip((X, targets, weight), shifts))
        return bind(*arrays, loss)

    _core.Data = bind_guarded
    return lambda: setattr(_core, "Data", bind)


def use(net, X, y, weight):
    """All that reads X, y and weights; where X is converted or sparse, what reads it in a way of its own."""
    net.fit(X, y, epochs=2, batch_size=5, sample_weight=weight)
    net.predict(X)
    net.predict(X[:1])
    net.evaluate(X, y, weight)
    if sparse.issparse(X) or X.dtype != net.dtype:
        return
    net.fit(X, y, epochs=1, batch_size=None, n_threads=2)
    net.loss_and_grad(X, y, weight)
    net.forward(X)
    net.backprop(X, y, weight)
    net.jacobian(X[:3])
    sensitivity.input_gradient(net, X, y)
    sensitivity.fgsm(net, X, y, eps=0.1)
    sensitivity.pgd(net, X, y, eps=0.1, max_iter=2)


def inputs(n, d, dtype, at_end):
    """X in each layout and type that the engine reads as it is: whole numbers, which categories are."""
    X = np.rint(3 * np.random.default_rng(0).normal(size=(n, d)))
    for kind in _core.SOURCES:
        yield guarded(X.astype(kind), at_end)
    X = X.astype(dtype)
    yield guarded(np.asfortranarray(X), at_end)
    wide = guarded(np.repeat(X, 2, axis=1)[:, :2 * d - 1], at_end)
    yield wide[:, ::2]
    yield guarded(X, at_end)[::-1]
    yield guarded(sparse.csr_array(np.where(X > 0, X, 0)), at_end)


def networks(n, d, dtype):
    """Each network with targets; one with those of each kind."""
    rng = np.random.default_rng(1)
    for layers in NETWORKS.values():
        net = MLP(layers(d), dtype=dtype, random_state=0)
        yield net, rng.random((n, net.d[-1])).astype(dtype)
    y = rng.random((n, d)).astype(dtype)
    yield MLP([d, 5, d], dtype=dtype, random_state=0), sparse.csr_array(np.where(y > 0.5, y, 0).astype(dtype))
    yield (MLP([d, 5, 3], loss="cross_entropy", dtype=dtype, random_state=0), rng.integers(0, 3, n).astype(np.int32))


def use_all():
    """Everything with everything; says what comes next, so that what ended the process is the last line."""
    cases = itertools.product(COLUMNS, ROWS, ("float32", "float64"), (False, True))
    for d, n, dtype, at_end in cases:
        undo = guard_what_the_engine_reads(at_end)
        weight = guarded(np.random.default_rng(2).random(n).astype(dtype) + 0.5, at_end)
        nets = [(net, guarded(y, at_end)) for net, y in networks(n, d, dtype)]
        for X in inputs(n, d, dtype, at_end):
            of = f"{d} columns, {n} rows, {dtype}, {'after' if at_end else 'before'}, X {type(X).__name__} {X.dtype}"
            for net, y in nets if X.dtype == dtype else nets[:OWN_WAYS]:
                if sparse.issparse(X) and net._network.tables:
                    continue  # they are refused
                print(of, net.d, type(y).__name__, y.dtype, flush=True)
                use(net, X, y, weight)
        undo()


def use_shifted(argument, at_end):
    """One argument of Data one element beyond its page."""
    shifts = [0, 0, 0]
    shifts[("X", "y", "sample_weight").index(argument)] = 4 if at_end else -4
    guard_what_the_engine_reads(at_end, shifts)
    X, y = np.ones((7, 3), np.float32), np.ones((7, 2), np.float32)
    MLP([3, 4, 2], random_state=0).fit(X, y, sample_weight=np.ones(7), epochs=1)


def test_there_is_a_network_of_every_kind():
    kinds = {layer.kind for layers in NETWORKS.values() for layer in MLP(layers(3)).layers}
    assert kinds == set(_core.KINDS)


def run(*arguments, isa=_core.ISA):
    return subprocess.run([sys.executable, "-P", __file__, *arguments], env={**os.environ, "FASTMLP_ISA": isa},
                          capture_output=True, text=True)


@pytest.mark.parametrize("isa", _core.available_isas())
def test_nothing_outside_is_read(isa):
    done = run("all", isa=isa)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[-1] == "all read", f"{lines[-1:]}: {done.stderr[-2000:]}"


@pytest.mark.parametrize("argument", ["X", "y", "sample_weight"])
@pytest.mark.parametrize("where", ["before", "after"])
def test_one_element_outside_ends_the_process(argument, where):
    done = run(argument, where)
    assert done.returncode != 0 and "all read" not in done.stdout and "Error" not in done.stderr


if __name__ == "__main__":
    if sys.argv[1] == "all":
        use_all()
    else:
        use_shifted(sys.argv[1], sys.argv[2] == "after")
    print("all read")
