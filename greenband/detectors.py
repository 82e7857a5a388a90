"""The detectors of one signal: cameras, or loops at the stop line; where there are no lanes, cameras of whole roads.

A detector makes raw readings of whole vehicles, which ``faults`` may spoil, and then reports them by movement. SUMO
itself counts what crosses the stop line, with induction loops (its E1 detectors) that are put into a run only where
somebody asks for the counts; all else is asked of the lanes at the moment of measuring.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from greenband.errors import BadInput
from greenband.fidelity import Fidelity
from greenband.network import Link, Network, Signal
from greenband.sensing import SensingConfig
from greenband.simulation import InductionLoop

__all__ = ["Camera", "Detectors", "Layout", "Report", "RoadCamera", "StopLineLoops", "detectors"]

Floats = npt.NDArray[np.float64]
SPACE_M = 7.0  # that a vehicle takes in a queue
SET_OFF = 1 / 1.2 - 1 / 2.25  # vehicles/s of a lane: each sets off about 1.2 s after the one ahead, leaves 2.25 s after
STANDING_MS = 0.1  # below this a vehicle stands: SUMO's halting speed
BEHIND_LINE_M = 0.1  # SUMO's loops miss vehicles at 0


@dataclass(frozen=True)
class Layout:
    """What the raw readings are.

    Per reading, shape ``[readings]``: ``owner`` is the number of the detector that makes it; ``count`` whether it is a
    number of vehicles, not the presence of one; ``momentary`` whether it holds at the moment, not since the last
    reading. ``serves``, shape ``[movements, detectors]``: the detectors before a movement's stop lines.
    """

    owner: npt.NDArray[np.int64]
    count: npt.NDArray[np.bool_]
    momentary: npt.NDArray[np.bool_]
    serves: npt.NDArray[np.bool_]


class Report(NamedTuple):
    """Vehicles per movement, each of shape ``[movements]``; see ``SignalView``."""

    approaching: Floats
    standing: Floats
    leaving: Floats
    passed: Floats | None


class Detectors(Protocol):
    """All detectors of a signal."""

    layout: Layout
    loops: tuple[InductionLoop, ...]  # that SUMO needs to have

    def reset(self) -> None:
        """Start a new run."""

    def read(self, api: Any) -> Floats:
        """Raw readings of a running SUMO, whole numbers of shape ``[readings]``, good until the next call."""

    def report(self, readings: Floats) -> Report:
        """Readings by movement."""


def detectors(network: Network, signal: Signal, config: SensingConfig, fidelity: Fidelity = "micro") -> Detectors:
    """The detectors of a signal as configured.

    Raises:
        BadInput: passing vehicles shall be counted, but the network has no lanes inside the junction; or the fidelity
            has no lanes at all, and it is about more than cameras that see vehicles.
    """
    if fidelity == "meso":
        if config.kind != "camera" or config.count_passed:
            what = "sensing count_passed" if config.count_passed else f"sensing by {config.kind}"
            raise BadInput(f"{what} needs lanes, which fidelity meso does not have")
        return RoadCamera(network, signal, config)
    return Camera(network, signal, config) if config.kind == "camera" else StopLineLoops(network, signal, config)


class Camera:
    """A camera at every approach and exit.

    It counts vehicles per lane within its range of the stop line, and standing ones among them. Where a lane serves
    several movements, before or at the stop line, it cannot tell them apart and each gets an equal share. It sees which
    way vehicles go as they cross the stop line, so ``passed`` is exact by movement also there.
    """

    def __init__(self, network: Network, signal: Signal, config: SensingConfig) -> None:
        lanes, numbered = _movements_of(signal), list(enumerate(signal.movements))
        cameras: dict[_Patch, str] = {}  # by what they see
        shares: list[tuple[int, _Patch, float]] = []
        exits: list[tuple[int, _Patch]] = []
        for k, movement in numbered:
            for lane in movement.from_lanes:
                for patch, share in _upstream(network, lane, config.range_m, 1 / len(lanes[lane])):
                    cameras.setdefault(patch, f"approach {movement.from_edge}")
                    shares.append((k, patch, share))
            for lane in dict.fromkeys(link.to_lane for link in signal.links if link.index in movement.links):
                patch = _patch(network, lane, config.range_m, at_end=False)
                cameras.setdefault(patch, f"exit {movement.to_edge}")
                exits.append((k, patch))
        self._patches = tuple(cameras)
        self._in, self._out = np.zeros((2, len(signal.movements), len(cameras)))
        for k, patch, share in shares:
            self._in[k, self._patches.index(patch)] += share
        _share_patches(self._in)
        for k, patch in exits:
            self._out[k, self._patches.index(patch)] = 1.0
        self._line = _StopLine(network, signal, config.count_passed)
        self._passed = self._line.by_movement(signal)
        self.loops = self._line.loops
        seen_by = [*cameras.values(), *cameras.values(), *(f"approach {link.from_edge}" for link in self._line.links)]
        names = list(dict.fromkeys(seen_by))
        self.layout = Layout(
            owner=_numbers(seen_by, names),
            count=np.ones(len(seen_by), dtype=np.bool_),
            momentary=np.arange(len(seen_by)) < 2 * len(cameras),
            serves=_equal([f"approach {movement.from_edge}" for _, movement in numbered], names) > 0,
        )
        self._readings = np.zeros(len(seen_by))

    def reset(self) -> None:
        """Start a new run."""
        self._line.reset()

    def read(self, api: Any) -> Floats:
        """Moving vehicles on each piece of lane, standing ones (0 on exits, where nobody asks), then passed ones."""
        lane, vehicle, n = api.lane, api.vehicle, len(self._patches)
        moving, still = [], []
        for patch in self._patches:
            count, standing = _count(lane, vehicle, patch)
            moving.append(count - standing)
            still.append(standing)
        self._readings[:n], self._readings[n : 2 * n] = moving, still
        if self._line.links:
            self._readings[2 * n :] = self._line.read(api)
        return self._readings

    def report(self, readings: Floats) -> Report:
        """Vehicles per movement."""
        n = len(self._patches)
        moving, still = readings[:n], readings[n : 2 * n]
        standing = self._in.dot(still)  # of so little, dot takes half of the time of @
        return Report(
            approaching=self._in.dot(moving + still) - standing,
            standing=standing,
            leaving=self._out.dot(moving),
            passed=self._passed.dot(readings[2 * n :]) if self._line.links else None,
        )


class _Sight(NamedTuple):
    """The signal's movement that a vehicle will make first, None if its way ends or leads elsewhere; and when it will
    be within range and at the end of its edge if it drives on, s.
    """

    movement: int | None
    within_s: float
    end_s: float


class RoadCamera:
    """A camera at every approach and exit where SUMO knows on which road a vehicle is, but not on which lane.

    It counts vehicles within its range of the stop line by the way that they are about to go. SUMO does not know there
    where they are and which ones stand: it lets a vehicle that will have to wait creep along the whole edge. So a
    vehicle is taken to drive on from where it was first seen on the edge, and to stand from when it would have reached
    the end, until the queue moves: from the first that leaves, ``SET_OFF`` more vehicles a second than leave. No more
    stand than have room within the range. Of an exit each movement has the share of its lanes.
    """

    def __init__(self, network: Network, signal: Signal, config: SensingConfig) -> None:
        movements = signal.movements
        self._turns = {(movement.from_edge, movement.to_edge): k for k, movement in enumerate(movements)}
        self._approaches: dict[str, tuple[float, float]] = {}  # where on an edge the range begins and ends, m
        for movement in movements:
            for lane in movement.from_lanes:
                for patch, _ in _upstream(network, lane, config.range_m, 1.0):
                    begin = 0.0 if patch.reach_m is None else patch.length_m - patch.reach_m
                    self._approaches[_edge(patch.lane)] = begin, patch.length_m
        self._exits = list(dict.fromkeys(movement.to_edge for movement in movements))
        self._behind = [list(_downstream(network, edge, config.range_m)) for edge in self._exits]
        self._lanes = np.array([float(len(movement.from_lanes)) for movement in movements])
        self._room = self._lanes * np.ceil(config.range_m / SPACE_M)
        seen_by = [f"approach {movement.from_edge}" for movement in movements] * 2
        seen_by += [f"exit {edge}" for edge in self._exits]
        names = list(dict.fromkeys(seen_by))
        self._onto = np.zeros((len(movements), len(self._exits)))
        for k, movement in enumerate(movements):
            onto, all_ = _lanes_onto(signal, movement.links), _lanes_onto(signal, _links_onto(signal, movement.to_edge))
            self._onto[k, self._exits.index(movement.to_edge)] = len(onto) / len(all_)
        self.layout = Layout(
            owner=_numbers(seen_by, names),
            count=np.ones(len(seen_by), dtype=np.bool_),
            momentary=np.ones(len(seen_by), dtype=np.bool_),
            serves=_equal(seen_by[: len(movements)], names) > 0,
        )
        self.loops: tuple[InductionLoop, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Start a new run."""
        self._seen: dict[tuple[str, str], _Sight] = {}  # by vehicle and edge
        self._queues: list[set[str]] = [set() for _ in self._turns]
        self._since = np.full(len(self._turns), math.inf)  # when the queue set off, s
        self._read_s = math.inf

    def read(self, api: Any) -> Floats:
        """Moving vehicles by movement, standing ones, then those on each exit."""
        vehicle, vehicles_on, now_s = api.vehicle, api.edge.getLastStepVehicleIDs, api.simulation.getTime()
        n = len(self._turns)
        readings = np.zeros(2 * n + len(self._exits))
        queues: list[set[str]] = [set() for _ in self._turns]
        here = set[str]()
        for edge, (begin, length) in self._approaches.items():
            for name in vehicles_on(edge):
                here.add(name)
                if (name, edge) not in self._seen:
                    self._seen[name, edge] = self._first_sight(vehicle, name, now_s, begin, length)
                sight = self._seen[name, edge]
                if sight.movement is None or now_s < sight.within_s:
                    continue
                if now_s > sight.end_s:
                    queues[sight.movement].add(name)
                else:
                    readings[sight.movement] += 1
        queued = np.minimum([len(queue) for queue in queues], self._room)
        moving = np.minimum(queued, self._set_off(queues, here, now_s))
        readings[:n] += moving
        readings[n : 2 * n] = queued - moving
        for k, behind in enumerate(self._behind):
            readings[2 * n + k] = sum(
                vehicle.getLanePosition(name) <= reach_m for edge, reach_m in behind for name in vehicles_on(edge)
            )
        return readings

    def report(self, readings: Floats) -> Report:
        """Vehicles per movement."""
        n = len(self._turns)
        return Report(readings[:n], readings[n : 2 * n], self._onto @ readings[2 * n :], None)

    def _set_off(self, queues: list[set[str]], here: set[str], now_s: float) -> Floats:
        """Vehicles of each movement that move in a queue from which some left since the last reading.

        ``here`` are all before the stop lines: one that drives on from a widening into its bay has not left.
        """
        if now_s > self._read_s:
            left = np.array([bool(queue - here) for queue in self._queues])
            self._since = np.where(left, np.minimum(self._since, self._read_s), math.inf)
        self._queues, self._read_s = queues, now_s
        return np.floor(self._lanes * SET_OFF * np.maximum(0.0, now_s - self._since))

    def _first_sight(self, vehicle: Any, name: str, now_s: float, begin_m: float, length_m: float) -> _Sight:
        ahead = vehicle.getRoute(name)[vehicle.getRouteIndex(name) :]
        movement = next((k for turn in pairwise(ahead) if (k := self._turns.get(turn)) is not None), None)
        place, speed = vehicle.getLanePosition(name), vehicle.getAllowedSpeed(name)
        return _Sight(movement, now_s + (begin_m - place) / speed, now_s + (length_m - place) / speed)


