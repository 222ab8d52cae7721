"""Encodings of numeric features: periodic functions (waves) and piecewise linear encoding (bins).

    waves       x(l) = cos(2 pi x) or, with twice as many units, cos(2 pi x) and sin(2 pi x): for each feature all its
                cosines, then all its sines
    bins        s(l) = W^T e + b, e the piecewise linear encoding of x(l-1) (Gorishniy, Rubachev and Babenko 2022):
                feature i has a row of W for each of its bins. e is 1 in the bins below the one that holds x_i, in that
                bin the fraction of its width below x_i, and 0 in the bins above. The first bin extends below its lower
                edge, the last one above its upper edge.

e is not stored: with k the bin of x_i and f the fraction, feature i adds f times row k of W and the sum of its rows
before k, which is kept in the place of panels. For the gradient, each row of the batch adds to two knots only, the
edges of its bin k: f delta at the upper edge, (1 - f) delta at the lower one. The row of a bin in dW is the sum over
the knots at its upper edge and above. So G holds knots during a batch, and sums are formed once, at its end.
"""
import numpy as np

from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *
from fastmlp._engine.tables cimport address


# ---- waves

cdef int waves_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    layer.features.n, layer.positions = spec.pop("features"), spec.pop("positions")
    return 0


cdef Py_ssize_t waves_room(const kernels_t *k, const Layer *layer) noexcept:
    """For the sines, if they are not part of the output."""
    return 0 if layer.d_out > layer.d_in else layer.d_out


# Addresses of cosines and sines, or of their tangents or deltas.
cdef struct Waves:
    Py_ssize_t step     # elements between those of two positions
    char *cos
    char *sin           # or NULL
    Py_ssize_t ld, ld_sin


cdef inline Waves waves_at(const Job *job, const Layer *layer, char *rows, Py_ssize_t row) noexcept nogil:
    """Cosines and sines in rows laid out as x(l)."""
    cdef Waves waves
    cdef Py_ssize_t n = layer.features.n
    cdef bint both = layer.d_out > layer.d_in
    waves.step, waves.ld = 2 * n if both else n, layer.buffers.ld
    waves.cos = at(job, rows, row * layer.buffers.ld)
    waves.sin, waves.ld_sin = at(job, waves.cos, n) if both else NULL, layer.buffers.ld
    return waves


cdef inline Waves waves_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """Cosines and sines of x(l), including sines that are not output."""
    cdef Waves waves = waves_at(job, layer, layer.buffers.x, row)
    if waves.sin == NULL:
        waves.sin, waves.ld_sin = row_room_at(job, layer, row), layer.buffers.row_room_ld
    return waves


cdef void waves_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    """x(l) = cos(2 pi x(l-1)), sin(2 pi x(l-1))"""
    cdef Layer *before = layer.input.source
    cdef Waves waves = waves_of(job, layer, row)
    job.k.waves(m, layer.positions, layer.features.n, x_of(job, before, pos, row), before.buffers.ld, waves.step,
                waves.cos, waves.ld, waves.sin, waves.ld_sin)
    clear_pads(job, layer, waves.cos, m)


cdef void waves_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil:
    """de/dx(l-1) = 2 pi (cos delta of sin - sin delta of cos)"""
    cdef Layer *before = layer.input.source
    cdef char *dx = dx_at(job, &layer.input, row)
    cdef Waves waves = waves_of(job, layer, row), delta = waves_at(job, layer, layer.buffers.delta, row)
    job.k.waves_pull(m, layer.positions, layer.features.n, waves.step, waves.cos, waves.ld, waves.sin, waves.ld_sin,
                     delta.cos, delta.sin, delta.ld, dx, before.buffers.ld)
    clear_pads(job, before, dx, m)


cdef void waves_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    """cos' = -2 pi sin x', sin' = 2 pi cos x'"""
    cdef Layer *before = tangent.input.source
    cdef Waves waves = waves_of(job, layer, row), changed = waves_at(job, tangent, tangent.buffers.x, row)
    job.k.waves_push(m, layer.positions, layer.features.n, x_at(job, before, row), before.buffers.ld, waves.step,
                     waves.cos, waves.ld, waves.sin, waves.ld_sin, changed.cos, changed.sin, changed.ld)
    clear_pads(job, tangent, changed.cos, m)


