"""Timing tables as objects of NTCIP 1202 (2004) and 1201 (2005): a CSV file per junction, as an SNMP manager sets them.

A row is one object: its full OID, name, syntax (integer, octets, oid), value, unit and a note for people. Octets are
pairs of hexadecimal digits. Rows stand in the order in which they are set within a transaction; only oid, name, syntax
and value are read back. Times are whole seconds, yellow and red clearance tenths of a second.

Stages become phases in two rings, see ``greenband.plan.rings``. The numbers of periods are those of patterns, splits
and actions, the same at every junction. Every pattern runs on fixed times: all phases are on maximum recall (those
with a walk on pedestrian recall too), force-offs are fixed and maximum greens are inhibited. Offset: local zero, by
which ``patternOffsetTime`` lags midnight, is the start of green of the first coordinated phase; a controller must be
set to that reference, for which the standard has no object. Phases 1 to 8 are set, those without use are disabled.
Rows of the schedule exclude each other, so that none needs precedence; their dates are unsigned, with day 31 as bit 31.

Not written, because they belong to cabinet and device: channels (which output a phase drives), overlaps, detectors,
preemption, rows of the tables beyond these, and phases from 9 on. ``patternSplitNumber`` is read-only in the MIB of
2004; the split has the number of the pattern, which is where such controllers look.

Source: MIB texts of NTCIP 1202:2004 v02.18 and NTCIP 1201:2005 v02.27.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from greenband.errors import BadInput
from greenband.files import write_bytes
from greenband.formats.bounded import bounded_bytes
from greenband.formats.ntcip_checks import CYCLE_S, complaints
from greenband.formats.ntcip_objects import NtcipObject, value_of
from greenband.formats.ntcip_rings import PHASES, coordination, phase_rows
from greenband.formats.ntcip_schedule import day_plan_events, schedule_rows
from greenband.formats.ntcip_tables import NtcipTables, column_of
from greenband.plan.model import PlanSet
from greenband.plan.rings import RingPlan, to_rings

__all__ = ["COLUMNS", "export", "objects", "read", "tables"]

COLUMNS = ("oid", "name", "syntax", "value", "unit", "note")
MAX_BYTES = 5_000_000
MAX_PATTERNS = 253
YELLOW_S = (3, 25)  # NEMA TS 2: 3 to 25.5


def export(plans: PlanSet, folder: Path) -> list[Path]:
    """Write a file per junction into ``folder``, numbered in the order of the plan set.

    Raises:
        BadInput: naming junction, plan and what rings of phases, the standard's ranges or its rules do not allow.
    """
    signals = dict.fromkeys(plan.signal for _, plan in plans)
    files = {}
    for number, signal in enumerate(signals, 1):
        name = f"{number:03d}_{re.sub(r'[^A-Za-z0-9_-]', '_', signal)[:80]}.csv"
        files[folder / name] = _file(plans, signal)
    for path, data in files.items():
        write_bytes(path, data, durable=False)
    return list(files)


def objects(plans: PlanSet, signal: str) -> list[NtcipObject]:
    """The objects of one junction's controller, in the order in which to set them.

    Raises:
        BadInput: as ``export``.
    """
    return list(tables(plans, signal).objects())


def tables(plans: PlanSet, signal: str) -> NtcipTables:
    """The tables of one junction's controller.

    Raises:
        BadInput: as ``export``.
    """
    return _tables(plans, signal, _ring_plans(plans, signal))


def _tables(plans: PlanSet, signal: str, rings: Mapping[str, RingPlan]) -> NtcipTables:
    names = list(plans.plans)
    numbers = {name: number for number, name in enumerate(names, 1) if name in rings}
    unit, sequences, splits, patterns, actions = coordination({numbers[name]: made for name, made in rings.items()})
    found = NtcipTables(
        unit=unit,
        phases=phase_rows(rings),
        sequences=sequences,
        splits=splits,
        patterns=patterns,
        actions=actions,
        events=day_plan_events(plans, signal, numbers),
        schedule=schedule_rows(plans),
    )
    _stays_in_range(signal, found)
    for complaint in complaints(found):
        plan = f", plan {names[complaint.pattern - 1]!r}" if complaint.pattern else ""
        raise BadInput(f"junction {signal}{plan}: not possible in NTCIP: {complaint}")
    return found


def _ring_plans(plans: PlanSet, signal: str) -> dict[str, RingPlan]:
    """The ring plans of a junction by period."""
    here = {period: of[signal] for period, of in plans.plans.items() if signal in of}
    if not here or signal not in plans.junctions:
        raise BadInput(f"junction {signal}: it has no plans, or the plan set does not describe it")
    if len(plans.plans) > MAX_PATTERNS:
        raise BadInput(f"junction {signal}: {len(plans.plans)} plans, and NTCIP has patterns up to {MAX_PATTERNS}")
    found = {}
    for period, plan in here.items():
        where = f"junction {signal}, plan {period!r}"
        if not CYCLE_S[0] <= plan.cycle_s <= CYCLE_S[1]:
            raise BadInput(f"{where}: a cycle of {plan.cycle_s} s, and NTCIP allows {CYCLE_S[0]} to {CYCLE_S[1]} s")
        for stage in plan.stages:
            if not YELLOW_S[0] <= stage.yellow_s <= YELLOW_S[1]:
                raise BadInput(
                    f"{where}, stage {stage.name!r}: {stage.yellow_s} s of yellow, and NTCIP allows 3 to 25 s"
                )
        found[period] = to_rings(plans.junctions[signal], plan)
    return found


def _stays_in_range(signal: str, found: NtcipTables) -> None:
    for item in found.objects():
        if fault := item.column.fault(item.value):
            raise BadInput(f"junction {signal}: not possible in NTCIP: {item.name}: {fault}")
        if not item.column.takes(item.index):
            raise BadInput(f"junction {signal}: not possible in NTCIP: {item.name}: there is no such row")


def _file(plans: PlanSet, signal: str) -> bytes:
    rings = _ring_plans(plans, signal)
    found = _tables(plans, signal, rings)
    notes = dict(_notes(plans, signal, found)) | _groups(rings)
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(COLUMNS)
    for item in found.objects():
        name = item.name
        out.writerow((item.oid, name, item.syntax, item.text, item.column.unit, notes.get(name, "")))
    return text.getvalue().encode("utf-8-sig")


def _notes(plans: PlanSet, signal: str, found: NtcipTables) -> Iterator[tuple[str, str]]:
    """What numbers stand for, by the name of an object. A note never begins as a spreadsheet's formula does."""
    yield "timebaseAscPatternSync.0", f"junction {signal}"
    for number, period in enumerate(plans.plans, 1):
        for name in (f"patternCycleTime.{number}", f"timebaseAscPattern.{number}"):
            yield name, f"plan {period}"
        for phase in PHASES:
            yield f"splitTime.{number}.{phase}", f"plan {period}"
    days = list(plans.day_plans)
    for day, event in found.events:
        yield f"dayPlanHour.{day}.{event}", f"day plan {days[day - 1]}"
    for row, schedule in found.schedule.items():
        yield f"timeBaseScheduleMonth.{row}", f"day plan {days[schedule.day_plan - 1]}"


