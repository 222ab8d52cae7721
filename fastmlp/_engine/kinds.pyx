"""The table of layer kinds, and the elementwise kinds without weights: dropout, identity (with or without an
activation), sum and concatenation of two layers. A kind has a row in the table, and its functions in a module or a
section of one; see LayerKind.
"""
from libc.stdint cimport uintptr_t

from fastmlp._engine.columns cimport COLUMNS
from fastmlp._engine.conv cimport AVG_POOL, CONV, MAX_POOL
from fastmlp._engine.features cimport SCALE, SHIFT
from fastmlp._engine.grouped cimport GROUPED
from fastmlp._engine.inline cimport *
from fastmlp._engine.learned cimport GLU, MIXTURE, PRELU
from fastmlp._engine.norm cimport BATCH_NORM
from fastmlp._engine.numeric cimport BINS, WAVES
from fastmlp._engine.rounding cimport add_rounding
from fastmlp._engine.row_norm cimport LAYER_NORM, RMS_NORM
from fastmlp._engine.stacked cimport PASSED, STACKED
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport DENSE

cdef enum:
    NEAR_ROWS = 8   # rows that stay in the L1 cache between two operations

cdef LayerKind DROPOUT, IDENTITY, SUM, CONCAT


cdef int dropout_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    layer.rate = spec.pop("rate")
    return 0


cdef void dropout_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """x(l) = mask * x(l-1) / (1 - rate) in training, else x(l-1)"""
    cdef Layer *before = layer.input.source
    drop(job, layer, pos, m, x_of(job, before, pos, row), before.buffers.ld, x_at(job, layer, row), layer.buffers.ld)


cdef void dropout_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """de/dx(l-1) = mask * delta(l) / (1 - rate), with forward's mask"""
    drop(job, layer, pos, m, delta_at(job, layer, row), layer.buffers.ld, dx_at(job, &layer.input, row),
         layer.input.source.buffers.ld)


cdef void drop(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t m, const char *x, Py_ssize_t ldx, char *out,
               Py_ssize_t ldo) noexcept nogil:
    if job.batches.training:
        job.k.dropout(m, layer.d_out, x, ldx, out, ldo, layer.rate, job.batches.key + <uint64_t>layer.number,
                      job.rows.order, pos)
    else:
        job.k.rows(m, layer.d_out, x, ldx, out, ldo)


cdef void identity_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """s(l) = x of the source, x(l) = theta(s(l))"""
    cdef Layer *before = layer.input.source
    cdef char *s = at(job, layer.buffers.s, row * layer.buffers.ld)
    job.k.rows(m, layer.d_out, x_of(job, before, pos, row), before.buffers.ld, s, layer.buffers.ld)
    if layer.theta.act != ACT_identity or layer.buffers.s != layer.buffers.x:
        clear_pads(job, layer, s, m)
        activate(job, layer, row, m)


cdef void identity_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    """de/dx of the source: delta(l)"""
    pass_delta(job, layer, &layer.input, row, m)


cdef void sum_prepare(const Job *job, Layer *layer) noexcept nogil:
    """If the first source is read by the sum alone, backward also applies its theta'."""
    cdef Layer *before = layer.input.source
    layer.input.fused = (layer.input.last and not layer.input.adds and before.theta.act != ACT_identity
                         and before.buffers.de_dx == NULL)


cdef void sum_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                      char *scratch) noexcept nogil:
    """x(l) = x of one source + x of the other"""
    cdef Layer *one = layer.input.source
    cdef Layer *other = layer.second.source
    cdef char *x = x_at(job, layer, row)
    job.k.sum_rows(m, layer.d_out, x_of(job, one, pos, row), one.buffers.ld, x_of(job, other, pos, row),
                   other.buffers.ld, x, layer.buffers.ld)
    clear_pads(job, layer, x, m)


cdef void sum_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """de/dx of both sources: delta(l), for the first one times theta' if that is fused"""
    if layer.input.fused:
        pass_through_theta(job, layer, row, m)
    else:
        pass_delta(job, layer, &layer.input, row, m)
    pass_delta(job, layer, &layer.second, row, m)


