"""Runs that are done, kept on disk one by one, so that an evaluation which was interrupted can go on.

Each run is a file of its own, written in one step, under a name made of everything that its figures follow from: the
content of scenario, plan or policy, the period, seed and settings, SUMO's version and greenband's own code. What
changed is simulated anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import cache, lru_cache
from importlib.resources import as_file, files
from pathlib import Path

from greenband import registry, sumo
from greenband.evaluation.subjects import NAMED, Subject
from greenband.evaluation.tasks import Run, Task
from greenband.files import write_text
from greenband.junction_metrics import Place
from greenband.monitor import Violation
from greenband.scenario import Scenario

__all__ = ["SUFFIX", "Store", "fingerprint"]

SUFFIX = ".runs"  # of the folder beside the file that the results will be in
PACKAGES = ("greenband", "greenband.agents", "greenband.configs", "greenband.envs", "greenband.scenarios")
NAME_LENGTH = 32
RUNS = f"{'[0-9a-f]' * NAME_LENGTH}.json"


class Store:
    """Runs in a folder, which is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return len(list(self.folder.glob(RUNS)))

    def get(self, task: Task) -> Run | None:
        """The run of a task, without its executed stages; None if it is not kept or cannot be read."""
        try:
            data = json.loads(self._file(task).read_text(encoding="utf-8"))
            places = tuple(Place(**place) for place in data["places"])
            violations = tuple(Violation(**violation) for violation in data["violations"])
            return Run(data["metrics"], violations, data["collisions"], data["teleports"], {}, places)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, task: Task, run: Run) -> None:
        """Keep a run."""
        data = {
            "metrics": dict(run.metrics),
            "violations": [asdict(violation) for violation in run.violations],
            "collisions": run.collisions,
            "teleports": run.teleports,
            "places": [asdict(place) for place in run.places],
        }
        write_text(self._file(task), json.dumps(data))

    def remove(self) -> None:
        """Delete all runs, and the folder if nothing else is in it."""
        for path in self.folder.glob(RUNS):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _file(self, task: Task) -> Path:
        return self.folder / f"{fingerprint(task)}.json"


def fingerprint(task: Task) -> str:
    """A digest of all that a run's figures follow from; the same for the same content in another place."""
    parts = {
        "code": [_code(), sumo.version_string()],
        "subject": _subject(task.subject),
        "sensing": None if task.subject.sensing is None else asdict(task.subject.sensing),
        "scenario": _scenario(task.scenario),
        "period": task.period,
        "seed": task.seed,
        "demand": task.demand,
        "emissions": task.emissions,
        "incident": None if task.incident is None else asdict(task.incident),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:NAME_LENGTH]


@cache
def _code() -> str:
    """A digest of greenband itself: a version number does not change with every change of the code."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        with as_file(files(package)) as folder:
            for file in sorted([*folder.rglob("*.py"), *folder.rglob("*.yaml")]):
                digest.update(f"{file.relative_to(folder)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()


def _subject(subject: Subject) -> object:
    config = dict(subject.config or {})
    if config.get("_target_") == NAMED:
        return [registry.config("controller", config["name"]), config]
    files = [path for path in (subject.plan, config.pop("folder", None)) if path is not None]
    return [config, *(_content(Path(path)) for path in files)]


def _scenario(scenario: Scenario) -> list[str]:
    return [scenario.model_dump_json(exclude={"folder"}), _content(scenario.folder)]


def _content(path: Path) -> str:
    return _digest(tuple(_files(path)))


def _files(path: Path) -> Iterator[tuple[Path, str, int]]:
    """Files at or below a path with their names from there and their times of change; kept runs are none of them."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and not file.parent.name.endswith(SUFFIX):
            yield file, str(file.relative_to(path)), file.stat().st_mtime_ns


@lru_cache(maxsize=64)
def _digest(files: tuple[tuple[Path, str, int], ...]) -> str:
    digest = hashlib.sha256()
    for file, name, _ in files:
        digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()
