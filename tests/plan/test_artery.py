from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from greenband.demand import FlowTable
from greenband.neighbours import stop_lines
from greenband.plan.artery import find_artery, passes
from greenband.scenario import Scenario


def unnamed(scenario: Scenario) -> Scenario:
    """The scenario as an import would have it: nobody says which road is the main one."""
    return scenario.model_copy(update={"mainline": {}})


def test_the_mainline_is_the_artery(shixin_short: Scenario) -> None:
    artery = find_artery(shixin_short, "AM")
    assert artery is not None
    assert artery.signals == ("J08", "J09", "J10", "J11")
    assert artery.inbound is not None
    assert (artery.outbound.name, artery.inbound.name) == ("northbound", "southbound")
    signals = shixin_short.network.signals
    for way in (artery.outbound, artery.inbound):
        stops = [signals[name].movements[k] for name, k in zip(artery.signals, way.movements, strict=True)]
        assert {stop.turn for stop in stops} == {"through"}
    assert signals["J08"].movements[artery.outbound.movements[0]].from_edge == "S_J08.bay"
    assert signals["J11"].movements[artery.inbound.movements[-1]].from_edge == "N_J11.bay"


def test_travel_times_by_hand(shixin_short: Scenario) -> None:
    # J08 to J09 are 620 m apart at 50 km/h; a free platoon drives 0.95 x 13.9 = 13.2 m/s: 47 s. Back it is the same.
    artery = find_artery(shixin_short, "AM")
    assert artery is not None
    assert artery.inbound is not None
    assert artery.outbound.passes_s[:2] == pytest.approx((0, 47), abs=1.5)
    assert artery.inbound.passes_s[:2] == pytest.approx((0, -47), abs=1.5)
    assert list(artery.outbound.passes_s) == sorted(artery.outbound.passes_s)


def test_without_a_mainline_it_is_the_longest_straight_line(shixin_short: Scenario) -> None:
    named, found = find_artery(shixin_short, "AM"), find_artery(unnamed(shixin_short), "AM")
    assert named is not None
    assert found is not None
    assert named.inbound is not None
    assert found.inbound is not None
    assert (found.outbound.name, found.inbound.name) == ("outbound", "inbound")
    assert found.signals in (named.signals, named.signals[::-1])
    busier, other = (
        (named.outbound, named.inbound) if found.signals == named.signals else (named.inbound, named.outbound)
    )
    order = 1 if found.signals == named.signals else -1
    assert found.outbound.movements == busier.movements[::order]
    assert found.inbound.movements == other.movements[::order]


def test_a_one_way_street_has_no_way_back(shixin_short: Scenario, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("oneway")
    table = FlowTable.load(shixin_short.folder / shixin_short.period("AM").demand)
    north = next(flow for flow in table.flows if flow.id == "S-N")
    replace(table, flows=(north,), lines=(), walks=()).save(folder / "d.json")
    (folder / shixin_short.network_file).write_bytes((shixin_short.folder / shixin_short.network_file).read_bytes())
    period = shixin_short.period("AM").model_copy(update={"demand": "d.json"})
    scenario = unnamed(shixin_short).model_copy(update={"folder": folder, "periods": {"AM": period}})
    artery = find_artery(scenario, "AM")
    assert artery is not None
    assert artery.signals == ("J08", "J09", "J10", "J11")
    assert artery.inbound is None


def test_a_single_junction_is_no_artery(jincheng: Scenario) -> None:
    assert find_artery(jincheng, "AM") is None
    assert find_artery(unnamed(jincheng), "AM") is None


def test_a_route_passes_its_stop_lines_in_order(shixin_short: Scenario) -> None:
    north = next(flow for flow in shixin_short.demand("AM").motor_flows if flow.id == "S-N")
    found = list(passes(shixin_short.network, north.edges, stop_lines(shixin_short.network)))
    assert [one.signal for one in found] == ["J08", "J09", "J10", "J11"]
    assert all(a.at_s < b.at_s for a, b in pairwise(found))
