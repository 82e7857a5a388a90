"""The bytes of a GB/T 20999-2017 controller's plans, day plans and schedule, value by value.

========  =============================================================================================================
9.2.a.n   plan n: 2 crossing, 3 cycle (4 bytes, s), 4 coordinated stage (1), 5 offset (2, s), 6 stage chain (16 of 1),
          7 stage times (16 of 2, s, each with its intergreen), 8 appearance (16 of 1: 10 fixed, 20 on demand)
11.2.a.n  day plan n: 2 crossing, 3 start times (48 of hour and minute), 4 plans (48 of 1), 5 run modes (48 of 1)
12.2.a.n  schedule row n: 2 crossing, 3 priority (1), 4 weekdays (1), 5 months (2), 6 dates (4), 7 day plan (1)
========  =============================================================================================================

How sure each of this is:

- Addresses, widths and the sum of the stage times, which is the cycle: seen in a controller's answers, as published
  with an open host program.
- Bits of the calendar: weekday bit 0 is Sunday, 1 Monday to 6 Saturday; month bit 1 is January, 0 unused; date bit 0 is
  the 1st, 31 unused. Said so in a public header file, not in the standard's text, which is not public. The answers fit:
  3E (Monday to Friday, inferred), 1FFE (all months), 7FFFFFFF (all dates).
- A row is for a day whose weekday, month and date it all has: inferred, as in NTCIP 1201.
- Smaller number, higher priority: the same header file alone. See ``Profile.priority_1_first``.
- 9.2.4 is the number of the stage that the offset refers to: a public controller's checks; the answer has 1.
- Order of chains: see ``Profile.chain``. Which moment of that stage the offset refers to is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from greenband.formats.gb20999_frames import Value, number
from greenband.formats.gb20999_tables import (
    ALL_DATES,
    MONTHS,
    PERIODS,
    STAGES,
    Chain,
    ControllerDay,
    ControllerPeriod,
    ControllerPlan,
    ControllerRow,
    ControllerStage,
    check,
)
from greenband.plan.calendar import WEEK

__all__ = ["DAY", "PLAN", "ROW", "day_of", "day_values", "plan_of", "plan_values", "row_of", "row_values"]

PLAN, DAY, ROW = (9, 2), (11, 2), (12, 2)  # class and object of each table


def plan_values(plan: ControllerPlan, chain: Chain) -> tuple[Value, ...]:
    """A plan's values.

    Raises:
        BadInput: a number does not fit.
    """
    stages = [number("stage", stage.stage, 1) for stage in plan.stages]
    times = [number("stage time", stage.duration_s, 2) for stage in plan.stages]
    appearances = [number("appearance", stage.appearance, 1) for stage in plan.stages]
    data = {
        3: number("cycle", plan.cycle_s, 4),
        4: number("coordinated stage", plan.reference_stage, 1),
        5: number("offset", plan.offset_s, 2),
        6: _chained(stages, STAGES, chain),
        7: _chained(times, STAGES, chain),
        8: _chained(appearances, STAGES, chain),
    }
    return tuple(_values(PLAN, plan.number, plan.belongs_to, data))


def plan_of(element: int, data: Mapping[int, bytes], chain: Chain) -> ControllerPlan:
    """A plan from the data of its attributes.

    Raises:
        BadInput: an attribute is missing or has another length, or the plan contradicts itself.
    """
    widths = {3: 4, 4: 1, 5: 2, 6: STAGES, 7: 2 * STAGES, 8: STAGES}
    cycle, reference, offset, stages, times, appearances = _attributes(data, widths)
    numbers = _used(stages, chain, "stage chain")
    durations, kinds = _slots(times, 2, len(numbers), chain), _slots(appearances, 1, len(numbers), chain)
    return ControllerPlan(
        number=element,
        cycle_s=_whole(cycle),
        offset_s=_whole(offset),
        reference_stage=_whole(reference),
        stages=tuple(ControllerStage(*slot) for slot in zip(numbers, durations, kinds, strict=True)),
        belongs_to=_belongs_to(data),
    )


def day_values(day: ControllerDay, chain: Chain) -> tuple[Value, ...]:
    """A day plan's values; unused periods are zeros.

    Raises:
        BadInput: a number does not fit.
    """
    times = [bytes(divmod(period.at_min, 60)) for period in day.periods]
    plans = [number("plan", period.plan, 1) for period in day.periods]
    modes = [number("run mode", period.mode, 1) for period in day.periods]
    chains = ((3, times), (4, plans), (5, modes))
    data = {attribute: _chained(slots, PERIODS, chain) for attribute, slots in chains}
    return tuple(_values(DAY, day.number, day.belongs_to, data))


def day_of(element: int, data: Mapping[int, bytes], chain: Chain) -> ControllerDay:
    """A day plan from the data of its attributes; a period without a plan is unused.

    Raises:
        BadInput: an attribute is missing or has another length, or the periods do not ascend from midnight.
    """
    times, plans, modes = _attributes(data, {3: 2 * PERIODS, 4: PERIODS, 5: PERIODS})
    numbers = _used(plans, chain, "chain of plans")
    starts = [divmod(time, 256) for time in _slots(times, 2, len(numbers), chain)]
    for hour, minute in starts:
        check(hour < 24 and minute < 60, f"{hour:02d}:{minute:02d} is no time of day")
    slots = zip(starts, numbers, _slots(modes, 1, len(numbers), chain), strict=True)
    periods = tuple(ControllerPeriod(60 * hour + minute, plan, mode) for (hour, minute), plan, mode in slots)
    return ControllerDay(element, periods, _belongs_to(data))


def row_values(row: ControllerRow) -> tuple[Value, ...]:
    """A schedule row's values.

    Raises:
        BadInput: a number does not fit.
    """
    data = {
        3: number("priority", row.priority, 1),
        4: number("weekdays", _bits(day % 7 for day in row.weekdays), 1),
        5: number("months", _bits(row.months), 2),
        6: number("dates", _bits(date - 1 for date in row.dates), 4),
        7: number("day plan", row.day_plan, 1),
    }
    return tuple(_values(ROW, row.number, row.belongs_to, data))


def row_of(element: int, data: Mapping[int, bytes]) -> ControllerRow:
    """A schedule row from the data of its attributes.

    Raises:
        BadInput: an attribute is missing or has another length, a bit has no meaning, or the row is for no day.
    """
    priority, weekdays, months, dates, day_plan = map(_whole, _attributes(data, {3: 1, 4: 1, 5: 2, 6: 4, 7: 1}))
    check(weekdays < 1 << 7, f"weekdays {weekdays:02x}: bit 7 has no meaning")
    check(months & ~0x1FFE == 0, f"months {months:04x}: bits 0 and 13 to 15 have no meaning")
    check(dates < 1 << 31, f"dates {dates:08x}: bit 31 has no meaning")
    return ControllerRow(
        number=element,
        priority=priority,
        weekdays=tuple(day for day in WEEK if weekdays >> day % 7 & 1),
        months=tuple(month for month in MONTHS if months >> month & 1),
        dates=tuple(date for date in ALL_DATES if dates >> date - 1 & 1),
        day_plan=day_plan,
        belongs_to=_belongs_to(data),
    )


def _bits(places: Iterable[int]) -> int:
    return sum(1 << place for place in places)


def _values(table: tuple[int, int], element: int, belongs_to: int | None, data: Mapping[int, bytes]) -> Iterator[Value]:
    number("number", element, 1)
    if belongs_to is not None:
        yield Value(*table, 2, element, number("crossing", belongs_to, 1))
    for attribute, content in data.items():
        yield Value(*table, attribute, element, content)


def _attributes(data: Mapping[int, bytes], widths: Mapping[int, int]) -> list[bytes]:
    """The data of these attributes, each of this width."""
    for attribute in data:
        check(attribute in widths or attribute == 2, f"attribute {attribute} is not one that is read")
    for attribute, width in widths.items():
        check(attribute in data, f"attribute {attribute} is missing")
        there = len(data[attribute])
        check(there == width, f"attribute {attribute} has {there} bytes instead of {width}")
    return [data[attribute] for attribute in widths]


def _belongs_to(data: Mapping[int, bytes]) -> int | None:
    if 2 not in data:
        return None
    check(len(data[2]) == 1, f"attribute 2 has {len(data[2])} bytes instead of 1")
    return data[2][0]


def _whole(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _chained(slots: Sequence[bytes], room: int, chain: Chain) -> bytes:
    """Slots of a chain, slot 1 first, as they stand in a value with room for so many."""
    unused = bytes(len(slots[0]) * (room - len(slots)))
    if chain == "slot 1 first":
        return b"".join(slots) + unused
    return unused + b"".join(reversed(slots) if chain == "slot 1 last" else slots)


def _slots(data: bytes, width: int, used: int, chain: Chain) -> list[int]:
    """The used slots of a chain, slot 1 first."""
    slots = [_whole(data[place : place + width]) for place in range(0, len(data), width)]
    if chain == "slot 1 first":
        return slots[:used]
    return slots[: -used - 1 : -1] if chain == "slot 1 last" else slots[-used:]


def _used(data: bytes, chain: Chain, what: str) -> list[int]:
    """The slots of a chain in which zero means unused."""
    used = len(data) - data.count(0)
    check(used > 0, f"the {what} is empty")
    slots = _slots(data, 1, used, chain)
    check(0 not in slots, f"the {what} has a gap")
    return slots
