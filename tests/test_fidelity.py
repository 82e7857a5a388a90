"""The same road in SUMO's mesoscopic model: what is seen, what it costs, and what it refuses."""

from __future__ import annotations

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
    assert delays["meso"] == pytest.approx(delays["micro"], rel=0.2)
    assert delays["meso"] != delays["micro"]
    again = run_one(Task(resolve("existing"), short.at("meso"), "AM", 1000))
    assert again.metrics == runs["meso"].metrics


def test_a_camera_counts_vehicles_by_the_way_they_will_go(short: Scenario) -> None:
    """Against brute force over all vehicles; bays are shorter than the range, so what is behind them counts too."""
    loop = ControlLoop(short.at("meso"), "AM", SensingConfig(80.0))
    signals, most = short.network.signals, 0.0
    try:
        measurement = loop.reset(1000)
        while not loop.done:
            for name, signal in signals.items():
                view = measurement.signals[name]
                wanted = _about_to_go(loop, {m.from_edge for m in signal.movements}, 80.0)
                found = {(m.from_edge, m.to_edge): n for m, n in zip(signal.movements, view.present, strict=True) if n}
                assert found == wanted, (measurement.time_s, name)
                most = max(most, view.standing.sum())
            loop.step({name: int(measurement.time_s) // 40 % 4 for name in signals}, 20)
            measurement = loop.measure()
    finally:
        loop.close()
    assert most >= 10


def _about_to_go(loop: ControlLoop, ends: set[str], reach_m: float) -> dict[tuple[str, str], int]:
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
    return dict(found)


def test_who_would_be_at_the_line_by_now_stands() -> None:
    vehicles: Any = SimpleNamespace(
        getLanePosition=lambda _: 40.0,
        getRoute=lambda _: ("a", "b", "c", "d"),
        getRouteIndex=lambda _: 1,
        getAllowedSpeed=lambda _: 12.0,
    )
    camera = object.__new__(RoadCamera)
    camera._turns = {("c", "d"): 3, ("x", "y"): 4}
    assert camera._first_sight(vehicles, "one", 100.0, 100.0) == (3, 105.0)
    camera._turns = {("x", "y"): 4}
    assert camera._first_sight(vehicles, "one", 100.0, 100.0)[0] is None


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
