"""Ring-barrier plans as a SUMO additional file: a program of type ``NEMA`` per period and signal.

Programs are called ``AM nema`` by their period. A WAUT switches between several at the day plan's times, in place:
unlike ``greenband.formats.sumo`` no cycles lead over, so that lamps may jump there and the plans are in step a cycle or
two later. The programs are to show that rings tell each plan, not how a controller changes plans. They run fixed
splits: SUMO is to hold each phase to its maximum, to end it where the cycle has it, and to look at no detector. Times
are seconds; a phase's ``minDur`` is its minimum green, ``maxDur`` its green in the plan.

SUMO has two barriers and room for two phases of each ring before either; a plan of more barriers is put into these,
which changes nothing while splits are fixed. A ring that rests has the phase of the other ring, as SUMO knows no rest.
The coordinated phases are the plan's where both rings have one and they end together, as SUMO ends them; elsewhere the
last ones before the barrier. The offset is when the first of them turns green, after midnight modulo the cycle (SUMO's
``TS2``); ``barrierPhases`` are the last phases before the other barrier.

SUMO chooses the phases to begin with by rules of its own, and is in step when the cycle has gone round once or twice,
also while another program is shown. Then signal groups are green as in the plan, which
``greenband.evaluation.nema_check`` looks at. Other lamps may differ: who may turn on red in the plan has plain red
while both rings show all-red. Green flash is inside the green. Where a group is protected in one stage of its phase and
gives way in another, it gives way throughout. Not expressed, and refused: walks, and groups that are always green.

Source: https://sumo.dlr.de/docs/Simulation/NEMA.html, SUMO 1.28.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, combinations
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.errors import BadInput
from greenband.files import write_bytes
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, TimingPlan
from greenband.plan.rings import RingPhase, RingPlan, free_groups, to_rings
from greenband.signals import GREEN

__all__ = ["export", "program_id"]

DAY_S = 24 * 3600
ANY = "99"  # SUMO wants a duration and does not use it
SLOTS = 2  # phases of a ring before a barrier

Part = tuple[tuple[RingPhase, ...], tuple[RingPhase, ...]]  # phases of ring 1 and ring 2 that start and end together


class _NotInSumo(Exception):  # a finding, which becomes bad input
    """Why SUMO's controller cannot run a ring plan."""


@dataclass(frozen=True)
class _Sides:
    """Phases before either of SUMO's barriers; the coordinated ones are before the first."""

    first: Part
    second: Part

    def ring(self, ring: int) -> str:
        """A ring as SUMO reads it, with 0 for an empty slot."""
        sides = (self.first[ring], self.second[ring])
        return _listed(chain.from_iterable((*(0 for _ in range(SLOTS - len(s))), *_numbers(s)) for s in sides))

    @property
    def phases(self) -> dict[int, RingPhase]:
        """All phases by number, in its order."""
        found = {phase.number: phase for side in (self.first, self.second) for ring in side for phase in ring}
        return dict(sorted(found.items()))


def program_id(period: str) -> str:
    """The ``programID`` of a period's programs."""
    return f"{period} nema"


