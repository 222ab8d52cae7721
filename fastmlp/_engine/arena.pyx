"""Lay out the memory of a call: one arena for buffers, forms of W, scratch and shares; and divide the rows of the
weights among the threads."""
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *

cdef enum:
    PANEL_BYTES = 24 * 1024     # in training, weights of at least so many bytes are also kept in panels


cdef Py_ssize_t place(Job *job, char *base, Py_ssize_t rows, Py_ssize_t panel_rows, int threads, bint sweep,
                      bint keep_rows) noexcept:
    """Assign everything its place in the arena at base; returns the arena's size. base NULL: compute the size only.

    rows: of the buffers. panel_rows: rows of a batch that a panel has room for. sweep: whether there is a delta sweep.
    keep_rows: whether s, x and delta of all rows are kept."""
    cdef Py_ssize_t offset = 0, shared = 0
    cdef int l
    cdef Layer *layer
    for l in range(job.net.L + 1):
        layer = &job.net.layers[l]
        offset = place_rows(job, layer, base, offset, rows, sweep, keep_rows)
        if job.division.size and layer.kind != NULL and layer.kind.mirror != NULL:
            shared = place_own(job, layer, job.division.forms, shared, sweep, keep_rows)
        else:
            offset = place_own(job, layer, base, offset, sweep, keep_rows)
    if sweep and not keep_rows:
        share_deltas(job)
    if sweep:
        offset = place_inputs(job, job.net.layers, base, offset, rows)
    offset = place_scratch(job, base, offset, panel_rows, threads)
    offset = place_shares(job, base, offset, threads)
    if job.sensitivity.attack_steps > 0:
        job.shares.x0 = base + offset
        offset += room_for(job, rows * job.net.layers[0].buffers.ld)
    if job.sensitivity.tangent != NULL:
        offset = place_tangent(job, base, offset, rows)
    return place_along(job, base, offset, rows) if job.sensitivity.along != NULL else offset


cdef Py_ssize_t place_rows(Job *job, Layer *layer, char *base, Py_ssize_t offset, Py_ssize_t rows, bint sweep,
                           bint keep_rows) noexcept:
    """Place s, x and delta of a layer's rows; returns where they end."""
    cdef Buffers *buffers = &layer.buffers
    cdef Py_ssize_t room
    if buffers.in_place:
        buffers.x, buffers.ld = <char *>job.rows.X.data, job.rows.X.row_stride // job.size
        room = 0
    else:
        buffers.ld = stride(pad(layer.d_out, job.k.lanes), job.size)
        room = room_for(job, rows * buffers.ld)
        buffers.x = base + offset
    offset += room
    if layer.number == 0 and job.rows.mixed.partner != NULL:
        offset += room      # for the rows that these are mixed with
    buffers.operands = buffers.x
    if buffers.rounded:
        buffers.operands = base + offset
        offset += pad(rows * buffers.ld * job.k.operandsize, ALIGN)
    offset = place_room(job, layer, base, offset, rows)
    buffers.s = buffers.x
    if layer.kind != NULL and (layer.theta.needs_s or keep_rows and (layer.kind.grad != NULL
                                                                     or layer.theta.act != ACT_identity)):
        buffers.s = base + offset
        offset += room
    buffers.de_dx = NULL
    if sweep and layer.number >= job.lowest_delta:
        room = room_for(job, rows * buffers.ld + past_groups(job, layer))
        buffers.delta = buffers.delta_w = base + offset
        offset += room
        if keep_rows:
            buffers.delta_w = base + offset
            offset += room
    return offset


cdef Py_ssize_t past_groups(const Job *job, const Layer *layer) noexcept:
    """Unused elements after the last row: whole vectors that begin in a layer's last group may extend past its end, and
    must not read what another thread writes. A layer that passes its delta on may share its buffer with such a layer.
    """
    return job.k.lanes if layer.groups or layer.kind != NULL and layer.kind.passes else 0


cdef Py_ssize_t place_room(Job *job, Layer *layer, char *base, Py_ssize_t offset, Py_ssize_t rows) noexcept:
    """Place what a layer's kind stores for each row."""
    if layer.kind == NULL or layer.kind.row_scratch == NULL:
        return offset
    layer.buffers.row_room = base + offset
    layer.buffers.row_room_ld = pad(layer.kind.row_scratch(job.k, layer), job.k.lanes)
    return offset + room_for(job, rows * layer.buffers.row_room_ld)


