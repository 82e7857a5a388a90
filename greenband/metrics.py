"""The metrics of a whole run, one definition each, from SUMO's trip records.

Measured are the trips of motor vehicles scheduled to depart within the period, warm-up left out; e-bikes and people on
foot have figures of their own, trams and trains none. ``T`` is the end of the simulation. What happens at the stop
lines is in ``stoplines``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from xml.etree import ElementTree as ET

import numpy as np

from greenband.demand import PASSENGER
from greenband.errors import SimulationError
from greenband.incident import BREAKDOWN
from greenband.scenario import Scenario
from greenband.simulation import Records

__all__ = [
    "METRICS",
    "Metric",
    "Travel",
    "Trip",
    "Walk",
    "find_metric",
    "read_travel",
    "safety_counts",
    "travel_metrics",
]

GRIDLOCK_WAIT_S = 300
BICYCLE = "bicycle"  # SUMO's vehicle class of e-bikes too
RAIL = ("tram", "subway", "cable_car", "rail", "rail_urban", "rail_electric", "rail_fast")
NOT_MOTOR = {BICYCLE, "scooter", "pedestrian", "wheelchair", "container", "ship", "aircraft", "drone", *RAIL}


@dataclass(frozen=True)
class Trip:
    """One scheduled vehicle; times in s, distance in m. ``depart_s`` is scheduled; ``entered`` says if it departed.

    ``vehicle_class`` is one of SUMO's, ``speed_factor`` its wished speed over the limit, ``stop_s`` the time spent at
    stops such as a bus's, ``co2_g`` None where SUMO was not asked for emissions.
    """

    id: str
    vehicle_class: str
    depart_s: float
    depart_delay_s: float
    duration_s: float
    distance_m: float
    time_loss_s: float
    waiting_s: float
    stops: int
    entered: bool
    arrived: bool
    depart_m: float = 0.0
    speed_factor: float = 1.0
    stop_s: float = 0.0
    co2_g: float | None = None

    @property
    def route(self) -> str:
        """Id of its route: vehicles are called ``<route>.<number>``."""
        return self.id.rpartition(".")[0]

    @property
    def motor(self) -> bool:
        """Whether it is a motor vehicle on the road: no bicycle, e-bike, tram or train."""
        return self.vehicle_class not in NOT_MOTOR

    @property
    def delay_s(self) -> float:
        """Time lost on the road and waiting to enter it: timeLoss + departDelay (counted to T if never entered)."""
        return self.time_loss_s + self.depart_delay_s


@dataclass(frozen=True)
class Walk:
    """One person's way on foot; times in s, ``time_loss_s`` counted to T where it is not over."""

    depart_s: float
    time_loss_s: float


@dataclass(frozen=True)
class Travel:
    """All that was scheduled to travel in a run, warm-up included.

    ``incident_late_s`` is how long after its time an incident began, NaN if it never did and None without one.
    """

    trips: tuple[Trip, ...]
    walks: tuple[Walk, ...]
    incident_late_s: float | None = None

    def within(self, begin_s: float, end_s: float) -> Travel:
        """What was scheduled to depart in ``[begin_s, end_s)``."""
        trips = tuple(trip for trip in self.trips if begin_s <= trip.depart_s < end_s)
        walks = tuple(walk for walk in self.walks if begin_s <= walk.depart_s < end_s)
        return Travel(trips, walks, self.incident_late_s)


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
        Metric("delay_median_s", "median delay", "s", -1),
        Metric("delay_p95_s", "95th percentile delay", "s", -1),
        Metric("northbound_speed_kmh", "northbound mainline speed", "km/h", 1),
        Metric("southbound_speed_kmh", "southbound mainline speed", "km/h", 1),
        Metric("throughput_veh", "throughput", "veh", 1, 0),
        Metric("undeparted_veh", "never departed", "veh", -1, 0),
        Metric("gridlock_share", "gridlock share", "of veh", -1, 3),
        Metric("side_delay_s", "side-street delay", "s/veh", -1),
        Metric("queue_max_veh", "longest queue", "veh", -1, 0),
        Metric("red_wait_max_s", "longest red wait", "s", -1, 0),
        Metric("green_arrivals_share", "arrivals on green", "of veh", 1, 3),
        Metric("pedestrian_delay_s", "pedestrian delay", "s/person", -1),
        Metric("ebike_delay_s", "e-bike delay", "s/e-bike", -1),
        Metric("co2_g_km", "CO2", "g/km", -1, 0),
        Metric("incident_late_s", "incident late by", "s", 0, 0),
    )
}


def find_metric(name: str) -> Metric:
    """How to show a metric of a result: one of ``METRICS``, the mainline speed of any direction, or else a bare figure.

    Directions are the scenario's own words, and a result may come from another version.
    """
    if name in METRICS:
        return METRICS[name]
    direction = name.removesuffix("_speed_kmh")
    if direction != name:
        return Metric(name, f"{direction.replace('_', ' ')} mainline speed", "km/h", 1)
    return Metric(name, name.replace("_", " "), "", 0)


def read_travel(records: Records, end_s: int, classes: Mapping[str, str] = MappingProxyType({})) -> Travel:
    """Every trip and walk of a run that ended at ``end_s``.

    Args:
        records: what SUMO wrote.
        end_s: the end of the run, s after midnight.
        classes: SUMO's vehicle class by vehicle type (``Scenario.vehicle_classes``), passenger cars for all others.

    Raises:
        SimulationError: SUMO did not complete the file.
    """
    trips, people, late = list[Trip](), list[_Person](), None
    try:
        for _, item in ET.iterparse(records.trips):
            if item.tag == "tripinfo":
                if item.get("vType") == BREAKDOWN:
                    late = _late_s(item)
                else:
                    trips.append(_trip(item, end_s, classes))
                item.clear()
            elif item.tag == "personinfo":
                people.append(_person(item))
                item.clear()
    except (OSError, ET.ParseError) as error:
        raise SimulationError(f"{records.trips}: SUMO's trip record is incomplete: {error}") from error
    return Travel(tuple(trips), tuple(_walks(people)), late)


