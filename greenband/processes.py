"""What surrounds the processes that run SUMO: one thread each, a fast memory allocator, nothing of the main script."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType

from greenband import interrupts

__all__ = ["allocator", "cores", "end_with_parent", "sumo_processes"]

PR_SET_PDEATHSIG = 1  # linux/prctl.h
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def sumo_processes() -> Iterator[None]:
    """Python processes started here suit SUMO and ignore interrupts from the keyboard, unless they say otherwise.

    Python would run the script of this process in each child, with all that it imports: torch alone makes SUMO a tenth
    slower there, and a script without a ``__main__`` guard would start itself over and over.
    """
    wanted = {**ONE_THREAD, **_preloading()}
    before = {name: os.environ.get(name) for name in wanted}
    main = sys.modules["__main__"]
    with interrupts.ignored_by_children():
        os.environ.update(wanted)
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def end_with_parent() -> None:
    """From now on this process is killed as soon as its parent, or the thread there that started it, is gone.

    However that ended, but on Linux only (``PR_SET_PDEATHSIG``, prctl(2)).
    Processes of a pool wait for tasks for ever otherwise, as they hold both ends of the pipe that brings them. A thread
    that watches the parent would do the same everywhere, but with a second thread SUMO is a tenth slower.
    """
    parent = multiprocessing.parent_process()
    if sys.platform != "linux" or parent is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # gone before the kernel was told
        os._exit(1)


def _preloading() -> dict[str, str]:
    """The environment in which Linux's loader puts the allocator before all other libraries."""
    library = allocator()
    if library is None:
        return {}
    others = os.environ.get("LD_PRELOAD", "")
    return {"LD_PRELOAD": f"{library} {others}".strip()}


@cache
def allocator() -> Path | None:
    """The library mimalloc as PyPI has it for Linux; None elsewhere, and where a path is one that cannot be preloaded.

    SUMO allocates much and often, an eighth of its time with glibc's allocator. Leijen, Zorn and de Moura, Mimalloc:
    Free List Sharding in Action, APLAS 2019.
    """
    if sys.platform != "linux":
        return None
    try:
        library = Path(str(distribution("cmeel-mimalloc").locate_file("cmeel.prefix/lib/libmimalloc.so")))
    except PackageNotFoundError:
        return None
    splits = set(" :").intersection(str(library))  # LD_PRELOAD has no way to quote them
    return library if library.is_file() and not splits else None
