# What a team of threads runs: the row phase and the weight phase of training,
# and the forward pass alone.

ctypedef void (*job_fn)(void *arg, int t) noexcept nogil


cdef inline Py_ssize_t rows_each(Py_ssize_t m, int threads) noexcept nogil:
    """Rows a thread takes of m: whole tiles of 8 rows, or halves of them."""
    return m if threads == 1 else pad((m + threads - 1) // threads, 4)


cdef void gather_rows(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m) noexcept nogil:
    """x(0) of m rows"""
    cdef Layer *x0 = &r.layers[0]
    if not r.direct:
        r.k.gather(&r.X, r.order, pos, m, at(r, x0.x, row * x0.ld), x0.ld)
        if r.training and r.noise > 0:
            r.k.noise(m, x0.d_out, at(r, x0.x, row * x0.ld), x0.ld, r.noise, r.key, r.order, pos)


cdef void push_rows(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    """From x(0): s(1), x(1) .. x(L)"""
    cdef int l
    for l in range(1, r.L + 1):
        KINDS[r.layers[l].kind].forward(r, l, pos, row, m, scratch)


cdef void forward_rows(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil:
    gather_rows(r, pos, row, m)
    push_rows(r, pos, row, m, scratch)


cdef loss_t loss_of(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, double scale, char *scratch) noexcept nogil:
    """The loss of m rows, with no place for what comes out."""
    cdef Layer *y = &r.layers[r.L]
    cdef loss_t t = r.loss
    t.m = m
    t.x, t.ldx = at(r, y.x, row * y.ld), y.ld
    t.order, t.first = r.order, pos
    t.delta, t.ldd, t.value, t.scale = NULL, y.ld, NULL, scale
    t.scratch = at(r, scratch, r.loss_at)
    return t


cdef bint loss_rows(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *value, double scale, bint sweep, char *scratch) noexcept nogil:
    """The losses of m rows, and scale de/dx(L); whether all losses are finite."""
    cdef Layer *y = &r.layers[r.L]
    cdef loss_t t = loss_of(r, pos, row, m, scale, scratch)
    t.value, t.delta = value, (at(r, y.delta, row * y.ld) if sweep else NULL)
    return r.k.loss(&t) if r.call == NULL else python_loss(r, &t)


cdef void backward_rows(Run *r, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, int last, char *scratch) noexcept nogil:
    """From de/dx(L): delta(L), .., down to delta(last)."""
    cdef int l
    finish_delta(r, r.L, row, m)
    for l in range(r.L, last, -1):
        KINDS[r.layers[l].kind].backward(r, l, pos, row, m, scratch)


cdef void row_phase(Run *r, Py_ssize_t pos, Py_ssize_t at_row, Py_ssize_t m, double scale, int t) noexcept nogil:
    """This thread's part of the m rows from pos, of which the first is row at_row of the batch: forward, loss, delta sweep."""
    cdef char *values = at(r, r.values, at_row)
    cdef Py_ssize_t each = rows_each(m, r.team.active)
    cdef Py_ssize_t first = min(t * each, m), row = first, hi = min(row + each, m), k, next
    cdef char *scratch = r.scratch[t]
    while row < hi:
        k = min(r.block, hi - row)
        gather_rows(r, pos + row, row, k)
        next = pos + (row + k if row + k < hi else m + first)   # this thread's next block, here or in the batch that follows
        if r.far and next < r.n:
            r.k.fetch_rows(&r.X, &r.loss, r.order, next, min(k, r.n - next))
        MARK(t, PHASE_gather)
        if r.attack_steps > 0:
            attack_rows(r, pos + row, row, k, at(r, values, row), scratch)
        push_rows(r, pos + row, row, k, scratch)
        MARK(t, PHASE_forward)
        if not loss_rows(r, pos + row, row, k, at(r, values, row), scale, True, scratch):
            store(&r.bad, 1)
        MARK(t, PHASE_loss)
        backward_rows(r, pos + row, row, k, r.last_layer, scratch)
        if r.tangent != NULL and not tangent_rows(r, pos + row, row, k, at(r, r.penalties, at_row + row), scale, scratch):
            store(&r.bad, 1)
        MARK(t, PHASE_delta)
        row += k


cdef inline double step_rate(const step_t *step, double p1, double p2) noexcept nogil:
    """The learning rate of a step: Adam's with the bias corrections, from the powers of beta1 and beta2."""
    return step.lr * sqrt(1 - p2) / (1 - p1) if step.kind == STEP_adam else step.lr


cdef inline double next_power(double power, double beta) noexcept nogil:
    """power beta, and 0 in the place of subnormal numbers: beside 1 they are nothing, but take many times as long."""
    power *= beta
    return power if power >= DBL_MIN else 0


cdef inline double weight_of_row(const Run *r, Py_ssize_t pos) noexcept nogil:
    """The sample weight at a position."""
    return 1 if r.loss.weight == NULL else get(r, <const char *>r.loss.weight, r.order[pos] if r.order != NULL else pos)


cdef inline bint weightless(const Run *r, Py_ssize_t pos, Py_ssize_t end) noexcept nogil:
    """Whether no row of a batch has a weight: then there is no step either."""
    cdef Py_ssize_t i
    if r.loss.weight == NULL:
        return False
    for i in range(pos, end):
        if weight_of_row(r, i) != 0:
            return False
    return True


cdef inline const Py_ssize_t *shares(const Run *r, int t) noexcept nogil:
    """Thread t's rows of the weights: pairs lo, hi by layer."""
    return r.share + 2 * t * (r.L + 1)


cdef inline Py_ssize_t group_rows(const Run *r, Py_ssize_t batch) noexcept nogil:
    """Rows of a batch's first group. Small networks sum a batch in two groups of rows and then the two: threads
    read mostly what they wrote. It depends on the sizes alone, so that the bits do not depend on the threads."""
    return pad(batch // 2, 4) if r.grouped and batch >= GROUP_MIN_ROWS else batch


cdef void grad_group(Run *r, int group, Py_ssize_t row, Py_ssize_t m, bint more, int t) noexcept nogil:
    """This thread's part of the gradient over rows row .. row + m of the chunk, which are of one group."""
    cdef int l
    cdef const Py_ssize_t *share = r.share2 + 2 * (2 * t + group) * (r.L + 1) if group >= 0 else shares(r, t)
    cdef grad_fn grad
    for l in range(1, r.L + 1):
        if share[2 * l] < share[2 * l + 1]:
            grad = KINDS[r.layers[l].kind].grad
            grad(r, l, share[2 * l], share[2 * l + 1], row, m, more, r.G2 if group == 1 else r.G, r.scratch[t])
            if r.tangent != NULL:
                grad(r.tangent, l, share[2 * l], share[2 * l + 1], row, m, more, r.T2 if group == 1 else r.T, r.scratch[t])


cdef void full_gradient(Run *r, Py_ssize_t at_row, Py_ssize_t m, Py_ssize_t batch, int t) noexcept nogil:
    """The gradient over the m rows of a chunk that starts at a row of its batch, on top of the chunks before."""
    cdef Py_ssize_t cut = group_rows(r, batch), one = min(max(cut - at_row, 0), m)
    cdef bint last = at_row + m == batch
    if cut == batch:
        grad_group(r, -1, 0, m, at_row > 0, t)
        if last and r.tangent != NULL:
            add_gradient(r, r.T, t)
        return
    if one > 0:
        grad_group(r, 0, 0, one, at_row > 0, t)
    if m > one:
        grad_group(r, 1, one, m - one, at_row > cut, t)
    if last:
        team_barrier(r.team, t)
        add_gradient(r, r.G2, t)
        if r.tangent != NULL:
            add_gradient(r, r.T, t)
            add_gradient(r, r.T2, t)


cdef void add_gradient(Run *r, char *other, int t) noexcept nogil:
    """G += other, for this thread's rows."""
    cdef int l
    cdef Layer *y
    cdef Py_ssize_t begin, end
    cdef const Py_ssize_t *share = shares(r, t)
    for l in range(1, r.L + 1):
        y = &r.layers[l]
        if share[2 * l] < share[2 * l + 1]:
            begin, end = y.w + share[2 * l] * y.ldw, run_end(r, y, share[2 * l + 1])
            r.k.add(end - begin, at(r, other, begin), at(r, r.G, begin))


cdef inline Py_ssize_t run_end(const Run *r, const Layer *y, Py_ssize_t hi) noexcept nogil:
    """Where the parameters of rows up to hi end: the bias goes with the last row."""
    return y.b + pad(y.units, r.k.lanes) if hi == y.rows and y.bias else y.w + hi * y.ldw


cdef void weight_phase(Run *r, Py_ssize_t at_row, Py_ssize_t m, Py_ssize_t batch, const step_t *step, int t) noexcept nogil:
    """This thread's part of all gradients over the m rows of a chunk, and the step after a batch's last chunk."""
    cdef int l
    cdef step_t clipped
    cdef const Py_ssize_t *share = shares(r, t)
    if not r.full:
        for l in range(1, r.L + 1):
            if share[2 * l] < share[2 * l + 1]:
                KINDS[r.layers[l].kind].grad_step(r, l, share[2 * l], share[2 * l + 1], m, step, t)
        return
    full_gradient(r, at_row, m, batch, t)
    if at_row + m < batch or not r.stepping:
        return
    if r.ties != NULL:
        team_barrier(r.team, t)
        fold_ties(r, t)
        team_barrier(r.team, t)
    if r.clip > 0:
        square_rows(r, t)
        team_barrier(r.team, t)
        clipped = step[0]
        clipped.gscale = clip_scale(r)
        step = &clipped
    MARK(t, PHASE_weight)
    step_share(r, step, t)
    if r.ties != NULL:
        if t == 0:
            step_tail(r, step)
        team_barrier(r.team, t)
        spread_ties(r, t)
        team_barrier(r.team, t)
    mirror_share(r, t)
    MARK(t, PHASE_update)


cdef void step_share(Run *r, const step_t *step, int t) noexcept nogil:
    """Step this thread's rows from G: as one vector where they are one run of the parameters, and no penalties are, which
    biases do not know."""
    cdef int l
    cdef Layer *y
    cdef Py_ssize_t lo, hi, middle
    cdef step_t bias
    cdef const Py_ssize_t *share = shares(r, t)
    cdef const Py_ssize_t *run = r.runs + 2 * t
    if run[0] >= 0 and step.decay == 0 and step.l2 == 0 and step.l1 == 0:
        step_run(r, step, run[0], run[1])
        return
    bias = bias_step(step)
    for l in range(1, r.L + 1):
        y = &r.layers[l]
        lo, hi = share[2 * l], share[2 * l + 1]
        if lo == hi:
            continue
        middle = y.w + hi * y.ldw
        if not y.leader:
            step_run(r, step, y.w + lo * y.ldw, middle)
        if hi == y.rows and y.bias and not y.led_bias:
            step_run(r, &bias, y.b, run_end(r, y, hi))


cdef void mirror_share(Run *r, int t) noexcept nogil:
    """The other forms of this thread's rows of W."""
    cdef int l
    cdef Py_ssize_t lo, hi
    cdef const Py_ssize_t *share = shares(r, t)
    for l in range(1, r.L + 1):
        lo, hi = share[2 * l], share[2 * l + 1]
        if lo < hi and has_mirror(&r.layers[l]):
            KINDS[r.layers[l].kind].mirror(r, l, lo, hi)


cdef inline void step_run(Run *r, const step_t *step, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    r.k.step(step, 1, end - begin, at(r, r.P, begin), end - begin, at(r, r.G, begin), end - begin, at(r, r.S1, begin), at(r, r.S2, begin))


cdef void square_rows(Run *r, int t) noexcept nogil:
    """The squared norms of this thread's rows of the gradient, bias rows included."""
    cdef int l
    cdef Py_ssize_t i, lo, hi, row = 0
    cdef Layer *y
    cdef const Py_ssize_t *share = shares(r, t)
    for l in range(1, r.L + 1):
        y = &r.layers[l]
        lo, hi = share[2 * l], share[2 * l + 1]
        for i in range(lo, hi):
            r.row_squares[row + i] = 0 if y.leader else r.k.sum_squares(y.cols, at(r, r.G, y.w + i * y.ldw))
        if lo < hi == y.rows and y.bias:
            r.row_squares[row + hi] = 0 if y.leader and y.led_bias else r.k.sum_squares(y.units, at(r, r.G, y.b))
        row += y.rows + y.bias
    if t == 0:
        r.row_squares[row] = r.k.sum_squares(r.ties.n_tail, at(r, r.G, r.ties.tail)) if r.ties != NULL else 0


cdef void penalize_rows(Run *r, int t) noexcept nogil:
    """The penalties of this thread's rows of W, before the step."""
    cdef int l
    cdef Py_ssize_t i, row = 0
    cdef Layer *y
    cdef char *w
    cdef const Py_ssize_t *share = shares(r, t)
    for l in range(1, r.L + 1):
        y = &r.layers[l]
        for i in range(share[2 * l], share[2 * l + 1]):
            w = at(r, r.P, y.w + i * y.ldw)
            r.row_penalty[row + i] = 0 if y.leader else 0.5 * r.row_l2 * r.k.sum_squares(y.cols, w) if r.row_l2 > 0 else 0
            if r.row_l1 > 0 and not y.leader:
                r.row_penalty[row + i] += r.row_l1 * r.k.sum_abs(y.cols, w)
        row += y.rows


cdef double penalty(Run *r) noexcept nogil:
    """The sum of what penalize_rows left, in the order of the rows."""
    cdef double total = 0
    cdef Py_ssize_t i, rows = 0
    cdef int l
    for l in range(1, r.L + 1):
        rows += r.layers[l].rows
    for i in range(rows):
        total += r.row_penalty[i]
    return total


cdef double clip_scale(Run *r) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t i
    for i in range(r.n_rows + 1):   # and the tail of ties
        total += r.row_squares[i]
    total = sqrt(total)
    return r.clip / total if total > r.clip else 1


cdef void train_job(void *arg, int t) noexcept nogil:
    """Units unit0 .. unit1 of the epoch. Ends early, before the step, where a loss is not finite."""
    cdef Run *r = <Run *>arg
    cdef Py_ssize_t u, begin, pos, m, end, rows = 0
    cdef bint last, penal = r.row_l2 > 0 or r.row_l1 > 0
    cdef step_t step = r.step
    cdef double p1 = r.beta1_power, p2 = r.beta2_power, next1, next2, scale = 0
    begin = r.unit0 // r.chunks * r.batch
    pos = begin + r.unit0 % r.chunks * r.chunk
    MARK_START(t)
    for u in range(r.unit0, r.unit1):
        end = min(begin + r.batch, r.n)
        m = min(r.chunk, end - pos)
        last = pos + m == end
        if end - begin != rows:
            rows = end - begin
            scale = r.weight_scale / rows
            step.l2, step.l1 = r.step.l2 + r.row_l2 / rows, r.step.l1 + r.row_l1 / rows
        row_phase(r, pos, pos - begin, m, scale, t)
        next1, next2 = next_power(p1, step.beta1), next_power(p2, step.beta2)
        step.lr = step_rate(&r.step, next1, next2)      # well before it is used: it takes long
        team_barrier(r.team, t)
        MARK(t, PHASE_barrier)
        if load(&r.bad):
            if t == 0:
                r.bad_unit = u
            break
        if weightless(r, begin, end):
            team_barrier(r.team, t)
            pos, begin = pos + m, end if last else begin
            continue
        if last:
            p1, p2 = next1, next2
            if penal:
                penalize_rows(r, t)
        weight_phase(r, pos - begin, m, end - begin, &step, t)
        if t == 0 and last:
            r.loss_sum += r.k.sum(end - begin, r.values)
            if r.penalty:
                r.lam_sum += r.k.sum(end - begin, r.penalties)
        team_barrier(r.team, t)
        MARK(t, PHASE_barrier)
        if t == 0 and last and penal:
            r.penalty_sum += penalty(r)
        pos += m
        if last:
            begin = end
    if t == 0:
        r.beta1_power, r.beta2_power = p1, p2


cdef void forward_job(void *arg, int t) noexcept nogil:
    """Positions unit0 .. unit1: predictions where out is given, losses where values are."""
    cdef Run *r = <Run *>arg
    cdef Py_ssize_t each = rows_each(r.unit1 - r.unit0, r.team.active)
    cdef Py_ssize_t pos = min(r.unit0 + t * each, r.unit1), hi = min(pos + each, r.unit1), m
    cdef Py_ssize_t row = t * r.block
    cdef Layer *y = &r.layers[r.L]
    cdef char *scratch = r.scratch[t]
    while pos < hi:
        m = min(r.block, hi - pos)
        forward_rows(r, pos, row, m, scratch)
        if r.values != NULL:
            loss_rows(r, pos, row, m, at(r, r.values, pos - r.unit0), 1, False, scratch)
        if r.out != NULL:
            r.k.link(r.link, m, y.d_out, at(r, y.x, row * y.ld), y.ld, at(r, r.out, pos * y.d_out), y.d_out,
                     at(r, scratch, r.loss_at))
        pos += m


cdef void pull_job(void *arg, int t) noexcept nogil:
    """Positions unit0 .. unit1: from the loss, or from the seed, back to de/dx(0)."""
    cdef Run *r = <Run *>arg
    cdef Py_ssize_t each = rows_each(r.unit1 - r.unit0, r.team.active)
    cdef Py_ssize_t pos = min(r.unit0 + t * each, r.unit1), hi = min(pos + each, r.unit1), m, row = t * r.block
    cdef Layer *y = &r.layers[r.L]
    cdef Layer *x = &r.layers[0]
    while pos < hi:
        m = min(r.block, hi - pos)
        forward_rows(r, pos, row, m, r.scratch[t])
        if r.seed == NULL:
            loss_rows(r, pos, row, m, at(r, r.values, pos), 1, True, r.scratch[t])
        else:
            r.k.rows(m, y.d_out, at(r, <char *>r.seed, pos * y.d_out), y.d_out, at(r, y.delta, row * y.ld), y.ld)
        backward_rows(r, pos, row, m, 0, r.scratch[t])
        r.k.rows(m, x.d_out, at(r, x.delta, row * x.ld), x.ld, at(r, r.out, pos * x.d_out), x.d_out)
        pos += m


cdef void push_job(void *arg, int t) noexcept nogil:
    """Positions unit0 .. unit1: from the seed x'(0) to x'(L)."""
    cdef Run *r = <Run *>arg
    cdef Py_ssize_t each = rows_each(r.unit1 - r.unit0, r.team.active)
    cdef Py_ssize_t pos = min(r.unit0 + t * each, r.unit1), hi = min(pos + each, r.unit1), m, row = t * r.block
    cdef Layer *y = &r.tangent.layers[r.L]
    cdef Layer *x = &r.tangent.layers[0]
    while pos < hi:
        m = min(r.block, hi - pos)
        forward_rows(r, pos, row, m, r.scratch[t])
        r.k.rows(m, x.d_out, at(r, <char *>r.seed, pos * x.d_out), x.d_out, at(r, x.x, row * x.ld), x.ld)
        tangent_forward(r, pos, row, m, r.scratch[t])
        r.k.rows(m, y.d_out, at(r, y.x, row * y.ld), y.ld, at(r, r.out, pos * y.d_out), y.d_out)
        pos += m


cdef void attack_job(void *arg, int t) noexcept nogil:
    """Positions unit0 .. unit1: x(0) moved to where the loss is larger."""
    cdef Run *r = <Run *>arg
    cdef Py_ssize_t each = rows_each(r.unit1 - r.unit0, r.team.active)
    cdef Py_ssize_t pos = min(r.unit0 + t * each, r.unit1), hi = min(pos + each, r.unit1), m, row = t * r.block
    cdef Layer *x = &r.layers[0]
    while pos < hi:
        m = min(r.block, hi - pos)
        gather_rows(r, pos, row, m)
        attack_rows(r, pos, row, m, at(r, r.values, pos), r.scratch[t])
        r.k.rows(m, x.d_out, at(r, x.x, row * x.ld), x.ld, at(r, r.out, pos * x.d_out), x.d_out)
        pos += m


cdef void keep_job(void *arg, int t) noexcept nogil:
    """s and x of n rows, kept."""
    cdef Run *r = <Run *>arg
    cdef Py_ssize_t each = rows_each(r.n, r.team.active)
    cdef Py_ssize_t row = min(t * each, r.n), hi = min(row + each, r.n), m
    while row < hi:
        m = min(r.block, hi - row)
        forward_rows(r, row, row, m, r.scratch[t])
        row += m


cdef void sweep_job(void *arg, int t) noexcept nogil:
    """Everything of n rows kept: s, x, delta, de/dx(0), then the gradient from dw = scaled delta."""
    cdef Run *r = <Run *>arg
    cdef int l
    cdef Layer *y
    cdef Py_ssize_t each = rows_each(r.n, r.team.active)
    cdef Py_ssize_t row = min(t * each, r.n), m = min(each, r.n - row)
    row_phase(r, 0, 0, r.n, 1, t)
    for l in range(1, r.L + 1):
        y = &r.layers[l]
        r.k.scale_rows(m, pad(y.d_out, r.k.lanes), at(r, y.delta, row * y.ld), y.ld,
                       NULL if r.row_weight == NULL else at(r, r.row_weight, row),
                       r.weight_scale / r.n, at(r, y.dw, row * y.ld))
    team_barrier(r.team, t)
    weight_phase(r, 0, r.n, r.n, NULL, t)
