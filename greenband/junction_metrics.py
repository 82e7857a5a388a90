"""What each stop line does to traffic, by movement, junction and direction, one definition each.

Measured are vehicles that arrive at a stop line within the period (see ``stoplines`` for arriving and leaving).

- ``control_delay_s``: mean time from arriving to leaving, counted to the end of the run for those that did not leave.
  It is the area under the queue over the vehicles (Highway Capacity Manual 6th ed., ch. 31, queue accumulation
  polygon); the time lost while speeding up beyond the line counts at the next signal.
- ``vehicles``: how many arrived.
- ``queue_max_veh``: most vehicles of one movement that had arrived and not left (a vertical queue, as in the same
  polygon: vehicles are counted where they would be, at the line).
- ``green_arrivals_share``: share that arrived while the movement had green (HCM's proportion arriving on green; Day et
  al. 2010, percent on green).
- ``red_wait_max_s``: longest time that any vehicle waited from arriving until it could first go, or went on red.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from greenband.metrics import Metric
from greenband.scenario import Scenario
from greenband.stoplines import StopLine

__all__ = ["PLACE_METRICS", "SIDE", "Level", "Place", "level_of_service", "places", "stop_line_metrics", "whole_road"]

Level = Literal["junction", "movement", "direction"]
SIDE = "side streets"
PLACE_METRICS = {
    m.name: m
    for m in (
        Metric("control_delay_s", "delay", "s/veh", -1),
        Metric("vehicles", "vehicles", "veh", 0, 0),
        Metric("queue_max_veh", "longest queue", "veh", -1, 0),
        Metric("green_arrivals_share", "arrivals on green", "of veh", 1, 3),
        Metric("red_wait_max_s", "longest red wait", "s", -1, 0),
    )
}
LOS_BOUNDS_S = ((10, "A"), (20, "B"), (35, "C"), (55, "D"), (80, "E"))


@dataclass(frozen=True)
class Place:
    """Figures of one junction (its signal), movement (``from>to``, at ``signal``) or direction of the main road."""

    level: Level
    id: str
    signal: str
    values: Mapping[str, float]


def level_of_service(control_delay_s: float) -> str:
    """Level of service A to F at signals, by control delay alone (HCM 6th ed., exhibit 19-8); empty for no number.

    The manual also gives F to a lane group whose volume exceeds its capacity, which delay does not tell.
    """
    if math.isnan(control_delay_s):
        return ""
    return next((level for bound, level in LOS_BOUNDS_S if control_delay_s <= bound), "F")


def stop_line_metrics(lines: Sequence[StopLine], begin_s: float, end_s: float) -> dict[str, float]:
    """Figures of some stop lines together, by the names in ``PLACE_METRICS``; the run ends at ``end_s``.

    Where nobody arrived delay and share are NaN, the rest 0.
    """
    rows = [_measure(line, begin_s, end_s) for line in lines]
    count = sum(row.vehicles for row in rows)
    return {
        "control_delay_s": sum(row.delay_s for row in rows) / count if count else math.nan,
        "vehicles": float(count),
        "queue_max_veh": float(max((row.queue_max for row in rows), default=0)),
        "green_arrivals_share": sum(row.on_green for row in rows) / count if count else math.nan,
        "red_wait_max_s": max((row.red_wait_max_s for row in rows), default=0.0),
    }


@dataclass(frozen=True)
class _Row:
    vehicles: int
    delay_s: float  # of all vehicles
    queue_max: int
    on_green: int
    red_wait_max_s: float


def _measure(line: StopLine, begin_s: float, end_s: float) -> _Row:
    inside = (line.arrived_s >= begin_s) & (line.arrived_s < end_s)
    if not inside.any():
        return _Row(0, 0.0, _queue_max(line, np.empty(0), begin_s), 0, 0.0)
    arrived, left = line.arrived_s[inside], np.minimum(line.left_s[inside], end_s)
    could_go = line.next_green_s()[inside]
    wait = np.minimum(could_go, left) - arrived
    return _Row(
        len(arrived),
        float((left - arrived).sum()),
        _queue_max(line, arrived, begin_s),
        int((could_go == arrived).sum()),
        float(wait.max()),
    )


def _queue_max(line: StopLine, arrived: npt.NDArray[np.float64], begin_s: float) -> int:
    """The queue is longest just after some arrival, or as the period begins."""
    times = np.append(arrived, begin_s)
    came = np.searchsorted(np.sort(line.arrived_s), times, side="right")
    gone = np.searchsorted(np.sort(line.left_s), times, side="right")
    return int((came - gone).max())


def places(lines: Sequence[StopLine], scenario: Scenario, period: str) -> list[Place]:
    """Every junction, movement and direction of the main road with its figures.

    An approach belongs to a direction if a mainline route of it runs there, else to the side streets; a road without
    a mainline has no directions.
    """
    span, found = scenario.period(period), list[Place]()

    def add(level: Level, name: str, signal: str, some: Sequence[StopLine]) -> None:
        found.append(Place(level, name, signal, stop_line_metrics(some, span.begin_s, span.end_s)))

    for signal in scenario.network.signals:
        add("junction", signal, signal, [line for line in lines if line.signal == signal])
    for line in lines:
        add("movement", line.movement.id, line.signal, [line])
    for direction, some in _by_direction(lines, scenario, period):
        add("direction", direction, "", some)
    return found


def whole_road(lines: Sequence[StopLine], found: Sequence[Place], scenario: Scenario, period: str) -> dict[str, float]:
    """What stop lines contribute to the metrics of a whole run: queue_max_veh, red_wait_max_s and green_arrivals_share
    over all of them; side_delay_s, the control delay of side streets where there is a main road.
    """
    span = scenario.period(period)
    values = stop_line_metrics(lines, span.begin_s, span.end_s)
    kept = {name: values[name] for name in ("queue_max_veh", "red_wait_max_s", "green_arrivals_share")}
    side = [place.values["control_delay_s"] for place in found if (place.level, place.id) == ("direction", SIDE)]
    return {**kept, **({"side_delay_s": side[0]} if side else {})}


def _by_direction(lines: Sequence[StopLine], scenario: Scenario, period: str) -> Iterator[tuple[str, list[StopLine]]]:
    routes = {flow.id: flow.edges for flow in scenario.demand(period).motor_flows}
    edges = {
        direction: {edge for route in names for edge in routes.get(route, ())}
        for direction, names in scenario.mainline.items()
    }
    if not edges:
        return
    for direction, own in edges.items():
        yield direction, [line for line in lines if line.movement.from_edge in own]
    main = set[str]().union(*edges.values())
    yield SIDE, [line for line in lines if line.movement.from_edge not in main]
