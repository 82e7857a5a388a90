"""The declarative corridor specification: what the YAML and CSV files in ``data/`` may say.

Every figure carries its unit and a grade: A sourced, B inferred from sourced figures, C general knowledge, assumed.
"""

from __future__ import annotations

import csv
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Generic, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from greenband.errors import BadInput, UnknownName

__all__ = ["Approach", "CorridorSpec", "Flow", "Graded", "JunctionRow", "Section", "available", "load_section"]

T = TypeVar("T")
Grade = Literal["A", "B", "C", "assumed"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Graded(_Record, Generic[T]):
    """A figure with its unit, grade and source."""

    value: T
    unit: str
    grade: Grade
    source: str = ""


class Note(_Record):
    """A statement about the model with its grade."""

    grade: Grade
    source: str = ""
    figure: str = ""
    value: str = ""


class Approach(_Record):
    """Lanes at a stop line; ``right`` 0 means that right turns share the outermost through lane."""

    left: Annotated[int, Field(ge=1)]
    through: Annotated[int, Field(ge=1)]
    right: Annotated[int, Field(ge=0)]

    @property
    def lanes(self) -> int:
        """All lanes of the approach."""
        return self.left + self.through + self.right


class CrossStreet(_Record):
    """A class of cross street."""

    lanes: Graded[int]
    speed_kmh: Graded[float]
    approach: Graded[Approach]
    bay_m: Graded[float]


class Geometry(_Record):
    """Lanes, speeds and lengths."""

    main_lanes: Graded[int]
    main_speed_kmh: Graded[float]
    main_speed_old_town_kmh: Graded[float]
    old_town: Graded[tuple[int, int]]
    entry_length_m: Graded[float]
    main_approach: Graded[Approach]
    main_approach_wide: Graded[Approach]
    wide_junctions: Graded[tuple[int, ...]]
    cross_streets: dict[str, CrossStreet]


class SignalPractice(_Record):
    """Signal timing as practised locally; field names as in ``greenband.signals.SignalTiming``."""

    yellow_s: Graded[int]
    all_red_s: Graded[int]
    green_flash_s: Graded[int]
    min_green_through_s: Graded[int]
    min_green_turn_s: Graded[int]
    max_green_s: Graded[int]
    max_red_s: Graded[int]


class ExistingPlan(_Record):
    """What the existing plan's splits are computed with."""

    saturation_flow: Graded[float]


class PeriodSpec(_Record):
    """A period of the day and the cycle in force."""

    begin_s: int
    cycle_s: Graded[int]


class Traffic(_Record):
    """Driver behaviour and vehicle mix (shares that sum to 1)."""

    following: Graded[dict[str, float | str]]
    mix: dict[str, Graded[float]]

    @model_validator(mode="after")
    def _whole(self) -> Traffic:
        total = sum(share.value for share in self.mix.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of the vehicle mix sum to {total:g}, not 1")
        return self


class CorridorSpec(_Record):
    """A whole road: geometry, signals, periods and traffic, with grades."""

    title: str
    main_road: str
    credits: str
    junctions: str
    flows: str
    flows_note: Note
    geometry: Geometry
    signals: SignalPractice
    existing_plan: ExistingPlan
    periods: dict[str, PeriodSpec]
    duration_s: Annotated[int, Field(gt=0)]
    warmup_s: Annotated[int, Field(ge=0)]
    traffic: Traffic
    left_out: tuple[Note, ...] = ()


class JunctionRow(_Record):
    """A row of ``junctions.csv``; ``x_m`` is the distance along the main road."""

    n: int
    name_zh: str
    name_en: str
    x_m: float
    lat: float
    lon: float
    position_uncertainty_m: float
    name_grade: str
    position_grade: str
    cross_street_class: str


class Flow(_Record):
    """A row of the flow table: veh/h of one approach (NB, SB, EB, WB = direction of travel) and period."""

    n: int
    period: str
    approach: Literal["NB", "SB", "EB", "WB"]
    veh_h: float
    left: float
    through: float
    right: float


class Section(_Record):
    """A stretch of a corridor: the junctions that one scenario covers, south to north."""

    name: str
    corridor: CorridorSpec
    junctions: tuple[JunctionRow, ...]
    flows: tuple[Flow, ...]

    def flow(self, n: int, period: str, approach: str) -> Flow:
        """Flow of one approach.

        Raises:
            BadInput: the table has no such row.
        """
        for row in self.flows:
            if (row.n, row.period, row.approach) == (n, period, approach):
                return row
        raise BadInput(f"{self.corridor.flows}: no row for junction {n}, period {period}, approach {approach}")


def _data() -> Traversable:
    return files("greenband.scenarios") / "data"


def available() -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _data().iterdir() if entry.name.endswith(".yaml"))


def load_section(name: str) -> Section:
    """The specification of a shipped scenario.

    Raises:
        UnknownName: no such scenario.
        BadInput: a file breaks the specification.
    """
    if name not in available():
        raise UnknownName("scenario", name, available())
    head = yaml.safe_load((_data() / f"{name}.yaml").read_text(encoding="utf-8"))
    folder = _data() / head["corridor"]
    first, last = head["junctions"]
    try:
        corridor = CorridorSpec.model_validate(yaml.safe_load((folder / "corridor.yaml").read_text(encoding="utf-8")))
        rows = [JunctionRow.model_validate(row) for row in _csv(folder / corridor.junctions)]
        chosen = tuple(row for row in rows if first <= row.n <= last)
        flows = tuple(Flow.model_validate(row) for row in _csv(folder / corridor.flows))
        return Section(name=name, corridor=corridor, junctions=chosen, flows=flows)
    except ValidationError as error:
        raise BadInput(f"scenario {name}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error


def _csv(path: Traversable) -> list[dict[str, Any]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
