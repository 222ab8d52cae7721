from fastmlp._engine.structs cimport *

cdef void attack_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *value, char *scratch) noexcept nogil
