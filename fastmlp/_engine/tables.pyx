"""The tables of the C level by name, the choice of kernels, and small functions on arrays."""
import math
import os

import numpy as np

from cpython.buffer cimport PyObject_GetBuffer, PyBuffer_Release, PyBUF_STRIDES
from cpython.exc cimport PyErr_CheckSignals

from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *

cdef enum:
    ELEMENTS = 1 << 24      # elements of an array that are read between two looks for signals

ACTIVATIONS = {fastmlp_activations[i].name.decode(): (i, fastmlp_activations[i].arg) for i in range(N_ACTIVATIONS)}
LINKS = {fastmlp_links[i].decode(): i for i in range(N_LINKS)}
LOSSES = {fastmlp_losses[i].name.decode(): (i, fastmlp_losses[i].link, fastmlp_losses[i].arg) for i in range(N_LOSSES)}
STEPS = {fastmlp_steps[i].name.decode(): (i, fastmlp_steps[i].slots) for i in range(N_STEPS)}
SOURCES = {np.dtype(fastmlp_sources[i].decode()): i for i in range(N_SOURCES)}
SOURCES[np.dtype(bool)] = SOURCES[np.dtype(np.uint8)]


def available_isas():
    """The instruction sets that this build contains and this machine supports, best last."""
    names, i = [], 0
    while fastmlp_isas[i] != NULL:
        if fastmlp_kernels(fastmlp_isas[i], b'f') != NULL:
            names.append(fastmlp_isas[i].decode())
        i += 1
    return names


def choose_isa():
    """The best available instruction set, or the one that FASTMLP_ISA names."""
    here = available_isas()
    wanted = os.environ.get("FASTMLP_ISA")
    if wanted and wanted not in here:
        raise ImportError(f"FASTMLP_ISA={wanted!r} is not one of what this machine runs: {', '.join(here)}")
    return wanted or here[len(here) - 1]


ISA = choose_isa()
COMPILER = fastmlp_compiler.decode()


# found once: querying the processor takes 10 us on a virtual machine
cdef object FLOAT32 = np.dtype(np.float32)
cdef const kernels_t *chosen[2]     # the kernels of ISA, for float64 and float32
chosen[0], chosen[1] = fastmlp_kernels(ISA.encode(), b'd'), fastmlp_kernels(ISA.encode(), b'f')


cdef const kernels_t *kernels_for(dtype, isa=None, bint rounds=False) except NULL:
    """The kernels for a NumPy dtype. isa: another instruction set than the chosen one. rounds: the float32 kernels that
    round operands to bfloat16."""
    cdef const kernels_t *k
    cdef bint single = dtype == FLOAT32
    if isa is None and not rounds:
        return chosen[single]
    k = fastmlp_kernels((isa or ISA).encode(), b'b' if rounds else b'f' if single else b'd')
    if k == NULL:
        raise ValueError(f"isa must be one of {available_isas()}, got {isa!r}")
    return k


cdef Theta theta_for(int act, double arg):
    """An activation, by its row in the table, with its argument."""
    cdef Theta theta
    theta.act, theta.arg = act, arg
    theta.needs_s, theta.curved = fastmlp_activations[act].needs_s, fastmlp_activations[act].curved
    return theta


def aligned(shape, dtype):
    """Zeros that start on a cache line."""
    cdef Py_ssize_t n = math.prod(shape if isinstance(shape, tuple) else (shape,)), size = np.dtype(dtype).itemsize
    raw = np.zeros(n + ALIGN // size, dtype)
    cdef Py_ssize_t first = <Py_ssize_t>(ALIGN - address(raw) % ALIGN) % ALIGN // size
    return raw[first:first + n].reshape(shape)


cdef on_line(raw):
    """raw from its first cache line on."""
    return raw[<Py_ssize_t>(ALIGN - address(raw) % ALIGN) % ALIGN:]


cdef uintptr_t address(a) except? 0:
    """The address of the first element of an array."""
    cdef Py_buffer view
    PyObject_GetBuffer(a, &view, PyBUF_STRIDES)
    cdef uintptr_t first = <uintptr_t>view.buf
    PyBuffer_Release(&view)
    return first


cdef source_t source_of(X):
    """Describe an array (n, d) of a type in SOURCES, or a CSR matrix, for the kernels. The caller must keep X alive."""
    cdef source_t s
    cdef Py_ssize_t n
    memset(&s, 0, sizeof(s))
    n, s.cols = X.shape
    values = X.data if hasattr(X, "indptr") else X
    s.type, s.data = SOURCES[values.dtype], <const char *>address(values)
    if hasattr(X, "indptr"):
        s.indptr, s.indices = <void *>address(X.indptr), <void *>address(X.indices)
        s.wide_index = X.indices.dtype.itemsize == 8
    else:
        s.row_stride, s.col_stride = X.strides
        s.end = s.data
        if n:
            s.end += (n - 1) * max(s.row_stride, 0) + (s.cols - 1) * s.col_stride + values.itemsize
    return s


def function(str name, x, isa=None):
    """An elementwise function of the kernels, for tests."""
    cdef const kernels_t *k = kernels_for(x.dtype, isa)
    n = (x.size + 15) // 16 * 16
    padded = np.ones(n, x.dtype)
    padded[:x.size] = x.ravel()
    out = np.empty_like(padded)
    if not k.function(name.encode(), n, <void *>address(padded), <void *>address(out)):
        raise ValueError(f"name must be a function of the kernels, got {name!r}")
    return out[:x.size].reshape(x.shape)


def all_finite(a):
    """Whether a contiguous float array holds no NaN or infinity. Looks for signals, as the array may be large."""
    cdef const kernels_t *k = kernels_for(a.dtype)
    cdef const char *first = <const char *>address(a)
    cdef Py_ssize_t i, n = a.size
    for i in range(0, n, ELEMENTS):
        if not k.all_finite(min(ELEMENTS, n - i), first + i * k.itemsize):
            return False
        PyErr_CheckSignals()
    return True


def copy(to, of):
    """Copy contiguous arrays into as many others of the same shapes and dtypes."""
    cdef Py_buffer view
    for a, b in zip(to, of):
        PyObject_GetBuffer(b, &view, PyBUF_STRIDES)
        memcpy(<void *>address(a), view.buf, view.len)
        PyBuffer_Release(&view)


def largest(a):
    """max |a| of a contiguous float array, NaN if it contains any."""
    return kernels_for(a.dtype).largest(a.size, <void *>address(a))
