"""A plan on trial at an NTCIP controller: rows of the schedule for today alone, so that it ends by itself.

Nothing that the controller holds is changed. The plan goes into a pattern, split, action and day plan without use, and
a row of the schedule with the month, the date and the day of the week of today, than which none is more specific, calls
for that day plan: today's own with the trial in between. Past midnight there is a second one. When the trial is over,
or its day, the controller is back with its own plans, whoever has gone away meanwhile. The rows are left behind; the
next download clears them. As they name a date and its day of the week, they would come into force again in five years
at the earliest.

Source: NTCIP 1201:2005 v02.27, timeBaseScheduleTable (which row is more specific) and timeBaseDayPlanTable.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from greenband.field.driver import Refused
from greenband.formats.ntcip_objects import ACTION_OID, Action, Event, NtcipObject, ScheduleRow, Sequence, objects_of
from greenband.formats.ntcip_tables import NtcipTables
from greenband.plan.calendar import DAY_MIN, clock

__all__ = ["Rows", "trial_rows"]

Switches = list[tuple[int, str]]  # minute of the day, and the action's OID
NO_ACTION = "0.0"


@dataclass(frozen=True)
class Rows:
    """How many rows the controller has."""

    patterns: int
    splits: int
    sequences: int
    actions: int
    day_plans: int
    events: int
    schedule: int


def trial_rows(
    held: NtcipTables, plan: NtcipTables, pattern: int, rows: Rows, now: datetime.datetime, minutes: int
) -> tuple[list[NtcipObject], datetime.datetime]:
    """The objects to set, and when the trial ends.

    Args:
        held: what the controller holds.
        plan: the tables of the plan set that has the plan.
        pattern: the plan's pattern in them.
        rows: how many rows the controller has.
        now: its local time.
        minutes: how long the trial lasts at least.

    Raises:
        Refused: the plan needs other phases, no rows are left, or nothing says what comes after the trial.
    """
    _same_phases(held, plan)
    number = _free("pattern", rows.patterns, held.patterns)
    used_splits = {row.split for row in held.patterns.values()}
    split = number if number not in used_splits and number <= rows.splits else _free("split", rows.splits, used_splits)
    sequence, orders = _sequence(held, plan, pattern, rows)
    action = _free("action", rows.actions, held.actions)
    begins = _minute(now)
    ends = begins + datetime.timedelta(minutes=minutes + (begins < now))
    days = list(_days(held, begins, ends, f"{ACTION_OID}.{action}"))
    found = [item for ring, order in orders.items() for item in objects_of((sequence, ring), order)]
    for (of, phase), share in plan.splits.items():
        if of == plan.patterns[pattern].split:
            found += objects_of((split, phase), share)
    found += objects_of((number,), replace(plan.patterns[pattern], split=split, sequence=sequence))
    found += objects_of((action,), Action(number, 0, 0))
    taken_days, taken_rows = {day for day, _ in held.events}, set(held.schedule)
    for date, switches in days:
        day, row = _free("day plan", rows.day_plans, taken_days), _free("schedule row", rows.schedule, taken_rows)
        taken_days.add(day)
        taken_rows.add(row)
        found += _day_plan(day, switches, rows.events)
        found += objects_of((row,), _row_of(date, day))
    return found, ends


def _minute(now: datetime.datetime) -> datetime.datetime:
    return now.replace(second=0, microsecond=0)


def _same_phases(held: NtcipTables, plan: NtcipTables) -> None:
    """All patterns share the phases, so that a trial with others would change the plans that it returns to."""
    here = [*objects_of((0,), held.unit)], [*objects_of((0,), plan.unit)]
    pairs = [*zip(*here, strict=True)]
    for number, phase in plan.phases.items():
        if number in held.phases:
            pairs += zip(objects_of((number,), held.phases[number]), objects_of((number,), phase), strict=True)
        elif phase.enabled:
            raise Refused(f"a trial needs phase {number}, which the controller does not use")
    for was, needed in pairs:
        if was.value != needed.value:
            raise Refused(
                f"a trial changes patterns alone, but the plan needs {needed.name} {needed.text}, and the controller"
                f" has {was.text}"
            )


def _free(what: str, rows: int, used: Collection[int]) -> int:
    """The last row without use; the first ones are what people fill."""
    found = next((number for number in range(rows, 0, -1) if number not in used), None)
    if found is None:
        raise Refused(f"a trial needs a {what} without use, and all {rows} are in use")
    return found


def _sequence(held: NtcipTables, plan: NtcipTables, pattern: int, rows: Rows) -> tuple[int, Mapping[int, Sequence]]:
    """The number of the sequence, and its rows by ring; one that is there already is left as it is."""
    wanted = plan.patterns[pattern].sequence
    orders = {ring: row for (number, ring), row in plan.sequences.items() if number == wanted}
    for number in sorted({number for number, _ in held.sequences}):
        if all(held.sequences.get((number, ring)) == row for ring, row in orders.items()):
            return number, {}
    return _free("sequence", rows.sequences, {number for number, _ in held.sequences}), orders


def _days(
    held: NtcipTables, begins: datetime.datetime, ends: datetime.datetime, trial: str
) -> Iterator[tuple[datetime.date, Switches]]:
    """The days that the trial touches, with their own switches and the trial's in between."""
    begin = 60 * begins.hour + begins.minute
    over = begin + round((ends - begins).total_seconds() / 60)
    today = begins.date()
    for date, first, last in ((today, begin, over), (today + datetime.timedelta(days=1), 0, over - DAY_MIN)):
        if last > 0:
            own = _own_switches(held, date)
            after = [(last, _in_force(own, last, date))] if last < DAY_MIN else []
            before = [switch for switch in own if switch[0] < first]
            yield date, [*before, (first, trial), *after, *(switch for switch in own if switch[0] > last)]


