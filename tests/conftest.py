"""What several files of tests share."""
import _thread
import time

import pytest


at_rest = 0  # threads that stayed when they were last waited for, such as a pool's of another library


def threads(wanted=None, seconds=0.5):
    """How many threads there are, once those above a number have had time to go: the library's stay for a tenth of a second."""
    global at_rest
    until, least = time.monotonic() + seconds, at_rest if wanted is None else wanted
    while _thread._count() > least and time.monotonic() < until:
        time.sleep(0.001)
    if wanted is None:
        at_rest = _thread._count()
    return _thread._count()


@pytest.fixture
def no_threads_left():
    """Fails where a test leaves threads behind."""
    before = threads()
    yield
    assert threads(before, 5) == before
