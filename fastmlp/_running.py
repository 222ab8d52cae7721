"""Fits that are going on now, by what is fitted: there is one at a time for each network and each estimator."""
from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

Options = ParamSpec("Options")
Fitted = TypeVar("Fitted")
Result = TypeVar("Result")


class Fit:
    """A fit of one object, and the context in which it goes on. RuntimeError on entering where the object is being
    fitted already, by a call further out or another thread.

    present: functions that measure logged numbers of the training rows at the present weights, by name: of those that
    are logged as means over an epoch's steps. directions: of the numbers that will be logged, by name, whether larger
    is better, None where nothing says so. training: whether steps are made, on what others see of the object.
    """

    doing, remedy = "being fitted", "it can be fitted again when that fit has ended, or fit a copy of it"

    def __init__(self, fitted: Any) -> None:
        self.fitted, self.thread = fitted, threading.current_thread()
        self.present: dict[str, Callable[[], float]] = {}
        self.directions: dict[str, bool | None] = {}
        self.training = False

    def __enter__(self) -> Self:
        found = _fits.setdefault(id(self.fitted), self)  # which no other thread can come between
        if found is not self and found.thread.is_alive():  # a fork leaves fits behind whose thread it does not have
            where = "by the call that this one came from" if found.thread is self.thread else "in another thread"
            raise RuntimeError(f"this {type(self.fitted).__name__} is {self.doing} {where}: {self.remedy}")
        _fits[id(self.fitted)] = self
        return self

    def __exit__(self, *error: object) -> None:
        _fits.pop(id(self.fitted), None)


class Use(Fit):
    """What a fit makes of a callback that is for one at a time, and the context in which it does. RuntimeError on
    entering where another fit has it."""

    doing, remedy = "in use", "give each fit one of its own, or a copy"


_fits: dict[int, Fit] = {}  # by the id of what is fitted


def fit_of(fitted: Any) -> Fit | None:
    """The Fit that is going on of a network or an estimator."""
    return _fits.get(id(fitted))


def training_begins(fitted: Any) -> None:
    """What an error leaves of an estimator is what was learned so far, from here on."""
    fit = fit_of(fitted)
    if fit is not None:
        fit.training = True


def alone(method: Callable[Concatenate[Fitted, Options], Result]) -> Callable[Concatenate[Fitted, Options], Result]:
    """A method that fits what it belongs to, and refuses to while that is being fitted. Where it fails before training
    begins, the attributes are what they were."""

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
