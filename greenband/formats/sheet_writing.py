"""Writing the timing sheet: see ``greenband.formats.sheet`` for what stands in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from openpyxl.utils import get_column_letter

from greenband.formats import sheet as form
from greenband.formats.stage_drawing import SIDE_PX, stage_picture
from greenband.formats.table import PER_PLAN, origin_cells, stage_rows
from greenband.formats.workbook import Page, new_book, saved, titles
from greenband.plan.calendar import DAY_MIN, clock
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet

__all__ = ["workbook"]

NOTE_PIECE = 2000  # signs; a cell shows no more than some thousand
OVERVIEW_WIDTHS = (19, 20, 14, 16, 20, 20, 10, 10, 10, 10)
HEADINGS_ROW = 3
WIDTHS = dict.fromkeys(form.STAGE_COLUMNS, 7.5) | {
    "junction_name": 14,
    "name": 12,
    "times": 13,
    "mode": 10,
    "stage_name": 14,
    "flows": 30,
    "movements": 60,
}
TEXTS = {"signal", "junction_name", "name", "period", "times", "mode", "stage_name", "flows", "movements"}
WRAPPED = ("name", "times", "stage_name", "flows", "movements")
SUMMED = ("green_s", "green_flash_s", "yellow_s", "all_red_s", "duration_s")
NUMBERS = {column: number for number, column in enumerate(form.STAGE_COLUMNS, 1)}
AT = {column: f"${get_column_letter(number)}" for column, number in NUMBERS.items()}
PICTURE_PX = SIDE_PX // 2
LEGEND = "北在上 north up;  实线 solid: 保护 protected;  虚线 dashed: 让行 gives way;  蓝 blue bars: 行人过街 crossing"
UNITS = "时间单位秒 times in seconds;  最小绿、最大绿含绿闪 min and max green include the flash"


def workbook(plans: PlanSet) -> bytes:
    """The bytes of the workbook."""
    book, whole_hash = new_book(), plans.content_hash
    signals = {plan.signal for _, plan in plans}
    junctions = sorted((plans.junctions[signal] for signal in signals), key=lambda j: (j.number, j.signal))
    names = titles([f"{j.number:02d} {j.name_zh or j.name_en or j.signal}" for j in junctions], form.OVERVIEW)
    page = Page(book, form.OVERVIEW, "overview", OVERVIEW_WIDTHS, whole_hash)
    _overview(page, plans, whole_hash, junctions, names)
    for junction, name in zip(junctions, names, strict=True):
        page = Page(book, name, f"junction {junction.signal}", list(WIDTHS.values()), whole_hash)
        _junction(page, plans, junction)
    return saved(book)


def _overview(page: Page, plans: PlanSet, whole_hash: str, junctions: Sequence[Junction], names: Sequence[str]) -> None:
    page.put(1, 1, "配时方案表 Timing sheet", "title")
    row = _origin(page, 3, plans, whole_hash)
    listed = [
        {**junction.model_dump(include=set(form.JUNCTION_COLUMNS)), "sheet": name}
        for junction, name in zip(junctions, names, strict=True)
    ]
    for block, columns, rows in (
        ("junctions", form.JUNCTION_COLUMNS, listed),
        ("day_plans", form.DAY_PLAN_COLUMNS, list(_day_plan_rows(plans))),
        ("schedule", form.SCHEDULE_COLUMNS, list(_schedule_rows(plans))),
    ):
        page.put(row + 1, 1, form.BLOCKS[block], "block")
        row = page.table(row + 2, columns, rows)
    page.sheet.print_area = f"A1:{get_column_letter(len(OVERVIEW_WIDTHS))}{row - 1}"


def _origin(page: Page, row: int, plans: PlanSet, whole_hash: str) -> int:
    """Where the plans come from, a line each, a long note in several; the row after them."""
    page.put(row, 1, form.BLOCKS["origin"], "block")
    hashes = {
        "whole_hash": whole_hash,
        "plans_hash": plans.plans_hash,
        "calendar_hash": form.calendar_hash(plans),
    }
    for key, text in {**origin_cells(plans.provenance), **hashes}.items():
        for begin in range(0, max(len(text), 1), NOTE_PIECE):
            row, piece = row + 1, text[begin : begin + NOTE_PIECE]
            page.put(row, 1, form.ORIGIN_ROWS[key], "heading")
            page.across(row, range(2, len(OVERVIEW_WIDTHS) + 1), piece, "text")
            page.fit_height(row, {piece: sum(OVERVIEW_WIDTHS[1:])})
    return row + 1


def _day_plan_rows(plans: PlanSet) -> Iterator[dict[str, object]]:
    for name, day in plans.day_plans.items():
        ends = [*(switch.at_min for switch in day.switches[1:]), DAY_MIN]
        for switch, end in zip(day.switches, ends, strict=True):
            there = plans.plans[switch.plan].values()
            cycles = sorted({plan.cycle_s for plan in there})
            yield {
                "day_plan": name,
                "begin": switch.at,
                "end": clock(end),
                "period": switch.plan,
                "name": " / ".join(dict.fromkeys(plan.name for plan in there)),
                "cycle_s": cycles[0] if len(cycles) == 1 else " / ".join(map(str, cycles)),
            }


def _schedule_rows(plans: PlanSet) -> Iterator[dict[str, object]]:
    for row in plans.schedule:
        yield {
            "day_plan": row.day_plan,
            "weekdays": " ".join(str(day) for day in row.weekdays),
            "first": row.first or "",
            "last": row.last or "",
            "name": row.name,
        }


def _junction(page: Page, plans: PlanSet, junction: Junction) -> None:
    name = f"{junction.name_zh} {junction.name_en}".strip() or junction.signal
    group = f"协调组 Coordination group {junction.coordination}"
    page.put(1, 1, f"{junction.number:02d} {name}", "title")
    page.put(2, 1, f"路口编号 Junction {junction.signal};  {group};  {UNITS}", "plain")
    row = page.table(HEADINGS_ROW, form.STAGE_COLUMNS)
    for _, stages in groupby(stage_rows(plans, junction.signal), key=lambda cells: cells["number"]):
        row = _plan(page, row, list(stages))
    _looks(page, row - 1)
    last = _pictures(page, row + 1, junction)
    page.sheet.freeze_panes = f"A{HEADINGS_ROW + 1}"
    page.sheet.print_title_rows = f"1:{HEADINGS_ROW}"
    page.sheet.print_area = f"$A$1:{AT['max_green_s']}${last}"


def _plan(page: Page, row: int, stages: Sequence[Mapping[str, object]]) -> int:
    """The rows of a plan and their sums; the row after them."""
    begin = row
    for cells in stages:
        columns = [column for column in form.STAGE_COLUMNS if row == begin or column not in PER_PLAN]
        _put(page, row, {column: cells[column] for column in columns})
        page.fit_height(row, {str(cells[column]): WIDTHS[column] for column in WRAPPED})
        row += 1
    _put(page, row, {column: sum(int(str(cells[column])) for cells in stages) for column in SUMMED})
    _put(page, row, {"stage": form.SUM})
    time = AT["duration_s"]
    page.rule(f"{time}{row}", f"SUM({time}${begin}:{time}${row - 1})<>{AT['cycle_s']}${begin}", "wrong")
    return row + 1


def _put(page: Page, row: int, cells: Mapping[str, object]) -> None:
    for column, value in cells.items():
        if value != "":
            page.put(row, NUMBERS[column], value, "text" if column in TEXTS else "number")


def _looks(page: Page, last: int) -> None:
    """Lines around all cells, also of rows that somebody adds; sums stand out, and stage times that are not sums."""
    first, time, stage = HEADINGS_ROW + 1, AT["duration_s"], AT["stage"]
    parts = f"SUM({AT['green_s']}{first}:{AT['all_red_s']}{first})"
    page.rule(f"{time}{first}:{time}{last}", f"AND(ISNUMBER({stage}{first}),{time}{first}<>{parts})", "wrong")
    table = f"{AT['signal']}{first}:{AT['movements']}{last}"
    page.rule(table, f'{stage}{first}="{form.SUM}"', "sum")
    page.rule(table, "TRUE", "box")


def _pictures(page: Page, row: int, junction: Junction) -> int:
    """A picture of every stage, as many beside each other as the table is wide; the last row."""
    page.put(row, 1, form.PICTURES, "block")
    page.put(row + 1, 1, LEGEND, "plain")
    columns = list(_picture_columns())
    for stage, shown in enumerate(junction.stages):
        line, place = divmod(stage, len(columns))
        caption = row + 2 + 2 * line
        page.put(caption, columns[place], f"{stage + 1} {shown.name}", "plain")
        page.picture(caption + 1, columns[place], stage_picture(junction, stage), PICTURE_PX)
    return row + 3 + 2 * ((len(junction.stages) - 1) // len(columns))


def _picture_columns() -> Iterator[int]:
    """Columns so far apart that a picture has room between one and the next."""
    free = left = 0.0
    for number, (column, width) in enumerate(WIDTHS.items(), 1):
        if column == "movements":  # it is not printed
            return
        if left >= free:
            yield number
            free = left + PICTURE_PX + 20
        left += 7 * width + 5  # pixels of a column in the default font
