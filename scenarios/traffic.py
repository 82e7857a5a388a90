"""Traffic on a corridor: vehicle types, and route flows that follow the turning flows of every junction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.demand import RouteFlow
from greenband.scenarios.network import TURN_TO, Leg, exit_edge, legs
from greenband.scenarios.spec import Flow, Section

__all__ = ["MIX", "mainline_routes", "movement_flows", "route_flows", "write_vehicle_types"]

MIX = "traffic"
LENGTHS = {"car": {}, "bus": {"length": "12.0", "vClass": "bus"}, "truck": {"length": "8.0", "vClass": "truck"}}


def write_vehicle_types(section: Section, path: Path) -> None:
    """Write the mix of vehicle types as a SUMO distribution named ``traffic``."""
    root = ET.Element("additional")
    mix = ET.SubElement(root, "vTypeDistribution", id=MIX)
    following = {key: str(value) for key, value in section.corridor.traffic.following.value.items()}
    for name, share in section.corridor.traffic.mix.items():
        shape = {"carFollowModel": "Krauss", **following, **LENGTHS[name]}
        ET.SubElement(mix, "vType", {"id": name, "probability": str(share.value), **shape})
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def route_flows(section: Section, period: str) -> list[RouteFlow]:
    """All routes through the section with their veh/h.

    Each entry's flow is followed downstream; at every junction it splits by that approach's turning shares, as in a
    Markov chain, so that the link flows of the table come out in expectation.
    """
    by_edge = {leg.id: leg for leg in legs(section)}
    inner = {
        exit_edge(section, leg.junction, TURN_TO[leg.heading][turn])
        for leg in by_edge.values()
        for turn in ("left", "through", "right")
    }
    found: list[RouteFlow] = []
    for leg in by_edge.values():
        if leg.id not in inner:
            flow = section.flow(leg.junction.n, period, leg.heading)
            found.extend(_follow(section, period, by_edge, leg, (), _total(flow)))
    return found


def _follow(
    section: Section, period: str, by_edge: dict[str, Leg], leg: Leg, before: tuple[str, ...], veh_h: float
) -> Iterator[RouteFlow]:
    flow = section.flow(leg.junction.n, period, leg.heading)
    edges = (*before, leg.id, leg.bay)
    for turn, count in (("left", flow.left), ("through", flow.through), ("right", flow.right)):
        onto = exit_edge(section, leg.junction, TURN_TO[leg.heading][turn])
        share = veh_h * count / _total(flow)
        if share <= 0:
            continue
        if onto in by_edge:
            yield from _follow(section, period, by_edge, by_edge[onto], edges, share)
        else:
            route = (*edges, onto)
            yield RouteFlow(f"{route[0].split('_')[0]}-{onto.split('_')[1]}", route, share)


def _total(flow: Flow) -> float:
    """The turning flows rule; the printed approach total may differ from their sum by rounding."""
    return flow.left + flow.through + flow.right


def mainline_routes(section: Section) -> dict[str, tuple[str, ...]]:
    """Per direction, the route that runs the main road from end to end."""
    return {"northbound": ("S-N",), "southbound": ("N-S",)}


def movement_flows(section: Section, period: str) -> dict[str, float]:
    """Table flows in veh/h by movement id (``from>to``)."""
    flows = {}
    for leg in legs(section):
        row = section.flow(leg.junction.n, period, leg.heading)
        for turn, veh_h in (("left", row.left), ("through", row.through), ("right", row.right)):
            flows[f"{leg.bay}>{exit_edge(section, leg.junction, TURN_TO[leg.heading][turn])}"] = veh_h
    return flows
