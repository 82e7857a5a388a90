"""Traffic demand: what travels through a scenario, and one random realisation of it for SUMO.

Three sources have the same members, ``motor_flows``, ``routes`` and ``write``: a ``FlowTable`` (constant over a
period), a ``Profile`` (tables that follow each other through the day) and a ``RouteFile`` (a SUMO route file made
elsewhere). ``load`` tells them apart.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import numpy as np
from pydantic import TypeAdapter, ValidationError

from greenband.errors import BadInput

__all__ = [
    "EBIKE",
    "PEDESTRIAN",
    "BusLine",
    "Demand",
    "FlowTable",
    "Profile",
    "RouteFile",
    "RouteFlow",
    "Slice",
    "Walk",
    "load",
    "profile",
    "save_profile",
    "vehicle_classes",
]

T = TypeVar("T")

PEDESTRIAN, EBIKE = "pedestrian", "ebike"  # ids of vehicle types
PASSENGER = "passenger"
SUMO_TYPES = {  # those that exist without being defined
    "DEFAULT_BIKETYPE": "bicycle",
    "DEFAULT_CONTAINERTYPE": "container",
    "DEFAULT_PEDTYPE": "pedestrian",
    "DEFAULT_RAILTYPE": "rail",
    "DEFAULT_TAXITYPE": "taxi",
    "DEFAULT_VEHTYPE": PASSENGER,
}


@dataclass(frozen=True)
class RouteFlow:
    """Vehicles per hour on one route; ``edges`` in driving order; ``vehicle_type`` if not that of the table."""

    id: str
    edges: tuple[str, ...]
    veh_h: float
    vehicle_type: str = ""


@dataclass(frozen=True)
class BusLine:
    """A line that departs every ``headway_s``, from ``offset_s`` after midnight on, and halts ``dwell_s`` at a stop."""

    id: str
    edges: tuple[str, ...]
    headway_s: float
    offset_s: float
    stops: tuple[str, ...]
    dwell_s: float
    vehicle_type: str


@dataclass(frozen=True)
class Walk:
    """Persons per hour who walk along ``edges``, over the crossings between.

    They start and end at positions in m on the first and the last edge, negative ones counted from its end.
    """

    id: str
    edges: tuple[str, ...]
    persons_h: float
    from_m: float = 0.0
    to_m: float = -0.1


class Demand(Protocol):
    """What travels through a scenario in a period."""

    @property
    def motor_flows(self) -> tuple[RouteFlow, ...]:
        """Routes of motor vehicles, buses included, with their mean veh/h over the time that the demand covers."""

    def routes(self) -> dict[str, tuple[str, ...]]:
        """Edges by vehicle id, as far as they are known; ``<id>.`` stands for all vehicles ``<id>.<number>``."""

    def write(self, path: Path, begin_s: int, end_s: int, seed: int, scale: float = 1.0) -> None:
        """Write the realisation of a seed as a SUMO route file, flows multiplied by ``scale``."""


@dataclass(frozen=True)
class _Departure:
    time_s: float
    id: str
    element: str  # XML with {id} and {time} to fill in


@dataclass(frozen=True)
class FlowTable:
    """Constant flows. Vehicle ids are ``<route id>.<number>``, so that a trip tells its route."""

    flows: tuple[RouteFlow, ...]
    vehicle_type: str
    lines: tuple[BusLine, ...] = ()
    walks: tuple[Walk, ...] = ()

    @classmethod
    def load(cls, path: Path) -> FlowTable:
        """Read a flow table written by ``save``.

        Raises:
            BadInput: the file is missing or not a flow table.
        """
        return _read(path, cls)

    @property
    def motor_flows(self) -> tuple[RouteFlow, ...]:
        """Its routes but those of e-bikes, and its bus lines."""
        buses = (RouteFlow(line.id, line.edges, 3600 / line.headway_s, line.vehicle_type) for line in self.lines)
        return (*(flow for flow in self.flows if flow.vehicle_type != EBIKE), *buses)

    def routes(self) -> dict[str, tuple[str, ...]]:
        """Edges by ``<route id>.``, of its motor flows."""
        return _routes(self.motor_flows)

    def save(self, path: Path) -> None:
        """Write the table as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    def draw(self, begin_s: int, end_s: int, seed: int, scale: float = 1.0) -> list[tuple[float, int, int]]:
        """One random realisation of arrivals: sorted (time in s, index of the flow, number within the flow).

        At each entry edge arrivals are a Poisson process conditioned on its expected count: that many times,
        independent and uniform (Ross, Introduction to Probability Models, order-statistic property). So every seed has
        the given flow with fresh headways, and each arrival takes a route in proportion to the flows. A fractional
        count is rounded up with the probability of its fraction.
        """
        numbers = [0] * len(self.flows)
        drawn = []
        for time, index in sorted(self._arrivals(np.random.default_rng(seed), begin_s, end_s, scale)):
            drawn.append((time, index, numbers[index]))
            numbers[index] += 1
        return drawn

    def write(self, path: Path, begin_s: int, end_s: int, seed: int, scale: float = 1.0) -> None:
        """Write one realisation (see ``draw``) as a SUMO route file; bus lines keep their timetable at any scale."""
        departures = self.departures(np.random.default_rng(seed), begin_s, end_s, scale)
        _write(path, [*self.flows, *self.lines], departures)

    def departures(self, rng: np.random.Generator, begin_s: int, end_s: int, scale: float) -> Iterator[_Departure]:
        """Vehicles, buses and persons that depart within a time, in any order."""
        for time, index in self._arrivals(rng, begin_s, end_s, scale):
            flow = self.flows[index]
            yield _Departure(time, flow.id, _vehicle(flow.id, flow.vehicle_type or self.vehicle_type))
        for line in self.lines:
            yield from _buses(line, rng, begin_s, end_s)
        for walk in self.walks:
            count = rng.poisson(walk.persons_h * scale * (end_s - begin_s) / 3600)
            for time in rng.uniform(begin_s, end_s, count).round(2).tolist():
                yield _Departure(time, walk.id, _person(walk))

    def _arrivals(
        self, rng: np.random.Generator, begin_s: int, end_s: int, scale: float
    ) -> Iterator[tuple[float, int]]:
        entries: dict[tuple[str, str], list[int]] = {}
        for index, flow in enumerate(self.flows):
            entries.setdefault((flow.edges[0], flow.vehicle_type), []).append(index)
        for indices in entries.values():
            rates = np.array([self.flows[i].veh_h for i in indices])
            expected = rates.sum() * scale * (end_s - begin_s) / 3600
            if expected <= 0:
                continue
            count = int(expected) + int(rng.random() < expected % 1)
            times = rng.uniform(begin_s, end_s, count).round(2)
            routes = rng.choice(indices, count, p=rates / rates.sum())
            yield from zip(times.tolist(), routes.tolist(), strict=True)


