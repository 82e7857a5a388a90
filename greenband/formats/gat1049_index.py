"""The index beside GA/T 1049.2 messages: what the standard has no field for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from greenband.errors import BadInput
from greenband.formats.bounded import bounded_bytes
from greenband.plan.model import Provenance

__all__ = ["INDEX", "Index", "read_index"]

INDEX = "index.json"
MAX_BYTES = 10_000_000


class Index(BaseModel):
    """What GA/T 1049.2 has no field for: periods in the order of PlanNo, junctions by CrossID, and the provenance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provenance: Provenance
    periods: tuple[str, ...]
    junctions: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for what, names in (("period", self.periods), ("junction", tuple(self.junctions.values()))):
            if len(set(names)) != len(names):
                raise ValueError(f"a {what} is named twice")
        if wrong := [cross_id for cross_id in self.junctions if not re.fullmatch("[0-9A-Z]{14}", cross_id)]:
            raise ValueError(f"{wrong[0]!r} is no CrossID: it must be 14 digits or capital letters")
        return self

    def period(self, plan_no: int) -> str:
        """The period of a plan, by its number where it is unknown."""
        return self.periods[plan_no - 1] if plan_no <= len(self.periods) else f"plan {plan_no}"


def read_index(path: Path) -> Index:
    """The index, or one that knows nothing where there is no such file.

    Raises:
        BadInput: naming the file and the first field that is wrong.
    """
    if not path.exists():
        origin = Provenance(subject=path.parent.name, scenario="")
        return Index.model_construct(provenance=origin, periods=(), junctions={})
    try:
        return Index.model_validate_json(bounded_bytes(path, MAX_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise BadInput(f"{path}: {place + ': ' if place else ''}{message}") from error
