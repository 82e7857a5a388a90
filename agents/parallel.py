"""PPO that keeps the cores busy: deciding, simulating and updating at the same time or by all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

__all__ = ["ParallelPPO"]

CHUNK = 1024  # observations that are valued at a time


class Results(Protocol):
    """What came of decisions, one row per slot, see ``greenband.envs.vector.Seen``."""

    observations: npt.NDArray[np.float32]
    last: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    truncated: npt.NDArray[np.bool_]


class Halved(Protocol):
    """What a vector environment has whose halves can be stepped in turn, as ``greenband.envs.CorridorVecEnv``."""

    action_space: spaces.Space[Any]
    halves: Sequence[range]

    def slots(self, processes: range) -> slice:
        """Where these processes' slots are among all."""

    def send(self, processes: range, actions: npt.NDArray[Any]) -> None:
        """Begin a step of these processes."""

    def receive(self, processes: range) -> Results:
        """End it."""


class ParallelPPO(PPO):
    """PPO whose policy decides for one half of the SUMO processes while the other half simulates.

    What states are worth is for updates to know, so that a whole rollout is valued when it is complete. That and the
    updates take ``threads``, since all processes stand still meanwhile. In an environment without two halves rollouts
    are stable-baselines3's own.
    """

    threads = 1

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Fill the buffer with that many steps of every slot; False if the callback ended that early."""
        halved: Any = env
        if len(getattr(env, "halves", ())) < 2:
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        halves = [_Half(self, halved, processes) for processes in halved.halves]
        for half in halves:
            half.decide()
        for step in range(1, n_rollout_steps + 1):
            rows = []
            for half in halves:
                rows.append(half.result())
                if step < n_rollout_steps:
                    half.decide()
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                for half in halves if step < n_rollout_steps else ():
                    half.result()
                return False
            rollout_buffer.add(*_joined(rows))
        self._last_obs = np.concatenate([half.observations for half in halves])
        self._last_episode_starts = np.concatenate([half.starts for half in halves])
        with self._all_threads(), torch.no_grad():
            seen = torch.as_tensor(rollout_buffer.observations).flatten(0, 1)
            values = torch.cat([self.policy.predict_values(chunk) for chunk in torch.split(seen, CHUNK)])
            rollout_buffer.values[:] = values.numpy().reshape(rollout_buffer.values.shape)
            last = self.policy.predict_values(torch.as_tensor(self._last_obs))
        rollout_buffer.compute_returns_and_advantage(last, self._last_episode_starts)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def train(self) -> None:
        """Update the policy."""
        with self._all_threads():
            super().train()

    @contextmanager
    def _all_threads(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class _Row(NamedTuple):
    """What a rollout buffer keeps of a step, in the order in which it takes it."""

    observations: npt.NDArray[np.float32]
    actions: npt.NDArray[Any]
    rewards: npt.NDArray[np.float32]
    starts: npt.NDArray[np.bool_]
    values: torch.Tensor
    log_probs: torch.Tensor


class _Half:
    """One half of the processes: what its slots see now, and the decision whose result is still to come."""

    def __init__(self, learner: ParallelPPO, env: Halved, processes: range) -> None:
        self._learner, self._env, self._processes = learner, env, processes
        slots = env.slots(processes)
        last: Any = learner._last_obs
        starts: Any = learner._last_episode_starts
        self.observations, self.starts = last[slots], starts[slots]

    def decide(self) -> None:
        """Send the processes what the policy wants."""
        with torch.no_grad():
            distribution = self._learner.policy.get_distribution(torch.as_tensor(self.observations))
            actions = distribution.get_actions()
            self._log_probs = distribution.log_prob(actions)
        self._actions = actions.numpy()
        space = self._env.action_space
        wanted = np.clip(self._actions, space.low, space.high) if isinstance(space, spaces.Box) else self._actions
        self._env.send(self._processes, wanted)

    def result(self) -> _Row:
        """Wait for what came of the decision. An episode that was cut off is worth what its last state is worth."""
        seen = self._env.receive(self._processes)
        rewards = seen.rewards
        if seen.truncated.any():
            with torch.no_grad():
                values = self._learner.policy.predict_values(torch.as_tensor(seen.last[seen.truncated]))
            rewards[seen.truncated] += self._learner.gamma * values.numpy().ravel()
        not_yet = torch.zeros(len(rewards))  # what states are worth is filled in when the rollout is complete
        row = _Row(self.observations, self._actions, rewards, self.starts, not_yet, self._log_probs)
        self.observations, self.starts = seen.observations, seen.truncated
        return row


def _joined(rows: Sequence[_Row]) -> tuple[Any, ...]:
    """The rows of the halves as one."""
    whole: list[Any] = []
    for parts in zip(*rows, strict=True):
        is_tensor = isinstance(parts[0], torch.Tensor)
        whole.append(torch.cat(parts) if is_tensor else np.concatenate(parts))
    actions = whole[1]
    whole[1] = actions.reshape(len(actions), -1)
    return tuple(whole)
