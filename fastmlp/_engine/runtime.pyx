"""The classes behind calls into the engine: network structs, threads, data, orders of rows, calls and their pace.

    describe.pxi    build Layer structs from the descriptions of the Python level
    team.pxi        teams of threads: the caller and Python threads beside it
    data.pxi        X, targets and weights of a user, as the kernels read them
    order.pxi       permutations of the rows
    meeting.pxi     where ranks of one machine meet
    call.pxi        a Job with bound data and its arena
    pace.pxi        how many threads take how many chunks; signals in between
    small.pxi       fast predictions of a few rows, without all of that

They form one module, since every extension module with classes takes 50 KB and 0.2 ms of the import.
"""
import _thread
import math
import os

import numpy as np

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uint32_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from fastmlp._engine.arena cimport copy_layers, place, room_for_forms, share_weights
from fastmlp._engine.attack cimport attack_rows
from fastmlp._engine.columns cimport known_rows
from fastmlp._engine.inline cimport *
from fastmlp._engine.kinds cimport kind_of
from fastmlp._engine.structs cimport *
from fastmlp._engine.sweep cimport prepare, push_rows, train_job
from fastmlp._engine.tables cimport address, kernels_for, on_line, source_of, theta_for
from fastmlp._engine.tangent cimport (
    PENALTY_GRADIENT,
    PENALTY_JACOBIAN,
    push_tangent,
    settling_tangents,
    tangent_rows,
)

from fastmlp._engine.pending import raise_pending
from fastmlp._engine.tables import aligned

include "describe.pxi"
include "team.pxi"
include "data.pxi"
include "order.pxi"
include "meeting.pxi"
include "call.pxi"
include "pace.pxi"
include "small.pxi"
