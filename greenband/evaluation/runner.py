"""Runs subjects over seeds in parallel processes, with the safety monitor on every run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from greenband import registry
from greenband.errors import BadInput, SimulationError
from greenband.evaluation.planned import settled
from greenband.evaluation.results import Lost, PlaceResult, Result, SubjectResult
from greenband.evaluation.statistics import mean
from greenband.evaluation.store import Store
from greenband.evaluation.subjects import Subject
from greenband.evaluation.tasks import Run, Task, run_one
from greenband.evaluation.workers import run_each
from greenband.incident import Incident
from greenband.junction_metrics import Place
from greenband.plan.model import TimingPlan
from greenband.plan.planner import Planner
from greenband.scenario import Scenario
from greenband.simulation import Backend

__all__ = ["Run", "Task", "attempt_all", "distinct", "evaluate", "fits", "run_all", "run_one"]

Progress = Callable[[], None]


@dataclass
class Attempts:
    """What came of tasks, by their places: runs done, errors of those that were lost once, and of those lost twice."""

    runs: dict[int, Run] = field(default_factory=dict)
    retried: dict[int, SimulationError] = field(default_factory=dict)
    failed: dict[int, SimulationError] = field(default_factory=dict)


def attempt_all(
    tasks: Sequence[Task], jobs: int = 1, progress: Progress | None = None, store: Store | None = None
) -> Attempts:
    """Do all tasks, ``jobs`` at a time in processes of their own; one whose SUMO failed is tried once more at the end.

    Runs found in ``store`` are taken from there, and those done are kept in it.

    Raises:
        BadInput: ``jobs`` is below 1, or a subject does not fit.
    """
    found = Attempts()
    if store is not None:
        kept = {k: run for k, task in enumerate(tasks) if (run := store.get(task)) is not None}
        found.runs.update(kept)
    _tell(progress, len(found.runs))

    def attempt(numbers: Sequence[int], lost: dict[int, SimulationError]) -> None:
        for place, outcome in run_each(run_one, [tasks[k] for k in numbers], jobs):
            if isinstance(outcome, SimulationError):
                lost[numbers[place]] = outcome
                continue
            found.runs[numbers[place]] = outcome
            if store is not None:
                store.put(tasks[numbers[place]], outcome)
            _tell(progress)

    attempt([k for k in range(len(tasks)) if k not in found.runs], found.retried)
    if found.retried:
        attempt(sorted(found.retried), found.failed)
        _tell(progress, len(found.failed))
    return found


def _tell(progress: Progress | None, times: int = 1) -> None:
    for _ in range(times if progress is not None else 0):
        assert progress is not None
        progress()


def run_all(
    tasks: Sequence[Task], jobs: int = 1, progress: Progress | None = None, store: Store | None = None
) -> list[Run]:
    """Do all tasks as ``attempt_all`` does; results in the order of the tasks.

    Raises:
        BadInput: ``jobs`` is below 1, or a subject does not fit.
        SimulationError: SUMO failed twice in the same task.
    """
    found = attempt_all(tasks, jobs, progress, store)
    for k, error in sorted(found.failed.items()):
        raise SimulationError(f"{tasks[k].subject.name}, seed {tasks[k].seed}: {error}") from error
    return [found.runs[k] for k in range(len(tasks))]


def evaluate(
    subjects: Sequence[Subject],
    scenario: Scenario,
    period: str,
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    demand: float = 1.0,
    sensing: str | None = None,
    incident: Incident | None = None,
    emissions: bool = False,
    backend: Backend = "auto",
    progress: Progress | None = None,
    store: Store | None = None,
) -> Result:
    """Evaluate subjects on the same seeds; the first is the reference of comparisons.

    ``sensing`` names an option of that group for all of them; else a policy has what it was trained with, and any
    other subject cameras. ``emissions`` adds CO2, which takes time. A run whose SUMO fails is tried once more;
    if it fails again its seed counts for no subject.

    Raises:
        UnknownName: there is no such sensing.
        BadInput: no subject or seed, two subjects of one name, or a subject that does not fit.
        SimulationError: SUMO failed on every seed.
    """
    if not subjects or not seeds:
        raise BadInput("an evaluation needs at least one subject and one seed")
    distinct(subjects)
    scenario.period(period)
    if sensing is not None:
        seeing = registry.make("sensing", sensing)
        subjects = [replace(subject, sensing=seeing) for subject in subjects]
    with settled(subjects, scenario, [period], jobs) as ready:
        tasks = [Task(s, scenario, period, seed, demand, backend, incident, emissions) for s in ready for seed in seeds]
        found = attempt_all(tasks, jobs, progress, store)
        plans = [_plans(subject, scenario, period) for subject in ready]
    lost = {tasks[k].seed for k in found.failed}
    left = [k for k, task in enumerate(tasks) if task.seed not in lost]
    if not left:
        first = min(found.failed)
        raise SimulationError(f"{tasks[first].subject.name}: no seed is left, {found.failed[first]}")
    runs = [[found.runs[k] for k in left if tasks[k].subject is subject] for subject in ready]
    gathered = [_gather(subject, own, plan) for subject, own, plan in zip(ready, runs, plans, strict=True)]
    return Result(
        scenario.name,
        period,
        tuple(seed for seed in seeds if seed not in lost),
        tuple(gathered),
        demand,
        sensing=sensing,
        incident=None if incident is None else str(incident),
        retried=_lost(tasks, {k: error for k, error in found.retried.items() if k not in found.failed}),
        failed=_lost(tasks, found.failed),
    )


def distinct(subjects: Sequence[Subject]) -> None:
    """Raise BadInput if two subjects have the same name."""
    if len({subject.name for subject in subjects}) < len(subjects):
        raise BadInput("two subjects have the same name; rename a folder or file")


def fits(subjects: Sequence[Subject], scenario: Scenario, periods: Sequence[str]) -> None:
    """Try every subject on every period before anything is simulated; plans that are yet to be made will fit.

    Raises:
        BadInput: a subject's files cannot be used, or it does not fit the scenario.
    """
    for subject in subjects:
        controller = subject.make()
        for period in () if isinstance(controller, Planner) else periods:
            controller.reset(scenario, period)


def _lost(tasks: Sequence[Task], errors: dict[int, SimulationError]) -> tuple[Lost, ...]:
    return tuple(Lost(tasks[k].subject.name, tasks[k].seed, str(errors[k])) for k in sorted(errors))


def _plans(subject: Subject, scenario: Scenario, period: str) -> Mapping[str, TimingPlan]:
    """The fixed plans that a subject runs all through a period, by signal; none for any other subject.

    Controllers that run plans have them as ``active`` once they are reset, and tell by ``changes`` of others to come.
    """
    if scenario.period(period).plans:
        return {}
    controller = subject.make()
    controller.reset(scenario, period)
    return {} if getattr(controller, "changes", False) else dict(getattr(controller, "active", {}))


def _gather(subject: Subject, runs: Sequence[Run], plans: Mapping[str, TimingPlan]) -> SubjectResult:
    if not all(run.metrics for run in runs):
        raise BadInput(f"{subject.name}: no trips were scheduled in the period")
    measured = dict.fromkeys(metric for run in runs for metric in run.metrics)  # nobody may have walked on some seed
    return SubjectResult(
        subject.name,
        {metric: [run.metrics.get(metric, math.nan) for run in runs] for metric in measured},
        sum(len(run.violations) for run in runs),
        sum(run.collisions for run in runs),
        sum(run.teleports for run in runs),
        tuple(_gather_place([run.places[k] for run in runs]) for k in range(len(runs[0].places))),
        subject.source,
        plans,
    )


def _gather_place(seen: Sequence[Place]) -> PlaceResult:
    """A place over seeds; where nobody came on some of them, the mean is over the others."""
    per_seed = {name: tuple(place.values[name] for place in seen) for name in seen[0].values}
    means = {name: mean(values) for name, values in per_seed.items()}
    return PlaceResult(seen[0].level, seen[0].id, seen[0].signal, means, per_seed)
