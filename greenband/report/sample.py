"""One run simulated once more to see what figures over seeds do not tell: who drove where when, under which lamps."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from greenband import registry
from greenband.control import run
from greenband.errors import BadInput, SimulationError
from greenband.evaluation import Result, Subject, SubjectResult, resolve, settled
from greenband.formats import json as plan_json
from greenband.metrics import Travel, read_travel, travel_metrics
from greenband.monitor import read_lamps
from greenband.plan.artery import find_artery
from greenband.plan.planner import plan_set
from greenband.report.course import Course, find_course
from greenband.scenario import Scenario
from greenband.signals import GREEN
from greenband.simulation import Records

__all__ = ["Green", "Order", "Passage", "Sample", "Track", "record", "speed_series"]

SLICE_S = 300
LONGEST_GAP_S = 30  # a vehicle out of sight for longer has left the road and come back
PLAIN_M = 1.5  # a point this close to the line between its neighbours tells nothing


class Track(NamedTuple):
    """Where a vehicle was: times in s after midnight, and m along the course."""

    times_s: tuple[float, ...]
    places_m: tuple[float, ...]


class Green(NamedTuple):
    """A stretch of green, in s after midnight."""

    begin_s: int
    end_s: int


@dataclass(frozen=True)
class Passage:
    """One direction of the artery in a run: the signals with their greens for it, and every fourth vehicle."""

    course: Course
    signals: tuple[str, ...]
    greens: tuple[tuple[Green, ...], ...]
    tracks: tuple[Track, ...]


@dataclass(frozen=True)
class Sample:
    """A run of one subject and seed.

    ``executed`` has, per signal, the stages as (time in s at which it was called in, stage index). ``speeds_kmh`` has
    series by name of metric, a value per five minutes of departure. ``delay_s`` tells whether the run is the one that
    the result speaks of. ``fixed`` is true of plans, even of several one after the other.
    """

    subject: str
    seed: int
    delay_s: float
    passages: tuple[Passage, ...]
    executed: Mapping[str, list[tuple[int, int]]]
    speeds_kmh: Mapping[str, tuple[float, ...]]
    fixed: bool = False


@dataclass(frozen=True)
class Order:
    """Which run to record: a subject of a result, on the result's first seed."""

    result: Result
    subject: SubjectResult
    scenario: Scenario


def record(order: Order) -> Sample:
    """Simulate and read the records.

    Raises:
        BadInput: the subject is not at hand any more, or does not fit.
        SimulationError: SUMO failed.
    """
    result, scenario = order.result, order.scenario
    if result.incident is not None:
        raise BadInput("runs with an incident are not simulated again")
    period, seed, courses = scenario.period(result.period), result.seeds[0], _courses(scenario, result.period)
    edges = tuple(dict.fromkeys(edge for _, course in courses for edge in course.edge_starts_m))
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        records = Records(Path(folder) / "records", followed=edges)
        named = _subject(order, Path(folder))
        sensing = named.sensing if result.sensing is None else registry.make("sensing", result.sensing)
        with settled([named], scenario, [result.period]) as (ready,):
            controller = ready.make()
            executed = run(
                controller,
                scenario,
                result.period,
                seed,
                demand=result.demand,
                sensing=sensing,
                records=records,
            )
        travel = read_travel(records, period.end_s, scenario.vehicle_classes(result.period))
        delay = travel_metrics(travel.within(period.begin_s, period.end_s), scenario).get("delay_s", math.nan)
        passages = tuple(_passage(scenario, signals, course, records) for signals, course in courses)
    speeds = speed_series(travel, scenario, period.begin_s, period.end_s)
    fixed = hasattr(controller, "active")  # the plans in force, which only controllers that run plans have
    return Sample(order.subject.name, seed, delay, passages, executed, speeds, fixed)


def _subject(order: Order, folder: Path) -> Subject:
    """The plans that the result holds, else what it was called by."""
    result, subject = order.result, order.subject
    if subject.plans:
        path = folder / "plan.json"
        plan_json.write(plan_set(order.scenario, subject.name, {result.period: subject.plans}, "from a result"), path)
        return Subject(subject.name, plan=path)
    return resolve(subject.source or subject.name)


def _courses(scenario: Scenario, period: str) -> list[tuple[tuple[str, ...], Course]]:
    artery = find_artery(scenario, period)
    if artery is None:
        return []
    ways = [way for way in (artery.outbound, artery.inbound) if way is not None]
    found = [find_course(scenario, period, artery, way) for way in ways]
    return [(artery.signals, course) for course in found if course is not None]


def _passage(scenario: Scenario, signals: tuple[str, ...], course: Course, records: Records) -> Passage:
    greens = []
    for name, k in zip(signals, course.way.movements, strict=True):
        links = scenario.network.signals[name].movements[k].links
        spans = [span for span in read_lamps(records.lamps(name))[1] if any(span.lamps[i] in GREEN for i in links)]
        greens.append(tuple(_joined(Green(span.begin, span.end) for span in spans)))
    return Passage(course, signals, tuple(greens), tuple(_tracks(records, course)))


def _joined(spans: Iterable[Green]) -> list[Green]:
    found: list[Green] = []
    for span in spans:
        if found and found[-1].end_s == span.begin_s:
            found[-1] = Green(found[-1].begin_s, span.end_s)
        else:
            found.append(span)
    return found


def _tracks(records: Records, course: Course) -> Iterator[Track]:
    """Vehicles on the course, each stay on it a track of its own."""
    seen: dict[str, list[tuple[float, float]]] = {}
    try:
        for _, step in ET.iterparse(records.positions):
            if step.tag == "timestep":
                for row in step.iter("vehicle"):
                    start = course.edge_starts_m.get(row.attrib["lane"].rpartition("_")[0])
                    if start is not None:
                        point = float(step.attrib["time"]), start + float(row.attrib["pos"])
                        seen.setdefault(row.attrib["id"], []).append(point)
                step.clear()
    except (OSError, ET.ParseError) as error:
        raise SimulationError(f"{records.positions}: SUMO's record of positions is incomplete: {error}") from error
    for points in seen.values():
        for stay in _stays(points):
            if len(stay) > 1:
                times, places = zip(*_plain(stay), strict=True)
                yield Track(times, places)


def _stays(points: list[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    begin = 0
    for k in range(1, len(points) + 1):
        if k == len(points) or points[k][0] - points[k - 1][0] > LONGEST_GAP_S:
            yield points[begin:k]
            begin = k


def _plain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points without those that lie on the line between the one kept before and the next."""
    kept = [points[0]]
    for (time, place), (after, beyond) in itertools.pairwise(points):
        since, behind = kept[-1]
        expected = behind + (beyond - behind) * (time - since) / (after - since)
        if abs(place - expected) > PLAIN_M:
            kept.append((time, place))
    return [*kept, points[-1]]


def speed_series(travel: Travel, scenario: Scenario, begin_s: int, end_s: int) -> dict[str, tuple[float, ...]]:
    """Speeds of the trips that were due to depart in each five minutes, by metric, NaN where there was none.

    They are of each direction of the mainline where there is one, else of all trips.
    """
    names = [f"{direction}_speed_kmh" for direction in scenario.mainline] or ["speed_kmh"]
    rows = [travel_metrics(travel.within(t, min(t + SLICE_S, end_s)), scenario) for t in range(begin_s, end_s, SLICE_S)]
    return {name: tuple(row.get(name, math.nan) for row in rows) for name in names}
