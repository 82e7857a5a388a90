"""An incident to put controllers to the test: a vehicle breaks down and closes its lane for ten minutes.

It stands in the way as a real one does: others see it and change lanes, or queue behind it. No controller is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.demand import RouteFlow
from greenband.errors import BadInput, UnknownName
from greenband.network import Movement, Signal
from greenband.scenario import Scenario

__all__ = ["BREAKDOWN", "MIDDLE", "Incident", "find_incident"]

BREAKDOWN = "breakdown"  # id of the vehicle and of its type
MIDDLE = "middle"  # in place of a signal: the one halfway along the main road
DURATION_S = 600


@dataclass(frozen=True)
class Incident:
    """A lane is closed at ``at_m`` from its start, from ``begin_s`` (s after midnight) on for ``duration_s``.

    Where a queue stands there it begins later, when there is first room for the vehicle, and lasts as long; if no room
    comes before the run ends, it never does. The metric ``incident_late_s`` says how late.
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

    It is on the busiest approach with two lanes or more straight on, in the middle of the last edge before the stop
    line, on the through lane furthest from the kerb, and begins a quarter into the measured time.

    Raises:
        UnknownName: there is no such signal.
        BadInput: no approach of it has a lane to spare.
    """
    network, span = scenario.network, scenario.period(period)
    if where != MIDDLE and where not in network.signals:
        raise UnknownName("signal for --incident", where, [MIDDLE, *network.signals])
    flows = scenario.demand(period).motor_flows
    name = _middle(scenario, period) if where == MIDDLE else where
    movement = _busiest(network.signals[name], flows)
    if movement is None:
        raise BadInput(f"--incident {where}: no traffic goes straight on there on two lanes or more")
    lane = movement.from_lanes[-1]
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


def _busiest(signal: Signal, flows: Sequence[RouteFlow]) -> Movement | None:
    """The through movement with most traffic, of those with two lanes or more."""
    volumes = {
        m.id: sum(flow.veh_h for flow in flows if (m.from_edge, m.to_edge) in pairwise(flow.edges))
        for m in signal.movements
    }
    wide = [m for m in signal.movements if m.turn == "through" and len(m.from_lanes) > 1 and volumes[m.id]]
    return max(wide, key=lambda m: volumes[m.id], default=None)
