"""From one plan to the next without a break: whole cycles in between that bring a signal into step.

Where a plan ends a cycle, the next one is seldom at the beginning of its own. The gap is closed by a few cycles of the
new plan that are all longer or all shorter, by the way that changes them least, within the junction's limits: what
controllers call the short way (NTCIP 1202, coordCorrectionMode shortWay; FHWA-HOP-08-024, Traffic Signal Timing
Manual, 6.6). Times are whole seconds after midnight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from greenband.errors import BadInput, UnknownName
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, StageTiming, TimingPlan
from greenband.plan.splits import share_green

__all__ = ["Step", "bridge", "timeline"]

MOST_CYCLES = 6


@dataclass(frozen=True)
class Step:
    """From a time on, a plan is shown from the beginning of one of its stages; ``between`` tells a cycle in between.

    ``period`` is the one whose plan it is, or leads to.
    """

    start_s: int
    period: str
    plan: TimingPlan
    between: bool


def timeline(plans: PlanSet, signal: str, day_plan: str) -> list[Step]:
    """What a junction shows on a day, from midnight on; a plan is kept where the next one is not for this junction.

    Raises:
        BadInput: there is no such day plan or no plan for the junction; or a plan is in force for too short a time to
            get into step.
    """
    if day_plan not in plans.day_plans:
        raise UnknownName("day plan", day_plan, plans.day_plans)
    own = [
        (60 * switch.at_min, switch.plan, plans.plans[switch.plan][signal])
        for switch in plans.day_plans[day_plan].switches
        if signal in plans.plans[switch.plan]
    ]
    if not own:
        raise BadInput(f"junction {signal}: day plan {day_plan} has no plan for it")
    (_, period, plan), *later = own
    steps = [Step(0, period, plan, between=False)]
    for at_s, period, plan in later:
        if at_s < steps[-1].start_s:
            raise BadInput(f"junction {signal}: {steps[-1].period} is in force for too short a time to get into step")
        if plan != steps[-1].plan:
            steps += bridge(plans.junctions[signal], steps[-1].plan, plan, at_s, period)
    return steps


def bridge(junction: Junction, old: TimingPlan, new: TimingPlan, at_s: int, period: str = "") -> list[Step]:
    """What is shown once another plan is due.

    The old plan ends its cycle, that is, it goes on to the next start of its first stage. Steps in between come after
    that, the new plan last; none is in between where both are in step already.

    Raises:
        BadInput: no few cycles within the junction's limits close the gap.
    """
    begin = at_s + (old.offset_s - at_s) % old.cycle_s
    turned = _beginning_with(new, old.stages[0].stage)
    gap = (turned.offset_s - begin) % turned.cycle_s
    if gap == 0:
        return [Step(begin, period, turned, between=False)]
    ways = sorted(_ways(gap, turned.cycle_s), key=lambda way: (abs(way[1]) / way[0], way[0]))
    for cycles, change in ways:
        spread = _spread(junction, turned, cycles, change)
        if spread is not None:
            steps, start = [], begin
            for plan in spread:
                shown = plan.model_copy(update={"offset_s": start % plan.cycle_s})
                steps.append(Step(start, period, shown, between=True))
                start += plan.cycle_s
            return [*steps, Step(start, period, turned, between=False)]
    raise BadInput(
        f"junction {junction.signal}: no {MOST_CYCLES} cycles within its limits lead from {old.name!r} to {new.name!r}"
    )


def _beginning_with(plan: TimingPlan, stage: int) -> TimingPlan:
    """The same plan told from the start of another stage, where it has that stage."""
    numbers = [timing.stage for timing in plan.stages]
    if stage not in numbers:
        raise BadInput(f"junction {plan.signal}: plan {plan.name!r} has no stage {stage + 1}, which the one before has")
    first = numbers.index(stage)
    later_s = sum(timing.duration_s for timing in plan.stages[:first])
    stages = (*plan.stages[first:], *plan.stages[:first])
    return plan.model_copy(update={"stages": stages, "offset_s": (plan.offset_s + later_s) % plan.cycle_s})


def _ways(gap_s: int, cycle_s: int) -> Iterator[tuple[int, int]]:
    """(number of cycles, seconds that they are longer, all together): later by the gap, or sooner by the rest."""
    for cycles in range(1, MOST_CYCLES + 1):
        yield cycles, gap_s
        yield cycles, gap_s - cycle_s


def _spread(junction: Junction, plan: TimingPlan, cycles: int, change_s: int) -> list[TimingPlan] | None:
    """Cycles that are longer by so much in all; None where greens would leave their limits, or reds their maximum."""
    shares = [change_s // cycles + (k < change_s % cycles) for k in range(cycles)]
    found = [_stretched(junction, plan, plan.cycle_s + share) for share in shares]
    return [one for one in found if one is not None] if all(found) else None


def _stretched(junction: Junction, plan: TimingPlan, cycle_s: int) -> TimingPlan | None:
    known = [junction.stages[timing.stage] for timing in plan.stages]
    greens_s = cycle_s - sum(timing.yellow_s + timing.all_red_s for timing in plan.stages)
    floors = [max(stage.min_green_s, cycle_s - junction.max_red_s) for stage in known]
    try:
        greens = share_green(
            greens_s, [timing.go_s for timing in plan.stages], floors, min(stage.max_green_s for stage in known)
        )
    except BadInput:
        return None
    stages = tuple(_with_green(timing, green) for timing, green in zip(plan.stages, greens, strict=True))
    return plan.model_copy(update={"cycle_s": cycle_s, "stages": stages, "offset_s": 0})


def _with_green(timing: StageTiming, green_s: int) -> StageTiming:
    flash = min(timing.green_flash_s, green_s)
    return timing.model_copy(update={"green_s": green_s - flash, "green_flash_s": flash})
