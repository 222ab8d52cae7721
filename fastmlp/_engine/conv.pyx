"""Convolutions and pooling: layers whose units see a window of the source's map, channels last.

A convolution is a matrix product for each row of X: (positions, kh kw c_in) times W(l) (kh kw c_in, c_out). The first
matrix is not stored: its element (p, k) is element at_position[p] + at_weight[k] of the map, and the matrix tiles read
it from there. Only for padding is the map copied, to a padded one. Each weight's gradient is one chain of sums over the
rows in order and, within a row, over the positions in order: so the bits depend on neither threads nor blocks.
"""
import numpy as np

from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport columns_for, dense_mirror
from fastmlp._engine.tables cimport address

ctypedef void (*pool_fn)(const window_t *, const void *, void *) noexcept nogil
ctypedef void (*pool_grad_fn)(const window_t *, const void *, const void *, const void *, void *) noexcept nogil

cdef enum:
    CONV_ELEMENTS = 16 * 1024   # outputs, or derivatives of their windows, that are computed at a time


cdef int window_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    """Read the window that slides over the source's map, and the number of its positions."""
    cdef window_t *g = &layer.windows.window
    g.h, g.w, g.c, g.kh, g.kw, g.sh, g.sw, g.ph, g.pw, g.dh, g.dw, g.oh, g.ow = spec.pop("window")
    layer.positions = g.oh * g.ow
    return 0


