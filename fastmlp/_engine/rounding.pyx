"""Layer kinds whose products take operands rounded to bfloat16, with sums in float32 (kernels/bfloat16.inc).

Each kind with products has a second version here. Its forward first rounds x(l-1) into a separate buffer; its backward
rounds delta(l) in place, which only the products and the sum for b's gradient read afterwards. W is rounded with its
other forms, once per step. A call that rounds (Call.round_operands) uses these versions instead of the exact kinds;
nothing else in the engine needs to know which are in use.
"""
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *

cdef enum:
    N_KINDS = 8

cdef LayerKind doubles[N_KINDS]
cdef int n_doubles = 0


cdef add_rounding(LayerKind *kind):
    """Make the rounding version of a kind."""
    global n_doubles
    cdef LayerKind *double = &doubles[n_doubles]
    assert n_doubles < N_KINDS
    n_doubles += 1
    double[0] = kind[0]
    double.exact, double.forward, double.backward = kind, rounding_forward, rounding_backward
    kind.rounding = double


cdef void rounding_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    cdef Layer *before = layer.input.source
    job.k.round_operands(m, pad(before.d_out, job.k.lanes), x_of(job, before, pos, row), before.buffers.ld,
                         operands_of(job, before, pos, row), before.buffers.ld)
    layer.kind.exact.forward(job, layer, pos, row, m, scratch)


cdef void rounding_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    cdef char *delta = delta_at(job, layer, row)
    job.k.round_operands(m, pad(layer.d_out, job.k.lanes), delta, layer.buffers.ld, delta, layer.buffers.ld)
    if layer.input.dx != NULL:
        layer.kind.exact.backward(job, layer, pos, row, m, scratch)
