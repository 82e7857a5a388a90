"""Learned policies as controllers, and their files: weights as safetensors with a JSON card beside them.

Loading executes no code from the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from greenband.agents.networks import StageScorer
from greenband.errors import BadInput
from greenband.evaluation.subjects import policy_folder
from greenband.files import write_bytes, write_text
from greenband.observation import OBSERVATION_SIZE, Encoder
from greenband.scenario import Scenario
from greenband.sensing import Measurement

__all__ = ["LearnedController", "copy_policy", "save_policy"]

WEIGHTS, CARD = "policy.safetensors", "card.json"


def save_policy(folder: Path, scorer: StageScorer, card: Mapping[str, Any]) -> None:
    """Write weights and card into ``folder``; each file is replaced in one step, the card last."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in scorer.state_dict().items()}
    facts = {"hidden": scorer.hidden, "wait_limit_s": scorer.wait_limit_s, "observation_size": OBSERVATION_SIZE}
    write_bytes(folder / WEIGHTS, save(tensors))
    write_text(folder / CARD, json.dumps({**card, **facts}, indent=1) + "\n")


def copy_policy(folder: Path | str, scorer: StageScorer) -> None:
    """Give a scorer the weights of a policy: of a policy folder, or the best one of a training run.

    Raises:
        BadInput: there is no policy, or it has another number of units.
    """
    policy = LearnedController(policy_folder(Path(folder)) or folder)
    if policy.network.hidden != scorer.hidden:
        raise BadInput(f"{folder}: has hidden={policy.network.hidden}, this run has agent.hidden={scorer.hidden}")
    scorer.load_state_dict(policy.network.state_dict())


class LearnedController:
    """A trained stage scorer that always asks for the best-scored allowed stage.

    ``network`` is the scorer.

    Args:
        folder: where ``save_policy`` wrote.

    Raises:
        BadInput: files are missing, broken, or made for another observation layout.
    """

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        card = _read_card(folder / CARD)
        if card.get("observation_size") != OBSERVATION_SIZE:
            raise BadInput(
                f"{folder / CARD}: made for observations of size {card.get('observation_size')},"
                f" this version has {OBSERVATION_SIZE}"
            )
        self.interval_s = int(card["interval_s"])
        self.network = StageScorer(int(card["hidden"]), wait_limit_s=float(card.get("wait_limit_s", 0.0)))
        try:
            self.network.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise BadInput(f"{folder / WEIGHTS}: not the weights of a policy: {error}") from error
        self.network.eval()
        self._names: list[str] = []

    def reset(self, scenario: Scenario, period: str) -> None:
        """Forget the last run and take the scenario's signals."""
        network = scenario.network
        limits = {name: signal.limits(scenario.timing) for name, signal in network.signals.items()}
        self._encoder = Encoder(network, limits)
        self._names = list(network.signals)

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """Best-scored allowed stage per signal."""
        stages = self.scores(self._encoder.encode(measurement)).argmax(axis=1).tolist()
        return dict(zip(self._names, stages, strict=True))

    def scores(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Of the stages, ``[n, OBSERVATION_SIZE]`` to ``[n, MAX_STAGES]``; forbidden ones are far below the others."""
        with torch.inference_mode():
            scores: npt.NDArray[np.float32] = self.network(torch.from_numpy(observations)).numpy()
        return scores


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if int(card["hidden"]) < 1 or int(card["interval_s"]) < 1 or float(card.get("wait_limit_s", 0.0)) < 0:
            raise ValueError("hidden and interval_s must be at least 1, wait_limit_s at least 0")
        return dict(card)
    except KeyError as error:
        raise BadInput(f"{path}: not a policy card: {error} is missing") from error
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path}: not a policy card: {error}") from error
