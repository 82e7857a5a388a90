"""What the control loop knows of a road network: signals with their links, movements, conflicts and stages.

Everything is derived from a SUMO ``.net.xml`` file; nothing is typed in per network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenband import signals
from greenband.errors import BadInput
from greenband.signals import GREEN, Limits, SignalTiming, Stage

__all__ = ["Link", "Movement", "Network", "Signal", "derive_stages"]


@dataclass(frozen=True)
class Link:
    """One lane-to-lane connection over a junction; ``index`` is its place in the lamp string."""

    index: int
    from_lane: str
    to_lane: str
    direction: str  # SUMO: s straight, l left, r right, L/R partially, t turnaround
    length_m: float
    speed_ms: float

    @property
    def from_edge(self) -> str:
        """Id of the approach edge."""
        return self.from_lane.rpartition("_")[0]

    @property
    def to_edge(self) -> str:
        """Id of the exit edge."""
        return self.to_lane.rpartition("_")[0]


@dataclass(frozen=True)
class Movement:
    """From one approach edge to one exit edge 流向; ``links`` are the lamp-string indices that serve it."""

    from_edge: str
    to_edge: str
    direction: str
    links: tuple[int, ...]
    from_lanes: tuple[str, ...]
    to_lanes: tuple[str, ...]
    bearing: float  # degrees clockwise from north in which the approach travels

    @property
    def id(self) -> str:
        """``from>to``."""
        return f"{self.from_edge}>{self.to_edge}"


@dataclass(frozen=True)
class Signal:
    """One traffic light: its links, movements, conflicts and stages.

    ``conflicts`` holds unordered pairs of link indices whose paths cross or merge; ``yields`` holds pairs (a, b) where
    the junction's right of way makes a wait for b. ``approaches`` names the edges whose traffic this signal holds
    back, up to the next signal upstream.
    """

    id: str
    lamps: int
    links: tuple[Link, ...]
    movements: tuple[Movement, ...]
    conflicts: frozenset[tuple[int, int]]
    yields: frozenset[tuple[int, int]]
    stages: tuple[Stage, ...]
    approaches: tuple[str, ...]
    position_m: tuple[float, float]

    def limits(self, timing: SignalTiming) -> Limits:
        """Limits under an agency's timing practice; yellow and all-red from the geometry where it names none."""
        speed = max(link.speed_ms for link in self.links)
        crossing = max(link.length_m for link in self.links)
        yellow = signals.yellow_s(speed) if timing.yellow_s is None else timing.yellow_s
        all_red = signals.all_red_s(crossing, speed) if timing.all_red_s is None else timing.all_red_s
        minima = tuple(
            timing.min_green_through_s if self.serves_through(stage) else timing.min_green_turn_s
            for stage in self.stages
        )
        one_round = sum(g + yellow + all_red for g in minima) - min(minima)
        return Limits(
            yellow, all_red, minima, timing.max_green_s, max(timing.max_red_s, one_round), timing.green_flash_s
        )

    def serves_through(self, stage: Stage) -> bool:
        """Whether a straight movement is green in this stage and not in every stage."""
        always = frozenset.intersection(*(s.greens for s in self.stages)) if len(self.stages) > 1 else frozenset[int]()
        return any(link.direction == "s" and link.index in stage.greens - always for link in self.links)

    def always_green(self) -> frozenset[int]:
        """Movements that are green in every stage, such as free right turns."""
        return frozenset.intersection(*(frozenset(stage.movements) for stage in self.stages))


