"""Where a training run's figures go besides TensorBoard: Weights & Biases, MLflow.

Each is reached as its own environment variables say (``WANDB_*``, ``MLFLOW_*``); no key passes through greenband. A run
that is resumed goes on in the same place: its id is in the run directory.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from greenband import registry
from greenband.errors import BadInput, UnknownName
from greenband.files import write_text

__all__ = ["TRACKERS", "Tracker", "trackers"]

PROJECT = "greenband"
IDS = "trackers.json"


class Tracker(Protocol):
    """Takes figures; ``id`` is what the run is called there."""

    id: str

    def write(self, figures: Mapping[str, Any], step: int) -> None:
        """Note the figures, by name, at a number of decisions trained."""

    def close(self) -> None:
        """Say that the run has ended."""


class _Wandb:
    """Weights & Biases. Without a key it must be told so: WANDB_MODE=offline keeps everything in the run directory."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], known: str | None) -> None:
        import wandb

        self.id = known or uuid.uuid4().hex
        try:
            self._run = wandb.init(
                project=PROJECT,
                name=folder.name,
                id=self.id,
                resume="allow",
                dir=folder,
                config=dict(settings),
                settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True),
            )
        except wandb.errors.Error as error:
            raise BadInput(f"trackers: wandb: {error}") from error

    def write(self, figures: Mapping[str, Any], step: int) -> None:
        self._run.log({**_numbers(figures), "decisions": step})

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    """MLflow; without MLFLOW_TRACKING_URI a database file in the folder where greenband is called."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], known: str | None) -> None:
        import mlflow

        self._client = mlflow.MlflowClient()
        try:
            self.id = known or self._begin(folder.name, settings)
            self._client.update_run(self.id, status="RUNNING")
        except mlflow.exceptions.MlflowException as error:
            raise BadInput(f"trackers: mlflow: {error}") from error

    def _begin(self, name: str, settings: Mapping[str, Any]) -> str:
        found = self._client.get_experiment_by_name(PROJECT)
        experiment = found.experiment_id if found else self._client.create_experiment(PROJECT)
        run = str(self._client.create_run(experiment, run_name=name).info.run_id)
        for key, value in registry.flat(settings):
            self._client.log_param(run, key, value)
        return run

    def write(self, figures: Mapping[str, Any], step: int) -> None:
        for name, value in _numbers(figures).items():
            self._client.log_metric(self.id, name, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self.id)


TRACKERS: dict[str, Callable[[Path, Mapping[str, Any], str | None], Tracker]] = {"mlflow": _MLflow, "wandb": _Wandb}


def trackers(names: Sequence[str], folder: Path, settings: Mapping[str, Any]) -> list[Tracker]:
    """Trackers by name for the run in ``folder``.

    Raises:
        UnknownName: there is no such tracker.
        BadInput: its package is missing, or it cannot be reached.
    """
    for name in names:
        if name not in TRACKERS:
            raise UnknownName("tracker", name, TRACKERS)
    path = folder / IDS
    known = _ids(path) if path.is_file() else {}
    made: dict[str, Tracker] = {}
    for name in names:
        try:
            made[name] = TRACKERS[name](folder, settings, known.get(name))
        except ImportError as error:
            raise BadInput(f'trackers: {name} needs more packages: pip install "greenband[{name}]"') from error
    if made:
        write_text(path, json.dumps({**known, **{name: one.id for name, one in made.items()}}) + "\n")
    return list(made.values())


def _ids(path: Path) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise BadInput(f"{path}: not the ids of a run's trackers: {error}") from error


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    found = {name: float(value) for name, value in figures.items() if not isinstance(value, str) and _scalar(value)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _scalar(value: Any) -> bool:
    return isinstance(value, int | float) or getattr(value, "shape", None) == ()
