"""A green wave: Webster's cycle and splits, offsets by MAXBAND for both directions of the artery.

Where Webster's cycle leaves no two signals with fair bands in both directions, as a short one may whose greens are
minima, the cycle is lengthened, by half at most, to that of the fewest sections and of these the widest bands.

Vehicles in a band are taken to drive at ``SPEED_FACTOR`` times the speed limit of each link; they join no queue, as
MAXBAND's queue clearance time is 0 (estimated from the flows that turn in, it made the wave slower in simulation). The
order of stages is the network's: through traffic of both directions is green in the same stage as a rule, so that
MAXBAND's choice of leading or lagging left turns would change nothing; where it is not, the programme knows when each
direction is green. Signals off the artery keep offset 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from greenband.network import Signal
from greenband.plan.artery import Artery, Way, find_artery
from greenband.plan.display import lamps_by_second
from greenband.plan.maxband import Direction
from greenband.plan.model import TimingPlan
from greenband.plan.progression import Progression, measure, progress, sections
from greenband.plan.splits import movement_flows
from greenband.plan.webster import flow_ratios, longest_cycle_s, plans_at, webster
from greenband.scenario import Scenario
from greenband.signals import GREEN

__all__ = ["Wave", "coordinate", "direction", "greenwave"]

LONGER = 1.5  # up to that times Webster's cycle the delay of a junction stays within 10 to 20 % of the least (Webster)


@dataclass(frozen=True)
class Wave:
    """Plans by signal and the progression that they give an artery; None where a scenario has no artery."""

    plans: dict[str, TimingPlan]
    artery: Artery | None = None
    progression: Progression | None = None

    @property
    def cycle_s(self) -> int:
        """The common cycle."""
        return next(iter(self.plans.values())).cycle_s

    @property
    def links(self) -> int:
        """How many pairs of neighbours on the artery are in one section."""
        if self.progression is None:
            return 0
        return sum(section.last - section.first for section in self.progression.sections)

    @property
    def width_share(self) -> float:
        """Width of the sections' bands over the cycle, summed over pairs of neighbours and directions."""
        sections = self.progression.sections if self.progression else ()
        return sum((s.outbound_s + s.inbound_s) * (s.last - s.first) for s in sections) / self.cycle_s

    def describe(self) -> str:
        """Cycle and green bands in one line, in s and as shares of the cycle; of sections too where it was cut."""
        if self.artery is None or self.progression is None:
            return f"cycle {self.cycle_s} s, no two signals in a line"
        found, names = self.progression, self.artery.signals
        told = [self._bands(names[0], names[-1], found.outbound_s, found.inbound_s)]
        if len(found.sections) > 1:
            longer = [section for section in found.sections if section.last > section.first]
            told += [self._bands(names[s.first], names[s.last], s.outbound_s, s.inbound_s) for s in longer]
        return f"cycle {self.cycle_s} s, green bands {'; '.join(told)}"

    def _bands(self, first: str, last: str, outbound_s: float, inbound_s: float) -> str:
        assert self.artery is not None
        ways = [(self.artery.outbound, outbound_s), (self.artery.inbound, inbound_s)]
        widths = (f"{way.name} {width:.0f} s ({width / self.cycle_s:.0%})" for way, width in ways if way is not None)
        return f"{first} to {last} {', '.join(widths)}"


def greenwave(scenario: Scenario, period: str, max_cycle_s: int) -> Wave:
    """Webster's plans, coordinated; at a longer cycle where Webster's leaves no two neighbours with fair bands.

    Raises:
        BadInput: the limits of the signals allow no common cycle.
    """
    wave = coordinate(scenario, period, webster(scenario, period, max_cycle_s))
    if wave.artery is None or wave.links:
        return wave
    ratios = flow_ratios(scenario, period)
    most = min(int(LONGER * wave.cycle_s), longest_cycle_s(scenario, max_cycle_s))
    longer = (
        coordinate(scenario, period, plans_at(scenario, period, cycle, ratios))
        for cycle in range(wave.cycle_s + 1, most + 1)
    )
    return max([wave, *longer], key=lambda found: (found.links, found.width_share))


def coordinate(scenario: Scenario, period: str, plans: Mapping[str, TimingPlan]) -> Wave:
    """The plans, all of one cycle, with offsets for the widest green bands; in whole seconds, as the bands are then.

    The bands share out as traffic does: their ratio is that of the mean flows along the artery, inbound over outbound.
    """
    artery = find_artery(scenario, period)
    if artery is None:
        return Wave({name: plan.model_copy(update={"offset_s": 0}) for name, plan in plans.items()})
    cycle, outbound = next(iter(plans.values())).cycle_s, direction(scenario, plans, artery, artery.outbound)
    inbound = None if artery.inbound is None else direction(scenario, plans, artery, artery.inbound)
    found = progress(cycle, outbound, inbound, _ratio(scenario, period, artery))
    offsets = tuple(float(round(offset) % cycle) for offset in found.offsets_s)
    at = dict(zip(artery.signals, map(int, offsets), strict=True))
    stretches = [(0, len(offsets) - 1)]
    if inbound is not None and len(found.sections) > 1:
        stretches = sections(cycle, outbound, inbound, offsets)  # whole seconds may make one unfair
    return Wave(
        {name: plan.model_copy(update={"offset_s": at.get(name, 0)}) for name, plan in plans.items()},
        artery,
        measure(cycle, outbound, inbound, offsets, stretches),
    )


def direction(scenario: Scenario, plans: Mapping[str, TimingPlan], artery: Artery, way: Way) -> Direction:
    """A way of the artery under the plans."""
    stops = zip(artery.signals, way.movements, strict=True)
    greens = [_longest_green(scenario.network.signals[name], plans[name], k) for name, k in stops]
    start, length = zip(*greens, strict=True)
    return Direction(start, length, way.passes_s)


def _ratio(scenario: Scenario, period: str, artery: Artery) -> float | None:
    """Inbound over outbound traffic; None where one of them has none."""
    if artery.inbound is None:
        return None
    flows, signals = movement_flows(scenario.demand(period)), scenario.network.signals

    def total(way: Way) -> float:
        stops = zip(artery.signals, way.movements, strict=True)
        return sum(flows.get(signals[name].movements[k].id, 0.0) for name, k in stops)

    out, back = total(artery.outbound), total(artery.inbound)
    return back / out if out > 0 and back > 0 else None


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
