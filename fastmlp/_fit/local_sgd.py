"""Epochs in which each rank takes its own steps between averages of the weights: local SGD (Stich 2019)."""
from __future__ import annotations

from .batches import Stretch
from .epochs import Epochs, EpochSums, Snapshot


class LocalEpochs(Epochs):
    """Epochs in which each rank takes `ranks.local_steps` steps on its own rows of the batches; then weights, optimiser
    arrays and running statistics are averaged over the ranks, weighted by the rows that each has trained on.

    The loss of a step is the mean over this rank's rows of a batch; the penalty on the weights is scaled by the rank's
    part of the batch, so that the average over the ranks is that of the whole batch.
    """

    apart = True

    def _train(self, start: Snapshot, first: int, last: int) -> EpochSums:
        steps, sums = self.ranks.local_steps or 1, EpochSums(first)
        averaged = first  # batches before this one are in the average
        while sums.batches < last:
            begin = self._open_section(start.epoch, sums.batches // self.section_batches)
            end = min(last, begin + self.section_batches, averaged + steps)
            if self.ranks.any(not self._train_section(start, sums, end)):
                sums.batches = averaged
                break
            if end == min(averaged + steps, last):
                self._average(self.cut.begin(end) - self.cut.begin(averaged))
                averaged = end
        sums.loss, sums.weight_penalty = self.ranks.sums(sums.loss, sums.weight_penalty)
        return sums

    def _train_stretch(self, start: Snapshot, stretch: Stretch, sums: EpochSums) -> None:
        """As in Epochs, but without a step if this rank has no rows."""
        sums.batches = stretch.last
        if stretch.rows:
            super()._train_stretch(start, stretch, sums)

    def _average(self, rows: int) -> None:
        """Average over all ranks. rows: how many this rank has trained on since the last average."""
        parameters = self.network.parameters
        p = parameters.values()
        self.ranks.average([p, *self.state.arrays(), self.network.core.statistics], rows)
        parameters.assign(p)

    def _undo(self) -> None:
        """Restore the state at the start of the epoch."""
        self._restore(self.snapshots[-1])
