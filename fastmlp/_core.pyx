"""The public side of the engine: a compiled network and the calls on it.

A Core holds a network as Layer structs, and its parameters. A call binds the data (rows of X, targets, weights), lays
out one arena and runs without the GIL:

    row phase     a thread takes blocks of its rows forward through all layers,
                  through the loss, and back with the delta sweep
    weight phase  a thread sums x(l-1) delta(l)^T for its rows of all W(l) over
                  the whole batch in row order, and steps them at once where
                  nothing else needs the gradient

with a barrier after each. Nothing is summed across threads, so results have the same bits for any number of threads.

fastmlp/_engine/ has the parts: structs.pxd the shared structs, sweep.pyx both phases, one module for each other
subject. There is no validation of users' input and no printing here: the Python level does that.
"""
import numpy as np
from numpy import empty, ndarray

cimport cython
from cpython.buffer cimport PyObject_GetBuffer, PyBuffer_Release, PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free

from fastmlp._engine.arena cimport share_weights, split_layers
from fastmlp._engine.inline cimport *
from fastmlp._engine.runtime cimport (Call, Data, Meeting, Pace, SmallPrediction, Team, is_few_rows, lay_out_parameters,
                                      read_layers, reader_of_differences)
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport (attack_job, forward_job, keep_job, most_rows, phase_ticks, pull_job, push_job,
                                    set_up_tiny, sweep_job)
from fastmlp._engine.tables cimport address, kernels_for
from fastmlp._engine.ties cimport fold, spread

from fastmlp._engine.kinds import KINDS
from fastmlp._engine.requests import PLAIN, Penalty, Sums
from fastmlp._engine.runtime import PENALTIES, WHOLE, borrow_team, cores, shuffle
from fastmlp._engine.tables import (ACTIVATIONS, COMPILER, ISA, LINKS, LOSSES, SOURCES, STEPS, aligned, all_finite,
                                    available_isas, choose_isa, copy, function, largest)

__all__ = ["ACTIVATIONS", "COMPILER", "Core", "Data", "ISA", "KINDS", "LINKS", "LOSSES", "MOST_THREADS", "Meeting",
           "PENALTIES", "SOURCES", "STEPS", "Team", "WHOLE", "all_finite", "available_isas", "borrow_team",
           "choose_isa", "copy", "cores", "function", "largest", "phases", "shuffle"]

cdef extern from *:
    """
    /* cython.critical_section for statements that raise nothing; where there is a GIL it costs nothing */
    #ifdef Py_GIL_DISABLED
    typedef PyCriticalSection section_t;
    #define enter(section, object) PyCriticalSection_Begin(section, object)
    #define leave(section) PyCriticalSection_End(section)
    #else
    typedef char section_t;
    #define enter(section, object) ((void)(section))
    #define leave(section) ((void)(section))
    #endif
    """
    ctypedef struct section_t:
        pass
    void enter(section_t *section, object owner)
    void leave(section_t *section)

cdef enum:
    EVALUATE_ROWS = 65536       # rows whose losses are summed together; the bits of a loss depend on it
    CHUNK_BYTES = 6 * 1024 * 1024   # of x and delta of a chunk, about what the caches hold; at least 512 rows
    MOST_SMALL_CALLS = 16       # simultaneous calls of predict_small whose memory is kept
    PYTHON_LOSS_ROWS = 1024     # largest number of rows in a call of a Python loss

MOST_THREADS = MAX_THREADS
globals().update(Data=Data, Meeting=Meeting, Team=Team)      # which a cimport does not make attributes of the module


def phases():
    """Clock ticks of training since the last call, by phase and thread; None unless built with FASTMLP_PROFILE set."""
    return dict(phase_ticks()) or None


