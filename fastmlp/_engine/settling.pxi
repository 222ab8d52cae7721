# The row phase where rows need each other. Before each layer that settles all threads wait for each other, on the way
# there and back, also where a signal was seen: then segments end early, and nothing settles.

cdef void settling_phase(Job *job, Py_ssize_t pos, Py_ssize_t first, Py_ssize_t hi, Py_ssize_t m, double scale,
                         int thread) noexcept nogil:
    """The row phase of rows first .. hi, this thread's, of m that are a whole batch."""
    cdef Segment segment
    cdef int L = job.net.L
    segment.layers, segment.pos, segment.m, segment.first, segment.end = job.net.layers, pos, m, first, hi
    segment.scale, segment.thread = scale, thread
    if job.division.size:
        wait_for_step(job, L)
    if job.sensitivity.attack_steps > 0:
        if thread == 0:     # what was settled of the batch before is behind all threads
            prepare(job, job.net.layers)
        team_barrier(job.team, thread)
        in_blocks(job, &segment, attack_block, 0, 0)
    settling_forward(job, &segment)
    MARK(thread, PHASE_forward)
    in_blocks(job, &segment, loss_block, 0, 0)
    MARK(thread, PHASE_loss)
    settling_back(job, &segment, job.sweep_end)
    if job.sensitivity.tangent != NULL:
        job.sensitivity.settling_tangents(job, &segment)
    if load(&job.signals.stopped):
        store(&job.results.bad, 1)
    MARK(thread, PHASE_delta)


cdef void in_blocks(Job *job, const Segment *segment, segment_fn work, int begin, int end) noexcept nogil:
    """Do the work of layers begin .. end on this thread's rows, by blocks."""
    cdef Py_ssize_t row = segment.first, m, until_look = job.signals.blocks
    cdef char *scratch = job.shares.scratch[segment.thread]
    while row < segment.end and not load(&job.signals.stopped):
        m = min(job.batches.block, segment.end - row)
        work(job, segment, begin, end, row, m, scratch)
        row += m
        if passed_over(job, &until_look, scratch):
            break


cdef void settle_layer(Job *job, const Segment *segment, settle_fn settle, Layer *layer) noexcept nogil:
    """Have a layer's columns settled, once all threads have come so far, and before any goes on."""
    team_barrier(job.team, segment.thread)
    if not load(&job.signals.stopped):
        settle(job, layer, segment.pos, segment.m, segment.thread)
    team_barrier(job.team, segment.thread)


cdef void settling_forward(Job *job, const Segment *segment) noexcept nogil:
    """From x(0), which it gathers unless an attack has: s(1), x(1) .. x(L)"""
    cdef Layer *layers = job.net.layers
    cdef int l, begin = 1, L = job.net.L
    for l in range(1, L + 1):
        if layers[l].kind.settle != NULL:
            in_blocks(job, segment, forward_block, begin, l)
            settle_layer(job, segment, layers[l].kind.settle, &layers[l])
            begin = l
    in_blocks(job, segment, forward_block, begin, L + 1)


cdef void settling_back(Job *job, const Segment *segment, int last) noexcept nogil:
    """From delta(L) down to delta(last)."""
    cdef Layer *layers = segment.layers
    cdef int l, begin = job.net.L
    for l in range(job.net.L, last, -1):
        if layers[l].kind.settle_back != NULL:
            in_blocks(job, segment, backward_block, begin, l)
            settle_layer(job, segment, layers[l].kind.settle_back, &layers[l])
            begin = l
    in_blocks(job, segment, backward_block, begin, last)


cdef void attack_block(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                       char *scratch) noexcept nogil:
    """x(0) of m rows, moved to where their losses are larger by the statistics of predictions, with which no row needs
    another."""
    gather_rows(job, segment.pos + row, row, m)
    job.sensitivity.attack_rows(job, segment.pos + row, row, m, at(job, job.results.values, row), scratch)


cdef void forward_block(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    cdef Layer *layers = job.net.layers
    cdef int l
    if begin == 1 and job.sensitivity.attack_steps == 0:
        gather_rows(job, segment.pos + row, row, m)
    for l in range(begin, end):
        layers[l].kind.forward(job, &layers[l], segment.pos + row, row, m, scratch)


cdef void loss_block(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                     char *scratch) noexcept nogil:
    """The losses of m rows, and delta(L)."""
    if not loss_rows(job, segment.pos + row, row, m, at(job, job.results.values, row), segment.scale, True, scratch):
        store(&job.results.bad, 1)
    finish_delta(job, &job.net.layers[job.net.L], row, m)


cdef void backward_block(Job *job, const Segment *segment, int begin, int last, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil:
    """From delta(begin) down to delta(last)."""
    backward_part(job, &segment.layers[begin], segment.pos + row, row, m, last, scratch)
