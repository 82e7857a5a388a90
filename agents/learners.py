"""Builds stable-baselines3 learners with the shared masked stage policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from greenband.agents.policies import MaskedDQN, StageActorCritic, StageQPolicy

__all__ = ["dqn", "ppo"]

Fraction = Callable[[], float]


def ppo(
    env: VecEnv, seed: int, progress: Fraction, log_dir: Path, *, hidden: int, learning_rate: float, **settings: Any
) -> PPO:
    """A PPO learner; ``progress`` tells the share of the run that is over, ``settings`` go to stable-baselines3."""
    return PPO(
        StageActorCritic,
        env,
        learning_rate=_annealed(learning_rate, progress),
        policy_kwargs={"hidden": hidden},
        seed=seed,
        tensorboard_log=str(log_dir),
        device="cpu",
        **settings,
    )


def dqn(
    env: VecEnv, seed: int, progress: Fraction, log_dir: Path, *, hidden: int, learning_rate: float, **settings: Any
) -> MaskedDQN:
    """A DQN learner; arguments as for ``ppo``."""
    return MaskedDQN(
        StageQPolicy,
        env,
        learning_rate=_annealed(learning_rate, progress),
        policy_kwargs={"hidden": hidden},
        seed=seed,
        tensorboard_log=str(log_dir),
        device="cpu",
        **settings,
    )


def _annealed(start: float, progress: Fraction) -> Callable[[float], float]:
    """Linear fall to a tenth over the run."""
    return lambda _remaining: start * (1 - 0.9 * min(1.0, progress()))
