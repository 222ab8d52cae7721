"""Ensembles of networks trained on different rows: how rows are divided among members, and how members are trained.

Each member holds out rows, stops when their loss no longer falls, and keeps the weights with the least loss. Members
train side by side, one thread each, on one copy of the features.
"""
from __future__ import annotations

import contextlib
import functools
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _core, _running_fits, _threads, optim
from .._engine.requests import PLAIN
from .._fit.epochs import EpochResult
from .._fit.loop import DivergenceWarning, Ending, Plan, train
from .._fit.measures import MeasuredRows
from .._fit.orders import Shuffled
from .._fit.parallel import side_by_side
from .._monitor import Monitor
from .._parameters import OptimizerState
from .._types import Floats, Integers
from ..callbacks import Callback, as_callbacks, require_watched
from ..layers import Dense, Dropout, Layer
from ..model import MLP
from .differences import Differences, differences
from .presets import Kind, Preset

Result = TypeVar("Result")
FEWEST = 10  # with fewer rows, none are held out
SMALLEST_RATE = 1e-3  # fraction of the learning rate at which the cosine ends
LARGEST_WEIGHT = 1e30  # of a row: networks use float32
LOGGED = ("loss", "lr", "val_loss")  # the logs of callbacks


@dataclass(frozen=True)
class Part:
    """The rows of one member: those to train on, possibly repeated, and those held out, in order."""

    rows: Integers
    held_out: Integers


