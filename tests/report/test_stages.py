"""Stage diagrams and times."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from greenband.network import Signal
from greenband.plan.model import StageTiming, TimingPlan
from greenband.report.stages import describe, draw, movement_label, stage_times
from greenband.report.texts import Text
from greenband.scenario import Scenario
from greenband.signals import Stage


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


def mirrored(signal: Signal) -> Signal:
    """The junction as a mirror shows it, which is what it looks like where traffic keeps left."""
    movements = tuple(
        replace(m, direction=m.direction.translate(str.maketrans("lrLRt", "rlRLT")), bearing=-m.bearing % 360)
        for m in signal.movements
    )
    return replace(signal, movements=movements)


def test_in_left_hand_traffic_a_drawing_is_the_mirror_image(jincheng: Scenario) -> None:
    """Left turns leave the kerb, right turns the median, and U-turns go clockwise."""
    (signal,) = jincheng.network.signals.values()
    back = replace(signal.movements[0], direction="t", turn="back")
    signal = replace(signal, movements=(*signal.movements, back))
    stage = Stage("all", signal.stages[0].state, tuple(range(len(signal.movements))))
    here, there = draw(signal, stage, left_hand=False), draw(mirrored(signal), stage, left_hand=True)
    assert {frozenset(points(path, -1.0)) for path in arrows(here)} == {
        frozenset(points(path, 1.0)) for path in arrows(there)
    }


def test_turns_across_begin_at_the_median_and_near_ones_at_the_kerb(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    for left_hand, shape in ((False, signal), (True, mirrored(signal))):
        aside = {}
        for k, m in enumerate(shape.movements):
            (path,) = arrows(draw(shape, Stage("one", signal.stages[0].state, (k,)), left_hand))
            (x, y), *_ = points(path, 1.0)
            angle = math.radians(m.bearing)
            aside[m.direction] = round(x * math.cos(angle) + y * math.sin(angle))
        inner, outer = ("r", "l") if left_hand else ("l", "r")
        assert 0 < abs(aside[inner]) < abs(aside["s"]) < abs(aside[outer])
        assert all((at < 0) is left_hand for at in aside.values())


def test_a_left_hand_u_turn_has_a_name(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    back = replace(next(m for m in signal.movements if round(m.bearing / 90) % 4 == 0), direction="T", turn="back")
    assert movement_label(back) == Text("from the south, back", "南进口掉头")


def arrows(svg: str) -> list[str]:
    return re.findall(r'class="go(?: yields)?" d="([^"]+)"', svg)


def points(path: str, across: float) -> list[tuple[float, float]]:
    """The corners of a path, mirrored where ``across`` is -1; rounded, as halves may fall either way."""
    numbers = [float(found) for found in re.findall(r"-?[0-9.]+", path)]
    return [(round(across * x) + 0.0, round(y) + 0.0) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


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
