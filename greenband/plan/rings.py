"""From stages to a ring-barrier plan: NEMA phases in two rings that pass every barrier together.

A phase drives signal groups of one approach that have their green at the same seconds, also over several stages in a
row. Where a junction is an ordinary one of up to four approaches, phases have their usual numbers: 2 and 6 the main
road (that of the junction's first stage; 2 is the approach that goes north or east), 4 and 8 the cross road, clockwise
2, 4, 6, 8; the far-side turns beside them are 5, 1, 7 and 3, so that 1 faces 2. Elsewhere every set of groups with the
same green is one phase, numbered within its ring by its lowest group. Ring 1 holds phases 1 to 4, ring 2 phases 5 to 8.

Stages in which both rings are busy with the same road lie before one barrier, in the order of the plan, so that turns
lead or lag. A stage for one approach alone shows its far-side turn in one ring and the rest in the other; where that
does not divide it, the other ring has no phase before the barrier and rests. Only one ring ever rests.

Groups that are green all the time, and near-side turns that only ever go on red, need no phase. They are listed with
the through phase of their approach, for tables that give every movement a phase; ``free_groups`` tells them apart.
Protected turns that also go permissively beside their through phase would need an overlap, and are refused.

Every plan returned shows its signal groups the same greens in every second as the stages do: ``greens_of_rings`` and
``greens_of_stages`` are compared.

Source: FHWA, Traffic Signal Timing Manual, FHWA-HOP-08-024, 2008, chapter 4; NEMA TS 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, product

from greenband.errors import BadInput
from greenband.plan.blocks import Block, NoRings, blocks_of, free_groups, greens_of_stages
from greenband.plan.junction import Junction
from greenband.plan.model import TimingPlan
from greenband.plan.phase_numbers import Numbers, numbered, ring_of

__all__ = ["RingPhase", "RingPlan", "free_groups", "greens_of_rings", "greens_of_stages", "to_rings"]

Segment = tuple[tuple[int, ...], tuple[int, ...]]  # phases of ring 1 and ring 2 in which both start and end together


@dataclass(frozen=True)
class RingPhase:
    """A phase with its times, in whole seconds.

    ``walk_s`` and ``clearance_s`` are walk and flashing don't walk. The flash ends with the minimum green at the
    latest; what a pedestrian needs beyond it is within yellow and all-red (MUTCD 2009, 4E.06).
    """

    number: int
    ring: int
    barrier: int
    position: int
    groups: tuple[int, ...]
    split_s: int
    yellow_s: int
    all_red_s: int
    min_green_s: int
    max_green_s: int
    walk_s: int = 0
    clearance_s: int = 0
    coordinated: bool = False

    @property
    def green_s(self) -> int:
        """Green with its flash, in seconds."""
        return self.split_s - self.yellow_s - self.all_red_s


@dataclass(frozen=True)
class RingPlan:
    """A fixed plan of one junction in phases, by ring, barrier and position.

    ``offset_s`` is when the first coordinated phase turns green, in seconds after midnight modulo the cycle. All phases
    before a barrier end together; a ring may have none there.
    """

    signal: str
    name: str
    cycle_s: int
    offset_s: int
    phases: tuple[RingPhase, ...]

    def ring(self, number: int) -> tuple[RingPhase, ...]:
        """The phases of a ring in the order in which they are served."""
        return tuple(phase for phase in self.phases if phase.ring == number)

    @property
    def starts_s(self) -> dict[int, int]:
        """When each phase turns green, in seconds after midnight modulo the cycle, by phase number."""
        found, at = {}, 0
        for barrier in sorted({phase.barrier for phase in self.phases}):
            ends = []
            for ring in (1, 2):
                end = at
                for phase in (phase for phase in self.ring(ring) if phase.barrier == barrier):
                    found[phase.number] = end
                    end += phase.split_s
                ends.append(end)
            at = max(ends)
        first = min(found[phase.number] for phase in self.phases if phase.coordinated)
        return {number: (self.offset_s + start - first) % self.cycle_s for number, start in found.items()}


@lru_cache(maxsize=8192)  # several formats ask for the same plans, one after another, of a set up to so many
def to_rings(junction: Junction, plan: TimingPlan) -> RingPlan:
    """The plan in phases.

    Raises:
        BadInput: naming junction, plan and why no two rings of phases show the same greens.
    """
    try:
        return _rings(junction, plan)
    except NoRings as error:
        name = f" {plan.name!r}" if plan.name else ""
        raise BadInput(f"junction {plan.signal}, plan{name}: not possible with rings and barriers: {error}") from error


def greens_of_rings(junction: Junction, plan: RingPlan) -> dict[int, frozenset[int]]:
    """Seconds of the cycle, after midnight modulo it, in which each signal group with a phase is green."""
    found: dict[int, frozenset[int]] = {}
    starts = plan.starts_s
    for phase in plan.phases:
        for number in phase.groups:
            length = phase.walk_s if junction.group(number).kind == "pedestrian" else phase.green_s
            seconds = {(starts[phase.number] + second) % plan.cycle_s for second in range(length)}
            found[number] = found.get(number, frozenset()) | seconds
    return found


def _rings(junction: Junction, plan: TimingPlan) -> RingPlan:
    _no_conflicts(junction, plan)
    _no_overlaps(junction, plan)
    numbers = numbered(junction, plan.cycle_s, blocks_of(junction, plan))
    barriers = _barriers(junction, plan, numbers)
    first = next(k for k, barrier in enumerate(barriers) if _coordinated(numbers, barrier))
    barriers = [*barriers[first:], *barriers[:first]]
    coordinated = _coordinated(numbers, barriers[0])
    begin = numbers.blocks[next(served[0] for served in barriers[0] if served)].start
    offset = min((numbers.blocks[number].start for number in coordinated), key=lambda at: (at - begin) % plan.cycle_s)
    phases = [
        _phase(number, (ring, barrier, position), numbers.blocks[number], coordinated)
        for ring in (1, 2)
        for barrier, served in enumerate(barriers, 1)
        for position, number in enumerate(served[ring - 1], 1)
    ]
    made = RingPlan(plan.signal, plan.name, plan.cycle_s, offset % plan.cycle_s, tuple(phases))
    _shows_the_same(junction, plan, made)
    return _with_free(junction, plan, made)


def _phase(number: int, place: tuple[int, int, int], block: Block, coordinated: Sequence[int]) -> RingPhase:
    ring, barrier, position = place
    return RingPhase(
        number=number,
        ring=ring,
        barrier=barrier,
        position=position,
        groups=tuple(sorted(block.groups)),
        split_s=block.duration,
        yellow_s=block.yellow,
        all_red_s=block.red,
        min_green_s=block.min_green,
        max_green_s=block.max_green,
        walk_s=block.walk,
        clearance_s=block.clearance,
        coordinated=number in coordinated,
    )


def _no_conflicts(junction: Junction, plan: TimingPlan) -> None:
    conflicts = {frozenset(pair) for pair in junction.conflicts}
    for timing in plan.stages:
        for one, other in combinations(junction.stages[timing.stage].green, 2):
            if {one, other} in conflicts:
                raise NoRings(f"signal groups {one} and {other} conflict, and are protected in stage {timing.name!r}")


def _no_overlaps(junction: Junction, plan: TimingPlan) -> None:
    stages = [junction.stages[timing.stage] for timing in plan.stages]
    protected = {number for stage in stages for number in stage.green}
    for number in sorted(protected & {number for stage in stages for number in stage.permitted}):
        if junction.group(number).turn in ("far", "back"):
            raise NoRings(f"signal group {number} is permissive in one stage and protected in another: an overlap")


def _coordinated(numbers: Numbers, barrier: Segment) -> list[int]:
    return [number for number in (*barrier[0], *barrier[1]) if number in numbers.main]


def _barriers(junction: Junction, plan: TimingPlan, numbers: Numbers) -> list[Segment]:
    """Phases of both rings before each barrier, as served."""
    segments = _segments(plan, numbers)
    joins = [_joins(junction, numbers, segments[k - 1], segment) for k, segment in enumerate(segments)]
    turn = joins.index(False) if False in joins else 0
    barriers: list[list[Segment]] = []
    for segment in (*segments[turn:], *segments[:turn]):
        if barriers and all(_joins(junction, numbers, before, segment) for before in barriers[-1]):
            barriers[-1].append(segment)
        else:
            barriers.append([segment])
    return [
        (tuple(n for one, _ in barrier for n in one), tuple(n for _, two in barrier for n in two))
        for barrier in barriers
    ]


def _segments(plan: TimingPlan, numbers: Numbers) -> list[Segment]:
    """The shortest parts of the cycle that start and end with a change of both rings, from the plan's start on."""
    blocks, cycle_s = numbers.blocks, plan.cycle_s
    starts = sorted({(block.start - plan.offset_s) % cycle_s + plan.offset_s for block in blocks.values()})
    cuts = [t for t in starts if not any(0 < (t - b.start) % cycle_s < b.duration for b in blocks.values())]
    if not cuts:
        raise NoRings("its phases never change together, so that there is no barrier")
    found = []
    for cut, following in zip(cuts, (*cuts[1:], cuts[0] + cycle_s), strict=True):
        inside = sorted(
            (number for number, block in blocks.items() if (block.start - cut) % cycle_s < following - cut),
            key=lambda number: (blocks[number].start - cut) % cycle_s,
        )
        segment = tuple(n for n in inside if ring_of(n) == 1), tuple(n for n in inside if ring_of(n) == 2)
        for served in segment:
            rest = following - cut - sum(blocks[number].duration for number in served)
            if rest and served:
                raise NoRings(f"with phases {_list(inside)} a ring would have none for {rest} s before the barrier")
        found.append(segment)
    return found


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


