"""Fits of tables in pieces, on several workers or read one after another: what has to be known of all rows before
training, and the training of members on the rows of a piece.
"""
from __future__ import annotations

import copy
import functools
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.multiclass import unique_labels

from .. import _arrays, _threads
from .._engine.requests import PLAIN
from .._fit.epochs import Epochs
from .._fit.loop import DivergenceWarning, Notify, Notifying
from .._fit.orders import Shuffled
from .._monitor import Monitor
from .._running_fits import Fit
from .._types import Floats, Integers
from ..callbacks import Callback
from ..model import MLP
from . import ensemble
from .columns import rows_of
from .encode import Encoder
from .presets import Kind, Preset
from .sketch import Numbers, Summary, kind_of

POINTS = 4000  # sample size of y, and of residuals


class Classes(NamedTuple):
    """The distinct labels of some rows, and the number of rows of each."""

    names: Any
    counts: Any

    @classmethod
    def of(cls, y: Any) -> Classes:
        """y : labels, (n,)."""
        return cls(*np.unique(y, return_counts=True))

    def __add__(self, other: Classes) -> Classes:  # type: ignore[override]
        names = unique_labels(self.names, other.names)  # ValueError where some are text and others are not
        counts = np.zeros(len(names), np.int64)
        for one in (self, other):
            counts[np.searchsorted(names, one.names)] += one.counts
        return Classes(names, counts)


class Targets(NamedTuple):
    """Statistics for the scale of regression targets: weight, the sum of the rows' weights; mean; spread, the weighted
    sum of (y - mean)^2; numbers, a sketch of y."""

    weight: float
    mean: float
    spread: float
    numbers: Numbers

    @classmethod
    def of(cls, y: Floats, weight: Floats | None) -> Targets:
        """y, weight : (n,)."""
        weight = np.ones(len(y)) if weight is None else weight
        total = float(weight.sum())
        mean = float(weight @ y / total) if total else 0.0
        return cls(total, mean, float(weight @ (y - mean) ** 2), Numbers(y[weight > 0]))

    def __add__(self, other: Targets) -> Targets:  # type: ignore[override]
        """The statistics of the rows of both (Chan, Golub and LeVeque 1979)."""
        total, apart = self.weight + other.weight, other.mean - self.mean
        part = other.weight / total if total else 0.0
        return Targets(total, self.mean + apart * part,
                       self.spread + other.spread + apart * apart * self.weight * part,  # infinite where it is large
                       self.numbers + other.numbers)

    @property
    def deviation(self) -> float:
        """The standard deviation; 1 for a constant."""
        return math.sqrt(self.spread / self.weight) or 1.0


@dataclass
class Piece:
    """What is known of some rows: names of the columns, or None, and their Summaries, for rows with a weight above 0;
    y, the Classes or Targets."""

    names: list[Any] | None
    columns: list[Summary]
    y: Any

    @property
    def kinds(self) -> list[str]:
        """The kinds of the columns."""
        return [column.kind for column in self.columns]

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.names, [a + b for a, b in zip(self.columns, other.columns)], self.y + other.y)


def require_separate(est: Any, where: str) -> None:
    """ValueError where members are to train as one, which they cannot with rows in pieces, in words."""
    if est.members != "separate":
        raise ValueError(f"members must be 'separate' for {where}, got {est.members!r}")


def look(est: Any, X: Any, y: Any, weight: Any, kinds: list[str] | None = None) -> Piece:
    """The Piece of some rows. kinds : of the columns, None to determine them from these rows."""
    est = copy.copy(est)
    columns = est._read(X, reset=True, kinds=kinds)
    y = est._read_y(y, columns)
    weight = _weights(weight, len(y))
    found = est._look_at_y(y, weight)
    counting = ... if weight is None else weight > 0
    return Piece(est._names, [Summary.of(column, counting) for column in columns], found)


def kinds_of(pieces: Sequence[Piece]) -> list[str]:
    """The kinds of the columns of a table from all its pieces."""
    return [kind_of(summaries) for summaries in zip(*(piece.columns for piece in pieces))]


