"""An incident to put controllers to the test: a vehicle breaks down and closes its lane for ten minutes.

It stands in the way as a real one does: others see it and change lanes, or queue behind it. No controller is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.errors import BadInput, UnknownName
from greenband.network import Network, Signal
from greenband.scenario import Scenario

__all__ = ["BREAKDOWN", "MIDDLE", "Incident", "find_incident"]

BREAKDOWN = "breakdown"  # id of the vehicle and of its type
MIDDLE = "middle"  # in place of a signal: the one halfway along the main road
DURATION_S = 600


@dataclass(frozen=True)
class Incident:
    """A lane is closed at ``at_m`` from its start, from ``begin_s`` (s after midnight) on for ``duration_s``.

    In dense traffic it may begin some seconds late, when there is first room for the vehicle; it lasts as long.
    """

    lane: str
    at_m: float
    begin_s: int
    duration_s: int = DURATION_S

    def __str__(self) -> str:
        begin, end = (f"{t // 3600:02d}:{t % 3600 // 60:02d}" for t in (self.begin_s, self.begin_s + self.duration_s))
        return f"lane {self.lane} closed {begin} to {end}"

    def write(self, path: Path) -> None:
        """Write it as a SUMO additional file."""
        edge, _, index = self.lane.rpartition("_")
        root = ET.Element("additional")
        ET.SubElement(root, "vType", id=BREAKDOWN, length="5", vClass="passenger")
        vehicle = ET.SubElement(
            root,
            "vehicle",
            id=BREAKDOWN,
            type=BREAKDOWN,
            depart=str(self.begin_s),
            departLane=index,
            departPos=f"{self.at_m:.1f}",
            departSpeed="0",
            arrivalPos=f"{self.at_m + 1:.1f}",
        )
        ET.SubElement(vehicle, "route", edges=edge)
        ET.SubElement(vehicle, "stop", lane=self.lane, endPos=f"{self.at_m + 0.5:.1f}", duration=str(self.duration_s))
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def find_incident(scenario: Scenario, period: str, where: str) -> Incident:
    """Where and when the incident of a period happens, for a signal or ``MIDDLE``.

    It is before the signal's busiest through movement, halfway along the longest edge with two lanes or more that leads
    to it, on the lane furthest from the kerb, and begins a quarter into the measured time.

    Raises:
        UnknownName: there is no such signal.
        BadInput: no approach of it has a lane to spare.
    """
    network, span = scenario.network, scenario.period(period)
    if where != MIDDLE and where not in network.signals:
        raise UnknownName("signal for --incident", where, [MIDDLE, *network.signals])
    flows = [(flow.edges, flow.veh_h) for flow in scenario.demand(period).motor_flows]
    name = _middle(scenario, period) if where == MIDDLE else where
    edges = _approach(network, network.signals[name], flows)
    if not edges:
        raise BadInput(f"--incident {where}: no approach that leads straight on has two lanes or more")
    edge = max(edges, key=network.edge_time_s)
    lane = network.car_lanes(edge)[-1]
    return Incident(lane, round(network.lane_length_m(lane) / 2, 1), (span.begin_s + span.duration_s // 4) // 60 * 60)


def _middle(scenario: Scenario, period: str) -> str:
    """The signal halfway along the first mainline route, or the middle one of all where there is no mainline."""
    named = [route for routes in scenario.mainline.values() for route in routes]
    routes = [flow.edges for flow in scenario.demand(period).motor_flows if flow.id in named[:1]]
    signals = scenario.network.signals.values()
    stops = {(m.from_edge, m.to_edge): signal.id for signal in signals for m in signal.movements}
    passed = [stops[pair] for edges in routes[:1] for pair in pairwise(edges) if pair in stops]
    passed = passed or list(scenario.network.signals)
    return passed[len(passed) // 2]


def _approach(network: Network, signal: Signal, flows: list[tuple[tuple[str, ...], float]]) -> list[str]:
    """Edges with two lanes or more on which the busiest through movement comes to the signal."""
    found: dict[str, tuple[float, list[str]]] = {}
    for movement in signal.movements:
        pair = movement.from_edge, movement.to_edge
        for edges, veh_h in flows if movement.turn == "through" else ():
            if pair in pairwise(edges):
                ahead = edges[: edges.index(movement.from_edge) + 1]
                wide = [e for e in ahead if e in signal.approaches and len(network.car_lanes(e)) > 1]
                total, longest = found.get(movement.id, (0.0, []))
                found[movement.id] = total + veh_h, max(longest, wide, key=len)
    usable = [row for row in found.values() if row[1]]
    return max(usable, key=lambda row: row[0])[1] if usable else []
