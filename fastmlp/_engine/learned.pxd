from fastmlp._engine.structs cimport *

cdef LayerKind MIXTURE, PRELU, GLU