class Network:
    """A SUMO network as greenband sees it.

    Args:
        path: a ``.net.xml`` file with at least one traffic light.
        signal_ids: the traffic lights to control, all of them by default; the rest keep their programs.

    Raises:
        BadInput: the file is missing or no SUMO network, holds no traffic light, or lacks one of ``signal_ids``.
    """

    def __init__(self, path: Path, signal_ids: Sequence[str] | None = None) -> None:
        self.path = path
        self._net = _read(path)
        lights = {str(light.getID()): light for light in self._net.getTrafficLights()}
        chosen = sorted(lights) if signal_ids is None else list(signal_ids)
        if missing := [name for name in chosen if name not in lights]:
            raise BadInput(f"{path}: no traffic light {missing[0]!r}; it has {', '.join(sorted(lights)) or 'none'}")
        if not chosen:
            raise BadInput(f"{path}: no traffic light to control")
        self.signals: dict[str, Signal] = {name: self._signal(name, lights[name]) for name in chosen}

    def lane_length_m(self, lane: str) -> float:
        """Length of a lane in metres."""
        return float(self._net.getLane(lane).getLength())

    def edge_speed_ms(self, edge: str) -> float:
        """Speed limit of an edge in m/s."""
        return float(self._net.getEdge(edge).getSpeed())

    def upstream_lanes(self, lane: str) -> list[str]:
        """Lanes that lead into ``lane`` without a traffic light between."""
        incoming = self._net.getLane(lane).getIncomingConnections()
        roads = [c for c in incoming if c.getFrom().getFunction() != "internal" and not c.getTLSID()]
        return [str(c.getFromLane().getID()) for c in roads]

    def _crossing_length_m(self, connection: Any) -> float:
        """Length of the path over the junction, which SUMO splits where a turn waits inside."""
        length, via = 0.0, connection.getViaLaneID()
        while via:
            lane = self._net.getLane(via)
            length += float(lane.getLength())
            via = next((c.getViaLaneID() for c in lane.getOutgoing()), "")
        return length

    def _signal(self, name: str, light: Any) -> Signal:
        links = tuple(sorted(self._links(light), key=lambda link: (link.index, link.from_lane, link.to_lane)))
        if not links:
            raise BadInput(f"{self.path}: traffic light {name!r} controls no connection")
        movements = tuple(_movements(self._net, links))
        conflicts, yields = self._right_of_way(light)
        lamps = 1 + max(link.index for link in links)
        stages = tuple(_program_stages(light, movements, lamps))
        if not stages:
            raise BadInput(f"{self.path}: traffic light {name!r} has no program with a green stage")
        nodes = {c[0].getEdge().getToNode().getID(): c[0].getEdge().getToNode() for c in light.getConnections()}
        xy = [node.getCoord() for node in nodes.values()]
        position = sum(p[0] for p in xy) / len(xy), sum(p[1] for p in xy) / len(xy)
        approaches = tuple(self._approaches(links))
        return Signal(name, lamps, links, movements, conflicts, yields, stages, approaches, position)

    def _links(self, light: Any) -> Iterator[Link]:
        for from_lane, to_lane, index in light.getConnections():
            connection = next(c for c in from_lane.getOutgoing() if c.getToLane() is to_lane)
            length, speed = self._crossing_length_m(connection), float(from_lane.getSpeed())
            yield Link(int(index), from_lane.getID(), to_lane.getID(), connection.getDirection(), length, speed)

    def _right_of_way(self, light: Any) -> tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]]]:
        """Conflicting link pairs and who yields, from the junctions' request matrices."""
        at_node: dict[Any, list[tuple[int, Any]]] = {}
        for from_lane, to_lane, index in light.getConnections():
            connection = next(c for c in from_lane.getOutgoing() if c.getToLane() is to_lane)
            at_node.setdefault(from_lane.getEdge().getToNode(), []).append((int(index), connection))
        conflicts, yields = set(), set()
        for node, links in at_node.items():
            requests = [(index, node.getLinkIndex(connection), connection) for index, connection in links]
            for index, request, connection in requests:
                for other, other_request, other_connection in requests:
                    if index == other or request < 0 or other_request < 0:
                        continue
                    if node.areFoes(request, other_request):
                        conflicts.add((min(index, other), max(index, other)))
                    if node.forbids(other_connection, connection):
                        yields.add((index, other))
        return frozenset(conflicts), frozenset(yields)

    def _approaches(self, links: Sequence[Link]) -> Iterator[str]:
        """Edges upstream of a signal, as far as the previous signal or the network's rim."""
        frontier = list(dict.fromkeys(link.from_edge for link in links))
        seen = set(frontier)
        while frontier:
            edge = frontier.pop(0)
            yield edge
            if self._net.getEdge(edge).getFromNode().getType() == "traffic_light":
                continue
            incoming = [str(e.getID()) for e in self._net.getEdge(edge).getIncoming() if e.getFunction() != "internal"]
            before = [e for e in incoming if e not in seen]
            if len(incoming) == 1:
                seen.update(before)
                frontier.extend(before)


