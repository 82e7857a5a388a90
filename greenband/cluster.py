"""Work on a Ray cluster: that of ``RAY_ADDRESS``, or one of this machine alone that lives as long as the program.

Every machine of a cluster needs greenband, and sees the folders of runs and scenarios under the same paths.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from greenband.errors import BadInput, GreenbandError, SimulationError

__all__ = ["cancel", "connect", "run_each"]

T = TypeVar("T")
R = TypeVar("R")
ADDRESS = "RAY_ADDRESS"
NETWORKED = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # on Linux too: without, Ray listens on the loopback address only


def connect(cpus: int = 1) -> Any:
    """The module ``ray``, connected to a cluster with at least so many CPUs.

    Raises:
        BadInput: Ray is not installed, the cluster is out of reach, or it is too small.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        os.environ.setdefault(NETWORKED, "0")  # Ray decides as it is imported
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise BadInput(f'Ray needs more packages: pip install "greenband[ray]" ({error})') from error
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tell nobody unless asked to
        # Without an address Ray would join any cluster that was ever started on this machine.
        alone = {"address": "local", "include_dashboard": False}
        try:
            ray.init(log_to_driver=False, logging_level="error", **({} if address else alone))
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BadInput(f"no Ray cluster at {ADDRESS}={address}: {error}") from error
    there = int(ray.cluster_resources().get("CPU", 0))
    if there < cpus:
        raise BadInput(f"the Ray cluster has {there} CPUs, and {cpus} processes are wanted")
    return ray


def run_each(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[tuple[int, R | SimulationError]]:
    """As ``greenband.evaluation.workers.run_each``, on the machines of the cluster, ``jobs`` at a time."""
    ray = connect(jobs)
    # A process below Ray's does the work: SUMO runs slower beside Ray's threads, and would take Ray's with it.
    remote = ray.remote(num_cpus=1, max_retries=0)(_alone)
    todo = iter(enumerate(tasks))
    busy: dict[Any, int] = {}
    try:
        while True:
            while len(busy) < jobs and (task := next(todo, None)) is not None:
                busy[remote.remote(work, task[1])] = task[0]
            if not busy:
                return
            for done in ray.wait(list(busy))[0]:
                number = busy.pop(done)
                try:
                    outcome = ray.get(done)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except ray.exceptions.RayError as error:
                    outcome = SimulationError(f"a machine of the Ray cluster failed: {type(error).__name__}")
                if isinstance(outcome, GreenbandError) and not isinstance(outcome, SimulationError):
                    raise outcome
                yield number, outcome
    finally:
        cancel(list(busy))


def cancel(tasks: Sequence[Any]) -> None:
    """End those tasks of the cluster that are not done.

    Done ones are left alone: Ray 2.60 ends the whole program when a task is cancelled whose result has just come.
    """
    ray = connect()
    for left in ray.wait(list(tasks), num_returns=len(tasks), timeout=0)[1] if tasks else ():
        ray.cancel(left, force=True)


def _alone(work: Callable[[T], R], task: T) -> R | GreenbandError:
    from greenband.evaluation.workers import run_each as run_here

    try:
        ((_, outcome),) = run_here(work, [task], 1)
    except GreenbandError as error:
        return error
    return outcome
