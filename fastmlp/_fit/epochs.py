"""Run epochs: the calls of the engine, and the undoing of a step after which a loss or a weight is not finite.

Losses and weights are checked for infinities and NaN only at the end of an epoch, so that the check costs nothing per
step. If one is found, the network returns to its state at the start of this epoch, or of the one before, and trains
again, batch by batch, up to the last good step.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .. import _core
from .._engine.requests import Batches, Objective, Penalty, State, Step
from .._network import Network
from .._parameters import OptimizerState
from .._types import Floats, Integers
from . import mixup
from .batches import Stretch
from .orders import Order, Piece, Place
from .ranks import ALONE, NO_ROWS, Ranks
from .rates import DroppedRates
from .weight_average import RunningMean

OnBatchEnd = Callable[[int, dict[str, float]], bool]  # (batch, logs) -> whether to stop
VERY_LARGE = 1e4  # if a weight exceeds this, the loss is computed to see whether it is still finite


class EpochResult(NamedTuple):
    """The results of an epoch. Means are over its rows, each evaluated with the weights before its batch's step."""

    rate: float
    loss: float         # the mean loss
    weight_penalty: float  # the mean of row_l2/2 ||W||^2 + row_l1 ||W||_1
    sensitivity: float  # the mean of the penalty on the sensitivity to the input
    stopped: bool       # whether an on_batch_end ended it, and with it the fit


@dataclass(repr=False, eq=False)
class EpochSums:
    """Sums over the first `batches` batches of an epoch; the penalties are already means."""

    batches: int
    loss: float = 0.0
    weight_penalty: float = 0.0
    sensitivity: float = 0.0
    stopped: bool = False


class Snapshot(NamedTuple):
    """Weights and optimiser state at one moment, with the step, dropout rates and number of the epoch in progress, and
    how many of its batches are done."""

    step: Step
    dropped: DroppedRates
    epoch: int
    arrays: list[Floats]
    done: int = 0


