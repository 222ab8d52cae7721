# The jobs that the threads of a team run, each thread on its part of the rows.

cdef inline double nadam_momentum(const step_t *step, double fade) noexcept nogil:
    """beta1 (1 - fade^t / 2)"""
    return step.beta1 * (1 - 0.5 * fade)


cdef void correct_nadam(const step_t *given, double product, double p2, double fade, step_t *step) noexcept nogil:
    """Set NAdam's rates and eps for a step. product: of the momenta so far; p2, fade: powers of beta2 and fade."""
    cdef double root = sqrt(1 - p2), ahead = nadam_momentum(given, fade * given.fade)
    step.lr = given.lr * root * ahead / (1 - product * ahead)
    step.lr_g = given.lr * root * (1 - nadam_momentum(given, fade)) / (1 - product)
    step.eps = given.eps * root


cdef inline void take_rates(const step_t *given, Powers *powers, step_t *step) noexcept nogil:
    """Advance the powers by a step, and set that step's bias-corrected rates. Called well before they are used, since
    square roots and divisions are slow."""
    cdef double product = powers.beta1
    powers.beta1 *= step.beta1
    powers.beta2 *= step.beta2
    if step.kind == STEP_adam:
        step.lr = given.lr * sqrt(1 - powers.beta2) / (1 - powers.beta1)
    elif step.kind == STEP_nadam:
        powers.fade *= step.fade
        powers.beta1 = product * nadam_momentum(step, powers.fade)
        correct_nadam(given, powers.beta1, powers.beta2, powers.fade, step)


cdef inline bint weightless(const Job *job, Py_ssize_t pos, Py_ssize_t end) noexcept nogil:
    """Whether all rows of a batch have weight 0: then there is no step."""
    cdef Py_ssize_t i
    if job.rows.loss.weight == NULL:
        return False
    for i in range(pos, end):
        if weight_of_row(job, i) != 0:
            return False
    return True


cdef void train_job(void *arg, int thread) noexcept nogil:
    """Train on chunks first_chunk .. end_chunk - 1 of the epoch. Ends before the step if a loss is not finite."""
    cdef Job *job = <Job *>arg
    cdef Batches *batches = &job.batches
    cdef Optimizer *optimizer = &job.optimizer
    cdef Py_ssize_t c, begin, pos, m, end, rows = 0
    cdef bint last, penal = optimizer.row_l2 > 0 or optimizer.row_l1 > 0, alone = optimizer.exchange == NULL
    cdef step_t step = optimizer.step
    cdef Powers powers = optimizer.powers, next
    cdef double scale = 0, average_power = optimizer.average_power
    begin = batches.first_chunk // batches.chunks * batches.batch
    pos = begin + batches.first_chunk % batches.chunks * batches.chunk
    MARK_START(thread)
    for c in range(batches.first_chunk, batches.end_chunk):
        end = min(begin + batches.batch, job.rows.n)
        m = min(batches.chunk, end - pos)
        last = pos + m == end
        if end - begin != rows:
            rows = end - begin
            scale = job.rows.weight_scale / rows
            step.l2, step.l1 = optimizer.step.l2 + optimizer.row_l2 / rows, optimizer.step.l1 + optimizer.row_l1 / rows
        if job.tiny.runs:
            tiny_phase(job, pos, m, scale)
        else:
            row_phase(job, pos, pos - begin, m, scale, thread)
        next = powers
        take_rates(&optimizer.step, &next, &step)
        team_barrier(job.team, thread)
        MARK(thread, PHASE_barrier)
        if alone and load(&job.results.bad):
            if thread == 0:
                job.results.bad_chunk = c
            break
        if alone and weightless(job, begin, end):
            team_barrier(job.team, thread)
            pos, begin = pos + m, end if last else begin
            continue
        if last and penal:
            penalize_rows(job, thread)
        weight_phase(job, pos - begin, m, end - begin, &step, thread)
        if last and load(&job.results.bad):
            if thread == 0:
                job.results.bad_chunk = c
            break
        if last:
            powers = next
        if last and optimizer.average != NULL:
            average_power *= optimizer.average_decay
            average_share(job, (1 - optimizer.average_decay) / (1 - average_power), thread)
        if thread == 0 and last:
            job.results.loss_sum += job.k.sum(end - begin, job.results.values) if alone else job.results.batch_loss
            if job.sensitivity.penalty:
                job.results.sensitivity_penalty += job.k.sum(end - begin, job.sensitivity.penalties)
        team_barrier(job.team, thread)
        MARK(thread, PHASE_barrier)
        if thread == 0 and last and penal:
            job.results.weight_penalty += penalty_of_rows(job)
        pos += m
        if last:
            begin = end
    if thread == 0:
        optimizer.powers, optimizer.average_power = powers, average_power


# A thread's part of positions first_row .. end_row - 1, processed a block at a time.
cdef struct Part:
    Py_ssize_t pos, end         # the positions that are left
    Py_ssize_t row              # row of the buffers at which each block is placed
    Py_ssize_t m                # rows of the present block
    Py_ssize_t until_look       # blocks until the next look for signals
    const char *scratch         # the thread's


cdef inline Part part_of(const Job *job, int thread) noexcept nogil:
    cdef Part part
    cdef Py_ssize_t each = rows_each(job.batches.end_row - job.batches.first_row, job.team.active)
    part.pos = min(job.batches.first_row + thread * each, job.batches.end_row)
    part.end = min(part.pos + each, job.batches.end_row)
    part.row = thread * job.batches.block
    part.m, part.until_look = 0, job.signals.blocks
    part.scratch = job.shares.scratch[thread]
    return part


