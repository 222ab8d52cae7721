"""Memory that ranks of one machine share, where each steps its own part of the parameters."""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import Meeting
from .._types import Integers

PAGE = 4096  # bytes
SHARED_FOLDER = "/dev/shm"  # where systems that have it keep shared memory


class Parts:
    """The shared memory. gradients: of each rank, laid out as the parameters. parameters: shared by all. forms: bytes,
    for the engine's forms of W. meeting: where the ranks meet. close: a function that all ranks call when the memory is
    no longer used."""

    def __init__(self, gradients: Sequence[NDArray[Any]], parameters: NDArray[Any], forms: NDArray[np.uint8],
                 meeting: Meeting, close: Callable[[], None]) -> None:
        self.gradients, self.parameters, self.forms = gradients, parameters, forms
        self.meeting, self.close = meeting, close

    def spread(self, a: NDArray[Any], rank: int, places: Integers) -> None:
        """Have in an array what each rank has in its part of it. By way of gradients, which nobody wants then.

        rank: of the caller. places: (ranks, pieces, 2), where the pieces of each rank's part begin and end.
        """
        _copy(a, self.gradients[rank], places[rank])
        self.meeting.meet()
        for gradient, pieces in zip(self.gradients, places):
            _copy(gradient, a, pieces)
        self.meeting.meet()


def _copy(source: NDArray[Any], target: NDArray[Any], pieces: Integers) -> None:
    for begin, end in pieces.tolist():
        target[begin:end] = source[begin:end]


def shared_parts(comm: Any, parameters: int, dtype: np.dtype[Any], forms_size: int) -> Parts | None:
    """Parts of so many parameters for the ranks of an mpi4py communicator. None where they are on several machines, or
    where theirs has too little memory to share."""
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    try:
        rank, ranks, size = comm.Get_rank(), comm.Get_size(), parameters * dtype.itemsize
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
    places, shared, forms = np.split(memory[0][_pages(size):], [_pages(ranks * Meeting.BYTES), of_all - forms_size])
    if rank == 0:
        places[:] = 0
    window.Sync()
    comm.Barrier()
    window.Sync()

    def close() -> None:
        window.Unlock_all()
        window.Free()

    return Parts([one[:size].view(dtype) for one in memory], shared[:size].view(dtype), forms,
                 Meeting(places, rank, ranks), close)


def _pages(size: int) -> int:
    """Bytes of whole pages."""
    return -(-size // PAGE) * PAGE


def _fits(size: int) -> bool:
    """Whether so many bytes of memory can be shared: if the file system is full, writing would kill the process."""
    if not os.path.isdir(SHARED_FOLDER):
        return True
    found = os.statvfs(SHARED_FOLDER)
    return 2 * size < found.f_bavail * found.f_frsize
