"""Read rows a window at a time, from data that are too large for memory.

A run is a number of consecutive rows of the data. An epoch takes all runs in an order shuffled by the seed and the
epoch; a window holds the rows of some consecutive batches, and its rows are shuffled once more. While one window is
trained on, a thread reads the next: at most two are in memory.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _checks, _core
from .._network import Network
from .._types import Floats
from .orders import Order, Piece, Place, Section
from .ranks import NO_ROWS, Ranks

if TYPE_CHECKING:
    from concurrent.futures import Future

SALT = 0x9e3779b97f4a7c15  # times the position, so that the seeds of windows do not collide with those of epochs
RUNS = 32  # per window; fewer if the source is stored in larger chunks


class Part(NamedTuple):
    """Rows begin .. end - 1 of the data."""

    begin: int
    end: int


Rows = tuple[NDArray[Any], NDArray[Any], Floats | None]  # X, y and weights


class Windows(Order):
    """The order of rows that are read from X and y, anything with shape, dtype and slicing by rows: NumPy memory maps,
    h5py, zarr, fastmlp.data.

    window: rows per window. weight: of all rows, scaled, or None. shuffle: whether to shuffle rows, by the seed;
    otherwise they come in the order of the data.
    """

    def __init__(self, network: Network, X: Any, y: Any, weight: Floats | None, window: int, shuffle: bool,
                 seed: int) -> None:
        from concurrent.futures import ThreadPoolExecutor  # here: seldom needed, and slow to import

        super().__init__(X.shape[0])
        self.network, self.X, self.y, self.weight = network, X, y, weight
        self.window, self.shuffle, self.seed = window, shuffle, seed
        self.small = max(1, window // RUNS)  # rows in memory besides two windows
        piece = max(rows_read_at_once(X), rows_read_at_once(y))
        self.run = max(1, self.small // piece) * piece if shuffle else max(1, self.n)
        self.reader = ThreadPoolExecutor(1, "fastmlp-windows")
        self.ahead: tuple[Place, Future[Rows]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """End the reading thread, after what it is reading now."""
        self.reader.shutdown(cancel_futures=True)
        self.ahead = None

    def check(self) -> None:
        """ValueError or TypeError if the first rows do not fit the network."""
        if self.n:
            self._bound(*self._rows([Part(0, min(self.small, self.n))]))

    # ---- the interface to Epochs

    def weight_of_all(self, data: _core.Data) -> float:
        return float(self.n) if self.weight is None else float(self.weight.sum(dtype=np.float64))

    def open(self, data: _core.Data, place: Place) -> Section:
        if self.n == 0:
            return Section(data, NO_ROWS, 0)
        ahead, self.ahead = self.ahead, None
        arrays = ahead[1].result() if ahead is not None and ahead[0] == place else self._read(*place)
        return Section(self._bound(*arrays), self._order(*place), place[1] * SALT)

    def look_ahead(self, place: Place) -> None:
        if self.n:
            self.ahead = place, self.reader.submit(self._read, *place)

    def pieces(self, data: _core.Data) -> Iterator[Piece]:
        for begin in range(0, self.n, self.small):
            yield self._bound(*self._rows([Part(begin, min(begin + self.small, self.n))])), None

    # ---- which rows, and in which order

    def parts(self, epoch: int, begin: int, end: int) -> Iterator[Part]:
        """The rows at positions begin .. end - 1 of an epoch, as parts of the data. All runs of the data have the same
        size, except the last."""
        runs = np.arange(-(-self.n // self.run))
        if self.shuffle:
            _core.shuffle(runs, self.seed, epoch)
        first = runs * self.run
        sizes = np.minimum(self.run, self.n - first)
        ends = np.cumsum(sizes)
        for i in range(int(np.searchsorted(ends, begin, "right")), len(runs)):
            start = int(ends[i] - sizes[i])  # its position in the epoch
            if start >= end:
                return
            yield Part(int(first[i]) + max(begin - start, 0), int(first[i]) + min(end - start, int(sizes[i])))

    def _order(self, epoch: int, begin: int, end: int) -> NDArray[np.int64]:
        """The order of a window's rows."""
        order = np.arange(end - begin)
        if self.shuffle:
            _core.shuffle(order, self.seed ^ begin + 1, epoch)
        return order

    # ---- reading

    def _read(self, epoch: int, begin: int, end: int) -> Rows:
        return self._rows(self.parts(epoch, begin, end))

    def _rows(self, parts: Iterable[Part]) -> Rows:
        """Read parts of the data and concatenate them."""
        parts = list(parts)
        weight = None if self.weight is None else np.concatenate([self.weight[i:j] for i, j in parts])
        return joined(self.X, parts), joined(self.y, parts), weight

    def _bound(self, X: NDArray[Any], y: NDArray[Any], weight: Floats | None) -> _core.Data:
        """A window, checked and bound for the engine."""
        X = self.network.features(X)
        y = self.network.targets(y, len(X))
        return self.network.bind_checked(X, y, weight)


def joined(source: Any, parts: list[Part]) -> NDArray[Any]:
    """The rows of some parts of a source, read into one array."""
    rows = np.empty((sum(end - begin for begin, end in parts), *source.shape[1:]), source.dtype)
    at = 0
    for begin, end in parts:
        part = source[begin:end]
        rows[at:at + len(part)] = part
        at += len(part)
    return rows


def rows_read_at_once(source: Any) -> int:
    """The number of rows in a chunk of the source's storage, which is always read as a whole; 1 if it has no chunks."""
    chunks = getattr(source, "chunks", None)
    return int(chunks[0]) if isinstance(chunks, tuple) and chunks and isinstance(chunks[0], int) else 1


def is_source(source: Any) -> bool:
    """Whether something has shape, dtype and slices as an array has. False for sparse matrices."""
    if not (hasattr(source, "shape") and hasattr(type(source), "__getitem__")) or _arrays.is_sparse(source):
        return False
    try:
        return np.dtype(source.dtype) is not None
    except Exception:  # a foreign object may raise anything
        return False


def windows_of(network: Network, X: Any, y: Any, options: Any, seed: int, ranks: Ranks) -> Windows:
    """The Windows for the options of a fit. TypeError or ValueError names the wrong argument."""
    for name, source in (("X", X), ("y", y)):
        if not is_source(source):
            raise TypeError(f"{name} must have shape, dtype and slices by rows where window is given, "
                            f"got {_checks.described(source)}")
        if not source.shape:
            raise ValueError(f"{name} must have rows, got shape ()")
    n = X.shape[0]
    if y.shape[0] != n:
        raise ValueError(f"y must have {n} rows, as X has, got shape {tuple(y.shape)}")
    if options.validation_fraction:
        raise ValueError("validation_fraction must be 0 where window is given: hold rows out by validation_data, "
                         f"got {_checks.described(options.validation_fraction)}")
    if options.class_weight is not None:
        raise ValueError("class_weight must be None where window is given: give the rows' weights by sample_weight, "
                         f"got {_checks.described(options.class_weight)}")
    if options.metrics and options.validation_data is None:
        raise ValueError("metrics must be () where window is given without validation_data: they want all rows at once")
    if n == 0 and ranks.size == 1:
        raise ValueError("X must have at least one row, got none")
    weight = ranks.weights(network, options.sample_weight, n)
    windows = Windows(network, X, y, weight, options.window, bool(options.shuffle), seed)
    windows.check()
    return windows
