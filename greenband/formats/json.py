"""Plan sets and other kinds of table as JSON: greenband's own lossless format."""

from __future__ import annotations

import json
import re
from pathlib import Path

from greenband.errors import BadInput
from greenband.files import write_text
from greenband.formats.bounded import bounded_bytes
from greenband.plan.model import PlanSet
from greenband.plan.tables import Table, parsed

__all__ = ["export", "read", "read_table", "write"]

MAX_BYTES = 200_000_000  # of a set of tens of thousands of junctions


def export(plans: PlanSet, path: Path) -> list[Path]:
    """Write the plan set."""
    write(plans, path)
    return [path]


def write(plans: Table, path: Path) -> None:
    """Write a table of any kind; the bytes depend on the content alone."""
    data = {"content_hash": plans.content_hash, **plans.model_dump(mode="json")}
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> PlanSet:
    """Read a plan set.

    Raises:
        BadInput: as ``read_table``, or it is another kind of table.
    """
    plans = read_table(path)
    if not isinstance(plans, PlanSet):
        raise BadInput(f"{path}: a table of kind {plans.kind}, not fixed plans: it can be evaluated and checked")
    return plans


def read_table(path: Path) -> Table:
    """Read a table of any kind.

    Raises:
        BadInput: the file is missing, no JSON, breaks the model of its kind, or was altered since it was written.
    """
    try:
        data = json.loads(bounded_bytes(path, MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadInput(f"{path}: not a plan set")
    _check_text(data, path)
    stated = data.pop("content_hash", None)
    plans = parsed(data, path)
    if stated and stated != plans.content_hash:
        raise BadInput(
            f"{path}: content_hash does not match the plans; the file was altered by hand: empty that field if the"
            " change is meant"
        )
    return plans


def _check_text(data: object, path: Path) -> None:
    """Every text must be one that tables can hold: no lone surrogates, no control characters but ends of lines."""
    text = json.dumps(data, ensure_ascii=False)  # control characters come out escaped
    if found := re.search(r"(?<!\\)(?:\\\\)*(\\u00[01][0-9a-f]|\\[bf])|[\ud800-\udfff\x7f]", text):
        raise BadInput(f"{path}: holds the character {found[0]!a}, which has no place in a table")
