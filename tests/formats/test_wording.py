from __future__ import annotations

import pytest

from greenband.formats.wording import flow_in_words, times_of_day
from greenband.plan.calendar import DayPlan, Switch
from greenband.plan.junction import SignalGroup
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan


def plans(days: dict[str, list[tuple[int, str]]]) -> PlanSet:
    """Junction A has a plan for each period, B none for PM."""
    stage = StageTiming(stage=0, name="all", green_s=20, yellow_s=3, all_red_s=2)
    a, b = (TimingPlan(signal=name, cycle_s=25, offset_s=0, stages=(stage,)) for name in "AB")
    return PlanSet(
        provenance=Provenance(subject="", scenario=""),
        plans={"OFF": {"A": a, "B": b}, "AM": {"A": a, "B": b}, "PM": {"A": a}},
        day_plans={
            name: DayPlan(switches=tuple(Switch(at_min=60 * hour, plan=plan) for hour, plan in day))
            for name, day in days.items()
        },
    )


DAY = [(0, "OFF"), (7, "AM"), (9, "OFF"), (17, "PM"), (19, "OFF")]


@pytest.mark.parametrize(
    ("signal", "period", "text"),
    [
        ("A", "AM", "07:00-09:00"),
        ("A", "OFF", "00:00-07:00 09:00-17:00 19:00-24:00"),
        ("A", "PM", "17:00-19:00"),
        ("B", "OFF", "00:00-07:00 09:00-24:00"),
    ],
)
def test_times_of_day_of_a_plan(signal: str, period: str, text: str) -> None:
    assert times_of_day(plans({"every day": DAY}), signal, period) == text


def test_several_day_plans_go_by_their_names() -> None:
    week = plans({"work": DAY, "holiday": [(0, "OFF")], "fair": [(0, "PM"), (12, "AM")]})
    assert times_of_day(week, "A", "AM") == "work 07:00-09:00; fair 12:00-24:00"
    assert times_of_day(week, "B", "AM") == "work 07:00-09:00; fair 00:00-24:00"
    assert times_of_day(plans({}), "A", "AM") == ""


@pytest.mark.parametrize(
    ("bearing", "turn", "left_hand", "words"),
    [
        (0, "through", False, "南进口直行"),
        (90, "far", False, "西进口左转"),
        (180, "near", False, "北进口右转"),
        (180, "near", True, "北进口左转"),
        (315, "far", True, "东南进口右转"),
        (350, "back", False, "南进口掉头"),
        (270, "crossing", False, "东进口行人"),
    ],
)
def test_flows_are_said_by_the_side_they_come_from(bearing: int, turn: str, left_hand: bool, words: str) -> None:
    group = SignalGroup.model_validate(
        {"number": 1, "movement": "a>b", "bearing": bearing, "turn": turn, "speed_ms": 1, "crossing_m": 1}
    )
    assert flow_in_words(group, left_hand) == words
