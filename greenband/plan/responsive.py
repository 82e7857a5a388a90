"""Traffic-responsive plan selection: a library of fixed plans, and the counts that tell which of them to run.

Stop lines along the road are grouped into system detectors: each direction of the main road, and the side flow. A plan
has a signature, the flow at each of them for which it was made. Every few minutes the plan whose signature is nearest
to what was counted comes into force, if it is nearer than the present one by a margin, and not before that has run for
a while: each change costs a transition.

Source: traffic-responsive plan selection, Abbas, Chaudhary et al., Texas Transportation Institute, report 0-4421-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, Provenance, TimingPlan, content_sha256

__all__ = ["LibraryPlan", "ResponsiveLibrary", "SystemDetector"]

Flows = Mapping[str, Mapping[str, float]]  # veh/h by signal and movement


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SystemDetector(_Record):
    """Stop lines that are counted together: ids of movements, by signal."""

    movements: dict[str, tuple[str, ...]] = Field(min_length=1)

    def flow_veh_h(self, flows: Flows) -> float | None:
        """Flow in veh/h, the mean over its signals among ``flows``; None where there is none of them."""
        seen = [
            sum(flows[signal].get(movement, 0.0) for movement in own)
            for signal, own in self.movements.items()
            if signal in flows
        ]
        return sum(seen) / len(seen) if seen else None


class LibraryPlan(_Record):
    """Fixed plans by signal, and the flow in veh/h at each system detector that calls for them."""

    signature_veh_h: dict[str, int]
    plans: dict[str, TimingPlan] = Field(min_length=1)


class ResponsiveLibrary(_Record):
    """Plans of a corridor to choose from, with the detectors and thresholds that choose.

    Counts are gathered over ``interval_s``; a plan stays for ``stay_s`` at least, and gives way only to one whose
    distance from the counts is less than its own by more than ``margin_percent`` of that one's.
    """

    kind: Literal["responsive"] = "responsive"
    provenance: Provenance
    detectors: dict[str, SystemDetector] = Field(min_length=1)
    library: dict[str, LibraryPlan] = Field(min_length=2)
    interval_s: int = Field(default=300, ge=60, le=3600)
    stay_s: int = Field(default=900, ge=0, le=86400)
    margin_percent: int = Field(default=10, ge=0, le=1000)
    junctions: dict[str, Junction]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        signals = {name: set(entry.plans) for name, entry in self.library.items()}
        for name, entry in self.library.items():
            if set(entry.signature_veh_h) != set(self.detectors):
                raise ValueError(f"plan {name}: its signature is not of the detectors {', '.join(self.detectors)}")
            if any(flow < 0 for flow in entry.signature_veh_h.values()):
                raise ValueError(f"plan {name}: a flow of its signature is below 0")
            if signals[name] != set.union(*signals.values()):
                raise ValueError(f"plan {name}: it lacks a junction that another plan of the library has")
        try:
            self.plan_set()
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
        return self

    def distances(self, flows: Flows) -> dict[str, float]:
        """How far each plan's signature is from flows, by its name.

        The sum over detectors of the difference, each relative to the highest flow that any signature has there.
        Detectors of which no signal is among ``flows`` do not count.
        """
        seen = {name: detector.flow_veh_h(flows) for name, detector in self.detectors.items()}
        highest = {d: max(1, *(entry.signature_veh_h[d] for entry in self.library.values())) for d in self.detectors}
        return {
            name: sum(abs(flow - entry.signature_veh_h[d]) / highest[d] for d, flow in seen.items() if flow is not None)
            for name, entry in self.library.items()
        }

    def chosen(self, flows: Flows, present: str) -> str:
        """The plan to run from now on, given flows and the one in force."""
        distances = self.distances(flows)
        nearest = min(distances, key=lambda name: distances[name])
        return nearest if distances[nearest] * (1 + self.margin_percent / 100) < distances[present] else present

    def plan_set(self) -> PlanSet:
        """The plans as a set of their own, the first in force all day: what rules and tables can look at."""
        day = {"all day": DayPlan(switches=(Switch(at_min=0, plan=next(iter(self.library))),))}
        plans = {name: entry.plans for name, entry in self.library.items()}
        return PlanSet(
            provenance=self.provenance,
            plans=plans,
            junctions=self.junctions,
            day_plans=day,
            schedule=(ScheduleRow(day_plan="all day"),),
        )

    @property
    def content_hash(self) -> str:
        """SHA-256 of all but the provenance."""
        return content_sha256(self.model_dump(mode="json", exclude={"provenance"}))
