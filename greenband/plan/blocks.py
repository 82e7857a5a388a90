"""When signal groups are green under a plan of stages, and which of them form a block: one approach, one green.

Times are whole seconds of the cycle, counted from midnight modulo the cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from greenband.plan.junction import Junction, SignalGroup
from greenband.plan.model import StageTiming, TimingPlan

__all__ = ["Block", "NoRings", "blocks_of", "free_groups", "greens_of_stages"]


class NoRings(Exception):  # a finding, which the caller turns into bad input
    """Why stages cannot be shown by phases in rings."""


@dataclass(frozen=True)
class Block:
    """Groups with the same green, a phase without its number: start and length of the green, yellow and all-red.

    ``approach`` and ``bearing`` are those of its vehicles, empty and 0 for crossings alone; ``turns`` is where they go.
    """

    approach: str
    bearing: int
    turns: frozenset[str]
    start: int
    green: int
    yellow: int
    red: int
    min_green: int
    max_green: int
    groups: tuple[int, ...]
    walk: int = 0
    clearance: int = 0

    @property
    def duration(self) -> int:
        """Green with the yellow and all-red that follow it."""
        return self.green + self.yellow + self.red


@lru_cache(maxsize=8)  # each step on the way to rings asks for it
def greens_of_stages(junction: Junction, plan: TimingPlan) -> Mapping[int, frozenset[int]]:
    """Seconds of the cycle in which each signal group is green, permissive green and walk included.

    As in ``greenband.plan.display``: a group that is green in the next stage too keeps its green in between, and where
    the next stage keeps every green of a stage it starts at once.
    """
    seconds: dict[int, set[int]] = {group.number: set() for group in junction.groups}
    for at, timing, following in _served(plan):
        stage, after = junction.stages[timing.stage], junction.stages[following.stage].going
        walks = {walk.group: walk.walk_s for walk in stage.walks}
        for number in stage.going:
            seconds[number].update(range(at, at + min(timing.go_s, walks.get(number, timing.go_s))))
        for number in after if stage.going <= after else (stage.going & after) - set(walks):
            seconds[number].update(range(at + timing.go_s, at + timing.duration_s))
    return MappingProxyType(
        {number: frozenset(second % plan.cycle_s for second in found) for number, found in seconds.items()}
    )


def free_groups(junction: Junction, plan: TimingPlan) -> frozenset[int]:
    """Groups that need no phase: always green, or never and allowed to turn on red."""
    greens = greens_of_stages(junction, plan)
    return frozenset(
        group.number
        for group in junction.groups
        if len(greens[group.number]) == plan.cycle_s or (group.on_red and not greens[group.number])
    )


def blocks_of(junction: Junction, plan: TimingPlan) -> list[Block]:
    """The blocks of a plan, each of one approach, with the crossings that go along.

    Raises:
        NoRings: a group has several greens in a cycle, a crossing none that goes with a phase, or nothing changes.
    """
    greens, free = greens_of_stages(junction, plan), free_groups(junction, plan)
    alike: dict[tuple[str, int, int], list[int]] = {}
    crossings: list[tuple[SignalGroup, int, int]] = []
    for group in junction.groups:
        if group.number in free or not greens[group.number]:
            continue
        start, length = _one_green(group, greens[group.number], plan.cycle_s)
        if group.kind == "pedestrian":
            crossings.append((group, start, length))
        else:
            alike.setdefault((group.movement.partition(">")[0], start, length), []).append(group.number)
    blocks = [_block(junction, plan, start, length, groups) for (_, start, length), groups in alike.items()]
    blocks += _on_foot_alone(junction, plan, free)
    for group, start, length in crossings:
        _add_crossing(junction, plan, blocks, group, (start, length))
    if not blocks:
        raise NoRings("no signal group ever changes")
    return blocks


def _served(plan: TimingPlan) -> Iterator[tuple[int, StageTiming, StageTiming]]:
    """(start of green, stage, next stage) in the order of the plan."""
    at = plan.offset_s
    for timing, following in zip(plan.stages, (*plan.stages[1:], plan.stages[0]), strict=True):
        yield at, timing, following
        at += timing.duration_s


def _one_green(group: SignalGroup, seconds: frozenset[int], cycle_s: int) -> tuple[int, int]:
    starts = [second for second in seconds if (second - 1) % cycle_s not in seconds]
    if len(starts) != 1:
        raise NoRings(f"signal group {group.number} is green in stages that do not follow each other")
    return starts[0], len(seconds)


def _block(junction: Junction, plan: TimingPlan, start: int, green: int, groups: Sequence[int]) -> Block:
    """The block of vehicle groups with this green, which ends with one of the plan's stages."""
    timings = [timing for timing in plan.stages if groups[0] in junction.stages[timing.stage].going]
    between = green - sum(timing.go_s for timing in timings)
    left = start + green
    last = next(timing for at, timing, _ in _served(plan) if (at + timing.go_s - left) % plan.cycle_s == 0)
    vehicles = [junction.group(number) for number in groups]
    return Block(
        approach=vehicles[0].movement.partition(">")[0],
        bearing=next((group.bearing for group in vehicles if group.turn == "through"), vehicles[0].bearing),
        turns=frozenset(group.turn for group in vehicles),
        start=start,
        green=green,
        yellow=last.yellow_s,
        red=last.all_red_s,
        min_green=max(junction.stages[timing.stage].min_green_s for timing in timings),
        max_green=sum(junction.stages[timing.stage].max_green_s for timing in timings) + between,
        groups=tuple(groups),
    )


