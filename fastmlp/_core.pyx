"""The Cython storey: a compiled network, and the loops over its layers.

A Core holds a network as Layer structs and its parameters. A call binds the data
(rows of X, targets, weights), lays one arena out and runs without the GIL:

    row phase     a thread takes blocks of its rows forward through all layers,
                  through the loss, and back with the delta sweep
    weight phase  a thread sums x(l-1) delta(l)^T for its rows of all W(l) over
                  the whole batch in row order, and steps them at once where
                  nothing else needs the gradient

with a barrier after each. No thread adds to what another has summed, so results
have the same bits for any number of threads.

No validation of users' input and no printing here: _check.py and model.py do that.
"""
from cpython.buffer cimport PyObject_GetBuffer, PyBuffer_Release, PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE
from cpython.exc cimport PyErr_CheckSignals
from libc.float cimport DBL_MIN
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

import _thread
import math
import os

import numpy as np
from numpy import empty, ndarray

from fastmlp._c cimport *

cdef enum:
    ALIGN = 64
    EVALUATE_ROWS = 65536       # rows whose losses are summed together: part of the promise of bits
    CHUNK_BYTES = 6 * 1024 * 1024   # of activations and their derivatives, about what the caches hold, but 512 rows at least
    PANEL_BYTES = 24 * 1024     # weights of so many bytes are kept in panels too while training
    SMALL_ROWS = 64             # what predict_small takes
    SMALL_WORK = 1000000        # rows times parameters
    SHORT_ROW = 256             # bytes of a row that the processor does not see coming
    FAR_BYTES = 8 * 1024 * 1024 # of rows, about what the caches hold
    PERMUTED = 4096             # numbers that are permuted at once
    MOST_IDLE = 2               # teams kept for the next call, for a tenth of a second or so
    SIGNAL_WORK = 1000000000    # floating point operations of a forward pass between two looks for signals
    PYTHON_LOSS_ROWS = 1024     # rows a Python loss sees at most
    # Where threads would read more of each other's rows than of a gradient, batches are summed in two groups and stepped as
    # one vector: networks of at most so many bytes, or so many parameters for each unit, of which convolutions have few, and
    # batches of at least so many rows. Part of the promise of bits.
    GROUP_BYTES = 64 * 1024
    GROUP_UNITS = 16
    GROUP_MIN_ROWS = 64

cdef double RUN_SECONDS = 2e-3      # a segment of an epoch
cdef double TRY_SECONDS = 3e-4      # one that measures
cdef double BEGIN_SECONDS = 5e-5    # one on the caller alone, while the other threads begin or wake up
cdef double RETRY_SECONDS = 0.01    # between two measurements of the slower number of threads, once the other has become it:
cdef double PATIENCE_SECONDS = 1.0  # a thread that has just started is slow. Twice as long each time it is so again, up to this.
cdef double SIGNAL_SECONDS = 0.05   # between two looks for signals

include "_layers.pxi"
include "_ties.pxi"
include "_jobs.pxi"
include "_tangent.pxi"
include "_tables.pxi"
include "_call.pxi"
include "_layout.pxi"
include "_pace.pxi"


