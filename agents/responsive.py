"""Traffic-responsive plan selection: runs the plan of a library that fits what was counted."""

from __future__ import annotations

from collections.abc import Mapping

from greenband.agents.fixed import PlanRunner, checked_plans
from greenband.plan.model import TimingPlan
from greenband.plan.responsive import ResponsiveLibrary
from greenband.scenario import Scenario
from greenband.sensing import Measurement

__all__ = ["Responsive"]


class Responsive(PlanRunner):
    """Counts vehicles at the stop lines, and every few minutes chooses a plan; see ``greenband.plan.responsive``.

    A run begins with the plan that is named after the period, or the one in force then, else with the library's first.
    Signals with a movement that no working detector sees do not count; where none is left the plan stays. Between two
    choices signals go by the clock alone, and so they do on while detectors fail.

    Raises (on reset):
        BadInput: a plan lacks a signal, or breaks its junction's limits.
    """

    counts = True

    def __init__(self, plans: ResponsiveLibrary) -> None:
        self._library = plans
        self._plans: dict[str, Mapping[str, TimingPlan]] = {}
        self.chosen: list[tuple[int, str]] = []  # plans so far: (time in s at which one came into force, its name)
        self._now = self._counted_s = 0

    @property
    def blind(self) -> bool:
        """Whether no counts are due in the next second that is asked for."""
        return self._now + self.interval_s < self._counted_s + self._library.interval_s

    def reset(self, scenario: Scenario, period: str) -> Mapping[str, int]:
        """Hold all plans against the junctions' limits; returns the stages to begin with."""
        span = scenario.period(period)
        self._plans = {
            name: checked_plans(scenario, name, entry.plans) for name, entry in self._library.library.items()
        }
        self._movements = {name: [m.id for m in signal.movements] for name, signal in scenario.network.signals.items()}
        wanted = (period, span.plan_period(span.start_s))
        first = next((name for name in wanted if name in self._plans), next(iter(self._plans)))
        self.chosen = [(span.start_s, first)]
        self._counted_s, self._now = span.start_s, span.start_s - self.interval_s
        return self.begin(scenario, self._plans[first], span.start_s)

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """The stages that the plan in force holds for this second; chooses it anew where there are counts."""
        self._now = measurement.time_s
        if measurement.signals:
            self._choose(self._flows(measurement))
            self._counted_s = measurement.time_s
        return self.stages_at(measurement.time_s)

    def _flows(self, measurement: Measurement) -> dict[str, dict[str, float]]:
        """Flows in veh/h since the last count, by signal and movement."""
        hours = (measurement.time_s - self._counted_s) / 3600
        return {
            name: dict(zip(self._movements[name], (view.passed / hours).tolist(), strict=True))
            for name, view in measurement.signals.items()
            if view.passed is not None and view.blind_s == 0
        }

    def _choose(self, flows: Mapping[str, Mapping[str, float]]) -> None:
        since_s, present = self.chosen[-1]
        if self._now - since_s < self._library.stay_s:
            return
        name = self._library.chosen(flows, present)
        if name != present:
            self.chosen.append((self._now, name))
            self._active = self._plans[name]
