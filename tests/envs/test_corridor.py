"""The PettingZoo face: its API tests pass and episodes repeat by seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from greenband import registry
from greenband.envs import CorridorParallelEnv
from greenband.scenario import Scenario

Shorten = Callable[..., Scenario]


@contextmanager
def corridor(scenario: Scenario | str) -> Iterator[CorridorParallelEnv]:
    env = CorridorParallelEnv(scenario)
    try:
        yield env
    finally:
        env.close()


def roll(env: CorridorParallelEnv, seed: int | None) -> list[Any]:
    observations, infos = env.reset(seed=seed)
    seen: list[Any] = []
    step = 0
    while env.agents:
        seen.append({name: row.tolist() for name, row in observations.items()})
        wanted = {name: (step // 4 + k) % 4 for k, name in enumerate(env.agents)}
        observations, rewards, _, _, infos = env.step(wanted)
        seen.append((rewards, {name: (info["executed"], info["reward_terms"]) for name, info in infos.items()}))
        step += 1
    return seen


@pytest.mark.parametrize("name", registry.names("scenario"))
def test_pettingzoo_accepts_it(name: str, shorten: Shorten) -> None:
    with corridor(shorten(registry.scenario(name), duration_s=60, warmup_s=20)) as env:
        parallel_api_test(env, num_cycles=20)


def test_pettingzoo_finds_it_repeatable(jincheng: Scenario, shorten: Shorten) -> None:
    short = shorten(jincheng, duration_s=60, warmup_s=20)
    made: list[CorridorParallelEnv] = []

    def make() -> CorridorParallelEnv:
        made.append(CorridorParallelEnv(short))
        return made[-1]

    try:
        parallel_seed_test(make, num_cycles=8)
    finally:
        for env in made:
            env.close()


def test_a_seed_repeats_an_episode(shixin_short: Scenario, shorten: Shorten) -> None:
    with corridor(shorten(shixin_short, duration_s=100, warmup_s=50)) as env:
        first = roll(env, 4)
        unseeded = roll(env, None)
        assert len(first) == 2 * 30
        assert roll(env, 4) == first
        assert roll(env, 5) != first
        assert unseeded != first
        assert roll(env, None) != unseeded


def test_all_agents_end_together_by_truncation(shixin_short: Scenario, shorten: Shorten) -> None:
    with corridor(shorten(shixin_short, duration_s=20, warmup_s=5)) as env:
        assert env.possible_agents == list(shixin_short.network.signals)
        env.reset(seed=0)
        for _ in range(5):
            assert env.agents == env.possible_agents
            observations, rewards, terminations, truncations, infos = env.step(dict.fromkeys(env.agents, 0))
            assert not any(terminations.values())
            for agent, info in infos.items():
                assert env.observation_space(agent).contains(observations[agent])
                assert sum(info["reward_terms"].values()) == pytest.approx(rewards[agent], abs=1e-5)
                assert info["action_mask"][info["executed"]]
        assert truncations == dict.fromkeys(env.possible_agents, True)
        assert env.agents == []
