# Teams of threads: the caller of a fit or another call, and Python threads that live a little longer than the call.

cdef enum:
    MOST_IDLE = 2               # teams that are kept for the next call, for about a tenth of a second

cdef list idle_teams = []       # the newest last
cdef list busy_teams = []       # in calls, of more than the caller
# What threads without the GIL hold while they take or give a team. It must not be a list that they work on: methods of
# lists lock these, and to lock what is locked lets others in.
cdef object taking_teams = object()


def leave_teams():
    """Called in a child process after a fork, where the threads of the teams do not exist: callers of busy teams run
    their next jobs alone. A job during which the fork happened ends, since the barriers of a team that is off are open;
    see require_threads."""
    cdef Team one
    idle_teams.clear()
    for one in busy_teams:
        one.n = 1
        store(&one.team.state, TEAM_OFF)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=leave_teams)


def cores():
    """The number of processors that this process may use."""
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
        if os.getpid() != process:  # a child process that this thread forked, in a loss: it has no other thread
            os._exit(0)     # a normal exit would run exit handlers of other libraries, which may wait for their threads


cdef Team take_team(int n):
    """An idle team of n threads, or a new one."""
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
    """`with borrow_team(n) as t`: a Team for a call. Afterwards its threads wait for the next call for a while.

    auto: may use fewer threads if more are not faster, or the caller alone if others cannot be started."""
    cdef Team one
    cdef int n
    cdef bint auto

    def __init__(self, int n, bint auto=False):
        self.n, self.auto = n, auto and n > 1

    def __enter__(self):
        try:
            self.one = take_team(self.n)    # here, where no signal can interrupt
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
