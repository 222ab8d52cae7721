"""The tangent sweep: directional derivatives of all signals, deltas and gradients along a direction of the input, or of
the weights (Pearlmutter 1994).

    forward    s'(l) = W(l)^T x'(l-1)  [+ V(l)^T x(l-1) + v(l)],  x'(l) = theta'(s) s'
    backward   delta'(L) = [H x'(L)] theta' + de/dx(L) theta'' s',  H = d2e/dx(L)2
               delta'(l) = [W(l+1) delta'(l+1)  [+ V(l+1) delta(l+1)]] theta' + [W(l+1) delta(l+1)] theta'' s'
    gradient   dW' = x(l-1) delta'(l)^T + x'(l-1) delta(l)^T,  db' = delta'

The terms in brackets with V, v are for directions of the weights. The gradient of |g|^2/2 for g = de/dx(0) is dW' along
x'(0) = g: double back propagation (Drucker and LeCun 1992) by one more sweep.

Tangents have layers of their own, with buffers of their own: the linear parts of the network's, with the same weights,
no biases and no activations. So a layer kind whose s is linear in its input needs nothing more than forward and
backward.

Where rows need each other, e is the error of the batch, the sum of c_k e_k, c the weight of a row times scale, and the
penalty that of g_i = 1/c_i de/dx_i(0), which is de_i/dx_i(0) where they do not. Then the sweep stops where columns
settle, as that of the values does.
"""
from libc.math cimport sqrt

from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport backward_rows, in_blocks, loss_of, settle_layer, settling_back

cdef double LEAST_WEIGHT = 1e-30    # of a row; 1 / weight is finite above it in float32 too


cdef bint seed_tangent(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *penalties,
                       double scale) noexcept nogil:
    """x'(0) = a multiple of de/dx(0), which is the gradient of the rows' penalties by it, and those; whether all are
    finite. But for projections of single rows, de/dx(0) has the factor c = weight times scale in it."""
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
        if job.sensitivity.penalty == PENALTY_GRADIENT or is_settling(job):
            value = value / (c * c) if c > LEAST_WEIGHT else 0
            c = 1 / c if c > LEAST_WEIGHT else 0
        put(job, penalties, i, value)
        bad += value - value
        job.k.scale_rows(1, pad(pulled.d_out, job.k.lanes), g, pulled.buffers.ld, NULL, lam * c,
                         x_at(job, tangent, row + i))
    return bad == 0


cdef inline bint is_settling(const Job *job) noexcept nogil:
    """Whether rows need each other."""
    return job.net.settles and job.batches.training


cdef void project(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, double scale) noexcept nogil:
    """For a penalty of the Jacobian: a random unit vector v a row, in the place of de/dx(L) of the pulled layers. Where
    rows need each other it counts as the row's error does."""
    cdef Layer *last = &job.sensitivity.pulled[job.net.L]
    cdef char *v = delta_at(job, last, row)
    cdef char *one
    cdef Py_ssize_t i
    cdef double norm, c
    memset(v, 0, m * last.buffers.ld * job.size)
    job.k.noise(m, last.d_out, v, last.buffers.ld, 1, mix(job.batches.key + PENALTY_JACOBIAN), job.rows.order, pos)
    for i in range(m):
        one = at(job, v, i * last.buffers.ld)
        norm = sqrt(job.k.sum_squares(last.d_out, one))
        c = weight_of_row(job, pos + i) * scale if is_settling(job) else 1
        job.k.scale_rows(1, pad(last.d_out, job.k.lanes), one, last.buffers.ld, NULL, c / norm if norm > 0 else 0, one)