def learn(est: Any, found: Piece, preset: Preset, classes: Any = None) -> None:
    """Fit everything of an estimator except its members, from what was found in all rows: columns, encodings, y.

    classes : all labels of a classifier, None for those that were found.
    """
    if not found.columns[0].n:
        raise ValueError("sample_weight must be above 0 for some row, got 0 for all")
    est._take_names(found.names, found.kinds)
    est._learn_y(found.y, classes)
    est._encoder = Encoder(preset).fit_summaries(found.columns)


class Block(NamedTuple):
    """Rows in memory, encoded for the members: features (n, d), targets (n,), weights (n,) or None, and the Part of
    each member."""

    X: Floats
    y: Any
    weight: Any
    parts: list[ensemble.Part]


def block(est: Any, X: Any, y: Any, weight: Any, parts: Any) -> Block:
    """The Block of those rows that have a weight above 0, encoded by an estimator after `learn`. parts : a function of
    (y, numbers of these rows among all given ones) that returns the Part of each member."""
    columns = est._read(X)
    y = est._prepare_y(y, columns, reset=False)
    weight = est._weighted_piece(y, _weights(weight, len(y)))
    rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight > 0)
    if len(rows) < len(y):
        columns, y, weight = rows_of(columns, rows), y[rows], weight[rows]
    return Block(est._encoder.transform(columns), est._targets(y, weight, reset=False), weight, parts(y, rows))


def _weights(weight: Any, n: int) -> Floats | None:
    """sample_weight of a piece, which may be all 0."""
    return None if weight is None else _arrays.unscaled_weights(weight, n, np.dtype(np.float64))


class Learning:
    """A member in training: its number, network and kind, the number of epochs done, and the Monitor of the loss that
    decides when it stops."""

    def __init__(self, number: int, net: MLP, kind: Kind, preset: Preset) -> None:
        self.number, self.net, self.kind, self.done = number, net, kind, 0
        self.monitor, self.diverged = Monitor("val_loss", False), False
        net._network.progress.optimizer_state = ensemble.fresh_state(net, kind, preset)

    def look(self, loss: float, epochs: int) -> None:
        """Record the loss of the watched rows after some more epochs."""
        self.done += epochs
        self.monitor.look(loss, lambda: self.net._network.learned)

    def ends(self, epochs: int) -> bool:
        """Whether training ends. epochs : between two calls of look."""
        return (self.diverged or self.done >= self.kind.epochs
                or self.monitor.waited * epochs >= self.kind.patience)

    def end(self) -> None:
        """Restore the best weights, and drop the optimiser state."""
        self.monitor.restore(self.net)
        self.net._network.progress.optimizer_state = None


def members_of(est: Any, preset: Preset, rng: np.random.Generator) -> list[Learning]:
    """The members before training."""
    kinds = est._kinds(preset)
    seeds = rng.integers(2**31, size=len(kinds))
    return [Learning(m, ensemble.network(preset, kind, max(1, est._encoder.n_features), est._n_outputs(), est._loss,
                                         int(seed)), kind, preset)
            for m, (kind, seed) in enumerate(zip(kinds, seeds))]


