"""Batch normalisation (Ioffe and Szegedy 2015): s = gamma x^ + beta, x^ = (x(l-1) - mean) / sqrt(var + eps), by
columns, of maps by channels. W of the layer is gamma, b beta.

In training mean and var are those of the batch, rows counted by their sample weights. So rows need each other: all
threads settle the statistics once the batch has come so far, each for its columns, and on the way back the sums that
their derivatives want,

    de/dx_i = gamma scale (delta_i - w_i / sum w (sum_k delta_k + x^_i sum_k delta_k x^_k)).

Where others work on the same batch, mean, var and both sums are those of all their rows.

Otherwise mean and var are the running ones, s is linear in x, and rows are apart.
"""
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *

cdef enum:
    PART_MULTIPLE = 16      # of columns, at which threads' parts begin
    LOOK_ELEMENTS = 20000000    # of x that are summed between two looks for signals, tens of milliseconds


cdef int norm_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    cdef Weights *W = &layer.weights
    cdef Norm *norm = &layer.norm
    norm.channels, norm.momentum, norm.eps = spec.pop("channels"), spec.pop("momentum"), spec.pop("eps")
    layer.positions = layer.d_out // norm.channels
    W.rows, W.cols, W.units = 1, norm.channels, norm.channels
    W.cost = pad(W.cols, blank.k.lanes) * layer.positions
    return 0


cdef Py_ssize_t norm_place(Job *job, Layer *layer, char *base, Py_ssize_t offset) noexcept:
    """The statistics."""
    cdef Norm *norm = &layer.norm
    cdef Py_ssize_t room = room_for(job, norm.channels)
    norm.mean, norm.var, norm.scale = base + offset, base + offset + room, base + offset + 2 * room
    norm.sum_x, norm.sum = base + offset + 3 * room, base + offset + 4 * room
    return offset + 5 * room


cdef void norm_prepare(const Job *job, Layer *layer) noexcept nogil:
    """The running statistics are in use, until those of a batch are."""
    cdef Norm *norm = &layer.norm
    norm.total = 0
    if norm.mean == NULL:   # of a tangent
        return
    memcpy(norm.mean, norm.running_mean, norm.channels * job.size)
    job.k.scale_of(norm.channels, norm.running_var, norm.eps, norm.scale)


