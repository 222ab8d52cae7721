# The tangent sweep: how everything changes along a direction of the input, or of the weights (Pearlmutter 1994).
#
#     forward    s'(l) = W(l)^T x'(l-1)  [+ V(l)^T x(l-1) + v(l)],  x'(l) = theta'(s) s'
#     backward   delta'(L) = [H x'(L)] theta' + de/dx(L) theta'' s',  H = d2e/dx(L)2
#                delta'(l) = [W(l+1) delta'(l+1)  [+ V(l+1) delta(l+1)]] theta' + [W(l+1) delta(l+1)] theta'' s'
#     gradient   dW' = x(l-1) delta'(l)^T + x'(l-1) delta(l)^T,  db' = delta'
#
# (the brackets with V, v: along weights). The gradient of |g|^2/2 for g = de/dx(0) is dW' along x'(0) = g: double back
# propagation (Drucker and LeCun 1992) by one more sweep.
#
# Tangents have buffers of their own and a Run of their own over them, whose layers are the linear parts of this
# network's: the same weights, no biases, no activations. So a layer kind that is linear needs nothing more.

cdef enum:
    PENALTY_GRADIENT = 1    # lam/2 |de/dx(0)|^2
    PENALTY_JACOBIAN = 2    # lam/2 |dx(L)/dx(0)|^2, by one random projection a row (Hoffman, Roberts and Yaida 2019)


cdef double LEAST_WEIGHT = 1e-30    # of a row; 1 / weight is finite above it in float32 too


cdef bint seed_tangent(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *penalties, double scale) noexcept nogil:
    """x'(0) = a multiple of de/dx(0), which is the gradient of the rows' penalties by it, and those; whether all are finite.
    The loss's de/dx(0) has the factor c = weight times scale in it."""
    cdef Layer *from_ = &r.pulled.layers[0]
    cdef Layer *to = &r.tangent.layers[0]
    cdef double lam = r.lam, w, c, value, bad = 0
    cdef char *g
    cdef Py_ssize_t i
    if r.penalty == PENALTY_JACOBIAN:
        lam *= r.loss.n
    for i in range(m):
        w = weight_of_row(r, pos + i)
        c = w * scale
        g = at(r, from_.delta, (row + i) * from_.ld)
        value = 0.5 * lam * w * r.k.sum_squares(from_.d_out, g)
        if r.penalty == PENALTY_GRADIENT:
            value = value / (c * c) if c > LEAST_WEIGHT else 0
            c = 1 / c if c > LEAST_WEIGHT else 0
        put(r, penalties, i, value)
        bad += value - value
        r.k.scale_rows(1, pad(from_.d_out, r.k.lanes), g, from_.ld, NULL, lam * c, at(r, to.x, (row + i) * to.ld))
    return bad == 0


