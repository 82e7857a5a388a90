"""From a controller's realised stages to actuated tables.

Stages come in the order most often realised, with the junction's minimum greens. A maximum green is the ``QUANTILE`` of
the greens that the stage had, service by service, and at least what demand needs of the signal's cycle to hold the
degree of saturation ``greenband.plan.distil.SATURATION``. Where one round of these maxima would keep a stage red for
longer than the maximum red, they are shortened in proportion.

Given fixed plans, signals that have others in their coordination group get force-offs; see
``greenband.plan.coordination``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from greenband.errors import BadInput
from greenband.network import Signal
from greenband.plan.actuated import ActuatedPlan, ActuatedSet, ActuatedStage
from greenband.plan.coordination import coordinated, main_stage
from greenband.plan.cycles import longest_cycle_s
from greenband.plan.describe import calendar, junctions
from greenband.plan.distil import (
    SATURATION,
    Log,
    demand_ratios,
    greens_of,
    needed_s,
    origin_of,
    stage_order,
    usage,
)
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet
from greenband.plan.splits import longest_greens
from greenband.scenario import Period, Scenario
from greenband.signals import Limits

__all__ = ["distil_actuated", "maxima_s", "served_greens"]

QUANTILE = 0.9


def distil_actuated(
    scenario: Scenario,
    logs: Mapping[str, Sequence[Log]],
    subject: str,
    seeds: Sequence[int] = (),
    passage_s: float = 3.0,
    in_step_with: PlanSet | None = None,
) -> ActuatedSet:
    """Tables of all periods in ``logs``, as ``greenband.plan.distil.distil`` takes them.

    Args:
        scenario: where the logs come from.
        logs: per period one log per seed.
        subject: the controller's name, for the provenance.
        seeds: the logs' seeds, for the provenance.
        passage_s: passage time of every stage in s, to the tenth.
        in_step_with: fixed plans of the same periods whose cycles, offsets and splits the signals keep; None to have
            them run free.

    Raises:
        BadInput: there are no logs, a log lacks a signal, a period spans several, or the passage time is not one.
    """
    if not logs:
        raise BadInput("no logs to distil a table from")
    if not 0.1 <= passage_s <= 25.5:
        raise BadInput(f"passage time {passage_s} s: must be 0.1 to 25.5 s")
    plans = {}
    for period, per_seed in logs.items():
        span, ratios = scenario.period(period), demand_ratios(scenario.network, scenario.demand(period))
        if span.plans:
            raise BadInput(f"period {period} spans several: make actuated tables for {', '.join(_parts(span))}")
        plans[period] = {
            name: _table(signal, signal.limits(scenario.timing), per_seed, span, ratios[name], period, passage_s)
            for name, signal in scenario.network.signals.items()
        }
    note = f"maximum greens: {QUANTILE:g} quantile of realised greens, or what demand needs; stage order as realised"
    known = junctions(scenario)
    if in_step_with is not None:
        together = _together(known)
        plans = {period: _in_step(scenario, period, plans[period], in_step_with, together) for period in plans}
        note = f"force-offs at {len(together)} signals, of the fixed plan: {in_step_with.provenance.note}"
    day_plans, schedule = calendar(scenario, list(plans))
    return ActuatedSet(
        provenance=origin_of(scenario, subject, seeds, note),
        plans=plans,
        junctions=known,
        day_plans=day_plans,
        schedule=schedule,
    )


def _parts(span: Period) -> list[str]:
    return list(dict.fromkeys(switch.period for switch in span.plans))


def _together(known: Mapping[str, Junction]) -> list[str]:
    """Signals that have others in their coordination group."""
    sizes = Counter(junction.coordination for junction in known.values())
    return [name for name, junction in known.items() if junction.coordination and sizes[junction.coordination] > 1]


def _in_step(
    scenario: Scenario, period: str, tables: Mapping[str, ActuatedPlan], fixed: PlanSet, signals: Sequence[str]
) -> dict[str, ActuatedPlan]:
    """The tables of a period, some signals coordinated as the fixed plans have them."""
    demand, found = scenario.demand(period), dict(tables)
    for name in signals:
        signal = scenario.network.signals[name]
        limits, main = signal.limits(scenario.timing), main_stage(signal, scenario, demand)
        found[name] = coordinated(tables[name], fixed.plans[period][name], limits, main)
    return found


def _table(
    signal: Signal,
    limits: Limits,
    logs: Sequence[Log],
    period: Period,
    ratios: Sequence[float],
    name: str,
    passage_s: float,
) -> ActuatedPlan:
    used = usage(signal, limits, logs, period)
    cycle_s = min(longest_cycle_s(limits), max(used.between_services_s, needed_s(limits, ratios)))
    longest = maxima_s(limits, served_greens(signal, limits, logs, period), ratios, cycle_s)
    stages = tuple(
        ActuatedStage(
            stage=k,
            name=signal.stages[k].name,
            min_green_s=limits.min_green_s[k],
            max_green_s=longest[k],
            passage_ds=round(10 * passage_s),
        )
        for k in stage_order(used)
    )
    return ActuatedPlan(signal=signal.id, name=name, stages=stages)


def served_greens(signal: Signal, limits: Limits, logs: Sequence[Log], period: Period) -> list[list[int]]:
    """Per stage, the greens in s that began and ended in the period, all logs together."""
    greens: list[list[int]] = [[] for _ in signal.stages]
    for log in logs:
        for stage, start_s, left_s in greens_of(signal, limits, log, period.end_s):
            if period.begin_s <= start_s <= left_s < period.end_s:
                greens[stage].append(left_s - start_s)
    return greens


def maxima_s(limits: Limits, greens: Sequence[Sequence[int]], ratios: Sequence[float], cycle_s: float) -> list[int]:
    """Maximum green per stage in s.

    Args:
        limits: of the signal.
        greens: per stage, the greens in s that it had.
        ratios: per stage, the share of time that demand needs.
        cycle_s: cycle in s of which it needs them.
    """
    needed = [math.ceil(ratio * cycle_s / SATURATION) for ratio in ratios]
    wanted = [
        max(least, min(limits.max_green_s, max(_quantile(own), need)))
        for least, own, need in zip(limits.min_green_s, greens, needed, strict=True)
    ]
    n = len(wanted)
    longest_red = sum(wanted) - min(wanted) + n * limits.intergreen_s
    return wanted if n == 1 or longest_red <= limits.max_red_s else longest_greens(limits, wanted)


def _quantile(values: Sequence[int]) -> int:
    """The least of the values that ``QUANTILE`` of them do not exceed; 0 if there are none."""
    return sorted(values)[math.ceil(QUANTILE * len(values) - 1e-9) - 1] if values else 0
