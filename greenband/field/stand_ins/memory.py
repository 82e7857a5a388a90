"""What a controller has stored: values of its database objects, and the tables that they make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from greenband.errors import BadInput
from greenband.field.stand_ins.catalog import NO_ACTION, Catalog
from greenband.formats.ntcip_objects import Event, NtcipObject, Pattern, ScheduleRow, Value, value_of
from greenband.formats.ntcip_tables import NtcipTables

__all__ = ["Memory", "texts", "values_of"]


class Memory:
    """Values by name. ``version`` counts the times that something was stored."""

    def __init__(self, catalog: Catalog, objects: Iterable[NtcipObject] = ()) -> None:
        self.catalog = catalog
        self.values: dict[str, Value] = {name: item.default for name, item in catalog.items.items()}
        self.version = 0
        self._made: tuple[int, NtcipTables] | None = None
        self._hash: tuple[int, str] | None = None
        for made in objects:
            self._fill(made)

    def _fill(self, made: NtcipObject) -> None:
        item = self.catalog.items.get(made.name)
        if item is None:
            raise BadInput(f"the stand-in has no object {made.name}: its maxima are {self.catalog.maxima}")
        if fault := self.catalog.fault(item, made.value):
            raise BadInput(f"the stand-in cannot hold {made.name}: {fault}")
        self.values[made.name] = made.value

    def store(self, changes: Mapping[str, Value]) -> None:
        """Take over these values, all at once."""
        self.values.update(changes)
        self.version += 1

    @property
    def hash(self) -> str:
        """SHA-256 of all that is stored."""
        if self._hash is None or self._hash[0] != self.version:
            text = json.dumps(texts(self.values), sort_keys=True)
            self._hash = self.version, hashlib.sha256(text.encode()).hexdigest()
        return self._hash[1]

    @property
    def tables(self) -> NtcipTables:
        """The rows that are used."""
        if self._made is None or self._made[0] != self.version:
            self._made = self.version, self.tables_with({})
        return self._made[1]

    def tables_with(self, changes: Mapping[str, Value]) -> NtcipTables:
        """The rows that would be used after these changes. Those that mean nothing are left out.

        They are patterns without cycle, events without action, and rows of the schedule with a zero.
        """
        values = {**self.values, **changes}
        found: dict[str, dict[Any, Any]] = {}
        for row in self.catalog.rows:
            made = row.record(**{field: values[name] for field, name in row.names})
            if _used(made):
                found.setdefault(row.table, {})[row.index if len(row.index) > 1 else row.index[0]] = made
        empty = ("patterns", "events", "schedule")
        return NtcipTables(unit=found.pop("unit")[0], **{name: found.get(name, {}) for name in (*found, *empty)})


def _used(row: object) -> bool:
    match row:
        case Pattern():
            return row.cycle_s > 0
        case Event():
            return row.action != NO_ACTION
        case ScheduleRow():
            return bool(row.months and row.days and row.dates and row.day_plan)
        case _:
            return True


def texts(values: Mapping[str, Value]) -> dict[str, str]:
    """Values as texts: octets as pairs of hexadecimal digits with blanks between, as ``NtcipObject.text``."""
    return {name: value.hex(" ") if isinstance(value, bytes) else str(value) for name, value in values.items()}


def values_of(catalog: Catalog, written: Mapping[str, str]) -> dict[str, Value]:
    """What texts stand for.

    Raises:
        ValueError: one is no object of this controller, or no value for it.
    """
    found = {}
    for name, text in written.items():
        item = catalog.items.get(name)
        if item is None:
            raise ValueError(f"{name[:80]!r} is no object of this controller")
        found[name] = value_of(item.column, text)
    return found
