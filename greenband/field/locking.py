"""A lock that only one process holds, and that ends with it however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Held", "only_one"]

MOST_BYTES = 1000
BEYOND_TEXT = 1 << 30  # Windows lets nobody read what is locked


class Held(Exception):
    """Another process holds the lock; says what that process told about itself."""


@contextmanager
def only_one(path: Path, about: str) -> Iterator[None]:
    """Hold the lock of a file.

    Args:
        path: the file; made where there is none, and left behind.
        about: what others are told of the holder.

    Raises:
        Held: another holds it.
        OSError: the file cannot be used.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _locked(handle):
            raise Held(os.read(handle, MOST_BYTES).decode("utf-8", "replace").strip() or "another process")
        os.ftruncate(handle, 0)
        os.write(handle, about.encode("utf-8", "replace")[:MOST_BYTES])
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)  # which frees it


if sys.platform == "win32":
    import msvcrt

    def _locked(handle: int) -> bool:
        os.lseek(handle, BEYOND_TEXT, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _locked(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
