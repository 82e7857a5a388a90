"""Reading the timing sheet back: see ``greenband.formats.sheet`` for what stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from openpyxl.utils import get_column_letter
from pydantic import ValidationError

from greenband.errors import BadInput
from greenband.formats import sheet as form
from greenband.formats.table import ORIGIN, PER_PLAN, READ, Row, plan_of, provenance_of
from greenband.formats.workbook_reading import MAX_FILE, Book
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.model import PlanSet, TimingPlan

__all__ = ["plan_set"]

TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(:00)?")
Lines = Sequence[tuple[int, Sequence[str]]]  # numbers of rows, and the text of their cells


@dataclass(frozen=True)
class _Row(Row):
    sheet: str
    places: Mapping[str, str]  # such as L7, by column

    def place(self, column: str) -> str:
        return f"{self.within}cell {self.places[column]}"

    @property
    def within(self) -> str:
        return f"sheet {self.sheet}, "


def plan_set(path: Path, file: BinaryIO) -> PlanSet:
    """What an open workbook says of plans, day plans and schedule.

    Raises:
        BadInput: naming the place, or a hash says that it was altered.
    """
    data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise BadInput(f"{path}: larger than {MAX_FILE // 1024**2} MB")
    book = Book(path, data)
    if form.OVERVIEW not in book.titles:
        raise BadInput(f"{path}: no sheet {form.OVERVIEW!r}; it has {', '.join(book.titles[:10]) or 'none'}")
    blocks = _blocks(path, list(enumerate(book.rows(form.OVERVIEW), 1)))
    origin = _origin(path, blocks["origin"])
    read = {
        "provenance": provenance_of(origin),
        "plans": _plans(path, book, blocks["junctions"]),
        "day_plans": _day_plans(path, blocks["day_plans"]),
        "schedule": tuple(_schedule(path, blocks["schedule"])),
    }
    found = PlanSet.parse(read, path)
    _check_hash(origin, "plans_hash", found.plans_hash)
    _check_hash(origin, "calendar_hash", form.calendar_hash(found))
    return found


def _check_hash(origin: Row, column: str, found: str) -> None:
    stated = origin.cells[column].strip()
    if stated and stated != found:
        origin.fail(column, "what it stands for was altered since it was written; empty the cell to accept the change")


def _blocks(path: Path, lines: Lines) -> dict[str, Lines]:
    """The lines of each block of the overview, below its name."""
    found: dict[str, list[tuple[int, Sequence[str]]]] = {}
    keys = {name: key for key, name in form.BLOCKS.items()}
    block = ""
    for number, cells in lines:
        if cells and cells[0].strip() in keys and not any(cells[1:]):
            block = keys[cells[0].strip()]
            if block in found:
                _refuse(path, f"row {number}: a second block {cells[0]!r}")
            found[block] = []
        elif block and any(cells):
            found[block].append((number, cells))
    if missing := [name for key, name in form.BLOCKS.items() if key not in found]:
        _refuse(path, f"no block {missing[0]!r}")
    return dict(found)


def _refuse(path: Path, reason: str) -> NoReturn:
    raise BadInput(f"{path}: sheet {form.OVERVIEW}: {reason}")


def _origin(path: Path, lines: Lines) -> _Row:
    """Where the plans come from: one row for all of it, a text that takes several lines put together."""
    keys = {name: key for key, name in form.ORIGIN_ROWS.items()}
    cells: dict[str, str] = {}
    places: dict[str, str] = {}
    for number, line in lines:
        key = keys.get(line[0].strip())
        if key is None:
            _refuse(path, f"cell A{number}: {line[0]!r} is not allowed: it must be one of {', '.join(keys)}")
        cells[key] = cells.get(key, "") + line[1]
        places.setdefault(key, f"B{number}")
    needed = [*ORIGIN, "plans_hash", "calendar_hash"]
    if missing := [form.ORIGIN_ROWS[key] for key in needed if key not in cells]:
        _refuse(path, f"no row {missing[0]!r} below {form.BLOCKS['origin']!r}")
    return _Row(path, lines[0][0], cells, form.OVERVIEW, places)


def _table(path: Path, sheet: str, lines: Lines, columns: Mapping[str, str]) -> Iterator[_Row]:
    """The rows below a line of headings, which may stand in any order and go with others; blank ones are left out."""
    if not lines:
        raise BadInput(f"{path}: sheet {sheet}: no headings")
    number, line = lines[0]
    headings = [" ".join(text.split()) for text in line]
    if missing := [name for name in columns.values() if name not in headings]:
        raise BadInput(f"{path}: sheet {sheet}, row {number}: no column {missing[0]!r}")
    places = {column: headings.index(name) for column, name in columns.items()}
    letters = {column: get_column_letter(place + 1) for column, place in places.items()}
    for number, line in lines[1:]:
        cells = {column: line[place] if place < len(line) else "" for column, place in places.items()}
        if any(cells.values()):
            yield _Row(path, number, cells, sheet, {column: f"{letters[column]}{number}" for column in columns})


def _plans(path: Path, book: Book, lines: Lines) -> dict[str, dict[str, TimingPlan]]:
    plans: dict[str, dict[str, TimingPlan]] = {}
    columns = {key: form.JUNCTION_COLUMNS[key] for key in ("sheet", "signal")}
    for row in _table(path, form.OVERVIEW, lines, columns):
        title, signal = row.cells["sheet"], row.cells["signal"]
        if title not in book.titles or title == form.OVERVIEW:
            row.fail("sheet", "there is no such sheet of a junction")
        for period, plan in _junction(path, title, book.rows(title), signal):
            if signal in plans.setdefault(period, {}):
                row.fail("signal", "the junction stands in the overview twice")
            plans[period][signal] = plan
    return plans


def _junction(path: Path, title: str, lines: Sequence[Sequence[str]], signal: str) -> Iterator[tuple[str, TimingPlan]]:
    """All plans on a junction's sheet, by period."""
    columns = {key: form.STAGE_COLUMNS[key] for key in (*READ, "number")}
    numbered = list(enumerate(lines, 1))
    begin = next((k for k, (_, cells) in enumerate(numbered) if columns["signal"] in map(_joined, cells)), len(lines))
    ends = (k for k, (_, cells) in enumerate(numbered) if cells and cells[0] == form.PICTURES and not any(cells[1:]))
    table = _table(path, title, numbered[begin : next(ends, len(lines))], columns)
    periods: dict[str, list[_Row]] = {}
    sums: list[tuple[str, _Row]] = []
    for row in _filled(table):
        period = row.cells["period"]
        if row.cells["stage"].strip() == form.SUM:
            sums.append((period, row))
            continue
        if row.cells["signal"] != signal:
            row.fail("signal", f"the overview names this sheet for {signal!r}")
        periods.setdefault(period, []).append(row)
    plans = {period: plan_of(rows, signal, period) for period, rows in periods.items()}
    for period, row in sums:
        stated = row.cells["duration_s"].strip()
        if stated and (period not in plans or row.whole("duration_s") != plans[period].cycle_s):
            row.fail("duration_s", "it must be the cycle of the plan above")
    yield from plans.items()


