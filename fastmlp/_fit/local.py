"""Epochs of ranks that take steps of their own between averages: local SGD (Stich 2019)."""
from __future__ import annotations

from .cuts import Stretch
from .epochs import Epochs, EpochSums, Snapshot


class LocalEpochs(Epochs):
    """Epochs in which each rank takes `ranks.local_steps` steps on its rows of the batches, and then all have the mean
    of their weights, of the optimiser's arrays and of running statistics, weighted by the rows that each has taken.

    The loss of a step is the mean over this rank's rows of a batch; the penalty on the weights is that of the whole
    batch: so both are those of the batch in the mean over the ranks, whoever has few rows.
    """

    apart = True

    def _train(self, start: Snapshot, first: int, last: int) -> EpochSums:
        steps, sums = self.ranks.local_steps or 1, EpochSums(first)
        averaged = first  # the batches before which are in the average
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
        """Without rows of this rank there is no step."""
        sums.batches = stretch.last
        if stretch.rows:
            super()._train_stretch(start, stretch, sums)

    def _average(self, rows: int) -> None:
        """Have the average of all ranks, of which this one has taken so many rows since the last."""
        parameters = self.network.parameters
        p = parameters.values()
        self.ranks.average([p, *self.state.arrays(), self.network.core.statistics], rows)
        parameters.assign(p)

    def _undo(self) -> None:
        """Back to where the epoch began."""
        self._restore(self.snapshots[-1])
