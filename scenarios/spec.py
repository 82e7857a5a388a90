"""The declarative corridor specification: what the YAML and CSV files in ``data/`` may say.

Every figure carries its unit and a grade: A sourced, B inferred from sourced figures, C general knowledge, assumed.
"""

from __future__ import annotations

import csv
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Generic, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from greenband.errors import BadInput, UnknownName

__all__ = [
    "OPTIONS",
    "Approach",
    "CorridorSpec",
    "Flow",
    "Graded",
    "JunctionRow",
    "Line",
    "Section",
    "available",
    "load_section",
]

T = TypeVar("T")
Grade = Literal["A", "B", "C", "assumed"]
OPTIONS = ("people", "ebikes")


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
    """Lanes at a stop line; 0 for turns to the near side means that they share the outermost through lane."""

    left: Annotated[int, Field(ge=0)]
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
    """Lanes, speeds and lengths. ``axis`` is a file with the main road's line as rows of lon, lat; straight without.

    The line's start is at ``axis_from_m`` on the junctions' ``x_m``.
    """

    left_hand: bool = False
    axis: str = ""
    axis_from_m: float = 0.0

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
    """An hour of the day, the cycle in force, and the period of the flow table that it takes, scaled by the profile."""

    begin_s: Annotated[int, Field(ge=0, lt=86400)]
    cycle_s: Graded[int]
    flows: str

    @property
    def hour(self) -> int:
        """Hour of the day in which it begins."""
        return self.begin_s // 3600


class Day(_Record):
    """The whole day: per hour, traffic as a share of the peak hour, and the period whose tables and plans hold."""

    share: Graded[tuple[float, ...]]
    pattern: Graded[tuple[str, ...]]

    @model_validator(mode="after")
    def _whole(self) -> Day:
        if len(self.share.value) != 24 or len(self.pattern.value) != 24:
            raise ValueError("a day has 24 hours")
        return self


class VehicleType(_Record):
    """A SUMO vehicle type: attributes beside those of car following."""

    value: dict[str, float | str]
    unit: str
    grade: Grade
    source: str = ""


class Line(_Record):
    """A bus line along the main road from one junction to another, both ways.

    ``start`` and ``end`` are a junction's number and the street end (S, N, W, E) where the line enters and leaves.
    """

    id: str
    start: tuple[int, Literal["S", "N", "W", "E"]]
    end: tuple[int, Literal["S", "N", "W", "E"]]


class Buses(_Record):
    """Bus lines; ``headway_s`` by period. Stops lie off the lane, behind every so-many-th junction."""

    lines: Graded[tuple[Line, ...]]
    headway_s: Graded[dict[str, float]]
    dwell_s: Graded[float]
    stop_every: Graded[int]


class People(_Record):
    """Those on foot: ``persons_h`` over each crossing by the class of the street that it leads over."""

    pavement_m: Graded[float]
    crossing_m: Graded[float]
    walk_s: Graded[int]
    walking_speed_ms: Graded[float]
    persons_h: Graded[dict[str, float]]


class Ebikes(_Record):
    """E-bikes on lanes of their own; ``share`` of the motor vehicles that go straight or turn to the near side."""

    lane_m: Graded[float]
    share: Graded[float]


class Traffic(_Record):
    """Driver behaviour, vehicle types, and the mix of each period: shares of types that sum to 1."""

    following: Graded[dict[str, float | str]]
    types: dict[str, VehicleType]
    mix: dict[str, Graded[dict[str, float]]]

    @model_validator(mode="after")
    def _whole(self) -> Traffic:
        for period, mix in self.mix.items():
            total = sum(mix.value.values())
            if abs(total - 1) > 1e-6:
                raise ValueError(f"{period}: the shares of the vehicle mix sum to {total:g}, not 1")
            if unknown := mix.value.keys() - self.types.keys():
                raise ValueError(f"{period}: the mix has no type {sorted(unknown)[0]}")
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
    day: Day
    duration_s: Annotated[int, Field(gt=0)]
    warmup_s: Annotated[int, Field(ge=0)]
    traffic: Traffic
    buses: Buses
    people: People
    ebikes: Ebikes
    left_out: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _periods_known(self) -> CorridorSpec:
        for name, keys in (
            ("day.pattern", self.day.pattern.value),
            ("traffic.mix", self.traffic.mix),
            ("buses.headway_s", self.buses.headway_s.value),
        ):
            if set(keys) != set(self.periods):
                raise ValueError(f"{name} must name the periods {', '.join(self.periods)}, not {', '.join(keys)}")
        return self


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
    axis: tuple[tuple[float, float], ...] = ()
    people: bool = False
    ebikes: bool = False

    @property
    def title(self) -> str:
        """Name with what was switched on: ``shixin+people``."""
        return "+".join([self.name, *(option for option in OPTIONS if getattr(self, option))])

    def flow(self, n: int, period: str, approach: str) -> Flow:
        """Flow of one approach in veh/h: the table's row that the period takes, scaled by the day's profile.

        Raises:
            BadInput: the table has no such row.
        """
        factor = self.factor(period)
        row = self._rows.get((n, self.corridor.periods[period].flows, approach))
        if row is None:
            raise BadInput(f"{self.corridor.flows}: no row for junction {n}, period {period}, approach {approach}")
        scaled = {name: getattr(row, name) * factor for name in ("veh_h", "left", "through", "right")}
        return row.model_copy(update={**scaled, "period": period})

    def factor(self, period: str) -> float:
        """Traffic of a period over that of the period whose flows it takes."""
        periods, share = self.corridor.periods, self.corridor.day.share.value
        return share[periods[period].hour] / share[periods[periods[period].flows].hour]

    @cached_property
    def _rows(self) -> dict[tuple[int, str, str], Flow]:
        return {(row.n, row.period, row.approach): row for row in self.flows}


def _data() -> Traversable:
    return files("greenband.scenarios") / "data"


def available() -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _data().iterdir() if entry.name.endswith(".yaml"))


def load_section(name: str, people: bool = False, ebikes: bool = False) -> Section:
    """The specification of a shipped scenario, with or without those on foot and on e-bikes.

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
        axis = corridor.geometry.axis
        rows = [JunctionRow.model_validate(row) for row in _csv(folder / corridor.junctions)]
        chosen = tuple(row for row in rows if first <= row.n <= last)
        flows = tuple(Flow.model_validate(row) for row in _csv(folder / corridor.flows))
        return Section(
            name=name,
            corridor=corridor,
            junctions=chosen,
            flows=flows,
            axis=tuple((float(row["lon"]), float(row["lat"])) for row in _csv(folder / axis)) if axis else (),
            people=people,
            ebikes=ebikes,
        )
    except ValidationError as error:
        raise BadInput(f"scenario {name}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error


def _csv(path: Traversable) -> list[dict[str, Any]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
