# The layers of a compiled network, and what each kind does with a block of rows.
#
# Notation: s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l)), delta(l) = de/ds(l).
#
# W(l) is kept as the matrix (d(l-1), d(l)) or, `flipped`, as its transpose, whichever
# takes fewer whole vectors: a layer with one output is one row, not a column of them.
# Either is row-major with rows of whole vectors, zero past their end; the bias follows.
# Forward wants the first form, the delta sweep the second: the one that is not kept is
# in `mirror`, made anew from W after each step. Large layers have both forms in panels
# for the matrix kernels, written while W is still in the cache. A lone unit is taken row
# by row from the second form and has no mirror.

cdef struct Layer:
    int kind                    # row of KINDS
    Py_ssize_t d_in, d_out      # units before and after
    bint flipped
    bint dots                   # s(l) by dots: one unit, of a flipped W that needs no mirror
    Py_ssize_t rows, cols       # of W as kept
    Py_ssize_t units            # elements of b: d_out, or the channels of a convolution
    Py_ssize_t positions        # where a convolution's window stops, else 1
    Py_ssize_t step             # positions that are taken at once
    window_t window             # of convolutions and pooling
    const int32_t *at_position  # (positions,) of a convolution: elements from the map's first to the window's, at each position,
    const int32_t *at_weight    # (rows,) and from there to what each row of W is for; in the map with its padding, if it has any
    Py_ssize_t padded           # elements of a map with its padding, or 0 where it has none
    Py_ssize_t padded_w         # its width
    Py_ssize_t ldw              # its row stride
    Py_ssize_t columns          # that a product for its gradient has,
    Py_ssize_t s_columns        # and of dense layers one for s(l),
    Py_ssize_t dx_columns       # and one for de/dx(l-1)
    int leader                  # the layer that this one follows as a whole, see _ties.pxi, or 0
    bint turned                 # its W as kept is the leader's transposed
    bint led_bias               # its bias is the leader's too
    Py_ssize_t w                # where W starts in the parameters
    Py_ssize_t b                # where the bias does: after W
    bint bias
    int act
    double arg                  # of the activation; of a Dropout layer the rate
    bint needs_s                # theta' wants s, not x
    # the call's scratch, in elements
    Py_ssize_t ld               # row stride of s, x, delta
    char *s                     # (n, ld); where nothing needs s apart, s is x
    char *x
    char *delta                 # de/dx(l) on its way to be de/ds(l)
    char *dw                    # what the weight phase takes for delta
    char *kept                  # de/dx(l), where a tangent sweep wants it, or NULL
    char *mirror                # W the other way round (cols, ldm), or NULL where nothing needs it
    Py_ssize_t ldm
    bint mirror_panels          # it is in panels
    char *panels                # W in panels, or NULL: for large layers in training
    gemm_t for_s                # the products of dense layers for s(l)
    gemm_t for_dx               # and de/dx(l-1), see dense_prepare


# Parameters that stand in several places, see _ties.pxi.
cdef struct ties_t:
    Py_ssize_t tail             # where the parameters of groups start in P: first those of weights, then of biases
    Py_ssize_t n_weights        # of the groups whose parameter counts as a weight, pads included
    Py_ssize_t n_tail           # of all, pads included
    Py_ssize_t n_groups
    const int64_t *home         # (n_groups,) the place of each group's parameter
    const int64_t *begin        # (n_groups + 1,) where its members start in
    const int64_t *member       # places in P
    const double *scale
    Py_ssize_t n_frozen
    const int64_t *frozen       # places that stand still
    const double *value
    bint followers              # some layer follows another


