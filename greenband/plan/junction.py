"""What a controller must know of its junction before it can hold a plan: signal groups, stages, limits and conflicts.

Times are whole seconds, signal groups and stages are numbered from 1 as on the street; a plan's ``stage`` is an index
from 0 into ``Junction.stages``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from greenband.plan.broken import broken
from greenband.signals import green_lamps

__all__ = ["COMPASS", "Junction", "SignalGroup", "StageDefinition", "Walk"]

MAX_TEXT = 200
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

Text = Field(max_length=MAX_TEXT)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignalGroup(_Record):
    """Lamps that always show the same 信号组: a movement of vehicles, or a crossing on foot."""

    number: int = Field(ge=1, le=999)
    kind: Literal["vehicle", "bicycle", "pedestrian"] = "vehicle"
    movement: str = Field(max_length=MAX_TEXT, description="id of the movement, from>to, or of the crossing")
    bearing: int = Field(
        default=0, ge=0, le=359, description="degrees clockwise from north in which the approach travels"
    )
    turn: Literal["through", "near", "far", "back", "crossing"] = "through"
    lanes: int = Field(default=1, ge=0)
    links: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(), description="places in SUMO's lamp string")
    speed_ms: float = Field(gt=0, lt=100, description="speed limit of the approach, or walking speed")
    crossing_m: float = Field(ge=0, lt=1000, description="length of the way over the junction")
    on_red: bool = Field(default=False, description="may turn on red after a stop")

    @model_validator(mode="after")
    def _has_a_way(self) -> Self:
        if self.kind == "pedestrian" and self.crossing_m == 0:
            raise broken("pedestrians", f"crossing {self.movement} has no length", "0 m", "more than 0 m")
        return self

    @property
    def travels(self) -> str:
        """The point of the compass towards which the approach travels, such as ``N`` or ``SW``."""
        return COMPASS[round(self.bearing / 45) % 8]


class Walk(_Record):
    """A crossing in a stage: walk from the stage's start, then the flash 绿闪, which a minimum green has room for.

    Who begins to cross as the walk ends has the flash, the yellow and the all-red for the way over.
    """

    group: int = Field(ge=1)
    walk_s: int = Field(ge=1, le=255)
    flash_s: int = Field(ge=0, le=255)


class StageDefinition(_Record):
    """Signal groups that are green together 阶段. ``permitted`` ones go but give way; all others stand."""

    name: str = Text
    lamps: str = Field(
        default="", max_length=1000, pattern=r"^[rGgsuyoO]*$", description="SUMO's lamp string of the green"
    )
    green: tuple[int, ...]
    permitted: tuple[int, ...] = ()
    min_green_s: int = Field(ge=1, le=999)
    max_green_s: int = Field(ge=1, le=999)
    walks: tuple[Walk, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_green_s > self.max_green_s:
            text = f"stage {self.name!r}: min_green_s {self.min_green_s} exceeds max_green_s {self.max_green_s}"
            raise broken("min-green", text, self.min_green_s, f"at most {self.max_green_s}")
        if both := set(self.green) & set(self.permitted):
            raise ValueError(f"stage {self.name!r}: group {min(both)} is both green and permitted")
        crossing = [walk.group for walk in self.walks]
        if len(set(crossing)) < len(crossing) or not set(crossing) <= self.going:
            text = f"stage {self.name!r}: its walks are for groups {crossing}"
            raise broken("pedestrians", text, crossing, "crossings that are green in the stage, each once")
        return self

    @property
    def going(self) -> frozenset[int]:
        """Groups that may go, protected or giving way."""
        return frozenset(self.green) | frozenset(self.permitted)


class Junction(_Record):
    """One signalised junction as its controller sees it.

    ``coordination`` names the junctions that run on a common cycle or half of it. ``conflicts`` holds pairs of groups
    whose ways cross or merge; ``yields`` holds pairs (a, b) where a, if permitted, waits for b.
    """

    signal: str = Text
    number: int = Field(ge=1, description="place along the road, from 1")
    name_en: str = Field(default="", max_length=MAX_TEXT)
    name_zh: str = Field(default="", max_length=MAX_TEXT)
    x_m: float = 0.0
    y_m: float = 0.0
    left_hand: bool = Field(default=False, description="traffic keeps left: near-side turns go to the left")
    coordination: str = Field(default="", max_length=MAX_TEXT)
    yellow_s: int = Field(ge=0, le=25)
    all_red_s: int = Field(ge=0, le=25)
    green_flash_s: int = Field(default=0, ge=0, le=25)
    max_red_s: int = Field(ge=1, le=3600)
    groups: tuple[SignalGroup, ...] = Field(min_length=1)
    stages: tuple[StageDefinition, ...] = Field(min_length=1)
    conflicts: tuple[tuple[int, int], ...] = ()
    yields: tuple[tuple[int, int], ...] = ()

    @model_validator(mode="after")
    def _groups_exist(self) -> Self:
        numbers = [group.number for group in self.groups]
        if len(set(numbers)) != len(numbers):
            raise ValueError(f"junction {self.signal}: a signal group number appears twice")
        named = [number for stage in self.stages for number in (*stage.going, *(walk.group for walk in stage.walks))]
        pairs = [number for pair in (*self.conflicts, *self.yields) for number in pair]
        if unknown := set(named + pairs) - set(numbers):
            raise ValueError(f"junction {self.signal}: there is no signal group {min(unknown)}")
        on_foot = {group.number for group in self.groups if group.kind == "pedestrian"}
        if walking := {walk.group for stage in self.stages for walk in stage.walks} - on_foot:
            raise ValueError(f"junction {self.signal}: group {min(walking)} has a walk and is no crossing")
        return self

    @model_validator(mode="after")
    def _lamps_fit(self) -> Self:
        sizes = {len(stage.lamps) for stage in self.stages}
        links = [link for group in self.groups for link in group.links]
        if len(sizes) > 1:
            text = f"junction {self.signal}: lamp strings of lengths {sorted(sizes)}"
            raise broken("lamps", text, sorted(sizes), "one length for all stages")
        if len(set(links)) < len(links) or (sizes != {0} and links and max(links) >= max(sizes)):
            text = f"junction {self.signal}: links {sorted(links)} for {max(sizes)} lamps"
            raise broken("lamps", text, sorted(links), "each below the number of lamps, in one group alone")
        return self

    @property
    def intergreen_s(self) -> int:
        """Yellow plus all-red."""
        return self.yellow_s + self.all_red_s

    def walk_steps(self, stage: int) -> list[tuple[int, str]]:
        """What a stage shows while green: (seconds from its start, SUMO's lamps); a crossing is red after its walk."""
        shown = self.stages[stage]
        walks = [(link, walk.walk_s) for walk in shown.walks for link in self.group(walk.group).links]
        return list(green_lamps(shown.lamps, walks))

    def group(self, number: int) -> SignalGroup:
        """A signal group by its number.

        Raises:
            KeyError: there is none.
        """
        for group in self.groups:
            if group.number == number:
                return group
        raise KeyError(number)

    def vehicle_groups(self) -> Iterator[SignalGroup]:
        """All groups but those of crossings."""
        return (group for group in self.groups if group.kind != "pedestrian")