@dataclass(frozen=True)
class Slice:
    """A stretch of a profile, seconds after midnight: a table and the factor on its flows and walks."""

    begin_s: int
    end_s: int
    table: FlowTable
    factor: float = 1.0


@dataclass(frozen=True)
class Profile:
    """Tables that follow each other through the day."""

    slices: tuple[Slice, ...]

    @cached_property
    def motor_flows(self) -> tuple[RouteFlow, ...]:
        """Routes with their mean veh/h over all slices."""
        whole = sum(part.end_s - part.begin_s for part in self.slices)
        mean: dict[tuple[str, tuple[str, ...]], float] = {}
        for part in self.slices:
            share = (part.end_s - part.begin_s) / whole
            for flow in part.table.motor_flows:
                factor = 1.0 if flow.vehicle_type in {line.vehicle_type for line in part.table.lines} else part.factor
                mean[flow.id, flow.edges] = mean.get((flow.id, flow.edges), 0.0) + flow.veh_h * factor * share
        return tuple(RouteFlow(name, edges, veh_h) for (name, edges), veh_h in mean.items())

    def within(self, begin_s: int, end_s: int) -> Profile:
        """What of it lies between two times."""
        clipped = [
            replace(part, begin_s=max(begin_s, part.begin_s), end_s=min(end_s, part.end_s)) for part in self.slices
        ]
        return Profile(tuple(part for part in clipped if part.begin_s < part.end_s))

    def routes(self) -> dict[str, tuple[str, ...]]:
        """Edges by ``<route id>.``, of its motor flows."""
        return _routes(self.motor_flows)

    def write(self, path: Path, begin_s: int, end_s: int, seed: int, scale: float = 1.0) -> None:
        """Write one realisation; each slice draws on its own."""
        departures: list[_Departure] = []
        for number, part in enumerate(self.slices):
            begin, end = max(begin_s, part.begin_s), min(end_s, part.end_s)
            if begin < end:
                rng = np.random.default_rng([seed, number])
                departures.extend(part.table.departures(rng, begin, end, scale * part.factor))
        routes: dict[str, RouteFlow | BusLine] = {}
        for part in self.slices:
            routes |= {flow.id: flow for flow in part.table.flows} | {line.id: line for line in part.table.lines}
        _write(path, routes.values(), departures)


