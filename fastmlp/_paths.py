"""Check whether a file can be written at a user's path; `_checks.path` checks that the argument is a path.

Each error names the path as the user gave it.
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
    """A context in which OSErrors name this path, whichever file they were about."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename == path:
            raise
        raise OSError(error.errno, error.strerror, path) from error


def opened_at_once(path: str, flags: int) -> int:
    """An opener for `open` that does not block if the path is a FIFO."""
    return os.open(path, flags | NO_WAIT, 0o666)


def writable(path: str) -> tuple[str, os.stat_result | None]:
    """(path with links resolved, its stat result or None if nothing is there) for a regular file that may be written.

    OSError if it is not a regular file, may not be written, or its folder does not exist.
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
    """The path made absolute, in case the working directory changes. A slash at its end, which marks a folder, is kept.
    """
    return path if os.path.isabs(path := os.fspath(path)) else os.path.join(os.getcwd(), path)


def require_regular(state: os.stat_result, path: str) -> None:
    """OSError if the stat result of a path is not that of a regular file."""
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", path)
