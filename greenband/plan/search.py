"""Fixed plans as points of a space that an optimiser can walk in, around the green wave or around other plans."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from greenband.plan.cycles import feasible_cycles
from greenband.plan.greenwave import coordinate, greenwave
from greenband.plan.model import TimingPlan
from greenband.plan.offsets import align, streams
from greenband.plan.webster import flow_ratios, plans_at
from greenband.scenario import Scenario

__all__ = ["AroundPlans", "Block", "PlanSpace"]

# What a coordinate of 1 changes. Steps of all coordinates at once should cost little: on shixin_short, AM, a cycle 10 %
# shorter than the green wave's costs 4 s of 63 s/veh, weights of a stage changed by a fifth at all signals 1 to 10 s.
CYCLE_STEP = 0.02  # of the cycle
SPLIT_STEP = 0.04  # of a stage's weight
OFFSET_STEP_S = 2.0
IDLE_WEIGHT = 0.02  # what a coordinate of 1 adds for a stage even without traffic, times SPLIT_STEP


@dataclass(frozen=True)
class Block:
    """Coordinates of a point that belong together, and the signals whose traffic feels a change of them."""

    coordinates: slice
    signals: frozenset[str]


class PlanSpace:
    """Plans of a period with one common cycle and the network's stage order.

    A point has one coordinate for the cycle, then signal by signal one for the weight of each stage but the first and
    one for the offset, which the first signal has not; all of the order of 1. At 0 lies the green wave; elsewhere the
    green wave of the point's cycle is changed. Every point is a plan: what a cycle or a green may not be is brought
    within limits.
    """

    def __init__(self, scenario: Scenario, period: str, max_cycle_s: int) -> None:
        self.scenario, self._period, self._max_cycle_s = scenario, period, max_cycle_s
        self._waves: dict[int, dict[str, TimingPlan]] = {}

    @cached_property
    def _ratios(self) -> dict[str, list[float]]:
        return flow_ratios(self.scenario, self._period)

    @cached_property
    def _cycles(self) -> tuple[int, int, int]:
        """Shortest, first and longest cycle in s."""
        limits = {n: signal.limits(self.scenario.timing) for n, signal in self.scenario.network.signals.items()}
        shortest, longest = feasible_cycles(limits)
        return shortest, self._first_cycle_s(), longest

    def _first_cycle_s(self) -> int:
        return greenwave(self.scenario, self._period, self._max_cycle_s).cycle_s

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        signals = self.scenario.network.signals.values()
        return sum(len(signal.stages) - 1 for signal in signals) + len(signals)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The cycle, which all signals feel, then each signal, which it feels itself and the next in all directions."""
        network = self.scenario.network
        feel = {name: {name} for name in network.signals}
        for stream in streams(network, self.scenario.demand(self._period)):
            feel[stream.upstream].add(stream.downstream)
            feel[stream.downstream].add(stream.upstream)
        blocks = [Block(slice(0, 1), frozenset(network.signals))]
        for number, (name, signal) in enumerate(network.signals.items()):
            first = blocks[-1].coordinates.stop
            size = len(signal.stages) - 1 + (number > 0)
            blocks.append(Block(slice(first, first + size), frozenset(feel[name])))
        return tuple(block for block in blocks if block.coordinates.start < block.coordinates.stop)

    def plans(self, point: Sequence[float]) -> dict[str, TimingPlan]:
        """The plans at a point, by signal.

        Raises:
            BadInput: the limits of the signals allow no common cycle.
        """
        cycle = self._cycle_s(point[0])
        rest, weights, moves = iter(point[1:]), dict[str, list[float]](), dict[str, float]()
        for number, (name, ratios) in enumerate(self._ratios.items()):
            weights[name] = list(_weights(ratios, rest))
            moves[name] = next(rest) if number else 0.0
        plans, wave = self._plans_at(cycle, weights), self._wave(cycle)
        return {
            name: plan.model_copy(update={"offset_s": round(wave[name].offset_s + OFFSET_STEP_S * moves[name]) % cycle})
            for name, plan in plans.items()
        }

    def _cycle_s(self, coordinate: float) -> int:
        shortest, first, longest = self._cycles
        most = math.log(longest / first)  # keeps the power in range wherever the optimiser looks
        return max(shortest, round(first * math.exp(min(CYCLE_STEP * coordinate, most))))

    def _plans_at(self, cycle_s: int, weights: Mapping[str, list[float]]) -> dict[str, TimingPlan]:
        return plans_at(self.scenario, self._period, cycle_s, weights)

    def _wave(self, cycle_s: int) -> dict[str, TimingPlan]:
        """Plans of a cycle whose offsets are those to start from."""
        if cycle_s not in self._waves:
            self._waves[cycle_s] = self._coordinated(self._plans_at(cycle_s, self._ratios))
        return self._waves[cycle_s]

    def _coordinated(self, plans: Mapping[str, TimingPlan]) -> dict[str, TimingPlan]:
        return coordinate(self.scenario, self._period, plans).plans


class AroundPlans(PlanSpace):
    """The same around given plans of one common cycle, in their order of stages; at 0 lie these plans.

    At other cycles the offsets to start from are those that let platoons arrive on green.
    """

    def __init__(self, scenario: Scenario, period: str, start: Mapping[str, TimingPlan]) -> None:
        super().__init__(scenario, period, 0)
        self._start = dict(start)
        self._waves[self._first_cycle_s()] = self._start

    @cached_property
    def _ratios(self) -> dict[str, list[float]]:
        """Shares of the cycle by stage index, as the plans have them."""
        return {
            name: [stage.go_s / plan.cycle_s for stage in sorted(plan.stages, key=lambda stage: stage.stage)]
            for name, plan in self._start.items()
        }

    def _first_cycle_s(self) -> int:
        return next(iter(self._start.values())).cycle_s

    def _plans_at(self, cycle_s: int, weights: Mapping[str, list[float]]) -> dict[str, TimingPlan]:
        plans = super()._plans_at(cycle_s, weights)
        return {name: _in_order(plan, self._start[name]) for name, plan in plans.items()}

    def _coordinated(self, plans: Mapping[str, TimingPlan]) -> dict[str, TimingPlan]:
        return align(self.scenario.network, dict(plans), self.scenario.demand(self._period))


def _in_order(plan: TimingPlan, model: TimingPlan) -> TimingPlan:
    """The plan with its stages in another's order, under that one's name where nothing else differs."""
    by_stage = {stage.stage: stage for stage in plan.stages}
    return plan.model_copy(update={"stages": tuple(by_stage[stage.stage] for stage in model.stages)})


def _weights(ratios: Sequence[float], coordinates: Iterator[float]) -> Iterator[float]:
    """Weights of a signal's stages; takes one coordinate for each but the first."""
    for stage, ratio in enumerate(ratios):
        move = max(-20.0, min(next(coordinates), 20.0)) if stage else 0.0
        yield ratio * math.exp(SPLIT_STEP * move) + IDLE_WEIGHT * SPLIT_STEP * max(0.0, move)
