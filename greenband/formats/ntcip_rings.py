"""From ring plans to rows of NTCIP tables: phases, sequences, splits, patterns and actions.

A controller has one set of phases for all its patterns, with one yellow, walk and concurrency; only splits, offset and
order differ from pattern to pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from greenband.errors import BadInput
from greenband.formats.ntcip_checks import OMITTED, RINGS
from greenband.formats.ntcip_objects import Action, Pattern, Phase, Sequence, Split, Unit
from greenband.plan.rings import RingPhase, RingPlan

__all__ = ["PHASES", "coordination", "phase_rows"]

PHASES = range(1, 9)
MAX_S = 255
ENABLED, MAX_RECALL, PED_RECALL = 1, 1 << 7, 1 << 8  # bits of phaseOptions
NOT_ENABLED, NOT_ON, GREEN_WALK, GREEN_NO_WALK = 1, 2, 3, 4  # phaseStartup
MAXIMUM_RECALL, MAXIMUM_AND_PED_RECALL = 4, 6  # splitMode
UNIT = Unit(
    pattern_sync_min=0,  # midnight
    operational_mode=0,  # automatic: the schedule decides
    correction_mode=3,  # shortway
    maximum_mode=4,  # maxInhibit
    force_mode=3,  # fixed
)
UNUSED = Phase(
    ring=0,
    options=0,
    startup=NOT_ENABLED,
    walk_s=0,
    clearance_s=0,
    min_green_s=1,
    maximum1_s=1,
    maximum2_s=1,
    yellow_ds=30,
    red_ds=0,
    concurrency=b"",
)


def phase_rows(rings: Mapping[str, RingPlan]) -> dict[int, Phase]:
    """The phases that serve all the ring plans of a junction, these by name; unused ones are disabled.

    Raises:
        BadInput: two plans need different phases.
    """
    first = next(iter(rings.values()))
    together = _together(rings)
    found = dict.fromkeys(PHASES, UNUSED)
    for number, made in _alike(rings).items():
        starts = any(phase.number == number and phase.coordinated for phase in first.phases)
        phase, maximum = made[0], min(MAX_S, max(phase.max_green_s for phase in made))
        found[number] = Phase(
            ring=phase.ring,
            options=ENABLED | MAX_RECALL | (PED_RECALL if phase.walk_s else 0),
            startup=NOT_ON if not starts else GREEN_WALK if phase.walk_s else GREEN_NO_WALK,
            walk_s=phase.walk_s,
            clearance_s=phase.clearance_s,
            min_green_s=max(phase.min_green_s for phase in made),
            maximum1_s=maximum,
            maximum2_s=maximum,
            yellow_ds=10 * phase.yellow_s,
            red_ds=10 * phase.all_red_s,
            concurrency=bytes(sorted(other for one, other in together if one == number)),
        )
    return found


def _alike(rings: Mapping[str, RingPlan]) -> dict[int, list[RingPhase]]:
    """Each phase as all plans have it, by number."""
    found: dict[int, list[RingPhase]] = {}
    kept: dict[int, str] = {}
    of_group: dict[int, int] = {}
    for name, plan in rings.items():
        for phase in plan.phases:
            first = found.setdefault(phase.number, [phase])[0]
            other = kept.setdefault(phase.number, name)
            one, two = _fixed(first), _fixed(phase)
            for what in (what for what in one if one[what] != two[what]):
                raise BadInput(
                    f"junction {plan.signal}, plan {name!r}: not possible in NTCIP, where plans share their phases:"
                    f" {what} of phase {phase.number}: {two[what]}, and in plan {other!r}: {one[what]}"
                )
            for group in phase.groups:
                if of_group.setdefault(group, phase.number) != phase.number:
                    raise BadInput(
                        f"junction {plan.signal}, plan {name!r}: not possible in NTCIP, where plans share their phases:"
                        f" signal group {group} is of phase {phase.number}, and in other plans of {of_group[group]}"
                    )
            found[phase.number].append(phase)
    return found


def _fixed(phase: RingPhase) -> dict[str, object]:
    """What must be the same in all plans."""
    return {
        "signal groups": phase.groups,
        "yellow": phase.yellow_s,
        "all-red": phase.all_red_s,
        "walk": phase.walk_s,
        "flashing don't walk": phase.clearance_s,
    }


def _together(rings: Mapping[str, RingPlan]) -> set[tuple[int, int]]:
    """Pairs of phases of different rings before the same barrier, in every plan that has both."""
    pairs = {name: _pairs(plan) for name, plan in rings.items()}
    found = set().union(*pairs.values())
    for name, plan in rings.items():
        numbers = {phase.number for phase in plan.phases}
        for one, other in sorted(found - pairs[name]):
            if {one, other} <= numbers:
                raise BadInput(
                    f"junction {plan.signal}, plan {name!r}: not possible in NTCIP, where plans share their barriers:"
                    f" phases {one} and {other} have one between them, and in other plans not"
                )
    return found


def _pairs(plan: RingPlan) -> set[tuple[int, int]]:
    phases = product(plan.phases, plan.phases)
    return {(a.number, b.number) for a, b in phases if a.barrier == b.barrier and a.ring != b.ring}


def coordination(
    rings: Mapping[int, RingPlan],
) -> tuple[Unit, dict[tuple[int, int], Sequence], dict[tuple[int, int], Split], dict[int, Pattern], dict[int, Action]]:
    """What coordinates: unit, sequences, splits, patterns and actions, for ring plans by pattern number."""
    orders: dict[tuple[tuple[int, ...], ...], int] = {}
    splits, patterns = {}, {}
    for number, plan in rings.items():
        order = tuple(tuple(phase.number for phase in plan.ring(ring)) for ring in RINGS)
        sequence = orders.setdefault(order, len(orders) + 1)
        patterns[number] = Pattern(plan.cycle_s, plan.offset_s, split=number, sequence=sequence)
        served = {phase.number: phase for phase in plan.phases}
        splits.update({(number, phase): _split(served.get(phase)) for phase in PHASES})
    sequences = {
        (number, ring): Sequence(bytes(phases))
        for order, number in orders.items()
        for ring, phases in zip(RINGS, order, strict=True)
    }
    return UNIT, sequences, splits, patterns, {number: Action(number, 0, 0) for number in rings}


def _split(phase: RingPhase | None) -> Split:
    if phase is None:
        return Split(0, OMITTED, 0)
    return Split(phase.split_s, MAXIMUM_AND_PED_RECALL if phase.walk_s else MAXIMUM_RECALL, int(phase.coordinated))
