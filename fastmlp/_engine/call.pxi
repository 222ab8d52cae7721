# A call into the engine: a Job with bound data and its arena. One call at a time may use it.

cdef enum:
    SHORT_ROW = 256                 # bytes: rows up to this size are prefetched by hand
    FAR_BYTES = 8 * 1024 * 1024     # size of X above which rows are prefetched: about the size of the caches
    LOOK_WORK = 10000000            # multiply-adds between two readings of the clock, a millisecond at most

PENALTIES = {"gradient_penalty": PENALTY_GRADIENT, "jacobian_penalty": PENALTY_JACOBIAN}

# For tests: bytes with which the arena is filled before a call. No result may depend on them.
scratch_fill = None


cdef class Call:
    """A Job with its arena, used by one call at a time."""

    def __cinit__(self):
        self.layers = self.reader = NULL

    cdef open(self, const Job *blank, P):
        """Start from what all calls of a network have in common. Allocates four copies of the layers: the network's,
        the tangent's, the pulled ones and those with V in place of W."""
        cdef Py_ssize_t n = blank.net.L + 1
        cdef int l
        self.job = blank[0]
        self.layers = <Layer *>calloc(4 * n, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError
        self.job.net.layers = self.layers
        copy_layers(self.layers, blank.net.layers, blank.net.L)
        self.P = P

    cdef round_operands(self):
        """Round the operands of products to bfloat16, in all of this call's work."""
        cdef Layer *layer
        cdef int l
        self.job.k = kernels_for(np.float32, None, True)
        for l in range(1, self.job.net.L + 1):
            layer = &self.layers[l]
            if layer.kind.rounding != NULL:
                layer.kind, layer.products.dots = layer.kind.rounding, False
                layer.input.source.buffers.rounded = True

    cdef read_differences(self):
        """Have all of this call's rows be differences. ValueError where the network cannot read them."""
        cdef Job *job = &self.job
        cdef int l, reader = reader_of_differences(job)
        if reader == 0:
            raise ValueError("differences must be read by a dense layer without ties, before which there is nothing, "
                             "or dropout")
        for l in range(1, reader + 1):
            self.layers[l].kind = self.layers[l].kind.differences
        self.reader = &self.layers[reader]
        job.net.ends = True

    cdef take_differences(self, Data data):
        """Have the layer that reads them know what there is to know of those of some data."""
        cdef Terms *terms = &self.reader.terms
        cdef Weights *W = &self.reader.weights
        terms.stacked = <const uint8_t *><uintptr_t>address(data.stacked)
        terms.most = data.most_terms if self.reader.number == 1 else self.reader.d_in
        W.cost = max(<Py_ssize_t>1, W.ld * data.most_terms // W.rows)
        self.job.net.scratch = max(self.job.net.scratch, self.reader.kind.scratch(self.job.k, self.reader))

    def __dealloc__(self):
        free(self.layers)

    cdef bind(self, Data data, order, double weight_scale=0):
        """Let the job work on rows of the data: those of the order, or all."""
        cdef Job *job = &self.job
        cdef Rows *rows = &job.rows
        self.loss, self.order, self.exchanged, self.settled, self.error = data.loss, order, None, None, None
        self.division = None
        rows.order = <const int64_t *>address(order) if order is not None else NULL
        if (data.stacked is None) != (self.reader == NULL):
            raise ValueError("rows of differences must be trained on, predicted or evaluated, no more")
        if self.reader != NULL:
            self.take_differences(data)
        rows.X, rows.differences = data.X, self.reader != NULL
        rows.n = data.n if order is None else len(order)
        rows.prefetch = (order is not None and not rows.X.indptr and 0 <= rows.X.cols * rows.X.col_stride <= SHORT_ROW
                         and data.n * rows.X.row_stride > FAR_BYTES)
        rows.loss.form, rows.loss.y, rows.loss.weight = data.form, data.y, data.weight
        rows.loss.ldy = data.ldy or job.net.levels  # the classes, of labels
        rows.function, rows.call = NULL, <void *>self
        if data.loss is not None:
            rows.function = python_loss
        rows.weight_scale = weight_scale or rows.n / data.weight_of(order)
        rows.delta_weight, rows.mixed.partner = NULL, NULL
        job.net.layers[0].buffers.in_place = False
        job.batches.training = job.batches.altered = False
        memset(&job.optimizer, 0, sizeof(Optimizer))
        memset(&job.gradient, 0, sizeof(Gradient))
        job.division.size = job.tiny.L = 0
        memset(&job.sensitivity, 0, sizeof(Sensitivity))
        memset(&job.results, 0, sizeof(Results))

    cdef mix(self, partners, share):
        """Mix each row with another one: x = share x + (1 - share) x', and targets likewise. partners, share: for each
        position in the order the number of the other row, and the share."""
        cdef Rows *rows = &self.job.rows
        rows.mixed.form, rows.mixed.y = rows.loss.form, rows.loss.y
        rows.mixed.partner, rows.mixed.share = <int64_t *>address(partners), <char *>address(share)
        rows.loss.form, rows.loss.y, rows.prefetch = TARGETS_mixed, &rows.mixed, False

    cdef read_in_place(self, Data data):
        """Use X itself as x(0), if its rows have the network's dtype and are contiguous and in order."""
        cdef Rows *rows = &self.job.rows
        cdef Py_ssize_t size = self.job.size
        self.job.net.layers[0].buffers.in_place = (not self.job.k.rounds and rows.order == NULL and not rows.X.indptr
                                                   and data.dtype.itemsize == size and data.dtype.kind == "f"
                                                   and rows.X.col_stride == size and rows.X.row_stride % size == 0
                                                   and rows.X.row_stride >= 0 and <uintptr_t>rows.X.data % size == 0)

    cdef sweep_to(self, int last):
        """Let the delta sweep end with de/dx(last): 0 for the input, 1 in training, L + 1 for no sweep."""
        self.job.sweep_end = self.job.lowest_delta = last

    cdef penalize(self, penalty):
        """Penalise the sensitivity of the rows by a Penalty."""
        cdef Sensitivity *sensitivity = &self.job.sensitivity
        sensitivity.penalty, sensitivity.lam = penalty.kind, penalty.lam
        self.sweep_to(0 if sensitivity.penalty == PENALTY_GRADIENT else 1)
        if self.job.k.rounds:
            self.job.sweep_end = 0      # run backward of layer 1 too: it rounds delta(1)
        if sensitivity.penalty:
            self.job.lowest_delta = 0
            self.follow_tangents(projected=sensitivity.penalty == PENALTY_JACOBIAN)

    cdef stop_at_weights(self):
        """Have the delta sweep end at the first layer that has weights: what comes before it, as dropout of the input,
        learns nothing."""
        cdef Job *job = &self.job
        job.lowest_delta = first_with_weights(job)
        job.sweep_end = 0 if job.k.rounds else job.lowest_delta

    cdef follow_tangents(self, bint projected=False):
        """Compute tangents along the network's own delta(0) or, projected, along the pulled deltas of random
        projections of the output."""
        cdef Sensitivity *sensitivity = &self.job.sensitivity
        cdef Py_ssize_t n = self.job.net.L + 1
        sensitivity.tangent, sensitivity.pulled = self.layers + n, (self.layers + 2 * n if projected else self.layers)
        sensitivity.push_tangent, sensitivity.tangent_rows = push_tangent, tangent_rows
        sensitivity.settling_tangents = settling_tangents

    cdef go_along(self, V):
        """Compute the tangents for weights that move along V, which is laid out as P."""
        self.follow_tangents()
        self.job.sensitivity.along = self.layers + 3 * (self.job.net.L + 1)
        self.job.sensitivity.V = <char *>address(V)

    cdef move_inputs(self, attack):
        """Attack the inputs of the rows, by AttackNumbers."""
        cdef Sensitivity *sensitivity = &self.job.sensitivity
        self.job.lowest_delta = 0
        sensitivity.attack.norm, sensitivity.attack.eps, sensitivity.attack.step = attack.norm, attack.eps, attack.step
        sensitivity.attack.lo, sensitivity.attack.hi = attack.low, attack.high
        sensitivity.attack_steps, sensitivity.attack_random = attack.steps, attack.from_random
        sensitivity.attack_rows = attack_rows

    cdef step_by(self, step, state):
        """End each batch with a Step, which changes a State."""
        cdef Optimizer *optimizer = &self.job.optimizer
        cdef step_t *numbers = &optimizer.step
        slots, powers, average = <tuple>state
        optimizer.stepping = True
        (numbers.kind, numbers.lr, numbers.beta1, numbers.beta2, numbers.eps, numbers.fade, numbers.decay, numbers.l2,
         numbers.l1, optimizer.clip) = <tuple>step
        numbers.gscale, numbers.narrow = 1, self.job.net.narrow
        optimizer.S1 = <char *>address(slots[0]) if len(slots) > 0 else NULL
        optimizer.S2 = <char *>address(slots[1]) if len(slots) > 1 else NULL
        memcpy(&optimizer.powers, <void *>address(powers), len(powers) * sizeof(double))
        if average is not None:
            optimizer.average = <char *>address(average.weights)
            optimizer.average_decay, optimizer.average_power = average.decay, average.power[0]

    cdef advance(self, state):
        """Copy the numbers that the steps have changed back to a State."""
        cdef Optimizer *optimizer = &self.job.optimizer
        slots, powers, average = <tuple>state
        memcpy(<void *>address(powers), &optimizer.powers, len(powers) * sizeof(double))
        if average is not None:
            average.power[0] = optimizer.average_power

    cdef drop_at(self, rates):
        """Set the rates of dropout layers, pairs (l, rate), in all copies of the layers."""
        cdef int l, copy
        for l, rate in rates:
            for copy in range(4):
                self.layers[copy * (self.job.net.L + 1) + l].rate = rate

    cdef lay_out(self, Py_ssize_t rows, Py_ssize_t panel_rows, int threads, bint sweep, bint keep_rows,
                 bint fresh=False):
        """Allocate the arena if it is too small, place all buffers, and fill the forms of W. An arena with the same
        layout is reused, unless fresh. panel_rows: rows of a batch, if there are gradients."""
        cdef Job *job = &self.job
        cdef Sensitivity *sensitivity = &job.sensitivity
        cdef Py_ssize_t size
        # whether the forms are made already, and other ranks use them
        cdef bint made = self.division is not None and self.division.begin is None
        cdef bint passing = (fresh or job.net.layers[0].buffers.in_place or sensitivity.along != NULL
                             or job.division.size > 0)
        cdef bint tangents = sensitivity.tangent != NULL
        cdef Layout wanted = Layout(rows, panel_rows, threads, job.lowest_delta, sweep, keep_rows,
                                    sensitivity.attack_steps > 0, tangents,
                                    tangents and sensitivity.pulled != self.layers, job.rows.mixed.partner != NULL,
                                    self.reader.terms.most if self.reader != NULL else 0)
        if passing or not self.laid_out or memcmp(&self.layout, &wanted, sizeof(Layout)) or scratch_fill is not None:
            size = place(job, NULL, rows, panel_rows, threads, sweep, keep_rows)
            if fresh or self.arena is None or self.arena.size < size:
                self.arena = on_line(np.empty(size + ALIGN, np.uint8))
            if scratch_fill is not None:
                self.arena[:] = np.resize(np.frombuffer(scratch_fill, np.uint8), self.arena.size)
            place(job, <char *>address(self.arena), rows, panel_rows, threads, sweep, keep_rows)
            self.layout, self.laid_out = wanted, not passing
            if made:
                prepare(job, job.net.layers)
            else:
                start_layers(job, job.net.layers)
            if tangents:
                prepare(job, sensitivity.tangent)
            if tangents and sensitivity.pulled != job.net.layers:
                prepare(job, sensitivity.pulled)
        if not made:
            mirror_layers(job, job.net.layers)
        if job.net.settles:
            prepare(job, job.net.layers)    # statistics may have moved
        if sensitivity.along != NULL:
            start_layers(job, sensitivity.along)
            mirror_layers(job, sensitivity.along)

    cdef room_for_rows(self, Py_ssize_t n):
        """Allocate the losses and penalties of n rows."""
        cdef Py_ssize_t width = n if self.job.sensitivity.tangent == NULL else 2 * n
        self.rows = np.empty(width, self.P.dtype)
        self.job.results.values = <char *>address(self.rows)
        self.job.sensitivity.penalties = at(&self.job, self.job.results.values, width - n)

    cdef room_for_gradient(self, bint full):
        """Allocate the gradients, one row of G for each group of rows, unless every kind of layer steps without G."""
        cdef Job *job = &self.job
        cdef Gradient *gradient = &job.gradient
        cdef const LayerKind *kind
        cdef bint needed = full
        cdef Py_ssize_t size = job.net.n_elements, groups = 2 if job.sensitivity.tangent == NULL else 4
        cdef int l
        for l in range(1, job.net.L + 1):
            kind = job.net.layers[l].kind
            needed = needed or kind.borrows or (kind.grad != NULL and kind.grad_step == NULL)
        gradient.full = full
        if needed:
            if self.G is None or len(self.G) < groups:
                self.G = aligned((groups, size), self.P.dtype)
            gradient.G = <char *>address(self.G)
            gradient.G2, gradient.T, gradient.T2 = (at(job, gradient.G, size), at(job, gradient.G, 2 * size),
                                                    at(job, gradient.G, 3 * size))
        if self.division is not None:
            gradient.G = <char *>address(self.division.own)

    cdef exchange(self, function, settle):
        """Call function(G, found, error) between each batch's gradient and its step, see Optimizer.exchange. G: the
        gradient, laid out as P; found: float64 [sum of the batch's losses, whether one is not finite]; both are changed
        in place. error: the exception raised in this batch, or None. If ranks divide steps, it is called only if one of
        them has failed; error is None if it is another rank.

        settle(numbers, sums) is called in between, in the same way for each layer whose rows need each other: see
        Optimizer.settle. numbers: float64, on the way forward [the sum of the rows' weights, how many have one, the
        means of the columns, their variances]; with sums, on the way back and of tangents both ways, [the same two,
        which are those of all by then, two sums of each column].
        """
        self.exchanged, self.settled = function, settle
        if function is not None:
            self.job.optimizer.exchange = exchange_gradient
        if settle is not None:
            self.job.optimizer.settle = settle_columns

    cdef divide(self, division):
        """Divide the step among ranks, by a Division. The call works on the Division's parameters until work_on is
        called with the network's."""
        cdef Division *of = &self.job.division
        self.division = division
        of.rank, of.size, of.gives = division.rank, len(division.gradients), division.gives
        of.meeting = &(<Meeting>division.meeting).meeting
        of.G, of.forms = <char **>address(division.gradients), <char *>address(division.forms)
        if division.begin is not None:
            division.parameters[:] = self.P
        self.work_on(division.parameters)

    cdef work_on(self, P):
        """Let the call work on parameters P, laid out as the network's."""
        cdef Weights *W
        cdef int l
        self.job.net.P = <char *>address(P)
        for l in range(1, self.job.net.L + 1):
            W = &self.layers[l].weights
            W.W, W.b = at(&self.job, self.job.net.P, W.w_at), at(&self.job, self.job.net.P, W.b_at)

    cdef Py_ssize_t forms_size(self):
        """The largest number of bytes that the forms of all W take."""
        self.sweep_to(0)
        self.laid_out = False
        return room_for_forms(&self.job)

    cdef watch(self):
        """Set how often the threads look for signals, by the work of a block of rows."""
        cdef Job *job = &self.job
        cdef Signals *signals = &job.signals
        cdef Py_ssize_t sweeps = 3 + 2 * job.sensitivity.attack_steps, layers = job.net.L * sweeps
        cdef double block = <double>job.batches.block * job.net.work * sweeps
        signals.blocks = max(1, <Py_ssize_t>(LOOK_WORK / (block + 1)))
        signals.layers = block > <double>LOOK_WORK * layers or job.division.size > 0
        signals.looked, signals.look = now_seconds(), look_for_signals
        store(&signals.stopped, 0)

    cdef run(self, Team team, job_fn work):
        """Run `work` on all threads of the team; then raise what Python raised in it, and handle signals."""
        self.job.team = &team.team
        self.watch()
        with nogil:
            team_run(self.job.team, team.n, work, &self.job)
        self.raise_error()
        PyErr_CheckSignals()

    cdef fail(self, error):
        """Keep what Python raised in the threads' work first, which they stop for."""
        with cython.critical_section(self):
            if self.error is None:
                self.error = error
        store(&self.job.signals.stopped, 1)

    cdef raise_error(self):
        """Raise the exception that fail has kept, if any."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error


cdef int reader_of_differences(const Job *job) noexcept:
    """The number of the layer that reads rows which are differences, 0 where the network cannot have such."""
    cdef const Layer *layer
    cdef int l, reader = first_with_weights(job)
    if reader > 2 or job.net.ties != NULL:
        return 0
    for l in range(1, reader + 1):
        layer = &job.net.layers[l]
        if (layer.kind.differences == NULL or layer.weights.flipped or layer.input.source.number != l - 1
                or layer.input.adds or not layer.input.last):
            return 0
    return reader if job.net.layers[reader].kind.grad != NULL else 0


cdef int first_with_weights(const Job *job) noexcept:
    """The number of the first layer that has any, else that of the last."""
    cdef int l = 1
    while l < job.net.L and job.net.layers[l].kind.grad == NULL:
        l += 1
    return l


cdef void start_layers(Job *job, Layer *layers) noexcept:
    """Clear the forms of W whose rows are padded to whole vectors, and prepare the layers."""
    cdef Layer *layer
    cdef int l
    for l in range(1, job.net.L + 1):
        layer = &layers[l]
        if layer.forms.mirror != NULL:
            memset(layer.forms.mirror, 0, layer.weights.cols * layer.forms.ld * job.k.operandsize)
        if layer.forms.rounded != NULL:
            memset(layer.forms.rounded, 0, layer.weights.rows * layer.weights.ld * job.k.operandsize)
    prepare(job, layers)


cdef void mirror_layers(Job *job, Layer *layers) noexcept:
    cdef int l
    for l in range(1, job.net.L + 1):
        if has_forms(&layers[l]):
            layers[l].kind.mirror(job, &layers[l], 0, layers[l].weights.rows)


# Python code that runs inside a job: signal handlers, a user's loss, an exchange

cdef check_signals():
    """Run pending signal handlers, and raise the exceptions that other threads have scheduled for this one."""
    PyErr_CheckSignals()
    raise_pending()


cdef require_threads(Job *job):
    """RuntimeError in a child process that was forked in a job: the other threads do not exist there."""
    if job.team.active > 1 and load(&job.team.state) == TEAM_OFF:
        raise RuntimeError("a loss, a handler of signals or an exchange must not return in a child that it has forked: "
                           "the other threads of the call are missing there")


cdef void look_for_signals(Job *job) noexcept nogil:
    """Run the signal handlers, on thread 0, in the caller's floating point mode."""
    set_float_mode(job.team.outside)
    run_handlers(job)
    set_float_mode(ENGINE_MODE)


cdef void run_handlers(Job *job) noexcept with gil:
    try:
        check_signals()
        require_threads(job)
    except BaseException as error:
        (<Call>job.rows.call).fail(error)


cdef bint python_loss(Job *job, loss_t *loss) noexcept nogil:
    """As the kernel `loss`, but calls the user's function, in the caller's floating point mode."""
    cdef bint finite
    set_float_mode(job.team.outside)
    finite = loss_in_python(job, loss)
    set_float_mode(ENGINE_MODE)
    return finite


cdef bint loss_in_python(Job *job, loss_t *loss) noexcept with gil:
    """Call the user's loss. An exception is kept for the caller to raise; there are no further calls then."""
    cdef Call call = <Call>job.rows.call
    cdef Py_ssize_t i, n = loss.n, size = job.size
    cdef const char *weight = <const char *>loss.weight
    cdef char *delta
    cdef double w
    if call.error is not None:
        return False
    try:
        dtype = np.float32 if size == 4 else np.float64
        last = loss.first + loss.m
        rows = np.arange(loss.first, last) if call.order is None else call.order[loss.first:last]
        x = np.empty((loss.m, n), dtype)
        for i in range(loss.m):
            memcpy(<char *>address(x) + i * n * size, at(job, <char *>loss.x, i * loss.ldx), n * size)
        value, grad = call.loss(rows, x)
        require_threads(job)
        for i in range(loss.m):
            w = 1 if weight == NULL else get(job, weight, rows[i])
            value[i] *= w
            grad[i] *= w * loss.scale
            if loss.delta != NULL:
                delta = at(job, <char *>loss.delta, i * loss.ldd)
                memset(delta, 0, pad(n, job.k.lanes) * size)
                memcpy(delta, <char *>address(grad) + i * n * size, n * size)
        memcpy(loss.value, <char *>address(value), loss.m * size)
        return bool(np.isfinite(value).all())
    except BaseException as error:
        call.fail(error)
        return False


cdef void exchange_gradient(Job *job, Py_ssize_t rows, int thread) noexcept nogil:
    if thread == 0:
        set_float_mode(job.team.outside)
        exchange_in_python(job)
        set_float_mode(ENGINE_MODE)


cdef void exchange_in_python(Job *job) noexcept with gil:
    """Call the exchange function. An exception is kept for the caller to raise, and ends the epoch as a non-finite loss
    does. One that was raised before is passed on, so that the other ranks learn of it."""
    cdef Call call = <Call>job.rows.call
    try:
        found = np.array([job.results.batch_loss, load(&job.results.bad)], np.float64)
        call.exchanged(call.G[0] if call.division is None else call.division.own, found, call.error)
        require_threads(job)
        job.results.batch_loss = found[0]
        store(&job.results.bad, found[1] != 0 or call.error is not None)
    except BaseException as error:
        call.fail(error)
        store(&job.results.bad, 1)


cdef void settle_columns(Job *job, Norm *norm, char *first, char *second, bint sums) noexcept nogil:
    set_float_mode(job.team.outside)
    settle_in_python(job, norm, first, second, sums)
    set_float_mode(ENGINE_MODE)


cdef void settle_in_python(Job *job, Norm *norm, char *first, char *second, bint sums) noexcept with gil:
    """The user's settle. An exception is kept for the exchange to hand on."""
    cdef Call call = <Call>job.rows.call
    cdef Py_ssize_t i, n = norm.channels
    cdef double *numbers
    if call.error is not None:
        return
    try:
        array = np.empty(2 + 2 * n)
        numbers = <double *>address(array)
        numbers[0], numbers[1] = norm.total, norm.count
        for i in range(n):
            numbers[2 + i], numbers[2 + n + i] = get(job, first, i), get(job, second, i)
        call.settled(array, sums)
        require_threads(job)
        norm.total, norm.count = numbers[0], numbers[1]
        for i in range(n):
            put(job, first, i, numbers[2 + i])
            put(job, second, i, numbers[2 + n + i])
    except BaseException as error:
        call.fail(error)