class StopLineLoops:
    """A loop in every lane before the stop line.

    A controller learns from it whether a vehicle is on the loop (in ``standing``: 1 per occupied lane, also if the
    vehicle moves) and, where they are counted, how many have crossed the stop line in each lane. It does not learn how
    long a queue is, what approaches, or whether the exit is free: ``approaching`` and ``leaving`` are 0. Where a lane
    serves several movements, each gets an equal share of both. A vehicle is on the loop from when its front reaches it
    until its front crosses the stop line.
    """

    def __init__(self, network: Network, signal: Signal, config: SensingConfig) -> None:
        lanes = _movements_of(signal)
        self._begins = {lane: network.lane_length_m(lane) - config.loop_m for lane in lanes}
        self._share = np.zeros((len(signal.movements), len(lanes)))
        for p, served in enumerate(lanes.values()):
            self._share[served, p] = 1 / len(served)
        self._line = _StopLine(network, signal, config.count_passed)
        self._passed = self._share @ self._line.by_lane(list(lanes))
        self.loops = self._line.loops
        sensed = [*lanes, *(link.from_lane for link in self._line.links)]
        self.layout = Layout(
            owner=_numbers(sensed, lanes),
            count=np.arange(len(sensed)) >= len(lanes),
            momentary=np.arange(len(sensed)) < len(lanes),
            serves=self._share > 0,
        )

    def reset(self) -> None:
        """Start a new run."""
        self._line.reset()

    def read(self, api: Any) -> Floats:
        """Presence, 0 or 1, on each loop, then vehicles that crossed the stop line."""
        on = [float(_foremost_m(api, lane) >= begin) for lane, begin in self._begins.items()]
        return np.array([*on, *self._line.read(api)])

    def report(self, readings: Floats) -> Report:
        """Presence and passed vehicles per movement."""
        n = len(self._begins)
        return Report(
            approaching=np.zeros(len(self._share)),
            standing=self._share @ readings[:n],
            leaving=np.zeros(len(self._share)),
            passed=self._passed @ readings[n:] if self._line.links else None,
        )


