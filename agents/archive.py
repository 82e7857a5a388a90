"""Policies from archives of stable-baselines3, whose reading runs code that is inside: for trusted files only."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from stable_baselines3.common.save_util import load_from_zip_file

from greenband.agents.learned import LearnedController
from greenband.agents.networks import StageScorer
from greenband.errors import BadInput

__all__ = ["ArchivedController"]

SCORERS = ("mlp_extractor.actor.", "q_net_target.q_net.scorer.")  # where this package's PPO and DQN keep it
INTERVAL_S = 5  # an archive does not say


class ArchivedController(LearnedController):
    """The scorer of a PPO or DQN learner of this package that was saved by stable-baselines3.

    Args:
        file: the archive; pickles inside are loaded.

    Raises:
        BadInput: it holds another kind of policy, or none.
    """

    def __init__(self, file: Path | str) -> None:
        try:
            archive: Any = load_from_zip_file(str(file), device="cpu")
            data, parameters, _ = archive
            settings: dict[str, Any] = dict((data or {}).get("policy_kwargs") or {})
            weights = _scorer(parameters["policy"])
            parts = int(settings.get("parts", 1))
            network = StageScorer(int(settings["hidden"]), wait_limit_s=float(settings["wait_limit_s"]), parts=parts)
            network.load_state_dict(weights)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, BadZipFile) as error:
            raise BadInput(f"{file}: not an archive of one of this package's learners: {error}") from error
        self.interval_s, self.network = INTERVAL_S, network.eval()
        self._names: list[str] = []


def _scorer(policy: dict[str, Any]) -> dict[str, Any]:
    """Weights by their names within the scorer.

    Raises:
        KeyError: there are none.
    """
    for prefix in SCORERS:
        found = {name.removeprefix(prefix): value for name, value in policy.items() if name.startswith(prefix)}
        if found:
            return found
    raise KeyError("no stage scorer")
