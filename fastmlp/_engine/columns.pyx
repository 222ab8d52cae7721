"""Embeddings of categorical input columns; numeric columns pass unchanged. Category k has a table W_k (values, units),
and the input holds for it c_k, the number of a row of the table:

    x(l) = numbers, W_1[c_1], W_2[c_2], ..

This equals a dense layer on one-hot columns, without the products by 0. A value that is not an integer 0 .. values - 1
gives zeros. Derivatives with respect to categories are 0.

W holds the tables one after the other, divided into rows of PIECE elements regardless of the rows of the tables: so
there are no gaps, whatever the widths of the tables, and threads own equal parts.
"""
import numpy as np

from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport step_rows
from fastmlp._engine.tables cimport address

cdef enum:
    PIECE = 64      # elements: whole vectors of any instruction set


cdef int columns_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    """Read the sizes of the tables, (values, units) each, and their own factors (rate, decay), if they have any."""
    cdef Weights *W = &layer.weights
    cdef Tables *tables = &layer.tables
    values, units = np.array(spec.pop("tables"), np.int64).reshape(-1, 2).T.copy()
    tables.numeric, tables.n = spec.pop("numeric"), len(values)
    begin, places = np.cumsum(values * units) - values * units, np.cumsum(units) - units + tables.numeric
    held += [values, units, begin, places]
    tables.values, tables.units = <int64_t *>address(values), <int64_t *>address(units)
    tables.begin, tables.at = <int64_t *>address(begin), <int64_t *>address(places)
    blank.net.numeric = min(blank.net.numeric, layer.d_in - tables.n)
    W.size = (values * units).sum()
    if "factors" in spec:
        factors = np.array(spec.pop("factors"), np.float64)
        held.append(factors)
        tables.factors, W.parts = <Factors *>address(factors), True
    W.rows, W.cols = (W.size + PIECE - 1) // PIECE, PIECE
    # the work that a row of the batch adds to a row of W, on average
    W.cost = 1 + PIECE * (layer.d_out - tables.numeric) // max(W.size, <Py_ssize_t>1)
    W.work = layer.d_out
    return 0


cdef inline Py_ssize_t place_of(const Job *job, const Layer *layer, const char *x, Py_ssize_t k) noexcept nogil:
    """The element of W at which the row of table k begins that x(0) of a row selects, or -1 if there is none."""
    cdef const Tables *tables = &layer.tables
    cdef double value = get(job, x, layer.d_in - tables.n + k)
    cdef Py_ssize_t c
    if not 0 <= value < tables.values[k]:
        return -1
    c = <Py_ssize_t>value
    return tables.begin[k] + c * tables.units[k] if c == value else -1


cdef bint known_rows(const Job *job, const char *x, Py_ssize_t m, Py_ssize_t step) noexcept nogil:
    """Whether all categories of m rows x(0), `step` elements apart, are in their tables."""
    cdef const Layer *layer
    cdef Py_ssize_t i, k
    cdef int l
    for l in range(1, job.net.L + 1):
        layer = &job.net.layers[l]
        for k in range(layer.tables.n):
            for i in range(m):
                if place_of(job, layer, at(job, x, i * step), k) < 0:
                    return False
    return True


cdef inline bint along_weights(const Job *job, const Layer *layer) noexcept nogil:
    """Whether a layer has V in place of W; numeric columns do not pass through it."""
    return layer.weights.W != job.net.layers[layer.number].weights.W


cdef void columns_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """x(l) = numbers, rows of the tables"""
    cdef Layer *before = layer.input.source
    cdef const Tables *tables = &layer.tables
    cdef bint no_numbers = along_weights(job, layer)
    cdef char *s
    cdef const char *x
    cdef Py_ssize_t i, k, place
    for i in range(m):
        x, s = x_of(job, before, pos + i, row + i), s_at(job, layer, row + i)
        put_numbers(job, tables.numeric, NULL if no_numbers else x, s)
        for k in range(tables.n):
            place = place_of(job, layer, x, k)
            put_numbers(job, tables.units[k], NULL if place < 0 else at(job, layer.weights.W, place),
                        at(job, s, tables.at[k]))
        clear_pad(job, layer, s)
    activate(job, layer, row, m)


cdef void columns_tangent(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                          char *scratch) noexcept nogil:
    """x'(l) = the numbers of x'(l-1), and zeros"""
    cdef Layer *before = tangent.input.source
    cdef Py_ssize_t i, n = layer.tables.numeric
    cdef char *x
    for i in range(row, row + m):
        x = x_at(job, tangent, i)
        put_numbers(job, n, x_at(job, before, i), x)
        put_numbers(job, layer.buffers.ld - n, NULL, at(job, x, n))


cdef void columns_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """de/dx(l-1): delta(l) of the numbers, 0 of the categories"""
    cdef Layer *before = layer.input.source
    cdef Py_ssize_t i, n = layer.tables.numeric
    cdef bint no_numbers = along_weights(job, layer)
    cdef char *dx
    for i in range(row, row + m):
        dx = dx_at(job, &layer.input, i)
        put_numbers(job, n, NULL if no_numbers else delta_at(job, layer, i), dx)
        put_numbers(job, before.buffers.ld - n, NULL, at(job, dx, n))


