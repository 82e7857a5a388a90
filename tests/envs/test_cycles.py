"""Cycle mode: a decision lasts a cycle, what is seen is its mean, and no adjustment breaks a safety rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from greenband.envs import CorridorParallelEnv, CorridorVecEnv, EpisodeConfig, JunctionEnv
from greenband.envs.cycles import CycleSession, open_session
from greenband.envs.rewards import RewardWeights
from greenband.envs.session import Session
from greenband.errors import UnknownName
from greenband.observation import OBSERVATION_SIZE
from greenband.plan.adaptive import ADJUSTMENTS
from greenband.scenario import Scenario

CYCLE = EpisodeConfig(mode="cycle", reward=RewardWeights(progress=0.0, delay=1.0))


@pytest.fixture(scope="module")
def short(shixin_short: Scenario, shorten: Callable[..., Scenario]) -> Scenario:
    return shorten(shixin_short, duration_s=400, warmup_s=100)


def test_a_step_is_a_cycle(short: Scenario) -> None:
    session = open_session(short, CYCLE)
    assert isinstance(session, CycleSession)
    try:
        assert session.reset(7).shape == (4, OBSERVATION_SIZE)
        start, lengths, done = session.loop.now, [], False
        while not done:
            begun = session.loop.now
            step = session.step(np.full((4, ADJUSTMENTS), 0.5))
            lengths.append(session.loop.now - begun)
            done = step.truncated
            assert step.observations.shape == (4, OBSERVATION_SIZE)
            assert np.isfinite(step.observations).all()
            assert (step.rewards <= 0).all()
            assert step.terms["delay"] == pytest.approx(step.rewards)
        assert set(lengths[:-1]) == {session.plans.ends_s - begun}
        assert sum(lengths) == 500
        assert session.loop.now == start + 500
    finally:
        session.close()


def test_the_signals_follow_their_plans(short: Scenario) -> None:
    session = CycleSession(short, CYCLE)
    rng = np.random.default_rng(0)
    try:
        session.reset(7)
        session.step(np.zeros((4, ADJUSTMENTS)))
        begun = session.loop.now
        session.step(np.zeros((4, ADJUSTMENTS)))
        for name, log in session.loop.executed.items():
            plan = session.plans.plans[name]
            shown = {time_s - begun: stage for time_s, stage in log if time_s >= begun}
            assert len(shown) >= len(plan.stages) - 1
            assert all(plan.stage_at(since) == stage for since, stage in shown.items())
        for _ in range(2):
            session.step(rng.uniform(-1, 1, (4, ADJUSTMENTS)))
    finally:
        session.close()


def test_others_keep_their_controller(short: Scenario) -> None:
    name = next(iter(short.network.signals))
    session = CycleSession(short, EpisodeConfig(mode="cycle", signals=(name,)))
    try:
        assert session.reset(1).shape[0] == 1
        session.step(np.zeros((1, ADJUSTMENTS)))
        assert list(session.plans.plans) == [name]
        assert all(len(log) > 1 for log in session.loop.executed.values())
    finally:
        session.close()


def test_all_faces_have_it(short: Scenario, jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    one = shorten(jincheng, duration_s=200, warmup_s=50)
    junction = JunctionEnv(one, config=CYCLE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bounds that are infinite
        check_env(junction, skip_render_check=True)
    _, info = junction.reset(seed=1)
    assert "action_mask" not in info
    junction.close()
    corridor = CorridorParallelEnv(short, CYCLE)
    corridor.reset(seed=1)
    agents = corridor.agents
    _, rewards, _, _, infos = corridor.step({agent: np.zeros(ADJUSTMENTS) for agent in agents})
    assert list(rewards) == agents
    assert "action_mask" not in infos[agents[0]]
    corridor.close()


def test_a_vector_environment_is_restored_within_an_episode(short: Scenario) -> None:
    rng = np.random.default_rng(3)
    actions = rng.uniform(-1, 1, (3, 4, ADJUSTMENTS)).astype(np.float32)
    env, other = (CorridorVecEnv(short, CYCLE, processes=1, seed=2) for _ in range(2))
    try:
        env.reset()
        for action in actions[:2]:
            env.step(action)
        seen = other.restore(env.state())
        assert (seen == env._observations).all()
        ours, theirs = env.step(actions[2]), other.step(actions[2])
        assert (ours[0] == theirs[0]).all()
        assert (ours[1] == theirs[1]).all()
    finally:
        env.close()
        other.close()


def test_modes_by_name(short: Scenario) -> None:
    assert type(open_session(short, EpisodeConfig())) is Session
    with pytest.raises(UnknownName, match="unknown mode 'cycles'"):
        EpisodeConfig(mode="cycles")
