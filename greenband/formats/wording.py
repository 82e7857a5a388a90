"""What a timing table says in words: names of junctions, released flows 放行流向 and the times of day of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from greenband.plan.calendar import DAY_MIN, DayPlan, clock
from greenband.plan.junction import SignalGroup
from greenband.plan.model import PlanSet, StageTiming

__all__ = ["flow_in_words", "flows", "names", "times_of_day"]

FROM = ("南", "西南", "西", "西北", "北", "东北", "东", "东南")  # where a traveller of bearing 0, 45, ... comes from


def names(plans: PlanSet, signal: str) -> tuple[str, str]:
    """Chinese and English name of a junction, empty where the set does not know it."""
    junction = plans.junctions.get(signal)
    return (junction.name_zh, junction.name_en) if junction else ("", "")


def flows(plans: PlanSet, signal: str, stage: StageTiming) -> str:
    """Released flows in words, such as 南进口直行, as far as the plan set knows the movements."""
    junction = plans.junctions.get(signal)
    if junction is None:
        return ""
    known = {group.movement: group for group in junction.groups}
    return " ".join(flow_in_words(known[m], junction.left_hand) for m in stage.movements if m in known)


def flow_in_words(group: SignalGroup, left_hand: bool) -> str:
    """What a signal group releases, such as 南进口直行: the side from which it comes, and where it goes."""
    return f"{FROM[round(group.bearing / 45) % 8]}进口{_turn(group, left_hand)}"


def _turn(group: SignalGroup, left_hand: bool) -> str:
    near, far = ("左转", "右转") if left_hand else ("右转", "左转")
    return {"through": "直行", "near": near, "far": far, "back": "掉头", "crossing": "行人"}[group.turn]


def times_of_day(plans: PlanSet, signal: str, period: str) -> str:
    """When a junction runs its plan of a period, such as ``07:00-09:00 17:00-19:00``.

    Where there are several day plans, each goes by its name, with semicolons between. A junction without a plan for a
    period keeps the one that it has.
    """
    own = {name for name, of in plans.plans.items() if signal in of}
    texts = {name: " ".join(_spans(day, own, period)) for name, day in plans.day_plans.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name} {text}" for name, text in texts.items() if text)


def _spans(day: DayPlan, own: set[str], period: str) -> Iterator[str]:
    known = [(switch.at_min, switch.plan) for switch in day.switches if switch.plan in own]
    if not known:
        return
    runs = known if known[0][0] == 0 else [(0, known[-1][1]), *known]
    changes = [run for number, run in enumerate(runs) if number == 0 or run[1] != runs[number - 1][1]]
    for (begin, plan), (end, _) in pairwise([*changes, (DAY_MIN, "")]):
        if plan == period:
            yield f"{clock(begin)}-{clock(end)}"
