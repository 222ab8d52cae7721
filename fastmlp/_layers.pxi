# The layers of a compiled network, and what each kind does with a block of rows.
#
# Notation: s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l)), delta(l) = de/ds(l).
# All matrices are row-major; W(l) is (d(l-1), ldw), its bias the row after its
# last; the columns from d(l) to ldw are zero and stay so.

cdef struct Layer:
    int kind                    # row of KINDS
    Py_ssize_t d_in, d_out      # units before and after
    Py_ssize_t ldw              # row stride of W: d_out up to whole vectors
    Py_ssize_t w                # where W starts in the parameters
    bint bias
    int act
    double arg
    bint needs_s                # theta' wants s, not x
    # the call's scratch, in elements
    Py_ssize_t ld               # row stride of s, x, delta
    Py_ssize_t ldt              # row stride of wt
    char *s                     # (rows, ld); where nothing needs s apart, s is x
    char *x
    char *delta                 # de/dx(l) on its way to be de/ds(l)
    char *dw                    # what the weight phase takes for delta
    char *wt                    # W^T (d_out, ldt), or NULL where no sweep needs it


# One call into the core. Positions count rows in the order of the epoch; a row
# of the buffers is a position less that of the chunk's first row.
cdef struct Run:
    const kernels_t *k
    Py_ssize_t size             # bytes of an element
    int L
    Layer *layers               # L + 1; entry 0 is the input
    char *P
    char *G                     # gradient, laid out as P
    char *S1                    # the optimiser's state, laid out as P
    char *S2
    source_t X
    bint direct                 # X serves as x(0) in place
    loss_t loss
    void *call                  # the Call, where a Python loss takes the place of the kernel
    const int64_t *order
    Py_ssize_t n, batch, chunk, block, chunks
    Py_ssize_t unit0, unit1     # the job's chunks: unit u is chunk u % chunks of batch u // chunks
    int last_layer              # the delta sweep ends with de/dx(last_layer)
    bint full                   # the whole gradient is needed before a step
    bint stepping
    double clip                 # largest norm of the gradient, 0: any
    step_t step                 # for weights; biases know neither decay nor penalties
    double beta1_power, beta2_power, lr
    double weight_scale         # rows over the sum of the sample weights
    char *row_weight            # sample weights where only dw knows them
    double loss_sum
    char *values                # (batch,) losses of the present batch
    double *row_squares         # squared norms of the rows of the gradient, layer by layer
    Py_ssize_t n_rows
    Py_ssize_t *share           # (L + 1, threads + 1): whose rows of W(l)
    char **scratch              # a thread's own: pack, then tile, then loss
    Py_ssize_t tile_at, panel_at, loss_at
    int link
    char *out                   # predictions (n, d(L))
    shared_int bad              # some loss is not finite
    Py_ssize_t bad_unit
    team_t *team


cdef inline char *at(const Run *r, char *base, Py_ssize_t elements) noexcept nogil:
    return base + elements * r.size


cdef inline Py_ssize_t pad(Py_ssize_t n, Py_ssize_t lanes) noexcept nogil:
    return (n + lanes - 1) // lanes * lanes


