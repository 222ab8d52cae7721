"""What several files of tests share."""
import _thread
import time

import pytest


@pytest.fixture
def no_threads_left():
    """Fails where a test leaves threads behind."""
    before = _thread._count()
    yield
    deadline = time.monotonic() + 5
    while _thread._count() > before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert _thread._count() <= before  # fewer where those of an earlier test were still at hand
