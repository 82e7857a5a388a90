"""Runs subjects over seeds in parallel processes, with the safety monitor on every run."""

from __future__ import annotations

import multiprocessing as mp
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from greenband import interrupts, registry
from greenband.control import run
from greenband.errors import BadInput, SimulationError
from greenband.evaluation.planned import settled
from greenband.evaluation.results import Result, SubjectResult
from greenband.evaluation.subjects import Subject
from greenband.metrics import read_trips, safety_counts, trip_metrics
from greenband.monitor import MonitorLimits, Violation, conflicts_of, crossings_of, switched_links, watch
from greenband.plan.planner import Planner
from greenband.scenario import Scenario
from greenband.simulation import Backend, Records

__all__ = ["Run", "Task", "evaluate", "fits", "run_all", "run_one"]

Log = dict[str, list[tuple[int, int]]]
Progress = Callable[[], None]


@dataclass(frozen=True)
class Task:
    """One simulation to do."""

    subject: Subject
    scenario: Scenario
    period: str
    seed: int
    demand: float = 1.0
    backend: Backend = "auto"


@dataclass(frozen=True)
class Run:
    """One simulation done: metrics by name, broken safety rules, and the executed stages per signal."""

    metrics: Mapping[str, float]
    violations: tuple[Violation, ...]
    collisions: int
    teleports: int
    executed: Log


def run_one(task: Task) -> Run:
    """Simulate, then read back trips and lamps.

    Raises:
        BadInput: the subject does not fit the scenario.
        SimulationError: SUMO failed.
    """
    scenario, period = task.scenario, task.scenario.period(task.period)
    _quiet_torch()
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        records = Records(Path(folder))
        executed = run(
            task.subject.make(),
            scenario,
            task.period,
            task.seed,
            demand=task.demand,
            sensing=task.subject.sensing,
            records=records,
            backend=task.backend,
        )
        trips = list(read_trips(records, period.begin_s, period.end_s))
        counts = safety_counts(records.statistics)
        violations = tuple(v for signal in scenario.network.signals for v in _watch(scenario, signal, records))
        return Run(trip_metrics(trips, scenario), violations, counts["collisions"], counts["teleports"], executed)


def _quiet_torch() -> None:
    """One thread a process: the processes share the cores already. Only where a policy made torch load."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _watch(scenario: Scenario, signal: str, records: Records) -> list[Violation]:
    shape = scenario.network.signals[signal]
    limits = shape.limits(scenario.timing)
    minima = [
        min((limits.min_green_s[k] for k, stage in enumerate(shape.stages) if link in stage.greens), default=1)
        for link in range(shape.lamps)
    ]
    net = scenario.folder / scenario.network_file
    conflicts, switched, crossings = _tables(net, signal, scenario.timing.walking_speed_ms)
    held = MonitorLimits(
        yellow_s=limits.yellow_s,
        all_red_s=limits.all_red_s,
        min_green_s=tuple(minima),
        max_green_s=limits.max_green_s,
        max_red_s=limits.max_red_s,
        walk_s=scenario.timing.walk_s,
        crossings=crossings,
    )
    return watch(records.lamps(signal), conflicts, held, switched)


@cache
def _tables(
    net: Path, signal: str, walking_speed_ms: float
) -> tuple[frozenset[tuple[int, int]], frozenset[int], dict[int, int]]:
    return conflicts_of(net, signal), switched_links(net, signal), crossings_of(net, signal, walking_speed_ms)


def run_all(tasks: Sequence[Task], jobs: int = 1, progress: Progress | None = None) -> list[Run]:
    """Do all tasks, ``jobs`` at a time in processes of their own; results in the order of the tasks.

    Raises:
        BadInput: ``jobs`` is below 1, or a subject does not fit.
        SimulationError: a process ended unexpectedly.
    """
    if jobs < 1:
        raise BadInput(f"jobs must be at least 1, not {jobs}")
    with (
        tempfile.TemporaryDirectory(prefix="greenband-") as scratch,
        ProcessPoolExecutor(
            min(jobs, max(len(tasks), 1)), mp.get_context("spawn"), initializer=_prepare, initargs=(scratch,)
        ) as pool,
    ):
        with interrupts.ignored_by_children():
            futures: list[Future[Run]] = [pool.submit(run_one, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
                if progress is not None:
                    progress()
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise SimulationError("a SUMO process ended unexpectedly; run the command again") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _prepare(scratch: str) -> None:
    """Ready a worker: an interrupt ends it without a traceback, and the parent clears away what it left."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    tempfile.tempdir = scratch


def evaluate(
    subjects: Sequence[Subject],
    scenario: Scenario,
    period: str,
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    demand: float = 1.0,
    sensing: str | None = None,
    backend: Backend = "auto",
    progress: Progress | None = None,
) -> Result:
    """Evaluate subjects on the same seeds; the first is the reference of comparisons.

    ``sensing`` names an option of that group for all of them; else a policy has what it was trained with, and any
    other subject cameras.

    Raises:
        UnknownName: there is no such sensing.
        BadInput: no subject or seed, two subjects of one name, or a subject that does not fit.
        SimulationError: SUMO failed.
    """
    if not subjects or not seeds:
        raise BadInput("an evaluation needs at least one subject and one seed")
    if len({subject.name for subject in subjects}) < len(subjects):
        raise BadInput("two subjects have the same name; rename a folder or file")
    scenario.period(period)
    if sensing is not None:
        seeing = registry.make("sensing", sensing)
        subjects = [replace(subject, sensing=seeing) for subject in subjects]
    with settled(subjects, scenario, [period], jobs) as ready:
        tasks = [Task(s, scenario, period, seed, demand, backend) for s in ready for seed in seeds]
        runs = run_all(tasks, jobs, progress)
    n = len(seeds)
    found = [_gather(s, runs[k * n : (k + 1) * n]) for k, s in enumerate(subjects)]
    return Result(scenario.name, period, tuple(seeds), tuple(found), demand, sensing=sensing)


def fits(subjects: Sequence[Subject], scenario: Scenario, periods: Sequence[str]) -> None:
    """Try every subject on every period before anything is simulated; plans that are yet to be made will fit.

    Raises:
        BadInput: a subject's files cannot be used, or it does not fit the scenario.
    """
    for subject in subjects:
        controller = subject.make()
        for period in () if isinstance(controller, Planner) else periods:
            controller.reset(scenario, period)


def _gather(subject: Subject, runs: Sequence[Run]) -> SubjectResult:
    if not runs[0].metrics:
        raise BadInput(f"{subject.name}: no trips were scheduled in the period")
    return SubjectResult(
        subject.name,
        {metric: [run.metrics[metric] for run in runs] for metric in runs[0].metrics},
        sum(len(run.violations) for run in runs),
        sum(run.collisions for run in runs),
        sum(run.teleports for run in runs),
    )
