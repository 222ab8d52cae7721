# A network's Layer structs, as the Python level describes them: sizes, what a layer reads, where its parameters stand.

cdef enum:
    # networks of at most so many bytes, or at most GROUP_UNITS parameters a unit, as convolutions have, sum batches in
    # two groups, see group_rows; part of the promise of bits
    GROUP_BYTES = 64 * 1024
    GROUP_UNITS = 16


cdef object read_layers(Job *blank, d, layers, dtype, list held):
    """Layers 1 .. L with sizes d as their kinds have them. held: takes what they point at. Returns the running
    statistics, layer by layer, in that dtype."""
    cdef Network *net = &blank.net
    cdef int l
    net.layers[0].d_out = net.numeric = d[0]
    for l in range(1, net.L + 1):
        read_layer(blank, l, d[l], layers[l - 1], dtype, held)
    follow_readers(net)
    return keep_statistics(blank, dtype)


cdef read_layer(Job *blank, int l, Py_ssize_t units, spec, dtype, list held):
    """Layer l as its kind has it."""
    cdef const kernels_t *k = blank.k
    cdef Layer *layers = blank.net.layers
    cdef Layer *layer = &layers[l]
    cdef window_t *g = &layer.windows.window
    layer.kind, layer.number = kind_of(spec["kind"]), l
    layer.theta = theta_for(spec["activation"], spec["argument"])
    layer.weights.bias = spec["bias"]
    layer.weights.positions = spec.get("positions", 1)
    layer.weights.of_W.lr, layer.weights.of_W.decay = spec.get("lr_scale", 1.0), spec.get("decay", 1.0)
    layer.weights.of_b.lr = layer.weights.of_W.lr * spec.get("bias_lr_scale", 1.0)
    layer.weights.of_b.decay = spec.get("bias_decay", 0.0)
    layer.rate, layer.groups = spec.get("rate", 0.0), spec.get("groups", 1)
    layer.features.n, layer.features.eps = spec.get("features", 0), spec.get("eps", 0.0)
    layer.features.scaled, layer.features.centred = spec.get("scaled", False), spec.get("centred", False)
    layer.norm.channels = spec.get("channels", 0)
    layer.norm.momentum, layer.norm.eps = spec.get("momentum", 0.0), spec.get("eps", 0.0)
    first, *others = spec["sources"]
    layer.input.source = &layers[<int>first]
    if others:
        layer.second.source = &layers[<int>others[0]]
    layer.d_in, layer.d_out = layer.input.source.d_out, units
    if "mixed" in spec:
        layer.mixture.theta = theta_for(spec["mixed"][0], spec["mixed"][1])
        layer.mixture.turned = spec.get("turned", False)
    if "edges" in spec:
        find_bins(layer, spec["edges"], dtype, held)
    if "window" in spec:
        g.h, g.w, g.c, g.kh, g.kw, g.sh, g.sw, g.ph, g.pw, g.dh, g.dw, g.oh, g.ow = spec["window"]
    if "tables" in spec:
        read_tables(&blank.net, layer, spec["numeric"], spec["tables"], held)
    if layer.kind.measure != NULL:
        layer.kind.measure(k, layer)
        layer.weights.ld = pad(layer.weights.cols, k.lanes)
        layer.weights.size = layer.weights.size or layer.weights.rows * layer.weights.cols
    if "window" in spec and layer.kind.grad != NULL:
        stops, window = np.empty(layer.weights.positions, np.int32), np.empty(layer.weights.rows, np.int32)
        find_windows(layer, <int32_t *>address(stops), <int32_t *>address(window))
        held += [stops, window]


cdef read_tables(Network *net, Layer *layer, Py_ssize_t numeric, tables, list held):
    """Where a layer of columns has its tables, each (values, units)."""
    cdef Tables *of = &layer.tables
    values, units = np.array(tables, np.int64).reshape(-1, 2).T.copy()
    begin, places = np.cumsum(values * units) - values * units, np.cumsum(units) - units + numeric
    held += [values, units, begin, places]
    of.numeric, of.n = numeric, len(values)
    of.values, of.units = <int64_t *>address(values), <int64_t *>address(units)
    of.begin, of.at = <int64_t *>address(begin), <int64_t *>address(places)
    net.numeric = min(net.numeric, layer.d_in - of.n)


