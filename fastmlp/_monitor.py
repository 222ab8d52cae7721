"""Whether a watched number became better, for how many epochs it did not, and the weights of the best epoch."""
from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from . import _checks
from ._types import Floats
from .metrics import larger_is_better

if TYPE_CHECKING:
    from .model import MLP

Learned = tuple[Floats, Floats]


class Monitor:
    """Watches one number from epoch to epoch.

    name: of the number. larger_is_better: the direction. min_delta: by how much a number has to be better to count.

    waited is the number of epochs since the last progress; best_weights are what a Network has `learned`, as it was
    handed in with the best number, or None where it was not.
    """

    def __init__(self, name: str, larger_is_better: bool, min_delta: float = 0.0) -> None:
        self.name, self.min_delta = name, _checks.number("min_delta", min_delta, least=0)
        self.sign = -1.0 if larger_is_better else 1.0  # numbers times sign are costs: less is better
        self.least_cost = math.inf
        self.waited = 0
        self.best_weights: Learned | None = None

    @property
    def best(self) -> float:
        """The best number so far; before the first one the infinity that any number is better than."""
        return self.sign * self.least_cost

    def look(self, number: float, weights: Callable[[], Learned] | None = None) -> bool:
        """Take the number of one more epoch; whether it is the best so far.

        weights: a function that gives the weights which have this number, called where it is the best.
        """
        cost = self.sign * number
        is_best, is_progress = self.compare(cost)
        if is_best:
            self.least_cost = cost
            if weights is not None:
                self.best_weights = weights()
        self.waited = 0 if is_progress else self.waited + 1
        return is_best

    def compare(self, cost: float) -> tuple[bool, bool]:
        """(whether a cost is the best so far, whether it ends the waiting). NaN is neither."""
        better = cost < self.least_cost - self.min_delta
        return better, better

    def restore(self, net: MLP) -> None:
        """Give a network the best weights, where there are any."""
        if self.best_weights is not None:
            net._network.learned = self.best_weights


def monitor_of_logs(name: str, mode: str, min_delta: float, directions: Mapping[str, bool | None]) -> Monitor:
    """The Monitor that a callback asks for. mode: "min", "max", or "auto" for the direction of the number.

    directions: whether larger is better, of the numbers that the fit knows by name; of others the name says it.
    ValueError where nothing does.
    """
    check_mode(name, mode)
    larger = directions[name] if name in directions else larger_is_better(name)
    if mode == "auto" and larger is None:
        raise ValueError(f"mode must be 'min' or 'max' for monitor {name!r}, whose name does not say which is better")
    return Monitor(name, bool(larger) if mode == "auto" else mode == "max", min_delta)


def check_mode(name: Any, mode: Any) -> None:
    """TypeError or ValueError where a callback is asked to watch what has no name, or in no known direction."""
    _checks.text("monitor", name)
    _checks.one_of("mode", mode, ("auto", "min", "max"))


HELD_OUT = "validation_data or holds rows out"  # what fit is given, or does, for numbers of rows that it has not seen


def require_logged(name: str, names: Collection[str], remedy: str = HELD_OUT) -> None:
    """ValueError where a name is none of those of the numbers that a fit logs. remedy: what would give it numbers of
    held-out rows, "" for nothing."""
    if name not in names:
        helps = remedy and name.startswith("val_") and "val_loss" not in names
        raise ValueError(f"monitor must be one of {', '.join(names)}, got {name!r}"
                         + (f"; val_ names are there where fit is given {remedy}" if helps else ""))


def logged(name: str, logs: Mapping[str, float]) -> float:
    """The number of a name among an epoch's logs. ValueError where it is not there."""
    require_logged(name, logs)
    number = logs[name]
    if not _checks.is_number(number):
        raise TypeError(f"monitor {name!r} must be a number in the logs, got {_checks.described(number)}")
    return number
