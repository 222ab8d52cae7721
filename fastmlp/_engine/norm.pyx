"""Batch normalisation (Ioffe and Szegedy 2015): s = gamma x^ + beta, x^ = (x(l-1) - mean) / sqrt(var + eps), by
columns, of maps by channels. W of the layer is gamma, b beta.

In training, mean and var are those of the batch, weighted by the sample weights. So rows depend on each other: when all
rows of the batch have reached the layer, the threads compute the statistics, each for its columns, and in the delta
sweep the sums in

    de/dx_i = gamma scale (delta_i - w_i / sum w (sum_k delta_k + x^_i sum_k delta_k x^_k)).

Along a tangent x' the batch's mean, var and both sums change too, so these are settled likewise:

    (1 / scale)' = 1 / sum w sum_k w_k x^_k x'_k, mean' = 1 / sum w sum_k w_k x'_k
    x^' = scale (x' - mean' - x^ (1 / scale)'), s' = gamma x^'
    (de/dx_i)' = gamma scale (delta'_i - w_i / sum w (sum_k delta'_k + x^_i sum_k (delta_k x^_k)'))
                 - gamma scale (w_i / sum w x^'_i sum_k delta_k x^_k
                                + scale (1 / scale)' (delta_i - w_i / sum w (sum_k delta_k + x^_i sum_k delta_k x^_k)))

Where others work on the same batch, mean, var and all sums are those of all their rows.

In prediction, mean and var are the running ones, s is linear in x, and rows are independent.
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
    """Place the statistics."""
    cdef Norm *norm = &layer.norm
    cdef Py_ssize_t room = room_for(job, norm.channels)
    norm.mean, norm.var, norm.scale = base + offset, base + offset + room, base + offset + 2 * room
    norm.sum_x, norm.sum = base + offset + 3 * room, base + offset + 4 * room
    norm.sum_xt, norm.sum_t = base + offset + 5 * room, base + offset + 6 * room
    norm.spread, norm.shift = base + offset + 7 * room, base + offset + 8 * room
    return offset + 9 * room


cdef void norm_prepare(const Job *job, Layer *layer) noexcept nogil:
    """Use the running statistics, until a batch's are computed."""
    cdef Norm *norm = &layer.norm
    norm.total = 0
    if is_tangent(layer):
        return
    memcpy(norm.mean, norm.running_mean, norm.channels * job.size)
    job.k.scale_of(norm.channels, norm.running_var, norm.eps, norm.scale)


# A thread's part of the columns, and those of it that are summed before the next look for signals.
cdef struct Columns:
    Py_ssize_t lo, hi
    Py_ssize_t j, n             # from j on
    Py_ssize_t most
    const char *scratch         # of the thread


