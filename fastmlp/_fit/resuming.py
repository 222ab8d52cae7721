"""Epochs over windows, which may take hours and can be resumed: an interrupted one continues after its last window."""
from __future__ import annotations

import numpy as np

from .._network import Unfinished
from .._types import Floats
from .epochs import EpochResult, Epochs, EpochSums, Snapshot


class WindowEpochs(Epochs):
    """Epochs over windows, of one rank. If an exception ends an epoch, the network returns to its state at the end of
    the last window, and `Progress.unfinished` says where that was, for the next fit that continues."""

    marking = False  # whether the state is saved at the end of each window

    def goes_on_from(self, unfinished: Unfinished | None) -> None:
        """Let the first epoch continue one that an earlier fit left unfinished, if the number of rows, the batch size
        and the window are the same."""
        self.sizes = self.n, self.cut.batch, self.order.window or 0
        self.before = Unfinished(*self.sizes, 0, 0.0, 0.0)
        if unfinished is not None and unfinished[:3] == self.sizes and unfinished.batches < self.batches:
            self.before, self.done = unfinished, unfinished.batches
        self.reached, self.arrays = self.before, [a.copy() for a in self.live]

    def _run(self, rate: float) -> EpochResult | None:
        try:
            result = super()._run(rate)
        except BaseException:
            _copy(self.arrays, self.live)
            self.network.progress.unfinished = self.reached if self.reached.batches else None
            raise
        self.done, self.before = 0, Unfinished(*self.sizes, 0, 0.0, 0.0)
        self._mark(self.before)
        return result

    def _train_epoch(self, start: Snapshot) -> EpochSums:
        self.marking = True
        try:
            sums = super()._train_epoch(start)
        finally:
            self.marking = False
        sums.loss += self.before.loss
        sums.sensitivity += self.before.sensitivity
        return sums

    def _train_section(self, start: Snapshot, sums: EpochSums, end: int) -> bool:
        whole = super()._train_section(start, sums, end)
        if whole and self.marking and end < self.batches:
            before = self.before
            self._mark(Unfinished(*self.sizes, end, before.loss + sums.loss, before.sensitivity + sums.sensitivity))
        return whole

    def _mark(self, reached: Unfinished) -> None:
        """Save the present state, up to which all is trained."""
        _copy(self.live, self.arrays)
        self.reached = reached


def _copy(arrays: list[Floats], into: list[Floats]) -> None:
    for a, other in zip(arrays, into):
        np.copyto(other, a)
