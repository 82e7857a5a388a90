"""Train a policy: learner and environment from a configuration, checkpoints chosen on validation seeds, resumable.

A run directory holds ``config.yaml``, ``best/`` (the policy with the least validation delay), ``candidate/`` (the one
validated last), ``validation.csv``, ``tensorboard/``, and ``checkpoint.pt`` to resume from. A run that was stopped or
killed and is resumed comes to the same result as one that was not, unless its end is given in minutes.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from greenband import __version__, checkpoint, interrupts, registry, sumo
from greenband.errors import BadInput, SimulationError
from greenband.evaluation import Subject, parse_seeds
from greenband.evaluation.runner import Task, run_all
from greenband.files import write_bytes, write_text
from greenband.revision import revision
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig
from greenband.tracking import Tracker, trackers

if TYPE_CHECKING:
    from rich.progress import Progress
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    Learner = OnPolicyAlgorithm | OffPolicyAlgorithm

__all__ = ["TrainingRun", "train"]

CHECKPOINT, CONFIG, VALIDATION = "checkpoint.pt", "config.yaml", "validation.csv"
VALIDATION_SEEDS = range(1000, 1100)
LEARNED = "greenband.agents.learned"
NO_BETTER = "validations in a row brought no better policy"
SAVE_EVERY_S, SAVE_REPLAY_EVERY_S = 30.0, 120.0  # a replay buffer is large


class _Validation(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    seeds: str
    every_steps: int = Field(gt=0)
    jobs: int = Field(ge=1)
    patience: int | None = Field(gt=0)


class _Settings(BaseModel):
    """The run's own settings among the configuration; units in ``configs/train.yaml``."""

    seed: int = Field(ge=0)
    processes: int = Field(ge=1)
    steps: int = Field(gt=0)
    minutes: float | None = Field(gt=0)
    validation: _Validation
    trackers: list[str]
    scenario: dict[str, Any]
    env: dict[str, Any]
    agent: dict[str, Any]

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> _Settings:
        try:
            return cls.model_validate(config)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            value = "" if first["type"] == "missing" else f"={first['input']!r}"
            raise BadInput(f"configuration: {field}{value}: {first['msg']}") from error


@dataclass
class _State:
    """What a resumed run must know besides the weights."""

    steps: int = 0
    seconds: float = 0.0
    best_delay_s: float = float("inf")
    best_steps: int = 0
    next_validation: int = 0
    since_best: int = 0  # validations


