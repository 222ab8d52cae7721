"""Processes that train one network together, and how they talk.

A communicator has four things: `rank`, the number of this process, 0 .. size - 1; `size`, how many there are;
`sum_(buffer)` and `broadcast_(buffer)`, which all of them call in the same order, each with an array of the same shape
and dtype, and which change it in place. Whatever has these can be handed to fit as `comm`.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from .._fit.ranks import sum_in_order
from .parts import Parts, shared_parts

__all__ = ["Communicator", "MPICommunicator", "SerialCommunicator", "communicator_of"]

SMALL_BYTES = 8192  # of a buffer that all send to all
OF_MPI = ("Get_rank", "Get_size", "Allgather", "Alltoall", "Bcast")  # what is asked of mpi4py's communicators
MOST_GROUPS = 1000  # each has a thread


@runtime_checkable
class Communicator(Protocol):
    """What a fit asks of the processes that share it. Buffers are C-contiguous NumPy arrays of numbers."""

    rank: int
    size: int

    def sum_(self, buffer: NDArray[Any]) -> None:
        """The sum of the buffers of all ranks, added in the order of the ranks, into each of them: the same bits
        everywhere and each time."""

    def broadcast_(self, buffer: NDArray[Any]) -> None:
        """What rank 0 has, into the buffers of all."""


class SerialCommunicator:
    """One process, which has nobody to talk to.

    groups : as how many ranks a fit with it is to sum, to the same bits as theirs: to know what ranks will give, or to
        have once more what they gave, by one process. An int: X, y and sample_weight are cut into so many parts, of as
        many rows as np.array_split gives them; a sequence: of so many rows each, some perhaps 0. Validation rows are
        cut evenly. Each group of rows has a thread, of which n_threads are for each, and but for the first a copy of
        the network; callbacks are called in the first. Not with window.

    ValueError or TypeError names groups where it is none of these.
    """

    rank, size = 0, 1

    def __init__(self, groups: int | Sequence[int] = 1) -> None:
        self.groups: int | tuple[int, ...]
        if isinstance(groups, (list, tuple)) or isinstance(groups, np.ndarray) and groups.ndim == 1:
            _checks.integer("the number of groups", len(groups), 1, MOST_GROUPS)
            self.groups = tuple(_checks.integer("groups", rows, 0) for rows in groups)
        else:
            self.groups = _checks.integer("groups", groups, 1, MOST_GROUPS)

    def __repr__(self) -> str:
        return f"SerialCommunicator({self.groups})"

    def sum_(self, buffer: NDArray[Any]) -> None:
        """The buffer is the sum."""

    def broadcast_(self, buffer: NDArray[Any]) -> None:
        """Rank 0 has it."""


class MPICommunicator:
    """The processes of an mpi4py communicator, such as MPI.COMM_WORLD.

    Bits depend on the number of ranks alone, not on timing or on the algorithm that MPI picks. A small buffer, of 8 KB
    at most, goes from all to all (Allgather) and each adds them up in the order of the ranks. Of a larger one each rank
    gets its piece from all (Alltoall), adds it up in the order of the ranks, and gives the sum to all (Allgather): so
    each rank sends and receives two buffers, however many ranks there are.

    It has one thing more than a communicator must have: `parts`, by which ranks of one machine divide steps.
    """

    def __init__(self, comm: Any) -> None:
        if not all(hasattr(comm, name) for name in OF_MPI):
            raise TypeError(f"comm must be a communicator of mpi4py, got {_checks.described(comm)}")
        self.comm, self.rank, self.size = comm, comm.Get_rank(), comm.Get_size()
        self._rooms: dict[tuple[Any, ...], NDArray[Any]] = {}

    def sum_(self, buffer: NDArray[Any]) -> None:
        flat = buffer.reshape(-1)
        if buffer.nbytes <= SMALL_BYTES:
            parts = self._room("parts", flat.dtype, (self.size, flat.size))
            self.comm.Allgather(flat, parts)
            sum_in_order(parts, flat)
            return
        piece = -(-flat.size // self.size)
        whole = flat
        if piece * self.size != flat.size:  # pieces are of one size
            whole = self._room("whole", flat.dtype, (piece * self.size,))
            whole[:flat.size] = flat
        parts, own = self._room("parts", flat.dtype, (self.size, piece)), self._room("own", flat.dtype, (piece,))
        self.comm.Alltoall(whole, parts)
        sum_in_order(parts, own)
        self.comm.Allgather(own, whole)
        if whole is not flat:
            flat[:] = whole[:flat.size]

    def broadcast_(self, buffer: NDArray[Any]) -> None:
        self.comm.Bcast(buffer, 0)

    def parts(self, parameters: int, dtype: np.dtype[Any], forms_size: int) -> Parts | None:
        """Memory in which each rank steps its own part of so many parameters, None where they do not share any."""
        return shared_parts(self.comm, parameters, dtype, forms_size)

    def _room(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """An array for one of the steps of a sum, kept for the next."""
        key = name, dtype, shape
        if key not in self._rooms:
            self._rooms[key] = np.empty(shape, dtype)
        return self._rooms[key]


def communicator_of(comm: Any) -> Communicator:
    """The communicator that fit is given: one of ours or alike, or mpi4py's. TypeError for anything else, ValueError
    where its rank is none of its size."""
    if isinstance(comm, Communicator) and not isinstance(comm, type):
        size = _checks.integer("the size of comm", comm.size, 1)
        _checks.integer("the rank of comm", comm.rank, 0, size - 1)
        return comm
    if type(comm).__module__.partition(".")[0] == "mpi4py" and hasattr(comm, "Alltoall"):
        return MPICommunicator(comm)
    raise TypeError("comm must be None, an mpi4py communicator, or an object with rank, size, sum_ and broadcast_, "
                    f"got {_checks.described(comm)}")
