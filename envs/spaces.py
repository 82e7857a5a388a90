"""The spaces that every face shares: one observation layout and one action set for a signal of any shape."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from greenband.observation import MAX_STAGES, OBSERVATION_SIZE

__all__ = ["action_space", "observation_space"]


def observation_space() -> spaces.Box:
    """Observations of one signal, see ``greenband.observation``."""
    return spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)


def action_space() -> spaces.Discrete:
    """The stage to ask for; stages that a signal does not have are refused by its interlock."""
    return spaces.Discrete(MAX_STAGES)
