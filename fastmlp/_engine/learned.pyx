"""Activations with a learned number a for each feature (of maps, for each channel), and gated linear units.

    s = u + a (w - u), an interpolation between two functions u and w of x = x(l-1); a is W of the layer
        mixture   u = x, w = theta(x): (1 - a) x + a theta(x)
        prelu     u = max(x, 0), w = x: x where x > 0, else a x (He et al. 2015)
    s = b theta(c), b and c the first and the second half of the features of x(l-1) (Dauphin et al. 2017)

For each row, what theta' is computed from is stored in the row's room, and for mixtures also w - u, the derivative of s
by a.
"""
from fastmlp._engine.features cimport features_measure, grad_of_features
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *
from fastmlp._engine.tables cimport theta_for


cdef Theta read_theta(dict spec):
    act, argument = spec.pop("mixed")
    return theta_for(act, argument)


# ---- mixtures

cdef int mixture_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    layer.mixture.theta = read_theta(spec)
    return features_measure(blank, layer, spec, held)


cdef int prelu_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    layer.mixture.from_theta = True
    return mixture_measure(blank, layer, spec, held)


cdef Py_ssize_t mixture_room(const kernels_t *k, const Layer *layer) noexcept:
    """For what theta' is computed from, then w - u."""
    return 2 * pad(layer.d_out, k.lanes)


cdef Py_ssize_t mixture_scratch(const kernels_t *k, const Layer *layer) noexcept:
    """Two rows."""
    return 2 * pad(layer.d_out, k.lanes)


cdef inline char *room_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    return row_room_at(job, layer, row)


cdef inline char *rest_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """w - u of a row; for a tangent layer, its tangent"""
    return at(job, room_of(job, layer, row), pad(layer.d_out, job.k.lanes))


cdef inline void lie_between(Job *job, const Layer *layer, const char *x, Py_ssize_t ldx, const char *theta,
                             Py_ssize_t ldt, Py_ssize_t m, const char *a, char *rest, Py_ssize_t ldr, char *out,
                             Py_ssize_t ldo) noexcept nogil:
    """rest = w - u, out = u + a rest. x, theta: x(l-1) and theta(x(l-1)), or both times a factor."""
    if layer.mixture.from_theta:
        x, ldx, theta, ldt = theta, ldt, x, ldx
    job.k.blend(m, layer.positions, layer.features.n, x, ldx, theta, ldt, a, rest, ldr, out, ldo)


cdef void mixture_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """s(l) = u + a (w - u)"""
    cdef Layer *before = layer.input.source
    cdef Theta *theta = &layer.mixture.theta
    cdef Py_ssize_t i, n = pad(layer.d_out, job.k.lanes)
    cdef char *s = s_at(job, layer, row)
    cdef char *kept
    # theta(x) is stored where w - u will be if theta' needs s, else over s
    cdef Py_ssize_t theta_at = n if theta.needs_s else 0
    for i in range(m):
        kept = room_of(job, layer, row + i)
        job.k.rows(1, layer.d_out, x_of(job, before, pos + i, row + i), layer.d_out, kept, n)
        job.k.act(theta.act, theta.arg, n, kept, at(job, kept, theta_at))
    lie_between(job, layer, x_of(job, before, pos, row), before.buffers.ld, at(job, room_of(job, layer, row), theta_at),
                layer.buffers.row_room_ld, m, layer.weights.W, rest_of(job, layer, row), layer.buffers.row_room_ld, s,
                layer.buffers.ld)
    clear_pads(job, layer, s, m)
    activate(job, layer, row, m)


cdef void mixture_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """de/dx(l-1) = delta(l) (u' + a (w' - u'))"""
    pull_mixture(job, layer, layer.weights.W, delta_at(job, layer, row), row, m, dx_at(job, &layer.input, row),
                 layer.input.source.buffers.ld, NULL, 0, scratch)
    clear_pads(job, layer.input.source, dx_at(job, &layer.input, row), m)


cdef void pull_mixture(Job *job, Layer *layer, const char *a, const char *delta, Py_ssize_t row, Py_ssize_t m, char *dx,
                       Py_ssize_t ldx, char *rest, Py_ssize_t ldr, char *scratch) noexcept nogil:
    """dx = delta (u' + a (w' - u')) and, unless rest is NULL, rest = delta (w' - u')."""
    cdef Theta *theta = &layer.mixture.theta
    cdef Py_ssize_t i, n = pad(layer.d_out, job.k.lanes)
    cdef char *sloped = at(job, scratch, job.shares.kind_at)
    cdef char *spare = at(job, sloped, n)
    for i in range(m):
        memcpy(sloped, at(job, delta, i * layer.buffers.ld), n * job.size)
        job.k.act_grad(theta.act, theta.arg, n, room_of(job, layer, row + i), sloped)
        lie_between(job, layer, at(job, delta, i * layer.buffers.ld), layer.buffers.ld, sloped, n, 1, a,
                    spare if rest == NULL else at(job, rest, i * ldr), n, at(job, dx, i * ldx), ldx)


