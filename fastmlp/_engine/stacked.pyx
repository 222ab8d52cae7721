"""Dense layers that read sparse rows of differences, see kernels/stacked.inc: s(l) = S^T c + b, row k of S the sum of
W's rows from the foot of the stack of column k up to it.

W, its gradient and what comes out are those of the dense layer that reads x in the place of c, to rounding: dW is the
sums, down each stack, of what the terms of c gather. Dropout between x(0) and the layer is of x, with the mask that it
would have there.

A call that reads differences (Call.read_differences) has these kinds in the place of dense and dropout, and never makes
x.
"""
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *


cdef Py_ssize_t stacked_scratch(const kernels_t *k, const Layer *layer) noexcept:
    """For the terms of SORTED_ROWS rows in the order of the columns; forward takes less."""
    return pad(layer.d_in + 2, k.lanes) + 2 * pad(SORTED_ROWS * layer.terms.most, k.lanes)


cdef inline Py_ssize_t values_room(const kernels_t *k, const Layer *layer) noexcept nogil:
    return pad(layer.terms.most, k.lanes)


cdef Py_ssize_t stacked_room(const kernels_t *k, const Layer *layer) noexcept:
    """The values of a row's terms, then their number and their columns."""
    return values_room(k, layer) + pad(layer.terms.most + 1, k.lanes)


cdef Py_ssize_t stacked_place(Job *job, Layer *layer, char *base, Py_ssize_t offset) noexcept:
    """S, in the place of panels."""
    layer.forms.panels, layer.forms.made = base + offset, True
    return offset + room_for(job, layer.weights.rows * layer.weights.ld)


cdef Py_ssize_t stacked_cut(const Layer *layer, Py_ssize_t row) noexcept:
    """Stacks stay together."""
    while row < layer.weights.rows and layer.terms.stacked[row]:
        row += 1
    return row


cdef inline int32_t *columns_at(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    return <int32_t *>at(job, row_room_at(job, layer, row), values_room(job.k, layer))


cdef inline Py_ssize_t columns_ld(const Job *job, const Layer *layer) noexcept nogil:
    return layer.buffers.row_room_ld * job.size // <Py_ssize_t>sizeof(int32_t)


cdef void stacked_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """s(l) = S^T c + b, x(l) = theta(s(l)); the rows' terms stay for the gradient"""
    cdef const Layer *before = layer.input.source
    cdef Weights *W = &layer.weights
    cdef Py_ssize_t ldv = layer.buffers.row_room_ld, ldc = columns_ld(job, layer)
    cdef char *values = row_room_at(job, layer, row)
    cdef int32_t *columns = columns_at(job, layer, row)
    job.k.terms(m, &job.rows.X, job.rows.order, pos, layer.terms.stacked,
                before.rate if job.batches.training else 0, job.batches.key + <uint64_t>before.number, values, ldv,
                columns, ldc, at(job, scratch, job.shares.kind_at))
    job.k.sum_terms(m, layer.d_out, values, ldv, columns, ldc, layer.forms.panels, W.ld, (W.b if W.bias else NULL),
                    s_at(job, layer, row), layer.buffers.ld)
    activate(job, layer, row, m)


cdef void stacked_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                       char *G, char *scratch) noexcept nogil:
    """What terms gather; db = sum of delta_w"""
    cdef Weights *weights = &layer.weights
    cdef char *W = at(job, G, weights.w_at)
    cdef char *delta = delta_w_at(job, layer, row)
    job.k.add_terms(m, lo, hi, layer.d_out, row_room_at(job, layer, row), layer.buffers.row_room_ld,
                    columns_at(job, layer, row), columns_ld(job, layer), delta, layer.buffers.ld, more, W, weights.ld,
                    at(job, scratch, job.shares.kind_at))
    if hi == weights.rows and weights.bias:
        job.k.colsum(m, pad(layer.d_out, job.k.lanes), delta, layer.buffers.ld, at(job, G, weights.b_at), more)


cdef void stacked_grad_end(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, char *G) noexcept nogil:
    """From what terms have gathered to dW."""
    job.k.sums_down_stacks(lo, hi, layer.terms.stacked, at(job, G, layer.weights.w_at), layer.weights.ld)


cdef void stacked_mirror(const Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """S"""
    job.k.sums_of_stacks(lo, hi, layer.terms.stacked, layer.weights.W, layer.forms.panels, layer.weights.ld)


cdef void passed_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil:
    """The layer that reads it drops."""
    pass


STACKED.name = "stacked"
STACKED.place = stacked_place
STACKED.cut = stacked_cut
STACKED.scratch = stacked_scratch
STACKED.row_scratch = stacked_room
STACKED.forward = stacked_forward
STACKED.grad = stacked_grad
STACKED.grad_end = stacked_grad_end
STACKED.mirror = stacked_mirror

PASSED.name = "passed"
PASSED.forward = passed_forward
