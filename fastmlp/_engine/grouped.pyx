"""Grouped dense layers: W is block diagonal, g blocks in (d(l-1), d(l)). The blocks are stored one below the other,
(d(l-1), d(l) / g): row i has the weights from unit i of the source to the units of its group.

If the size of a group is not a whole number of vectors, products are computed in scratch and copied: whole vectors
would extend into the units of the next group.
"""
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport columns_for, dense_mirror

cdef enum:
    ROWS_AT_ONCE = 32       # rows whose products are computed in scratch at a time


cdef int grouped_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    cdef Weights *W = &layer.weights
    layer.groups = spec.pop("groups")
    W.rows, W.cols, W.units = layer.d_in, layer.d_out // layer.groups, layer.d_out
    W.columns = W.cost = columns_for(blank.k, W.cols)
    return 0


cdef Py_ssize_t grouped_scratch(const kernels_t *k, const Layer *layer) noexcept:
    """For the products of some rows, and their initial values."""
    return (ROWS_AT_ONCE + 1) * pad(max(layer.weights.cols, layer.d_in // layer.groups), k.lanes)


cdef void multiply(Job *job, gemm_t *g, Py_ssize_t n, Py_ssize_t m, const char *A, char *C,
                   char *scratch) noexcept nogil:
    """C (m, n) = init + A B; further columns of C follow the n."""
    cdef Py_ssize_t r, end, i = 0, ld = g.ldc
    cdef char *room = at(job, scratch, job.shares.kind_at)
    cdef char *init = at(job, room, ROWS_AT_ONCE * pad(n, job.k.lanes))
    g.N = columns_for(job.k, n)
    if n % job.k.lanes == 0:
        job.k.gemm(g, m, A, C, NULL, scratch)
        return
    g.ldc = pad(n, job.k.lanes)
    if g.init != NULL:
        job.k.rows(1, n, g.init, n, init, g.ldc)
        g.init = init
    while i < m:
        end = min(i + ROWS_AT_ONCE, m)
        job.k.gemm(g, end - i, operand_at(job, A, i * g.ra), room, NULL, scratch)
        for r in range(i, end):
            memcpy(at(job, C, r * ld), at(job, room, (r - i) * g.ldc), n * job.size)
        i = end


cdef void grouped_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l))"""
    cdef Layer *before = layer.input.source
    cdef Weights *W = &layer.weights
    cdef Py_ssize_t k, d_in = layer.d_in // layer.groups
    cdef char *s = s_at(job, layer, row)
    cdef bint fused = layer.theta.act == ACT_relu and layer.buffers.s == layer.buffers.x
    cdef gemm_t g
    for k in range(layer.groups):
        memset(&g, 0, sizeof(g))
        g.K, g.ra, g.ca, g.ldb, g.ldc = d_in, before.buffers.ld, 1, W.ld, layer.buffers.ld
        g.B = operand_at(job, layer.forms.operands, k * d_in * W.ld)
        g.init = at(job, W.b, k * W.cols) if W.bias else NULL
        g.epilogue = EPI_RELU if fused else EPI_NONE
        multiply(job, &g, W.cols, m, operand_at(job, operands_of(job, before, pos, row), k * d_in),
                 at(job, s, k * W.cols), scratch)
    clear_pads(job, layer, s, m)
    if not fused:
        activate(job, layer, row, m)


cdef void grouped_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """de/dx(l-1) = W(l) delta(l)"""
    cdef Layer *before = layer.input.source
    cdef Weights *W = &layer.weights
    cdef Py_ssize_t k, d_in = layer.d_in // layer.groups
    cdef char *dx = dx_at(job, &layer.input, row)
    cdef gemm_t g
    for k in range(layer.groups):
        memset(&g, 0, sizeof(g))
        g.K, g.ra, g.ca, g.ldb, g.ldc = W.cols, layer.buffers.ld, 1, layer.forms.ld, before.buffers.ld
        g.B = operand_at(job, layer.forms.mirror, k * d_in)
        multiply(job, &g, d_in, m, operand_at(job, delta_at(job, layer, row), k * W.cols), at(job, dx, k * d_in),
                 scratch)
    clear_pads(job, before, dx, m)


cdef void grouped_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                       char *G, char *scratch) noexcept nogil:
    """de/dW(l) = sum of x(l-1) delta_w(l)^T within each group; de/db(l) = sum of delta_w(l)"""
    cdef Layer *before = layer.input.source
    cdef Weights *weights = &layer.weights
    cdef Py_ssize_t i = lo, end, k, d_in = layer.d_in // layer.groups
    cdef char *delta = delta_w_at(job, layer, row)
    cdef char *W = at(job, G, weights.w_at)
    cdef gemm_t g
    memset(&g, 0, sizeof(g))
    g.N, g.K, g.ra, g.ca, g.ldb = weights.columns, m, 1, before.buffers.ld, layer.buffers.ld
    g.ldc = g.ldi = weights.ld
    while i < hi:
        k = i // d_in
        end = min(hi, (k + 1) * d_in)
        # whole vectors may extend into the next group: the superfluous columns are cleared below
        g.B = operand_at(job, delta, k * weights.cols)
        g.init = at(job, W, i * weights.ld) if more else NULL
        job.k.gemm(&g, end - i, operand_at(job, operands_at(job, before, row), i), at(job, W, i * weights.ld), NULL,
                   scratch)
        i = end
    clear_columns(job, at(job, W, lo * weights.ld), hi - lo, weights.cols, weights.ld, weights.ld)
    if hi == weights.rows and weights.bias:
        job.k.colsum(m, pad(layer.d_out, job.k.lanes), delta, layer.buffers.ld, at(job, G, weights.b_at), more)


GROUPED.name = "grouped"
GROUPED.measure = grouped_measure
GROUPED.scratch = grouped_scratch
GROUPED.forward = grouped_forward
GROUPED.backward = grouped_backward
GROUPED.grad = grouped_grad
GROUPED.mirror = dense_mirror
