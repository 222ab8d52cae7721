"""Defer signals that arrive while ranks communicate, so that no exception interrupts what all ranks do together."""
from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

Handler = Any  # of a signal: a function of (number, frame)


class Deferred:
    """A context in which signals are recorded, to be handled at its end: `with deferred: ...`, any number of times
    between `install` and `remove`.

    In the main thread, the only one that handles signals, `install` replaces Python's handlers by one that does so. In
    other threads nothing has to be done.
    """

    def __init__(self) -> None:
        self.handlers: dict[int, Handler] = {}  # the original ones
        self.within = False
        self.pending: list[int] = []

    def install(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            if callable(handler):
                self.handlers[number] = handler
                signal.signal(number, self._note)

    def remove(self) -> None:
        for number, handler in self.handlers.items():
            if signal.getsignal(number) == self._note:  # otherwise another one was set meanwhile
                signal.signal(number, handler)
        self.handlers = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.within:
            self.pending.append(number)
        else:
            self.handlers[number](number, frame)

    def __enter__(self) -> None:
        self.within = True

    def __exit__(self, *error: object) -> None:
        self.within = False
        while self.pending:
            number = self.pending.pop(0)
            self.handlers[number](number, None)
