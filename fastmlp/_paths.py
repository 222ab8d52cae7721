"""What stands at a user's path, and whether it can be written; `_checks.path` says whether it is one.

Each error names the path that was asked for.
"""
from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

NO_WAIT = getattr(os, "O_NONBLOCK", 0)


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Errors of the system name the path, whichever file they were about."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename == path:
            raise
        raise OSError(error.errno, error.strerror, path) from error


def opened_at_once(path: str, flags: int) -> int:
    """An opener for `open` that does not wait for who is at the other end, were it a FIFO."""
    return os.open(path, flags | NO_WAIT, 0o666)


def writable(path: str) -> tuple[str, os.stat_result | None]:
    """(where links lead to, what is there, None for nothing) of a path at which a regular file may be written.

    OSError where it is no regular file, may not be written, or there is no folder to write it to.
    """
    with naming(path):
        target = os.path.realpath(path)
        if path.endswith(("/", os.sep)):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        try:
            found = os.stat(target)
        except FileNotFoundError:
            os.stat(os.path.dirname(target))
            return target, None
        require_regular(found, path)
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return target, found


def absolute(path: str | os.PathLike[str]) -> str:
    """The same path, wherever the process goes meanwhile. A slash at its end, which is of folders, stays."""
    return path if os.path.isabs(path := os.fspath(path)) else os.path.join(os.getcwd(), path)


def require_regular(state: os.stat_result, path: str) -> None:
    """OSError where what was found at a path is no regular file."""
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", path)
