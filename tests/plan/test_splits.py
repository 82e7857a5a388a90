"""Green is shared out in whole seconds, in proportion, within the bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenband.errors import BadInput
from greenband.plan.splits import build_plan, share_green
from greenband.scenario import Scenario


@pytest.mark.parametrize(
    ("total", "weights", "minima", "expected"),
    [
        (60, [1, 1, 1], [10, 10, 10], [20, 20, 20]),
        (60, [3, 2, 1], [10, 10, 10], [30, 20, 10]),
        (60, [8, 1, 1], [5, 10, 10], [40, 10, 10]),  # two are lifted to their minimum, the rest is what is left
        (100, [9, 1, 0], [5, 5, 5], [60, 35, 5]),  # the first stops at the maximum of 60
        (10, [1, 1, 1], [1, 1, 1], [4, 3, 3]),
        (30, [0, 0], [10, 10], [15, 15]),
    ],
)
def test_hand_computed_shares(total: int, weights: list[float], minima: list[int], expected: list[int]) -> None:
    assert share_green(total, weights, minima, 60) == expected


@given(st.data())
def test_shares_sum_up_keep_the_bounds_and_follow_the_weights(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 8))
    minima = data.draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    weights = data.draw(st.lists(st.floats(0, 5), min_size=n, max_size=n))
    maximum = max(minima) + data.draw(st.integers(0, 60))
    total = data.draw(st.integers(sum(minima), n * maximum))
    greens = share_green(total, weights, minima, maximum)
    assert sum(greens) == total
    assert all(low <= green <= maximum for low, green in zip(minima, greens, strict=True))
    for a in range(n):
        for b in range(n):
            if weights[a] >= weights[b] and minima[a] >= minima[b]:
                assert greens[a] >= greens[b] - 1


@pytest.mark.parametrize("total", [19, 121])
def test_what_cannot_be_shared_is_refused(total: int) -> None:
    with pytest.raises(BadInput, match="cannot be shared among 2 stages"):
        share_green(total, [1, 1], [10, 10], 60)


def test_a_plan_for_a_signal(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    limits = signal.limits(jincheng.timing)
    plan = build_plan(signal, limits, 130, [3, 1, 2, 1], offset_s=135, name="test")
    assert (plan.cycle_s, plan.offset_s, plan.signal) == (130, 5, "J11")
    assert [stage.go_s for stage in plan.stages] == share_green(110, [3, 1, 2, 1], limits.min_green_s, 90)
    assert all(stage.green_flash_s == 3 for stage in plan.stages)
    assert plan.stages[1].movements == ("N_J11.bay>J11_E11", "S_J11.bay>J11_W11")
    with pytest.raises(BadInput, match="signal J11, cycle 60 s"):
        build_plan(signal, limits, 60, [1, 1, 1, 1])
