from libc.stdint cimport uintptr_t

from fastmlp._engine.structs cimport *

cdef const kernels_t *kernels_for(dtype, isa=*, bint rounds=*) except NULL
cdef Theta theta_for(int act, double arg)
cdef on_line(raw)
cdef uintptr_t address(a) except? 0
cdef source_t source_of(X)
