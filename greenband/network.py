"""What the control loop knows of a road network: signals with their links, movements, conflicts and stages.

Everything is derived from a SUMO ``.net.xml`` file; nothing is typed in per network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

from greenband import signals
from greenband.errors import BadInput
from greenband.signals import GREEN, Limits, SignalTiming, Stage

__all__ = ["CAR", "Crossing", "Lane", "Link", "Movement", "Network", "Point", "Signal", "Turn", "derive_stages"]

CAR = "passenger"  # SUMO's vehicle class
Point = tuple[float, float]
Turn = Literal["through", "near", "far", "back"]  # near side: right in right-hand traffic, left in left-hand traffic


@dataclass(frozen=True)
class Link:
    """One lane-to-lane connection over a junction; ``index`` is its place in the lamp string.

    ``via_lane`` is its lane inside the junction, the first of them where a turn waits there; empty in networks without.
    """

    index: int
    from_lane: str
    to_lane: str
    direction: str  # SUMO: s straight, l left, r right, L/R partially, t turnaround
    length_m: float
    speed_ms: float
    motor: bool = True  # False where only bicycles may go
    via_lane: str = ""

    @property
    def from_edge(self) -> str:
        """Id of the approach edge."""
        return self.from_lane.rpartition("_")[0]

    @property
    def to_edge(self) -> str:
        """Id of the exit edge."""
        return self.to_lane.rpartition("_")[0]


@dataclass(frozen=True)
class Lane:
    """A lane as it lies on the ground: centre line in m, width in m, and who may use it."""

    id: str
    shape: tuple[Point, ...]
    width_m: float
    users: Literal["cars", "bicycles", "people"]


@dataclass(frozen=True)
class Crossing:
    """A signalled crossing on foot; ``index`` is its place in the lamp string, ``edges`` are those it leads over."""

    id: str
    index: int
    edges: tuple[str, ...]
    length_m: float


@dataclass(frozen=True)
class Movement:
    """From one approach edge to one exit edge 流向; ``links`` are the lamp-string indices that serve it.

    Lanes for bicycles alone are left out of ``from_lanes`` and ``to_lanes``, unless the movement has no others.
    """

    from_edge: str
    to_edge: str
    direction: str
    turn: Turn
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
    crossings: tuple[Crossing, ...] = ()

    def limits(self, timing: SignalTiming) -> Limits:
        """Limits under an agency's timing practice; yellow and all-red from the geometry where it names none."""
        speed = max(link.speed_ms for link in self.links)
        crossing = max(link.length_m for link in self.links)
        yellow = signals.yellow_s(speed) if timing.yellow_s is None else timing.yellow_s
        all_red = signals.all_red_s(crossing, speed) if timing.all_red_s is None else timing.all_red_s
        walks, minima = [], []
        for stage in self.stages:
            through = self.serves_through(stage)
            green, row = self._walks(stage, timing, yellow + all_red)
            minima.append(max(green, timing.min_green_through_s if through else timing.min_green_turn_s))
            walks.append(tuple((index, minima[-1] - after) for index, after in row))
        one_round = sum(g + yellow + all_red for g in minima) - min(minima)
        return Limits(
            yellow,
            all_red,
            tuple(minima),
            max(timing.max_green_s, *minima),
            max(timing.max_red_s, one_round),
            timing.green_flash_s,
            tuple(walks) if self.crossings else (),
        )

    def _walks(self, stage: Stage, timing: SignalTiming, intergreen_s: int) -> tuple[int, list[tuple[int, int]]]:
        """Green that walk and clearance need, and per crossing how much of the green comes after its walk, in s."""
        rows = [
            (crossing.index, max(1, signals.clearance_s(crossing.length_m, timing.walking_speed_ms) - intergreen_s))
            for crossing in self.crossings
            if crossing.index in stage.greens
        ]
        return max((timing.walk_s + after for _, after in rows), default=0), rows

    def serves_through(self, stage: Stage) -> bool:
        """Whether a straight movement is green in this stage and not in every stage."""
        always = frozenset.intersection(*(s.greens for s in self.stages)) if len(self.stages) > 1 else frozenset[int]()
        return any(link.direction == "s" and link.index in stage.greens - always for link in self.links)

    def walk_steps(self, stage: int, limits: Limits) -> list[tuple[int, str]]:
        """What a stage shows while green: (seconds from its start, lamps)."""
        return list(signals.green_lamps(self.stages[stage].state, limits.walks[stage] if limits.walks else ()))

    def always_green(self) -> frozenset[int]:
        """Movements that are green in every stage, such as free right turns."""
        return frozenset.intersection(*(frozenset(stage.movements) for stage in self.stages))


