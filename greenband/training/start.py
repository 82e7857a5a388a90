"""The way into training: from a composed configuration to the kind of run that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from greenband.training.gradient import GradientRun
from greenband.training.rollouts import RolloutRun
from greenband.training.run import Run

__all__ = ["train"]

ROLLOUTS = "greenband.agents.rollouts.Rollouts"


def train(config: Mapping[str, Any]) -> Path:
    """Train by a composed configuration; returns the run directory.

    Raises:
        BadInput: the configuration cannot be used.
        SimulationError: SUMO failed.
        KeyboardInterrupt: the run was interrupted; it keeps a checkpoint.
    """
    folder = Path(config["resume"] or config["out"])
    kind: type[Run] = RolloutRun if config["agent"].get("_target_") == ROLLOUTS else GradientRun
    kind(config, folder, resume=config["resume"] is not None).run()
    return folder
