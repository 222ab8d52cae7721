"""The one loop over epochs, used by MLP.fit, MLP.partial_fit, the estimators and the members of tabular ensembles.

Each passes it a Plan, which says what is particular to that fit.
"""
from __future__ import annotations

import contextlib
import enum
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Self

from .. import _checks, _core
from .._engine.requests import PLAIN, Objective
from .._parameters import OptimizerState
from .._running_fits import Fit, Use
from ..callbacks import Callback, overrides
from .epochs import EpochResult, Epochs
from .local_sgd import LocalEpochs
from .orders import InOrder, Order, Shuffled
from .plain_epochs import LEAST, PlainEpochs
from .ranks import ALONE, Ranks
from .rates import DroppedRates
from .resuming import WindowEpochs
from .stream import Stream, StreamEpochs
from .weight_average import RunningMean

if TYPE_CHECKING:
    from ..model import MLP

Notify = Callable[[int, dict[str, float]], bool]  # (epoch or batch, logs) -> whether to stop
Present = dict[str, Callable[[], float]]  # see Fit
MANY = 10**6  # rows assumed where their number is unknown


class DivergenceWarning(RuntimeWarning):
    """A loss became infinite or NaN, and the fit stopped."""


class Ending(enum.Enum):
    """How the loop ended."""

    COMPLETED = enum.auto()  # all epochs that were asked for are done
    STOPPED = enum.auto()    # the plan or a callback stopped it
    DIVERGED = enum.auto()   # a loss was not finite; the weights are those before the step that made it so


class Plan:
    """What is particular to one kind of fit; the loop calls the methods in this order. As a context manager it encloses
    all epochs.

    epochs: the Epochs, set before the context is entered. watches: whether epochs may differ from each other, or each
    has to be reported; otherwise several may be trained in one call of the engine, and are added to `lists`.
    """

    epochs: Epochs
    watches = True

    def state(self) -> OptimizerState:
        """The optimiser's state to train with; called once the threads exist."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Called when training has ended, normally or by an error."""

    def present(self) -> Present:
        """Functions that measure logged values of the training rows with the present weights, by name."""
        return {"loss": self.epochs.loss}

    def begin_epoch(self) -> float:
        """The learning rate of the next epoch."""
        raise NotImplementedError

    def end_epoch(self, result: EpochResult) -> tuple[int, dict[str, float]]:
        """Record the EpochResult; returns (number of the epoch, its logs) for the callbacks."""
        raise NotImplementedError

    def lists(self) -> contextlib.AbstractContextManager[list[list[float]]]:
        """A context with the lists [losses, rates], to which epochs trained in one call are added."""
        raise NotImplementedError

    def diverged(self) -> None:
        """Called instead of end_epoch if a loss was not finite; the last call."""

    def should_stop(self) -> bool:
        """Whether training ends here; called after the callbacks."""
        return False


def train(net: MLP, running: Fit, plan: Plan, data: _core.Data, order: Order, wanted: int, batch: int | None,
          objective: Objective, callbacks: Sequence[Callback], n_threads: int | None, ranks: Ranks = ALONE,
          mean: RunningMean | None = None, dropped: Iterator[DroppedRates] | None = None) -> Ending:
    """Train a network for `wanted` epochs unless it ends sooner; returns the Ending.

    running: the Fit that records that the network is being fitted. callbacks: those given to this rank. n_threads: as
    in Network.team. The other parameters are those of Epochs.
    """
    network = net._network
    if ranks.several:
        callbacks, n_threads = ranks.listening(callbacks), ranks.threads(n_threads)
    on_batch_end = _batch_notifier(callbacks, net, ranks)
    known = not isinstance(order, Stream)  # whether the number of rows is known
    rows, of_a_step = order.n if known else MANY, min(order.n, batch or order.n) if known else None
    with order, network.team(rows, 3 * wanted, n_threads, of_a_step) as team:
        state = plan.state()
        if ranks.several:
            ranks.follow(network, state)
        kind = _kind_of_epochs(order, ranks, on_batch_end is None and mean is None, objective)
        plan.epochs = kind(network, state, data, order, batch, team, objective, on_batch_end, ranks, mean, dropped)
        with plan:
            running.present = plan.present()
            ending = _loop(net, wanted, plan, callbacks, running)
        if ranks.several:
            ranks.follow(network)
    return ending


def _kind_of_epochs(order: Order, ranks: Ranks, whole: bool, objective: Objective) -> type[Epochs]:
    """The class of Epochs for a fit. whole: whether one call of the engine may train all batches of an epoch."""
    if isinstance(order, Stream):
        return StreamEpochs
    if ranks.local_steps:
        return LocalEpochs
    if ranks.several or not whole:
        return Epochs
    if order.window is not None:
        return WindowEpochs
    plain = objective == PLAIN and isinstance(order, (InOrder, Shuffled)) and order.rows is None
    return PlainEpochs if plain else Epochs


