"""The demand of an imported scenario: foreign route files made into one, or an assumed flow table.

Times are seconds of simulation time; SUMO's ``h:m:s`` and ``d:h:m:s`` are read too.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband import sumo
from greenband.demand import FlowTable, RouteFlow
from greenband.errors import BadInput

__all__ = ["Merged", "assumed", "is_demand", "merged", "reason", "seconds", "unrouted", "within"]

DEFINITIONS = frozenset(("vType", "vTypeDistribution", "route", "routeDistribution"))
TIMED = frozenset(("vehicle", "trip", "flow", "person", "personFlow", "container", "containerFlow"))
PLACES = ("from", "to", "via")  # what a route takes the place of
SAMPLE = 600  # random trips from which an assumed table is made
MEAN_FLOW_VEH_H_LANE = 150.0  # assumed: light enough to clear on most networks, heavy enough for queues


def seconds(text: str) -> float:
    """A time of SUMO in seconds.

    Raises:
        BadInput: it is none.
    """
    parts = text.split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError as error:
        raise BadInput(f"{text!r} is not a time: it must be seconds, h:m:s or d:h:m:s") from error
    if len(values) not in (1, 3, 4):
        raise BadInput(f"{text!r} is not a time: it must be seconds, h:m:s or d:h:m:s")
    weights = (1.0,) if len(values) == 1 else (86400.0, 3600.0, 60.0, 1.0)[-len(values) :]
    return sum(value * weight for value, weight in zip(values, weights, strict=True))


def is_demand(element: ET.Element) -> bool:
    """Whether an element says what travels: a vehicle, person, route, type and the like."""
    return element.tag in DEFINITIONS or element.tag in TIMED


@dataclass(frozen=True)
class Merged:
    """One route file made of several.

    ``begin_s`` and ``end_s`` are the first departure and the second after the last; ``dropped`` counts, by reason,
    vehicles that cannot travel on the network.
    """

    root: ET.Element
    begin_s: int
    end_s: int
    dropped: Mapping[str, int]


def merged(elements: Sequence[ET.Element], net_file: Path, additional: Path | None) -> Merged:
    """Sort all departures into one file, give trips their routes, and leave out what cannot travel.

    Trips (and flows from edge to edge) take the fastest route on the empty network, as SUMO gives it to them, so that
    the file tells how much flows where.

    Args:
        elements: definitions and departures of all route files.
        net_file: the network that they travel on.
        additional: stops and zones that they name.

    Raises:
        BadInput: nothing departs, or a time is none.
    """
    definitions = _first_of_each(item for item in elements if item.tag in DEFINITIONS)
    timed = [item for item in elements if item.tag in TIMED]
    dropped: Counter[str] = Counter()
    kept = list(_with_routes(timed, definitions, net_file, additional, dropped))
    kept = list(_on_network(kept, definitions, net_file, dropped))
    rows = sorted(_dated(kept), key=lambda row: row[0])
    if not rows:
        raise BadInput(f"{net_file}: nothing departs on it: {dict(dropped) or 'the route files are empty'}")
    root = ET.Element("routes")
    root.extend(definitions)
    root.extend(item for _, item in rows)
    last = max(max(time, _end(item)) for time, item in rows)
    return Merged(root, math.floor(rows[0][0]), math.floor(last) + 1, dropped)


def within(root: ET.Element, begin_s: int, end_s: int) -> int:
    """Leave out what departs before or after a time in s; returns how many departures, flows and persons are left."""
    left = 0
    for time, item in list(_dated([item for item in root if item.tag in TIMED])):
        if time < end_s and max(time, _end(item) - 1e-9) >= begin_s:
            left += 1
        else:
            root.remove(item)
    return left


def unrouted(root: ET.Element) -> int:
    """How many departures and flows of vehicles have no route until SUMO finds them one: what they add is not known."""
    named = {route.get("id") for route in root.findall("route")}
    vehicles = (item for item in root if item.tag in ("vehicle", "trip", "flow"))
    return sum(item.find("route") is None and item.get("route") not in named for item in vehicles)


def _begins_s(item: ET.Element) -> float | None:
    """When an element departs first; None where something else triggers it."""
    text = item.get("depart") or item.get("begin") or "0"
    return None if text in ("triggered", "containerTriggered", "split", "now", "begin") else seconds(text)


def _end(item: ET.Element) -> float:
    return seconds(item.get("end", "0"))


def _dated(items: Sequence[ET.Element]) -> Iterator[tuple[float, ET.Element]]:
    """Departures with their times, now in seconds; one that is triggered stays behind what stands before it."""
    last = 0.0
    for item in items:
        for name in ("depart", "begin", "end"):
            if ":" in item.get(name, ""):
                item.set(name, f"{seconds(item.attrib[name]):g}")
        time = _begins_s(item)
        last = last if time is None else time
        yield last, item


def _first_of_each(items: Iterator[ET.Element]) -> list[ET.Element]:
    """Definitions without those repeated by another file."""
    found: dict[tuple[str, str], ET.Element] = {}
    for item in items:
        found.setdefault((item.tag.removesuffix("Distribution"), item.get("id", "")), item)
    return list(found.values())


def _needs_route(item: ET.Element, mixed: set[str]) -> bool:
    """Whether it goes from edge to edge, by one type of vehicle.

    Between zones or junctions SUMO itself finds the edges, and for a type drawn at random, whose way depends on it.
    """
    if item.tag not in ("trip", "flow") or item.find("route") is not None:
        return False
    return {"from", "to"} <= item.attrib.keys() and item.get("type", "DEFAULT_VEHTYPE") not in mixed


def _with_routes(
    items: Sequence[ET.Element],
    definitions: Sequence[ET.Element],
    net_file: Path,
    additional: Path | None,
    dropped: Counter[str],
) -> Iterator[ET.Element]:
    """Departures, trips with the edges that they drive."""
    mixed = {item.get("id", "") for item in definitions if item.tag == "vTypeDistribution"}
    asking = [item for item in items if _needs_route(item, mixed)]
    routes = _route(asking, definitions, net_file, additional) if asking else []
    edges = dict(zip(map(id, asking), routes, strict=True))
    for item in items:
        if id(item) not in edges:
            yield item
        elif edges[id(item)] is None:
            dropped["no route"] += 1
        else:
            yield _routed(item, str(edges[id(item)]))


def _routed(item: ET.Element, edges: str) -> ET.Element:
    found = deepcopy(item)
    found.tag = "flow" if item.tag == "flow" else "vehicle"
    for name in PLACES:
        found.attrib.pop(name, None)
    found.insert(0, ET.Element("route", edges=edges))
    return found


def _route(
    items: Sequence[ET.Element], definitions: Sequence[ET.Element], net_file: Path, additional: Path | None
) -> list[str | None]:
    """Edges of each, by SUMO's duarouter; None where there is no way."""
    root = ET.Element("routes")
    root.extend(definitions)
    for number, item in enumerate(items):
        attributes = {name: item.attrib[name] for name in (*PLACES, "type") if name in item.attrib}
        attributes |= {"id": str(number), "depart": "0"}  # ways do not depend on the time
        trip = ET.SubElement(root, "trip", attributes)
        trip.extend(child for child in item if child.tag == "stop")
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch:
        source, target = Path(scratch) / "trips.xml", Path(scratch) / "routes.xml"
        ET.ElementTree(root).write(source, encoding="utf-8")
        command = [sumo.binary("duarouter"), "--net-file", str(net_file), "--route-files", str(source)]
        command += ["--additional-files", str(additional)] if additional else []
        command += ["--output-file", str(target), "--ignore-errors", "--no-step-log", "--no-warnings"]
        done = subprocess.run(
            [*command, "--xml-validation", "never"], capture_output=True, text=True, env=sumo.environment(), check=False
        )
        if done.returncode or not target.is_file():
            raise BadInput(f"{net_file}: trips cannot be routed on it: {reason(done.stderr)}")
        found: dict[str, str] = {}
        for vehicle in ET.parse(target).getroot().iter("vehicle"):
            route = vehicle.find("route")
            if route is not None:
                found[vehicle.get("id", "")] = route.get("edges", "")
    return [found.get(str(number)) or None for number in range(len(items))]


