"""Tied parameters: W = E p forward, dp = E^T dW backward.

A layer that follows another as a whole is copied from it, by rows or transposed by tiles. In all other groups the
parameter has a place of its own in the tail of P, and members are copies; the gradients of members are moved to it, so
that the norm, the step and its state see each parameter once. Groups, rows of leaders and rows of followers are shared
out evenly, whoever owns them in the weight phase.
"""
from fastmlp._engine.structs cimport *

cdef enum:
    TURN = 32   # rows and columns of a tile that is added transposed; whole vectors


cdef inline Py_ssize_t part(const Job *job, Py_ssize_t n, int thread) noexcept nogil:
    """Where a thread's part of n begins: in eights."""
    return n if thread == job.team.active else n * thread // job.team.active // 8 * 8


cdef void fold(Job *job, int thread) noexcept nogil:
    """G of a parameter = sum of scale times G of its members, whose own becomes 0. This thread's part."""
    cdef const Ties *ties = job.net.ties
    cdef char *G = job.gradient.G
    cdef Py_ssize_t g, i
    cdef double total
    cdef int l
    cdef const Weights *W
    for g in range(part(job, ties.n_groups, thread), part(job, ties.n_groups, thread + 1)):
        total = 0
        for i in range(ties.begin[g], ties.begin[g + 1]):
            total += ties.scale[i] * get(job, G, ties.member[i])
            put(job, G, ties.member[i], 0)
        put(job, G, ties.home[g], total)
    if thread == 0:
        for i in range(ties.n_frozen):
            put(job, G, ties.frozen[i], 0)
    if ties.followers:
        for l in range(1, job.net.L + 1):
            W = &job.net.layers[l].weights
            if W.leader:
                fold_layer(job, &job.net.layers[W.leader].weights, W, thread)


cdef void fold_layer(Job *job, const Weights *leader, const Weights *follower, int thread) noexcept nogil:
    """G of a leader += G of its follower, for this thread's part of the leader's rows."""
    cdef Py_ssize_t lo = part(job, leader.rows, thread), hi = part(job, leader.rows, thread + 1)
    cdef char *G = job.gradient.G
    if follower.turned:
        add_turned(job, leader, follower, lo, hi)
    else:
        job.k.add((hi - lo) * leader.ld, at(job, G, follower.w_at + lo * follower.ld),
                  at(job, G, leader.w_at + lo * leader.ld))
    if follower.led_bias and follower.bias and thread == 0:
        job.k.add(pad(leader.units, job.k.lanes), at(job, G, follower.b_at), at(job, G, leader.b_at))


cdef void add_turned(Job *job, const Weights *leader, const Weights *follower, Py_ssize_t lo,
                     Py_ssize_t hi) noexcept nogil:
    """G(leader)[i, j] += G(follower)[j, i] for rows lo .. hi, by tiles of TURN x TURN."""
    cdef double[TURN * TURN] room
    cdef char *tile = <char *>room
    cdef char *G = job.gradient.G
    cdef Py_ssize_t i, j, k, m, n
    i = lo
    while i < hi:
        m = min(TURN, hi - i)
        j = 0
        while j < leader.cols:
            n = min(TURN, leader.cols - j)
            memset(tile, 0, sizeof(room))
            job.k.transpose(n, m, at(job, G, follower.w_at + j * follower.ld + i), follower.ld, tile, TURN)
            for k in range(m):
                job.k.add(pad(n, job.k.lanes), at(job, tile, k * TURN),
                          at(job, G, leader.w_at + (i + k) * leader.ld + j))
            j += n
        i += m


cdef void spread(Job *job, int thread) noexcept nogil:
    """Members = scale times their parameter, what is frozen as it was, followers = their leaders. This thread's
    part."""
    cdef const Ties *ties = job.net.ties
    cdef char *P = job.net.P
    cdef Py_ssize_t g, i
    cdef int l
    cdef const Weights *W
    for g in range(part(job, ties.n_groups, thread), part(job, ties.n_groups, thread + 1)):
        for i in range(ties.begin[g], ties.begin[g + 1]):
            put(job, P, ties.member[i], ties.scale[i] * get(job, P, ties.home[g]))
    if thread == 0:
        for i in range(ties.n_frozen):
            put(job, P, ties.frozen[i], ties.value[i])
    if ties.followers:
        for l in range(1, job.net.L + 1):
            W = &job.net.layers[l].weights
            if W.leader:
                spread_layer(job, &job.net.layers[W.leader].weights, W, thread)


cdef void spread_layer(Job *job, const Weights *leader, const Weights *follower, int thread) noexcept nogil:
    """This thread's part of a follower's rows."""
    cdef Py_ssize_t lo = part(job, follower.rows, thread), hi = part(job, follower.rows, thread + 1)
    cdef char *to = at(job, follower.W, lo * follower.ld)
    if follower.turned:
        job.k.transpose(leader.rows, hi - lo, at(job, leader.W, lo), leader.ld, to, follower.ld)
    else:
        memcpy(to, at(job, leader.W, lo * leader.ld), (hi - lo) * follower.ld * job.size)
    if follower.led_bias and follower.bias and thread == 0:
        memcpy(follower.b, leader.b, follower.units * job.size)
