from fastmlp._engine.structs cimport *

cdef LayerKind BATCH_NORM
