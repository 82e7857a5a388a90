"""``greenband field history``: what the journal has, and whether it is whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from greenband.cli.common import err
from greenband.errors import BadInput
from greenband.field.backups import Records
from greenband.field.journal import Entry
from greenband.files import write_text

__all__ = ["run"]

SHORT = 12  # digits of a hash that tell it from others


def run(
    inventory: Path,
    records: Path | None,
    batch: str | None,
    junction: str | None,
    most: int,
    check: bool,
    head: str | None,
    out: Path | None,
) -> bool:
    """Print the entries, oldest first; whether the journal is whole, where that is asked."""
    if most < 1:
        raise BadInput(f"--most {most}: must be 1 or more")
    with (Records(records) if records else Records.beside(inventory)).history() as journal:
        found = journal.entries(batch=batch, junction=junction, newest_first=True, most=most)[::-1]
        if out is not None:
            write_text(out, json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False) + "\n")
        err.print(_table(found))
        if not (check or head):
            return True
        fault = journal.fault()
        if not fault and head and not journal.holds(head):
            fault = f"it has no entry {head}: its end was cut off, or it was made anew"
        err.print(f"{journal.path}: {fault or f'whole, head {journal.head}'}", markup=False, soft_wrap=True)
        return not fault


def _table(entries: list[Entry]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("", "when (UTC)", "who", "batch", "step", "junction", "before", "after", "result"):
        table.add_column(column, overflow="fold")
    for one in entries:
        result = f"{one.result}: {one.detail}" if one.detail else one.result
        row = (str(one.id), one.at[:19], one.who, one.batch, one.step, one.junction)
        table.add_row(*map(escape, (*row, one.before_hash[:SHORT], one.after_hash[:SHORT], result)))
    return table
