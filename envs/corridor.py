"""A corridor as a PettingZoo ``ParallelEnv``: one agent per signal."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from pettingzoo import ParallelEnv

from greenband import registry
from greenband.envs.cycles import open_session
from greenband.envs.session import EpisodeConfig, episode_seed
from greenband.envs.spaces import action_space, observation_space
from greenband.observation import action_mask
from greenband.scenario import Scenario

__all__ = ["CorridorParallelEnv"]

Array = npt.NDArray[np.float32]


class CorridorParallelEnv(ParallelEnv[str, Array, Any]):
    """Every controlled signal is an agent that asks for a stage, or in the mode ``cycle`` adjusts its plan.

    Seeds, truncation and infos are as in ``JunctionEnv``.

    Args:
        scenario: a scenario or its name.
        config: what an episode is.
    """

    metadata = {"name": "greenband_corridor_v0", "render_modes": []}  # noqa: RUF012  # PettingZoo's own declaration

    def __init__(self, scenario: Scenario | str = "shixin_short", config: EpisodeConfig | None = None) -> None:
        found = registry.scenario(scenario) if isinstance(scenario, str) else scenario
        self._session = open_session(found, config or EpisodeConfig())
        self.possible_agents = list(self._session.signals)
        self.agents: list[str] = []
        self._observation_spaces = {agent: observation_space() for agent in self.possible_agents}
        self._action_spaces = {agent: action_space(self._session.config.mode) for agent in self.possible_agents}
        self._rng = np.random.default_rng()

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The same layout for every agent."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Stages, as many as the largest signal may have."""
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
        """Start an episode."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        rows = self._session.reset(episode_seed(self._rng, options))
        infos = {agent: {"executed": 0, **self._mask(rows[k])} for k, agent in enumerate(self.agents)}
        return dict(zip(self.agents, rows, strict=True)), infos

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Array], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Let every signal act and run to the next decision."""
        agents = self.agents
        step = self._session.step(np.array([actions[agent] for agent in agents]))
        infos = {
            agent: {
                "executed": int(step.executed[k]),
                **self._mask(step.observations[k]),
                "reward_terms": {name: float(values[k]) for name, values in step.terms.items()},
            }
            for k, agent in enumerate(agents)
        }
        if step.truncated:
            self.agents = []
        return (
            dict(zip(agents, step.observations, strict=True)),
            {agent: float(step.rewards[k]) for k, agent in enumerate(agents)},
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, step.truncated),
            infos,
        )

    def _mask(self, observation: Array) -> dict[str, Any]:
        return {"action_mask": action_mask(observation)} if self._session.config.mode == "stage" else {}

    def close(self) -> None:
        """End SUMO."""
        self._session.close()
