"""Nodes, edges and connections of a corridor, as SUMO's plain XML, and netconvert to make a network of them.

Ids: junction ``J08``; main-road edges ``J08_J09`` with a widened part before the stop line, ``J08_J09.bay``; cross
streets ``W08_J08`` and ``J08_E08``. Edges that end at the rim have no junction on that side: ``S_J08``, ``J11_N``.
North is the way that the main road runs, whatever the compass says. Lanes count from the kerb: pavement and cycle lane
first, where there are any.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband import sumo
from greenband.errors import SimulationError
from greenband.network import Network, derive_stages
from greenband.scenarios.axis import Axis, Point
from greenband.scenarios.spec import Approach, JunctionRow, Section

__all__ = ["Leg", "exit_edge", "junction_id", "legs", "write_network"]

TURN_TO = {  # direction of travel -> direction after turning, right-hand or left-hand traffic alike
    "NB": {"left": "WB", "through": "NB", "right": "EB"},
    "SB": {"left": "EB", "through": "SB", "right": "WB"},
    "EB": {"left": "NB", "through": "EB", "right": "SB"},
    "WB": {"left": "SB", "through": "WB", "right": "NB"},
}
REVERSE = {"NB": "SB", "SB": "NB", "EB": "WB", "WB": "EB"}


PIECES = 12  # of a curved link's shape


@dataclass(frozen=True)
class Leg:
    """One approach to a junction: an upstream link that widens into a bay before the stop line."""

    junction: JunctionRow
    heading: str
    id: str
    length_m: float
    lanes: int
    speed_ms: float
    approach: Approach
    bay_m: float

    @property
    def bay(self) -> str:
        """Id of the widened edge before the stop line."""
        return f"{self.id}.bay"

    @property
    def on_main_road(self) -> bool:
        """Whether it is part of the main road."""
        return self.heading in ("NB", "SB")


def junction_id(junction: JunctionRow) -> str:
    """Id of the junction's node and signal."""
    return f"J{junction.n:02d}"


def exit_edge(section: Section, junction: JunctionRow, heading: str) -> str:
    """Id of the edge that leaves a junction in a direction of travel."""
    here = junction_id(junction)
    index = section.junctions.index(junction)
    if heading in ("EB", "WB"):
        return f"{here}_{heading[0]}{junction.n:02d}"
    ahead = index + (1 if heading == "NB" else -1)
    inside = 0 <= ahead < len(section.junctions)
    return f"{here}_{junction_id(section.junctions[ahead]) if inside else heading[0]}"


def legs(section: Section) -> Iterator[Leg]:
    """All approaches of all junctions."""
    geometry = section.corridor.geometry
    for index, junction in enumerate(section.junctions):
        here = junction_id(junction)
        street = geometry.cross_streets[junction.cross_street_class]
        wide = junction.n in geometry.wide_junctions.value
        main = (geometry.main_approach_wide if wide else geometry.main_approach).value
        for heading, step in (("NB", -1), ("SB", 1)):
            inside = 0 <= index + step < len(section.junctions)
            origin = section.junctions[index + step] if inside else None
            length = abs(origin.x_m - junction.x_m) if origin else geometry.entry_length_m.value
            start = junction_id(origin) if origin else ("S" if heading == "NB" else "N")
            speed = _main_speed_ms(section, junction, origin)
            lanes = geometry.main_lanes.value
            yield Leg(junction, heading, f"{start}_{here}", length, lanes, speed, main, street.bay_m.value)
        for heading, side in (("EB", "W"), ("WB", "E")):
            yield Leg(
                junction,
                heading,
                f"{side}{junction.n:02d}_{here}",
                geometry.entry_length_m.value,
                street.lanes.value,
                street.speed_kmh.value / 3.6,
                street.approach.value,
                street.bay_m.value,
            )


def _main_speed_ms(section: Section, a: JunctionRow, b: JunctionRow | None) -> float:
    geometry = section.corridor.geometry
    first, last = geometry.old_town.value
    numbers = [a.n] if b is None else [a.n, b.n]
    slow = all(first <= n <= last for n in numbers)
    return (geometry.main_speed_old_town_kmh if slow else geometry.main_speed_kmh).value / 3.6


def near_and_far(section: Section) -> tuple[str, str]:
    """The turn to the near side, which the kerb lane takes, and the one across oncoming traffic."""
    return ("left", "right") if section.corridor.geometry.left_hand else ("right", "left")


def first_motor_lane(section: Section) -> int:
    """Index of the motor lane next to the kerb."""
    return int(section.people) + int(section.ebikes)


