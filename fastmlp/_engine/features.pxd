from fastmlp._engine.structs cimport *

cdef LayerKind SCALE, SHIFT

cdef int features_measure(Job *blank, Layer *layer, dict spec, list held) except -1
cdef const char *gamma_of(const Layer *layer) noexcept nogil
cdef const char *beta_of(const Layer *layer) noexcept nogil
cdef void grad_of_features(Job *job, Layer *layer, const char *x, Py_ssize_t ldx, Py_ssize_t row, Py_ssize_t m,
                           bint more, char *G) noexcept nogil
