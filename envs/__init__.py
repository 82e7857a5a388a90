"""Faces of the control loop for learners: Gymnasium, PettingZoo and stable-baselines3.

Importing registers ``greenband/Junction-v0``; ``gymnasium.make("greenband.envs:greenband/Junction-v0")`` does both.
``CorridorVecEnv`` is loaded when it is asked for, since stable-baselines3 brings torch.
"""

from typing import TYPE_CHECKING, Any

import gymnasium

from greenband.envs.corridor import CorridorParallelEnv
from greenband.envs.junction import JunctionEnv
from greenband.envs.rewards import RewardWeights
from greenband.envs.session import EpisodeConfig

if TYPE_CHECKING:
    from greenband.envs.vector import CorridorVecEnv

__all__ = ["CorridorParallelEnv", "CorridorVecEnv", "EpisodeConfig", "JunctionEnv", "RewardWeights"]

gymnasium.register(id="greenband/Junction-v0", entry_point="greenband.envs.junction:JunctionEnv")


def __getattr__(name: str) -> Any:
    if name == "CorridorVecEnv":
        from greenband.envs.vector import CorridorVecEnv

        return CorridorVecEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