class TrainingRun:
    """One training run in its directory.

    Args:
        config: the composed ``configs/train.yaml`` as plain containers.
        folder: the run directory; continued if it holds a checkpoint and ``resume`` is set.

    Raises:
        BadInput: the directory holds a run already, or none to resume.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path, resume: bool = False) -> None:
        self.config, self.folder = config, folder
        if resume != (folder / CHECKPOINT).is_file():
            word = (
                "holds no checkpoint to resume" if resume else "holds a training run already; resume it or choose out="
            )
            raise BadInput(f"{folder}: {word}")
        self._settings = _Settings.parse(config)
        self._validation_seeds = parse_seeds(self._settings.validation.seeds)
        if not set(self._validation_seeds) <= set(VALIDATION_SEEDS):
            raise BadInput(f"configuration: validation.seeds={self._settings.validation.seeds}: must be 1000 to 1099")
        if resume:
            _refuse_foreign_targets(config, folder / CONFIG)
        self.scenario: Scenario = registry.instantiate(config["scenario"])
        for period in config["env"]["periods"]:
            self.scenario.period(period)
        self._state = _State()
        self._started = time.monotonic()
        self._saved = self._started
        self._validated = -1, -1  # steps and updates at the last validation
        self._stop = False
        self._trackers: list[Tracker] = []
        self._revision = revision()
        self._snapshot: dict[str, Any] | None = None  # of the learner, as the last rollout began
        self._fresh = False  # whether that is the present one

    @property
    def progress(self) -> float:
        """Share of the run that is over, by steps or by time, whichever is further."""
        share = self._state.steps / self._settings.steps
        minutes = self._settings.minutes
        return min(1.0, max(share, self._seconds() / (60 * minutes) if minutes else 0.0))

    def _seconds(self) -> float:
        return self._state.seconds + time.monotonic() - self._started

    def run(self) -> Path:
        """Train to the end or until interrupted; returns the folder of the best policy.

        Raises:
            BadInput: the configuration cannot be used.
            SimulationError: SUMO failed.
        """
        import torch

        torch.set_num_threads(1)
        self.folder.mkdir(parents=True, exist_ok=True)
        env = self._environment()
        try:
            learner = self._learner(env)
            self._load(learner)
            if self.progress >= 1.0:
                raise BadInput(f"{self.folder}: the run is finished; give more steps= or minutes= to go on")
            if self._stale:
                raise BadInput(f"{self.folder}: the run is finished: {self._state.since_best} {NO_BETTER}")
            settings = {**self.config, "resume": None}
            write_text(self.folder / CONFIG, yaml.safe_dump(settings, sort_keys=False))
            self._trackers = trackers(self._settings.trackers, self.folder, settings)
            with interrupts.deferred(self._ask_to_stop):
                self._learn(learner)
        finally:
            env.close()
            for tracker in self._trackers:
                tracker.close()
        if self._stop:
            raise KeyboardInterrupt(f"{self.folder} keeps a checkpoint")
        return self.folder / "best"

    def _learner(self, env: Any) -> Learner:
        try:
            learner: Learner = registry.instantiate(
                self.config["agent"],
                env=env,
                seed=self._settings.seed,
                progress=lambda: self.progress,
                log_dir=self.folder / "tensorboard",
            )
        except (TypeError, ValueError, AssertionError) as error:  # what the learners say of settings they cannot use
            raise BadInput(f"configuration: agent: {error}") from error
        return learner

    def _ask_to_stop(self) -> None:
        self._stop = True

    def _environment(self) -> Any:
        episode = registry.instantiate(self.config["env"])
        return registry.instantiate(
            {"_target_": "greenband.envs.vector.CorridorVecEnv"},
            scenario=self.scenario,
            config=episode,
            processes=self._settings.processes,
            seed=self._settings.seed,
            progress=lambda: self.progress,
        )

    def _learn(self, learner: Learner) -> None:
        with _progress_bar() as bar:
            task = bar.add_task(f"training {self.folder.name}", total=1.0, delay="not validated yet")
            save_every_s = SAVE_REPLAY_EVERY_S if checkpoint.off_policy(learner) else SAVE_EVERY_S

            def before_rollout() -> None:
                due = time.monotonic() - self._saved > save_every_s
                validated = learner.num_timesteps + checkpoint.rollout(learner) >= self._state.next_validation
                self._fresh = due or validated or self._ending or not checkpoint.off_policy(learner)
                if self._fresh:
                    self._snapshot = checkpoint.snapshot(learner)
                if due:
                    self._save()

            def after_step() -> bool:
                self._state.steps = learner.num_timesteps
                bar.update(task, completed=self.progress)
                if learner.num_timesteps >= self._state.next_validation:
                    self._checkpoint(learner, bar, task)
                return not (self._ending and self._fresh)  # a rollout that is broken off is made anew on resuming

            if self._state.next_validation == 0:
                self._state.next_validation = self._settings.validation.every_steps
            remaining = self._settings.steps - self._state.steps
            if remaining > 0 and self.progress < 1.0:
                learner.learn(
                    remaining, callback=_callback(before_rollout, after_step, self._trackers), reset_num_timesteps=False
                )
            if not self._ending:
                self._snapshot = checkpoint.snapshot(learner)
            self._checkpoint(learner, bar, task)
            if self._stale:
                bar.console.print(f"ended early: {self._state.since_best} {NO_BETTER}")

    @property
    def _ending(self) -> bool:
        """Whether the run is to end before its steps are done."""
        minutes = self._settings.minutes
        return self._stop or self._stale or (minutes is not None and self._seconds() >= 60 * minutes)

    @property
    def _stale(self) -> bool:
        """Whether as many validations in a row as the run has patience for brought no better policy."""
        patience = self._settings.validation.patience
        return patience is not None and self._state.since_best >= patience

    def _checkpoint(self, learner: Learner, bar: Progress, task: Any) -> None:
        """Validate and keep the policy if it is the best so far; then save everything to resume from."""
        if not self._stop and self._validated != (learner.num_timesteps, learner._n_updates):
            try:
                delay = self._validate(learner)
                self._state.next_validation = learner.num_timesteps + self._settings.validation.every_steps
                bar.update(task, delay=f"{delay:.1f} s, best {self._state.best_delay_s:.1f} s")
            except SimulationError:  # an interrupt from the keyboard ends the validation's processes too
                if not self._stop:
                    raise
        if self._stop and not (self.folder / "best" / "card.json").is_file():
            self._keep(learner, None)
        self._save()

    def _validate(self, learner: Learner) -> float:
        """Mean delay in s over the validation seeds and the periods of training, at demand as it is."""
        candidate = self.folder / "candidate"
        self._write_policy(learner, candidate, None)
        recipe = {"_target_": f"{LEARNED}.LearnedController", "folder": str(candidate)}
        subject = Subject("candidate", config=recipe, sensing=self._sensing())
        tasks = [
            Task(subject, self.scenario, period, seed)
            for period in self.config["env"]["periods"]
            for seed in self._validation_seeds
        ]
        runs = run_all(tasks, self._settings.validation.jobs)
        self._validated = learner.num_timesteps, learner._n_updates
        delay = sum(run.metrics["delay_s"] for run in runs) / len(runs)
        learner.logger.record("validation/delay_s", delay)
        path = self.folder / VALIDATION
        head = "" if path.is_file() else "steps,seconds,delay_s,violations\n"
        with path.open("a", encoding="utf-8") as file:
            violations = sum(len(run.violations) for run in runs)
            file.write(f"{head}{learner.num_timesteps},{self._seconds():.0f},{delay:.3f},{violations}\n")
        self._state.since_best += 1
        if delay < self._state.best_delay_s:
            self._state.since_best = 0
            self._state.best_delay_s, self._state.best_steps = delay, learner.num_timesteps
            self._keep(learner, delay)
        return delay

    def _keep(self, learner: Learner, delay: float | None) -> None:
        self._write_policy(learner, self.folder / "best", delay)

    def _sensing(self) -> SensingConfig:
        sensing: SensingConfig = registry.instantiate(self.config["env"]["sensing"])
        return sensing

    def _write_policy(self, learner: Learner, folder: Path, delay: float | None) -> None:
        card = {
            "greenband": __version__,
            "revision": self._revision,
            "sumo": sumo.version_string(),
            "scenario": self.scenario.name,
            "periods": list(self.config["env"]["periods"]),
            "interval_s": int(self.config["env"]["interval_s"]),
            "sensing": asdict(self._sensing()),
            "seed": self._settings.seed,
            "steps": learner.num_timesteps,
            "validation": {"seeds": list(self._validation_seeds), "delay_s": delay},
            "config": {name: value for name, value in self.config.items() if name not in ("out", "resume")},
        }
        network = learner.policy.scorer()  # type: ignore[operator]
        registry.instantiate({"_target_": f"{LEARNED}.save_policy"}, folder=folder, scorer=network, card=card)

    def _save(self) -> None:
        import torch

        if self._snapshot is None:
            return
        state = {**vars(self._state), "steps": self._snapshot["steps"], "seconds": self._seconds()}
        buffer = io.BytesIO()
        torch.save({**self._snapshot, "state": state}, buffer)
        write_bytes(self.folder / CHECKPOINT, buffer.getvalue())
        self._saved = time.monotonic()

    def _load(self, learner: Learner) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        saved = checkpoint.read(path)
        state = saved.get("state")
        if not isinstance(state, dict) or set(state) != set(vars(_State())):
            raise BadInput(f"{path}: not a checkpoint of this version")
        if not all(isinstance(value, int | float) for value in state.values()):
            raise BadInput(f"{path}: not a checkpoint of this version")
        self._state = _State(**state)
        if self.progress < 1.0:
            checkpoint.restore(learner, saved, path)
            self._forget_validations()

    def _forget_validations(self) -> None:
        """Drop those that come again: they were made after the checkpoint."""
        path = self.folder / VALIDATION
        if path.is_file():
            head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if int(row.partition(",")[0]) < self._state.next_validation]
            write_text(path, "".join([head, *kept]))


def _refuse_foreign_targets(config: Mapping[str, Any], source: Path) -> None:
    """A resumed run's configuration comes from a file; it may call what the shipped ones call and nothing else."""
    allowed = {*registry.targets(), "greenband.registry.scenario"}
    for target in registry.targets_in(config):
        if target not in allowed:
            raise BadInput(f"{source}: refuses to call {target!r}, which no shipped configuration does")


def _callback(before_rollout: Callable[[], None], after_step: Callable[[], bool], beside: Sequence[Tracker]) -> Any:
    """Calls these, and sends the figures beside TensorBoard too."""
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.logger import KVWriter

    class Beside(KVWriter):
        def __init__(self, tracker: Tracker) -> None:
            self._tracker = tracker

        def write(self, key_values: dict[str, Any], key_excluded: dict[str, Any], step: int = 0) -> None:
            self._tracker.write(key_values, step)

        def close(self) -> None:  # the run itself closes it
            pass

    class Watch(BaseCallback):
        def _on_training_start(self) -> None:
            self.logger.output_formats.extend(map(Beside, beside))

        def _on_rollout_start(self) -> None:
            before_rollout()

        def _on_step(self) -> bool:
            return after_step()

    return Watch()


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


def train(config: Mapping[str, Any]) -> Path:
    """Train by a composed configuration; returns the run directory.

    Raises:
        BadInput: the configuration cannot be used.
        SimulationError: SUMO failed.
        KeyboardInterrupt: the run was interrupted; it keeps a checkpoint.
    """
    folder = Path(config["resume"] or config["out"])
    run = TrainingRun(config, folder, resume=config["resume"] is not None)
    run.run()
    return folder
