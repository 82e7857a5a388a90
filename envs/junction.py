"""``greenband/Junction-v0``: one signal as a Gymnasium environment; the others keep their controller."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from greenband import registry
from greenband.envs.cycles import open_session
from greenband.envs.session import EpisodeConfig, Step, episode_seed
from greenband.envs.spaces import action_space, observation_space
from greenband.observation import MAX_STAGES, action_mask
from greenband.scenario import Scenario

__all__ = ["JunctionEnv"]

Array = npt.NDArray[np.float32]


class JunctionEnv(gym.Env[Array, Any]):
    """Control one signal by asking for a stage every ``interval_s`` seconds, or adjusting its plan once a cycle.

    Every reset draws a fresh episode from the training range; ``reset(seed=s)`` fixes the stream of draws, so that the
    same s gives the same trajectory, and ``options={"episode": n}`` runs exactly the episode of seed n. An episode is
    truncated at the period's end and never terminates. Info holds ``executed`` (the stage that the interlock shows),
    ``action_mask`` (shape ``[MAX_STAGES]``, not in the mode ``cycle``), and after a step ``reward_terms``.

    Args:
        scenario: a scenario or its name.
        signal: which of its signals, the first by default.
        config: what an episode is; its ``signals`` are replaced by ``signal``.
    """

    def __init__(
        self, scenario: Scenario | str = "jincheng", signal: str | None = None, config: EpisodeConfig | None = None
    ) -> None:
        found = registry.scenario(scenario) if isinstance(scenario, str) else scenario
        name = signal or next(iter(found.network.signals))
        self._session = open_session(found, replace(config or EpisodeConfig(), signals=(name,)))
        self.observation_space, self.action_space = observation_space(), action_space(self._session.config.mode)
        self._mask = np.ones(MAX_STAGES, dtype=np.bool_)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        observation = self._session.reset(episode_seed(self.np_random, options))[0]
        return observation, {"executed": 0, **self._masked(observation)}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Act and run to the next decision."""
        step: Step = self._session.step(np.array([action]))
        info = {
            "executed": int(step.executed[0]),
            **self._masked(step.observations[0]),
            "reward_terms": {name: float(values[0]) for name, values in step.terms.items()},
        }
        return step.observations[0], float(step.rewards[0]), False, step.truncated, info

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Stages that may be asked for now, shape ``[MAX_STAGES]``."""
        return self._mask

    def _masked(self, observation: Array) -> dict[str, Any]:
        if self._session.config.mode == "cycle":
            return {}
        self._mask = action_mask(observation)
        return {"action_mask": self._mask}

    def close(self) -> None:
        """End SUMO."""
        self._session.close()
