"""Whether a watched number became better, for how many epochs it did not, and the weights of the best epoch."""
import math

from .. import _check
from ..metrics import larger_is_better


class Monitor:
    """Watches one number from epoch to epoch.

    name : of the number. larger_is_better : the direction. min_delta : by how much a number has to be better to count.

    waited is the number of epochs since the last progress; best_weights are the `params` that were handed in with the
    best number, or None where none were.
    """

    def __init__(self, name, larger_is_better, min_delta=0.0):
        self.name, self.min_delta = name, _check.number("min_delta", min_delta, least=0)
        self.sign = -1.0 if larger_is_better else 1.0  # numbers times sign are costs: less is better
        self.least_cost = math.inf
        self.waited = 0
        self.best_weights = None

    @property
    def best(self):
        """The best number so far; before the first one the infinity that any number is better than."""
        return self.sign * self.least_cost

    def look(self, number, weights=None):
        """Take the number of one more epoch; whether it is the best so far.

        weights : a function that gives the weights which have this number, called where it is the best.
        """
        cost = self.sign * number
        is_best, is_progress = self.compare(cost)
        if is_best:
            self.least_cost = cost
            if weights is not None:
                self.best_weights = weights()
        self.waited = 0 if is_progress else self.waited + 1
        return is_best

    def compare(self, cost):
        """(whether a cost is the best so far, whether it ends the waiting). NaN is neither."""
        better = cost < self.least_cost - self.min_delta
        return better, better

    def restore(self, net):
        """Give a network the best weights, where there are any."""
        if self.best_weights is not None:
            net.params = self.best_weights


def monitor_of_logs(name, mode, min_delta=0.0):
    """The Monitor that a callback asks for. mode : "min", "max", or "auto" for the direction that the name has."""
    _check.one_of("mode", mode, ("auto", "min", "max"))
    return Monitor(name, larger_is_better(name) if mode == "auto" else mode == "max", min_delta)


def logged(name, logs):
    """The number of a name among an epoch's logs. ValueError where it is not there."""
    if name not in logs:
        raise ValueError(f"monitor must be one of {', '.join(logs)}, got {name!r}"
                         + ("; give fit validation_data" if name.startswith("val_") else ""))
    return logs[name]
