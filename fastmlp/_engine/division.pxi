# Steps divided among the ranks of one machine: each rank computes the gradient of its rows of a batch, and steps its
# part of the parameters. Gradients, parameters and the forms of W are in memory that all ranks share.
#
# In each batch a rank counts every layer twice, in order: once when its gradient of the other ranks' parts of the layer
# is complete, which they then add to theirs, and once when it has stepped its own part, which they then read. So a rank
# waits for one layer at a time while the others work on the next.

cdef enum:
    PART_BYTES = 64 * 1024      # bytes of W that are processed at a time, to stay in the cache


cdef inline const Py_ssize_t *part_of_rank(const Job *job, int rank, int thread) noexcept nogil:
    """The rows of the weights that a thread handles in a rank's part: pairs (lo, hi) by layer."""
    return job.division.parts + 2 * (rank * job.team.active + thread) * (job.net.L + 1)


cdef void divided_phase(Job *job, Py_ssize_t at_row, Py_ssize_t m, Py_ssize_t batch, const step_t *step,
                        int thread) noexcept nogil:
    """The weight phase of a chunk of m rows, with the step after a batch's last chunk."""
    cdef int l, L = job.net.L
    cdef meeting_t *meeting = job.division.meeting
    cdef unsigned before
    wait_for_step(job, L)   # if a signal has ended the row phase, others may still read the last gradient
    if job.gradient.full:
        full_gradient(job, 0, at_row, m, batch, thread)
        if at_row + m < batch:
            return
        team_barrier(job.team, thread)
    if thread == 0:
        say_loss(job, batch)
    for l in range(1, L + 1):
        if not job.gradient.full:
            grad_for_others(job, l, m, thread)
        done_with_layer(job, l, thread)
    MARK(thread, PHASE_weight)
    if thread == 0:
        hear_losses(job, batch)
    team_barrier(job.team, thread)
    MARK(thread, PHASE_barrier)
    if load(&job.results.bad):
        return
    before = meeting.counts[LAYERS] - L
    for l in range(1, L + 1):
        wait_for(meeting, LAYERS, before + l)
        step_part(job, l, m, step, thread)
        done_with_layer(job, l, thread)
    team_barrier(job.team, thread)
    if job.optimizer.average != NULL:   # of all parameters
        wait_for(meeting, LAYERS, meeting.counts[LAYERS])
    MARK(thread, PHASE_barrier)


cdef inline void done_with_layer(Job *job, int l, int thread) noexcept nogil:
    """Count a layer as done. Several threads count all layers at once after the last, to wait for each other once."""
    cdef bint alone = job.team.active == 1
    if not alone:
        if l < job.net.L:
            return
        team_barrier(job.team, thread)
    if thread == 0:
        count_on(job.division.meeting, LAYERS, 1 if alone else job.net.L)


cdef void wait_for_step(const Job *job, int l) noexcept nogil:
    """Wait until all ranks have stepped layer l in the previous batch, if there was one."""
    cdef const meeting_t *meeting = job.division.meeting
    wait_for(meeting, LAYERS, meeting.counts[LAYERS] - job.net.L + l)


cdef void say_loss(Job *job, Py_ssize_t batch) noexcept nogil:
    """Bring the batch's loss and the flag for non-finite losses to the meeting, unless this rank has failed."""
    cdef double numbers[MEETING_NUMBERS]
    memset(numbers, 0, sizeof(numbers))
    if job.division.gives:
        numbers[1], numbers[2] = job.k.sum(batch, job.results.values), load(&job.results.bad)
    else:
        memset(job.gradient.G, 0, job.net.n_elements * job.size)
    if not load(&job.signals.stopped):
        come(job.division.meeting, numbers)


cdef void hear_losses(Job *job, Py_ssize_t batch) noexcept nogil:
    """Take from the meeting the batch's loss and the flag for non-finite losses over all ranks. If a rank has failed,
    the exchange ends all of them."""
    cdef double numbers[MEETING_NUMBERS]
    if not load(&job.signals.stopped):
        set_float_mode(job.team.outside)    # the mode in which ranks that sum in Python do so
        hear(job.division.meeting, numbers)
        set_float_mode(ENGINE_MODE)
        job.results.batch_loss = numbers[1]
        store(&job.results.bad, numbers[2] > 0)
        if numbers[0] == 0:
            return
    job.optimizer.exchange(job, batch, 0)


