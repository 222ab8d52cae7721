from fastmlp._engine.structs cimport *

cdef LayerKind STACKED, PASSED
