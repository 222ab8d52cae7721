# Dense layers: s(l) = W(l)^T x(l-1) + b(l).

cdef inline Py_ssize_t columns_for(const kernels_t *k, Py_ssize_t n) noexcept nogil:
    """The number of columns of a product for n units, where the rows of C may overlap."""
    return k.narrow if n <= k.narrow else pad(n, k.lanes)


cdef inline Py_ssize_t dense_columns(const kernels_t *k, Py_ssize_t n) noexcept nogil:
    """The same where rows of C have room for whole vectors: wide products may then end with half a vector."""
    return pad(n, k.narrow) if pad(n, k.lanes) > k.tile_columns else columns_for(k, n)


cdef bint flips(Py_ssize_t d_in, Py_ssize_t d_out, Py_ssize_t lanes) noexcept:
    """Whether a W of this shape is better stored transposed. The same for all instruction sets, since the order of
    summation of the gradient's norm depends on it."""
    return 5 * d_out * pad(d_in, lanes) <= 4 * d_in * pad(d_out, lanes)


cdef int dense_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    cdef const kernels_t *k = blank.k
    cdef Weights *W = &layer.weights
    W.flipped = flips(layer.d_in, layer.d_out, ALIGN // k.itemsize)
    W.rows, W.cols = (layer.d_out, layer.d_in) if W.flipped else (layer.d_in, layer.d_out)
    W.units = layer.d_out
    W.columns = W.cost = dense_columns(k, W.cols)
    # not for x(0), which may be the user's array, without padding to whole vectors
    layer.products.dots = W.flipped and layer.d_out == 1 and layer.input.source.number > 0
    layer.products.s_columns, layer.products.dx_columns = dense_columns(k, layer.d_out), dense_columns(k, layer.d_in)
    return 0


cdef void dense_prepare(const Job *job, Layer *layer) noexcept nogil:
    """Describe the layer's two products, which are the same for all rows."""
    cdef Layer *before = layer.input.source
    cdef Weights *W = &layer.weights
    cdef Forms *forms = &layer.forms
    cdef gemm_t *g = &layer.products.for_s
    memset(g, 0, sizeof(gemm_t))
    g.N, g.K, g.ra, g.ca, g.ldc = layer.products.s_columns, layer.d_in, before.buffers.ld, 1, layer.buffers.ld
    g.panels = forms.panels != NULL
    if g.panels:
        g.B = forms.panels
    elif W.flipped:
        g.B, g.ldb = forms.mirror, forms.ld
    else:
        g.B, g.ldb = forms.operands, W.ld
    g.init = W.b if W.bias else NULL
    g.epilogue = EPI_RELU if layer.theta.act == ACT_relu and layer.buffers.s == layer.buffers.x else EPI_NONE
    g = &layer.products.for_dx
    memset(g, 0, sizeof(gemm_t))
    g.N, g.K, g.ra, g.ca, g.ldc = layer.products.dx_columns, layer.d_out, layer.buffers.ld, 1, before.buffers.ld
    g.panels = forms.mirror_panels
    if W.flipped:
        g.B, g.ldb = forms.operands, W.ld
    else:
        g.B, g.ldb = forms.mirror, forms.ld
    layer.input.fused = before.theta.act == ACT_relu and layer.input.last and not layer.input.adds
    g.epilogue = EPI_RELU_GRAD if layer.input.fused else EPI_NONE


cdef void dense_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                        char *scratch) noexcept nogil:
    """s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l))"""
    cdef Layer *before = layer.input.source
    cdef char *s = s_at(job, layer, row)
    cdef char *x = operands_of(job, before, pos, row)
    if layer.products.dots:
        job.k.dots(m, layer.d_in, x, before.buffers.ld, layer.weights.W,
                   (layer.weights.b if layer.weights.bias else NULL), s, layer.buffers.ld)
    else:
        job.k.gemm(&layer.products.for_s, m, x, s, NULL, scratch)
        if layer.products.for_s.epilogue == EPI_RELU:
            return
    activate(job, layer, row, m)