@dataclass(frozen=True)
class RouteFile:
    """A SUMO route file made elsewhere: the same vehicles for every seed, which then varies driver behaviour only.

    A scale below 1 leaves out vehicles at random, one above 1 doubles some, by the seed. ``<flow>`` elements and
    persons pass unchanged at scale 1 and are refused at others.
    """

    path: Path

    @cached_property
    def motor_flows(self) -> tuple[RouteFlow, ...]:
        """Routes of the vehicles in the file, with their veh/h between the first and the last departure."""
        counts: dict[tuple[str, ...], float] = {}
        times: list[float] = []
        for _, begin, end, edges, number in _journeys(self.path):
            counts[edges] = counts.get(edges, 0) + number
            times += [begin, end]
        hours = max((max(times) - min(times)) / 3600, 1 / 60) if times else 1.0
        return tuple(RouteFlow(f"{e[0]}-{e[-1]}.{k}", e, n / hours) for k, (e, n) in enumerate(counts.items()))

    def hourly(self, begin_s: int, end_s: int) -> Profile:
        """The flows of each hour between two times, from the vehicles that depart in it."""
        hours = [(begin, min(begin + 3600, end_s)) for begin in range(begin_s, end_s, 3600)]
        journeys = list(_journeys(self.path))
        return Profile(tuple(Slice(begin, end, _table(journeys, begin, end)) for begin, end in hours))

    def routes(self) -> dict[str, tuple[str, ...]]:
        """Edges by id of its vehicles and ``<flow id>.``; none for those whose way SUMO is to find."""
        return {name: edges for name, _, _, edges, _ in _journeys(self.path)}

    def write(self, path: Path, begin_s: int, end_s: int, seed: int, scale: float = 1.0) -> None:
        """Copy the file, or at another scale a random selection of its vehicles; doubles are ``<id>+<number>``."""
        if scale == 1.0:
            shutil.copyfile(self.path, path)
            return
        tree, rng = _parse(self.path), np.random.default_rng(seed)
        root = tree.getroot()
        for item in list(root):
            if item.tag in ("flow", "person", "personFlow", "container", "containerFlow"):
                raise BadInput(f"{self.path}: has <{item.tag}> elements, whose demand cannot be scaled")
            if item.tag not in ("vehicle", "trip"):
                continue
            copies = int(scale) + int(rng.random() < scale % 1)
            place = list(root).index(item) if copies != 1 else 0
            if copies == 0:
                root.remove(item)
            for k in range(1, copies):
                double = ET.fromstring(ET.tostring(item))
                double.set("id", f"{item.get('id')}+{k}")
                root.insert(place + k, double)
        tree.write(path, encoding="utf-8", xml_declaration=True)