class Epochs:
    """Runs the epochs of a network.

    state: the optimiser's. data: bound for the engine. order: of the rows. batch: rows per step, None for all.
    on_batch_end: a function (batch, logs) -> whether to stop; if given, each batch is a call of the engine. ranks:
    those that train the network together; n, weight: the number and total weight of their rows. mean: the moving
    average of the weights, or None. dropped: for each epoch the rates of the dropout layers with a schedule.

    apart: whether ranks take their own steps, each with the mean loss of its own rows.

    The order is requested for a section of batches at a time: the row numbers of ten million rows would take 80 MB.
    """

    apart = False

    def __init__(self, network: Network, state: OptimizerState, data: _core.Data, order: Order, batch: int | None,
                 team: _core.Team, objective: Objective, on_batch_end: OnBatchEnd | None = None,
                 ranks: Ranks = ALONE, mean: RunningMean | None = None,
                 dropped: Iterator[DroppedRates] | None = None) -> None:
        self.network, self.state = network, state
        self.mean, self.dropped = mean, dropped or itertools.repeat(())
        self.changing = State(state.slots, state.powers, None if mean is None else mean.as_asked_for())
        changing = network.core.P, network.core.statistics, *state.arrays(), *(() if mean is None else mean.arrays())
        self.live = [a for a in changing if a.size]  # what training changes
        self.data, self.order, self.team, self.ranks = data, order, team, ranks
        self.objective, self.on_batch_end = objective, on_batch_end
        self.cut = ranks.cut(order.n, batch)
        self.n, self.batches = self.cut.n, self.cut.batches
        self.weight = order.weight_of_all(data)
        if ranks.several:
            self.weight, = ranks.sums(self.weight)
        most = order.window or _core.WHOLE
        self.section_batches = self.batches if self.n <= most else max(1, most // self.cut.batch)
        self.section: tuple[int, int] | None = None  # (epoch, number of the section) that is open,
        self.section_rows = NO_ROWS                  # this rank's rows of its batches
        self.section_mixed: tuple[Integers, Floats] | None = None  # and what they are mixed with, see mixup.drawn
        self.section_begin = self.section_salt = 0   # the position of the first row; see Section
        self.snapshots: list[Snapshot] = []          # at the start of the previous epoch and of this one
        self.done = 0                                # batches of this epoch that an earlier fit has trained

    def run(self, rate: float) -> EpochResult | None:
        """Train one epoch. None if a loss or weight was not finite; the step that made it so is then undone."""
        if self.mean is None:
            return self._run(rate)
        with self.mean.weights_in_place():
            return self._run(rate)

    def _run(self, rate: float) -> EpochResult | None:
        oldest = self.snapshots[0].arrays if len(self.snapshots) > 1 else None
        start = self._snapshot(self.state.step_at(rate), next(self.dropped), oldest, self.done)
        self.snapshots = [*self.snapshots[-1:], start]
        if self.on_batch_end is not None:
            sums, weight = self._train_batch_by_batch(start, self.on_batch_end)
        else:
            sums, weight = self._train_epoch(start), self.weight
        if (sums.batches < self.batches and not sums.stopped) or not self._is_finite(sums.batches - 1):
            self._undo()
            return None
        self.state.epoch += 1
        self.network.progress.epochs_ever += 1
        if self.ranks.several:
            sums.loss, sums.weight_penalty, sums.sensitivity = self.ranks.of_epoch(sums.loss, sums.weight_penalty,
                                                                                sums.sensitivity)
        return EpochResult(rate, sums.loss / weight if weight else 0.0, sums.weight_penalty, sums.sensitivity,
                           sums.stopped)

    def pieces(self) -> Iterator[Piece]:
        """The rows to train on, in pieces that fit in memory together."""
        return self.order.pieces(self.data)

    def loss(self) -> float:
        """The mean loss of the rows with the present weights, without noise, dropout or attacks."""
        core, team = self.network.core, self.team
        return self._mean((core.evaluate(data, team, rows), data.weight_of(rows)) for data, rows in self.pieces())

    def penalty(self, bound: Callable[[Piece], _core.Data]) -> float:
        """The mean sensitivity penalty of the rows with the present weights and the same projections each time.
        bound: a function that gives the rows of a piece as separate data."""
        return self._mean(self._penalty(bound(piece)) for piece in self.pieces())

    def _penalty(self, data: _core.Data) -> tuple[float, float]:
        """(sum of the penalties of the rows of data, sum of their weights)"""
        core, key = self.network.core, self.network.progress.seed
        with_it, without = (core.gradient(data, self.team, penalty, key)[0]
                            for penalty in (self.objective.penalty, Penalty()))
        return with_it - without, data.weight_sum

    def _mean(self, sums: Iterator[tuple[float, float]]) -> float:
        """The mean over the rows of all ranks. sums: (sum, weight) of each piece of this rank's rows."""
        total = weight = 0.0
        for of_piece, its_weight in sums:
            total, weight = total + of_piece, weight + its_weight
        total, weight = self.ranks.sums(total, weight)
        return total / weight

    def _train_epoch(self, start: Snapshot) -> EpochSums:
        """Train the epoch that begins with `start`, or the rest of it."""
        return self._train(start, start.done, self.batches)

    def _train_batch_by_batch(self, start: Snapshot, on_batch_end: OnBatchEnd) -> tuple[EpochSums, float]:
        """Train the epoch, one call per batch, until on_batch_end stops it: (EpochSums, sum of the row weights)."""
        total, weight = EpochSums(0), 0.0
        for b in range(self.batches):
            one = self._train(start, b, b + 1)
            if one.batches == b:
                break
            batch_weight, = self.ranks.sums(self.data.weight_of(self._rows_of_batch(b)))
            total.batches, weight = b + 1, weight + batch_weight
            total.loss += one.loss
            total.weight_penalty += one.weight_penalty
            total.sensitivity += one.sensitivity
            if on_batch_end(b, {"loss": one.loss / batch_weight if batch_weight else 0.0}):
                total.stopped = True
                break
        return total, weight

    def _train(self, start: Snapshot, first: int, last: int) -> EpochSums:
        """Train batches first .. last - 1 of the epoch that begins with `start`; fewer if a loss is not finite."""
        sums = EpochSums(first)
        while sums.batches < last:
            begin = self._open_section(start.epoch, sums.batches // self.section_batches)
            end = min(last, begin + self.section_batches)
            if not self._train_section(start, sums, end):
                break
        if self.ranks.several:
            self.ranks.gather_state()
        return sums

    def _train_section(self, start: Snapshot, sums: EpochSums, end: int) -> bool:
        """Train the open section's batches up to `end`; return whether all losses were finite."""
        stretches = self.cut.stretches(sums.batches, end)
        for stretch in self._with_weight(stretches) if self.ranks.weighted else stretches:
            self._train_stretch(start, stretch, sums)
            if sums.batches < stretch.last:
                return False
        sums.batches = end
        return True

    def _with_weight(self, stretches: list[Stretch]) -> list[Stretch]:
        """The stretches without the batches whose rows have weight 0 on all ranks: these have no step. With a single
        rank the engine skips them itself."""
        first = stretches[0].first
        weights = [self.data.weight_of(self._rows_of_batch(b)) for b in range(first, stretches[-1].last)]
        wanted = self.ranks.sum_(np.array(weights)) > 0
        return [part for stretch in stretches for part in stretch.where(wanted[stretch.first - first:
                                                                               stretch.last - first])]

    def _train_stretch(self, start: Snapshot, stretch: Stretch, sums: EpochSums) -> None:
        """Train a stretch of the open section. If this rank has no rows in it, it trains on a placeholder row of its
        data, whose results are discarded."""
        objective, rows = self.objective, stretch.rows or 1
        part_of_section = slice(stretch.begin - self.section_begin, stretch.end - self.section_begin)
        order, mixed = self.section_rows[part_of_section], None
        if self.section_mixed is not None:
            mixed = self.section_mixed[0][part_of_section], self.section_mixed[1][part_of_section]
        if not stretch.rows:
            order = np.zeros(stretch.last - stretch.first, np.int64)
        scale, part = self.n / self.weight, 1.0
        if rows != stretch.whole:  # the penalty is a mean over the rows of all ranks
            part = rows / stretch.whole
            objective = objective._replace(row_l2=objective.row_l2 * part, row_l1=objective.row_l1 * part)
            if not self.apart:  # and so is the loss
                scale *= part
        key = self._key(start.epoch, self.section_salt)
        batches = Batches(order, rows, 0, stretch.last - stretch.first, scale, key, start.dropped, mixed)
        ranks = self.ranks
        together = (ranks.exchange(stretch.rows), ranks.settle(stretch.rows), ranks.division) if ranks.several else ()
        found = self.network.core.train(self.data, self.team, batches, start.step, self.changing, objective, *together)
        sums.batches = stretch.first + found.done
        sums.loss += found.loss
        sums.weight_penalty += found.weight_penalty / (1.0 if self.apart else part) / self.n
        if stretch.rows:
            sums.sensitivity += found.sensitivity_penalty / self.weight

    def _open_section(self, epoch: int, number: int) -> int:
        """Get the rows of a section, unless it is open already; return its first batch."""
        begin = number * self.section_batches
        if self.section != (epoch, number):
            self.section_rows = NO_ROWS  # frees those of the last section before the next are allocated
            place = epoch, self.cut.begin(begin), self.cut.begin(begin + self.section_batches)
            if self.order.window is None:
                self.section_rows = self.order(*place)
            else:
                self.data, self.section_rows, self.section_salt = self.order.open(self.data, place)
                self.order.look_ahead(self._place_after(epoch, begin + self.section_batches))
            if self.objective.mixup:
                self.section_mixed = mixup.drawn(self.section_rows, self.objective.mixup, self.network.dtype,
                                                 self.network.progress.seed, epoch, number)
            self.section, self.section_begin = (epoch, number), place[1]
        return begin

    def _place_after(self, epoch: int, begin: int) -> Place:
        """The Place of this rank's rows in the section that begins with batch `begin`; after the last batch, in the
        first section of the next epoch."""
        if begin >= self.batches:
            epoch, begin = epoch + 1, 0
        return epoch, self.cut.begin(begin), self.cut.begin(begin + self.section_batches)

    def _rows_of_batch(self, b: int) -> Integers:
        """The rows of a batch of the open section."""
        return self.section_rows[self.cut.begin(b) - self.section_begin:self.cut.begin(b + 1) - self.section_begin]

    # ---- checks for non-finite values, and undoing

    def _is_finite(self, b: int) -> bool:
        """Whether the weights after batch b are finite and, if one is very large, its loss is finite too."""
        return self._is_finite_with(lambda: self._loss_of_batch(b))

    def _is_finite_with(self, loss: Callable[[], float]) -> bool:
        """Whether the weights are finite and, if one is very large, loss(), only called then, is finite too."""
        largest = _core.largest(self.network.core.P)
        return largest < VERY_LARGE or bool(np.isfinite(loss()) and np.isfinite(largest))

    def _loss_of_batch(self, b: int) -> float:
        """The sum of the losses of a batch over the rows of all ranks, at the current weights."""
        rows = self._rows_of_batch(b)
        return self.ranks.sums(self.network.core.evaluate(self.data, self.team, rows) if len(rows) else 0.0)[0]

    def _key(self, epoch: int, salt: int) -> int:
        """The random key of an epoch, for dropout and noise. salt: tells apart the sections whose rows are numbered
        from 0 again."""
        return (self.network.progress.seed << 20) + epoch + (self.ranks.rank << 60) + salt & 2**64 - 1

    def _snapshot(self, step: Step, dropped: DroppedRates, into: list[Floats] | None = None, done: int = 0) -> Snapshot:
        """A Snapshot of the present state, in the arrays `into` if given."""
        epoch = self.network.progress.epochs_ever
        if into is None:
            return Snapshot(step, dropped, epoch, [a.copy() for a in self.live], done)
        _core.copy(into, self.live)
        return Snapshot(step, dropped, epoch, into, done)

    def _restore(self, snapshot: Snapshot) -> None:
        _core.copy(self.live, snapshot.arrays)

    def _undo(self) -> None:
        """Restore the state before the step after which a loss or a weight was not finite."""
        now = self.snapshots[-1]
        self._restore(now)
        before = None
        for b in range(now.done, self.batches):
            here = self._snapshot(now.step, now.dropped)
            if self._train(now, b, b + 1).batches == b:
                break
            before = here
            if not self._is_finite(b):
                break
        if before is not None:
            self._restore(before)
        elif len(self.snapshots) > 1:  # it was the last step of the previous epoch
            earlier = self.snapshots[0]
            self._restore(earlier)
            self._train(earlier, earlier.done, self.batches - 1)
