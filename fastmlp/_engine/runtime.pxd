from libc.stdint cimport uint64_t, uintptr_t

from fastmlp._engine.structs cimport *

cdef enum:
    SMALL_WORK = 1000000        # largest work, rows times Network.work, of a small prediction


cdef class Team:
    cdef team_t team
    cdef readonly int n
    cdef bint auto              # may use fewer threads, if more are not faster
    cdef bint awake, waking     # whether the workers have just run; whether the present stint only wakes them up


cdef class Data:
    cdef source_t X, Y          # Y: sparse targets
    cdef const void *y
    cdef int form               # TARGETS_*
    cdef const void *weight
    cdef readonly Py_ssize_t n, d
    cdef readonly double weight_sum
    cdef Py_ssize_t ldy
    cdef object owners          # the arrays that the pointers point at
    cdef readonly object dtype, loss, sample_weight
    cdef readonly object stacked    # of differences
    cdef Py_ssize_t most_terms      # of a row of them


cdef class Meeting:
    cdef meeting_t meeting
    cdef object memory


# What the places in an arena depend on: numbers and flags, compared as bytes.
cdef struct Layout:
    Py_ssize_t rows, panel_rows, threads, lowest_delta, sweep, keep_rows, attacked, tangents, projected, mixed, terms


cdef class Call:
    cdef Job job
    cdef Layer *layers          # the network's layers, the tangent's, those of projections, those along V
    cdef object P               # the parameters
    cdef object arena
    cdef Layout layout          # what it was laid out for,
    cdef bint laid_out          # if it can be reused
    cdef object rows, G         # arrays for losses and gradients
    cdef object loss, order     # a Python loss, and the rows it is called for
    cdef object exchanged       # the function called between gradient and step,
    cdef object settled         # and the one called when batch statistics are settled
    cdef object division        # of a step among ranks
    cdef Layer *reader          # the layer that reads differences, or NULL: the call reads x(0)
    cdef object error           # what Python raised in the threads' work

    cdef open(self, const Job *blank, P)
    cdef round_operands(self)
    cdef read_differences(self)
    cdef take_differences(self, Data data)
    cdef bind(self, Data data, order, double weight_scale=*)
    cdef mix(self, partners, share)
    cdef read_in_place(self, Data data)
    cdef sweep_to(self, int last)
    cdef penalize(self, penalty)
    cdef stop_at_weights(self)
    cdef follow_tangents(self, bint projected=*)
    cdef go_along(self, V)
    cdef move_inputs(self, attack)
    cdef step_by(self, step, state)
    cdef advance(self, state)
    cdef drop_at(self, rates)
    cdef lay_out(self, Py_ssize_t rows, Py_ssize_t panel_rows, int threads, bint sweep, bint keep_rows, bint fresh=*)
    cdef room_for_rows(self, Py_ssize_t n)
    cdef room_for_gradient(self, bint full)
    cdef exchange(self, function, settle)
    cdef divide(self, division)
    cdef work_on(self, P)
    cdef Py_ssize_t forms_size(self)
    cdef watch(self)
    cdef run(self, Team team, job_fn work)
    cdef fail(self, error)
    cdef raise_error(self)


cdef class Pace:
    cdef double cost[2]         # seconds a chunk takes on one thread and on all, 0: not known
    cdef double tried           # when that was last measured,
    cdef double retry_after     # seconds before the slower choice is timed again
    cdef bint all_pay           # whether all threads were faster than one
    cdef Py_ssize_t timed_for   # rows of the chunk

    cdef bint one_thread_pays(self, Py_ssize_t chunk)
    cdef Py_ssize_t run_chunks(self, Call call, Team team, Py_ssize_t first, Py_ssize_t last) except -1
    cdef Py_ssize_t run_epochs(self, Call call, Team team, repeats, uint64_t key, Py_ssize_t chunks) except -1
    cdef int plan(self, Job *job, Team team, Py_ssize_t *count)
    cdef learn(self, Team team, bint wide, double each)


cdef class SmallPrediction:
    cdef Call call
    cdef object P
    cdef char *mirrored

    cdef open(self, Call call, bint in_place)
    cdef bint predict(self, int link, const Py_buffer *X, void *out) noexcept


cdef int reader_of_differences(const Job *job) noexcept
cdef object read_layers(Job *blank, d, layers, dtype, list held)
cdef Py_ssize_t lay_out_parameters(Job *blank, Ties *ties, tail)


cdef inline bint is_few_rows(const Py_buffer *X, const Job *job, char format) noexcept:
    """Whether X holds few rows of the network's input, of its dtype and each contiguous."""
    return (X.ndim == 2 and X.shape[1] == job.net.layers[0].d_out and X.format[0] == format and X.format[1] == 0
            and X.strides[1] == job.size and X.strides[0] % job.size == 0 and X.strides[0] >= 0
            and <uintptr_t>X.buf % job.size == 0
            and 1 <= X.shape[0] <= SMALL_WORK and X.shape[0] * job.net.work <= SMALL_WORK)
