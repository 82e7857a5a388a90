"""Timing tables as CSV: one file per junction 配时方案表, one row per stage, and an index.

UTF-8 with a byte-order mark and CRLF, so that Excel shows Chinese. ``greenband.formats.table`` says what the columns
are and which are read back.

A plan's rows stand in the order of its stages; its 相位差 is when the first of them turns green, counted from midnight
modulo the cycle. ``index.csv`` names each file with its SHA-256, and the plan set with its content hash and provenance;
a file altered later is refused until its cell in the index is emptied.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenband.errors import BadInput
from greenband.files import write_bytes
from greenband.formats.table import COLUMNS, ORIGIN, READ, Row, origin_cells, plan_of, provenance_of, stage_rows
from greenband.formats.wording import names
from greenband.plan.model import PlanSet, TimingPlan

__all__ = ["INDEX", "INDEX_COLUMNS", "export", "read"]

INDEX = "index.csv"
INDEX_COLUMNS = {
    "file": "文件 File",
    "signal": "路口编号 Junction",
    "name_zh": "路口名称 Junction name (zh)",
    "name_en": "路口英文名 Junction name (en)",
    "sha256": "文件校验 SHA-256",
    "content_hash": "方案校验 Plan set hash",
    **ORIGIN,
}
FORMULA = "=+-@\t\r\n'＝＋－＠"  # first characters that make a spreadsheet compute a cell, and the mark itself


@dataclass(frozen=True)
class _Row(Row):
    headings: Mapping[str, str]

    def place(self, column: str) -> str:
        return f"row {self.number}, column {self.headings[column]!r}"


def export(plans: PlanSet, folder: Path) -> list[Path]:
    """Write one table per junction and the index into ``folder``, the index last.

    Raises:
        BadInput: an id holds a bar, which separates ids in a cell.
    """
    signals = list(dict.fromkeys(plan.signal for _, plan in plans))
    files = _file_names(signals)
    tables = {signal: _table(COLUMNS, stage_rows(plans, signal)) for signal in signals}
    for signal, data in tables.items():
        write_bytes(folder / files[signal], data, durable=False)
    shared = {"content_hash": plans.plans_hash, **origin_cells(plans.provenance)}
    rows = [{**_index_row(plans, signal, files[signal], tables[signal]), **shared} for signal in signals]
    write_bytes(folder / INDEX, _table(INDEX_COLUMNS, rows), durable=False)
    return [folder / INDEX, *(folder / files[signal] for signal in signals)]


def _file_names(signals: Sequence[str]) -> dict[str, str]:
    """A file name for each signal that every file system takes, different also where case does not count."""
    files: dict[str, str] = {}
    for signal in signals:
        stem = name = "junction_" + re.sub(r"[^A-Za-z0-9_.-]", "_", signal)[:80].rstrip(".")
        taken, number = {file.lower() for file in files.values()}, 2
        while f"{name}.csv".lower() in taken:
            name, number = f"{stem}~{number}", number + 1
        files[signal] = f"{name}.csv"
    return files


def _table(columns: dict[str, str], rows: Iterable[dict[str, object]]) -> bytes:
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(columns.values())
    out.writerows([_safe(str(row[column])) for column in columns] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _safe(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip(" ")[:1] in tuple(FORMULA) or text[:1] in tuple(FORMULA) else text


def _plain(cell: str) -> str:
    return cell.removeprefix("'")


def _index_row(plans: PlanSet, signal: str, file: str, data: bytes) -> dict[str, object]:
    name_zh, name_en = names(plans, signal)
    return {
        "file": file,
        "signal": signal,
        "name_zh": name_zh,
        "name_en": name_en,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def read(folder: Path) -> PlanSet:
    """Read the tables that ``index.csv`` in ``folder`` names.

    Raises:
        BadInput: naming file, row, column, value and what is allowed; or a file was altered since it was written.
    """
    index = _rows(folder / INDEX, INDEX_COLUMNS)
    plans: dict[str, dict[str, TimingPlan]] = {}
    for row in index:
        path = folder / _file(row)
        for period, plan in _junction(path, row.cells["signal"]):
            if plan.signal in plans.setdefault(period, {}):
                row.fail("signal", "the junction stands in the index twice")
            plans[period][plan.signal] = plan
        stated = row.cells["sha256"].strip()
        if stated and stated != hashlib.sha256(path.read_bytes()).hexdigest():
            raise BadInput(
                f"{path}: altered since it was written: its SHA-256 is not the one in {INDEX};"
                " empty that cell and the plan set hash to accept the change"
            )
    found = PlanSet(provenance=provenance_of(index[0]), plans=plans)
    stated = index[0].cells["content_hash"].strip()
    if stated and stated != found.plans_hash:
        index[0].fail("content_hash", "the tables' plans have another hash; a table is missing or altered")
    return found


def _file(row: _Row) -> str:
    name = row.cells["file"]
    if not re.fullmatch(r"[A-Za-z0-9_.~-]+\.csv", name) or name == INDEX:
        row.fail("file", "it must be the name of a .csv file in the same folder")
    return name


def _rows(path: Path, columns: dict[str, str]) -> list[_Row]:
    """The rows of a table below its headings, which may stand in any order and go with others.

    Raises:
        BadInput: the file cannot be read, a heading is missing or a row has another length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text: in Excel save as 'CSV UTF-8'") from error
    except csv.Error as error:
        raise BadInput(f"{path}: not a CSV table: {error}") from error
    headings = lines[0] if lines else []
    if missing := [heading for heading in columns.values() if heading not in headings]:
        raise BadInput(f"{path}: row 1: no column {missing[0]!r}; it has {', '.join(headings) or 'none'}")
    places = {column: headings.index(heading) for column, heading in columns.items()}
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if not any(line):
            continue
        if len(line) != len(headings):
            raise BadInput(f"{path}: row {number}: {len(line)} cells, but {len(headings)} columns")
        rows.append(_Row(path, number, {column: _plain(line[place]) for column, place in places.items()}, columns))
    if not rows:
        raise BadInput(f"{path}: no rows below the headings")
    return rows


def _junction(path: Path, signal: str) -> Iterator[tuple[str, TimingPlan]]:
    """All plans in a junction's table, by period."""
    periods: dict[str, list[_Row]] = {}
    for row in _rows(path, {column: COLUMNS[column] for column in READ}):
        if row.cells["signal"] != signal:
            row.fail("signal", f"the index files this table under {signal!r}")
        periods.setdefault(row.cells["period"], []).append(row)
    for period, rows in periods.items():
        yield period, plan_of(rows, signal, period)