cdef void mixture_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                       char *G, char *scratch) noexcept nogil:
    """da = sum of (w - u) delta_w"""
    grad_of_features(job, layer, rest_of(job, layer, row), layer.buffers.row_room_ld, row, m, more, G)


cdef void mixture_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """s'(l) = x' (u' + a (w' - u'))"""
    cdef Layer *before = tangent.input.source
    cdef Theta *theta = &layer.mixture.theta
    cdef Py_ssize_t i, n = pad(layer.d_out, job.k.lanes)
    cdef char *x = x_at(job, before, row)
    cdef char *s = x_at(job, tangent, row)
    for i in range(m):
        memcpy(room_of(job, tangent, row + i), at(job, x, i * before.buffers.ld), n * job.size)
        job.k.act_grad(theta.act, theta.arg, n, room_of(job, layer, row + i), room_of(job, tangent, row + i))
    lie_between(job, layer, x, before.buffers.ld, room_of(job, tangent, row), tangent.buffers.row_room_ld, m,
                layer.weights.W, rest_of(job, tangent, row), tangent.buffers.row_room_ld, s, tangent.buffers.ld)
    clear_pads(job, tangent, s, m)


cdef void mixture_tangent_back(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                               char *scratch) noexcept nogil:
    """(de/dx(l-1))' = delta'(l) (u' + a (w' - u')) + delta(l) (u'' + a (w'' - u'')) x'"""
    cdef Layer *before = tangent.input.source
    cdef Layer *pulled = &job.sensitivity.pulled[layer.number]
    cdef Theta *theta = &layer.mixture.theta
    cdef Py_ssize_t i, r, n = pad(layer.d_out, job.k.lanes)
    cdef char *sloped = at(job, scratch, job.shares.kind_at)
    cdef char *delta
    cdef char *dx = dx_at(job, &tangent.input, row)
    for i in range(m):
        r = row + i
        delta = delta_at(job, tangent, r)
        memcpy(sloped, delta, n * job.size)
        job.k.act_curve(theta.act, theta.arg, n, room_of(job, layer, r), x_at(job, before, r), delta_at(job, pulled, r),
                        sloped)
        lie_between(job, layer, delta, tangent.buffers.ld, sloped, n, 1, layer.weights.W, at(job, sloped, n), n,
                    at(job, dx, i * before.buffers.ld), before.buffers.ld)
    clear_pads(job, before, dx, m)


cdef void mixture_along(Job *job, Layer *along, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    """V (w - u)"""
    cdef Layer *layer = &job.net.layers[along.number]
    job.k.affine(m, along.positions, along.features.n, rest_of(job, layer, row), layer.buffers.row_room_ld,
                 along.weights.W, NULL, x_at(job, along, row), along.buffers.ld)
    clear_pads(job, along, x_at(job, along, row), m)


cdef void mixture_along_back(Job *job, Layer *along, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                             char *scratch) noexcept nogil:
    """V delta(l) (w' - u')"""
    cdef Layer *layer = &job.net.layers[along.number]
    cdef Layer *before = along.input.source
    cdef char *dx = dx_at(job, &along.input, row)
    cdef char *rest = room_of(job, along, row)
    pull_mixture(job, layer, along.weights.W, delta_at(job, layer, row), row, m, dx, before.buffers.ld, rest,
                 along.buffers.row_room_ld, scratch)
    job.k.affine(m, along.positions, along.features.n, rest, along.buffers.row_room_ld, along.weights.W, NULL, dx,
                 before.buffers.ld)
    clear_pads(job, before, dx, m)


# ---- gates

cdef int glu_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    layer.mixture.theta = read_theta(spec)
    layer.features.n, layer.positions = spec.pop("features"), spec.pop("positions")
    return 0


cdef Py_ssize_t glu_room(const kernels_t *k, const Layer *layer) noexcept:
    """For what theta' is computed from, then theta(c)."""
    return 2 * pad(layer.d_out, k.lanes)


cdef Py_ssize_t glu_scratch(const kernels_t *k, const Layer *layer) noexcept:
    """Three rows."""
    return 3 * pad(layer.d_out, k.lanes)


cdef inline char *gate_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """theta(c) of a row; for a tangent layer, its tangent"""
    return rest_of(job, layer, row)


cdef void glu_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                      char *scratch) noexcept nogil:
    """x(l) = b theta(c)"""
    cdef Theta *theta = &layer.mixture.theta
    cdef Py_ssize_t i, n = layer.features.n, whole = pad(layer.d_out, job.k.lanes)
    cdef char *kept
    cdef char *gate
    cdef char *x
    for i in range(m):
        kept, gate = room_of(job, layer, row + i), gate_of(job, layer, row + i)
        x = x_of(job, layer.input.source, pos + i, row + i)
        clear_pad(job, layer, kept)
        move_features(job, layer.positions, n, at(job, x, n), 2 * n, kept, n)
        job.k.act(theta.act, theta.arg, whole, kept, gate)
        if not theta.needs_s:
            memcpy(kept, gate, whole * job.size)
        job.k.multiply(layer.positions, n, x, 2 * n, gate, n, False, x_at(job, layer, row + i), n)
    clear_pads(job, layer, x_at(job, layer, row), m)


