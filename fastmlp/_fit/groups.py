"""Run the ranks of a fit as threads of one process, each with a group of the rows, with the sums of separate processes.
"""
from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _checks
from .parallel import LOOK_SECONDS
from .ranks import sum_in_order

Result = TypeVar("Result")
Groups = int | Sequence[int]  # the number of groups, or the rows of each


def groups_of(comm: Any) -> Groups | None:
    """The groups that a communicator of one process asks for, or None for a single one."""
    groups: Groups = getattr(comm, "groups", 1)
    return None if isinstance(groups, int) and groups == 1 else groups


# ---- rows

def cut(groups: Groups, given: Mapping[str, Any], watched: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Divide arrays among groups: for each group a dict of its rows, by name. ValueError or TypeError if sizes do not
    match.

    given: X and arrays with as many rows, or None. watched: arrays of any length, tuples of them or dicts of such
    tuples, which are divided evenly.
    """
    given = {name: _with_rows(name, a) for name, a in given.items()}
    counts = {name: _count(name, a) for name, a in given.items() if a is not None}
    n = counts.get("X", 0)
    for name, count in counts.items():
        if count != n:
            raise ValueError(f"{name} must have {n} rows, as X has, got {count}")
    if isinstance(groups, int):
        groups = _even(n, groups)
    elif sum(groups) != n:
        raise ValueError(f"X must have {sum(groups)} rows, as the groups of comm have together, got {n}")
    parts = [{name: _rows(a, part) for name, a in given.items()} for part in _slices(groups)]
    for name, a in watched.items():
        for rank, part in enumerate(parts):
            part[name] = _watched(name, a, rank, len(parts))
    return parts


def _count(name: str, a: Any) -> int:
    """The number of rows."""
    shape = a.shape if hasattr(a, "shape") else _arrays.as_array(name, a).shape
    if not shape:
        raise TypeError(f"{name} must have rows, got {_checks.described(a)}")
    return int(shape[0])


def _even(n: int, size: int) -> list[int]:
    """The sizes of `size` groups of n rows, as np.array_split makes them."""
    return [n // size + (rank < n % size) for rank in range(size)]


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes)]


def _with_rows(name: str, a: Any) -> Any:
    """a, of which rows can be taken: CSR of what is sparse. ValueError where its indices point outside of it."""
    return _arrays.sound(name, a).tocsr() if _arrays.is_sparse(a) else a


def _rows(a: Any, part: slice) -> Any:
    """Some rows of an array, a list, a DataFrame or CSR; None for None."""
    if a is None:
        return None
    return a.iloc[part] if hasattr(a, "iloc") else a[part]


def _watched(name: str, a: Any, rank: int, size: int) -> Any:
    if isinstance(a, Mapping):
        return {key: _watched(name, one, rank, size) for key, one in a.items()}
    if isinstance(a, tuple):
        return tuple(_watched(name, one, rank, size) for one in a)
    return None if a is None else _rows(_with_rows(name, a), _slices(_even(_count(name, a), size))[rank])


# ---- threads

class Shared:
    """The barrier of the ranks, and two slots for each rank's buffer."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.places: list[list[Any]] = [[None] * size, [None] * size]


class Group:
    """The communicator of one such rank."""

    def __init__(self, rank: int, size: int, shared: Shared) -> None:
        self.rank, self.size, self.shared, self.odd = rank, size, shared, False

    def sum_(self, buffer: NDArray[Any]) -> None:
        sum_in_order(self._of_all(buffer), buffer)

    def broadcast_(self, buffer: NDArray[Any]) -> None:
        np.copyto(buffer, self._of_all(buffer)[0])

    def _of_all(self, buffer: NDArray[Any]) -> list[NDArray[Any]]:
        """Copies of the buffers of all ranks, in order. The two slots are used in turn: before one is written again,
        all ranks have passed the barrier of the other, and so have finished reading it."""
        self.odd = not self.odd
        places = self.shared.places[self.odd]
        places[self.rank] = buffer.copy()
        self.shared.barrier.wait()
        return list(places)


def run(fit: Callable[[Group], Result], size: int) -> Result:
    """Call fit(communicator) on all ranks and return the result of rank 0, which is this thread; each other rank has a
    thread of its own. Raises the error of the lowest rank that failed."""
    shared = Shared(size)
    results: list[Any] = [None] * size
    errors: list[BaseException | None] = [None] * size

    def run_one(rank: int) -> None:
        try:
            results[rank] = fit(Group(rank, size, shared))
        except BaseException as error:
            errors[rank] = error
            shared.barrier.abort()  # wakes ranks that still wait for this one

    threads = [threading.Thread(target=run_one, args=(rank,), name=f"fastmlp-group-{rank}", daemon=True)
               for rank in range(1, size)]
    for thread in threads:
        thread.start()
    run_one(0)
    for thread in threads:
        while thread.is_alive():
            thread.join(LOOK_SECONDS)
    raised = [error for error in errors if error is not None]
    for error in sorted(raised, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return results[0]  # type: ignore[no-any-return]
