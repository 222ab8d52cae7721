"""Ranks that are threads of one process, each with a group of the rows: it sums as so many processes would."""
from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _checks
from .ranks import sum_in_order
from .side_by_side import LOOK_SECONDS

Result = TypeVar("Result")
Groups = int | Sequence[int]  # how many there are, or the rows of each


def groups_of(comm: Any) -> Groups | None:
    """The groups that a communicator of one process asks for, None where there is but one."""
    groups: Groups = getattr(comm, "groups", 1)
    return None if isinstance(groups, int) and groups == 1 else groups


# ---- rows

def cut(groups: Groups, given: Mapping[str, Any], watched: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of each group, by name. ValueError or TypeError where they do not fit.

    given: X and what has as many rows, or None. watched: rows of any number, tuples of them, or dicts of these, which
    are cut evenly.
    """
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
    """How many rows something has."""
    shape = a.shape if hasattr(a, "shape") else _arrays.as_array(name, a).shape
    if not shape:
        raise TypeError(f"{name} must have rows, got {_checks.described(a)}")
    return int(shape[0])


def _even(n: int, size: int) -> list[int]:
    """The rows of each group, of n, as np.array_split has them."""
    return [n // size + (rank < n % size) for rank in range(size)]


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes)]


def _rows(a: Any, part: slice) -> Any:
    """Some rows of an array, a list, a frame or a sparse matrix; of None, None."""
    if a is None:
        return None
    if hasattr(a, "iloc"):
        return a.iloc[part]
    return a.tocsr()[part] if _arrays.is_sparse(a) else a[part]


def _watched(name: str, a: Any, rank: int, size: int) -> Any:
    if isinstance(a, Mapping):
        return {key: _watched(name, one, rank, size) for key, one in a.items()}
    if isinstance(a, tuple):
        return tuple(_watched(name, one, rank, size) for one in a)
    return None if a is None else _rows(a, _slices(_even(_count(name, a), size))[rank])


# ---- threads

class Shared:
    """Where ranks meet, and two places for the buffer of each."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.places: list[list[Any]] = [[None] * size, [None] * size]


class Group:
    """The communicator of one of these ranks."""

    def __init__(self, rank: int, size: int, shared: Shared) -> None:
        self.rank, self.size, self.shared, self.odd = rank, size, shared, False

    def sum_(self, buffer: NDArray[Any]) -> None:
        sum_in_order(self._of_all(buffer), buffer)

    def broadcast_(self, buffer: NDArray[Any]) -> None:
        np.copyto(buffer, self._of_all(buffer)[0])

    def _of_all(self, buffer: NDArray[Any]) -> list[NDArray[Any]]:
        """The buffers of all, in their order. The two places take turns: before one is written to again, all have met
        at the other, and so have read it."""
        self.odd = not self.odd
        places = self.shared.places[self.odd]
        places[self.rank] = buffer.copy()
        self.shared.barrier.wait()
        return list(places)


def run(fit: Callable[[Group], Result], size: int) -> Result:
    """What fit(communicator) gives on rank 0, which is this thread; the other ranks have threads of their own. Raises
    the error of the lowest rank that has one."""
    shared = Shared(size)
    results: list[Any] = [None] * size
    errors: list[BaseException | None] = [None] * size

    def run_one(rank: int) -> None:
        try:
            results[rank] = fit(Group(rank, size, shared))
        except BaseException as error:
            errors[rank] = error
            shared.barrier.abort()  # the others know of it, unless it came as they talked

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
