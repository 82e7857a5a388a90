"""Signal controllers that speak NTCIP 1202 (2004) over SNMP: their timing tables are read and downloaded.

The tables are those of ``greenband.formats.ntcip``. Beyond them a download clears what would stand in their way:
patterns in use and rows of the schedule in force that the plan does not have, and more events in its day plans. A
controller with phases that the plan does not know is refused, as nobody knows what they would do.

Source: MIB texts of NTCIP 1202:2004 v02.18 and NTCIP 1201:2005 v02.27.
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice, product
from typing import Self

from greenband.errors import BadInput, UnknownName
from greenband.field.driver import Refused, Unreachable
from greenband.field.holding import Holding
from greenband.field.ntcip.limits import LIMITS, MOST_OBJECTS, MOST_ROWS, check_rows, limit, told_limits
from greenband.field.ntcip.status import STATUS, Status
from greenband.field.ntcip.transaction import DATABASE, GLOBAL, State, Transaction, Waits
from greenband.field.ntcip.trial import Rows, trial_rows
from greenband.field.snmp.ber import Unsigned, Value
from greenband.field.snmp.session import Access, NotWritable, SnmpSession
from greenband.formats import ntcip
from greenband.formats.ntcip_checks import RINGS
from greenband.formats.ntcip_objects import (
    ASC,
    NO_ACTION,
    Action,
    Event,
    Index,
    NtcipObject,
    Pattern,
    Phase,
    ScheduleRow,
    Sequence,
    Split,
    Unit,
    columns,
)
from greenband.formats.ntcip_rings import PHASES
from greenband.formats.ntcip_tables import NtcipTables, column_of, object_of, place_of
from greenband.plan.model import PlanSet

__all__ = ["NtcipDriver", "wanted"]

TABLE_TYPE = f"{ASC}.4.6.0"  # patternTableType
ROWS_PER_PLAN = {3: 3, 4: 5}  # of pattern tables that put several offsets together
CLOCK = {
    "controllerLocalTime": f"{GLOBAL}.3.6.0",
    "globalTime": f"{GLOBAL}.3.1.0",
    "controllerStandardTimeZone": f"{GLOBAL}.3.5.0",
    "globalDaylightSaving": f"{GLOBAL}.3.2.0",
}
NO_SUMMER_TIME = 2  # globalDaylightSaving
EPOCH = datetime.datetime(1970, 1, 1)
MOST_OFF_S = 60.0
CYCLE, CALLS_FOR = "patternCycleTime", "timebaseAscPattern"
ROWS = (  # in the order of ntcip_trial.Rows
    *("maxPatterns", "maxSplits", "maxSequences", "maxTimebaseAscActions"),
    *("maxDayPlans", "maxDayPlanEvents", "maxTimeBaseScheduleEntries"),
)
EVENT_TIMES = ("dayPlanHour", "dayPlanMinute")
SCHEDULE = ("timeBaseScheduleMonth", "timeBaseScheduleDay", "timeBaseScheduleDate", "timeBaseScheduleDayPlan")
WORD = 2**32 - 1
RIGHT: Mapping[str, type] = {"integer": int, "octets": bytes, "oid": str}
PART = 1000  # objects that are made ready at once, so that other controllers have their turn in between
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0


def wanted(plans: PlanSet, signal: str) -> Holding:
    """What the controller of a junction is to hold, in the order in which to set it.

    Raises:
        BadInput: as ``greenband.formats.ntcip.objects``.
    """
    return Holding({item.name: item.text for item in ntcip.objects(plans, signal)})


class NtcipDriver:
    """A conversation with one controller, a ``greenband.field.driver.Driver``.

    ``limits`` say how many rows the controller has, by the names of ``greenband.field.ntcip.limits.LIMITS``, where it
    does not say so itself or wrongly.

    Raises:
        BadInput: a limit has an unknown name, is not above 0, or is beyond what the standard has.
    """

    def __init__(self, access: Access, limits: Mapping[str, int] | None = None, waits: Waits | None = None) -> None:
        self._limits = dict(limits or {})
        for name, rows in self._limits.items():
            if name not in LIMITS:
                raise UnknownName("limit", name, LIMITS)
            if not 1 <= rows <= MOST_ROWS[name]:
                raise BadInput(f"limits: {name}: {rows}, and at least 1 and at most {MOST_ROWS[name]} are possible")
        self._waits = waits or Waits()
        self._session = SnmpSession(access, _name_of)
        self._transaction = Transaction(self._session, self._waits)
        self._unsigned: bool | None = None  # whether its words of 32 bits come without a sign
        self._may_read = MOST_OBJECTS

    async def __aenter__(self) -> Self:
        """Connect, and see that who answers knows the keys and has transactions.

        Raises:
            Unreachable: no answer.
            Refused: wrong credentials, another engine, or no transactions.
        """
        await self._session.__aenter__()
        try:
            await self._transaction.state()
        except BaseException:
            await self._session.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.__aexit__(*error)

    async def prepared(self, wanted: Holding) -> tuple[Holding, Holding]:
        """What it holds, and what it is to hold with that cleared which would stand in the way.

        Raises:
            Unreachable: no answer.
            Refused: it lacks rows or objects, has phases that the plan does not know, or a transaction is open.
        """
        objects = [_object(name, text) for name, text in wanted.objects.items()]
        async with self._looking():
            limits = await self._asked_limits()
            check_rows(objects, limits)
            await self._knows_all_phases(objects, limits)
            cleared = await self._patterns_cleared(objects, limits)
            cleared |= await self._schedule_cleared(objects, limits)
            cleared |= await self._events_cleared(objects, limits)
            target = Holding({**wanted.objects, **cleared})
            return await self.read(target), target

    async def trial(self, plan: NtcipTables, pattern: int, minutes: int) -> tuple[Holding, Holding, datetime.datetime]:
        """What it holds and what it is to hold for a trial of a pattern, and when that ends by its own clock.

        Args:
            plan: tables that have the pattern.
            pattern: its number in them.
            minutes: how long it is to last at least.

        Raises:
            Unreachable: no answer.
            Refused: it has no room, other phases, or a clock that is wrong.
        """
        limits = await self._asked_limits()
        rows = Rows(*(limit(limits, name) for name in ROWS))
        held = NtcipTables.of(object_of(name, text) for name, text in (await self.everything()).objects.items())
        now = await self.clock()
        off_s = (now - datetime.datetime.now()).total_seconds()
        if abs(off_s) > MOST_OFF_S:
            raise Refused(
                f"its clock is {abs(off_s):.0f} s {'fast' if off_s > 0 else 'slow'}: a trial ends by its clock"
            )
        found, ends = trial_rows(held, plan, pattern, rows, now, minutes)
        target = Holding({item.name: item.text for item in found})
        return await self.read(target), target, ends

    async def read(self, names: Holding) -> Holding:
        """What it holds at these objects.

        Raises:
            Unreachable: no answer.
            Refused: there is no such object, or it answered something else.
        """
        items = [_place(name) for name in names.objects]
        values = await self._session.get([item.oid for item in items])
        texts = (self._text(item, value) for item, value in zip(items, values, strict=True))
        return Holding(dict(zip(names.objects, texts, strict=True)))

    async def everything(self) -> Holding:
        """All tables that plans have, without rows of no use.

        Raises:
            Unreachable: no answer, or not all of them in time.
            Refused: it answered something that no table has, or has too many rows.
        """
        async with self._looking():
            found = await self._tables()
        try:
            tables = NtcipTables.of(found).in_use()
        except ValueError as error:
            raise Refused(f"its tables are not whole: {error}") from error
        return Holding({item.name: item.text for item in tables.objects()})

    async def _tables(self) -> list[NtcipObject]:
        limits = await self._asked_limits()
        found = await self._rows(Unit, [(0,)])
        found += await self._rows(Phase, self._one(limits, "maxPhases"))
        phases = _numbers_of(found, "phaseRing")
        found = [item for item in found if len(item.index) != 1 or item.index[0] in (0, *PHASES, *phases)]
        served = sorted({*PHASES, *phases})
        patterns = await self._rows(Pattern, self._one(limits, "maxPatterns"))
        used = _numbers_of(patterns, "patternCycleTime")
        patterns = [item for item in patterns if item.index[0] in used]
        splits, orders = (_values_of(patterns, name) for name in ("patternSplitNumber", "patternSequenceNumber"))
        found += await self._rows(Sequence, [(order, ring) for order in orders for ring in RINGS])
        found += await self._rows(Split, [(split, phase) for split in splits for phase in served])
        found += patterns
        found += await self._rows(Action, self._one(limits, "maxTimebaseAscActions"))
        called = await self._day_plans_called(limits)
        found += await self._rows(ScheduleRow, [(row,) for row in called])
        return found + await self._rows(Event, await self._events_used(limits, called.values()))

    async def _day_plans_called(self, limits: Mapping[str, int]) -> dict[int, int]:
        """The rows of the schedule that name a day plan, and which."""
        rows = range(1, limit(limits, "maxTimeBaseScheduleEntries") + 1)
        plans = await self._numbers([f"{SCHEDULE[-1]}.{row}" for row in rows])
        return {row: plan for row, plan in zip(rows, plans.values(), strict=True) if plan}

    async def _events_used(self, limits: Mapping[str, int], called: Iterable[int]) -> list[Index]:
        """Day plan and event of those with an action, in all day plans that it has."""
        days = {*range(1, limits.get("maxDayPlans", 0) + 1), *called} & {*range(1, MOST_ROWS["maxDayPlans"] + 1)}
        events = range(1, limit(limits, "maxDayPlanEvents") + 1)
        column, indices = columns(Event)["action"], list(product(sorted(days), events))
        held = await self._looked_at(len(indices), (NtcipObject(column, index, 0) for index in indices))
        return [item.index for item, text in held if text not in (None, NO_ACTION)]

    async def write(self, objects: Holding) -> None:
        """Set these objects in a transaction; they all differ from what it holds.

        Raises:
            Unreachable, Refused, Unclear: as ``Driver``.
        """
        if not objects:
            return
        items = [_object(name, text) for name, text in objects.objects.items()]
        if self._unsigned is None and (words := [item for item in items if item.column.high == WORD]):
            await self.read(Holding({words[0].name: words[0].text}))
        try:
            await self._transaction.set([(item.oid, self._value(item)) for item in items])
        except Refused as error:
            if isinstance(error.__cause__, NotWritable) and str(error).startswith("patternSplitNumber"):
                raise Refused(f"{error}; it fixes which split a pattern has, and the plan has another") from error
            raise

    async def troubles(self) -> list[str]:
        """What keeps it from running its plans; while it passes from one state to another it is waited for.

        Raises:
            Unreachable: no answer.
            Refused: it does not say.
        """
        ends, pause_s = time.monotonic() + self._waits.settle_s, FIRST_PAUSE_S
        while (status := await self._status()).passing and time.monotonic() < ends:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return status.troubles()

    async def release(self) -> None:
        """Discard a transaction of ours that is open; before the first write, one that an earlier download left.

        Raises:
            Unreachable: no answer.
            Refused: it would not.
            Unclear: it stopped answering on the way.
        """
        await self._transaction.release()

    async def clock(self) -> datetime.datetime:
        """Its local time, without a time zone.

        Raises:
            Unreachable: no answer.
            Refused: it does not say.
        """
        found = dict(zip(CLOCK, await self._session.get(list(CLOCK.values()), optional=True), strict=True))
        seconds = found["controllerLocalTime"]
        if seconds is None and found["globalDaylightSaving"] == NO_SUMMER_TIME:
            parts = found["globalTime"], found["controllerStandardTimeZone"]
            seconds = sum(part for part in parts if isinstance(part, int)) if None not in parts else None
        if not isinstance(seconds, int) or not 0 <= seconds <= WORD:
            raise Refused("controllerLocalTime: the controller does not say what time it is")
        return EPOCH + datetime.timedelta(seconds=seconds)

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[None]:
        """A look at whole tables, which ends even where they are large or the controller is slow."""
        self._may_read = MOST_OBJECTS
        try:
            async with asyncio.timeout(self._waits.read_s):
                yield
        except TimeoutError as error:
            raise Unreachable(f"its tables are not read after {self._waits.read_s:g} s") from error

    async def _asked_limits(self) -> dict[str, int]:
        """The limits, after a look at whether anybody is changing the tables."""
        names = [name for name in LIMITS if name not in self._limits]
        oids = [DATABASE, TABLE_TYPE, *(LIMITS[name] for name in names)]
        state, kind, *found = await self._session.get(oids, optional=True)
        if state != State.NORMAL:
            raise Refused("a transaction is open, of somebody else or of a download that was interrupted")
        if kind in ROWS_PER_PLAN:
            raise Refused(f"patternTableType: its patterns go together by {ROWS_PER_PLAN[kind]}, and the plan's do not")
        return told_limits(dict(zip(names, found, strict=True))) | self._limits

    async def _knows_all_phases(self, objects: Iterable[NtcipObject], limits: Mapping[str, int]) -> None:
        """Refuse phases in use that the plan does not have."""
        known = {item.index[0] for item in objects if item.column.name == "phaseRing"}
        others = [number for number in range(1, limit(limits, "maxPhases") + 1) if number not in known]
        names = [(f"phaseRing.{number}", f"phaseOptions.{number}") for number in others]
        held = await self._numbers([name for pair in names for name in pair])
        used = [str(n) for n, (ring, options) in zip(others, names, strict=True) if held[ring] and held[options] & 1]
        if used:
            raise Refused(f"phases {', '.join(used)} are in use there, and the plan does not know them")

    async def _patterns_cleared(self, objects: Iterable[NtcipObject], limits: Mapping[str, int]) -> dict[str, str]:
        """Patterns in use beyond the plan's, with no cycle: with the plan's phases they may contradict themselves.

        Actions that call for them call for none, as those that a trial leaves behind.
        """
        objects = list(objects)
        known = {item.index[0] for item in objects if item.column.name == CYCLE}
        others = [number for number in range(1, limit(limits, "maxPatterns") + 1) if number not in known]
        cycles = await self._numbers([f"{CYCLE}.{number}" for number in others])
        gone = {number for number, cycle_s in zip(others, cycles.values(), strict=True) if cycle_s}
        if not gone:
            return {}
        called = {item.index[0] for item in objects if item.column.name == CALLS_FOR}
        actions = (number for number in range(1, limit(limits, "maxTimebaseAscActions") + 1) if number not in called)
        patterns = await self._numbers([f"{CALLS_FOR}.{number}" for number in actions])
        calling = {name: "0" for name, pattern in patterns.items() if pattern in gone}
        return {f"{CYCLE}.{number}": "0" for number in sorted(gone)} | calling

    async def _schedule_cleared(self, objects: Iterable[NtcipObject], limits: Mapping[str, int]) -> dict[str, str]:
        """Rows of the schedule in force beyond the plan's, with everything 0."""
        known = {item.index[0] for item in objects if item.column.name == SCHEDULE[-1]}
        used = [row for row in await self._day_plans_called(limits) if row not in known]
        held = await self._numbers([f"{column}.{row}" for row in used for column in SCHEDULE])
        force = (row for row in used if all(held[f"{column}.{row}"] for column in SCHEDULE))
        return {f"{column}.{row}": "0" for row in force for column in SCHEDULE}

    async def _events_cleared(self, objects: Iterable[NtcipObject], limits: Mapping[str, int]) -> dict[str, str]:
        """Events of the plan's day plans beyond the plan's: without an action, their times as they are."""
        known = {item.index for item in objects if item.column.name == "dayPlanActionNumberOID"}
        events = range(1, limit(limits, "maxDayPlanEvents") + 1)
        days = dict.fromkeys(day for day, _ in sorted(known))
        others = [f"{day}.{event}" for day in days for event in events if (day, event) not in known]
        held = await self._looked_at(len(others), (_place(f"dayPlanActionNumberOID.{other}") for other in others))
        used = [other for other, (_, text) in zip(others, held, strict=True) if text not in (None, NO_ACTION)]
        times = await self._numbers([f"{column}.{event}" for event in used for column in EVENT_TIMES])
        actions = {f"dayPlanActionNumberOID.{event}": NO_ACTION for event in used}
        return {name: str(number) for name, number in times.items()} | actions

    async def _looked_at(self, count: int, items: Iterable[NtcipObject]) -> list[tuple[NtcipObject, str | None]]:
        """What it holds at these objects, so many; None at missing ones."""
        self._may_read -= count
        if self._may_read < 0:
            raise Refused(f"with its limits it would have more than {MOST_OBJECTS} objects to read")
        found: list[tuple[NtcipObject, str | None]] = []
        rest = iter(items)
        while part := list(islice(rest, PART)):
            values = await self._session.get([item.oid for item in part], optional=True)
            pairs = zip(part, values, strict=True)
            found += ((item, None if value is None else self._text(item, value)) for item, value in pairs)
        return found

    async def _numbers(self, names: Collection[str]) -> dict[str, int]:
        """What it holds at these objects, 0 at missing ones."""
        held = await self._looked_at(len(names), (_place(name) for name in names))
        return {item.name: int(text or 0) for item, text in held}

    def _one(self, limits: Mapping[str, int], name: str) -> list[Index]:
        """The indices of a table with one."""
        return [(number,) for number in range(1, limit(limits, name) + 1)]

    async def _rows(self, record: type, indices: Collection[Index]) -> list[NtcipObject]:
        """The objects of these rows that the controller has."""
        of = columns(record).values()
        items = (NtcipObject(column, index, 0) for index in indices for column in of)
        held = await self._looked_at(len(indices) * len(of), items)
        return [_object(item.name, text) for item, text in held if text is not None]

    async def _status(self) -> Status:
        values = dict(zip(STATUS, await self._session.get(list(STATUS.values()), optional=True), strict=True))
        for name in ("localFreeStatus", "coordPatternStatus"):
            if not isinstance(values[name], int):
                raise Refused(f"{name}: the controller does not say")
        return Status({name: value for name, value in values.items() if isinstance(value, int)})

    def _text(self, item: NtcipObject, value: Value) -> str:
        """The text for what was answered for an object."""
        if item.column.high == WORD and isinstance(value, int):
            self._unsigned = isinstance(value, Unsigned)
            value = int(value) % (WORD + 1) if value >= -WORD // 2 else value
        negative = isinstance(value, int) and value < 0
        if value is None or negative or not isinstance(value, RIGHT[item.syntax]):
            raise Refused(f"{item.name}: answered {value!r}, which is no {item.syntax}")
        return NtcipObject(item.column, item.index, int(value) if isinstance(value, int) else value).text

    def _value(self, item: NtcipObject) -> Value:
        """An object's value as this controller takes it: an INTEGER of SNMP has a sign, those of NTCIP have none."""
        value = item.value
        if item.column.high == WORD and isinstance(value, int):
            if self._unsigned:
                return Unsigned(value)
            return value - WORD - 1 if value > WORD // 2 else value
        return value