cdef Py_ssize_t place_own(Job *job, Layer *layer, char *base, Py_ssize_t offset, bint sweep, bint keep_rows) noexcept:
    """Place what a layer has besides rows."""
    if layer.kind != NULL and layer.kind.place != NULL:
        return layer.kind.place(job, layer, base, offset)
    return place_forms(job, layer, base, offset, sweep, keep_rows)


cdef Py_ssize_t place_forms(Job *job, Layer *layer, char *base, Py_ssize_t offset, bint sweep, bint keep_rows) noexcept:
    """Place the forms of a layer's W that the call needs."""
    cdef Weights *W = &layer.weights
    cdef Forms *forms = &layer.forms
    cdef Py_ssize_t lanes = job.k.lanes
    cdef bint large, backward
    forms.operands, forms.rounded, forms.mirror, forms.panels, forms.made = W.W, NULL, NULL, NULL, False
    if layer.kind == NULL or layer.kind.mirror == NULL:
        return offset
    backward = sweep and layer.input.source.number >= job.lowest_delta
    large = (sweep and not keep_rows and not W.flipped and layer.kind.grad_step != NULL
             and layer.d_in * W.ld * job.size >= PANEL_BYTES)
    forms.mirror_panels = large and layer.d_in >= 4 * lanes
    if not layer.products.dots and (W.flipped or backward):
        forms.ld = pad(W.rows, lanes)
        if not forms.mirror_panels:
            forms.ld = stride(forms.ld, job.size)
        forms.mirror = base + offset
        offset += pad((W.cols * forms.ld + past_groups(job, layer)) * job.k.operandsize, ALIGN)
    if large and layer.d_out >= 4 * lanes:
        forms.panels = base + offset
        offset += pad(W.rows * W.ld * job.k.operandsize, ALIGN)
    if layer.kind.exact != NULL:
        forms.rounded = forms.operands = base + offset
        offset += pad(W.rows * W.ld * job.k.operandsize, ALIGN)
    forms.made = forms.rounded != NULL or forms.mirror != NULL or forms.panels != NULL
    return offset


cdef Py_ssize_t room_for_forms(Job *job) noexcept:
    """Bytes that the forms of all W take at most."""
    cdef Py_ssize_t size = 0
    cdef int l
    for l in range(1, job.net.L + 1):
        if job.net.layers[l].kind.mirror != NULL:
            size = place_own(job, &job.net.layers[l], NULL, size, True, False)
    return size


cdef void share_deltas(Job *job) noexcept:
    """If a source's first reader in the delta sweep passes its delta on unchanged, both use the same buffer."""
    cdef Layer *layer
    cdef Input *input
    cdef int l
    for l in range(job.net.L, 0, -1):
        layer = &job.net.layers[l]
        input = &layer.second if layer.second.source != NULL else &layer.input
        if (layer.kind.passes and not input.adds and input.source.number >= job.lowest_delta
                and input.source.buffers.ld == layer.buffers.ld):
            input.source.buffers.delta = input.source.buffers.delta_w = layer.buffers.delta


cdef Py_ssize_t place_inputs(Job *job, Layer *layers, char *base, Py_ssize_t offset, Py_ssize_t rows) noexcept:
    """Choose where layers write de/dx of their sources; after all deltas are placed."""
    cdef int l
    for l in range(1, job.net.L + 1):
        offset = place_input(job, &layers[l].input, base, offset, rows)
        offset = place_input(job, &layers[l].second, base, offset, rows)
        layers[l].pulls = layers[l].input.dx != NULL or layers[l].kind.exact != NULL
    return offset


cdef Py_ssize_t place_input(Job *job, Input *input, char *base, Py_ssize_t offset, Py_ssize_t rows) noexcept:
    input.dx = NULL
    if input.source == NULL or input.source.number < job.lowest_delta:
        return offset
    if not input.adds:
        input.dx = input.source.buffers.delta
        return offset
    input.dx = base + offset
    return offset + room_for(job, rows * input.source.buffers.ld)