cdef inline Columns columns_of(const Job *job, const Layer *layer, Py_ssize_t m, int thread) noexcept nogil:
    cdef Columns columns
    columns.lo = share_begin(job, layer.norm.channels, thread, PART_MULTIPLE)
    columns.hi = share_begin(job, layer.norm.channels, thread + 1, PART_MULTIPLE)
    columns.j, columns.n, columns.scratch = columns.lo, 0, job.shares.scratch[thread]
    columns.most = max(<Py_ssize_t>PART_MULTIPLE,
                       LOOK_ELEMENTS // (m * layer.positions) // PART_MULTIPLE * PART_MULTIPLE)
    return columns


cdef inline bint next_columns(Job *job, Columns *columns) noexcept nogil:
    """Whether there are more."""
    columns.j += columns.n
    if columns.n > 0 and columns.j < columns.hi and stopped(job, columns.scratch):
        return False
    columns.n = min(columns.most, columns.hi - columns.j)
    return columns.n > 0


cdef void norm_settle(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t m, int thread) noexcept nogil:
    """Compute the mean and variance of this thread's columns of x(l-1), and move the running ones towards them."""
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef Columns columns = columns_of(job, layer, m, thread)
    cdef Py_ssize_t i, lo = columns.lo, n = columns.hi - lo
    cdef double total = 0, count = 0, w, unbiased
    for i in range(m):
        w = weight_of_row(job, pos + i)
        total += w
        count += w > 0
    total *= layer.positions
    count *= layer.positions
    if thread == 0:
        norm.total, norm.count = total, count
    if total > 0:
        while next_columns(job, &columns):
            job.k.moments(m, layer.positions, columns.n, norm.channels, at(job, before.buffers.x, columns.j),
                          before.buffers.ld, job.rows.loss.weight, job.rows.order, pos, total,
                          at(job, norm.mean, columns.j), at(job, norm.var, columns.j))
    else:
        memset(at(job, norm.mean, lo), 0, n * job.size)
        memset(at(job, norm.var, lo), 0, n * job.size)
    if job.optimizer.settle != NULL:
        settle_together(job, norm, norm.mean, norm.var, False, thread)
        total, count = norm.total, norm.count
    if load(&job.signals.stopped):
        return
    if total == 0:
        memcpy(at(job, norm.mean, lo), at(job, norm.running_mean, lo), n * job.size)
        job.k.scale_of(n, at(job, norm.running_var, lo), norm.eps, at(job, norm.scale, lo))
        return
    job.k.scale_of(n, at(job, norm.var, lo), norm.eps, at(job, norm.scale, lo))
    unbiased = count / (count - 1) if count > 1 else 1
    for i in range(lo, columns.hi):
        follow(job, norm, norm.running_mean, i, get(job, norm.mean, i))
        follow(job, norm, norm.running_var, i, unbiased * get(job, norm.var, i))


cdef inline void settle_together(Job *job, Norm *norm, char *first, char *second, bint sums,
                                 int thread) noexcept nogil:
    """With the others who work on the batch."""
    team_barrier(job.team, thread)
    if thread == 0:
        job.optimizer.settle(job, norm, first, second, sums)
    team_barrier(job.team, thread)


cdef inline void follow(Job *job, Norm *norm, char *running, Py_ssize_t i, double now) noexcept nogil:
    put(job, running, i, (1 - norm.momentum) * get(job, running, i) + norm.momentum * now)


cdef void norm_settle_back(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t m, int thread) noexcept nogil:
    """Compute the sums of delta and of delta x^ over the batch, for this thread's columns."""
    cdef Norm *norm = &layer.norm
    cdef Columns columns = columns_of(job, layer, m, thread)
    while next_columns(job, &columns):
        sum_columns(job, layer, &layer.buffers, m, &columns, norm.sum_x, norm.sum)
    if job.optimizer.settle != NULL:
        settle_together(job, norm, norm.sum_x, norm.sum, True, thread)


cdef inline void sum_columns(Job *job, Layer *layer, const Buffers *deltas, Py_ssize_t m, const Columns *columns,
                             char *sum_x, char *sum) noexcept nogil:
    """Of delta x^ and of delta, over the batch."""
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef Py_ssize_t j = columns.j
    job.k.norm_sums(m, layer.positions, columns.n, norm.channels, at(job, before.buffers.x, j), before.buffers.ld,
                    at(job, deltas.delta, j), deltas.ld, at(job, norm.mean, j), at(job, norm.scale, j), False,
                    at(job, sum_x, j), at(job, sum, j))


cdef void norm_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """s(l) = gamma x^ + beta, x(l) = theta(s(l)); for a tangent, without mean and beta, s'(l) = gamma scale x'"""
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
    cdef Norm *norm = &job.net.layers[layer.number].norm    # of a layer of projections too
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
    if is_tangent(layer) and job.net.layers[layer.number].norm.total > 0:
        norm_grad_along(job, layer, row, m, more, at(job, G, W.w_at))
        return
    job.k.norm_sums(m, layer.positions, norm.channels, norm.channels, x_at(job, before, row), before.buffers.ld,
                    delta_w_at(job, layer, row), layer.buffers.ld, norm.mean, norm.scale, more, at(job, G, W.w_at), db)
    clear_columns(job, at(job, G, W.w_at), 1, W.cols, W.ld, W.ld)
    if db != NULL:
        clear_columns(job, db, 1, W.units, W.ld, W.ld)


# ---- along a tangent

cdef inline bint is_tangent(const Layer *layer) noexcept nogil:
    return layer.norm.mean == NULL


cdef void norm_settle_tangent(Job *job, Layer *tangent, Py_ssize_t pos, Py_ssize_t m, int thread) noexcept nogil:
    """How the mean and the variance of this thread's columns change."""
    cdef Layer *layer = &job.net.layers[tangent.number]
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef Layer *moved = tangent.input.source
    cdef Columns columns = columns_of(job, layer, m, thread)
    cdef Py_ssize_t j
    while next_columns(job, &columns):
        j = columns.j
        job.k.norm_moves(m, layer.positions, columns.n, norm.channels, at(job, before.buffers.x, j), before.buffers.ld,
                         at(job, moved.buffers.x, j), moved.buffers.ld, at(job, norm.mean, j), at(job, norm.scale, j),
                         job.rows.loss.weight, job.rows.order, pos, at(job, norm.spread, j), at(job, norm.shift, j))
    if job.optimizer.settle != NULL:
        settle_together(job, norm, norm.spread, norm.shift, True, thread)


cdef void norm_settle_tangent_back(Job *job, Layer *tangent, Py_ssize_t pos, Py_ssize_t m, int thread) noexcept nogil:
    """The sums of delta' and of (delta x^)' over the batch, of this thread's columns."""
    cdef Layer *layer = &job.net.layers[tangent.number]
    cdef Norm *norm = &layer.norm
    cdef Buffers *pulled = &job.sensitivity.pulled[tangent.number].buffers
    cdef Columns columns = columns_of(job, layer, m, thread)
    if norm.total > 0:
        while next_columns(job, &columns):
            sum_columns(job, layer, &tangent.buffers, m, &columns, norm.sum_xt, norm.sum_t)
            sum_along(job, tangent, columns.j, columns.n, 0, m, at(job, pulled.delta, columns.j), pulled.ld, True,
                      at(job, norm.sum_xt, columns.j))
    if job.optimizer.settle != NULL:
        settle_together(job, norm, norm.sum_xt, norm.sum_t, True, thread)


cdef inline void sum_along(Job *job, Layer *tangent, Py_ssize_t j, Py_ssize_t n, Py_ssize_t row, Py_ssize_t m,
                           const char *delta, Py_ssize_t ld, bint more, char *sum_x) noexcept nogil:
    """The sum of delta x^' over m rows, of n columns from j on; more: onto what is there."""
    cdef Layer *layer = &job.net.layers[tangent.number]
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef Layer *moved = tangent.input.source
    job.k.norm_sums_along(m, layer.positions, n, norm.channels, at(job, x_at(job, before, row), j), before.buffers.ld,
                          at(job, x_at(job, moved, row), j), moved.buffers.ld, delta, ld, at(job, norm.mean, j),
                          at(job, norm.scale, j), norm.total, at(job, norm.spread, j), at(job, norm.shift, j), more,
                          sum_x)


cdef void norm_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """s'(l) = gamma x^'"""
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef Layer *moved = tangent.input.source
    cdef char *s = s_at(job, tangent, row)
    if norm.total == 0:
        norm_forward(job, tangent, pos, row, m, scratch)
        return
    job.k.normalise_grad(m, layer.positions, norm.channels, x_at(job, before, row), before.buffers.ld,
                         x_at(job, moved, row), moved.buffers.ld, norm.mean, norm.scale, layer.weights.W, NULL, NULL, 0,
                         norm.total, norm.spread, norm.shift, s, tangent.buffers.ld)
    clear_pads(job, tangent, s, m)
    activate(job, tangent, row, m)


cdef void norm_tangent_back(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    """(de/dx(l-1))'"""
    cdef Norm *norm = &layer.norm
    cdef Layer *before = layer.input.source
    cdef Layer *moved = tangent.input.source
    cdef Layer *pulled = &job.sensitivity.pulled[layer.number]
    cdef char *dx = dx_at(job, &tangent.input, row)
    if norm.total == 0:
        norm_backward(job, tangent, pos, row, m, scratch)
        return
    job.k.normalise_grad(m, layer.positions, norm.channels, x_at(job, before, row), before.buffers.ld,
                         delta_at(job, tangent, row), tangent.buffers.ld, norm.mean, norm.scale, layer.weights.W,
                         job.rows.loss.weight, job.rows.order, pos, norm.total, norm.sum_xt, norm.sum_t, dx,
                         moved.buffers.ld)
    job.k.norm_curve(m, layer.positions, norm.channels, x_at(job, before, row), before.buffers.ld,
                     x_at(job, moved, row), moved.buffers.ld, delta_at(job, pulled, row), pulled.buffers.ld, norm.mean,
                     norm.scale, layer.weights.W, job.rows.loss.weight, job.rows.order, pos, norm.total, norm.spread,
                     norm.shift, norm.sum_x, norm.sum, dx, moved.buffers.ld)
    clear_pads(job, moved, dx, m)


cdef void norm_grad_along(Job *job, Layer *tangent, Py_ssize_t row, Py_ssize_t m, bint more, char *G) noexcept nogil:
    """What the tangent adds to dgamma: the sum of delta x^'"""
    cdef Weights *W = &tangent.weights
    sum_along(job, tangent, 0, W.cols, row, m, delta_w_at(job, tangent, row), tangent.buffers.ld, more, G)
    clear_columns(job, G, 1, W.cols, W.ld, W.ld)


BATCH_NORM.name = "batch_norm"
BATCH_NORM.measure = norm_measure
BATCH_NORM.place = norm_place
BATCH_NORM.prepare = norm_prepare
BATCH_NORM.settle = norm_settle
BATCH_NORM.settle_back = norm_settle_back
BATCH_NORM.settle_tangent = norm_settle_tangent
BATCH_NORM.settle_tangent_back = norm_settle_tangent_back
BATCH_NORM.forward = norm_forward
BATCH_NORM.backward = norm_backward
BATCH_NORM.grad = norm_grad
BATCH_NORM.tangent = norm_tangent
BATCH_NORM.tangent_back = norm_tangent_back