cdef find_bins(Layer *layer, edges, dtype, list held):
    """Where the bins of each feature are, of arrays of edges."""
    sizes = [len(feature) for feature in edges]
    first = np.cumsum([0, *sizes]).astype(np.int32) - np.arange(len(sizes) + 1, dtype=np.int32)
    ends = np.concatenate(edges).astype(dtype)
    slope = np.concatenate([1 / np.diff(feature) for feature in edges]).astype(dtype)
    layer.bins.first = <int32_t *>address(first)
    layer.bins.edges, layer.bins.slope = <char *>address(ends), <char *>address(slope)
    held += [first, ends, slope]


cdef object keep_statistics(Job *job, dtype):
    """Room for the running means, 0, and variances, 1, of the layers that normalise."""
    cdef Norm *norm
    cdef int l
    cdef Py_ssize_t offset = 0
    channels = [job.net.layers[l].norm.channels for l in range(1, job.net.L + 1)]
    statistics = np.concatenate([np.repeat([0.0, 1.0], n) for n in channels]).astype(dtype)
    for l in range(1, job.net.L + 1):
        norm = &job.net.layers[l].norm
        norm.running_mean = at(job, <char *>address(statistics), offset)
        norm.running_var = at(job, norm.running_mean, norm.channels)
        offset += 2 * norm.channels
    return statistics


cdef follow_readers(Network *net):
    """Say of each input whether others read the same source: which of them writes its delta first in the delta
    sweep, and which of them comes last."""
    cdef int l
    last = {}       # of each source, the input that came last so far
    for l in range(net.L, 0, -1):
        follow_reader(&net.layers[l].input, last)
        follow_reader(&net.layers[l].second, last)


cdef follow_reader(Input *input, dict last):
    if input.source == NULL:
        return
    before = last.get(input.source.number)
    if before is not None:
        (<Input *><uintptr_t>before).last = False
    input.adds, input.last = before is not None, True
    last[input.source.number] = <uintptr_t>input


cdef Py_ssize_t lay_out_parameters(Job *blank, Ties *ties, tail):
    """Where parameters stand in P, and what they amount to; returns how many there are. tail: see Core."""
    cdef Network *net = &blank.net
    cdef Py_ssize_t lanes = blank.k.lanes, offset = 0, units = 0, n_params = 0
    cdef Layer *layer
    cdef Weights *W
    cdef int l
    net.narrow = True
    for l in range(net.L + 1):
        layer, W = &net.layers[l], &net.layers[l].weights
        units += layer.d_out
        W.w_at = W.b_at = offset
        if layer.kind == NULL or layer.kind.grad == NULL:
            net.work += layer.d_in
        else:
            W.b_at += W.rows * W.ld
            offset = W.b_at + (pad(W.units, lanes) if W.bias else 0)
            net.n_rows += W.rows + W.bias
            n_params += W.size + W.bias * W.units
            net.work += layer.d_out if layer.tables.n else W.rows * W.ld * W.positions
            net.narrow = net.narrow and max(W.cols, W.units) <= blank.k.narrow
        net.settles = net.settles or (layer.kind != NULL and layer.kind.settle != NULL)
        net.ends = net.ends or (layer.kind != NULL and layer.kind.grad_end != NULL)
        if layer.kind != NULL and layer.kind.scratch != NULL:
            net.scratch = max(net.scratch, layer.kind.scratch(blank.k, layer))
    ties.tail, ties.n_weights = offset, pad(tail[0], lanes)
    ties.n_tail = ties.n_weights + pad(tail[1], lanes)
    net.n_elements = offset + ties.n_tail
    net.two_groups = n_params * blank.size <= GROUP_BYTES or n_params <= GROUP_UNITS * units
    net.narrow = net.narrow and ties.n_tail == 0
    return n_params