def write_network(section: Section, folder: Path) -> Path:
    """Make ``network.net.xml`` in ``folder``; its signals hold the derived stages as their program.

    Raises:
        SimulationError: netconvert failed.
    """
    plain = _Plain(section)
    files = plain.write(folder)
    raw, final = folder / "raw.net.xml", folder / "network.net.xml"
    side = ["--lefthand", "true"] if section.corridor.geometry.left_hand else []
    walking = ["--walkingareas", "true"] if section.people else []
    _netconvert([*files, *side, *walking, "--no-turnarounds", "true", "-o", str(raw)])
    _write_programs(Network(raw), folder / "stages.tll.xml")
    _netconvert(["-s", str(raw), "--tllogic-files", str(folder / "stages.tll.xml"), "-o", str(final)])
    for scratch in [raw, folder / "stages.tll.xml", *folder.glob("plain.*.xml")]:
        scratch.unlink()
    ET.parse(final).write(final, encoding="utf-8", xml_declaration=True)  # no comments: they hold time and paths
    return final


class _Plain:
    """Collects the plain XML of a section."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.axis = Axis(section)
        self._first = first_motor_lane(section)
        self._nodes, self._edges, self._connections = (ET.Element(k) for k in ("nodes", "edges", "connections"))
        self._add_nodes()
        for leg in legs(section):
            self._add_leg(leg)
        self._add_rim_exits()
        if section.people:
            for leg in legs(section):
                self._add_crossing(leg)

    def write(self, folder: Path) -> list[str]:
        """Write ``plain.*.xml``; returns netconvert's options for them."""
        plain = {"node": self._nodes, "edge": self._edges, "connection": self._connections}
        for kind, root in plain.items():
            ET.indent(root)
            ET.ElementTree(root).write(folder / f"plain.{kind}.xml", encoding="utf-8", xml_declaration=True)
        return [f"--{kind}-files={folder / f'plain.{kind}.xml'}" for kind in plain]

    def _add_nodes(self) -> None:
        reach = self.section.corridor.geometry.entry_length_m.value
        for junction in self.section.junctions:
            self._node(junction_id(junction), self.axis.point(junction.x_m), "traffic_light")
            for side, across in (("W", -reach), ("E", reach)):
                self._node(f"{side}{junction.n:02d}", self.axis.point(junction.x_m, across), "priority")
        first, last = self.section.junctions[0], self.section.junctions[-1]
        self._node("S", self.axis.point(first.x_m - reach), "priority")
        self._node("N", self.axis.point(last.x_m + reach), "priority")

    def _node(self, name: str, xy: Point, kind: str) -> None:
        ET.SubElement(self._nodes, "node", id=name, x=f"{xy[0]:.2f}", y=f"{xy[1]:.2f}", type=kind)

    def _edge(self, name: str, start: str, end: str, lanes: int, speed_ms: float, shape: Sequence[Point] = ()) -> None:
        edge = ET.SubElement(
            self._edges,
            "edge",
            {"id": name, "from": start, "to": end, "numLanes": str(lanes + self._first), "speed": f"{speed_ms:.2f}"},
        )
        if len(shape) > 2:
            edge.set("shape", " ".join(f"{x:.2f},{y:.2f}" for x, y in shape))
        light = [("pedestrian", self.section.corridor.people.pavement_m.value)] if self.section.people else []
        light += [("bicycle", self.section.corridor.ebikes.lane_m.value)] if self.section.ebikes else []
        for index, (who, width) in enumerate(light):
            ET.SubElement(edge, "lane", index=str(index), allow=who, width=f"{width:g}")
        if light:
            for index in range(len(light), lanes + len(light)):
                ET.SubElement(edge, "lane", index=str(index), disallow="pedestrian bicycle")

    def _add_leg(self, leg: Leg) -> None:
        here, origin, widening = junction_id(leg.junction), leg.id.split("_")[0], f"{leg.id}.widening"
        way = self._way(leg)
        split = leg.length_m - leg.bay_m
        self._node(widening, way(split), "priority")
        before = [way(split * k / PIECES) for k in range(PIECES + 1)] if self.axis.curved and leg.on_main_road else []
        after = [way(split + leg.bay_m * k / 4) for k in range(5)] if self.axis.curved and leg.on_main_road else []
        self._edge(leg.id, origin, widening, leg.lanes, leg.speed_ms, before)
        self._edge(leg.bay, widening, here, leg.approach.lanes, leg.speed_ms, after)
        near, far = near_and_far(self.section)
        lanes_near, lanes_far = getattr(leg.approach, near), getattr(leg.approach, far)
        for start, end in _widening(leg.lanes, lanes_near, leg.approach.through, lanes_far):
            self._connect(leg.id, leg.bay, start, end)
        exits = {t: exit_edge(self.section, leg.junction, heading) for t, heading in TURN_TO[leg.heading].items()}
        for lane in range(max(lanes_near, 1)):
            self._connect(leg.bay, exits[near], lane, lane)
        for lane in range(leg.approach.through):
            self._connect(leg.bay, exits["through"], lanes_near + lane, lane)
        lanes_out = _exit_lanes(self.section, leg.junction, TURN_TO[leg.heading][far])
        for lane in range(lanes_far):
            self._connect(leg.bay, exits[far], lanes_near + leg.approach.through + lane, lanes_out - lanes_far + lane)
        if self.section.ebikes:
            cycle = int(self.section.people) - self._first  # relative to the first motor lane
            for start_edge, end_edge in ((leg.id, leg.bay), (leg.bay, exits[near]), (leg.bay, exits["through"])):
                self._connect(start_edge, end_edge, cycle, cycle)

    def _way(self, leg: Leg) -> Callable[[float], Point]:
        """Where one is after so many metres along a leg, from its start to the junction."""
        x_m, reach, axis = leg.junction.x_m, leg.length_m, self.axis
        if leg.on_main_road:
            sign = 1 if leg.heading == "NB" else -1
            return lambda gone: axis.point(x_m - sign * (reach - gone))
        side = -1 if leg.heading == "EB" else 1
        return lambda gone: axis.point(x_m, side * (reach - gone))

    def _connect(self, start: str, end: str, from_lane: int, to_lane: int) -> None:
        lanes = {"fromLane": str(from_lane + self._first), "toLane": str(to_lane + self._first)}
        ET.SubElement(self._connections, "connection", {"from": start, "to": end, **lanes})

    def _add_crossing(self, leg: Leg) -> None:
        out = exit_edge(self.section, leg.junction, REVERSE[leg.heading])
        ET.SubElement(
            self._connections,
            "crossing",
            node=junction_id(leg.junction),
            edges=f"{leg.bay} {out}",
            priority="true",
            width=f"{self.section.corridor.people.crossing_m.value:g}",
        )

    def _add_rim_exits(self) -> None:
        """Edges that lead out of the section; those between junctions are legs of the next one."""
        section, geometry = self.section, self.section.corridor.geometry
        first, last = section.junctions[0], section.junctions[-1]
        for junction, heading, rim in [(first, "SB", "S"), (last, "NB", "N")]:
            speed = _main_speed_ms(section, junction, None)
            name = exit_edge(section, junction, heading)
            self._edge(name, junction_id(junction), rim, geometry.main_lanes.value, speed)
        for junction in section.junctions:
            street = geometry.cross_streets[junction.cross_street_class]
            for heading in ("EB", "WB"):
                name = exit_edge(section, junction, heading)
                rim = name.split("_")[1]
                self._edge(name, junction_id(junction), rim, street.lanes.value, street.speed_kmh.value / 3.6)


