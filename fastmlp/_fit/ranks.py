"""The interface through which the ranks of a fit decide together, implemented here for a single rank.

Each rank runs the same loop on its own rows. Wherever the next action depends on the rows or the callbacks, the loop
asks a `Ranks` object, and all ranks get the same answer. A fit without a communicator uses `Ranks` itself, which
returns its own values; together.py has the subclass for ranks that communicate.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _core
from .._engine.requests import Division, Exchange, Settle
from .._network import Network
from .._parameters import OptimizerState
from .._types import Floats, Integers
from ..callbacks import Callback
from .batches import Cut

if TYPE_CHECKING:
    from .options import Options

NO_ROWS = np.empty(0, np.int64)


def sum_in_order(parts: Sequence[NDArray[Any]] | NDArray[Any], out: NDArray[Any]) -> None:
    """Sum the parts of all ranks in the order of the ranks. out must not be one of the parts."""
    np.copyto(out, parts[0])
    for part in parts[1:]:
        out += part


class Ranks:
    """The one rank of a fit without a communicator.

    rank, size: its number, and how many ranks there are. several: whether there are others; the loop tests this before
    many calls, whose time counts in small fits. weighted: whether a rank has sample weights; the ranks then agree which
    batches have weight 0. local_steps: steps that each rank takes on its own between two averages of the weights; None
    if they take each step together. division: how the ranks divide a step; None if each takes all of it. looked_at:
    whether callbacks of some rank look at the network between epochs.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size, self.several = rank, size, size > 1
        self.division: Division | None = None
        self.weighted = self.looked_at = False
        self.local_steps: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """With several ranks: wait for all to end; an error on one is raised on all."""

    def sums(self, *numbers: float) -> Sequence[float]:
        """The sum over all ranks of each of at most three numbers."""
        return numbers

    def of_epoch(self, loss: float, weight_penalty: float, sensitivity: float) -> Sequence[float]:
        """An epoch's results, the same on all ranks: loss and weight penalty of rank 0 (others may have rounded
        differently), and the sum of the sensitivity penalties of all ranks' rows."""
        return loss, weight_penalty, sensitivity

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        return flag

    def sum_(self, a: NDArray[Any]) -> NDArray[Any]:
        """The sum of the arrays of all ranks, in place."""
        return a

    def gather(self, a: NDArray[Any]) -> NDArray[Any]:
        """The rows of the arrays of all ranks, in the order of the ranks."""
        return a

    def require_same(self, given: Mapping[str, Any]) -> None:
        """ValueError if a value, by name, differs from that of rank 0."""

    def require_possible(self, network: Network, options: Options) -> None:
        """ValueError if the options are not possible with several ranks."""

    def integers(self, *numbers: int) -> Sequence[int]:
        """The numbers of rank 0."""
        return numbers

    def follow(self, network: Network, state: OptimizerState | None = None) -> None:
        """Take over the weights of rank 0; with a state, at the start of a fit, also that state and the random seed."""

    def bind(self, network: Network, X: Any, y: Any, sample_weight: Any = None) -> tuple[_core.Data, Integers | None]:
        """(this rank's rows bound for the engine; their numbers, None for all). A rank without rows gets a placeholder
        row as its data, and no numbers."""
        return network.bind(X, y, sample_weight), None

    def weights(self, network: Network, sample_weight: Any, n: int) -> Floats | None:
        """sample_weight of this rank's n rows, checked and scaled to mean 1 over the rows of all ranks, or None."""
        return _arrays.weights(sample_weight, n, network.dtype)

    def cut(self, n: int, batch: int | None) -> Cut:
        """The batches of an epoch over this rank's n rows and those of the others. batch: rows per batch of all ranks
        together, None for all."""
        return Cut(n, min(n, batch or n))

    def average(self, arrays: Sequence[NDArray[Any]], rows: int) -> None:
        """Replace the arrays by their mean over all ranks, weighted by rows."""

    def exchange(self, rows: int) -> Exchange | None:
        """The function that the engine calls between computing this rank's gradient of a batch and the step, or None.
        rows: this rank's in the batch."""
        return None

    def gather_state(self) -> None:
        """After batches whose steps were divided: update the network's parameters and, if callbacks look at them, the
        whole optimiser state. Otherwise each rank has only the part that it steps, until the end of the fit."""

    def settle(self, rows: int) -> Settle | None:
        """The function that the engine calls to combine the batch statistics of all ranks (batch normalisation), or
        None. rows: this rank's in the batch."""
        return None

    def listening(self, callbacks: Sequence[Callback]) -> list[Callback]:
        """Those of the callbacks that are called on this rank."""
        return list(callbacks)

    def threads(self, n_threads: int | None) -> int | None:
        """n_threads, or this rank's default if it is None."""
        return n_threads


ALONE = Ranks()


def stand_in(network: Network) -> _core.Data:
    """A placeholder row of zeros, for a rank without rows."""
    y = np.eye(1, network.n_targets) * (network.loss.name == "cross_entropy")  # class probabilities must add up to 1
    return network.bind(np.zeros((1, network.d[0])), y)
