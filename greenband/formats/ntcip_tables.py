"""The tables of one controller as far as timing plans need them, and the list of objects that stands for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from greenband.formats.ntcip_objects import (
    ACTION_OID,
    NO_ACTION,
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
    objects_of,
    parsed,
    rows_of,
)

__all__ = ["NtcipTables", "column_of", "object_of", "place_of"]

FREE, FLASH = 254, 255  # patterns that are none
RECORDS: Mapping[str, type] = {  # in the order in which they are set, each after what it refers to
    "unit": Unit,
    "phases": Phase,
    "sequences": Sequence,
    "splits": Split,
    "patterns": Pattern,
    "actions": Action,
    "events": Event,
    "schedule": ScheduleRow,
}
COLUMNS: Mapping[str, Column] = {
    column.oid: column for record in RECORDS.values() for column in columns(record).values()
}
BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS.values()}


@dataclass(frozen=True)
class NtcipTables:
    """Rows of the tables by their indices: phase; sequence and ring; split and phase; pattern; action; and so on.

    ``greenband.formats.ntcip_checks.complaints`` says what in them contradicts each other.
    """

    unit: Unit
    phases: Mapping[int, Phase]
    sequences: Mapping[tuple[int, int], Sequence]
    splits: Mapping[tuple[int, int], Split]
    patterns: Mapping[int, Pattern]
    actions: Mapping[int, Action]
    events: Mapping[tuple[int, int], Event]
    schedule: Mapping[int, ScheduleRow]

    def objects(self) -> Iterator[NtcipObject]:
        """All objects in the order in which a controller takes them."""
        yield from objects_of((0,), self.unit)
        for name in list(RECORDS)[1:]:
            for index, row in getattr(self, name).items():
                yield from objects_of(index if isinstance(index, tuple) else (index,), row)

    def in_force(self) -> NtcipTables:
        """Only the rows that something calls for: a pattern with a cycle has splits and a sequence, and so on.

        A row of the schedule is off if any of its fields is 0, an event if its action is none (NTCIP 1201, 2.4.3.2).
        """
        patterns = {number: row for number, row in self.patterns.items() if row.cycle_s}
        actions = {number: row for number, row in self.actions.items() if row.pattern in (*patterns, FREE, FLASH)}
        called = {f"{ACTION_OID}.{number}" for number in actions}
        schedule = {n: r for n, r in self.schedule.items() if all((r.months, r.days, r.dates, r.day_plan))}
        days, splits = {r.day_plan for r in schedule.values()}, {r.split for r in patterns.values()}
        orders = {row.sequence for row in patterns.values()}
        return replace(
            self,
            patterns=patterns,
            actions=actions,
            splits={index: row for index, row in self.splits.items() if index[0] in splits},
            sequences={index: row for index, row in self.sequences.items() if index[0] in orders},
            events={index: r for index, r in self.events.items() if r.action in called and index[0] in days},
            schedule=schedule,
        )

    def in_use(self) -> NtcipTables:
        """Beyond the rows in force those that no plan shows, but that do something or may be meant to.

        These are events of day plans that nothing calls for at present, events with an action of another kind of
        device, or with one that only switches functions; and the actions of events.
        """
        force = self.in_force()
        events = {index: row for index, row in self.events.items() if row.action != NO_ACTION}
        called = {row.action for row in events.values()}
        actions = {
            number: row
            for number, row in self.actions.items()
            if number in force.actions or row.auxiliary or row.special or f"{ACTION_OID}.{number}" in called
        }
        return replace(force, events=events, actions=actions)

    @classmethod
    def of(cls, objects: Iterable[NtcipObject]) -> NtcipTables:
        """The tables that these objects fill, in any order.

        Raises:
            ValueError: an object is missing or comes twice.
        """
        found: dict[tuple[str, Index], Value] = {}
        for item in objects:
            if (item.column.name, item.index) in found:
                raise ValueError(f"{item.name} ({item.oid}) comes twice")
            found[item.column.name, item.index] = item.value
        rows: dict[str, Any] = {name: rows_of(record, found) for name, record in RECORDS.items()}
        if not rows["unit"]:
            raise ValueError(f"{next(iter(columns(Unit).values())).name}.0 is missing")
        unit = rows.pop("unit")[0,]
        return cls(unit=unit, **{name: {_plain(index): row for index, row in of.items()} for name, of in rows.items()})


def _plain(index: Index) -> Any:
    return index[0] if len(index) == 1 else index


def column_of(oid: str) -> tuple[Column, Index]:
    """The column and the index that a full OID is made of.

    Raises:
        ValueError: it is not an OID of one of these tables.
    """
    for count in (1, 2):
        prefix, *index = oid.rsplit(".", count)
        column = COLUMNS.get(prefix)
        if column and all(part.isascii() and part.isdigit() and len(part) < 6 for part in index):
            numbers = tuple(int(part) for part in index)
            if column.takes(numbers) and oid == NtcipObject(column, numbers, 0).oid:
                return column, numbers
    raise ValueError(f"{oid[:80]!r} is no object of a timing plan")


def object_of(name: str, text: str) -> NtcipObject:
    """The object with this ``NtcipObject.name`` and ``.text``; its value may be out of the column's range.

    Controllers hold such values, as 0 for a split in patterns without use, and take them back.

    Raises:
        ValueError: there is no object of this name, or the text is not of its syntax.
    """
    column, index = place_of(name)
    try:
        return NtcipObject(column, index, parsed(column, text))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


@lru_cache(maxsize=1 << 14)
def place_of(name: str) -> tuple[Column, Index]:
    """The column and the index that an ``NtcipObject.name`` is made of.

    Raises:
        ValueError: there is no object of this name.
    """
    head, _, rest = name.partition(".")
    parts = rest.split(".")
    if head in BY_NAME and all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        index = tuple(int(part) for part in parts)
        if BY_NAME[head].takes(index) and name == NtcipObject(BY_NAME[head], index, 0).name:
            return BY_NAME[head], index
    raise ValueError(f"{name[:80]!r} is no object of a timing plan")