class Network:
    """A SUMO network as greenband sees it.

    Args:
        path: a ``.net.xml`` file with at least one traffic light.
        signal_ids: the traffic lights to control, all of them by default; the rest keep their programs.
        made_from: the file to name in messages where ``path`` was made from another.

    Raises:
        BadInput: the file is missing or no SUMO network, holds no traffic light, or lacks one of ``signal_ids``.
    """

    def __init__(self, path: Path, signal_ids: Sequence[str] | None = None, made_from: Path | None = None) -> None:
        self.path = made_from or path
        self._net = _read(path)
        self.left_hand = _left_hand(path)
        lights = {str(light.getID()): light for light in self._net.getTrafficLights()}
        chosen = sorted(lights) if signal_ids is None else list(signal_ids)
        if missing := [name for name in chosen if name not in lights]:
            raise BadInput(
                f"{self.path}: no traffic light {missing[0]!r}; it has {', '.join(sorted(lights)) or 'none'}"
            )
        if not chosen:
            raise BadInput(f"{self.path}: no traffic light to control")
        self.signals: dict[str, Signal] = {name: self._signal(name, lights[name]) for name in chosen}

    def lane_length_m(self, lane: str) -> float:
        """Length of a lane in metres."""
        return float(self._net.getLane(lane).getLength())

    def edge_length_m(self, edge: str) -> float:
        """Length of an edge."""
        return float(self._net.getEdge(edge).getLength())

    def edge_speed_ms(self, edge: str) -> float:
        """Speed limit of an edge in m/s."""
        return float(self._net.getEdge(edge).getSpeed())

    @cached_property
    def drives(self) -> dict[str, tuple[str, ...]]:
        """Per edge that a car may use, the edges onto which it may drive from there."""
        cars = [edge for edge in self._net.getEdges(withInternal=False) if edge.allows(CAR)]
        return {
            str(edge.getID()): tuple(sorted(str(onto.getID()) for onto in edge.getAllowedOutgoing(CAR)))
            for edge in cars
        }

    def rim(self) -> tuple[list[str], list[str]]:
        """Edges on which cars enter the network, and edges on which they leave it."""
        edges = [self._net.getEdge(name) for name in self.drives]
        entries = [str(edge.getID()) for edge in edges if edge.is_fringe(edge.getIncoming())]
        exits = [str(edge.getID()) for edge in edges if edge.is_fringe(edge.getOutgoing())]
        return entries, exits

    def edge_ends(self, edge: str) -> tuple[str, str]:
        """Nodes at which an edge begins and ends."""
        found = self._net.getEdge(edge)
        return str(found.getFromNode().getID()), str(found.getToNode().getID())

    def edge_time_s(self, edge: str) -> float:
        """Time to drive an edge at its speed limit, in s."""
        found = self._net.getEdge(edge)
        return float(found.getLength()) / float(found.getSpeed())

    def crossing_time_s(self, from_edge: str, to_edge: str) -> float:
        """Time to drive over the junction from one edge to the next at the limits there, in s, on the fastest lane."""
        ways = self._net.getEdge(from_edge).getConnections(self._net.getEdge(to_edge))
        return min((sum(p.getLength() / p.getSpeed() for p in self._inside(way)) for way in ways), default=0.0)

    def lanes(self) -> Iterator[Lane]:
        """All lanes outside junctions."""
        for edge in self._net.getEdges(withInternal=False):
            yield from (_lane(lane) for lane in edge.getLanes())

    def crossing_line(self, crossing: Crossing) -> tuple[Point, ...]:
        """Where a crossing lies on the ground."""
        return _lane(self._net.getLane(f"{crossing.id}_0")).shape

    def areas(self) -> dict[str, tuple[Point, ...]]:
        """Outline of each junction by its id, in m; none for those that have no extent."""
        outlines = {str(node.getID()): tuple((x, y) for x, y, *_ in node.getShape()) for node in self._net.getNodes()}
        return {name: outline for name, outline in outlines.items() if len(outline) > 2}

    def upstream_lanes(self, lane: str) -> list[str]:
        """Lanes that lead into ``lane`` without a traffic light between."""
        incoming = self._net.getLane(lane).getIncomingConnections()
        roads = [c for c in incoming if c.getFrom().getFunction() != "internal" and not c.getTLSID()]
        return [str(c.getFromLane().getID()) for c in roads]

    def _crossing_length_m(self, connection: Any) -> float:
        """Length of the path over the junction."""
        return float(sum(lane.getLength() for lane in self._inside(connection)))

    def _inside(self, connection: Any) -> Iterator[Any]:
        """Lanes inside the junction along a connection: SUMO splits the path where a turn waits."""
        via = connection.getViaLaneID()
        while via:
            lane = self._net.getLane(via)
            yield lane
            via = next((c.getViaLaneID() for c in lane.getOutgoing()), "")

    def _signal(self, name: str, light: Any) -> Signal:
        roads = [row for row in light.getConnections() if _is_road(row[0]) and _is_road(row[1])]
        links = tuple(sorted(self._links(roads), key=lambda link: (link.index, link.from_lane, link.to_lane)))
        if not links:
            raise BadInput(f"{self.path}: traffic light {name!r} controls no connection")
        crossings = tuple(_crossings(light))
        movements = tuple(_movements(self._net, links, self.left_hand))
        conflicts, yields = self._right_of_way(light)
        lamps = 1 + max(int(index) for _, _, index in light.getConnections())
        stages = tuple(_program_stages(light, movements, lamps, {crossing.index for crossing in crossings}))
        if not stages:
            raise BadInput(f"{self.path}: traffic light {name!r} has no program with a green stage")
        nodes = {row[0].getEdge().getToNode().getID(): row[0].getEdge().getToNode() for row in roads}
        xy = [node.getCoord() for node in nodes.values()]
        position = sum(p[0] for p in xy) / len(xy), sum(p[1] for p in xy) / len(xy)
        approaches = tuple(self._approaches(links))
        return Signal(name, lamps, links, movements, conflicts, yields, stages, approaches, position, crossings)

    def _links(self, roads: Sequence[Any]) -> Iterator[Link]:
        for from_lane, to_lane, index in roads:
            connection = next(c for c in from_lane.getOutgoing() if c.getToLane() is to_lane)
            length, speed = self._crossing_length_m(connection), float(from_lane.getSpeed())
            motor = not set(from_lane.getPermissions()) <= {"bicycle", "pedestrian"}
            way, via = connection.getDirection(), str(connection.getViaLaneID() or "")
            yield Link(int(index), from_lane.getID(), to_lane.getID(), way, length, speed, motor, via)

    def _right_of_way(self, light: Any) -> tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]]]:
        """Conflicting link pairs and who yields, from the junctions' request matrices."""
        at_node: dict[Any, list[tuple[int, Any]]] = {}
        for from_lane, to_lane, index in light.getConnections():
            connection = next(c for c in from_lane.getOutgoing() if c.getToLane() is to_lane)
            at_node.setdefault(_node(from_lane), []).append((int(index), connection))
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


