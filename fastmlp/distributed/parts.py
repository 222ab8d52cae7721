"""Memory that ranks of one machine share, where each steps its own part of the parameters.

A part is a range of places, which the edges of all of them give: rank r has those from edges[r] to edges[r + 1].
"""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import Meeting

PAGE = 4096  # bytes
SHARED_FOLDER = "/dev/shm"  # where systems that have it keep shared memory


class Parts:
    """gradients: of each rank, laid out as the parameters. parameters: of all. forms: bytes, for what the engine makes
    of the parameters. meeting: where the ranks meet. close: a function that all call when none of the memory is used
    any more."""

    def __init__(self, rank: int, edges: Sequence[int], gradients: Sequence[NDArray[Any]], parameters: NDArray[Any],
                 forms: NDArray[np.uint8], meeting: Meeting, close: Callable[[], None]) -> None:
        self.rank, self.places = rank, [slice(*pair) for pair in zip(edges, edges[1:])]
        self.gradients, self.parameters, self.forms = gradients, parameters, forms
        self.meeting, self.close = meeting, close

    def spread(self, a: NDArray[Any]) -> None:
        """Have in an array what each rank has in its part of it. By way of gradients, which nobody wants then."""
        own = self.places[self.rank]
        self.gradients[self.rank][own] = a[own]
        self.meeting.meet()
        for place, gradient in zip(self.places, self.gradients):
            a[place] = gradient[place]
        self.meeting.meet()


def shared_parts(comm: Any, edges: Sequence[int], dtype: np.dtype[Any], forms_size: int) -> Parts | None:
    """Parts of the ranks of an mpi4py communicator. None where they are on several machines, or where theirs has too
    little memory to share."""
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    try:
        rank, ranks, size = comm.Get_rank(), comm.Get_size(), edges[-1] * dtype.itemsize
        of_all = _pages(ranks * Meeting.BYTES) + _pages(size) + forms_size
        wanted = _pages(size) + of_all * (rank == 0)  # the first has it
        fits = _fits(node.allreduce(wanted))
        if not comm.allreduce(fits and node.Get_size() == comm.Get_size(), MPI.LAND):
            return None
        window: Any = MPI.Win.Allocate_shared(wanted, 1, comm=node)
    finally:
        node.Free()
    window.Lock_all()
    memory = [np.frombuffer(window.Shared_query(r)[0], np.uint8) for r in range(ranks)]
    places, parameters, forms = np.split(memory[0][_pages(size):], [_pages(ranks * Meeting.BYTES), of_all - forms_size])
    if rank == 0:
        places[:] = 0
    window.Sync()
    comm.Barrier()
    window.Sync()

    def close() -> None:
        window.Unlock_all()
        window.Free()

    return Parts(rank, edges, [one[:size].view(dtype) for one in memory], parameters[:size].view(dtype), forms,
                 Meeting(places, rank, ranks), close)


def _pages(size: int) -> int:
    """Bytes of whole pages."""
    return -(-size // PAGE) * PAGE


def _fits(size: int) -> bool:
    """Whether so many bytes of memory can be shared: where the folder is full, writing would kill the process."""
    if not os.path.isdir(SHARED_FOLDER):
        return True
    found = os.statvfs(SHARED_FOLDER)
    return 2 * size < found.f_bavail * found.f_frsize
