"""Learning rates and dropout rates, epoch by epoch, from numbers or schedules."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from .. import optim
from .._network import Network

AHEAD = 10_000  # epochs for which a schedule is called, and so checked, before the fit changes anything
DroppedRates = Sequence[tuple[int, float]]  # (l, rate) of dropout layers
T = TypeVar("T")


def ahead(ask: Callable[[int], T], first: int, epochs: int) -> Iterator[T]:
    """ask(epoch) for each epoch from `first` on; called at once for the first min(epochs, AHEAD) of them."""
    known = [ask(first + e) for e in range(min(epochs, AHEAD))]
    return itertools.chain(known, map(ask, itertools.count(first + len(known))))


def learning_rates(optimizer: optim.Optimizer, first: int, epochs: int) -> Iterator[float]:
    """The learning rates of an optimiser, epoch by epoch."""
    if not callable(optimizer.lr):
        return itertools.repeat(float(optimizer.lr))
    return ahead(lambda epoch: optim.rate(optimizer, epoch), first, epochs)


def dropout_rates(network: Network, first: int, epochs: int) -> Iterator[DroppedRates]:
    """The rates of the dropout layers with a schedule, epoch by epoch."""
    scheduled = network.scheduled
    if not scheduled:
        return itertools.repeat(())
    return ahead(lambda epoch: [(l, layer.rate_at(epoch)) for l, layer in scheduled], first, epochs)
