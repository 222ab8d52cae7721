from fastmlp._engine.structs cimport *

cdef LayerKind CONV, MAX_POOL, AVG_POOL
