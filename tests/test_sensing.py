"""The camera sees the vehicles within its range, each once, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from greenband.control import ControlLoop
from greenband.errors import BadInput
from greenband.network import Signal
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig


def within(loop: ControlLoop, signal: Signal, reach: float) -> tuple[list[str], list[str]]:
    """Brute force over all vehicles: those within reach before the stop lines, and of these the standing ones."""
    network, api = loop.scenario.network, loop.simulation.api
    seen = [name for name in api.vehicle.getIDList() if to_stop_line(network, signal, api, name) <= reach]
    return seen, [name for name in seen if api.vehicle.getSpeed(name) < 0.1]


def to_stop_line(network: Any, signal: Signal, api: Any, name: str) -> float:
    """Metres to the signal's stop line; infinite for a vehicle on no approach. The bay follows its link ``E``."""
    bays = {link.from_edge for link in signal.links}
    edge, lane, position = api.vehicle.getRoadID(name), api.vehicle.getLaneID(name), api.vehicle.getLanePosition(name)
    rest = network.lane_length_m(lane) - position if lane and not edge.startswith(":") else float("inf")
    if edge in bays:
        return float(rest)
    if f"{edge}.bay" in bays:
        return float(rest + network.lane_length_m(f"{edge}.bay_0"))
    return float("inf")


@pytest.mark.parametrize("reach", [80.0, 25.0, 200.0])
def test_a_camera_counts_each_vehicle_in_range_once(
    reach: float, shixin_short: Scenario, shorten: Callable[..., Scenario]
) -> None:
    loop = ControlLoop(shorten(shixin_short, duration_s=120), "AM", SensingConfig(reach))
    signals, most = shixin_short.network.signals, 0
    try:
        measurement = loop.reset(1, demand=1.5)
        while not loop.done:
            for name, view in measurement.signals.items():
                seen, standing = within(loop, signals[name], reach)
                assert view.present.sum() == pytest.approx(len(seen)), (measurement.time_s, name)
                assert view.standing.sum() == pytest.approx(len(standing)), (measurement.time_s, name)
                most = max(most, len(seen))
            loop.step({name: int(measurement.time_s) // 20 % 4 for name in signals}, 10)
            measurement = loop.measure()
    finally:
        loop.close()
    assert most >= 10


def test_vehicles_are_counted_for_the_movement_of_their_lane(
    jincheng: Scenario, shorten: Callable[..., Scenario]
) -> None:
    """At Jincheng Rd every movement has lanes of its own, longer than 60 m, so counts are whole."""
    loop = ControlLoop(shorten(jincheng, duration_s=120), "AM", SensingConfig(60.0))
    signal = jincheng.network.signals["J11"]
    network, total = jincheng.network, 0
    try:
        loop.reset(2, demand=1.5)
        while not loop.done:
            loop.step({"J11": loop.now // 25 % 4}, 10)
            view, lane = loop.measure().signals["J11"], loop.simulation.api.lane
            position = loop.simulation.api.vehicle.getLanePosition
            for k, movement in enumerate(signal.movements):
                before = sum(
                    network.lane_length_m(name) - position(vehicle) <= 60
                    for name in movement.from_lanes
                    for vehicle in lane.getLastStepVehicleIDs(name)
                )
                behind = sum(
                    position(vehicle) <= 60
                    for name in movement.to_lanes
                    for vehicle in lane.getLastStepVehicleIDs(name)
                )
                assert (view.present[k], view.leaving[k]) == (before, behind)
                total += before + behind
    finally:
        loop.close()
    assert total > 100


def test_endless_range_sees_the_whole_approach(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    loop = ControlLoop(shorten(jincheng, duration_s=60), "AM", SensingConfig(np.inf))
    try:
        loop.reset(0)
        loop.step({}, 150)
        seen, _ = within(loop, jincheng.network.signals["J11"], 1e6)
        assert loop.measure().signals["J11"].present.sum() == pytest.approx(len(seen))
        assert len(seen) > 20
    finally:
        loop.close()


@pytest.mark.parametrize("reach", [0.0, -5.0, float("nan")])
def test_a_range_must_be_positive(reach: float) -> None:
    with pytest.raises(BadInput, match="range_m"):
        SensingConfig(reach)
