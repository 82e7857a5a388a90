"""Timing tables as CSV: one file per junction 配时方案表, one row per stage, and an index.

UTF-8 with a byte-order mark and CRLF, so that Excel shows Chinese. Headings follow the usual Chinese timing table, with
English after them. Pedestrian columns are left out, not left empty, as long as plans hold no pedestrian times. Columns
for people (names, control mode, directions of flow, plan number) are not read back; every other cell is checked.

A plan's rows stand in the order of its stages; its 相位差 is when the first of them turns green, counted from midnight
modulo the cycle. ``index.csv`` names each file with its SHA-256, and the plan set with its content hash and provenance;
a file altered later is refused until its cell in the index is emptied.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from greenband.errors import BadInput
from greenband.files import write_bytes
from greenband.plan.junction import SignalGroup
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan

__all__ = ["COLUMNS", "INDEX", "export", "flow_in_words", "read"]

INDEX = "index.csv"
COLUMNS = {
    "signal": "路口编号 Junction",
    "junction_name": "路口名称 Junction name",
    "number": "方案号 Plan no.",
    "name": "方案名称 Plan name",
    "period": "时段 Period",
    "mode": "控制方式 Control mode",
    "cycle_s": "周期 Cycle (s)",
    "offset_s": "相位差 Offset (s)",
    "reference": "协调相位 Reference stage",
    "stage": "阶段号 Stage no.",
    "stage_name": "阶段名称 Stage name",
    "flows": "放行流向 Released flows",
    "movements": "流向编号 Movement ids",
    "green_s": "绿灯 Green (s)",
    "green_flash_s": "绿闪 Green flash (s)",
    "yellow_s": "黄灯 Yellow (s)",
    "all_red_s": "全红 All-red (s)",
    "duration_s": "阶段时长 Stage time (s)",
}
INDEX_COLUMNS = {
    "file": "文件 File",
    "signal": "路口编号 Junction",
    "name_zh": "路口名称 Junction name (zh)",
    "name_en": "路口英文名 Junction name (en)",
    "sha256": "文件校验 SHA-256",
    "content_hash": "方案校验 Plan set hash",
    "subject": "来源 Made by",
    "scenario": "场景 Scenario",
    "seeds": "随机种子 Seeds",
    "greenband": "greenband",
    "sumo": "SUMO",
    "note": "备注 Note",
}
MODE = "固定配时 fixed time"
BETWEEN = " | "  # SUMO allows no bar in an id
FORMULA = "=+-@\t\r\n'＝＋－＠"  # first characters that make a spreadsheet compute a cell, and the mark itself
FROM = ("南", "西南", "西", "西北", "北", "东北", "东", "东南")  # where a traveller of bearing 0, 45, ... comes from


@dataclass(frozen=True)
class _Row:
    """A row of a table with its place, so that every complaint can name it."""

    path: Path
    number: int
    cells: dict[str, str]
    headings: dict[str, str]

    def fail(self, column: str, allowed: str) -> NoReturn:
        heading, value = self.headings[column], self.cells[column]
        raise BadInput(f"{self.path}: row {self.number}, column {heading!r}: {value!r} is not allowed: {allowed}")

    def whole(self, column: str, least: int = 0) -> int:
        """A whole number of at least ``least``."""
        text = self.cells[column].strip()
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            self.fail(column, f"it must be a whole number from {least} up")
        return int(text)


def export(plans: PlanSet, folder: Path) -> list[Path]:
    """Write one table per junction and the index into ``folder``, the index last.

    Raises:
        BadInput: an id holds a bar, which separates ids in a cell.
    """
    signals = list(dict.fromkeys(plan.signal for _, plan in plans))
    files = _file_names(signals)
    tables = {signal: _table(COLUMNS, _junction_rows(plans, signal)) for signal in signals}
    for signal, data in tables.items():
        write_bytes(folder / files[signal], data)
    rows = [_index_row(plans, signal, files[signal], tables[signal]) for signal in signals]
    write_bytes(folder / INDEX, _table(INDEX_COLUMNS, rows))
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


def _junction_rows(plans: PlanSet, signal: str) -> Iterator[dict[str, object]]:
    periods = [(period, of[signal]) for period, of in plans.plans.items() if signal in of]
    for number, (period, plan) in enumerate(periods, 1):
        for stage in plan.stages:
            if any("|" in movement or not movement.strip() == movement != "" for movement in stage.movements):
                raise BadInput(
                    f"junction {signal}: a movement id in {list(stage.movements)} cannot stand in a CSV table"
                )
            yield {
                "signal": signal,
                "junction_name": _names(plans, signal)[0],
                "number": number,
                "name": plan.name,
                "period": period,
                "mode": MODE,
                "cycle_s": plan.cycle_s,
                "offset_s": plan.offset_s,
                "reference": plan.stages[0].stage + 1,
                "stage": stage.stage + 1,
                "stage_name": stage.name,
                "flows": _flows(plans, stage, signal),
                "movements": BETWEEN.join(stage.movements),
                "green_s": stage.green_s,
                "green_flash_s": stage.green_flash_s,
                "yellow_s": stage.yellow_s,
                "all_red_s": stage.all_red_s,
                "duration_s": stage.duration_s,
            }


def _index_row(plans: PlanSet, signal: str, file: str, data: bytes) -> dict[str, object]:
    name_zh, name_en = _names(plans, signal)
    origin = plans.provenance
    return {
        "file": file,
        "signal": signal,
        "name_zh": name_zh,
        "name_en": name_en,
        "sha256": hashlib.sha256(data).hexdigest(),
        "content_hash": plans.plans_hash,
        "seeds": " ".join(str(seed) for seed in origin.seeds),
        **origin.model_dump(exclude={"seeds", "approved_by"}),
    }


def _names(plans: PlanSet, signal: str) -> tuple[str, str]:
    junction = plans.junctions.get(signal)
    return (junction.name_zh, junction.name_en) if junction else ("", "")


def _flows(plans: PlanSet, stage: StageTiming, signal: str) -> str:
    """Released flows in words, such as 南进口直行, as far as the plan set knows the movements."""
    junction = plans.junctions.get(signal)
    if junction is None:
        return ""
    known = {group.movement: group for group in junction.groups}
    return " ".join(flow_in_words(known[m], junction.left_hand) for m in stage.movements if m in known)


def flow_in_words(group: SignalGroup, left_hand: bool) -> str:
    """What a signal group releases, such as 南进口直行: the side from which it comes, and where it goes."""
    return f"{FROM[round(group.bearing / 45) % 8]}进口{_turn(group, left_hand)}"


def _turn(group: SignalGroup, left_hand: bool) -> str:
    near, far = ("左转", "右转") if left_hand else ("右转", "左转")
    return {"through": "直行", "near": near, "far": far, "back": "掉头", "crossing": "行人"}[group.turn]


def read(folder: Path) -> PlanSet:
    """Read the tables that ``index.csv`` in ``folder`` names.

    Raises:
        BadInput: naming file, row, column, value and what is allowed; or a file was altered since it was written.
    """
    index = _rows(folder / INDEX, INDEX_COLUMNS)
    plans: dict[str, dict[str, TimingPlan]] = {}
    for row in index:
        path = folder / _file(row)
        for period, plan in _junction(path, _plain(row.cells["signal"])):
            if plan.signal in plans.setdefault(period, {}):
                row.fail("signal", "the junction stands in the index twice")
            plans[period][plan.signal] = plan
        stated = row.cells["sha256"].strip()
        if stated and stated != hashlib.sha256(path.read_bytes()).hexdigest():
            raise BadInput(
                f"{path}: altered since it was written: its SHA-256 is not the one in {INDEX};"
                " empty that cell and the plan set hash to accept the change"
            )
    found = PlanSet(provenance=_provenance(index[0]), plans=plans)
    stated = index[0].cells["content_hash"].strip()
    if stated and stated != found.plans_hash:
        index[0].fail("content_hash", "the tables' plans have another hash; a table is missing or altered")
    return found


def _file(row: _Row) -> str:
    name = row.cells["file"]
    if not re.fullmatch(r"[A-Za-z0-9_.~-]+\.csv", name) or name == INDEX:
        row.fail("file", "it must be the name of a .csv file in the same folder")
    return name


def _provenance(row: _Row) -> Provenance:
    seeds = row.cells["seeds"].split()
    if not all(re.fullmatch(r"'?-?[0-9]{1,18}", seed) for seed in seeds):
        row.fail("seeds", "it must be whole numbers with a blank between")
    texts = {key: _plain(row.cells[key]) for key in ("subject", "scenario", "greenband", "sumo", "note")}
    return Provenance(seeds=tuple(int(_plain(seed)) for seed in seeds), **texts)


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
        rows.append(_Row(path, number, {column: line[place] for column, place in places.items()}, columns))
    if not rows:
        raise BadInput(f"{path}: no rows below the headings")
    return rows


def _junction(path: Path, signal: str) -> Iterator[tuple[str, TimingPlan]]:
    """All plans in a junction's table, by period."""
    periods: dict[str, list[_Row]] = {}
    for row in _rows(path, COLUMNS):
        if _plain(row.cells["signal"]) != signal:
            row.fail("signal", f"the index files this table under {signal!r}")
        periods.setdefault(_plain(row.cells["period"]), []).append(row)
    for period, rows in periods.items():
        yield period, _plan(rows, signal, period)


