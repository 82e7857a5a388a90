"""Nodes, edges and connections of a straight corridor, as SUMO's plain XML, and netconvert to make a network of them.

Ids: junction ``J08``; main-road edges ``J08_J09`` with a widened part before the stop line, ``J08_J09.bay``; cross
streets ``W08_J08`` and ``J08_E08``. Edges that end at the rim have no junction on that side: ``S_J08``, ``J11_N``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband import sumo
from greenband.errors import SimulationError
from greenband.network import Network, derive_stages
from greenband.scenarios.spec import Approach, JunctionRow, Section

__all__ = ["Leg", "exit_edge", "junction_id", "legs", "write_network"]

TURN_TO = {  # direction of travel -> direction after turning, right-hand or left-hand traffic alike
    "NB": {"left": "WB", "through": "NB", "right": "EB"},
    "SB": {"left": "EB", "through": "SB", "right": "WB"},
    "EB": {"left": "NB", "through": "EB", "right": "SB"},
    "WB": {"left": "SB", "through": "WB", "right": "NB"},
}
STEP = {"NB": (0, 1), "SB": (0, -1), "EB": (1, 0), "WB": (-1, 0)}


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


def write_network(section: Section, folder: Path) -> Path:
    """Make ``network.net.xml`` in ``folder``; its signals hold the derived stages as their program.

    Raises:
        SimulationError: netconvert failed.
    """
    nodes, edges, connections = ET.Element("nodes"), ET.Element("edges"), ET.Element("connections")
    _add_nodes(section, nodes)
    for leg in legs(section):
        _add_leg(section, leg, nodes, edges, connections)
    _add_rim_exits(section, edges)
    plain = {"node": nodes, "edge": edges, "connection": connections}
    for kind, root in plain.items():
        ET.indent(root)
        ET.ElementTree(root).write(folder / f"plain.{kind}.xml", encoding="utf-8", xml_declaration=True)
    raw, final = folder / "raw.net.xml", folder / "network.net.xml"
    inputs = [f"--{kind}-files={folder / f'plain.{kind}.xml'}" for kind in plain]
    _netconvert([*inputs, "--no-turnarounds", "true", "-o", str(raw)])
    _write_programs(Network(raw), folder / "stages.tll.xml")
    _netconvert(["-s", str(raw), "--tllogic-files", str(folder / "stages.tll.xml"), "-o", str(final)])
    for scratch in [raw, folder / "stages.tll.xml", *(folder / f"plain.{kind}.xml" for kind in plain)]:
        scratch.unlink()
    return final


def _xy(section: Section, junction: JunctionRow) -> tuple[float, float]:
    return 0.0, junction.x_m - section.junctions[0].x_m


def _add_nodes(section: Section, nodes: ET.Element) -> None:
    reach = section.corridor.geometry.entry_length_m.value
    for junction in section.junctions:
        x, y = _xy(section, junction)
        _node(nodes, junction_id(junction), x, y, "traffic_light")
        _node(nodes, f"W{junction.n:02d}", x - reach, y, "priority")
        _node(nodes, f"E{junction.n:02d}", x + reach, y, "priority")
    first, last = section.junctions[0], section.junctions[-1]
    _node(nodes, "S", 0.0, _xy(section, first)[1] - reach, "priority")
    _node(nodes, "N", 0.0, _xy(section, last)[1] + reach, "priority")


def _node(nodes: ET.Element, name: str, x: float, y: float, kind: str) -> None:
    ET.SubElement(nodes, "node", id=name, x=f"{x:.2f}", y=f"{y:.2f}", type=kind)


def _edge(edges: ET.Element, name: str, start: str, end: str, lanes: int, speed_ms: float) -> None:
    ET.SubElement(
        edges, "edge", {"id": name, "from": start, "to": end, "numLanes": str(lanes), "speed": f"{speed_ms:.2f}"}
    )


def _add_leg(section: Section, leg: Leg, nodes: ET.Element, edges: ET.Element, connections: ET.Element) -> None:
    here, origin = junction_id(leg.junction), leg.id.split("_")[0]
    x, y = _xy(section, leg.junction)
    dx, dy = STEP[leg.heading]
    _node(nodes, f"{leg.id}.widening", x - dx * leg.bay_m, y - dy * leg.bay_m, "priority")
    _edge(edges, leg.id, origin, f"{leg.id}.widening", leg.lanes, leg.speed_ms)
    _edge(edges, leg.bay, f"{leg.id}.widening", here, leg.approach.lanes, leg.speed_ms)
    for start, end in _widening(leg):
        _connect(connections, leg.id, leg.bay, start, end)
    approach, right = leg.approach, leg.approach.right
    exits = {turn: exit_edge(section, leg.junction, heading) for turn, heading in TURN_TO[leg.heading].items()}
    for lane in range(max(right, 1)):
        _connect(connections, leg.bay, exits["right"], lane, lane)
    for lane in range(approach.through):
        _connect(connections, leg.bay, exits["through"], right + lane, lane)
    lanes_left = _exit_lanes(section, leg.junction, TURN_TO[leg.heading]["left"])
    for lane in range(approach.left):
        start = right + approach.through + lane
        _connect(connections, leg.bay, exits["left"], start, lanes_left - approach.left + lane)


def _widening(leg: Leg) -> Iterator[tuple[int, int]]:
    """Lane pairs from link to bay: outermost lane also to the right bays, innermost also to the left bays."""
    approach, n = leg.approach, leg.lanes
    for lane in range(approach.right):
        yield 0, lane
    for lane in range(min(approach.through, n)):
        yield lane, approach.right + lane
    for lane in range(approach.left):
        yield n - 1, approach.right + approach.through + lane


def _exit_lanes(section: Section, junction: JunctionRow, heading: str) -> int:
    geometry = section.corridor.geometry
    if heading in ("NB", "SB"):
        return geometry.main_lanes.value
    return geometry.cross_streets[junction.cross_street_class].lanes.value


def _connect(connections: ET.Element, start: str, end: str, from_lane: int, to_lane: int) -> None:
    ET.SubElement(
        connections, "connection", {"from": start, "to": end, "fromLane": str(from_lane), "toLane": str(to_lane)}
    )


def _add_rim_exits(section: Section, edges: ET.Element) -> None:
    """Edges that lead out of the section; those between junctions are legs of the next one."""
    geometry = section.corridor.geometry
    first, last = section.junctions[0], section.junctions[-1]
    ends = [(first, "SB", "S"), (last, "NB", "N")]
    for junction, heading, rim in ends:
        speed = _main_speed_ms(section, junction, None)
        name = exit_edge(section, junction, heading)
        _edge(edges, name, junction_id(junction), rim, geometry.main_lanes.value, speed)
    for junction in section.junctions:
        street = geometry.cross_streets[junction.cross_street_class]
        for heading in ("EB", "WB"):
            name = exit_edge(section, junction, heading)
            rim = name.split("_")[1]
            _edge(edges, name, junction_id(junction), rim, street.lanes.value, street.speed_kmh.value / 3.6)


def _write_programs(network: Network, path: Path) -> None:
    """The derived stages of each signal as a SUMO program; netconvert then works out who yields on red."""
    root = ET.Element("tlLogics")
    for signal in network.signals.values():
        logic = ET.SubElement(root, "tlLogic", id=signal.id, type="static", programID="0", offset="0")
        for stage in derive_stages(signal.movements, signal.yields, signal.lamps):
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
