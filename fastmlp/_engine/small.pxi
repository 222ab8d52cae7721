# Fast predictions of a few rows: on the caller's thread, in memory that is already allocated.

cdef enum:
    SMALL_ROWS = 64             # rows that go through the layers at a time
    ALONE_WORK = 200000         # below this the GIL is kept: releasing it costs as much as the work


cdef class SmallPrediction:
    """A Call, and a copy of the weights from which its forms of W were made."""

    cdef open(self, Call call, bint in_place):
        """in_place: whether rows can be read where they are."""
        cdef Job *job = &call.job
        self.call = call
        job.net.layers[0].buffers.in_place, job.batches.block = in_place, SMALL_ROWS
        call.sweep_to(job.net.L + 1)
        # copied before the forms are made: if another thread writes meanwhile, the comparison detects it
        self.P = call.P.copy()
        self.mirrored = <char *>address(self.P)
        call.lay_out(SMALL_ROWS, 0, 1, False, False)

    cdef bint predict(self, int link, const Py_buffer *X, void *out) noexcept:
        """Predict the rows: out = link(x(L)); False if they or the weights are not finite."""
        if X.shape[0] * self.call.job.net.work <= ALONE_WORK:
            return predict_rows(self, link, X, out)
        with nogil:
            return predict_rows(self, link, X, out)


cdef bint predict_rows(SmallPrediction small, int link, const Py_buffer *X, void *out) noexcept nogil:
    """Predict the rows: out = link(x(L)); False if they or the weights are not finite, or a category is unknown."""
    cdef Job *job = &small.call.job
    cdef Layer *first = job.net.layers
    cdef Layer *last = &job.net.layers[job.net.L]
    cdef Layer *layer
    cdef Py_ssize_t i, m, begin, size, n = X.shape[0]
    cdef int l
    cdef char *rows
    cdef float_mode_t outside
    cdef bint whole = X.strides[0] == first.d_out * job.size     # the rows are contiguous
    for i in range(1 if whole else n):
        if not job.k.all_finite(first.d_out * n if whole else first.d_out, <char *>X.buf + i * X.strides[0]):
            return False
    if job.net.numeric < first.d_out and not known_rows(job, <char *>X.buf, n, X.strides[0] // job.size):
        return False
    if not job.k.all_finite(job.net.n_elements, job.net.P):
        return False
    for l in range(1, job.net.L + 1):
        layer = &job.net.layers[l]
        begin, size = layer.weights.w_at * job.size, layer.weights.rows * layer.weights.ld * job.size
        if has_forms(layer) and memcmp(job.net.P + begin, small.mirrored + begin, size) != 0:
            memcpy(small.mirrored + begin, job.net.P + begin, size)
            layer.kind.mirror(job, layer, 0, layer.weights.rows)
        if layer.kind.settle != NULL:   # its running statistics may have changed
            layer.kind.prepare(job, layer)
    if first.buffers.in_place and first.buffers.ld != X.strides[0] // job.size:
        first.buffers.ld = X.strides[0] // job.size
        prepare(job, job.net.layers)
    outside = float_mode()
    set_float_mode(ENGINE_MODE)
    i = 0
    while i < n:
        m = min(SMALL_ROWS, n - i)
        rows = <char *>X.buf + i * X.strides[0]
        if first.buffers.in_place:
            first.buffers.x = first.buffers.operands = rows
        else:
            job.k.rows(m, first.d_out, rows, X.strides[0] // job.size, first.buffers.x, first.buffers.ld)
        push_rows(job, 0, 0, m, job.shares.scratch[0])
        job.k.link(link, job.net.levels, m, last.d_out, last.buffers.x, last.buffers.ld,
                   at(job, <char *>out, i * last.d_out), last.d_out, at(job, job.shares.scratch[0], job.shares.loss_at))
        i += m
    set_float_mode(outside)
    return True
