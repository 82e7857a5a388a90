from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from greenband.errors import BadInput
from greenband.formats import sheet
from greenband.formats.stage_drawing import stage_picture
from greenband.formats.table import COLUMNS
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.junction import Junction, SignalGroup, StageDefinition, Walk
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan

Value = str | float | None
JINCHENG = "01 金城路"


def junction(signal: str = "J1", number: int = 1, name_zh: str = "金城路", name_en: str = "Jincheng Rd") -> Junction:
    movements = [(0, "through", "a>b"), (0, "far", "a>c"), (90, "through", "d>e"), (90, "crossing", ":J_c0")]
    groups = tuple(
        SignalGroup.model_validate(
            {"number": k, "movement": movement, "bearing": bearing, "turn": turn, "speed_ms": 10, "crossing_m": 20}
            | {"kind": "pedestrian" if turn == "crossing" else "vehicle"}
        )
        for k, (bearing, turn, movement) in enumerate(movements, 1)
    )
    main = StageDefinition(
        name="main", green=(1, 4), min_green_s=15, max_green_s=60, walks=(Walk(group=4, walk_s=7, flash_s=12),)
    )
    stages = (
        main,
        StageDefinition(name="left", green=(2,), min_green_s=8, max_green_s=40),
        StageDefinition(name="side", green=(3,), permitted=(2,), min_green_s=9, max_green_s=50),
    )
    return Junction(
        signal=signal,
        number=number,
        name_en=name_en,
        name_zh=name_zh,
        coordination="road",
        yellow_s=3,
        all_red_s=2,
        green_flash_s=3,
        max_red_s=150,
        groups=groups,
        stages=stages,
    )


def plan(signal: str, name: str = "早高峰 A", cycle_s: int = 80) -> TimingPlan:
    stages = (
        StageTiming(
            stage=2, name="side", movements=("d>e",), green_s=cycle_s - 59, green_flash_s=3, yellow_s=3, all_red_s=2
        ),
        StageTiming(stage=0, name="main", movements=("a>b",), green_s=20, green_flash_s=3, yellow_s=3, all_red_s=2),
        StageTiming(stage=1, name="left", movements=("a>c",), green_s=15, green_flash_s=3, yellow_s=3, all_red_s=2),
    )
    return TimingPlan(signal=signal, name=name, cycle_s=cycle_s, offset_s=7, stages=stages)


def plans(signal: str = "J1", text: str = "早高峰 A", period: str = "AM", note: str = "备注") -> PlanSet:
    night = {"J2": plan("J2", "夜", 60), signal: plan(signal, "夜", 60)}
    return PlanSet(
        provenance=Provenance(
            subject="ppo", scenario="none", seeds=(1000, -1), greenband="0.1.0", sumo="1.28.0", note=note
        ),
        plans={"night": night, period: {signal: plan(signal, text)}},
        junctions={signal: junction(signal), "J2": junction("J2", 2, "", "Second/Rd: [east] *?\\ of the long road")},
        day_plans={
            "工作日": DayPlan(switches=(Switch(at_min=0, plan="night"), Switch(at_min=450, plan=period))),
            text: DayPlan(switches=(Switch(at_min=0, plan="night"),)),
        },
        schedule=(
            ScheduleRow(day_plan="工作日", weekdays=(1, 2, 3, 4, 5), name=text),
            ScheduleRow(day_plan=text, first="12-31", last="01-02"),
        ),
    )