cdef void grad_rows(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, int thread) noexcept nogil:
    """Compute the gradient of rows lo .. hi of W over the m rows of a batch, in G."""
    layer.kind.grad(job, layer, lo, hi, 0, m, False, job.gradient.G, job.shares.scratch[thread])
    if layer.kind.grad_end != NULL:
        layer.kind.grad_end(job, layer, lo, hi, job.gradient.G)


cdef void grad_for_others(Job *job, int l, Py_ssize_t m, int thread) noexcept nogil:
    """The gradient of the other ranks' parts of a layer."""
    cdef int q
    cdef const Py_ssize_t *part
    for q in range(job.division.size):
        part = part_of_rank(job, q, thread)
        if q != job.division.rank and part[2 * l] < part[2 * l + 1]:
            grad_rows(job, &job.net.layers[l], part[2 * l], part[2 * l + 1], m, thread)


cdef void step_part(Job *job, int l, Py_ssize_t m, const step_t *step, int thread) noexcept nogil:
    """Step this rank's part of a layer: compute its gradient if it is not in G yet, add those of the other ranks, and
    step."""
    cdef Layer *layer = &job.net.layers[l]
    cdef const Py_ssize_t *part = part_of_rank(job, job.division.rank, thread)
    cdef Py_ssize_t lo = part[2 * l], hi = part[2 * l + 1]
    if lo == hi:
        return
    if not job.gradient.full and layer.kind.grad_step != NULL and not layer.kind.borrows:
        layer.kind.grad_step(job, layer, lo, hi, m, step, thread)
        return
    if not job.gradient.full:
        grad_rows(job, layer, lo, hi, m, thread)
    step_from_all(job, layer, lo, hi, step)


cdef inline Py_ssize_t rows_at_once(const Job *job, const Layer *layer) noexcept nogil:
    """The number of rows of W that fit in the cache together; all if W must not be divided at arbitrary rows."""
    return layer.weights.rows if layer.kind.cut != NULL else max(8, PART_BYTES // (layer.weights.ld * job.size) & -8)


cdef void step_from_all(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t end, const step_t *step) noexcept nogil:
    """Step rows lo .. end of W from G and the gradients of the other ranks."""
    cdef Py_ssize_t hi, begin, n
    while lo < end:
        hi = min(lo + rows_at_once(job, layer), end)
        begin = layer.weights.w_at + lo * layer.weights.ld
        n = span_end(job, layer, hi) - begin
        add_others(job, 1, n, at(job, job.gradient.G, begin), n, begin, n)
        step_rows(job, layer, lo, hi, step)
        if has_forms(layer):
            layer.kind.mirror(job, layer, lo, hi)
        lo = hi


cdef void add_others(Job *job, Py_ssize_t m, Py_ssize_t n, char *own, Py_ssize_t ld_own, Py_ssize_t begin,
                     Py_ssize_t ld) noexcept nogil:
    """own = the gradient of (m, n) parameters, the first of which is at `begin`, summed over all ranks in order. The
    sum of the ranks before this one is formed in the gradient of rank 0, of which no other rank reads this part."""
    cdef Division *of = &job.division
    cdef Py_ssize_t i, here
    cdef int q
    for i in range(m):
        here = begin + i * ld
        for q in range(1, of.rank):
            job.k.add(n, at(job, of.G[q], here), at(job, of.G[0], here))
        if of.rank > 0:
            job.k.add(n, at(job, of.G[0], here), at(job, own, i * ld_own))
        for q in range(of.rank + 1, of.size):
            job.k.add(n, at(job, of.G[q], here), at(job, own, i * ld_own))


cdef void fetch_others(Job *job, Py_ssize_t begin, Py_ssize_t m, Py_ssize_t n, Py_ssize_t ld) noexcept nogil:
    """Prefetch what add_others is going to read."""
    cdef int q
    for q in range(job.division.size):
        if q != job.division.rank:
            job.k.fetch(m, n, at(job, job.division.G[q], begin), ld)
