from fastmlp._engine.structs cimport *

cdef Py_ssize_t place(Job *job, char *base, Py_ssize_t rows, Py_ssize_t panel_rows, int threads, bint sweep,
                      bint keep_rows) noexcept
cdef Py_ssize_t room_for_forms(Job *job) noexcept
cdef void copy_layers(Layer *to, const Layer *layers, int L) noexcept
cdef void make_linear(Layer *layer) noexcept
cdef void share_weights(Job *job, int threads) noexcept
cdef void split_layers(const Job *job, Py_ssize_t *parts, int n) noexcept
