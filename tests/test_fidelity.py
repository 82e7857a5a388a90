"""The same road in SUMO's mesoscopic model: what is seen, what it costs, and what it refuses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from greenband import registry
from greenband.control import ControlLoop
from greenband.detectors import RoadCamera
from greenband.envs import CorridorVecEnv, EpisodeConfig
from greenband.envs.branches import _RoadTimes
from greenband.errors import BadInput, UnknownName
from greenband.evaluation.runner import Task, run_one
from greenband.evaluation.subjects import resolve
from greenband.network import Movement, Network
from greenband.observation import OBSERVATION_SIZE, action_mask
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig
from greenband.simulation import InductionLoop, Simulation


@pytest.fixture
def short(shixin_short: Scenario, shorten: Callable[..., Scenario]) -> Scenario:
    return shorten(shixin_short, duration_s=600, warmup_s=200)


def test_the_name_says_so_and_is_taken_back(jincheng: Scenario) -> None:
    meso = jincheng.at("meso")
    assert (meso.name, meso.fidelity) == ("jincheng (meso)", "meso")
    assert meso.at("meso") is meso
    assert meso.at("micro") == jincheng
    with pytest.raises(UnknownName, match="mesa"):
        jincheng.at("mesa")


def test_fixed_plans_lose_about_as_much_as_in_micro_and_safely(short: Scenario) -> None:
    runs = {f: run_one(Task(resolve("existing"), short.at(f), "AM", 1000)) for f in ("micro", "meso")}
    assert runs["meso"].violations == ()
    delays = {f: run.metrics["delay_s"] for f, run in runs.items()}
    assert delays["meso"] == pytest.approx(delays["micro"], rel=0.15)
    assert delays["meso"] != delays["micro"]
    again = run_one(Task(resolve("existing"), short.at("meso"), "AM", 1000))
    assert again.metrics == runs["meso"].metrics


def test_a_camera_counts_vehicles_by_the_way_they_will_go(short: Scenario) -> None:
    """All who are within range by what SUMO says, and more that it holds back, of those on the way there."""
    loop = ControlLoop(short.at("meso"), "AM", SensingConfig(80.0))
    signals, most = short.network.signals, 0.0
    try:
        measurement = loop.reset(1000)
        while not loop.done:
            for name, signal in signals.items():
                view = measurement.signals[name]
                edges = {movement.from_edge for movement in signal.movements}
                near, all_ = _about_to_go(loop, edges, 75.0), _about_to_go(loop, edges, 400.0)
                for movement, count in zip(signal.movements, view.present, strict=True):
                    turn, room = (movement.from_edge, movement.to_edge), 12 * len(movement.from_lanes)
                    assert min(near[turn], room) <= count <= all_[turn], (measurement.time_s, name, turn)
                most = max(most, view.standing.sum())
            loop.step({name: int(measurement.time_s) // 40 % 4 for name in signals}, 20)
            measurement = loop.measure()
    finally:
        loop.close()
    assert most >= 10


def _about_to_go(loop: ControlLoop, ends: set[str], reach_m: float) -> Counter[tuple[str, str]]:
    vehicle, network = loop.simulation.api.vehicle, loop.scenario.network
    found: Counter[tuple[str, str]] = Counter()
    for name in vehicle.getIDList():
        route, index = vehicle.getRoute(name), vehicle.getRouteIndex(name)
        if name not in loop.simulation.api.edge.getLastStepVehicleIDs(route[index]):  # crosses a junction
            continue
        rest = network.edge_length_m(route[index]) - vehicle.getLanePosition(name)
        for edge, onto in zip(route[index:], route[index + 1 :], strict=False):
            if edge in ends:
                if rest <= reach_m:
                    found[edge, onto] += 1
                break
            if onto not in ends or not onto.endswith(".bay"):
                break
            rest += network.edge_length_m(onto)
    return found


def test_a_vehicle_is_taken_to_drive_on() -> None:
    vehicles: Any = SimpleNamespace(
        getLanePosition=lambda _: 40.0,
        getRoute=lambda _: ("a", "b", "c", "d"),
        getRouteIndex=lambda _: 1,
        getAllowedSpeed=lambda _: 12.0,
    )
    camera = object.__new__(RoadCamera)
    camera._turns = {("c", "d"): 3, ("x", "y"): 4}
    assert camera._first_sight(vehicles, "one", 100.0, 52.0, 100.0) == (3, 101.0, 105.0)
    camera._turns = {("x", "y"): 4}
    assert camera._first_sight(vehicles, "one", 100.0, 52.0, 100.0).movement is None


class AtTheLine:
    """Stands for SUMO: vehicles of one movement that are all at the end of their edge."""

    def __init__(self, network: Network, movement: Movement, vehicles: int) -> None:
        self.now_s, self.queue = 100.0, [f"one.{n}" for n in range(vehicles)]
        self.simulation = SimpleNamespace(getTime=lambda: self.now_s)
        self.edge = SimpleNamespace(getLastStepVehicleIDs=lambda name: self.queue if name == movement.from_edge else [])
        self.vehicle = SimpleNamespace(
            getLanePosition=lambda _: network.edge_length_m(movement.from_edge),
            getRoute=lambda _: (movement.from_edge, movement.to_edge),
            getRouteIndex=lambda _: 0,
            getAllowedSpeed=lambda _: 12.0,
        )


def queue_of(scenario: Scenario, vehicles: int, range_m: float) -> tuple[AtTheLine, RoadCamera, int]:
    """Vehicles at the line of a movement with two lanes, a camera that sees so far in m, and the movement's number."""
    network = scenario.at("meso").network
    (signal,) = network.signals.values()
    k, movement = next((k, m) for k, m in enumerate(signal.movements) if len(m.from_lanes) == 2)
    return AtTheLine(network, movement, vehicles), RoadCamera(network, signal, SensingConfig(range_m)), k