cdef inline bint next_block(Job *job, Part *part) noexcept nogil:
    """Go on to the next block; False if there is none."""
    part.pos += part.m
    if part.m > 0 and passed_over(job, &part.until_look, part.scratch):
        return False
    part.m = min(job.batches.block, part.end - part.pos)
    return part.m > 0


cdef inline void give_rows(const Job *job, const Layer *layer, const char *rows, const Part *part) noexcept nogil:
    """Copy rows of a layer's buffer to the job's output."""
    job.k.rows(part.m, layer.d_out, at(job, rows, part.row * layer.buffers.ld), layer.buffers.ld,
               at(job, job.results.out, part.pos * layer.d_out), layer.d_out)


cdef inline void take_seed(const Job *job, const Layer *layer, char *rows, const Part *part) noexcept nogil:
    """Copy rows of the seed to a layer's buffer."""
    job.k.rows(part.m, layer.d_out, at(job, job.results.seed, part.pos * layer.d_out), layer.d_out,
               at(job, rows, part.row * layer.buffers.ld), layer.buffers.ld)


cdef void forward_job(void *arg, int thread) noexcept nogil:
    """Compute predictions if `out` is given, and losses if `values` is."""
    cdef Job *job = <Job *>arg
    cdef Part part = part_of(job, thread)
    cdef Layer *last = &job.net.layers[job.net.L]
    cdef char *scratch = job.shares.scratch[thread]
    while next_block(job, &part):
        forward_rows(job, part.pos, part.row, part.m, scratch)
        if job.results.values != NULL:
            loss_rows(job, part.pos, part.row, part.m, at(job, job.results.values, part.pos - job.batches.first_row), 1,
                      False, scratch)
        if job.results.out != NULL:
            job.k.link(job.results.link, job.net.levels, part.m, last.d_out, x_at(job, last, part.row),
                       last.buffers.ld, at(job, job.results.out, part.pos * last.d_out), last.d_out,
                       at(job, scratch, job.shares.loss_at))


cdef void pull_job(void *arg, int thread) noexcept nogil:
    """Propagate from the loss, or from the seed, back to de/dx(0)."""
    cdef Job *job = <Job *>arg
    cdef Part part = part_of(job, thread)
    cdef Layer *last = &job.net.layers[job.net.L]
    cdef char *scratch = job.shares.scratch[thread]
    while next_block(job, &part):
        forward_rows(job, part.pos, part.row, part.m, scratch)
        if job.results.seed == NULL:
            loss_rows(job, part.pos, part.row, part.m, at(job, job.results.values, part.pos), 1, True, scratch)
        else:
            take_seed(job, last, last.buffers.delta, &part)
        backward_rows(job, job.net.layers, part.pos, part.row, part.m, 0, scratch)
        give_rows(job, job.net.layers, job.net.layers[0].buffers.delta, &part)


cdef void push_job(void *arg, int thread) noexcept nogil:
    """Propagate from the seed x'(0) forward to x'(L)."""
    cdef Job *job = <Job *>arg
    cdef Part part = part_of(job, thread)
    cdef Layer *tangent = job.sensitivity.tangent
    cdef char *scratch = job.shares.scratch[thread]
    while next_block(job, &part):
        forward_rows(job, part.pos, part.row, part.m, scratch)
        take_seed(job, tangent, tangent.buffers.x, &part)
        job.sensitivity.push_tangent(job, part.pos, part.row, part.m, scratch)
        give_rows(job, &tangent[job.net.L], tangent[job.net.L].buffers.x, &part)


cdef void attack_job(void *arg, int thread) noexcept nogil:
    """Attack x(0): move it so that the loss increases."""
    cdef Job *job = <Job *>arg
    cdef Part part = part_of(job, thread)
    while next_block(job, &part):
        gather_rows(job, part.pos, part.row, part.m)
        job.sensitivity.attack_rows(job, part.pos, part.row, part.m, at(job, job.results.values, part.pos),
                                    job.shares.scratch[thread])
        give_rows(job, job.net.layers, job.net.layers[0].buffers.x, &part)


cdef void keep_job(void *arg, int thread) noexcept nogil:
    """Compute and keep s and x of all rows."""
    cdef Job *job = <Job *>arg
    cdef Part part = part_of(job, thread)
    while next_block(job, &part):
        forward_rows(job, part.pos, part.pos, part.m, job.shares.scratch[thread])


cdef void sweep_job(void *arg, int thread) noexcept nogil:
    """Compute s, x, delta and de/dx(0) of all rows, then the gradient from delta_w, the scaled delta."""
    cdef Job *job = <Job *>arg
    cdef int l
    cdef Layer *layer
    cdef Part part = part_of(job, thread)
    cdef Py_ssize_t n = job.rows.n, row = part.pos
    row_phase(job, 0, 0, n, 1, thread)
    for l in range(1, job.net.L + 1):
        if stopped(job, part.scratch):
            break
        layer = &job.net.layers[l]
        job.k.scale_rows(part.end - row, pad(layer.d_out, job.k.lanes), delta_at(job, layer, row), layer.buffers.ld,
                         NULL if job.rows.delta_weight == NULL else at(job, job.rows.delta_weight, row),
                         job.rows.weight_scale / n, delta_w_at(job, layer, row))
    team_barrier(job.team, thread)
    gradient_in_pieces(job, 0, n, n, job.batches.chunk, thread)
