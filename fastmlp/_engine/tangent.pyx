"""The tangent sweep: how everything changes along a direction of the input, or of the weights (Pearlmutter 1994).

    forward    s'(l) = W(l)^T x'(l-1)  [+ V(l)^T x(l-1) + v(l)],  x'(l) = theta'(s) s'
    backward   delta'(L) = [H x'(L)] theta' + de/dx(L) theta'' s',  H = d2e/dx(L)2
               delta'(l) = [W(l+1) delta'(l+1)  [+ V(l+1) delta(l+1)]] theta' + [W(l+1) delta(l+1)] theta'' s'
    gradient   dW' = x(l-1) delta'(l)^T + x'(l-1) delta(l)^T,  db' = delta'

(the brackets with V, v: along weights). The gradient of |g|^2/2 for g = de/dx(0) is dW' along x'(0) = g: double back
propagation (Drucker and LeCun 1992) by one more sweep.

Tangents have layers of their own, with buffers of their own: the linear parts of the network's, with the same weights,
no biases and no activations. So a layer kind whose s is linear in its input needs nothing more than forward and
backward.
"""
from libc.math cimport sqrt

from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport backward_rows, loss_of

cdef double LEAST_WEIGHT = 1e-30    # of a row; 1 / weight is finite above it in float32 too


cdef bint seed_tangent(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *penalties,
                       double scale) noexcept nogil:
    """x'(0) = a multiple of de/dx(0), which is the gradient of the rows' penalties by it, and those; whether all are
    finite. The loss's de/dx(0) has the factor c = weight times scale in it."""
    cdef Layer *pulled = job.sensitivity.pulled
    cdef Layer *tangent = job.sensitivity.tangent
    cdef double lam = job.sensitivity.lam, w, c, value, bad = 0
    cdef char *g
    cdef Py_ssize_t i
    if job.sensitivity.penalty == PENALTY_JACOBIAN:
        lam *= job.rows.loss.n
    for i in range(m):
        w = weight_of_row(job, pos + i)
        c = w * scale
        g = delta_at(job, pulled, row + i)
        value = 0.5 * lam * w * job.k.sum_squares(pulled.d_out, g)
        if job.sensitivity.penalty == PENALTY_GRADIENT:
            value = value / (c * c) if c > LEAST_WEIGHT else 0
            c = 1 / c if c > LEAST_WEIGHT else 0
        put(job, penalties, i, value)
        bad += value - value
        job.k.scale_rows(1, pad(pulled.d_out, job.k.lanes), g, pulled.buffers.ld, NULL, lam * c,
                         x_at(job, tangent, row + i))
    return bad == 0


