"""Objects of NTCIP 1202 (signal controllers) and 1201 (global): their OIDs and ranges, as records of a table's rows.

Every field of a record names its column in the MIB. A record says how a row looks; which rows there are says
``NtcipTables``. Times are whole seconds but for yellow and red clearance, which are tenths of a second.

Source: MIB texts of NTCIP 1202:2004 v02.18 and NTCIP 1201:2005 v02.27; names and ranges are theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

__all__ = [
    "ACTION_OID",
    "NO_ACTION",
    "Action",
    "Column",
    "Event",
    "NtcipObject",
    "Pattern",
    "Phase",
    "ScheduleRow",
    "Sequence",
    "Split",
    "Unit",
    "columns",
    "objects_of",
    "parsed",
    "rows_of",
    "value_of",
]

ASC = "1.3.6.1.4.1.1206.4.2.1"
TIMEBASE = "1.3.6.1.4.1.1206.4.2.6.3.3"
ACTION_OID = f"{ASC}.5.3.1.1"  # timebaseAscActionNumber, which an event of a day plan refers to
NO_ACTION = "0.0"  # which an event without use refers to
MAX_OCTETS = 255
OID = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10}){1,40}")

Syntax = Literal["integer", "octets", "oid"]
Value = int | bytes | str
Index = tuple[int, ...]


@dataclass(frozen=True)
class Column:
    """A column of a table, or a scalar: its name, OID without the index, range, unit, and its indices, none or up to 2.

    An index is a number from 1 to ``rows``; a scalar has 0 instead.
    """

    name: str
    oid: str
    low: int = 0
    high: int = 255
    unit: str = ""
    syntax: Syntax = "integer"
    indices: int = 1
    rows: int = 255

    def takes(self, index: Index) -> bool:
        """Whether there may be such a row."""
        if self.indices == 0:
            return index == (0,)
        return len(index) == self.indices and all(1 <= part <= self.rows for part in index)

    def fault(self, value: Value) -> str:
        """What is wrong with a value; empty if nothing is."""
        if isinstance(value, int):
            return "" if self.low <= value <= self.high else f"{value} is not from {self.low} to {self.high}"
        if isinstance(value, bytes):
            return "" if len(value) <= MAX_OCTETS else f"it has {len(value)} octets, and {MAX_OCTETS} are allowed"
        return "" if OID.fullmatch(value) else f"{value[:40]!r} is no OID"


@dataclass(frozen=True)
class NtcipObject:
    """One object as it is set or read: an integer, a string of octets, or the OID of another."""

    column: Column
    index: Index
    value: Value

    @property
    def oid(self) -> str:
        """The full OID, with dots and without one before it."""
        return ".".join((self.column.oid, *(str(part) for part in self.index)))

    @property
    def name(self) -> str:
        """The name in the MIB with the index, such as ``splitTime.1.2``."""
        return ".".join((self.column.name, *(str(part) for part in self.index)))

    @property
    def syntax(self) -> Syntax:
        """How the value is coded."""
        return self.column.syntax

    @property
    def text(self) -> str:
        """The value in digits: octets as pairs of hexadecimal digits with blanks between."""
        return self.value.hex(" ") if isinstance(self.value, bytes) else str(self.value)


def value_of(column: Column, text: str) -> Value:
    """The value that a text stands for.

    Raises:
        ValueError: it is none for the column.
    """
    value = parsed(column, text)
    if fault := column.fault(value):
        raise ValueError(fault)
    return value


def parsed(column: Column, text: str) -> Value:
    """The value that a text stands for, be it in the column's range or not.

    Raises:
        ValueError: it has another syntax.
    """
    value: Value = text
    if column.syntax == "integer":
        if not re.fullmatch(r"[0-9]{1,10}", text):
            raise ValueError(f"{text[:40]!r} is no whole number")
        value = int(text)
    elif column.syntax == "octets":
        if not re.fullmatch(r"([0-9a-f]{2}( |$))*", text):
            raise ValueError(f"{text[:40]!r} is not pairs of hexadecimal digits with blanks between")
        value = bytes.fromhex(text)
    elif not OID.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no OID")
    return value


def _phase(name: str, number: int, **more: Any) -> Column:
    return Column(name, f"{ASC}.1.2.1.{number}", **more)


@dataclass(frozen=True)
class Unit:
    """What holds for the whole controller; patterns count from midnight if the reference is 0."""

    pattern_sync_min: Annotated[int, Column("timebaseAscPatternSync", f"{ASC}.5.1", high=65535, unit="min", indices=0)]
    operational_mode: Annotated[int, Column("coordOperationalMode", f"{ASC}.4.1", indices=0)]
    correction_mode: Annotated[int, Column("coordCorrectionMode", f"{ASC}.4.2", 1, 4, indices=0)]
    maximum_mode: Annotated[int, Column("coordMaximumMode", f"{ASC}.4.3", 1, 4, indices=0)]
    force_mode: Annotated[int, Column("coordForceMode", f"{ASC}.4.4", 1, 3, indices=0)]


@dataclass(frozen=True)
class Phase:
    """A row of phaseTable, by phase. Yellow and red clearance in tenths of a second; ring 0 is a disabled phase."""

    ring: Annotated[int, _phase("phaseRing", 22)]
    options: Annotated[int, _phase("phaseOptions", 21, high=65535)]
    startup: Annotated[int, _phase("phaseStartup", 20, low=1, high=6)]
    walk_s: Annotated[int, _phase("phaseWalk", 2, unit="s")]
    clearance_s: Annotated[int, _phase("phasePedestrianClear", 3, unit="s")]
    min_green_s: Annotated[int, _phase("phaseMinimumGreen", 4, unit="s")]
    maximum1_s: Annotated[int, _phase("phaseMaximum1", 6, unit="s")]
    maximum2_s: Annotated[int, _phase("phaseMaximum2", 7, unit="s")]
    yellow_ds: Annotated[int, _phase("phaseYellowChange", 8, unit="0.1 s")]
    red_ds: Annotated[int, _phase("phaseRedClear", 9, unit="0.1 s")]
    concurrency: Annotated[bytes, _phase("phaseConcurrency", 23, syntax="octets")]

    @property
    def enabled(self) -> bool:
        """Whether the phase is used."""
        return self.ring > 0 and bool(self.options & 1)

    @property
    def needs_ds(self) -> int:
        """The least split in tenths of a second: minimum green, or walk and its clearance, with yellow and red."""
        return 10 * max(self.min_green_s, self.walk_s + self.clearance_s) + self.yellow_ds + self.red_ds


@dataclass(frozen=True)
class Sequence:
    """A row of sequenceTable, by sequence and ring: phases of the ring as they follow each other."""

    data: Annotated[bytes, Column("sequenceData", f"{ASC}.7.3.1.3", syntax="octets", indices=2)]


@dataclass(frozen=True)
class Split:
    """A row of splitTable, by split and phase. The time holds green, yellow and red clearance."""

    time_s: Annotated[int, Column("splitTime", f"{ASC}.4.9.1.3", unit="s", indices=2)]
    mode: Annotated[int, Column("splitMode", f"{ASC}.4.9.1.4", 1, 7, indices=2)]
    coordinated: Annotated[int, Column("splitCoordPhase", f"{ASC}.4.9.1.5", 0, 1, indices=2)]


@dataclass(frozen=True)
class Pattern:
    """A row of patternTable, by pattern."""

    cycle_s: Annotated[int, Column("patternCycleTime", f"{ASC}.4.7.1.2", unit="s")]
    offset_s: Annotated[int, Column("patternOffsetTime", f"{ASC}.4.7.1.3", unit="s")]
    split: Annotated[int, Column("patternSplitNumber", f"{ASC}.4.7.1.4", 1)]
    sequence: Annotated[int, Column("patternSequenceNumber", f"{ASC}.4.7.1.5", 1)]


@dataclass(frozen=True)
class Action:
    """A row of timebaseAscActionTable, by action. Pattern 254 is free, 255 flash, 0 none."""

    pattern: Annotated[int, Column("timebaseAscPattern", f"{ASC}.5.3.1.2")]
    auxiliary: Annotated[int, Column("timebaseAscAuxillaryFunction", f"{ASC}.5.3.1.3")]
    special: Annotated[int, Column("timebaseAscSpecialFunction", f"{ASC}.5.3.1.4")]


@dataclass(frozen=True)
class Event:
    """A row of timeBaseDayPlanTable, by day plan and event: from a time of day on an action holds."""

    hour: Annotated[int, Column("dayPlanHour", f"{TIMEBASE}.5.1.3", 0, 23, "h", indices=2)]
    minute: Annotated[int, Column("dayPlanMinute", f"{TIMEBASE}.5.1.4", 0, 59, "min", indices=2)]
    action: Annotated[str, Column("dayPlanActionNumberOID", f"{TIMEBASE}.5.1.5", syntax="oid", indices=2)]


@dataclass(frozen=True)
class ScheduleRow:
    """A row of timeBaseScheduleTable, by its number.

    Bits: months 1 to 12; days of the week 1 Sunday to 7 Saturday; dates 1 to 31. A day must have all three.
    """

    months: Annotated[int, Column("timeBaseScheduleMonth", f"{TIMEBASE}.2.1.2", high=65535, rows=65535)]
    days: Annotated[int, Column("timeBaseScheduleDay", f"{TIMEBASE}.2.1.3", rows=65535)]
    dates: Annotated[int, Column("timeBaseScheduleDate", f"{TIMEBASE}.2.1.4", high=2**32 - 1, rows=65535)]
    day_plan: Annotated[int, Column("timeBaseScheduleDayPlan", f"{TIMEBASE}.2.1.5", rows=65535)]


Record = TypeVar("Record")


@cache
def columns(record: type[Any]) -> Mapping[str, Column]:
    """The columns of a record by the names of its fields."""
    hints = get_type_hints(record, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in fields(record)}


def objects_of(index: Index, row: object) -> Iterator[NtcipObject]:
    """The objects of a row."""
    kind: Any = type(row)  # mypy takes a type for unhashable
    for name, column in columns(kind).items():
        yield NtcipObject(column, index, getattr(row, name))


def rows_of(record: type[Record], found: Mapping[tuple[str, Index], Value]) -> dict[Index, Record]:
    """The rows that these values (by column name and index) make, in order of their indices.

    Raises:
        ValueError: a row lacks an object.
    """
    kind: Any = record
    wanted = columns(kind)
    names = {column.name for column in wanted.values()}
    rows = {}
    for index in sorted({index for name, index in found if name in names}):
        for column in wanted.values():
            if (column.name, index) not in found:
                missing = NtcipObject(column, index, 0)
                raise ValueError(f"{missing.name} ({missing.oid}) is missing")
        rows[index] = record(**{name: found[column.name, index] for name, column in wanted.items()})
    return rows
