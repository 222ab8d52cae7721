"""Epochs that nothing looks at in between: short ones are trained many at a time, by one call of the engine."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._engine.requests import Batches, Repeats
from .epochs import VERY_LARGE, Epochs, Snapshot
from .orders import InOrder, Shuffled

SECONDS = 0.01  # that a call may take, roughly: an interrupt ends a fit between two
LEAST = 8       # epochs of a call that make it worth while


class UnwatchedEpochs(Epochs):
    """Epochs of one learning rate, of all rows of the data, without more than the mean loss to minimise.

    An epoch that does not go well, see Repeats, ends them: what was trained is undone up to where it began, and `run`
    goes on from there, with its way back.
    """

    order: InOrder | Shuffled

    def run_many(self, rate: float, wanted: int, log: Callable[[float, list[float]], None]) -> int:
        """As many of the epochs that are wanted as go well, or none where they take long; how many these are. log: is
        given the rate and their mean losses, some at a time, also where an exception ends them."""
        at_once = int(SECONDS / self._seconds())
        if min(at_once, wanted) < LEAST:
            return 0
        done = 0
        while done < wanted:
            n = min(at_once, wanted - done)
            found = self._run_call(rate, n, log)
            done += found
            if found < n:
                break
        return done

    def _seconds(self) -> float:
        """What an epoch takes, roughly."""
        return self.batches * 2e-7 + self.n * self.network.core.work * 2e-10

    def _run_call(self, rate: float, n: int, log: Callable[[float, list[float]], None]) -> int:
        """As many of n epochs as go well."""
        start = self._snapshot(self.state.step_at(rate), ())
        sums: list[float] = []
        try:
            self._train_many(start, n, sums)
            if len(sums) < n:
                whole = len(sums)
                self._restore(start)
                sums.clear()
                self._train_many(start, whole, sums)
        finally:
            losses = (np.array(sums) / self.weight).tolist()
            try:
                log(rate, losses)
            finally:  # a signal may come in any call: what is logged is counted
                self.state.epoch += len(sums)
                self.network.progress.epochs_ever += len(sums)
        return len(sums)

    def _train_many(self, start: Snapshot, n: int, sums: list[float]) -> None:
        """As many of n epochs as go well, with a snapshot before the last one. sums: takes the sums of their losses."""
        if n > 1:
            self._repeat(start, n - 1, sums)
        if n > 0 and len(sums) == n - 1:
            self.snapshots = [self._snapshot(start.step, ())._replace(epoch=start.epoch + n - 1)]
            self._repeat(start, 1, sums)

    def _repeat(self, start: Snapshot, n: int, sums: list[float]) -> None:
        """As many of n epochs as go well, after those that sums are of."""
        epoch, losses = start.epoch + len(sums), np.full(n, np.nan)
        batches = Batches(np.arange(self.n), self.cut.batch, 0, self.batches, self.n / self.weight,
                          self._key(epoch, 0))
        try:
            self.network.core.train_epochs(self.data, self.team, batches, start.step, self.changing,
                                           Repeats(losses, epoch, self.order.seed, VERY_LARGE))
        finally:
            sums += losses[~np.isnan(losses)].tolist()