def _late_s(breakdown: ET.Element) -> float:
    return float(breakdown.attrib["departDelay"]) if float(breakdown.attrib["depart"]) >= 0 else math.nan


def _trip(item: ET.Element, end_s: int, classes: Mapping[str, str]) -> Trip:
    row = item.attrib
    entered = float(row["depart"]) >= 0
    waited = float(row["departDelay"])
    scheduled = float(row["depart"]) - waited if entered else end_s - waited
    emissions = item.find("emissions")
    return Trip(
        id=row["id"],
        vehicle_class=classes.get(row.get("vType", ""), PASSENGER),
        depart_s=scheduled,
        depart_delay_s=waited,
        duration_s=float(row["duration"]) if entered else 0.0,
        distance_m=float(row["routeLength"]) if entered else 0.0,
        time_loss_s=float(row["timeLoss"]) if entered else 0.0,
        waiting_s=float(row["waitingTime"]) if entered else 0.0,
        stops=int(row["waitingCount"]) if entered else 0,
        entered=entered,
        arrived=float(row["arrival"]) >= 0,
        depart_m=float(row.get("departPos", 0)) if entered else 0.0,
        speed_factor=float(row.get("speedFactor", 1)),
        stop_s=float(row.get("stopTime", 0)),
        co2_g=float(emissions.attrib["CO2_abs"]) / 1000 if emissions is not None else None,
    )


class _Leg(NamedTuple):
    """A walk of a person; ``length_m`` is below 0 if it is not over."""

    duration_s: float
    length_m: float
    max_speed_ms: float
    waiting_s: float
    time_loss_s: float


class _Person(NamedTuple):
    flow: str
    depart_s: float
    legs: tuple[_Leg, ...]


def _person(item: ET.Element) -> _Person:
    names = ("duration", "routeLength", "maxSpeed", "waitingTime", "timeLoss")
    legs = tuple(_Leg(*(float(part.attrib[name]) for name in names)) for part in item.iter("walk"))
    name = item.attrib["id"]
    return _Person(name.rpartition(".")[0] or name, float(item.attrib["depart"]), legs)


def _walks(people: Sequence[_Person]) -> Iterator[Walk]:
    """What each person lost on foot.

    SUMO writes none for who is still under way. They have lost at least the time that they stood, and what their walk
    has lasted beyond the free time of all of it, the length of which those of their flow tell who came to its end (the
    longest, if they differ).
    """
    lengths: dict[tuple[str, int], float] = {}
    for person in people:
        for k, leg in enumerate(person.legs):
            lengths[person.flow, k] = max(leg.length_m, lengths.get((person.flow, k), -1.0))
    for person in people:
        lost = (_lost_s(leg, lengths[person.flow, k]) for k, leg in enumerate(person.legs))
        yield Walk(person.depart_s, sum(lost))


def _lost_s(leg: _Leg, length_m: float) -> float:
    if leg.length_m >= 0:
        return leg.time_loss_s
    beyond_s = leg.duration_s - length_m / leg.max_speed_ms if length_m >= 0 else 0.0
    return max(leg.waiting_s, beyond_s)


def travel_metrics(travel: Travel, scenario: Scenario) -> dict[str, float]:
    """All metrics of trips and walks, by the names in ``METRICS``; empty if no motor vehicle was scheduled.

    delay_s: mean of timeLoss + departDelay over all scheduled trips; delay_median_s and delay_p95_s: its median and
    95th percentile over trips. travel_time_s: mean of duration + departDelay. speeds: total distance over total time
    (duration + departDelay), so that waiting to enter counts; mainline trips run the main road from end to end.
    gridlock_share: trips that stood for 300 s or more in total, on the road or waiting to enter it. co2_g_km: CO2 of
    all trips over their distance, by the emission classes of their vehicle types (HBEFA 3 by default). ebike_delay_s:
    delay_s of bicycles and e-bikes. pedestrian_delay_s: mean of SUMO's timeLoss while walking, per person, counted to T
    (see ``_walks``). incident_late_s: how long after its time the incident began, where there is one.
    """
    trips = [trip for trip in travel.trips if trip.motor]
    if not trips:
        return {}
    delays = np.array([trip.delay_s for trip in trips])
    values = {
        "delay_s": float(delays.mean()),
        "delay_median_s": float(np.median(delays)),
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
    emitted = [trip for trip in trips if trip.co2_g is not None]
    if emitted:
        values["co2_g_km"] = _ratio(sum(t.co2_g or 0.0 for t in emitted), sum(t.distance_m for t in emitted) / 1000)
    if ebikes := [trip for trip in travel.trips if trip.vehicle_class == BICYCLE]:
        values["ebike_delay_s"] = _mean(ebikes, lambda t: t.delay_s)
    if travel.walks:
        values["pedestrian_delay_s"] = float(np.mean([walk.time_loss_s for walk in travel.walks]))
    if travel.incident_late_s is not None:
        values["incident_late_s"] = travel.incident_late_s
    return values


def _mean(trips: Sequence[Trip], value: Callable[[Trip], float]) -> float:
    return float(np.mean([value(trip) for trip in trips]))


def _speed_kmh(trips: Sequence[Trip]) -> float:
    return 3.6 * _ratio(sum(t.distance_m for t in trips), sum(t.duration_s + t.depart_delay_s for t in trips))


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")


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
