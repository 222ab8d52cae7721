"""Scale and shift layers: s = gamma x + beta, with a learned factor and a learned summand for each feature (of maps,
for each channel), or one of the two. W of the layer is gamma and b is beta; without gamma, W is beta.
"""
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *


cdef int features_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    cdef Weights *W = &layer.weights
    layer.features.n, layer.features.scaled = spec.pop("features"), spec.pop("scaled")
    layer.positions = layer.d_out // layer.features.n
    W.lone = W.bias and not layer.features.scaled
    W.bias = W.bias and not W.lone
    W.rows = 1 if W.lone or layer.features.scaled else 0
    W.units = W.cols = layer.features.n
    W.cost = pad(W.cols, blank.k.lanes) * layer.positions
    return 0


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
    multiply(job, layer, x_of(job, layer.input.source, pos, row), beta_of(layer), s_at(job, layer, row), m)
    activate(job, layer, row, m)


cdef void affine_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil:
    """s'(l) = gamma x'(l-1)"""
    multiply(job, layer, x_at(job, tangent.input.source, row), NULL, x_at(job, tangent, row), m)


cdef void multiply(Job *job, Layer *layer, const char *x, const char *beta, char *s, Py_ssize_t m) noexcept nogil:
    job.k.affine(m, layer.positions, layer.features.n, x, layer.input.source.buffers.ld, gamma_of(layer), beta, s,
                 layer.buffers.ld)
    clear_pads(job, layer, s, m)


cdef void affine_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """de/dx(l-1) = gamma delta(l)"""
    cdef Layer *before = layer.input.source
    cdef char *dx = dx_at(job, &layer.input, row)
    job.k.affine(m, layer.positions, layer.features.n, delta_at(job, layer, row), layer.buffers.ld, gamma_of(layer),
                 NULL, dx, before.buffers.ld)
    clear_pads(job, before, dx, m)


cdef void affine_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                      char *G, char *scratch) noexcept nogil:
    cdef Layer *before = layer.input.source
    grad_of_features(job, layer, x_at(job, before, row), before.buffers.ld, row, m, more, G)


cdef void grad_of_features(Job *job, Layer *layer, const char *x, Py_ssize_t ldx, Py_ssize_t row, Py_ssize_t m,
                           bint more, char *G) noexcept nogil:
    """dgamma = sum of x delta_w, dbeta = sum of delta_w, over rows and positions; x is the factor of gamma."""
    cdef Weights *W = &layer.weights
    cdef char *first = at(job, G, W.w_at)
    cdef char *bias = at(job, G, W.b_at) if W.bias else NULL
    job.k.feature_sums(m, layer.positions, layer.features.n, x, ldx, delta_w_at(job, layer, row), layer.buffers.ld,
                       more, NULL if W.lone else first, first if W.lone else bias)


SCALE.name = "scale"
SCALE.measure = features_measure
SCALE.forward = affine_forward
SCALE.backward = affine_backward
SCALE.grad = affine_grad
SCALE.tangent = affine_tangent

SHIFT = SCALE
SHIFT.name = "shift"