@cython.final
cdef class Core:
    """A compiled network.

    d: sizes of x(0) .. x(L). layers: a dict each for layers 1 .. L: "kind", a name in KINDS; "sources", a tuple of the
    one or two layers that it reads; "activation", its number, and "argument"; "bias"; the factors of the learning rate
    and of decay, "lr_scale", "decay", "bias_lr_scale" and "bias_decay"; and what the kind's `measure` reads, which must
    be all that is left: of convolutions and pooling "window", the numbers of window_t in their order; of dropout
    "rate"; of grouped layers "groups"; of batch normalisation "channels", "momentum" and "eps"; of what goes by
    features how many "features" a position has and whether each is "scaled", of normalisations of rows "centred" and
    "eps"; of two layers side by side the "positions" of a map, as of gates and waves; of columns how many are
    "numeric", "tables", (values, units) of each, and if these have "factors" of their own, (rate, decay) of each; of
    mixtures and gates what is "mixed", an activation's number and argument; of an encoding by bins the "edges" of each
    feature, arrays. loss: (number, argument, or the quantiles that each target has an output for). tail: (weights,
    biases): how many tied parameters are stored after the layers' parameters. rounds: whether training and predictions
    round the operands of products to bfloat16. members: how many networks have their outputs side by side, as
    losses.OfMembers has it."""
    cdef Job blank              # what is the same in all calls: the network, the loss
    cdef Ties ties
    cdef object tied            # the arrays that they point at
    cdef list held              # the arrays that Layer.windows, Layer.tables, Layer.bins and the loss point at
    cdef readonly object P, dtype
    cdef readonly object statistics     # running means and variances, layer by layer; not parameters
    cdef readonly Py_ssize_t n_params
    cdef bint rounds            # operands of products are rounded to bfloat16 where nothing asks for exact derivatives
    cdef list calls, rounding_calls, difference_calls   # at hand for the next
    # at hand for predict_small: one is kept apart, faster than a list; the list has the others
    cdef SmallPrediction small
    cdef list small_calls
    cdef char format
    cdef int link
    cdef Pace pace
    cdef public Py_ssize_t block_rows   # rows of a block; 0: chosen by the size of the layers
    cdef public Py_ssize_t chunk_rows   # rows of a chunk; 0: chosen by memory

    def __cinit__(self, d, layers, loss, link, dtype, tail=(0, 0), rounds=False, members=1):
        cdef Network *net = &self.blank.net
        cdef int l
        net.L = len(d) - 1
        net.layers = <Layer *>calloc(net.L + 1, sizeof(Layer))
        if net.layers == NULL:
            raise MemoryError
        self.dtype = np.dtype(dtype)
        self.blank.k = kernels_for(self.dtype)
        self.blank.size = self.blank.k.itemsize
        self.link, self.rounds = link, rounds
        self.calls, self.rounding_calls, self.difference_calls = [], [], []
        self.small_calls, self.held, self.pace = [], [], Pace()
        self.minimise(loss, d[net.L], members)
        self.statistics = read_layers(&self.blank, d, layers, self.dtype, self.held)
        self.n_params = lay_out_parameters(&self.blank, &self.ties, tail)
        self.ties.fold, self.ties.spread = fold, spread
        self.format = ord(self.dtype.char)
        self.P = aligned(self.blank.net.n_elements, self.dtype)
        net.P = <char *>address(self.P)
        for l in range(1, net.L + 1):
            net.layers[l].weights.W = at(&self.blank, net.P, net.layers[l].weights.w_at)
            net.layers[l].weights.b = at(&self.blank, net.P, net.layers[l].weights.b_at)

    cdef minimise(self, given, outputs, members):
        """Have the loss be (its number in the table, its argument or the quantiles of each target), of members."""
        cdef loss_t *loss = &self.blank.rows.loss
        loss.kind, argument = given
        numbers = np.resize(np.array(argument, np.float64), outputs)
        loss.n, loss.arg = outputs, <const double *>address(numbers)
        self.blank.net.levels = len(argument) if isinstance(argument, tuple) else outputs // members
        self.held.append(numbers)

    def __dealloc__(self):
        free(self.blank.net.layers)

    @property
    def takes_differences(self):
        """Whether data may be rows of differences, see stacked.pyx."""
        return not self.rounds and reader_of_differences(&self.blank) > 0

    @property
    def work(self):
        """Multiply-adds of the forward pass of a row, padding included."""
        return self.blank.net.work

    # ---- parameters

    def like_params(self):
        """Zeros laid out as the parameters."""
        return aligned(self.P.shape, self.dtype)

    def weight(self, int l, of=None):
        """W(l) (d(l-1), d(l)), of a convolution (kh kw c_in, c_out), of tables (elements,), as a view into P, or into
        `of`, an array laid out as P; None if the layer has no W."""
        cdef Weights *W = &self.blank.net.layers[l].weights
        if W.rows == 0 or W.lone:
            return None
        base = self.P if of is None else of
        if self.blank.net.layers[l].tables.n:
            return base[W.w_at:W.w_at + W.size]
        kept = base[W.w_at:W.b_at].reshape(W.rows, W.ld)[:, :W.cols]
        return kept.T if W.flipped else kept

    def bias(self, int l, of=None):
        """b(l) (d(l),) as a view, or None."""
        cdef Weights *W = &self.blank.net.layers[l].weights
        base = self.P if of is None else of
        if W.lone:
            return base[W.w_at:W.w_at + W.units]
        return base[W.b_at:W.b_at + W.units] if W.bias else None

    def flat(self, of):
        """All W and b, layer by layer, as one flat array, from an array laid out as P."""
        cdef int l
        cdef Py_ssize_t i, n, size = self.blank.size
        cdef Weights *W
        cdef const char *base = <const char *>address(of)
        out = np.empty(self.n_params, self.dtype)
        cdef char *to = <char *>address(out)
        for l in range(1, self.blank.net.L + 1):
            W = &self.blank.net.layers[l].weights
            if W.flipped:
                self.blank.k.transpose(W.rows, W.cols, base + W.w_at * size, W.ld, to, W.rows)
                to += W.rows * W.cols * size
            else:
                for i in range(W.rows):
                    n = min(W.cols, W.size - i * W.cols)
                    memcpy(to, base + (W.w_at + i * W.ld) * size, n * size)
                    to += n * size
            if W.bias:
                memcpy(to, base + W.b_at * size, W.units * size)
                to += W.units * size
        return out

    def tail(self):
        """(place in P where the tied parameters that count as weights begin, the same for those that count as biases)
        """
        return self.ties.tail, self.ties.tail + self.ties.n_weights

    def tie(self, home, begin, member, scale, frozen, value, whole):
        """Set the ties. home (groups,), begin (groups + 1,), member: int64; home and member are places in P; scale: of
        each member. frozen: places in P that keep their value. whole: tuples (leader, follower, transposed, biases) of
        layers. See Program in _tie_matrix.py."""
        cdef Layer *layers = self.blank.net.layers
        cdef Weights *W
        self.tied = (home, begin, member, scale, frozen, value)
        self.ties.n_groups, self.ties.n_frozen = len(home), len(frozen)
        self.ties.home, self.ties.begin = <int64_t *>address(home), <int64_t *>address(begin)
        self.ties.member, self.ties.scale = <int64_t *>address(member), <double *>address(scale)
        self.ties.frozen, self.ties.value = <int64_t *>address(frozen), <double *>address(value)
        for leader, follower, transposed, biases in whole:
            W = &layers[<int>follower].weights
            W.leader, W.led_bias = leader, biases
            W.transposed = transposed != (W.flipped != layers[<int>leader].weights.flipped)
            self.ties.followers = True
        self.blank.net.ties = &self.ties

    # ---- calls at hand; threads without the GIL take and give them one at a time, by critical sections

    cdef Call new_call(self, bint rounds=False):
        cdef Call call = Call()
        call.open(&self.blank, self.P)
        if rounds and self.rounds:
            call.round_operands()
        return call

    cdef Call take(self, bint rounds=False):
        """A call; rounds: one that rounds operands, in a network that does."""
        cdef list calls = self.rounding_calls if rounds and self.rounds else self.calls
        with cython.critical_section(self):
            if calls:
                return calls.pop()
        return self.new_call(rounds)

    cdef Call take_for(self, Data data, bint rounds=False):
        """A call for some data: the same, or one that reads differences."""
        cdef Call call
        if data.stacked is None:
            return self.take(rounds)
        with cython.critical_section(self):
            if self.difference_calls:
                return self.difference_calls.pop()
        call = self.new_call()
        call.read_differences()
        return call

    cdef give(self, Call call):
        call.rows = call.division = None    # of a batch that may be all rows; shared memory
        cdef list calls = (self.difference_calls if call.reader != NULL else self.rounding_calls if call.job.k.rounds
                           else self.calls)
        with cython.critical_section(self):
            if len(calls) < 2:
                calls.append(call)

    cdef Py_ssize_t block_for(self, Data data):
        """Rows of a block: few if the weights fit in L1, more if each block has to stream them from farther away."""
        cdef Py_ssize_t bytes = self.blank.net.n_elements * self.blank.size
        if data.loss is not None:
            return PYTHON_LOSS_ROWS
        if self.block_rows:
            return self.block_rows
        return 32 if bytes <= 64 * 1024 else 64 if bytes <= 1024 * 1024 else 256

    cdef Py_ssize_t chunk_for(self, Py_ssize_t batch):
        """Rows of a chunk, for a batch size."""
        cdef Py_ssize_t width = 0, chunk
        cdef int l
        if self.chunk_rows:
            return min(batch, self.chunk_rows)
        for l in range(self.blank.net.L + 1):
            width += 2 * self.blank.net.layers[l].d_out * self.blank.size
        chunk = max(512, CHUNK_BYTES // width // 64 * 64)
        return min(batch, chunk, most_rows(&self.blank))

    # ---- training

    @property
    def settles(self):
        """Whether rows depend on each other in training (batch normalisation)."""
        return bool(self.blank.net.settles)

    def parts(self, int ranks):
        """Where the parts of P are that ranks step, of each layer one for each: places begin, end, (ranks, L, 2)."""
        cdef int l, rank, L = self.blank.net.L
        cdef Weights *W
        rows, places = np.empty((ranks, L + 1, 2), np.intp), np.zeros((ranks, L, 2), np.intp)
        split_layers(&self.blank, <Py_ssize_t *>address(rows), ranks)
        for rank in range(ranks):
            for l in range(1, L + 1):
                lo, hi = rows[rank, l]
                if lo < hi:
                    W = &self.blank.net.layers[l].weights
                    places[rank, l - 1] = W.w_at + lo * W.ld, span_end(&self.blank, &self.blank.net.layers[l], hi)
        return places

    @property
    def forms_size(self):
        """The largest number of bytes that the forms of all W take."""
        cdef Call call = self.take(True)
        size = call.forms_size()
        self.give(call)
        return size

    def one_thread_pays(self, Py_ssize_t batch):
        """Whether all threads were slower than one when last tried, a short time ago."""
        return self.pace.one_thread_pays(self.chunk_for(batch))

    cdef cut(self, Call call, Data data, Py_ssize_t batch):
        """Set the sizes of batches, chunks and blocks of a call."""
        cdef Batches *batches = &call.job.batches
        batches.batch, batches.chunk, batches.block = batch, self.chunk_for(batch), self.block_for(data)
        if call.job.k.rounds:
            batches.chunk = min(batch, pad(batches.chunk, call.job.k.row_multiple))
        batches.chunks = (batch + batches.chunk - 1) // batches.chunk

    def train(self, Data data, Team team, batches, step, state, objective, exchange=None, settle=None,
              division=None):
        """Train on some batches, described by Batches, Step, State and Objective of requests.py. exchange, settle: see
        Call.exchange. division: a Division of the step, or None; with one there must be no ties and no clip_norm, and
        the result is in its parameters. Returns Sums. Training ends before the step of a batch whose loss is not
        finite. The state is updated."""
        cdef Call call = self.take_to_train(data, team, batches, step, state, objective, exchange, settle, division)
        cdef Job *job = &call.job
        cdef Py_ssize_t done, wanted, first = batches.first, last = batches.last
        cdef double smoothing = objective.smoothing
        if smoothing:
            job.rows.loss.arg = &smoothing
        try:
            wanted = chunks_of(job, last)
            if division is not None and division.begin is not None:
                division.begin()
            done = self.pace.run_chunks(call, team, first * job.batches.chunks, wanted)
        finally:
            call.advance(state)
            if division is not None:
                call.work_on(self.P)
        if smoothing:
            job.rows.loss.arg = self.blank.rows.loss.arg
        self.give(call)
        return Sums(job.results.loss_sum, last if done == wanted else done // job.batches.chunks,
                    job.results.weight_penalty, job.results.sensitivity_penalty)

    def train_epochs(self, Data data, Team team, batches, step, state, repeats):
        """Train on all batches, of which the order changes, in each of some epochs: Repeats. Returns how many went
        well; where one did not, what it leaves is of no use. The state advances."""
        cdef Call call = self.take_to_train(data, team, batches, step, state, PLAIN, None, None, None)
        try:
            done = self.pace.run_epochs(call, team, repeats, batches.key, chunks_of(&call.job, batches.last))
        finally:
            call.advance(state)
        self.give(call)
        return done

    cdef Call take_to_train(self, Data data, Team team, batches, step, state, objective, exchange, settle, division):
        """A call that is ready for what train is asked for, but for its smoothing."""
        cdef Call call = self.take_for(data, self.rounds and not objective.penalty.kind and objective.attack is None)
        cdef Job *job = &call.job
        cdef Optimizer *optimizer = &job.optimizer
        cdef Py_ssize_t size
        cdef double weight_scale, row_l2, row_l1, noise
        order, size, _, _, weight_scale, key, rates, mixed = <tuple>batches
        row_l2, row_l1, noise, penalty, attack, _, _ = <tuple>objective
        call.bind(data, order, weight_scale)
        self.cut(call, data, size)
        if job.net.settles:     # each layer sees the whole batch at once
            job.batches.chunk, job.batches.chunks = job.batches.batch, 1
        call.penalize(penalty)
        if attack is not None:
            call.move_inputs(attack)
        elif not penalty.kind:
            call.stop_at_weights()
        call.exchange(exchange, settle)
        if division is not None:
            call.divide(division)
        job.batches.training, job.batches.key, job.batches.noise = True, mix(<uint64_t>key), noise
        job.batches.altered = noise > 0 or mixed is not None
        if mixed is not None:
            call.mix(mixed[0], mixed[1])
        call.drop_at(rates)
        call.step_by(step, state)
        optimizer.row_l2, optimizer.row_l1 = row_l2, row_l1
        call.lay_out(job.batches.chunk, job.batches.chunk, team.n, True, False)
        call.room_for_rows(job.batches.batch)
        call.room_for_gradient(optimizer.clip > 0 or job.net.ties != NULL or job.batches.chunks > 1
                               or job.sensitivity.penalty != 0 or job.net.two_groups
                               or exchange is not None and (division is None or not division.gives)
                               or job.batches.chunk > most_rows(job))
        set_up_tiny(job)
        return call

    def gradient(self, Data data, Team team, penalty=Penalty(), key=0, V=None):
        """(sum of the weighted losses and of penalties, gradient of their weighted mean, laid out as P). With V, laid
        out as P too, the second is the Hessian times V. key: random key of the projections of a penalty."""
        cdef Call call = self.take()
        cdef Job *job = &call.job
        call.bind(data, None)
        self.cut(call, data, data.n)
        call.penalize(penalty)
        job.batches.key = mix(<uint64_t>key)
        if V is not None:
            call.go_along(V)
        call.lay_out(job.batches.chunk, job.batches.chunk, team.n, True, False)
        call.room_for_rows(data.n)
        call.room_for_gradient(True)
        self.pace.run_chunks(call, team, 0, job.batches.chunks)
        loss = float("nan") if job.results.bad else job.results.loss_sum
        total = loss + job.results.sensitivity_penalty
        G, call.G = call.G, None
        self.give(call)
        return total, G[0]

    # ---- predictions, losses and derivatives of each row

    cdef forward(self, Call call, Data data, Team team, values, out):
        """Compute predictions into out, and losses, EVALUATE_ROWS at a time, into values; either may be None. Returns
        the sum of the losses."""
        cdef Job *job = &call.job
        cdef Batches *batches = &job.batches
        cdef Py_ssize_t pos = 0, summed
        cdef double total = 0
        cdef char *losses = <char *>address(values) if values is not None else NULL
        batches.block = self.block_for(data)
        call.sweep_to(job.net.L + 1)
        call.read_in_place(data)
        call.lay_out(batches.block * team.n, 0, team.n, False, False)
        job.results.out = <char *>address(out) if out is not None else NULL
        job.results.values = losses
        summed = EVALUATE_ROWS if losses != NULL else job.rows.n
        while pos < job.rows.n:
            batches.first_row, batches.end_row = pos, min(pos + summed, job.rows.n)
            call.run(team, forward_job)
            if losses != NULL:
                total += job.k.sum(batches.end_row - pos, losses)
            pos = batches.end_row
        return total

    cdef room_for_losses(self, Call call):
        return np.empty(min(call.job.rows.n, EVALUATE_ROWS), self.dtype)

    cdef room_for_outputs(self, Call call):
        return np.empty((call.job.rows.n, self.blank.net.layers[self.blank.net.L].d_out), self.dtype)

    def evaluate(self, Data data, Team team, rows=None):
        """Sum of the weighted losses, of some rows or of all."""
        cdef Call call = self.take_for(data, True)
        call.bind(data, rows)
        total = self.forward(call, data, team, self.room_for_losses(call), None)
        self.give(call)
        return total

    def predict(self, Data data, Team team, rows=None, linked=True):
        """The link of x(L), or x(L) itself, (n, d(L)), of some rows or of all."""
        cdef Call call = self.take_for(data, True)
        call.bind(data, rows)
        call.job.results.link = self.link if linked else LINKS["identity"]
        out = self.room_for_outputs(call)
        self.forward(call, data, team, None, out)
        self.give(call)
        return out

    def evaluate_and_predict(self, Data data, Team team, rows=None):
        """(sum of the weighted losses, predictions) of some rows or of all, by one forward pass."""
        cdef Call call = self.take_for(data, True)
        call.bind(data, rows)
        call.job.results.link = self.link
        out = self.room_for_outputs(call)
        total = self.forward(call, data, team, self.room_for_losses(call), out)
        self.give(call)
        return total, out

    cdef SmallPrediction take_small(self):
        cdef section_t section
        enter(&section, self)
        small = self.small
        self.small = None
        leave(&section)
        return small if small is not None else self.take_another_small()

    cdef SmallPrediction take_another_small(self):
        cdef SmallPrediction small
        with cython.critical_section(self):
            if self.small_calls:
                return self.small_calls.pop()
        small = SmallPrediction()
        small.open(self.new_call(True), not self.rounds)
        return small

    cdef give_small(self, SmallPrediction small):
        cdef section_t section
        enter(&section, self)
        cdef bint kept = self.small is None
        if kept:
            self.small = small
        leave(&section)
        if not kept:
            self.give_another_small(small)

    cdef give_another_small(self, SmallPrediction small):
        with cython.critical_section(self):
            if len(self.small_calls) < MOST_SMALL_CALLS:
                self.small_calls.append(small)

    def predict_small(self, X):
        """A faster predict for a few finite rows of the network's dtype, on the caller's thread; None if X is anything
        else. Several threads may call it at the same time."""
        cdef Py_buffer b, o
        cdef SmallPrediction small
        cdef bint good
        if type(X) is not ndarray:
            return None
        try:
            PyObject_GetBuffer(X, &b, PyBUF_STRIDES | PyBUF_FORMAT)
        except ValueError:  # arrays of dates have no buffer
            return None
        try:
            if not is_few_rows(&b, &self.blank, self.format):
                return None
            small = self.take_small()
            out = empty((b.shape[0], self.blank.net.layers[self.blank.net.L].d_out), self.dtype)
            PyObject_GetBuffer(out, &o, PyBUF_WRITABLE)
            good = small.predict(self.link, &b, o.buf)
            PyBuffer_Release(&o)
            self.give_small(small)
            return out if good else None
        finally:
            PyBuffer_Release(&b)

    cdef rowwise(self, Call call, Data data, Team team, job_fn work, Py_ssize_t width):
        """Run a job that has a result for each row: (results (n, width), losses (n,), if the job computes them)."""
        cdef Job *job = &call.job
        cdef Batches *batches = &job.batches
        batches.block = self.block_for(data)
        call.lay_out(batches.block * team.n, 0, team.n, True, False)
        out = np.empty((data.n, width), self.dtype)
        values = np.empty(data.n, self.dtype)
        job.results.out, job.results.values = <char *>address(out), <char *>address(values)
        batches.first_row, batches.end_row = 0, job.rows.n
        call.run(team, work)
        self.give(call)
        return out, values

    def pull(self, Data data, Team team, seed=None):
        """(de/dx(0) of each row (n, d(0)), losses (n,)). e is the row's loss or, with a seed, any function with
        de/dx(L) = seed, C-contiguous (n, d(L))."""
        cdef Call call = self.take()
        call.bind(data, None)
        call.sweep_to(0)
        call.job.results.seed = <char *>address(seed) if seed is not None else NULL
        return self.rowwise(call, data, team, pull_job, self.blank.net.layers[0].d_out)

    def push(self, Data data, Team team, seed):
        """x'(L) of each row (n, d(L)) for the seed x'(0), C-contiguous (n, d(0))."""
        cdef Call call = self.take()
        call.bind(data, None)
        call.sweep_to(self.blank.net.L + 1)
        call.follow_tangents()
        call.job.results.seed = <char *>address(seed)
        return self.rowwise(call, data, team, push_job, self.blank.net.layers[self.blank.net.L].d_out)[0]

    def attack(self, Data data, Team team, attack, key):
        """X (n, d(0)) after an attack, AttackNumbers, which increases the losses. key: of a random start."""
        cdef Call call = self.take()
        call.bind(data, None)
        call.sweep_to(1)
        call.move_inputs(attack)
        call.job.batches.key = mix(<uint64_t>key)
        return self.rowwise(call, data, team, attack_job, self.blank.net.layers[0].d_out)[0]

    def sweep(self, Data data, bint backward, Team team):
        """Everything about n rows, as a dict: lists s, x and, if backward, delta, with dX in delta[0]; values, the
        losses of the rows; G, the gradient of their weighted mean, laid out as P."""
        cdef Call call = self.new_call(not backward)
        cdef Job *job = &call.job
        cdef int l, L = job.net.L
        call.bind(data, None)
        self.cut(call, data, data.n)
        job.batches.chunks, job.batches.first_row, job.batches.end_row = 1, 0, data.n
        job.rows.delta_weight, job.rows.loss.weight = <char *>data.weight, NULL
        call.sweep_to(0 if backward else L + 1)
        call.lay_out(data.n, 0, team.n, backward, True, True)
        values = np.empty(data.n, self.dtype)
        job.results.values = <char *>address(values)
        call.room_for_gradient(True)
        if backward:
            share_weights(job, team.n)
        call.run(team, sweep_job if backward else keep_job)
        base = address(call.arena)
        layers = range(L + 1)
        view = lambda p, l: self.rows_view(call, p - base, l, data.n)
        return {"x": [view(<uintptr_t>job.net.layers[l].buffers.x, l) for l in layers],
                "s": [None] + [view(<uintptr_t>job.net.layers[l].buffers.s, l) for l in layers[1:]],
                "delta": [view(<uintptr_t>job.net.layers[l].buffers.delta, l) for l in layers] if backward else None,
                "values": values, "G": call.G[0]}

    cdef rows_view(self, Call call, Py_ssize_t offset, int l, Py_ssize_t n):
        cdef Py_ssize_t ld = call.job.net.layers[l].buffers.ld
        flat = call.arena[offset:offset + n * ld * self.blank.size].view(self.dtype)
        return flat.reshape(n, ld)[:, :call.job.net.layers[l].d_out]


cdef Py_ssize_t chunks_of(Job *job, Py_ssize_t n):
    """The number of chunks in n batches; the last batch of an epoch may have fewer than the others."""
    cdef Batches *batches = &job.batches
    cdef Py_ssize_t begin = (n - 1) * batches.batch
    if begin + batches.batch <= job.rows.n:
        return n * batches.chunks
    return (n - 1) * batches.chunks + (job.rows.n - begin + batches.chunk - 1) // batches.chunk
