# Threads: the caller of a fit or of another call, and Python threads beside it that live a little longer than one call.

cdef enum:
    MOST_IDLE = 2               # teams kept for the next call, for a tenth of a second or so

cdef list idle_teams = []       # the newest last
cdef list busy_teams = []       # in calls, of more than the caller
# What threads without the GIL hold while they take or give a team. It must not be a list that they work on: methods of
# lists lock these, and to lock what is locked lets others in.
cdef object taking_teams = object()


def leave_teams():
    """In a child after a fork, which has none of their threads: callers of busy teams do their next jobs alone. A job
    that the fork was in ends, since barriers of a team that is off are open; see require_threads."""
    cdef Team one
    idle_teams.clear()
    for one in busy_teams:
        one.n = 1
        store(&one.team.state, TEAM_OFF)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=leave_teams)


def cores():
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


cdef class Team:
    """The caller of a fit or of another call, and n - 1 Python threads."""

    def __cinit__(self, int n):
        self.n = n
        self.team.active = 1
        self.team.spin = SPIN if n == 1 or n <= cores() else 0
        team_call_roll(&self.team)
        try:
            for i in range(1, n):
                _thread.start_new_thread(self._work, (i,))
        except BaseException:
            store(&self.team.state, TEAM_OFF)
            raise

    def _work(self, int i):
        process = os.getpid()
        with nogil:
            team_work(&self.team, i)
        if os.getpid() != process:  # a child that this thread has forked, in a loss: nothing else is there
            os._exit(0)     # the end of a last thread would run other libraries' handlers, which may wait for theirs


cdef Team take_team(int n):
    """An idle team of that size, or a new one."""
    cdef Team one
    with cython.critical_section(taking_teams):
        for one in reversed(idle_teams):
            if one.n == n:
                idle_teams.remove(one)
                if team_take(&one.team):
                    return one
    return Team(n)


cdef give_team(Team one):
    store(&one.team.state, TEAM_IDLE)
    with cython.critical_section(taking_teams):
        if one.n > 1:
            idle_teams.append(one)
        if len(idle_teams) > MOST_IDLE:
            store(&(<Team>idle_teams.pop(0)).team.state, TEAM_OFF)


cdef class borrow_team:
    """`with borrow_team(n) as t`: a Team for a call. Its threads are at hand for the next one for a while.

    auto: let it use fewer threads where they do not pay, or the caller alone where others cannot be started."""
    cdef Team one
    cdef int n
    cdef bint auto

    def __init__(self, int n, bint auto=False):
        self.n, self.auto = n, auto and n > 1

    def __enter__(self):
        try:
            self.one = take_team(self.n)    # here, where no signal comes between
        except RuntimeError:
            if not self.auto:
                raise
            self.one = take_team(1)
        self.one.auto, self.one.awake, self.one.waking = self.auto, False, False
        if self.n > 1:
            busy_teams.append(self.one)
        return self.one

    def __exit__(self, *exception):
        if self.n > 1:
            busy_teams.remove(self.one)
        give_team(self.one)