def derive_stages(movements: Sequence[Movement], yields: frozenset[tuple[int, int]], lamps: int) -> list[Stage]:
    """Stages from geometry: per road a through stage and, where lefts have a lane of their own, a left stage.

    Opposite approaches (within 45 degrees) form a road; roads come in the order of their bearing from north. Turns
    to the near side are green with their road's through stage and may go on red after a stop (``s``) in the others.
    """
    roads: list[list[Movement]] = []
    for movement in sorted(movements, key=lambda m: round(m.bearing) % 180):
        axis = movement.bearing % 180
        for road in roads:
            apart = abs(road[0].bearing % 180 - axis)
            if min(apart, 180 - apart) <= 45:
                road.append(movement)
                break
        else:
            roads.append([movement])
    stages = []
    for number, road in enumerate(roads, 1):
        own_lane = all(
            set(left.from_lanes).isdisjoint(other.from_lanes)
            for left in road
            if left.direction in "lL"
            for other in road
            if other is not left and other.from_edge == left.from_edge
        )
        through = [m for m in road if m.direction not in "lLt"]
        lefts = [m for m in road if m.direction in "lLt"]
        groups = [("through", through), ("left", lefts)] if own_lane else [("all", through + lefts)]
        for label, group in groups:
            if group:
                stages.append(_stage(f"road {number} {label}", group, movements, yields, lamps))
    return stages


def _stage(
    name: str, group: Sequence[Movement], movements: Sequence[Movement], yields: frozenset[tuple[int, int]], lamps: int
) -> Stage:
    green = [k for k, m in enumerate(movements) if m in group]
    links = {index for k in green for index in movements[k].links}
    waits = {a for a, b in yields if a in links and b in links}
    near_side = {index for m in movements if m.direction in "rR" for index in m.links}
    red = ["s" if i in near_side else "r" for i in range(lamps)]
    state = "".join(("g" if i in waits else "G") if i in links else red[i] for i in range(lamps))
    return Stage(name, state, tuple(green))


def _program_stages(light: Any, movements: Sequence[Movement], lamps: int) -> Iterator[Stage]:
    """The green phases of all programs of a light, each state once; phases that show yellow are transitions."""
    seen = set()
    for program in light.getPrograms().values():
        for number, phase in enumerate(program.getPhases()):
            state = phase.state[:lamps]
            if state in seen or not GREEN & set(state) or set("yYu") & set(state):
                continue
            seen.add(state)
            served = tuple(
                k for k, m in enumerate(movements) if any(state[i] in GREEN for i in m.links if i < len(state))
            )
            yield Stage(phase.name or f"stage {number + 1}", state, served)


def _movements(net: Any, links: Sequence[Link]) -> Iterator[Movement]:
    groups: dict[tuple[str, str], list[Link]] = {}
    for link in links:
        groups.setdefault((link.from_edge, link.to_edge), []).append(link)
    for (from_edge, to_edge), group in groups.items():
        yield Movement(
            from_edge,
            to_edge,
            group[0].direction,
            tuple(dict.fromkeys(link.index for link in group)),
            tuple(dict.fromkeys(link.from_lane for link in group)),
            tuple(dict.fromkeys(link.to_lane for link in group)),
            _bearing(net.getEdge(from_edge).getShape()),
        )


def _bearing(shape: Sequence[tuple[float, float]]) -> float:
    (x0, y0), (x1, y1) = shape[-2][:2], shape[-1][:2]
    return math.degrees(math.atan2(x1 - x0, y1 - y0)) % 360


def _read(path: Path) -> Any:
    import sumolib

    if not path.is_file():
        raise BadInput(f"{path}: no such network file")
    try:
        net = sumolib.net.readNet(str(path), withPrograms=True, withFoes=True, withInternal=True)
    except Exception as error:  # sumolib lets the XML parser's and its own errors of many types through
        raise BadInput(f"{path}: not a SUMO network: {error}") from error
    if not net.getEdges():
        raise BadInput(f"{path}: not a SUMO network: it has no edges")
    return net
