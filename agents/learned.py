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

from greenband.agents.networks import CycleActor, StageScorer, wait_limits
from greenband.agents.planned import GreenWave
from greenband.errors import BadInput
from greenband.evaluation.subjects import policy_folder
from greenband.files import write_bytes, write_text
from greenband.observation import OBSERVATION_SIZE, SIGNAL_SCALES, STAGE_SCALES, Encoder
from greenband.plan.adaptive import AdaptivePlans
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario
from greenband.sensing import Measurement

__all__ = ["CycleController", "LearnedController", "copy_policy", "load_policy", "save_policy", "shape_of"]

WEIGHTS, CARD = "policy.safetensors", "card.json"
SCALES = {"stages": STAGE_SCALES, "signal": SIGNAL_SCALES}


def save_policy(folder: Path, network: StageScorer | CycleActor, card: Mapping[str, Any]) -> None:
    """Write weights and card into ``folder``; each file is replaced in one step, the card last."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    facts = {"mode": "cycle", "hidden": network.hidden, "observation_size": OBSERVATION_SIZE, "scales": SCALES}
    if isinstance(network, StageScorer):
        facts |= {"mode": "stage", "wait_limit_s": network.wait_limit_s, "parts": network.parts}
    write_bytes(folder / WEIGHTS, save(tensors))
    write_text(folder / CARD, json.dumps({**card, **facts}, indent=1) + "\n")


def load_policy(folder: Path | str) -> LearnedController | CycleController:
    """The controller of the mode that a folder's policy was trained in.

    Raises:
        BadInput: files are missing, broken, or made for another observation layout.
    """
    card = _read_card(Path(folder) / CARD)
    return (CycleController if card.get("mode") == "cycle" else LearnedController)(folder)


def copy_policy(folder: Path | str, network: StageScorer | CycleActor) -> None:
    """Give a network the weights of a policy: of a policy folder, or the best one of a training run.

    Raises:
        BadInput: there is no policy, or it has another number of units, or another mode.
    """
    theirs = load_policy(policy_folder(Path(folder)) or folder).network
    if type(theirs) is not type(network):
        raise BadInput(f"{folder}: is a policy of the other mode, of env=stage and env=cycle")
    if theirs.hidden != network.hidden:
        raise BadInput(f"{folder}: has hidden={theirs.hidden}, this run has agent.hidden={network.hidden}")
    if isinstance(theirs, StageScorer) and isinstance(network, StageScorer) and theirs.parts != network.parts:
        raise BadInput(f"{folder}: is a policy of {theirs.parts} parts, the one that is trained of {network.parts}")
    network.load_state_dict(theirs.state_dict())


def shape_of(folder: Path | str) -> dict[str, int]:
    """The shape of the policy that a run or policy folder holds: ``hidden`` units a layer, and ``parts`` if several.

    Raises:
        BadInput: there is no policy.
    """
    card = _read_card((policy_folder(Path(folder)) or Path(folder)) / CARD)
    parts = int(card.get("parts", 1))
    return {"hidden": int(card["hidden"])} | ({"parts": parts} if parts > 1 else {})


class LearnedController:
    """A trained stage scorer that always asks for the best-scored allowed stage.

    ``network`` is the scorer.

    Args:
        folder: where ``save_policy`` wrote.

    Raises:
        BadInput: files are missing, broken, or made for another observation layout.
    """

    def __init__(self, folder: Path | str) -> None:
        card = _read_card(Path(folder) / CARD)
        self.interval_s = int(card["interval_s"])
        self.network = StageScorer(
            int(card["hidden"]), wait_limit_s=card.get("wait_limit_s", 0.0), parts=int(card.get("parts", 1))
        )
        _read_weights(Path(folder) / WEIGHTS, self.network)
        self._names: list[str] = []

    def reset(self, scenario: Scenario, period: str) -> None:
        """Forget the last run, take the scenario's signals and the wait limit of the period."""
        self._encoder = _encoder(scenario)
        self._names = list(scenario.network.signals)
        self.network.period = period

    def fallback(self, scenario: Scenario, period: str) -> PlanSet | None:
        """Plans for signals whose detectors fail."""
        return _green_wave(scenario, period)

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """Best-scored allowed stage per signal."""
        stages = self.scores(self._encoder.encode(measurement)).argmax(axis=1).tolist()
        return dict(zip(self._names, stages, strict=True))

    def scores(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Of the stages, ``[n, OBSERVATION_SIZE]`` to ``[n, MAX_STAGES]``; forbidden ones are far below the others."""
        with torch.inference_mode():
            scores: npt.NDArray[np.float32] = self.network(torch.from_numpy(observations)).numpy()
        return scores


class CycleController:
    """A trained cycle actor: plans that it adjusts once a cycle, by the mean of what was seen in the last one.

    ``network`` is the actor. Arguments and errors as for ``LearnedController``.
    """

    def __init__(self, folder: Path | str) -> None:
        card = _read_card(Path(folder) / CARD)
        self.interval_s = 1  # until the first decision; then to the next second at which there is something to do
        self._look_every_s = int(card["interval_s"])
        self.network = CycleActor(int(card["hidden"]))
        _read_weights(Path(folder) / WEIGHTS, self.network)

    def reset(self, scenario: Scenario, period: str) -> Mapping[str, int]:
        """Take the scenario's plans; returns the stages to begin with."""
        self._encoder = _encoder(scenario)
        self._plans = AdaptivePlans(scenario, period)
        self._look_s = scenario.period(period).start_s
        self._measured_s, self._made = scenario.period(period).begin_s, list[npt.NDArray[np.floating]]()
        self._seen: list[npt.NDArray[np.float32]] = []
        return self._plans.restart(self._look_s)

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """The stages that the plans hold for this second; with a new cycle, new plans."""
        now, plans = measurement.time_s, self._plans
        if now >= min(self._look_s, plans.ends_s):
            self._seen.append(self._encoder.encode(measurement))
            self._look_s = now + self._look_every_s
        if now >= plans.ends_s:
            adjustments = self._adjustments()
            plans.begin(now, adjustments)
            self._made += [adjustments] if now >= self._measured_s or not self._made else []
            self._seen = []
        self.interval_s = plans.steady_s(now, self._look_s - now)
        return plans.stages(now)

    def fallback(self, scenario: Scenario, period: str) -> PlanSet | None:
        """Plans for signals whose detectors fail."""
        return _green_wave(scenario, period)

    def mean_adjustments(self) -> npt.NDArray[np.floating]:
        """Their mean over the cycles that began in the measured period, shape ``[signals, ADJUSTMENTS]``."""
        return np.clip(np.mean(self._made, axis=0), -1.0, 1.0)

    def _adjustments(self) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            mean = torch.from_numpy(np.mean(self._seen, axis=0, dtype=np.float32))
            adjustments: npt.NDArray[np.float32] = self.network(mean).numpy()
        return adjustments


def _green_wave(scenario: Scenario, period: str) -> PlanSet | None:
    """Plans that need no detector; None where the limits of the signals allow no common cycle."""
    try:
        return GreenWave().plan_set(scenario, [period])
    except BadInput:
        return None


def _encoder(scenario: Scenario) -> Encoder:
    limits = {name: signal.limits(scenario.timing) for name, signal in scenario.network.signals.items()}
    return Encoder(scenario.network, limits)


def _read_weights(path: Path, network: torch.nn.Module) -> None:
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise BadInput(f"{path}: not the weights of a policy: {error}") from error
    network.eval()


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if min(int(card["hidden"]), int(card["interval_s"]), int(card.get("parts", 1))) < 1:
            raise ValueError("hidden, interval_s and parts must be at least 1")
        wait_limits(card.get("wait_limit_s", 0.0))
        size, scales = card.get("observation_size"), card.get("scales", SCALES)
    except KeyError as error:
        raise BadInput(f"{path}: not a policy card: {error} is missing") from error
    except (OSError, ValueError, TypeError, BadInput) as error:
        raise BadInput(f"{path}: not a policy card: {error}") from error
    if size != OBSERVATION_SIZE:
        raise BadInput(f"{path}: made for observations of size {size}, this version has {OBSERVATION_SIZE}")
    if json.dumps(scales) != json.dumps(SCALES):  # their order counts
        raise BadInput(f"{path}: made for observations of other features or scales than this version's")
    return dict(card)
