"""What a UTDF file holds, and whether a controller's timing adds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["LaneGroup", "Link", "Node", "Phase", "Signal", "Utdf", "fault"]

TOLERANCE_S = 0.05  # half of what UTDF resolves


@dataclass(frozen=True)
class Node:
    """A node; ``kind``: 0 signal, 1 external, 2 bend, 3 no signal, 4 roundabout. Coordinates are in the file's unit."""

    number: int
    kind: int
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Link:
    """A road that arrives at ``node``; its length and speed are in the file's units."""

    node: int
    direction: str
    up_node: int
    lanes: int | None
    length: float | None
    speed: float | None


@dataclass(frozen=True)
class LaneGroup:
    """Lanes of one movement, and the phases in which it goes protected or gives way; phase -1 is always green."""

    code: str
    up_node: int
    dest_node: int
    lanes: int | None
    phases: tuple[int, ...]
    permitted: tuple[int, ...]
    on_red: bool


@dataclass(frozen=True)
class Phase:
    """A phase; seconds. ``start_s`` and ``end_s`` (with yellow and all-red) are on the clock, modulo the cycle."""

    number: int
    barrier: int
    ring: int
    position: int
    min_green_s: float
    green_s: float
    yellow_s: float
    all_red_s: float
    walk_s: float | None
    dont_walk_s: float | None
    start_s: float
    end_s: float

    @property
    def split_s(self) -> float:
        """Green, yellow and all-red."""
        return self.green_s + self.yellow_s + self.all_red_s


@dataclass(frozen=True)
class Signal:
    """The controller of a node. ``referenced_to``: 0 last green, 1 yellow, 2 red, 3 first green, 4 don't walk."""

    node: int
    cycle_s: float
    offset_s: float
    referenced_to: int
    reference_phases: tuple[int, ...]
    phases: tuple[Phase, ...]
    lane_groups: tuple[LaneGroup, ...]


@dataclass(frozen=True)
class Utdf:
    """A file that adds up: see ``read``. ``settings`` are the cells of ``[Network]`` as text."""

    settings: Mapping[str, str]
    nodes: Mapping[int, Node]
    links: tuple[Link, ...]
    signals: Mapping[int, Signal]

    @property
    def metric(self) -> bool:
        """Whether lengths are metres and speeds km/h, rather than feet and mph."""
        return self.settings.get("Metric") == "1"


def fault(signal: Signal) -> str | None:
    """Why a controller's timing does not add up; None where it does."""
    if signal.cycle_s <= 0 or not 0 <= signal.offset_s < signal.cycle_s:
        return f"Offset {signal.offset_s:g} must be from 0 to below Cycle Length, {signal.cycle_s:g}"
    known = {phase.number for phase in signal.phases}
    if not known:
        return "it has no phases"
    if missing := [number for number in signal.reference_phases if number not in known]:
        return f"Reference Phase {missing[0]} is not among its phases"
    for group in signal.lane_groups:
        if missing := [number for number in (*group.phases, *group.permitted) if number not in (*known, -1)]:
            return f"{group.code} goes in phase {missing[0]}, which it does not have"
    return _ring_fault(signal) or _offset_fault(signal)


def _ring_fault(signal: Signal) -> str | None:
    """Phases of a ring follow one another, rings end each barrier together, and all of it takes one cycle."""
    order = sorted(signal.phases, key=lambda phase: (phase.barrier, phase.ring, phase.position))
    begin = order[0].start_s
    for barrier in sorted({phase.barrier for phase in order}):
        ends: dict[int, float] = {}
        for phase in (phase for phase in order if phase.barrier == barrier):
            at = ends.get(phase.ring, begin)
            if _apart(phase.start_s, at, signal) > TOLERANCE_S:
                return (
                    f"phase {phase.number} starts at {phase.start_s:g}, but the one before it ends at {_on(at, signal)}"
                )
            if _apart(phase.start_s + phase.split_s, phase.end_s, signal) > TOLERANCE_S:
                total = f"MaxGreen, Yellow and AllRed are {phase.split_s:g} s"
                return f"phase {phase.number}: {total}, but it lasts from {phase.start_s:g} to {phase.end_s:g}"
            ends[phase.ring] = at + phase.split_s
        if max(ends.values()) - min(ends.values()) > TOLERANCE_S:
            told = ", ".join(f"ring {ring} at {_on(end, signal)}" for ring, end in ends.items())
            return f"the rings do not end barrier {barrier} together: {told}"
        begin = max(ends.values())
    taken = begin - order[0].start_s
    if abs(taken - signal.cycle_s) > TOLERANCE_S:
        return f"the splits of a ring sum to {taken:g} s, but Cycle Length is {signal.cycle_s:g}"
    return None


def _offset_fault(signal: Signal) -> str | None:
    if signal.referenced_to == 4 or not signal.reference_phases:  # the start of don't walk is not told exactly
        return None
    points = [
        phase.start_s + {1: phase.green_s, 2: phase.green_s + phase.yellow_s}.get(signal.referenced_to, 0.0)
        for phase in signal.phases
        if phase.number in signal.reference_phases
    ]
    if min(_apart(point, signal.offset_s, signal) for point in points) > TOLERANCE_S:
        told = " and ".join(_on(point, signal) for point in points)
        return f"Offset {signal.offset_s:g} is not when its reference phases say: {told}"
    return None


def _on(time_s: float, signal: Signal) -> str:
    return f"{time_s % signal.cycle_s:g}"


def _apart(one: float, other: float, signal: Signal) -> float:
    return abs((one - other + signal.cycle_s / 2) % signal.cycle_s - signal.cycle_s / 2)
