from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenband.agents.fixed import FixedPlan
from greenband.control import run
from greenband.errors import BadInput, InfeasibleLimits
from greenband.plan.cycles import feasible_cycles
from greenband.plan.distil import Usage, common_cycle_s, distil, stage_order, usage
from greenband.scenario import Period, Scenario
from greenband.signals import Limits, SignalTiming

FAST = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def steady_log(scenario: Scenario, greens_s: Mapping[int, int], period: str = "AM") -> dict[str, list[tuple[int, int]]]:
    """Every signal shows the stages of ``greens_s`` in that order, over and over; intergreen 5 s."""
    span, log = scenario.period(period), list[tuple[int, int]]()
    clock = span.start_s
    while clock < span.end_s:
        for stage, green in greens_s.items():
            log.append((clock, stage))
            clock += green + (5 if len(log) > 1 else 0)
    return dict.fromkeys(scenario.network.signals, log)


def test_usage_by_hand(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    limits = signal.limits(jincheng.timing)
    period = Period(begin_s=100, duration_s=100, warmup_s=100, demand="")
    # stage 0 from 0; yellow at 60, stage 1 green 65 to 120, stage 2 green 125 to 150, stage 0 green 155 to the end 200
    log = {signal.id: [(0, 0), (60, 1), (120, 2), (150, 0)]}
    used = usage(signal, limits, [log, log], period)
    assert used.measured_s == 200
    assert used.green_s == (90, 40, 50, 0)
    assert used.services == (2, 0, 2, 0)
    assert used.follows == {(2, 0): 2}


def test_stage_order_takes_the_cycle_most_often_realised() -> None:
    follows = {(0, 2): 9, (2, 1): 8, (1, 3): 7, (3, 0): 6, (0, 1): 5, (1, 2): 5}
    assert stage_order(Usage(3600, (1, 1, 1, 1), (9, 9, 9, 9), follows)) == (0, 2, 1, 3)
    assert stage_order(Usage(3600, (1, 1, 1), (9, 9, 9), {})) == (0, 1, 2)
    assert stage_order(Usage(3600, (1,), (9,), {})) == (0,)
    assert sorted(stage_order(Usage(3600, (1,) * 10, (9,) * 10, {(0, 9): 3, (9, 4): 2}))) == list(range(10))


def test_a_steady_plan_is_found_again(jincheng: Scenario) -> None:
    log = steady_log(jincheng, {0: 40, 2: 26, 1: 13, 3: 21})
    plans = distil(jincheng, {"AM": [log]}, "steady", [1000])
    (plan,) = plans.plans["AM"].values()
    assert plan.cycle_s == 120
    assert [(stage.stage, stage.go_s) for stage in plan.stages] == [(0, 40), (2, 26), (1, 13), (3, 21)]
    assert plans.provenance.subject == "steady"
    assert plans.provenance.seeds == (1000,)


def test_a_stage_that_was_skipped_still_gets_what_it_needs(jincheng: Scenario) -> None:
    plans = distil(jincheng, {"AM": [steady_log(jincheng, {0: 40, 2: 30, 3: 30})]}, "skips")
    (plan,) = plans.plans["AM"].values()
    greens = {stage.stage: stage.go_s for stage in plan.stages}
    assert greens[1] >= 8
    assert len(greens) == 4


def test_hurried_services_do_not_give_a_cycle_too_short_for_demand(jincheng: Scenario) -> None:
    plans = distil(jincheng, {"AM": [steady_log(jincheng, {0: 15, 1: 8, 2: 15, 3: 8})]}, "hurried")
    (plan,) = plans.plans["AM"].values()
    assert plan.cycle_s >= 75  # (1.5 L + 5) / (1 - Y) with L = 20 s and Y = 0.53


def test_a_long_cycle_holds_maximum_green_and_red(jincheng: Scenario) -> None:
    plans = distil(jincheng, {"AM": [steady_log(jincheng, {0: 400, 1: 300, 2: 400, 3: 300})]}, "slow")
    (plan,) = plans.plans["AM"].values()
    assert max(stage.go_s for stage in plan.stages) <= 90
    assert min(stage.go_s for stage in plan.stages) >= plan.cycle_s - 180


def test_a_cycle_can_be_given(jincheng: Scenario) -> None:
    log = steady_log(jincheng, {0: 40, 2: 26, 1: 13, 3: 21})
    plans = distil(
        jincheng,
        {"AM": [log], "PM": [steady_log(jincheng, {0: 40, 2: 26, 1: 13, 3: 21}, "PM")]},
        "x",
        cycles_s={"AM": 99},
    )
    assert [plan.cycle_s for _, plan in plans] == [99, 120]
    with pytest.raises(BadInput, match="period AM: a common cycle of 65 s is not allowed: 66 to 233 s are"):
        distil(jincheng, {"AM": [log]}, "x", cycles_s={"AM": 65})


def test_common_cycle_is_the_demand_s_where_policies_hurry() -> None:
    limits = {"a": Limits(3, 2, (10, 10))}
    used = {"a": Usage(3600, (1800, 1000), (90, 90), {})}
    # L = 10 s, Y = 0.6: (1.5 x 10 + 5) / 0.4 = 50 s, over the realised 40 s
    assert common_cycle_s(limits, used, {"a": [0.4, 0.2]}) == 50
    assert common_cycle_s(limits, used, {"a": [0.1, 0.1]}) == 40
    assert common_cycle_s(limits, used, {"a": [0.7, 0.6]}) == feasible_cycles(limits)[1]


@pytest.mark.parametrize(
    ("logs", "reason"),
    [
        ({}, "no logs"),
        ({"AM": []}, "no log of a run"),
        ({"AM": [{}]}, "the log has no signal"),
        ({"AM": [{"J11": [(26400, 9)]}]}, "names stage 9; it has 4"),
        ({"XX": [{}]}, "unknown period"),
    ],
)
def test_bad_logs_are_refused(
    jincheng: Scenario, logs: dict[str, list[dict[str, list[tuple[int, int]]]]], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        distil(jincheng, logs, "x")


changes = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 3)), max_size=40)
timings = st.builds(
    SignalTiming,
    yellow_s=st.integers(0, 6),
    all_red_s=st.integers(0, 6),
    min_green_through_s=st.integers(1, 60),
    min_green_turn_s=st.integers(1, 60),
    max_green_s=st.integers(20, 120),
    max_red_s=st.integers(30, 300),
    green_flash_s=st.integers(0, 5),
)


