"""Plans of a whole day: its hours cut by what a subject did and what travelled, and one plan distilled for each kind.

Every quarter of an hour is told by the share of green of each stage at each signal, how often an hour its stages were
served, and the traffic through it. ``greenband.plan.daycut`` cuts the day by that, quarters counting by their vehicles.
A plan has green for every hour of traffic in its stretches, and offsets for their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from greenband.demand import Profile, profile
from greenband.errors import BadInput
from greenband.network import Signal
from greenband.plan.calendar import DAY_MIN, DAY_S, DayPlan, ScheduleRow, Switch, clock
from greenband.plan.daycut import cut_day, stretches, z_scores
from greenband.plan.describe import EVERY_DAY, joined
from greenband.plan.distil import HOW, Log, distil_hours, greens_of, origin_of
from greenband.plan.model import PlanSet
from greenband.plan.rules.profile import PROFILES
from greenband.plan.splits import movement_flows
from greenband.scenario import Scenario
from greenband.signals import Limits

__all__ = ["MOST_PLANS", "Stretch", "cut_plans", "quarters"]

Floats = npt.NDArray[np.float64]

QUARTER_S = 900
PENALTY = 0.01  # share of the day's variance that a change of plan must explain
STAY_S = 60 * PROFILES["cn"].stay_min
MOST_PLANS = PROFILES["cn"].plans
NOISE = (0.02, 3.0, 50.0)  # green share, services/h and veh/h that vary by less are not made more of by z-scores
SHOWN = 2  # stretches of a plan that its name tells


@dataclass(frozen=True)
class Stretch:
    """Seconds after midnight in which one plan is in force."""

    begin_s: int
    end_s: int

    @property
    def text(self) -> str:
        """The times as ``07:00-09:00``."""
        return f"{clock(self.begin_s // 60)}-{clock(self.end_s // 60)}"


def cut_plans(
    scenario: Scenario, period: str, logs: Sequence[Log], subject: str, seeds: Sequence[int], most: int
) -> PlanSet:
    """At most so many plans P1, P2, ... in order of their first time of day, and the day plan that switches them.

    Args:
        scenario: where the logs come from.
        period: the whole day, or as much of it as the logs are of: its last plan is kept until it begins again.
        logs: one per seed, as for ``distil``.
        subject: the controller's name, for the provenance.
        seeds: the logs' seeds, for the provenance.
        most: plans.

    Raises:
        BadInput: the period is too short or longer than a day; or as ``distil``.
    """
    slices = quarters(scenario, period)
    begin_s, end_s = slices[0].begin_s, slices[-1].end_s
    demand = profile(scenario.demand(period), begin_s, end_s)
    parts = [demand.within(one.begin_s, one.end_s) for one in slices]
    features, least = _features(scenario, logs, slices, parts)
    weights = np.array([max(1.0, _veh(one, part)) for one, part in zip(slices, parts, strict=True)])
    cut = cut_day(z_scores(features, weights, least), weights, most, PENALTY, max(1, STAY_S // QUARTER_S))
    found = [(plan, Stretch(slices[a].begin_s, slices[b - 1].end_s)) for plan, a, b in stretches(cut.plans)]
    plans = {}
    for number in range(max(cut.plans) + 1):
        own = [stretch for plan, stretch in found if plan == number]
        table = Profile(tuple(chain.from_iterable(demand.within(one.begin_s, one.end_s).slices for one in own)))
        kinds = {(part.table, part.factor): Profile((part,)) for part in table.slices}
        name = f"{_name(number)} {_times(own)}"
        plans[_name(number)] = distil_hours(scenario, name, logs, own, table, list(kinds.values()))
    day = DayPlan(switches=tuple(_switches(found)))
    share = f"{100 * (1 - cut.deviation):.0f} %"
    note = (
        f"day cut into {len(plans)} plans with {cut.changes} changes, which explain {share} of its variance;"
        f" distilled from realised stages: {HOW}"
    )
    return PlanSet(
        provenance=origin_of(scenario, subject, seeds, note),
        plans=plans,
        day_plans={EVERY_DAY: day},
        schedule=(ScheduleRow(day_plan=EVERY_DAY, name=EVERY_DAY),),
    )


def quarters(scenario: Scenario, period: str) -> list[Stretch]:
    """The quarters of an hour of a period by the clock, the first and the last shorter where it begins or ends within.

    Raises:
        BadInput: it is shorter than two of them or longer than a day.
    """
    span = scenario.period(period)
    if not 2 * QUARTER_S <= span.duration_s <= DAY_S or not 0 <= span.begin_s < DAY_S:
        raise BadInput(
            f"period {period} of {scenario.name} lasts {span.duration_s} s: a day is cut from 1800 to 86400 s"
        )
    inner = range(span.begin_s - span.begin_s % QUARTER_S + QUARTER_S, span.end_s, QUARTER_S)
    edges = [span.begin_s, *inner, span.end_s]
    return [Stretch(begin_s, end_s) for begin_s, end_s in pairwise(edges)]


def _features(
    scenario: Scenario, logs: Sequence[Log], slices: Sequence[Stretch], parts: Sequence[Profile]
) -> tuple[Floats, Floats]:
    """What each slice is told by, and by how much each of that varies for nothing."""
    flows, columns, least = [movement_flows(part) for part in parts], [], []
    for signal in scenario.network.signals.values():
        shares, services_h = _service(signal, signal.limits(scenario.timing), logs, slices)
        veh_h = [sum(flow.get(movement.id, 0.0) for movement in signal.movements) for flow in flows]
        columns += [shares, services_h[:, None], np.array(veh_h)[:, None]]
        share, often, traffic = NOISE
        least += [share] * len(signal.stages) + [often, traffic]
    return np.hstack(columns), np.array(least)


def _service(signal: Signal, limits: Limits, logs: Sequence[Log], slices: Sequence[Stretch]) -> tuple[Floats, Floats]:
    """Per slice: the share of green of each stage, and services an hour, the median of the stages that were served."""
    begins, ends = np.array([[one.begin_s, one.end_s] for one in slices]).T
    green, services = np.zeros((2, len(slices), len(signal.stages)))
    for log in logs:
        for stage, start_s, left_s in greens_of(signal, limits, log, slices[-1].end_s):
            green[:, stage] += np.clip(np.minimum(left_s, ends) - np.maximum(start_s, begins), 0, None)
            services[:, stage] += (begins <= start_s) & (start_s < ends)
    often = [float(np.median(row[row > 0])) if row.any() else 0.0 for row in services]
    lengths = len(logs) * (ends - begins)
    return green / lengths[:, None], 3600 * np.array(often) / lengths


def _veh(one: Stretch, part: Profile) -> float:
    return sum(flow.veh_h for flow in part.motor_flows) * (one.end_s - one.begin_s) / 3600


def _name(number: int) -> str:
    return f"P{number + 1}"


def _times(own: Sequence[Stretch]) -> str:
    """When a plan is in force; a night that goes on past midnight is one stretch."""
    (first, *middle), last = own, own[-1]
    if middle and (first.begin_s, last.end_s) == (0, DAY_S):
        first, middle = Stretch(last.begin_s, first.end_s), middle[:-1]
    shown = [one.text for one in (first, *middle)]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more


def _switches(found: Sequence[tuple[int, Stretch]]) -> list[Switch]:
    """The stretches as a day plan; before the first of them the last plan is kept."""
    begins = sorted((one.begin_s // QUARTER_S * QUARTER_S // 60 % DAY_MIN, _name(plan)) for plan, one in found)
    return joined(begins if begins[0][0] == 0 else [(0, begins[-1][1]), *begins])