cdef void project(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """For a penalty of the Jacobian: v dx(L)/dx(0) for a random unit vector v a row, as the pulled deltas."""
    cdef Layer *y = &r.pulled.layers[r.L]
    cdef char *v = at(r, y.delta, row * y.ld)
    cdef Py_ssize_t i
    cdef double norm
    memset(v, 0, m * y.ld * r.size)
    r.k.noise(m, y.d_out, v, y.ld, 1, mix(r.key + PENALTY_JACOBIAN), r.order, pos)
    for i in range(m):
        norm = sqrt(r.k.sum_squares(y.d_out, at(r, v, i * y.ld)))
        r.k.scale_rows(1, pad(y.d_out, r.k.lanes), at(r, v, i * y.ld), y.ld, NULL, 1 / norm if norm > 0 else 0, at(r, v, i * y.ld))
    backward_rows(r.pulled, pos, row, m, 0, scratch)


cdef void tangent_forward(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """From x'(0): s'(l) where theta'' wants it, x'(l)"""
    cdef Run *q = r.tangent
    cdef Layer *y
    cdef Layer *d
    cdef int l
    for l in range(1, r.L + 1):
        y, d = &r.layers[l], &q.layers[l]
        KINDS[y.kind].tangent(r, q, l, pos, row, m, scratch)
        if r.along != NULL and y.rows > 0:
            along_forward(r, l, row, m, scratch)
        if y.act != ACT_identity:
            r.k.act_grad(y.act, y.arg, m * y.ld, theta_of(r, y, row), at(r, d.x, row * d.ld))


cdef void tangent_backward(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, double scale, char *scratch) noexcept nogil:
    """From x'(L): delta'(L) .. delta'(1)"""
    cdef Run *q = r.tangent
    cdef loss_t t
    cdef Layer *y = &q.layers[r.L]
    cdef int l
    if r.penalty == PENALTY_JACOBIAN:
        memset(at(r, y.delta, row * y.ld), 0, m * y.ld * r.size)
    else:
        t = loss_of(r, pos, row, m, scale, scratch)
        t.delta = at(r, y.delta, row * y.ld)
        r.k.loss_curve(&t, at(r, y.x, row * y.ld), y.ld)
    finish_tangent(r, r.L, row, m)
    for l in range(r.L, 1, -1):
        KINDS[r.layers[l].kind].tangent_back(r, q, l, pos, row, m, scratch)
        if r.along != NULL and r.layers[l].rows > 0:
            along_backward(r, l, pos, row, m, scratch)
        finish_tangent(r, l - 1, row, m)


cdef void finish_tangent(Run *r, int l, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """delta'(l) = (de/dx(l))' theta' + de/dx(l) theta'' s'"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *u = &r.pulled.layers[l]
    cdef Layer *d = &r.tangent.layers[l]
    if d.s != d.x:
        r.k.act_curve(y.act, y.arg, m * y.ld, theta_of(r, y, row), at(r, d.s, row * y.ld), at(r, u.kept, row * y.ld), at(r, d.delta, row * y.ld))
    elif y.act != ACT_identity:
        r.k.act_grad(y.act, y.arg, m * y.ld, theta_of(r, y, row), at(r, d.delta, row * y.ld))


cdef void along_forward(Run *r, int l, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """s'(l) += V(l)^T x(l-1) + v(l)"""
    cdef Layer *x = &r.layers[l - 1]
    cdef Layer *v = &r.along.layers[l]
    cdef Layer *d = &r.tangent.layers[l]
    memcpy(at(r, r.along.layers[l - 1].x, row * x.ld), at(r, x.x, row * x.ld), m * x.ld * r.size)
    KINDS[v.kind].forward(r.along, l, row, row, m, scratch)
    r.k.add(m * v.ld, at(r, v.x, row * v.ld), at(r, d.x, row * v.ld))
    if d.s != d.x:
        memcpy(at(r, d.s, row * d.ld), at(r, d.x, row * d.ld), m * d.ld * r.size)


cdef void along_backward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """(de/dx(l-1))' += V(l) delta(l)"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *v = &r.along.layers[l - 1]
    memcpy(at(r, r.along.layers[l].delta, row * y.ld), at(r, y.delta, row * y.ld), m * y.ld * r.size)
    KINDS[y.kind].backward(r.along, l, pos, row, m, scratch)
    r.k.add(m * v.ld, at(r, v.delta, row * v.ld), at(r, r.tangent.layers[l - 1].delta, row * v.ld))


cdef bint tangent_rows(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *penalties, double scale, char *scratch) noexcept nogil:
    """What the weight phase takes: x'(l) and, on top of delta(l) where there is a penalty, delta'(l). Whether all is finite."""
    cdef bint good = True
    cdef Layer *d
    cdef int l
    if r.penalty == PENALTY_JACOBIAN:
        project(r, pos, row, m, scratch)
    if r.penalty:
        good = seed_tangent(r, pos, row, m, penalties, scale)
    else:
        d = &r.tangent.layers[0]
        memset(at(r, d.x, row * d.ld), 0, m * d.ld * r.size)
    tangent_forward(r, pos, row, m, scratch)
    tangent_backward(r, pos, row, m, scale, scratch)
    if r.penalty:
        for l in range(1, r.L + 1):
            d = &r.tangent.layers[l]
            r.k.add(m * d.ld, at(r, r.layers[l].delta, row * d.ld), at(r, d.delta, row * d.ld))
    return good


cdef void attack_rows(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *value, char *scratch) noexcept nogil:
    """x(0) of m rows, moved to where their losses are larger"""
    cdef Layer *y = &r.layers[0]
    cdef attack_t far = r.attack
    cdef char *x = at(r, y.x, row * y.ld)
    cdef char *x0 = at(r, r.x0, row * y.ld)
    cdef char *d = at(r, y.delta, row * y.ld)
    cdef int i
    memcpy(x0, x, m * y.ld * r.size)
    if r.attack_random and far.norm == 2:   # anywhere on the sphere
        far.step = far.eps
        memset(d, 0, m * y.ld * r.size)
        r.k.noise(m, y.d_out, d, y.ld, 1, mix(r.key), r.order, pos)
        r.k.attack(&far, m, y.d_out, x0, d, x, y.ld)
    elif r.attack_random:                   # anywhere in the cube
        far.step = 0
        r.k.jitter(m, y.d_out, x, y.ld, far.eps, mix(r.key), r.order, pos)
        r.k.attack(&far, m, y.d_out, x0, x, x, y.ld)
    for i in range(r.attack_steps):
        push_rows(r, pos, row, m, scratch)
        loss_rows(r, pos, row, m, value, 1, True, scratch)
        backward_rows(r, pos, row, m, 0, scratch)
        r.k.attack(&r.attack, m, y.d_out, x0, d, x, y.ld)