def derive_stages(
    movements: Sequence[Movement],
    conflicts: frozenset[tuple[int, int]],
    yields: frozenset[tuple[int, int]],
    crossings: Sequence[Crossing],
    lamps: int,
) -> list[Stage]:
    """Stages from geometry: per road a through stage and, where far-side turns have a lane of their own, one for them.

    Opposite approaches (within 45 degrees) form a road; roads come in the order of their bearing from north. Turns
    to the near side are green with their road's through stage and may go on red after a stop (``s``) in the others. A
    crossing is green where nothing that is green leads over it but turns, which then yield to those who walk.
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
    shape = _Shape(movements, conflicts, yields, crossings, lamps)
    stages = []
    for number, road in enumerate(roads, 1):
        own_lane = all(
            set(far.from_lanes).isdisjoint(other.from_lanes)
            for far in road
            if far.turn == "far"
            for other in road
            if other is not far and other.from_edge == far.from_edge
        )
        through = [m for m in road if m.turn in ("through", "near")]
        far = [m for m in road if m.turn in ("far", "back")]
        groups = [("through", through), (_far_name(far), far)] if own_lane else [("all", through + far)]
        for label, group in groups:
            if group:
                stages.append(shape.stage(f"road {number} {label}", group))
    return stages


def _far_name(far: Sequence[Movement]) -> str:
    return "right" if any(m.direction in "rR" for m in far) else "left"


@dataclass(frozen=True)
class _Shape:
    """What the state of a stage follows from."""

    movements: Sequence[Movement]
    conflicts: frozenset[tuple[int, int]]
    yields: frozenset[tuple[int, int]]
    crossings: Sequence[Crossing]
    lamps: int

    def stage(self, name: str, group: Sequence[Movement]) -> Stage:
        """The stage in which these movements are green."""
        green = [k for k, m in enumerate(self.movements) if m in group]
        links = {index for k in green for index in self.movements[k].links}
        turning = {index for m in group if m.turn != "through" for index in m.links}
        protected = {index for m in group if all(o.turn in ("far", "back") for o in group) for index in m.links}
        walks = {c.index for c in self.crossings if self._foes(c.index) & links <= turning - protected}
        waits = {a for a, b in self.yields if a in links and b in links}
        waits |= {index for walk in walks for index in self._foes(walk) & links}
        near_side = {index for m in self.movements if m.turn == "near" for index in m.links}
        red = ["s" if i in near_side else "r" for i in range(self.lamps)]
        state = (
            "G" if i in walks else ("g" if i in waits else "G") if i in links else red[i] for i in range(self.lamps)
        )
        return Stage(name, "".join(state), tuple(green))

    def _foes(self, link: int) -> set[int]:
        return {a if b == link else b for a, b in self.conflicts if link in (a, b)}


def _program_stages(light: Any, movements: Sequence[Movement], lamps: int, crossings: set[int]) -> Iterator[Stage]:
    """The green phases of all programs of a light, each state once; phases that show yellow are transitions.

    Phases that differ only in who may walk are one stage: the one in which most may.
    """
    found: dict[str, Stage] = {}
    for program in light.getPrograms().values():
        for number, phase in enumerate(program.getPhases()):
            state = phase.state[:lamps]
            if not GREEN & set(state) or set("yYu") & set(state):
                continue
            served = tuple(
                k for k, m in enumerate(movements) if any(state[i] in GREEN for i in m.links if i < len(state))
            )
            wheels = "".join("r" if i in crossings else lamp for i, lamp in enumerate(state))
            stage = Stage(phase.name or f"stage {number + 1}", state, served)
            if wheels not in found or len(stage.greens) > len(found[wheels].greens):
                found[wheels] = stage
    yield from found.values()


def _movements(net: Any, links: Sequence[Link], left_hand: bool) -> Iterator[Movement]:
    groups: dict[tuple[str, str], list[Link]] = {}
    for link in links:
        groups.setdefault((link.from_edge, link.to_edge), []).append(link)
    for (from_edge, to_edge), group in groups.items():
        motor = [link for link in group if link.motor] or group
        yield Movement(
            from_edge,
            to_edge,
            motor[0].direction,
            _turn(motor[0].direction, left_hand),
            tuple(dict.fromkeys(link.index for link in group)),
            tuple(dict.fromkeys(link.from_lane for link in motor)),
            tuple(dict.fromkeys(link.to_lane for link in motor)),
            _bearing(net.getEdge(from_edge).getShape()),
        )


def _turn(direction: str, left_hand: bool) -> Turn:
    """SUMO's direction of a connection as seen from the kerb."""
    if direction in "tT":
        return "back"
    if direction in "lL":
        return "near" if left_hand else "far"
    if direction in "rR":
        return "far" if left_hand else "near"
    return "through"