def export(plans: PlanSet, path: Path) -> list[Path]:
    """Write the additional file.

    Raises:
        BadInput: naming junction, plan and why rings and barriers, or SUMO's, cannot show it.
    """
    root = ET.Element("additional")
    for period, plan in plans:
        root.append(_program(period, plan, plans.junctions[plan.signal]))
    root.extend(_switching(plans))
    ET.indent(root)
    write_bytes(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    return [path]


def _switching(plans: PlanSet) -> Iterator[ET.Element]:
    """A WAUT for each signal with several programs, by the day plan of an ordinary Monday."""
    assert plans.plain_day is not None, "a whole set has a day plan"
    monday = plans.day_plans[plans.plain_day]
    for name in dict.fromkeys(plan.signal for _, plan in plans):
        own = [(60 * s.at_min, program_id(s.plan)) for s in monday.switches if name in plans.plans[s.plan]]
        if len(own) > 1:
            switching = f"nema day {name}".replace(" ", "_")
            waut = ET.Element("WAUT", id=switching, refTime="0", startProg=own[-1][1], period=str(DAY_S))
            for start, program in own:
                ET.SubElement(waut, "wautSwitch", time=str(start), to=program)
            yield waut
            yield ET.Element("wautJunction", wautID=switching, junctionID=name)


def _program(period: str, plan: TimingPlan, junction: Junction) -> ET.Element:
    rings = to_rings(junction, plan)
    try:
        _check(junction, plan, rings)
        sides = _sides(_parts(rings))
    except _NotInSumo as error:
        name = f" {plan.name!r}" if plan.name else ""
        raise BadInput(f"junction {plan.signal}, plan{name}: not possible with SUMO's NEMA type: {error}") from error
    coordinated = _coordinated(rings, sides)
    longest = max(coordinated, key=lambda phase: phase.split_s)
    program = ET.Element(
        "tlLogic",
        id=plan.signal,
        type="NEMA",
        programID=program_id(period),
        offset=str(rings.starts_s[longest.number]),
    )
    for key, value in {
        "coordinate-mode": "true",
        "controllerType": "TS2",
        "total-cycle-length": str(plan.cycle_s),
        "ring1": sides.ring(0),
        "ring2": sides.ring(1),
        "barrierPhases": _listed(ring[-1].number for ring in sides.second),
        "coordinatePhases": _listed(phase.number for phase in coordinated),
        "maxRecall": _listed(sides.phases),
        "fixForceOff": "true",
    }.items():
        ET.SubElement(program, "param", key=key, value=value)
    for phase in sides.phases.values():
        ET.SubElement(program, "phase", _phase(junction, plan, phase))
    return program


def _coordinated(rings: RingPlan, sides: _Sides) -> list[RingPhase]:
    """A coordinated phase of each ring."""
    found = [next((phase for phase in ring if phase.coordinated), ring[-1]) for ring in sides.first]
    starts = rings.starts_s
    ends = {(starts[phase.number] + phase.split_s) % rings.cycle_s for phase in found}
    return found if len(ends) == 1 else [ring[-1] for ring in sides.first]


def _phase(junction: Junction, plan: TimingPlan, phase: RingPhase) -> dict[str, str]:
    return {
        "name": str(phase.number),
        "duration": ANY,
        "minDur": str(min(phase.min_green_s, phase.green_s)),
        "maxDur": str(phase.green_s),
        "yellow": str(phase.yellow_s),
        "red": str(phase.all_red_s),
        "state": _state(junction, plan, phase),
    }


def _state(junction: Junction, plan: TimingPlan, phase: RingPhase) -> str:
    """A phase's lamps: green where its groups are, giving way where a stage of the plan has them do so."""
    own = {link for number in phase.groups for link in junction.group(number).links}
    shown = [junction.stages[timing.stage].lamps for timing in plan.stages]
    found = []
    for link, lamps in enumerate(zip(*shown, strict=True)):
        greens = GREEN.intersection(lamps)
        found.append(max(greens) if greens and link in own else "s" if "s" in lamps else "r")
    return "".join(found)


def _check(junction: Junction, plan: TimingPlan, rings: RingPlan) -> None:
    """That lamps and times are such as SUMO's phases can show."""
    if not all(junction.stages[timing.stage].lamps for timing in plan.stages):
        raise _NotInSumo("the junction's stages have no lamps of a SUMO network")
    free = free_groups(junction, plan)
    for number in sorted({number for timing in plan.stages for number in junction.stages[timing.stage].going}):
        if junction.group(number).kind == "pedestrian":
            raise _NotInSumo(f"the walk of signal group {number} would end with its phase, and not before the flash")
        if number in free:
            raise _NotInSumo(f"signal group {number} is always green, and phases end with all-red")
    for phase in rings.phases:
        if phase.yellow_s + phase.all_red_s < 1:
            raise _NotInSumo(f"phase {phase.number} has neither yellow nor all-red, and SUMO shows 1 s at least")


def _parts(rings: RingPlan) -> list[tuple[int, Part]]:
    """The shortest parts of the cycle that start and end with a change of both rings, each with its barrier."""
    found = []
    for barrier in sorted({phase.barrier for phase in rings.phases}):
        served = [tuple(phase for phase in rings.ring(ring) if phase.barrier == barrier) for ring in (1, 2)]
        ones, twos = served[0] or served[1], served[1] or served[0]
        ends = [list(accumulate(phase.split_s for phase in ring)) for ring in (ones, twos)]
        begin = 0
        for end in sorted(set(ends[0]).intersection(ends[1])):
            one, two = (
                tuple(phase for phase, until in zip(ring, its_ends, strict=True) if begin < until <= end)
                for ring, its_ends in zip((ones, twos), ends, strict=True)
            )
            found.append((barrier, (one, two)))
            begin = end
    return found


def _sides(parts: Sequence[tuple[int, Part]]) -> _Sides:
    """The parts before either of SUMO's barriers, which are barriers of the plan where that is possible."""
    if len(parts) < 2:
        raise _NotInSumo("all its phases only change together once in the cycle, and SUMO has two barriers")
    fitting = [
        (sum(parts[cut - 1][0] == parts[cut][0] for cut in (begin, end)), begin, sides)
        for begin, end in combinations(range(len(parts)), 2)
        for sides in [_cut(parts, begin, end)]
        if all(len(ring) <= SLOTS for side in (sides.first, sides.second) for ring in side)
    ]
    if not fitting:
        raise _NotInSumo(f"a ring would have more than {SLOTS} phases before a barrier")
    return min(fitting, key=lambda found: found[:2])[2]


def _cut(parts: Sequence[tuple[int, Part]], begin: int, end: int) -> _Sides:
    inner, outer = _joined(parts[begin:end]), _joined([*parts[end:], *parts[:begin]])
    return _Sides(outer, inner) if begin else _Sides(inner, outer)


def _joined(parts: Iterable[tuple[int, Part]]) -> Part:
    phases = [part for _, part in parts]
    return tuple(phase for one, _ in phases for phase in one), tuple(phase for _, two in phases for phase in two)


def _numbers(phases: Iterable[RingPhase]) -> Iterator[int]:
    return (phase.number for phase in phases)


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
