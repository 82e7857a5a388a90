"""A fixed plan is shown second by second as its table says; plans that do not fit are refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from greenband.agents.fixed import Existing, FixedPlan
from greenband.control import run
from greenband.errors import BadInput
from greenband.formats import json as plan_json
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.model import PlanSet, TimingPlan
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario
from greenband.sensing import Measurement
from greenband.signals import Interlock
from greenband.simulation import Records


@pytest.fixture
def plans(jincheng: Scenario) -> PlanSet:
    """The existing plan with an offset of 17 s."""
    read = plan_json.read(jincheng.existing_plan_file("AM"))
    moved = read.plans["AM"]["J11"].model_copy(update={"offset_s": 17})
    return read.model_copy(update={"plans": {"AM": {"J11": moved}}})


def test_sumo_shows_the_table(
    plans: PlanSet, jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    """From the second cycle on, which the first meets at its offset, each second's lamps follow the plan's stages."""
    records, plan = Records(tmp_path), plans.plans["AM"]["J11"]
    run(FixedPlan(plans), shorten(jincheng, duration_s=500), "AM", 0, records=records)
    rows = ET.parse(records.lamps("J11")).getroot()
    shown = {int(float(row.attrib["time"])): row.attrib["state"] for row in rows}
    states = [stage.state for stage in jincheng.network.signals["J11"].stages]
    second = next(t for t in shown if (t - 17) % plan.cycle_s == 0 and t > 26900 + plan.cycle_s)
    times = range(second, second + 2 * plan.cycle_s)
    assert set(times) <= set(shown)
    for time in times:
        position = (time - 17) % plan.cycle_s
        for stage in plan.stages:
            if 0 <= position < stage.go_s:
                assert shown[time] == states[stage.stage]
            elif stage.go_s <= position < stage.go_s + stage.yellow_s:
                assert "y" in shown[time]
            elif stage.go_s + stage.yellow_s <= position < stage.duration_s:
                assert not set("yGg") & set(shown[time])
            position -= stage.duration_s


@pytest.mark.parametrize("offset_s", range(0, 130, 4))
def test_it_is_on_plan_wherever_in_the_cycle_it_starts(plans: PlanSet, jincheng: Scenario, offset_s: int) -> None:
    """Within the first stage, even where too little is left of the plan's own and it begins with the next, early."""
    plan = plans.plans["AM"]["J11"].model_copy(update={"offset_s": offset_s})
    controller = FixedPlan(plans.model_copy(update={"plans": {"AM": {"J11": plan}}}))
    start_s, signal = jincheng.period("AM").start_s, jincheng.network.signals["J11"]
    first = controller.reset(jincheng, "AM")["J11"]
    interlock = Interlock(signal.stages, signal.limits(jincheng.timing), start_s, first)
    on_plan = []
    for time_s in range(start_s, start_s + 2 * plan.cycle_s):
        interlock.request(controller.decide(Measurement(time_s, {}))["J11"])
        on_plan.append(interlock.stage == plan.stage_at(time_s))
        interlock.tick(time_s + 1)
    late = on_plan.index(True)
    assert all(on_plan[late:])
    assert late == 0 or first == plan.stage_at(start_s + late)


def test_the_existing_plan_runs_at_its_cycle(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    executed = run(Existing(), shorten(jincheng, duration_s=500), "AM", 0)["J11"]
    starts = [time for time, stage in executed if stage == 0][1:]
    assert [b - a for a, b in pairwise(starts)] == [130] * (len(starts) - 1)
    assert len(starts) >= 3


def changed(plan: TimingPlan, **change: Any) -> TimingPlan:
    """The plan with its second stage changed, and the cycle to suit."""
    second = plan.stages[1].model_copy(update=change)
    stages = (plan.stages[0], second, *plan.stages[2:])
    return plan.model_copy(update={"stages": stages, "cycle_s": sum(stage.duration_s for stage in stages)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"yellow_s": 2}, "yellow 2 s and all-red 2 s, but the junction needs 3 s and 2 s"),
        ({"all_red_s": 0}, "all-red 0 s"),
        ({"green_s": 4}, "green 7 s must be 8 to 90 s"),
        ({"green_s": 90}, "green 93 s must be 8 to 90 s"),
        ({"stage": 4}, "it has stages \\[0, 2, 3, 4\\], but the junction has 4"),
    ],
)
def test_a_plan_that_breaks_a_limit_is_refused(
    change: dict[str, int], message: str, plans: PlanSet, jincheng: Scenario
) -> None:
    FixedPlan(plans).reset(jincheng, "AM")
    wrong = {"AM": {"J11": changed(plans.plans["AM"]["J11"], **change)}}
    with pytest.raises(BadInput, match=f"junction J11: .*{message}"):
        FixedPlan(plans.model_copy(update={"plans": wrong})).reset(jincheng, "AM")


