"""The loop over epochs. There is one: MLP.fit, MLP.partial_fit and the estimators each hand it a Plan."""
from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .. import _checks
from .._running import Fit
from ..callbacks import Callback, overrides
from .epochs import EpochResult, Epochs
from .ranks import ALONE, Ranks

if TYPE_CHECKING:
    from ..model import MLP

Notify = Callable[[int, dict[str, float]], bool]  # of (epoch or batch, logs); whether to stop


class DivergenceWarning(RuntimeWarning):
    """A loss became infinite or NaN, and the fit stopped."""


class Ending(enum.Enum):
    """How the loop ended."""

    COMPLETED = enum.auto()  # after all the epochs that were wanted
    STOPPED = enum.auto()    # the plan or a callback said so
    DIVERGED = enum.auto()   # a loss was not finite; the weights are those before the step that made it so


class Plan:
    """What a fit does around each epoch, called by the loop in this order."""

    def begin_epoch(self) -> float:
        """The learning rate of the epoch to come."""
        raise NotImplementedError

    def end_epoch(self, result: EpochResult) -> tuple[int, dict[str, float]]:
        """Take the EpochResult; (the epoch's number, its logs) for the callbacks."""
        raise NotImplementedError

    def diverged(self) -> None:
        """Comes in the place of end_epoch where a loss was not finite; it is the last call."""

    def should_stop(self) -> bool:
        """Whether training ends here, asked once the callbacks have seen the epoch."""
        return False


def train(net: MLP, epochs: Epochs, wanted: int, plan: Plan, callbacks: Sequence[Callback], running: Fit) -> Ending:
    """Train for `wanted` epochs, or until something ends it sooner; the Ending. callbacks: those of this rank. running:
    the Fit that they find the network in."""
    ranks = epochs.ranks
    changing = ranks.looked_at = ranks.several and ranks.any(bool(callbacks))
    shared = SharedMeasures(running, ranks, callbacks) if ranks.several else None
    with Notifying(callbacks, net, wanted) as notify:
        for _ in range(wanted):
            result = epochs.run(plan.begin_epoch())
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
    """Where there are several ranks, it takes all of them to measure what the callbacks of one ask for at the present
    weights: they do after each epoch, and the callbacks get what was found."""

    def __init__(self, running: Fit, ranks: Ranks, callbacks: Sequence[Callback]) -> None:
        watched = [name for name in (getattr(one, "monitor", None) for one in callbacks) if isinstance(name, str)]
        self.functions = {name: function for name, function in running.present.items() if ranks.any(name in watched)}
        self.found: dict[str, float] = {}
        running.present = {name: functools.partial(self.found.__getitem__, name) for name in self.functions}

    def measure(self) -> None:
        """At the weights that there are now."""
        for name, function in self.functions.items():
            self.found[name] = function()


class Notifying:
    """The callbacks of a fit: on_fit_begin of all where it begins, then on_fit_end of those that had it, however it
    ends. A call with (epoch, logs) is on_epoch_end of all, and says whether one of them wants to stop."""

    def __init__(self, callbacks: Sequence[Callback], net: MLP, wanted: int) -> None:
        self.callbacks, self.net, self.wanted = callbacks, net, wanted
        self.begun: list[Callback] = []
        self.last: dict[str, float] = {}

    def __enter__(self) -> Notify:
        try:
            for callback in self.callbacks:
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
        _notify_of_end(self.begun, self.net, self.last)


def _notify_of_end(callbacks: Sequence[Callback], net: MLP, logs: dict[str, float]) -> None:
    """on_fit_end of all, in their order, even where one fails."""
    if callbacks:
        try:
            callbacks[0].on_fit_end(net, logs)
        finally:
            _notify_of_end(callbacks[1:], net, logs)


def stops(callback: Callback, event: str, net: MLP, number: int, logs: dict[str, float]) -> bool:
    """Tell a callback of an event; whether it wants to stop."""
    answer = getattr(callback, event)(net, number, logs)
    return answer is not None and _checks.verdict(f"{event} of {type(callback).__name__}", answer)


def batch_notifier(callbacks: Sequence[Callback], net: MLP, ranks: Ranks = ALONE) -> Notify | None:
    """A function of (batch, logs), for the on_batch_end of those that have one of their own; None where none has on any
    rank. ValueError where one has, and ranks take steps of their own."""
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
