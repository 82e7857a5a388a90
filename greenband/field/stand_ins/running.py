"""What a controller does now, as its status objects tell it: the pattern that its tables and the clock call for.

Source: MIB texts of NTCIP 1201:2005 v02.27, timeBaseScheduleTable and timeBaseDayPlanTable, and of NTCIP 1202:2004
v02.18, coordPatternStatus, localFreeStatus, unitAlarmStatus1 and shortAlarmStatus.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from greenband.field.stand_ins.faults import Mishaps
from greenband.field.stand_ins.memory import Memory
from greenband.formats.ntcip_checks import CYCLE_S, OMITTED, RINGS, complaints
from greenband.formats.ntcip_objects import ACTION_OID, Event, Pattern, ScheduleRow
from greenband.formats.ntcip_tables import NtcipTables

__all__ = ["Called", "Clock", "Free", "Running"]

FREE, FLASH = 254, 255  # instead of a pattern
ACTION_TIME = 65535  # timebaseAscPatternSync: patterns count from the event that calls them
DAYS_BACK = 7  # in which the last event is looked for
EPOCH = datetime.datetime(1970, 1, 1)

COORDINATED, LOCAL_FREE, CYCLE_FAULT = 1 << 7, 1 << 6, 1 << 0  # unitAlarmStatus1
POWER_RESTART = 1 << 0  # unitAlarmStatus2
COORDINATION_ALARM, LOCAL_OVERRIDE, CYCLE_ZERO = 1 << 4, 1 << 3, 1 << 2  # shortAlarmStatus


class Free(IntEnum):
    """Values of localFreeStatus."""

    OTHER = 1
    NOT_FREE = 2
    COMMAND = 3
    TRANSITION = 4
    BAD_PLAN = 7
    BAD_CYCLE_TIME = 8
    SPLIT_OVERRUN = 9
    INVALID_OFFSET = 10
    FAILED = 11


class Source(IntEnum):
    """Values of unitControlStatus."""

    SYSTEM = 2
    MANUAL = 5
    TIMEBASE = 6


@dataclass
class Clock:
    """The calendar of a controller: seconds since 1970 UTC, and the seconds by which local standard time is ahead."""

    utc: Callable[[], float] = time.time
    zone_s: int = 0
    set_ahead_s: int = field(default=0, init=False)

    @property
    def seconds(self) -> int:
        """UTC."""
        return int(self.utc()) + self.set_ahead_s

    @property
    def local_seconds(self) -> int:
        """Local time, seconds since 1970 there."""
        return self.seconds + self.zone_s

    @property
    def local(self) -> datetime.datetime:
        """Local time."""
        return EPOCH + datetime.timedelta(seconds=self.local_seconds)

    def set(self, seconds: int) -> None:
        """Set UTC."""
        self.set_ahead_s = seconds - int(self.utc())


@dataclass(frozen=True)
class Called:
    """What the schedule calls for now; numbers are 0 where there is none. ``at`` is when the event was."""

    row: int = 0
    day_plan: int = 0
    action: int = 0
    at: datetime.datetime | None = None


@dataclass
class Running:
    """The present of a controller; ``mishaps`` may make it run free or have an alarm.

    After its tables have changed it runs free for ``settle_s`` seconds, from when somebody asks.
    """

    memory: Memory
    clock: Clock
    mishaps: Mishaps
    settle_s: float = 0.0
    now: Callable[[], float] = time.monotonic
    system_pattern: int = 0
    power_restarted: bool = False
    up_since_s: float = field(default=0.0, init=False)
    _settling: tuple[int, float] = field(init=False)  # version of the tables, and until when
    _cycles_seen: int | None = field(default=None, init=False)
    _called: tuple[tuple[int, datetime.datetime], Called] | None = field(default=None, init=False)
    _free: dict[int, Free] = field(default_factory=dict, init=False)
    _free_of: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self.up_since_s = self.clock.utc()
        self._settling = self.memory.version, 0.0

    def restart(self) -> None:
        """Power comes back after it was lost."""
        self.system_pattern = 0
        self.power_restarted = True
        self.up_since_s = self.clock.utc()

    @property
    def up_s(self) -> float:
        """Seconds since the last start."""
        return max(0.0, self.clock.utc() - self.up_since_s)

    @property
    def called(self) -> Called:
        """By the schedule."""
        key = self.memory.version, self.clock.local.replace(second=0, microsecond=0)
        if self._called is None or self._called[0] != key:
            self._called = key, _called(self.memory.tables, key[1])
        return self._called[1]

    @property
    def source(self) -> Source:
        """Who says which pattern runs."""
        if self.memory.tables.unit.operational_mode:
            return Source.MANUAL
        return Source.SYSTEM if self.system_pattern else Source.TIMEBASE

    @property
    def wanted(self) -> int:
        """The pattern that is called for, or free or flash; 0 for none."""
        tables = self.memory.tables
        if self.source is Source.TIMEBASE:
            action = tables.actions.get(self.called.action)
            return action.pattern if action else 0
        return tables.unit.operational_mode or self.system_pattern

    @property
    def free(self) -> Free:
        """Whether and why it runs free."""
        if self.mishaps.faults.free and self.mishaps.unwell(self.memory):
            return Free.FAILED
        if self._settles():
            return Free.TRANSITION
        if self._free_of != self.memory.version:
            self._free, self._free_of = {}, self.memory.version
        wanted = self.wanted
        if wanted not in self._free:
            self._free[wanted] = _free(self.memory.tables, wanted)
        return self._free[wanted]

    def _settles(self) -> bool:
        if self._settling[0] != self.memory.version:
            self._settling = self.memory.version, self.now() + self.settle_s
        return self.now() < self._settling[1]

    @property
    def pattern(self) -> int:
        """coordPatternStatus."""
        return self.wanted if self.free is Free.NOT_FREE else FREE

    @property
    def flashes(self) -> bool:
        """Whether it flashes because it was told to."""
        return self.pattern == FLASH

    @property
    def _running(self) -> Pattern | None:
        """The pattern, if one is running."""
        return self.memory.tables.patterns.get(self.pattern)

    def _since_reference_s(self) -> int:
        """Seconds since the system's reference point, from which patterns count."""
        sync_min = self.memory.tables.unit.pattern_sync_min
        if sync_min == ACTION_TIME and self.called.at:
            return self.clock.local_seconds - int((self.called.at - EPOCH).total_seconds())
        return (self.clock.local_seconds - 60 * (sync_min % 1440)) % 86400

    @property
    def sync_s(self) -> int:
        """coordSyncStatus: seconds since the last reference point."""
        pattern = self._running
        return self._since_reference_s() % pattern.cycle_s if pattern else 0

    @property
    def cycle_s(self) -> int:
        """coordCycleStatus: seconds until local zero."""
        pattern = self._running
        return pattern.cycle_s - (self._since_reference_s() - pattern.offset_s) % pattern.cycle_s if pattern else 0

    @property
    def _has_alarm(self) -> bool:
        return self.mishaps.faults.alarm and self.mishaps.unwell(self.memory)

    def alarms(self) -> int:
        """unitAlarmStatus1."""
        found = CYCLE_FAULT if self._has_alarm else 0
        if self.free is not Free.NOT_FREE:
            return found | LOCAL_FREE
        return found if self.flashes else found | COORDINATED

    def restart_alarms(self) -> int:
        """unitAlarmStatus2; that power was off is forgotten once it is read."""
        found, self.power_restarted = self.power_restarted, False
        return POWER_RESTART if found else 0

    def short_alarms(self) -> int:
        """shortAlarmStatus; that local zero has passed is forgotten once it is read."""
        found = COORDINATION_ALARM if self._has_alarm else 0
        found |= LOCAL_OVERRIDE if self.free is not Free.NOT_FREE else 0
        if pattern := self._running:
            cycles = (self._since_reference_s() - pattern.offset_s) // pattern.cycle_s
            if cycles != self._cycles_seen:
                found |= CYCLE_ZERO
            self._cycles_seen = cycles
        return found


