"""Reading CSV files that others may have made: bounded, and every failure a ``BadInput`` that names the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from greenband.errors import BadInput
from greenband.formats.bounded import bounded_bytes

__all__ = ["MAX_BYTES", "csv_lines"]

MAX_BYTES = 50_000_000


def csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file that hold anything, with their numbers from 1.

    Raises:
        BadInput: it cannot be read, is longer than 50 MB, no UTF-8 or no CSV.
    """
    data = bounded_bytes(path, MAX_BYTES)
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        for row in reader:
            if any(row):
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text") from error
    except csv.Error as error:
        raise BadInput(f"{path}: not a CSV table: {error}") from error
