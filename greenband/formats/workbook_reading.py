"""The cells of an Excel workbook as text, from a file that may be broken or made to do harm.

What a file may hold is limited: 50 MB, 16 MB a part and 256 MB in all once unpacked, no DTD and so no entities, 5,000
sheets, each a part of its own, and of a sheet 10,000 rows; 64 columns are read.
"""

from __future__ import annotations

import datetime
import io
import posixpath
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from xml.parsers import expat
from zipfile import ZipFile

from openpyxl import load_workbook

from greenband.errors import BadInput
from greenband.plan.calendar import clock

__all__ = ["MAX_FILE", "Book"]

MB = 1024**2
MAX_FILE, MAX_PART, MAX_UNPACKED = 50 * MB, 16 * MB, 256 * MB
MAX_SHEETS, MAX_ROWS, MAX_COLUMNS = 5_000, 10_000, 64


class Book:
    """An open workbook; ``rows`` gives the text of its cells.

    Raises:
        BadInput: the file is no workbook, or exceeds a limit.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        with self._broken_is_bad_input():
            _check_parts(path, data)
            self._book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            self.titles = [sheet.title for sheet in self._book.worksheets]

    def rows(self, title: str) -> list[list[str]]:
        """Text of all cells of a sheet, row by row, the cells that Excel computed as it last showed them.

        Raises:
            BadInput: the sheet is broken or too long.
        """
        found = []
        with self._broken_is_bad_input():
            sheet = self._book[title]
            sheet.reset_dimensions()  # what a file says of its size need not be true
            for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1):
                if number > MAX_ROWS:
                    raise BadInput(f"{self._path}: sheet {title}: more than {MAX_ROWS} rows")
                found.append([_text(value) for value in row])
        return found

    @contextmanager
    def _broken_is_bad_input(self) -> Iterator[None]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what openpyxl does not read
                yield
        except BadInput:
            raise
        except Exception as error:  # zipfile and openpyxl raise nearly all there is on a broken file
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise BadInput(f"{self._path}: not an Excel workbook (.xlsx) without a password: {reason}") from error


def _text(value: object) -> str:
    """A cell's text; Excel may have turned a typed number into a fraction, a time or a date."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.time) and not value.second:
        return clock(60 * value.hour + value.minute)
    if isinstance(value, datetime.datetime):
        return f"{value:%m-%d}"
    return "" if value is None else str(value)


def _check_parts(path: Path, data: bytes) -> None:
    with ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        if max(part.file_size for part in parts) > MAX_PART or sum(part.file_size for part in parts) > MAX_UNPACKED:
            allowed = f"{MAX_PART // MB} MB a part, {MAX_UNPACKED // MB} MB in all"
            raise BadInput(f"{path}: too large once unpacked: allowed are {allowed}")
        scans = {part.filename: _Scan(path, part.filename, archive.read(part)) for part in parts}
    for name, scan in scans.items():
        folder, base = posixpath.split(name)
        relations = scans.get(posixpath.join(folder, "_rels", f"{base}.rels"))
        if scan.sheets and (_repeats(scan.sheets) or (relations is not None and _repeats(relations.targets))):
            raise BadInput(f"{path}: part {name}: several sheets are the same part")


def _repeats(names: Sequence[str]) -> bool:
    return len(set(names)) < len(names)


class _Scan:
    """What a part refers to; one that is not XML, which openpyxl could not read either, to nothing."""

    def __init__(self, path: Path, name: str, data: bytes) -> None:
        self.sheets: list[str] = []
        self.targets: list[str] = []
        self._place = f"{path}: part {name}"
        self._base = posixpath.dirname(posixpath.dirname(name))  # of targets, where the part is X/_rels/Y.rels
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._element
        with suppress(expat.ExpatError):
            parser.Parse(data, True)

    def _doctype(self, *_: object) -> None:
        raise BadInput(f"{self._place}: a document type definition is not allowed")

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "sheet":
            self.sheets.extend(value for key, value in attributes.items() if key.endswith(":id"))
            if len(self.sheets) > MAX_SHEETS:
                raise BadInput(f"{self._place}: more than {MAX_SHEETS} sheets")
        if kind == "Relationship" and attributes.get("TargetMode") != "External":
            self.targets.append(posixpath.normpath(posixpath.join("/", self._base, attributes.get("Target", ""))))
