"""Stop lines worked by hand: who waited how long, how many stood, who came at green."""

from __future__ import annotations

import math

import numpy as np
import pytest

from greenband.junction_metrics import PLACE_METRICS, SIDE, level_of_service, places, stop_line_metrics, whole_road
from greenband.network import Movement
from greenband.scenario import Scenario
from greenband.stoplines import StopLine


def line(arrived: list[float], left: list[float], greens: list[tuple[float, float]], movement: str = "a>b") -> StopLine:
    start, end = movement.split(">")
    made = Movement(start, end, "s", "through", (0,), (f"{start}_0",), (f"{end}_0",), 0.0)
    return StopLine("J", made, np.array(arrived), np.array(left), np.array(greens, dtype=float).reshape(-1, 2))


# Measured from 100 s to 200 s, when the run ends; green from 120 to 130 and from 170 to 180.
SAMPLE = line(
    arrived=[90, 105, 110, 125, 140, 172, 190, 205],
    left=[121, 123, 125, 127, 171, 172, math.inf, math.inf],
    greens=[(60, 80), (120, 130), (170, 180)],
)


def test_hand_worked_figures() -> None:
    values = stop_line_metrics([SAMPLE], 100, 200)
    assert values == {
        # arrivals of 105, 110, 125, 140, 172, 190 wait 18, 15, 2, 31, 0 and 10 s, the last one to the end of the run
        "control_delay_s": pytest.approx(76 / 6),
        "vehicles": 6,
        # from 110 to 121 s those of 90, 105 and 110 stand
        "queue_max_veh": 3,
        # 125 and 172
        "green_arrivals_share": pytest.approx(2 / 6),
        # 140 waits for the green at 170; 190 waits 10 s till the run ends; 90 is not of the period
        "red_wait_max_s": 30,
    }
    assert set(values) == set(PLACE_METRICS)


def test_delay_is_the_area_under_the_queue() -> None:
    """As the manual's queue accumulation polygon has it, sampled every tenth of a second."""
    arrived, left = np.array([101.0, 103.5, 110, 111.2]), np.array([104.0, 106, 117.3, 121])
    values = stop_line_metrics([line(arrived.tolist(), left.tolist(), [])], 100, 200)
    times = np.arange(1000, 2000) / 10
    queue = [(np.sum(arrived <= t) - np.sum(left <= t)) for t in times]
    assert values["control_delay_s"] * 4 == pytest.approx(sum(queue) / 10, abs=0.4)
    assert values["queue_max_veh"] == max(queue)


def test_a_turn_on_red_ends_the_wait() -> None:
    values = stop_line_metrics([line([110], [114], [(150, 160)])], 100, 200)
    assert (values["red_wait_max_s"], values["green_arrivals_share"]) == (4, 0)


def test_a_queue_from_before_the_period_counts() -> None:
    values = stop_line_metrics([line([80, 85, 150], [101, 102, 150], [(100, 200)])], 100, 200)
    assert (values["queue_max_veh"], values["vehicles"], values["control_delay_s"]) == (2, 1, 0)


def test_nobody_came() -> None:
    values = stop_line_metrics([line([], [], [])], 100, 200)
    assert (values["vehicles"], values["queue_max_veh"], values["red_wait_max_s"]) == (0, 0, 0)
    assert math.isnan(values["control_delay_s"])
    assert math.isnan(values["green_arrivals_share"])


def test_lines_together_weigh_by_vehicles_and_take_the_longest_queue() -> None:
    one = line([110, 120, 130], [120, 130, 140], [])
    other = line([110], [150], [], "c>d")
    values = stop_line_metrics([one, other], 100, 200)
    assert values["control_delay_s"] == pytest.approx((30 + 40) / 4)
    assert values["queue_max_veh"] == 1


@pytest.mark.parametrize(
    ("delay_s", "level"),
    [
        *((0, "A"), (10, "A"), (10.1, "B"), (20, "B"), (20.1, "C"), (35, "C"), (35.1, "D"), (55, "D")),
        *((55.1, "E"), (80, "E"), (80.1, "F"), (900, "F"), (math.nan, "")),
    ],
)
def test_level_of_service(delay_s: float, level: str) -> None:
    """The manual's bounds: up to 10, 20, 35, 55 and 80 s."""
    assert level_of_service(delay_s) == level


def test_places_of_a_road(jincheng: Scenario) -> None:
    """Each movement once; a junction is its movements together; main road and side streets are all of them."""
    (signal,) = jincheng.network.signals.values()
    begin = jincheng.period("AM").begin_s
    lines = [
        StopLine(signal.id, m, np.array([begin + 5.0]), np.array([begin + 5.0 + k * k]), np.empty((0, 2)))
        for k, m in enumerate(signal.movements)
    ]
    found = places(lines, jincheng, "AM")
    ids = {level: [p.id for p in found if p.level == level] for level in ("junction", "movement", "direction")}
    assert ids["junction"] == [signal.id]
    assert ids["movement"] == [m.id for m in signal.movements]
    assert ids["direction"] == ["northbound", "southbound", SIDE]
    by_id = {place.id: place.values for place in found}
    assert by_id[signal.id]["control_delay_s"] == pytest.approx(sum(k * k for k in range(len(lines))) / len(lines))
    assert sum(by_id[name]["vehicles"] for name in ids["direction"]) == len(lines)
    whole = whole_road(lines, found, jincheng, "AM")
    assert whole["side_delay_s"] == by_id[SIDE]["control_delay_s"]
    assert len({by_id[name]["control_delay_s"] for name in ids["direction"]}) == 3
    assert (whole["queue_max_veh"], whole["green_arrivals_share"]) == (1, 0)
    plain = jincheng.model_copy(update={"mainline": {}})
    assert {place.level for place in places(lines, plain, "AM")} == {"junction", "movement"}
    assert "side_delay_s" not in whole_road(lines, places(lines, plain, "AM"), plain, "AM")
