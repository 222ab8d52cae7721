# The weight phase. A thread owns rows of all W(l). It sums x(l-1)^T delta(l) for them over the whole batch in row order
# and, where nothing else needs the whole gradient, steps them at once. Nothing is summed across threads, so results
# have the same bits for any number of threads.

cdef inline const Py_ssize_t *share_of(const Job *job, int thread) noexcept nogil:
    """A thread's rows of the weights: pairs (lo, hi) by layer."""
    return job.shares.share + 2 * thread * (job.net.L + 1)


cdef inline Py_ssize_t group_rows(const Job *job, Py_ssize_t batch) noexcept nogil:
    """The number of rows in a batch's first group. Small networks sum a batch in two groups of rows, then add the two:
    so with two threads each mostly reads rows that it wrote itself. This depends on sizes alone, so that the bits do
    not depend on the number of threads."""
    return pad(batch // 2, job.k.row_multiple) if job.net.two_groups and batch >= GROUP_MIN_ROWS else batch


cdef void grad_group(Job *job, int group, Py_ssize_t row, Py_ssize_t m, bint more, int thread) noexcept nogil:
    """Compute this thread's part of the gradient over rows row .. row + m - 1 of the chunk, which belong to one group.
    group: 0 or 1; -1 if there is only one."""
    cdef int l
    cdef Layer *layer
    cdef const Py_ssize_t *share = (job.shares.share2 + 2 * (2 * thread + group) * (job.net.L + 1) if group >= 0
                                    else share_of(job, thread))
    cdef char *scratch = job.shares.scratch[thread]
    for l in range(1, job.net.L + 1):
        if share[2 * l] == share[2 * l + 1]:
            continue
        layer = &job.net.layers[l]
        layer.kind.grad(job, layer, share[2 * l], share[2 * l + 1], row, m, more,
                        job.gradient.G2 if group == 1 else job.gradient.G, scratch)
        if job.sensitivity.tangent != NULL and not layer.weights.lone:
            layer.kind.grad(job, &job.sensitivity.tangent[l], share[2 * l], share[2 * l + 1], row, m, more,
                            job.gradient.T2 if group == 1 else job.gradient.T, scratch)


cdef void full_gradient(Job *job, Py_ssize_t row, Py_ssize_t at_row, Py_ssize_t m, Py_ssize_t batch,
                        int thread) noexcept nogil:
    """Compute the gradient over the m rows of a chunk, added to that of the batch's previous chunks.

    row: the chunk's first row in the buffers. at_row: its first row in the batch."""
    cdef Py_ssize_t cut = group_rows(job, batch), one = min(max(cut - at_row, 0), m)
    cdef bint last = at_row + m == batch
    if cut == batch:
        grad_group(job, -1, row, m, at_row > 0, thread)
        if last and job.sensitivity.tangent != NULL:
            add_gradient(job, job.gradient.T, thread)
        if last and job.net.ends:
            end_gradient(job, thread)
        return
    if one > 0:
        grad_group(job, 0, row, one, at_row > 0, thread)
    if m > one:
        grad_group(job, 1, row + one, m - one, at_row > cut, thread)
    if last:
        team_barrier(job.team, thread)
        add_gradient(job, job.gradient.G2, thread)
        if job.sensitivity.tangent != NULL:
            add_gradient(job, job.gradient.T, thread)
            add_gradient(job, job.gradient.T2, thread)
        if job.net.ends:
            end_gradient(job, thread)


cdef Py_ssize_t most_rows(const Job *job) noexcept nogil:
    """Rows whose gradient takes a tenth of a second at most: there is no look for signals while it is summed."""
    cdef Py_ssize_t work = job.net.work if job.sensitivity.tangent == NULL else 2 * job.net.work
    return max(<Py_ssize_t>64, 8 // job.size * PIECE_WORK // work // 64 * 64)


cdef bint gradient_in_pieces(Job *job, Py_ssize_t at_row, Py_ssize_t m, Py_ssize_t batch, Py_ssize_t piece,
                             int thread) noexcept nogil:
    """full_gradient of a chunk, `piece` rows at a time, between which thread 0 looks for signals. Returns whether none
    was seen, the same on all threads. The last piece, which may contain a barrier, is always done."""
    cdef Py_ssize_t row = 0
    if m <= piece:
        full_gradient(job, 0, at_row, m, batch, thread)
        return True
    while row < m:
        if row + piece >= m or not stopped(job, job.shares.scratch[thread]):
            full_gradient(job, row, at_row + row, min(piece, m - row), batch, thread)
        row += piece
    team_barrier(job.team, thread)
    return not load(&job.signals.stopped)


cdef void end_gradient(Job *job, int thread) noexcept nogil:
    """Call grad_end of the kinds that have one, for this thread's rows: it turns G, summed over the batch, into the
    gradient."""
    cdef int l
    cdef Layer *layer
    cdef const Py_ssize_t *share = share_of(job, thread)
    for l in range(1, job.net.L + 1):
        layer = &job.net.layers[l]
        if share[2 * l] < share[2 * l + 1] and layer.kind.grad_end != NULL:
            layer.kind.grad_end(job, layer, share[2 * l], share[2 * l + 1], job.gradient.G)


cdef void add_gradient(Job *job, char *other, int thread) noexcept nogil:
    """G += other, for this thread's rows."""
    cdef int l
    cdef Layer *layer
    cdef Py_ssize_t begin, end
    cdef const Py_ssize_t *share = share_of(job, thread)
    for l in range(1, job.net.L + 1):
        layer = &job.net.layers[l]
        if share[2 * l] < share[2 * l + 1]:
            begin, end = layer.weights.w_at + share[2 * l] * layer.weights.ld, span_end(job, layer, share[2 * l + 1])
            job.k.add(end - begin, at(job, other, begin), at(job, job.gradient.G, begin))


cdef void weight_phase(Job *job, Py_ssize_t at_row, Py_ssize_t m, Py_ssize_t batch, const step_t *step,
                       int thread) noexcept nogil:
    """Compute this thread's part of all gradients over the m rows of a chunk, and step after a batch's last chunk."""
    cdef step_t clipped
    if job.division.size:
        divided_phase(job, at_row, m, batch, step, thread)
        return
    if not job.gradient.full:
        step_layers(job, m, step, thread)
        return
    if not job.tiny.runs and not gradient_in_pieces(job, at_row, m, batch, most_rows(job) if job.net.settles else m,
                                                    thread):
        if job.optimizer.exchange == NULL:
            store(&job.results.bad, 1)
            return
    if at_row + m < batch or not job.optimizer.stepping:
        return
    if job.optimizer.exchange != NULL and not exchanged(job, batch, thread):
        return
    if job.net.ties != NULL:
        team_barrier(job.team, thread)
        job.net.ties.fold(job, thread)
        team_barrier(job.team, thread)
    if job.optimizer.clip > 0:
        square_rows(job, thread)
        team_barrier(job.team, thread)
        clipped = step[0]
        clipped.gscale = clip_scale(job)
        step = &clipped
    MARK(thread, PHASE_weight)
    step_share(job, step, thread)
    if job.net.ties != NULL:
        if thread == 0:
            step_tail(job, step)
        team_barrier(job.team, thread)
        job.net.ties.spread(job, thread)
        team_barrier(job.team, thread)
    mirror_share(job, thread)
    MARK(thread, PHASE_update)


cdef bint exchanged(Job *job, Py_ssize_t batch, int thread) noexcept nogil:
    """Exchange the gradient and loss of a batch with the other ranks that work on it; returns whether to step."""
    team_barrier(job.team, thread)
    if thread == 0:
        job.results.batch_loss = job.k.sum(batch, job.results.values)
    job.optimizer.exchange(job, batch, thread)
    team_barrier(job.team, thread)
    return not load(&job.results.bad)


cdef void step_layers(Job *job, Py_ssize_t m, const step_t *step, int thread) noexcept nogil:
    """Compute gradients and step, layer by layer, for this thread's rows of each: tile by tile if the kind has
    grad_step, otherwise through its part of G."""
    cdef int l
    cdef Py_ssize_t lo, hi
    cdef Layer *layer
    cdef const Py_ssize_t *share = share_of(job, thread)
    for l in range(1, job.net.L + 1):
        lo, hi = share[2 * l], share[2 * l + 1]
        if lo == hi:
            continue
        layer = &job.net.layers[l]
        if layer.kind.grad_step != NULL:
            layer.kind.grad_step(job, layer, lo, hi, m, step, thread)
            continue
        layer.kind.grad(job, layer, lo, hi, 0, m, False, job.gradient.G, job.shares.scratch[thread])
        if layer.kind.grad_end != NULL:
            layer.kind.grad_end(job, layer, lo, hi, job.gradient.G)
        MARK(thread, PHASE_weight)
        step_rows(job, layer, lo, hi, step)
        if has_forms(layer):
            layer.kind.mirror(job, layer, lo, hi)
        MARK(thread, PHASE_update)


cdef void step_share(Job *job, const step_t *step, int thread) noexcept nogil:
    """Step this thread's rows from G: as one vector if they are contiguous, no layer has its own learning rate, and
    there are no penalties, for which layers have different factors."""
    cdef int l
    cdef const Py_ssize_t *share = share_of(job, thread)
    cdef const Py_ssize_t *span = job.shares.spans + 2 * thread
    if span[0] >= 0 and step.decay == 0 and step.l2 == 0 and step.l1 == 0:
        step_span(job, step, span[0], span[1])
        return
    for l in range(1, job.net.L + 1):
        if share[2 * l] < share[2 * l + 1]:
            step_rows(job, &job.net.layers[l], share[2 * l], share[2 * l + 1], step)


cdef void step_rows(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, const step_t *step) noexcept nogil:
    """Step rows lo .. hi - 1 of W from G, and the bias with the last one. Not if they follow another layer: then they
    are copied later."""
    cdef Weights *W = &layer.weights
    cdef step_t room
    if W.parts:
        step_parts(job, layer, lo * W.ld, min(hi * W.ld, W.size), step)
    elif not W.leader:
        step_span(job, step_of(&W.of_W, step, &room), W.w_at + lo * W.ld, W.w_at + hi * W.ld)
    if hi == W.rows and W.bias and not W.led_bias:
        step_span(job, step_of(&W.of_b, step, &room), W.b_at, span_end(job, layer, hi))


cdef void step_parts(Job *job, Layer *layer, Py_ssize_t begin, Py_ssize_t end, const step_t *step) noexcept nogil:
    """Step elements begin .. end - 1 of W, each with its own factors."""
    cdef Py_ssize_t next = begin
    cdef step_t room
    cdef const Factors *factors
    while begin < end:
        factors = layer.kind.factors(layer, begin, &next)
        next = min(next, end)
        step_elements(job, step_of(factors, step, &room), layer.weights.w_at + begin, layer.weights.w_at + next)
        begin = next


cdef void step_tail(Job *job, const step_t *step) noexcept nogil:
    """Step the tied parameters, in the tail of P."""
    cdef const Ties *ties = job.net.ties
    cdef step_t bias = bias_step(step)
    step_span(job, step, ties.tail, ties.tail + ties.n_weights)
    step_span(job, &bias, ties.tail + ties.n_weights, ties.tail + ties.n_tail)


cdef void average_share(Job *job, double rate, int thread) noexcept nogil:
    """average += rate (P - average), for this thread's rows: a step of sgd with the gradient average - P."""
    cdef int l
    cdef Layer *layer
    cdef step_t pull
    cdef const Py_ssize_t *share = share_of(job, thread)
    memset(&pull, 0, sizeof(step_t))
    pull.kind, pull.lr, pull.l2, pull.gscale, pull.narrow = STEP_sgd, rate, 1, -1, job.net.narrow
    for l in range(1, job.net.L + 1):
        layer = &job.net.layers[l]
        if share[2 * l] < share[2 * l + 1]:
            average_span(job, &pull, layer.weights.w_at + share[2 * l] * layer.weights.ld,
                         span_end(job, layer, share[2 * l + 1]))
    if thread == 0 and job.net.ties != NULL:
        average_span(job, &pull, job.net.ties.tail, job.net.ties.tail + job.net.ties.n_tail)


cdef inline void average_span(Job *job, const step_t *pull, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    job.k.step(pull, 1, end - begin, at(job, job.optimizer.average, begin), end - begin, at(job, job.net.P, begin),
               end - begin, NULL, NULL)


cdef void mirror_share(Job *job, int thread) noexcept nogil:
    """Update the forms of this thread's rows of W."""
    cdef int l
    cdef Layer *layer
    cdef const Py_ssize_t *share = share_of(job, thread)
    for l in range(1, job.net.L + 1):
        layer = &job.net.layers[l]
        if share[2 * l] < share[2 * l + 1] and has_forms(layer):
            layer.kind.mirror(job, layer, share[2 * l], share[2 * l + 1])


cdef void square_rows(Job *job, int thread) noexcept nogil:
    """Compute the squared norms of this thread's rows of the gradient, including biases."""
    cdef int l
    cdef Py_ssize_t i, lo, hi, row = 0
    cdef Weights *W
    cdef const Ties *ties
    cdef double *squares = job.shares.row_squares
    cdef const char *G = job.gradient.G
    cdef const Py_ssize_t *share = share_of(job, thread)
    for l in range(1, job.net.L + 1):
        W = &job.net.layers[l].weights
        lo, hi = share[2 * l], share[2 * l + 1]
        for i in range(lo, hi):
            squares[row + i] = 0 if W.leader else job.k.sum_squares(W.cols, at(job, G, W.w_at + i * W.ld))
        if lo < hi == W.rows and W.bias:
            squares[row + hi] = 0 if W.leader and W.led_bias else job.k.sum_squares(W.units, at(job, G, W.b_at))
        row += W.rows + W.bias
    if thread == 0:     # and of the tail of ties
        ties = job.net.ties
        squares[row] = 0 if ties == NULL else job.k.sum_squares(ties.n_tail, at(job, G, ties.tail))


cdef double clip_scale(Job *job) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t i
    for i in range(job.net.n_rows + 1):   # and the tail of ties
        total += job.shares.row_squares[i]
    total = sqrt(total)
    return job.optimizer.clip / total if total > job.optimizer.clip else 1


cdef void penalize_rows(Job *job, int thread) noexcept nogil:
    """Compute the penalties on this thread's rows of W, before the step."""
    cdef int l
    cdef Py_ssize_t i, row = 0
    cdef Weights *W
    cdef double l2, l1
    cdef double *penalty
    cdef const Py_ssize_t *share = share_of(job, thread)
    for l in range(1, job.net.L + 1):
        W = &job.net.layers[l].weights
        l2, l1 = job.optimizer.row_l2 * W.of_W.decay, job.optimizer.row_l1 * W.of_W.decay
        for i in range(share[2 * l], share[2 * l + 1]):
            penalty = &job.shares.weight_penalties[row + i]
            penalty[0] = 0
            if W.leader:
                continue
            if l2 > 0:
                penalty[0] = 0.5 * l2 * job.k.sum_squares(W.cols, at(job, W.W, i * W.ld))
            if l1 > 0:
                penalty[0] += l1 * job.k.sum_abs(W.cols, at(job, W.W, i * W.ld))
        row += W.rows


cdef double penalty_of_rows(Job *job) noexcept nogil:
    """The sum of the penalties from penalize_rows, in the order of the rows."""
    cdef double total = 0
    cdef Py_ssize_t i, rows = 0
    cdef int l
    for l in range(1, job.net.L + 1):
        rows += job.net.layers[l].weights.rows
    for i in range(rows):
        total += job.shares.weight_penalties[i]
    return total
