"""The green bands that fixed plans leave on an artery, stretch by stretch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from greenband.plan.artery import Artery, Way
from greenband.plan.greenwave import direction
from greenband.plan.maxband import Direction, band_middle_s, bandwidth_s
from greenband.plan.model import TimingPlan
from greenband.plan.progression import sections
from greenband.scenario import Scenario

__all__ = ["Stretch", "common_cycle_s", "stretches"]

NARROWEST_S = 2.0  # less is no band that a vehicle could use


@dataclass(frozen=True)
class Stretch:
    """A band of ``width_s`` from signal ``first`` to ``last`` of an artery, by index.

    ``begins_s`` say, signal by signal, when it begins in s after midnight, give or take whole cycles.
    """

    first: int
    last: int
    cycle_s: int
    width_s: float
    begins_s: tuple[float, ...]


def common_cycle_s(plans: Mapping[str, TimingPlan], artery: Artery) -> int | None:
    """The cycle of all signals on the artery; None where they differ or one has no plan."""
    cycles = {plans[name].cycle_s if name in plans else None for name in artery.signals}
    return cycles.pop() if len(cycles) == 1 else None


def stretches(scenario: Scenario, plans: Mapping[str, TimingPlan], artery: Artery, way: Way) -> list[Stretch]:
    """The bands of a way of the artery: the one from end to end, or else those of the sections that a green wave has.

    Plans without such sections, as they were not made for the artery, have their bands on the longest stretches from
    the first signal on.
    """
    cycle = common_cycle_s(plans, artery)
    if cycle is None:
        return []
    offsets, last = tuple(float(plans[name].offset_s) for name in artery.signals), len(artery.signals) - 1
    outbound, here = direction(scenario, plans, artery, artery.outbound), direction(scenario, plans, artery, way)
    inbound = None if artery.inbound is None else direction(scenario, plans, artery, artery.inbound)
    fair = [] if inbound is None else sections(cycle, outbound, inbound, offsets)
    for ends in ([(0, last)], fair, _longest(cycle, here, offsets)):
        found = [_stretch(cycle, here, offsets, i, j) for i, j in ends if j > i]
        if wide := [stretch for stretch in found if stretch.width_s >= NARROWEST_S]:
            return wide
    return []


def _longest(cycle_s: int, way: Direction, offsets_s: tuple[float, ...]) -> Iterator[tuple[int, int]]:
    """First and last signal of stretches as long as they have a band; one begins where the one before ends."""
    first, count = 0, len(offsets_s)
    while first < count - 1:
        last = first
        while last < count - 1 and _width_s(cycle_s, way, offsets_s, first, last + 1) >= NARROWEST_S:
            last += 1
        yield first, last
        first = max(last, first + 1)


def _stretch(cycle_s: int, way: Direction, offsets_s: tuple[float, ...], first: int, last: int) -> Stretch:
    part, width = way.part(first, last), _width_s(cycle_s, way, offsets_s, first, last)
    begin = band_middle_s(cycle_s, part, offsets_s[first : last + 1]) - width / 2
    return Stretch(first, last, cycle_s, width, tuple(begin + at for at in part.passes_s))


def _width_s(cycle_s: int, way: Direction, offsets_s: tuple[float, ...], first: int, last: int) -> float:
    return float(bandwidth_s(cycle_s, way.part(first, last), offsets_s[first : last + 1]))
