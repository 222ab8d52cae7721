"""Monitor a logged value: whether it improved, for how many epochs it did not, and the weights of the best epoch."""
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
    """Monitors one value from epoch to epoch.

    name: of the value. larger_is_better: the direction. min_delta: the smallest improvement that counts.

    waited: epochs since the last improvement. best_weights: Network.learned of the epoch with the best value, or None
    if `look` was not given weights.
    """

    def __init__(self, name: str, larger_is_better: bool, min_delta: float = 0.0) -> None:
        self.name, self.min_delta = name, _checks.number("min_delta", min_delta, least=0)
        self.sign = -1.0 if larger_is_better else 1.0  # values times sign are costs: less is better
        self.least_cost = math.inf
        self.waited = 0
        self.best_weights: Learned | None = None

    @property
    def best(self) -> float:
        """The best value so far; before the first one, infinity of the worse sign."""
        return self.sign * self.least_cost

    def look(self, number: float, weights: Callable[[], Learned] | None = None) -> bool:
        """Record the value of an epoch; return whether it is the best so far.

        weights: a function that returns the present weights, called only if the value is the best.
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
        """(whether a cost is the best so far, whether it counts as an improvement). NaN is neither."""
        better = cost < self.least_cost - self.min_delta
        return better, better

    def restore(self, net: MLP) -> None:
        """Set a network's weights to the best ones, if there are any."""
        if self.best_weights is not None:
            net._network.learned = self.best_weights


def monitor_of_logs(name: str, mode: str, min_delta: float, directions: Mapping[str, bool | None]) -> Monitor:
    """The Monitor for a callback. mode: "min", "max", or "auto" to use the direction of the value.

    directions: name -> whether larger is better, for the values of this fit; for other values the name decides.
    ValueError if the direction is unknown.
    """
    check_mode(name, mode)
    larger = directions[name] if name in directions else larger_is_better(name)
    if mode == "auto" and larger is None:
        raise ValueError(f"mode must be 'min' or 'max' for monitor {name!r}, whose name does not say which is better")
    return Monitor(name, bool(larger) if mode == "auto" else mode == "max", min_delta)


def check_mode(name: Any, mode: Any) -> None:
    """TypeError or ValueError if a callback's monitor is not a string, or its mode not "auto", "min" or "max"."""
    _checks.text("monitor", name)
    _checks.one_of("mode", mode, ("auto", "min", "max"))


HELD_OUT = "validation_data or holds rows out"  # how fit gets values of rows that it is not trained on


def require_logged(name: str, names: Collection[str], remedy: str = HELD_OUT) -> None:
    """ValueError unless a name is among the names of the logged values. remedy: for the message, what would provide
    values of held-out rows; "" for nothing."""
    if name not in names:
        helps = remedy and name.startswith("val_") and "val_loss" not in names
        raise ValueError(f"monitor must be one of {', '.join(names)}, got {name!r}"
                         + (f"; val_ names are there where fit is given {remedy}" if helps else ""))


def logged(name: str, logs: Mapping[str, float]) -> float:
    """The value of a name in an epoch's logs. ValueError if it is missing, TypeError if it is not a number."""
    require_logged(name, logs)
    number = logs[name]
    if not _checks.is_number(number):
        raise TypeError(f"monitor {name!r} must be a number in the logs, got {_checks.described(number)}")
    return number
