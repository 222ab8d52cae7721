from fastmlp._engine.structs cimport *

cdef LayerKind GROUPED
