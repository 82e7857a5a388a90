"""What surrounds the processes that run SUMO: one thread each, a fast memory allocator, nothing of the main script."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import ParamSpec, TypeVar

from greenband import interrupts
from greenband.errors import SimulationError

__all__ = ["allocator", "can_copy", "cores", "end_with_parent", "in_a_copy", "lenient_threads", "sumo_processes"]

P = ParamSpec("P")
R = TypeVar("R")

PR_SET_PDEATHSIG = 1  # linux/prctl.h
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lenient_threads() -> None:
    """Threads of a library that is loaded from now on soon fall asleep when they wait for each other.

    To be called before torch is imported. GNU's OpenMP library has them spin for milliseconds, each on a core that
    something else may need: in training beside one other process two threads were up to 24 times slower than one. With
    few spins (``GOMP_SPINCOUNT``, GNU libgomp manual) they are as fast there as one, and alone hardly slower.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


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
    if parent is not None and parent.pid is not None:
        _end_with(parent.pid)


def _end_with(parent: int) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone before the kernel was told
        os._exit(1)


def can_copy() -> bool:
    """Whether this system can copy a process that has SUMO in it; only Linux is known to."""
    return sys.platform == "linux"


def in_a_copy(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What ``work`` returns or raises in a copy of this process, which shares nothing that it changes with this one.

    The copy ends with this process, and its exit runs no clean-up: what is open here is not the copy's to close.

    Raises:
        SimulationError: the copy ended unexpectedly.
        Exception: any error of ``work`` as it is.
    """
    ours, theirs = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            _end_with(parent)
            os.close(ours)
            with os.fdopen(theirs, "wb") as pipe:
                pipe.write(_outcome(work, *args, **kwargs))
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not data:  # killed, perhaps while it wrote
        raise SimulationError("its SUMO process ended unexpectedly")
    result, error = pickle.loads(data)  # of our own making
    if error is not None:
        raise error
    found: R = result
    return found


def _outcome(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> bytes:
    try:
        return pickle.dumps((work(*args, **kwargs), None))
    except Exception as error:  # noqa: BLE001  # it is raised again where the copy was made
        return pickle.dumps((None, error))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


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
