"""PPO that decides for one half of the processes while the other half simulates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import BaseCallback

from greenband.agents import learners
from greenband.agents.parallel import ParallelPPO
from greenband.envs import CorridorVecEnv, EpisodeConfig
from greenband.envs.session import Session
from greenband.scenario import Scenario

Shorten = Callable[..., Scenario]
SEED, SIGNALS, STEPS = 7, 4, 20  # an episode has 12 decisions


class Ending(BaseCallback):
    """Ends the training after some steps; counts those that it saw."""

    def __init__(self, after: int = 10**6) -> None:
        super().__init__()
        self.seen, self._after = 0, after

    def _on_step(self) -> bool:
        self.seen += 1
        return self.seen < self._after


@pytest.fixture(scope="module")
def short(shixin_short: Scenario, shorten: Shorten) -> Scenario:
    return shorten(shixin_short, duration_s=40, warmup_s=20)


@pytest.fixture(scope="module")
def env(short: Scenario) -> Iterator[CorridorVecEnv]:
    """Three processes: halves of two and one."""
    made = CorridorVecEnv(short, processes=3)
    yield made
    made.close()


def learner_on(env: CorridorVecEnv, folder: Path) -> ParallelPPO:
    made = learners.ppo(
        env, SEED, lambda: 0.0, folder,
        hidden=8, wait_limit_s=0, temperature=1.0, learning_rate=1e-3, n_steps=STEPS, batch_size=20, n_epochs=1,
        gamma=0.9,
    )  # fmt: skip
    made._setup_learn(10**6, None)
    return made


def surest(distribution_of: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A distribution of which nothing but the likeliest action is drawn."""
    distribution = distribution_of(*args, **kwargs)
    distribution.sample = distribution.mode
    return distribution


def collect(learner: ParallelPPO, callback: BaseCallback | None = None) -> bool:
    callback = callback or Ending()
    callback.init_callback(learner)
    env: Any = learner.get_env()
    went_on: bool = learner.collect_rollouts(env, callback, learner.rollout_buffer, STEPS)
    return went_on


def test_rollouts_are_what_the_signals_see_and_do(env: CorridorVecEnv, short: Scenario, tmp_path: Path) -> None:
    learner, watch = learner_on(env, tmp_path), Ending()
    assert collect(learner, watch)
    buffer = learner.rollout_buffer
    assert (watch.seen, learner.num_timesteps, buffer.full) == (STEPS, STEPS * 3 * SIGNALS, True)
    session = Session(short, EpisodeConfig())
    try:
        for process in range(3):
            slots, stream = slice(process * SIGNALS, (process + 1) * SIGNALS), np.random.default_rng([SEED, process])
            seen, starts = session.reset(int(stream.integers(10_000, 2**31))), True
            for k in range(STEPS):
                assert (buffer.observations[k, slots] == seen).all()
                assert (buffer.episode_starts[k, slots] == starts).all()
                step = session.step(buffer.actions[k, slots, 0].astype(int))
                rewards, seen, starts = step.rewards, step.observations, step.truncated
                if step.truncated:  # the episode goes on as far as the learner is concerned
                    values = learner.policy.predict_values(torch.as_tensor(seen)).detach().numpy().ravel()
                    assert (abs(values) > 0).any()
                    rewards = rewards + np.float32(0.9) * values
                    seen = session.reset(int(stream.integers(10_000, 2**31)))
                assert np.allclose(buffer.rewards[k, slots], rewards, atol=1e-5)
            assert (learner._last_obs[slots] == seen).all()
    finally:
        session.close()


def test_figures_belong_to_what_was_seen(env: CorridorVecEnv, tmp_path: Path) -> None:
    learner = learner_on(env, tmp_path)
    collect(learner)
    buffer, slots = learner.rollout_buffer, 3 * SIGNALS
    seen = torch.as_tensor(buffer.observations.reshape(STEPS * slots, -1))
    values, log_probs, _ = learner.policy.evaluate_actions(seen, torch.as_tensor(buffer.actions.reshape(-1)))
    assert np.allclose(buffer.values.reshape(-1), values.detach().ravel(), atol=1e-5)
    assert np.allclose(buffer.log_probs.reshape(-1), log_probs.detach(), atol=1e-5)
    assert len(np.unique(buffer.actions)) > 1


def test_rollouts_depend_on_seeds_alone(env: CorridorVecEnv, tmp_path: Path) -> None:
    def made() -> list[Any]:
        learner = learner_on(env, tmp_path)
        collect(learner)
        collect(learner)
        buffer = learner.rollout_buffer
        return [buffer.observations.copy(), buffer.actions.copy(), buffer.returns.copy()]

    for first, second in zip(made(), made(), strict=True):
        assert (first == second).all()


@pytest.mark.parametrize("after", [1, 5, STEPS])
def test_a_rollout_that_is_ended_leaves_nothing_in_flight(env: CorridorVecEnv, tmp_path: Path, after: int) -> None:
    learner = learner_on(env, tmp_path)
    assert not collect(learner, Ending(after))
    assert learner.num_timesteps == after * 3 * SIGNALS
    observations = env.reset()
    stages = np.zeros(env.num_envs, int)
    assert (env.step(stages)[0] != observations).any()


def test_one_process_has_no_halves(short: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[CorridorVecEnv] = []
    monkeypatch.setattr(stable_baselines3.PPO, "collect_rollouts", lambda _, env, *rest: asked.append(env))
    env = CorridorVecEnv(short, processes=1)
    try:
        collect(learner_on(env, tmp_path))
    finally:
        env.close()
    assert asked == [env]


def test_updates_have_their_threads_and_give_them_back(
    env: CorridorVecEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_on(env, tmp_path)
    before, seen = torch.get_num_threads(), []
    learner.threads = before + 1
    monkeypatch.setattr(stable_baselines3.PPO, "train", lambda _: seen.append(torch.get_num_threads()))
    learner.train()
    assert (seen, torch.get_num_threads()) == ([before + 1], before)


def test_rollouts_are_those_of_stable_baselines3(env: CorridorVecEnv, tmp_path: Path) -> None:
    """Where chance has no part in choices, which is drawn for all slots at once there."""
    kept: list[dict[str, Any]] = []
    for collecting in (ParallelPPO.collect_rollouts, stable_baselines3.PPO.collect_rollouts):
        learner, callback = learner_on(env, tmp_path), Ending()
        callback.init_callback(learner)
        policy: Any = learner.policy
        policy._get_action_dist_from_latent = partial(surest, policy._get_action_dist_from_latent)
        for _ in range(2):
            collecting(learner, env, callback, learner.rollout_buffer, STEPS)
        names = ("observations", "actions", "rewards", "episode_starts", "values", "log_probs", "advantages", "returns")
        kept.append({name: getattr(learner.rollout_buffer, name).copy() for name in names})
    for name, found in kept[0].items():
        assert np.allclose(found, kept[1][name], atol=1e-5), name
    assert kept[0]["episode_starts"].any()
