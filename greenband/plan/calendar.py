"""When which plan is in force: day plans 时段方案, and the schedule 调度 that names a day plan for every date.

Where several rows of a schedule fit a date, a date of its own goes before a dated week, and that before a plain week
(the order of GA/T 1049.2, object ScheduleParam); among rows of the same kind the first counts.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from greenband.plan.broken import broken

__all__ = ["DAY_MIN", "DAY_S", "MONDAY", "WEEK", "DayPlan", "ScheduleRow", "Switch", "clock", "day_plan_on"]

DAY_MIN = 24 * 60
DAY_S = 60 * DAY_MIN
MONDAY = datetime.date(2001, 3, 5)  # on which schedules seldom name a holiday
WEEK = (1, 2, 3, 4, 5, 6, 7)  # Monday to Sunday, as in ISO 8601


def _month_day(text: str) -> str:
    if not re.fullmatch(r"[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"{text!r} is no date such as 10-01")
    try:
        datetime.date(2000, int(text[:2]), int(text[3:]))  # a leap year, so that 02-29 is a date
    except ValueError as error:
        raise ValueError(f"{text!r} is no date such as 10-01: {error}") from error
    return text


def _weekdays(days: tuple[int, ...]) -> tuple[int, ...]:
    if not set(days) <= set(WEEK) or list(days) != sorted(set(days)):
        raise ValueError(f"weekdays {list(days)}: they must ascend from 1, Monday, to 7, Sunday, each once")
    return days


MonthDay = Annotated[str, AfterValidator(_month_day)]
Weekdays = Annotated[tuple[int, ...], AfterValidator(_weekdays)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Switch(_Record):
    """From a time of day on, in minutes after midnight, the plans of a period are in force."""

    at_min: int = Field(ge=0, lt=DAY_MIN)
    plan: str = Field(max_length=200)

    @property
    def at(self) -> str:
        """The time as ``HH:MM``."""
        return clock(self.at_min)


class DayPlan(_Record):
    """The plans of a day, one after another; the first begins at midnight."""

    switches: tuple[Switch, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascends_from_midnight(self) -> Self:
        times = [switch.at_min for switch in self.switches]
        if times[0] != 0:
            text = f"the first plan begins at {clock(times[0])}: it must be 00:00"
            raise broken("schedule", text, clock(times[0]), "00:00")
        for before, after in pairwise(times):
            if after <= before:
                text = f"{clock(after)} does not come after {clock(before)}"
                raise broken("schedule", text, clock(after), f"after {clock(before)}")
        return self

    def plan_at(self, minute: int) -> str:
        """The plan in force at a minute of the day."""
        return [switch.plan for switch in self.switches if switch.at_min <= minute][-1]

    def between(self, begin_s: int, end_s: int) -> list[tuple[int, str]]:
        """(time in s, plan): the plan in force at the beginning, then each that follows; times go on past midnight."""
        found = [(begin_s, self.plan_at(begin_s // 60 % DAY_MIN))]
        for day in range(begin_s // DAY_S, end_s // DAY_S + 1):
            for switch in self.switches:
                at_s = day * DAY_S + 60 * switch.at_min
                if begin_s < at_s < end_s and switch.plan != found[-1][1]:
                    found.append((at_s, switch.plan))
        return found


class ScheduleRow(_Record):
    """A day plan on some weekdays, within dates ``MM-DD`` where given; ``last`` before ``first`` spans New Year."""

    day_plan: str = Field(max_length=200)
    weekdays: Weekdays = WEEK
    first: MonthDay | None = None
    last: MonthDay | None = None
    name: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _dates_come_in_pairs(self) -> Self:
        if (self.first is None) != (self.last is None):
            raise ValueError("first and last date come together or not at all")
        if not self.weekdays:
            raise ValueError("a row needs a weekday")
        return self

    @property
    def kind(self) -> int:
        """GA/T 1049.2's Type: 1 special day, 2 dated week, 3 week."""
        if self.first is None:
            return 3
        return 1 if self.weekdays == WEEK else 2

    def fits(self, date: datetime.date) -> bool:
        """Whether the row is for a date."""
        if date.isoweekday() not in self.weekdays:
            return False
        if self.first is None or self.last is None:
            return True
        day = f"{date:%m-%d}"
        if self.first <= self.last:
            return self.first <= day <= self.last
        return day >= self.first or day <= self.last


def day_plan_on(date: datetime.date, rows: Sequence[ScheduleRow]) -> str | None:
    """The day plan of a date; None where no row fits."""
    fitting = sorted((row for row in rows if row.fits(date)), key=lambda row: row.kind)
    return fitting[0].day_plan if fitting else None


def clock(minute: int) -> str:
    """Minutes after midnight as ``HH:MM``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def checked_names(day_plans: Mapping[str, DayPlan], rows: Sequence[ScheduleRow], plans: Mapping[str, object]) -> None:
    """That schedule and day plans name what there is.

    Raises:
        PydanticCustomError: saying which name is unknown.
    """
    for name, day in day_plans.items():
        for switch in day.switches:
            if switch.plan not in plans:
                text = f"day plan {name}, {switch.at}: there is no plan {switch.plan!r}"
                raise broken("schedule", text, switch.plan, f"one of {', '.join(plans)}")
    for row in rows:
        if row.day_plan not in day_plans:
            text = f"the schedule names day plan {row.day_plan!r}, which there is not"
            raise broken("schedule", text, row.day_plan, f"one of {', '.join(day_plans)}")