# One call into the core. Positions count rows in the order of the epoch; a row
# of the buffers is a position less that of the chunk's first row.
cdef struct Run:
    const kernels_t *k
    Py_ssize_t size             # bytes of an element
    int L
    Layer *layers               # L + 1; entry 0 is the input
    char *P
    char *G                     # gradient, laid out as P, of the batch's first group of rows
    char *G2                    # and of its second, see groups
    char *T                     # the same of what a tangent sweep adds as x'(l-1) delta(l)^T: chains of their own
    char *T2
    char *S1                    # the optimiser's state, laid out as P
    char *S2
    source_t X
    bint direct                 # X serves as x(0) in place
    bint far                    # rows are short and anywhere in much memory, which is slow to find them
    loss_t loss
    void *call                  # the Call, where a Python loss takes the place of the kernel
    const int64_t *order
    Py_ssize_t n, batch, chunk, block, chunks
    Py_ssize_t unit0, unit1     # the job's chunks: unit u is chunk u % chunks of batch u // chunks
    bint training               # dropout drops
    uint64_t key                # what it drops in this epoch
    double noise                # standard deviation of what is added to x(0) in training
    int last_layer              # the delta sweep ends with de/dx(last_layer)
    int lowest                  # layers have deltas from here on
    Run *tangent                # the linear parts of the layers over x', delta', or NULL: see _tangent.pxi
    Run *pulled                 # whose delta(0) is penalised, and belongs to the tangent: this one, or that of projections
    Run *along                  # the layers with V, v in the place of W, b where weights move, or NULL
    int penalty                 # PENALTY_*, or 0
    double lam
    char *penalties             # (batch,) of the rows
    double lam_sum              # their sum
    attack_t attack
    int attack_steps
    bint attack_random          # from a random place within reach
    char *x0                    # x(0) as it was
    bint full                   # the gradient goes to G before the step
    bint grouped                # batches of enough rows are summed in two groups
    bint stepping
    double clip                 # largest norm of the gradient, 0: any
    step_t step                 # for weights; biases know neither decay nor penalties
    double row_l2, row_l1       # penalties on the sum over a batch's rows
    double beta1_power, beta2_power
    double weight_scale         # rows over the sum of the sample weights
    char *row_weight            # sample weights where only dw knows them
    double loss_sum, penalty_sum
    char *values                # (batch,) losses of the present batch
    double *row_squares         # squared norms of the rows of the gradient, layer by layer
    double *row_penalty         # penalties of the rows of W
    ties_t *ties                # or NULL
    Py_ssize_t n_rows
    Py_ssize_t *share           # (threads, L + 1, 2): whose rows of W(l)
    Py_ssize_t *share2          # (threads, 2, L + 1, 2): of both groups' gradients
    Py_ssize_t *runs            # (threads, 2): where a thread's parameters begin and end, -1 where they are not one run
    char **scratch              # a thread's own: pack, then tile, then loss, then what convolutions take
    Py_ssize_t tile_at, panel_at, loss_at, conv_at
    int link
    char *out                   # predictions (n, d(L)), or of pull_job de/dx(0) (n, d(0))
    const char *seed            # de/dx(L) (n, d(L)) in place of the loss's, or NULL
    shared_int bad              # some loss is not finite
    Py_ssize_t bad_unit
    team_t *team


cdef inline char *at(const Run *r, char *base, Py_ssize_t elements) noexcept nogil:
    return base + elements * r.size


cdef inline Py_ssize_t pad(Py_ssize_t n, Py_ssize_t lanes) noexcept nogil:
    """The next multiple of lanes, a power of 2."""
    return (n + lanes - 1) & -lanes


