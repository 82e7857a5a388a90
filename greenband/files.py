"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

__all__ = ["write_bytes", "write_text"]

_UMASK = threading.Lock()


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``data`` in one step; parent folders are made.

    ``durable`` waits until the disk has the data. Without it a power cut just after may leave an empty file, so it is
    for what is quickly made again and held against a list of hashes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """It can only be read by setting it, which two threads at once would undo for each other."""
    with _UMASK:
        umask = os.umask(0)
        os.umask(umask)
    return umask


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace ``path`` by UTF-8 ``text`` in one step; parent folders are made. ``durable`` as for ``write_bytes``."""
    write_bytes(path, text.encode("utf-8"), durable=durable)
