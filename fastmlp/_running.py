"""Fits that are going on now, by what is fitted: there is one at a time for each network and each estimator."""
from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

Options = ParamSpec("Options")
Fitted = TypeVar("Fitted")
Result = TypeVar("Result")


class Fit:
    """A fit of one object. training_loss: gives the mean loss of the training rows at the present weights; None where
    the logged loss is just that."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.training_loss: Callable[[], float] | None = None

    def is_alive(self) -> bool:
        """False of those that a fork left behind: their thread is in the other process."""
        return self.thread.is_alive()


_fits: dict[int, Fit] = {}  # by the id of what is fitted


def fit_of(fitted: Any) -> Fit | None:
    """The Fit that is going on of a network or an estimator."""
    return _fits.get(id(fitted))


@contextlib.contextmanager
def fitting(fitted: Any) -> Iterator[Fit]:
    """A context in which it is fitted. RuntimeError where it is already, by a call further out or another thread."""
    mine = Fit()
    found = _fits.setdefault(id(fitted), mine)  # which no other thread can come between
    if found is not mine and found.is_alive():
        where = "by the call that this one came from" if found.thread is mine.thread else "in another thread"
        raise RuntimeError(f"this {type(fitted).__name__} is being fitted {where}: it can be fitted again when that "
                           "fit has ended, or fit a copy of it")
    _fits[id(fitted)] = mine
    try:
        yield mine
    finally:
        _fits.pop(id(fitted), None)


def alone(method: Callable[Concatenate[Fitted, Options], Result]) -> Callable[Concatenate[Fitted, Options], Result]:
    """A method that fits what it belongs to, and refuses to while that is being fitted."""

    @functools.wraps(method)
    def fit(self: Fitted, *args: Options.args, **options: Options.kwargs) -> Result:
        with fitting(self):
            return method(self, *args, **options)

    return fit
