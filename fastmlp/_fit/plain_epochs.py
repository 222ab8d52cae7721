"""Train epochs that minimise the mean loss only: a short epoch is one call of the engine, and many of them are one call
where nothing looks at the network in between."""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .._engine.requests import Batches, Repeats
from .epochs import VERY_LARGE, Epochs, EpochSums, Snapshot
from .orders import InOrder, Shuffled

SECONDS = 0.01  # a call takes roughly so long: interrupts are handled between calls
LEAST = 8       # smallest number of epochs in a call that is worth while


class PlainEpochs(Epochs):
    """Epochs over all rows of the data that minimise the mean loss only.

    at_once: the largest number of epochs in one call of the engine; 0 if an epoch takes long. An epoch that fails, see
    Repeats, is undone and trained again batch by batch, where the bad step is found; so are all later epochs.
    """

    order: InOrder | Shuffled

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.at_once = int(SECONDS / self._seconds()) if self.n <= _core.WHOLE else 0  # Repeats shuffle all rows
        self.places = np.arange(self.n)
        self.sum = np.zeros(1)

    def run_many(self, rate: float, wanted: int, losses: list[float], rates: list[float]) -> int:
        """Train as many of the wanted epochs as succeed, none if each takes long; returns how many. losses, rates: the
        mean loss and rate of each epoch are appended, also if an exception ends the call."""
        if min(self.at_once, wanted) < LEAST:
            return 0
        done = 0
        while done < wanted:
            n = min(self.at_once, wanted - done)
            found = self._run_call(rate, n, losses, rates)
            done += found
            if found < n:
                break
        return done

    def _train_epoch(self, start: Snapshot) -> EpochSums:
        if self.at_once:
            if self._repeat(start, 0, self.sum):
                return EpochSums(self.batches, self.sum.item())
            self.at_once = 0
            self._restore(start)
        return super()._train_epoch(start)

    def _is_finite(self, b: int) -> bool:
        return self.at_once > 0 or super()._is_finite(b)  # the engine has looked

    def _seconds(self) -> float:
        """A rough estimate of the time of an epoch."""
        return self.batches * 2e-7 + self.n * self.network.core.work * 2e-10

    def _run_call(self, rate: float, n: int, losses: list[float], rates: list[float]) -> int:
        """Train as many of n epochs as succeed; returns how many."""
        state, progress = self.state, self.network.progress
        start, sums = self._snapshot(state.step_at(rate), ()), np.full(n, np.nan)
        try:
            done = self._train_many(start, sums)
            if done < n:
                self._restore(start)
                sums = np.full(done, np.nan)
                self._train_many(start, sums)
        finally:
            found = (sums[~np.isnan(sums)] / self.weight).tolist()
            done = len(found)
            same = [rate] * done
            # all or nothing: Python handles signals at calls and loops, of which there are none from here on
            losses += found
            rates += same
            state.epoch += done
            progress.epochs_ever += done
        return done

    def _train_many(self, start: Snapshot, sums: NDArray[np.float64]) -> int:
        """Train len(sums) epochs, or as many as succeed; returns how many. sums: gets the sum of the losses of each. A
        snapshot is taken before the last one."""
        last = len(sums) - 1
        done = self._repeat(start, 0, sums[:last]) if last > 0 else 0
        if done == last:
            self.snapshots = [self._snapshot(start.step, ())._replace(epoch=start.epoch + last)]
            done += self._repeat(start, last, sums[last:])
        return done

    def _repeat(self, start: Snapshot, done: int, sums: NDArray[np.float64]) -> int:
        """Train len(sums) epochs after those that are done; returns how many succeed."""
        epoch = start.epoch + done
        batches = Batches(self.places, self.cut.batch, 0, self.batches, self.n / self.weight, self._key(epoch, 0),
                          start.dropped)
        return self.network.core.train_epochs(self.data, self.team, batches, start.step, self.changing,
                                              Repeats(sums, epoch, self.order.seed, VERY_LARGE))
