"""How many threads a call takes."""
from . import _check, _core

PAYS_OFF = 2e7  # floating point operations; as long as threads take to start, or a little more


def check_threads(n_threads):
    """An error where n_threads is neither None nor a number of threads that there can be."""
    if n_threads is not None:
        _check.integer("n_threads", n_threads, 1, _core.MOST_THREADS)


def team_for(net, rows, sweeps, n_threads=None, batch=None):
    """The threads for work on some rows: the caller alone where it is too little to start others for, or they did not
    pay a moment ago.

    sweeps: passes over the weights a row takes, 1 forward, 3 with the gradients, times the epochs. n_threads: None for
    what the network says, and where that says nothing for as many as pay off. batch: rows of a step, in training.
    """
    n_threads = net._n_threads if n_threads is None else n_threads
    if n_threads is not None:
        return _core.team(n_threads)
    if batch is not None and net._core.one_thread_pays(batch):
        return _core.team(1)
    work = 2.0 * net._core.work * rows * sweeps
    return _core.team(_core.cores(), True) if work > PAYS_OFF else _core.team(1)
