"""Training runs gathered: which settings they differ in, and how each choice of settings did over its seeds.

What is compared is the delay on the validation seeds, in s per vehicle, of the policy that each run kept. It was chosen
on those seeds, so it is a little too good; how a policy does on the reporting seeds is for ``greenband evaluate``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from greenband import registry
from greenband.errors import BadInput
from greenband.evaluation.statistics import interquartile_mean, interquartile_mean_ci95, probability_below

__all__ = ["Choice", "Curve", "TrainedRun", "choices", "find_runs", "read_run"]

CONFIG, VALIDATION = "config.yaml", "validation.csv"
NOT_SETTINGS = {"seed", "out", "resume", "processes", "validation.jobs"}  # what does not make another method of a run


@dataclass(frozen=True)
class Curve:
    """Values over decisions trained, both of shape ``[validations]``."""

    steps: npt.NDArray[np.int64]
    delay_s: npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrainedRun:
    """A training run: settings by dotted name, wall time in s, and delay at each validation."""

    folder: Path
    settings: Mapping[str, Any]
    seconds: float
    curve: Curve

    @property
    def best_delay_s(self) -> float:
        """Of the policy that the run kept."""
        return float(self.curve.delay_s.min())


@dataclass(frozen=True)
class Choice:
    """Runs that differ in their seeds only; ``name`` says what sets them apart from the others."""

    name: str
    runs: tuple[TrainedRun, ...]

    @property
    def delays_s(self) -> list[float]:
        """Of each run's policy."""
        return [run.best_delay_s for run in self.runs]

    @property
    def delay_s(self) -> float:
        """Interquartile mean over the runs."""
        return interquartile_mean(self.delays_s)

    @property
    def delay_ci95_s(self) -> tuple[float, float] | None:
        """Its bootstrap interval; None for a single run."""
        return interquartile_mean_ci95(self.delays_s)

    def better_than(self, other: Choice) -> tuple[float, tuple[float, float] | None]:
        """Probability that a run of this choice ends with less delay than one of the other, with its interval."""
        found = probability_below(self.delays_s, other.delays_s)
        assert found is not None  # a choice has runs, and a run has validations
        return found

    def curve(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Decisions, and delay in s of shape ``[3, decisions]``: interquartile mean and its interval.

        Between two validations of a run its delay is taken as a line; where one has ended the curve ends.
        """
        first = max(int(run.curve.steps[0]) for run in self.runs)
        last = min(int(run.curve.steps[-1]) for run in self.runs)
        steps = np.unique(np.concatenate([run.curve.steps for run in self.runs]))
        steps = steps[(steps >= first) & (steps <= last)]
        delays = np.array([np.interp(steps, run.curve.steps, run.curve.delay_s) for run in self.runs])
        rows = [(mean := interquartile_mean(of), *(interquartile_mean_ci95(of) or (mean, mean))) for of in delays.T]
        return steps, np.array(rows).reshape(-1, 3).T


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Run directories: those given, and those in the folders given, however deep.

    Raises:
        BadInput: a path is no folder, or holds no run with a validation.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            raise BadInput(f"{path}: no such folder")
        inside = sorted(file.parent for file in path.rglob(VALIDATION) if (file.parent / CONFIG).is_file())
        if not inside:
            raise BadInput(f"{path}: holds no training run that was validated")
        found |= dict.fromkeys(inside)
    return list(found)


def read_run(folder: Path) -> TrainedRun:
    """What a run directory tells.

    Raises:
        BadInput: its configuration or its validations cannot be read.
    """
    path = folder / CONFIG
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not a run's configuration: {error}") from error
    if not isinstance(config, dict):
        raise BadInput(f"{path}: not a run's configuration")
    path = folder / VALIDATION
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(int(row["steps"]), float(row["seconds"]), float(row["delay_s"])) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: not a run's validations: {error}") from error
    if not rows:
        raise BadInput(f"{path}: no validation yet")
    steps, seconds, delays = zip(*sorted(rows), strict=True)
    settings = {name: value for name, value in registry.flat(config) if name not in NOT_SETTINGS}
    return TrainedRun(folder, settings, max(seconds), Curve(np.array(steps, np.int64), np.array(delays)))


def choices(runs: Sequence[TrainedRun]) -> list[Choice]:
    """Runs by their settings, the choice with the least delay first."""
    grouped: dict[str, list[TrainedRun]] = {}
    for run in runs:
        grouped.setdefault(repr(sorted(run.settings.items())), []).append(run)
    names = sorted({name for run in runs for name in run.settings})
    differing = [name for name in names if len({repr(run.settings.get(name)) for run in runs}) > 1]
    made = [Choice(_name(group[0], differing), tuple(group)) for group in grouped.values()]
    return sorted(made, key=lambda choice: choice.delay_s)


def _name(run: TrainedRun, differing: Sequence[str]) -> str:
    """Settings that differ; where groups of them come with another target, that target stands for the group."""
    groups = [name.removesuffix("._target_") for name in differing if name.endswith("._target_")]
    words = []
    for name in differing:
        group = next((group for group in groups if name.startswith(f"{group}.")), None)
        if group is None:
            words.append(f"{name}={_said(run.settings.get(name))}")
        elif name == f"{group}._target_":
            words.append(f"{group}={str(run.settings.get(name)).rpartition('.')[2]}")
    return " ".join(words) or str(run.settings.get("scenario.name", "all"))


def _said(value: object) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
