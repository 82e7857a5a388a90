"""From a fixed plan to force-offs: an actuated table that keeps the plan's cycle, offset and splits.

The stage of the main road's through traffic is coordinated. Its green ends where the plan ends it and takes what the
others leave over; those are forced off where the plan ends theirs, and come early where one before them did not last.

Source: FHWA, Traffic Signal Timing Manual, FHWA-HOP-08-024, 2008, chapter 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from greenband.demand import Demand, FlowTable
from greenband.network import Signal
from greenband.plan.actuated import ActuatedPlan, Coordination
from greenband.plan.model import TimingPlan
from greenband.plan.splits import movement_flows
from greenband.scenario import Scenario
from greenband.signals import Limits

__all__ = ["bounds_s", "coordinated", "main_stage"]


def main_stage(signal: Signal, scenario: Scenario, table: Demand) -> int:
    """The stage to coordinate: the one that serves most of the main road's flow, or of all where that does not pass."""
    whole = {route for routes in scenario.mainline.values() for route in routes}
    through = FlowTable(tuple(flow for flow in table.motor_flows if flow.id in whole), "")
    for flows in (movement_flows(through), movement_flows(table)):
        served = [sum(flows.get(signal.movements[k].id, 0.0) for k in stage.movements) for stage in signal.stages]
        if any(served):
            return served.index(max(served))
    return 0


def coordinated(table: ActuatedPlan, plan: TimingPlan, limits: Limits, main: int) -> ActuatedPlan:
    """The table in step with a fixed plan, its stages in the plan's order from the coordinated one, ``main``, on.

    Passage times stay. Greens are bounded by ``bounds_s``, since force-offs take the place of the table's maxima.
    """
    first = [timing.stage for timing in plan.stages].index(main)
    timings = plan.stages[first:] + plan.stages[:first]
    begin_s = plan.offset_s + sum(timing.duration_s for timing in plan.stages[:first])
    ends_s = accumulate(timing.duration_s for timing in timings)
    known = {stage.stage: stage for stage in table.stages}
    least, most = bounds_s(limits, [(timing.stage, timing.go_s) for timing in timings])
    return ActuatedPlan(
        signal=table.signal,
        name=plan.name,
        stages=tuple(
            known[timing.stage].model_copy(update={"min_green_s": low, "max_green_s": high})
            for timing, low, high in zip(timings, least, most, strict=True)
        ),
        coordination=Coordination(
            cycle_s=plan.cycle_s,
            offset_s=begin_s % plan.cycle_s,
            stage=main,
            force_off_s=tuple(
                end - timing.yellow_s - timing.all_red_s for timing, end in zip(timings, ends_s, strict=True)
            ),
        ),
    )


def bounds_s(limits: Limits, greens: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Minimum and maximum greens in s of stages in turn from the coordinated one on, given as (stage, green in s).

    Minima are the junction's. The coordinated green may take all that the others leave over, and an intergreen by which
    it may be early in its first cycle; another one may take what those between the coordinated one and itself leave.
    Where that would break the maximum green, or one round of maxima the maximum red, no stage leaves over more than
    keeps them.
    """
    stages, wanted = zip(*greens, strict=True)
    floors = [limits.min_green_s[stage] for stage in stages]
    least = most = list(wanted)
    for given in range(1, max(wanted) + 1):
        low = [floors[0], *(max(f, green - given) for f, green in zip(floors[1:], wanted[1:], strict=True))]
        left = [0, *accumulate(green - kept for green, kept in zip(wanted[1:], low[1:], strict=True))]
        rest = wanted[0] + left[-1]
        others = [min(limits.max_green_s, g + more) for g, more in zip(wanted[1:], left[:-1], strict=True)]
        high = [min(limits.max_green_s, rest + limits.intergreen_s), *others]
        longest_red = sum(high) - min(high) + len(high) * limits.intergreen_s
        if rest > limits.max_green_s or longest_red > limits.max_red_s:
            break
        least, most = low, high
    return [floors[0], *least[1:]], most
