"""What every training run does: settings, validation, the best policy kept, an early end, and a log.

A run directory holds ``config.yaml``, ``best/`` (the policy with the least validation delay), ``candidate/`` (the one
validated last), ``validation.csv``, ``tensorboard/``, and what it needs to be resumed. A run that was stopped or killed
and is resumed comes to the same result as one that was not, unless its end is given in minutes.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from greenband import __version__, interrupts, registry, sumo
from greenband.errors import BadInput
from greenband.evaluation import Subject, parse_seeds
from greenband.evaluation.runner import Task, run_all
from greenband.fidelity import Fidelity
from greenband.files import write_text
from greenband.processes import lenient_threads
from greenband.revision import revision
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig
from greenband.sweeps.trial import Trial
from greenband.tracking import Tracker, trackers

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["LEARNED", "Bar", "Run", "State"]

CONFIG, VALIDATION = "config.yaml", "validation.csv"
VALIDATION_SEEDS = range(1000, 1100)
LEARNED = "greenband.agents.learned"
NO_BETTER = "validations in a row brought no better policy"


class _Validation(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    seeds: str
    every_steps: int = Field(gt=0)
    jobs: int = Field(ge=1)
    mainline: float = Field(default=0.0, ge=0)
    patience: int | None = Field(gt=0)


class _Simulation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fidelity: Fidelity = "micro"


class Settings(BaseModel):
    """The run's own settings among the configuration; units in ``configs/train.yaml``."""

    seed: int = Field(ge=0)
    processes: int = Field(ge=1)
    steps: int = Field(gt=0)
    minutes: float | None = Field(gt=0)
    validation: _Validation
    trackers: list[str]
    start: str | None
    trial: dict[str, Any] | None = None
    scenario: dict[str, Any]
    simulation: _Simulation = _Simulation()  # runs of earlier versions have none
    env: dict[str, Any]
    agent: dict[str, Any]

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Settings:
        try:
            return cls.model_validate(config)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            value = "" if first["type"] == "missing" else f"={first['input']!r}"
            raise BadInput(f"configuration: {field}{value}: {first['msg']}") from error


@dataclass
class State:
    """What a resumed run must know besides the weights."""

    steps: int = 0
    seconds: float = 0.0
    best_cost: float = float("inf")  # of validation, s
    best_delay_s: float = float("inf")
    best_steps: int = 0
    next_validation: int = 0
    since_best: int = 0  # validations
    rounds: int = 0  # of rollouts
    batch_s: float = 0.0  # wall time that episodes took in the last round, as many as there are processes; 0 before it
    closing_s: float = 0.0  # and that fitting and validating will take in the next


class Bar:
    """A line of progress on stderr."""

    def __init__(self, bar: Progress, label: str) -> None:
        self._bar, self._task = bar, bar.add_task(label, total=1.0, delay="not validated yet")

    def show(self, progress: float, delay: str | None = None) -> None:
        """Share of the run that is over, and the validation delay if there is news."""
        self._bar.update(self._task, completed=progress)
        if delay is not None:
            self._bar.update(self._task, delay=delay)

    def say(self, text: str) -> None:
        """A line that stays."""
        self._bar.console.print(text, soft_wrap=True)


