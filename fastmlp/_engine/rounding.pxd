from fastmlp._engine.structs cimport *

cdef add_rounding(LayerKind *kind)
