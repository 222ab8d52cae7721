"""Normalisation of the features of each row, of maps of the channels at each position: s = gamma x^ + beta, with

    x^ = r (x(l-1) - mean), r = 1 / sqrt(var + eps)     layer normalisation (Ba et al. 2016)
    x^ = r x(l-1), r = 1 / sqrt(mean square + eps)      by the root mean square (Zhang and Sennrich 2019)

and J = dx^/dx = r (1 - 1 1^T / n - x^ x^T / n), symmetric, without 1 1^T in the second case. So

    backward   de/dx = J (gamma delta)
    tangent    x^' = J x', s' = gamma x^'
               (de/dx)' = J (gamma delta') + J' (gamma delta), where J' follows from x^' and r' = -r^2 mean(x^ x')

Each row keeps x^ and r in its room; a tangent's room has x^'.
"""
from fastmlp._engine.features cimport beta_of, features_measure, gamma_of, grad_of_features
from fastmlp._engine.structs cimport *


cdef Py_ssize_t row_norm_room(const kernels_t *k, const Layer *layer) noexcept:
    """x^, then r of each position."""
    return pad(layer.d_out, k.lanes) + layer.weights.positions


cdef inline char *normal_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """x^ of a row, of a tangent x^'"""
    return at(job, layer.room, row * layer.room_ld)


cdef inline char *scale_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """r of a row's positions"""
    return at(job, normal_of(job, layer, row), pad(layer.d_out, job.k.lanes))


cdef void row_norm_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """s(l) = gamma x^ + beta, x(l) = theta(s(l))"""
    cdef Layer *before = layer.input.source
    cdef Features *of = &layer.features
    cdef char *s = at(job, layer.s, row * layer.ld)
    job.k.row_norm(m, layer.weights.positions, of.n, of.centred, of.eps, x_of(job, before, pos, row), before.ld,
                   gamma_of(layer), beta_of(layer), normal_of(job, layer, row), scale_of(job, layer, row),
                   layer.room_ld, s, layer.ld)
    clear_pads(job, layer, s, m)
    activate(job, layer, row, m)


cdef inline void slope(Job *job, const Layer *layer, Py_ssize_t row, Py_ssize_t m, const char *gamma, const char *v,
                       Py_ssize_t ldv, char *out, Py_ssize_t ldo) noexcept nogil:
    """out = J (gamma v)"""
    job.k.row_norm_slope(m, layer.weights.positions, layer.features.n, layer.features.centred,
                         normal_of(job, layer, row), scale_of(job, layer, row), layer.room_ld, gamma, v, ldv, out, ldo)


cdef void row_norm_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    """de/dx(l-1) = J (gamma delta(l))"""
    cdef Layer *before = layer.input.source
    cdef char *dx = at(job, layer.input.dx, row * before.ld)
    slope(job, layer, row, m, gamma_of(layer), at(job, layer.delta, row * layer.ld), layer.ld, dx, before.ld)
    clear_pads(job, before, dx, m)


cdef void row_norm_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                        char *G, char *scratch) noexcept nogil:
    """dgamma = sum of x^ delta_w, dbeta = sum of delta_w"""
    grad_of_features(job, layer, normal_of(job, layer, row), layer.room_ld, row, m, more, G)


cdef void row_norm_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """x^' = J x'(l-1), s'(l) = gamma x^'"""
    cdef Layer *before = tangent.input.source
    cdef char *normal = normal_of(job, tangent, row)
    cdef char *s = at(job, tangent.x, row * tangent.ld)
    slope(job, layer, row, m, NULL, at(job, before.x, row * before.ld), before.ld, normal, tangent.room_ld)
    job.k.affine(m, layer.weights.positions, layer.features.n, normal, tangent.room_ld, gamma_of(layer), NULL, s,
                 tangent.ld)
    clear_pads(job, tangent, s, m)


cdef void row_norm_tangent_back(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                                char *scratch) noexcept nogil:
    """(de/dx(l-1))' = J (gamma delta'(l)) + J' (gamma delta(l))"""
    cdef Layer *before = tangent.input.source
    cdef Layer *pulled = &job.sensitivity.pulled[layer.number]
    cdef char *dx = at(job, tangent.input.dx, row * before.ld)
    slope(job, layer, row, m, gamma_of(layer), at(job, tangent.delta, row * tangent.ld), tangent.ld, dx, before.ld)
    job.k.row_norm_curve(m, layer.weights.positions, layer.features.n, layer.features.centred,
                         normal_of(job, layer, row), scale_of(job, layer, row), layer.room_ld, gamma_of(layer),
                         at(job, pulled.delta, row * pulled.ld), pulled.ld, at(job, before.x, row * before.ld),
                         before.ld, normal_of(job, tangent, row), tangent.room_ld, dx, before.ld)
    clear_pads(job, before, dx, m)


LAYER_NORM.name = "layer_norm"
LAYER_NORM.measure = features_measure
LAYER_NORM.row_scratch = row_norm_room
LAYER_NORM.forward = row_norm_forward
LAYER_NORM.backward = row_norm_backward
LAYER_NORM.grad = row_norm_grad
LAYER_NORM.tangent = row_norm_tangent
LAYER_NORM.tangent_back = row_norm_tangent_back

RMS_NORM = LAYER_NORM
RMS_NORM.name = "rms_norm"
