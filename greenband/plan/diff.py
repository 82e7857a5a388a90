"""What changes from one plan set to another, in words an engineer uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenband.plan.calendar import DayPlan, ScheduleRow
from greenband.plan.model import PlanSet, StageTiming, TimingPlan

__all__ = ["Change", "changes"]

TIMES = {"green_s": "green", "green_flash_s": "green flash", "yellow_s": "yellow", "all_red_s": "all-red"}
LIMITS = {
    "number": "number",
    "name_en": "English name",
    "name_zh": "Chinese name",
    "yellow_s": "yellow",
    "all_red_s": "all-red",
    "green_flash_s": "green flash",
    "max_red_s": "maximum red",
    "coordination": "coordination group",
    "left_hand": "left-hand traffic",
    "x_m": "x",
    "y_m": "y",
}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Change:
    """One change; ``junction`` and ``plan`` are empty where it is of the whole set."""

    junction: str
    name: str
    plan: str
    text: str


def changes(before: PlanSet, after: PlanSet) -> list[Change]:
    """Every change, junction after junction; none if the two hold the same."""
    signals = dict.fromkeys(plan.signal for plans in (before, after) for _, plan in plans)
    names = {signal: _name(after, signal) or _name(before, signal) for signal in signals}
    found = [
        Change(signal, names[signal], period, text)
        for signal in signals
        for period, text in _of_junction(before, after, signal)
    ]
    found += [Change("", "", "", text) for text in _of_calendar(before, after)]
    if not found and before.content_hash != after.content_hash:
        found.append(Change("", "", "", "something else than times differs: see the two files"))
    return found


def _name(plans: PlanSet, signal: str) -> str:
    junction = plans.junctions.get(signal)
    return " ".join(name for name in (junction.name_zh, junction.name_en) if name) if junction else ""


def _of_junction(before: PlanSet, after: PlanSet, signal: str) -> Iterator[tuple[str, str]]:
    for period in dict.fromkeys((*before.plans, *after.plans)):
        old, new = (plans.plans.get(period, {}).get(signal) for plans in (before, after))
        if old is None and new is not None:
            yield period, f"new plan, cycle {new.cycle_s} s, offset {new.offset_s} s"
        elif old is not None and new is None:
            yield period, "plan goes"
        elif old is not None and new is not None:
            yield from ((period, text) for text in _of_plan(old, new))
    if signal in before.junctions and signal in after.junctions:
        yield from (("", text) for text in _of_limits(before, after, signal))


def _of_plan(old: TimingPlan, new: TimingPlan) -> Iterator[str]:
    if old.cycle_s != new.cycle_s:
        yield f"cycle: {old.cycle_s} s to {new.cycle_s} s"
    if old.offset_s != new.offset_s:
        yield f"offset: {old.offset_s} s to {new.offset_s} s"
    if old.name != new.name:
        yield f"plan: name {old.name!r} to {new.name!r}"
    orders = [[stage.stage + 1 for stage in plan.stages] for plan in (old, new)]
    if orders[0] != orders[1]:
        yield f"order of stages: {_listed(orders[0])} to {_listed(orders[1])}"
    known = {stage.stage: stage for stage in old.stages}
    for stage in new.stages:
        if stage.stage in known:
            yield from _of_stage(known[stage.stage], stage)


def _of_stage(old: StageTiming, new: StageTiming) -> Iterator[str]:
    label = f"stage {new.stage + 1} {new.name}".rstrip()
    for field, name in TIMES.items():
        was, is_now = getattr(old, field), getattr(new, field)
        if was != is_now:
            yield f"{label}: {name} {was} s to {is_now} s"
    if old.name != new.name:
        yield f"stage {new.stage + 1}: name {old.name!r} to {new.name!r}"
    if old.movements != new.movements:
        yield f"{label}: released from {_listed(old.movements)} to {_listed(new.movements)}"


def _of_limits(before: PlanSet, after: PlanSet, signal: str) -> Iterator[str]:
    old, new = before.junctions[signal], after.junctions[signal]
    for field, name in LIMITS.items():
        if getattr(old, field) != getattr(new, field):
            yield f"{name} of the junction: {getattr(old, field)} to {getattr(new, field)}"
    if (old.groups, old.stages, old.conflicts, old.yields) != (new.groups, new.stages, new.conflicts, new.yields):
        yield "signal groups, stages or conflicts of the junction differ: not the same intersection program"


def _of_calendar(before: PlanSet, after: PlanSet) -> Iterator[str]:
    for what, were, are in (
        ("plans", [*before.plans], [*after.plans]),
        ("day plans", [*before.day_plans], [*after.day_plans]),
    ):
        if were != are and sorted(were) == sorted(are):
            yield f"order of {what}, by which tables number them: from {_listed(were)} to {_listed(are)}"
    for name in dict.fromkeys((*before.day_plans, *after.day_plans)):
        old, new = before.day_plans.get(name), after.day_plans.get(name)
        if old != new:
            yield f"day plan {name}: from {_day(old)} to {_day(new)}"
    if before.schedule != after.schedule:
        yield f"schedule: from {_rows(before.schedule)} to {_rows(after.schedule)}"


def _day(day: DayPlan | None) -> str:
    return ", ".join(f"{switch.at} {switch.plan}" for switch in day.switches) if day else "none"


def _rows(rows: Sequence[ScheduleRow]) -> str:
    return "; ".join(_row(row) for row in rows) or "none"


def _row(row: ScheduleRow) -> str:
    days = "daily" if len(row.weekdays) == len(DAYS) else " ".join(DAYS[day - 1] for day in row.weekdays)
    dates = f" {row.first} to {row.last}" if row.first else ""
    return f"{days}{dates} {row.day_plan}"


def _listed(items: Sequence[object]) -> str:
    return ", ".join(str(item) for item in items) or "nothing"
