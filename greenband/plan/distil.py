"""From a controller's realised stages to one fixed plan per period, or other hours, that a street controller can hold.

Per signal: mean green and number of services of each stage, the cyclic order most often realised, and the time between
services. Then one common cycle for the corridor, green in proportion to what was realised, and offsets by ``offsets``.
An adaptive policy skips stages and reacts to gaps; a fixed plan cannot, so demand sets a floor: no stage is given less
green than holds its degree of saturation at ``SATURATION`` where the cycle has room for that. Flows are the scenario's,
saturation flow is ``SATURATION_VEH_H_LANE``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations, product
from statistics import median, quantiles
from typing import Protocol

from greenband import __version__, sumo
from greenband.demand import Demand
from greenband.errors import BadInput
from greenband.network import Network, Signal
from greenband.plan.cycles import feasible_cycles, least_greens
from greenband.plan.model import PlanSet, Provenance, TimingPlan
from greenband.plan.offsets import align
from greenband.plan.ratios import critical_ratios
from greenband.plan.splits import (
    SATURATION_VEH_H_LANE,
    build_plan,
    movement_flows,
    needed_cycle_s,
    practical_cycle_s,
    share_green,
)
from greenband.scenario import Scenario
from greenband.signals import Limits

__all__ = [
    "HOW",
    "SATURATION",
    "Log",
    "Span",
    "Usage",
    "common_cycle_s",
    "demand_ratios",
    "distil",
    "distil_hours",
    "distil_period",
    "greens_of",
    "needed_s",
    "origin_of",
    "stage_order",
    "usage",
]

Log = Mapping[str, Sequence[tuple[int, int]]]

SATURATION = 0.75  # degree of saturation (demand over capacity) that a stage should not exceed
HOW = "common cycle, green shares and stage order; offsets by platoons"
MOST_PERMUTED = 8  # stages up to which every order is tried: 7! = 5040


class Span(Protocol):
    """A stretch of time in s after midnight, such as a period without its warm-up."""

    @property
    def begin_s(self) -> int:
        """Its first second."""

    @property
    def end_s(self) -> int:
        """The second after its last."""


@dataclass(frozen=True)
class Usage:
    """How a signal was run, all seeds together.

    Per stage: ``green_s`` in s and ``services``, the times it turned green; ``follows`` counts changes (from, to).
    """

    measured_s: int
    green_s: tuple[int, ...]
    services: tuple[int, ...]
    follows: Mapping[tuple[int, int], int]

    @property
    def between_services_s(self) -> float:
        """Time from one service of a stage to the next in s: the median over the stages that were served."""
        served = [count for count in self.services if count]
        return median(self.measured_s / count for count in served) if served else float(self.measured_s)


def distil(
    scenario: Scenario,
    logs: Mapping[str, Sequence[Log]],
    subject: str,
    seeds: Sequence[int] = (),
    note: str = "",
    cycles_s: Mapping[str, int] | None = None,
) -> PlanSet:
    """Plans of all periods in ``logs``.

    Args:
        scenario: where the logs come from.
        logs: per period one log per seed, as ``greenband.control.run`` returns it: per signal the executed stages as
            (time in s at which it was called in, stage).
        subject: the controller's name, for the provenance.
        seeds: the logs' seeds, for the provenance.
        note: anything else worth keeping.
        cycles_s: common cycle of a period in s where it shall not follow from the logs.

    Raises:
        BadInput: there are no logs, a log lacks a signal, or no common cycle meets the limits of every signal.
    """
    if not logs:
        raise BadInput("no logs to distil a plan from")
    cycles = cycles_s or {}
    plans = {name: distil_period(scenario, name, per_seed, cycles.get(name)) for name, per_seed in logs.items()}
    text = note or f"distilled from realised stages: {HOW}"
    return PlanSet(provenance=origin_of(scenario, subject, seeds, text), plans=plans)


def origin_of(scenario: Scenario, subject: str, seeds: Sequence[int], note: str) -> Provenance:
    """The provenance of tables made here and now."""
    return Provenance(
        subject=subject,
        scenario=scenario.name,
        seeds=tuple(seeds),
        greenband=__version__,
        sumo=sumo.version_string(),
        note=note,
    )


def distil_period(
    scenario: Scenario, period: str, logs: Sequence[Log], cycle_s: int | None = None, factor: float = 1.0
) -> dict[str, TimingPlan]:
    """Plans of one period by signal; ``cycle_s`` overrides the common cycle, ``factor`` is on all flows.

    Raises:
        BadInput: as ``distil_hours``.
    """
    name = period if factor == 1 else f"{period} x{factor:g}"
    span, demand = scenario.period(period), scenario.demand(period)
    return distil_hours(scenario, name, logs, [span], demand, [demand], cycle_s, factor)


def distil_hours(
    scenario: Scenario,
    name: str,
    logs: Sequence[Log],
    spans: Sequence[Span],
    demand: Demand,
    parts: Sequence[Demand],
    cycle_s: int | None = None,
    factor: float = 1.0,
) -> dict[str, TimingPlan]:
    """One plan by signal for all of some spans of time.

    Args:
        scenario: where the logs come from.
        name: of the plan, to which its cycle is added.
        logs: one per seed, as for ``distil``.
        spans: when the plan is to be in force.
        demand: what travels then on average; offsets are for that.
        parts: what travels in the parts of that time; green is to suffice in each.
        cycle_s: overrides the common cycle.
        factor: on the flows for which green is to suffice.

    Raises:
        BadInput: as ``distil``; or the limits do not allow ``cycle_s``.
    """
    network = scenario.network
    limits = {signal: known.limits(scenario.timing) for signal, known in network.signals.items()}
    used = {signal: usage(known, limits[signal], logs, *spans) for signal, known in network.signals.items()}
    ratios = [demand_ratios(network, part, factor) for part in parts]
    shortest, longest = feasible_cycles(limits)
    cycle = max(common_cycle_s(limits, used, part) for part in ratios) if cycle_s is None else cycle_s
    if not shortest <= cycle <= longest:
        raise BadInput(f"period {name}: a common cycle of {cycle} s is not allowed: {shortest} to {longest} s are")
    plans = {}
    for signal, known in network.signals.items():
        most = [max(shares) for shares in zip(*(part[signal] for part in ratios), strict=True)]
        plans[signal] = _plan(known, limits[signal], used[signal], most, cycle, f"{name} {cycle} s")
    return align(network, plans, demand)


def demand_ratios(network: Network, demand: Demand, factor: float = 1.0) -> dict[str, list[float]]:
    """Critical flow ratios of the stages by signal, for what travels times a factor."""
    flows = {movement: factor * flow for movement, flow in movement_flows(demand).items()}
    return {name: critical_ratios(signal, flows, SATURATION_VEH_H_LANE) for name, signal in network.signals.items()}


def usage(signal: Signal, limits: Limits, logs: Sequence[Log], *spans: Span) -> Usage:
    """What the logs say of one signal within spans of time.

    Raises:
        BadInput: there is no log, one lacks the signal, or names a stage that the signal does not have.
    """
    if not logs:
        raise BadInput(f"signal {signal.id}: no log of a run")
    green, services, follows = [0] * len(signal.stages), [0] * len(signal.stages), Counter[tuple[int, int]]()
    for log, span in product(logs, spans):
        for stage, start_s, left_s in greens_of(signal, limits, log, span.end_s):
            green[stage] += max(0, min(left_s, span.end_s) - max(start_s, span.begin_s))
            services[stage] += span.begin_s <= start_s < span.end_s
        inside = [stage for called_s, stage in log[signal.id] if span.begin_s <= called_s < span.end_s]
        follows.update(pairwise(inside))
    measured_s = len(logs) * sum(span.end_s - span.begin_s for span in spans)
    return Usage(measured_s, tuple(green), tuple(services), dict(follows))


def greens_of(signal: Signal, limits: Limits, log: Log, end_s: int) -> Iterator[tuple[int, int, int]]:
    """Stage, start and end of each green in a log, in s; the last one goes on to ``end_s``.

    Raises:
        BadInput: the log lacks the signal, or names a stage that the signal does not have.
    """
    executed = _checked(signal, log)
    for number, (called_s, stage) in enumerate(executed):
        left_s = executed[number + 1][0] if number + 1 < len(executed) else end_s
        yield stage, called_s + _intergreen_s(signal, limits, executed, number), left_s


def _checked(signal: Signal, log: Log) -> Sequence[tuple[int, int]]:
    if signal.id not in log:
        raise BadInput(f"the log has no signal {signal.id}: it has {', '.join(log) or 'none'}")
    for _, stage in log[signal.id]:
        if not 0 <= stage < len(signal.stages):
            raise BadInput(f"signal {signal.id}: the log names stage {stage}; it has {len(signal.stages)}")
    return log[signal.id]


def _intergreen_s(signal: Signal, limits: Limits, executed: Sequence[tuple[int, int]], number: int) -> int:
    """Seconds from calling a stage in to its green: none for the first, nor where the next keeps every green."""
    if number == 0:
        return 0
    before, after = signal.stages[executed[number - 1][1]], signal.stages[executed[number][1]]
    return 0 if before.greens <= after.greens else limits.intergreen_s


def stage_order(used: Usage) -> tuple[int, ...]:
    """Cyclic order of all stages, from stage 0 on, whose changes were realised most often.

    Every order of up to 8 stages is tried; beyond that each stage is followed by its most frequent successor still
    free. Ties go to the order that comes first when sorted.
    """
    n = len(used.services)

    def realised(order: tuple[int, ...]) -> int:
        return sum(used.follows.get(change, 0) for change in zip(order, (*order[1:], order[0]), strict=True))

    if n <= MOST_PERMUTED:
        return max(((0, *rest) for rest in permutations(range(1, n))), key=realised)
    order = [0]
    while len(order) < n:
        free = [stage for stage in range(n) if stage not in order]
        order.append(max(free, key=lambda stage: used.follows.get((order[-1], stage), 0)))
    return tuple(order)


def common_cycle_s(
    limits: Mapping[str, Limits], used: Mapping[str, Usage], ratios: Mapping[str, Sequence[float]]
) -> int:
    """The corridor's cycle in s, within what the limits allow.

    It is the upper quartile over signals of the realised time between services, so that no single signal with rare
    side stages sets it, and not below what demand needs at the critical junction: a policy that hurries through many
    short services skips stages and wins by it, a fixed plan of that cycle would run out of capacity. Needed is
    Webster's optimum, or up to 1.5 times that (so far delay rises little), as it takes to hold ``SATURATION``.

    Raises:
        BadInput: the limits allow no common cycle.
    """
    shortest, longest = feasible_cycles(limits)
    realised = _upper_quartile([u.between_services_s for u in used.values()])
    needed = max(needed_s(lim, ratios[name]) for name, lim in limits.items())
    wanted = max(realised, needed)
    return longest if wanted >= longest else max(shortest, math.ceil(wanted - 1e-6))


def needed_s(limits: Limits, ratios: Sequence[float]) -> float:
    """Cycle in s that demand needs at a signal; see ``common_cycle_s``."""
    optimum = needed_cycle_s(limits, ratios)
    return max(optimum, min(1.5 * optimum, practical_cycle_s(ratios, limits.intergreen_s * len(ratios), SATURATION)))


def _upper_quartile(values: Sequence[float]) -> float:
    return quantiles(values, n=4, method="inclusive")[2] if len(values) > 1 else values[0]


def _plan(signal: Signal, limits: Limits, used: Usage, ratios: Sequence[float], cycle_s: int, name: str) -> TimingPlan:
    floors = least_greens(limits, cycle_s)
    wanted = [
        max(low, min(limits.max_green_s, math.ceil(y * cycle_s / SATURATION)))
        for low, y in zip(floors, ratios, strict=True)
    ]
    available = cycle_s - len(floors) * limits.intergreen_s
    if sum(wanted) > available:  # no room to hold every stage below saturation: share the shortage evenly
        wanted = share_green(available, wanted, floors, limits.max_green_s)
    return build_plan(signal, limits, cycle_s, used.green_s, name=name, order=stage_order(used), minima_s=wanted)
