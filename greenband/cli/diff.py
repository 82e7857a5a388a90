"""``greenband diff``: what changes from one plan to another, junction by junction."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from greenband.cli.common import err, read_whole
from greenband.errors import UnknownName
from greenband.files import write_text
from greenband.plan.diff import changes

__all__ = ["run"]


def run(before: Path, after: Path, scenario: str | None, only: str, out: Path | None) -> None:
    """Print the changes; as JSON too where asked. Those of times of day are of every junction."""
    old, new = read_whole(before, scenario), read_whole(after, scenario)
    found = changes(old, new)
    if names := [name.strip() for name in only.split(",") if name.strip()]:
        known = {plan.signal for plans in (old, new) for _, plan in plans}
        for name in names:
            if name not in known:
                raise UnknownName("junction", name, known)
        found = [change for change in found if change.junction in ("", *names)]
    if out is not None:
        write_text(out, json.dumps([asdict(change) for change in found], indent=1, ensure_ascii=False) + "\n")
    if not found:
        err.print("no difference")
    for (junction, name), own in groupby(found, key=lambda change: (change.junction, change.name)):
        err.print(f"{name} ({junction})" if name else junction or "Times of day", style="bold", soft_wrap=True)
        for plan, rows in groupby(own, key=lambda change: change.plan):
            for change in rows:
                err.print(f"  {f'{plan} ' if plan else ''}{change.text}", markup=False, soft_wrap=True)