def _joins(junction: Junction, numbers: Numbers, before: Segment, after: Segment) -> bool:
    """Whether no barrier need lie between: same road, both rings busy, and any phases of both may be on together."""
    if before == after or not numbers.standard or not all((*before, *after)):
        return False
    if len({(number - 1) // 2 % 2 for ring in (*before, *after) for number in ring}) > 1:
        return False
    pairs = [*product(before[0], after[1]), *product(after[0], before[1])]
    return not any(_conflict(junction, numbers.blocks, one, other) for one, other in pairs)


def _conflict(junction: Junction, blocks: Mapping[int, Block], one: int, other: int) -> bool:
    conflicts = {frozenset(pair) for pair in junction.conflicts}
    return any(
        frozenset(pair) in conflicts and not any(set(pair) <= stage.going for stage in junction.stages)
        for pair in product(blocks[one].groups, blocks[other].groups)
    )


def _shows_the_same(junction: Junction, plan: TimingPlan, made: RingPlan) -> None:
    wanted, free, shown = greens_of_stages(junction, plan), free_groups(junction, plan), greens_of_rings(junction, made)
    for number, seconds in wanted.items():
        if number not in free and shown.get(number, frozenset()) != seconds:
            raise NoRings(f"signal group {number} would not be green at the same seconds")


def _with_free(junction: Junction, plan: TimingPlan, made: RingPlan) -> RingPlan:
    """The plan with groups that need no phase in a phase of their approach, the through one where there is one."""
    extra: dict[int, list[int]] = {}
    for number in sorted(free_groups(junction, plan)):
        beside = [
            (group.turn != "through", phase.number)
            for phase in made.phases
            for group in (junction.group(member) for member in phase.groups)
            if group.movement.partition(">")[0] == junction.group(number).movement.partition(">")[0]
        ]
        if beside:
            extra.setdefault(min(beside)[1], []).append(number)
    phases = (replace(p, groups=tuple(sorted((*p.groups, *extra.get(p.number, ()))))) for p in made.phases)
    return replace(made, phases=tuple(phases))