def _joined(text: str) -> str:
    return " ".join(text.split())


def _filled(rows: Iterator[_Row]) -> Iterator[_Row]:
    """The rows, where one says nothing of its plan as the first row of the plan says it."""
    first: _Row | None = None
    per_plan = [column for column in PER_PLAN if column in (*READ, "number")]
    for row in rows:
        number = row.cells["number"].strip()
        if first is None or (number and number != first.cells["number"].strip()):
            row.whole("number", 1)
            first = row
        given = {column: row.cells[column] or first.cells[column] for column in per_plan}
        yield _Row(row.path, row.number, {**row.cells, **given}, row.sheet, row.places)


def _day_plans(path: Path, lines: Lines) -> dict[str, DayPlan]:
    columns = {key: form.DAY_PLAN_COLUMNS[key] for key in ("day_plan", "begin", "period")}
    switches: dict[str, list[Switch]] = {}
    begins: dict[str, _Row] = {}
    for row in _table(path, form.OVERVIEW, lines, columns):
        time, name = TIME.fullmatch(row.cells["begin"].strip()), row.cells["day_plan"]
        if time is None:
            row.fail("begin", "it must be a time of day such as 07:00")
        with _valid(row, "period"):
            switch = Switch(at_min=60 * int(time[1]) + int(time[2]), plan=row.cells["period"])
        switches.setdefault(name, []).append(switch)
        begins.setdefault(name, row)
    days = {}
    for name, of_day in switches.items():
        with _valid(begins[name], "day_plan"):
            days[name] = DayPlan(switches=tuple(of_day))
    return days


def _schedule(path: Path, lines: Lines) -> Iterator[ScheduleRow]:
    for row in _table(path, form.OVERVIEW, lines, form.SCHEDULE_COLUMNS):
        if not re.fullmatch(r"\s*[1-7](\s+[1-7])*\s*", row.cells["weekdays"]):
            row.fail("weekdays", "it must be numbers from 1, Monday, to 7, Sunday, with blanks between")
        with _valid(row, "day_plan"):
            yield ScheduleRow(
                day_plan=row.cells["day_plan"],
                weekdays=tuple(int(day) for day in row.cells["weekdays"].split()),
                first=row.cells["first"].strip() or None,
                last=row.cells["last"].strip() or None,
                name=row.cells["name"],
            )


@contextmanager
def _valid(row: _Row, column: str) -> Iterator[None]:
    """A complaint of the model becomes one that names the cell where it shows."""
    try:
        yield
    except ValidationError as error:
        row.fail(column, error.errors()[0]["msg"].removeprefix("Value error, "))
