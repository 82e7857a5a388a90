"""Critical flow ratios against examples worked by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from greenband.network import Link, Movement, Signal, Turn
from greenband.plan.ratios import critical_ratios, permitted_veh_h
from greenband.plan.splits import free_turn
from greenband.scenario import Scenario
from greenband.signals import GREEN, Stage

TURNS: dict[str, Turn] = {"r": "near", "s": "through", "l": "far"}


def signal(ways: Sequence[str], states: Sequence[str], yields: Sequence[tuple[int, int]] = ()) -> Signal:
    """A signal of movements such as ``N:l:01``: approach, direction and lanes; a lamp for each lane of each."""
    links: list[Link] = []
    movements: list[Movement] = []
    for way in ways:
        edge, direction, numbers = way.split(":")
        lanes, onto = tuple(f"{edge}_{number}" for number in numbers), f"{edge}{direction}"
        first = len(links)
        links += [Link(first + n, lane, f"{onto}_0", direction, 20.0, 14.0) for n, lane in enumerate(lanes)]
        lamps = tuple(range(first, len(links)))
        movements.append(Movement(edge, onto, direction, TURNS[direction], lamps, lanes, (f"{onto}_0",), 0.0))
    stages = tuple(
        Stage(f"{n}", state, tuple(k for k, m in enumerate(movements) if any(state[i] in GREEN for i in m.links)))
        for n, state in enumerate(states)
    )
    edges = tuple(dict.fromkeys(m.from_edge for m in movements))
    return Signal(
        "J", len(links), tuple(links), tuple(movements), frozenset(), frozenset(yields), stages, edges, (0.0, 0.0)
    )


def test_critical_ratios_by_hand(jincheng: Scenario) -> None:
    """Flow over 1000 veh/h/lane; right turns have lanes of their own at this junction and do not count."""
    signal = jincheng.network.signals["J11"]
    flows = {
        "N_J11.bay>J11_S": 900.0,  # three lanes
        "S_J11.bay>J11_N": 600.0,
        "S_J11.bay>J11_E11": 999.0,
        "S_J11.bay>J11_W11": 300.0,  # two lanes
        "W11_J11.bay>J11_E11": 500.0,  # two lanes
        "E11_J11.bay>J11_S": 120.0,  # one lane
    }
    assert critical_ratios(signal, flows, 1000.0) == pytest.approx([0.3, 0.15, 0.25, 0.12])


def test_a_movement_green_in_two_stages_counts_once() -> None:
    """Straight on 400 veh/h on a lane of 1000: 0.4 in both stages together.

    Stage 0 needs 0.1 for the left turn beside it, stage 1 0.15 for the other: 0.4 in all, not 0.8. Where there is a
    choice the two are level: 0.2 each.
    """
    here = signal(["N:s:0", "N:l:1", "E:l:0"], ["GGr", "GrG"])
    flows = {"N>Ns": 400.0, "N>Nl": 100.0, "E>El": 150.0}
    assert critical_ratios(here, flows, 1000.0) == pytest.approx([0.2, 0.2])
    assert critical_ratios(here, flows | {"E>El": 300.0}, 1000.0) == pytest.approx([0.1, 0.3])
    assert critical_ratios(here, flows | {"N>Nl": 350.0}, 1000.0) == pytest.approx([0.35, 0.15])


def test_a_lane_whose_first_vehicle_may_have_red_does_not_count() -> None:
    """Lane 1 has straight on and left, stage 1 is for the left alone: stage 0 takes (500 + 100) / 2000 = 0.3, stage 1
    nothing. With a lane of their own the left turns use stage 1: 500 / 1000 and 100 / 1000.
    """
    flows = {"N>Ns": 500.0, "N>Nl": 100.0}
    assert critical_ratios(signal(["N:s:01", "N:l:1"], ["GGG", "rrG"]), flows, 1000.0) == pytest.approx([0.3, 0.0])
    assert critical_ratios(signal(["N:s:0", "N:l:1"], ["Gr", "rG"]), flows, 1000.0) == pytest.approx([0.5, 0.1])
    apart = signal(["N:s:0", "N:l:0"], ["Gr", "rG"])  # one lane, nowhere green together
    assert critical_ratios(apart, flows, 1000.0) == pytest.approx([0.5, 0.1])


def test_turns_that_fill_their_lane_have_it_to_themselves() -> None:
    """Left 400 on lane 1, straight on 200 on both: 0.4, though (400 + 200) / 2000 is 0.3."""
    here = signal(["N:s:01", "N:l:1"], ["GGG"])
    assert critical_ratios(here, {"N>Ns": 200.0, "N>Nl": 400.0}, 1000.0) == pytest.approx([0.4])


def test_turns_that_give_way_pass_in_gaps_once_the_queue_is_gone() -> None:
    """Left turns of 200 veh/h against 600 oncoming on two lanes of 1500: y = 0.2.

    Through gaps pass 600 exp(-0.75) / (1 - exp(-0.41667)) = 283.4 / 0.3408 = 831.7 veh/h, in what the queue leaves of
    the stage: (u - 0.2) / 0.8 = 200 / 831.7, so u = 0.2 + 0.8 x 0.2405 = 0.3924. With a protected stage after it the
    left turns need 200 / 1500 there, 0.2 + 0.1333 in all, which is less.
    """
    assert permitted_veh_h(600.0) == pytest.approx(831.7, abs=0.1)
    assert permitted_veh_h(0.0) == pytest.approx(1440.0)
    ways, flows = ["N:l:0", "S:s:01"], {"N>Nl": 200.0, "S>Ss": 600.0}
    gives_way = [(0, 1), (0, 2)]
    assert critical_ratios(signal(ways, ["gGG"], gives_way), flows, 1500.0) == pytest.approx([0.3924], abs=1e-4)
    assert critical_ratios(signal(ways, ["GGG"], gives_way), flows, 1500.0) == pytest.approx([0.2])
    both = critical_ratios(signal(ways, ["gGG", "Grr"], gives_way), flows, 1500.0)
    assert both == pytest.approx([0.2, 0.2 / 1.5], abs=1e-4)


def test_hopeless_traffic_still_has_finite_ratios() -> None:
    here = signal(["N:l:0", "S:s:0"], ["gG", "Gr"], [(0, 1)])
    found = critical_ratios(here, {"N>Nl": 900.0, "S>Ss": 5000.0}, 1500.0)
    assert all(math.isfinite(ratio) for ratio in found)
    assert sum(found) > 1
    assert critical_ratios(here, {}, 1500.0) == [0.0, 0.0]


@pytest.mark.parametrize(("states", "free"), [(["Gs", "rG"], True), (["GG", "rG"], True), (["Gr", "rG"], False)])
def test_a_turn_is_free_only_if_it_never_has_to_wait(states: list[str], free: bool) -> None:
    """300 right turns on a lane of 1000: 0.3 of a stage where they are held back, nothing where they may go on red."""
    here = signal(["N:s:0", "N:r:1"], states)
    assert free_turn(here, 1) is free
    assert critical_ratios(here, {"N>Nr": 300.0}, 1000.0) == pytest.approx([0.0, 0.0 if free else 0.3])


def test_a_right_turn_that_shares_its_lane_is_not_free() -> None:
    assert not free_turn(signal(["N:s:0", "N:r:0"], ["GG", "rs"]), 1)


@pytest.mark.parametrize("period", ["AM", "OFF", "NIGHT"])
def test_without_overlaps_they_are_the_largest_of_each_stage(shixin: Scenario, period: str) -> None:
    """Webster's rule, lane group by lane group: every movement of the shipped corridor has one stage."""
    from greenband.plan.splits import lane_group, movement_flows

    flows = movement_flows(shixin.demand(period))
    for name, one in shixin.network.signals.items():
        largest = []
        for stage in one.stages:
            groups = (lane_group(one, k) for k in stage.movements if not free_turn(one, k))
            loads = [sum(flows.get(m.id, 0.0) for m in group) / len(lanes) for group, lanes in groups]
            largest.append(max(loads) / 1650)
        assert critical_ratios(one, flows, 1650.0) == pytest.approx(largest, abs=2e-5), name