def _widening(lanes: int, near: int, through: int, far: int) -> Iterator[tuple[int, int]]:
    """Lane pairs from link to bay: outermost lane also to the near-side bays, innermost also to the far-side bays."""
    for lane in range(near):
        yield 0, lane
    for lane in range(min(through, lanes)):
        yield lane, near + lane
    for lane in range(far):
        yield lanes - 1, near + through + lane


def _exit_lanes(section: Section, junction: JunctionRow, heading: str) -> int:
    geometry = section.corridor.geometry
    if heading in ("NB", "SB"):
        return geometry.main_lanes.value
    return geometry.cross_streets[junction.cross_street_class].lanes.value


def _write_programs(network: Network, path: Path) -> None:
    """The derived stages of each signal as a SUMO program; netconvert then works out who yields on red."""
    root = ET.Element("tlLogics")
    for signal in network.signals.values():
        logic = ET.SubElement(root, "tlLogic", id=signal.id, type="static", programID="0", offset="0")
        for stage in derive_stages(signal.movements, signal.conflicts, signal.yields, signal.crossings, signal.lamps):
            ET.SubElement(logic, "phase", duration="30", state=stage.state, name=stage.name)
    for signal in network.signals.values():
        for link in signal.links:
            ends = {"from": link.from_edge, "to": link.to_edge}
            lanes = {"fromLane": link.from_lane.rpartition("_")[2], "toLane": link.to_lane.rpartition("_")[2]}
            ET.SubElement(root, "connection", {**ends, **lanes, "tl": signal.id, "linkIndex": str(link.index)})
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _netconvert(arguments: list[str]) -> None:
    done = subprocess.run(
        [sumo.binary("netconvert"), *arguments], capture_output=True, text=True, env=sumo.environment()
    )
    if done.returncode:
        raise SimulationError(f"netconvert failed: {done.stderr.strip().splitlines()[-1:]}")
