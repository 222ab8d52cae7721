"""Keep track of running fits, so that each network and each estimator is fitted by only one call at a time."""
from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

Options = ParamSpec("Options")
Fitted = TypeVar("Fitted")
Result = TypeVar("Result")


class Fit:
    """A fit of one object, as a context manager. RuntimeError on entering if the object is already being fitted, by an
    enclosing call or another thread.

    present: functions by name, for values that are logged as means over an epoch's steps: each measures the value on
    the training rows with the present weights. directions: for each logged value, by name, whether larger is better, or
    None if unknown. training: whether training has begun, so that the object is changed.
    """

    doing, remedy = "being fitted", "it can be fitted again when that fit has ended, or fit a copy of it"

    def __init__(self, fitted: Any) -> None:
        self.fitted, self.thread = fitted, threading.current_thread()
        self.present: dict[str, Callable[[], float]] = {}
        self.directions: dict[str, bool | None] = {}
        self.training = False

    def __enter__(self) -> Self:
        found = _fits.setdefault(id(self.fitted), self)  # atomic
        if found is not self and found.thread.is_alive():  # after a fork, fits of threads that do not exist remain
            where = "by the call that this one came from" if found.thread is self.thread else "in another thread"
            raise RuntimeError(f"this {type(self.fitted).__name__} is {self.doing} {where}: {self.remedy}")
        _fits[id(self.fitted)] = self
        return self

    def __exit__(self, *error: object) -> None:
        _fits.pop(id(self.fitted), None)


class Use(Fit):
    """The use of a callback by a fit, for callbacks that serve one fit at a time. RuntimeError on entering if another
    fit is using it."""

    doing, remedy = "in use", "give each fit one of its own, or a copy"


_fits: dict[int, Fit] = {}  # by the id of the fitted object


def fit_of(fitted: Any) -> Fit | None:
    """The running Fit of a network or an estimator, or None."""
    return _fits.get(id(fitted))


def training_begins(fitted: Any) -> None:
    """Mark that training has begun: from here on, an error leaves the estimator with what it has learned so far."""
    fit = fit_of(fitted)
    if fit is not None:
        fit.training = True


def alone(method: Callable[Concatenate[Fitted, Options], Result]) -> Callable[Concatenate[Fitted, Options], Result]:
    """Decorator of methods that fit their object: they raise a RuntimeError while it is already being fitted, and
    restore its attributes if they fail before training begins."""

    @functools.wraps(method)
    def fit(self: Fitted, /, *args: Options.args, **options: Options.kwargs) -> Result:
        with Fit(self) as running:
            before = dict(vars(self))
            try:
                return method(self, *args, **options)
            except BaseException:
                if not running.training:
                    vars(self).clear()
                    vars(self).update(before)
                raise

    return fit
