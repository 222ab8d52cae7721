"""What schedules give, epoch by epoch."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from .. import optim
from .._network import Network

AHEAD = 10_000  # epochs that a schedule is asked about, and so checked, before anything is changed
DroppedRates = Sequence[tuple[int, float]]  # (l, rate) of dropout layers
T = TypeVar("T")


def ahead(ask: Callable[[int], T], first: int, epochs: int) -> Iterator[T]:
    """What `ask` gives for each epoch from the first on; asked at once for as many as there will be, AHEAD at most."""
    known = [ask(first + e) for e in range(min(epochs, AHEAD))]
    return itertools.chain(known, map(ask, itertools.count(first + len(known))))


def learning_rates(optimizer: optim.Optimizer, first: int, epochs: int) -> Iterator[float]:
    """Those of an optimiser, epoch by epoch."""
    if not callable(optimizer.lr):
        return itertools.repeat(float(optimizer.lr))
    return ahead(lambda epoch: optim.rate(optimizer, epoch), first, epochs)


def dropout_rates(network: Network, first: int, epochs: int) -> Iterator[DroppedRates]:
    """The rates of the dropout layers with a schedule, epoch by epoch."""
    scheduled = network.scheduled
    if not scheduled:
        return itertools.repeat(())
    return ahead(lambda epoch: [(l, layer.rate_at(epoch)) for l, layer in scheduled], first, epochs)