cdef class Core:
    """A compiled network. sizes: d(0) .. d(L). layers: a tuple each: number of the kind, number of the activation, its
    argument (or the rate of dropout), whether there is a bias, and of convolutions and pooling the numbers of window_t in their
    order, else (). tail: numbers of tied parameters with a place of their own, that count as weights and as biases."""
    cdef const kernels_t *k
    cdef int L
    cdef Layer *layers
    cdef char *p
    cdef readonly object P, dtype
    cdef readonly Py_ssize_t rows       # of all W as kept, and biases
    cdef readonly Py_ssize_t n_params
    cdef bint grouped                   # batches of enough rows are summed in two groups
    cdef bint narrow                    # no row of the parameters has more than k.narrow, and there is no tail of tied ones
    cdef list calls
    cdef double cost[2]         # seconds a unit takes on one thread and on all, 0: not known
    cdef double tried           # when that was last measured,
    cdef double patience        # for how long the slower number is left alone,
    cdef bint all_pay           # and whether that is one
    cdef Py_ssize_t timed_for   # rows of the unit
    cdef Call small             # for predict_small,
    cdef object mirrored_P      # and the weights that its mirrors are of
    cdef char *mirrored
    cdef char format
    cdef Py_ssize_t size        # elements of P
    cdef readonly Py_ssize_t work       # multiply-adds of a row forward, pads included
    cdef bint stepwise          # every layer with weights has a grad_step
    cdef Py_ssize_t conv_room   # elements of scratch for convolutions
    cdef list tables            # what at_position and at_weight point at
    cdef ties_t ties
    cdef object tied            # what it points at, or None
    cdef int loss_kind, link
    cdef double loss_arg
    cdef public Py_ssize_t block_rows   # rows a thread takes at a time, 0: as many as suit the layers
    cdef public Py_ssize_t chunk_rows   # rows of a batch whose activations are held at once, 0: by memory

    def __cinit__(self, sizes, layers, loss, link, dtype, tail=(0, 0)):
        cdef int l
        cdef Py_ssize_t offset = 0
        cdef Layer *y
        self.L = len(sizes) - 1
        self.layers = <Layer *>calloc(self.L + 1, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError
        self.dtype = np.dtype(dtype)
        self.k = kernels_for(self.dtype)
        self.loss_kind, self.loss_arg = loss
        self.link = link
        self.calls, self.tables = [], []
        self.layers[0].d_out = sizes[0]
        self.stepwise = self.narrow = True
        for l in range(1, self.L + 1):
            y = &self.layers[l]
            y.kind, y.act, y.arg, y.bias, window = layers[l - 1]
            y.needs_s = fastmlp_activations[y.act].needs_s
            y.d_in, y.d_out = sizes[l - 1], sizes[l]
            y.w = y.b = offset
            y.positions, y.units = 1, y.d_out
            if window:
                (y.window.h, y.window.w, y.window.c, y.window.kh, y.window.kw, y.window.sh, y.window.sw, y.window.ph, y.window.pw,
                 y.window.dh, y.window.dw, y.window.oh, y.window.ow) = window
            if KINDS[y.kind].grad == NULL:
                self.work += y.d_in
                continue
            if y.kind == KIND_CONV:
                y.positions = y.window.oh * y.window.ow
                y.units = y.d_out // y.positions
                y.rows, y.cols = y.window.kh * y.window.kw * y.window.c, y.units
                y.step = conv_step(y, self.k.lanes)
                find_windows(y, self.tables)
            else:
                y.flipped = flips(y.d_in, y.d_out, ALIGN // self.k.itemsize)
                y.rows, y.cols = (y.d_out, y.d_in) if y.flipped else (y.d_in, y.d_out)
                y.dots = y.flipped and y.d_out == 1 and l > 1   # x(0) may be the user's, without room
                y.s_columns, y.dx_columns = dense_columns(self.k, y.d_out), dense_columns(self.k, y.d_in)
            y.ldw = pad(y.cols, self.k.lanes)
            y.columns = columns_for(self.k, y.units) if y.kind == KIND_CONV else dense_columns(self.k, y.cols)
            y.b += y.rows * y.ldw
            offset = y.b + (pad(y.units, self.k.lanes) if y.bias else 0)
            self.rows += y.rows + y.bias
            self.n_params += y.rows * y.cols + y.bias * y.units
            self.work += y.rows * y.ldw * y.positions
            self.narrow = self.narrow and max(y.cols, y.units) <= self.k.narrow
            self.stepwise = self.stepwise and KINDS[y.kind].grad_step != NULL
            self.conv_room = max(self.conv_room, 0 if y.kind != KIND_CONV else conv_room(y, self.k.lanes) + self.k.lanes)
        self.ties.tail, self.ties.n_weights = offset, pad(tail[0], self.k.lanes)
        self.ties.n_tail = self.ties.n_weights + pad(tail[1], self.k.lanes)
        self.size = offset + self.ties.n_tail
        self.grouped = self.n_params * self.k.itemsize <= GROUP_BYTES or self.n_params <= GROUP_UNITS * sum(sizes)
        self.narrow = self.narrow and self.ties.n_tail == 0
        self.format = ord(self.dtype.char)
        self.P = aligned(self.size, self.dtype)
        self.p = <char *>address(self.P)

    def __dealloc__(self):
        free(self.layers)

    def like_params(self):
        """Zeros laid out as the parameters."""
        return aligned(self.P.shape, self.dtype)

    def weight(self, int l, of=None):
        """W(l) (d(l-1), d(l)), of a convolution (kh kw c_in, c_out), as a view into P, or into what is laid out as P; None where
        the layer has none."""
        cdef Layer *y = &self.layers[l]
        if y.rows == 0:
            return None
        base = self.P if of is None else of
        kept = base[y.w:y.b].reshape(y.rows, y.ldw)[:, :y.cols]
        return kept.T if y.flipped else kept

    def flat(self, of):
        """All W and b, layer by layer, as one array, of what is laid out as P."""
        cdef int l
        cdef Py_ssize_t i
        cdef Layer *y
        cdef Py_ssize_t size = self.k.itemsize
        cdef const char *base = <const char *>address(of)
        out = np.empty(self.n_params, self.dtype)
        cdef char *to = <char *>address(out)
        for l in range(1, self.L + 1):
            y = &self.layers[l]
            if y.flipped:
                self.k.transpose(y.rows, y.cols, base + y.w * size, y.ldw, to, y.rows)
                to += y.rows * y.cols * size
            else:
                for i in range(y.rows):
                    memcpy(to, base + (y.w + i * y.ldw) * size, y.cols * size)
                    to += y.cols * size
            if y.bias:
                memcpy(to, base + y.b * size, y.units * size)
                to += y.units * size
        return out

    def bias(self, int l, of=None):
        """b(l) (d(l),) as a view, or None."""
        cdef Layer *y = &self.layers[l]
        base = self.P if of is None else of
        return base[y.b:y.b + y.units] if y.bias else None

    def tail(self):
        """(places in P of the tied parameters that count as weights, of those that count as biases)"""
        return self.ties.tail, self.ties.tail + self.ties.n_weights

    def tie(self, home, begin, member, scale, frozen, value, whole):
        """home (groups,), begin (groups + 1,), member: int64 places in P; scale of each member. frozen: places that stand still
        at their value. whole: tuples (leader, follower, transposed, biases) of layers."""
        cdef int64_t[::1] h = home, g = begin, e = member, f = frozen
        cdef double[::1] s = scale, v = value
        cdef Layer *y
        self.tied = (home, begin, member, scale, frozen, value)
        self.ties.n_groups, self.ties.n_frozen = len(home), len(frozen)
        self.ties.begin = &g[0]
        if len(home):
            self.ties.home, self.ties.member, self.ties.scale = &h[0], &e[0], &s[0]
        if len(frozen):
            self.ties.frozen, self.ties.value = &f[0], &v[0]
        for leader, follower, transposed, biases in whole:
            y = &self.layers[<int>follower]
            y.leader, y.led_bias = leader, biases
            y.turned = transposed != (y.flipped != self.layers[<int>leader].flipped)
            self.ties.followers = True

    # ---- calls at hand

    cdef Call take(self):
        return self.calls.pop() if self.calls else Call(self)

    cdef give(self, Call c):
        if len(self.calls) < 2:
            self.calls.append(c)

    # ---- training

    def one_thread_pays(self, Py_ssize_t batch):
        """Whether all threads were slower than one when they were last tried, not long ago."""
        return (self.timed_for == chunk_for(self, batch) and 0 < self.cost[0] <= self.cost[1]
                and now_seconds() - self.tried < self.patience)

    def train(self, Data data, order, double weight_scale, Py_ssize_t batch, Py_ssize_t first, Py_ssize_t last, step, S1, S2, powers,
              double clip, key, Team team, row_penalties=(0.0, 0.0), double noise=0.0, penalty=(0, 0.0), attack=None):
        """Batches first .. last of the rows in order. weight_scale: rows of the whole fit over the sum of their weights.

        step: numbers of step_t in its order. S1, S2: the optimiser's state, laid out as P, or None.
        powers: float64 (2,), the running powers of beta1 and beta2, advanced. key: what dropout drops and
        noise is. noise: the standard deviation of what is added to x(0).
        row_penalties: (l2, l1) of l2/2 ||W||^2 + l1 ||W||_1 on the *sum* of a batch's losses. penalty, attack: see
        bind_sensitivity. Returns (sum of the losses, batches done, sum of the row penalties over the batches, sum of the weighted
        penalties of the rows' sensitivity); fewer are done where a loss was not finite, and then no step is taken on it."""
        cdef Call c = self.take()
        cdef Run *r = &c.r
        cdef Py_ssize_t done
        cdef double[::1] p = powers
        bind(self, c, data, order, weight_scale)
        r.batch, r.chunk, r.block = batch, chunk_for(self, batch), block_for(self, data)
        r.chunks = (batch + r.chunk - 1) // r.chunk
        bind_sensitivity(c, penalty, attack)
        r.stepping, r.clip = True, clip
        r.training, r.key, r.noise = True, mix(<uint64_t>key), noise
        r.full = (clip > 0 or self.tied is not None or r.chunks > 1 or not self.stepwise or r.penalty
                  or self.grouped)
        r.step.kind, r.step.lr, r.step.beta1, r.step.beta2, r.step.eps, r.step.decay, r.step.l2, r.step.l1 = step
        r.step.gscale, r.step.narrow = 1, self.narrow
        r.row_l2, r.row_l1 = row_penalties
        r.beta1_power, r.beta2_power = p[0], p[1]
        r.S1, r.S2 = (<char *>address(S1) if S1 is not None else NULL), (<char *>address(S2) if S2 is not None else NULL)
        lay_out(self, c, "train", r.chunk, r.chunk, team.n, True, False)
        values, penalties = np.empty(batch, self.dtype), np.empty(batch, self.dtype)
        r.values, r.penalties = <char *>address(values), <char *>address(penalties)
        G = self.gradient_room(r)
        start_tangent(c)
        try:
            done = run_units(self, c, team, first * r.chunks, units(self, r, last))
        finally:
            p[0], p[1] = r.beta1_power, r.beta2_power
        self.give(c)
        return r.loss_sum, (last if done == units(self, r, last) else done // r.chunks), r.penalty_sum, r.lam_sum

    cdef gradient_room(self, Run *r):
        """Where the gradient goes, for the caller to hold: a row a group."""
        r.grouped = self.grouped
        if not r.full:
            return None
        G = aligned((2 if r.tangent == NULL else 4, self.size), self.dtype)
        r.G = <char *>address(G)
        r.G2, r.T, r.T2 = at(r, r.G, self.size), at(r, r.G, 2 * self.size), at(r, r.G, 3 * self.size)
        return G

    def gradient(self, Data data, Team team, penalty=(0, 0.0), key=0, V=None):
        """(sum of the weighted losses, and of penalties, gradient of their weighted mean, laid out as P). With V, laid out as P
        too: the Hessian times V in the place of the gradient."""
        cdef Call c = self.take()
        cdef Run *r = &c.r
        bind(self, c, data, None)
        r.batch, r.chunk, r.block = data.n, chunk_for(self, data.n), block_for(self, data)
        r.chunks = (r.batch + r.chunk - 1) // r.chunk
        bind_sensitivity(c, penalty, None)
        r.stepping, r.clip, r.full, r.key = False, 0, True, mix(<uint64_t>key)
        memset(&r.step, 0, sizeof(step_t))
        if V is not None:
            r.tangent, r.pulled = &c.tangent, r
            along = self.along(c, V, team)
        lay_out(self, c, "train", r.chunk, r.chunk, team.n, True, False)
        values, penalties = np.empty(data.n, self.dtype), np.empty(data.n, self.dtype)
        G = self.gradient_room(r)
        r.values, r.penalties = <char *>address(values), <char *>address(penalties)
        start_tangent(c)
        run_units(self, c, team, 0, r.chunks)
        if r.bad:
            r.loss_sum = float("nan")
        self.give(c)
        return r.loss_sum + r.lam_sum, G[0]

    cdef Call along(self, Call c, V, Team team):
        """A Call whose layers are linear, with V in the place of the weights."""
        cdef Call v = Call(self)
        cdef int l
        v.r.P, v.r.lowest = <char *>address(V), 1
        v.r.direct, v.r.training = False, False
        for l in range(1, self.L + 1):
            v.r.layers[l].act, v.r.layers[l].needs_s = ACT_identity, False
        lay_out(self, v, "along", c.r.chunk, 0, team.n, True, False, True)
        c.r.along = &v.r
        return v

    # ---- each row: predictions, losses, derivatives

    cdef forward(self, Call c, Data data, Team team, values, out):
        """Predictions into out, or losses by blocks of EVALUATE_ROWS; returns the sum of the losses."""
        cdef Run *r = &c.r
        cdef Py_ssize_t pos = 0, step, summed
        cdef double total = 0
        cdef char *losses = <char *>address(values) if values is not None else NULL
        r.block, r.last_layer, r.lowest = block_for(self, data), self.L + 1, self.L + 1
        r.direct = (r.order == NULL and not data.X.indptr and data.dtype == self.dtype and data.X.col_stride == r.size
                    and data.X.row_stride % r.size == 0 and data.X.row_stride >= 0 and <uintptr_t>data.X.data % r.size == 0)
        lay_out(self, c, "forward", r.block * team.n, 0, team.n, False, False)
        r.out = <char *>address(out) if out is not None else NULL
        r.team = &team.team
        step = max(r.block * team.n, SIGNAL_WORK // (2 * self.work))
        while pos < r.n:
            summed = pos // EVALUATE_ROWS * EVALUATE_ROWS     # where the losses that are summed together begin
            r.unit0, r.unit1 = pos, min(pos + step, summed + EVALUATE_ROWS, r.n)
            r.values = at(r, losses, pos - summed) if losses != NULL else NULL
            run_job(c, team, forward_job)
            pos = r.unit1
            if losses != NULL and (pos == r.n or pos == summed + EVALUATE_ROWS):
                total += r.k.sum(pos - summed, losses)
        return total

    def evaluate(self, Data data, Team team, rows=None):
        """Sum of the weighted losses, of some rows or of all."""
        cdef Call c = self.take()
        bind(self, c, data, rows)
        total = self.forward(c, data, team, np.empty(min(c.r.n, EVALUATE_ROWS), self.dtype), None)
        self.give(c)
        return total

    def predict(self, Data data, Team team, rows=None, linked=True):
        """The link of x(L), or x(L) itself, (n, d(L)), of some rows or of all."""
        cdef Call c = self.take()
        bind(self, c, data, rows)
        if not linked:
            c.r.link = LINKS["identity"]
        out = np.empty((c.r.n, self.layers[self.L].d_out), self.dtype)
        self.forward(c, data, team, None, out)
        self.give(c)
        return out

    def judge(self, Data data, Team team, rows=None):
        """(sum of the weighted losses, predictions) of some rows or of all, by one forward pass."""
        cdef Call c = self.take()
        bind(self, c, data, rows)
        out = np.empty((c.r.n, self.layers[self.L].d_out), self.dtype)
        total = self.forward(c, data, team, np.empty(min(c.r.n, EVALUATE_ROWS), self.dtype), out)
        self.give(c)
        return total, out

    cdef bint ready_small(self) except -1:
        """predict_small's Call, its mirrors those of the weights of now; False where weights are not finite."""
        cdef int l
        cdef Py_ssize_t begin, size
        cdef Layer *y
        if not self.k.all_finite(self.size, self.p):
            return False
        if self.small is None:
            c = Call(self)
            c.r.direct, c.r.block, c.r.last_layer, c.r.lowest, c.r.link = True, SMALL_ROWS, self.L + 1, self.L + 1, self.link
            self.mirrored_P = self.P.copy()     # first: should another thread write now, they differ
            self.mirrored = <char *>address(self.mirrored_P)
            lay_out(self, c, "small", SMALL_ROWS, 0, 1, False, False)
            self.small = c
        for l in range(1, self.L + 1):
            y = &self.small.r.layers[l]
            begin, size = y.w * self.k.itemsize, y.rows * y.ldw * self.k.itemsize
            if y.mirror != NULL and memcmp(self.p + begin, self.mirrored + begin, size) != 0:
                memcpy(self.mirrored + begin, self.p + begin, size)
                KINDS[y.kind].mirror(&self.small.r, l, 0, y.rows)
        return True

    def predict_small(self, X):
        """predict for a few finite rows of the network's dtype, quickly and with the GIL held; None where X is something
        else."""
        cdef Py_buffer b, o
        cdef Run *r
        cdef Py_ssize_t i, d = self.layers[0].d_out, size = self.k.itemsize
        cdef bint good
        if type(X) is not ndarray:
            return None
        try:
            PyObject_GetBuffer(X, &b, PyBUF_STRIDES | PyBUF_FORMAT)
        except ValueError:  # dates have none
            return None
        try:
            if (b.ndim != 2 or b.shape[1] != d or b.format[0] != self.format or b.format[1] != 0 or b.shape[0] < 1
                    or b.shape[0] > SMALL_ROWS or b.strides[1] != size or b.strides[0] % size or b.strides[0] < 0
                    or <uintptr_t>b.buf % size
                    or b.shape[0] * self.work > SMALL_WORK):
                return None
            good = True
            for i in range(b.shape[0]):
                good = good and self.k.all_finite(d, <char *>b.buf + i * b.strides[0])
            if not good or not self.ready_small():
                return None
            r = &self.small.r
            out = empty((b.shape[0], self.layers[self.L].d_out), self.dtype)
            PyObject_GetBuffer(out, &o, PyBUF_WRITABLE)
            r.layers[0].x = <char *>b.buf
            if r.layers[0].ld != b.strides[0] // size:
                r.layers[0].ld = b.strides[0] // size
                prepare(r)
            forward_rows(r, 0, 0, b.shape[0], r.scratch[0])
            r.k.link(r.link, b.shape[0], self.layers[self.L].d_out, r.layers[self.L].x, r.layers[self.L].ld, o.buf,
                     self.layers[self.L].d_out, at(r, r.scratch[0], r.loss_at))
            PyBuffer_Release(&o)
            return out
        finally:
            PyBuffer_Release(&b)

    cdef rowwise(self, Call c, Data data, Team team, job_fn job, Py_ssize_t width, key):
        """What a job makes of each row, (n, width), and the rows' losses, where it has any."""
        cdef Run *r = &c.r
        cdef Py_ssize_t pos = 0, step
        r.block = block_for(self, data)
        lay_out(self, c, key, r.block * team.n, 0, team.n, True, False)
        start_tangent(c)
        out = np.empty((data.n, width), self.dtype)
        values = np.empty(data.n, self.dtype)
        r.out, r.values = <char *>address(out), <char *>address(values)
        r.team = &team.team
        step = max(r.block * team.n, SIGNAL_WORK // (4 * self.work * (1 + r.attack_steps)))
        while pos < r.n:
            r.unit0, r.unit1 = pos, min(pos + step, r.n)
            run_job(c, team, job)
            pos = r.unit1
        self.give(c)
        return out, values

    def pull(self, Data data, Team team, seed=None):
        """de/dx(0) of each row (n, d(0)): of the row's loss, or for a seed de/dx(L), C-contiguous (n, d(L)), of what has that.
        And the losses (n,)."""
        cdef Call c = self.take()
        bind(self, c, data, None)
        c.r.last_layer = c.r.lowest = 0
        c.r.seed = <char *>address(seed) if seed is not None else NULL
        return self.rowwise(c, data, team, pull_job, self.layers[0].d_out, "pull")

    def push(self, Data data, Team team, seed):
        """x'(L) of each row (n, d(L)) for the seed x'(0), C-contiguous (n, d(0))."""
        cdef Call c = self.take()
        bind(self, c, data, None)
        c.r.last_layer = c.r.lowest = self.L + 1
        c.r.tangent, c.r.pulled = &c.tangent, &c.r
        c.r.seed = <char *>address(seed)
        return self.rowwise(c, data, team, push_job, self.layers[self.L].d_out, "push")[0]

    def attack(self, Data data, Team team, attack, key):
        """X (n, d(0)) moved to where the rows' losses are larger; attack: see bind_sensitivity."""
        cdef Call c = self.take()
        bind(self, c, data, None)
        bind_sensitivity(c, (0, 0.0), attack)
        c.r.key = mix(<uint64_t>key)
        return self.rowwise(c, data, team, attack_job, self.layers[0].d_out, "attack")[0]

    def sweep(self, Data data, bint backward, Team team):
        """Everything about n rows: dict of lists s, x and, backward, delta, with dX in delta[0], the losses of the rows,
        and the gradient of their weighted mean, laid out as P."""
        cdef Call c = Call(self)
        cdef Run *r = &c.r
        cdef int l
        bind(self, c, data, None)
        r.batch = r.chunk = data.n
        r.block, r.last_layer = block_for(self, data), (0 if backward else self.L + 1)
        r.lowest = r.last_layer
        r.row_weight, r.loss.weight = <char *>data.weight, NULL
        r.stepping, r.full, r.clip = False, True, 0
        r.team = &team.team
        lay_out(self, c, "sweep", data.n, 0, team.n, backward, True, True)
        values = np.empty(data.n, self.dtype)
        r.values = <char *>address(values)
        G = self.gradient_room(r)
        if backward:
            share_weights(self, r, team.n)
            with nogil:
                team_run(r.team, team.n, sweep_job, r)
            if c.error is not None:
                raise c.error
        else:
            with nogil:
                team_run(r.team, team.n, keep_job, r)
        base = address(c.arena)
        layers = range(self.L + 1)
        view = lambda p, l: self.rows_view(c, p - base, l, data.n)
        return {"x": [view(<uintptr_t>r.layers[l].x, l) for l in layers],
                "s": [None] + [view(<uintptr_t>r.layers[l].s, l) for l in layers[1:]],
                "delta": [view(<uintptr_t>r.layers[l].delta, l) for l in layers] if backward else None,
                "values": values, "G": G[0]}

    cdef rows_view(self, Call c, Py_ssize_t offset, int l, Py_ssize_t n):
        cdef Py_ssize_t ld = c.r.layers[l].ld
        flat = c.arena[offset:offset + n * ld * self.k.itemsize].view(self.dtype)
        return flat.reshape(n, ld)[:, :self.layers[l].d_out]


cdef bint flips(Py_ssize_t d_in, Py_ssize_t d_out, Py_ssize_t lanes):
    """Whether a W of this shape is better kept as its transpose. The same for all instruction sets: the order of a
    norm's sum depends on it."""
    return 5 * d_out * pad(d_in, lanes) <= 4 * d_in * pad(d_out, lanes)