def shown(wanted: PlanSet) -> PlanSet:
    """What of a plan set stands in a workbook."""
    return wanted.model_copy(update={"junctions": {}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (path,) = sheet.export(plans(), tmp_path / "sheet" / "timing.xlsx")
    return path


def place(page: Worksheet, heading: str, row: int) -> str:
    """The cell below a heading; the sheet has its headings in row 3."""
    headings = [cell.value for cell in page[3]]
    return f"{get_column_letter(headings.index(heading) + 1)}{row}"


def edit(path: Path, change: Callable[[openpyxl.Workbook], object], keep_hashes: bool = True) -> None:
    """Open the workbook, change it and save it, as an engineer would."""
    book = openpyxl.load_workbook(path)
    change(book)
    if not keep_hashes:
        for row in book[sheet.OVERVIEW].iter_rows(max_col=2):
            if str(row[0].value).startswith(("方案校验", "时段校验")):
                row[1].value = None
    book.save(path)


def setter(cells: dict[str, Value], title: str = JINCHENG) -> Callable[[openpyxl.Workbook], None]:
    def change(book: openpyxl.Workbook) -> None:
        for where, value in cells.items():
            heading, _, row = where.rpartition(" ")
            book[title][place(book[title], heading, int(row)) if heading else where] = value

    return change


def test_round_trip_and_same_bytes(path: Path, tmp_path: Path) -> None:
    assert sheet.read(path) == shown(plans())
    (other,) = sheet.export(plans(), tmp_path / "other.xlsx")
    assert other.read_bytes() == path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_workbook_that_was_saved_again_reads_the_same(path: Path) -> None:
    edit(path, lambda book: None)
    assert sheet.read(path) == shown(plans())


def test_a_junction_shows_what_an_engineer_expects(path: Path) -> None:
    page = openpyxl.load_workbook(path)[JINCHENG]
    assert page["A1"].value == "01 金城路 Jincheng Rd"
    lines = list(page.iter_rows(min_row=3, max_row=11, values_only=True))
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    first = rows[4]  # the second plan: three stages and the sums of the first stand above it
    assert {key: first[key] for key in ("路口编号 Junction", "方案号 Plan no.", "时段 Period", "周期 Cycle (s)")} == {
        "路口编号 Junction": "J1",
        "方案号 Plan no.": 2,
        "时段 Period": "AM",
        "周期 Cycle (s)": 80,
    }
    assert (first["运行时段 Times of day"], first["相位差 Offset (s)"]) == ("工作日 07:30-24:00", 7)
    assert first["协调相位 Reference stage"] == first["阶段号 Stage no."] == 3
    assert [row["放行流向 Released flows"] for row in rows[4:7]] == ["西进口直行", "南进口直行", "南进口左转"]
    assert [row["绿灯 Green (s)"] for row in rows[4:]] == [21, 20, 15, 56]
    assert [row["阶段时长 Stage time (s)"] for row in rows[4:]] == [29, 28, 23, 80]
    assert [row["行人绿 Walk (s)"] for row in rows[4:]] == [None, 7, None, None]
    assert [row["行人绿闪 Ped flash (s)"] for row in rows[4:]] == [None, 12, None, None]
    assert [row["最小绿 Min green (s)"] for row in rows[4:]] == [9, 15, 8, None]
    assert [row["最大绿 Max green (s)"] for row in rows[4:]] == [50, 60, 40, None]
    assert rows[7]["阶段号 Stage no."] == "合计 Sum"
    assert list(rows[0]) == [COLUMNS[key] for key in COLUMNS if key != "movements"] + [COLUMNS["movements"]]


def test_the_overview_tells_where_it_comes_from_and_what_runs_when(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["总览 Overview", JINCHENG, "02 Second_Rd_ _east_ ___ of the"]
    lines = [[value for value in line if value is not None] for line in book["总览 Overview"].values]
    for expected in (
        ["来源 Made by", "ppo"],
        ["随机种子 Seeds", "1000 -1"],
        ["内容校验 Content hash", plans().content_hash],
        ["方案校验 Plan set hash", plans().plans_hash],
        [1, JINCHENG, "J1", "金城路", "Jincheng Rd", "road", 3, 3, 2, 150],
        ["工作日", "00:00", "07:30", "night", "夜", 60],
        ["工作日", "07:30", "24:00", "AM", "早高峰 A", 80],
        ["工作日", "1 2 3 4 5", "早高峰 A"],
        ["早高峰 A", "1 2 3 4 5 6 7", "12-31", "01-02"],
    ):
        assert expected in lines


def test_it_prints_on_a4_with_headings_hash_and_page_numbers(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    for page in book.worksheets:
        assert (page.page_setup.paperSize, page.page_setup.orientation) == (9, "landscape")
        assert page.sheet_properties.pageSetUpPr is not None
        assert page.sheet_properties.pageSetUpPr.fitToPage
        assert (page.page_setup.fitToWidth, page.page_setup.fitToHeight) == (1, 0)
        assert page.oddFooter is not None
        assert page.oddFooter.left.text == f"SHA-256 {plans().content_hash}"
        assert page.oddFooter.right.text == "第 &P / &N 页 page"
    assert book[JINCHENG].print_title_rows == "$1:$3"
    assert book[JINCHENG].freeze_panes == "A4"
    assert book[JINCHENG].print_area.startswith(f"'{JINCHENG}'!$A$1:$V$")  # movement ids, in W, are not printed


def test_every_stage_of_a_junction_has_its_picture(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        pictures = [archive.read(name) for name in archive.namelist() if name.startswith("xl/media/")]
    assert pictures == [stage_picture(junction(), stage) for stage in (0, 1, 2)] * 2
    page = openpyxl.load_workbook(path)[JINCHENG]
    images = page._images  # type: ignore[attr-defined]  # there is no other way to them
    at = [(image.anchor._from.row, image.anchor._from.col, image.anchor.ext.width // 9525) for image in images]
    assert len({row for row, _, _ in at}) == 1
    assert [side for _, _, side in at] == [120, 120, 120]
    for (row, column, side), (_, following, _) in pairwise(at):
        letters = [get_column_letter(number + 1) for number in range(column, following)]
        assert sum(7 * page.column_dimensions[letter].width for letter in letters) > side
        assert page.row_dimensions[row + 1].height >= side * 0.75
    assert [page.cell(at[0][0], column + 1).value for _, column, _ in at] == ["1 main", "2 left", "3 side"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "'quoted", "#N/A", "1e3", "TRUE"])
def test_text_never_becomes_a_formula_or_a_number(tmp_path: Path, text: str) -> None:
    (path,) = sheet.export(plans(signal=text, text=text, period=text, note=text), tmp_path / "timing.xlsx")
    with zipfile.ZipFile(path) as archive:
        assert not any(b"<f>" in archive.read(name) for name in archive.namelist())
    book = openpyxl.load_workbook(path)
    cells = [cell for page in book.worksheets for row in page.iter_rows() for cell in row if cell.value == text]
    assert len(cells) >= 8
    assert {cell.data_type for cell in cells} == {"s"}
    assert {cell.quotePrefix for cell in cells} == {text.strip()[0] in "=+-@"}
    assert sheet.read(path) == shown(plans(signal=text, text=text, period=text, note=text))


@pytest.mark.parametrize("text", ["a\x00", "\r", "\x1b[0m", "_x000D_", "\ufffe"])
def test_text_that_a_workbook_cannot_hold_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match=r"cannot stand in a workbook: it holds a control sign"):
        sheet.export(plans(text=text), tmp_path / "timing.xlsx")
    assert not list(tmp_path.iterdir())


storable = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"), max_size=9
)


@settings(deadline=None, max_examples=12)
@given(
    signal=storable.filter(lambda w: w != "J2"),
    text=storable.filter(lambda w: w != "工作日"),
    period=storable.filter(lambda w: w != "night"),
    note=st.text(st.sampled_from("路 \n\tx"), max_size=5000),
)
def test_any_text_survives(signal: str, text: str, period: str, note: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wanted = plans(signal, text, period, note)
        (path,) = sheet.export(wanted, Path(folder) / "timing.xlsx")
        assert sheet.read(path) == shown(wanted)


def test_names_of_sheets_are_safe_and_unique(tmp_path: Path) -> None:
    names = ["a/b", "a:b", "A_B", "x" * 40, "x" * 40 + "y", "𠀀" * 20, "'", "总览 Overview", "t\nt"]
    junctions = {f"J{k}": junction(f"J{k}", 1, name) for k, name in enumerate(names)}
    wanted = PlanSet(
        provenance=Provenance(subject="", scenario=""),
        plans={"AM": {signal: plan(signal) for signal in junctions}},
        junctions=junctions,
        day_plans={"d": DayPlan(switches=(Switch(at_min=0, plan="AM"),))},
        schedule=(ScheduleRow(day_plan="d"),),
    )
    (path,) = sheet.export(wanted, tmp_path / "timing.xlsx")
    titles = openpyxl.load_workbook(path).sheetnames
    assert len({title.lower() for title in titles}) == len(names) + 1
    assert all(len(title.encode("utf-16-le")) <= 62 and not re.search(r"[:*?/\\\[\]\n]|'$", title) for title in titles)
    assert titles[1:4] == ["01 a_b", "01 a_b~2", "01 A_B~3"]
    assert sheet.read(path) == shown(wanted)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"绿灯 Green (s) 5": 12.5}, "cell N5: '12.5' is not allowed: it must be a whole number from 0 up"),
        ({"绿灯 Green (s) 5": "=20"}, "cell N5: '' is not allowed: it must be a whole number from 0 up"),
        ({"绿灯 Green (s) 5": True}, "cell N5: 'True' is not allowed: it must be a whole number from 0 up"),
        ({"绿闪 Green flash (s) 4": -3}, "cell O4: '-3' is not allowed: it must be a whole number from 0 up"),
        ({"绿灯 Green (s) 5": 30}, "cell T5: '28' is not allowed: green, flash, yellow and all-red of this row sum to"),
        (
            {"绿灯 Green (s) 5": 21, "阶段时长 Stage time (s) 5": 29},
            "rows 4 to 6, period night: signal J1: stages sum to 61 s, but cycle_s is 60",
        ),
        ({"阶段时长 Stage time (s) 7": 61}, "cell T7: '61' is not allowed: it must be the cycle of the plan above"),
        ({"周期 Cycle (s) 9": 81}, "cell H9: '81' is not allowed: row 8 of the same plan has '80'"),
        ({"协调相位 Reference stage 4": 1}, "cell J4: '1' is not allowed: it must be the first stage of the plan, 3"),
        ({"路口编号 Junction 4": "J9"}, "cell A4: 'J9' is not allowed: the overview names this sheet for 'J1'"),
        ({"方案号 Plan no. 4": None}, "cell C4: '' is not allowed: it must be a whole number from 1 up"),
        ({"阶段号 Stage no. 5": 0}, "cell K5: '0' is not allowed: it must be a whole number from 1 up"),
        ({"阶段号 Stage no. 3": "?"}, "row 3: no column '阶段号 Stage no.'"),
    ],
)
def test_a_wrong_cell_is_named(path: Path, cells: dict[str, Value], reason: str) -> None:
    edit(path, setter(cells), keep_hashes=False)
    with pytest.raises(BadInput) as caught:
        sheet.read(path)
    between = ", " if reason.startswith(("cell", "row")) else ": "
    assert str(caught.value).startswith(f"{path}: sheet {JINCHENG}{between}{reason}")
    assert "\n" not in str(caught.value)


def find(page: Worksheet, text: str) -> tuple[int, int]:
    """Row and column of the last cell with a text."""
    return [(cell.row, cell.column) for row in page.iter_rows() for cell in row if cell.value == text][-1]


@pytest.mark.parametrize(
    ("text", "right", "value", "reason"),
    [
        ("07:30", 0, "25:00", "'25:00' is not allowed: it must be a time of day such as 07:00"),
        ("07:30", 0, "00:00", "'工作日' is not allowed: 00:00 does not come after 00:00"),
        ("07:30", 2, "PM", "day plan 工作日, 07:30: there is no plan 'PM'"),
        ("1 2 3 4 5", 0, "Mon", "'Mon' is not allowed: it must be numbers from 1, Monday, to 7"),
        ("1 2 3 4 5", 0, "2 1", "weekdays [2, 1]: they must ascend"),
        ("12-31", 0, "13-31", "'13-31' is no date such as 10-01"),
        ("12-31", 0, None, "first and last date come together or not at all"),
        (JINCHENG, 0, "none", "'none' is not allowed: there is no such sheet of a junction"),
        (JINCHENG, 0, "总览 Overview", "'总览 Overview' is not allowed: there is no such sheet of a junction"),
        ("J1", 0, "J9", "the overview names this sheet for 'J9'"),
        ("1000 -1", 0, "1000 x", "'1000 x' is not allowed: it must be whole numbers with a blank between"),
        ("备注 Note", 0, "Notes", "'Notes' is not allowed: it must be one of"),
        ("调度 Schedule", 0, None, "no block '调度 Schedule'"),
        ("起 From", 0, None, "no column '起 From'"),
    ],
)
def test_a_wrong_cell_of_the_overview_is_named(
    path: Path, text: str, right: int, value: str | None, reason: str
) -> None:
    def change(book: openpyxl.Workbook) -> None:
        row, column = find(book[sheet.OVERVIEW], text)
        book[sheet.OVERVIEW].cell(row, column + right).value = value

    edit(path, change, keep_hashes=False)
    with pytest.raises(BadInput) as caught:
        sheet.read(path)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_an_edit_is_taken_once_the_overview_lets_go_of_the_hash(path: Path) -> None:
    more = {
        "绿灯 Green (s) 4": 3,
        "阶段时长 Stage time (s) 4": 11,
        "绿灯 Green (s) 5": 18,
        "阶段时长 Stage time (s) 5": 26,
    }
    edit(path, setter({**more, "绿灯 Green (s) 6": 15}))
    with pytest.raises(BadInput, match="altered since it was written; empty the cell to accept"):
        sheet.read(path)
    edit(path, lambda book: None, keep_hashes=False)
    assert [stage.green_s for stage in sheet.read(path).plans["night"]["J1"].stages] == [3, 18, 15]


def test_a_changed_day_plan_is_noticed_too(path: Path) -> None:
    def change(book: openpyxl.Workbook) -> None:
        row, column = find(book[sheet.OVERVIEW], "07:30")
        book[sheet.OVERVIEW].cell(row, column).value = "07:45"

    edit(path, change)
    with pytest.raises(BadInput, match="altered since it was written"):
        sheet.read(path)
    edit(path, lambda book: None, keep_hashes=False)
    assert sheet.read(path).day_plans["工作日"].switches[1].at_min == 465


def test_what_excel_and_engineers_do_besides_is_understood(path: Path) -> None:
    def change(book: openpyxl.Workbook) -> None:
        page = book[JINCHENG]
        page[place(page, "绿灯 Green (s)", 4)] = "1"
        page[place(page, "绿灯 Green (s)", 5)] = 20.0
        page[place(page, "周期 Cycle (s)", 5)] = 60
        page[place(page, "阶段时长 Stage time (s)", 7)] = None
        page["N3"] = "绿灯\nGreen (s)"
        page.insert_cols(2)
        page.insert_rows(8)
        book.create_sheet("remarks", 0)["A1"] = "checked"
        row, column = find(book[sheet.OVERVIEW], "07:30")
        book[sheet.OVERVIEW].cell(row, column).value = "7:30:00"

    edit(path, change)
    assert sheet.read(path) == shown(plans())


def rezipped(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


DTD = '<?xml version="1.0" encoding="{}"?><!DOCTYPE x [<!ENTITY a "b">]><x/>'
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


@pytest.mark.parametrize(
    ("part", "data", "reason"),
    [
        ("xl/worksheets/sheet2.xml", b" " * 17 * 1024**2, "too large once unpacked"),
        ("xl/worksheets/sheet2.xml", DTD.format("UTF-8").encode(), "sheet2.xml: a document type definition is not"),
        ("xl/styles.xml", DTD.format("UTF-16").encode("utf-16"), "styles.xml: a document type definition is not"),
        ("xl/worksheets/sheet2.xml", SHEET.format('<row r="99999999"/>').encode(), "more than 10000 rows"),
        ("xl/worksheets/sheet2.xml", SHEET.format("<row/>" * 10001).encode(), "more than 10000 rows"),
        (
            "xl/worksheets/sheet2.xml",
            SHEET.format('<row><c r="A1"><v>x</v></c></row>').encode(),
            "not an Excel workbook",
        ),
        ("xl/worksheets/sheet2.xml", SHEET.format("").encode(), "no headings"),
        ("xl/workbook.xml", b"<x/>", "no sheet '总览 Overview'; it has none"),
        ("[Content_Types].xml", b"", "not an Excel workbook"),
    ],
)
def test_a_part_that_does_harm_is_refused(path: Path, part: str, data: bytes, reason: str) -> None:
    rezipped(path, lambda name, old: data if name == part else old)
    with pytest.raises(BadInput, match=reason):
        sheet.read(path)


@pytest.mark.parametrize("target", [b"worksheets/./sheet2.xml", b"/xl/worksheets/sheet2.xml"])
def test_two_sheets_that_are_the_same_part_are_refused(path: Path, target: bytes) -> None:
    rezipped(path, lambda name, data: re.sub(rb'(?<=")[^"]*worksheets/sheet3.xml', target, data))
    with pytest.raises(BadInput, match=r"part xl/workbook\.xml: several sheets are the same part"):
        sheet.read(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an Excel"),
        (b"x" * 99, "not an Excel"),
        (b"x" * (50 * 1024**2 + 1), "larger than"),
        (None, "cannot be"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes | None, reason: str) -> None:
    if data is not None:
        (tmp_path / "timing.xlsx").write_bytes(data)
    with pytest.raises(BadInput, match=reason):
        sheet.read(tmp_path / "timing.xlsx")


def test_a_workbook_of_something_else_is_refused(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "other.xlsx")
    with pytest.raises(BadInput, match="no sheet '总览 Overview'; it has Sheet"):
        sheet.read(tmp_path / "other.xlsx")


WRITTEN: dict[str, bytes] = {}


def written() -> bytes:
    if not WRITTEN:
        with tempfile.TemporaryDirectory() as folder:
            (path,) = sheet.export(plans(), Path(folder) / "timing.xlsx")
            WRITTEN["plans"] = path.read_bytes()
    return WRITTEN["plans"]


def read_or_refuse(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "timing.xlsx"
        path.write_bytes(data)
        with suppress(BadInput):
            sheet.read(path)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5), st.integers(0, 10**6))
def test_broken_bytes_are_refused_or_read(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(written())
    for place, value in changes:
        data[place % len(data)] = value
    read_or_refuse(bytes(data[: len(data) - (cut % len(data) if cut % 2 else 0)]))


values = st.one_of(storable, st.integers(-5, 10**12), st.floats(), st.booleans(), st.datetimes(), st.times(), st.none())


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1), st.integers(1, 30), st.integers(1, 23), values)
def test_wrong_values_are_refused_or_read(page: int, row: int, column: int, value: object) -> None:
    book = openpyxl.load_workbook(io.BytesIO(written()))
    cell = book.worksheets[page].cell(row, column)
    if not isinstance(cell, openpyxl.cell.MergedCell):
        cell.value = value  # type: ignore[assignment]
    data = io.BytesIO()
    book.save(data)
    read_or_refuse(data.getvalue())


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_broken_parts_are_refused_or_read(data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(written())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from([name for name in parts if name.endswith((".xml", ".rels"))]))
    numbers = [match.span() for match in re.finditer(rb'(?<=")[^"<>]*(?=")|(?<=>)[^<>]+(?=<)', parts[name])]
    begin, end = data.draw(st.sampled_from(numbers)) if numbers else (0, 0)
    new = data.draw(st.sampled_from(["", "0", "-1", "999999999999", "x", "NaN", "A1", "rId1", "n", "d", "e", "1e999"]))
    parts[name] = parts[name][:begin] + new.encode() + parts[name][end:]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for key, part in parts.items():
            archive.writestr(key, part)
    read_or_refuse(out.getvalue())


def test_openpyxl_is_imported_only_when_needed() -> None:
    code = "import sys, greenband.formats.sheet; sys.exit('openpyxl' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
