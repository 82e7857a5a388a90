"""Nodes and links of a UTDF file: where junctions lie, and which of their approaches and exits lead to one another.

An exit edge of one junction leads to another where an approach of that has the same id, or the same id but for a last
part after a dot (``J08_J09`` and ``J08_J09.bay``), as SUMO names the pieces of a divided edge. All others lead to
external nodes, 200 m away: in the direction from which the approach comes, or in which a turn would leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from greenband.errors import BadInput
from greenband.formats.approaches import approach_of, directions, exit_of, lane_groups, nearest_direction
from greenband.plan.junction import Junction, SignalGroup

__all__ = ["EXTERNAL_M", "Layout", "Link", "Node", "laid_out"]

EXTERNAL_M = 200.0
SAME_ROAD_DEG = 45


@dataclass(frozen=True)
class Node:
    """A junction with a signal, or the outer end of a road."""

    number: int
    signal: str | None
    x_m: float
    y_m: float
    text: str = ""


@dataclass(frozen=True)
class Link:
    """A road that arrives at ``node`` in a direction such as ``NB``."""

    node: int
    direction: str
    up_node: int
    lanes: int
    length_m: float
    speed_ms: float


@dataclass
class Layout:
    """All nodes and links; lane groups by signal and code; and the node that an approach or exit leads to, by edge."""

    nodes: dict[int, Node] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    up: dict[tuple[str, str], int] = field(default_factory=dict)
    down: dict[tuple[str, str], int] = field(default_factory=dict)
    lane_groups: dict[str, dict[str, tuple[SignalGroup, ...]]] = field(default_factory=dict)


def laid_out(junctions: Sequence[Junction]) -> Layout:
    """Nodes, numbered as the junctions are and then from the next thousand on, and links.

    Raises:
        BadInput: two junctions have the same number, or one has more approaches or movements than there are names.
    """
    layout = Layout()
    for junction in junctions:
        if junction.number in layout.nodes:
            other = layout.nodes[junction.number].signal
            raise BadInput(f"junctions {other} and {junction.signal} have the same number, {junction.number}")
        text = f"{junction.signal} {junction.name_en}".strip()
        layout.nodes[junction.number] = Node(junction.number, junction.signal, junction.x_m, junction.y_m, text)
    builder = _Builder(layout, junctions)
    for junction in junctions:
        builder.add(junction)
        layout.lane_groups[junction.signal] = lane_groups(junction)
    return layout


class _Builder:
    """Adds one junction after another to a layout."""

    def __init__(self, layout: Layout, junctions: Sequence[Junction]) -> None:
        self._layout = layout
        self._next = 1000 * (max(junction.number for junction in junctions) // 1000 + 1)
        ways = [(junction.number, group) for junction in junctions for group in _vehicles(junction)]
        self._leaving = {exit_of(group): number for number, group in ways}
        pieces = {approach_of(group).rpartition(".")[0]: number for number, group in ways}
        self._arriving = pieces | {approach_of(group): number for number, group in ways}

    def add(self, junction: Junction) -> None:
        """Links of a junction's approaches, and of its exits to external nodes."""
        layout, named = self._layout, directions(junction)
        outer: dict[int, float] = {}  # external node -> bearing outwards
        for edge, direction in named.items():
            groups = [group for group in _vehicles(junction) if approach_of(group) == edge]
            up = self._leaving.get(edge) or self._leaving.get(edge.rpartition(".")[0])
            if up is None or up == junction.number:
                bearing = float((groups[0].bearing + 180) % 360)
                up = self._external(junction, bearing)
                outer[up] = bearing
            layout.up[junction.signal, edge] = up
            layout.links.append(self._link(junction.number, direction, up, sum(g.lanes for g in groups), groups))
        exits = dict.fromkeys(exit_of(group) for group in _vehicles(junction))
        for edge in exits:
            groups = [group for group in _vehicles(junction) if exit_of(group) == edge]
            down = self._arriving.get(edge)
            if down is None or down == junction.number:
                bearing = _leaves(groups, junction.left_hand)
                down = self._nearest(outer, bearing) or self._external(junction, bearing)
                outer.pop(down, None)
                lanes = max(group.lanes for group in groups)
                layout.links.append(self._link(down, nearest_direction(bearing), junction.number, lanes, groups))
            layout.down[junction.signal, edge] = down

    def _external(self, junction: Junction, bearing: float) -> int:
        self._next += 1
        angle = math.radians(bearing)
        x, y = junction.x_m + EXTERNAL_M * math.sin(angle), junction.y_m + EXTERNAL_M * math.cos(angle)
        self._layout.nodes[self._next] = Node(self._next, None, x, y)
        return self._next

    @staticmethod
    def _nearest(outer: dict[int, float], bearing: float) -> int | None:
        near = {node: _apart(bearing, other) for node, other in outer.items()}
        best = min(near, key=lambda node: near[node], default=None)
        return best if best is not None and near[best] <= SAME_ROAD_DEG else None

    def _link(self, node: int, direction: str, up: int, lanes: int, groups: Iterable[SignalGroup]) -> Link:
        one, other = self._layout.nodes[node], self._layout.nodes[up]
        length = math.dist((one.x_m, one.y_m), (other.x_m, other.y_m))
        return Link(node, direction, up, lanes, length, max(group.speed_ms for group in groups))


def _vehicles(junction: Junction) -> list[SignalGroup]:
    return [group for group in junction.groups if group.kind == "vehicle"]


def _leaves(groups: Sequence[SignalGroup], left_hand: bool) -> float:
    """The bearing of an exit, by the straightest of the movements into it."""
    to_near = -90 if left_hand else 90
    turns = {"through": 0, "near": to_near, "far": -to_near, "back": 180}
    straightest = min(groups, key=lambda group: abs(turns[group.turn]))
    return (straightest.bearing + turns[straightest.turn]) % 360


def _apart(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)