cdef int conv_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    cdef Weights *W = &layer.weights
    cdef Windows *windows = &layer.windows
    cdef const window_t *g = &windows.window
    window_measure(blank, layer, spec, held)
    W.units = layer.d_out // layer.positions
    W.rows, W.cols = g.kh * g.kw * g.c, W.units
    W.columns = columns_for(blank.k, W.units)
    W.cost = W.columns * layer.positions
    windows.step = min(layer.positions, max(8, CONV_ELEMENTS // pad(max(W.units, W.rows), blank.k.lanes)))
    h, w = padded_size(g)
    windows.padded, windows.padded_w = (h * w * g.c if h != g.h or w != g.w else 0), w
    find_windows(layer, held)
    return 0


cdef (Py_ssize_t, Py_ssize_t) padded_size(const window_t *g) noexcept:
    """The height and width of the map with its padding."""
    return (max(g.ph + g.h, (g.oh - 1) * g.sh + (g.kh - 1) * g.dh + 1),
            max(g.pw + g.w, (g.ow - 1) * g.sw + (g.kw - 1) * g.dw + 1))


cdef find_windows(Layer *layer, list held):
    """Compute at_position and at_weight: where the windows are in the source's padded map."""
    at_position, at_weight = np.empty(layer.positions, np.int32), np.empty(layer.weights.rows, np.int32)
    held += [at_position, at_weight]
    cdef int32_t *stops = <int32_t *>address(at_position)
    cdef int32_t *window = <int32_t *>address(at_weight)
    cdef window_t *g = &layer.windows.window
    cdef Py_ssize_t i, j, c, n = 0, width = layer.windows.padded_w
    for i in range(g.oh):
        for j in range(g.ow):
            stops[n] = <int32_t>((i * g.sh * width + j * g.sw) * g.c)
            n += 1
    n = 0
    for i in range(g.kh):
        for j in range(g.kw):
            for c in range(g.c):
                window[n] = <int32_t>((i * g.dh * width + j * g.dw) * g.c + c)
                n += 1
    layer.windows.at_position, layer.windows.at_weight = stops, window


cdef Py_ssize_t conv_scratch(const kernels_t *k, const Layer *layer) noexcept:
    """For s of some positions, or de/dx of their windows."""
    cdef const Weights *W = &layer.weights
    return layer.windows.step * pad(max(W.units, W.rows), k.lanes) + k.lanes


cdef Py_ssize_t conv_row_scratch(const kernels_t *k, const Layer *layer) noexcept:
    """For the source's padded map, which forward makes and grad reads."""
    return layer.windows.padded


cdef inline Py_ssize_t positions_in_place(const Job *job, const Layer *layer) noexcept nogil:
    """The number of positions whose s is computed in place. The product writes whole vectors; the next position
    overwrites what is past the channels, but no vector may reach past the end of the row."""
    cdef const Weights *W = &layer.weights
    cdef Py_ssize_t n = W.columns
    if n == W.units:
        return layer.positions
    if n > job.k.tile_columns or n > pad(layer.d_out, job.k.lanes):
        return 0
    return min(layer.positions, (pad(layer.d_out, job.k.lanes) - n) // W.units + 1)


cdef inline char *map_before(const Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row) noexcept nogil:
    """x(l-1) of a row, padded if the layer has padding; fill_map makes it."""
    if layer.windows.padded == 0:
        return operands_of(job, layer.input.source, pos, row)
    return row_room_at(job, layer, row)


cdef void fill_map(const Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row) noexcept nogil:
    """Copy x(l-1) of a row to its padded map, if the layer has padding."""
    cdef const window_t *g = &layer.windows.window
    cdef char *x = operands_of(job, layer.input.source, pos, row)
    cdef char *room = map_before(job, layer, pos, row)
    cdef Py_ssize_t i
    if layer.windows.padded == 0:
        return
    memset(room, 0, layer.windows.padded * job.k.operandsize)
    for i in range(g.h):
        memcpy(operand_at(job, room, ((g.ph + i) * layer.windows.padded_w + g.pw) * g.c),
               operand_at(job, x, i * g.w * g.c), g.w * g.c * job.k.operandsize)


cdef void conv_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """s(l) = windows(x(l-1)) W(l) + b(l), x(l) = theta(s(l))"""
    cdef Weights *W = &layer.weights
    cdef Py_ssize_t i, p, n
    cdef const char *before
    cdef char *s = s_at(job, layer, row)
    cdef char *room = at(job, scratch, job.shares.kind_at)
    cdef char *out
    cdef bint placed
    cdef bint fused = layer.theta.act == ACT_relu and layer.buffers.s == layer.buffers.x
    cdef Py_ssize_t in_place = positions_in_place(job, layer)
    cdef gemm_t g
    memset(&g, 0, sizeof(g))
    g.N, g.K, g.steps = W.columns, W.rows, layer.windows.at_weight
    g.B, g.ldb = layer.forms.operands, W.ld
    g.init = W.b if W.bias else NULL
    g.epilogue = EPI_RELU if fused else EPI_NONE
    for i in range(m):
        fill_map(job, layer, pos + i, row + i)
        before = map_before(job, layer, pos + i, row + i)
        p = 0
        while p < layer.positions:
            placed = p < in_place
            n = min(layer.windows.step, (in_place if placed else layer.positions) - p)
            g.rows = layer.windows.at_position + p
            out = at(job, s, i * layer.buffers.ld + p * W.units)
            g.ldc = W.units if placed else g.N
            job.k.gemm(&g, n, before, (out if placed else room), NULL, scratch)
            if not placed:
                job.k.rows(n, W.units, room, g.N, out, W.units)
            p += n
        clear_pad(job, layer, at(job, s, i * layer.buffers.ld))
    if not fused:
        activate(job, layer, row, m)


cdef void conv_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    """de/dx(l-1): the sum over the windows of delta(l) W(l)^T, each added at the window's place"""
    cdef Weights *W = &layer.weights
    cdef Layer *before = layer.input.source
    cdef Py_ssize_t i, p, q
    cdef char *delta
    cdef char *dx
    cdef char *room = at(job, scratch, job.shares.kind_at)
    cdef gemm_t g
    memset(&g, 0, sizeof(g))
    g.N, g.K = pad(W.rows, job.k.lanes), W.units
    g.ra, g.ca = W.units, 1
    g.B, g.ldb, g.ldc = layer.forms.mirror, layer.forms.ld, g.N
    for i in range(row, row + m):
        delta, dx = delta_at(job, layer, i), dx_at(job, &layer.input, i)
        memset(dx, 0, pad(before.d_out, job.k.lanes) * job.size)
        p = 0
        while p < layer.positions:
            q = min(p + layer.windows.step, layer.positions)
            job.k.gemm(&g, q - p, operand_at(job, delta, p * W.units), room, NULL, scratch)
            job.k.unpatch(&layer.windows.window, p, q, room, g.ldc, dx)
            p = q


cdef void conv_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                    char *G, char *scratch) noexcept nogil:
    """de/dW(l) = sum of windows(x(l-1))^T delta_w(l), de/db(l) = sum of delta_w(l), over rows and positions"""
    cdef Weights *weights = &layer.weights
    cdef Py_ssize_t i
    cdef bint with_bias = hi == weights.rows and weights.bias
    cdef char *b = at(job, G, weights.b_at)
    cdef char *W = at(job, G, weights.w_at + lo * weights.ld)
    cdef gemm_t g
    memset(&g, 0, sizeof(g))
    g.N, g.K = weights.columns, layer.positions
    g.rows, g.steps = layer.windows.at_weight + lo, layer.windows.at_position
    g.ldb = weights.units   # whole vectors extend into the next position: the superfluous columns are cleared below
    g.ldc = g.ldi = weights.ld
    for i in range(row, row + m):
        g.B = delta_w_at(job, layer, i)
        g.init = W if more else NULL
        job.k.gemm(&g, hi - lo, map_before(job, layer, i, i), W, NULL, scratch)
        if with_bias:
            job.k.colsum(layer.positions, weights.ld, g.B, weights.units, b, more)
        more = True
    clear_columns(job, W, hi - lo, weights.units, weights.ld, weights.ld)
    if with_bias:
        clear_columns(job, b, 1, weights.units, weights.ld, weights.ld)


cdef void max_pool_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """x(l) = the largest of each window"""
    pool_forward(job, layer, pos, row, m, job.k.max_pool)


cdef void max_pool_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    """de/dx(l-1): delta(l) at the first of the largest of each window"""
    pool_backward(job, layer, layer, row, m, job.k.max_pool_grad)


cdef void max_pool_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """x'(l) = x'(l-1) where x(l-1) is largest"""
    cdef Py_ssize_t i
    cdef char *out
    for i in range(row, row + m):
        out = x_at(job, tangent, i)
        job.k.max_pool_tangent(&layer.windows.window, x_of(job, layer.input.source, i, i), x_at(job, layer, i),
                               x_of(job, tangent.input.source, i, i), out)
        clear_pad(job, layer, out)


cdef void max_pool_tangent_back(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                                char *scratch) noexcept nogil:
    pool_backward(job, layer, tangent, row, m, job.k.max_pool_grad)


cdef void avg_pool_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """x(l) = the mean of each window, zero in the padding"""
    pool_forward(job, layer, pos, row, m, job.k.avg_pool)


cdef void avg_pool_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    """de/dx(l-1): an even share of delta(l) all over each window"""
    pool_backward(job, layer, layer, row, m, job.k.avg_pool_grad)


cdef void pool_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       pool_fn pool) noexcept nogil:
    cdef Py_ssize_t i
    cdef char *out
    for i in range(m):
        out = x_at(job, layer, row + i)
        pool(&layer.windows.window, x_of(job, layer.input.source, pos + i, row + i), out)
        clear_pad(job, layer, out)


cdef void pool_backward(Job *job, Layer *layer, Layer *swept, Py_ssize_t row, Py_ssize_t m,
                        pool_grad_fn grad) noexcept nogil:
    """de/dx(l-1) from delta of a layer or of its tangent (`swept`), at the layer's x"""
    cdef Layer *before = layer.input.source
    cdef Py_ssize_t i
    cdef char *dx
    for i in range(row, row + m):
        dx = dx_at(job, &swept.input, i)
        memset(dx, 0, pad(before.d_out, job.k.lanes) * job.size)
        grad(&layer.windows.window, x_of(job, before, i, i), x_at(job, layer, i), delta_at(job, swept, i), dx)


CONV.name = "conv"
CONV.measure = conv_measure
CONV.scratch = conv_scratch
CONV.row_scratch = conv_row_scratch
CONV.forward = conv_forward
CONV.backward = conv_backward
CONV.grad = conv_grad
CONV.mirror = dense_mirror

MAX_POOL.name = "max_pool"
MAX_POOL.measure = window_measure
MAX_POOL.forward = max_pool_forward
MAX_POOL.backward = max_pool_backward
MAX_POOL.tangent = max_pool_tangent
MAX_POOL.tangent_back = max_pool_tangent_back

AVG_POOL.name = "avg_pool"
AVG_POOL.measure = window_measure
AVG_POOL.forward = avg_pool_forward
AVG_POOL.backward = avg_pool_backward
