from fastmlp._engine.structs cimport *

cdef LayerKind CONV, MAX_POOL, AVG_POOL

cdef void find_windows(Layer *layer, int32_t *stops, int32_t *window) noexcept
