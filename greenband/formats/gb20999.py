"""Plans, day plans and schedule as GB/T 20999-2017 frames that set them in a signal controller.

A folder with one ``.hex`` file per junction: one SET frame a line, as bytes in hex with blanks between, after a comment
that says what it sets, such as ``# plan 1 AM: cycle 120 s, offset 37 s``. Whoever sends the frames does so in their
order, plans first; sequence numbers count from 0, modulo 256. Times are whole seconds. A stage's time includes its
intergreen; a plan's stages are numbered from 1 as on the street, plans in the order of the plan set's periods, the same
for every junction. Where other junctions are coordinated with this one, plans run in mode 23, local coordination,
elsewhere in 21, fixed time. The offset is the plan's own: start of green of its first stage, counted from midnight.

Not expressed: phases with their green flash, yellow, minimum greens and walks (class 4), what stages consist of (6),
conflicts and intergreens (7). They are the controller's own, and the stage times hold only where they agree with the
plan set. A row of the schedule whose dates are not whole months becomes up to three.

The standard's text is not public. ``gb20999_values`` says what is known from where, ``gb20999_tables.Profile`` holds
what may differ between devices: check both against the device before anything is sent to one on the street.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from greenband.errors import BadInput
from greenband.files import write_text
from greenband.formats.bounded import bounded_bytes
from greenband.formats.gb20999_convert import controller_rows, controller_tables, plain
from greenband.formats.gb20999_frames import ANSWER, SET, Frame, Value, decode, encode
from greenband.formats.gb20999_tables import (
    ALL_DATES,
    CAPTURED,
    ControllerPlan,
    ControllerRow,
    ControllerTables,
    Profile,
    at,
    check,
)
from greenband.formats.gb20999_values import (
    DAY,
    PLAN,
    ROW,
    day_of,
    day_values,
    plan_of,
    plan_values,
    row_of,
    row_values,
)
from greenband.plan.calendar import clock
from greenband.plan.model import PlanSet

__all__ = ["export", "read"]

MAX_BYTES = 4_000_000  # ten times what a full controller's tables take

_Table = TypeVar("_Table")


def export(plans: PlanSet, path: Path, profile: Profile = CAPTURED) -> list[Path]:
    """Write one file per junction into the folder ``path``.

    Raises:
        BadInput: naming junction, plan and reason: a controller has no room for it, a number does not fit its field, a
            day plan names a period for which the junction has no plan, or two junctions have one controller number.
    """
    for name in profile.controllers:
        check(name in plans.junctions, f"controller number of {name}: there is no such junction")
    rows = controller_rows(plans, profile)
    tables = {signal: controller_tables(plans, signal, profile, rows) for signal in _signals(plans)}
    owners: dict[int, str] = {}
    for signal, table in tables.items():
        other = owners.setdefault(table.controller, signal)
        check(other == signal, f"junction {signal}: controller {table.controller} is junction {other}'s already")
    texts = {path / _file_name(signal, table): _text(plans, signal, table, profile) for signal, table in tables.items()}
    for file, text in texts.items():
        write_text(file, text, durable=False)
    return list(texts)


def _signals(plans: PlanSet) -> list[str]:
    return list(dict.fromkeys(plan.signal for _, plan in plans))


def _file_name(signal: str, table: ControllerTables) -> str:
    """Different for each junction, as controller numbers are."""
    return f"controller_{table.controller}_{re.sub(r'[^A-Za-z0-9_-]', '_', signal)[:80]}.hex"


def _text(plans: PlanSet, signal: str, tables: ControllerTables, profile: Profile) -> str:
    junction = plans.junctions[signal]
    name = " ".join(filter(None, (plain(signal), plain(junction.name_zh), plain(junction.name_en))))
    sent = "as sent by TCP or serial line, with escapes" if profile.escaped else "as sent by UDP, without escapes"
    lines = [
        f"# GB/T 20999-2017: frames that set plans, day plans and schedule of junction {name}",
        f"# host {tables.host}, controller {tables.controller}, crossing {tables.crossing}; {sent}; slot order of"
        f" chains: {profile.chain}",
        "# Stage times include intergreen. Phases, stages and intergreens are the controller's own and must agree.",
    ]
    for sequence, (says, values) in enumerate(_messages(plans, signal, tables, profile)):
        with at(f"junction {signal}"):
            frame = Frame(SET, values, tables.host, tables.controller, tables.crossing, sequence % 256)
            lines += ["", f"# {says}", encode(frame, profile.escaped).hex(" ")]
    return "\n".join(lines) + "\n"


def _messages(
    plans: PlanSet, signal: str, tables: ControllerTables, profile: Profile
) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """What each frame sets: in words and as values."""
    periods, days = [plain(name) for name in plans.plans], [plain(name) for name in plans.day_plans]
    for plan in tables.plans:
        label = f"plan {plan.number} {periods[plan.number - 1]}"
        with at(f"junction {signal}, {label}"):
            values = plan_values(plan, profile.chain)
        yield f"{label}: {_plan_in_words(plan)}", values
    for day in tables.day_plans:
        label = f"day plan {day.number} {days[day.number - 1]}"
        with at(f"junction {signal}, {label}"):
            values = day_values(day, profile.chain)
        switches = (f"{clock(p.at_min)} plan {p.plan} {periods[p.plan - 1]} in mode {p.mode:x}" for p in day.periods)
        yield f"{label}: {', '.join(switches)}", values
    for row in tables.schedule:
        with at(f"junction {signal}, schedule row {row.number}"):
            values = row_values(row)
        yield f"schedule row {row.number}: {_row_in_words(row)} {days[row.day_plan - 1]}", values


def _plan_in_words(plan: ControllerPlan) -> str:
    stages = ", ".join(f"stage {stage.stage} {stage.duration_s} s" for stage in plan.stages)
    return f"cycle {plan.cycle_s} s, offset {plan.offset_s} s to stage {plan.reference_stage}; {stages}"


def _row_in_words(row: ControllerRow) -> str:
    weekdays, months, dates = (" ".join(map(str, days)) for days in (row.weekdays, row.months, row.dates))
    dates = "all" if row.dates == ALL_DATES else dates
    return f"priority {row.priority}, weekdays {weekdays}, months {months}, dates {dates}: day plan {row.day_plan}"


@dataclass
class _Entry:
    """The attributes of one plan, day plan or row, and the line where they begin."""

    line: int
    data: dict[int, bytes] = field(default_factory=dict)


def read(path: Path, profile: Profile = CAPTURED) -> ControllerTables:
    """Read a ``.hex`` file of SET frames, or of a controller's answers to queries for the same attributes.

    ``profile`` tells the order of chains and whether frames are escaped. Times are seconds, see ``ControllerTables``.

    Raises:
        BadInput: naming file, line and cause.
    """
    entries: dict[tuple[int, int], dict[int, _Entry]] = {PLAN: {}, DAY: {}, ROW: {}}
    heads: set[tuple[int, int, int]] = set()
    for line, data in _lines(path):
        with at(f"{path}: line {line}"):
            frame = decode(data, profile.escaped)
            check(frame.type in (SET, ANSWER), f"frame type {frame.type:02x} neither sets nor answers")
            heads.add((frame.host, frame.controller, frame.crossing))
            check(len(heads) == 1, "another host, controller or crossing than in the lines before")
            for value in frame.values:
                _file(entries, value, line)
    check(bool(heads), f"{path}: no frames")
    host, controller, crossing = heads.pop()
    plans = _built(path, entries[PLAN], lambda element, data: plan_of(element, data, profile.chain))
    days = _built(path, entries[DAY], lambda element, data: day_of(element, data, profile.chain))
    rows = _built(path, entries[ROW], row_of)
    with at(str(path)):
        return ControllerTables(host, controller, crossing, plans, days, rows)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The frames of a file with the lines where they stand."""
    for number, line in enumerate(bounded_bytes(path, MAX_BYTES).split(b"\n"), 1):
        if line.strip() and not line.lstrip().startswith(b"#"):
            try:
                yield number, bytes.fromhex(line.decode("ascii"))
            except ValueError as error:
                raise BadInput(f"{path}: line {number}: neither a comment nor bytes in hex") from error


def _file(entries: Mapping[tuple[int, int], dict[int, _Entry]], value: Value, line: int) -> None:
    """Put a value with the others of its plan, day plan or row."""
    table = entries.get((value.kind, value.object))
    if table is None or value.element == 0:
        raise BadInput(f"{value.address} is the address of no plan, day plan or schedule row")
    entry = table.setdefault(value.element, _Entry(line))
    check(value.attribute not in entry.data, f"{value.address} stands twice")
    entry.data[value.attribute] = value.data


def _built(
    path: Path, entries: Mapping[int, _Entry], build: Callable[[int, Mapping[int, bytes]], _Table]
) -> tuple[_Table, ...]:
    """What entries say, in the order of their numbers."""
    found = []
    for element, entry in sorted(entries.items()):
        with at(f"{path}: line {entry.line}, number {element}"):
            found.append(build(element, entry.data))
    return tuple(found)
