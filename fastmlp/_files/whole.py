"""Write files completely or not at all, with errors that name the user's path.

A file is written under a temporary name in the same folder and then renamed. Writers hold a lock on their temporary
file, which ends with the process: an unlocked one was left by a writer that was killed, and the next writer to the same
path removes it.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from .. import _paths

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
BLOCK_BYTES = 2**24  # written or read at a time; Ctrl-C is handled in between


def blocks(parts: Iterable[Any]) -> Iterator[memoryview]:
    """Divide bytes and arrays into pieces of at most BLOCK_BYTES."""
    for part in parts:
        view = memoryview(part)
        view = view.cast("B") if view.nbytes else memoryview(b"")
        for begin in range(0, len(view), BLOCK_BYTES):
            yield view[begin:begin + BLOCK_BYTES]


# ---- reading


@contextlib.contextmanager
def reading(path: str) -> Iterator[tuple[BinaryIO, int]]:
    """A context with (open file, its size). OSError if it is not a regular file or cannot be read."""
    with _paths.naming(path), open(path, "rb", opener=_paths.opened_at_once) as file:
        state = os.fstat(file.fileno())
        _paths.require_regular(state, path)
        yield file, state.st_size


# ---- writing


def write(path: str, parts: Iterable[Any]) -> None:
    """Write bytes and arrays, one after the other, to a file that is there whole or not at all.

    A symbolic link stays, and what it points to is written. What is there keeps its permissions, and its owner where we
    may give it away. Where it has other names, hard links, these keep the old content. OSError, and what is there
    stays, where it is no regular file or may not be written.
    """
    target, old = _paths.writable(path)
    with _paths.naming(path):
        folder, name = os.path.split(target)
        prefix = os.path.join(folder, f".fastmlp-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}-")
        _remove_leftovers(folder, os.path.basename(prefix))
        _write_and_replace(target, prefix, old, parts)


def _write_and_replace(target: str, prefix: str, old: os.stat_result | None, parts: Iterable[Any]) -> None:
    descriptor, temporary = _create(prefix, 0o666 if old is None else old.st_mode & 0o700)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for block in blocks(parts):
                file.write(block)
            file.flush()
            os.fsync(descriptor)
            if old is not None:
                _keep_owner(temporary, old)
                os.chmod(temporary, stat.S_IMODE(old.st_mode))
            if os.name != "nt":  # while the lock is held; Windows wants it closed
                os.replace(temporary, target)
        if os.name == "nt":
            os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _create(prefix: str, mode: int) -> tuple[int, str]:
    """(descriptor, name) of a new, locked file. The kernel applies the umask to the mode."""
    while True:
        temporary = f"{prefix}{secrets.token_hex(8)}.tmp"
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | BINARY, mode)
        if _lock(descriptor) and os.fstat(descriptor).st_nlink > 0:
            return descriptor, temporary
        os.close(descriptor)  # another writer has mistaken it for a leftover
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _lock(descriptor: int) -> bool:
    """Lock a file until it is closed; returns False if another process holds the lock."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _keep_owner(temporary: str, old: os.stat_result) -> None:
    if hasattr(os, "chown"):
        with contextlib.suppress(PermissionError):
            os.chown(temporary, old.st_uid, old.st_gid)


def _remove_leftovers(folder: str, prefix: str) -> None:
    """Remove temporary files of writers to the same path that were killed."""
    with contextlib.suppress(OSError):  # a folder that may be written but not listed; writing says what is wrong
        for name in os.listdir(folder):
            if name.startswith(prefix):
                _remove_if_left(os.path.join(folder, name))


def _remove_if_left(temporary: str) -> None:
    with contextlib.suppress(OSError):  # it is gone, or not ours
        descriptor = os.open(temporary, os.O_RDONLY | _paths.NO_WAIT | BINARY)
        try:
            left = fcntl is not None and _lock(descriptor)
            if left:
                os.unlink(temporary)
        finally:
            os.close(descriptor)
        if fcntl is None:
            os.unlink(temporary)
