"""Results of an evaluation and their JSON form, which is a contract:

``{"greenband", "sumo", "scenario", "period", "seeds", "subjects": [{"name", "metrics": {name: {"mean", "ci95",
"per_seed"}}, "violations", "collisions", "teleports"}], "paired": {subject: {metric: {"mean", "ci95"}}}}``, where
``paired`` are differences to the first subject, seed by seed. ``demand`` is the factor on all flows, ``sensing`` the
option of that group which all subjects were given, null if each had its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from greenband import __version__, sumo
from greenband.errors import BadInput
from greenband.evaluation.statistics import bootstrap_ci95, paired_difference
from greenband.files import write_text

__all__ = ["Result", "SubjectResult", "load", "save"]


@dataclass(frozen=True)
class SubjectResult:
    """One subject: ``per_seed`` maps metric names to one value per seed; counts are sums over seeds."""

    name: str
    per_seed: dict[str, list[float]]
    violations: int
    collisions: int = 0
    teleports: int = 0

    def mean(self, metric: str) -> float:
        """Mean over seeds."""
        return float(np.mean(self.per_seed[metric]))

    def ci95(self, metric: str) -> tuple[float, float] | None:
        """95 % bootstrap interval of the mean."""
        return bootstrap_ci95(self.per_seed[metric])


@dataclass(frozen=True)
class Result:
    """All subjects of one evaluation on the same seeds; the first one is the reference of comparisons."""

    scenario: str
    period: str
    seeds: tuple[int, ...]
    subjects: tuple[SubjectResult, ...]
    demand: float = 1.0
    greenband: str = __version__
    sumo: str = sumo.version_string()
    sensing: str | None = None

    def subject(self, name: str) -> SubjectResult:
        """A subject by name."""
        return next(s for s in self.subjects if s.name == name)

    def paired(self, subject: SubjectResult, metric: str) -> tuple[float, tuple[float, float] | None]:
        """Mean difference of a subject to the first one, paired by seed, with its 95 % interval."""
        return paired_difference(subject.per_seed[metric], self.subjects[0].per_seed[metric])

    def to_json(self) -> dict[str, Any]:
        """The contract's form."""
        return {
            "greenband": self.greenband,
            "sumo": self.sumo,
            "scenario": self.scenario,
            "period": self.period,
            "demand": self.demand,
            "sensing": self.sensing,
            "seeds": list(self.seeds),
            "subjects": [_subject_json(subject) for subject in self.subjects],
            "paired": {
                subject.name: {
                    metric: _figure(*self.paired(subject, metric))
                    for metric in subject.per_seed
                    if metric in self.subjects[0].per_seed
                }
                for subject in self.subjects[1:]
            },
        }


def _subject_json(subject: SubjectResult) -> dict[str, Any]:
    metrics = {
        metric: {**_figure(subject.mean(metric), subject.ci95(metric)), "per_seed": [_number(v) for v in values]}
        for metric, values in subject.per_seed.items()
    }
    counts = {"violations": subject.violations, "collisions": subject.collisions, "teleports": subject.teleports}
    return {"name": subject.name, "metrics": metrics, **counts}


def _figure(mean: float, ci95: tuple[float, float] | None) -> dict[str, Any]:
    return {"mean": _number(mean), "ci95": None if ci95 is None else [_number(v) for v in ci95]}


def _number(value: float) -> float | None:
    """JSON has no NaN: a speed without any trip is null."""
    return round(value, 6) if math.isfinite(value) else None


def save(results: Sequence[Result], path: Path) -> None:
    """Write one result as the contract's object, several as a list of them."""
    data = [result.to_json() for result in results]
    write_text(path, json.dumps(data[0] if len(data) == 1 else data, indent=1) + "\n")


def load(path: Path) -> list[Result]:
    """Read what ``save`` wrote.

    Raises:
        BadInput: the file is missing or no result.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [_from_json(item) for item in (data if isinstance(data, list) else [data])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: not a result file: {error!r}") from error


def _from_json(item: dict[str, Any]) -> Result:
    subjects = tuple(
        SubjectResult(
            s["name"],
            {m: [math.nan if v is None else float(v) for v in f["per_seed"]] for m, f in s["metrics"].items()},
            int(s["violations"]),
            int(s.get("collisions", 0)),
            int(s.get("teleports", 0)),
        )
        for s in item["subjects"]
    )
    return Result(
        item["scenario"],
        item["period"],
        tuple(item["seeds"]),
        subjects,
        float(item.get("demand", 1.0)),
        item["greenband"],
        item["sumo"],
        item.get("sensing"),
    )
