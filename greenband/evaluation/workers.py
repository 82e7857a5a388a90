"""Tasks in processes of their own, where the death of one process costs no more than the task it was at.

On Linux each task has a copy of such a process, in which SUMO never ran: what libsumo does depends on what it did
before in its process, and on some roads a seed gave other trips after other runs.
"""

from __future__ import annotations

import importlib
import multiprocessing as mp
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from greenband.errors import BadInput, SimulationError
from greenband.processes import can_copy, end_with_parent, in_a_copy, sumo_processes

__all__ = ["run_each"]

T = TypeVar("T")
R = TypeVar("R")
SLOW_IMPORTS = ("libsumo", "torch")  # spared the tasks after the first that needs them


def run_each(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[tuple[int, R | SimulationError]]:
    """Do all tasks, ``jobs`` at a time, and yield (place in ``tasks``, what came of it) as they end.

    That is an error where SUMO failed or took its process with it; the tasks after it get a fresh process. Leaving the
    iteration ends it: tasks under way are waited for, the others never begin.

    Args:
        work: importable function of a task; it and the tasks are sent to the processes.
        tasks: what to do.
        jobs: processes, at least 1.

    Raises:
        BadInput: ``jobs`` is below 1.
        Exception: any other error of ``work`` as it is.
    """
    if jobs < 1:
        raise BadInput(f"jobs must be at least 1, not {jobs}")
    todo = iter(enumerate(tasks))
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch, _workers(min(jobs, len(tasks)), scratch) as idle:
        busy: dict[Future[R], tuple[int, _Worker]] = {}
        while True:
            while idle and (task := next(todo, None)) is not None:
                worker = idle.pop()
                busy[worker.start(work, task[1])] = task[0], worker
            if not busy:
                return
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                number, worker = busy.pop(future)
                idle.append(worker)
                outcome: R | SimulationError = worker.outcome(future)
                yield number, outcome


class _Worker:
    """One process, replaced by a fresh one where SUMO failed in it."""

    def __init__(self, scratch: str) -> None:
        self._scratch = scratch
        self._pool: ProcessPoolExecutor | None = None

    def start(self, work: Callable[[T], R], task: T) -> Future[R]:
        """Begin a task, in a fresh process if the one before died meanwhile."""
        if self._pool is not None:
            try:
                return self._pool.submit(_apart, work, task)
            except BrokenProcessPool:
                self.close()
        with sumo_processes():  # only where a process begins: an interrupt that comes now is lost
            return self._process().submit(_apart, work, task)

    def _process(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = mp.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_prepare, initargs=(self._scratch,))
        return self._pool

    def outcome(self, future: Future[R]) -> R | SimulationError:
        """What a task returned, or the error that ended it."""
        try:
            return future.result()
        except BrokenProcessPool:
            self.close()
            return SimulationError("its SUMO process ended unexpectedly")
        except SimulationError as error:
            self.close()
            return error

    def close(self) -> None:
        """End the process; the next task gets another."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


@contextmanager
def _workers(count: int, scratch: str) -> Iterator[list[_Worker]]:
    """Workers to take from and give back to; all are ended at last."""
    workers = [_Worker(scratch) for _ in range(count)]
    try:
        yield list(workers)
    finally:
        for worker in workers:
            worker.close()


def _prepare(scratch: str) -> None:
    """Ready a process: an interrupt ends it without a traceback, and the parent clears away what it left.

    It also ends with its parent, whatever ended that.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    tempfile.tempdir = scratch


def _apart(work: Callable[[T], R], task: T) -> R:
    """Do a task in a copy of this process, or here where it cannot be copied."""
    if not can_copy():
        return work(task)
    result, imported = in_a_copy(_with_imports, work, task)
    for name in imported:
        importlib.import_module(name)
    return result


def _with_imports(work: Callable[[T], R], task: T) -> tuple[R, list[str]]:
    result = work(task)
    return result, [name for name in SLOW_IMPORTS if name in sys.modules]
