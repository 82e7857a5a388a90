"""Self-organising lights: vehicle-seconds add up on red, call a stage, and let the tail of a platoon pass."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from greenband.agents.sotl import SelfOrganising
from greenband.control import Controller
from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.evaluation.runner import Task, run_one
from greenband.scenario import Scenario
from greenband.sensing import Measurement, SignalView


def view(present: dict[int, float], stage: int = 0, allowed: str = "1111") -> Measurement:
    """A measurement of J11 with vehicles per movement."""
    before = np.zeros(12)
    for movement, vehicles in present.items():
        before[movement] = vehicles
    may = np.array([letter == "1" for letter in allowed])
    quiet = np.zeros(12)
    return Measurement(0, {"J11": SignalView(before, quiet, quiet, stage, False, 20, np.zeros(4, int), may)})


@pytest.fixture
def lights(jincheng: Scenario) -> SelfOrganising:
    controller = SelfOrganising(threshold_veh_s=20, platoon_veh=3)
    assert isinstance(controller, Controller)
    controller.reset(jincheng, "AM")
    return controller


# Movements of J11 by stage: 0: 0 1 6 7 (main through and right), 1: 2 8, 2: 3 4 9 10, 3: 5 11. Rights are 0 3 6 9.


def test_red_gathers_until_the_threshold(lights: SelfOrganising) -> None:
    """Four vehicles on red, of the cross street: 4, 8, 12, 16, then 20 vehicle-seconds."""
    asked = [lights.decide(view({1: 9, 4: 3, 10: 1})) for _ in range(5)]
    assert asked == [{}, {}, {}, {}, {"J11": 2}]


def test_an_empty_green_ends_for_anybody(lights: SelfOrganising) -> None:
    assert lights.decide(view({})) == {}
    assert lights.decide(view({4: 1})) == {"J11": 2}


def test_it_begins_anew_with_the_green(lights: SelfOrganising) -> None:
    for _ in range(4):
        lights.decide(view({1: 9, 4: 4}))
    lights.decide(view({4: 4}, stage=2))
    assert [lights.decide(view({1: 9, 4: 4})) for _ in range(5)] == [{}, {}, {}, {}, {"J11": 2}]


def test_the_stage_with_most_comes_first(lights: SelfOrganising) -> None:
    for _ in range(9):
        lights.decide(view({4: 2, 5: 2}, allowed="1000"))
    assert lights.decide(view({5: 3})) == {"J11": 3}  # 18 of the cross street's, 18 + 3 of its left turns


def test_only_what_may_come_is_asked_for(lights: SelfOrganising) -> None:
    for _ in range(9):
        lights.decide(view({4: 9, 5: 3}, allowed="1001"))
    assert lights.decide(view({4: 9, 5: 3}, allowed="1001")) == {"J11": 3}
    assert lights.decide(view({4: 9, 5: 3}, allowed="1000")) == {}


@pytest.mark.parametrize(("before_green", "asked"), [(0, {"J11": 2}), (1, {}), (3, {}), (4, {"J11": 2})])
def test_the_tail_of_a_platoon_passes_first(before_green: int, asked: dict[str, int], lights: SelfOrganising) -> None:
    assert lights.decide(view({4: 25, 1: before_green})) == asked


def test_who_may_turn_on_red_calls_for_nothing(lights: SelfOrganising) -> None:
    assert [lights.decide(view({3: 50, 9: 50})) for _ in range(9)] == [{}] * 9


def test_a_movement_begins_anew_in_whichever_stage_it_is_green(jincheng: Scenario) -> None:
    """Left turns of the main road (2 and 8) are green in stage 1 and, here, beside its through traffic in stage 0.

    Three vehicles of movement 2 wait for three seconds while the cross street is green: 9 in both stages. Stage 0
    comes, and passes them; back on the cross street they are 3 more after a second, not 12 for stage 1.
    """
    signal = jincheng.network.signals["J11"]
    first = replace(signal.stages[0], movements=(*signal.stages[0].movements, 2, 8))
    network = copy(jincheng.network)
    network.signals = {"J11": replace(signal, stages=(first, *signal.stages[1:]))}
    overlapping = jincheng.model_copy()
    overlapping.__dict__["network"] = network
    lights = SelfOrganising(threshold_veh_s=10, platoon_veh=3)
    lights.reset(overlapping, "AM")
    for _ in range(3):
        assert lights.decide(view({2: 3, 4: 9}, stage=2)) == {}
    assert lights.decide(view({2: 3}, stage=0)) == {}
    assert [lights.decide(view({2: 3, 4: 9}, stage=2, allowed="0111")) for _ in range(4)] == [{}, {}, {}, {"J11": 1}]


def test_settings_must_be_numbers() -> None:
    with pytest.raises(BadInput, match="threshold_veh_s=-1: must be a number of at least 0"):
        SelfOrganising(threshold_veh_s=-1)


def test_a_run_is_safe_and_serves_every_stage(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    done = run_one(Task(resolve("sotl"), shorten(jincheng, duration_s=400), "AM", 10_000))
    assert done.violations == ()
    assert {stage for _, stage in done.executed["J11"]} == {0, 1, 2, 3}