class _StopLine:
    """Counts vehicles as they cross the stop line, per link; without links if nobody asks for the counts.

    SUMO's loops add up over the whole run, so a count is exact however seldom it is read. They lie just behind the
    line, at the start of the lanes inside the junction, of which every link has its own.
    """

    def __init__(self, network: Network, signal: Signal, wanted: bool) -> None:
        motor = {lane for movement in signal.movements for lane in movement.from_lanes}
        self.links = tuple(link for link in signal.links if link.from_lane in motor) if wanted else ()
        self.loops = tuple(_passage_loop(network, link) for link in self.links)
        self.reset()

    def reset(self) -> None:
        """Start a new run."""
        self._total = [0] * len(self.links)

    def read(self, api: Any) -> list[float]:
        """Vehicles since the last call, per link."""
        before = self._total
        self._total = [api.inductionloop.getIntervalVehicleNumber(loop.id) for loop in self.loops]
        return [now - then for now, then in zip(self._total, before, strict=True)]

    def by_movement(self, signal: Signal) -> Floats:
        """1 where a link belongs to a movement, shape ``[movements, links]``."""
        movements = [(movement.from_edge, movement.to_edge) for movement in signal.movements]
        return _equal(movements, [(link.from_edge, link.to_edge) for link in self.links])

    def by_lane(self, lanes: Sequence[str]) -> Floats:
        """1 where a link starts in a lane, shape ``[lanes, links]``."""
        return _equal(lanes, [link.from_lane for link in self.links])