cdef void glu_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """de/db = delta(l) theta(c), de/dc = delta(l) b theta'(c)"""
    cdef Layer *before = layer.input.source
    cdef Theta *theta = &layer.mixture.theta
    cdef Py_ssize_t i, n = layer.features.n, positions = layer.positions, whole = pad(layer.d_out, job.k.lanes)
    cdef char *product = at(job, scratch, job.shares.kind_at)
    cdef char *delta
    cdef char *dx
    clear_pad(job, layer, product)
    for i in range(m):
        delta, dx = delta_at(job, layer, row + i), dx_at(job, &layer.input, row + i)
        job.k.multiply(positions, n, delta, n, gate_of(job, layer, row + i), n, False, dx, 2 * n)
        job.k.multiply(positions, n, delta, n, x_of(job, before, pos + i, row + i), 2 * n, False, product, n)
        job.k.act_grad(theta.act, theta.arg, whole, room_of(job, layer, row + i), product)
        move_features(job, layer.positions, n, product, n, at(job, dx, n), 2 * n)
    clear_pads(job, before, dx_at(job, &layer.input, row), m)


cdef void glu_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                      char *scratch) noexcept nogil:
    """x'(l) = b' theta(c) + b theta'(c) c'"""
    cdef Layer *before = tangent.input.source
    cdef Theta *theta = &layer.mixture.theta
    cdef Py_ssize_t i, n = layer.features.n, positions = layer.positions, whole = pad(layer.d_out, job.k.lanes)
    cdef char *x
    cdef char *gate
    cdef char *out
    for i in range(m):
        x, gate = x_at(job, before, row + i), gate_of(job, tangent, row + i)
        out = x_at(job, tangent, row + i)
        clear_pad(job, layer, gate)
        move_features(job, layer.positions, n, at(job, x, n), 2 * n, gate, n)
        job.k.act_grad(theta.act, theta.arg, whole, room_of(job, layer, row + i), gate)
        job.k.multiply(positions, n, x, 2 * n, gate_of(job, layer, row + i), n, False, out, n)
        job.k.multiply(positions, n, x_of(job, layer.input.source, pos + i, row + i), 2 * n, gate, n, True, out, n)
    clear_pads(job, tangent, x_at(job, tangent, row), m)


cdef void glu_tangent_back(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """(de/db)' = delta' theta(c) + delta theta'(c) c', (de/dc)' = (delta' b + delta b') theta'(c) + delta b theta'' c'
    """
    cdef Layer *before = tangent.input.source
    cdef Layer *pulled = &job.sensitivity.pulled[layer.number]
    cdef Theta *theta = &layer.mixture.theta
    cdef Py_ssize_t i, r, n = layer.features.n, positions = layer.positions
    cdef Py_ssize_t whole = pad(layer.d_out, job.k.lanes)
    cdef char *product = at(job, scratch, job.shares.kind_at)
    cdef char *changed = at(job, product, whole)
    cdef char *along = at(job, changed, whole)
    cdef char *delta
    cdef char *moved
    cdef char *b
    cdef char *x
    cdef char *dx
    for i in range(3):
        clear_pad(job, layer, at(job, product, i * whole))
    for i in range(m):
        r = row + i
        delta, moved = delta_at(job, pulled, r), delta_at(job, tangent, r)
        b, x = x_of(job, layer.input.source, pos + i, r), x_at(job, before, r)
        dx = dx_at(job, &tangent.input, r)
        job.k.multiply(positions, n, moved, n, gate_of(job, layer, r), n, False, dx, 2 * n)
        job.k.multiply(positions, n, delta, n, gate_of(job, tangent, r), n, True, dx, 2 * n)
        job.k.multiply(positions, n, delta, n, b, 2 * n, False, product, n)
        job.k.multiply(positions, n, moved, n, b, 2 * n, False, changed, n)
        job.k.multiply(positions, n, delta, n, x, 2 * n, True, changed, n)
        move_features(job, layer.positions, n, at(job, x, n), 2 * n, along, n)
        job.k.act_curve(theta.act, theta.arg, whole, room_of(job, layer, r), along, product, changed)
        move_features(job, layer.positions, n, changed, n, at(job, dx, n), 2 * n)
    clear_pads(job, before, dx_at(job, &tangent.input, row), m)


MIXTURE.name = "mixture"
MIXTURE.measure = mixture_measure
MIXTURE.scratch = mixture_scratch
MIXTURE.row_scratch = mixture_room
MIXTURE.forward = mixture_forward
MIXTURE.backward = mixture_backward
MIXTURE.grad = mixture_grad
MIXTURE.tangent = mixture_tangent
MIXTURE.tangent_back = mixture_tangent_back
MIXTURE.along = mixture_along
MIXTURE.along_back = mixture_along_back

PRELU = MIXTURE
PRELU.name = "prelu"
PRELU.measure = prelu_measure

GLU.name = "glu"
GLU.measure = glu_measure
GLU.scratch = glu_scratch
GLU.row_scratch = glu_room
GLU.forward = glu_forward
GLU.backward = glu_backward
GLU.tangent = glu_tangent
GLU.tangent_back = glu_tangent_back