cdef void project(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """For a penalty of the Jacobian: v dx(L)/dx(0) for a random unit vector v a row, as the pulled deltas."""
    cdef Layer *last = &job.sensitivity.pulled[job.net.L]
    cdef char *v = delta_at(job, last, row)
    cdef char *one
    cdef Py_ssize_t i
    cdef double norm
    memset(v, 0, m * last.buffers.ld * job.size)
    job.k.noise(m, last.d_out, v, last.buffers.ld, 1, mix(job.batches.key + PENALTY_JACOBIAN), job.rows.order, pos)
    for i in range(m):
        one = at(job, v, i * last.buffers.ld)
        norm = sqrt(job.k.sum_squares(last.d_out, one))
        job.k.scale_rows(1, pad(last.d_out, job.k.lanes), one, last.buffers.ld, NULL, 1 / norm if norm > 0 else 0, one)
    backward_rows(job, job.sensitivity.pulled, pos, row, m, 0, scratch)


cdef void push_tangent(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """From x'(0): s'(l) where theta'' wants it, x'(l)"""
    cdef Layer *layer
    cdef Layer *tangent
    cdef int l
    for l in range(1, job.net.L + 1):
        if job.signals.layers and stopped(job, scratch):
            return
        layer, tangent = &job.net.layers[l], &job.sensitivity.tangent[l]
        if layer.kind.tangent != NULL:
            layer.kind.tangent(job, layer, tangent, pos, row, m, scratch)
        else:
            layer.kind.forward(job, tangent, pos, row, m, scratch)
        if job.sensitivity.along != NULL and layer.weights.rows > 0:
            along_forward(job, l, row, m, scratch)
        if layer.theta.act != ACT_identity:
            job.k.act_grad(layer.theta.act, layer.theta.arg, m * layer.buffers.ld, theta_of(job, layer, row),
                           x_at(job, tangent, row))


cdef void pull_tangent(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, double scale,
                       char *scratch) noexcept nogil:
    """From x'(L): delta'(L) .. delta'(1)"""
    cdef Layer *layer
    cdef Layer *tangent = &job.sensitivity.tangent[job.net.L]
    cdef char *delta = delta_at(job, tangent, row)
    cdef loss_t loss
    cdef int l
    if job.sensitivity.penalty == PENALTY_JACOBIAN:
        memset(delta, 0, m * tangent.buffers.ld * job.size)
    else:
        loss = loss_of(job, pos, row, m, scale, scratch)
        loss.delta = delta
        job.k.loss_curve(&loss, x_at(job, tangent, row), tangent.buffers.ld)
    finish_tangent(job, job.net.L, row, m)
    for l in range(job.net.L, 1, -1):
        if job.signals.layers and stopped(job, scratch):
            return
        layer, tangent = &job.net.layers[l], &job.sensitivity.tangent[l]
        if tangent.input.dx == NULL and tangent.second.dx == NULL:
            continue
        if layer.kind.tangent_back != NULL:
            layer.kind.tangent_back(job, layer, tangent, pos, row, m, scratch)
        else:
            layer.kind.backward(job, tangent, pos, row, m, scratch)
        if job.sensitivity.along != NULL and layer.weights.rows > 0 and not layer.weights.lone:
            along_backward(job, l, pos, row, m, scratch)
        finish_tangent_input(job, &tangent.input, row, m)
        if tangent.second.source != NULL:
            finish_tangent_input(job, &tangent.second, row, m)


cdef void finish_tangent_input(Job *job, Input *input, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """Once a layer has given (de/dx)' of an input: add it to what others gave, finish it where it is whole."""
    if add_dx(job, input, row, m):
        finish_tangent(job, input.source.number, row, m)


cdef void finish_tangent(Job *job, int l, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """delta'(l) = (de/dx(l))' theta' + de/dx(l) theta'' s'"""
    cdef Layer *layer = &job.net.layers[l]
    cdef Layer *pulled = &job.sensitivity.pulled[l]
    cdef Layer *tangent = &job.sensitivity.tangent[l]
    cdef Theta *theta = &layer.theta
    cdef char *delta = delta_at(job, tangent, row)
    if tangent.buffers.s != tangent.buffers.x:
        job.k.act_curve(theta.act, theta.arg, m * layer.buffers.ld, theta_of(job, layer, row), s_at(job, tangent, row),
                        at(job, pulled.buffers.de_dx, row * pulled.buffers.ld), delta)
    elif theta.act != ACT_identity:
        job.k.act_grad(theta.act, theta.arg, m * layer.buffers.ld, theta_of(job, layer, row), delta)


cdef void along_forward(Job *job, int l, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """s'(l) += V(l)^T x(l-1) + v(l)"""
    cdef Layer *before = job.net.layers[l].input.source
    cdef Layer *along = &job.sensitivity.along[l]
    cdef Layer *tangent = &job.sensitivity.tangent[l]
    cdef char *x = x_at(job, tangent, row)
    cdef Weights *V = &along.weights
    if V.lone:
        job.k.affine(m, along.positions, V.cols, x, tangent.buffers.ld, NULL, V.W, x, tangent.buffers.ld)
        return
    if along.kind.along != NULL:
        along.kind.along(job, along, row, row, m, scratch)
    else:
        memcpy(x_at(job, along.input.source, row), x_at(job, before, row), m * before.buffers.ld * job.size)
        along.kind.forward(job, along, row, row, m, scratch)
    job.k.add(m * along.buffers.ld, x_at(job, along, row), x)
    if tangent.buffers.s != tangent.buffers.x:
        memcpy(s_at(job, tangent, row), x, m * tangent.buffers.ld * job.size)


cdef void along_backward(Job *job, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """(de/dx(l-1))' += V(l) delta(l)"""
    cdef Layer *layer = &job.net.layers[l]
    cdef Layer *along = &job.sensitivity.along[l]
    cdef Py_ssize_t ld = layer.input.source.buffers.ld
    memcpy(delta_at(job, along, row), delta_at(job, layer, row), m * layer.buffers.ld * job.size)
    if along.kind.along_back != NULL:
        along.kind.along_back(job, along, pos, row, m, scratch)
    else:
        along.kind.backward(job, along, pos, row, m, scratch)
    job.k.add(m * ld, at(job, along.input.dx, row * ld), at(job, job.sensitivity.tangent[l].input.dx, row * ld))


cdef bint tangent_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *penalties, double scale,
                       char *scratch) noexcept nogil:
    """What the weight phase takes: x'(l) and, on top of delta(l) where there is a penalty, delta'(l). Whether all is
    finite."""
    cdef bint good = True
    cdef Layer *tangent = job.sensitivity.tangent
    cdef int l
    if job.sensitivity.penalty == PENALTY_JACOBIAN:
        project(job, pos, row, m, scratch)
    if job.sensitivity.penalty:
        good = seed_tangent(job, pos, row, m, penalties, scale)
    else:
        memset(x_at(job, tangent, row), 0, m * tangent.buffers.ld * job.size)
    push_tangent(job, pos, row, m, scratch)
    pull_tangent(job, pos, row, m, scale, scratch)
    if job.sensitivity.penalty:
        for l in range(1, job.net.L + 1):
            tangent = &job.sensitivity.tangent[l]
            job.k.add(m * tangent.buffers.ld, delta_at(job, &job.net.layers[l], row), delta_at(job, tangent, row))
    return good
