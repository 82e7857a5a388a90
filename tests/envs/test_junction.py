"""``greenband/Junction-v0``: contracts of Gymnasium and stable-baselines3, seeds, one signal steered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from greenband import registry
from greenband.control import ControlLoop, run
from greenband.envs import EpisodeConfig, JunctionEnv, RewardWeights
from greenband.envs.session import TRAINING_SEEDS
from greenband.errors import UnknownName
from greenband.scenario import Scenario

Shorten = Callable[..., Scenario]

# Observations are counts and seconds without a natural bound, so the Box is unbounded and checkers say so.
unbounded = pytest.mark.filterwarnings("ignore:.*A Box observation space m(in|ax)imum value is -?infinity")
# check_env asks for a spec, which only ``gymnasium.make`` gives; another test makes it so.
no_spec = pytest.mark.filterwarnings("ignore:.*no spec")


def roll(env: JunctionEnv, seed: int | None, steps: int = 20) -> list[Any]:
    """Everything that an episode returns under stages asked for in turn."""
    observation, info = env.reset(seed=seed)
    seen: list[Any] = [observation.tolist(), info["action_mask"].tolist()]
    for k in range(steps):
        observation, reward, _, truncated, info = env.step(np.int64(k // 4 % 3))
        seen.append((observation.tolist(), reward, info["executed"], info["action_mask"].tolist()))
        seen.append(info["reward_terms"])
        if truncated:
            break
    return seen


@unbounded
@no_spec
@pytest.mark.parametrize("name", registry.names("scenario"))
def test_checkers_pass(name: str, shorten: Shorten) -> None:
    env = JunctionEnv(shorten(registry.scenario(name), duration_s=60, warmup_s=20))
    try:
        check_env(env, skip_render_check=True)
        sb3_check_env(env, skip_render_check=True)
    finally:
        env.close()


@unbounded
def test_it_is_registered() -> None:
    env = gymnasium.make("greenband.envs:greenband/Junction-v0", scenario="jincheng")
    try:
        observation, info = env.reset(seed=1)
        assert env.observation_space.contains(observation)
        _, reward, terminated, truncated, info = env.step(0)
        assert isinstance(reward, float)
        assert (terminated, truncated) == (False, False)
        assert info["action_mask"][info["executed"]]
    finally:
        env.close()


def test_a_seed_repeats_an_episode_and_no_seed_is_a_fresh_one(jincheng: Scenario, shorten: Shorten) -> None:
    env = JunctionEnv(shorten(jincheng))
    try:
        first = roll(env, 7)
        unseeded = [roll(env, None), roll(env, None)]
        assert roll(env, 7) == first
        assert roll(env, 8) != first
        assert unseeded[0] != unseeded[1]
        assert first not in unseeded
        env.reset(seed=7)
        assert [roll(env, None), roll(env, None)] == unseeded  # the stream of fresh seeds follows from the last seed
    finally:
        env.close()


def test_fresh_seeds_are_training_seeds(jincheng: Scenario, shorten: Shorten, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    real = ControlLoop.reset

    def note(self: ControlLoop, seed: int, **settings: Any) -> Any:
        used.append(seed)
        return real(self, seed, **settings)

    monkeypatch.setattr(ControlLoop, "reset", note)
    env = JunctionEnv(shorten(jincheng))
    try:
        env.reset(seed=3)
        for _ in range(3):
            env.reset()
        env.reset(options={"episode": 7})
    finally:
        env.close()
    assert used[-1] == 7
    assert len(set(used)) == 5
    assert all(seed in TRAINING_SEEDS for seed in used[:-1])


def test_an_episode_is_truncated_and_its_infos_add_up(jincheng: Scenario, shorten: Shorten) -> None:
    weights = RewardWeights(delay=1.0, progress=2.0)
    env = JunctionEnv(shorten(jincheng, duration_s=202, warmup_s=100), config=EpisodeConfig(reward=weights))
    try:
        env.reset(seed=5)
        for count in range(1, 100):
            _, reward, terminated, truncated, info = env.step(np.int64(count % 4))
            assert not terminated
            assert set(info) == {"executed", "action_mask", "reward_terms"}
            assert set(info["reward_terms"]) == {"delay", "progress"}
            assert sum(info["reward_terms"].values()) == pytest.approx(reward, abs=1e-5)
            assert (env.action_masks() == info["action_mask"]).all()
            assert not info["action_mask"][len(jincheng.network.signals["J11"].stages) :].any()
            if truncated:
                break
        assert count == 61  # 302 s in decisions of 5 s, the last one cut short
    finally:
        env.close()


def test_a_request_that_the_mask_allows_is_executed_and_another_is_not(jincheng: Scenario, shorten: Shorten) -> None:
    env = JunctionEnv(shorten(jincheng))
    try:
        _, info = env.reset(seed=5)
        shown = 0
        changes, refusals = 0, 0
        for k in range(40):
            wanted, mask = (shown + 1) % 4, info["action_mask"]
            _, _, _, _, info = env.step(np.int64(wanted))
            if mask[wanted]:
                assert info["executed"] == wanted
                changes += 1
            elif k < 3:
                assert info["executed"] == 0  # minimum green is 15 s
                refusals += 1
            shown = info["executed"]
        assert (changes > 3, refusals > 0) == (True, True)
    finally:
        env.close()


def test_the_other_signals_follow_their_plan(shixin_short: Scenario, shorten: Shorten) -> None:
    short = shorten(shixin_short, duration_s=200, warmup_s=100)
    names = list(short.network.signals)
    env = JunctionEnv(short, signal=names[1])
    try:
        env.reset(options={"episode": 2})
        truncated = False
        while not truncated:
            _, _, _, truncated, info = env.step(np.int64(0))
        shown = {name: list(lock.executed) for name, lock in env._session._loop.interlocks.items()}
        planned = run(registry.controller("existing"), short, "AM", 2, backend="traci")
    finally:
        env.close()
    assert {name: shown[name] for name in names if name != names[1]} == {
        name: planned[name] for name in names if name != names[1]
    }
    assert shown[names[1]] != planned[names[1]]
    assert info["executed"] == shown[names[1]][-1][1]


def test_bad_arguments_are_named(jincheng: Scenario) -> None:
    with pytest.raises(UnknownName, match="unknown signal of jincheng 'J99'"):
        JunctionEnv(jincheng, signal="J99")
    with pytest.raises(UnknownName, match="unknown period of jincheng 'XM'"):
        JunctionEnv(jincheng, config=EpisodeConfig(periods=("XM",)))
