"""``greenband field history``: what the journal has, and whether it is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from greenband.cli.common import err
from greenband.errors import BadInput
from greenband.field.backups import Records
from greenband.field.journal import Entry, Journal
from greenband.files import write_text

__all__ = ["run"]

SHORT = 12  # digits of a hash that tell it from others


def run(
    inventory: Path,
    records: Path | None,
    batch: str | None,
    junction: str | None,
    most: int,
    steps: bool,
    check: bool,
    head: str | None,
    out: Path | None,
) -> bool:
    """Print the entries, oldest first, or whether the journal is whole, where that is asked; whether it is."""
    if most < 1:
        raise BadInput(f"--most {most}: must be 1 or more")
    kept = Records(records) if records else Records.beside(inventory)
    if not kept.folder.is_dir():
        raise BadInput(f"{kept.folder}: no such records; name the inventory with --inventory, or them with --records")
    with kept.history() as journal:
        found = journal.entries(batch=batch, junction=junction, newest_first=True, most=most)[::-1]
        if not found and (batch or junction):
            raise BadInput(f"{journal.path}: has nothing of {' and '.join(filter(None, (batch, junction)))}")
        if out is not None:
            write_text(out, json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False) + "\n")
        if check or head:
            return _whole(journal, head)
        for name, entries in groupby(found, key=lambda one: one.batch):
            _show(name, [*entries], steps)
        return True


def _whole(journal: Journal, head: str | None) -> bool:
    fault = journal.fault()
    if not fault and head and not journal.holds(head):
        fault = f"it has no entry {head}: its end was cut off, or it was made anew"
    err.print(f"{journal.path}: {fault or 'whole'}", markup=False, soft_wrap=True)
    err.print(f"head of the journal {journal.head}", soft_wrap=True)
    return not fault


def _show(batch: str, entries: Sequence[Entry], steps: bool) -> None:
    """A batch, or a part of one: the last entry of each controller, or all."""
    last = {one.junction: one for one in entries}
    shown = entries if steps else sorted(last.values(), key=lambda one: one.id)
    first = entries[0]
    err.print(f"{batch} by {first.who}, {first.at[:10]} (UTC)", style="bold", markup=False, soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
    for column in ("id", "at", "junction", "step", "before", "after"):
        table.add_column(column, no_wrap=True)
    table.add_column("result", overflow="fold")
    for one in shown:
        table.add_row(*map(escape, _cells(one)))
    err.print(Padding(table, (0, 0, 1, 2)))


def _cells(one: Entry) -> Iterator[str]:
    yield from (str(one.id), one.at[11:19], one.junction, one.step)
    yield from (one.before_hash[:SHORT], one.after_hash[:SHORT])
    yield f"{one.result}: {one.detail}" if one.detail else one.result
