"""Actuated tables: what a controller needs that lets traffic decide how long a green lasts.

Per stage a minimum and a maximum green in whole seconds, and the passage time: the gap between vehicles that ends the
green. Stages come in the order of the table and none is skipped; yellow, all-red and pedestrian times are the
junction's. Signals run freely: force-offs of coordinated control are not held.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from greenband.plan.broken import broken
from greenband.plan.calendar import DayPlan, ScheduleRow, checked_names
from greenband.plan.junction import Junction
from greenband.plan.model import Provenance, content_sha256

__all__ = ["ActuatedPlan", "ActuatedSet", "ActuatedStage"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ActuatedStage(_Record):
    """One stage: its green lasts from ``min_green_s`` to ``max_green_s``, green flash included.

    ``passage_ds`` is in tenths of a second, the resolution of NTCIP 1202's phasePassage.
    """

    stage: int = Field(ge=0, description="index of the stage in the signal's list of stages")
    name: str = Field(max_length=200)
    min_green_s: int = Field(ge=1, le=999)
    max_green_s: int = Field(ge=1, le=999)
    passage_ds: int = Field(ge=1, le=255, description="tenths of a second")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_green_s > self.max_green_s:
            text = f"stage {self.name!r}: min_green_s {self.min_green_s} exceeds max_green_s {self.max_green_s}"
            raise broken("min-green", text, self.min_green_s, f"at most {self.max_green_s}")
        return self

    @property
    def passage_s(self) -> float:
        """Passage time in s."""
        return self.passage_ds / 10


class ActuatedPlan(_Record):
    """The table of one junction; its stages in the order in which they come."""

    signal: str
    name: str = Field(default="", max_length=200)
    stages: tuple[ActuatedStage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.order)) != len(self.order):
            text = f"signal {self.signal}: a stage appears twice in {list(self.order)}"
            raise broken("stages", text, list(self.order), "each once")
        return self

    @property
    def order(self) -> tuple[int, ...]:
        """Stage indices, one after the other."""
        return tuple(stage.stage for stage in self.stages)

    def longest_red_s(self, stage: ActuatedStage, intergreen_s: int) -> int:
        """How long a stage is red in s if every other one lasts its maximum."""
        others = sum(other.max_green_s for other in self.stages if other is not stage)
        return others + len(self.stages) * intergreen_s


class ActuatedSet(_Record):
    """Actuated tables of a corridor: for each period, one per signal; with junctions, day plans and schedule."""

    kind: Literal["actuated"] = "actuated"
    provenance: Provenance
    plans: dict[str, dict[str, ActuatedPlan]] = Field(min_length=1)
    junctions: dict[str, Junction]
    day_plans: dict[str, DayPlan]
    schedule: tuple[ScheduleRow, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not all(self.plans.values()):
            raise ValueError("every period needs at least one table")
        for period, plan in self:
            if self.plans[period].get(plan.signal) is not plan:
                raise ValueError(f"period {period}: the table of {plan.signal} is filed under another signal")
            if plan.signal not in self.junctions:
                raise ValueError(f"period {period}: junction {plan.signal} is not among the junctions")
            there = len(self.junctions[plan.signal].stages)
            if max(plan.order) >= there:
                raise ValueError(f"period {period}, junction {plan.signal}: no stage {max(plan.order)}, it has {there}")
        checked_names(self.day_plans, self.schedule, self.plans)
        return self

    @property
    def content_hash(self) -> str:
        """SHA-256 of all but the provenance."""
        return content_sha256(self.model_dump(mode="json", exclude={"provenance"}))

    def __iter__(self) -> Iterator[tuple[str, ActuatedPlan]]:  # type: ignore[override]  # (period, table) pairs
        for period, plans in self.plans.items():
            for plan in plans.values():
                yield period, plan
