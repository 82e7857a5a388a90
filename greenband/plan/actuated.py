"""Actuated tables: what a controller needs that lets traffic decide how long a green lasts.

Per stage a minimum and a maximum green in whole seconds, and the passage time: the gap between vehicles that ends the
green. Stages come in the order of the table and none is skipped; yellow, all-red and pedestrian times are the
junction's. A table may have a coordination: then force-offs keep it in step with its neighbours. Without one the signal
runs free.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from greenband.plan.broken import broken
from greenband.plan.calendar import DayPlan, ScheduleRow, checked_names
from greenband.plan.junction import Junction
from greenband.plan.model import Provenance, content_sha256

__all__ = ["ActuatedPlan", "ActuatedSet", "ActuatedStage", "Coordination"]


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


class Coordination(_Record):
    """When greens end in the local cycle, which begins as the coordinated stage turns green by plan.

    That is ``offset_s`` after midnight, modulo the cycle. ``force_off_s`` holds one second of the local cycle for each
    stage, in the table's order: its green ends then at the latest, whenever it began (NTCIP 1202, coordForceMode
    fixed). The coordinated stage rests in green until its own, the yield point; what the others leave over makes it
    begin early.

    Source: FHWA, Traffic Signal Timing Manual, FHWA-HOP-08-024, 2008, chapter 6.
    """

    cycle_s: int = Field(ge=1, le=3600)
    offset_s: int = Field(ge=0)
    stage: int = Field(ge=0, description="index of the coordinated stage in the signal's list of stages")
    force_off_s: tuple[Annotated[int, Field(ge=1)], ...] = Field(description="one for each stage of the table")

    @model_validator(mode="after")
    def _within_cycle(self) -> Self:
        if self.offset_s >= self.cycle_s:
            text = f"offset_s {self.offset_s} must be below cycle_s {self.cycle_s}"
            raise broken("offset", text, self.offset_s, f"below {self.cycle_s}")
        return self


class ActuatedPlan(_Record):
    """The table of one junction; its stages in the order in which they come."""

    signal: str
    name: str = Field(default="", max_length=200)
    stages: tuple[ActuatedStage, ...] = Field(min_length=1)
    coordination: Coordination | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.order)) != len(self.order):
            text = f"signal {self.signal}: a stage appears twice in {list(self.order)}"
            raise broken("stages", text, list(self.order), "each once")
        return self

    @model_validator(mode="after")
    def _forced_in_order(self) -> Self:
        if self.coordination is None:
            return self
        if self.coordination.stage not in self.order:
            text = f"signal {self.signal}: coordinated stage {self.coordination.stage} is not in {list(self.order)}"
            raise broken("stages", text, self.coordination.stage, f"one of {list(self.order)}")
        times = self.coordination.force_off_s
        if len(times) != len(self.stages):
            text = f"signal {self.signal}: {len(times)} force-offs for {len(self.stages)} stages"
            raise broken("force-offs", text, len(times), len(self.stages))
        in_turn = list(self.force_offs_s.values())
        if any(later <= sooner for sooner, later in pairwise((*in_turn, self.coordination.cycle_s))):
            text = f"signal {self.signal}: force-offs {in_turn} s from the coordinated stage on are not in order"
            required = f"each after the one before, all below {self.coordination.cycle_s} s"
            raise broken("force-offs", text, in_turn, required)
        return self

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A table that runs free is written, and hashed, as it was before there were force-offs."""
        data: dict[str, Any] = handler(self)
        if self.coordination is None:
            del data["coordination"]
        return data

    @property
    def order(self) -> tuple[int, ...]:
        """Stage indices, one after the other."""
        return tuple(stage.stage for stage in self.stages)

    @property
    def force_offs_s(self) -> dict[int, int]:
        """Force-off in s by stage index, from the coordinated stage on; empty where the signal runs free."""
        if self.coordination is None:
            return {}
        first = self.order.index(self.coordination.stage)
        pairs = list(zip(self.order, self.coordination.force_off_s, strict=True))
        return dict(pairs[first:] + pairs[:first])

    @property
    def yield_s(self) -> int:
        """The yield point: the coordinated stage's force-off in s of the local cycle; 0 where the signal runs free."""
        return next(iter(self.force_offs_s.values()), 0)

    @property
    def splits_s(self) -> dict[int, int]:
        """Time of each stage with its intergreen in s by stage index; empty where the signal runs free.

        A split lasts from the force-off before it to its own, so all of them add up to the cycle.
        """
        if self.coordination is None:
            return {}
        times = self.force_offs_s
        ends = [max(times.values()) - self.coordination.cycle_s, *times.values()]
        return {stage: end - begin for stage, (begin, end) in zip(times, pairwise(ends), strict=True)}

    def longest_rest_s(self, intergreen_s: int) -> int:
        """How long the coordinated stage is green in s if all others last their minima; 0 if the signal runs free."""
        if self.coordination is None:
            return 0
        others = sum(stage.min_green_s for stage in self.stages if stage.stage != self.coordination.stage)
        return self.coordination.cycle_s - others - len(self.stages) * intergreen_s

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
            if plan.coordination is not None:
                _check_times(period, plan, plan.coordination, self.junctions[plan.signal].intergreen_s)
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


def _check_times(period: str, plan: ActuatedPlan, coordination: Coordination, intergreen_s: int) -> None:
    """The local cycle ends with the last stage's intergreen, and every stage has time for its minimum green."""
    where, last = f"period {period}, junction {plan.signal}", max(coordination.force_off_s)
    if last + intergreen_s != coordination.cycle_s:
        text = (
            f"{where}: the last force-off {last} s and {intergreen_s} s of intergreen are not {coordination.cycle_s} s"
        )
        raise broken("sums", text, f"{where}: {last + intergreen_s} s", f"{coordination.cycle_s} s")
    for stage in plan.stages:
        needed, split = stage.min_green_s + intergreen_s, plan.splits_s[stage.stage]
        if split < needed:
            text = (
                f"{where}, stage {stage.name!r}: a split of {split} s is below minimum green and intergreen, {needed} s"
            )
            raise broken("minimum-service", text, f"{where}: {split} s", f"{needed} s or more")