class Rounds:
    """The training of members in rounds; in each, all members that are not finished see the rows of all pieces.

    owner: the estimator, with the parameters. members: their Learning. Subclasses define `round` and `training_loss`.
    """

    def __init__(self, owner: Any, members: Sequence[Learning]) -> None:
        self.owner, self.members = owner, members
        self.begun, self.seconds = 0.0, math.inf

    def __call__(self, callbacks: Sequence[Callback], epochs: int = 1) -> None:
        """Train all members, side by side, or one after another if there are callbacks. epochs : of a round."""
        groups = [[member] for member in self.members] if callbacks else [list(self.members)]
        for group in groups:
            net = group[0].net
            if self.owner.time_limit is not None:
                self.seconds = self.owner.time_limit / len(groups)
            self.begun = time.monotonic()
            with Fit(net) as running, Notifying(callbacks, net, group[0].kind.epochs) as notify:
                running.present["loss"] = functools.partial(self.training_loss, group[0])
                self._train(group, notify, epochs)
            for member in group:
                member.end()
        if any(member.diverged for member in self.members):
            warnings.warn("the loss was not finite in some member: it keeps the best weights before",
                          DivergenceWarning, stacklevel=4)

    def _train(self, active: list[Learning], notify: Notify, wanted: int) -> None:
        while active:
            epochs = min(wanted, *(member.kind.epochs - member.done for member in active))
            logs = self.round(active, epochs)
            if notify(active[0].done, logs) or self.time_part() >= 1:
                return
            active = [member for member in active if not member.ends(epochs)]

    def time_part(self) -> float:
        """The fraction of the time limit that is over."""
        return (time.monotonic() - self.begun) / self.seconds

    def rate(self, member: Learning, done: float) -> float:
        """The learning rate of a member after `done` epochs."""
        return ensemble.rate_at(member.kind, max(done / member.kind.epochs, self.time_part()))

    def round(self, active: list[Learning], epochs: int) -> dict[str, float]:
        """Train some members for some epochs, and call `look` of each with its loss; returns the logs, means over the
        members."""
        raise NotImplementedError

    def training_loss(self, member: Learning) -> float:
        """The mean loss of the rows that a member is trained on, with its present weights."""
        raise NotImplementedError


def train_all(nets: Sequence[MLP], rates: Sequence[Sequence[float]], rows: Sequence[Integers], block: Block,
              preset: Preset, n_threads: int | None) -> list[float]:
    """Train each network on its rows of a block, one epoch for each of its rates. Returns the mean loss of the last
    epoch of each; NaN if it was not finite, then the network has the weights before the step that made it so."""
    threads = min(n_threads or _threads.allowed(), len(nets))

    def train(net: MLP, rates: Sequence[float], rows: Integers) -> float:
        network, state, loss = net._network, net._network.progress.optimizer_state, 0.0
        assert state is not None
        if not len(rows):
            return loss
        data = network.bind(block.X, block.y, block.weight)
        order = Shuffled(data.n, rows, network.progress.seed)
        batch = ensemble.batch_size(preset, order.n)
        with network.team(order.n, 3 * len(rates), n_threads if threads == 1 else 1, batch) as team:
            epochs = Epochs(network, state, data, order, batch, team, PLAIN)
            for rate in rates:
                result = epochs.run(rate)
                if result is None:
                    return math.nan
                loss = result.loss
        return loss

    return ensemble.each(train, threads, nets, rates, rows)


def weight_of(block: Block, rows: Integers) -> float:
    """The weight of some rows of a block."""
    return float(len(rows) if block.weight is None else block.weight[rows].sum())


def total_loss(net: MLP, block: Block, rows: Integers) -> float:
    """The sum of the weighted losses of some rows of a block."""
    if not len(rows):
        return 0.0
    weight = None if block.weight is None else block.weight[rows]
    return net.evaluate(block.X[rows], block.y[rows], weight) * weight_of(block, rows)


def held_out_outputs(nets: Sequence[MLP], block: Block) -> tuple[Floats, Integers]:
    """(for each row the mean output of the members that held it out, (n, d(L)); the number of these members, (n,))."""
    total = np.zeros((len(block.X), nets[0].d[-1]))
    times = np.zeros(len(block.X), np.int64)
    for net, part in zip(nets, block.parts):
        if len(part.held_out):
            total[part.held_out] += net._network.predict(block.X[part.held_out], linked=False)
            times[part.held_out] += 1
    return total / np.maximum(times, 1)[:, None], times


def residuals(nets: Sequence[MLP], block: Block) -> Numbers:
    """The residuals of the held-out rows, on the scale of the networks' targets."""
    outputs, times = held_out_outputs(nets, block)
    return Numbers(block.y[times > 0].astype(np.float64) - outputs[times > 0, 0])

