"""What a controller would find wrong with its tables: references, least splits, ring sums, barriers, offsets.

Rules of NTCIP 1202:2004, patternCycleTime, patternOffsetTime, splitTime, phaseConcurrency and sequenceData: a pattern
that breaks one runs free. Phases that may be on together, directly or by way of others, lie before the same barrier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from greenband.formats.ntcip_objects import ACTION_OID, Pattern, Split
from greenband.formats.ntcip_tables import NtcipTables

__all__ = ["CYCLE_S", "OMITTED", "RINGS", "Complaint", "complaints"]

CYCLE_S = (30, 255)  # NEMA TS 2
OMITTED = 7  # splitMode phaseOmitted
RINGS = (1, 2)
NO_PATTERN = (0, 254, 255)  # none, free, flash

Served = Mapping[int, list[int]]  # phases of a ring in their order


@dataclass(frozen=True)
class Complaint:
    """Something wrong, with the pattern, ring and phase where it is about one; 0 where not."""

    text: str
    pattern: int = 0
    ring: int = 0
    phase: int = 0

    def __str__(self) -> str:
        """One line, the place first."""
        places = (("pattern", self.pattern), ("ring", self.ring), ("phase", self.phase))
        where = ", ".join(f"{name} {number}" for name, number in places if number)
        return f"{where}: {self.text}" if where else self.text


def complaints(tables: NtcipTables) -> Iterator[Complaint]:
    """All that is wrong; a pattern whose rows are not all there is not looked at further."""
    yield from _phases(tables)
    for number, pattern in tables.patterns.items():
        missing = list(_rows_of_pattern(tables, number, pattern))
        yield from missing
        if not missing:
            yield from _times(tables, number, pattern)
            yield from _coordinated(tables, number, pattern)
            yield from _barriers(tables, number, pattern)
    yield from _day_plans(tables)


def _phases(tables: NtcipTables) -> Iterator[Complaint]:
    used = {number: phase for number, phase in tables.phases.items() if phase.enabled}
    for number, phase in used.items():
        if phase.ring not in RINGS:
            yield Complaint(f"ring {phase.ring}: there are {len(RINGS)} rings", phase=number)
        for other in phase.concurrency:
            if other not in used or used[other].ring == phase.ring:
                yield Complaint(f"phase {other} is not of the other ring", ring=phase.ring, phase=number)
            elif number not in used[other].concurrency:
                yield Complaint(f"may be on with phase {other}, but not the other way round", phase=number)


def _rows_of_pattern(tables: NtcipTables, number: int, pattern: Pattern) -> Iterator[Complaint]:
    """Splits and places in the sequence that are missing, or that are not for phases of the ring."""
    used = {phase: row.ring for phase, row in tables.phases.items() if row.enabled}
    for phase, ring in used.items():
        if (pattern.split, phase) not in tables.splits:
            yield Complaint(f"split {pattern.split} has none for it", number, ring, phase)
    for ring in RINGS:
        row = tables.sequences.get((pattern.sequence, ring))
        if row is None:
            yield Complaint(f"there is no sequence {pattern.sequence}", number, ring)
            continue
        for phase in sorted(set(row.data)):
            if used.get(phase) != ring:
                yield Complaint(
                    f"it is in sequence {pattern.sequence}, but is no phase of the ring", number, ring, phase
                )
            elif row.data.count(phase) > 1:
                yield Complaint(f"it is in sequence {pattern.sequence} more than once", number, ring, phase)
        for phase in (phase for phase, of in used.items() if of == ring and phase not in row.data):
            split = tables.splits.get((pattern.split, phase))
            if split and split.mode != OMITTED:
                yield Complaint(f"it is not omitted, and not in sequence {pattern.sequence}", number, ring, phase)


def _times(tables: NtcipTables, number: int, pattern: Pattern) -> Iterator[Complaint]:
    low, high = CYCLE_S
    if not low <= pattern.cycle_s <= high:
        yield Complaint(f"the cycle of {pattern.cycle_s} s is not from {low} to {high} s", number)
    if pattern.offset_s >= pattern.cycle_s:
        yield Complaint(f"the offset of {pattern.offset_s} s is not below the cycle of {pattern.cycle_s} s", number)
    for ring, served in _served(tables, pattern).items():
        for phase in served:
            split, needs = _split(tables, pattern, phase).time_s, tables.phases[phase].needs_ds
            if 10 * split < needs:
                text = f"a split of {split} s is below the {needs / 10:g} s of minimum green or walk, yellow and red"
                yield Complaint(text, number, ring, phase)


def _served(tables: NtcipTables, pattern: Pattern) -> Served:
    orders = {ring: tables.sequences[pattern.sequence, ring].data for ring in RINGS}
    return {
        ring: [phase for phase in order if _split(tables, pattern, phase).mode != OMITTED]
        for ring, order in orders.items()
    }


def _split(tables: NtcipTables, pattern: Pattern, phase: int) -> Split:
    return tables.splits[pattern.split, phase]


def _coordinated(tables: NtcipTables, number: int, pattern: Pattern) -> Iterator[Complaint]:
    found = {
        ring: [phase for phase in served if _split(tables, pattern, phase).coordinated]
        for ring, served in _served(tables, pattern).items()
    }
    if not any(found.values()):
        yield Complaint("no phase is coordinated", number)
    for ring, phases in found.items():
        if len(phases) > 1:
            yield Complaint(f"more than one phase is coordinated: {_list(phases)}", number, ring)
    one, two = (phases[:1] for phases in found.values())
    if one and two and two[0] not in tables.phases[one[0]].concurrency:
        yield Complaint(f"coordinated phases {one[0]} and {two[0]} may not be on together", number)


def _barriers(tables: NtcipTables, number: int, pattern: Pattern) -> Iterator[Complaint]:
    served = _served(tables, pattern)
    barrier_of = _barrier_of(tables, [phase for phases in served.values() for phase in phases])
    orders = {ring: _order(phases, barrier_of) for ring, phases in served.items()}
    for ring, order in orders.items():
        for barrier in sorted({barrier for barrier in order if order.count(barrier) > 1}):
            there = _list([phase for phase, of in barrier_of.items() if of == barrier])
            yield Complaint(f"others stand between phases {there}, which belong before the same barrier", number, ring)
    yield from _same_order(orders, number)
    times = {ring: dict.fromkeys(barrier_of.values(), 0) for ring in RINGS}
    for ring, phases in served.items():
        for phase in phases:
            times[ring][barrier_of[phase]] += _split(tables, pattern, phase).time_s
    for ring, other in ((1, 2), (2, 1)):
        total = sum(time or times[other][barrier] for barrier, time in times[ring].items())
        if total != pattern.cycle_s:
            yield Complaint(f"splits and rests sum to {total} s, but the cycle is {pattern.cycle_s} s", number, ring)
    for barrier, time in sorted(times[1].items()):
        if time and times[2][barrier] and time != times[2][barrier]:
            there = _list([phase for phase, of in barrier_of.items() if of == barrier])
            text = f"phases {there} do not end together: ring 1 takes {time} s, ring 2 {times[2][barrier]} s"
            yield Complaint(text, number)


def _barrier_of(tables: NtcipTables, served: list[int]) -> dict[int, int]:
    """For every phase the lowest one before the same barrier."""
    found: dict[int, int] = {}
    for first in sorted(served):
        waiting = [first]
        while waiting:
            phase = waiting.pop()
            if phase not in found:
                found[phase] = found.get(first, first)
                waiting += [other for other in tables.phases[phase].concurrency if other in served]
    return found


def _order(phases: list[int], barrier_of: Mapping[int, int]) -> list[int]:
    """Barriers in the order in which a ring comes to them, each run once."""
    runs = [barrier for barrier, _ in groupby(phases, key=lambda phase: barrier_of[phase])]
    return runs[1:] if len(runs) > 1 and runs[0] == runs[-1] else runs


def _same_order(orders: Mapping[int, list[int]], number: int) -> Iterator[Complaint]:
    """Whether the rings come to common barriers in the same order, and at most one has phases of its own between."""
    common = set(orders[1]) & set(orders[2])
    one, two = (_between(orders[ring], common) for ring in RINGS)
    if list(one) != list(two):
        yield Complaint("the rings do not come to their barriers in the same order", number)
        return
    for barrier in one:
        if one[barrier] and two[barrier]:
            text = f"nothing says which comes first: phase {one[barrier][0]} of ring 1 or {two[barrier][0]} of ring 2"
            yield Complaint(text, number)


def _between(order: list[int], common: set[int]) -> dict[int, list[int]]:
    """What a ring comes to after each common barrier, from the lowest on; without a common one all is after 0."""
    start = order.index(min(common)) if common else 0
    found: dict[int, list[int]] = {} if common else {0: []}
    for barrier in (*order[start:], *order[:start]):
        if barrier in common:
            found[barrier] = []
        else:
            found[next(reversed(found))].append(barrier)
    return found


def _day_plans(tables: NtcipTables) -> Iterator[Complaint]:
    for number, action in tables.actions.items():
        if action.pattern not in NO_PATTERN and action.pattern not in tables.patterns:
            yield Complaint(f"action {number}: there is no pattern {action.pattern}")
    actions = {f"{ACTION_OID}.{number}" for number in tables.actions}
    for (plan, event), row in tables.events.items():
        if row.action not in actions:
            yield Complaint(f"day plan {plan}, event {event}: there is no action {row.action}")
    plans = {plan for plan, _ in tables.events}
    for number, day in tables.schedule.items():
        if day.day_plan and day.day_plan not in plans:
            yield Complaint(f"schedule row {number}: there is no day plan {day.day_plan}")


def _list(phases: list[int]) -> str:
    return ", ".join(str(phase) for phase in sorted(phases))