class Run(ABC):
    """One training run in its directory; a way of learning says how.

    Args:
        config: the composed ``configs/train.yaml`` as plain containers.
        folder: the run directory; continued if it holds a checkpoint and ``resume`` is set.

    Raises:
        BadInput: the directory holds a run already, or none to resume.
    """

    checkpoint: str  # file in the run directory that a resumed run goes on from

    def __init__(self, config: Mapping[str, Any], folder: Path, resume: bool = False) -> None:
        self.config, self.folder = config, folder
        if resume != (folder / self.checkpoint).is_file():
            word = (
                "holds no checkpoint to resume" if resume else "holds a training run already; resume it or choose out="
            )
            raise BadInput(f"{folder}: {word}")
        self.settings = Settings.parse(config)
        self._validation_seeds = parse_seeds(self.settings.validation.seeds)
        if not set(self._validation_seeds) <= set(VALIDATION_SEEDS):
            raise BadInput(f"configuration: validation.seeds={self.settings.validation.seeds}: must be 1000 to 1099")
        if resume:
            _refuse_foreign_targets(config, folder / CONFIG)
        found: Scenario = registry.instantiate(config["scenario"])
        self.scenario = found.at("micro")  # what counts, whatever episodes are at
        self.episodes_at = self.scenario.at(self.settings.simulation.fidelity)
        for period in config["env"]["periods"]:
            self.scenario.period(period)
        if self.settings.validation.mainline and not self.scenario.mainline:
            raise BadInput(f"configuration: validation.mainline: {self.scenario.name} names no main road")
        self.state = State()
        self.stopped = False  # from outside
        self.pruned = False  # by a search, as others did better
        self.trackers: list[Tracker] = []
        self._trial = None if resume else self._the_trial()  # a search has ended a trial that is resumed
        self._started = time.monotonic()
        self._revision = revision()

    @abstractmethod
    def prepare(self) -> None:
        """Make what learns, and bring it and ``state`` to where the run was."""

    @abstractmethod
    def learn(self, bar: Bar) -> None:
        """Learn until ``ending``, or until there is nothing left to do."""

    @abstractmethod
    def close(self) -> None:
        """End what ``prepare`` began, as far as it came."""

    @property
    def progress(self) -> float:
        """Share of the run that is over, by steps or by time, whichever is further."""
        share = self.state.steps / self.settings.steps
        minutes = self.settings.minutes
        return min(1.0, max(share, self.seconds / (60 * minutes) if minutes else 0.0))

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do within its steps and minutes."""
        return self.progress >= 1.0

    @property
    def seconds(self) -> float:
        """Wall time of the run, with that before it was resumed."""
        return self.state.seconds + time.monotonic() - self._started

    @property
    def ending(self) -> bool:
        """Whether the run is to end before its steps are done."""
        minutes = self.settings.minutes
        return self.stopped or self.pruned or self._stale or (minutes is not None and self.seconds >= 60 * minutes)

    @property
    def _stale(self) -> bool:
        """Whether as many validations in a row as the run has patience for brought no better policy."""
        patience = self.settings.validation.patience
        return patience is not None and self.state.since_best >= patience

    def run(self) -> Path:
        """Train to the end or until interrupted; returns the folder of the best policy.

        Raises:
            BadInput: the configuration cannot be used.
            SimulationError: SUMO failed.
        """
        lenient_threads()
        import torch

        torch.set_num_threads(1)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.prepare()
            if self.finished:
                raise BadInput(f"{self.folder}: the run is finished; give more steps= or minutes= to go on")
            if self._stale:
                raise BadInput(f"{self.folder}: the run is finished: {self.state.since_best} {NO_BETTER}")
            settings = {**self.config, "resume": None}
            write_text(self.folder / CONFIG, yaml.safe_dump(settings, sort_keys=False))
            self.trackers = trackers(self.settings.trackers, self.folder, settings)
            with interrupts.deferred(self._ask_to_stop), _progress_bar() as progress:
                bar = Bar(progress, f"training {self.folder.name}")
                self.learn(bar)
                if self._stale:
                    bar.say(f"ended early: {self.state.since_best} {NO_BETTER}")
                if self.pruned:
                    bar.say("ended early: the search's other trials did better")
            if self._trial is not None and not self.stopped:
                self._trial.end(self.state.best_cost, self.pruned)
        finally:
            self.close()
            for tracker in self.trackers:
                tracker.close()
        if self.stopped:
            raise KeyboardInterrupt(f"{self.folder} keeps a checkpoint")
        return self.folder / "best"

    def _ask_to_stop(self) -> None:
        self.stopped = True

    def validate(self, scorer: Any, bar: Bar) -> float:
        """Mean delay in s over the validation seeds and the periods of training, in micro, at demand as it is.

        The policy is kept if its cost is the least so far: the delay, and the travel time on the main road in s/km by
        its weight.
        """
        candidate = self.folder / "candidate"
        self._write_policy(scorer, candidate, None)
        recipe = {"_target_": f"{LEARNED}.load_policy", "folder": str(candidate)}
        subject = Subject("candidate", config=recipe, sensing=self._sensing())
        tasks = [
            Task(subject, self.scenario, period, seed)
            for period in self.config["env"]["periods"]
            for seed in self._validation_seeds
        ]
        runs = run_all(tasks, self.settings.validation.jobs)
        delay = sum(run.metrics["delay_s"] for run in runs) / len(runs)
        cost = delay
        if weight := self.settings.validation.mainline:
            cost += weight * sum(3600 / run.metrics["mainline_speed_kmh"] for run in runs) / len(runs)
        path = self.folder / VALIDATION
        head = "" if path.is_file() else "steps,seconds,delay_s,violations\n"
        with path.open("a", encoding="utf-8") as file:
            violations = sum(len(run.violations) for run in runs)
            file.write(f"{head}{self.state.steps},{self.seconds:.0f},{delay:.3f},{violations}\n")
        self.state.since_best += 1
        if cost < self.state.best_cost:
            self.state.since_best = 0
            self.state.best_cost, self.state.best_delay_s, self.state.best_steps = cost, delay, self.state.steps
            self.keep(scorer, delay)
        self.state.next_validation = self.state.steps + self.settings.validation.every_steps
        if self._trial is not None:
            validations = len(path.read_text(encoding="utf-8").splitlines()) - 1
            self.pruned = self._trial.report(self.state.best_cost, validations)
        bar.show(self.progress, f"{delay:.1f} s, best {self.state.best_delay_s:.1f} s")
        return delay

    def keep(self, scorer: Any, delay: float | None) -> None:
        """Write the policy to ``best/``."""
        self._write_policy(scorer, self.folder / "best", delay)

    def forget_validations(self, steps: int) -> None:
        """Drop those from so many steps on: they were made after the checkpoint and come again."""
        path = self.folder / VALIDATION
        if path.is_file():
            head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if int(row.partition(",")[0]) < steps]
            write_text(path, "".join([head, *kept]))

    def saved_state(self, state: object, source: Path) -> State:
        """What a checkpoint says of the run.

        Raises:
            BadInput: it is none of this version; names ``source``.
        """
        if not isinstance(state, dict) or set(state) != set(vars(State())):
            raise BadInput(f"{source}: not a checkpoint of this version")
        if not all(isinstance(value, int | float) for value in state.values()):
            raise BadInput(f"{source}: not a checkpoint of this version")
        return State(**state)

    def _the_trial(self) -> Trial | None:
        if self.settings.trial is None:
            return None
        try:
            return Trial(**self.settings.trial)
        except TypeError as error:
            raise BadInput(f"configuration: trial: {error}") from error

    def _sensing(self) -> SensingConfig:
        sensing: SensingConfig = registry.instantiate(self.config["env"]["sensing"])
        return sensing

    def _write_policy(self, scorer: Any, folder: Path, delay: float | None) -> None:
        card = {
            "greenband": __version__,
            "revision": self._revision,
            "sumo": sumo.version_string(),
            "scenario": self.scenario.name,
            "periods": list(self.config["env"]["periods"]),
            "interval_s": int(self.config["env"]["interval_s"]),
            "sensing": asdict(self._sensing()),
            "seed": self.settings.seed,
            "steps": self.state.steps,
            "validation": {"seeds": list(self._validation_seeds), "delay_s": delay},
            "config": {name: value for name, value in self.config.items() if name not in ("out", "resume")},
        }
        registry.instantiate({"_target_": f"{LEARNED}.save_policy"}, folder=folder, network=scorer, card=card)


def _refuse_foreign_targets(config: Mapping[str, Any], source: Path) -> None:
    """A resumed run's configuration comes from a file; it may call what the shipped ones call and nothing else."""
    allowed = {*registry.targets(), "greenband.registry.scenario"}
    for target in registry.targets_in(config):
        if target not in allowed:
            raise BadInput(f"{source}: refuses to call {target!r}, which no shipped configuration does")


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()]
    rest = [TimeRemainingColumn(), TextColumn("validation delay {task.fields[delay]}")]
    with Progress(*columns, *rest, console=Console(stderr=True)) as bar:
        yield bar
