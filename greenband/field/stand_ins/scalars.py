"""Objects of a controller that are no part of its database: its size, its state, its clock and its status.

Source: MIB texts of NTCIP 1202:2004 v02.18 and NTCIP 1201:2005 v02.27, and MIB-II (RFC 3418).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from greenband.field.stand_ins.ber import COUNTER, INTEGER, OCTETS, OID, TICKS, integer_content, oid
from greenband.field.stand_ins.catalog import Maxima
from greenband.field.stand_ins.memory import Memory
from greenband.field.stand_ins.running import Running, Source
from greenband.field.stand_ins.transaction import Transaction
from greenband.formats.ntcip_objects import ASC, TIMEBASE

__all__ = ["COMMAND", "Scalar", "scalars"]

GLOBAL = "1.3.6.1.4.1.1206.4.2.6"
COMMAND = f"{GLOBAL}.2.1.0"  # dbCreateTransaction
MIB2_SYSTEM = "1.3.6.1.2.1.1"
PATTERN_TABLE_IS_PLAIN = 2  # patternTableType: rows do not depend on each other
NOT_FLASHING, FLASHES_AUTOMATICALLY = 2, 3  # unitFlashStatus
NO_DAYLIGHT_SAVING = 2  # globalDaylightSaving
DESCRIPTION = b"greenband stand-in of a signal controller"


@dataclass(frozen=True)
class Scalar:
    """One such object: how it is read, and, if it may be set, how and in which range."""

    oid: str
    read: Callable[[], int | bytes | str]
    tag: int = INTEGER
    write: Callable[[int], None] | None = None
    low: int = 0
    high: int = 255

    def sent(self) -> tuple[int, bytes]:
        """Tag and content of its value."""
        value = self.read()
        if isinstance(value, int):
            return self.tag, integer_content(value)
        return self.tag, value if isinstance(value, bytes) else oid(value)


def scalars(memory: Memory, transaction: Transaction, running: Running) -> dict[bytes, Scalar]:
    """All of a controller's, by the content of their OID."""
    found = (
        *_maxima(memory.catalog.maxima),
        *_database(memory, transaction),
        *_unit(running),
        *_time(running),
        *_mib2(running),
    )
    return {oid(scalar.oid): scalar for scalar in found}


def _maxima(maxima: Maxima) -> Iterator[Scalar]:
    yield Scalar(f"{ASC}.1.1.0", lambda: maxima.phases)
    yield Scalar(f"{ASC}.4.5.0", lambda: maxima.patterns)
    yield Scalar(f"{ASC}.4.6.0", lambda: PATTERN_TABLE_IS_PLAIN)
    yield Scalar(f"{ASC}.4.8.0", lambda: maxima.splits)
    yield Scalar(f"{ASC}.5.2.0", lambda: maxima.actions)
    yield Scalar(f"{ASC}.7.1.0", lambda: maxima.rings)
    yield Scalar(f"{ASC}.7.2.0", lambda: maxima.sequences)
    yield Scalar(f"{TIMEBASE}.1.0", lambda: maxima.schedule)
    yield Scalar(f"{TIMEBASE}.3.0", lambda: maxima.day_plans)
    yield Scalar(f"{TIMEBASE}.4.0", lambda: maxima.events)


def _database(memory: Memory, transaction: Transaction) -> Iterator[Scalar]:
    """The transaction; that dbCreateTransaction can be set as well is the agent's business."""
    yield Scalar(f"{GLOBAL}.1.1.0", lambda: zlib.crc32(memory.hash.encode()) & 0xFFFF)  # globalSetIDParameter
    yield Scalar(COMMAND, lambda: transaction.state)
    yield Scalar(f"{GLOBAL}.2.6.0", lambda: transaction.verdict)
    yield Scalar(f"{GLOBAL}.2.7.0", lambda: transaction.error, OCTETS)


def _unit(running: Running) -> Iterator[Scalar]:
    def set_pattern(number: int) -> None:
        running.system_pattern = number

    yield Scalar(f"{ASC}.3.5.0", lambda: running.source)  # unitControlStatus
    yield Scalar(f"{ASC}.3.6.0", lambda: FLASHES_AUTOMATICALLY if running.flashes else NOT_FLASHING)
    yield Scalar(f"{ASC}.3.7.0", running.restart_alarms)  # unitAlarmStatus2
    yield Scalar(f"{ASC}.3.8.0", running.alarms)  # unitAlarmStatus1
    yield Scalar(f"{ASC}.3.9.0", running.short_alarms)  # shortAlarmStatus
    yield Scalar(f"{ASC}.4.10.0", lambda: running.pattern)  # coordPatternStatus
    yield Scalar(f"{ASC}.4.11.0", lambda: running.free)  # localFreeStatus
    yield Scalar(f"{ASC}.4.12.0", lambda: running.cycle_s)  # coordCycleStatus
    yield Scalar(f"{ASC}.4.13.0", lambda: running.sync_s)  # coordSyncStatus
    yield Scalar(f"{ASC}.4.14.0", lambda: running.system_pattern, write=set_pattern)  # systemPatternControl
    yield Scalar(f"{ASC}.5.4.0", lambda: running.called.action if running.source is Source.TIMEBASE else 0)


def _time(running: Running) -> Iterator[Scalar]:
    clock = running.clock

    def set_zone(seconds: int) -> None:
        clock.zone_s = seconds

    def keep(_: int) -> None:
        """Only one value is possible."""

    yield Scalar(f"{GLOBAL}.3.1.0", lambda: clock.seconds, COUNTER, clock.set, high=2**32 - 1)  # globalTime
    yield Scalar(  # globalDaylightSaving
        f"{GLOBAL}.3.2.0", lambda: NO_DAYLIGHT_SAVING, write=keep, low=NO_DAYLIGHT_SAVING, high=NO_DAYLIGHT_SAVING
    )
    yield Scalar(f"{GLOBAL}.3.5.0", lambda: clock.zone_s, write=set_zone, low=-43200, high=43200)
    yield Scalar(f"{GLOBAL}.3.6.0", lambda: max(0, clock.local_seconds), COUNTER)  # controllerLocalTime
    yield Scalar(f"{TIMEBASE}.6.0", lambda: running.called.day_plan)  # dayPlanStatus
    yield Scalar(f"{TIMEBASE}.7.0", lambda: running.called.row)  # timeBaseScheduleTable-status


def _mib2(running: Running) -> Iterator[Scalar]:
    yield Scalar(f"{MIB2_SYSTEM}.1.0", lambda: DESCRIPTION, OCTETS)  # sysDescr
    yield Scalar(f"{MIB2_SYSTEM}.2.0", lambda: ASC, OID)  # sysObjectID
    yield Scalar(f"{MIB2_SYSTEM}.3.0", lambda: int(100 * running.up_s) % 2**32, TICKS)  # sysUpTime