def _on_network(
    items: Sequence[ET.Element], definitions: Sequence[ET.Element], net_file: Path, dropped: Counter[str]
) -> Iterator[ET.Element]:
    """Departures whose route exists on the network, edge by edge."""
    edges, onto = _edges_of(net_file)
    named = {item.get("id"): item.get("edges", "") for item in definitions if item.tag == "route"}
    for item in items:
        inline = item.find("route")
        path = inline.get("edges", "") if inline is not None else named.get(item.get("route"), "")
        steps = path.split()
        if any(edge not in edges for edge in steps):
            dropped["an edge that the network lacks"] += 1
        elif any(pair not in onto for pair in pairwise(steps)):
            dropped["edges that are not connected"] += 1
        else:
            yield item


def _edges_of(net_file: Path) -> tuple[set[str], set[tuple[str, str]]]:
    edges: set[str] = set()
    onto: set[tuple[str, str]] = set()
    for _, element in ET.iterparse(net_file):
        if element.tag == "edge" and element.get("function") != "internal":
            edges.add(element.get("id", ""))
        elif element.tag == "connection":
            onto.add((element.get("from", ""), element.get("to", "")))
    return edges, onto


def assumed(net_file: Path) -> tuple[FlowTable, str]:
    """An assumed flow table and in words what was assumed.

    SUMO's randomTrips chooses origins and destinations, more of them at the network's rim, and duarouter their routes;
    all get the same flow, so that the network's lanes carry 150 veh/h on average.

    Raises:
        BadInput: there is no way for a car through the network.
    """
    trips = _random_trips(net_file)
    routes = [route.split() for route in _route(trips, [], net_file, None) if route]
    routes = [route for route in routes if len(route) > 1]
    if not routes:
        raise BadInput(f"{net_file}: there is no way for a car through the network, so no demand can be assumed")
    lengths, lane_m = _lengths(net_file)
    driven = sum(lengths[edge] for route in routes for edge in route) / len(routes)
    total = MEAN_FLOW_VEH_H_LANE * lane_m / driven
    counts = Counter(map(tuple, routes))
    flows = (
        RouteFlow(f"assumed{k}", edges, total * n / len(routes)) for k, (edges, n) in enumerate(sorted(counts.items()))
    )
    note = (
        f"{total:.0f} veh/h on {len(counts)} random routes (randomTrips, seed 1, fringe factor 5; duarouter), which"
        f" puts {MEAN_FLOW_VEH_H_LANE:.0f} veh/h on a lane on average; cars only"
    )
    return FlowTable(tuple(flows), "DEFAULT_VEHTYPE"), note


