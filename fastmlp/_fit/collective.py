"""Ranks that communicate through a communicator, see fastmlp.distributed.

Everything that the ranks do together begins with `sums`: a few numbers, and how many ranks have failed. So an exception
on one rank reaches the others at their next joint action, and ends them there.
"""
from __future__ import annotations

import builtins
import contextlib
import platform
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _core, _threads
from .._engine.requests import Division, Exchange, Settle
from .._lazy import load
from .._network import Network
from .._parameters import OptimizerState
from .._types import Floats, Integers
from ..callbacks import Callback
from .batches import Cut, ProportionalCut
from .ranks import ALONE, NO_ROWS, Ranks, stand_in
from .signals import Deferred

if TYPE_CHECKING:
    from ..distributed import Communicator
    from ..distributed.parts import Parts
    from .options import Options

T = TypeVar("T")
NUMBERS = 3  # `sums` takes at most so many


def ranks_of(comm: Any) -> Ranks:
    """The ranks of a communicator. TypeError if comm is not one."""
    communicator = load("communicator_of")(comm)
    return Together(communicator) if communicator.size > 1 else ALONE


class Together(Ranks):
    """Several ranks that communicate through a communicator."""

    def __init__(self, communicator: Communicator) -> None:
        super().__init__(communicator.rank, communicator.size)
        self.communicator = communicator
        self.deferred, self.ended, self.broken = Deferred(), False, False
        # Where ranks divide steps:
        self.parts: Parts | None = None  # the parts of the parameters, in memory that the ranks share,
        self.state: list[Floats] = []    # the optimiser's arrays,
        self.begun = False               # and whether the shared parameters are newer than the network's
        self.given = np.zeros(1 + NUMBERS)  # whether this rank has failed, and the numbers of `sums`

    # ---- the beginning and the end

    def __enter__(self) -> Self:
        self.deferred.install()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if not self.ended:
                with self.deferred:
                    self._sums((), error)
                    if not self.ended:
                        self._spread_state()
            if self.parts is not None and not self.broken:
                with self.deferred:
                    self.parts.close()
        finally:
            self.deferred.remove()

    def _sums(self, numbers: Sequence[float], error: BaseException | None = None) -> list[float]:
        """The result of `sums`, for callers that have deferred signals. error: with which this rank has failed."""
        given = self.given
        given[0], given[1:] = error is not None, 0
        given[1:1 + len(numbers)] = numbers
        if self.parts is None:
            self._talk(given)
        else:
            self.parts.meeting.sums(given)
        failed, *found = given.tolist()
        if failed:
            self._end(error)
        return found

    def _talk(self, a: NDArray[Any]) -> None:
        """The communicator's sum."""
        self._with_others(self.communicator.sum_, a)

    def _with_others(self, call: Callable[..., T], *arguments: Any) -> T:
        """Make a call that all ranks make. If it fails, no further communication is possible."""
        try:
            return call(*arguments)
        except BaseException:
            self.ended = self.broken = True
            raise

    def _end(self, error: BaseException | None) -> None:
        """Raise the error of the lowest rank that has failed; a rank that failed itself only sends its message and does
        not raise here."""
        self.ended = True
        said = b"" if error is None else _said(error).encode()
        lengths = np.zeros(self.size, np.int64)
        lengths[self.rank] = len(said)
        self._talk(lengths)
        first = int(np.flatnonzero(lengths)[0])
        text = np.zeros(lengths[first], np.uint8)
        if first == self.rank:
            text[:] = np.frombuffer(said, np.uint8)
        self._talk(text)
        self._spread_state()
        if error is None:
            raise _error_of(first, text.tobytes().decode())

    # ---- numbers and arrays

    def sums(self, *numbers: float) -> Sequence[float]:
        with self.deferred:
            return self._sums(numbers)[:len(numbers)]

    def of_epoch(self, loss: float, weight_penalty: float, sensitivity: float) -> Sequence[float]:
        return self.sums(*((loss, weight_penalty) if self.rank == 0 else (0, 0)), sensitivity)

    def any(self, flag: bool) -> bool:
        return self.sums(flag)[0] > 0

    def sum_(self, a: NDArray[Any]) -> NDArray[Any]:
        with self.deferred:
            self._sums(())
            self._talk(a)
        return a

    def gather(self, a: NDArray[Any]) -> NDArray[Any]:
        shapes = np.zeros((self.size, 2), np.int64)
        shapes[self.rank] = len(a), a.shape[1] if a.ndim == 2 else -1
        with_fractions = self.any(a.dtype.kind == "f")
        sizes, widths = self.sum_(shapes).T
        of_rows = set(widths[sizes > 0].tolist())
        if len(of_rows) > 1:
            raise ValueError(f"y must have rows of one shape on all ranks, got {widths[sizes > 0].tolist()} columns")
        width, begin = of_rows.pop(), int(sizes[:self.rank].sum())
        found = np.zeros((sizes.sum(), *([] if width < 0 else [width])), np.float64 if with_fractions else np.int64)
        if len(a):
            found[begin:begin + len(a)] = a
        return self.sum_(found)

    def integers(self, *numbers: int) -> Sequence[int]:
        found = np.array(numbers, np.int64)
        self._broadcast(found)
        return found.tolist()

    def _broadcast(self, *arrays: NDArray[Any]) -> None:
        """Replace the arrays by those of rank 0."""
        with self.deferred:
            self._sums(())
            for a in arrays:
                self.communicator.broadcast_(a)

    def require_same(self, given: Mapping[str, Any]) -> None:
        texts = {name: _text(value) for name, value in given.items()}
        of_first = np.array([zlib.crc32(text.encode()) for text in texts.values()], np.int64)
        self._broadcast(of_first)
        for (name, text), code in zip(texts.items(), of_first):
            if zlib.crc32(text.encode()) != code:
                raise ValueError(f"{name} must be the same on all ranks, got another than rank 0 on rank {self.rank}: "
                                 + text)

    # ---- the network and its data

    def require_possible(self, network: Network, options: Options) -> None:
        if self.local_steps and options.ema is not None:
            raise ValueError("ema must be None where ranks take steps of their own, which is what "
                             f"sync={options.sync} means, got {options.ema}")

    def follow(self, network: Network, state: OptimizerState | None = None) -> None:
        parameters, statistics = network.parameters, network.core.statistics
        weights, p = parameters.all_weights(), parameters.values()
        self._broadcast(weights, p, statistics, *([] if state is None else state.arrays()))
        if self.rank > 0:
            parameters.resume(weights, p)
        if state is not None:
            progress = network.progress
            progress.seed, progress.epochs_ever, state.epoch = self.integers(progress.seed, progress.epochs_ever,
                                                                             state.epoch)
            self._divide(network, state)

    def _divide(self, network: Network, state: OptimizerState) -> None:
        """Let the ranks divide each step, if the communicator supports it and the step of each parameter depends only
        on its own gradient."""
        make = getattr(self.communicator, "parts", None)
        if make is None or self.local_steps or network.parameters.tied or state.optimizer.clip_norm:
            return
        core = network.core
        with self.deferred:
            self._sums(())
            self.parts = self._with_others(make, len(core.P), core.dtype, core.forms_size)
            self.core, self.state = core, state.slots
        if self.parts is not None:
            own, places = self.parts.gradients[self.rank], [a.ctypes.data for a in self.parts.gradients]
            self.division = Division(self.rank, own, np.array(places, np.intp), self.parts.parameters,
                                     self.parts.forms, None, self.parts.meeting)

    def bind(self, network: Network, X: Any, y: Any, sample_weight: Any = None) -> tuple[_core.Data, Integers | None]:
        if _shape(y)[:1] == (0,) == _shape(X)[:1]:
            self.weights(network, None, 0)
            return stand_in(network), NO_ROWS
        X = network.features(X)
        y = network.targets(y, X.shape[0])
        weight = self.weights(network, sample_weight, X.shape[0])
        return network.bind_checked(X, y, weight), None

    def weights(self, network: Network, sample_weight: Any, n: int) -> Floats | None:
        dtype = network.dtype
        weight = None if sample_weight is None or n == 0 else _arrays.unscaled_weights(sample_weight, n, dtype)
        total = float(n if weight is None else weight.sum(dtype=np.float64))
        all_n, all_total, weighted = self.sums(n, total, weight is not None)
        self.weighted = self.weighted or weighted > 0
        if all_n == 0:
            raise ValueError("X must have at least one row on some rank, got none on any")
        if weighted and not 0 < all_total < np.inf:
            raise ValueError(f"sample_weight must not be all 0, nor have an infinite sum, got {all_total:g}")
        if not weighted or n == 0:
            return None
        weight = np.ones(n) if weight is None else weight.astype(np.float64)
        return np.ascontiguousarray(weight * (all_n / all_total), dtype)

    def cut(self, n: int, batch: int | None) -> Cut:
        sizes = np.zeros(self.size, np.int64)
        sizes[self.rank] = n
        self.sum_(sizes)
        whole = int(sizes.sum())
        return ProportionalCut(sizes, self.rank, min(whole, batch or whole))

    def average(self, arrays: Sequence[NDArray[Any]], rows: int) -> None:
        total, = self.sums(rows)
        for a in arrays:
            a *= rows / total
            self.sum_(a)

    def exchange(self, rows: int) -> Exchange | None:
        if self.local_steps:
            return None
        gives = rows > 0
        if self.division is not None:
            self.division = self.division._replace(gives=gives, begin=None if self.begun else self._begin)
            return self._end_in_batch

        def exchange(G: Floats, found: NDArray[np.float64], error: BaseException | None) -> None:
            if self.ended:  # already, while batch statistics were settled
                return
            if not gives:
                G[...], found[...] = 0, 0
            with self.deferred:
                found[:] = self._sums(found.tolist(), error)[:2]
                if error is None and found[1] == 0:
                    self._talk(G)

        return exchange

    def _end_in_batch(self, G: Floats, found: NDArray[np.float64], error: BaseException | None) -> None:
        """The exchange of ranks that divide steps, called only if one has failed. error: None if it is another rank;
        else this rank's, which the others do not know yet."""
        if self.ended:  # already, while batch statistics were settled
            return
        with self.deferred:
            if error is None:
                self._end(None)
            else:
                self._sums((), error)

    def _begin(self) -> None:
        """Wait until all ranks have made the forms of the parameters."""
        with self.deferred:
            self._sums(())
            self.begun = True

    def gather_state(self) -> None:
        if self.parts is not None:
            with self.deferred:
                self._sums(())
                if self.looked_at:
                    self._spread_state()
                else:
                    self._take_parameters(self.parts)

    def _spread_state(self) -> None:
        """Collect the optimiser's arrays, of which each rank has stepped a part, and the parameters."""
        if self.parts is not None:
            places = self.core.parts(self.size)
            for a in self.state:
                self.parts.spread(a, self.rank, places)
            self._take_parameters(self.parts)

    def _take_parameters(self, parts: Parts) -> None:
        """Copy the shared parameters to the network, if they are newer."""
        if self.begun:
            self.core.P[:], self.begun = parts.parameters, False
        parts.meeting.meet()  # no rank may change what others still read

    def settle(self, rows: int) -> Settle | None:
        if self.local_steps:
            return None
        gives = rows > 0

        def settle(numbers: NDArray[np.float64], sums: bool) -> None:
            columns = numbers[2:]
            if not gives:
                columns[...] = 0
            with self.deferred:
                if sums:
                    self._sums(())
                    self._talk(columns)
                    return
                own = numbers[0] if gives else 0.0
                numbers[:2] = self._sums((own, numbers[1] if gives else 0))[:2]
                if numbers[0] > 0:
                    first, second = columns.reshape(2, -1)
                    mean = own * first
                    self._talk(mean)
                    mean /= numbers[0]
                    second += (first - mean) ** 2  # the variance around the mean of all (Chan, Golub and LeVeque 1979)
                    second *= own
                    self._talk(second)
                    first[...] = mean
                    second /= numbers[0]

        return settle

    # ---- callbacks and threads

    def listening(self, callbacks: Sequence[Callback]) -> list[Callback]:
        return [callback for callback in callbacks if self.rank == 0 or callback.every_rank]

    def threads(self, n_threads: int | None) -> int | None:
        """By default the ranks on a machine share its cores equally, each within its own limit."""
        hosts = np.zeros(self.size, np.int64)
        hosts[self.rank] = zlib.crc32(platform.node().encode())
        self.sum_(hosts)
        here = int((hosts == hosts[self.rank]).sum())
        return n_threads or min(_threads.allowed(), max(1, _core.cores() // here))


def _shape(a: Any) -> tuple[int, ...]:
    """The shape of a user's array, list or sparse matrix."""
    return tuple(a.shape) if hasattr(a, "shape") else np.shape(a)


def _text(value: Any) -> str:
    """The repr of a value, without memory addresses."""
    try:
        text = repr(value)
    except Exception:  # a user's object may raise anything; whether it is valid is checked later
        text = f"a {type(value).__name__}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def _said(error: BaseException) -> str:
    """An error as it is sent to the other ranks: the name of its nearest built-in class, and its message."""
    for kind in type(error).__mro__:
        if getattr(builtins, kind.__name__, None) is kind and kind not in (Exception, BaseException, object):
            return f"{kind.__name__}\n{error}"
    return f"{RuntimeError.__name__}\n{type(error).__name__}: {error}"


def _error_of(rank: int, text: str) -> BaseException:
    """The error of another rank, from the text of _said."""
    name, _, message = text.partition("\n")
    with contextlib.suppress(TypeError):  # UnicodeError's subclasses take more arguments
        error: BaseException = getattr(builtins, name)(f"rank {rank}: {message}")
        return error
    return RuntimeError(f"rank {rank}: {name}: {message}")
