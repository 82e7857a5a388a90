"""A green wave: Webster's cycle and splits, offsets by MAXBAND for both directions of the artery.

Vehicles in a band are taken to drive at ``SPEED_FACTOR`` times the speed limit of each link. The order of stages is the
network's. Through traffic of both directions is green in the same stage as a rule, so that MAXBAND's choice of leading
or lagging left turns would change nothing; where it is not, the programme knows when each direction is green. Signals
off the artery keep offset 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenband.network import Signal
from greenband.plan.artery import Artery, Way, find_artery
from greenband.plan.display import lamps_by_second
from greenband.plan.maxband import Direction
from greenband.plan.model import TimingPlan
from greenband.plan.offsets import streams
from greenband.plan.progression import Progression, measure, progress
from greenband.plan.splits import SATURATION_VEH_H_LANE, lane_group, movement_flows
from greenband.plan.webster import webster
from greenband.scenario import Scenario
from greenband.signals import GREEN

__all__ = ["Wave", "coordinate", "greenwave"]

Stop = tuple[str, int]  # a signal and the index of the movement that passes it


@dataclass(frozen=True)
class Wave:
    """Plans by signal and the progression that they give an artery; None where a scenario has no artery."""

    plans: dict[str, TimingPlan]
    artery: Artery | None = None
    progression: Progression | None = None

    def describe(self) -> str:
        """Cycle and green bands in one line, in s and as shares of the cycle; of sections too where it was cut."""
        cycle = next(iter(self.plans.values())).cycle_s
        if self.artery is None or self.progression is None:
            return f"cycle {cycle} s, no two signals in a line"
        found, names = self.progression, self.artery.signals
        told = [self._bands(names[0], names[-1], found.outbound_s, found.inbound_s)]
        if len(found.sections) > 1:
            longer = [section for section in found.sections if section.last > section.first]
            told += [self._bands(names[s.first], names[s.last], s.outbound_s, s.inbound_s) for s in longer]
        return f"cycle {cycle} s, green bands {'; '.join(told)}"

    def _bands(self, first: str, last: str, outbound_s: float, inbound_s: float) -> str:
        assert self.artery is not None
        ways = [(self.artery.outbound, outbound_s), (self.artery.inbound, inbound_s)]
        cycle = next(iter(self.plans.values())).cycle_s
        widths = (f"{way.name} {width:.0f} s ({width / cycle:.0%})" for way, width in ways if way is not None)
        return f"{first} to {last} {', '.join(widths)}"


def coordinate(scenario: Scenario, period: str, plans: Mapping[str, TimingPlan], clear_queues: bool) -> Wave:
    """The plans, all of one cycle, with offsets for the widest green bands; in whole seconds, as the bands are then.

    The bands share out as traffic does: their ratio is that of the mean flows along the artery, inbound over outbound.
    ``clear_queues`` lets a band come to each signal when the vehicles that turned into the artery, and wait, have left.
    """
    artery = find_artery(scenario, period)
    if artery is None:
        return Wave({name: plan.model_copy(update={"offset_s": 0}) for name, plan in plans.items()})
    road = _Road(scenario, period, plans, artery, clear_queues)
    cycle, outbound = next(iter(plans.values())).cycle_s, road.direction(artery.outbound)
    inbound = None if artery.inbound is None else road.direction(artery.inbound)
    found = progress(cycle, outbound, inbound, road.ratio())
    offsets = tuple(float(round(offset) % cycle) for offset in found.offsets_s)
    at = dict(zip(artery.signals, map(int, offsets), strict=True))
    return Wave(
        {name: plan.model_copy(update={"offset_s": at.get(name, 0)}) for name, plan in plans.items()},
        artery,
        measure(cycle, outbound, inbound, offsets, [(section.first, section.last) for section in found.sections]),
    )


def greenwave(scenario: Scenario, period: str, max_cycle_s: int, clear_queues: bool) -> Wave:
    """Webster's plans, coordinated.

    Raises:
        BadInput: the limits of the signals allow no common cycle.
    """
    return coordinate(scenario, period, webster(scenario, period, max_cycle_s), clear_queues)


class _Road:
    """The artery under plans: when each direction is green, and when its vehicles pass."""

    def __init__(
        self, scenario: Scenario, period: str, plans: Mapping[str, TimingPlan], artery: Artery, clear_queues: bool
    ) -> None:
        demand = scenario.demand(period)
        self._signals, self._plans, self._artery = scenario.network.signals, plans, artery
        self._flows = movement_flows(demand)
        self._streams = streams(scenario.network, demand) if clear_queues else None

    def direction(self, way: Way) -> Direction:
        """The way as the programme needs it."""
        stops = list(zip(self._artery.signals, way.movements, strict=True))
        greens = [_longest_green(self._signals[name], self._plans[name], k) for name, k in stops]
        start, length = zip(*greens, strict=True)
        return Direction(start, length, self._passes_s(way, stops, length))

    def ratio(self) -> float | None:
        """Inbound over outbound traffic; None where one of them has none."""
        if self._artery.inbound is None:
            return None
        out, back = (self._veh_h(way) for way in (self._artery.outbound, self._artery.inbound))
        return back / out if out > 0 and back > 0 else None

    def _veh_h(self, way: Way) -> float:
        """Flow of the way's movements, summed over its signals."""
        stops = zip(self._artery.signals, way.movements, strict=True)
        return sum(self._flows.get(self._signals[name].movements[k].id, 0.0) for name, k in stops)

    def _passes_s(self, way: Way, stops: Sequence[Stop], green_s: Sequence[float]) -> tuple[float, ...]:
        """When the band passes each signal after the first one, queue clearance times taken off."""
        if self._streams is None:
            return way.passes_s
        order = range(len(stops)) if way.passes_s[-1] >= 0 else range(len(stops))[::-1]
        early, passes = 0.0, list(way.passes_s)
        for before, here in itertools.pairwise(order):
            early += self._clearance_s(stops[before], stops[here], green_s[here])
            passes[here] -= early
        return tuple(at - passes[0] for at in passes)

    def _clearance_s(self, before: Stop, here: Stop, green_s: float) -> float:
        """Time in which a stop line clears the vehicles that came in red, but not along the artery."""
        (name, k), plan = here, self._plans[here[0]]
        group, lanes = lane_group(self._signals[name], k)
        along = sum(
            stream.veh_h
            for stream in self._streams or ()
            if (stream.upstream, stream.departs) == before
            and stream.downstream == name
            and self._signals[name].movements[stream.arrives] in group
        )
        turned_in = max(0.0, sum(self._flows.get(m.id, 0.0) for m in group) - along)
        return turned_in * (plan.cycle_s - green_s) / (SATURATION_VEH_H_LANE * len(lanes))


def _longest_green(signal: Signal, plan: TimingPlan, k: int) -> tuple[int, int]:
    """The longest stretch of the cycle in which a movement may go: its start after the offset, and its length, in s."""
    links = signal.movements[k].links
    green = [any(lamps[i] in GREEN for i in links) for lamps in lamps_by_second(signal, plan)]
    if all(green):
        return 0, plan.cycle_s
    red = green.index(False)  # counted from there no stretch is cut in two
    runs = itertools.groupby(range(red, red + plan.cycle_s), key=lambda second: green[second % plan.cycle_s])
    stretches = [list(run) for is_green, run in runs if is_green]
    longest = max(stretches, key=len, default=[0])
    return longest[0] % plan.cycle_s, len(longest) if stretches else 0
