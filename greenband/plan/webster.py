"""Webster's fixed-time settings: one cycle for all signals, green in proportion to the stages' critical flow ratios.

Webster, Traffic Signal Settings, Road Research Technical Paper 39 (1958). Flows are the turning flows of the scenario's
demand, as an engineer would count them; saturation flow is ``SATURATION_VEH_H_LANE``. The time lost per stage is taken
as its intergreen: what is lost at the start of green is about what is gained in yellow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from greenband.errors import BadInput
from greenband.plan.cycles import feasible_cycles, least_greens
from greenband.plan.model import TimingPlan
from greenband.plan.ratios import critical_ratios
from greenband.plan.splits import (
    SATURATION_VEH_H_LANE,
    build_plan,
    movement_flows,
    needed_cycle_s,
)
from greenband.scenario import Scenario
from greenband.signals import Limits

__all__ = ["common_cycle_s", "flow_ratios", "longest_cycle_s", "plans_at", "webster"]


def webster(scenario: Scenario, period: str, max_cycle_s: int) -> dict[str, TimingPlan]:
    """Plans by signal, offsets 0; see ``common_cycle_s`` for the cycle.

    Raises:
        BadInput: the limits of the signals allow no common cycle, or no flow is known.
    """
    ratios = flow_ratios(scenario, period)
    return plans_at(scenario, period, common_cycle_s(_limits(scenario), ratios, max_cycle_s), ratios)


def flow_ratios(scenario: Scenario, period: str) -> dict[str, list[float]]:
    """Per signal, the critical flow ratio of each stage.

    Raises:
        BadInput: nothing is known of where traffic goes.
    """
    flows = movement_flows(scenario.demand(period))
    if not any(flows.values()):
        raise BadInput(
            f"scenario {scenario.name}, period {period}: no departure has a route known beforehand, so there are no"
            " flows to make a plan of"
        )
    return {n: critical_ratios(s, flows, SATURATION_VEH_H_LANE) for n, s in scenario.network.signals.items()}


def common_cycle_s(limits: Mapping[str, Limits], ratios: Mapping[str, list[float]], max_cycle_s: int) -> int:
    """The largest of the signals' optimal cycles in whole seconds, within what their limits allow.

    Webster's formula grows beyond bounds as demand comes near capacity (flow ratios that sum to 1), hence
    ``max_cycle_s``; only minimum greens may make the cycle longer than that.

    Raises:
        BadInput: the limits allow no common cycle.
    """
    shortest, longest = feasible_cycles(limits)
    optimal = max(needed_cycle_s(one, ratios[name]) for name, one in limits.items())
    return max(shortest, min(math.ceil(min(optimal, max_cycle_s) - 1e-6), longest))


def longest_cycle_s(scenario: Scenario, max_cycle_s: int) -> int:
    """The longest common cycle in s that the limits allow, ``max_cycle_s`` at most unless minimum greens need more.

    Raises:
        BadInput: the limits allow no common cycle.
    """
    shortest, longest = feasible_cycles(_limits(scenario))
    return max(shortest, min(max_cycle_s, longest))


def plans_at(
    scenario: Scenario, period: str, cycle_s: int, weights: Mapping[str, list[float]]
) -> dict[str, TimingPlan]:
    """Plans by signal at a cycle, green shared by one weight per stage within the limits; offsets 0."""
    limits = _limits(scenario)
    name = f"{period} {cycle_s} s"
    return {
        n: build_plan(signal, limits[n], cycle_s, weights[n], name=name, minima_s=least_greens(limits[n], cycle_s))
        for n, signal in scenario.network.signals.items()
    }


def _limits(scenario: Scenario) -> dict[str, Limits]:
    return {name: signal.limits(scenario.timing) for name, signal in scenario.network.signals.items()}
