"""The default number of threads of a call.

The order of precedence is scikit-learn's:

1. n_threads of the call, then of the network, overrides everything else. The rest applies if it is None.
2. OMP_NUM_THREADS, otherwise the cores that the process may use.
3. At most threadpoolctl's limits, if it is imported: the number of threads that the OpenMP runtimes of the process
   would use now in the calling thread. Without such a runtime, that of BLAS: by default threadpoolctl limits both.
4. One thread if more were measured not to be faster.

joblib sets the second for its worker processes, so that they share the cores.
"""
from __future__ import annotations

import os
import sys
from typing import Any

from . import _core


def allowed() -> int:
    """The largest allowed number of threads, at least 1."""
    most = _of_environment() or _core.cores()
    return max(1, min(most, _core.MOST_THREADS, *_limits_of_threadpoolctl()))


def _of_environment() -> int:
    """OMP_NUM_THREADS (the first number if it is a list for nested levels), or 0 if it is not set."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() else 0


# (number of imported modules at the last search, runtimes that threadpoolctl found)
_known: tuple[int, list[Any]] = (0, [])


def _limits_of_threadpoolctl() -> list[int]:
    """The present thread limits of the runtimes of this process, in the calling thread."""
    global _known
    threadpoolctl = sys.modules.get("threadpoolctl")
    if threadpoolctl is None:
        return []
    modules, libraries = _known
    if modules != len(sys.modules):  # a search takes milliseconds; runtimes are loaded by imports
        libraries = threadpoolctl.ThreadpoolController().lib_controllers
        libraries = [lib for lib in libraries if lib.user_api == "openmp"] or libraries
        _known = len(sys.modules), libraries
    return [n for n in (lib.num_threads for lib in libraries) if n]
