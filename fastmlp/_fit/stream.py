"""Train on batches from the user's own iterator."""
from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _checks, _core
from .._engine.requests import Batches
from .epochs import EpochResult, Epochs, Snapshot
from .options import is_tuple_of
from .orders import Order, Piece
from .windows import SALT


class Stream(Order):
    """The source of the batches of an epoch, tuples (X, y) or (X, y, sample_weight): a function that returns an
    iterator, or an iterable. The number of rows is unknown; as an Order it has a single placeholder row."""

    def __init__(self, batches: Any) -> None:
        super().__init__(1)
        self.batches = batches

    def epoch(self) -> Iterator[tuple[Any, ...]]:
        """The batches of one epoch, checked to be tuples."""
        for given in self.batches() if callable(self.batches) else self.batches:
            if not is_tuple_of(given, 2, 3):
                raise ValueError(f"batches must give (X, y) or (X, y, sample_weight), got {_checks.described(given)}")
            yield given


class StreamEpochs(Epochs):
    """Epochs of a Stream: each batch is bound and trained on when it arrives. A step with a non-finite result is
    undone, but not beyond the start of the epoch."""

    order: Stream
    taken = 0  # number of batches in the last epoch

    def pieces(self) -> Iterator[Piece]:
        """The batches of the last epoch, requested again."""
        for given in itertools.islice(self.order.epoch(), self.taken):
            yield self._bound(given), None

    def _run(self, rate: float) -> EpochResult | None:
        start = self._snapshot(self.state.step_at(rate), next(self.dropped))
        before = here = start  # at the start of the batch before and of this one
        total = weight = sensitivity = 0.0
        data = self.data
        b = -1
        for b, given in enumerate(self.order.epoch()):
            data = self._bound(given)
            before, here = here, self._snapshot(start.step, start.dropped, None if before is here else before.arrays)
            loss, penalty = self._step(start, b, data)
            total, weight, sensitivity = total + loss, weight + data.weight_sum, sensitivity + penalty
            if not np.isfinite(loss):
                self._restore(before)
                return None
            if self.on_batch_end is not None and self.on_batch_end(b, {"loss": loss / data.weight_sum}):
                return self._ended(rate, b + 1, total, weight, sensitivity, True)
        if b < 0:
            raise ValueError("batches must give at least one batch in each epoch, got none")
        if not self._is_finite_with(lambda: self.network.core.evaluate(data, self.team)):
            self._restore(here)
            return None
        return self._ended(rate, b + 1, total, weight, sensitivity, False)

    def _bound(self, given: tuple[Any, ...]) -> _core.Data:
        try:
            return self.network.bind(*given)
        except (TypeError, ValueError) as error:
            raise type(error)(f"batches: {error}") from error

    def _step(self, start: Snapshot, b: int, data: _core.Data) -> tuple[float, float]:
        """Train on a batch: (sum of the losses, NaN if one is not finite; sum of the sensitivity penalties)."""
        batches = Batches(np.arange(data.n), data.n, 0, 1, data.n / data.weight_sum,
                          self._key(start.epoch, b * SALT), start.dropped)
        found = self.network.core.train(data, self.team, batches, start.step, self.changing, self.objective)
        return found.loss if found.done else np.nan, found.sensitivity_penalty

    def _ended(self, rate: float, taken: int, total: float, weight: float, sensitivity: float,
               stopped: bool) -> EpochResult:
        self.taken = taken
        self.state.epoch += 1
        self.network.progress.epochs_ever += 1
        return EpochResult(rate, total / weight, 0.0, sensitivity / weight, stopped)


def stream_of(X: Any, y: Any, options: Any) -> Stream:
    """The Stream for the options of a fit. TypeError or ValueError names the wrong argument."""
    given = {"X": X, "y": y, "sample_weight": options.sample_weight, "class_weight": options.class_weight,
             "comm": options.comm, "window": options.window}
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} must be None where batches are given, got {_checks.described(value)}")
    batches = options.batches
    if not callable(batches) and (isinstance(batches, (str, bytes)) or not hasattr(type(batches), "__iter__")):
        raise TypeError("batches must be a function that returns an iterator, or something to iterate over, "
                        f"got {_checks.described(batches)}")
    if hasattr(type(batches), "__next__") and options.epochs > 1:
        raise ValueError("batches must be a list, or a function that returns an iterator, for more than one epoch, "
                         f"got {_checks.described(batches)}")
    if options.validation_fraction:
        raise ValueError("validation_fraction must be 0 where batches are given: hold rows out by validation_data, "
                         f"got {_checks.described(options.validation_fraction)}")
    if options.metrics and options.validation_data is None:
        raise ValueError("metrics must be () where batches are given without validation_data: they want all rows at "
                         "once")
    return Stream(batches)