def _on_foot_alone(junction: Junction, plan: TimingPlan, free: frozenset[int]) -> Iterator[Block]:
    """Stages in which only crossings are green."""
    for at, timing, _ in _served(plan):
        stage = junction.stages[timing.stage]
        going = stage.going - free
        if going and all(junction.group(number).kind == "pedestrian" for number in going):
            yield Block(
                approach="",
                bearing=0,
                turns=frozenset(),
                start=at % plan.cycle_s,
                green=timing.go_s,
                yellow=timing.yellow_s,
                red=timing.all_red_s,
                min_green=stage.min_green_s,
                max_green=stage.max_green_s,
                groups=(),
            )


def _add_crossing(
    junction: Junction, plan: TimingPlan, blocks: list[Block], crossing: SignalGroup, green: tuple[int, int]
) -> None:
    """Let a crossing go with the block that starts with it: that of the approach which has it at its near side."""
    start, length = green
    fitting = [
        k
        for k, block in enumerate(blocks)
        if block.start == start and length <= block.green and block.walk in (0, length)
    ]
    if not fitting:
        raise NoRings(f"the walk of signal group {crossing.number} does not start with a phase that has room for it")
    bearing = crossing.bearing + (-90 if junction.left_hand else 90)
    chosen = min(fitting, key=lambda k: ("through" not in blocks[k].turns, _between(blocks[k].bearing, bearing), k))
    block = blocks[chosen]
    blocks[chosen] = replace(
        block,
        groups=(*block.groups, crossing.number),
        walk=length,
        clearance=max(block.clearance, _clearance_s(junction, plan, block, crossing.number, length)),
    )


def _between(one: int, other: int) -> int:
    """The angle between two bearings, in degrees."""
    return abs((one - other + 180) % 360 - 180)


def _clearance_s(junction: Junction, plan: TimingPlan, block: Block, crossing: int, length: int) -> int:
    """Flashing don't walk that ends within the minimum green; yellow and all-red may be needed too."""
    stages = [junction.stages[timing.stage] for timing in plan.stages]
    walks = [walk for stage in stages for walk in stage.walks if walk.group == crossing]
    if not walks or any(walk.walk_s != length for walk in walks):
        raise NoRings(f"signal group {crossing} would walk {length} s, which its stages do not have as their walk")
    flash = max(walk.flash_s for walk in walks)
    shown = max(0, min(flash, min(block.min_green, block.green) - length))
    if shown + block.yellow + block.red < flash:
        raise NoRings(f"signal group {crossing} is not clear of pedestrians when its phase ends")
    return shown