class _Patch(NamedTuple):
    """A piece of lane that a camera sees: from its start or its end, the whole of it if ``reach_m`` is None."""

    lane: str
    reach_m: float | None
    length_m: float
    at_end: bool


def _edge(lane: str) -> str:
    return lane.rpartition("_")[0]


def _patch(network: Network, lane: str, range_m: float, at_end: bool) -> _Patch:
    length = network.lane_length_m(lane)
    return _Patch(lane, range_m if length > range_m else None, length, at_end)


def _upstream(network: Network, lane: str, range_m: float, share: float) -> Iterator[tuple[_Patch, float]]:
    """Pieces of lane within range before the end of ``lane``, across widenings, with the movement's share of each."""
    patch = _patch(network, lane, range_m, at_end=True)
    yield patch, share
    rest = range_m - patch.length_m
    if patch.reach_m is None and rest >= 1.0:
        for before in network.upstream_lanes(lane):
            yield from _upstream(network, before, rest, share)


def _downstream(network: Network, edge: str, range_m: float) -> Iterator[tuple[str, float]]:
    """Edges within range behind the start of ``edge``, across widenings, with the metres of each that are in range."""
    yield edge, range_m
    rest, onto = range_m - network.edge_length_m(edge), network.drives.get(edge, ())
    signalled = any(edge == movement.from_edge for signal in network.signals.values() for movement in signal.movements)
    if rest >= 1.0 and len(onto) == 1 and not signalled:
        yield from _downstream(network, onto[0], rest)