@dataclass(frozen=True)
class _SliceFile:
    """How a slice is stored: its table is a file beside the profile's."""

    begin_s: int
    end_s: int
    table: str
    factor: float = 1.0


@dataclass(frozen=True)
class _ProfileFile:
    slices: tuple[_SliceFile, ...]


NAMES: dict[type, str] = {FlowTable: "a flow table", _ProfileFile: "a demand profile"}


def load(path: Path) -> Demand:
    """The demand in a file: ``*.profile.json``, a flow table ``*.json``, or a SUMO route file ``*.xml``.

    Raises:
        BadInput: the file is missing or none of these.
    """
    if path.name.endswith(".xml"):
        if not path.is_file():
            raise BadInput(f"{path}: no such route file")
        return RouteFile(path)
    if not path.name.endswith(".profile.json"):
        return FlowTable.load(path)
    parts = _read(path, _ProfileFile).slices
    tables = {name: FlowTable.load(path.parent / name) for name in {part.table for part in parts}}
    return Profile(tuple(Slice(part.begin_s, part.end_s, tables[part.table], part.factor) for part in parts))


def profile(demand: Demand, begin_s: int, end_s: int) -> Profile:
    """Demand between two times as tables that follow each other, a route file's hour by hour."""
    if isinstance(demand, Profile):
        return demand.within(begin_s, end_s)
    if isinstance(demand, RouteFile):
        return demand.hourly(begin_s, end_s)
    assert isinstance(demand, FlowTable)
    return Profile((Slice(begin_s, end_s, demand),))


def save_profile(path: Path, slices: Sequence[tuple[int, int, str, float]]) -> None:
    """Write a profile of (begin in s, end in s, name of a flow table beside it, factor)."""
    rows = [asdict(_SliceFile(*part)) for part in slices]
    path.write_text(json.dumps({"slices": rows}, indent=1), encoding="utf-8")


def vehicle_classes(paths: Iterable[Path]) -> dict[str, str]:
    """SUMO's vehicle class by vehicle type, of SUMO's own types and those that route or additional files define.

    Raises:
        BadInput: a file is none of these.
    """
    types = (item for path in paths for item in _parse(path).iter("vType"))
    return SUMO_TYPES | {item.get("id", ""): item.get("vClass", PASSENGER) for item in types}


def _read(path: Path, kind: type[T]) -> T:
    try:
        return TypeAdapter(kind).validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(f"{path}: not {NAMES[kind]}: {place + ': ' if place else ''}{first['msg']}") from error
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not {NAMES[kind]}: {error}") from error


def _routes(flows: Iterable[RouteFlow]) -> dict[str, tuple[str, ...]]:
    return {f"{flow.id}.": flow.edges for flow in flows}


def _buses(line: BusLine, rng: np.random.Generator, begin_s: int, end_s: int) -> Iterator[_Departure]:
    """Departures by timetable, each up to a minute late."""
    first = np.ceil((begin_s - line.offset_s) / line.headway_s) * line.headway_s + line.offset_s
    for planned in np.arange(first, end_s, line.headway_s):
        time = planned + rng.uniform(0, 60)
        if time < end_s:
            yield _Departure(round(float(time), 2), line.id, _bus(line))


def _vehicle(route: str, kind: str, line: str = "") -> str:
    named = f" line={quoteattr(line)}" if line else ""
    return (
        f"<vehicle id={{id}} type={quoteattr(kind)} route={quoteattr(route)}{named}"
        ' depart="{time:.2f}" departLane="best" departSpeed="max"/>\n'
    )


