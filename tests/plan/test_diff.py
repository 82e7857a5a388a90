from __future__ import annotations

import pytest

from greenband.agents.planned import GreenWave, Webster
from greenband.plan.describe import described
from greenband.plan.diff import changes
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario


@pytest.fixture
def plans(jincheng: Scenario) -> PlanSet:
    return described(Webster().plan_set(jincheng, ["AM", "PM"]), jincheng)


def edited(plans: PlanSet, **stage: int) -> PlanSet:
    data = plans.model_dump(mode="json")
    plan = data["plans"]["AM"]["J11"]
    before = plan["stages"][1]["green_s"]
    plan["stages"][1].update(stage)
    plan["cycle_s"] += plan["stages"][1]["green_s"] - before
    return PlanSet.model_validate(data)


def test_the_same_plan_has_no_difference(plans: PlanSet, jincheng: Scenario) -> None:
    assert changes(plans, plans) == []
    again = described(Webster().plan_set(jincheng, ["AM", "PM"]), jincheng)
    assert changes(plans, again) == []


def test_a_changed_green_is_told_with_junction_and_stage(plans: PlanSet) -> None:
    before = plans.plans["AM"]["J11"]
    green = before.stages[1].green_s
    found = changes(plans, edited(plans, green_s=green + 4))
    assert [(change.junction, change.plan) for change in found] == [("J11", "AM")] * 2
    assert found[0].name.startswith("金城路 ")
    assert [change.text for change in found] == [
        f"cycle: {before.cycle_s} s to {before.cycle_s + 4} s",
        f"stage 2 road 1 left: green {green} s to {green + 4} s",
    ]


def test_order_offset_and_calendar_are_told(plans: PlanSet) -> None:
    data = plans.model_dump(mode="json")
    plan = data["plans"]["AM"]["J11"]
    plan["stages"] = [plan["stages"][k] for k in (0, 2, 1, 3)]
    plan["offset_s"] = 7
    data["schedule"] = [{"day_plan": "every day", "weekdays": [1, 2]}]
    data["junctions"]["J11"]["max_red_s"] = 170
    texts = [change.text for change in changes(plans, PlanSet.model_validate(data))]
    assert "offset: 0 s to 7 s" in texts
    assert "order of stages: 1, 2, 3, 4 to 1, 3, 2, 4" in texts
    assert "maximum red of the junction: 180 to 170" in texts
    assert "schedule: from daily every day to Mon Tue every day" in texts


def test_periods_and_junctions_come_and_go(plans: PlanSet, jincheng: Scenario, shixin_short: Scenario) -> None:
    only = described(Webster().plan_set(jincheng, ["AM"]), jincheng)
    found = changes(plans, only)
    assert ("PM", "plan goes") in [(change.plan, change.text) for change in found]
    assert any(change.text.startswith("day plan every day: ") for change in found)
    other = described(GreenWave().plan_set(shixin_short, ["AM"]), shixin_short)
    new = {change.junction for change in changes(only, other) if change.text.startswith("new plan")}
    assert new == {"J08", "J09", "J10"}


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("number", 7, "number of the junction: 1 to 7"),
        ("name_zh", "路", "Chinese name of the junction: 金城路 to 路"),
        ("left_hand", True, "left-hand traffic of the junction: False to True"),
    ],
)
def test_what_tables_are_made_of_is_told(plans: PlanSet, field: str, value: object, text: str) -> None:
    data = plans.model_dump(mode="json")
    data["junctions"]["J11"][field] = value
    assert [change.text for change in changes(plans, PlanSet.model_validate(data))] == [text]


def test_the_order_of_plans_counts_since_tables_number_them_by_it(plans: PlanSet) -> None:
    data = plans.model_dump(mode="json")
    data["plans"] = dict(reversed(data["plans"].items()))
    other = PlanSet.model_validate(data)
    assert other.content_hash != plans.content_hash
    assert [change.text for change in changes(plans, other)] == [
        "order of plans, by which tables number them: from AM, PM to PM, AM"
    ]


def test_two_hashes_are_never_no_difference(plans: PlanSet) -> None:
    data = plans.model_dump(mode="json")
    data["schedule"][0]["name"] = "always"
    assert changes(plans, PlanSet.model_validate(data))
