# Small inline functions on the structs, shared by the engine's modules.
from libc.string cimport memcpy, memset

from fastmlp._engine.structs cimport *


cdef inline char *at(const Job *job, const char *base, Py_ssize_t elements) noexcept nogil:
    """Address of an element of a buffer."""
    return <char *>base + elements * job.size


cdef inline char *operand_at(const Job *job, const char *base, Py_ssize_t elements) noexcept nogil:
    """Address of an element of an operand of products: of x or delta as operands, or of W's forms."""
    return <char *>base + elements * job.k.operandsize


cdef inline Py_ssize_t room_for(const Job *job, Py_ssize_t elements) noexcept nogil:
    """The bytes that elements take in the arena."""
    return pad(elements * job.size, ALIGN)


cdef inline Py_ssize_t share_begin(const Job *job, Py_ssize_t n, int thread, Py_ssize_t multiple) noexcept nogil:
    """The beginning of a thread's part of n things, a multiple of `multiple`; n for the thread after the last."""
    return n if thread == job.team.active else n * thread // job.team.active // multiple * multiple


cdef inline Py_ssize_t pad(Py_ssize_t n, Py_ssize_t lanes) noexcept nogil:
    """The next multiple of lanes, a power of 2."""
    return (n + lanes - 1) & -lanes


cdef inline double get(const Job *job, const char *base, Py_ssize_t i) noexcept nogil:
    return (<const float *>base)[i] if job.size == 4 else (<const double *>base)[i]


cdef inline void put(const Job *job, char *base, Py_ssize_t i, double value) noexcept nogil:
    if job.size == 4:
        (<float *>base)[i] = <float>value
    else:
        (<double *>base)[i] = value


cdef inline uint64_t mix(uint64_t z) noexcept nogil:
    """splitmix64 (Steele, Lea and Flood 2014)"""
    z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111eb
    return z ^ (z >> 31)


cdef inline bint stopped(Job *job, const char *scratch) noexcept nogil:
    """Whether to skip the remaining rows; thread 0, recognised by its scratch, also looks for signals."""
    cdef double now
    if scratch == job.shares.scratch[0]:
        now = now_seconds()
        if now - job.signals.looked > SIGNAL_SECONDS:
            job.signals.looked = now
            job.signals.look(job)
    return load(&job.signals.stopped)


