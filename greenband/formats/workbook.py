"""Excel workbooks whose bytes depend on the content alone, with sheets that are set up to print on A4.

Text stays text, whatever it begins with: it can never become a formula.
"""

from __future__ import annotations

import datetime
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openpyxl import Workbook
from openpyxl.drawing.image import Image
from openpyxl.formatting.rule import Rule
from openpyxl.styles import Alignment, Border, Font, NamedStyle, PatternFill, Side
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.writer.excel import ExcelWriter

from greenband.errors import BadInput

__all__ = ["Page", "new_book", "saved", "titles"]

LONG_AGO = datetime.datetime(1980, 1, 1)  # the first date that a zip can hold
MAX_CELL = 32767  # characters, in UTF-16
MAX_TITLE = 31
FORBIDDEN = re.compile(r"[:*?/\\\[\]\x00-\x1f]")  # in the name of a sheet
UNSTORABLE = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|_x[0-9A-Fa-f]{4}_|x005F_")
FORMULA = ("=", "+", "-", "@")
A4 = 9
LINE = Side("thin", color="FF999999")
BOX = Border(LINE, LINE, LINE, LINE)
GREY = "FFE8EEE8"
RULES = {
    "box": DifferentialStyle(border=BOX),
    "sum": DifferentialStyle(font=Font(bold=True), fill=PatternFill(bgColor=GREY, fill_type="solid")),
    "wrong": DifferentialStyle(fill=PatternFill(bgColor="FFFF9999", fill_type="solid")),
}


