"""Gather the rows of Dask collections into one Shard on each worker that holds some of them."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _checks
from .._optional import needs


class Shard(NamedTuple):
    """The rows on a worker: X (n, d), possibly sparse or a DataFrame, y (n,) or (n, outputs), weight (n,) or None."""

    X: Any
    y: NDArray[Any]
    weight: NDArray[Any] | None


class ShardFuture(NamedTuple):
    """A Shard on a worker: its future, its number of rows, and the address of the worker."""

    rows: Any
    n: int
    worker: str


def is_collection(a: Any) -> bool:
    """Whether something is a Dask array, DataFrame or Series."""
    return hasattr(a, "__dask_graph__") and hasattr(a, "to_delayed") and hasattr(a, "npartitions")


def is_frame(a: Any) -> bool:
    """Whether a collection is a DataFrame or Series, whose partitions have unknown lengths."""
    return not hasattr(a, "chunks")


def shards_of(client: Any, X: Any, y: Any, weight: Any = None, keeps_frames: bool = False) -> list[ShardFuture]:
    """X, y and row weights, collections with any partitions, as one Shard for each worker that holds rows of X, in the
    order of the first row of each. What is not computed yet is computed, once; rows are not moved.

    keeps_frames: whether a DataFrame X stays one in a Shard.

    TypeError names an argument that is not a collection, ValueError one with another number of rows than X.
    """
    wait = needs("distributed", "fit on Dask collections").wait
    given = {"X": X, "y": y} | ({} if weight is None else {"sample_weight": weight})
    for name, a in given.items():
        if not is_collection(a):
            raise TypeError(f"{name} must be a Dask array or DataFrame, got {_checks.described(a)}")
        if a.ndim > 2 or name == "X" and a.ndim < 2:
            raise ValueError(f"{name} must have {'two' if name == 'X' else 'one or two'} dimensions, got {a.ndim}")
    whole = [a if is_frame(a) or a.ndim == 1 else a.rechunk({1: -1}) for a in given.values()]
    held = client.persist(whole)  # until its results exist, since the scheduler might drop it
    parts, lengths = _cut_alike(client, dict(zip(given, held)))
    futures = {name: client.compute(list(delayed)) for name, delayed in parts.items()}
    wait([future for those in futures.values() for future in those])
    holders = client.who_has(futures["X"])
    by_worker: dict[str, list[int]] = {}
    for i, future in enumerate(futures["X"]):
        if lengths[i]:
            who = sorted(holders.get(future.key) or [""])[0]  # none if the worker has died
            by_worker.setdefault(who, []).append(i)
    if not by_worker:
        raise ValueError("X must have at least one row, got none")
    shards = [_shard(client, who, futures, lengths, some, keeps_frames) for who, some in by_worker.items()]
    wait([shard.rows for shard in shards])
    return shards


def _shard(client: Any, worker: str, futures: dict[str, list[Any]], lengths: list[int],
           some: list[int], keeps_frames: bool) -> ShardFuture:
    """Some partitions, all on one worker, joined."""
    pieces = [[futures[name][i] for i in some] if name in futures else None for name in ("X", "y", "sample_weight")]
    rows = client.submit(joined, *pieces, keeps_frames, **where(worker), pure=False)
    return ShardFuture(rows, sum(lengths[i] for i in some), worker)


def where(worker: str) -> dict[str, Any]:
    """Arguments of client.submit for a task that a worker should run; another one runs it if that worker has died."""
    return {"workers": [worker], "allow_other_workers": True} if worker else {}


def _cut_alike(client: Any, given: dict[str, Any]) -> tuple[dict[str, list[Any]], list[int]]:
    """(the partitions of each collection, their numbers of rows), repartitioned so that they match between collections.
    """
    lengths = {name: _lengths(client, a) for name, a in given.items()}
    n = {name: sum(sizes) for name, sizes in lengths.items()}
    for name, rows in n.items():
        if rows != n["X"]:
            raise ValueError(f"{name} must have {n['X']} rows, as X has, got {rows}")
    for name, sizes in lengths.items():
        if sizes != lengths["X"]:
            a = given[name]
            known = a.to_dask_array(lengths=sizes) if is_frame(a) else _with_lengths(a, sizes)
            given[name] = known.rechunk({0: tuple(lengths["X"])})
    return {name: list(np.ravel(a.to_delayed())) for name, a in given.items()}, lengths["X"]


def _lengths(client: Any, a: Any) -> list[int]:
    """The numbers of rows of a collection's partitions; computed if they are not known."""
    if not is_frame(a) and not np.isnan(a.chunks[0]).any():
        return list(a.chunks[0])
    delayed = needs("dask", "fit on Dask collections").delayed
    return client.gather(client.compute([delayed(_length)(part) for part in np.ravel(a.to_delayed())]))


def _length(part: Any) -> int:
    return int(part.shape[0])


def _with_lengths(a: Any, sizes: list[int]) -> Any:
    """An array with unknown chunks, with their sizes set."""
    a = a.copy()
    a._chunks = (tuple(sizes), *a.chunks[1:])
    return a


def joined(X: list[Any], y: list[Any], weight: list[Any] | None, keeps_frames: bool = False) -> Shard:
    """Partitions as one Shard."""
    keeps_frames = keeps_frames and hasattr(X[0], "iloc")
    rows = needs("dask.dataframe.dispatch", "fit on DataFrames").concat(X) if keeps_frames else _rows("X", X)
    return Shard(rows, _rows("y", y), None if weight is None else _rows("sample_weight", weight))


def _rows(name: str, parts: list[Any]) -> Any:
    arrays = [_arrays.sound(name, rows_of(part)) for part in parts]
    if len(arrays) == 1:
        return arrays[0]
    if _arrays.is_sparse(arrays[0]):
        return needs("scipy.sparse", "fit").vstack(arrays, format="csr")
    return np.concatenate(arrays)


def rows_of(part: Any) -> Any:
    """A partition as an array or a sparse matrix."""
    if _arrays.is_sparse(part):
        return part
    return part.to_numpy() if hasattr(part, "to_numpy") else np.asarray(part)
