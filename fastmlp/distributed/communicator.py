"""Communicators, through which processes that train one network together communicate.

A communicator has four attributes: `rank`, the number of this process, 0 .. size - 1; `size`, the number of processes;
`sum_(buffer)` and `broadcast_(buffer)`, which all ranks call in the same order, with arrays of the same shape and
dtype, and which change the array in place. Any object with these can be passed to fit as `comm`.
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

SMALL_BYTES = 8192  # largest buffer that is summed by Allgather alone
OF_MPI = ("Get_rank", "Get_size", "Allgather", "Alltoall", "Bcast")  # the methods used of mpi4py's communicators
MOST_GROUPS = 1000  # each has a thread


@runtime_checkable
class Communicator(Protocol):
    """The interface of communicators. Buffers are C-contiguous NumPy arrays of numbers."""

    rank: int
    size: int

    def sum_(self, buffer: NDArray[Any]) -> None:
        """Replace the buffers of all ranks by their sum, added in the order of the ranks, so that the bits are always
        the same on all ranks."""

    def broadcast_(self, buffer: NDArray[Any]) -> None:
        """Replace the buffers of all ranks by that of rank 0."""


class SerialCommunicator:
    """The communicator of a single process.

    groups : lets one process compute the same bits as this number of ranks, to predict or reproduce their results. An
        int: X, y and sample_weight are divided into so many parts, as by np.array_split; a sequence: the number of rows
        of each part, possibly 0. Validation rows are divided evenly. Each group of rows has its own thread, which uses
        n_threads threads, and, except for the first, a copy of the network; callbacks are called in the first group.
        Not with window.

    ValueError or TypeError names groups if it is invalid.
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
        """Nothing to do: the buffer is the sum."""

    def broadcast_(self, buffer: NDArray[Any]) -> None:
        """Nothing to do: this is rank 0."""


class MPICommunicator:
    """The processes of an mpi4py communicator, such as MPI.COMM_WORLD.

    Bits depend only on the number of ranks, not on timing or on the algorithm that MPI chooses. A small buffer, of 8 KB
    at most, is sent from all to all (Allgather), and each rank adds them in the order of the ranks. For a larger one,
    each rank receives its piece from all (Alltoall), adds these in the order of the ranks, and sends the sum to all
    (Allgather): so each rank sends and receives two buffers, however many ranks there are.

    It also has the optional method `parts`, with which ranks on one machine divide steps.
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
        if piece * self.size != flat.size:  # pieces have equal sizes
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
        """A temporary array for a sum, kept for the next one."""
        key = name, dtype, shape
        if key not in self._rooms:
            self._rooms[key] = np.empty(shape, dtype)
        return self._rooms[key]


def communicator_of(comm: Any) -> Communicator:
    """The communicator for fit's argument comm: one of fastmlp's, an object like them, or mpi4py's. TypeError for
    anything else, ValueError if its rank is not in 0 .. size - 1."""
    if isinstance(comm, Communicator) and not isinstance(comm, type):
        size = _checks.integer("the size of comm", comm.size, 1)
        _checks.integer("the rank of comm", comm.rank, 0, size - 1)
        return comm
    if type(comm).__module__.partition(".")[0] == "mpi4py" and hasattr(comm, "Alltoall"):
        return MPICommunicator(comm)
    raise TypeError("comm must be None, an mpi4py communicator, or an object with rank, size, sum_ and broadcast_, "
                    f"got {_checks.described(comm)}")
