"""Traffic on a corridor: vehicle types, routes that follow the turning flows, bus lines, people and e-bikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.demand import EBIKE, PEDESTRIAN, BusLine, FlowTable, RouteFlow, Walk
from greenband.scenarios.network import REVERSE, TURN_TO, Leg, exit_edge, first_motor_lane, legs, near_and_far
from greenband.scenarios.spec import Line, Section

__all__ = ["Traffic", "mainline_routes", "movement_flows", "write_vehicles"]

STOP_M = 30.0  # length of a bus stop
BEHIND_JUNCTION_M = 60.0
TURNS = ("left", "through", "right")
TOWARDS = {"S": "NB", "N": "SB", "W": "EB", "E": "WB"}  # where one enters -> direction of travel


def write_vehicles(section: Section, path: Path) -> None:
    """Write vehicle types, one mix of them a period (``mix_AM``), and bus stops as a SUMO additional file."""
    root, traffic = ET.Element("additional"), section.corridor.traffic
    following = {"carFollowModel": "Krauss", **{key: str(value) for key, value in traffic.following.value.items()}}
    for name, kind in traffic.types.items():
        ET.SubElement(root, "vType", {"id": name, **following, **{key: str(v) for key, v in kind.value.items()}})
    for period, mix in traffic.mix.items():
        shares = {name: share for name, share in mix.value.items() if share > 0}
        ET.SubElement(
            root,
            "vTypeDistribution",
            id=_mix(period),
            vTypes=" ".join(shares),
            probabilities=" ".join(f"{share:g}" for share in shares.values()),
        )
    if section.people:
        ET.SubElement(root, "vType", id=PEDESTRIAN, vClass="pedestrian")
    if section.ebikes:
        ridden = {"vClass": "bicycle", "length": "1.8", "maxSpeed": "6.94", "accel": "1.5", "tau": "1.0"}
        ET.SubElement(root, "vType", {"id": EBIKE, **ridden})
    for edge in sorted({stop for line in _lines(section) for stop in line.stops}):
        start = BEHIND_JUNCTION_M
        lane = f"{edge}_{first_motor_lane(section)}"
        ET.SubElement(root, "busStop", id=edge, lane=lane, startPos=f"{start:g}", endPos=f"{start + STOP_M:g}")
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _mix(period: str) -> str:
    return f"mix_{period}"


@dataclass(frozen=True)
class Traffic:
    """What travels through a section in a period."""

    section: Section
    period: str

    def table(self) -> FlowTable:
        """All of it: routes, bus lines, and people and e-bikes where the section has them."""
        bikes = tuple(self._ebikes()) if self.section.ebikes else ()
        walks = tuple(self._walks()) if self.section.people else ()
        return FlowTable((*self._routes(), *bikes), _mix(self.period), tuple(self._buses()), walks)

    def turning(self, leg: Leg) -> dict[str, float]:
        """Flow of an approach in veh/h by turn, without the buses, which have routes of their own."""
        flow = self.section.flow(leg.junction.n, self.period, leg.heading)
        buses = self._buses_turning
        return {
            turn: max(0.0, getattr(flow, turn) - buses.get((leg.bay, self._exit(leg, turn)), 0.0)) for turn in TURNS
        }

    @cached_property
    def _legs(self) -> dict[str, Leg]:
        return {leg.id: leg for leg in legs(self.section)}

    def _exit(self, leg: Leg, turn: str) -> str:
        return exit_edge(self.section, leg.junction, TURN_TO[leg.heading][turn])

    def _entries(self) -> list[Leg]:
        inner = {self._exit(leg, turn) for leg in self._legs.values() for turn in TURNS}
        return [leg for leg in self._legs.values() if leg.id not in inner]

    def _routes(self) -> Iterator[RouteFlow]:
        """All routes through the section with their veh/h.

        Each entry's flow is followed downstream; at every junction it splits by that approach's turning shares, as in
        a Markov chain, so that the link flows of the table come out in expectation.
        """
        for leg in self._entries():
            yield from self._follow(leg, (), sum(self.turning(leg).values()))

    def _follow(self, leg: Leg, before: tuple[str, ...], veh_h: float) -> Iterator[RouteFlow]:
        turning = self.turning(leg)
        total = sum(turning.values())
        edges = (*before, leg.id, leg.bay)
        for turn, count in turning.items():
            if veh_h * count <= 0:
                continue
            onto, share = self._exit(leg, turn), veh_h * count / total
            if onto in self._legs:
                yield from self._follow(self._legs[onto], edges, share)
            else:
                route = (*edges, onto)
                yield RouteFlow(f"{route[0].split('_')[0]}-{onto.split('_')[1]}", route, share)

    def _buses(self) -> Iterator[BusLine]:
        headway = self.section.corridor.buses.headway_s.value[self.period]
        yield from _lines(self.section, headway)

    @cached_property
    def _buses_turning(self) -> dict[tuple[str, str], float]:
        """Buses per hour by (approach edge, exit edge)."""
        found: dict[tuple[str, str], float] = {}
        for line in self._buses():
            for pair in zip(line.edges, line.edges[1:], strict=False):
                found[pair] = found.get(pair, 0.0) + 3600 / line.headway_s
        return found

    def _ebikes(self) -> Iterator[RouteFlow]:
        """Rides over one junction each, straight or to the near side, a share of the motor vehicles that do."""
        near, _ = near_and_far(self.section)
        share = self.section.corridor.ebikes.share.value
        for leg in self._legs.values():
            flow = self.section.flow(leg.junction.n, self.period, leg.heading)
            for turn in ("through", near):
                onto = self._exit(leg, turn)
                yield RouteFlow(f"{EBIKE}-{leg.id}-{turn}", (leg.id, leg.bay, onto), share * getattr(flow, turn), EBIKE)

    def _walks(self) -> Iterator[Walk]:
        """Over each crossing, from either side as many."""
        day, people = self.section.corridor.day, self.section.corridor.people
        busy = day.share.value[self.section.corridor.periods[self.period].hour]
        for leg in self._legs.values():
            out = exit_edge(self.section, leg.junction, REVERSE[leg.heading])
            street = "main" if leg.on_main_road else leg.junction.cross_street_class
            persons_h = people.persons_h.value[street] * busy / 2
            name = f"walk-{leg.id}"
            yield Walk(f"{name}-out", (leg.bay, out), persons_h, -WALK_M, WALK_M)
            yield Walk(f"{name}-back", (out, leg.bay), persons_h, WALK_M, -WALK_M)


WALK_M = 15.0  # of pavement before and after a crossing: what is farther away adds steps and changes nothing


def _lines(section: Section, headway_s: float = 3600.0) -> Iterator[BusLine]:
    """Bus lines, both ways, as far as they run through the section."""
    buses = section.corridor.buses
    for number, line in enumerate(buses.lines.value):
        for way, (start, end) in enumerate([(line.start, line.end), (line.end, line.start)]):
            edges = _line_edges(section, line, start, end)
            if edges:
                offset = headway_s * ((number * 0.37 + way * 0.5) % 1)
                name = f"{line.id}{'ab'[way]}"
                stops = tuple(_stops(section, edges))
                yield BusLine(name, edges, headway_s, offset, stops, buses.dwell_s.value, "bus")


def _line_edges(section: Section, line: Line, start: tuple[int, str], end: tuple[int, str]) -> tuple[str, ...]:
    """Edges from one end to the other, cut to the section; none where the line passes it by."""
    first, last = section.junctions[0].n, section.junctions[-1].n
    if max(start[0], end[0]) < first or min(start[0], end[0]) > last:
        return ()
    (a, enters), (b, leaves) = (_cut(at, first, last) for at in (start, end))
    by_place = {(leg.junction.n, leg.heading): leg for leg in legs(section)}
    heading, edges = TOWARDS[enters], []
    out = REVERSE[TOWARDS[leaves]]
    step = 1 if b >= a else -1
    for n in range(a, b + step, step):
        leg = by_place[n, heading]
        edges += [leg.id, leg.bay]
        heading = out if n == b else "NB" if step == 1 else "SB"
    return (*edges, exit_edge(section, by_place[b, "NB"].junction, heading))


def _cut(at: tuple[int, str], first: int, last: int) -> tuple[int, str]:
    if at[0] < first:
        return first, "S"
    return (last, "N") if at[0] > last else at


def _stops(section: Section, edges: tuple[str, ...]) -> Iterator[str]:
    """Links of the main road behind every so-many-th junction that are long enough for a stop before they widen."""
    by_id = {leg.id: leg for leg in legs(section)}
    every = section.corridor.buses.stop_every.value
    for edge in edges[1:]:
        leg = by_id.get(edge)
        if leg is None or not leg.on_main_road:
            continue
        room = leg.length_m - leg.bay_m
        if leg.junction.n % every == 0 and room > BEHIND_JUNCTION_M + STOP_M + 20.0:
            yield edge


def mainline_routes(section: Section) -> dict[str, tuple[str, ...]]:
    """Per direction, the route that runs the main road from end to end."""
    return {"northbound": ("S-N",), "southbound": ("N-S",)}


def movement_flows(section: Section, period: str) -> dict[str, float]:
    """Table flows in veh/h by movement id (``from>to``), buses included."""
    flows = {}
    for leg in legs(section):
        row = section.flow(leg.junction.n, period, leg.heading)
        for turn in TURNS:
            flows[f"{leg.bay}>{exit_edge(section, leg.junction, TURN_TO[leg.heading][turn])}"] = getattr(row, turn)
    return flows
