"""Fixed plans as points of a space that an optimiser can walk in, around the green wave."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property

from greenband.plan.cycles import feasible_cycles
from greenband.plan.greenwave import coordinate
from greenband.plan.model import TimingPlan
from greenband.plan.webster import common_cycle_s, flow_ratios, plans_at
from greenband.scenario import Scenario

__all__ = ["PlanSpace"]

# What a coordinate of 1 changes: about as much as a plan can change before its delay does much.
CYCLE_STEP = 0.05  # of the cycle
SPLIT_STEP = 0.10  # of a stage's weight
OFFSET_STEP_S = 4.0
IDLE_WEIGHT = 0.01  # what a coordinate of 1 adds for a stage even without traffic, times SPLIT_STEP


class PlanSpace:
    """Plans of a period with one common cycle and the network's stage order.

    A point has one coordinate for the cycle; where there are several signals, one for the weight of their second
    stages, one for that of their third and so on; one for the weight of each stage but the first of a signal; and one
    for each signal's offset but the first's; all of the order of 1. At 0 lies the green wave; elsewhere the green wave
    of the point's cycle is changed. Every point is a plan: what a cycle or a green may not be is brought within limits.

    The weights that signals share are there twice, as it were. That leads an optimiser along them first: they change
    delay much, while what single signals gain and lose mostly cancels out.
    """

    def __init__(self, scenario: Scenario, period: str, max_cycle_s: int) -> None:
        self._scenario, self._period, self._max_cycle_s = scenario, period, max_cycle_s
        self._waves: dict[int, dict[str, TimingPlan]] = {}

    @cached_property
    def _ratios(self) -> dict[str, list[float]]:
        return flow_ratios(self._scenario, self._period)

    @cached_property
    def _cycles(self) -> tuple[int, int, int]:
        """Shortest, first and longest cycle in s."""
        limits = {n: signal.limits(self._scenario.timing) for n, signal in self._scenario.network.signals.items()}
        shortest, longest = feasible_cycles(limits)
        return shortest, common_cycle_s(limits, self._ratios, self._max_cycle_s), longest

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        stages = [len(signal.stages) for signal in self._scenario.network.signals.values()]
        return self._shared + sum(stages)  # cycle, shared weights, and per signal its own and an offset, but one

    @property
    def _shared(self) -> int:
        """Number of weights that all signals have in common."""
        stages = [len(signal.stages) for signal in self._scenario.network.signals.values()]
        return max(stages) - 1 if len(stages) > 1 else 0

    def plans(self, point: Sequence[float]) -> dict[str, TimingPlan]:
        """The plans at a point, by signal.

        Raises:
            BadInput: the limits of the signals allow no common cycle.
        """
        cycle = self._cycle_s(point[0])
        common, rest = [0.0, *point[1 : 1 + self._shared]], iter(point[1 + self._shared :])
        weights = {}
        for name, ratios in self._ratios.items():
            own = [0.0, *itertools.islice(rest, len(ratios) - 1)]
            shared = itertools.chain(common, itertools.repeat(0.0))
            weights[name] = [_weight(r, a + b) for r, a, b in zip(ratios, own, shared, strict=False)]
        plans = plans_at(self._scenario, self._period, cycle, weights)
        shifts = [0.0, *rest]
        return {
            name: plan.model_copy(
                update={"offset_s": round(self._wave(cycle)[name].offset_s + OFFSET_STEP_S * shift) % cycle}
            )
            for (name, plan), shift in zip(plans.items(), shifts, strict=True)
        }

    def _cycle_s(self, coordinate: float) -> int:
        shortest, first, longest = self._cycles
        most = math.log(longest / first)  # keeps the power in range wherever the optimiser looks
        return max(shortest, round(first * math.exp(min(CYCLE_STEP * coordinate, most))))

    def _wave(self, cycle_s: int) -> dict[str, TimingPlan]:
        if cycle_s not in self._waves:
            plans = plans_at(self._scenario, self._period, cycle_s, self._ratios)
            self._waves[cycle_s] = coordinate(self._scenario, self._period, plans).plans
        return self._waves[cycle_s]


def _weight(ratio: float, move: float) -> float:
    """Weight of a stage, moved from its flow ratio by so many steps."""
    move = max(-20.0, min(move, 20.0))
    return ratio * math.exp(SPLIT_STEP * move) + IDLE_WEIGHT * SPLIT_STEP * max(0.0, move)