def _lane(lane: Any) -> Lane:
    users: Literal["cars", "bicycles", "people"] = "cars"
    if set(lane.getPermissions()) <= {"bicycle", "pedestrian"}:
        users = "bicycles" if lane.allows("bicycle") else "people"
    shape = tuple((float(x), float(y)) for x, y, *_ in lane.getShape())
    return Lane(str(lane.getID()), shape, float(lane.getWidth()), users)


def _is_road(lane: Any) -> bool:
    return str(lane.getEdge().getFunction()) not in ("internal", "crossing", "walkingarea")


def _node(lane: Any) -> Any:
    """The junction that a controlled lane leads to; a pavement corner lies inside it."""
    edge = lane.getEdge()
    return edge.getToNode() if _is_road(lane) else edge.getFromNode() or edge.getToNode()


def _crossings(light: Any) -> Iterator[Crossing]:
    """Signalled crossings; one lamp may serve both ends of a crossing."""
    found = {}
    for _, lane, index in light.getConnections():
        edge = lane.getEdge()
        if edge.getFunction() == "crossing":
            over = tuple(str(crossed.getID()) for crossed in edge.getCrossingEdges())
            found[int(index)] = Crossing(str(edge.getID()), int(index), over, float(lane.getLength()))
    yield from found.values()


def _bearing(shape: Sequence[tuple[float, float]]) -> float:
    (x0, y0), (x1, y1) = shape[-2][:2], shape[-1][:2]
    return math.degrees(math.atan2(x1 - x0, y1 - y0)) % 360


def _read(path: Path) -> Any:
    import sumolib

    if not path.is_file():
        raise BadInput(f"{path}: no such network file")
    try:
        net = sumolib.net.readNet(
            str(path), withPrograms=True, withFoes=True, withInternal=True, withPedestrianConnections=True
        )
    except Exception as error:  # sumolib lets the XML parser's and its own errors of many types through
        raise BadInput(f"{path}: not a SUMO network: {error}") from error
    if not net.getEdges():
        raise BadInput(f"{path}: not a SUMO network: it has no edges")
    return net


def _left_hand(path: Path) -> bool:
    """Whether traffic keeps left; the mark stands at the root of the file."""
    with path.open("rb") as file:
        _, root = next(ET.iterparse(file, events=("start",)))
        return root.get("lefthand") in ("1", "true")
