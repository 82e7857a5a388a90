"""Rules on the times of one plan at one junction."""

from __future__ import annotations

import math
from collections.abc import Iterator

from greenband.plan.junction import Junction, SignalGroup
from greenband.plan.model import PlanSet, StageTiming, TimingPlan
from greenband.plan.rules.finding import Finding
from greenband.plan.rules.profile import Profile
from greenband.signals import all_red_s, yellow_s

__all__ = [
    "all_red",
    "green_flash",
    "max_red",
    "min_green",
    "minimum_service",
    "pedestrians",
    "tables",
    "yellow",
]


def tables(plans: PlanSet) -> Iterator[tuple[str, TimingPlan, Junction]]:
    """Every plan with its period and junction."""
    for period, plan in plans:
        yield period, plan, plans.junctions[plan.signal]


def yellow(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Yellow within its bounds, and long enough to stop or to pass at the speed limit."""
    least, most = profile.yellow_s
    for period, plan, junction in tables(plans):
        for stage in plan.stages:
            needed = max(least, yellow_s(_speed_ms(junction, stage)) if profile.kinematic else least)
            if not needed <= stage.yellow_s <= most:
                yield _of_stage("yellow", period, stage, plan, f"{stage.yellow_s} s", f"{needed} to {most} s")


def all_red(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """All-red within its bounds, and long enough to clear the junction."""
    least, most = profile.all_red_s
    for period, plan, junction in tables(plans):
        for stage in plan.stages:
            ending = _ending(junction, stage)
            needed = max([least, *(all_red_s(g.crossing_m, g.speed_ms) for g in ending if profile.kinematic)])
            if not needed <= stage.all_red_s <= most:
                yield _of_stage("all-red", period, stage, plan, f"{stage.all_red_s} s", f"{needed} to {most} s")


def pedestrians(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Time to step off, and time to get over before a stream across starts."""
    for period, plan, junction in tables(plans):
        for stage in plan.stages:
            known = junction.stages[stage.stage]
            for number in known.going - {walk.group for walk in known.walks}:
                if junction.group(number).kind == "pedestrian":
                    place = f"crossing {number}"
                    yield _of_stage("pedestrians", period, stage, plan, "no walk", "walk and flash", place)
            for walk in known.walks:
                crossing = junction.group(walk.group)
                after = stage.go_s - walk.walk_s + stage.yellow_s + stage.all_red_s
                over = math.ceil(crossing.crossing_m / profile.walking_ms) + profile.buffer_s
                place = f"crossing {crossing.number}"
                if walk.walk_s < profile.walk_s:
                    text = f"walk of {profile.walk_s} s or more"
                    yield _of_stage("pedestrians", period, stage, plan, f"{walk.walk_s} s", text, place)
                clear = min(after, walk.flash_s + stage.yellow_s + stage.all_red_s)
                if clear < over:
                    text = f"{over} s for {crossing.crossing_m:g} m from the end of walk to the next green"
                    yield _of_stage("pedestrians", period, stage, plan, f"{clear} s", text, place)
                slow = profile.slow_walking_ms
                if slow and walk.walk_s + after < (both := math.ceil(crossing.crossing_m / slow)):
                    text = f"{both} s of walk and clearance for {crossing.crossing_m:g} m at {slow:g} m/s"
                    yield _of_stage("pedestrians", period, stage, plan, f"{walk.walk_s + after} s", text, place)


def min_green(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Greens between the junction's minimum and maximum, and no minimum below the agency's."""
    for period, plan, junction in tables(plans):
        for stage in plan.stages:
            known = junction.stages[stage.stage]
            if not known.min_green_s <= stage.go_s <= known.max_green_s:
                allowed = f"{known.min_green_s} to {known.max_green_s} s of green, flash included"
                yield _of_stage("min-green", period, stage, plan, f"{stage.go_s} s", allowed)
            if known.min_green_s < profile.min_green_s:
                allowed = f"a minimum green of {profile.min_green_s} s or more"
                yield _of_stage("min-green", period, stage, plan, f"{known.min_green_s} s", allowed)


def green_flash(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """A green flashes before it ends, where that is the custom."""
    for period, plan, _ in tables(plans):
        for stage in plan.stages:
            if stage.green_flash_s < profile.green_flash_s:
                needed = f"{profile.green_flash_s} s of green flash or more"
                yield _of_stage("green-flash", period, stage, plan, f"{stage.green_flash_s} s", needed)


def minimum_service(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """A stage has time for its minimum green, or for walk and flash, and for its intergreen."""
    for period, plan, junction in tables(plans):
        for stage in plan.stages:
            known = junction.stages[stage.stage]
            on_foot = max((walk.walk_s + walk.flash_s for walk in known.walks), default=0)
            needed = max(known.min_green_s, on_foot) + stage.yellow_s + stage.all_red_s
            if stage.duration_s < needed:
                text = f"{needed} s: minimum green or walk and flash, yellow and all-red"
                yield _of_stage("minimum-service", period, stage, plan, f"{stage.duration_s} s", text)


def max_red(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Nobody waits longer than the junction's maximum red."""
    for period, plan, junction in tables(plans):
        for group in junction.groups:
            longest = _longest_red_s(plan, junction, group)
            if longest is not None and longest > junction.max_red_s:
                place = f"group {group.number} {group.movement}"
                yield Finding("max-red", plan.signal, period, place, f"{longest} s", f"at most {junction.max_red_s} s")


def _longest_red_s(plan: TimingPlan, junction: Junction, group: SignalGroup) -> int | None:
    """Longest time without green in a cycle; None where the group has none in the plan, or may turn on red."""
    going = [group.number in junction.stages[stage.stage].going for stage in plan.stages]
    if group.on_red or not any(going):
        return None
    first = going.index(True)
    order = [*range(first, len(going)), *range(first)]
    longest = waited = 0
    for k in order:
        stage = plan.stages[k]
        waited = 0 if going[k] else waited + stage.go_s
        waited += stage.yellow_s + stage.all_red_s
        longest = max(longest, waited)
    return longest


def _ending(junction: Junction, stage: StageTiming) -> list[SignalGroup]:
    """The vehicle groups that go in a stage."""
    going = junction.stages[stage.stage].going
    return [group for group in junction.vehicle_groups() if group.number in going]


def _speed_ms(junction: Junction, stage: StageTiming) -> float:
    return max((group.speed_ms for group in _ending(junction, stage)), default=0.0)


def _of_stage(
    rule: str, period: str, stage: StageTiming, plan: TimingPlan, measured: str, required: str, place: str = ""
) -> Finding:
    where = f"stage {stage.stage + 1} {stage.name}"
    return Finding(rule, plan.signal, period, f"{where}, {place}" if place else where, measured, required)
