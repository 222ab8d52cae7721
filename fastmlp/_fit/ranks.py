"""What a fit on several processes decides together.

Each rank runs the same loop on rows of its own. Wherever what comes next depends on what the rows or the callbacks say,
the loop asks a `Ranks` object, and all ranks get the same answer. A fit without a communicator has `Ranks` itself, for
which the answer is what was asked; together.py has the ranks that talk.
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
from .cuts import Cut

if TYPE_CHECKING:
    from .options import Options

NO_ROWS = np.empty(0, np.int64)


def sum_in_order(parts: Sequence[NDArray[Any]] | NDArray[Any], out: NDArray[Any]) -> None:
    """The sum of the parts of all ranks, added in the order of the ranks; out may be none of them."""
    np.copyto(out, parts[0])
    for part in parts[1:]:
        out += part


class Ranks:
    """The one rank of a fit without a communicator.

    rank, size: its number, and how many there are. several: whether there are others. What a fit asks once, or once an
    epoch, it asks only then: calls count in small fits. weighted: some rank has sample weights, so ranks must agree
    which batches have none. local_steps: how many steps each takes of its own between two averages of the weights;
    None where all take each step together. division: how a step is divided among them, None where each takes all of it.
    looked_at: whether callbacks of some rank look at the network between epochs.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size, self.several = rank, size, size > 1
        self.division: Division | None = None
        self.weighted = self.looked_at = False
        self.local_steps: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Where there are several, the end of the last is the end of all, and an error of one is one of all."""

    def sums(self, *numbers: float) -> Sequence[float]:
        """Of each of at most three numbers the sum over all ranks."""
        return numbers

    def of_epoch(self, loss: float, weight_penalty: float, sensitivity: float) -> Sequence[float]:
        """What an epoch gave: loss and penalty as rank 0 has them, which others may have rounded otherwise, and of the
        sensitivity of each one's rows the sum."""
        return loss, weight_penalty, sensitivity

    def any(self, flag: bool) -> bool:
        """Whether it is so on some rank."""
        return flag

    def sum_(self, a: NDArray[Any]) -> NDArray[Any]:
        """The sum of the arrays of all ranks, in place."""
        return a

    def gather(self, a: NDArray[Any]) -> NDArray[Any]:
        """The rows of the arrays of all ranks, in the order of the ranks."""
        return a

    def require_same(self, given: Mapping[str, Any]) -> None:
        """ValueError where a rank was given something else than rank 0, by name."""

    def require_possible(self, network: Network, options: Options) -> None:
        """ValueError where several ranks cannot do what one can."""

    def integers(self, *numbers: int) -> Sequence[int]:
        """Those of rank 0."""
        return numbers

    def follow(self, network: Network, state: OptimizerState | None = None) -> None:
        """Have the weights as rank 0 has them; with a state, at the start of a fit, also that, and the random numbers.
        """

    def bind(self, network: Network, X: Any, y: Any, sample_weight: Any = None) -> tuple[_core.Data, Integers | None]:
        """(this rank's rows bound for the engine, their numbers, None for all). A rank may have none; its data then are
        a row that stands in, of no number."""
        return network.bind(X, y, sample_weight), None

    def weights(self, network: Network, sample_weight: Any, n: int) -> Floats | None:
        """sample_weight of this rank's n rows, checked and scaled to mean 1 over the rows of all, or None."""
        return _arrays.weights(sample_weight, n, network.dtype)

    def cut(self, n: int, batch: int | None) -> Cut:
        """The batches of an epoch, of this rank's n rows and those of all others; batch: their rows, None for all."""
        return Cut(n, min(n, batch or n))

    def average(self, arrays: Sequence[NDArray[Any]], rows: int) -> None:
        """Have the mean of the arrays of all ranks, weighted by rows, in place."""

    def exchange(self, rows: int) -> Exchange | None:
        """What the engine calls between the gradient of this rank's rows of a batch and the step."""
        return None

    def gather_state(self) -> None:
        """Have the parameters after some batches whose steps were divided, and where they are looked at all of the
        optimiser's state. At the end of a fit that is there anyway; between, each has what it steps."""

    def settle(self, rows: int) -> Settle | None:
        """What the engine calls where the statistics of a batch's columns are settled, of which this rank has rows."""
        return None

    def listening(self, callbacks: Sequence[Callback]) -> list[Callback]:
        """The callbacks that are called on this rank."""
        return list(callbacks)

    def threads(self, n_threads: int | None) -> int | None:
        """How many threads to use where n_threads says nothing."""
        return n_threads


ALONE = Ranks()


def stand_in(network: Network) -> _core.Data:
    """A row of zeros, for a rank that has none."""
    y = np.eye(1, network.n_targets) * (network.loss.name == "cross_entropy")  # probabilities, of which one is 1
    return network.bind(np.zeros((1, network.d[0])), y)
