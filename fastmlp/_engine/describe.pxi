# Build a network's Layer structs from the descriptions of the Python level: sizes, sources, places of parameters.

cdef enum:
    # networks with at most so many bytes of parameters, or at most GROUP_UNITS parameters per unit, as convolutions
    # have, sum batches in two groups, see group_rows. The bits depend on these numbers.
    GROUP_BYTES = 64 * 1024
    GROUP_UNITS = 16


cdef object read_layers(Job *blank, d, layers, dtype, list held):
    """Read layers 1 .. L with sizes d. held: receives the arrays that they point to. Returns the running statistics,
    layer by layer, of that dtype."""
    cdef Network *net = &blank.net
    cdef int l
    net.layers[0].d_out = net.numeric = d[0]
    for l in range(1, net.L + 1):
        read_layer(blank, l, d[l], dict(layers[l - 1]), held)
    follow_readers(net)
    return keep_statistics(blank, dtype)


cdef read_layer(Job *blank, int l, Py_ssize_t units, dict spec, list held):
    """Read layer l from its spec, which is emptied. ValueError if the spec has entries that the kind does not read."""
    cdef Layer *layers = blank.net.layers
    cdef Layer *layer = &layers[l]
    cdef Weights *W = &layer.weights
    layer.kind, layer.number, layer.positions = kind_of(spec.pop("kind")), l, 1
    layer.theta = theta_for(spec.pop("activation"), spec.pop("argument"))
    W.bias = spec.pop("bias")
    W.of_W.lr, W.of_W.decay = spec.pop("lr_scale", 1.0), spec.pop("decay", 1.0)
    W.of_b.lr, W.of_b.decay = W.of_W.lr * spec.pop("bias_lr_scale", 1.0), spec.pop("bias_decay", 0.0)
    first, *others = spec.pop("sources")
    layer.input.source = &layers[<int>first]
    if others:
        layer.second.source = &layers[<int>others[0]]
    layer.d_in, layer.d_out = layer.input.source.d_out, units
    if layer.kind.measure != NULL:
        layer.kind.measure(blank, layer, spec, held)
        W.ld = pad(W.cols, blank.k.lanes)
        W.size = W.size or W.rows * W.cols
        W.work = W.work or W.rows * W.ld * layer.positions
    if spec:
        raise ValueError(f"layer {l}, {layer.kind.name.decode()}, does not read {', '.join(spec)}")


cdef object keep_statistics(Job *job, dtype):
    """Allocate the running means, 0 at first, and variances, 1 at first, of the layers of batch normalisation."""
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
    """For each source that several layers read, determine which of them writes its delta first in the delta sweep, and
    which comes last."""
    cdef int l
    last = {}       # source -> the last input so far that reads it
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
    """Assign the parameters their places in P, and add up sizes and work; returns the number of parameters. tail: see
    Core."""
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
            net.work += W.work
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
