"""The kinds of table that a controller may get, and reading one from data."""

from __future__ import annotations

from pathlib import Path

from greenband.errors import BadInput, UnknownName
from greenband.plan.actuated import ActuatedSet
from greenband.plan.model import PlanSet, validated
from greenband.plan.responsive import ResponsiveLibrary

__all__ = ["KINDS", "Table", "model_of", "parsed"]

Table = PlanSet | ActuatedSet | ResponsiveLibrary

KINDS: dict[str, type[Table]] = {"fixed": PlanSet, "actuated": ActuatedSet, "responsive": ResponsiveLibrary}


def model_of(data: object) -> type[Table]:
    """Which kind of table data is of; a plan set does not say, the others do.

    Raises:
        UnknownName: there is no such kind.
    """
    kind = data.get("kind", "fixed") if isinstance(data, dict) else "fixed"
    if not isinstance(kind, str) or kind not in KINDS:
        raise UnknownName("kind of table", str(kind), KINDS)
    return KINDS[kind]


def parsed(data: object, source: Path) -> Table:
    """Validate the data of any kind of table, read from ``source``.

    Raises:
        BadInput: naming the file and the first field that is wrong.
    """
    try:
        model = model_of(data)
    except UnknownName as error:
        raise BadInput(f"{source}: {error}") from error
    return validated(model, data, source)
