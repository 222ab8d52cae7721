# What a call works with: threads, data, scratch.

cdef list idle_teams = []   # the newest last
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=idle_teams.clear)    # threads are not forked


cdef class Team:
    """The caller of a fit or of another call, and n - 1 Python threads."""
    cdef team_t team
    cdef readonly int n
    cdef bint auto              # use fewer where a batch is too small to pay for the barriers
    cdef bint awake, waking     # whether the workers have just run, or do now to wake up

    def __cinit__(self, int n):
        self.n = n
        self.team.active = 1
        self.team.spin = SPIN if n <= cores() else 0
        team_call_roll(&self.team)
        try:
            for i in range(1, n):
                _thread.start_new_thread(self._work, (i,))
        except BaseException:
            store(&self.team.state, TEAM_OFF)
            raise

    def _work(self, int i):
        with nogil:
            team_work(&self.team, i)


cdef Team take_team(int n):
    """An idle team of that size, or a new one."""
    cdef Team one
    for one in reversed(idle_teams):
        if one.n == n:
            idle_teams.remove(one)
            if team_take(&one.team):
                return one
    return Team(n)


cdef give_team(Team one):
    store(&one.team.state, TEAM_IDLE)
    if one.n > 1:
        idle_teams.append(one)
    if len(idle_teams) > MOST_IDLE:
        store(&(<Team>idle_teams.pop(0)).team.state, TEAM_OFF)


cdef class team:
    """`with team(n) as t`: a Team for a call. Its threads are at hand for the next one for a while.

    auto: let it use fewer threads where they do not pay."""
    cdef Team one
    cdef int n
    cdef bint auto

    def __init__(self, int n, bint auto=False):
        self.n, self.auto = n, auto and n > 1

    def __enter__(self):
        self.one = take_team(self.n)    # here, where no signal comes between
        self.one.auto, self.one.awake, self.one.waking = self.auto, False, False
        return self.one

    def __exit__(self, *exception):
        give_team(self.one)


cdef source_t source_of(X):
    """Where the kernels find the rows of an array (n, d) of a type in SOURCES, or of CSR, which somebody must hold."""
    cdef source_t s
    cdef Py_ssize_t n
    memset(&s, 0, sizeof(s))
    n, s.cols = X.shape
    values = X.data if hasattr(X, "indptr") else X
    s.type, s.data = SOURCES[values.dtype], <const char *>address(values)
    if hasattr(X, "indptr"):
        s.indptr, s.indices = <void *>address(X.indptr), <void *>address(X.indices)
        s.wide_index = X.indices.dtype.itemsize == 8
    else:
        s.row_stride, s.col_stride = X.strides
        s.end = s.data
        if n:
            s.end += (n - 1) * max(s.row_stride, 0) + (s.cols - 1) * s.col_stride + values.itemsize
    return s


cdef class Data:
    """Rows bound for the core: X dense or CSR, targets, weights. Holds what the pointers point at."""
    cdef source_t X, Y          # Y: sparse targets
    cdef const void *y
    cdef int form               # TARGETS_*
    cdef const void *weight
    cdef readonly Py_ssize_t n, d
    cdef readonly double weight_sum
    cdef Py_ssize_t ldy
    cdef object keep
    cdef readonly object dtype, loss, sample_weight

    def __init__(self, X, targets=None, weight=None, loss=None):
        """X: 2-D array of a type in SOURCES, or scipy CSR. targets: int32 labels (n,), or (n, d(L)) C-contiguous or CSR.
        weight: (n,). Targets and weight are of the network's dtype. loss(rows, x): a Python loss in place of the core's,
        giving values (m,) and derivatives (m, d(L))."""
        self.keep = (X, targets, weight)
        self.loss = loss
        self.n, self.d = X.shape
        self.dtype = X.dtype
        self.X = source_of(X)
        if targets is not None:
            if hasattr(targets, "indptr"):
                self.Y = source_of(targets)
                self.form, self.y = TARGETS_csr, &self.Y
            elif targets.dtype == np.int32 and targets.ndim == 1:
                self.form, self.y = TARGETS_labels, <void *>address(targets)
            else:
                self.y, self.ldy = <void *>address(targets), targets.shape[1]
        if weight is not None:
            self.weight = <void *>address(weight)
        self.sample_weight = weight
        self.weight_sum = self.weight_of(None)

    def weight_of(self, rows):
        """The sum of the weights of some rows, or of all; their number where there are none."""
        if self.sample_weight is None:
            return float(self.n if rows is None else len(rows))
        return float((self.sample_weight if rows is None else self.sample_weight[rows]).sum(dtype=np.float64))


cdef class Call:
    """A Run with its arena: what one call at a time may use. With those of a tangent sweep where there is one."""
    cdef Run r, pulled, tangent
    cdef object arena, key
    cdef object loss, order     # a Python loss, and the rows it is called for
    cdef object error           # what it raised

    def __cinit__(self, Core core):
        cdef Py_ssize_t n = core.L + 1
        self.r.layers = <Layer *>calloc(3 * n, sizeof(Layer))
        if self.r.layers == NULL:
            raise MemoryError
        memcpy(self.r.layers, core.layers, n * sizeof(Layer))
        self.pulled.layers, self.tangent.layers = self.r.layers + n, self.r.layers + 2 * n
        self.r.k, self.r.size, self.r.L = core.k, core.k.itemsize, core.L
        self.r.P, self.r.n_rows = core.p, core.rows

    def __dealloc__(self):
        free(self.r.layers)


cdef bint python_loss(Run *r, loss_t *t) noexcept with gil:
    """What the kernels' loss does, by the user's function. An exception is kept for the caller to raise."""
    cdef Call c = <Call>r.call
    cdef Py_ssize_t i
    cdef double w
    try:
        dtype = np.float32 if r.size == 4 else np.float64
        rows = np.arange(t.first, t.first + t.m) if c.order is None else c.order[t.first:t.first + t.m]
        x = np.empty((t.m, t.n), dtype)
        for i in range(t.m):
            memcpy(<char *>address(x) + i * t.n * r.size, at(r, <char *>t.x, i * t.ldx), t.n * r.size)
        value, grad = c.loss(rows, x)
        for i in range(t.m):
            w = 1
            if t.weight != NULL:
                w = (<float *>t.weight)[rows[i]] if r.size == 4 else (<double *>t.weight)[rows[i]]
            value[i] *= w
            grad[i] *= w * t.scale
            if t.delta != NULL:
                memset(at(r, <char *>t.delta, i * t.ldd), 0, pad(t.n, r.k.lanes) * r.size)
                memcpy(at(r, <char *>t.delta, i * t.ldd), <char *>address(grad) + i * t.n * r.size, t.n * r.size)
        memcpy(t.value, <char *>address(value), t.m * r.size)
        return bool(np.isfinite(value).all())
    except BaseException as error:
        c.error = error
        return False
