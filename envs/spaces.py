"""The spaces that every face shares: one observation layout for signals of any shape, and the actions of each mode."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from greenband.observation import MAX_STAGES, OBSERVATION_SIZE
from greenband.plan.adaptive import ADJUSTMENTS

__all__ = ["action_space", "observation_space"]


def observation_space() -> spaces.Box:
    """Observations of one signal, see ``greenband.observation``."""
    return spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)


def action_space(mode: str = "stage") -> spaces.Space[Any]:
    """The stage to ask for, of which its interlock refuses those that a signal does not have; in the mode ``cycle`` the
    adjustments of its plan, see ``greenband.plan.adaptive``.
    """
    return spaces.Box(-1.0, 1.0, (ADJUSTMENTS,), np.float32) if mode == "cycle" else spaces.Discrete(MAX_STAGES)
