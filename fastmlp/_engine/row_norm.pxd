from fastmlp._engine.structs cimport *

cdef LayerKind LAYER_NORM, RMS_NORM
