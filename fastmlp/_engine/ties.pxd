from fastmlp._engine.structs cimport *

cdef void fold(Job *job, int thread) noexcept nogil
cdef void spread(Job *job, int thread) noexcept nogil
