"""Columns of Parquet files as array-like objects that are sliced by rows."""
from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks, _paths
from .._optional import needs

__all__ = ["Columns", "Parquet"]


class Columns:
    """Columns of Parquet files, with shape, dtype and slicing by rows.

    shape : (n,) for one column by name, (n, d) for a list of d. dtype : a common one of all columns. chunks : its first
    element is the size of the largest row group. A slice reads all row groups that it overlaps, each as a whole, and
    keeps the last one in memory.
    """

    def __init__(self, pieces: Sequence[Any], ends: NDArray[np.int64], names: list[str], dtype: np.dtype[Any],
                 flat: bool) -> None:
        self._pieces, self._ends, self._names, self._flat = pieces, ends, names, flat
        self._last: tuple[int, NDArray[Any]] | None = None
        n = int(ends[-1]) if len(ends) else 0
        self.dtype, self.shape = dtype, (n,) if flat else (n, len(names))
        largest = int(np.diff(ends, prepend=0).max(initial=1))
        self.chunks = (largest, *self.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """A slice of rows, as an array of dtype."""
        if not isinstance(rows, slice):
            raise TypeError(f"rows must be a slice, got {_checks.described(rows)}")
        begin, end, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows must be a slice of step 1, got {_checks.described(rows)}")
        found = np.empty((max(0, end - begin), *self.shape[1:]), self.dtype)
        at = begin
        while at < end:
            number = int(np.searchsorted(self._ends, at, "right"))
            piece = self._piece(number)
            start = int(self._ends[number]) - len(piece)
            stop = min(end, int(self._ends[number]))
            found[at - begin:stop - begin] = piece[at - start:stop - start]
            at = stop
        return found

    def _rows_of(self, number: int) -> int:
        """The number of rows that a row group had when the file was first read."""
        return int(self._ends[number] - (self._ends[number - 1] if number else 0))

    def _piece(self, number: int) -> NDArray[Any]:
        """The rows of a row group."""
        last = self._last
        if last is not None and last[0] == number:
            return last[1]
        self._last = last = None  # freed before another one is read
        table = _table(self._pieces[number], self._names, self._rows_of(number))
        rows = np.empty((table.num_rows, len(self._names)), self.dtype)
        for i, name in enumerate(self._names):
            column = table.column(name)
            if column.null_count:
                raise ValueError(f"column {name!r} must have no missing values, got {column.null_count} in a row group")
            rows[:, i] = column.to_numpy()
        rows = rows[:, 0] if self._flat else rows
        self._last = number, rows
        return rows


class Parquet:
    """The columns of a Parquet file, or of several, as X and y of fit:

        data = fastmlp.data.Parquet("flights", target="delay")
        net.fit(data.X, data.y, window=100_000)
        model = fastmlp.TabularRegressor().fit(data)

    path : a file, a folder of files, or a list of files; rows come in the order of the files' names. target : the name
    of the column of y, or a list of names. columns : the names of the columns of X, in order; None for all other
    columns of the file.

    Row groups should be smaller than a window: a row group is read as a whole, and needs memory besides the window.
    TypeError or ValueError if a file does not have these columns; OSError or ValueError that names the file if it does
    not exist, is not a Parquet file, or is truncated or damaged, now or when its rows are read. ImportError if pyarrow
    is missing.

    Attributes
    ----------
    X : Columns (n, d). y : Columns (n,), or (n, k) for a list of targets. They must be numbers without missing values
        in all files: TypeError or ValueError names a column that is not.
    columns, targets : names of the columns of X and y. groups : rows of each row group.
    """

    def __init__(self, path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], target: str | Sequence[str],
                 columns: Sequence[str] | None = None) -> None:
        schemas, pieces = _row_groups(path)
        self.groups: list[int] = [piece.row_groups[0].num_rows for piece in pieces]
        known = next(iter(schemas.values())).names
        self.targets = _names("target", [target] if isinstance(target, str) else target, known)
        if columns is None:
            columns = [name for name in known if name not in self.targets]
        self.columns = _names("columns", columns, known)
        both = [name for name in self.columns if name in self.targets]
        if both:
            raise ValueError(f"columns must be others than the target, got {both}")
        for path, schema in schemas.items():
            for name in [*self.columns, *self.targets]:
                if name not in schema.names:
                    raise ValueError(f"column {name!r} must be in all files, it is not in {path!r}")
        self._pieces, self._schemas, self._flat = pieces, schemas, isinstance(target, str)

    def __len__(self) -> int:
        return sum(self.groups)

    @cached_property
    def X(self) -> Columns:
        """The columns to learn from."""
        return self._numbers(self.columns, False)

    @cached_property
    def y(self) -> Columns:
        """The targets."""
        return self._numbers(self.targets, self._flat)

    def _numbers(self, names: list[str], flat: bool) -> Columns:
        ends = np.cumsum(self.groups, dtype=np.int64)
        return Columns(self._pieces, ends, names, _dtype(names, self._schemas), flat)

    def read(self, group: int) -> Any:
        """A row group, as a pyarrow.Table of the columns and the targets."""
        return _table(self._pieces[group], [*self.columns, *self.targets], self.groups[group])


def _row_groups(path: Any) -> tuple[dict[str, Any], list[Any]]:
    """(the schema of each file, the row groups of all files), in the order of the files' names."""
    dataset = needs("pyarrow.dataset", "Parquet")
    paths = path if isinstance(path, (list, tuple)) else [path]
    if not paths or not all(isinstance(one, (str, os.PathLike)) for one in paths):
        raise TypeError(f"path must be a path or a list of paths, got {_checks.described(path)}")
    names = [_checks.path("path", one) for one in paths]
    with _reading(", ".join(names)):
        files = dataset.dataset(names if len(names) > 1 else names[0], format="parquet")
    fragments = sorted(files.get_fragments(), key=lambda fragment: fragment.path)
    if not fragments:
        raise ValueError(f"path must have a Parquet file at least, got none in {_checks.described(path)}")
    schemas, pieces = {}, []
    for fragment in fragments:
        with _reading(fragment.path):
            schemas[fragment.path] = fragment.physical_schema
            pieces += fragment.split_by_row_group()
    return schemas, pieces


def _table(piece: Any, names: list[str], rows: int) -> Any:
    """Read columns of a row group. rows: the number that it had when the file was first read."""
    with _reading(piece.path):
        table = piece.to_table(columns=names)
        if table.num_rows != rows:
            raise ValueError(f"it has {table.num_rows} rows where there were {rows}")
    return table


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    """A context in which errors name the file: OSError from the system, ValueError about the content."""
    try:
        with _paths.naming(path):
            yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path!r} must be a whole Parquet file, as it was when it was opened: {error}") from error


def _names(argument: str, names: Any, known: list[str]) -> list[str]:
    """Names of columns, checked to exist."""
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{argument} must be names of columns, got {_checks.described(names)}")
    if not names:
        raise ValueError(f"{argument} must be at least one column, got none")
    for name in names:
        _checks.one_of(argument, name, known)
    if len({*names}) < len(names):
        raise ValueError(f"{argument} must be different columns, got {_checks.described(names)}")
    return list(names)


def _dtype(names: list[str], schemas: Mapping[str, Any]) -> np.dtype[Any]:
    """A common dtype of some columns in all files."""
    from pyarrow import types

    found = []
    for schema in schemas.values():
        for name in names:
            kind = schema.field(name).type
            if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
                raise TypeError(f"column {name!r} must be numbers, got {kind}")
            found.append(np.dtype(kind.to_pandas_dtype()))
    return np.result_type(*found)
