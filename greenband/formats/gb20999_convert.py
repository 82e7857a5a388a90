"""From a plan set to what GB/T 20999-2017 controllers are to hold: see ``gb20999`` for what is and is not expressed."""

from __future__ import annotations

import datetime
from calendar import monthrange
from collections.abc import Iterator, Sequence

from greenband.formats.gb20999_tables import (
    ALL_DATES,
    CAPTURED,
    COORDINATED,
    FIXED,
    MONTHS,
    ControllerDay,
    ControllerPeriod,
    ControllerPlan,
    ControllerRow,
    ControllerStage,
    ControllerTables,
    Profile,
    at,
    check,
)
from greenband.plan.calendar import WEEK, ScheduleRow
from greenband.plan.model import PlanSet, TimingPlan

__all__ = ["controller_rows", "controller_tables", "plain"]

LEAP_YEAR = 2000


def controller_tables(
    plans: PlanSet, signal: str, profile: Profile = CAPTURED, rows: Sequence[ControllerRow] | None = None
) -> ControllerTables:
    """What a junction's controller is to hold; ``rows`` of the schedule where they are known already.

    Raises:
        BadInput: naming junction, plan and reason.
    """
    numbers = {period: number for number, period in enumerate(plans.plans, 1)}
    found, days = [], []
    for period, of in plans.plans.items():
        if signal in of:
            with at(f"junction {signal}, plan {numbers[period]} {plain(period)}"):
                found.append(_plan(numbers[period], of[signal], profile))
    for number, name in enumerate(plans.day_plans, 1):
        with at(f"junction {signal}, day plan {number} {plain(name)}"):
            days.append(_day(number, plans, name, signal, profile))
    return ControllerTables(
        host=profile.host,
        controller=profile.controllers.get(signal, plans.junctions[signal].number),
        crossing=profile.crossing,
        plans=tuple(found),
        day_plans=tuple(days),
        schedule=tuple(controller_rows(plans, profile) if rows is None else rows),
    )


def controller_rows(plans: PlanSet, profile: Profile = CAPTURED) -> list[ControllerRow]:
    """The schedule, in the order of precedence.

    Raises:
        BadInput: it takes more rows than the controller has.
    """
    ranked = sorted(plans.schedule, key=lambda row: row.kind)
    numbers = {name: number for number, name in enumerate(plans.day_plans, 1)}
    found: list[ControllerRow] = []
    for rank, row in enumerate(ranked, 1):
        for months, dates in _days(row):
            found.append(
                ControllerRow(
                    number=len(found) + 1,
                    priority=rank if profile.priority_1_first else len(ranked) + 1 - rank,
                    weekdays=row.weekdays,
                    months=months,
                    dates=dates,
                    day_plan=numbers[row.day_plan],
                    belongs_to=profile.belongs_to,
                )
            )
    there = profile.max_rows
    check(len(found) <= there, f"the schedule takes {len(found)} rows, but the controller has room for {there}")
    return found


def plain(text: str) -> str:
    """Text that can stand in a comment: one line, nothing unprintable."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _plan(number: int, plan: TimingPlan, profile: Profile) -> ControllerPlan:
    check(number <= profile.max_plans, f"the controller has room for {profile.max_plans} plans")
    for stage in plan.stages:
        there = profile.max_stages
        check(stage.stage < there, f"stage {stage.stage + 1}: the controller has room for {there} stages")
    return ControllerPlan(
        number=number,
        cycle_s=plan.cycle_s,
        offset_s=plan.offset_s,
        reference_stage=plan.stages[0].stage + 1,
        stages=tuple(ControllerStage(stage.stage + 1, stage.duration_s) for stage in plan.stages),
        belongs_to=profile.belongs_to,
    )


def _day(number: int, plans: PlanSet, name: str, signal: str, profile: Profile) -> ControllerDay:
    check(number <= profile.max_day_plans, f"the controller has room for {profile.max_day_plans} day plans")
    numbers = list(plans.plans)
    periods = []
    for switch in plans.day_plans[name].switches:
        check(signal in plans.plans[switch.plan], f"{switch.at}: the junction has no plan {switch.plan}")
        mode = COORDINATED if _coordinated(plans, switch.plan, signal) else FIXED
        periods.append(ControllerPeriod(switch.at_min, numbers.index(switch.plan) + 1, mode))
    return ControllerDay(number, tuple(periods), profile.belongs_to)


def _coordinated(plans: PlanSet, period: str, signal: str) -> bool:
    """Whether another junction of the same coordination group has a plan for the period too."""
    group = plans.junctions[signal].coordination
    return any(
        group and plans.junctions[other].coordination == group for other in plans.plans[period] if other != signal
    )


def _days(row: ScheduleRow) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Months and dates of a row: months of the same dates together."""
    any_weekday = row.model_copy(update={"weekdays": WEEK})
    months: dict[tuple[int, ...], list[int]] = {}
    for month in MONTHS:
        days = [datetime.date(LEAP_YEAR, month, day) for day in range(1, monthrange(LEAP_YEAR, month)[1] + 1)]
        dates = tuple(day.day for day in days if any_weekday.fits(day))
        if dates:
            months.setdefault(ALL_DATES if len(dates) == len(days) else dates, []).append(month)
    return ((tuple(found), dates) for dates, found in months.items())
