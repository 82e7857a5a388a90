"""Cameras see the vehicles within their range, each once; what crosses the stop line is counted by movement or lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from greenband.control import ControlLoop
from greenband.detectors import Camera, StopLineLoops
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
    if not lane or edge.startswith(":"):  # a bus in its bay is on no lane
        return float("inf")
    rest = network.lane_length_m(lane) - position
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


class Passages:
    """Brute force, asked every second: which vehicles cross a stop line, by signal and movement."""

    def __init__(self, loop: ControlLoop) -> None:
        self._api, self._signals = loop.simulation.api, loop.scenario.network.signals
        self._approach = {m.from_edge: name for name, signal in self._signals.items() for m in signal.movements}
        self._waiting: dict[str, tuple[str, str]] = {}
        self.counts = {name: np.zeros(len(signal.movements)) for name, signal in self._signals.items()}

    def look(self) -> None:
        vehicle = self._api.vehicle
        for name in vehicle.getIDList():
            edge = vehicle.getRoadID(name)
            if edge in self._approach:
                route, at = vehicle.getRoute(name), vehicle.getRouteIndex(name)
                self._waiting[name] = edge, route[at + 1]
            elif name in self._waiting and (not edge.startswith(":") or vehicle.getLanePosition(name) >= 0.1):
                self._count(*self._waiting.pop(name))

    def _count(self, from_edge: str, to_edge: str) -> None:
        name = self._approach[from_edge]
        ways = [(m.from_edge, m.to_edge) for m in self._signals[name].movements]
        self.counts[name][ways.index((from_edge, to_edge))] += 1


def shared_lanes(signal: Signal) -> int:
    lanes = [lane for movement in signal.movements for lane in movement.from_lanes]
    return len(lanes) - len(set(lanes))


def passed_and_true(loop: ControlLoop, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sums of what is reported every 7 s, and the truth, at every measurement; lamps change by the clock."""
    measurement = loop.reset(seed, demand=1.3)
    truth = Passages(loop)
    total = {name: np.zeros(len(view.standing)) for name, view in measurement.signals.items()}
    second = 0
    while not loop.done:
        loop.step(dict.fromkeys(total, loop.now // 20 % 4), 1)
        truth.look()
        second += 1
        if second % 7 == 0 or loop.done:
            for name, view in loop.measure().signals.items():
                assert view.passed is not None
                total[name] += view.passed
                assert total[name].sum() == pytest.approx(truth.counts[name].sum()), (loop.now, name)
    return total, truth.counts


def test_a_camera_counts_what_passes_by_movement(shixin_short: Scenario, shorten: Callable[..., Scenario]) -> None:
    short = shorten(shixin_short, duration_s=200, warmup_s=100)
    assert any(shared_lanes(signal) for signal in short.network.signals.values())
    loop = ControlLoop(short, "AM", SensingConfig(count_passed=True))
    try:
        total, truth = passed_and_true(loop, 3)
    finally:
        loop.close()
    for name in truth:
        assert total[name].tolist() == truth[name].tolist()
    assert sum(counts.sum() for counts in truth.values()) > 300


def test_loops_count_what_passes_by_lane(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    """At Jincheng Rd no lane is shared, so that counts by lane are counts by movement."""
    assert not shared_lanes(jincheng.network.signals["J11"])
    loop = ControlLoop(shorten(jincheng, duration_s=300), "AM", SensingConfig(kind="loops", count_passed=True))
    try:
        total, truth = passed_and_true(loop, 4)
    finally:
        loop.close()
    assert total["J11"].tolist() == truth["J11"].tolist()
    assert truth["J11"].min() > 0
    assert truth["J11"].sum() > 100


def test_loops_share_a_lanes_count_between_its_movements(
    shixin_short: Scenario, shorten: Callable[..., Scenario]
) -> None:
    short = shorten(shixin_short, duration_s=100, warmup_s=60)
    loop = ControlLoop(short, "AM", SensingConfig(kind="loops", count_passed=True))
    try:
        total, truth = passed_and_true(loop, 5)
    finally:
        loop.close()
    for name, signal in short.network.signals.items():
        for edge in {m.from_edge for m in signal.movements}:
            of = [k for k, m in enumerate(signal.movements) if m.from_edge == edge]
            assert total[name][of].sum() == pytest.approx(truth[name][of].sum())


@pytest.mark.parametrize("loop_m", [2.0, 12.0])
def test_loops_tell_presence_and_nothing_else(
    loop_m: float, jincheng: Scenario, shorten: Callable[..., Scenario]
) -> None:
    signal, network = jincheng.network.signals["J11"], jincheng.network
    loop = ControlLoop(shorten(jincheng, duration_s=120), "AM", SensingConfig(kind="loops", loop_m=loop_m))
    seen, queued = {True: 0, False: 0}, 0
    try:
        loop.reset(2, demand=1.5)
        while not loop.done:
            loop.step({"J11": loop.now // 25 % 4}, 5)
            view, api = loop.measure().signals["J11"], loop.simulation.api
            assert not view.approaching.any()
            assert not view.leaving.any()
            assert view.passed is None
            for k, movement in enumerate(signal.movements):
                places = {lane: to_line(api, network, lane) for lane in movement.from_lanes}
                on = sum(any(rest <= loop_m for rest in rests) for rests in places.values())
                assert view.standing[k] == on
                seen[bool(on)] += 1
                queued += view.standing[k] == 1 and sum(map(len, places.values())) > 3
    finally:
        loop.close()
    assert min(seen.values()) > 50
    assert queued > 20  # one vehicle or many, a loop cannot tell


def to_line(api: Any, network: Any, lane: str) -> list[float]:
    """Metres from each vehicle in a lane to its end."""
    ids = api.lane.getLastStepVehicleIDs(lane)
    return [network.lane_length_m(lane) - api.vehicle.getLanePosition(name) for name in ids]


def test_counting_what_passes_changes_nothing_else(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    short, found = shorten(jincheng, duration_s=100), []
    for config in (None, SensingConfig(count_passed=True)):
        loop = ControlLoop(short, "AM", config)
        try:
            views = [loop.reset(6).signals["J11"]]
            laid = loop.simulation.api.inductionloop.getIDCount()
            while not loop.done:
                loop.step({"J11": loop.now // 30 % 4}, 5)
                views.append(loop.measure().signals["J11"])
        finally:
            loop.close()
        found.append([np.concatenate([v.approaching, v.standing, v.leaving]).tolist() for v in views])
        assert (laid > 0) == (config is not None)
        assert (views[-1].passed is None) == (config is None)
    assert found[0] == found[1]


def test_every_run_counts_from_its_own_start_on_any_backend(
    jincheng: Scenario, shorten: Callable[..., Scenario]
) -> None:
    loop = ControlLoop(shorten(jincheng, duration_s=60), "AM", SensingConfig(count_passed=True))
    found = []
    try:
        for backend in ("libsumo", "traci"):
            first = loop.reset(1, backend=backend).signals["J11"]
            loop.step({}, 100)
            found.append([np.asarray(view.passed).tolist() for view in (first, loop.measure().signals["J11"])])
    finally:
        loop.close()
    assert found[0] == found[1]
    assert not any(found[1][0])
    assert sum(found[1][1]) > 10


@pytest.mark.parametrize("kind", [Camera, StopLineLoops])
def test_counting_needs_lanes_inside_the_junction(kind: type[Camera], jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    without = replace(signal, links=tuple(replace(link, via_lane="") for link in signal.links))
    with pytest.raises(BadInput, match=r"\.net\.xml: count_passed needs lanes inside the junctions"):
        kind(jincheng.network, without, SensingConfig(count_passed=True))
    assert kind(jincheng.network, without, SensingConfig()).layout.serves.any(axis=1).all()


@pytest.mark.parametrize("count", [False, True])
@pytest.mark.parametrize("kind", [Camera, StopLineLoops])
def test_every_reading_has_a_detector(kind: type[Camera], count: bool, shixin_short: Scenario) -> None:
    network = shixin_short.network
    for signal in network.signals.values():
        layout = kind(network, signal, SensingConfig(count_passed=count)).layout
        approaches = {m.from_edge for m in signal.movements}
        exits = {m.to_edge for m in signal.movements}
        lanes = {lane for m in signal.movements for lane in m.from_lanes}
        detectors = len(approaches) + len(exits) if kind is Camera else len(lanes)
        assert layout.serves.shape == (len(signal.movements), detectors)
        assert set(layout.owner.tolist()) == set(range(detectors))
        assert layout.serves.sum(axis=1).tolist() == [
            1 if kind is Camera else len(m.from_lanes) for m in signal.movements
        ]
        assert (~layout.momentary).sum() == (len([x for x in signal.links if x.from_lane in lanes]) if count else 0)
