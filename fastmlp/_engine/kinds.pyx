"""The table of layer kinds, and the kinds without weights of their own that treat each unit by itself: dropout, and the
sum of two layers. A kind is a row here and a module, or a section of one, with its functions; see LayerKind.
"""
from libc.stdint cimport uintptr_t

from fastmlp._engine.conv cimport AVG_POOL, CONV, MAX_POOL
from fastmlp._engine.norm cimport BATCH_NORM
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport DENSE

cdef LayerKind DROPOUT, SUM


cdef void dropout_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """x(l) = mask * x(l-1) / (1 - rate) in training, else x(l-1)"""
    cdef Layer *before = layer.input.source
    drop(job, layer, pos, m, x_of(job, before, pos, row), before.ld, at(job, layer.x, row * layer.ld), layer.ld)


cdef void dropout_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """de/dx(l-1) = mask * delta(l) / (1 - rate), with forward's mask"""
    cdef Py_ssize_t ld = layer.input.source.ld
    drop(job, layer, pos, m, at(job, layer.delta, row * layer.ld), layer.ld, at(job, layer.input.dx, row * ld), ld)


cdef void drop(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t m, const char *x, Py_ssize_t ldx, char *out,
               Py_ssize_t ldo) noexcept nogil:
    if job.batches.training:
        job.k.dropout(m, layer.d_out, x, ldx, out, ldo, layer.rate, job.batches.key + <uint64_t>layer.number,
                      job.rows.order, pos)
    else:
        job.k.rows(m, layer.d_out, x, ldx, out, ldo)


cdef void sum_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                      char *scratch) noexcept nogil:
    """x(l) = x of one source + x of the other"""
    cdef Layer *one = layer.input.source
    cdef Layer *other = layer.second.source
    cdef Py_ssize_t i, n = pad(layer.d_out, job.k.lanes)
    cdef char *x
    for i in range(m):
        x = at(job, layer.x, (row + i) * layer.ld)
        job.k.rows(1, layer.d_out, x_of(job, one, pos + i, row + i), one.ld, x, layer.ld)
        job.k.rows(1, layer.d_out, x_of(job, other, pos + i, row + i), other.ld, scratch_row(job, scratch), layer.ld)
        job.k.add(n, scratch_row(job, scratch), x)


cdef void sum_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """de/dx of both sources: delta(l)"""
    pass_delta(job, layer, &layer.input, row, m)
    pass_delta(job, layer, &layer.second, row, m)


cdef void pass_delta(Job *job, Layer *layer, Input *input, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t ld = input.source.ld
    if input.dx != NULL:
        job.k.rows(m, layer.d_out, at(job, layer.delta, row * layer.ld), layer.ld, at(job, input.dx, row * ld), ld)


cdef inline char *scratch_row(Job *job, char *scratch) noexcept nogil:
    return at(job, scratch, job.shares.kind_at)


cdef Py_ssize_t sum_scratch(const kernels_t *k, const Layer *layer) noexcept:
    return pad(layer.d_out, k.lanes)


DROPOUT.name = "dropout"
DROPOUT.forward = dropout_forward
DROPOUT.backward = dropout_backward

SUM.name = "sum"
SUM.scratch = sum_scratch
SUM.forward = sum_forward
SUM.backward = sum_backward


# ---- the table

KINDS = {}      # by name, where each is in memory


cdef add(const LayerKind *kind):
    KINDS[kind.name.decode()] = <uintptr_t>kind


add(&DENSE)
add(&DROPOUT)
add(&SUM)
add(&CONV)
add(&MAX_POOL)
add(&AVG_POOL)
add(&BATCH_NORM)


cdef const LayerKind *kind_of(name) except NULL:
    """A kind by its name; KeyError where there is none."""
    return <const LayerKind *><uintptr_t>KINDS[name]
