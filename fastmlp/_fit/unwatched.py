"""Epochs that nothing looks at in between: short ones are trained many at a time, by one call of the engine."""
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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

    def run_many(self, rate: float, wanted: int, losses: list[float], rates: list[float]) -> int:
        """As many of the epochs that are wanted as go well, or none where they take long; how many these are. losses,
        rates: to which the mean loss and the rate of each are added, also where an exception ends them."""
        at_once = int(SECONDS / self._seconds())
        if min(at_once, wanted) < LEAST:
            return 0
        done = 0
        while done < wanted:
            n = min(at_once, wanted - done)
            found = self._run_call(rate, n, losses, rates)
            done += found
            if found < n:
                break
        return done

    def _seconds(self) -> float:
        """What an epoch takes, roughly."""
        return self.batches * 2e-7 + self.n * self.network.core.work * 2e-10

    def _run_call(self, rate: float, n: int, losses: list[float], rates: list[float]) -> int:
        """As many of n epochs as go well."""
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
            # all or nothing: Python handles signals where a call or a loop ends, and there is none from here on
            losses += found
            rates += same
            state.epoch += done
            progress.epochs_ever += done
        return done

    def _train_many(self, start: Snapshot, sums: NDArray[np.float64]) -> int:
        """As many epochs as sums has places for the sums of their losses, or as go well; how many these are. Before the
        last one there is a snapshot."""
        last = len(sums) - 1
        done = self._repeat(start, 0, sums[:last]) if last > 0 else 0
        if done == last:
            self.snapshots = [self._snapshot(start.step, ())._replace(epoch=start.epoch + last)]
            done += self._repeat(start, last, sums[last:])
        return done

    def _repeat(self, start: Snapshot, done: int, sums: NDArray[np.float64]) -> int:
        """How many epochs go well of as many as sums has places, after those that are done."""
        epoch = start.epoch + done
        batches = Batches(np.arange(self.n), self.cut.batch, 0, self.batches, self.n / self.weight,
                          self._key(epoch, 0))
        return self.network.core.train_epochs(self.data, self.team, batches, start.step, self.changing,
                                              Repeats(sums, epoch, self.order.seed, VERY_LARGE))
