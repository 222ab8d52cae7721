from fastmlp._engine.structs cimport *

cdef LayerKind COLUMNS

cdef bint known_rows(const Job *job, const char *x, Py_ssize_t m, Py_ssize_t step) noexcept nogil