def test_no_more_stand_than_have_room(jincheng: Scenario) -> None:
    """Two lanes of 80 m hold 24 vehicles at 7 m each; a camera that sees everything sees the whole queue."""
    road, camera, k = queue_of(jincheng, 40, range_m=80.0)
    assert camera.report(camera.read(road)).approaching[k] == 40
    road.now_s += 1
    report = camera.report(camera.read(road))
    assert (report.standing[k], report.standing.sum(), report.approaching.sum()) == (24, 24, 0)
    road, camera, k = queue_of(jincheng, 40, range_m=math.inf)
    camera.read(road)
    road.now_s += 1
    assert camera.report(camera.read(road)).standing[k] == 40


def test_a_queue_from_which_some_leave_moves_from_its_head_on(jincheng: Scenario) -> None:
    """Of two lanes set off 2 x (1 / 1.2 s - 1 / 2.25 s) = 0.78 vehicles a second more than leave."""
    road, camera, k = queue_of(jincheng, 20, range_m=80.0)
    camera.read(road)
    seen = []
    for left in (0, 2, 4, 0):
        road.now_s += 5
        del road.queue[:left]
        report = camera.report(camera.read(road))
        seen.append((report.approaching[k], report.standing[k]))
    assert seen == [(0, 20), (3, 15), (7, 7), (0, 14)]


def test_who_drives_on_into_the_bay_has_not_left(jincheng: Scenario) -> None:
    network = jincheng.network
    (signal,) = network.signals.values()
    k, movement = next((k, m) for k, m in enumerate(signal.movements) if m.turn == "through")
    before, clock = movement.from_edge.removesuffix(".bay"), [100.0]
    on = {before: [f"one.{n}" for n in range(10)], movement.from_edge: list[str]()}
    vehicle = SimpleNamespace(
        getLanePosition=lambda name: network.edge_length_m(before) if name in on[before] else 0.0,
        getRoute=lambda _: (before, movement.from_edge, movement.to_edge),
        getRouteIndex=lambda name: 0 if name in on[before] else 1,
        getAllowedSpeed=lambda _: 6.0,
    )
    edge = SimpleNamespace(getLastStepVehicleIDs=lambda name: on.get(name, []))
    api: Any = SimpleNamespace(vehicle=vehicle, edge=edge, simulation=SimpleNamespace(getTime=lambda: clock[0]))
    camera, seen = RoadCamera(network, signal, SensingConfig(80.0)), []
    for moved in (0, 0, 3, 0):
        on[movement.from_edge] += [on[before].pop() for _ in range(moved)]
        report = camera.report(camera.read(api))
        seen.append((report.approaching[k], report.standing[k]))
        clock[0] += 5
    assert seen == [(10, 0), (0, 10), (3, 7), (3, 7)]