def _random_trips(net_file: Path) -> list[ET.Element]:
    script = sumo.home() / "tools" / "randomTrips.py"
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch:
        target = Path(scratch) / "trips.xml"
        command = [
            sys.executable,
            str(script),
            "--net-file",
            str(net_file.absolute()),
            "--output-trip-file",
            str(target),
        ]
        command += ["--end", str(SAMPLE), "--period", "1", "--seed", "1", "--fringe-factor", "5", "--remove-loops"]
        done = subprocess.run(command, capture_output=True, text=True, env=sumo.environment(), cwd=scratch, check=False)
        if done.returncode or not target.is_file():
            raise BadInput(f"{net_file}: no demand can be assumed: {reason(done.stderr)}")
        return list(ET.parse(target).getroot().iter("trip"))


def _lengths(net_file: Path) -> tuple[dict[str, float], float]:
    """Length of each road edge, and of all their lanes for cars together, in m."""
    lengths: dict[str, float] = {}
    lanes = 0.0
    for _, element in ET.iterparse(net_file):
        if element.tag != "edge" or element.get("function"):
            continue
        rows = element.findall("lane")
        lengths[element.get("id", "")] = max((float(lane.get("length", "0")) for lane in rows), default=0.0)
        lanes += sum(float(lane.get("length", "0")) for lane in rows if _for_cars(lane))
    return lengths, lanes


def _for_cars(lane: ET.Element) -> bool:
    allow, disallow = lane.get("allow"), lane.get("disallow", "")
    return "passenger" in allow.split() if allow else not {"passenger", "all"} & set(disallow.split())


def reason(stderr: str) -> str:
    """The last line of a SUMO program's complaint that says something."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and "Quitting" not in line]
    errors = [line for line in lines if line.startswith("Error")]
    return (errors or lines or ["no reason given"])[-1]
