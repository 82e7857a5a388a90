"""The metrics, one definition each, from SUMO's trip records.

Measured are the trips of motor vehicles scheduled to depart within the period, warm-up left out. ``T`` is the end of
the simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from greenband.demand import EBIKE
from greenband.errors import SimulationError
from greenband.scenario import Scenario
from greenband.simulation import Records

__all__ = ["METRICS", "Metric", "Trip", "read_trips", "safety_counts", "trip_metrics"]

GRIDLOCK_WAIT_S = 300


@dataclass(frozen=True)
class Trip:
    """One scheduled vehicle; times in s, distance in m. ``depart_s`` is scheduled; ``entered`` says if it departed."""

    route: str
    depart_s: float
    depart_delay_s: float
    duration_s: float
    distance_m: float
    time_loss_s: float
    waiting_s: float
    stops: int
    entered: bool
    arrived: bool

    @property
    def delay_s(self) -> float:
        """Time lost on the road and waiting to enter it: timeLoss + departDelay (counted to T if never entered)."""
        return self.time_loss_s + self.depart_delay_s


@dataclass(frozen=True)
class Metric:
    """How to show a metric; ``better`` is -1 where less is better, 1 where more is, 0 where neither."""

    name: str
    label: str
    unit: str
    better: int
    digits: int = 1


METRICS = {
    m.name: m
    for m in (
        Metric("delay_s", "delay", "s/veh", -1),
        Metric("mainline_speed_kmh", "mainline speed", "km/h", 1),
        Metric("speed_kmh", "network speed", "km/h", 1),
        Metric("travel_time_s", "travel time", "s/veh", -1),
        Metric("stops", "stops", "per veh", -1, 2),
        Metric("delay_p95_s", "95th percentile delay", "s", -1),
        Metric("northbound_speed_kmh", "northbound mainline speed", "km/h", 1),
        Metric("southbound_speed_kmh", "southbound mainline speed", "km/h", 1),
        Metric("throughput_veh", "throughput", "veh", 1, 0),
        Metric("undeparted_veh", "never departed", "veh", -1, 0),
        Metric("gridlock_share", "gridlock share", "of veh", -1, 3),
    )
}


def read_trips(records: Records, begin_s: int, end_s: int) -> Iterator[Trip]:
    """Trips of motor vehicles scheduled to depart in ``[begin_s, end_s)``.

    Raises:
        SimulationError: SUMO did not complete the file.
    """
    try:
        for _, item in ET.iterparse(records.trips):
            if item.tag == "tripinfo":
                trip = _trip(item.attrib, end_s)
                motor = not item.attrib.get("vType", "").startswith(EBIKE)
                item.clear()
                if motor and begin_s <= trip.depart_s < end_s:
                    yield trip
    except (OSError, ET.ParseError) as error:
        raise SimulationError(f"{records.trips}: SUMO's trip record is incomplete: {error}") from error


def _trip(row: dict[str, str], end_s: int) -> Trip:
    entered = float(row["depart"]) >= 0
    waited = float(row["departDelay"])
    scheduled = float(row["depart"]) - waited if entered else end_s - waited
    return Trip(
        route=row["id"].rpartition(".")[0],
        depart_s=scheduled,
        depart_delay_s=waited,
        duration_s=float(row["duration"]) if entered else 0.0,
        distance_m=float(row["routeLength"]) if entered else 0.0,
        time_loss_s=float(row["timeLoss"]) if entered else 0.0,
        waiting_s=float(row["waitingTime"]) if entered else 0.0,
        stops=int(row["waitingCount"]) if entered else 0,
        entered=entered,
        arrived=float(row["arrival"]) >= 0,
    )


def trip_metrics(trips: list[Trip], scenario: Scenario) -> dict[str, float]:
    """All trip metrics of one run, by the names in ``METRICS``.

    delay_s: mean of timeLoss + departDelay over all scheduled trips; travel_time_s: mean of duration + departDelay.
    speeds: total distance over total time (duration + departDelay), so that waiting to enter counts; mainline trips
    run the main road from end to end. gridlock_share: trips that stood for 300 s or more in total, on the road or
    waiting to enter it.
    """
    if not trips:
        return {}
    delays = np.array([trip.delay_s for trip in trips])
    values = {
        "delay_s": float(delays.mean()),
        "delay_p95_s": float(np.percentile(delays, 95)),
        "travel_time_s": _mean(trips, lambda t: t.duration_s + t.depart_delay_s),
        "speed_kmh": _speed_kmh(trips),
        "stops": _mean(trips, lambda t: t.stops),
        "throughput_veh": float(sum(t.arrived for t in trips)),
        "undeparted_veh": float(sum(not t.entered for t in trips)),
        "gridlock_share": _mean(trips, lambda t: t.waiting_s + t.depart_delay_s >= GRIDLOCK_WAIT_S),
    }
    whole = {route for routes in scenario.mainline.values() for route in routes}
    if whole:
        values["mainline_speed_kmh"] = _speed_kmh([t for t in trips if t.route in whole])
    for direction, routes in scenario.mainline.items():
        values[f"{direction}_speed_kmh"] = _speed_kmh([t for t in trips if t.route in routes])
    return values


def _mean(trips: list[Trip], value: Callable[[Trip], float]) -> float:
    return float(np.mean([value(trip) for trip in trips]))


def _speed_kmh(trips: list[Trip]) -> float:
    time = sum(t.duration_s + t.depart_delay_s for t in trips)
    return 3.6 * sum(t.distance_m for t in trips) / time if time else float("nan")


def safety_counts(path: Path) -> dict[str, int]:
    """Teleports and collisions from SUMO's statistic output.

    Raises:
        SimulationError: SUMO did not complete the file.
    """
    try:
        root = ET.parse(path).getroot()
        teleports, safety = root.find("teleports"), root.find("safety")
        assert teleports is not None
        assert safety is not None
        return {"teleports": int(teleports.attrib["total"]), "collisions": int(safety.attrib["collisions"])}
    except (OSError, ET.ParseError, AssertionError, KeyError) as error:
        raise SimulationError(f"{path}: SUMO's statistics are incomplete: {error}") from error