cdef void push_tangent(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """From x'(0): s'(l) where theta'' wants it, x'(l)"""
    push_part(job, pos, row, m, 1, job.net.L + 1, scratch)


cdef void push_part(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, int begin, int end,
                    char *scratch) noexcept nogil:
    """The same of layers begin .. end."""
    cdef Layer *layer
    cdef Layer *tangent
    cdef int l
    for l in range(begin, end):
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


cdef void turn_tangent(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, double scale,
                       char *scratch) noexcept nogil:
    """From x'(L): delta'(L)"""
    cdef Layer *tangent = &job.sensitivity.tangent[job.net.L]
    cdef char *delta = delta_at(job, tangent, row)
    cdef loss_t loss
    if job.sensitivity.penalty == PENALTY_JACOBIAN:
        memset(delta, 0, m * tangent.buffers.ld * job.size)
    else:
        loss = loss_of(job, pos, row, m, scale, scratch)
        loss.delta = delta
        job.k.loss_curve(&loss, x_at(job, tangent, row), tangent.buffers.ld)
    finish_tangent(job, job.net.L, row, m)


cdef void pull_part(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, int begin, int last,
                    char *scratch) noexcept nogil:
    """From delta'(begin) down to delta'(last)"""
    cdef Layer *layer
    cdef Layer *tangent
    cdef int l
    for l in range(begin, last, -1):
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
    """After a layer has computed (de/dx)' of an input: add it to the contributions of others; finish it if complete."""
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
    """Compute x'(l) and delta'(l) for the weight phase; with a penalty, delta(l) is added to delta'(l). Returns whether
    all penalties are finite."""
    cdef bint good = True
    cdef Layer *tangent = job.sensitivity.tangent
    if job.sensitivity.penalty == PENALTY_JACOBIAN:
        project(job, pos, row, m, scale)
        backward_rows(job, job.sensitivity.pulled, pos, row, m, 0, scratch)
    if job.sensitivity.penalty:
        good = seed_tangent(job, pos, row, m, penalties, scale)
    else:
        memset(x_at(job, tangent, row), 0, m * tangent.buffers.ld * job.size)
    push_tangent(job, pos, row, m, scratch)
    turn_tangent(job, pos, row, m, scale, scratch)
    pull_part(job, pos, row, m, job.net.L, 1, scratch)
    if job.sensitivity.penalty:
        add_deltas(job, row, m)
    return good


cdef void add_deltas(Job *job, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """delta'(l) += delta(l)"""
    cdef Layer *tangent
    cdef int l
    for l in range(1, job.net.L + 1):
        tangent = &job.sensitivity.tangent[l]
        job.k.add(m * tangent.buffers.ld, delta_at(job, &job.net.layers[l], row), delta_at(job, tangent, row))


# ---- where rows need each other

cdef void settling_tangents(Job *job, const Segment *segment) noexcept nogil:
    """What tangent_rows does for a penalty, of the rows of a batch that settles."""
    cdef Segment pulled = segment[0]
    cdef const LayerKind *kind
    cdef Layer *tangents = job.sensitivity.tangent
    cdef int l, begin = 1, L = job.net.L
    if job.sensitivity.penalty == PENALTY_JACOBIAN:
        pulled.layers = job.sensitivity.pulled
        in_blocks(job, &pulled, project_block, 0, 0)
        settling_back(job, &pulled, 0)
    in_blocks(job, segment, seed_block, 0, 0)
    for l in range(1, L + 1):
        kind = job.net.layers[l].kind
        if kind.settle_tangent != NULL:
            in_blocks(job, segment, push_block, begin, l)
            settle_layer(job, segment, kind.settle_tangent, &tangents[l])
            begin = l
    in_blocks(job, segment, push_block, begin, L + 1)
    in_blocks(job, segment, turn_block, 0, 0)
    begin = L
    for l in range(L, 1, -1):
        kind = job.net.layers[l].kind
        if kind.settle_tangent_back != NULL:
            in_blocks(job, segment, pull_block, begin, l)
            settle_layer(job, segment, kind.settle_tangent_back, &tangents[l])
            begin = l
    in_blocks(job, segment, pull_block, begin, 1)
    in_blocks(job, segment, add_block, 0, 0)


cdef void project_block(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    """The projections of m rows, and delta(L) of the pulled layers."""
    project(job, segment.pos + row, row, m, segment.scale)
    backward_rows(job, segment.layers, segment.pos + row, row, m, job.net.L, scratch)


cdef void seed_block(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                     char *scratch) noexcept nogil:
    if not seed_tangent(job, segment.pos + row, row, m, at(job, job.sensitivity.penalties, row), segment.scale):
        store(&job.results.bad, 1)


cdef void push_block(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                     char *scratch) noexcept nogil:
    push_part(job, segment.pos + row, row, m, begin, end, scratch)


cdef void turn_block(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                     char *scratch) noexcept nogil:
    turn_tangent(job, segment.pos + row, row, m, segment.scale, scratch)


cdef void pull_block(Job *job, const Segment *segment, int begin, int last, Py_ssize_t row, Py_ssize_t m,
                     char *scratch) noexcept nogil:
    pull_part(job, segment.pos + row, row, m, begin, last, scratch)


cdef void add_block(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                    char *scratch) noexcept nogil:
    add_deltas(job, row, m)