def _called(tables: NtcipTables, now: datetime.datetime) -> Called:
    """The last event up to now, of today's day plan or of that of a day before."""
    today = _row_on(tables, now.date())
    for back in range(DAYS_BACK + 1):
        date = now.date() - datetime.timedelta(days=back)
        row = today if back == 0 else _row_on(tables, date)
        day_plan = tables.schedule[row].day_plan if row else 0
        for at, event in reversed(_events(tables, day_plan, date)):
            if at <= now:
                return Called(today, tables.schedule[today].day_plan if today else 0, _action_of(event), at)
    return Called(today)


def _row_on(tables: NtcipTables, date: datetime.date) -> int:
    """The row for a date: of those that fit the one with the fewest months, then dates, then days; else the first."""
    fitting = [(_width(row), number) for number, row in tables.schedule.items() if _fits(row, date)]
    return min(fitting)[1] if fitting else 0


def _fits(row: ScheduleRow, date: datetime.date) -> bool:
    weekday = date.isoweekday() % 7 + 1  # 1 is Sunday
    return bool(row.months >> date.month & 1 and row.dates >> date.day & 1 and row.days >> weekday & 1)


def _width(row: ScheduleRow) -> tuple[int, int, int]:
    return row.months.bit_count(), row.dates.bit_count(), row.days.bit_count()


def _events(tables: NtcipTables, day_plan: int, date: datetime.date) -> list[tuple[datetime.datetime, Event]]:
    """By time; of those at the same time the highest number is the last, and counts."""
    midnight = datetime.datetime.combine(date, datetime.time())
    found = [
        (midnight + datetime.timedelta(hours=event.hour, minutes=event.minute), number, event)
        for (plan, number), event in tables.events.items()
        if plan == day_plan
    ]
    return [(at, event) for at, _, event in sorted(found, key=lambda entry: entry[:2])]


def _action_of(event: Event) -> int:
    prefix, _, number = event.action.rpartition(".")
    return int(number) if prefix == ACTION_OID else 0


def _free(tables: NtcipTables, wanted: int) -> Free:
    """Whether and why a controller with these tables runs free when this is called for."""
    if wanted == 0:
        return Free.OTHER
    if wanted == FREE:
        return Free.COMMAND
    if wanted == FLASH:
        return Free.NOT_FREE
    pattern = tables.patterns.get(wanted)
    if pattern is None:
        return Free.BAD_PLAN
    if not CYCLE_S[0] <= pattern.cycle_s <= CYCLE_S[1]:
        return Free.BAD_CYCLE_TIME
    if pattern.offset_s >= pattern.cycle_s:
        return Free.INVALID_OFFSET
    if max(_splits_s(tables, pattern)) > pattern.cycle_s:
        return Free.SPLIT_OVERRUN
    about = (complaint for complaint in complaints(tables) if complaint.pattern in (0, wanted))
    return Free.BAD_PLAN if any(complaint.pattern or complaint.phase for complaint in about) else Free.NOT_FREE


def _splits_s(tables: NtcipTables, pattern: Pattern) -> Iterator[int]:
    """What the splits of each ring sum to."""
    for ring in RINGS:
        splits = (
            tables.splits[pattern.split, number]
            for number, phase in tables.phases.items()
            if phase.enabled and phase.ring == ring and (pattern.split, number) in tables.splits
        )
        yield sum(split.time_s for split in splits if split.mode != OMITTED)
