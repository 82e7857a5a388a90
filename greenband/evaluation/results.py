"""Results of an evaluation and their JSON form, which is a contract; ``docs/results.md`` describes it for users.

``{"greenband", "sumo", "scenario", "period", "seeds", "subjects": [{"name", "metrics": {name: {"mean", "ci95",
"median", "iqm", "per_seed"}}, "violations", "collisions", "teleports", "junctions", "directions", "source",
"plans"}], "paired": {subject: {metric: {"mean", "ci95", "wilcoxon_p"}}}}``, where ``paired`` are differences to the
first subject, seed by seed. ``demand`` is the factor on all flows, ``sensing`` the option of that group which all
subjects were given, null if each had its own, ``incident`` what happened on the road. ``retried`` and ``failed`` name
runs whose process ended; a seed that failed for one subject counts for none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from greenband import __version__, sumo
from greenband.errors import BadInput
from greenband.evaluation.statistics import (
    bootstrap_ci95,
    interquartile_mean,
    mean,
    median,
    paired_difference,
    wilcoxon_p,
)
from greenband.files import write_text
from greenband.junction_metrics import PLACE_METRICS, Level, level_of_service
from greenband.plan.model import TimingPlan

__all__ = ["Lost", "PlaceResult", "Result", "SubjectResult", "load", "save", "to_text"]


@dataclass(frozen=True)
class PlaceResult:
    """Figures of a junction, movement or direction over seeds, by the names in ``PLACE_METRICS``.

    ``per_seed`` is empty where a file was read: JSON has the means alone, Parquet the rest.
    """

    level: Level
    id: str
    signal: str
    means: Mapping[str, float]
    per_seed: Mapping[str, tuple[float, ...]]

    @property
    def level_of_service(self) -> str:
        """A to F by the mean control delay."""
        return level_of_service(self.means.get("control_delay_s", math.nan))


@dataclass(frozen=True)
class SubjectResult:
    """One subject: ``per_seed`` maps metric names to one value per seed; counts are sums over seeds.

    ``source`` is what the user called it by, ``plans`` by signal are what it ran if that was fixed plans.
    """

    name: str
    per_seed: dict[str, list[float]]
    violations: int
    collisions: int = 0
    teleports: int = 0
    places: tuple[PlaceResult, ...] = ()
    source: str = ""
    plans: Mapping[str, TimingPlan] = field(default_factory=dict)

    def mean(self, metric: str) -> float:
        """Mean over the seeds that have a value; NaN if none has."""
        return mean(self.per_seed[metric])

    def ci95(self, metric: str) -> tuple[float, float] | None:
        """95 % bootstrap interval of the mean."""
        return bootstrap_ci95(self.per_seed[metric])

    def at(self, level: Level) -> Iterator[PlaceResult]:
        """Places of one level."""
        return (place for place in self.places if place.level == level)


@dataclass(frozen=True)
class Lost:
    """A run whose process ended before it was done; ``reason`` in one line."""

    subject: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Result:
    """All subjects of one evaluation on the same seeds; the first one is the reference of comparisons.

    ``seeds`` are those that came to their end for every subject. ``retried`` are runs that were lost at first and done
    at the second attempt, ``failed`` those that were lost twice.
    """

    scenario: str
    period: str
    seeds: tuple[int, ...]
    subjects: tuple[SubjectResult, ...]
    demand: float = 1.0
    greenband: str = __version__
    sumo: str = sumo.version_string()
    sensing: str | None = None
    incident: str | None = None
    retried: tuple[Lost, ...] = ()
    failed: tuple[Lost, ...] = ()

    @property
    def title(self) -> str:
        """What was run, in a few words."""
        words = [f"{self.scenario} {self.period}", f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"]
        words += [f"demand × {self.demand:g}"] if self.demand != 1 else []
        words += [f"sensing {self.sensing}"] if self.sensing is not None else []
        words += [self.incident] if self.incident is not None else []
        return ", ".join([*words, f"SUMO {self.sumo}"])

    def subject(self, name: str) -> SubjectResult:
        """A subject by name."""
        return next(s for s in self.subjects if s.name == name)

    def paired(self, subject: SubjectResult, metric: str) -> tuple[float, tuple[float, float] | None]:
        """Mean difference of a subject to the first one, paired by seed, with its 95 % interval."""
        return paired_difference(subject.per_seed[metric], self.subjects[0].per_seed[metric])

    def p_value(self, subject: SubjectResult, metric: str) -> float | None:
        """Two-sided p of Wilcoxon's signed-rank test on the same differences."""
        return wilcoxon_p(subject.per_seed[metric], self.subjects[0].per_seed[metric])

    def compared(self, subject: SubjectResult) -> list[str]:
        """Metrics that a subject and the first one have."""
        return [metric for metric in subject.per_seed if metric in self.subjects[0].per_seed]

    def to_json(self) -> dict[str, Any]:
        """The contract's form."""
        return {
            "greenband": self.greenband,
            "sumo": self.sumo,
            "scenario": self.scenario,
            "period": self.period,
            "demand": self.demand,
            "sensing": self.sensing,
            "incident": self.incident,
            "seeds": list(self.seeds),
            "subjects": [_subject_json(subject) for subject in self.subjects],
            "paired": {
                subject.name: {metric: self._paired_json(subject, metric) for metric in self.compared(subject)}
                for subject in self.subjects[1:]
            },
            "retried": [asdict(lost) for lost in self.retried],
            "failed": [asdict(lost) for lost in self.failed],
        }

    def _paired_json(self, subject: SubjectResult, metric: str) -> dict[str, Any]:
        p = self.p_value(subject, metric)
        return {**_figure(*self.paired(subject, metric)), "wilcoxon_p": None if p is None else _number(p)}


