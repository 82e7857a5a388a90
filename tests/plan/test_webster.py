from __future__ import annotations

from pathlib import Path

import pytest

from greenband import registry
from greenband.demand import FlowTable, RouteFlow
from greenband.errors import BadInput
from greenband.plan.planner import Planner
from greenband.plan.webster import common_cycle_s, flow_ratios, plans_at, webster
from greenband.scenario import Scenario
from greenband.signals import Limits


def test_the_cycle_by_hand() -> None:
    """Signal a: four stages, lost time 4 x 5 = 20 s, flow ratios 0.18 + 0.10 + 0.17 + 0.10 = 0.55.

    C = (1.5 x 20 + 5) / (1 - 0.55) = 35 / 0.45 = 77.8 s. Signal b: two stages, L = 10 s, Y = 0.5: C = 20 / 0.5 = 40 s.
    The common cycle is the larger, rounded up: 78 s. At Y = 0.8 a alone would take 35 / 0.2 = 175 s, at 1.0 for ever.
    """
    limits = {"a": Limits(3, 2, (15, 8, 15, 8)), "b": Limits(3, 2, (15, 8))}
    calm = {"a": [0.18, 0.10, 0.17, 0.10], "b": [0.3, 0.2]}
    assert common_cycle_s(limits, calm, 120) == 78
    assert common_cycle_s(limits, calm | {"a": [0.2, 0.2, 0.2, 0.2]}, 200) == 175
    assert common_cycle_s(limits, calm | {"a": [0.2, 0.2, 0.2, 0.2]}, 120) == 120
    assert common_cycle_s(limits, calm | {"a": [0.25, 0.25, 0.25, 0.25]}, 120) == 120
    assert common_cycle_s(limits, {"a": [0.0] * 4, "b": [0.0] * 2}, 120) == 66  # 15 + 8 + 15 + 8 and 4 x 5
    assert common_cycle_s(limits, calm, 60) == 66  # minimum greens go before the longest cycle


def test_a_junction_by_hand(jincheng: Scenario, tmp_path: Path) -> None:
    """Flow ratios from turning flows, and greens in their proportion; saturation flow is 1650 veh/h a lane.

    Straight on from the south 990 veh/h on three lanes: 990 / 4950 = 0.20 (500 from the north do not count beside it).
    Left turns from the north, two lanes: 330 / 3300 = 0.10. From the west 495 / 3300 = 0.15 straight on and 165 / 1650
    = 0.10 to the left. Right turns have lanes of their own, may go on red. L = 4 x 5 = 20 s, Y = 0.55, C0 = 35 / 0.45
    = 77.8, so 78 s, 58 s of them green: shares of 21.1, 10.5, 15.8 and 10.5 s; two of the last three are rounded up.
    """
    veh_h = {
        "S_J11.bay>J11_N": 990.0,
        "N_J11.bay>J11_S": 500.0,
        "N_J11.bay>J11_E11": 330.0,
        "W11_J11.bay>J11_E11": 495.0,
        "W11_J11.bay>J11_N": 165.0,
        "S_J11.bay>J11_E11": 700.0,
    }
    FlowTable(tuple(RouteFlow(way, tuple(way.split(">")), v) for way, v in veh_h.items()), "car").save(
        tmp_path / "d.json"
    )
    for name in (jincheng.network_file, *jincheng.additional_files):
        (tmp_path / name).write_bytes((jincheng.folder / name).read_bytes())
    period = jincheng.period("AM").model_copy(update={"demand": "d.json"})
    here = jincheng.model_copy(update={"folder": tmp_path, "periods": {"AM": period}})
    assert flow_ratios(here, "AM")["J11"] == pytest.approx([0.20, 0.10, 0.15, 0.10])
    plan = webster(here, "AM", 120)["J11"]
    assert (plan.cycle_s, plan.offset_s) == (78, 0)
    first, *others = [stage.go_s for stage in plan.stages]
    assert first == 21
    assert others in ([11, 16, 10], [10, 16, 11])


@pytest.mark.parametrize("period", ["AM", "OFF", "NIGHT"])
def test_all_signals_share_a_cycle_and_keep_their_limits(shixin: Scenario, period: str) -> None:
    plans = webster(shixin, period, 120)
    assert len({plan.cycle_s for plan in plans.values()}) == 1
    for name, plan in plans.items():
        limits = shixin.network.signals[name].limits(shixin.timing)
        assert plan.offset_s == 0
        for stage in plan.stages:
            assert stage.go_s >= limits.min_green_s[stage.stage]
            assert (stage.yellow_s, stage.all_red_s) == (limits.yellow_s, limits.all_red_s)


def test_stages_are_equally_saturated_where_no_minimum_binds(shixin: Scenario) -> None:
    ratios = flow_ratios(shixin, "AM")
    plans = plans_at(shixin, "AM", 150, ratios)
    for name, plan in plans.items():
        loads = [ratios[name][stage.stage] * plan.cycle_s / stage.go_s for stage in plan.stages]
        assert max(loads) == pytest.approx(min(loads), rel=0.1)


def test_the_minimum_green_of_a_stage_that_no_traffic_needs_is_lost() -> None:
    """Stages of 15 and 8 s least green, 5 s between greens; the second serves nobody whom the first does not.

    L = 2 x 5 + 8 = 18 s, Y = 0.6: C = 18 x 0.9 / (0.9 - 0.6) = 54 s. With a need of its own the stage is no loss:
    L = 10 s, Y = 0.6: C = 20 / 0.4 = 50 s. With little traffic the optimum is longer: 20 / (1 - 0.4) = 34 s.
    """
    limits = {"a": Limits(3, 2, (15, 8))}
    assert common_cycle_s(limits, {"a": [0.6, 0.0]}, 120) == 54
    assert common_cycle_s(limits, {"a": [0.5, 0.1]}, 120) == 50
    assert common_cycle_s(limits, {"a": [0.4, 0.0]}, 120) == 34


@pytest.mark.parametrize("make", ["webster", "greenwave", "simopt"])
def test_without_any_known_flow_there_is_no_plan(make: str, jincheng: Scenario, tmp_path: Path) -> None:
    """Trips between zones have no route until they depart."""
    for name in (jincheng.network_file, *jincheng.additional_files):
        (tmp_path / name).write_bytes((jincheng.folder / name).read_bytes())
    (tmp_path / "d.rou.xml").write_text('<routes><trip id="t" depart="5" fromTaz="a" toTaz="b"/></routes>')
    period = jincheng.period("AM").model_copy(update={"demand": "d.rou.xml"})
    here = jincheng.model_copy(update={"folder": tmp_path, "periods": {"AM": period}})
    planner = registry.controller(make)
    assert isinstance(planner, Planner)
    with pytest.raises(BadInput, match=r"period AM: no departure has a route known beforehand"):
        planner.plan_set(here, ["AM"])