cdef void dense_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil:
    """de/dx(l-1) = W(l) delta(l), times theta'(s(l-1)) if that is fused"""
    job.k.gemm(&layer.products.for_dx, m, delta_at(job, layer, row), dx_at(job, &layer.input, row),
               x_at(job, layer.input.source, row), scratch)


cdef inline const char *grad_operands(Job *job, Layer *layer, Py_ssize_t row, gemm_t *g) noexcept nogil:
    """Set up g for A^T B = de/dW(l), x(l-1) delta(l)^T summed over the rows from `row` on, or its transpose; returns A.
    """
    cdef Layer *before = layer.input.source
    cdef char *x = operands_at(job, before, row)
    cdef char *delta = delta_w_at(job, layer, row)
    memset(g, 0, sizeof(gemm_t))
    g.N, g.ra = layer.weights.columns, 1
    if layer.weights.flipped:
        g.ca, g.B, g.ldb = layer.buffers.ld, x, before.buffers.ld
        return delta
    g.ca, g.B, g.ldb = before.buffers.ld, delta, layer.buffers.ld
    return x


cdef void dense_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                     char *G, char *scratch) noexcept nogil:
    cdef Weights *weights = &layer.weights
    cdef Layer *before = layer.input.source
    cdef char *x = operands_at(job, before, row)
    cdef char *delta = delta_w_at(job, layer, row)
    cdef char *W = at(job, G, weights.w_at + lo * weights.ld)
    cdef char *b = at(job, G, weights.b_at) if hi == weights.rows and weights.bias else NULL
    if m == 1 and not more:
        job.k.row_grad(hi - lo, weights.cols, at(job, delta if weights.flipped else x, lo),
                       x if weights.flipped else delta, W, weights.ld, layer.d_out, delta, b)
        return
    dense_grad_product(job, layer, lo, hi, row, m, more, W, scratch)
    if b != NULL:
        job.k.colsum(m, pad(layer.d_out, job.k.lanes), delta, layer.buffers.ld, b, more)


cdef inline void dense_grad_product(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m,
                                    bint more, char *W, char *scratch) noexcept nogil:
    cdef gemm_t g
    cdef const char *A = grad_operands(job, layer, row, &g)
    cdef Py_ssize_t ld = layer.weights.ld
    g.K, g.ldc, g.ldi = m, ld, ld
    g.init = W if more else NULL
    job.k.gemm(&g, hi - lo, operand_at(job, A, lo), W, NULL, scratch)
    if layer.weights.flipped:
        clear_columns(job, W, hi - lo, layer.weights.cols, ld, ld)


cdef inline void fetch_tile(Job *job, Py_ssize_t w, Py_ssize_t m, Py_ssize_t n, Py_ssize_t ld) noexcept nogil:
    """Prefetch what the step is going to change, while the gradient is computed."""
    job.k.fetch(m, n, at(job, job.net.P, w), ld)
    if job.optimizer.S1 != NULL:
        job.k.fetch(m, n, at(job, job.optimizer.S1, w), ld)
    if job.optimizer.S2 != NULL:
        job.k.fetch(m, n, at(job, job.optimizer.S2, w), ld)
    if job.division.size:
        fetch_others(job, w, m, n, ld)