cdef void pass_through_theta(Job *job, Layer *layer, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """delta of the first source = delta(l) times its theta', a few rows at a time, which stay in the L1 cache."""
    cdef Layer *before = layer.input.source
    cdef Py_ssize_t i = row, n
    while i < row + m:
        n = min(<Py_ssize_t>NEAR_ROWS, row + m - i)
        pass_delta(job, layer, &layer.input, i, n)
        job.k.act_grad(before.theta.act, before.theta.arg, n * before.buffers.ld, theta_of(job, before, i),
                       dx_at(job, &layer.input, i))
        i += n


cdef void pass_delta(Job *job, Layer *layer, Input *input, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    if input.dx != NULL and input.dx != layer.buffers.delta:
        job.k.rows(m, layer.d_out, delta_at(job, layer, row), layer.buffers.ld, dx_at(job, input, row),
                   input.source.buffers.ld)


cdef int concat_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    layer.positions = spec.pop("positions")
    return 0


cdef void concat_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil:
    """x(l) = the features of the second source, then those of the first, which comes later in the network; for maps at
    each position"""
    cdef Layer *one = layer.second.source
    cdef Layer *other = layer.input.source
    cdef Py_ssize_t i, positions = layer.positions, n = layer.d_out // positions, first = one.d_out // positions
    cdef char *x
    for i in range(m):
        x = x_at(job, layer, row + i)
        move_features(job, positions, first, x_of(job, one, pos + i, row + i), first, x, n)
        move_features(job, positions, n - first, x_of(job, other, pos + i, row + i), n - first, at(job, x, first), n)
    clear_pads(job, layer, x_at(job, layer, row), m)


cdef void concat_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """de/dx of both sources: their features of delta(l)"""
    split_delta(job, layer, &layer.second, 0, row, m)
    split_delta(job, layer, &layer.input, layer.second.source.d_out // layer.positions, row, m)


cdef void split_delta(Job *job, Layer *layer, Input *input, Py_ssize_t first, Py_ssize_t row,
                      Py_ssize_t m) noexcept nogil:
    """de/dx of a source, whose features begin at `first` in delta(l)."""
    cdef Layer *source = input.source
    cdef Py_ssize_t i, positions = layer.positions, n = source.d_out // positions
    if input.dx == NULL:
        return
    for i in range(row, row + m):
        move_features(job, positions, n, at(job, delta_at(job, layer, i), first), layer.d_out // positions,
                      dx_at(job, input, i), n)
    clear_pads(job, source, dx_at(job, input, row), m)


DROPOUT.name = "dropout"
DROPOUT.measure = dropout_measure
DROPOUT.forward = dropout_forward
DROPOUT.backward = dropout_backward
DROPOUT.differences = &PASSED

IDENTITY.name = "identity"
IDENTITY.forward = identity_forward
IDENTITY.backward = identity_backward
IDENTITY.passes = True

SUM.name = "sum"
SUM.prepare = sum_prepare
SUM.forward = sum_forward
SUM.backward = sum_backward
SUM.passes = True

CONCAT.name = "concat"
CONCAT.measure = concat_measure
CONCAT.forward = concat_forward
CONCAT.backward = concat_backward


# ---- the table

KINDS = {}      # name -> address of the LayerKind


cdef add(const LayerKind *kind):
    KINDS[kind.name.decode()] = <uintptr_t>kind


add(&DENSE)
add(&GROUPED)
add(&COLUMNS)
add(&DROPOUT)
add(&IDENTITY)
add(&SUM)
add(&CONCAT)
add(&SCALE)
add(&SHIFT)
add(&CONV)
add(&MAX_POOL)
add(&AVG_POOL)
add(&BATCH_NORM)
add(&LAYER_NORM)
add(&RMS_NORM)
add(&MIXTURE)
add(&PRELU)
add(&GLU)
add(&WAVES)
add(&BINS)

DENSE.differences = &STACKED

add_rounding(&DENSE)
add_rounding(&GROUPED)
add_rounding(&CONV)


cdef const LayerKind *kind_of(name) except NULL:
    """A kind by its name; KeyError if there is none."""
    return <const LayerKind *><uintptr_t>KINDS[name]