cdef Py_ssize_t place_scratch(Job *job, char *base, Py_ssize_t offset, Py_ssize_t panel_rows, int threads) noexcept:
    """Place each thread's scratch: for packing in gemm, a tile of W or a bias, a panel of delta, the loss and the kinds
    of layers."""
    cdef Shares *shares = &job.shares
    cdef Py_ssize_t lanes = job.k.lanes, own, widest = 0
    cdef int l, thread
    for l in range(job.net.L + 1):
        widest = max(widest, stride(pad(job.net.layers[l].d_out, lanes), job.size))
    shares.tile_at = <Py_ssize_t>job.k.pack_bytes // job.size
    shares.panel_at = shares.tile_at + max(TILE_I * 8 * lanes, widest)
    shares.loss_at = shares.panel_at + panel_rows * 8 * lanes
    shares.kind_at = shares.loss_at + 3 * job.net.layers[job.net.L].d_out * TILE_ROWS
    own = pad((shares.kind_at + job.net.scratch) * job.size, 4096) + ALIGN
    shares.scratch = <char **>(base + offset)
    offset += pad(threads * sizeof(char *), ALIGN)
    for thread in range(threads):
        if base != NULL:
            shares.scratch[thread] = base + offset
        offset += own
    return offset


cdef Py_ssize_t place_shares(Job *job, char *base, Py_ssize_t offset, int threads) noexcept:
    cdef Shares *shares = &job.shares
    cdef Py_ssize_t each = (job.net.L + 1) * threads
    shares.share = <Py_ssize_t *>(base + offset)
    shares.share2 = shares.share + 2 * each
    shares.spans = shares.share2 + 4 * each
    job.division.parts = shares.spans + 2 * threads
    offset += pad((6 * each + 2 * threads + 2 * each * job.division.size) * sizeof(Py_ssize_t), ALIGN)
    shares.row_squares = <double *>(base + offset)
    shares.weight_penalties = shares.row_squares + job.net.n_rows + 1   # one more for the tail of ties
    return offset + pad((2 * job.net.n_rows + 1) * sizeof(double), ALIGN)


cdef Py_ssize_t place_tangent(Job *job, char *base, Py_ssize_t offset, Py_ssize_t rows) noexcept:
    """Set up the layers of a tangent sweep and place their buffers, after all others; returns where they end."""
    cdef Sensitivity *sensitivity = &job.sensitivity
    cdef bint projected = sensitivity.pulled != job.net.layers
    cdef int l
    cdef Layer *layer
    cdef Layer *tangent
    cdef Py_ssize_t room
    copy_layers(sensitivity.tangent, job.net.layers, job.net.L)
    if projected:
        copy_layers(sensitivity.pulled, job.net.layers, job.net.L)
    for l in range(job.net.L + 1):
        layer, tangent = &job.net.layers[l], &sensitivity.tangent[l]
        room = room_for(job, rows * layer.buffers.ld)
        make_linear(tangent)
        tangent.weights.bias, tangent.norm.mean = False, NULL
        tangent.buffers.x, tangent.buffers.delta = base + offset, base + offset + room
        tangent.buffers.operands = tangent.buffers.x
        offset = place_room(job, tangent, base, offset + 2 * room, rows)
        tangent.buffers.s = tangent.buffers.x
        if projected:
            sensitivity.pulled[l].buffers.delta = base + offset
            offset += room
        if curved(layer):
            tangent.buffers.s, sensitivity.pulled[l].buffers.de_dx = base + offset, base + offset + room
            offset += 2 * room
        # the tangent of the gradient is x delta'^T + x' delta^T
        layer.buffers.delta_w, tangent.buffers.delta_w = tangent.buffers.delta, sensitivity.pulled[l].buffers.delta
    offset = place_inputs(job, sensitivity.tangent, base, offset, rows)
    return place_inputs(job, sensitivity.pulled, base, offset, rows) if projected else offset


cdef Py_ssize_t place_along(Job *job, char *base, Py_ssize_t offset, Py_ssize_t rows) noexcept:
    """Set up linear layers with V in place of W and place their buffers; returns where they end."""
    cdef Layer *along = job.sensitivity.along
    cdef int l
    copy_layers(along, job.net.layers, job.net.L)
    for l in range(job.net.L + 1):
        make_linear(&along[l])
        along[l].weights.W = at(job, job.sensitivity.V, along[l].weights.w_at)
        along[l].weights.b = at(job, job.sensitivity.V, along[l].weights.b_at)
        offset = place_rows(job, &along[l], base, offset, rows, True, False)
        offset = place_own(job, &along[l], base, offset, True, False)
    return place_inputs(job, along, base, offset, rows)


cdef inline bint curved(const Layer *layer) noexcept:
    return layer.kind != NULL and layer.theta.curved


