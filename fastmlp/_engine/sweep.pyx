"""The hot path of training: rows through dense layers forward and back, the gradient of W, the step.

It is one translation unit, since a step of a small network takes a tenth of a microsecond, and calls that the compiler
cannot inline would take a good part of that:

    rows.pxi      the row phase: a block of rows through all layers, the loss, the delta sweep
    settling.pxi  the row phase where rows need each other: a few layers at a time
    dense.pxi     the layer kind that nearly all networks are made of
    weights.pxi   the weight phase: gradients by tiles of W, clipping, ties, the step
    division.pxi  the weight phase of ranks that divide a step
    tiny.pxi      both phases of tiny networks, up to the step
    jobs.pxi      the jobs that the threads of a team run: training, prediction, derivatives, attacks

All other kinds of layers, ties, tangents and attacks are separate modules, called through tables and pointers.
"""
from libc.math cimport sqrt

from fastmlp._engine.inline cimport *
from fastmlp._engine.structs cimport *

cdef enum:
    GROUP_MIN_ROWS = 64         # smaller batches are not summed in two groups, see group_rows; the bits depend on it
    PIECE_WORK = 2000000000     # multiply-adds of a piece of a gradient in float64, half as many as in float32

include "rows.pxi"
include "settling.pxi"
include "dense.pxi"
include "weights.pxi"
include "division.pxi"
include "tiny.pxi"
include "jobs.pxi"


cdef list phase_ticks():
    """(name, ticks of each thread) of each phase of training since the last call; empty unless the build measures them.
    """
    if not PROFILING:
        return []
    ticks = [(profile_phases[i].decode(), [PROFILE_TICKS(thread, i) for thread in range(MAX_THREADS)])
             for i in range(N_PHASES)]
    PROFILE_RESET()
    return ticks