cdef inline char *s_at(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """s(l) from a row of the buffers on"""
    return at(job, layer.buffers.s, row * layer.buffers.ld)


cdef inline char *x_at(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """x(l) from a row on, of a layer that is not in place, see x_of"""
    return at(job, layer.buffers.x, row * layer.buffers.ld)


cdef inline char *delta_at(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """delta(l) from a row on"""
    return at(job, layer.buffers.delta, row * layer.buffers.ld)


cdef inline char *delta_w_at(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """delta(l) as the weight phase uses it, from a row on"""
    return at(job, layer.buffers.delta_w, row * layer.buffers.ld)


cdef inline char *row_room_at(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """What the kind stores for a row, see row_scratch"""
    return at(job, layer.buffers.row_room, row * layer.buffers.row_room_ld)


cdef inline char *dx_at(const Job *job, const Input *input, Py_ssize_t row) noexcept nogil:
    """Where backward writes de/dx of an input, from a row on"""
    return at(job, input.dx, row * input.source.buffers.ld)


cdef inline char *x_of(const Job *job, const Layer *layer, Py_ssize_t pos, Py_ssize_t row) noexcept nogil:
    """x(l) of a row"""
    return at(job, layer.buffers.x, (pos if layer.buffers.in_place else row) * layer.buffers.ld)


cdef inline char *operands_at(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """x(l) as products read it, from a row on, of a layer that is not in place"""
    return operand_at(job, layer.buffers.operands, row * layer.buffers.ld)


cdef inline char *operands_of(const Job *job, const Layer *layer, Py_ssize_t pos, Py_ssize_t row) noexcept nogil:
    """x(l) of a row as products read it"""
    return operands_at(job, layer, pos if layer.buffers.in_place else row)


cdef inline char *theta_of(const Job *job, const Layer *layer, Py_ssize_t row) noexcept nogil:
    """What theta' and theta'' are computed from: s or x."""
    return at(job, layer.buffers.s if layer.theta.needs_s else layer.buffers.x, row * layer.buffers.ld)


cdef inline bint has_forms(const Layer *layer) noexcept nogil:
    return layer.forms.made


cdef inline double weight_of_row(const Job *job, Py_ssize_t pos) noexcept nogil:
    """The sample weight at a position."""
    cdef const char *weight = <const char *>job.rows.loss.weight
    return 1 if weight == NULL else get(job, weight, job.rows.order[pos] if job.rows.order != NULL else pos)


cdef inline void clear_pad(const Job *job, const Layer *layer, char *row) noexcept nogil:
    """Clear a row past its last unit, where theta and theta' will also read."""
    memset(at(job, row, layer.d_out), 0, (pad(layer.d_out, job.k.lanes) - layer.d_out) * job.size)


cdef inline void clear_pads(const Job *job, const Layer *layer, char *rows, Py_ssize_t m) noexcept nogil:
    """The same for m rows."""
    cdef Py_ssize_t i
    if layer.d_out != pad(layer.d_out, job.k.lanes):
        for i in range(m):
            clear_pad(job, layer, at(job, rows, i * layer.buffers.ld))


cdef inline void activate(Job *job, Layer *layer, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """x(l) = theta(s(l))"""
    if layer.theta.act != ACT_identity or layer.buffers.s != layer.buffers.x:
        job.k.act(layer.theta.act, layer.theta.arg, m * layer.buffers.ld,
                  s_at(job, layer, row), x_at(job, layer, row))


cdef inline void clear_columns(const Job *job, char *G, Py_ssize_t m, Py_ssize_t first, Py_ssize_t end,
                               Py_ssize_t ld) noexcept nogil:
    """Clear columns first .. end of m rows: x(l-1) may hold anything past its last unit, but W must have zeros."""
    cdef Py_ssize_t i
    if first < end:
        for i in range(m):
            memset(at(job, G, i * ld + first), 0, (end - first) * job.size)


cdef inline step_t bias_step(const step_t *step) noexcept nogil:
    """The step for biases, which are not penalised."""
    cdef step_t bias = step[0]
    bias.decay = bias.l2 = bias.l1 = 0
    return bias


cdef inline const step_t *step_of(const Factors *factors, const step_t *step, step_t *room) noexcept nogil:
    """The step with factors applied, stored in room unless both are 1."""
    if factors.lr == 1 and factors.decay == 1:
        return step
    room[0] = step[0]
    room.lr, room.lr_g = step.lr * factors.lr, step.lr_g * factors.lr
    room.decay = step.decay * factors.lr * factors.decay
    room.l2, room.l1 = step.l2 * factors.decay, step.l1 * factors.decay
    return room


cdef inline Py_ssize_t span_end(const Job *job, const Layer *layer, Py_ssize_t hi) noexcept nogil:
    """The end of the parameters of a layer's rows up to hi; the bias belongs to the last row."""
    cdef const Weights *W = &layer.weights
    return W.b_at + pad(W.units, job.k.lanes) if hi == W.rows and W.bias else W.w_at + hi * W.ld


cdef inline void step_span(Job *job, const step_t *step, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Step parameters begin .. end from G."""
    job.k.step(step, 1, end - begin, at(job, job.net.P, begin), end - begin, at(job, job.gradient.G, begin),
               end - begin, at(job, job.optimizer.S1, begin), at(job, job.optimizer.S2, begin))


cdef inline void step_elements(Job *job, const step_t *step, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """The same for parameters that need not be whole vectors: the other elements of the first and last vector are saved
    and restored."""
    cdef char *arrays[3]
    cdef char held[6][ALIGN]
    cdef Py_ssize_t lanes = job.k.lanes, first = begin & -lanes, last = pad(end, lanes)
    cdef int i
    arrays[0], arrays[1], arrays[2] = job.net.P, job.optimizer.S1, job.optimizer.S2
    for i in range(3):
        if arrays[i] != NULL:
            memcpy(held[2 * i], at(job, arrays[i], first), (begin - first) * job.size)
            memcpy(held[2 * i + 1], at(job, arrays[i], end), (last - end) * job.size)
    step_span(job, step, first, last)
    for i in range(3):
        if arrays[i] != NULL:
            memcpy(at(job, arrays[i], first), held[2 * i], (begin - first) * job.size)
            memcpy(at(job, arrays[i], end), held[2 * i + 1], (last - end) * job.size)


cdef inline bint add_dx(const Job *job, const Input *input, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """Add de/dx of an input, for m rows, to what other layers contributed; returns whether delta of the source is then
    complete."""
    if input.dx == NULL:
        return False
    if input.adds:
        job.k.add(m * input.source.buffers.ld, dx_at(job, input, row), delta_at(job, input.source, row))
    return input.last


cdef inline void move_features(const Job *job, Py_ssize_t positions, Py_ssize_t n, const char *x, Py_ssize_t step_x,
                               char *out, Py_ssize_t step_out) noexcept nogil:
    """Copy n features at each position; step_x, step_out: elements between positions."""
    cdef Py_ssize_t p
    for p in range(positions):
        memcpy(at(job, out, p * step_out), at(job, x, p * step_x), n * job.size)