def _groups(rings: Mapping[str, RingPlan]) -> dict[str, str]:
    phases = {phase.number: phase.groups for plan in rings.values() for phase in plan.phases}
    return {
        f"phaseRing.{number}": f"signal groups {', '.join(str(group) for group in groups)}"
        for number, groups in phases.items()
    }


def read(path: Path) -> NtcipTables:
    """Read a junction's file.

    Raises:
        BadInput: naming file, row, object and what is allowed; or the tables contradict each other.
    """
    found = []
    for number, row in enumerate(_rows(path), 2):
        try:
            found.append(_object(row))
        except ValueError as error:
            raise BadInput(f"{path}: row {number}: {error}") from error
    try:
        made = NtcipTables.of(found)
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error
    for complaint in complaints(made):
        raise BadInput(f"{path}: {complaint}")
    return made


def _object(row: Mapping[str, str]) -> NtcipObject:
    column, index = column_of(row["oid"])
    named = NtcipObject(column, index, 0)
    if row["name"] != named.name:
        raise ValueError(f"{row['name'][:80]!r} is not the name of {row['oid']}: it is {named.name}")
    if row["syntax"] != column.syntax:
        raise ValueError(f"{named.name}: {row['syntax'][:80]!r} is not its syntax: it is {column.syntax}")
    try:
        return NtcipObject(column, index, value_of(column, row["value"]))
    except ValueError as error:
        raise ValueError(f"{named.name}: {error}") from error


def _rows(path: Path) -> list[dict[str, str]]:
    data = bounded_bytes(path, MAX_BYTES)
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text") from error
    except csv.Error as error:
        raise BadInput(f"{path}: not a CSV table: {error}") from error
    if not lines or lines[0] != list(COLUMNS):
        raise BadInput(f"{path}: row 1: the columns must be {', '.join(COLUMNS)}")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(COLUMNS):
            raise BadInput(f"{path}: row {number}: {len(line)} cells, but {len(COLUMNS)} columns")
    return [dict(zip(COLUMNS, line, strict=True)) for line in lines[1:]]
