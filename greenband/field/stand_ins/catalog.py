"""Which database objects a controller has: rows of the tables of NTCIP 1202 and 1201 up to its maxima."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import chain, product
from typing import Any

from greenband.errors import BadInput
from greenband.field.stand_ins.ber import (
    INTEGER,
    OCTETS,
    OID,
    UNSIGNED,
    integer_content,
    integer_of,
    oid,
    oid_of,
)
from greenband.formats.ntcip_objects import (
    ACTION_OID,
    ASC,
    TIMEBASE,
    Action,
    Column,
    Event,
    Index,
    NtcipObject,
    Pattern,
    Phase,
    ScheduleRow,
    Sequence,
    Split,
    Unit,
    Value,
    columns,
)
from greenband.formats.ntcip_rings import UNIT, UNUSED
from greenband.formats.ntcip_tables import RECORDS

__all__ = ["NO_ACTION", "Catalog", "Item", "Maxima", "WrongType", "catalog"]

NO_ACTION = "0.0"  # what an event refers to that is not used
AUXILIARY_BITS = 15  # the others are reserved
WIDEST = 2**31 - 1  # what an INTEGER of SNMP holds

NUMBERS = {  # columns that hold the parts of a row's index, by table; they may only be read
    "phases": (f"{ASC}.1.2.1.1",),
    "sequences": (f"{ASC}.7.3.1.1", f"{ASC}.7.3.1.2"),
    "splits": (f"{ASC}.4.9.1.1", f"{ASC}.4.9.1.2"),
    "patterns": (f"{ASC}.4.7.1.1",),
    "actions": (ACTION_OID,),
    "events": (f"{TIMEBASE}.5.1.1", f"{TIMEBASE}.5.1.2"),
    "schedule": (f"{TIMEBASE}.2.1.1",),
}
TAGS = {"integer": INTEGER, "octets": OCTETS, "oid": OID}


@dataclass(frozen=True)
class Maxima:
    """How many rows a controller has.

    Raises:
        BadInput: one is outside the range of the MIB.
    """

    phases: int = 8
    patterns: int = 16
    splits: int = 16
    sequences: int = 4
    rings: int = 2
    actions: int = 16
    day_plans: int = 8
    events: int = 12
    schedule: int = 20

    def __post_init__(self) -> None:
        least = {"phases": 2}
        most = {"patterns": 253, "schedule": 65535}
        for name in (field.name for field in fields(self)):
            low, high, value = least.get(name, 1), most.get(name, 255), getattr(self, name)
            if not low <= value <= high:
                raise BadInput(f"a stand-in with {value} {name}: {low} to {high} are possible")


class WrongType(ValueError):
    """A value of another syntax than its object's."""


@dataclass(frozen=True)
class Item:
    """One database object of a controller; ``name`` is such as ``splitTime.1.2``."""

    column: Column
    index: Index
    name: str
    default: Value
    read_only: bool = False
    signed: bool = False  # how 32 bits are sent; of objects that do not have so many it says nothing

    @property
    def _is_word(self) -> bool:
        """Whether it has 32 bits, which is more than SNMP's INTEGER holds without a sign."""
        return self.column.high > WIDEST

    def taken(self, tag: int, content: bytes) -> Value:
        """The value that somebody sent, not yet held against the range.

        Words of 32 bits are taken with or without a sign.

        Raises:
            WrongType: it has another syntax.
            Malformed: it has none.
        """
        if tag == UNSIGNED and self._is_word:
            return integer_of(content)
        if tag != TAGS[self.column.syntax]:
            raise WrongType
        if self.column.syntax == "oid":
            return oid_of(content)
        if self.column.syntax == "octets":
            return content
        number = integer_of(content)
        return number % 2**32 if self._is_word and -(2**31) <= number < 0 else number

    def sent(self, value: Value) -> tuple[int, bytes]:
        """Tag and content of a value."""
        if isinstance(value, int):
            if self._is_word and not self.signed:
                return UNSIGNED, integer_content(value)
            return INTEGER, integer_content(value - 2**32 if value > WIDEST else value)
        return (OCTETS, value) if isinstance(value, bytes) else (OID, oid(value))


