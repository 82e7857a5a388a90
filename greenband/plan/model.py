"""Fixed-time timing plans, one per junction and period, and the set of them for a corridor.

Times are whole seconds. A plan repeats its stages in order; its first stage turns green at the offset, counted from
midnight modulo the cycle (reference point: start of green of the first stage). A set holds beside the plans what their
controllers must know: the junctions, and when which plan is in force.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from greenband.errors import BadInput
from greenband.plan.broken import broken
from greenband.plan.calendar import MONDAY, DayPlan, ScheduleRow, checked_names, day_plan_on
from greenband.plan.junction import Junction

__all__ = ["PlanSet", "Provenance", "StageTiming", "TimingPlan", "content_sha256", "validated"]

Model = TypeVar("Model", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageTiming(_Record):
    """One stage of a plan. ``green_s`` is steady green; the green flash 绿闪 follows it and counts as green."""

    stage: int = Field(ge=0, description="index of the stage in the signal's list of stages")
    name: str
    movements: tuple[str, ...] = ()
    green_s: int = Field(ge=0)
    green_flash_s: int = Field(default=0, ge=0)
    yellow_s: int = Field(ge=0)
    all_red_s: int = Field(ge=0)

    @property
    def go_s(self) -> int:
        """Steady and flashing green, in seconds: what SUMO shows as green."""
        return self.green_s + self.green_flash_s

    @property
    def duration_s(self) -> int:
        """Whole stage with its intergreen, in seconds."""
        return self.go_s + self.yellow_s + self.all_red_s


class TimingPlan(_Record):
    """A fixed plan of one junction."""

    signal: str
    name: str = ""
    cycle_s: int = Field(ge=1)
    offset_s: int = Field(ge=0)
    reference: Literal["start of green, first stage"] = "start of green, first stage"
    stages: tuple[StageTiming, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(stage.duration_s for stage in self.stages)
        if total != self.cycle_s:
            text = f"signal {self.signal}: stages sum to {total} s, but cycle_s is {self.cycle_s}"
            raise broken("sums", text, total, self.cycle_s)
        if self.offset_s >= self.cycle_s:
            text = f"signal {self.signal}: offset_s {self.offset_s} must be below cycle_s {self.cycle_s}"
            raise broken("offset", text, self.offset_s, f"below {self.cycle_s}")
        numbers = [stage.stage for stage in self.stages]
        if len(set(numbers)) != len(numbers):
            raise broken("stages", f"signal {self.signal}: a stage appears twice in {numbers}", numbers, "each once")
        return self

    def stage_at(self, time_s: int) -> int:
        """The stage that the plan wants at a time: the green one, or in its intergreen the next."""
        position = (time_s - self.offset_s) % self.cycle_s
        for number, stage in enumerate(self.stages):
            if position < stage.go_s:
                return stage.stage
            if position < stage.duration_s:
                return self.stages[(number + 1) % len(self.stages)].stage
            position -= stage.duration_s
        raise AssertionError("a plan's stages sum to its cycle")

    def first_stage(self, time_s: int, minima_s: Sequence[int]) -> int:
        """The stage to begin with at a time so as to be on plan from then on.

        It is the plan's own, or the next one early where less than the minimum green (one per stage index) is left of
        it.
        """
        position = (time_s - self.offset_s) % self.cycle_s
        for number, stage in enumerate(self.stages):
            if position < stage.duration_s:
                stays = stage.go_s - position >= minima_s[stage.stage]
                return stage.stage if stays else self.stages[(number + 1) % len(self.stages)].stage
            position -= stage.duration_s
        raise AssertionError("a plan's stages sum to its cycle")


class Provenance(_Record):
    """Where a plan set comes from."""

    subject: str
    scenario: str
    seeds: tuple[int, ...] = ()
    greenband: str = ""
    sumo: str = ""
    note: str = ""
    approved_by: str = ""


class PlanSet(_Record):
    """Plans of a corridor: for each period, one plan per signal; with its junctions, day plans and schedule.

    Plans alone are a set too, enough for simulation; see ``greenband.plan.describe`` for the rest.
    """

    provenance: Provenance
    plans: dict[str, dict[str, TimingPlan]]
    junctions: dict[str, Junction] = {}
    day_plans: dict[str, DayPlan] = {}
    schedule: tuple[ScheduleRow, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.plans or not all(self.plans.values()):
            raise ValueError("a plan set needs at least one period with at least one plan")
        for period, plans in self.plans.items():
            for signal, plan in plans.items():
                if plan.signal != signal:
                    raise ValueError(f"period {period}: plan of {plan.signal} is filed under {signal}")
        for signal, junction in self.junctions.items():
            if junction.signal != signal:
                raise ValueError(f"junction {junction.signal} is filed under {signal}")
        if self.junctions:
            for period, plan in self:
                self._fits_junction(period, plan)
        checked_names(self.day_plans, self.schedule, self.plans)
        return self

    def _fits_junction(self, period: str, plan: TimingPlan) -> None:
        if plan.signal not in self.junctions:
            raise ValueError(f"period {period}: junction {plan.signal} is not among the junctions")
        there = len(self.junctions[plan.signal].stages)
        for stage in plan.stages:
            if stage.stage >= there:
                raise ValueError(f"period {period}, junction {plan.signal}: no stage {stage.stage}, it has {there}")

    @property
    def plans_hash(self) -> str:
        """SHA-256 of the plans alone: what tables that hold nothing else can be held against."""
        plans = self.model_dump(mode="json", include={"plans"})["plans"]
        for by_signal in plans.values():
            for plan in by_signal.values():
                del plan["reference"]  # the same for all
        return content_sha256(plans)

    @property
    def content_hash(self) -> str:
        """SHA-256 of all but the provenance, so that the same tables have the same hash whoever made them.

        The order of plans and day plans counts: tables number them by it.
        """
        more = self.model_dump(mode="json", include={"junctions", "day_plans", "schedule"})
        if not any(more.values()):
            return self.plans_hash
        return content_sha256({"plans": self.plans_hash, "order": [[*self.plans], [*self.day_plans]], **more})

    @property
    def whole(self) -> bool:
        """Whether the set says all that a controller needs."""
        return bool(self.junctions and self.day_plans and self.schedule)

    @property
    def plain_day(self) -> str | None:
        """Name of the day plan of a Monday that is no holiday; None where the set has none."""
        return day_plan_on(MONDAY, self.schedule) or next(iter(self.day_plans), None)

    @classmethod
    def schema_text(cls) -> str:
        """The JSON Schema of a plan file (2020-12), as text."""
        schema: dict[str, Any] = cls.model_json_schema()
        schema["properties"]["content_hash"] = {"type": "string", "pattern": "^([0-9a-f]{64})?$"}
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        return json.dumps(schema, indent=1, ensure_ascii=False, sort_keys=True) + "\n"

    def __iter__(self) -> Iterator[tuple[str, TimingPlan]]:  # type: ignore[override]  # (period, plan) pairs
        for period, plans in self.plans.items():
            for plan in plans.values():
                yield period, plan

    @classmethod
    def parse(cls, data: object, source: Path) -> PlanSet:
        """Validate plan data read from ``source``.

        Raises:
            BadInput: naming the file and the first field that is wrong.
        """
        return validated(cls, data, source)


def validated(model: type[Model], data: object, source: Path) -> Model:
    """Data read from ``source`` as a model.

    Raises:
        BadInput: naming the file and the first field that is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        raise BadInput(f"{source}: {place + ': ' if place else ''}{text}") from error


def content_sha256(content: object) -> str:
    """SHA-256 of what JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
