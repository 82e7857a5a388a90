"""Which pattern runs, by tables and clock."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace

import pytest

from greenband.field.stand_ins.catalog import Maxima, catalog
from greenband.field.stand_ins.faults import Faults, Mishaps
from greenband.field.stand_ins.memory import Memory
from greenband.field.stand_ins.running import Called, Clock, Free, Running, Source
from greenband.formats.ntcip_objects import ACTION_OID, Event, Pattern, ScheduleRow, Split
from greenband.formats.ntcip_tables import NtcipTables

Plan = Callable[..., NtcipTables]
EVERY = ScheduleRow(months=0x1FFE, days=0xFE, dates=0xFFFFFFFE, day_plan=1)
MONDAY = datetime.datetime(2026, 3, 2, 12, 0)


def running(tables: NtcipTables, at: datetime.datetime = MONDAY, zone_s: int = 0) -> Running:
    seconds = at.replace(tzinfo=datetime.UTC).timestamp() - zone_s
    memory = Memory(catalog(Maxima()), tables.objects())
    return Running(memory, Clock(lambda: seconds, zone_s), Mishaps(Faults()))


def event(hour: int, minute: int, action: int) -> Event:
    return Event(hour, minute, f"{ACTION_OID}.{action}")


def test_the_pattern_of_the_last_event_runs(plan: Plan) -> None:
    tables = replace(plan(), events={(1, 1): event(0, 0, 1), (1, 2): event(12, 0, 2), (1, 3): event(18, 30, 3)})
    found = {
        hour: (run.pattern, run.free, run.called.action, run.flashes)
        for hour in (0, 11, 12, 18, 19)
        for run in [running(tables, MONDAY.replace(hour=hour))]
    }
    assert found == {
        0: (1, Free.NOT_FREE, 1, False),
        11: (1, Free.NOT_FREE, 1, False),
        12: (254, Free.COMMAND, 2, False),
        18: (254, Free.COMMAND, 2, False),
        19: (255, Free.NOT_FREE, 3, True),
    }


def test_events_need_not_stand_by_time_and_the_highest_of_a_minute_counts(plan: Plan) -> None:
    tables = replace(plan(), events={(1, 1): event(9, 0, 2), (1, 2): event(0, 0, 3), (1, 3): event(9, 0, 1)})
    assert running(tables).called.action == 1


def test_before_the_first_event_that_of_the_day_before_holds(plan: Plan) -> None:
    sunday = replace(EVERY, days=1 << 1, day_plan=2)
    tables = replace(plan(), events={(1, 1): event(6, 0, 1), (2, 1): event(22, 0, 2)}, schedule={1: sunday, 2: EVERY})
    run = running(tables, MONDAY.replace(hour=5))
    assert (run.called.row, run.called.day_plan, run.called.action) == (2, 1, 2)
    assert running(tables, MONDAY.replace(hour=6)).called.action == 1


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([EVERY], 1),
        ([EVERY, replace(EVERY, days=1 << 2)], 2),  # Monday
        ([EVERY, replace(EVERY, days=1 << 3)], 1),  # Tuesday
        ([replace(EVERY, days=1 << 2), replace(EVERY, dates=1 << 2)], 2),  # dates come before days
        ([replace(EVERY, dates=1 << 2), replace(EVERY, months=1 << 3)], 2),  # months come before dates
        ([replace(EVERY, months=1 << 4), EVERY], 2),
        ([EVERY, EVERY], 1),
        ([replace(EVERY, months=0), replace(EVERY, days=0), replace(EVERY, dates=0), replace(EVERY, day_plan=0)], 0),
    ],
)
def test_the_most_specific_row_counts(plan: Plan, rows: list[ScheduleRow], chosen: int) -> None:
    tables = replace(plan(), schedule=dict(enumerate(rows, 1)))
    run = running(tables)
    assert run.called.row == chosen
    assert run.pattern == (1 if chosen else 254)


def test_local_time_counts(plan: Plan) -> None:
    tables = replace(plan(), events={(1, 1): event(0, 0, 1), (1, 2): event(12, 0, 2)})
    for zone_s in (-43200, 0, 28800):
        assert running(tables, MONDAY, zone_s).called.action == 2
        assert running(tables, MONDAY - datetime.timedelta(minutes=1), zone_s).called.action == 1


def test_nothing_called_is_free(plan: Plan) -> None:
    run = running(replace(plan(), schedule={}))
    assert (run.called, run.pattern, run.free, run.alarms()) == (Called(), 254, Free.OTHER, 0x40)
    assert run.short_alarms() == 0x08


def mode(tables: NtcipTables, number: int) -> NtcipTables:
    return replace(tables, unit=replace(tables.unit, operational_mode=number))


@pytest.mark.parametrize(
    ("number", "pattern", "free"), [(1, 1, 2), (254, 254, 3), (255, 255, 2), (9, 254, 7), (99, 254, 7)]
)
def test_manual_and_system_commands_come_before_the_schedule(plan: Plan, number: int, pattern: int, free: int) -> None:
    manual, system = running(mode(plan(), number)), running(plan())
    system.system_pattern = number
    assert (manual.source, system.source, running(plan()).source) == (Source.MANUAL, Source.SYSTEM, Source.TIMEBASE)
    for run in (manual, system):
        assert (run.pattern, run.free) == (pattern, free)


@pytest.mark.parametrize(
    ("pattern", "first_s", "free"),
    [
        (Pattern(60, 59, 1, 1), 35, Free.NOT_FREE),
        (Pattern(60, 60, 1, 1), 35, Free.INVALID_OFFSET),
        (Pattern(29, 0, 1, 1), 35, Free.BAD_CYCLE_TIME),
        (Pattern(0, 0, 1, 1), 35, Free.BAD_PLAN),
        (Pattern(60, 0, 1, 1), 36, Free.SPLIT_OVERRUN),
        (Pattern(60, 0, 1, 1), 34, Free.BAD_PLAN),  # other phases get it, but these tables do not say which
        (Pattern(60, 0, 1, 2), 35, Free.BAD_PLAN),
    ],
)
def test_a_pattern_that_breaks_a_rule_runs_free(plan: Plan, pattern: Pattern, first_s: int, free: Free) -> None:
    tables = plan()
    splits = {**tables.splits, (1, 2): Split(first_s, 4, 1)}
    run = running(replace(tables, patterns={1: pattern}, splits=splits))
    assert (run.free, run.pattern, run.alarms()) == (free, *((1, 0x80) if free is Free.NOT_FREE else (254, 0x40)))


def test_local_zero_lags_by_the_offset(plan: Plan) -> None:
    run = running(plan(60, 10), MONDAY.replace(hour=0, minute=1, second=25))
    assert (run.sync_s, run.cycle_s) == (25, 45)  # 15 s after local zero
    late = replace(plan(60, 10), unit=replace(plan().unit, pattern_sync_min=65535), events={(1, 1): event(11, 59, 1)})
    assert running(late, MONDAY.replace(second=5)).sync_s == 5


def test_that_local_zero_passed_is_told_once(plan: Plan) -> None:
    now = [0.0]
    run = Running(Memory(catalog(Maxima()), plan(60, 10).objects()), Clock(lambda: now[0]), Mishaps(Faults()))
    assert [run.short_alarms(), run.short_alarms()] == [4, 0]
    now[0] = 9
    assert run.short_alarms() == 0
    now[0] = 10
    assert [run.short_alarms(), run.short_alarms()] == [4, 0]


def test_after_a_change_it_settles(plan: Plan) -> None:
    now = [0.0]
    memory = Memory(catalog(Maxima()), plan().objects())
    run = Running(memory, Clock(), Mishaps(Faults()), settle_s=5, now=lambda: now[0])
    assert (run.free, run.pattern) == (Free.NOT_FREE, 1)
    memory.store({"patternOffsetTime.1": 20})
    assert (run.free, run.pattern) == (Free.TRANSITION, 254)
    now[0] = 4.9
    assert run.free is Free.TRANSITION
    now[0] = 5
    assert (run.free, run.pattern) == (Free.NOT_FREE, 1)


def test_the_clock_can_be_set(plan: Plan) -> None:
    run = running(replace(plan(), events={(1, 1): event(0, 0, 1), (1, 2): event(13, 0, 2)}))
    assert run.pattern == 1
    run.clock.set(run.clock.seconds + 3600)
    assert run.pattern == 254
