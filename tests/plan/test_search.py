from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.plan.greenwave import greenwave
from greenband.plan.search import AroundPlans, PlanSpace
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario


@pytest.mark.parametrize("period", ["AM", "NIGHT"])
def test_the_origin_is_the_green_wave(shixin_short: Scenario, period: str) -> None:
    space = PlanSpace(shixin_short, period, 120)
    assert space.dimension == 1 + 4 * 3 + 3
    assert space.plans([0.0] * space.dimension) == greenwave(shixin_short, period, 120).plans


def test_coordinates_by_hand(jincheng: Scenario) -> None:
    # 75 s x exp(0.02 x 5) = 82.9 s; the second stage's weight grows by exp(0.04 x 8) = 1.38, and its green with it.
    space = PlanSpace(jincheng, "AM", 120)
    (plan,) = space.plans([5.0, 0.0, 0.0, 0.0]).values()
    assert plan.cycle_s == 83
    (start,) = space.plans([0.0, 0.0, 0.0, 0.0]).values()
    (more,) = space.plans([0.0, 8.0, 0.0, 0.0]).values()
    assert more.cycle_s == start.cycle_s
    assert more.stages[1].go_s > start.stages[1].go_s
    assert more.stages[0].go_s <= start.stages[0].go_s


def test_an_offset_moves_two_seconds_a_step(shixin_short: Scenario) -> None:
    space = PlanSpace(shixin_short, "AM", 120)
    point = [0.0] * space.dimension
    point[-1] = -4.0
    start, moved = space.plans([0.0] * space.dimension), space.plans(point)
    *same, last = start
    assert all(moved[name] == start[name] for name in same)
    assert (moved[last].offset_s - start[last].offset_s) % start[last].cycle_s == start[last].cycle_s - 8


def test_blocks_cover_the_point_and_reach_the_next_signals(shixin_short: Scenario) -> None:
    space = PlanSpace(shixin_short, "AM", 120)
    covered = [k for block in space.blocks for k in range(space.dimension)[block.coordinates]]
    assert covered == list(range(space.dimension))
    cycle, *signals = space.blocks
    assert cycle.coordinates == slice(0, 1)
    assert cycle.signals == set(shixin_short.network.signals)
    first, second, third, last = shixin_short.network.signals  # along the road
    felt = [{first, second}, {first, second, third}, {second, third, last}, {third, last}]
    assert [block.signals for block in signals] == felt
    start = space.plans([0.0] * space.dimension)
    for name, block in zip(start, signals, strict=True):
        point = [0.0] * space.dimension
        point[block.coordinates] = [9.0] * len(point[block.coordinates])
        assert {other for other, plan in space.plans(point).items() if plan != start[other]} == {name}


def test_a_signal_with_nothing_to_tune_has_no_block(jincheng: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    (signal,) = jincheng.network.signals.values()
    monkeypatch.setitem(jincheng.network.signals, signal.id, replace(signal, stages=signal.stages[:1]))
    space = PlanSpace(jincheng, "AM", 120)
    assert [block.coordinates for block in space.blocks] == [slice(0, 1)]
    assert space.dimension == 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 3.0, 50.0, 1e6]))
def test_every_point_is_a_plan_within_limits(jincheng: Scenario, seed: int, far: float) -> None:
    space = PlanSpace(jincheng, "AM", 120)
    point = np.random.default_rng(seed).normal(0, far, space.dimension).tolist()
    for name, plan in space.plans(point).items():
        limits = jincheng.network.signals[name].limits(jincheng.timing)
        for stage in plan.stages:
            assert limits.min_green_s[stage.stage] <= stage.go_s <= limits.max_green_s
            assert plan.cycle_s - stage.go_s <= limits.max_red_s


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_around_given_plans_the_origin_is_theirs(shixin_short: Scenario, order: tuple[int, ...]) -> None:
    start = {
        name: build_plan(signal, signal.limits(shixin_short.timing), 97, [5, 2, 4, 3], 13 * k, "mine", order)
        for k, (name, signal) in enumerate(shixin_short.network.signals.items())
    }
    space = AroundPlans(shixin_short, "AM", start)
    origin = space.plans([0.0] * space.dimension)
    assert {n: (p.cycle_s, p.offset_s, p.stages) for n, p in origin.items()} == {
        n: (p.cycle_s, p.offset_s, p.stages) for n, p in start.items()
    }
    longer = space.plans([5.0, *[0.0] * (space.dimension - 1)])
    assert {plan.cycle_s for plan in longer.values()} == {107}  # 97 s x exp(0.02 x 5) = 107.2 s
    assert all([stage.stage for stage in plan.stages] == list(order) for plan in longer.values())
