"""A learned factor and a learned summand for each feature, of maps for each channel: s = gamma x + beta. Layers of one
of them or of both: W of the layer is gamma, b beta. Where only beta is there, it is kept in the place of W.
"""
from fastmlp._engine.structs cimport *


cdef void features_measure(const kernels_t *k, Layer *layer) noexcept:
    cdef Weights *W = &layer.weights
    W.lone = W.bias and not layer.features.scaled
    W.bias = W.bias and not W.lone
    W.rows = 1 if W.lone or layer.features.scaled else 0
    W.units = W.cols = layer.features.n
    W.columns = pad(W.cols, k.lanes)
    W.positions = layer.d_out // W.cols


cdef const char *gamma_of(const Layer *layer) noexcept nogil:
    """gamma, or NULL for ones."""
    return layer.weights.W if layer.features.scaled else NULL


cdef const char *beta_of(const Layer *layer) noexcept nogil:
    """beta, or NULL for zeros."""
    cdef const Weights *W = &layer.weights
    return W.W if W.lone else W.b if W.bias else NULL


cdef void affine_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil:
    """s(l) = gamma x(l-1) + beta, x(l) = theta(s(l))"""
    multiply(job, layer, x_of(job, layer.input.source, pos, row), beta_of(layer), at(job, layer.s, row * layer.ld), m)
    activate(job, layer, row, m)


cdef void affine_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil:
    """s'(l) = gamma x'(l-1)"""
    multiply(job, layer, at(job, tangent.input.source.x, row * layer.input.source.ld), NULL,
             at(job, tangent.x, row * layer.ld), m)


cdef void multiply(Job *job, Layer *layer, const char *x, const char *beta, char *s, Py_ssize_t m) noexcept nogil:
    job.k.affine(m, layer.weights.positions, layer.features.n, x, layer.input.source.ld, gamma_of(layer), beta, s,
                 layer.ld)
    clear_pads(job, layer, s, m)


cdef void affine_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """de/dx(l-1) = gamma delta(l)"""
    cdef Layer *before = layer.input.source
    cdef char *dx = at(job, layer.input.dx, row * before.ld)
    job.k.affine(m, layer.weights.positions, layer.features.n, at(job, layer.delta, row * layer.ld), layer.ld,
                 gamma_of(layer), NULL, dx, before.ld)
    clear_pads(job, before, dx, m)


cdef void affine_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                      char *G, char *scratch) noexcept nogil:
    cdef Layer *before = layer.input.source
    grad_of_features(job, layer, at(job, before.x, row * before.ld), before.ld, row, m, more, G)


cdef void grad_of_features(Job *job, Layer *layer, const char *x, Py_ssize_t ldx, Py_ssize_t row, Py_ssize_t m,
                           bint more, char *G) noexcept nogil:
    """dgamma = sum of x delta_w, dbeta = sum of delta_w, over rows and positions; x is what gamma multiplies."""
    cdef Weights *W = &layer.weights
    cdef char *first = at(job, G, W.w_at)
    cdef char *bias = at(job, G, W.b_at) if W.bias else NULL
    job.k.feature_sums(m, W.positions, layer.features.n, x, ldx, at(job, layer.delta_w, row * layer.ld), layer.ld, more,
                       NULL if W.lone else first, first if W.lone else bias)


SCALE.name = "scale"
SCALE.measure = features_measure
SCALE.forward = affine_forward
SCALE.backward = affine_backward
SCALE.grad = affine_grad
SCALE.tangent = affine_tangent

SHIFT = SCALE
SHIFT.name = "shift"
