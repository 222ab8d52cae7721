"""What several files of tests share."""
import _thread
import signal
import time

import pytest

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as of jobs that a shell runs in the background, and theirs
    signal.signal(signal.SIGINT, signal.default_int_handler)

at_rest = 0  # threads that stayed when they were last waited for, such as a pool's of another library


def threads(wanted=None, seconds=1):
    """How many threads there are, once those above a number have had time to go: the library's stay for a tenth of a
    second, on a busy machine longer. So many seconds after the last one has gone are enough."""
    global at_rest
    until, least, count = time.monotonic() + seconds, at_rest if wanted is None else wanted, _thread._count()
    while count > least and time.monotonic() < until:
        time.sleep(0.001)
        before, count = count, _thread._count()
        if count < before:
            until = time.monotonic() + seconds
    if wanted is None:
        at_rest = count
    return count


@pytest.fixture
def no_threads_left():
    """Fails where a test leaves threads behind."""
    before = threads()
    yield
    assert threads(before, 5) == before


@pytest.fixture(scope="module")
def client():
    """A Dask cluster of two processes."""
    import distributed

    options = dict(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


def pytest_collection_modifyitems(items):
    """Tests that fork come first, while there are no threads of other packages, such as Dask's, which a child lacks."""
    items.sort(key=lambda item: item.path.name != "test_threads.py")
