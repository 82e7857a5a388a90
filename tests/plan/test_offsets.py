from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenband.plan.display import lamps_by_second
from greenband.plan.model import TimingPlan
from greenband.plan.offsets import START_UP_S, Stream, align, best_difference, disperse, release, streams
from greenband.plan.splits import build_plan, movement_flows
from greenband.scenario import Scenario


def plans_of(scenario: Scenario, cycle_s: int = 100) -> dict[str, TimingPlan]:
    return {
        name: build_plan(signal, signal.limits(scenario.timing), cycle_s, [3, 1, 2, 1])
        for name, signal in scenario.network.signals.items()
    }


def test_a_queue_releases_at_saturation_and_then_as_vehicles_come() -> None:
    # 10 s cycle, green in its second half, 0.2 veh/s arrive, 0.8 veh/s can leave: at second 5 six arrivals of 0.2 stand
    # (1.2); after seconds 5 and 6 0.6 and 0 are left (one more 0.2 each), from then on 0.2 a second.
    green = np.array([False] * 5 + [True] * 5)
    left, waited = release(np.full(10, 0.2), green, 0.8)
    assert left == pytest.approx([0, 0, 0, 0, 0, 0.8, 0.6, 0.2, 0.2, 0.2])
    assert float(waited) == pytest.approx(0.2 + 0.4 + 0.6 + 0.8 + 1.0 + 0.4)


def test_an_overload_is_cut_to_what_repeats() -> None:
    left, _ = release(np.full(10, 5.0), np.array([True] * 4 + [False] * 6), 0.5)
    assert left.sum() == pytest.approx(0.95 * 0.5 * 4)


def test_dispersion_by_hand() -> None:
    # t = 10 s: T = 8 s, F = 1 / (1 + 0.35 x 8) = 0.263; a pulse at 0 peaks at 8 with F,
    # and the second after holds F (1 - F).
    pulse = np.zeros(200)
    pulse[0] = 1.0
    arrivals = disperse(pulse, 10.0)
    assert int(arrivals.argmax()) == 8
    assert arrivals[8:10] == pytest.approx([0.26316, 0.19391], abs=1e-4)


@given(travel_s=st.floats(0, 300), at=st.integers(0, 59))
def test_dispersion_loses_no_vehicle(travel_s: float, at: int) -> None:
    pulse = np.zeros(60)
    pulse[at] = 3.0
    assert disperse(pulse, travel_s).sum() == pytest.approx(3.0)


def test_streams_follow_the_routes(shixin_short: Scenario) -> None:
    found = {
        (s.upstream, s.downstream, shixin_short.network.signals[s.upstream].movements[s.departs].id): s
        for s in streams(shixin_short.network, shixin_short.demand("AM"))
        if shixin_short.network.signals[s.downstream].movements[s.arrives].direction == "s"
    }
    north = found["J08", "J09", "S_J08.bay>J08_J09"]
    through = sum(f.veh_h for f in shixin_short.demand("AM").motor_flows if {"S_J08", "J09_J10"} <= set(f.edges))
    assert north.veh_h == pytest.approx(through)
    assert north.travel_s == pytest.approx(START_UP_S + 620 / (0.95 * 50 / 3.6), abs=3.0)  # 620 m at 50 km/h


def test_a_one_way_platoon_meets_green_as_the_travel_time_says(shixin_short: Scenario) -> None:
    network, plans = shixin_short.network, plans_of(shixin_short)
    north = [
        s
        for s in streams(network, shixin_short.demand("AM"))
        if s.upstream == "J08" and s.downstream == "J09" and s.departs in network.signals["J08"].stages[0].movements
    ]
    through = [s for s in north if network.signals["J09"].movements[s.arrives].direction == "s"]
    alone = [Stream(s.upstream, s.departs, s.downstream, s.arrives, s.veh_h, s.travel_s) for s in through]
    flows = {network.signals[s.upstream].movements[s.departs].id: s.veh_h for s in alone}
    flows |= {network.signals[s.downstream].movements[s.arrives].id: s.veh_h for s in alone}
    difference = best_difference(network, plans, flows, alone, "J08")
    assert difference == pytest.approx(through[0].travel_s % 100, abs=12)
    back = best_difference(network, plans, flows, alone, "J09")
    assert (difference + back) % 100 == 0


def test_offsets_start_at_zero_and_lie_within_the_cycle(shixin_short: Scenario) -> None:
    aligned = align(shixin_short.network, plans_of(shixin_short), shixin_short.demand("AM"))
    assert aligned["J08"].offset_s == 0
    assert all(0 <= plan.offset_s < 100 for plan in aligned.values())
    assert aligned == align(shixin_short.network, plans_of(shixin_short), shixin_short.demand("AM"))


def test_aligned_offsets_leave_no_pair_a_better_difference(shixin_short: Scenario) -> None:
    network, table = shixin_short.network, shixin_short.demand("PM")
    aligned = align(network, plans_of(shixin_short), table)
    for low, high in (("J08", "J09"), ("J09", "J10"), ("J10", "J11")):
        links = [s for s in streams(network, table) if {s.upstream, s.downstream} == {low, high}]
        best = best_difference(network, plans_of(shixin_short), movement_flows(table), links, low)
        assert (aligned[high].offset_s - aligned[low].offset_s) % 100 == best


def test_a_single_junction_keeps_offset_zero(jincheng: Scenario) -> None:
    aligned = align(jincheng.network, plans_of(jincheng), jincheng.demand("AM"))
    assert [plan.offset_s for plan in aligned.values()] == [0]


def test_lamps_fill_the_cycle(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    plan = plans_of(jincheng)[signal.id]
    lamps = lamps_by_second(signal, plan)
    assert len(lamps) == plan.cycle_s
    assert lamps[0] == signal.stages[0].state
    assert "y" in lamps[plan.stages[0].go_s]
