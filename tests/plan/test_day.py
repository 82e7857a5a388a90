"""A day's log of known hours comes back as plans of those hours."""

from __future__ import annotations

import pytest

from greenband.demand import profile
from greenband.errors import BadInput
from greenband.plan.day import cut_plans, quarters
from greenband.plan.describe import described
from greenband.plan.distil import greens_of
from greenband.plan.model import PlanSet
from greenband.plan.rules import check
from greenband.plan.rules.profile import PROFILES
from greenband.plan.splits import movement_flows
from greenband.plan.transition import timeline
from greenband.scenario import Period, Scenario

NIGHT, OFF, PEAK = {0: 20, 1: 8, 2: 20, 3: 8}, {0: 30, 1: 10, 2: 30, 3: 10}, {0: 60, 1: 15, 2: 35, 3: 15}
HOURS = [(NIGHT, 0, 6), (OFF, 6, 7), (PEAK, 7, 9), (OFF, 9, 17), (PEAK, 17, 19), (OFF, 19, 22), (NIGHT, 22, 24)]


def day_log(scenario: Scenario) -> dict[str, list[tuple[int, int]]]:
    """Every signal shows the greens of the hour, over and over; intergreen 5 s."""
    log = list[tuple[int, int]]()
    clock = 0
    for greens_s, _, end in HOURS:
        while clock < 3600 * end:
            for stage, green in greens_s.items():
                log.append((clock, stage))
                clock += green + (5 if len(log) > 1 else 0)
    return dict.fromkeys(scenario.network.signals, log)


@pytest.fixture(scope="module")
def cut(jincheng: Scenario) -> PlanSet:
    return described(cut_plans(jincheng, "day", [day_log(jincheng)], "steady", [10000], 5), jincheng)


def test_hours_alike_have_one_plan(cut: PlanSet) -> None:
    (day,) = cut.day_plans.values()
    at = {switch.at: switch.plan for switch in day.switches}
    night, off, peak, evening = (day.plan_at(60 * hour) for hour in (3, 12, 8, 21))
    assert len({night, off, peak, evening}) == 4  # in the evening traffic is half of that at noon
    assert (day.plan_at(60 * 18), day.plan_at(60 * 6), day.plan_at(60 * 23)) == (peak, evening, night)
    assert {"07:00", "09:00", "17:00", "19:00"} <= set(at)
    assert all(switch.at_min % 15 == 0 for switch in day.switches)


def test_plans_are_numbered_by_their_first_time_and_named_by_their_times(cut: PlanSet) -> None:
    (day,) = cut.day_plans.values()
    assert list(cut.plans) == list(dict.fromkeys(switch.plan for switch in day.switches))
    assert list(cut.plans) == [f"P{k}" for k in range(1, len(cut.plans) + 1)]
    for name, plan in cut:
        assert plan.name.startswith(f"{name} ")
        assert plan.name.endswith(f" {plan.cycle_s} s")
        assert len(plan.name) <= 50  # what GA/T 1049.2 takes
    night = cut.plans["P1"]["J11"]
    assert night.name.startswith("P1 22:00-06:00")
    peak = cut.plans[day.plan_at(480)]["J11"]
    assert "07:00-09:00, 17:00-19:00" in peak.name


def test_a_plan_has_capacity_for_every_hour_of_its_own(cut: PlanSet, jincheng: Scenario) -> None:
    """No lane group of the only junction has more traffic in any hour than its green lets through."""
    (day,) = cut.day_plans.values()
    demand = profile(jincheng.demand("day"), 0, 86400)
    assert cut.plans[day.plan_at(480)]["J11"].cycle_s >= 145  # as realised: 125 s of green and four intergreens
    for hour in range(24):
        flows = movement_flows(demand.within(3600 * hour, 3600 * (hour + 1)))
        plan = cut.plans[day.plan_at(60 * hour)]["J11"]
        for stage in plan.stages:
            lanes = [
                m for m in jincheng.network.signals["J11"].movements if m.id in stage.movements and m.turn == "through"
            ]
            for movement in lanes:
                capacity = 1650 * len(movement.from_lanes) * stage.go_s / plan.cycle_s
                assert flows.get(movement.id, 0.0) <= capacity


def test_the_set_keeps_all_rules_but_approval_and_gets_into_step(cut: PlanSet) -> None:
    broken = [finding for finding in check(cut, PROFILES["cn"]) if finding.severity == "error"]
    assert broken == []
    assert len(timeline(cut, "J11", cut.plain_day or "")) >= 5


def test_the_same_log_gives_the_same_plans(cut: PlanSet, jincheng: Scenario) -> None:
    again = described(cut_plans(jincheng, "day", [day_log(jincheng)], "steady", [10000], 5), jincheng)
    assert again.content_hash == cut.content_hash


def test_one_plan_is_that_of_the_whole_day(jincheng: Scenario) -> None:
    plans = cut_plans(jincheng, "day", [day_log(jincheng)], "steady", [10000], 1)
    (day,) = plans.day_plans.values()
    assert [(switch.at, switch.plan) for switch in day.switches] == [("00:00", "P1")]
    assert "P1 00:00-24:00" in plans.plans["P1"]["J11"].name


def part_of_day(scenario: Scenario, begin_s: int, duration_s: int) -> Scenario:
    span = Period.model_validate(
        scenario.period("day").model_dump() | {"begin_s": begin_s, "duration_s": duration_s, "warmup_s": 0}
    )
    return scenario.model_copy(update={"periods": {"day": span}})


def test_the_last_plan_is_kept_until_the_period_begins_again(jincheng: Scenario) -> None:
    plans = cut_plans(part_of_day(jincheng, 5 * 3600 + 600, 3 * 3600), "day", [day_log(jincheng)], "steady", [], 3)
    (day,) = plans.day_plans.values()
    assert day.switches[0].plan == day.switches[-1].plan != day.plan_at(330)
    assert day.switches[1].at == "05:00"
    assert day.switches[-1].at == "07:00"


def test_quarters_are_those_of_the_clock(jincheng: Scenario) -> None:
    whole = quarters(jincheng, "day")
    assert (len(whole), whole[0].text, whole[-1].text) == (96, "00:00-00:15", "23:45-24:00")
    odd = quarters(part_of_day(jincheng, 600, 2000), "day")
    assert [(one.begin_s, one.end_s) for one in odd] == [(600, 900), (900, 1800), (1800, 2600)]


@pytest.mark.parametrize("duration_s", [900, 86401])
def test_what_is_no_day_is_refused(jincheng: Scenario, duration_s: int) -> None:
    with pytest.raises(BadInput, match=f"lasts {duration_s} s: a day is cut from 1800 to 86400 s"):
        cut_plans(part_of_day(jincheng, 0, duration_s), "day", [day_log(jincheng)], "steady", [], 4)


def test_a_log_without_the_signal_is_refused(jincheng: Scenario) -> None:
    with pytest.raises(BadInput, match="the log has no signal J11"):
        cut_plans(jincheng, "day", [{}], "nothing", [], 4)


def test_greens_begin_after_the_intergreen(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    found = list(greens_of(signal, signal.limits(jincheng.timing), {signal.id: [(0, 0), (60, 1)]}, 100))
    assert found == [(0, 0, 60), (1, 65, 100)]