cdef void make_linear(Layer *layer) noexcept:
    layer.theta.act, layer.theta.needs_s = ACT_identity, False


cdef void copy_layers(Layer *to, const Layer *layers, int L) noexcept:
    """Copy layers 0 .. L; the copies read each other as the originals do."""
    cdef int l
    memcpy(to, layers, (L + 1) * sizeof(Layer))
    for l in range(1, L + 1):
        to[l].input.source = &to[to[l].input.source.number]
        if to[l].second.source != NULL:
            to[l].second.source = &to[to[l].second.source.number]


cdef void share_weights(Job *job, int threads) noexcept:
    """Divide the rows of the weights among the threads: equal work, in whole tiles of 8 rows."""
    cdef int thread
    split(job, job.shares.share, threads, 1)
    split(job, job.shares.share2, threads, 2)
    if job.division.size:
        split_layers(job, job.division.parts, job.division.size * threads)
    for thread in range(threads):
        find_span(job, thread)


cdef void find_span(Job *job, int thread) noexcept:
    """Find the span of a thread's parameters, one contiguous piece unless a layer follows another one or has its own
    learning rate."""
    cdef Py_ssize_t *span = job.shares.spans + 2 * thread
    cdef const Py_ssize_t *share = job.shares.share + 2 * thread * (job.net.L + 1)
    cdef Weights *W
    cdef int l
    span[0] = span[1] = -1
    for l in range(1, job.net.L + 1):
        W = &job.net.layers[l].weights
        if W.leader or W.parts or W.of_W.lr != 1 or W.of_b.lr != 1:
            span[0] = -1
            return
        if share[2 * l] < share[2 * l + 1]:
            if span[0] < 0:
                span[0] = W.w_at + share[2 * l] * W.ld
            span[1] = span_end(job, &job.net.layers[l], share[2 * l + 1])


cdef void split(const Job *job, Py_ssize_t *share, int threads, int groups) noexcept:
    """Divide the work of `groups` gradients, one after the other, into equal parts."""
    cdef Py_ssize_t total = 0, before = 0, work, row, each, L = job.net.L
    cdef Py_ssize_t *pair
    cdef int l, thread, group
    cdef Weights *W
    memset(share, 0, 2 * threads * groups * (L + 1) * sizeof(Py_ssize_t))
    for l in range(1, L + 1):
        W = &job.net.layers[l].weights
        total += groups * W.rows * W.cost
    for group in range(groups):
        for l in range(1, L + 1):
            W = &job.net.layers[l].weights
            if W.rows == 0:
                continue
            row, each = 0, W.cost
            for thread in range(threads):
                pair = share + 2 * ((thread * groups + group) * (L + 1) + l)
                pair[0] = row
                work = max(0, total * (thread + 1) // threads - before)
                # all rows if the work extends past them, so that a thread's rows are contiguous
                if thread + 1 == threads or work >= each * W.rows:
                    row = W.rows
                else:
                    row = cut_at(&job.net.layers[l], (work // each + 4) // 8 * 8)
                pair[1] = row
            before += each * W.rows


cdef void split_layers(const Job *job, Py_ssize_t *parts, int n) noexcept:
    """Cut each W into n parts of as many rows, in whole tiles of 8: pairs lo, hi by part and layer."""
    cdef Py_ssize_t lo, hi, L = job.net.L
    cdef int l, i
    cdef Layer *layer
    memset(parts, 0, 2 * n * (L + 1) * sizeof(Py_ssize_t))
    for l in range(1, L + 1):
        layer = &job.net.layers[l]
        lo = 0
        for i in range(n):
            hi = layer.weights.rows
            if i + 1 < n:
                hi = cut_at(layer, (hi * (i + 1) // n + 4) // 8 * 8)
            parts[2 * (i * (L + 1) + l)], parts[2 * (i * (L + 1) + l) + 1] = lo, hi
            lo = hi


cdef Py_ssize_t cut_at(const Layer *layer, Py_ssize_t row) noexcept:
    """The first row at or after `row` at which W may be divided between threads."""
    return min(row, layer.weights.rows) if layer.kind.cut == NULL else layer.kind.cut(layer, row)


cdef Py_ssize_t stride(Py_ssize_t elements, Py_ssize_t size) noexcept:
    """A row stride that does not map all rows of a tile to the same cache set."""
    return elements + ALIGN // size if elements * size % 1024 == 0 else elements