def _own_switches(held: NtcipTables, date: datetime.date) -> Switches:
    """What the controller does on a date by itself."""
    fitting = [(_specific(row), number) for number, row in held.schedule.items() if _fits(row, date)]
    if not fitting:
        raise Refused(f"the controller's schedule has no day plan for {date}, to which it could return")
    (bits, number) = min(fitting)
    if bits == (1, 1, 1):
        raise Refused(f"row {number} of the controller's schedule is for {date} alone: another trial may be under way")
    day = held.schedule[number].day_plan
    return sorted((60 * e.hour + e.minute, e.action) for (of, _), e in held.events.items() if of == day)


def _in_force(switches: Switches, minute: int, date: datetime.date) -> str:
    before = [action for at, action in switches if at <= minute]
    if not before:
        raise Refused(f"the controller's day plan of {date} says nothing for {clock(minute)}, when the trial is over")
    return before[-1]


def _fits(row: ScheduleRow, date: datetime.date) -> bool:
    weekday = date.isoweekday() % 7 + 1  # Sunday is 1
    return bool(row.months >> date.month & row.dates >> date.day & row.days >> weekday & 1)


def _specific(row: ScheduleRow) -> tuple[int, int, int]:
    """The fewer bits of months, then dates, then days of the week, the more specific."""
    return row.months.bit_count(), row.dates.bit_count(), row.days.bit_count()


def _row_of(date: datetime.date, day_plan: int) -> ScheduleRow:
    return ScheduleRow(1 << date.month, 1 << (date.isoweekday() % 7 + 1), 1 << date.day, day_plan)


def _day_plan(day: int, switches: Switches, events: int) -> Iterator[NtcipObject]:
    """The events of a day plan, all that there may be: what stood there before must not go on."""
    if len(switches) > events:
        raise Refused(f"with the trial a day has {len(switches)} switches, and the controller takes {events}")
    for number, (minute, action) in enumerate(switches, 1):
        yield from objects_of((day, number), Event(minute // 60, minute % 60, action))
    for number in range(len(switches) + 1, events + 1):
        yield from objects_of((day, number), Event(0, 0, NO_ACTION))
