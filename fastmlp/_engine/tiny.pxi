# Tiny networks: one kernel takes the rows of a batch through all layers and back, and computes the gradient; see
# tiny_layer_t in kernels.h. Used on one thread, if the full gradient is computed before the step.

cdef enum:
    TINY_ROWS = 4       # largest batch: for more rows, tiles are faster than rows one by one

cdef bint is_tiny(const Job *job) noexcept nogil:
    """Whether the network is tiny, and the call needs no more than the kernel computes."""
    cdef int l
    cdef Layer *layer
    if job.net.L > TINY_LAYERS or job.net.layers[0].d_out > job.k.lanes or job.k.rounds or job.rows.X.indptr != NULL:
        return False
    if job.batches.altered or job.sensitivity.penalty or job.sensitivity.attack_steps or job.division.size:
        return False
    if not job.gradient.full or job.rows.function != NULL or job.rows.prefetch:
        return False
    if job.batches.batch > TINY_ROWS or job.batches.chunks > 1:
        return False
    for l in range(1, job.net.L + 1):
        layer = &job.net.layers[l]
        if layer.kind != &DENSE or layer.input.source.number != l - 1 or layer.d_out > job.k.lanes:
            return False
    return True


cdef void set_up_tiny(Job *job) noexcept nogil:
    """If the network is tiny, describe its layers for the kernel; after all buffers are placed."""
    cdef int l
    cdef Layer *layer
    cdef tiny_layer_t *tiny
    job.tiny.L = job.net.L if is_tiny(job) else 0
    for l in range(1, job.tiny.L + 1):
        layer, tiny = &job.net.layers[l], &job.tiny.layers[l - 1]
        tiny.d_in, tiny.d_out, tiny.flipped = layer.d_in, layer.d_out, layer.weights.flipped
        tiny.act, tiny.arg, tiny.needs_s = layer.theta.act, layer.theta.arg, layer.theta.needs_s
        tiny.dots = layer.products.dots
        tiny.W, tiny.ldw = layer.products.for_s.B, layer.products.for_s.ldb
        if tiny.dots:
            tiny.W = layer.weights.W
        tiny.b = layer.weights.b if layer.weights.bias else NULL
        tiny.back, tiny.ldb = layer.products.for_dx.B, layer.products.for_dx.ldb
        tiny.G = at(job, job.gradient.G, layer.weights.w_at)
        tiny.db = at(job, job.gradient.G, layer.weights.b_at) if layer.weights.bias else NULL


cdef inline void tiny_phase(Job *job, Py_ssize_t pos, Py_ssize_t m, double scale) noexcept nogil:
    """The row phase and the gradient, for a batch of m rows from position pos on."""
    cdef loss_t loss = job.rows.loss
    loss.m, loss.order, loss.first, loss.scale = m, job.rows.order, pos, scale
    loss.value, loss.scratch = job.results.values, at(job, job.shares.scratch[0], job.shares.loss_at)
    if not job.k.tiny_gradient(job.tiny.L, job.tiny.layers, &job.rows.X, &loss):
        store(&job.results.bad, 1)