@settings(max_examples=25, **FAST)  # type: ignore[arg-type]
@given(per_signal=st.lists(changes, min_size=4, max_size=4), practice=timings)
def test_any_log_gives_a_plan_within_limits_or_a_reason(
    shixin_short: Scenario, per_signal: list[list[tuple[int, int]]], practice: SignalTiming
) -> None:
    scenario = shixin_short.model_copy(update={"timing": practice})
    log = {}
    for name, steps in zip(scenario.network.signals, per_signal, strict=True):
        clock, executed = scenario.period("AM").start_s, [(scenario.period("AM").start_s, 0)]
        for seconds, stage in steps:
            clock += seconds
            executed.append((clock, stage))
        log[name] = executed
    try:
        limits = {name: signal.limits(practice) for name, signal in scenario.network.signals.items()}
    except InfeasibleLimits:
        return
    try:
        cycles = feasible_cycles(limits)
    except BadInput:
        with pytest.raises(BadInput, match="no common cycle"):
            distil(scenario, {"AM": [log]}, "random")
        return
    plans = distil(scenario, {"AM": [log]}, "random").plans["AM"]
    assert cycles[0] <= plans["J08"].cycle_s <= cycles[1]
    assert len({plan.cycle_s for plan in plans.values()}) == 1
    for name, plan in plans.items():
        assert sum(stage.duration_s for stage in plan.stages) == plan.cycle_s
        assert 0 <= plan.offset_s < plan.cycle_s
        for timing in plan.stages:
            assert limits[name].min_green_s[timing.stage] <= timing.go_s <= limits[name].max_green_s
            assert plan.cycle_s - timing.go_s <= limits[name].max_red_s


def test_the_interlock_runs_a_distilled_plan_as_it_stands(shixin_short: Scenario) -> None:
    log = steady_log(shixin_short, {0: 40, 1: 12, 2: 20, 3: 12})
    plans = distil(shixin_short, {"AM": [log]}, "steady")
    period = shixin_short.period("AM").model_copy(update={"duration_s": 200, "warmup_s": 300})
    short = shixin_short.model_copy(update={"periods": {"AM": period}})
    executed = run(FixedPlan(plans), short, "AM", 1000, demand=0.05)
    for name, plan in plans.plans["AM"].items():
        asked = [plan.stage_at(time) for time, _ in executed[name][2:]]
        assert asked == [stage for _, stage in executed[name][2:]]
        starts = [time for time, stage in executed[name][2:] if stage == plan.stages[1].stage]
        assert {b - a for a, b in pairwise(starts)} == {plan.cycle_s}