def test_exits_are_seen_into_the_bay_that_begins_within_range(shixin_short: Scenario) -> None:
    """In meso the road from J11 to J10 is shorter than the range, since the bay at its end is longer."""
    network = shixin_short.at("meso").network
    signal = network.signals["J11"]
    assert network.edge_length_m("J11_J10") < 120 < network.edge_length_m("J11_J10.bay")
    rest = 120 - network.edge_length_m("J11_J10")
    places = {"J11_J10": 10.0, "J11_J10.bay": rest - 1}
    vehicle = SimpleNamespace(getLanePosition=lambda name: places[name])
    edge = SimpleNamespace(getLastStepVehicleIDs=lambda name: [name] if name in places else [])
    api: Any = SimpleNamespace(vehicle=vehicle, edge=edge, simulation=SimpleNamespace(getTime=lambda: 0.0))
    camera = RoadCamera(network, signal, SensingConfig(120.0))
    through = next(k for k, m in enumerate(signal.movements) if m.to_edge == "J11_J10" and m.turn == "through")
    whole = camera.report(camera.read(api)).leaving[through]
    places["J11_J10.bay"] = rest + 1
    assert camera.report(camera.read(api)).leaving[through] == pytest.approx(whole / 2)


def test_detectors_can_fail_there_too(short: Scenario) -> None:
    loop = ControlLoop(short.at("meso"), "AM", SensingConfig(miss_rate=1.0))
    try:
        loop.reset(1000)
        loop.step({}, 300)
        assert all(view.present.sum() == 0 for view in loop.measure().signals.values())
    finally:
        loop.close()


def test_what_vehicles_lose_is_what_sumo_says_in_micro(short: Scenario) -> None:
    """SUMO keeps each vehicle's lost time in micro only: there the two ways to it can be compared."""
    loop, times = ControlLoop(short, "AM"), _RoadTimes(short.network)
    try:
        loop.reset(1000)
        for _ in range(60):
            loop.step({}, 5)
            lost, waited = times.read(loop.simulation.api)
        vehicle = loop.simulation.api.vehicle
        assert set(lost) == set(vehicle.getIDList())
        theirs = sum(vehicle.getTimeLoss(name) for name in lost)
        assert sum(lost.values()) == pytest.approx(theirs, rel=0.12)
        longest = max(vehicle.getWaitingTime(name) for name in lost)
        assert max(waited) == pytest.approx(longest, abs=5)
    finally:
        loop.close()


def test_an_environment_of_it_trains_as_ever(short: Scenario) -> None:
    env = CorridorVecEnv(short.at("meso"), EpisodeConfig(), processes=1)
    try:
        observations = env.reset()
        assert observations.shape == (4, OBSERVATION_SIZE)
        total = np.zeros(4)
        for _ in range(60):
            env.step_async(action_mask(observations).argmax(axis=1))
            observations, rewards, _, _ = env.step_wait()
            total += rewards
        assert (total != 0).all()
    finally:
        env.close()


def test_what_is_about_lanes_is_refused(short: Scenario) -> None:
    meso = short.at("meso")
    with pytest.raises(BadInput, match="loops needs lanes"):
        ControlLoop(meso, "AM", SensingConfig(kind="loops"))
    with pytest.raises(BadInput, match="count_passed needs lanes"):
        ControlLoop(meso, "AM", SensingConfig(count_passed=True))
    with pytest.raises(BadInput, match="loops need lanes"):
        Simulation(meso, "AM", 0, loops=[InductionLoop("one", "N_J11_0", 1.0)])
    with pytest.raises(BadInput, match="signals that SUMO controls need lanes"):
        run_one(Task(resolve("actuated"), meso, "AM", 1000))


def test_a_scenario_folder_may_ask_for_it(tiny: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "road"
    shutil.copytree(tiny, folder)
    Scenario.load(folder).at("meso").model_copy(update={"name": "road"}).save()
    assert registry.scenario(str(folder)).fidelity == "meso"
