# Convolutions and pooling: layers whose units see a window of the map before, channels last.
#
# A convolution is a product of matrices for each row of X: (positions, kh kw c_in) times W(l) (kh kw c_in, c_out). The first
# is not laid out: its element (p, k) is in the map at at_position[p] + at_weight[k], which the matrix tiles take as it is. Only
# a map with padding is copied into one with room for it. Each weight's gradient is one chain over the rows in their order and,
# within a row, over the positions in theirs: bits depend on neither threads nor blocks.

cdef enum:
    CONV_ELEMENTS = 16 * 1024   # of outputs, or of their windows' derivatives, that are made at once


cdef inline Py_ssize_t conv_step(const Layer *y, Py_ssize_t lanes) noexcept nogil:
    """Positions that are taken at once."""
    return min(y.positions, max(8, CONV_ELEMENTS // pad(max(y.units, y.rows), lanes)))


cdef inline Py_ssize_t conv_room(const Layer *y, Py_ssize_t lanes) noexcept nogil:
    """Elements of scratch that a convolution takes."""
    return pad(y.padded, lanes) + y.step * pad(max(y.units, y.rows), lanes)


cdef find_windows(Layer *y, list tables):
    """Where a convolution's windows are in the map before, with its padding."""
    cdef window_t *g = &y.window
    cdef int32_t[::1] table
    h, w = max(g.ph + g.h, (g.oh - 1) * g.sh + (g.kh - 1) * g.dh + 1), max(g.pw + g.w, (g.ow - 1) * g.sw + (g.kw - 1) * g.dw + 1)
    y.padded, y.padded_w = (h * w * g.c if (h, w) != (g.h, g.w) else 0), w
    places = np.arange(h * w * g.c, dtype=np.int32).reshape(h, w, g.c)
    stops = places[:g.sh * g.oh:g.sh, :g.sw * g.ow:g.sw, 0].ravel()
    window = places[:g.dh * g.kh:g.dh, :g.dw * g.kw:g.dw].ravel()
    tables += [stops, window]
    table = stops
    y.at_position = &table[0]
    table = window
    y.at_weight = &table[0]


cdef inline Py_ssize_t positions_in_place(const Run *r, const Layer *y) noexcept nogil:
    """Positions whose s is computed where it stays: whole vectors, of which the next position overwrites what is past the
    channels, must not leave the row."""
    cdef Py_ssize_t n = y.columns
    if n == y.units:
        return y.positions
    if n > r.k.tile_columns or n > pad(y.d_out, r.k.lanes):
        return 0
    return min(y.positions, (pad(y.d_out, r.k.lanes) - n) // y.units + 1)


cdef inline char *after_map(Run *r, const Layer *y, char *scratch) noexcept nogil:
    return at(r, scratch, r.conv_at + pad(y.padded, r.k.lanes))


cdef inline char *row_before(Run *r, int l, Py_ssize_t pos, Py_ssize_t row) noexcept nogil:
    """x(l-1) of a row"""
    return at(r, r.layers[l - 1].x, (pos if l == 1 and r.direct else row) * r.layers[l - 1].ld)


cdef char *map_before(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, char *scratch) noexcept nogil:
    """x(l-1) of a row, with its padding."""
    cdef Layer *y = &r.layers[l]
    cdef const window_t *g = &y.window
    cdef char *x = row_before(r, l, pos, row)
    cdef char *room = at(r, scratch, r.conv_at)
    cdef Py_ssize_t i
    if y.padded == 0:
        return x
    memset(room, 0, y.padded * r.size)
    for i in range(g.h):
        memcpy(at(r, room, ((g.ph + i) * y.padded_w + g.pw) * g.c), at(r, x, i * g.w * g.c), g.w * g.c * r.size)
    return room


cdef inline void clear_pad(Run *r, const Layer *y, char *row) noexcept nogil:
    """Zero past a row's last unit, where theta and theta' are going to look."""
    memset(at(r, row, y.d_out), 0, (pad(y.d_out, r.k.lanes) - y.d_out) * r.size)


cdef void conv_forward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """s(l) = windows(x(l-1)) W(l) + b(l), x(l) = theta(s(l))"""
    cdef Layer *y = &r.layers[l]
    cdef Py_ssize_t i, p, n
    cdef const char *before
    cdef char *x = at(r, y.x, row * y.ld)
    cdef char *s = at(r, y.s, row * y.ld)
    cdef char *room = after_map(r, y, scratch)
    cdef char *out
    cdef bint placed
    cdef bint fused = y.act == ACT_relu and s == x
    cdef Py_ssize_t in_place = positions_in_place(r, y)
    cdef gemm_t g
    memset(&g, 0, sizeof(g))
    g.N, g.K, g.steps = y.columns, y.rows, y.at_weight
    g.B, g.ldb = at(r, r.P, y.w), y.ldw
    g.init = at(r, r.P, y.b) if y.bias else NULL
    g.epilogue = EPI_RELU if fused else EPI_NONE
    for i in range(m):
        before = map_before(r, l, pos + i, row + i, scratch)
        p = 0
        while p < y.positions:
            placed = p < in_place
            n, g.rows = min(y.step, (in_place if placed else y.positions) - p), y.at_position + p
            out = at(r, s, i * y.ld + p * y.units)
            g.ldc = y.units if placed else g.N
            r.k.gemm(&g, n, before, (out if placed else room), NULL, scratch)
            if not placed:
                r.k.rows(n, y.units, room, g.N, out, y.units)
            p += n
        clear_pad(r, y, at(r, s, i * y.ld))
    if not fused and (y.act != ACT_identity or s != x):
        r.k.act(y.act, y.arg, m * y.ld, s, x)


cdef void conv_backward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """de/dx(l-1): each window's share, delta(l) W(l)^T, added where the window is"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &r.layers[l - 1]
    cdef Py_ssize_t i, p, q
    cdef char *delta
    cdef char *dx
    cdef char *room = after_map(r, y, scratch)
    cdef gemm_t g
    memset(&g, 0, sizeof(g))
    g.N, g.K = pad(y.rows, r.k.lanes), y.units
    g.ra, g.ca = y.units, 1
    g.B, g.ldb, g.ldc = y.mirror, y.ldm, g.N
    for i in range(m):
        delta, dx = at(r, y.delta, (row + i) * y.ld), at(r, before.delta, (row + i) * before.ld)
        memset(dx, 0, pad(before.d_out, r.k.lanes) * r.size)
        p = 0
        while p < y.positions:
            q = min(p + y.step, y.positions)
            r.k.gemm(&g, q - p, at(r, delta, p * y.units), room, NULL, scratch)
            r.k.unpatch(&y.window, p, q, room, g.ldc, dx)
            p = q
    finish_delta(r, l - 1, row, m)


cdef void conv_grad(Run *r, int l, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more, char *G, char *scratch) noexcept nogil:
    """de/dW(l) = sum of windows(x(l-1))^T dw(l), de/db(l) = sum of dw(l), over rows and positions"""
    cdef Layer *y = &r.layers[l]
    cdef Py_ssize_t i
    cdef char *b = at(r, G, y.b)
    cdef char *W = at(r, G, y.w + lo * y.ldw)
    cdef gemm_t g
    memset(&g, 0, sizeof(g))
    g.N, g.K = y.columns, y.positions
    g.rows, g.steps = y.at_weight + lo, y.at_position
    g.ldb = y.units     # whole vectors reach into the next position: what comes of it is cleared
    g.ldc = g.ldi = y.ldw
    for i in range(row, row + m):
        g.B = at(r, y.dw, i * y.ld)
        g.init = W if more else NULL
        r.k.gemm(&g, hi - lo, map_before(r, l, i, i, scratch), W, NULL, scratch)
        if hi == y.rows and y.bias:
            r.k.colsum(y.positions, y.ldw, g.B, y.units, b, more)
        more = True
    clear_columns(r, W, hi - lo, y.units, y.ldw, y.ldw)
    if hi == y.rows and y.bias:
        clear_columns(r, b, 1, y.units, y.ldw, y.ldw)


cdef void max_pool_forward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """x(l) = the largest of each window"""
    pool_forward(r, l, pos, row, m, r.k.max_pool)


cdef void max_pool_backward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """de/dx(l-1): delta(l) at the first of the largest of each window"""
    pool_backward(r, r, l, row, m, r.k.max_pool_grad)


cdef void max_pool_tangent(Run *r, Run *q, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """x'(l) = x'(l-1) where x(l-1) is largest"""
    cdef Layer *y = &r.layers[l]
    cdef Py_ssize_t i
    for i in range(row, row + m):
        r.k.max_pool_tangent(&y.window, row_before(r, l, i, i), at(r, y.x, i * y.ld), row_before(q, l, i, i), at(r, q.layers[l].x, i * y.ld))
        clear_pad(r, y, at(r, q.layers[l].x, i * y.ld))


cdef void max_pool_tangent_back(Run *r, Run *q, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    pool_backward(r, q, l, row, m, r.k.max_pool_grad)


cdef void avg_pool_forward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """x(l) = the mean of each window, zero in the padding"""
    pool_forward(r, l, pos, row, m, r.k.avg_pool)


cdef void avg_pool_backward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """de/dx(l-1): an even share of delta(l) all over each window"""
    pool_backward(r, r, l, row, m, r.k.avg_pool_grad)


cdef void pool_forward(Run *r, int l, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                       void (*pool)(const window_t *, const void *, void *) noexcept nogil) noexcept nogil:
    cdef Layer *y = &r.layers[l]
    cdef Py_ssize_t i
    for i in range(m):
        pool(&y.window, row_before(r, l, pos + i, row + i), at(r, y.x, (row + i) * y.ld))
        clear_pad(r, y, at(r, y.x, (row + i) * y.ld))


cdef void pool_backward(Run *r, Run *q, int l, Py_ssize_t row, Py_ssize_t m,
                        void (*grad)(const window_t *, const void *, const void *, const void *, void *) noexcept nogil) noexcept nogil:
    """q's delta, pulled back at r's x"""
    cdef Layer *y = &r.layers[l]
    cdef Layer *before = &q.layers[l - 1]
    cdef Py_ssize_t i
    cdef char *dx
    for i in range(row, row + m):
        dx = at(r, before.delta, i * before.ld)
        memset(dx, 0, pad(before.d_out, r.k.lanes) * r.size)
        grad(&y.window, row_before(r, l, i, i), at(r, y.x, i * y.ld), at(r, q.layers[l].delta, i * y.ld), dx)
    finish_delta(q, l - 1, row, m)