def new_book() -> Workbook:
    """A workbook without sheets, with the styles that a ``Page`` uses."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for style in _styles():
        book.add_named_style(style)
    return book


def _styles() -> Iterator[NamedStyle]:
    wrapped = Alignment(vertical="center", wrap_text=True)
    centred = Alignment("center", "center", wrap_text=True)
    grey = PatternFill("solid", GREY)
    text = "@"  # so that Excel takes what is typed there later for text as well
    looks: dict[str, dict[str, Any]] = {
        "title": {"font": Font(size=14, bold=True)},
        "block": {"font": Font(size=11, bold=True)},
        "plain": {"font": Font(size=9)},
        "heading": {
            "font": Font(size=9, bold=True),
            "border": BOX,
            "alignment": centred,
            "fill": grey,
        },
        "text": {"font": Font(size=9), "border": BOX, "alignment": wrapped, "number_format": text},
        "number": {"font": Font(size=9), "border": BOX, "alignment": centred},
    }
    for name, look in looks.items():
        yield NamedStyle(f"greenband {name}", **look)


def saved(book: Workbook) -> bytes:
    """The bytes of a workbook."""
    book.properties.creator = "greenband"
    book.properties.created = book.properties.modified = LONG_AGO
    data = io.BytesIO()
    ExcelWriter(book, _DatelessZip(data, "w", ZIP_DEFLATED)).save()
    return data.getvalue()


class _DatelessZip(ZipFile):
    def writestr(self, zinfo_or_arcname: str | ZipInfo, data: Any, *_: Any, **__: Any) -> None:
        name = zinfo_or_arcname if isinstance(zinfo_or_arcname, str) else zinfo_or_arcname.filename
        info = ZipInfo(name, LONG_AGO.timetuple()[:6])
        info.create_system = 3  # else it is the one that this runs on
        super().writestr(info, data, ZIP_DEFLATED)

    def write(self, filename: str | PathLike[str], arcname: str | PathLike[str] | None = None, *_: Any) -> None:
        self.writestr(str(arcname or filename), Path(filename).read_bytes())


def titles(wanted: Sequence[str], taken: str) -> list[str]:
    """Names for sheets that Excel takes: short, without its forbidden signs, and none twice nor ``taken``."""
    found: dict[str, str] = {taken.lower(): taken}
    for name in wanted:
        stem = title = _short(FORBIDDEN.sub("_", name), MAX_TITLE)
        number = 2
        while title.lower() in found:
            title, number = f"{_short(stem, MAX_TITLE - 6)}~{number}", number + 1
        found[title.lower()] = title
    return list(found.values())[1:]


def _short(text: str, units: int) -> str:
    """The beginning of a text, as long as it may be in UTF-16."""
    return text.encode("utf-16-le", "replace")[: 2 * units].decode("utf-16-le", "ignore").rstrip(" '")


class Page:
    """A sheet that is filled cell by cell. ``about`` says in complaints what it is about."""

    def __init__(self, book: Workbook, title: str, about: str, widths: Sequence[float], content_hash: str) -> None:
        self.sheet: Worksheet = book.create_sheet(title)
        self._about = about
        own: Any = book  # openpyxl's types leave out what is used here
        self._looks = {style.name: style.as_tuple() for style in own._named_styles}
        for number, width in enumerate(widths, 1):
            self.sheet.column_dimensions[get_column_letter(number)].width = width
        _set_up_print(self.sheet, content_hash)

    def put(self, row: int, column: int, value: object, style: str) -> None:
        """Fill a cell with text or a number.

        Raises:
            BadInput: a workbook cannot hold the text.
        """
        cell: Any = self.sheet.cell(row, column)
        cell._style = copy(self._looks[f"greenband {style}"])  # cell.style would search all styles
        if isinstance(value, str):
            if value:
                cell.value = self._storable(value)
                cell.data_type = "s"
                cell.quotePrefix = value.lstrip()[:1] in FORMULA
        else:
            cell.value = value

    def _storable(self, text: str) -> str:
        if UNSTORABLE.search(text) or len(text.encode("utf-16-le")) // 2 > MAX_CELL:
            raise BadInput(
                f"{self._about}: {text[:100]!r} cannot stand in a workbook: it holds a control sign or an escape such"
                f" as _x000D_, or has more than {MAX_CELL} characters"
            )
        return text

    def across(self, row: int, columns: range, value: object, style: str) -> None:
        """Fill cells of a row that are merged to one.

        Raises:
            BadInput: a workbook cannot hold the text.
        """
        for column in columns:  # each with its part of the frame; openpyxl's merge_cells does the same, but slowly
            self.put(row, column, value if column == columns[0] else "", style)
        self.sheet.merged_cells.add(f"{get_column_letter(columns[0])}{row}:{get_column_letter(columns[-1])}{row}")

    def table(self, row: int, columns: Mapping[str, str], rows: Sequence[Mapping[str, object]] = ()) -> int:
        """Headings and rows; the row after them."""
        for number, heading in enumerate(columns.values(), 1):
            self.put(row, number, heading, "heading")
        self.sheet.row_dimensions[row].height = 40
        for place, cells in enumerate(rows, row + 1):
            for number, column in enumerate(columns, 1):
                value = cells[column]
                self.put(place, number, value, "text" if isinstance(value, str) else "number")
        return row + 1 + len(rows)

    def fit_height(self, row: int, texts: Mapping[str, float]) -> None:
        """Make a row so high that its texts show in full, broken to columns of these widths."""
        lines = max(-(-_wide(text) // width) + text.count("\n") for text, width in texts.items())
        self.sheet.row_dimensions[row].height = min(max(lines, 1) * 12.5 + 3, 409)  # points; Excel has no higher row

    def picture(self, row: int, column: int, png: bytes, side_px: int) -> None:
        """A square picture whose upper left corner is in a cell; the row becomes high enough."""
        image = Image(io.BytesIO(png))
        image.width = image.height = side_px
        self.sheet.add_image(image, f"{get_column_letter(column)}{row}")
        self.sheet.row_dimensions[row].height = side_px * 0.75 + 6

    def rule(self, cells: str, formula: str, look: str) -> None:
        """A look for cells, empty ones as well, where a formula holds that is said for the first of them."""
        self.sheet.conditional_formatting.add(cells, Rule("expression", dxf=RULES[look], formula=[formula]))


def _set_up_print(sheet: Worksheet, content_hash: str) -> None:
    sheet.page_setup.paperSize = A4
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_options.horizontalCentered = True
    sheet.page_margins.left = sheet.page_margins.right = 0.4  # inches
    sheet.page_margins.top = sheet.page_margins.bottom = 0.65
    sheet.page_margins.header = sheet.page_margins.footer = 0.3
    for item, left, right in (
        (sheet.oddHeader, "配时方案表 Timing sheet", "&A"),
        (sheet.oddFooter, f"SHA-256 {content_hash}", "第 &P / &N 页 page"),
    ):
        assert item is not None  # a new sheet has both
        item.left.text, item.right.text = left, right


def _wide(text: str) -> int:
    """How many narrow signs a text is as wide as."""
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)
