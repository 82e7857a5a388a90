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
from greenband.plan.maxband import Bands, Direction, bandwidth_s, maximise
from greenband.plan.model import TimingPlan
from greenband.plan.offsets import streams
from greenband.plan.splits import SATURATION_VEH_H_LANE, lane_group, movement_flows
from greenband.scenario import Scenario
from greenband.signals import GREEN

__all__ = ["GreenWave", "coordinate"]

Stop = tuple[str, int]  # a signal and the index of the movement that passes it


@dataclass(frozen=True)
class GreenWave:
    """Plans by signal and the green bands that they give an artery; None where a scenario has no artery."""

    plans: dict[str, TimingPlan]
    artery: Artery | None = None
    bands: Bands | None = None

    def describe(self) -> str:
        """Cycle, bandwidths and efficiency (mean bandwidth over the cycle) in one line."""
        cycle = next(iter(self.plans.values())).cycle_s
        if self.artery is None or self.bands is None:
            return f"cycle {cycle} s, no two signals in a line"
        widths = {self.artery.outbound.name: self.bands.outbound_s}
        if self.artery.inbound is not None:
            widths[self.artery.inbound.name] = self.bands.inbound_s
        told = ", ".join(f"{name} {width:.1f} s ({width / cycle:.0%})" for name, width in widths.items())
        efficiency = sum(widths.values()) / len(widths) / cycle
        first, last = self.artery.signals[0], self.artery.signals[-1]
        return f"cycle {cycle} s, green bands {first} to {last}: {told}, efficiency {efficiency:.0%}"


def coordinate(scenario: Scenario, period: str, plans: Mapping[str, TimingPlan], clear_queues: bool) -> GreenWave:
    """The plans, all of one cycle, with offsets for the widest green bands; in whole seconds, as the bands are then.

    The bands share out as traffic does: their ratio is that of the mean flows along the artery, inbound over outbound.
    ``clear_queues`` lets a band come to each signal when the vehicles that turned into the artery, and wait, have left.
    """
    artery = find_artery(scenario, period)
    if artery is None:
        return GreenWave({name: plan.model_copy(update={"offset_s": 0}) for name, plan in plans.items()})
    road = _Road(scenario, period, plans, artery, clear_queues)
    cycle, outbound = next(iter(plans.values())).cycle_s, road.direction(artery.outbound)
    inbound = None if artery.inbound is None else road.direction(artery.inbound)
    best = maximise(cycle, outbound, inbound, road.ratio())
    offsets = tuple(float(round(offset - best.offsets_s[0]) % cycle) for offset in best.offsets_s)
    back = 0.0 if inbound is None else float(bandwidth_s(cycle, inbound, offsets))
    at = {name: int(offset) for name, offset in zip(artery.signals, offsets, strict=True)}
    return GreenWave(
        {name: plan.model_copy(update={"offset_s": at.get(name, 0)}) for name, plan in plans.items()},
        artery,
        Bands(offsets, float(bandwidth_s(cycle, outbound, offsets)), back),
    )


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