def deal(y: Any, n_members: int, folds: int, bagging: str, rng: np.random.Generator) -> list[Part]:
    """The Part of each member.

    y : (n,), by which folds are stratified: rows are sorted by it and then dealt out. folds : the least number of
    folds; at least as many as there are members. bagging : "folds"; or "bootstrap", where rows are drawn with
    replacement, and those not drawn are held out.
    """
    n = len(y)
    rows = np.arange(n)
    if n < FEWEST:
        return [Part(rows, np.empty(0, np.int64))] * n_members
    if bagging == "bootstrap":
        drawn = [np.sort(rng.choice(rows, n)) for _ in range(n_members)]
        return [Part(some, np.setdiff1d(rows, some)) for some in drawn]
    folds = min(max(folds, n_members), n // 2)
    shuffled = rng.permutation(rows)
    by_y = shuffled[np.argsort(y[shuffled], kind="stable")]
    places = rng.permuted(np.tile(np.arange(folds), (-(-n // folds), 1)), axis=1).ravel()[:n]
    held = [np.sort(by_y[places == m % folds]).astype(np.int64) for m in range(n_members)]
    return [Part(np.setdiff1d(rows, some), some) for some in held]


def network(preset: Preset, kind: Kind, n_features: int, n_outputs: int, loss: str, seed: int) -> MLP:
    """A member before training."""
    layers: list[int | Layer] = [n_features, *[Dropout(kind.dropped)] * bool(kind.dropped)]
    for units in kind.hidden:
        layers += [Dense(units, kind.activation, init="he_normal"), Dropout(preset.dropout)]
    return MLP([*layers, Dense(n_outputs)], loss=loss, random_state=seed)


@dataclass
class Training:
    """The training of the members.

    X : (n, d) of float32; y and weight as MLP.fit takes them. stacked : of its features, as Encoder has it. watched :
    (X, y, weight) of rows to watch in the place of those held out, or None. seconds : for all of them, None for as many
    as they take. callbacks : with them members train one after another.
    """

    preset: Preset
    X: Floats
    stacked: NDArray[np.uint8]
    y: Any
    weight: Any
    watched: tuple[Any, ...] | None
    seconds: float | None
    callbacks: Sequence[Callback]
    n_threads: int | None

    def __call__(self, nets: Sequence[MLP], kinds: Sequence[Kind], parts: Sequence[Part]) -> list[int]:
        """Train each network on its Part; how many epochs each took."""
        allowed = self.n_threads or _threads.allowed()
        threads = 1 if self.callbacks else min(allowed, len(nets))
        self.begun, self.rounds = time.monotonic(), -(-len(nets) // threads)
        self.short = differences(self.X, self.stacked)
        self.watched_short = None if self.watched is None else differences(self.watched[0], self.stacked)
        self.crew = Crew(allowed if threads > 1 else 1, len(nets))
        one = lambda net, kind, part: self._train(net, kind, part, self.n_threads if threads == 1 else 1)
        done = each(one, threads, nets, kinds, parts)
        if any(ending is Ending.DIVERGED for _, ending in done):
            warnings.warn("the loss was not finite in some member: it keeps the best weights before",
                          DivergenceWarning, stacklevel=4)
        return [epochs for epochs, _ in done]

    def _train(self, net: MLP, kind: Kind, part: Part, n_threads: int | None) -> tuple[int, Ending]:
        data = bound(net, self.short, self.X, self.y, self.weight)
        order = Shuffled(data.n, part.rows, net._network.progress.seed)
        plan = MemberPlan(net, kind, self.preset, self._watched(net, data, part), self._seconds_left(), self.crew)
        with self.crew.member(), _running_fits.Fit(net) as running:
            running.directions = dict.fromkeys(LOGGED, False)
            ending = train(net, running, plan, data, order, kind.epochs, batch_size(self.preset, order.n), PLAIN,
                           self.callbacks, n_threads)
        return plan.done, ending

    def _watched(self, net: MLP, data: _core.Data, part: Part) -> MeasuredRows:
        if self.watched is not None:
            return MeasuredRows(net._network, bound(net, self.watched_short, *self.watched))
        return MeasuredRows(net._network, data, part.held_out if len(part.held_out) else part.rows)

    def _seconds_left(self) -> float:
        """The time for a member: the remaining time, divided by the remaining rounds."""
        if self.seconds is None:
            return math.inf
        left = self.seconds - (time.monotonic() - self.begun)
        rounds_left = max(1, round(self.rounds * left / self.seconds)) if left > 0 else 1
        return max(left, 0.0) / rounds_left


def bound(net: MLP, short: Differences | None, X: Floats, y: Any, weight: Any) -> _core.Data:
    """Rows as a member takes them: as their Differences, where there are these and it can."""
    if short is None or not net._network.core.takes_differences:
        return net._network.bind(X, y, weight)
    return net._network.bind_differences(*short, y, weight)


class Crew:
    """The threads of members that train side by side: those of members that have ended help the others."""

    def __init__(self, threads: int, members: int) -> None:
        self.threads, self.left, self.lock = threads, members, threading.Lock()

    @contextlib.contextmanager
    def member(self) -> Iterator[None]:
        """What a member does from its beginning to its end."""
        try:
            yield
        finally:
            with self.lock:
                self.left -= 1

    @property
    def share(self) -> int:
        """Threads of each member now."""
        return max(1, self.threads // max(1, self.left))


class MemberPlan(Plan):
    """The plan of a member: the learning rate falls along half a cosine; patience is applied to the loss of the watched
    rows."""

    def __init__(self, net: MLP, kind: Kind, preset: Preset, watched: MeasuredRows, seconds: float,
                 crew: Crew) -> None:
        self.net, self.kind, self.preset, self.watched = net, kind, preset, watched
        self.crew, self.teams = crew, contextlib.ExitStack()
        self.monitor, self.done = Monitor("val_loss", False), 0
        self.begun, self.seconds = time.monotonic(), seconds

    def state(self) -> OptimizerState:
        return fresh_state(self.net, self.kind, self.preset)

    def __exit__(self, *error: object) -> None:
        self.teams.close()
        self.monitor.restore(self.net)

    def begin_epoch(self) -> float:
        share = self.crew.share
        if share > self.epochs.team.n:
            self.epochs.team = self.teams.enter_context(_core.borrow_team(share, True))
        return rate_at(self.kind, max(self.done / self.kind.epochs, self._time_part()))

    def end_epoch(self, result: EpochResult) -> tuple[int, dict[str, float]]:
        loss = self.watched.loss(self.epochs.team)
        self.monitor.look(loss, lambda: self.net._network.learned)
        self.done += 1
        return self.done, {"loss": result.loss, "lr": result.rate, "val_loss": loss}

    def should_stop(self) -> bool:
        return self.monitor.waited >= self.kind.patience or self._time_part() >= 1

    def _time_part(self) -> float:
        return (time.monotonic() - self.begun) / self.seconds if self.seconds else 1.0


def callbacks_of(given: Any, *more: str) -> list[Callback]:
    """An estimator's callbacks. ValueError if one watches a value that is not logged. more : logged names besides
    LOGGED."""
    callbacks = as_callbacks(given or ())
    require_watched(callbacks, (*LOGGED, *more))
    return callbacks


def of_a_size(weight: Floats | None) -> Floats | None:
    """Row weights (n,), or None, divided by a power of two if their sums might overflow; only their ratios matter."""
    if weight is None or weight.max() < LARGEST_WEIGHT:
        return weight
    return np.ldexp(weight, -np.frexp(weight.max())[1])


def each(call: Callable[..., Result], threads: int, *given: Sequence[Any]) -> list[Result]:
    """As map, but in several threads if threads > 1; all end if one raises an exception, or on Ctrl-C."""
    if threads == 1:
        return list(map(call, *given))
    return side_by_side([functools.partial(call, *one) for one in zip(*given)], threads, all_end=False)


def fresh_state(net: MLP, kind: Kind, preset: Preset) -> OptimizerState:
    """The optimiser state of a member before its first step."""
    optimizer = optim.AdamW(kind.learning_rate, beta2=kind.beta2, weight_decay=preset.weight_decay)
    return OptimizerState.following(None, net._network.parameters, optimizer)


def rate_at(kind: Kind, part: float) -> float:
    """The learning rate after a fraction of the training, 0 to 1: it falls along half a cosine."""
    return kind.learning_rate * max(0.5 * (1 + math.cos(math.pi * min(1.0, part))), SMALLEST_RATE)


def batch_size(preset: Preset, n: int) -> int:
    """The batch size: a power of 2, so that an epoch has about preset.steps_an_epoch steps."""
    least, most = preset.batches
    return min(n, int(np.clip(2 ** round(math.log2(n / preset.steps_an_epoch)), least, most)))
