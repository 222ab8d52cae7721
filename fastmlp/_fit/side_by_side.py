"""Calls in several threads, which Ctrl-C ends as if each was the only one."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from .._engine.pending import raise_pending

Result = TypeVar("Result")
# A signal that comes just before Python begins to wait for a lock does not end that wait, so none is longer.
LOOK_SECONDS = 0.1


def side_by_side(calls: Sequence[Callable[[], Result]], threads: int, all_end: bool) -> list[Result]:
    """What each call gives, in their order; so many threads have one at a time.

    What a call raises is raised here when the others have ended: all_end says whether they go on to their ends, or have
    a KeyboardInterrupt, as they all have where Ctrl-C ends the waiting for them.
    """
    from concurrent import futures  # not above: an import of fastmlp need not wait for it

    workers = Workers()
    with futures.ThreadPoolExecutor(max(1, min(threads, len(calls)))) as pool:
        try:
            running = [pool.submit(workers.run, call) for call in calls]
            going = {*running}
            while going:
                done, going = futures.wait(running, LOOK_SECONDS,
                                           futures.ALL_COMPLETED if all_end else futures.FIRST_EXCEPTION)
                if not all_end:
                    for future in done:
                        future.result()
            return [future.result() for future in running]
        except BaseException:
            workers.interrupt()
            raise


class Workers:
    """The threads that are in a call."""

    def __init__(self) -> None:
        self.lock, self.threads, self.ended = threading.Lock(), set[int](), False

    def run(self, call: Callable[[], Result]) -> Result:
        """A call, in one of them."""
        thread = threading.get_ident()
        try:
            with self.lock:
                if self.ended:
                    raise KeyboardInterrupt
                self.threads.add(thread)
            return call()
        finally:
            with self.lock:  # interrupt takes it too: it raises nothing in this thread from here on
                self.threads.discard(thread)
            raise_pending()  # here, not in the pool

    def interrupt(self) -> None:
        """Have KeyboardInterrupt raised in all of them, and in those that were to come, and wait for it. (The pool does
        not wait for a thread in whose start Ctrl-C came.)"""
        import ctypes  # here, since it takes a millisecond

        with self.lock:
            self.ended = True
            for thread in self.threads:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))
        while self.threads:
            time.sleep(0.001)
