"""How many threads a call may take that was not told how many.

The order of precedence, which is scikit-learn's:

1. n_threads of the call, then of the network: that many, whatever else is said. What follows is for None.
2. OMP_NUM_THREADS, else the cores that the process may use.
3. No more than threadpoolctl's limits, where it was imported: what the OpenMP runtimes of the process would take now in
   the calling thread. Without such a runtime BLAS's number serves: threadpoolctl limits both unless told otherwise.
4. One thread where more were found not to pay.

joblib sets the second for its worker processes, so that they share the cores.
"""
from __future__ import annotations

import os
import sys
from typing import Any

from . import _core


def allowed() -> int:
    """The most threads, 1 at least."""
    most = _of_environment() or _core.cores()
    return max(1, min(most, _core.MOST_THREADS, *_limits_of_threadpoolctl()))


def _of_environment() -> int:
    """OMP_NUM_THREADS, of a list for nested levels the first number; 0 where it says nothing."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() else 0


# (how many modules the process had when they were looked for, the runtimes that threadpoolctl found)
_known: tuple[int, list[Any]] = (0, [])


def _limits_of_threadpoolctl() -> list[int]:
    """Threads that runtimes of the process are limited to now, in the calling thread."""
    global _known
    threadpoolctl = sys.modules.get("threadpoolctl")
    if threadpoolctl is None:
        return []
    modules, libraries = _known
    if modules != len(sys.modules):  # to look for them takes milliseconds; they come with modules that are imported
        libraries = threadpoolctl.ThreadpoolController().lib_controllers
        libraries = [lib for lib in libraries if lib.user_api == "openmp"] or libraries
        _known = len(sys.modules), libraries
    return [n for n in (lib.num_threads for lib in libraries) if n]
