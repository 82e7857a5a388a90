"""Max-pressure and max-wave choose the allowed stage with the highest score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from greenband.agents.classical import MaxPressure, MaxWave
from greenband.control import Controller, run
from greenband.scenario import Scenario
from greenband.sensing import Measurement, SignalView


def view(present: dict[int, float], leaving: dict[int, float], stage: int = 0, allowed: str = "1111") -> Measurement:
    """A measurement of J11 with vehicles per movement; half of those present stand."""
    before, behind = np.zeros(12), np.zeros(12)
    for counts, values in ((before, present), (behind, leaving)):
        for movement, vehicles in values.items():
            counts[movement] = vehicles
    may = np.array([letter == "1" for letter in allowed])
    return Measurement(0, {"J11": SignalView(before / 2, before / 2, behind, stage, False, 20, np.zeros(4, int), may)})


# Movements of J11 by stage: 0: 0 1 6 7 (main through and right), 1: 2 8, 2: 3 4 9 10, 3: 5 11.
@pytest.mark.parametrize(
    ("controller", "measurement", "expected"),
    [
        (MaxWave(), view({1: 4, 7: 3, 4: 6}, {}), 0),
        (MaxWave(), view({1: 4, 7: 3, 4: 8}, {}), 2),
        (MaxWave(), view({1: 4, 7: 3, 4: 8}, {4: 9}), 2),
        (MaxPressure(), view({1: 4, 7: 3, 4: 8}, {4: 9}), 0),
        (MaxPressure(), view({1: 4, 2: 2}, {1: 3}), 1),
        (MaxPressure(), view({1: 4, 2: 2, 5: 1}, {1: 3}, allowed="1001"), 0),
        (MaxPressure(), view({1: 4, 5: 1}, {1: 3}, stage=0), 0),
        (MaxPressure(), view({1: 4, 5: 1}, {1: 3}, stage=3), 3),
        (MaxWave(), view({}, {}, stage=2), 2),
        (MaxWave(), view({1: 50}, {}, stage=1, allowed="0100"), 1),
    ],
)
def test_the_highest_score_that_is_allowed(
    controller: MaxWave | MaxPressure, measurement: Measurement, expected: int, jincheng: Scenario
) -> None:
    assert isinstance(controller, Controller)
    controller.reset(jincheng, "AM")
    assert controller.decide(measurement) == {"J11": expected}


@pytest.mark.parametrize("kind", [MaxWave, MaxPressure])
def test_they_run_and_serve_every_stage(
    kind: type[MaxWave], jincheng: Scenario, shorten: Callable[..., Scenario]
) -> None:
    executed = run(kind(interval_s=5), shorten(jincheng, duration_s=300), "AM", 0)
    assert {stage for _, stage in executed["J11"]} == {0, 1, 2, 3}
