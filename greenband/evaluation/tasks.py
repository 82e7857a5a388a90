"""One simulation to do, and what comes of it: figures, safety, executed stages."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from greenband.control import run
from greenband.evaluation.subjects import Subject
from greenband.incident import Incident
from greenband.junction_metrics import Place, places, whole_road
from greenband.metrics import read_travel, safety_counts, travel_metrics
from greenband.monitor import MonitorLimits, Violation, conflicts_of, crossings_of, switched_links, watch
from greenband.plan.adaptive import Adjusting
from greenband.plan.distil import Log
from greenband.scenario import Scenario
from greenband.simulation import Backend, Records
from greenband.stoplines import read_stop_lines

__all__ = ["Run", "Task", "run_one", "violations_of"]


@dataclass(frozen=True)
class Task:
    """One simulation to do."""

    subject: Subject
    scenario: Scenario
    period: str
    seed: int
    demand: float = 1.0
    backend: Backend = "auto"
    incident: Incident | None = None
    emissions: bool = False


@dataclass(frozen=True)
class Run:
    """One simulation done: metrics by name, broken safety rules, executed stages per signal, and figures by place.

    ``metrics`` is empty if no motor vehicle was scheduled in the period. ``adjustments`` are the mean ones of a
    controller that adjusts plans.
    """

    metrics: Mapping[str, float]
    violations: tuple[Violation, ...]
    collisions: int
    teleports: int
    executed: Log
    places: tuple[Place, ...] = ()
    adjustments: tuple[tuple[float, ...], ...] = ()


def run_one(task: Task) -> Run:
    """Simulate, then read back trips and lamps.

    Raises:
        BadInput: the subject does not fit the scenario.
        SimulationError: SUMO failed.
    """
    scenario = task.scenario
    _quiet_torch()
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        records = Records(Path(folder), passages=True, emissions=task.emissions)
        controller = task.subject.make()
        executed = run(
            controller,
            scenario,
            task.period,
            task.seed,
            demand=task.demand,
            sensing=task.subject.sensing,
            records=records,
            backend=task.backend,
            incident=task.incident,
        )
        metrics, found = _figures(task, records)
        counts = safety_counts(records.statistics)
        violations = tuple(
            v for signal in scenario.network.signals for v in violations_of(scenario, signal, records.lamps(signal))
        )
        made = controller.mean_adjustments().tolist() if isinstance(controller, Adjusting) else []
        adjustments = tuple(tuple(row) for row in made)
        return Run(metrics, violations, counts["collisions"], counts["teleports"], executed, tuple(found), adjustments)


def _figures(task: Task, records: Records) -> tuple[dict[str, float], list[Place]]:
    scenario, period = task.scenario, task.scenario.period(task.period)
    travel = read_travel(records, period.end_s, scenario.vehicle_classes(task.period))
    metrics = travel_metrics(travel.within(period.begin_s, period.end_s), scenario)
    if not metrics:
        return {}, []
    lines = read_stop_lines(records, scenario, task.period, travel.trips)
    found = places(lines, scenario, task.period)
    return {**metrics, **whole_road(lines, found, scenario, task.period)}, found


def _quiet_torch() -> None:
    """One thread a process: the processes share the cores already. Only where a policy made torch load."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def violations_of(scenario: Scenario, signal: str, lamps: Path) -> list[Violation]:
    """Every broken safety rule in SUMO's record of a signal's lamps.

    Raises:
        SimulationError: the record is missing or incomplete.
    """
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
    return watch(lamps, conflicts, held, switched)


@cache
def _tables(
    net: Path, signal: str, walking_speed_ms: float
) -> tuple[frozenset[tuple[int, int]], frozenset[int], dict[int, int]]:
    return conflicts_of(net, signal), switched_links(net, signal), crossings_of(net, signal, walking_speed_ms)