@dataclass(frozen=True)
class Row:
    """A row of a table: where in the tables it stands, and the names of its objects by those of its fields."""

    table: str
    record: type
    index: Index
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Catalog:
    """All database objects by name, and by the content of their OID; the rows that they make, and their numbers."""

    maxima: Maxima
    items: Mapping[str, Item]
    by_oid: Mapping[bytes, Item]
    rows: tuple[Row, ...]
    numbers: Mapping[bytes, int]
    columns: frozenset[bytes]

    def has_column(self, name: bytes) -> bool:
        """Whether an OID lies below a column."""
        return any(name.startswith(column) for column in self.columns)

    def fault(self, item: Item, value: Value) -> str:
        """What is wrong with a value; empty if nothing is."""
        if item.column.name == "dayPlanActionNumberOID" and value not in self._actions:
            return f"{str(value)[:40]!r} is no action of this controller"
        if item.column.name == "timebaseAscAuxillaryFunction" and isinstance(value, int) and value > AUXILIARY_BITS:
            return f"{value} has reserved bits"
        return item.column.fault(value)

    @property
    def _actions(self) -> set[str]:
        return _actions(self.maxima.actions)


@lru_cache(maxsize=8)
def _actions(count: int) -> set[str]:
    return {NO_ACTION, *(f"{ACTION_OID}.{number}" for number in range(1, count + 1))}


@lru_cache(maxsize=32)
def catalog(maxima: Maxima, split_is_fixed: bool = False, signed_words: bool = False) -> Catalog:
    """The objects of a controller with these maxima.

    ``split_is_fixed`` makes patternSplitNumber read-only. Dates of the schedule have 32 bits, beyond the INTEGER that
    the MIB gives them: controllers send them as Unsigned32, or with ``signed_words`` as INTEGER with a sign.
    """
    rows = tuple(_rows(maxima))
    items = {item.name: item for row in rows for item in _items(row, maxima, split_is_fixed, signed_words)}
    by_oid = {oid(NtcipObject(item.column, item.index, 0).oid): item for item in items.values()}
    own = (column.oid for record in RECORDS.values() for column in columns(record).values())
    prefixes = frozenset(oid(name) for name in chain(own, *NUMBERS.values()))
    return Catalog(maxima, items, by_oid, rows, dict(_numbers(rows)), prefixes)


def _rows(maxima: Maxima) -> Iterator[Row]:
    rows: dict[str, tuple[int, ...]] = {
        "unit": (),
        "phases": (maxima.phases,),
        "sequences": (maxima.sequences, maxima.rings),
        "splits": (maxima.splits, maxima.phases),
        "patterns": (maxima.patterns,),
        "actions": (maxima.actions,),
        "events": (maxima.day_plans, maxima.events),
        "schedule": (maxima.schedule,),
    }
    for table, record in RECORDS.items():
        made: Any = record
        for index in product(*(range(1, count + 1) for count in rows[table])):
            place = index or (0,)
            named = {name: NtcipObject(column, place, 0).name for name, column in columns(made).items()}
            yield Row(table, record, place, tuple(named.items()))


def _items(row: Row, maxima: Maxima, split_is_fixed: bool, signed_words: bool) -> Iterator[Item]:
    highest = {
        "phaseRing": maxima.rings,
        "patternSplitNumber": maxima.splits,
        "patternSequenceNumber": maxima.sequences,
        "timeBaseScheduleDayPlan": maxima.day_plans,
    }
    blank = _blank(row, maxima)
    record: Any = row.record
    for (field, name), column in zip(row.names, columns(record).values(), strict=True):
        fixed = split_is_fixed and column.name == "patternSplitNumber"
        limited = replace(column, high=highest.get(column.name, column.high))
        yield Item(limited, row.index, name, getattr(blank, field), fixed, signed_words)


def _blank(row: Row, maxima: Maxima) -> object:
    """A row that is not used."""
    blank: dict[type, object] = {
        Unit: UNIT,
        Phase: UNUSED,
        Sequence: Sequence(b""),
        Split: Split(0, 2, 0),
        Pattern: Pattern(0, 0, min(row.index[0], maxima.splits) or 1, 1),
        Action: Action(0, 0, 0),
        Event: Event(0, 0, NO_ACTION),
        ScheduleRow: ScheduleRow(0, 0, 0, 0),
    }
    return blank[row.record]


def _numbers(rows: Iterable[Row]) -> Iterator[tuple[bytes, int]]:
    for row in rows:
        place = ".".join(str(part) for part in row.index)
        for column, part in zip(NUMBERS.get(row.table, ()), row.index, strict=False):
            yield oid(f"{column}.{place}"), part
