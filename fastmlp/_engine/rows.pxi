# The row phase. A thread owns rows of the batch and takes them, a block at a time, forward through all layers,
# through the loss, and back with the delta sweep. Nothing is shared, so there is no barrier between layers, and a
# block stays in the caches.

cdef void prepare(const Job *job, Layer *layers) noexcept nogil:
    """Set up what is the same for all rows in each layer; after all buffers are placed."""
    cdef int l
    for l in range(1, job.net.L + 1):
        if layers[l].kind.prepare != NULL:
            layers[l].kind.prepare(job, &layers[l])


cdef inline bint passed_over(Job *job, Py_ssize_t *until_look, const char *scratch) noexcept nogil:
    """Whether to skip the blocks after the present one, because a signal was seen. until_look: blocks until the next
    look for signals."""
    until_look[0] -= 1
    if until_look[0] > 0:
        return False
    until_look[0] = job.signals.blocks
    return stopped(job, scratch)


cdef inline Py_ssize_t rows_each(Py_ssize_t m, int threads) noexcept nogil:
    """The number of rows per thread, of m: a multiple of 4, half a tile, unless one thread takes all."""
    return m if threads == 1 else pad((m + threads - 1) // threads, 4)


cdef void gather_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """Read x(0) of m rows; in training also mix them and add noise."""
    cdef Layer *x0 = &job.net.layers[0]
    cdef char *x
    if x0.buffers.in_place or job.rows.differences:
        return
    x = x_at(job, x0, row)
    job.k.gather(&job.rows.X, job.rows.order, pos, m, x, x0.buffers.ld)
    if job.batches.altered:
        if job.rows.mixed.partner != NULL:
            mix_rows(job, pos, row, m)
        if job.batches.noise > 0:
            job.k.noise(m, job.net.numeric, x, x0.buffers.ld, job.batches.noise, job.batches.key, job.rows.order, pos)


cdef void mix_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """Mix x(0) of m rows with their partners, which are gathered into the buffer after the rows of the chunk."""
    cdef Layer *x0 = &job.net.layers[0]
    cdef char *partners = x_at(job, x0, job.batches.chunk + row)
    job.k.gather(&job.rows.X, job.rows.mixed.partner, pos, m, partners, x0.buffers.ld)
    job.k.mix(m, x0.d_out, job.rows.mixed.share, pos, partners, x_at(job, x0, row), x0.buffers.ld)


cdef void push_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """Forward through all layers: s(1), x(1) .. x(L) from x(0)."""
    cdef Layer *layer = job.net.layers
    cdef int l
    for l in range(job.net.L):
        if job.signals.layers:
            if stopped(job, scratch):
                return
            if job.division.size:
                wait_for_step(job, l + 1)
        layer += 1
        layer.kind.forward(job, layer, pos, row, m, scratch)


cdef void forward_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    gather_rows(job, pos, row, m)
    push_rows(job, pos, row, m, scratch)


cdef loss_t loss_of(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, double scale, char *scratch) noexcept nogil:
    """A loss_t that describes the loss of m rows; value and delta, the results, are NULL."""
    cdef Layer *last = &job.net.layers[job.net.L]
    cdef loss_t loss = job.rows.loss
    loss.m = m
    loss.x, loss.ldx = x_at(job, last, row), last.buffers.ld
    loss.order, loss.first = job.rows.order, pos
    loss.delta, loss.ldd, loss.value, loss.scale = NULL, last.buffers.ld, NULL, scale
    loss.scratch = at(job, scratch, job.shares.loss_at)
    return loss


cdef bint loss_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *value, double scale, bint sweep,
                    char *scratch) noexcept nogil:
    """Compute the losses of m rows and, for a sweep, scale de/dx(L); returns whether all losses are finite."""
    cdef Layer *last = &job.net.layers[job.net.L]
    cdef loss_t loss = loss_of(job, pos, row, m, scale, scratch)
    loss.value, loss.delta = value, (delta_at(job, last, row) if sweep else NULL)
    return job.k.loss(&loss) if job.rows.function == NULL else job.rows.function(job, &loss)


