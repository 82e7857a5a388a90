"""Day plans and schedule of a plan set as rows of NTCIP 1201's tables.

Where several rows of a controller's schedule fit a day, it takes the one with the fewest months, then dates, then days
of the week. A plan set has another precedence, so the rows made here exclude each other: for each date of the year and
day of the week the day plan is looked up, and dates and months that agree are put together.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from functools import lru_cache

from greenband.errors import BadInput
from greenband.formats.ntcip_objects import ACTION_OID, Event, ScheduleRow
from greenband.plan import calendar
from greenband.plan.model import PlanSet

__all__ = ["day_plan_events", "schedule_rows"]

DATES = range(1, 32)
FIRST_DAY = datetime.date(2000, 1, 1)
CALENDAR_DAYS = 28 * 365 + 7  # after 28 years every date has been on every day of the week

Week = tuple[str | None, ...]  # day plans from Monday to Sunday


def day_plan_events(plans: PlanSet, signal: str, patterns: Mapping[str, int]) -> dict[tuple[int, int], Event]:
    """The switches of all day plans, by day plan and event; the action has the number of the pattern.

    Raises:
        BadInput: a day plan switches to a plan that the junction does not have.
    """
    found = {}
    for day, (name, plan) in enumerate(plans.day_plans.items(), 1):
        for event, switch in enumerate(plan.switches, 1):
            if switch.plan not in patterns:
                raise BadInput(
                    f"junction {signal}, plan {switch.plan!r}: there is none, but day plan {name!r} needs it"
                )
            action = f"{ACTION_OID}.{patterns[switch.plan]}"
            found[day, event] = Event(switch.at_min // 60, switch.at_min % 60, action)
    return found


def schedule_rows(plans: PlanSet) -> dict[int, ScheduleRow]:
    """Rows that exclude each other and say for every day what the schedule says."""
    numbers = {name: number for number, name in enumerate(plans.day_plans, 1)}
    rows = (ScheduleRow(months, days, dates, numbers[plan]) for months, days, dates, plan in _bits(plans.schedule))
    return dict(enumerate(rows, 1))


@lru_cache(maxsize=8)
def _bits(schedule: tuple[calendar.ScheduleRow, ...]) -> tuple[tuple[int, int, int, str], ...]:
    """(months, days of the week, dates, day plan), the first three as bits."""
    return tuple(_merged(_weeks(schedule)))


def _weeks(schedule: tuple[calendar.ScheduleRow, ...]) -> dict[tuple[int, int], Week]:
    """For every month and date the day plan on each day of the week; dates that a month lacks go with its last."""
    found: dict[tuple[int, int, int], str | None] = {}
    for day in range(CALENDAR_DAYS):
        date = FIRST_DAY + datetime.timedelta(days=day)
        place = date.month, date.day, date.isoweekday()
        if place not in found:
            found[place] = calendar.day_plan_on(date, schedule)
    weeks = {}
    for month in range(1, 13):
        for date_number in DATES:
            last = min(date_number, max(date for of, date, _ in found if of == month))
            weeks[month, date_number] = tuple(found[month, last, weekday] for weekday in calendar.WEEK)
    return weeks


def _merged(weeks: Mapping[tuple[int, int], Week]) -> Iterator[tuple[int, int, int, str]]:
    months: dict[tuple[Week, ...], int] = {}
    for month in range(1, 13):
        year = tuple(weeks[month, date] for date in DATES)
        months[year] = months.get(year, 0) | 1 << month
    for year, month_bits in months.items():
        dates: dict[Week, int] = {}
        for date, week in zip(DATES, year, strict=True):
            dates[week] = dates.get(week, 0) | 1 << date
        for week, date_bits in dates.items():
            for plan in dict.fromkeys(name for name in week if name is not None):
                yield month_bits, _day_bits(week, plan), date_bits, plan


def _day_bits(week: Week, plan: str) -> int:
    """Bit 1 is Sunday, which is day 7 of a plan set."""
    return sum(1 << (day % 7 + 1) for day, name in zip(calendar.WEEK, week, strict=True) if name == plan)
