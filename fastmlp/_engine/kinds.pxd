from fastmlp._engine.structs cimport *

cdef const LayerKind *kind_of(name) except NULL
