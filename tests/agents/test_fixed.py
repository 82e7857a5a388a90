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