def _bus(line: BusLine) -> str:
    stops = "".join(
        f'<stop busStop={quoteattr(stop)} duration="{line.dwell_s:g}" parking="true"/>' for stop in line.stops
    )
    return _vehicle(line.id, line.vehicle_type, line.id).replace("/>", f">{stops}</vehicle>")


def _person(walk: Walk) -> str:
    edges = quoteattr(" ".join(walk.edges))
    return (
        f'<person id={{id}} type="{PEDESTRIAN}" depart="{{time:.2f}}" departPos="{walk.from_m:g}">'
        f'<walk edges={edges} arrivalPos="{walk.to_m:g}"/></person>\n'
    )


def _write(path: Path, routes: Iterable[RouteFlow | BusLine], departures: Iterable[_Departure]) -> None:
    numbers: dict[str, int] = {}
    with path.open("w", encoding="utf-8") as file:
        file.write("<routes>\n")
        for route in routes:
            file.write(f"<route id={quoteattr(route.id)} edges={quoteattr(' '.join(route.edges))}/>\n")
        for one in sorted(departures, key=lambda departure: departure.time_s):
            number = numbers.get(one.id, 0)
            numbers[one.id] = number + 1
            file.write(one.element.format(id=quoteattr(f"{one.id}.{number}"), time=one.time_s))
        file.write("</routes>\n")


def _parse(path: Path) -> ET.ElementTree[ET.Element]:
    try:
        return ET.parse(path)
    except (OSError, ET.ParseError) as error:
        raise BadInput(f"{path}: not a SUMO route file: {error}") from error


_Journey = tuple[str, float, float, tuple[str, ...], float]


def _table(journeys: Iterable[_Journey], begin_s: int, end_s: int) -> FlowTable:
    """Flows by route of the vehicles that depart between two times, those of a flow evenly over its own."""
    veh: dict[tuple[str, ...], float] = {}
    for _, first, last, edges, number in journeys:
        inside = min(last, end_s) - max(first, begin_s)
        share = float(begin_s <= first < end_s) if last <= first else max(0.0, inside) / (last - first)
        if share:
            veh[edges] = veh.get(edges, 0.0) + number * share
    per_h = 3600 / (end_s - begin_s)
    flows = (RouteFlow(">".join(edges), edges, number * per_h) for edges, number in veh.items())
    return FlowTable(tuple(flows), PASSENGER)


def _journeys(path: Path) -> Iterator[_Journey]:
    """Of the vehicles and flows that carry or name a route: id (``<id>.`` of a flow, as in ``routes``), first and last
    departure in s, edges and number of vehicles.
    """
    root = _parse(path).getroot()
    routes = {r.get("id"): tuple(r.get("edges", "").split()) for r in root.iter("route") if r.get("id")}
    for item in root:
        inline = item.find("route")
        edges = tuple(inline.get("edges", "").split()) if inline is not None else routes.get(item.get("route"), ())
        if not edges or item.tag not in ("vehicle", "flow"):
            continue
        try:
            begin = float(item.get("begin", "0") if item.tag == "flow" else item.get("depart", ""))
            end = float(item.get("end", "86400")) if item.tag == "flow" else begin
            number = _vehicles(item, end - begin) if item.tag == "flow" else 1
            yield item.get("id", "") + "." * (item.tag == "flow"), begin, end, edges, number
        except ValueError:
            continue  # a triggered departure has no time of its own


def _vehicles(flow: ET.Element, seconds: float) -> float:
    """Mean number of vehicles of a flow that lasts some seconds, whichever way it states them."""
    if "number" in flow.attrib:
        return float(flow.attrib["number"])
    if "vehsPerHour" in flow.attrib:
        return float(flow.attrib["vehsPerHour"]) * seconds / 3600
    if "probability" in flow.attrib:
        return float(flow.attrib["probability"]) * seconds
    period = flow.get("period", "")
    if period.startswith("exp("):
        return float(period[4:-1]) * seconds
    return seconds / float(period)