def test_periods_and_junctions_must_be_there(plans: PlanSet, jincheng: Scenario, shixin_short: Scenario) -> None:
    with pytest.raises(BadInput, match="no period PM: it has AM"):
        FixedPlan(plans).reset(jincheng, "PM")
    with pytest.raises(BadInput, match="no junction J08 of scenario shixin_short, period AM"):
        FixedPlan(plans).reset(shixin_short, "AM")


def test_a_plan_built_by_the_splits_passes_the_check(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    plan = build_plan(signal, signal.limits(jincheng.timing), 100, [1, 1, 1, 1])
    origin = plan_json.read(jincheng.existing_plan_file("AM")).provenance
    FixedPlan(PlanSet(provenance=origin, plans={"AM": {"J11": plan}})).reset(jincheng, "AM")


def test_a_stage_red_for_longer_than_the_maximum_is_refused(plans: PlanSet, jincheng: Scenario) -> None:
    plan = plans.plans["AM"]["J11"]
    first = plan.stages[0].model_copy(update={"green_s": 80})
    second = plan.stages[2].model_copy(update={"green_s": 80})
    stages = (first, plan.stages[1], second, plan.stages[3])
    long = plan.model_copy(update={"stages": stages, "cycle_s": sum(stage.duration_s for stage in stages)})
    with pytest.raises(BadInput, match=r"red \d+ s is above the maximum of 180 s"):
        FixedPlan(plans.model_copy(update={"plans": {"AM": {"J11": long}}})).reset(jincheng, "AM")


def own_day(jincheng: Scenario, *switches: tuple[int, str]) -> PlanSet:
    """Plans P1 of 100 s and P2 of 110 s, with a day plan of (minute, plan) on weekdays and P1 at the weekend."""
    signal, origin = jincheng.network.signals["J11"], plan_json.read(jincheng.existing_plan_file("AM")).provenance
    made = {
        name: {"J11": build_plan(signal, signal.limits(jincheng.timing), cycle_s, [1, 1, 1, 1])}
        for name, cycle_s in (("P1", 100), ("P2", 110))
    }
    weekday = DayPlan(switches=tuple(Switch(at_min=minute, plan=plan) for minute, plan in switches))
    weekend = DayPlan(switches=(Switch(at_min=0, plan="P1"),))
    rows = (ScheduleRow(day_plan="free", weekdays=(6, 7)), ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5)))
    return PlanSet(provenance=origin, plans=made, day_plans={"free": weekend, "work": weekday}, schedule=rows)


def cycles(controller: FixedPlan, scenario: Scenario, period: str) -> list[tuple[int, int]]:
    """(time in s, cycle in s) whenever the plan in force changes during a period."""
    span, found = scenario.period(period), list[tuple[int, int]]()
    controller.reset(scenario, period)
    for time_s in range(span.start_s, span.end_s, 60):
        controller.decide(Measurement(time_s, {}))
        if not found or controller.active["J11"].cycle_s != found[-1][1]:
            found.append((time_s, controller.active["J11"].cycle_s))
    return found


def test_a_period_without_a_plan_of_its_name_has_that_of_the_day_plan(jincheng: Scenario) -> None:
    """AM lasts from 07:30 to 08:30, after a warm-up of 10 minutes."""
    at_begin = FixedPlan(own_day(jincheng, (0, "P1"), (450, "P2"), (510, "P1")))
    assert cycles(at_begin, jincheng, "AM") == [(26400, 110)]
    assert not at_begin.changes
    within = FixedPlan(own_day(jincheng, (0, "P2"), (480, "P1")))
    within.reset(jincheng, "AM")
    assert within.changes
    assert cycles(within, jincheng, "AM") == [(26400, 110), (28800, 100)]


def test_the_whole_day_follows_the_set_s_own_day_plan(jincheng: Scenario) -> None:
    plans = own_day(jincheng, (0, "P1"), (420, "P2"), (1200, "P1"))
    assert cycles(FixedPlan(plans), jincheng, "day") == [(0, 100), (25200, 110), (72000, 100)]


def test_a_plan_of_the_period_s_name_goes_first(jincheng: Scenario) -> None:
    plans = own_day(jincheng, (0, "P1"))
    named = plans.model_copy(update={"plans": {**plans.plans, "AM": plans.plans["P2"]}})
    assert cycles(FixedPlan(named), jincheng, "AM") == [(26400, 110)]
    assert cycles(FixedPlan(named), jincheng, "PM") == [(60600, 100)]


def test_a_run_changes_plans_where_the_day_plan_does(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    short = shorten(jincheng, duration_s=900)  # from 07:30, change at 07:38
    executed = run(FixedPlan(own_day(jincheng, (0, "P1"), (458, "P2"))), short, "AM", 0, demand=0.05)["J11"]
    starts = [time for time, stage in executed if stage == 0]
    lengths = [b - a for a, b in pairwise(starts)]
    assert lengths[1:5] == [100] * 4  # the first began with the run
    assert lengths[-1] == 110
    assert (starts[-1] + 5) % 110 == 0  # called in when the last stage's green ends, 5 s earlier