def _subject_json(subject: SubjectResult) -> dict[str, Any]:
    metrics = {
        metric: {
            **_figure(subject.mean(metric), subject.ci95(metric)),
            "median": _number(median(values)),
            "iqm": _number(interquartile_mean(values)),
            "per_seed": [_number(v) for v in values],
        }
        for metric, values in subject.per_seed.items()
    }
    counts = {"violations": subject.violations, "collisions": subject.collisions, "teleports": subject.teleports}
    junctions = {
        place.id: {
            **_place_json(place),
            "movements": {m.id: _place_json(m) for m in subject.at("movement") if m.signal == place.id},
        }
        for place in subject.at("junction")
    }
    directions = {place.id: _place_json(place) for place in subject.at("direction")}
    plans = {name: plan.model_dump(mode="json") for name, plan in subject.plans.items()}
    return {
        "name": subject.name,
        "metrics": metrics,
        **counts,
        "junctions": junctions,
        "directions": directions,
        "source": subject.source,
        "plans": plans,
    }


def _place_json(place: PlaceResult) -> dict[str, Any]:
    values: dict[str, Any] = {name: _number(value) for name, value in place.means.items()}
    return values if place.level == "direction" else {**values, "level_of_service": place.level_of_service or None}


def _figure(mean: float, ci95: tuple[float, float] | None) -> dict[str, Any]:
    return {"mean": _number(mean), "ci95": None if ci95 is None else [_number(v) for v in ci95]}


def _number(value: float) -> float | None:
    """JSON has no NaN: a speed without any trip is null."""
    return round(value, 6) if math.isfinite(value) else None


def to_text(results: Sequence[Result]) -> str:
    """One result as the contract's object, several as a list of them."""
    data = [result.to_json() for result in results]
    return json.dumps(data[0] if len(data) == 1 else data, indent=1, ensure_ascii=False) + "\n"


def save(results: Sequence[Result], path: Path) -> None:
    """Write ``to_text`` into a file."""
    write_text(path, to_text(results))


def load(path: Path) -> list[Result]:
    """Read what ``save`` wrote.

    Raises:
        BadInput: the file is missing or no result.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [_from_json(item) for item in (data if isinstance(data, list) else [data])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: not a result file: {error!r}") from error


def _from_json(item: dict[str, Any]) -> Result:
    subjects = tuple(
        SubjectResult(
            s["name"],
            {m: [math.nan if v is None else float(v) for v in f["per_seed"]] for m, f in s["metrics"].items()},
            int(s["violations"]),
            int(s.get("collisions", 0)),
            int(s.get("teleports", 0)),
            tuple(_places_from_json(s)),
            str(s.get("source", "")),
            {name: TimingPlan.model_validate(plan) for name, plan in s.get("plans", {}).items()},
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
        item.get("incident"),
        tuple(Lost(**lost) for lost in item.get("retried", ())),
        tuple(Lost(**lost) for lost in item.get("failed", ())),
    )


def _places_from_json(subject: dict[str, Any]) -> Iterator[PlaceResult]:
    junctions: dict[str, dict[str, Any]] = subject.get("junctions", {})
    for name, values in junctions.items():
        yield _place_from_json("junction", name, name, values)
    for name, values in junctions.items():
        for movement, own in values["movements"].items():
            yield _place_from_json("movement", movement, name, own)
    for name, values in subject.get("directions", {}).items():
        yield _place_from_json("direction", name, "", values)


def _place_from_json(level: Level, name: str, signal: str, values: dict[str, Any]) -> PlaceResult:
    means = {m: math.nan if v is None else float(v) for m, v in values.items() if m in PLACE_METRICS}
    return PlaceResult(level, name, signal, means, {})
