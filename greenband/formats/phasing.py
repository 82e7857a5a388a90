"""What phases of a ring-barrier plan do for signal groups: what UTDF and GMNS tables both need."""

from __future__ import annotations

from functools import reduce
from typing import Literal

from greenband.errors import BadInput
from greenband.plan.junction import Junction
from greenband.plan.model import TimingPlan
from greenband.plan.rings import RingPlan

__all__ = ["Protection", "always_green", "coordinated", "protections"]

Protection = Literal["protected", "permitted", "rtor"]


def coordinated(rings: RingPlan) -> tuple[int, ...]:
    """The coordinated phase of each ring that has one, in the order of the rings; the first where it has several.

    Raises:
        BadInput: no phase is coordinated, so that the offset has nothing to refer to.
    """
    of_ring: dict[int, int] = {}
    for phase in sorted(rings.phases, key=lambda phase: (phase.ring, phase.barrier, phase.position)):
        if phase.coordinated:
            of_ring.setdefault(phase.ring, phase.number)
    if not of_ring:
        raise BadInput(f"junction {rings.signal}, plan {rings.name!r}: the offset refers to no phase")
    return tuple(of_ring.values())


def always_green(junction: Junction, plan: TimingPlan) -> frozenset[int]:
    """Signal groups that go in every stage of the plan, so that no phase is theirs alone."""
    return reduce(frozenset.intersection, (junction.stages[timing.stage].going for timing in plan.stages))


def protections(junction: Junction, plan: TimingPlan, rings: RingPlan) -> dict[int, dict[int, Protection]]:
    """How each phase serves groups of vehicles: by phase number and signal group number.

    A group is ``permitted`` where a stage that the phase runs through has it give way, and ``rtor`` where the phase
    never shows it green. A group that is always green is served by every phase.
    """
    begins, at = [], plan.offset_s
    for timing in plan.stages:
        begins.append((at, junction.stages[timing.stage]))
        at += timing.duration_s
    vehicles = {group.number for group in junction.groups if group.kind == "vehicle"}
    always, starts = always_green(junction, plan), rings.starts_s
    served: dict[int, dict[int, Protection]] = {}
    for phase in rings.phases:
        start = starts[phase.number]
        stages = [junction.stages[plan.stage_at(start)]]
        stages += [stage for begin, stage in begins if 0 < (begin - start) % plan.cycle_s < phase.green_s]
        going = frozenset[int]().union(*(stage.going for stage in stages))
        yielding = frozenset[int]().union(*(stage.permitted for stage in stages))
        served[phase.number] = {
            group: "permitted" if group in yielding else "protected" if group in going else "rtor"
            for group in sorted({*phase.groups, *always} & vehicles)
        }
    return served