def _loop(net: MLP, wanted: int, plan: Plan, callbacks: Sequence[Callback], running: Fit) -> Ending:
    epochs, ranks = plan.epochs, plan.epochs.ranks
    changing = ranks.looked_at = ranks.several and ranks.any(bool(callbacks))
    shared = SharedMeasures(running, ranks, callbacks) if ranks.several else None
    done = 0
    if isinstance(epochs, PlainEpochs) and wanted >= LEAST and not plan.watches and not callbacks:
        running.training = True
        with plan.lists() as (losses, rates):
            done = epochs.run_many(plan.begin_epoch(), wanted, losses, rates)
    with Notifying(callbacks, net, wanted) as notify:
        for _ in range(done, wanted):
            rate = plan.begin_epoch()
            running.training = True
            result = epochs.run(rate)
            if result is None:
                plan.diverged()
                return Ending.DIVERGED
            ended = plan.end_epoch(result)
            if shared is not None:
                shared.measure()
            stop = notify(*ended)
            stop = plan.should_stop() or stop or result.stopped
            if ranks.any(stop) if ranks.several else stop:
                return Ending.STOPPED
            if changing:
                ranks.follow(epochs.network)
    return Ending.COMPLETED


class SharedMeasures:
    """Measurements that callbacks ask for, with several ranks: measuring takes all ranks, so they do it together after
    each epoch, and the callbacks get the stored results."""

    def __init__(self, running: Fit, ranks: Ranks, callbacks: Sequence[Callback]) -> None:
        watched = {callback._watches() for callback in callbacks}
        self.functions = {name: function for name, function in running.present.items() if ranks.any(name in watched)}
        self.found: dict[str, float] = {}
        running.present = {name: functools.partial(self.found.__getitem__, name) for name in self.functions}

    def measure(self) -> None:
        """Measure with the present weights and store the results."""
        for name, function in self.functions.items():
            self.found[name] = function()


class Notifying:
    """Calls the callbacks of a fit: on entry on_fit_begin of all; at the end, even after an error, on_fit_end of those
    whose on_fit_begin succeeded. Calling it with (epoch, logs) calls on_epoch_end of all, and returns whether one wants
    to stop."""

    def __init__(self, callbacks: Sequence[Callback], net: MLP, wanted: int) -> None:
        self.callbacks, self.net, self.wanted = callbacks, net, wanted
        self.begun: list[Callback] = []
        self.uses: list[Use] = []
        self.last: dict[str, float] = {}

    def __enter__(self) -> Notify:
        try:
            for callback in self.callbacks:
                if callback.of_one_fit and all(use.fitted is not callback for use in self.uses):
                    self.uses.append(Use(callback).__enter__())
                callback.on_fit_begin(self.net, {"epochs": self.wanted})
                self.begun.append(callback)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __call__(self, epoch: int, logs: dict[str, float]) -> bool:
        self.last = logs
        answers = [stops(callback, "on_epoch_end", self.net, epoch, logs) for callback in self.callbacks]
        return any(answers)

    def __exit__(self, *error: object) -> None:
        try:
            _notify_of_end(self.begun, self.net, self.last)
        finally:
            for use in self.uses:
                use.__exit__()


def _notify_of_end(callbacks: Sequence[Callback], net: MLP, logs: dict[str, float]) -> None:
    """Call on_fit_end of all, in order, even if one raises."""
    if callbacks:
        try:
            callbacks[0].on_fit_end(net, logs)
        finally:
            _notify_of_end(callbacks[1:], net, logs)


def stops(callback: Callback, event: str, net: MLP, number: int, logs: dict[str, float]) -> bool:
    """Call a callback's method `event`; return whether it wants to stop."""
    answer = getattr(callback, event)(net, number, logs)
    return answer is not None and _checks.verdict(f"{event} of {type(callback).__name__}", answer)


def _batch_notifier(callbacks: Sequence[Callback], net: MLP, ranks: Ranks) -> Notify | None:
    """A function (batch, logs) -> whether to stop, which calls the on_batch_end of the callbacks that define one; None
    if no callback of any rank does. ValueError if one does and ranks take their own steps."""
    listening = [callback for callback in callbacks if overrides(callback, "on_batch_end")]

    def notify(batch: int, logs: dict[str, float]) -> bool:
        answers = [stops(callback, "on_batch_end", net, batch, logs) for callback in listening]
        stop = ranks.any(any(answers))
        ranks.follow(net._network)
        return stop

    wanted = ranks.any(bool(listening)) if ranks.several else listening
    if wanted and ranks.local_steps:
        raise ValueError("callbacks must have no on_batch_end where ranks take steps of their own, which is what "
                         f"sync={ranks.local_steps} means")
    return notify if wanted else None