ctypedef void (*prepare_fn)(Run *r, int l) noexcept nogil
ctypedef void (*forward_fn)(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil
ctypedef void (*backward_fn)(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil
ctypedef void (*grad_fn)(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more, char *G, char *scratch) noexcept nogil
ctypedef void (*grad_step_fn)(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, const step_t *step, int t) noexcept nogil
ctypedef void (*tangent_fn)(Run *r, Run *q, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil
ctypedef void (*mirror_fn)(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil

# What a layer kind does:
#   prepare   what is the same for all rows, or NULL; again where P, strides, mirrors or activations are others
#   forward   s(l), x(l) of m rows
#   backward  de/dx(l-1) of m rows, made delta(l-1) by finish_delta
#   grad      G = x(l-1)^T dw(l) over m rows, for rows lo..hi of W(l) as kept; more: on top of G
#   grad_step the same over the chunk without G, and the optimiser's step at once; without it all gradients go to G first
#   mirror    W the other way round, from its rows lo..hi
#   tangent, tangent_back  forward and backward for what changes linearly: q has x', delta', r what they are at
# pos is the position of the first row, row its place in the buffers.
cdef struct LayerKind:
    const char *name
    prepare_fn prepare
    forward_fn forward
    backward_fn backward
    grad_fn grad
    grad_step_fn grad_step
    mirror_fn mirror
    tangent_fn tangent
    tangent_fn tangent_back


cdef inline char *theta_of(const Run *r, const Layer *y, Py_ssize_t row) noexcept nogil:
    """What theta' and theta'' are computed from: s or x."""
    return at(r, y.s if y.needs_s else y.x, row * y.ld)


cdef inline void finish_delta(Run *r, int l, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """delta(l) = de/dx(l) * theta'(s(l))"""
    cdef Layer *y = &r.layers[l]
    cdef char *delta = at(r, y.delta, row * y.ld)
    if y.kept != NULL:
        memcpy(at(r, y.kept, row * y.ld), delta, m * y.ld * r.size)
    if y.act != ACT_identity:
        r.k.act_grad(y.act, y.arg, m * y.ld, theta_of(r, y, row), delta)


cdef inline bint has_mirror(const Layer *y) noexcept nogil:
    return y.mirror != NULL or y.panels != NULL


# ---- Dense ----------------------------------------------------------------

cdef enum:
    TILE_I = 16                 # rows of W that grad_step takes at a time
    PACK_MIN_ROWS = 24
    PACK_MIN_BYTES = 24 * 1024


cdef inline Py_ssize_t columns_for(const kernels_t *k, Py_ssize_t n) noexcept nogil:
    """The columns of a product that n units need, where rows of C may overlap."""
    return k.narrow if n <= k.narrow else pad(n, k.lanes)


cdef inline Py_ssize_t dense_columns(const kernels_t *k, Py_ssize_t n) noexcept nogil:
    """The same where rows of C have room for whole vectors: then half a vector may follow others."""
    return pad(n, k.narrow) if pad(n, k.lanes) > k.tile_columns else columns_for(k, n)


cdef void dense_prepare(Run *r, int l) noexcept nogil:
    """What is the same for all rows: the two products."""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef gemm_t *g = &y.for_s
    memset(g, 0, sizeof(gemm_t))
    g.N, g.K, g.ra, g.ca, g.ldc = y.s_columns, y.d_in, before.ld, 1, y.ld
    g.panels = y.panels != NULL
    if g.panels:
        g.B = y.panels
    elif y.flipped:
        g.B, g.ldb = y.mirror, y.ldm
    else:
        g.B, g.ldb = at(r, r.P, y.w), y.ldw
    g.init = at(r, r.P, y.b) if y.bias else NULL
    g.epilogue = EPI_RELU if y.act == ACT_relu and y.s == y.x else EPI_NONE
    g = &y.for_dx
    memset(g, 0, sizeof(gemm_t))
    g.N, g.K, g.ra, g.ca, g.ldc = y.dx_columns, y.d_out, y.ld, 1, before.ld
    g.panels = y.mirror_panels
    if y.flipped:
        g.B, g.ldb = at(r, r.P, y.w), y.ldw
    else:
        g.B, g.ldb = y.mirror, y.ldm
    g.epilogue = EPI_RELU_GRAD if before.act == ACT_relu else EPI_NONE


cdef void dense_forward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l))"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef char *s = at(r, y.s, row * y.ld)
    cdef char *x = at(r, before.x, (pos if l == 1 and r.direct else row) * before.ld)
    if y.dots:
        r.k.dots(m, y.d_in, x, before.ld, at(r, r.P, y.w), (at(r, r.P, y.b) if y.bias else NULL), s, y.ld)
    else:
        r.k.gemm(&y.for_s, m, x, s, NULL, scratch)
        if y.for_s.epilogue == EPI_RELU:
            return
    if y.act != ACT_identity or y.s != y.x:
        r.k.act(y.act, y.arg, m * y.ld, s, at(r, y.x, row * y.ld))


cdef void dense_backward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """delta(l-1) = [W(l) delta(l)] * theta'(s(l-1))"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef Py_ssize_t first = row * before.ld
    r.k.gemm(&y.for_dx, m, at(r, y.delta, row * y.ld), at(r, before.delta, first), at(r, before.x, first), scratch)
    if y.for_dx.epilogue == EPI_NONE:
        finish_delta(r, l - 1, row, m)


cdef inline const char *grad_operands(Run *r, int l, Py_ssize_t row, gemm_t *g) noexcept nogil:
    """A^T B = de/dW(l) = x(l-1) delta(l)^T summed over rows from `row` on in their order, or its transpose. Gives A."""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef char *x = at(r, before.x, row * before.ld)
    cdef char *delta = at(r, y.dw, row * y.ld)
    memset(g, 0, sizeof(gemm_t))
    g.N, g.ra = y.columns, 1
    if y.flipped:
        g.ca, g.B, g.ldb = y.ld, x, before.ld
        return delta
    g.ca, g.B, g.ldb = before.ld, delta, y.ld
    return x


cdef inline void clear_columns(Run *r, char *G, Py_ssize_t m, Py_ssize_t first, Py_ssize_t end, Py_ssize_t ldg) noexcept nogil:
    """Zero in columns first .. end of m rows: x(l-1) may hold anything past its last unit, W may not."""
    cdef Py_ssize_t i
    if first < end:
        for i in range(m):
            memset(at(r, G, i * ldg + first), 0, (end - first) * r.size)


cdef void dense_grad(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more, char *G, char *scratch) noexcept nogil:
    cdef Layer *y = &r.layers[l]
    cdef char *x = at(r, r.layers[l - 1].x, row * r.layers[l - 1].ld)
    cdef char *delta = at(r, y.dw, row * y.ld)
    cdef char *W = at(r, G, y.w + lo * y.ldw)
    cdef char *b = at(r, G, y.b) if hi == y.rows and y.bias else NULL
    if m == 1 and not more:
        r.k.row_grad(hi - lo, y.cols, at(r, delta if y.flipped else x, lo), x if y.flipped else delta, W, y.ldw, y.d_out, delta, b)
        return
    dense_grad_product(r, l, lo, hi, row, m, more, W, scratch)
    if b != NULL:
        r.k.colsum(m, pad(y.d_out, r.k.lanes), delta, y.ld, b, more)


cdef inline void dense_grad_product(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more, char *W, char *scratch) noexcept nogil:
    cdef Layer *y = &r.layers[l]
    cdef gemm_t g
    cdef const char *A = grad_operands(r, l, row, &g)
    g.K, g.ldc, g.ldi = m, y.ldw, y.ldw
    g.init = W if more else NULL
    r.k.gemm(&g, hi - lo, A + lo * r.size, W, NULL, scratch)
    if y.flipped:
        clear_columns(r, W, hi - lo, y.cols, y.ldw, y.ldw)


cdef inline void fetch_tile(Run *r, Py_ssize_t w, Py_ssize_t m, Py_ssize_t n, Py_ssize_t ldw, const step_t *step) noexcept nogil:
    """Have what the step is going to change on its way while the gradient is computed."""
    r.k.fetch(m, n, at(r, r.P, w), ldw)
    if r.S1 != NULL:
        r.k.fetch(m, n, at(r, r.S1, w), ldw)
    if r.S2 != NULL:
        r.k.fetch(m, n, at(r, r.S2, w), ldw)


cdef void dense_grad_step(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, const step_t *step, int t) noexcept nogil:
    """dense_grad and the step, tile by tile, the gradient never leaving the cache"""
    cdef Layer *y = &r.layers[l]
    cdef gemm_t g
    cdef step_t bias
    cdef const char *B
    cdef Py_ssize_t i, n, k, whole, w, j = 0
    cdef char *scratch = r.scratch[t]
    cdef char *tile = at(r, scratch, r.tile_at)
    cdef bint packed
    cdef const char *A = grad_operands(r, l, 0, &g)
    packed = hi - lo >= PACK_MIN_ROWS and y.columns > r.k.panel(2, y.columns) and m * g.ldb * r.size >= PACK_MIN_BYTES
    B = <const char *>g.B
    cdef Py_ssize_t ldb = g.ldb
    g.K = m
    while j < y.columns:
        n = r.k.panel(2, y.columns - j)
        whole = pad(n, r.k.lanes)
        g.N, g.ldc = n, whole
        g.B, g.ldb = at(r, <char *>B, j), ldb
        if packed:
            r.k.pack(m, n, g.B, ldb, at(r, scratch, r.panel_at))
            g.B, g.ldb = at(r, scratch, r.panel_at), n
        i = lo
        while i < hi:
            k = min(<Py_ssize_t>TILE_I, hi - i)
            w = y.w + i * y.ldw + j
            fetch_tile(r, w, k, n, y.ldw, step)
            r.k.gemm(&g, k, A + i * r.size, tile, NULL, NULL)
            if y.flipped and j + n == y.columns:
                clear_columns(r, tile, k, y.cols - j, whole, whole)
            MARK(t, PHASE_weight)
            r.k.step(step, k, whole, at(r, r.P, w), y.ldw, tile, whole, at(r, r.S1, w), at(r, r.S2, w))
            mirror_tile(r, y, i, k, j, n)
            MARK(t, PHASE_update)
            i += k
        j += n
    if hi == y.rows and y.bias:
        n = pad(y.d_out, r.k.lanes)
        bias = bias_step(step)
        r.k.colsum(m, n, y.dw, y.ld, tile, False)
        MARK(t, PHASE_weight)
        r.k.step(&bias, 1, n, at(r, r.P, y.b), n, tile, n, at(r, r.S1, y.b), at(r, r.S2, y.b))
        MARK(t, PHASE_update)


cdef inline step_t bias_step(const step_t *step) noexcept nogil:
    """Biases know no penalties."""
    cdef step_t bias = step[0]
    bias.decay = bias.l2 = bias.l1 = 0
    return bias


cdef void dense_mirror(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Layer *y = &r.layers[l]
    cdef Py_ssize_t n, j = 0
    if y.panels == NULL:
        mirror_tile(r, y, lo, hi - lo, 0, y.ldw)
        return
    while j < y.columns:
        n = r.k.panel(2, y.columns - j)
        mirror_tile(r, y, lo, hi - lo, j, n)
        j += n


cdef void mirror_tile(Run *r, Layer *y, Py_ssize_t i, Py_ssize_t m, Py_ssize_t j, Py_ssize_t n) noexcept nogil:
    """The other forms of the (m, n) tile of W at (i, j), which is of one panel where W is in panels."""
    cdef char *tile = at(r, r.P, y.w + i * y.ldw + j)
    cdef Py_ssize_t p, width, a, b, cols = min(n, y.cols - j)
    if y.panels != NULL:
        r.k.pack(m, n, tile, y.ldw, at(r, y.panels, j * y.rows + i * n))
    if y.mirror != NULL and not y.mirror_panels:
        r.k.transpose(m, cols, tile, y.ldw, at(r, y.mirror, j * y.ldm + i), y.ldm)
    elif y.mirror != NULL:
        p = r.k.panel_start(y.dx_columns, i)
        while p < i + m:
            width = r.k.panel(2, y.dx_columns - p)
            a, b = max(p, i), min(p + width, i + m)
            if a < b:
                r.k.transpose(b - a, cols, at(r, tile, (a - i) * y.ldw), y.ldw,
                              at(r, y.mirror, p * y.cols + j * width + a - p), width)
            p += width


# ---- Dropout --------------------------------------------------------------

cdef void dropout_forward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """x(l) = mask * x(l-1) / (1 - rate) in training, else x(l-1)"""
    cdef Layer *before = &r.layers[l - 1]
    drop(r, l, pos, m, at(r, before.x, (pos if l == 1 and r.direct else row) * before.ld), before.ld,
         at(r, r.layers[l].x, row * r.layers[l].ld), r.layers[l].ld)


cdef void dropout_backward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """de/dx(l-1) = mask * delta(l) / (1 - rate), with forward's mask"""
    cdef Layer *before = &r.layers[l - 1]
    drop(r, l, pos, m, at(r, r.layers[l].delta, row * r.layers[l].ld), r.layers[l].ld,
         at(r, before.delta, row * before.ld), before.ld)
    finish_delta(r, l - 1, row, m)


cdef void drop(Run *r, int l, Py_ssize_t pos, Py_ssize_t m, const char *x, Py_ssize_t ldx, char *out, Py_ssize_t ldo) noexcept nogil:
    cdef Layer *y = &r.layers[l]
    cdef Py_ssize_t i
    if r.training:
        r.k.dropout(m, y.d_out, x, ldx, out, ldo, y.arg, r.key + <uint64_t>l, r.order, pos)
    else:
        for i in range(m):
            memcpy(out + i * ldo * r.size, x + i * ldx * r.size, y.d_out * r.size)
            memset(out + (i * ldo + y.d_out) * r.size, 0, (pad(y.d_out, r.k.lanes) - y.d_out) * r.size)


include "_conv.pxi"


cdef void linear_tangent(Run *r, Run *q, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    KINDS[r.layers[l].kind].forward(q, l, pos, row, m, scratch)


cdef void linear_tangent_back(Run *r, Run *q, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    KINDS[r.layers[l].kind].backward(q, l, pos, row, m, scratch)


cdef enum:
    KIND_INPUT
    KIND_DENSE
    KIND_DROPOUT
    KIND_CONV
    KIND_MAX_POOL
    KIND_AVG_POOL
    N_KINDS

cdef LayerKind[N_KINDS] KINDS
KINDS[<int>KIND_DENSE] = LayerKind("dense", dense_prepare, dense_forward, dense_backward, dense_grad, dense_grad_step, dense_mirror,
                                      linear_tangent, linear_tangent_back)
KINDS[<int>KIND_DROPOUT] = LayerKind("dropout", NULL, dropout_forward, dropout_backward, NULL, NULL, NULL,
                                        linear_tangent, linear_tangent_back)
KINDS[<int>KIND_CONV] = LayerKind("conv", NULL, conv_forward, conv_backward, conv_grad, NULL, dense_mirror,
                                     linear_tangent, linear_tangent_back)
KINDS[<int>KIND_MAX_POOL] = LayerKind("max_pool", NULL, max_pool_forward, max_pool_backward, NULL, NULL, NULL,
                                         max_pool_tangent, max_pool_tangent_back)
KINDS[<int>KIND_AVG_POOL] = LayerKind("avg_pool", NULL, avg_pool_forward, avg_pool_backward, NULL, NULL, NULL,
                                         linear_tangent, linear_tangent_back)