cdef inline void put_numbers(const Job *job, Py_ssize_t n, const char *x, char *out) noexcept nogil:
    """n numbers, or zeros for NULL."""
    if x == NULL:
        memset(out, 0, n * job.size)
    else:
        memcpy(out, x, n * job.size)


cdef void columns_grad(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                       char *G, char *scratch) noexcept nogil:
    """de/dW_k[c] = sum of delta_w(l), in the units of table k, over the rows with c. A tangent layer adds nothing:
    categories do not change along a direction of the input."""
    if not more:
        memset(at(job, G, layer.weights.w_at + lo * PIECE), 0, (hi - lo) * PIECE * job.size)
    if layer == &job.net.layers[layer.number]:
        add_rows(job, layer, lo, hi, row, m, G)


cdef struct Span:
    Py_ssize_t begin, end       # elements of W


cdef inline Span part_of_row(Py_ssize_t place, Py_ssize_t units, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """The part of a table's row that lies in rows lo .. hi of W; empty if none does."""
    cdef Span span
    span.begin, span.end = max(place, lo * PIECE), min(place + units, hi * PIECE)
    if place < 0:
        span.end = span.begin
    return span


cdef void add_rows(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m,
                   char *G) noexcept nogil:
    """G += delta_w(l) of m rows in their order, in rows lo .. hi of W."""
    cdef Layer *before = layer.input.source
    cdef const Tables *tables = &layer.tables
    cdef const char *x
    cdef const char *delta
    cdef Py_ssize_t i, k, place
    cdef Span span
    for i in range(row, row + m):
        x, delta = x_at(job, before, i), delta_w_at(job, layer, i)
        for k in range(tables.n):
            place = place_of(job, layer, x, k)
            span = part_of_row(place, tables.units[k], lo, hi)
            if span.begin < span.end:
                add_numbers(job, span.end - span.begin, at(job, delta, tables.at[k] + span.begin - place),
                            at(job, G, layer.weights.w_at + span.begin))


cdef inline void add_numbers(const Job *job, Py_ssize_t n, const char *x, char *out) noexcept nogil:
    """out += x, n elements; the kernel `add` takes whole vectors only."""
    cdef Py_ssize_t j
    if job.size == 4:
        for j in range(n):
            (<float *>out)[j] += (<float *>x)[j]
    else:
        for j in range(n):
            (<double *>out)[j] += (<double *>x)[j]


cdef const Factors *columns_factors(const Layer *layer, Py_ssize_t element, Py_ssize_t *end) noexcept nogil:
    """The factors of the table that an element of W belongs to."""
    cdef const Tables *tables = &layer.tables
    cdef Py_ssize_t k = 0
    while k + 1 < tables.n and tables.begin[k + 1] <= element:
        k += 1
    end[0] = tables.begin[k] + tables.values[k] * tables.units[k]
    return &tables.factors[k]


cdef inline bint stands_still(const step_t *step) noexcept nogil:
    """Whether a step leaves parameters with a gradient of 0 exactly unchanged."""
    return (step.kind == STEP_sgd or step.kind == STEP_adagrad) and step.decay == 0 and step.l2 == 0 and step.l1 == 0


cdef void columns_grad_step(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, const step_t *step,
                            int thread) noexcept nogil:
    """Step rows lo .. hi of W or, if the result is the same, only the rows of tables that occur in the batch. G is 0
    before and after."""
    cdef bint alone = stands_still(step)
    add_rows(job, layer, lo, hi, 0, m, job.gradient.G)
    MARK(thread, PHASE_weight)
    if not alone:
        step_rows(job, layer, lo, hi, step)
    clear_rows(job, layer, lo, hi, m, step if alone else NULL)
    MARK(thread, PHASE_update)


cdef void clear_rows(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m,
                     const step_t *step) noexcept nogil:
    """Clear G, in whole vectors, where m rows of the batch have added to it in rows lo .. hi of W, after stepping these
    parameters unless step is NULL. A second step of the same element has gradient 0 and changes nothing. In tables with
    their own factors only the elements of the row are stepped."""
    cdef const Layer *before = layer.input.source
    cdef const Tables *tables = &layer.tables
    cdef const Weights *W = &layer.weights
    cdef step_t room
    cdef Py_ssize_t i, k, begin, end, lanes = job.k.lanes
    cdef const char *x
    cdef Span span
    for i in range(m):
        x = x_at(job, before, i)
        for k in range(tables.n):
            span = part_of_row(place_of(job, layer, x, k), tables.units[k], lo, hi)
            if span.begin < span.end:
                begin, end = W.w_at + span.begin, W.w_at + span.end
                if step != NULL and W.parts:
                    step_elements(job, step_of(&tables.factors[k], step, &room), begin, end)
                else:
                    begin, end = begin & -lanes, pad(end, lanes)
                    if step != NULL:
                        step_span(job, step_of(&W.of_W, step, &room), begin, end)
                memset(at(job, job.gradient.G, begin), 0, (end - begin) * job.size)


COLUMNS.name = "columns"
COLUMNS.measure = columns_measure
COLUMNS.forward = columns_forward
COLUMNS.backward = columns_backward
COLUMNS.grad = columns_grad
COLUMNS.grad_step = columns_grad_step
COLUMNS.borrows = True
COLUMNS.factors = columns_factors
COLUMNS.tangent = columns_tangent