cdef inline void finish_delta(Job *job, Layer *layer, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """delta(l) = de/dx(l) * theta'(s(l))"""
    cdef char *delta = delta_at(job, layer, row)
    if layer.buffers.de_dx != NULL:
        memcpy(at(job, layer.buffers.de_dx, row * layer.buffers.ld), delta, m * layer.buffers.ld * job.size)
    if layer.theta.act != ACT_identity:
        job.k.act_grad(layer.theta.act, layer.theta.arg, m * layer.buffers.ld, theta_of(job, layer, row), delta)


cdef inline void finish_input(Job *job, Input *input, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """After backward has computed de/dx of an input: add it to the contributions of other layers and, if it is then
    complete, apply theta'."""
    if not input.fused and add_dx(job, input, row, m):
        finish_delta(job, input.source, row, m)


cdef inline void backward_part(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, int last,
                               char *scratch) noexcept nogil:
    """The delta sweep from delta of a layer down to delta(last)."""
    while layer.number > last:
        if job.signals.layers and stopped(job, scratch):
            return
        if layer.pulls:
            layer.kind.backward(job, layer, pos, row, m, scratch)
            finish_input(job, &layer.input, row, m)
            if layer.second.source != NULL:
                finish_input(job, &layer.second, row, m)
        layer -= 1


cdef void backward_rows(Job *job, Layer *layers, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, int last,
                        char *scratch) noexcept nogil:
    """The delta sweep from de/dx(L) down to delta(last)."""
    finish_delta(job, &layers[job.net.L], row, m)
    backward_part(job, &layers[job.net.L], pos, row, m, last, scratch)


cdef void row_phase(Job *job, Py_ssize_t pos, Py_ssize_t at_row, Py_ssize_t m, double scale, int thread) noexcept nogil:
    """Forward pass, loss and delta sweep for this thread's part of the m rows from position pos on. at_row: the row of
    the batch at pos."""
    cdef char *values = at(job, job.results.values, at_row)
    cdef Py_ssize_t each = rows_each(m, job.team.active)
    cdef Py_ssize_t first = min(thread * each, m), row = first, hi = min(row + each, m), k, next
    cdef Py_ssize_t until_look = job.signals.blocks
    cdef char *scratch = job.shares.scratch[thread]
    if job.net.settles and job.batches.training:
        settling_phase(job, pos, first, hi, m, scale, thread)
        return
    while row < hi:
        k = min(job.batches.block, hi - row)
        gather_rows(job, pos + row, row, k)
        # this thread's next block, in this batch or the next
        next = pos + (row + k if row + k < hi else m + first)
        if job.rows.prefetch and next < job.rows.n:
            job.k.fetch_rows(&job.rows.X, &job.rows.loss, job.rows.order, next, min(k, job.rows.n - next))
        MARK(thread, PHASE_gather)
        if job.sensitivity.attack_steps > 0:
            job.sensitivity.attack_rows(job, pos + row, row, k, at(job, values, row), scratch)
        push_rows(job, pos + row, row, k, scratch)
        MARK(thread, PHASE_forward)
        if not loss_rows(job, pos + row, row, k, at(job, values, row), scale, True, scratch):
            store(&job.results.bad, 1)
        MARK(thread, PHASE_loss)
        backward_rows(job, job.net.layers, pos + row, row, k, job.sweep_end, scratch)
        if job.sensitivity.tangent != NULL and not job.sensitivity.tangent_rows(
                job, pos + row, row, k, at(job, job.sensitivity.penalties, at_row + row), scale, scratch):
            store(&job.results.bad, 1)
        MARK(thread, PHASE_delta)
        row += k
        if passed_over(job, &until_look, scratch):
            break
    if load(&job.signals.stopped):
        store(&job.results.bad, 1)
