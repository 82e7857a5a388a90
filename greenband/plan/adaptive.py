"""Plans that are changed once a cycle: green splits, offsets and the common cycle, around a green wave.

What may change, in small steps around a plan of a fixed stage order, is what SCOOT changes (Hunt, Robertson, Bretherton
and Winton, SCOOT, TRRL Laboratory Report 1014, 1981); what decides here is a policy. A plan that this module makes is
one that a controller can hold: it keeps the junction's limits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from greenband.observation import MAX_STAGES
from greenband.plan.cycles import feasible_cycles, least_greens
from greenband.plan.greenwave import greenwave
from greenband.plan.model import TimingPlan
from greenband.plan.planner import plan_periods
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario

__all__ = ["ADJUSTMENTS", "AdaptivePlans", "Adjusting", "adjusted_plans"]

ADJUSTMENTS = MAX_STAGES + 2  # per signal: of the green of each stage, of the offset, of the common cycle
SPLIT_RANGE, OFFSET_RANGE, CYCLE_RANGE = 1.0, 0.25, 0.3  # at -1 and 1: e^1 times, of the cycle, e^0.3 times
MAX_CYCLE_S = 120  # of the green wave

Floats = npt.NDArray[np.floating]


@runtime_checkable
class Adjusting(Protocol):
    """A controller that adjusts plans once a cycle, and tells by how much."""

    def mean_adjustments(self) -> Floats:
        """Mean over the cycles of the last run that began in the measured period, shape ``[signals, ADJUSTMENTS]``."""


def adjusted_plans(scenario: Scenario, period: str, adjustments: Floats) -> dict[str, TimingPlan]:
    """The plans of a period at adjustments that stay as they are, by signal: what a table can hold.

    Raises:
        BadInput: the limits of the signals allow no common cycle.
    """
    plans = AdaptivePlans(scenario, period)
    plans.begin(scenario.period(period).start_s, adjustments)
    return dict(plans.plans)


class AdaptivePlans:
    """The plans of some signals, cycle by cycle.

    With all adjustments 0 they are those of the green wave. The common cycle is what the signals ask for on average.

    Args:
        scenario: where.
        period: when; where it spans several, each one's green wave is taken at its time.
        signals: those that have plans, all by default.

    Raises:
        BadInput: the limits of the signals allow no common cycle.
    """

    def __init__(self, scenario: Scenario, period: str, signals: Collection[str] | None = None) -> None:
        network, span = scenario.network, scenario.period(period)
        self._signals = {name: network.signals[name] for name in network.signals if signals is None or name in signals}
        self._limits = {name: signal.limits(scenario.timing) for name, signal in self._signals.items()}
        self._shortest, self._longest = feasible_cycles(self._limits)
        waves = {part: greenwave(scenario, part, MAX_CYCLE_S).plans for part in plan_periods(scenario, [period])}
        parts = [(switch.time_s, switch.period) for switch in span.plans] or [(span.start_s, period)]
        self._bases = [(time_s, waves[part]) for time_s, part in parts]
        self.restart(span.start_s)

    def restart(self, time_s: int) -> Mapping[str, int]:
        """Begin anew at a time, with the green wave as it is; returns the stages to begin with."""
        self.begin(time_s, np.zeros((len(self._signals), ADJUSTMENTS)))
        self.ends_s = time_s  # nothing has been decided yet
        return {name: plan.first_stage(0, self._limits[name].min_green_s) for name, plan in self.plans.items()}

    def begin(self, time_s: int, adjustments: Floats) -> None:
        """Begin a cycle, which ends at ``ends_s``.

        Args:
            time_s: of its beginning.
            adjustments: one row of ``ADJUSTMENTS`` for each signal, from -1 to 1; beyond that they are cut off, and
                what is no number is 0.
        """
        adjustments = np.clip(np.nan_to_num(adjustments), -1.0, 1.0)
        base = next(plans for since_s, plans in reversed(self._bases) if since_s <= time_s or since_s == self._first_s)
        cycle_s = self._cycle_s(base, float(adjustments[:, -1].mean()))
        self.plans = {
            name: self._plan(name, base[name], cycle_s, row)
            for name, row in zip(self._signals, adjustments.tolist(), strict=True)
        }
        self._began_s, self.ends_s = time_s, time_s + cycle_s

    def stages(self, time_s: int) -> dict[str, int]:
        """The stage that each signal's plan wants at a time."""
        return {name: plan.stage_at(time_s - self._began_s) for name, plan in self.plans.items()}

    def steady_s(self, time_s: int, at_most_s: int) -> int:
        """For how long from a time on no plan wants another stage; the end of the cycle counts as a change."""
        wanted, at_most_s = self.stages(time_s), min(at_most_s, self.ends_s - time_s)
        return next((s for s in range(1, at_most_s) if self.stages(time_s + s) != wanted), at_most_s)

    @property
    def _first_s(self) -> int:
        return self._bases[0][0]

    def _cycle_s(self, base: Mapping[str, TimingPlan], wish: float) -> int:
        usual_s = next(iter(base.values())).cycle_s
        return min(max(round(usual_s * math.exp(CYCLE_RANGE * wish)), self._shortest), self._longest)

    def _plan(self, name: str, base: TimingPlan, cycle_s: int, row: list[float]) -> TimingPlan:
        order = [stage.stage for stage in base.stages]
        green_s = {stage.stage: stage.go_s for stage in base.stages}
        weights = [green_s[k] * math.exp(SPLIT_RANGE * row[k]) for k in range(len(order))]
        offset_s = round(cycle_s * (base.offset_s / base.cycle_s + OFFSET_RANGE * row[-2]))
        limits = self._limits[name]
        minima_s = least_greens(limits, cycle_s)
        return build_plan(self._signals[name], limits, cycle_s, weights, offset_s, base.name, order, minima_s)
