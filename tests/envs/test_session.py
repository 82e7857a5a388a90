"""Episodes: what their configuration refuses, what each seed draws, and which seeds are for training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from greenband.control import ControlLoop
from greenband.envs import EpisodeConfig
from greenband.envs.session import TRAINING_SEEDS, Session, controlled_signals, fresh_seed
from greenband.errors import BadInput, UnknownName
from greenband.fallback import FixedPatterns
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interval_s": 0}, "interval_s must be at least 1 s, not 0"),
        ({"interval_s": -5}, "interval_s must be at least 1 s, not -5"),
        ({"periods": ()}, "at least one period"),
        ({"demand": ()}, "at least one .*demand factor"),
        ({"demand": (1.0, -0.5)}, "demand factors must be above 0, not 1.0, -0.5"),
        ({"demand": (0.0,)}, "demand factors must be above 0"),
        (
            {"curriculum": [{"until": 0.5}, {"until": 0.2}]},
            "curriculum: until must rise, above 0 and up to 1, not 0.5, 0.2",
        ),
        ({"curriculum": [{"until": 1.5}]}, "until must rise"),
        ({"curriculum": [{"until": "soon"}]}, "until='soon': must be a share"),
        ({"curriculum": [{"until": 0.5, "speed": 3}]}, "a lesson has until, and periods or demand"),
        ({"curriculum": ["easy"]}, "'easy': a lesson has"),
        ({"curriculum": [{"until": 0.5, "periods": ["PM"]}]}, "period PM is not among the training's: AM"),
        ({"curriculum": [{"until": 0.5, "demand": [0]}]}, "demand factors must be above 0, not 0"),
    ],
)
def test_what_a_configuration_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        EpisodeConfig(**change)


def test_names_must_be_the_scenarios(jincheng: Scenario) -> None:
    with pytest.raises(UnknownName, match="unknown period of jincheng 'XM': choose from AM, EVE, NIGHT, OFF, PM, day"):
        Session(jincheng, EpisodeConfig(periods=("AM", "XM")))
    with pytest.raises(UnknownName, match=r"unknown signal of jincheng 'J12'.*did you mean 'J11'"):
        Session(jincheng, EpisodeConfig(signals=("J12",)))


def test_an_unknown_controller_of_the_others_is_named(shixin_short: Scenario) -> None:
    some = tuple(list(shixin_short.network.signals)[:1])
    with pytest.raises(UnknownName, match=r"unknown controller 'maxpresure'.*did you mean 'maxpressure'"):
        Session(shixin_short, EpisodeConfig(signals=some, others="maxpresure"))


def test_a_controller_that_sumo_runs_cannot_be_beside_a_learner(shixin_short: Scenario) -> None:
    some = tuple(list(shixin_short.network.signals)[:1])
    with pytest.raises(BadInput, match="others='actuated': SUMO runs that controller's signals"):
        Session(shixin_short, EpisodeConfig(signals=some, others="actuated"))


def test_signals_come_in_the_networks_order(shixin_short: Scenario) -> None:
    names = list(shixin_short.network.signals)
    assert controlled_signals(shixin_short, EpisodeConfig()) == names
    assert controlled_signals(shixin_short, EpisodeConfig(signals=(names[3], names[1]))) == [names[1], names[3]]


def test_periods_and_demand_are_drawn_by_the_seed(jincheng: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    real, drawn = ControlLoop.reset, []

    def note(self: ControlLoop, seed: int, **settings: Any) -> Any:
        drawn.append((self.period_name, settings["demand"]))
        return real(self, seed, **settings)

    monkeypatch.setattr(ControlLoop, "reset", note)
    periods = tuple(jincheng.periods)[:2]
    session = Session(jincheng, EpisodeConfig(periods=periods, demand=(0.5, 1.0)))
    try:
        for seed in [*range(12), *range(12)]:
            session.reset(seed)
    finally:
        session.close()
    assert drawn[:12] == drawn[12:]
    assert set(drawn) == {(period, factor) for period in periods for factor in (0.5, 1.0)}


def test_a_curriculum_narrows_what_is_drawn_while_the_training_is_young(
    jincheng: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[str, float]] = []

    def note(self: ControlLoop, seed: int, **settings: Any) -> Any:
        drawn.append((self.period_name, settings["demand"]))
        return real(self, seed, **settings)

    real = ControlLoop.reset
    monkeypatch.setattr(ControlLoop, "reset", note)
    lessons = [{"until": 0.25, "demand": [0.5]}, {"until": 0.5, "periods": ["OFF"]}]
    config = EpisodeConfig(periods=("AM", "OFF"), demand=(1.0, 2.0), curriculum=lessons)
    assert [config.lesson(progress) for progress in (0.0, 0.24, 0.25, 0.5, 1.0)] == [0, 0, 1, 2, 2]
    session = Session(jincheng, config)
    try:
        for lesson in (0, 1, 2, None):
            for seed in range(10_000, 10_010):
                session.reset(seed, lesson)
    finally:
        session.close()
    assert set(drawn[:10]) == {("AM", 0.5), ("OFF", 0.5)}
    assert set(drawn[10:20]) == {("OFF", 1.0), ("OFF", 2.0)}
    assert {period for period, _ in drawn[20:30]} == {"AM", "OFF"}
    assert {factor for _, factor in drawn[20:30]} == {1.0, 2.0}
    assert drawn[20:30] == drawn[30:]


def test_more_demand_brings_more_vehicles(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    def vehicles(factor: float) -> int:
        session = Session(shorten(jincheng), EpisodeConfig(demand=(factor,)))
        try:
            session.reset(3)
            for _ in range(12):
                session.step(np.array([0]))
            simulation = session._loop.simulation
            return int(simulation.api.vehicle.getIDCount())
        finally:
            session.close()

    assert vehicles(0.2) < vehicles(0.6) < vehicles(1.0)


def test_training_seeds_stay_clear_of_validation_and_report() -> None:
    assert range(10_000, 2**31) == TRAINING_SEEDS
    rng = np.random.default_rng(0)
    seeds = [fresh_seed(rng) for _ in range(5000)]
    assert all(seed in TRAINING_SEEDS for seed in seeds)
    assert len(set(seeds)) > 4990


def test_decisions_are_interval_s_apart(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    session = Session(shorten(jincheng, duration_s=20, warmup_s=10), EpisodeConfig(interval_s=7))
    try:
        session.reset(0)
        times, truncated = [session._loop.now], False
        while not truncated:
            truncated = session.step(np.array([0])).truncated
            times.append(session._loop.now)
    finally:
        session.close()
    assert [time - times[0] for time in times] == [0, 7, 14, 21, 28, 30]


def test_an_episode_goes_on_without_detectors(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    """Actions are overruled by the fixed pattern, and what was executed instead is reported."""
    dead = SensingConfig(junction_dropout_per_h=1e9, junction_dropout_s=1e9)
    session = Session(shorten(jincheng, duration_s=400), EpisodeConfig(sensing=dead))
    try:
        session.reset(0)
        steps = [session.step(np.array([0])) for _ in range(60)]
    finally:
        session.close()
    assert {int(step.executed[0]) for step in steps} == {0, 1, 2, 3}
    assert all(np.isfinite(step.observations).all() for step in steps)


def test_others_that_run_by_the_clock_are_left_alone(
    shixin_short: Scenario, shorten: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all detectors are dead only the learner's signal falls back, here to a pattern of one stage."""
    monkeypatch.setattr(FixedPatterns, "stage_at", lambda self, signal, time_s: 3)
    dead = SensingConfig(junction_dropout_per_h=1e9, junction_dropout_s=1e9)
    names, found = list(shixin_short.network.signals), []
    for sensing in (SensingConfig(), dead):
        config = EpisodeConfig(sensing=sensing, signals=names[:1])
        session = Session(shorten(shixin_short, duration_s=200), config)
        try:
            session.reset(0)
            while not session.step(np.array([0])).truncated:
                pass
            found.append({name: list(lock.executed) for name, lock in session._loop.interlocks.items()})
        finally:
            session.close()
    assert [found[0][name] == found[1][name] for name in names] == [False, True, True, True]
    assert found[1][names[0]][1][1] == 3
