# Tied parameters: W = E p forward, dp = E^T dW backward.
#
# A layer that follows another as a whole is copied from it, by rows or transposed by tiles. In all other groups the
# parameter has a place of its own in the tail of P, and members are copies; the gradients of members are moved to it, so
# that the norm, the step and its state see each parameter once. Groups, rows of leaders and rows of followers are shared out
# evenly, whoever owns them in the weight phase.

cdef enum:
    TURN = 32   # rows and columns of a tile that is added transposed; whole vectors

cdef inline double get(const Run *r, const char *base, Py_ssize_t i) noexcept nogil:
    return (<const float *>base)[i] if r.size == 4 else (<const double *>base)[i]


cdef inline void put(const Run *r, char *base, Py_ssize_t i, double value) noexcept nogil:
    if r.size == 4:
        (<float *>base)[i] = <float>value
    else:
        (<double *>base)[i] = value


cdef inline Py_ssize_t part(const Run *r, Py_ssize_t n, int t) noexcept nogil:
    """Where thread t's part of n begins: in eights."""
    return n if t == r.team.active else n * t // r.team.active // 8 * 8


cdef void fold_ties(Run *r, int t) noexcept nogil:
    """G of a parameter = sum of scale times G of its members, whose own becomes 0. This thread's part."""
    cdef const ties_t *e = r.ties
    cdef Py_ssize_t g, i
    cdef double total
    cdef int l
    for g in range(part(r, e.n_groups, t), part(r, e.n_groups, t + 1)):
        total = 0
        for i in range(e.begin[g], e.begin[g + 1]):
            total += e.scale[i] * get(r, r.G, e.member[i])
            put(r, r.G, e.member[i], 0)
        put(r, r.G, e.home[g], total)
    if t == 0:
        for i in range(e.n_frozen):
            put(r, r.G, e.frozen[i], 0)
    if e.followers:
        for l in range(1, r.L + 1):
            if r.layers[l].leader:
                fold_layer(r, &r.layers[r.layers[l].leader], &r.layers[l], t)


cdef void fold_layer(Run *r, const Layer *y, const Layer *f, int t) noexcept nogil:
    """G of a leader += G of its follower, for this thread's part of the leader's rows."""
    cdef Py_ssize_t lo = part(r, y.rows, t), hi = part(r, y.rows, t + 1)
    if f.turned:
        add_turned(r, y, f, lo, hi)
    else:
        r.k.add((hi - lo) * y.ldw, at(r, r.G, f.w + lo * f.ldw), at(r, r.G, y.w + lo * y.ldw))
    if f.led_bias and f.bias and t == 0:
        r.k.add(pad(y.units, r.k.lanes), at(r, r.G, f.b), at(r, r.G, y.b))


cdef void add_turned(Run *r, const Layer *y, const Layer *f, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """G(leader)[i, j] += G(follower)[j, i] for rows lo .. hi, by tiles of TURN x TURN."""
    cdef double[TURN * TURN] room
    cdef char *tile = <char *>room
    cdef Py_ssize_t i, j, k, m, n
    i = lo
    while i < hi:
        m = min(TURN, hi - i)
        j = 0
        while j < y.cols:
            n = min(TURN, y.cols - j)
            memset(tile, 0, sizeof(room))
            r.k.transpose(n, m, at(r, r.G, f.w + j * f.ldw + i), f.ldw, tile, TURN)
            for k in range(m):
                r.k.add(pad(n, r.k.lanes), at(r, tile, k * TURN), at(r, r.G, y.w + (i + k) * y.ldw + j))
            j += n
        i += m


cdef void step_tail(Run *r, const step_t *step) noexcept nogil:
    cdef const ties_t *e = r.ties
    cdef step_t bias = bias_step(step)
    step_run(r, step, e.tail, e.tail + e.n_weights)
    step_run(r, &bias, e.tail + e.n_weights, e.tail + e.n_tail)


cdef void spread_ties(Run *r, int t) noexcept nogil:
    """Members = scale times their parameter, what is frozen as it was, followers = their leaders. This thread's part."""
    cdef const ties_t *e = r.ties
    cdef Py_ssize_t g, i
    cdef int l
    for g in range(part(r, e.n_groups, t), part(r, e.n_groups, t + 1)):
        for i in range(e.begin[g], e.begin[g + 1]):
            put(r, r.P, e.member[i], e.scale[i] * get(r, r.P, e.home[g]))
    if t == 0:
        for i in range(e.n_frozen):
            put(r, r.P, e.frozen[i], e.value[i])
    if e.followers:
        for l in range(1, r.L + 1):
            if r.layers[l].leader:
                spread_layer(r, &r.layers[r.layers[l].leader], &r.layers[l], t)


cdef void spread_layer(Run *r, const Layer *y, const Layer *f, int t) noexcept nogil:
    """This thread's part of a follower's rows."""
    cdef Py_ssize_t lo = part(r, f.rows, t), hi = part(r, f.rows, t + 1)
    if f.turned:
        r.k.transpose(y.rows, hi - lo, at(r, r.P, y.w + lo), y.ldw, at(r, r.P, f.w + lo * f.ldw), f.ldw)
    else:
        memcpy(at(r, r.P, f.w + lo * f.ldw), at(r, r.P, y.w + lo * y.ldw), (hi - lo) * f.ldw * r.size)
    if f.led_bias and f.bias and t == 0:
        memcpy(at(r, r.P, f.b), at(r, r.P, y.b), f.units * r.size)
