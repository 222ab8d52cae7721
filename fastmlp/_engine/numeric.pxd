from fastmlp._engine.structs cimport *

cdef LayerKind WAVES, BINS
