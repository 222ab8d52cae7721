"""Tied parameters: W = E p forward, dp = E^T dW backward.

A layer that follows another one as a whole is copied from it, by rows, or by tiles if transposed. For all other groups
the parameter is stored in the tail of P, and its members are copies; the gradients of the members are moved to it, so
that the norm, the step and its state see each parameter once. Groups, rows of leaders and rows of followers are divided
evenly among the threads, regardless of the shares of the weight phase.
"""
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *

cdef enum:
    PART_MULTIPLE = 8   # of rows or groups, at which threads' parts begin
    SIDE = 32           # rows and columns of a tile that is transposed and added; whole vectors


cdef void fold(Job *job, int thread) noexcept nogil:
    """G of each parameter = sum of scale times G of its members, which becomes 0; for this thread's part."""
    cdef const Ties *ties = job.net.ties
    cdef char *G = job.gradient.G
    cdef Py_ssize_t g, i
    cdef double total
    cdef int l
    cdef const Weights *W
    for g in range(share_begin(job, ties.n_groups, thread, PART_MULTIPLE),
                   share_begin(job, ties.n_groups, thread + 1, PART_MULTIPLE)):
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
    cdef Py_ssize_t lo = share_begin(job, leader.rows, thread, PART_MULTIPLE)
    cdef Py_ssize_t hi = share_begin(job, leader.rows, thread + 1, PART_MULTIPLE)
    cdef char *G = job.gradient.G
    if follower.transposed:
        add_transposed(job, leader, follower, lo, hi)
    else:
        job.k.add((hi - lo) * leader.ld, at(job, G, follower.w_at + lo * follower.ld),
                  at(job, G, leader.w_at + lo * leader.ld))
    if follower.led_bias and follower.bias and thread == 0:
        job.k.add(pad(leader.units, job.k.lanes), at(job, G, follower.b_at), at(job, G, leader.b_at))


cdef void add_transposed(Job *job, const Weights *leader, const Weights *follower, Py_ssize_t lo,
                         Py_ssize_t hi) noexcept nogil:
    """G(leader)[i, j] += G(follower)[j, i] for rows lo .. hi, by tiles of SIDE x SIDE."""
    cdef double[SIDE * SIDE] room
    cdef char *tile = <char *>room
    cdef char *G = job.gradient.G
    cdef Py_ssize_t i, j, k, m, n
    i = lo
    while i < hi:
        m = min(SIDE, hi - i)
        j = 0
        while j < leader.cols:
            n = min(SIDE, leader.cols - j)
            memset(tile, 0, sizeof(room))
            job.k.transpose(n, m, at(job, G, follower.w_at + j * follower.ld + i), follower.ld, tile, SIDE)
            for k in range(m):
                job.k.add(pad(n, job.k.lanes), at(job, tile, k * SIDE),
                          at(job, G, leader.w_at + (i + k) * leader.ld + j))
            j += n
        i += m


cdef void spread(Job *job, int thread) noexcept nogil:
    """Members = scale times their parameter, frozen parameters = their values, followers = their leaders; for this
    thread's part."""
    cdef const Ties *ties = job.net.ties
    cdef char *P = job.net.P
    cdef Py_ssize_t g, i
    cdef int l
    cdef const Weights *W
    for g in range(share_begin(job, ties.n_groups, thread, PART_MULTIPLE),
                   share_begin(job, ties.n_groups, thread + 1, PART_MULTIPLE)):
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
    """Copy this thread's part of a follower's rows from its leader."""
    cdef Py_ssize_t lo = share_begin(job, follower.rows, thread, PART_MULTIPLE)
    cdef Py_ssize_t hi = share_begin(job, follower.rows, thread + 1, PART_MULTIPLE)
    cdef char *to = at(job, follower.W, lo * follower.ld)
    if follower.transposed:
        job.k.transpose(leader.rows, hi - lo, at(job, leader.W, lo), leader.ld, to, follower.ld)
    else:
        memcpy(to, at(job, leader.W, lo * leader.ld), (hi - lo) * follower.ld * job.size)
    if follower.led_bias and follower.bias and thread == 0:
        memcpy(follower.b, leader.b, follower.units * job.size)