cdef void waves_tangent_back(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                             char *scratch) noexcept nogil:
    """(de/dx(l-1))' = 2 pi (cos delta' of sin - sin delta' of cos) - 4 pi^2 x' (cos delta of cos + sin delta of sin)"""
    cdef Layer *before = tangent.input.source
    cdef Layer *pulled = &job.sensitivity.pulled[layer.number]
    cdef Py_ssize_t positions = layer.positions, n = layer.features.n
    cdef char *dx = dx_at(job, &tangent.input, row)
    cdef Waves waves = waves_of(job, layer, row), moved = waves_at(job, tangent, tangent.buffers.delta, row)
    cdef Waves delta = waves_at(job, pulled, pulled.buffers.delta, row)
    job.k.waves_pull(m, positions, n, waves.step, waves.cos, waves.ld, waves.sin, waves.ld_sin, moved.cos, moved.sin,
                     moved.ld, dx, before.buffers.ld)
    job.k.waves_curve(m, positions, n, waves.step, waves.cos, waves.ld, waves.sin, waves.ld_sin, delta.cos, delta.sin,
                      delta.ld, x_at(job, before, row), dx, before.buffers.ld)
    clear_pads(job, before, dx, m)


# ---- bins

cdef int bins_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    """Read the bins of each feature, given as arrays of edges."""
    cdef Weights *W = &layer.weights
    cdef Bins *bins = &layer.bins
    edges = spec.pop("edges")
    dtype = np.float32 if blank.size == 4 else np.float64
    sizes = [len(feature) for feature in edges]
    first = np.cumsum([0, *sizes]).astype(np.int32) - np.arange(len(sizes) + 1, dtype=np.int32)
    ends = np.concatenate(edges).astype(dtype)
    slope = np.concatenate([1 / np.diff(feature) for feature in edges]).astype(dtype)
    held += [first, ends, slope]
    bins.first = <int32_t *>address(first)
    bins.edges, bins.slope = <char *>address(ends), <char *>address(slope)
    W.rows, W.cols, W.units = bins.first[layer.d_in], layer.d_out, layer.d_out
    # three rows of W for each feature
    W.cost = max(<Py_ssize_t>1, 3 * layer.d_in * pad(W.cols, blank.k.lanes) // W.rows)
    return 0


cdef Py_ssize_t bins_place(Job *job, Layer *layer, char *base, Py_ssize_t offset) noexcept:
    """Place the sums of W's rows, instead of panels."""
    layer.forms.panels, layer.forms.made = base + offset, True
    return offset + room_for(job, layer.weights.rows * layer.weights.ld)


cdef Py_ssize_t bins_cut(const Layer *layer, Py_ssize_t row) noexcept:
    """Keep the bins of a feature together."""
    return layer.bins.first[feature_at(layer, row)]


cdef Py_ssize_t bins_room(const kernels_t *k, const Layer *layer) noexcept:
    """For the fraction and the bin of each feature."""
    return 2 * pad(layer.d_in, k.lanes)


cdef inline char *fraction_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """f of a row's features; for a tangent layer, their tangents"""
    return row_room_at(job, layer, row)


cdef inline int32_t *bin_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """The numbers of W's rows for the bins of a row's features; the row stride is bin_ld"""
    return <int32_t *>at(job, fraction_of(job, layer, row), pad(layer.d_in, job.k.lanes))


cdef inline Py_ssize_t bin_ld(const Job *job, const Layer *layer) noexcept nogil:
    return layer.buffers.row_room_ld * job.size // <Py_ssize_t>sizeof(int32_t)


cdef void bins_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """s(l) = W^T e + b, x(l) = theta(s(l))"""
    cdef Layer *before = layer.input.source
    cdef Weights *W = &layer.weights
    cdef Py_ssize_t i
    for i in range(m):
        job.k.find_bins(1, layer.d_in, x_of(job, before, pos + i, row + i), before.buffers.ld, layer.bins.first,
                        layer.bins.edges, layer.bins.slope, fraction_of(job, layer, row + i),
                        bin_of(job, layer, row + i), layer.buffers.row_room_ld)
    job.k.sum_bins(m, layer.d_in, layer.d_out, fraction_of(job, layer, row), bin_of(job, layer, row),
                   layer.buffers.row_room_ld, bin_ld(job, layer), W.W, layer.forms.panels, W.ld,
                   (W.b if W.bias else NULL), s_at(job, layer, row), layer.buffers.ld)
    activate(job, layer, row, m)


cdef void bins_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    """de/dx_i = (W's row for its bin, times delta(l)) / the bin's width"""
    pull_bins(job, layer, layer, row, m)


cdef void pull_bins(Job *job, const Layer *layer, const Layer *swept, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """The same for delta of `swept`, which may be the tangent of the layer that has the bins."""
    cdef const Layer *before = swept.input.source
    cdef char *dx = dx_at(job, &swept.input, row)
    job.k.pull_bins(m, layer.d_in, layer.d_out, layer.bins.slope, bin_of(job, layer, row), bin_ld(job, layer),
                    swept.weights.W, swept.weights.ld, delta_at(job, swept, row), swept.buffers.ld, dx,
                    before.buffers.ld)
    clear_pads(job, before, dx, m)


cdef void bins_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                    char *G, char *scratch) noexcept nogil:
    """Add to the knots; db = sum of delta_w. For a tangent layer f is f': the knots get f' delta and -f' delta, so
    `whole`, from which f is subtracted, is 0."""
    cdef Weights *weights = &layer.weights
    cdef const Layer *here = &job.net.layers[layer.number]
    cdef char *W = at(job, G, weights.w_at)
    cdef char *delta = delta_w_at(job, layer, row)
    if not more:
        memset(at(job, W, lo * weights.ld), 0, (hi - lo) * weights.ld * job.size)
    job.k.knot_sums(m, feature_at(layer, lo), feature_at(layer, hi), layer.d_out, layer.bins.first,
                    1 if layer == here else 0, fraction_of(job, layer, row), layer.buffers.row_room_ld,
                    bin_of(job, here, row), bin_ld(job, here), delta, layer.buffers.ld, W, weights.ld)
    if hi == weights.rows and weights.bias:
        job.k.colsum(m, pad(layer.d_out, job.k.lanes), delta, layer.buffers.ld, at(job, G, weights.b_at), more)


cdef void bins_grad_end(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, char *G) noexcept nogil:
    """Turn the sums at the knots into dW."""
    job.k.sums_from_above(feature_at(layer, lo), feature_at(layer, hi), layer.bins.first,
                          at(job, G, layer.weights.w_at), layer.weights.ld)


cdef inline Py_ssize_t feature_at(const Layer *layer, Py_ssize_t row) noexcept nogil:
    """The first feature whose rows of W begin at or after `row`; d(l-1) if there is none."""
    cdef Py_ssize_t i = 0, half, left = layer.d_in
    while left > 0:
        half = left // 2
        if layer.bins.first[i + half] < row:
            i += half + 1
            left -= half + 1
        else:
            left = half
    return i


cdef void bins_mirror(const Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """Compute, for each row of W, the sum of the rows before it."""
    job.k.sums_before(feature_at(layer, lo), feature_at(layer, hi), layer.bins.first, layer.weights.W,
                      layer.forms.panels, layer.weights.ld)


cdef void bins_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """s'(l) = sum over the features of x' / width times W's row for the bin"""
    cdef Layer *before = tangent.input.source
    job.k.push_bins(m, layer.d_in, x_at(job, before, row), before.buffers.ld, layer.bins.slope, bin_of(job, layer, row),
                    bin_ld(job, layer), fraction_of(job, tangent, row), tangent.buffers.row_room_ld)
    job.k.sum_bins(m, layer.d_in, layer.d_out, fraction_of(job, tangent, row), bin_of(job, layer, row),
                   tangent.buffers.row_room_ld, bin_ld(job, layer), layer.weights.W, NULL, layer.weights.ld, NULL,
                   s_at(job, tangent, row), tangent.buffers.ld)
    activate(job, tangent, row, m)


cdef void bins_tangent_back(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    """(de/dx(l-1))': backward of delta', in the bins of x(l-1)"""
    pull_bins(job, layer, tangent, row, m)


WAVES.name = "waves"
WAVES.measure = waves_measure
WAVES.row_scratch = waves_room
WAVES.forward = waves_forward
WAVES.backward = waves_backward
WAVES.tangent = waves_tangent
WAVES.tangent_back = waves_tangent_back

BINS.name = "bins"
BINS.measure = bins_measure
BINS.place = bins_place
BINS.cut = bins_cut
BINS.row_scratch = bins_room
BINS.forward = bins_forward
BINS.backward = bins_backward
BINS.grad = bins_grad
BINS.grad_end = bins_grad_end
BINS.mirror = bins_mirror
BINS.tangent = bins_tangent
BINS.tangent_back = bins_tangent_back
