"""All that a learner needs to go on as if it had never stopped: tensors and numbers, read without unpickling.

It is taken between two rollouts: weights, optimiser, counters, random numbers, a DQN's replay buffer, and where the
environment's episodes are, as their seeds and actions, from which they are simulated anew.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greenband.errors import BadInput

if TYPE_CHECKING:
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    Learner = OnPolicyAlgorithm | OffPolicyAlgorithm

__all__ = ["off_policy", "read", "restore", "rollout", "snapshot"]

PARTS = {"steps": int, "updates": int, "policy": dict, "optimizer": dict, "random": dict, "environment": dict}
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def off_policy(learner: Learner) -> bool:
    """Whether it learns from a replay buffer, which makes a snapshot large."""
    return hasattr(learner, "replay_buffer")


def rollout(learner: Learner) -> int:
    """Decisions of a rollout over all slots."""
    of_each: Any = learner.train_freq.frequency if off_policy(learner) else learner.n_steps  # type: ignore[union-attr]
    return int(of_each) * learner.n_envs


def snapshot(learner: Learner) -> dict[str, Any]:
    """A learner's state, to be taken as a rollout begins; what the learner does later does not change it."""
    import torch

    env: Any = learner.get_env()
    starts: Any = learner._last_episode_starts
    saved = {
        "steps": learner.num_timesteps,
        "updates": int(learner._n_updates),
        "policy": copy.deepcopy(learner.policy.state_dict()),
        "optimizer": copy.deepcopy(learner.policy.optimizer.state_dict()),
        "random": _random_state(),
        "environment": env.state(),
        "starts": torch.from_numpy(np.array(starts, dtype=np.bool_)),
    }
    return {**saved, "replay": _replay(learner)} if off_policy(learner) else saved


def restore(learner: Learner, saved: dict[str, Any], source: Path) -> None:
    """Bring a new learner, and its environment, to where another was.

    Raises:
        BadInput: what is saved does not fit the learner; names ``source``.
        SimulationError: SUMO failed.
    """
    env: Any = learner.get_env()
    try:
        learner.policy.load_state_dict(saved["policy"])
        learner.policy.optimizer.load_state_dict(saved["optimizer"])
        if off_policy(learner):
            _refill(learner, saved["replay"])
        learner.num_timesteps, learner._n_updates = saved["steps"], saved["updates"]
        learner._last_obs = env.restore(saved["environment"])
        learner._last_episode_starts = saved["starts"].numpy()
        _set_random_state(saved["random"])
    except (KeyError, RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise BadInput(f"{source}: does not fit the run's configuration: {error}") from error


def read(path: Path) -> dict[str, Any]:
    """Tensors and numbers from a file; anything that would run code is refused.

    Raises:
        BadInput: it is no checkpoint.
    """
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on files that it goes on to refuse
            saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file can make the reader stumble over anything
        raise BadInput(f"{path}: not a checkpoint: {str(error).partition(chr(10))[0]}") from error
    if not isinstance(saved, dict) or not all(isinstance(saved.get(name), kind) for name, kind in PARTS.items()):
        raise BadInput(f"{path}: not a checkpoint of a training run of this version")
    return saved


def _random_state() -> dict[str, Any]:
    """Of torch and numpy, from which stable-baselines3 draws."""
    import torch

    state: Any = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state(),
        "key": torch.from_numpy(state["state"]["key"].astype(np.int64)),
        "pos": int(state["state"]["pos"]),
        "has_gauss": int(state["has_gauss"]),
        "gauss": float(state["gauss"]),
    }


def _set_random_state(saved: dict[str, Any]) -> None:
    import torch

    torch.set_rng_state(saved["torch"])
    key = saved["key"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", key, saved["pos"], saved["has_gauss"], saved["gauss"]))


def _replay(learner: Any) -> dict[str, Any]:
    """A DQN's replay buffer, as far as it is filled, and its place in the cycles of exploration and target updates."""
    import torch

    buffer = learner.replay_buffer
    filled = buffer.size()
    return {
        **{name: torch.from_numpy(getattr(buffer, name)[:filled].copy()) for name in REPLAY},
        "pos": buffer.pos,
        "full": buffer.full,
        "calls": learner._n_calls,
        "exploration_rate": float(learner.exploration_rate),
    }


def _refill(learner: Any, saved: dict[str, Any]) -> None:
    buffer = learner.replay_buffer
    for name in REPLAY:
        rows = saved[name].numpy()
        getattr(buffer, name)[: len(rows)] = rows
    buffer.pos, buffer.full = saved["pos"], saved["full"]
    learner._n_calls, learner.exploration_rate = saved["calls"], saved["exploration_rate"]
