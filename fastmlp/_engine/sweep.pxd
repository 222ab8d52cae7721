from fastmlp._engine.structs cimport *

cdef LayerKind DENSE

# rows.pxi
cdef void prepare(const Job *job, Layer *layers) noexcept nogil
cdef void push_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil
cdef loss_t loss_of(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, double scale, char *scratch) noexcept nogil
cdef bint loss_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *value, double scale, bint sweep,
                    char *scratch) noexcept nogil
cdef void backward_rows(Job *job, Layer *layers, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, int last,
                        char *scratch) noexcept nogil
cdef void forward_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil

# settling.pxi
cdef void in_blocks(Job *job, const Segment *segment, segment_fn work, int begin, int end) noexcept nogil
cdef void settle_layer(Job *job, const Segment *segment, settle_fn settle, Layer *layer) noexcept nogil
cdef void settling_back(Job *job, const Segment *segment, int last) noexcept nogil

# dense.pxi
cdef Py_ssize_t columns_for(const kernels_t *k, Py_ssize_t n) noexcept nogil
cdef void dense_mirror(const Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil

# weights.pxi
cdef void step_rows(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, const step_t *step) noexcept nogil
cdef Py_ssize_t most_rows(const Job *job) noexcept nogil

# tiny.pxi
cdef void set_up_tiny(Job *job) noexcept nogil

# jobs.pxi
cdef void train_job(void *arg, int thread) noexcept nogil
cdef void forward_job(void *arg, int thread) noexcept nogil
cdef void pull_job(void *arg, int thread) noexcept nogil
cdef void push_job(void *arg, int thread) noexcept nogil
cdef void attack_job(void *arg, int thread) noexcept nogil
cdef void keep_job(void *arg, int thread) noexcept nogil
cdef void sweep_job(void *arg, int thread) noexcept nogil

cdef list phase_ticks()
