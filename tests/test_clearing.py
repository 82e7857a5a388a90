"""Turning vehicles get away before crossing traffic comes, on a crossing of two roads with shared lanes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from greenband.clearing import TurnClearing
from greenband.control import ControlLoop
from greenband.errors import BadInput
from greenband.network import Link, Movement, Signal
from greenband.scenario import Scenario
from greenband.signals import Stage

MAIN, LEFT, SIDE = range(3)  # stages: both movements of the main road, its left turn alone, the side street


@pytest.fixture
def crossing() -> Signal:
    ways = [("west", "east", "s", "through"), ("west", "north", "l", "far"), ("south", "north", "s", "through")]
    links = [Link(k, f"{a}_0", f"{b}_0", d, 20.0, 14.0, via_lane=f":x_{k}_0") for k, (a, b, d, _) in enumerate(ways)]
    movements = [
        Movement(a, b, d, turn, (k,), (f"{a}_0",), (f"{b}_0",), 0.0)  # type: ignore[arg-type]
        for k, (a, b, d, turn) in enumerate(ways)
    ]
    stages = [Stage("main", "Ggr", (0, 1)), Stage("left", "rGr", (1,)), Stage("side", "rrG", (2,))]
    nothing: frozenset[tuple[int, int]] = frozenset()
    return Signal("x", 3, tuple(links), tuple(movements), nothing, nothing, tuple(stages), ("west", "south"), (0, 0))


def sumo(speeds_ms: Mapping[str, float]) -> Any:
    """A vehicle on each of some lanes, named like it."""
    lane = SimpleNamespace(getLastStepVehicleIDs=lambda lane: [lane] if lane in speeds_ms else [])
    return SimpleNamespace(lane=lane, vehicle=SimpleNamespace(getSpeed=speeds_ms.__getitem__))


def test_a_stage_lasts_until_those_who_turn_are_gone(crossing: Signal) -> None:
    clearing, waiting = TurnClearing(crossing, 20), sumo({":x_1_0": 0.1})
    assert [clearing.guide(waiting, MAIN, SIDE, now_s) for now_s in (100, 110)] == [MAIN, MAIN]
    assert clearing.guide(sumo({}), MAIN, SIDE, 120) == SIDE


def test_after_the_limit_comes_the_stage_in_which_they_need_not_yield(crossing: Signal) -> None:
    clearing, waiting = TurnClearing(crossing, 20), sumo({":x_1_0": 0.1})
    assert [clearing.guide(waiting, MAIN, SIDE, now_s) for now_s in (100, 110, 120)] == [MAIN, MAIN, LEFT]
    assert clearing.guide(waiting, LEFT, SIDE, 130) == SIDE  # where they have right of way nobody waits for them


def test_where_no_stage_clears_them_crossing_traffic_comes_after_the_limit(crossing: Signal) -> None:
    simple = replace(crossing, stages=(crossing.stages[MAIN], crossing.stages[SIDE]))
    clearing, waiting = TurnClearing(simple, 20), sumo({":x_1_0": 0.1})
    assert [clearing.guide(waiting, 0, 1, now_s) for now_s in (100, 110, 120)] == [0, 0, 1]


def test_the_limit_counts_from_the_first_request_for_another_stage(crossing: Signal) -> None:
    clearing, waiting = TurnClearing(crossing, 20), sumo({":x_1_0": 0.1})
    assert clearing.guide(waiting, MAIN, SIDE, 100) == MAIN
    assert clearing.guide(waiting, MAIN, MAIN, 110) == MAIN  # whoever asked has changed its mind
    assert [clearing.guide(waiting, MAIN, SIDE, now_s) for now_s in (120, 130, 140)] == [MAIN, MAIN, LEFT]
    clearing.reset()
    assert clearing.guide(waiting, MAIN, SIDE, 150) == MAIN


def test_those_who_go_straight_and_a_stage_that_clears_are_not_waited_for(crossing: Signal) -> None:
    clearing = TurnClearing(crossing, 20)
    assert clearing.guide(sumo({":x_0_0": 0, ":x_2_0": 0}), MAIN, SIDE, 100) == SIDE
    assert clearing.guide(sumo({":x_1_0": 8}), MAIN, SIDE, 105) == SIDE  # it is on its way
    assert clearing.guide(sumo({":x_1_0": 0.1}), MAIN, LEFT, 110) == LEFT


def cleared(scenario: Scenario) -> Scenario:
    return scenario.model_copy(update={"timing": replace(scenario.timing, clear_turns_s=20)})


def test_the_loop_asks_for_what_clears_the_junction(
    jincheng: Scenario, shorten: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def guide(self: TurnClearing, api: Any, shown: int, wanted: int, now_s: int) -> int:
        asked.append((shown, wanted, now_s))
        return 2

    monkeypatch.setattr(TurnClearing, "guide", guide)
    names = list(jincheng.network.signals)
    loop = ControlLoop(cleared(shorten(jincheng, duration_s=60)), "AM", by_the_clock=names[1:])
    try:
        begin_s = loop.reset(0).time_s
        loop.step({}, 40)
        loop.step(dict.fromkeys(names, 1), 20)
        assert asked == [(0, 1, begin_s + 40)]
        assert {name: loop.interlocks[name].stage for name in names} == {names[0]: 2, **dict.fromkeys(names[1:], 1)}
    finally:
        loop.close()


def test_without_lanes_it_is_refused(jincheng: Scenario) -> None:
    with pytest.raises(BadInput, match="clear_turns_s needs lanes"):
        ControlLoop(cleared(jincheng.model_copy(update={"fidelity": "meso"})), "AM")
