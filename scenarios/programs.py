"""A traffic light's own program read as stages, and its lamps put right where they would let foes collide.

Programs of any type (static, actuated, NEMA, delay_based) are read by their phases. Where a light has several, the
last one that is not switched off counts, as it does in SUMO
(https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from xml.etree import ElementTree as ET

from greenband.network import Signal
from greenband.signals import GREEN

__all__ = ["Phase", "Program", "Run", "each_once", "mended", "programs_in", "stages_of"]

CHANGE = frozenset("yYu")  # lamps of a phase in which something is about to start or to stop
OFF = frozenset("oO")
SHORT_S = 5  # a steady phase below this is a clearance or an early start: no practice knows so short a green


@dataclass(frozen=True)
class Phase:
    """One phase of a program."""

    duration_s: float
    state: str
    name: str = ""

    @property
    def greens(self) -> frozenset[int]:
        """Links that may go, permissive ones included."""
        return frozenset(i for i, lamp in enumerate(self.state) if lamp in GREEN)

    @property
    def steady(self) -> bool:
        """Whether it shows green and nothing is about to change."""
        return bool(self.greens) and not CHANGE & set(self.state)


@dataclass(frozen=True)
class Program:
    """One ``tlLogic`` of a light; ``kind`` is SUMO's type. Phase 0 begins where (t - offset) mod cycle = 0, t in s."""

    signal: str
    id: str
    kind: str
    offset_s: float
    phases: tuple[Phase, ...]

    @property
    def cycle_s(self) -> float:
        """Sum of the phases' durations."""
        return sum(phase.duration_s for phase in self.phases)

    @property
    def off(self) -> bool:
        """Whether it leaves the light switched off throughout."""
        return all(set(phase.state) <= OFF for phase in self.phases)


@dataclass(frozen=True)
class Run:
    """A stage as a program shows it: its fullest phase, its green a cycle, and when that begins in the cycle."""

    phase: Phase
    green_s: float
    begin_s: float


def programs_in(root: ET.Element) -> dict[str, list[Program]]:
    """The programs of every light in a file, in the file's order. Elements without phases only add parameters."""
    found: dict[str, list[Program]] = {}
    for element in root.iter("tlLogic"):
        phases = tuple(
            Phase(float(row.get("duration", "0")), row.get("state", ""), row.get("name", ""))
            for row in element.iter("phase")
        )
        if phases:
            name, offset = element.get("id", ""), float(element.get("offset") or 0)
            kind = element.get("type", "static")
            found.setdefault(name, []).append(Program(name, element.get("programID", ""), kind, offset, phases))
    return found


def stages_of(program: Program, crossings: frozenset[int]) -> list[Run]:
    """The stages of a program, each once, in the order in which they first appear.

    Phases that differ only in ``crossings``, the links on foot, are one stage: the fullest is its phase. Steady phases
    below 5 s whose greens a neighbour has too belong to the change between stages.
    """
    runs = list(_runs(program, crossings))
    return each_once([run for k, run in enumerate(runs) if not _in_between(runs, k)], crossings)


def each_once(runs: Sequence[Run], crossings: frozenset[int]) -> list[Run]:
    """Runs that show the same but for crossings taken together, their greens summed."""
    stages: dict[str, Run] = {}
    for run in runs:
        key = _on_wheels(run.phase, crossings)
        known = stages.get(key)
        stages[key] = run
        if known is not None:
            stages[key] = replace(known, phase=_fuller(known.phase, run.phase), green_s=known.green_s + run.green_s)
    return list(stages.values())


def _runs(program: Program, crossings: frozenset[int]) -> Iterator[Run]:
    """Steady phases, those that follow each other with the same lamps but for crossings taken together."""
    clock, timed = 0.0, []
    for phase in program.phases:
        timed.append((clock, _switched_on(phase)))
        clock += phase.duration_s
    for _, group in groupby(timed, key=lambda row: (row[1].steady, _on_wheels(row[1], crossings))):
        rows = list(group)
        phase = rows[0][1]
        for _, other in rows[1:]:
            phase = _fuller(phase, other)
        if phase.steady:
            yield Run(phase, sum(row.duration_s for _, row in rows), rows[0][0])


def _switched_on(phase: Phase) -> Phase:
    """Off lamps as green: ``O`` lets traffic go with right of way, ``o`` (blinking) without."""
    return replace(phase, state=phase.state.replace("O", "G").replace("o", "g"))


def _on_wheels(phase: Phase, crossings: frozenset[int]) -> str:
    return "".join("r" if i in crossings else lamp for i, lamp in enumerate(phase.state))


def _fuller(one: Phase, other: Phase) -> Phase:
    return other if len(other.greens) > len(one.greens) else one


def _in_between(runs: Sequence[Run], k: int) -> bool:
    around = (runs[k - 1], runs[(k + 1) % len(runs)])
    return runs[k].green_s < SHORT_S and any(runs[k].phase.greens < other.phase.greens for other in around)


def mended(state: str, signal: Signal) -> str:
    """A stage's lamps with no two foes both protected: of each such pair one becomes ``g``.

    Wheels wait for those on foot, whose green is always protected. Otherwise it is the one that the junction's right of
    way makes wait; where that says nothing or both, a turn for straight traffic, and the higher link for the lower.
    SUMO lets a ``g`` go only when no foe comes, so traffic flows as before, without the collisions.
    """
    on_foot = {crossing.index for crossing in signal.crossings}
    lamps = ["G" if i in on_foot and lamp == "g" else lamp for i, lamp in enumerate(state)]
    for a, b in sorted(signal.conflicts):
        if b < len(lamps) and lamps[a] == lamps[b] == "G":
            lamps[_waits(a, b, signal)] = "g"
    return "".join(lamps)


def _waits(a: int, b: int, signal: Signal) -> int:
    """Which of two foes has to wait."""
    on_foot = {crossing.index for crossing in signal.crossings}
    if len({a, b} & on_foot) == 1:
        return a if b in on_foot else b
    ruled = [x for x, y in ((a, b), (b, a)) if (x, y) in signal.yields]
    if len(ruled) == 1:
        return ruled[0]
    straight = {link.index for link in signal.links if link.direction == "s"}
    if len({a, b} & straight) == 1:
        return a if b in straight else b
    return max(a, b)
