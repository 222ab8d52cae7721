from fastmlp._engine.structs cimport *

cdef enum:
    PENALTY_GRADIENT = 1    # lam/2 |de/dx(0)|^2
    PENALTY_JACOBIAN = 2    # lam/2 |dx(L)/dx(0)|^2, by one random projection a row (Hoffman, Roberts and Yaida 2019)

cdef void push_tangent(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil
cdef bint tangent_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *penalties, double scale,
                       char *scratch) noexcept nogil
cdef void settling_tangents(Job *job, const Segment *segment) noexcept nogil
