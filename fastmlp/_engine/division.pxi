# Steps that ranks of one machine divide: each works on other rows of a batch, and steps a part of the parameters. Its
# gradient is where the others read their parts of it; the parameters and their other forms are in memory of all.

cdef enum:
    PART_BYTES = 64 * 1024      # of W that are worked on at a time, while they are in the cache


cdef inline const Py_ssize_t *part_of_rank(const Job *job, int rank, int thread) noexcept nogil:
    """What a thread does of a rank's rows of the weights: pairs lo, hi by layer."""
    return job.division.parts + 2 * (rank * job.team.active + thread) * (job.net.L + 1)


cdef void divided_phase(Job *job, Py_ssize_t at_row, Py_ssize_t m, Py_ssize_t batch, const step_t *step,
                        int thread) noexcept nogil:
    """The weight phase of a chunk of m rows, after a batch's last chunk with the step."""
    cdef int q
    if job.gradient.full:
        full_gradient(job, 0, at_row, m, batch, thread)
        if at_row + m < batch:
            return
    else:
        for q in range(job.division.size):
            if q != job.division.rank:
                grad_part(job, part_of_rank(job, q, thread), m, thread)
    MARK(thread, PHASE_weight)
    team_barrier(job.team, thread)
    if thread == 0:
        agree(job, batch)
    team_barrier(job.team, thread)
    MARK(thread, PHASE_barrier)
    if load(&job.results.bad):
        return
    step_part(job, m, step, thread)
    team_barrier(job.team, thread)
    if thread == 0:
        meet(job.division.meeting, NULL)
    team_barrier(job.team, thread)
    MARK(thread, PHASE_barrier)


cdef void agree(Job *job, Py_ssize_t batch) noexcept nogil:
    """Meet the others once their gradients are there: the loss of the batch, and whether one is not finite, become
    those of all. Where a rank has failed, the exchange ends all."""
    cdef double numbers[MEETING_NUMBERS]
    memset(numbers, 0, sizeof(numbers))
    if job.division.gives:
        numbers[1], numbers[2] = job.k.sum(batch, job.results.values), load(&job.results.bad)
    else:
        memset(job.gradient.G, 0, job.net.n_elements * job.size)
    if not load(&job.signals.stopped):
        set_float_mode(job.team.outside)    # in which others sum in Python
        meet(job.division.meeting, numbers)
        set_float_mode(ENGINE_MODE)
        job.results.batch_loss = numbers[1]
        store(&job.results.bad, numbers[2] > 0)
        if numbers[0] == 0:
            return
    job.optimizer.exchange(job, batch, 0)


cdef void grad_rows(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, int thread) noexcept nogil:
    """The gradient of rows lo .. hi of W over the m rows of a batch, into G."""
    layer.kind.grad(job, layer, lo, hi, 0, m, False, job.gradient.G, job.shares.scratch[thread])
    if layer.kind.grad_end != NULL:
        layer.kind.grad_end(job, layer, lo, hi, job.gradient.G)


cdef void grad_part(Job *job, const Py_ssize_t *part, Py_ssize_t m, int thread) noexcept nogil:
    cdef int l
    for l in range(1, job.net.L + 1):
        if part[2 * l] < part[2 * l + 1]:
            grad_rows(job, &job.net.layers[l], part[2 * l], part[2 * l + 1], m, thread)


cdef void step_part(Job *job, Py_ssize_t m, const step_t *step, int thread) noexcept nogil:
    """This rank's part: its gradient, where that is not in G yet, to which those of the others are added, and the step.
    """
    cdef int l
    cdef Layer *layer
    cdef Py_ssize_t lo, hi
    cdef const Py_ssize_t *part = part_of_rank(job, job.division.rank, thread)
    for l in range(1, job.net.L + 1):
        layer = &job.net.layers[l]
        lo, hi = part[2 * l], part[2 * l + 1]
        if lo == hi:
            continue
        if job.gradient.full:
            step_from_all(job, layer, lo, hi, step)
        elif layer.kind.grad_step != NULL and not layer.kind.borrows:
            layer.kind.grad_step(job, layer, lo, hi, m, step, thread)
        else:
            grad_rows(job, layer, lo, hi, m, thread)
            step_from_all(job, layer, lo, hi, step)


cdef inline Py_ssize_t rows_at_once(const Job *job, const Layer *layer) noexcept nogil:
    """Rows of W that stay in the cache together; all where they are not to be cut anywhere."""
    return layer.weights.rows if layer.kind.cut != NULL else max(8, PART_BYTES // (layer.weights.ld * job.size) & -8)


cdef void step_from_all(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t end, const step_t *step) noexcept nogil:
    """Rows lo .. end of W from G and the gradients of the others."""
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
    """own = the sum over all ranks, in their order, of the gradient of (m, n) parameters, the first of which is at
    `begin`. Those before this rank are added up where the first has its own, which nobody else reads."""
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
    """Have what add_others is going to read on its way."""
    cdef int q
    for q in range(job.division.size):
        if q != job.division.rank:
            job.k.fetch(m, n, at(job, job.division.G[q], begin), ld)
