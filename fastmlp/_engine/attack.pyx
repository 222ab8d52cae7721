"""Adversarial attacks: move inputs along the gradient to increase their losses, projecting each step back to within
eps."""
from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport backward_rows, loss_rows, push_rows


cdef void attack_rows(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *value,
                      char *scratch) noexcept nogil:
    """Move x(0) of m rows so that their losses increase."""
    cdef Layer *input = &job.net.layers[0]
    cdef char *x = x_at(job, input, row)
    cdef char *x0 = at(job, job.shares.x0, row * input.buffers.ld)
    cdef char *d = delta_at(job, input, row)
    cdef int _
    memcpy(x0, x, m * input.buffers.ld * job.size)
    if job.sensitivity.attack_random:
        start_anywhere(job, pos, m, x0, d, x)
    for _ in range(job.sensitivity.attack_steps):
        if stopped(job, scratch):
            return
        push_rows(job, pos, row, m, scratch)
        loss_rows(job, pos, row, m, value, 1, True, scratch)
        backward_rows(job, job.net.layers, pos, row, m, 0, scratch)
        job.k.attack(&job.sensitivity.attack, m, job.net.numeric, x0, d, x, input.buffers.ld)


cdef void start_anywhere(Job *job, Py_ssize_t pos, Py_ssize_t m, const char *x0, char *d, char *x) noexcept nogil:
    """x = a random point on the sphere of radius eps around x0, or in the cube; d is used as scratch."""
    cdef Layer *input = &job.net.layers[0]
    cdef attack_t far = job.sensitivity.attack
    cdef uint64_t key = mix(job.batches.key)
    if far.norm == 2:
        far.step = far.eps
        memset(d, 0, m * input.buffers.ld * job.size)
        job.k.noise(m, job.net.numeric, d, input.buffers.ld, 1, key, job.rows.order, pos)
        job.k.attack(&far, m, job.net.numeric, x0, d, x, input.buffers.ld)
    else:
        far.step = 0
        job.k.jitter(m, job.net.numeric, x, input.buffers.ld, far.eps, key, job.rows.order, pos)
        job.k.attack(&far, m, job.net.numeric, x0, x, x, input.buffers.ld)
