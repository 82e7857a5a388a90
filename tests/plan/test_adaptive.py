"""Plans that are changed once a cycle keep their limits, whatever is asked of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from greenband.agents.fixed import _faults
from greenband.observation import MAX_STAGES
from greenband.plan.adaptive import ADJUSTMENTS, AdaptivePlans
from greenband.plan.greenwave import greenwave
from greenband.scenario import Scenario


@pytest.fixture(scope="module")
def plans(shixin_short: Scenario) -> AdaptivePlans:
    return AdaptivePlans(shixin_short, "AM")


def none(plans: AdaptivePlans) -> Any:
    return np.zeros((len(plans.plans), ADJUSTMENTS))


def test_without_adjustments_they_are_the_green_wave(plans: AdaptivePlans, shixin_short: Scenario) -> None:
    plans.begin(1000, none(plans))
    wave = greenwave(shixin_short, "AM", 120).plans
    assert plans.plans == wave
    assert plans.ends_s == 1000 + next(iter(wave.values())).cycle_s
    for since in (0, 7, 40):
        assert plans.stages(1000 + since) == {name: plan.stage_at(since) for name, plan in wave.items()}


def test_whatever_is_asked_for_they_keep_the_limits(plans: AdaptivePlans, shixin_short: Scenario) -> None:
    rng = np.random.default_rng(0)
    cycles = set()
    for scale in (0.5, 1.0, 50.0):
        for _ in range(20):
            plans.begin(0, rng.normal(0, scale, (len(plans.plans), ADJUSTMENTS)))
            assert len({plan.cycle_s for plan in plans.plans.values()}) == 1
            cycles.add(plans.ends_s)
            for name, plan in plans.plans.items():
                limits = shixin_short.network.signals[name].limits(shixin_short.timing)
                assert list(_faults(plan, limits)) == []
    assert len(cycles) > 10


def test_what_is_no_number_changes_nothing(plans: AdaptivePlans) -> None:
    plans.begin(0, none(plans))
    before = plans.plans
    plans.begin(0, none(plans) * np.nan)
    assert plans.plans == before


def test_each_adjustment_does_what_it_says(plans: AdaptivePlans) -> None:
    plans.begin(0, none(plans))
    before = plans.plans
    name = next(iter(before))
    changed = none(plans)
    changed[0, 0] = 1.0
    plans.begin(0, changed)
    green = {stage.stage: stage.go_s for stage in plans.plans[name].stages}
    was = {stage.stage: stage.go_s for stage in before[name].stages}
    assert green[0] > was[0]
    assert all(green[k] <= was[k] for k in green if k > 0)
    assert {k: v for k, v in plans.plans.items() if k != name} == {k: v for k, v in before.items() if k != name}
    changed = none(plans)
    changed[0, MAX_STAGES] = 1.0
    plans.begin(0, changed)
    cycle = before[name].cycle_s
    assert (plans.plans[name].offset_s - before[name].offset_s) % cycle == pytest.approx(cycle / 4, abs=1)
    changed = none(plans)
    changed[:, -1] = -1.0
    plans.begin(0, changed)
    assert plans.ends_s < cycle


def test_steady_until_a_stage_changes(plans: AdaptivePlans) -> None:
    plans.begin(0, none(plans))
    time_s = 0
    while time_s < plans.ends_s:
        steady = plans.steady_s(time_s, 30)
        assert 1 <= steady <= 30
        assert all(plans.stages(time_s + s) == plans.stages(time_s) for s in range(steady))
        time_s += steady
        assert time_s == plans.ends_s or steady == 30 or plans.stages(time_s) != plans.stages(time_s - 1)
    assert time_s == plans.ends_s


def test_a_day_has_the_wave_of_each_time(shixin_short: Scenario) -> None:
    day = next(name for name, span in shixin_short.periods.items() if span.plans)
    span = shixin_short.period(day)
    plans = AdaptivePlans(shixin_short, day)
    for switch in span.plans:
        plans.begin(switch.time_s, none(plans))
        assert plans.plans == greenwave(shixin_short, switch.period, 120).plans
