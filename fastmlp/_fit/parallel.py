"""Run calls in several threads, all of which Ctrl-C ends."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from .._engine.pending import raise_pending

Result = TypeVar("Result")
# Longest single wait: a signal that comes just before Python begins to wait for a lock does not interrupt that wait.
LOOK_SECONDS = 0.1


def side_by_side(calls: Sequence[Callable[[], Result]], threads: int, all_end: bool) -> list[Result]:
    """The results of the calls, in order, made by `threads` threads.

    An exception in a call is raised here when the other calls have ended: all_end says whether they run to their ends,
    or are ended by a KeyboardInterrupt, as all are on Ctrl-C.
    """
    from concurrent import futures  # here, so that importing fastmlp stays fast

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
    """The threads that are running a call."""

    def __init__(self) -> None:
        self.lock, self.threads, self.ended = threading.Lock(), set[int](), False

    def run(self, call: Callable[[], Result]) -> Result:
        """Run a call in this thread."""
        thread = threading.get_ident()
        try:
            with self.lock:
                if self.ended:
                    raise KeyboardInterrupt
                self.threads.add(thread)
            return call()
        finally:
            with self.lock:  # interrupt() holds it too, so it raises nothing in this thread afterwards
                self.threads.discard(thread)
            raise_pending()  # here, not in the pool

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in all running calls and in those to come, and wait until they have ended. (The pool
        does not wait for a thread during whose start Ctrl-C came.)"""
        import ctypes  # here, since it takes a millisecond

        with self.lock:
            self.ended = True
            for thread in self.threads:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))
        while self.threads:
            time.sleep(0.001)
