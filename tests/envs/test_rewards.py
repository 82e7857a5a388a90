"""Each term of the reward on hand-made traffic, weights, and what progress adds up to over an episode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from greenband.control import ControlLoop
from greenband.envs import EpisodeConfig, RewardWeights
from greenband.envs.rewards import SCALE_VEH, RewardTerms
from greenband.envs.session import Session
from greenband.scenario import Scenario
from greenband.sensing import Measurement, SignalView

NAMES = [field.name for field in fields(RewardWeights)]
OFF = RewardWeights(**dict.fromkeys(NAMES, 0.0))


class Street:
    """Stands in for a running loop: vehicles and their speed per edge, waiting to enter there, and elsewhere."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.count: dict[str, int] = {}
        self.speed: dict[str, float] = {}
        self.waiting: dict[str, int] = {}
        self.elsewhere = 0
        edge = SimpleNamespace(
            getLastStepVehicleNumber=lambda name: self.count.get(name, 0),
            getLastStepMeanSpeed=lambda name: self.speed[name],
            getPendingVehicles=lambda name: ["vehicle"] * self.waiting.get(name, 0),
        )
        self.simulation = SimpleNamespace(api=SimpleNamespace(edge=edge), pending=self.pending)

    def pending(self) -> int:
        return sum(self.waiting.values()) + self.elsewhere


def view(standing: float = 0, approaching: float = 0, leaving: float = 0) -> SignalView:
    """Two movements with these vehicles on the first."""
    first = np.array([1.0, 0.0])
    return SignalView(
        approaching * first, standing * first, leaving * first, 0, False, 0, np.zeros(2, int), np.ones(2, bool)
    )


def terms(street: Any, weights: RewardWeights) -> RewardTerms:
    made = RewardTerms(street, weights)
    made.reset()
    return made


def compute(made: RewardTerms, views: dict[str, SignalView] | None = None, changed: int = -1) -> dict[str, list[float]]:
    """Terms of the four signals of shixin_short; ``changed`` is the number of one that changed stage."""
    names = list(made._edges)
    measurement = Measurement(0, {name: (views or {}).get(name, view()) for name in names})
    done = made.compute(measurement, np.arange(len(names)) == changed)
    return {name: (values * SCALE_VEH).round(6).tolist() for name, values in done.items()}


def test_terms_of_weight_zero_are_left_out(shixin_short: Scenario) -> None:
    street = Street(shixin_short)
    assert compute(terms(street, OFF)) == {}
    for name in NAMES:
        assert set(compute(terms(street, replace(OFF, **{name: 1.0})))) == {name}
    usual = asdict(RewardWeights())
    assert set(compute(terms(street, RewardWeights()))) == {name for name, weight in usual.items() if weight}


def test_delay_is_the_loss_of_speed_on_the_approaches(shixin_short: Scenario) -> None:
    street = Street(shixin_short)
    signal = list(shixin_short.network.signals.values())[1]
    near, far = signal.approaches[0], signal.approaches[-1]
    made = terms(street, replace(OFF, delay=2.0))
    assert compute(made) == {"delay": [0.0] * 4}
    street.count = {near: 10, far: 3}
    street.speed = {near: shixin_short.network.edge_speed_ms(near) / 4, far: 99.0}  # faster than allowed is no gain
    assert compute(made) == {"delay": [0, -2 * 10 * 0.75, 0, 0]}
    street.count, street.waiting, street.elsewhere = {}, {far: 5}, 8
    assert compute(made) == {"delay": [-4, -14, -4, -4]}


def test_progress_is_vehicles_that_left_minus_those_that_came(shixin_short: Scenario) -> None:
    street = Street(shixin_short)
    edge = next(iter(shixin_short.network.signals.values())).approaches[0]
    street.count, street.speed, street.waiting, street.elsewhere = {edge: 6}, {edge: 1.0}, {edge: 2}, 4
    made = terms(street, replace(OFF, progress=1.0))
    assert compute(made) == {"progress": [0.0] * 4}
    street.count = {edge: 1}
    assert compute(made) == {"progress": [5.0, 0, 0, 0]}
    street.count, street.waiting, street.elsewhere = {edge: 3}, {edge: 6}, 8
    assert compute(made) == {"progress": [-7.0, -1, -1, -1]}
    made.reset()
    assert compute(made) == {"progress": [0.0] * 4}


def test_network_is_the_mean_delay(shixin_short: Scenario) -> None:
    street = Street(shixin_short)
    edge = next(iter(shixin_short.network.signals.values())).approaches[0]
    street.count, street.speed = {edge: 8}, {edge: 0.0}
    assert compute(terms(street, replace(OFF, network=1.0))) == {"network": [-2.0] * 4}


def test_camera_terms_and_switch(shixin_short: Scenario) -> None:
    street = Street(shixin_short)
    first, second, third, _ = shixin_short.network.signals
    views = {first: view(standing=5, approaching=2), second: view(leaving=3), third: view(standing=4, leaving=4)}
    assert compute(terms(street, replace(OFF, standing=0.5)), views) == {"standing": [-2.5, 0, -2, 0]}
    assert compute(terms(street, replace(OFF, pressure=1.0)), views) == {"pressure": [-7, -3, 0, 0]}
    switch = compute(terms(street, replace(OFF, switch=0.25)), changed=2)
    assert switch == {"switch": [0, 0, -0.25 * SCALE_VEH, 0]}


def test_progress_over_an_episode_telescopes(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    weights = RewardWeights(delay=0.0, progress=3.0)
    session = Session(shorten(jincheng, duration_s=150, warmup_s=50), EpisodeConfig(reward=weights))
    try:
        session.reset(11)
        total, truncated = 0.0, False
        while not truncated:
            step = session.step(np.array([0]))
            assert set(step.terms) == {"progress"}
            total, truncated = total + float(step.rewards[0]), step.truncated
        loop: ControlLoop = session._loop
        api = loop.simulation.api
        held = sum(api.edge.getLastStepVehicleNumber(e) for e in jincheng.network.signals["J11"].approaches)
        held += loop.simulation.pending()
    finally:
        session.close()
    assert held > 10
    assert total == pytest.approx(-3.0 * held / SCALE_VEH, abs=1e-4)  # it began with an empty road


def test_who_waits_to_enter_counts_where_it_waits(jincheng: Scenario) -> None:
    loop = ControlLoop(jincheng, "AM")
    try:
        loop.reset(3, demand=2.0)
        while loop.simulation.pending() < 20:
            loop.step({}, 10)
        made = RewardTerms(loop, replace(OFF, delay=1.0))
        api = loop.simulation.api
        entries = {api.vehicle.getRoute(name)[0] for name in api.simulation.getPendingVehicles()}
        waiting = {edge: len(api.edge.getPendingVehicles(edge)) for edge in entries}
        assert sum(waiting.values()) == loop.simulation.pending()
        assert made._waiting().tolist() == [loop.simulation.pending()]
    finally:
        loop.close()


def test_rewards_are_the_sum_of_their_terms(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    weights = RewardWeights(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    assert sorted(asdict(weights).values()) == [1, 2, 3, 4, 5, 6]
    session = Session(shorten(jincheng), EpisodeConfig(reward=weights))
    try:
        session.reset(11)
        for k in range(30):
            step = session.step(np.array([k // 5 % 4]))
            assert list(step.terms) == NAMES
            assert step.rewards == pytest.approx(sum(step.terms.values()), abs=1e-5)
        assert all(step.terms[name][0] != 0 for name in NAMES if name != "switch")
    finally:
        session.close()