cdef inline Py_ssize_t columns_at_a_time(Layer *layer, Py_ssize_t m) noexcept nogil:
    """Columns of m rows that are summed before the next look for signals."""
    return max(<Py_ssize_t>PART_MULTIPLE, LOOK_ELEMENTS // (m * layer.positions) // PART_MULTIPLE * PART_MULTIPLE)


cdef void norm_settle(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t m, int thread) noexcept nogil:
    """The mean and the variance of this thread's columns of x(l-1); the running ones move towards them."""
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef Py_ssize_t lo = share_begin(job, norm.channels, thread, PART_MULTIPLE)
    cdef Py_ssize_t n = share_begin(job, norm.channels, thread + 1, PART_MULTIPLE) - lo
    cdef Py_ssize_t i, j, positions = layer.positions, width = columns_at_a_time(layer, m)
    cdef double total = 0, count = 0, w, unbiased
    for i in range(m):
        w = weight_of_row(job, pos + i)
        total += w
        count += w > 0
    total *= positions
    count *= positions
    if thread == 0:
        norm.total, norm.count = total, count
    if total > 0:
        j = lo
        while j < lo + n and not (j > lo and stopped(job, job.shares.scratch[thread])):
            job.k.moments(m, positions, min(width, lo + n - j), norm.channels, at(job, before.buffers.x, j),
                          before.buffers.ld, job.rows.loss.weight, job.rows.order, pos, total, at(job, norm.mean, j),
                          at(job, norm.var, j))
            j += width
    else:
        memset(at(job, norm.mean, lo), 0, n * job.size)
        memset(at(job, norm.var, lo), 0, n * job.size)
    if job.optimizer.settle != NULL:
        settle_together(job, layer, False, thread)
        total, count = norm.total, norm.count
    if load(&job.signals.stopped):
        return
    if total == 0:
        memcpy(at(job, norm.mean, lo), at(job, norm.running_mean, lo), n * job.size)
        job.k.scale_of(n, at(job, norm.running_var, lo), norm.eps, at(job, norm.scale, lo))
        return
    job.k.scale_of(n, at(job, norm.var, lo), norm.eps, at(job, norm.scale, lo))
    unbiased = count / (count - 1) if count > 1 else 1
    for i in range(lo, lo + n):
        follow(job, norm, norm.running_mean, i, get(job, norm.mean, i))
        follow(job, norm, norm.running_var, i, unbiased * get(job, norm.var, i))


cdef inline void settle_together(Job *job, Layer *layer, bint back, int thread) noexcept nogil:
    """With the others who work on the batch."""
    team_barrier(job.team, thread)
    if thread == 0:
        job.optimizer.settle(job, layer, back)
    team_barrier(job.team, thread)


cdef inline void follow(Job *job, Norm *norm, char *running, Py_ssize_t i, double now) noexcept nogil:
    put(job, running, i, (1 - norm.momentum) * get(job, running, i) + norm.momentum * now)


cdef void norm_settle_back(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t m, int thread) noexcept nogil:
    """The sums of delta and of delta x^ over the batch, of this thread's columns."""
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef Py_ssize_t lo = share_begin(job, norm.channels, thread, PART_MULTIPLE)
    cdef Py_ssize_t n = share_begin(job, norm.channels, thread + 1, PART_MULTIPLE) - lo
    cdef Py_ssize_t j = lo, width = columns_at_a_time(layer, m)
    while j < lo + n and not (j > lo and stopped(job, job.shares.scratch[thread])):
        job.k.norm_sums(m, layer.positions, min(width, lo + n - j), norm.channels, at(job, before.buffers.x, j),
                        before.buffers.ld, at(job, layer.buffers.delta, j), layer.buffers.ld, at(job, norm.mean, j),
                        at(job, norm.scale, j), False, at(job, norm.sum_x, j), at(job, norm.sum, j))
        j += width
    if job.optimizer.settle != NULL:
        settle_together(job, layer, True, thread)


cdef void norm_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """s(l) = gamma x^ + beta, x(l) = theta(s(l)); of a tangent, without mean and beta, s'(l) = gamma scale x'"""
    cdef Layer *before = layer.input.source
    cdef Weights *W = &layer.weights
    cdef char *s = s_at(job, layer, row)
    job.k.normalise(m, layer.positions, layer.norm.channels, x_of(job, before, pos, row), before.buffers.ld,
                    layer.norm.mean, layer.norm.scale, W.W, (W.b if W.bias else NULL), s, layer.buffers.ld)
    clear_pads(job, layer, s, m)
    activate(job, layer, row, m)


cdef void norm_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    """de/dx(l-1), through the statistics too where they are the batch's"""
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef char *dx = dx_at(job, &layer.input, row)
    cdef bint moving = norm.total > 0
    job.k.normalise_grad(m, layer.positions, norm.channels, x_of(job, before, pos, row), before.buffers.ld,
                         delta_at(job, layer, row), layer.buffers.ld, norm.mean, norm.scale, layer.weights.W,
                         job.rows.loss.weight, job.rows.order, pos, norm.total, norm.sum_x,
                         (norm.sum if moving else NULL), dx, before.buffers.ld)
    clear_pads(job, before, dx, m)


cdef void norm_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                    char *G, char *scratch) noexcept nogil:
    """dgamma = sum of delta x^, dbeta = sum of delta"""
    cdef Layer *before = layer.input.source
    cdef Norm *norm = &layer.norm
    cdef Weights *W = &layer.weights
    cdef char *db = at(job, G, W.b_at) if W.bias else NULL
    job.k.norm_sums(m, layer.positions, norm.channels, norm.channels, x_at(job, before, row), before.buffers.ld,
                    delta_w_at(job, layer, row), layer.buffers.ld, norm.mean, norm.scale, more, at(job, G, W.w_at), db)
    clear_columns(job, at(job, G, W.w_at), 1, W.cols, W.ld, W.ld)
    if db != NULL:
        clear_columns(job, db, 1, W.units, W.ld, W.ld)


BATCH_NORM.name = "batch_norm"
BATCH_NORM.measure = norm_measure
BATCH_NORM.place = norm_place
BATCH_NORM.prepare = norm_prepare
BATCH_NORM.settle = norm_settle
BATCH_NORM.settle_back = norm_settle_back
BATCH_NORM.forward = norm_forward
BATCH_NORM.backward = norm_backward
BATCH_NORM.grad = norm_grad
