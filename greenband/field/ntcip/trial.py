"""A plan on trial at an NTCIP controller: rows of the schedule for today alone, so that it ends by itself.

Nothing that the controller holds is changed. The plan goes into a pattern, split, action and day plan without use, and
a row of the schedule with the month, the date and the day of the week of today, than which none is more specific, calls
for that day plan: today's own with the trial in between. Past midnight there is a second one. During the trial
auxiliary and special functions are switched as that day's own events do, and events with an action that is no signal
controller's stay. When the trial is over, or its day, the controller is back with its own plans, whoever has gone away
meanwhile. The rows are left behind; the next download clears them. As they name a date and its day of the week, they
would come into force again in five years at the earliest.

Source: NTCIP 1201:2005 v02.27, timeBaseScheduleTable (which row is more specific) and timeBaseDayPlanTable.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from greenband.field.driver import Refused
from greenband.formats.ntcip_objects import (
    ACTION_OID,
    NO_ACTION,
    Action,
    Event,
    NtcipObject,
    ScheduleRow,
    Sequence,
    objects_of,
)
from greenband.formats.ntcip_tables import NtcipTables
from greenband.plan.calendar import DAY_MIN, clock

__all__ = ["Rows", "trial_rows"]

Switches = list[tuple[int, str]]  # minute of the day, and the action's OID


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


@dataclass
class _TrialActions:
    """Actions with the trial's pattern, in rows without use: each with the functions of an own action."""

    held: Mapping[int, Action]
    pattern: int
    rows: int
    made: dict[int, Action] = field(default_factory=dict)

    def like(self, own: str) -> str:
        """The OID of the one with the functions of an own action, given by its OID; without any if there is none."""
        of = next((row for number, row in self.held.items() if own == f"{ACTION_OID}.{number}"), Action(0, 0, 0))
        wanted = replace(of, pattern=self.pattern)
        number = next((number for number, row in self.made.items() if row == wanted), 0)
        if not number:
            number = _free("action", self.rows, {*self.held, *self.made})
            self.made[number] = wanted
        return f"{ACTION_OID}.{number}"


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
    actions = _TrialActions(held.actions, number, rows.actions)
    begins = _minute(now)
    ends = begins + datetime.timedelta(minutes=minutes + (begins < now))
    days = list(_days(held, begins, ends, actions))
    found = [item for ring, order in orders.items() for item in objects_of((sequence, ring), order)]
    for (of, phase), share in plan.splits.items():
        if of == plan.patterns[pattern].split:
            found += objects_of((split, phase), share)
    found += objects_of((number,), replace(plan.patterns[pattern], split=split, sequence=sequence))
    for action, made in actions.made.items():
        found += objects_of((action,), made)
    taken_days = {day for day, _ in held.events} | {row.day_plan for row in held.schedule.values()}
    taken_rows = set(held.schedule)
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
    held: NtcipTables, begins: datetime.datetime, ends: datetime.datetime, actions: _TrialActions
) -> Iterator[tuple[datetime.date, Switches]]:
    """The days that the trial touches, with their own switches and the trial's in between."""
    begin = 60 * begins.hour + begins.minute
    over = begin + round((ends - begins).total_seconds() / 60)
    today, latest = begins.date(), ""
    for date, first, last in ((today, begin, over), (today + datetime.timedelta(days=1), 0, over - DAY_MIN)):
        if last > 0:
            own = _own_switches(held, date)
            after = [(last, _in_force(own, last, date))] if last < DAY_MIN else []
            before = [switch for switch in own if switch[0] < first]
            latest = _latest(own, first) or latest
            between = _between(own, first, last, actions, latest)
            yield date, [*before, *between, *after, *(switch for switch in own if switch[0] > last)]
            latest = _latest(own, DAY_MIN) or latest


def _between(own: Switches, first: int, last: int, actions: _TrialActions, latest: str) -> Iterator[tuple[int, str]]:
    """The trial's pattern with the functions that the own actions have, and what else is to happen meanwhile."""
    now = actions.like(latest)
    yield first, now
    for minute, action in own:
        if not _is_ours(action):
            if first <= minute <= last:
                yield minute, action
        elif first < minute < last and (then := actions.like(action)) != now:
            now = then
            yield minute, now


def _own_switches(held: NtcipTables, date: datetime.date) -> Switches:
    """What the controller does on a date by itself."""
    fitting = [(_specific(row), number) for number, row in held.schedule.items() if _fits(row, date)]
    if not fitting:
        raise Refused(f"the controller's schedule has no day plan for {date}, to which it could return")
    (bits, number) = min(fitting)
    if bits == (1, 1, 1):
        raise Refused(f"row {number} of the controller's schedule is for {date} alone: another trial may be under way")
    day = held.schedule[number].day_plan
    events = sorted((60 * e.hour + e.minute, number, e.action) for (of, number), e in held.events.items() if of == day)
    return [(minute, action) for minute, _, action in events]  # of two at once the later row holds


def _in_force(switches: Switches, minute: int, date: datetime.date) -> str:
    found = _latest(switches, minute)
    if not found:
        raise Refused(f"the controller's day plan of {date} says nothing for {clock(minute)}, when the trial is over")
    return found


def _latest(switches: Switches, minute: int) -> str:
    """The last action of a signal controller up to a minute; empty if there is none."""
    return next((action for at, action in reversed(switches) if at <= minute and _is_ours(action)), "")


def _is_ours(action: str) -> bool:
    """Whether it is an action of a signal controller; others neither call for a pattern nor end one."""
    return action.rpartition(".")[0] == ACTION_OID


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
