"""Faces of the control loop for learners: Gymnasium, PettingZoo and stable-baselines3.

Importing registers ``greenband/Junction-v0``; ``gymnasium.make("greenband.envs:greenband/Junction-v0")`` does both.
"""

import gymnasium

from greenband.envs.corridor import CorridorParallelEnv
from greenband.envs.junction import JunctionEnv
from greenband.envs.rewards import RewardWeights
from greenband.envs.session import EpisodeConfig
from greenband.envs.vector import CorridorVecEnv

__all__ = ["CorridorParallelEnv", "CorridorVecEnv", "EpisodeConfig", "JunctionEnv", "RewardWeights"]

gymnasium.register(id="greenband/Junction-v0", entry_point="greenband.envs.junction:JunctionEnv")
