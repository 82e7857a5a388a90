"""Stage diagrams and times."""

from __future__ import annotations

import pytest

from greenband.plan.model import StageTiming, TimingPlan
from greenband.report.stages import describe, draw, movement_label, stage_times
from greenband.report.texts import Text
from greenband.scenario import Scenario


def test_a_drawing_has_an_arrow_for_each_movement(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    for stage in signal.stages:
        svg = draw(signal, stage, left_hand=False)
        assert svg.count('class="head"') == len(stage.movements)


def test_an_arrow_heads_where_the_movement_leads(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    left = next(
        m for m in signal.movements if m.direction == "l" and 135 < m.bearing < 225
    )  # from the north to the east
    stage = next(s for s in signal.stages if signal.movements.index(left) in s.movements)
    assert movement_label(left) == Text("from the north, left", "北进口左转")
    assert "from the north: left" in describe(signal, stage).en
    assert "北进口左转" in describe(signal, stage).zh


def test_times_of_a_plan_and_of_a_log(plans: dict[str, TimingPlan]) -> None:
    times = stage_times("J1", plans, None, 0, 100)
    assert [(t.number, t.timing, round(t.share, 2)) for t in times] == [
        (1, (30, 3, 3, 4), 0.4),
        (2, (50, 3, 3, 4), 0.6),
    ]
    log = {"J1": [(-50, 0), (20, 1), (60, 0), (90, 1)]}
    first, second = stage_times("J1", {}, log, 0, 100)
    assert (first.number, first.share, first.mean_s) == (1, 0.5, 25.0)
    assert (second.number, second.share, second.mean_s) == (2, 0.5, 25.0)
    assert second.per_hour == pytest.approx(72)
    assert stage_times("J1", {}, None, 0, 100) == []


@pytest.fixture
def plans() -> dict[str, TimingPlan]:
    stages = tuple(
        StageTiming(stage=k, name=name, green_s=green, green_flash_s=3, yellow_s=3, all_red_s=4)
        for k, (name, green) in enumerate((("a", 30), ("b", 50)))
    )
    return {"J1": TimingPlan(signal="J1", cycle_s=100, offset_s=0, stages=stages)}