def _values_of(objects: Iterable[NtcipObject], name: str) -> list[int]:
    """The values of a column, each once, in ascending order."""
    return sorted({item.value for item in objects if item.column.name == name and isinstance(item.value, int)})


def _numbers_of(objects: Iterable[NtcipObject], name: str) -> set[int]:
    """The rows in which a column is not 0."""
    return {item.index[0] for item in objects if item.column.name == name and item.value}


def _object(name: str, text: str) -> NtcipObject:
    try:
        return object_of(name, text)
    except ValueError as error:
        raise Refused(str(error)) from error


def _place(name: str) -> NtcipObject:
    """An object whose value is not known yet."""
    try:
        return NtcipObject(*place_of(name), 0)
    except ValueError as error:
        raise Refused(str(error)) from error


def _known() -> Iterator[tuple[str, str]]:
    yield from ((oid, f"{name}.0") for name, oid in {**LIMITS, **STATUS, **CLOCK}.items())
    yield DATABASE, "dbCreateTransaction.0"


NAMES = dict(_known())


def _name_of(oid: str) -> str:
    """The name of an object of the tables, or of the controller's state."""
    if oid in NAMES:
        return NAMES[oid]
    try:
        return NtcipObject(*column_of(oid), 0).name
    except ValueError:
        return oid
