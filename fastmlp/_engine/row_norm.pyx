"""Normalisation of the features of each row (of maps, of the channels at each position): s = gamma x^ + beta, with

    x^ = r (x(l-1) - mean), r = 1 / sqrt(var + eps)     layer normalisation (Ba et al. 2016)
    x^ = r x(l-1), r = 1 / sqrt(mean square + eps)      RMS normalisation (Zhang and Sennrich 2019)

and J = dx^/dx = r (1 - 1 1^T / n - x^ x^T / n), symmetric, without 1 1^T in the second case. So

    backward   de/dx = J (gamma delta)
    tangent    x^' = J x', s' = gamma x^'
               (de/dx)' = J (gamma delta') + J' (gamma delta), where J' follows from x^' and r' = -r^2 mean(x^ x')

Each row stores x^ and r in its room; the tangent's room stores x^'.
"""
from fastmlp._engine.features cimport beta_of, features_measure, gamma_of, grad_of_features
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *


cdef int row_norm_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    layer.features.centred, layer.features.eps = spec.pop("centred"), spec.pop("eps")
    return features_measure(blank, layer, spec, held)


cdef Py_ssize_t row_norm_room(const kernels_t *k, const Layer *layer) noexcept:
    """For x^, then r of each position."""
    return pad(layer.d_out, k.lanes) + layer.positions


cdef inline char *normal_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """x^ of a row; for a tangent layer, x^'"""
    return row_room_at(job, layer, row)


cdef inline char *scale_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """r of a row's positions"""
    return at(job, normal_of(job, layer, row), pad(layer.d_out, job.k.lanes))


cdef void row_norm_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """s(l) = gamma x^ + beta, x(l) = theta(s(l))"""
    cdef Layer *before = layer.input.source
    cdef Features *features = &layer.features
    cdef char *s = s_at(job, layer, row)
    job.k.row_norm(m, layer.positions, features.n, features.centred, features.eps, x_of(job, before, pos, row),
                   before.buffers.ld, gamma_of(layer), beta_of(layer), normal_of(job, layer, row),
                   scale_of(job, layer, row), layer.buffers.row_room_ld, s, layer.buffers.ld)
    clear_pads(job, layer, s, m)
    activate(job, layer, row, m)


cdef inline void slope(Job *job, const Layer *layer, Py_ssize_t row, Py_ssize_t m, const char *gamma, const char *v,
                       Py_ssize_t ldv, char *out, Py_ssize_t ldo) noexcept nogil:
    """out = J (gamma v)"""
    job.k.row_norm_slope(m, layer.positions, layer.features.n, layer.features.centred, normal_of(job, layer, row),
                         scale_of(job, layer, row), layer.buffers.row_room_ld, gamma, v, ldv, out, ldo)


cdef void row_norm_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    """de/dx(l-1) = J (gamma delta(l))"""
    cdef Layer *before = layer.input.source
    cdef char *dx = dx_at(job, &layer.input, row)
    slope(job, layer, row, m, gamma_of(layer), delta_at(job, layer, row), layer.buffers.ld, dx, before.buffers.ld)
    clear_pads(job, before, dx, m)


cdef void row_norm_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                        char *G, char *scratch) noexcept nogil:
    """dgamma = sum of x^ delta_w, dbeta = sum of delta_w"""
    grad_of_features(job, layer, normal_of(job, layer, row), layer.buffers.row_room_ld, row, m, more, G)


cdef void row_norm_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """x^' = J x'(l-1), s'(l) = gamma x^'"""
    cdef Layer *before = tangent.input.source
    cdef char *normal = normal_of(job, tangent, row)
    cdef char *s = x_at(job, tangent, row)
    slope(job, layer, row, m, NULL, x_at(job, before, row), before.buffers.ld, normal, tangent.buffers.row_room_ld)
    job.k.affine(m, layer.positions, layer.features.n, normal, tangent.buffers.row_room_ld, gamma_of(layer), NULL, s,
                 tangent.buffers.ld)
    clear_pads(job, tangent, s, m)


cdef void row_norm_tangent_back(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                                char *scratch) noexcept nogil:
    """(de/dx(l-1))' = J (gamma delta'(l)) + J' (gamma delta(l))"""
    cdef Layer *before = tangent.input.source
    cdef Layer *pulled = &job.sensitivity.pulled[layer.number]
    cdef char *dx = dx_at(job, &tangent.input, row)
    slope(job, layer, row, m, gamma_of(layer), delta_at(job, tangent, row), tangent.buffers.ld, dx, before.buffers.ld)
    job.k.row_norm_curve(m, layer.positions, layer.features.n, layer.features.centred, normal_of(job, layer, row),
                         scale_of(job, layer, row), layer.buffers.row_room_ld, gamma_of(layer),
                         delta_at(job, pulled, row), pulled.buffers.ld, x_at(job, before, row), before.buffers.ld,
                         normal_of(job, tangent, row), tangent.buffers.row_room_ld, dx, before.buffers.ld)
    clear_pads(job, before, dx, m)


LAYER_NORM.name = "layer_norm"
LAYER_NORM.measure = row_norm_measure
LAYER_NORM.row_scratch = row_norm_room
LAYER_NORM.forward = row_norm_forward
LAYER_NORM.backward = row_norm_backward
LAYER_NORM.grad = row_norm_grad
LAYER_NORM.tangent = row_norm_tangent
LAYER_NORM.tangent_back = row_norm_tangent_back

RMS_NORM = LAYER_NORM
RMS_NORM.name = "rms_norm"