def _share_patches(weights: Floats) -> None:
    """Scale so that each vehicle counts once over all movements that its lane leads to."""
    total = weights.sum(axis=0)
    np.divide(weights, total, out=weights, where=total > 0)


def _count(lane: Any, vehicle: Any, patch: _Patch) -> tuple[int, int]:
    """Vehicles on a piece of lane, and standing ones among them (0 on exits).

    SUMO lists a lane's vehicles from its start, so few positions need asking.
    """
    name, reach_m, length_m, at_end = patch
    if reach_m is None:
        count = lane.getLastStepVehicleNumber(name)
        return count, lane.getLastStepHaltingNumber(name) if count and at_end else 0
    count = standing = 0
    ids = lane.getLastStepVehicleIDs(name)
    if at_end:
        begin = length_m - reach_m
        for v in reversed(ids):
            if vehicle.getLanePosition(v) < begin:
                break
            count += 1
            standing += vehicle.getSpeed(v) < STANDING_MS
    else:
        for v in ids:
            if vehicle.getLanePosition(v) > reach_m:
                break
            count += 1
    return count, standing


def _foremost_m(api: Any, lane: str) -> float:
    """How far from a lane's start its foremost vehicle is; minus infinity in an empty lane.

    Asked of the lane, because SUMO's own loops overlook a vehicle that changes lanes onto them.
    """
    ids = api.lane.getLastStepVehicleIDs(lane)
    return float(api.vehicle.getLanePosition(ids[-1])) if ids else -math.inf


def _passage_loop(network: Network, link: Link) -> InductionLoop:
    if not link.via_lane:
        raise BadInput(f"{network.path}: count_passed needs lanes inside the junctions, and the network has none")
    place = min(BEHIND_LINE_M, network.lane_length_m(link.via_lane) / 2)
    return InductionLoop(f"passed {link.via_lane}", link.via_lane, place)


def _movements_of(signal: Signal) -> dict[str, list[int]]:
    """Lanes before the stop lines, with the numbers of the movements that each serves."""
    served: dict[str, list[int]] = {}
    for k, movement in enumerate(signal.movements):
        for lane in movement.from_lanes:
            served.setdefault(lane, []).append(k)
    return served


def _lanes_onto(signal: Signal, links: Collection[int]) -> set[str]:
    return {link.to_lane for link in signal.links if link.index in links}


def _links_onto(signal: Signal, edge: str) -> set[int]:
    return {index for movement in signal.movements if movement.to_edge == edge for index in movement.links}


def _numbers(names: Iterable[object], known: Iterable[object]) -> npt.NDArray[np.int64]:
    """The place of each name among those known."""
    place = {name: k for k, name in enumerate(known)}
    return np.array([place[name] for name in names], dtype=np.int64)


def _equal(rows: Sequence[object], columns: Sequence[object]) -> Floats:
    """1 where a row's name is a column's, shape ``[rows, columns]``."""
    return np.array([[float(row == column) for column in columns] for row in rows]).reshape(len(rows), len(columns))