def _plan(rows: Sequence[_Row], signal: str, period: str) -> TimingPlan:
    first = rows[0]
    for row in rows[1:]:
        for column in ("name", "cycle_s", "offset_s", "reference"):
            if row.cells[column] != first.cells[column]:
                row.fail(column, f"row {first.number} of the same plan has {first.cells[column]!r}")
    stages = tuple(_stage(row) for row in rows)
    if first.whole("reference", 1) != stages[0].stage + 1:
        first.fail("reference", f"it must be the first stage of the plan, {stages[0].stage + 1}")
    cycle, offset = first.whole("cycle_s", 1), first.whole("offset_s")
    name = _plain(first.cells["name"])
    try:
        return TimingPlan(signal=signal, name=name, cycle_s=cycle, offset_s=offset, stages=stages)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        place = f"rows {first.number} to {rows[-1].number}, period {period}"
        raise BadInput(f"{first.path}: {place}: {message}") from error


def _stage(row: _Row) -> StageTiming:
    movements = _plain(row.cells["movements"])
    stage = StageTiming(
        stage=row.whole("stage", 1) - 1,
        name=_plain(row.cells["stage_name"]),
        movements=tuple(movements.split(BETWEEN)) if movements else (),
        green_s=row.whole("green_s"),
        green_flash_s=row.whole("green_flash_s"),
        yellow_s=row.whole("yellow_s"),
        all_red_s=row.whole("all_red_s"),
    )
    if row.whole("duration_s") != stage.duration_s:
        row.fail("duration_s", f"green, flash, yellow and all-red of this row sum to {stage.duration_s}")
    return stage
