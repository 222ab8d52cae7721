# A call laid out: its data bound, and an arena in which everything has a place.

cdef Py_ssize_t block_for(Core core, Data data):
    """Rows that suit the layers: few while the weights stay in L1, more where a block pays for streaming them."""
    if data.loss is not None:
        return PYTHON_LOSS_ROWS
    cdef Py_ssize_t size = core.size * core.k.itemsize
    if core.block_rows:
        return core.block_rows
    return 32 if size <= 64 * 1024 else 64 if size <= 1024 * 1024 else 256


cdef Py_ssize_t chunk_for(Core core, Py_ssize_t batch):
    """Rows whose activations are held at once, of a batch."""
    cdef Py_ssize_t width = 0
    cdef int l
    if core.chunk_rows:
        return min(batch, core.chunk_rows)
    for l in range(core.L + 1):
        width += 2 * core.layers[l].d_out * core.k.itemsize
    return min(batch, max(512, CHUNK_BYTES // width // 64 * 64))


cdef Py_ssize_t place(Core core, Call c, uintptr_t base, Py_ssize_t rows, Py_ssize_t panel_rows, int threads, bint sweep, bint keep):
    """Give each thing its place in the arena at base; returns the arena's size."""
    cdef Run *r = &c.r
    cdef Py_ssize_t offset = 0, lanes = core.k.lanes, size = r.size, own, widest = 0
    cdef int l, t
    cdef bint large
    cdef Layer *y
    for l in range(core.L + 1):
        y = &r.layers[l]
        y.ld = stride(pad(y.d_out, lanes), size)
        widest = max(widest, y.ld)
        if not (l == 0 and r.direct):
            y.x = <char *>(base + offset)
            offset += pad(rows * y.ld * size, ALIGN)
        else:
            y.x, y.ld = <char *>r.X.data, r.X.row_stride // size
        y.s = y.x
        if y.rows > 0 and (y.needs_s or keep):
            y.s = <char *>(base + offset)
            offset += pad(rows * y.ld * size, ALIGN)
        y.kept = NULL
        if sweep and l >= r.lowest:
            y.delta = <char *>(base + offset)
            offset += pad(rows * y.ld * size, ALIGN)
            y.dw = y.delta
            if keep:
                y.dw = <char *>(base + offset)
                offset += pad(rows * y.ld * size, ALIGN)
        y.mirror = y.panels = NULL
        large = sweep and not keep and not y.flipped and y.kind == KIND_DENSE and y.d_in * y.ldw * size >= PANEL_BYTES
        y.mirror_panels = large and y.d_in >= 4 * lanes
        if y.rows > 0 and not y.dots and (y.flipped or (sweep and l > r.lowest)):
            y.ldm = pad(y.rows, lanes)
            if not y.mirror_panels:
                y.ldm = stride(y.ldm, size)
            y.mirror = <char *>(base + offset)
            offset += pad(y.cols * y.ldm * size, ALIGN)
        if l > 0 and large and y.d_out >= 4 * lanes:
            y.panels = <char *>(base + offset)
            offset += pad(y.rows * y.ldw * size, ALIGN)
    r.tile_at = <Py_ssize_t>core.k.pack_bytes // size
    r.panel_at = r.tile_at + max(TILE_I * 8 * lanes, widest)     # a tile of W, or a bias
    r.loss_at = r.panel_at + panel_rows * 8 * lanes
    r.conv_at = r.loss_at + 3 * r.layers[core.L].d_out * TILE_ROWS
    own = pad((r.conv_at + core.conv_room) * size, 4096) + ALIGN
    r.scratch = <char **>(base + offset)
    offset += pad(threads * sizeof(char *), ALIGN)
    for t in range(threads):
        if base:
            r.scratch[t] = <char *>(base + offset)
        offset += own
    r.share = <Py_ssize_t *>(base + offset)
    r.share2 = r.share + 2 * (core.L + 1) * threads
    r.runs = r.share2 + 4 * (core.L + 1) * threads
    offset += pad((6 * (core.L + 1) + 2) * threads * sizeof(Py_ssize_t), ALIGN)
    r.row_squares = <double *>(base + offset)
    r.row_penalty = r.row_squares + core.rows + 1   # one more for the tail of ties
    offset += pad((2 * core.rows + 1) * sizeof(double), ALIGN)
    if r.attack_steps > 0:
        r.x0 = <char *>(base + offset)
        offset += pad(rows * r.layers[0].ld * size, ALIGN)
    return place_tangent(core, c, base, offset, rows) if r.tangent != NULL else offset


cdef Py_ssize_t place_tangent(Core core, Call c, uintptr_t base, Py_ssize_t offset, Py_ssize_t rows):
    """The buffers of a tangent sweep after the others; returns where they end."""
    cdef int l
    cdef Layer *y
    cdef Layer *d
    cdef Layer *u
    cdef Py_ssize_t room
    cdef bint curved
    for l in range(core.L + 1):
        y, d = &c.r.layers[l], &c.tangent.layers[l]
        room, curved = pad(rows * y.ld * c.r.size, ALIGN), y.rows > 0 and fastmlp_activations[y.act].curved
        d[0] = y[0]
        d.act, d.bias, d.needs_s = ACT_identity, False, False
        d.x, d.delta = <char *>(base + offset), <char *>(base + offset + room)
        offset += 2 * room
        d.s = d.x
        if curved:
            d.s = <char *>(base + offset)
            offset += room
        u = y
        if c.r.pulled == &c.pulled:
            u = &c.pulled.layers[l]
            u[0] = y[0]
            u.delta = <char *>(base + offset)
            offset += room
        if curved:
            u.kept = <char *>(base + offset)
            offset += room
        y.dw, d.dw = d.delta, u.delta
    return offset


cdef lay_out(Core core, Call c, key, Py_ssize_t rows, Py_ssize_t panel_rows, int threads, bint sweep, bint keep, bint fresh=False):
    """An arena of the right size under the call, what the sweep needs of W mirrored into it."""
    cdef Run *r = &c.r
    cdef int l
    cdef Py_ssize_t size
    key = (key, rows, panel_rows, threads, r.lowest, r.attack_steps > 0, r.tangent != NULL, r.pulled == r)
    if fresh or c.key != key or r.direct or scratch_fill is not None:
        size = place(core, c, 0, rows, panel_rows, threads, sweep, keep)
        if fresh or c.arena is None or c.arena.size < size:
            c.arena = on_line(np.empty(size + ALIGN, np.uint8))
        if scratch_fill is not None:
            c.arena[:] = np.resize(np.frombuffer(scratch_fill, np.uint8), c.arena.size)
        place(core, c, address(c.arena), rows, panel_rows, threads, sweep, keep)
        c.key = None if fresh or r.direct else key
        for l in range(1, core.L + 1):
            if r.layers[l].mirror != NULL:
                memset(r.layers[l].mirror, 0, r.layers[l].cols * r.layers[l].ldm * r.size)
        prepare(r)
    for l in range(1, core.L + 1):
        if has_mirror(&r.layers[l]):
            KINDS[r.layers[l].kind].mirror(r, l, 0, r.layers[l].rows)


cdef void prepare(Run *r) noexcept nogil:
    """What of the layers' work is the same for all rows, once everything has its place."""
    cdef int l
    for l in range(1, r.L + 1):
        if KINDS[r.layers[l].kind].prepare != NULL:
            KINDS[r.layers[l].kind].prepare(r, l)


cdef bind(Core core, Call c, Data data, order, double weight_scale=0):
    cdef Run *r = &c.r
    cdef int64_t[::1] rows = order
    r.order = &rows[0] if order is not None else NULL
    c.loss, c.order, c.error = data.loss, order, None
    r.call = <void *>c if data.loss is not None else NULL
    r.X = data.X
    r.n = data.n if order is None else rows.shape[0]
    r.direct = False
    r.far = order is not None and not r.X.indptr and 0 <= r.X.cols * r.X.col_stride <= SHORT_ROW and data.n * r.X.row_stride > FAR_BYTES
    r.loss.kind, r.loss.arg, r.loss.n = core.loss_kind, core.loss_arg, core.layers[core.L].d_out
    r.loss.form, r.loss.y, r.loss.ldy, r.loss.weight = data.form, data.y, data.ldy, data.weight
    r.weight_scale = weight_scale or r.n / data.weight_of(order)
    r.link = core.link
    r.ties = &core.ties if core.tied is not None else NULL
    r.bad = 0
    r.training = False
    r.loss_sum = r.penalty_sum = 0
    r.beta1_power = r.beta2_power = 0
    r.out = NULL
    r.values = NULL
    r.tangent = r.pulled = r.along = NULL
    r.penalty = r.attack_steps = 0
    r.lam_sum = 0


cdef bind_sensitivity(Call c, penalty, attack):
    """Have the rows' sensitivity penalised, (PENALTY_*, lam), and their inputs moved, (numbers of attack_t, steps, random)."""
    cdef Run *r = &c.r
    r.penalty, r.lam = penalty
    r.last_layer = 0 if r.penalty == PENALTY_GRADIENT else 1
    r.lowest = r.last_layer
    if r.penalty:
        r.lowest = 0
        r.tangent = &c.tangent
        r.pulled = &c.pulled if r.penalty == PENALTY_JACOBIAN else r
    if attack is not None:
        r.lowest = 0
        (r.attack.norm, r.attack.eps, r.attack.step, r.attack.lo, r.attack.hi), r.attack_steps, r.attack_random = attack


cdef start_tangent(Call c):
    """The Runs of a tangent sweep, once all of the call's is set."""
    cdef Layer *pulled = c.pulled.layers
    cdef Layer *tangent = c.tangent.layers
    c.pulled, c.tangent = c.r, c.r
    c.pulled.layers, c.tangent.layers = pulled, tangent
    if c.r.tangent != NULL:
        prepare(&c.tangent)
        if c.r.pulled == &c.pulled:
            prepare(&c.pulled)


cdef void share_weights(Core core, Run *r, int threads):
    """Rows of the weights for each thread: even work, in whole tiles of 8 rows."""
    cdef int t
    split(core, r, r.share, threads, 1)
    split(core, r, r.share2, threads, 2)
    for t in range(threads):
        find_run(r, t)


cdef void find_run(Run *r, int t):
    """Thread t's parameters as one run, which they are unless a layer follows another."""
    cdef Py_ssize_t *run = r.runs + 2 * t
    cdef const Py_ssize_t *share = shares(r, t)
    cdef int l
    run[0] = run[1] = -1
    for l in range(1, r.L + 1):
        if r.layers[l].leader:
            run[0] = -1
            return
        if share[2 * l] < share[2 * l + 1]:
            if run[0] < 0:
                run[0] = r.layers[l].w + share[2 * l] * r.layers[l].ldw
            run[1] = run_end(r, &r.layers[l], share[2 * l + 1])


cdef void split(Core core, Run *r, Py_ssize_t *share, int threads, int groups):
    """Cut the work of `groups` gradients, one after the other, into even parts."""
    cdef Py_ssize_t total = 0, before = 0, work, row, each
    cdef int l, t, group
    cdef Layer *y
    memset(share, 0, 2 * threads * groups * (core.L + 1) * sizeof(Py_ssize_t))
    for l in range(1, core.L + 1):
        total += groups * r.layers[l].rows * r.layers[l].columns * r.layers[l].positions
    for group in range(groups):
        for l in range(1, core.L + 1):
            y = &r.layers[l]
            if y.rows == 0:
                continue
            row, each = 0, y.columns * y.positions
            for t in range(threads):
                share[2 * ((t * groups + group) * (core.L + 1) + l)] = row
                work = max(0, total * (t + 1) // threads - before)
                # all rows where the work reaches past them, so that a thread's rows are one run
                row = y.rows if t + 1 == threads or work >= each * y.rows else min((work // each + 4) // 8 * 8, y.rows)
                share[2 * ((t * groups + group) * (core.L + 1) + l) + 1] = row
            before += each * y.rows


cdef Py_ssize_t stride(Py_ssize_t elements, Py_ssize_t size):
    """A row stride that does not put the rows of a tile into one set of the cache."""
    return elements + ALIGN // size if elements * size % 1024 == 0 else elements
