"""The fixed pattern: the existing plan where there is one, else every stage in turn."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest

from greenband import registry
from greenband.fallback import EQUAL_GREEN_S, FixedPatterns, equal_greens
from greenband.formats import json as plan_json
from greenband.scenario import PlanSwitch, Scenario
from greenband.signals import Limits


def patterns(scenario: Scenario, period: str = "AM") -> FixedPatterns:
    limits = {name: signal.limits(scenario.timing) for name, signal in scenario.network.signals.items()}
    return FixedPatterns(scenario, period, limits)


def test_the_existing_plan_is_followed(shixin_short: Scenario) -> None:
    plans = plan_json.read(shixin_short.existing_plan_file("AM")).plans["AM"]
    found = patterns(shixin_short)
    for name, plan in plans.items():
        times = range(26000, 26000 + 2 * plan.cycle_s)
        assert [found.stage_at(name, t) for t in times] == [plan.stage_at(t) for t in times]


def test_without_a_plan_every_stage_has_its_turn(jincheng: Scenario) -> None:
    bare = jincheng.period("AM").model_copy(update={"existing_plan": None})
    found = patterns(jincheng.model_copy(update={"periods": {"AM": bare}}))
    runs = [stage for stage, _ in groupby(found.stage_at("J11", t) for t in range(1000))]
    assert runs[:5] in ([0, 1, 2, 3, 0], [1, 2, 3, 0, 1], [2, 3, 0, 1, 2], [3, 0, 1, 2, 3])
    assert all((b - a) % 4 == 1 for a, b in pairwise(runs))


def test_plans_change_with_the_time_of_day(jincheng: Scenario) -> None:
    """A period that spans two others follows the plan in force; one that no plan covers gets equal greens."""
    plans = plan_json.read(jincheng.existing_plan_file("AM")).plans
    am = jincheng.period("AM")
    switches = (PlanSwitch(time_s=26000, period="AM"), PlanSwitch(time_s=30000, period="none such"))
    day = am.model_copy(update={"plans": switches})
    limits = jincheng.network.signals["J11"].limits(jincheng.timing)
    found = FixedPatterns(jincheng.model_copy(update={"periods": {"DAY": day}}), "DAY", {"J11": limits})
    equal = equal_greens(jincheng.network.signals["J11"], limits)
    early, late = range(26000, 26400), range(30000, 30400)
    assert [found.stage_at("J11", t) for t in early] == [plans["AM"]["J11"].stage_at(t) for t in early]
    assert [found.stage_at("J11", t) for t in late] == [equal.stage_at(t) for t in late]


@pytest.mark.parametrize("name", registry.names("scenario"))
def test_equal_greens_keep_the_limits(name: str) -> None:
    scenario = registry.scenario(name)
    for signal in scenario.network.signals.values():
        limits = signal.limits(scenario.timing)
        plan = equal_greens(signal, limits)
        assert [stage.stage for stage in plan.stages] == list(range(len(signal.stages)))
        for stage, least in zip(plan.stages, limits.min_green_s, strict=True):
            assert least <= stage.go_s <= limits.max_green_s
            assert plan.cycle_s - stage.go_s <= limits.max_red_s
            assert stage.go_s in (max(least, EQUAL_GREEN_S), least)


def test_a_long_round_takes_minimum_greens(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    tight = Limits(3, 2, (15, 8, 15, 8), max_red_s=70)
    assert [stage.go_s for stage in equal_greens(signal, tight).stages] == [15, 8, 15, 8]
    roomy = Limits(3, 2, (15, 8, 30, 8), max_green_s=40, max_red_s=180)
    assert [stage.go_s for stage in equal_greens(signal, roomy).stages] == [25, 25, 30, 25]
