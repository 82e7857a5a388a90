"""What a signal shows without its detectors: a fixed pattern, as a controller on the street falls back to."""

from __future__ import annotations

from collections.abc import Mapping

from greenband.formats import json as plan_json
from greenband.network import Signal
from greenband.plan.model import PlanSet, TimingPlan
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario
from greenband.signals import Limits

__all__ = ["FixedPatterns"]

EQUAL_GREEN_S = 25  # assumed


class FixedPatterns:
    """Per signal its plan, or equal greens in turn where there is none for it.

    ``plans`` are the scenario's existing ones by default.

    The interlock stands behind them as behind any controller, so a plan that breaks a limit is no danger here.

    Raises:
        UnknownName: the scenario has no such period.
        BadInput: the existing plan cannot be read.
    """

    def __init__(
        self, scenario: Scenario, period: str, limits: Mapping[str, Limits], plans: PlanSet | None = None
    ) -> None:
        self._name, self._period = period, scenario.period(period)
        if plans is None and self._period.existing_plan:
            plans = plan_json.read(scenario.existing_plan_file(period))
        self._plans = plans.plans if plans else {}
        self._equal = {name: equal_greens(signal, limits[name]) for name, signal in scenario.network.signals.items()}

    def stage_at(self, signal: str, time_s: int) -> int:
        """The stage that the signal should show at a time in s."""
        period = self._name if self._name in self._plans else self._period.plan_period(time_s)
        plan = self._plans.get(period or "", {}).get(signal, self._equal[signal])
        return plan.stage_at(time_s)


def equal_greens(signal: Signal, limits: Limits) -> TimingPlan:
    """Every stage in turn for the same green, but for longer minima; for its minimum where the round gets too long."""
    minima = limits.min_green_s
    greens = [min(max(least, EQUAL_GREEN_S), limits.max_green_s) for least in minima]
    if sum(greens) - min(greens) + len(greens) * limits.intergreen_s > limits.max_red_s:
        greens = list(minima)
    cycle = sum(greens) + len(greens) * limits.intergreen_s
    return build_plan(signal, limits, cycle, greens, minima_s=greens)
