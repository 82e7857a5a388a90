"""Branches: a copy does as the original, the original is not disturbed, and what is compared is what was asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from greenband.envs import EpisodeConfig, branches
from greenband.envs.branches import COSTS, BranchConfig, Episode, branch
from greenband.envs.session import Session
from greenband.errors import BadInput, SimulationError
from greenband.observation import (
    MAX_STAGES,
    OBSERVATION_SIZE,
    STAGE_FEATURES,
    STAGE_SCALES,
    action_mask,
    vehicles_before,
)
from greenband.scenario import Scenario


class Busiest:
    """Scores a stage by the vehicles before its stop lines, a little less where it is shown."""

    period = ""  # of the last run

    def reset(self, scenario: Scenario, period: str) -> None:
        Busiest.period = period

    def scores(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        table = observations[:, :-3].reshape(len(observations), MAX_STAGES, -1)
        scores = table[..., 4] + table[..., 5] - 0.01 * table[..., 2]
        return np.where(action_mask(observations), scores, -1e8).astype(np.float32)


@pytest.fixture
def episode(shixin_short: Scenario, shorten: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch) -> Episode:
    """Five minutes at four signals, with a branch wherever a signal has a choice; SUMO reads routes on the way."""
    Busiest.period = ""
    real = branches.registry.instantiate
    monkeypatch.setattr(branches.registry, "instantiate", lambda c, **more: Busiest() if c == {} else real(c, **more))
    short = shorten(shixin_short, duration_s=300, warmup_s=20)
    return Episode(short, EpisodeConfig(), BranchConfig(horizon_s=30, share=0.3, signals=2), {}, 10_001, 0)


def test_rows_hold_choice_and_alternative_and_come_again(episode: Episode) -> None:
    rows = branch(episode)
    assert Busiest.period == rows.period == "AM"  # a policy may depend on it
    n = len(rows)
    assert n > 10
    assert rows.observations.shape == (n, OBSERVATION_SIZE)
    assert rows.costs.shape == (n, 6, len(COSTS))
    assert (rows.chosen == Busiest().scores(rows.observations).argmax(axis=1)).all()
    assert (rows.tried != rows.chosen).all()
    assert action_mask(rows.observations)[np.arange(n), rows.tried].all()
    assert np.abs(rows.costs[..., 0].sum(axis=1)).max() > 1
    copies = (rows.decisions / 4 - 320 // 5) / 6
    assert n * 3 / 2 <= copies <= n * 2  # one to compare with for one or two alternatives
    again = branch(episode)
    for name in ("observations", "chosen", "tried", "costs"):
        assert (getattr(again, name) == getattr(rows, name)).all()


def seen(*vehicles: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Observations of signals with so many vehicles approaching and standing before one stage, fewer before another."""
    observations = np.zeros((len(vehicles), OBSERVATION_SIZE), np.float32)
    stages = observations[:, : MAX_STAGES * len(STAGE_FEATURES)].reshape(len(vehicles), MAX_STAGES, -1)
    for stage, share in ((1, 0.5), (2, 1.0)):
        for name, counts in zip(("approaching", "standing"), zip(*vehicles, strict=True), strict=True):
            stages[:, stage, STAGE_FEATURES.index(name)] = share * np.array(counts) / STAGE_SCALES[name]
    return observations


def test_vehicles_are_those_before_the_busiest_stage() -> None:
    assert vehicles_before(seen((1, 4), (0, 0))) == pytest.approx([5, 0])


@pytest.mark.parametrize(("busy", "share"), [(0.0, 0.5), (0.5, 0.725), (1.0, 0.95)])
def test_busy_signals_get_more_of_the_branches(episode: Episode, busy: float, share: float) -> None:
    session, one = Session(episode.scenario, EpisodeConfig()), BranchConfig(signals=1, busy=busy)
    drive = branches._Drive(session, Busiest(), replace(episode, branches=one))
    drawn = [int(k) for _ in range(1000) for k in drive._drawn(seen((9, 9), (1, 3.5), (0, 0)), np.array([1, 2]))]
    assert len(drawn) == 1000
    assert drawn.count(1) / 1000 == pytest.approx(share, abs=0.05)
    assert len(drive._drawn(seen((1, 1)), np.array([], int))) == 0


def test_a_branch_that_decides_alike_costs_the_same(episode: Episode, monkeypatch: pytest.MonkeyPatch) -> None:
    def same(self: Any, observations: Any, scores: Any, actions: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        return [(k, int(stage)) for k, stage in enumerate(actions)]

    monkeypatch.setattr(branches._Drive, "_alternatives", same)
    rows = branch(episode)
    assert len(rows) > 10
    assert (rows.costs == 0).all()


def test_a_copy_goes_on_as_the_original_does_when_nobody_dawdles(episode: Episode) -> None:
    session, policy = Session(episode.scenario, EpisodeConfig(backend="libsumo")), Busiest()
    drive = branches._Drive(session, policy, episode)
    try:
        observations = session.reset(10_001, 0)
        drive._meter = branches._Meter(session.loop, 75.0, 5)
        types = session.loop.simulation.api.vehicletype
        for name in types.getIDList():
            types.setImperfection(name, 0.0)
        for _ in range(20):
            observations = session.step(policy.scores(observations).argmax(axis=1)).observations
            drive._meter.read()
        copied = drive._copy(policy.scores(observations).argmax(axis=1))
        ours = []
        for _ in range(len(copied)):
            observations = session.step(policy.scores(observations).argmax(axis=1)).observations
            ours.append(drive._meter.read())
    finally:
        session.close()
    assert (copied == np.array(ours)).all()
    lost, mainline, _ = copied[-1] - copied[0]
    assert lost > mainline > 0


def test_branching_leaves_the_episode_as_it_is(episode: Episode) -> None:
    ends = []
    for share in (1.0, 1e-9):
        session = Session(episode.scenario, EpisodeConfig())
        settings = BranchConfig(horizon_s=60, share=share, signals=1)
        drive = branches._Drive(session, Busiest(), Episode(*[*vars(episode).values()][:2], settings, {}, 10_001, 0))
        try:
            rows = drive.run()
            ends.append((len(rows) > 0, drive._meter.read().tolist()))
        finally:
            session.close()
    assert [some for some, _ in ends] == [True, False]
    assert ends[0][1] == ends[1][1]


def test_a_branch_that_dies_is_said(episode: Episode, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(self: Any, actions: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(branches._Drive, "_follow", die)
    with pytest.raises(SimulationError, match="its SUMO process ended unexpectedly"):
        branch(episode)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 0}, "share=0"),
        ({"share": 1.5}, "share=1.5"),
        ({"busy": -0.1}, "busy=-0.1"),
        ({"busy": 1.5}, "busy=1.5"),
        ({"busy": "some"}, "busy=some: must be a number"),
        ({"busy": True}, "busy=True: must be a number"),
        ({"signals": 2.5}, "signals=2.5: must be a whole number"),
        ({"horizon_s": 60.5}, "horizon_s=60.5: must be a whole number"),
        ({"horizon_s": 0}, "horizon_s=0"),
        ({"spread": -1}, "spread"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        BranchConfig(**change)
