# Epochs in segments: how many threads take how many units, and signals between them.

cdef run_job(Call c, Team team, job_fn job):
    """One job on all threads, then what a Python loss raised in it, and signals."""
    with nogil:
        team_run(c.r.team, team.n, job, &c.r)
    if c.error is not None:
        raise c.error
    PyErr_CheckSignals()


cdef Py_ssize_t run_units(Core core, Call c, Team team, Py_ssize_t first, Py_ssize_t last) except -1:
    """Units first .. last of an epoch in segments, between which signals are seen and the number of threads
    is chosen; returns the first unit not done."""
    cdef Run *r = &c.r
    cdef Py_ssize_t u = first, count
    cdef double began, now, checked = now_seconds()
    cdef int threads
    r.team = &team.team
    while u < last:
        threads = plan(core, r, team, &count)
        count = min(count, last - u)
        r.unit0, r.unit1 = u, u + count
        share_weights(core, r, threads)
        with nogil:
            began = now_seconds()
            team_run(r.team, threads, train_job, r)
            now = now_seconds()
        if c.error is not None:
            error, c.error = c.error, None
            raise error
        if r.bad:
            return r.bad_unit
        u += count
        learn(core, team, threads > 1, (now - began) / count)
        if now - checked > SIGNAL_SECONDS:
            checked = now
            PyErr_CheckSignals()
    return u


cdef Py_ssize_t units(Core core, Run *r, Py_ssize_t batches):
    """Chunks in so many batches; the last batch of an epoch may have fewer than the others."""
    cdef Py_ssize_t begin = (batches - 1) * r.batch
    if begin + r.batch <= r.n:
        return batches * r.chunks
    return (batches - 1) * r.chunks + (r.n - begin + r.chunk - 1) // r.chunk


cdef int plan(Core core, Run *r, Team team, Py_ssize_t *count):
    """How many threads take how many units next. A free team measures all threads against one, and the slower of
    the two again from time to time: results are the same bits either way."""
    cdef bint wide = team.n > 1, present = <int>load(&team.team.present) >= team.n - 1
    cdef double each
    if core.timed_for != r.chunk:
        core.timed_for, core.cost[0], core.cost[1], core.patience = r.chunk, 0, 0, RETRY_SECONDS
    if team.auto:
        if core.cost[0] > 0 and core.cost[1] > 0 and now_seconds() - core.tried > core.patience:
            team.awake = core.cost[1] < core.cost[0]
            core.cost[team.awake == 0] = 0
        wide = core.cost[0] > 0 and (core.cost[1] == 0 or core.cost[1] < core.cost[0])
    wide = wide and present     # threads that are still to begin, or to wake up, are not waited for
    each = core.cost[wide]
    count[0] = 1
    if each > 0:
        count[0] = max(1, <Py_ssize_t>((RUN_SECONDS if present else BEGIN_SECONDS) / each))
    elif team.auto and wide and not team.awake:
        team.waking = True  # with one unit
    else:
        core.tried = now_seconds()
        count[0] = max(1, <Py_ssize_t>(TRY_SECONDS / (6e-11 * core.work * r.chunk + 1e-7)))
    return team.n if wide else 1


cdef void learn(Core core, Team team, bint wide, double each):
    """What a unit took."""
    cdef bint again = core.cost[wide] == 0
    if team.waking:
        team.waking, team.awake = False, True
        if each > 10 * core.cost[0]:    # other processes have the cores: no more of it for now
            core.cost[1], core.tried = each, now_seconds()
        return
    core.cost[wide] = each
    if core.cost[0] == 0 or core.cost[1] == 0:
        return
    if core.all_pay != (core.cost[1] < core.cost[0]):
        core.all_pay, core.patience, core.tried = not core.all_pay, RETRY_SECONDS, now_seconds()
    elif again:
        core.patience = min(2 * core.patience, PATIENCE_SECONDS)