cdef void dense_grad_step(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, const step_t *step,
                          int thread) noexcept nogil:
    """dense_grad and the step, tile by tile, so that the gradient stays in the cache"""
    cdef Weights *W = &layer.weights
    cdef step_t room
    cdef const step_t *own = step_of(&W.of_W, step, &room)
    cdef gemm_t g
    cdef const char *B
    cdef Py_ssize_t i, n, k, whole, w, j = 0
    cdef char *scratch = job.shares.scratch[thread]
    cdef char *tile = at(job, scratch, job.shares.tile_at)
    cdef char *panel = at(job, scratch, job.shares.panel_at)
    cdef const char *A = grad_operands(job, layer, 0, &g)
    cdef Py_ssize_t ldb = g.ldb
    cdef bint packed = job.k.packs(hi - lo, W.columns, m, ldb)
    B = <const char *>g.B
    g.K = m
    while j < W.columns:
        n = job.k.panel(2, W.columns - j)
        whole = pad(n, job.k.lanes)
        g.N, g.ldc = n, whole
        g.B, g.ldb = operand_at(job, B, j), ldb
        if packed:
            job.k.pack(m, n, g.B, ldb, panel)
            g.B, g.ldb = panel, n
        i = lo
        while i < hi:
            k = min(<Py_ssize_t>TILE_I, hi - i)
            w = W.w_at + i * W.ld + j
            fetch_tile(job, w, k, n, W.ld)
            job.k.gemm(&g, k, operand_at(job, A, i), tile, NULL, NULL)
            if W.flipped and j + n == W.columns:
                clear_columns(job, tile, k, W.cols - j, whole, whole)
            if job.division.size:
                add_others(job, k, whole, tile, whole, w, W.ld)
            MARK(thread, PHASE_weight)
            job.k.step(own, k, whole, at(job, job.net.P, w), W.ld, tile, whole, at(job, job.optimizer.S1, w),
                       at(job, job.optimizer.S2, w))
            mirror_tile(job, layer, i, k, j, n)
            MARK(thread, PHASE_update)
            i += k
        j += n
    if hi == W.rows and W.bias:
        dense_bias_step(job, layer, m, step, tile, thread)


cdef void dense_bias_step(Job *job, Layer *layer, Py_ssize_t m, const step_t *step, char *db,
                          int thread) noexcept nogil:
    cdef Py_ssize_t n = pad(layer.d_out, job.k.lanes), b = layer.weights.b_at
    cdef step_t room
    job.k.colsum(m, n, layer.buffers.delta_w, layer.buffers.ld, db, False)
    if job.division.size:
        add_others(job, 1, n, db, n, b, n)
    MARK(thread, PHASE_weight)
    job.k.step(step_of(&layer.weights.of_b, step, &room), 1, n, at(job, job.net.P, b), n, db, n,
               at(job, job.optimizer.S1, b), at(job, job.optimizer.S2, b))
    MARK(thread, PHASE_update)


cdef void dense_mirror(const Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Weights *W = &layer.weights
    cdef Py_ssize_t n, j = 0
    if layer.forms.panels == NULL:
        mirror_tile(job, layer, lo, hi - lo, 0, W.ld)
        return
    while j < W.columns:
        n = job.k.panel(2, W.columns - j)
        mirror_tile(job, layer, lo, hi - lo, j, n)
        j += n


cdef void mirror_tile(const Job *job, Layer *layer, Py_ssize_t i, Py_ssize_t m, Py_ssize_t j,
                      Py_ssize_t n) noexcept nogil:
    """Update the forms of the (m, n) tile of W at (i, j). If W has panels, the tile lies in a single one."""
    cdef Weights *W = &layer.weights
    cdef Forms *forms = &layer.forms
    cdef char *tile = at(job, W.W, i * W.ld + j)
    cdef char *rounded
    cdef Py_ssize_t p, width, a, b, cols = min(n, W.cols - j)
    if forms.rounded != NULL:
        rounded = operand_at(job, forms.rounded, i * W.ld + j)
        job.k.round_operands(m, pad(n, job.k.lanes), tile, W.ld, rounded, W.ld)
        tile = rounded
    if forms.panels != NULL:
        job.k.pack(m, n, tile, W.ld, operand_at(job, forms.panels, j * W.rows + i * n))
    if forms.mirror != NULL and not forms.mirror_panels:
        job.k.transpose(m, cols, tile, W.ld, operand_at(job, forms.mirror, j * forms.ld + i), forms.ld)
    elif forms.mirror != NULL:
        p = job.k.panel_start(layer.products.dx_columns, i)
        while p < i + m:
            width = job.k.panel(2, layer.products.dx_columns - p)
            a, b = max(p, i), min(p + width, i + m)
            if a < b:
                job.k.transpose(b - a, cols, operand_at(job, tile, (a - i) * W.ld), W.ld,
                                operand_at(job, forms.mirror, p * W.cols + j * width + a - p), width)
            p += width


DENSE.name = "dense"
DENSE.measure = dense_measure
DENSE.prepare = dense_prepare
DENSE.forward = dense_forward
DENSE.backward = dense_backward
DENSE.grad = dense_grad
DENSE.grad_step = dense_grad_step
DENSE.mirror = dense_mirror