ctypedef void (*forward_fn)(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil
ctypedef void (*backward_fn)(Run *r, int l, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil
ctypedef void (*weights_fn)(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, bint more, const step_t *step, char *scratch) noexcept nogil
ctypedef void (*apply_fn)(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, const step_t *step) noexcept nogil
ctypedef void (*transpose_fn)(Run *r, int l) noexcept nogil

# What a layer kind does:
#   forward   s(l), x(l) of m rows
#   backward  de/dx(l-1) of m rows, made delta(l-1) by finish_delta
#   grad      G += x(l-1)^T dw(l) over the chunk, for rows lo..hi of W(l); more: onto G
#   grad_step the same without G, and the optimiser's step at once
#   step      the optimiser's step from G
#   mirror    wt from W
cdef struct LayerKind:
    const char *name
    forward_fn forward
    backward_fn backward
    weights_fn grad
    weights_fn grad_step
    apply_fn step
    transpose_fn mirror


cdef inline void finish_delta(Run *r, int l, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """delta(l) = de/dx(l) * theta'(s(l))"""
    cdef Layer *y = &r.layers[l]
    if y.act != ACT_identity:
        r.k.act_grad(y.act, y.arg, m * y.ld, at(r, y.s if y.needs_s else y.x, row * y.ld),
                     at(r, y.delta, row * y.ld))


# ---- Dense ----------------------------------------------------------------

cdef enum:
    TILE_I = 48                 # rows of W that grad_step takes at a time
    PACK_MIN_ROWS = 24
    PACK_MIN_BYTES = 24 * 1024


cdef void dense_forward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l))"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef gemm_t g
    cdef char *s = at(r, y.s, row * y.ld)
    cdef char *x = at(r, y.x, row * y.ld)
    cdef bint fused = y.act == ACT_relu and s == x
    g.M, g.N, g.K = m, y.ldw, y.d_in
    g.A, g.ra, g.ca = at(r, before.x, (pos if l == 1 and r.direct else row) * before.ld), before.ld, 1
    g.B, g.ldb = at(r, r.P, y.w), y.ldw
    g.C, g.ldc = s, y.ld
    g.init, g.ldi = (at(r, r.P, y.w + y.d_in * y.ldw) if y.bias else NULL), 0
    g.epilogue, g.H = (EPI_RELU if fused else EPI_NONE), NULL
    g.pack = scratch
    r.k.gemm(&g)
    if not fused and (y.act != ACT_identity or s != x):
        r.k.act(y.act, y.arg, m * y.ld, s, x)


cdef void dense_backward(Run *r, int l, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """delta(l-1) = [W(l) delta(l)] * theta'(s(l-1))"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef gemm_t g
    cdef bint fused = before.act == ACT_relu
    g.M, g.N, g.K = m, pad(y.d_in, r.k.lanes), y.d_out
    g.A, g.ra, g.ca = at(r, y.delta, row * y.ld), y.ld, 1
    g.B, g.ldb = y.wt, y.ldt
    g.C, g.ldc = at(r, before.delta, row * before.ld), before.ld
    g.init, g.ldi = NULL, 0
    g.epilogue, g.H = (EPI_RELU_GRAD if fused else EPI_NONE), at(r, before.x, row * before.ld)
    g.pack = scratch
    r.k.gemm(&g)
    if not fused:
        finish_delta(r, l - 1, row, m)


cdef void dense_grad(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, bint more, const step_t *step, char *scratch) noexcept nogil:
    """de/dW(l) = x(l-1) delta(l)^T, de/db(l) = delta(l), summed over rows in their order"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef gemm_t g
    cdef char *G = at(r, r.G, y.w)
    g.M, g.N, g.K = hi - lo, y.ldw, m
    g.A, g.ra, g.ca = at(r, before.x, lo), 1, before.ld
    g.B, g.ldb = y.dw, y.ld
    g.C, g.ldc = at(r, G, lo * y.ldw), y.ldw
    g.init, g.ldi = (g.C if more else NULL), y.ldw
    g.epilogue, g.H = EPI_NONE, NULL
    g.pack = scratch
    r.k.gemm(&g)
    if hi == y.d_in and y.bias:
        r.k.colsum(m, y.ldw, y.dw, y.ld, at(r, G, y.d_in * y.ldw), more)


cdef inline void step_tile(Run *r, Layer *y, Py_ssize_t i, Py_ssize_t m, Py_ssize_t j, Py_ssize_t n, const char *G, Py_ssize_t ldg, const step_t *step, const step_t *bias) noexcept nogil:
    """Step the (m, n) tile of W at (i, j) and mirror it. Where it ends with W's last row the bias follows."""
    cdef Py_ssize_t w = y.w + i * y.ldw + j
    r.k.step(step, m, n, at(r, r.P, w), y.ldw, G, ldg, at(r, r.S1, w), at(r, r.S2, w))
    if y.wt != NULL:
        r.k.transpose(m, min(n, y.d_out - j), at(r, r.P, w), y.ldw, at(r, y.wt, j * y.ldt + i), y.ldt)
    if i + m == y.d_in and y.bias:
        w += m * y.ldw
        r.k.step(bias, 1, n, at(r, r.P, w), y.ldw, at(r, <char *>G, m * ldg), ldg, at(r, r.S1, w), at(r, r.S2, w))


cdef inline step_t bias_step(const step_t *step) noexcept nogil:
    cdef step_t b = step[0]
    b.decay = b.l2 = b.l1 = 0
    return b


cdef void dense_step(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, const step_t *step) noexcept nogil:
    cdef Layer *y = &r.layers[l]
    cdef step_t b = bias_step(step)
    step_tile(r, y, lo, hi - lo, 0, y.ldw, at(r, r.G, y.w + lo * y.ldw), y.ldw, step, &b)


cdef void dense_grad_step(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, bint more, const step_t *step, char *scratch) noexcept nogil:
    """dense_grad and the step, tile by tile, the gradient never leaving the cache"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef gemm_t g
    cdef step_t b = bias_step(step)
    cdef Py_ssize_t i, j = 0
    cdef char *tile = at(r, scratch, r.tile_at)
    cdef bint packed = (hi - lo >= PACK_MIN_ROWS and y.ldw > r.k.panel(hi - lo, y.ldw)
                        and m * y.ld * r.size >= PACK_MIN_BYTES)
    g.K = m
    g.ra, g.ca = 1, before.ld
    g.C = tile
    g.init, g.ldi = NULL, 0
    g.epilogue, g.H = EPI_NONE, NULL
    g.pack = NULL
    while j < y.ldw:
        g.N = r.k.panel(hi - lo, y.ldw - j)
        g.ldc = g.N
        g.B, g.ldb = at(r, y.dw, j), y.ld
        if packed:
            r.k.pack(m, g.N, g.B, g.ldb, at(r, scratch, r.panel_at))
            g.B, g.ldb = at(r, scratch, r.panel_at), g.N
        i = lo
        while i < hi:
            g.M = min(<Py_ssize_t>TILE_I, hi - i)
            g.A = at(r, before.x, i)
            r.k.gemm(&g)
            if i + g.M == y.d_in and y.bias:
                r.k.colsum(m, g.N, g.B, g.ldb, at(r, tile, g.M * g.N), False)
            step_tile(r, y, i, g.M, j, g.N, tile, g.N, step, &b)
            i += g.M
        j += g.N


cdef void dense_mirror(Run *r, int l) noexcept nogil:
    cdef Layer *y = &r.layers[l]
    r.k.transpose(y.d_in, y.d_out, at(r, r.P, y.w), y.ldw, y.wt, y.ldt)


cdef enum:
    KIND_INPUT
    KIND_DENSE
    N_KINDS

cdef LayerKind[N_KINDS] KINDS
KINDS[<int>KIND_DENSE] = LayerKind("dense", dense_forward, dense_backward, dense_grad, dense_grad_step, dense_step, dense_mirror)
