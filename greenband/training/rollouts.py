"""Rollouts: learn from what alternatives cost when they were tried in simulation.

In each round the best policy so far drives some episodes that branch on the way (``greenband.envs.branches``); a fresh
scorer is then fitted to all that the last rounds brought (``greenband.agents.rollouts``), and validated. Episodes are
kept in ``rounds/`` as they end, so that a run that is stopped or killed loses those under way and no more.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from greenband import cluster, registry
from greenband.errors import BadInput, SimulationError
from greenband.evaluation.workers import run_each
from greenband.files import write_bytes, write_text
from greenband.training.run import LEARNED, Bar, Run

__all__ = ["RolloutRun"]

BRANCHES = "greenband.envs.branches"
SEEDS = 10_000, 2**31  # for training
ATTEMPTS = 3  # at an episode in which SUMO fails or dies
PARTS = ("observations", "chosen", "tried", "costs", "period", "decisions")


class RolloutRun(Run):
    """Rounds of branching episodes and fits."""

    checkpoint = "rounds.json"
    _log: Any = None

    def prepare(self) -> None:
        """Read the settings, and how far the run was."""
        try:
            self._method = registry.instantiate(self.config["agent"])
            self._branches = registry.instantiate(
                {"_target_": f"{BRANCHES}.BranchConfig", **self.config["agent"]["branches"]}
            )
        except TypeError as error:
            raise BadInput(f"configuration: agent: {error}") from error
        self._env = registry.instantiate(self.config["env"])
        if self._env.mode != "stage":
            raise BadInput("configuration: agent=rollouts tries stages: it needs env=stage")
        path = self.folder / self.checkpoint
        if path.is_file():
            try:
                saved = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise BadInput(f"{path}: not a checkpoint: {error}") from error
            self.state = self.saved_state(saved, path)
            self.forget_validations(self.state.steps + 1)

    def close(self) -> None:
        """Complete the log."""
        if self._log is not None:
            self._log.close()

    def learn(self, bar: Bar) -> None:
        """Round after round, from a validation of the first policy on."""
        from torch.utils.tensorboard import SummaryWriter

        self._log = SummaryWriter(str(self.folder / "tensorboard"))
        begun = (self.folder / "best" / "card.json").is_file()
        # a run that goes on without the first policy does not need the folder that it came from
        first = (
            None if begun and not self._method.first else self._method.begin(self.settings.start, self.settings.seed)
        )
        if not begun:
            self._check(first, {}, bar)
        while not self.ending and self.progress < 1.0 and (room := self._room()):
            if not self._drive(room, bar):
                return
            began_s, newest = self.seconds, self._newest()
            rows = [rows for number in newest for rows in self._rows(number)]
            fit = self._method.fit(rows, self.settings.seed, first)
            fit_s = self.seconds - began_s
            self.state.rounds += 1
            figures = {"rollouts/explained": fit.explained, "rollouts/rows": float(fit.rows)}
            self._check(fit.scorer, figures, bar, fit_s * len(self._newest()) / len(newest))

    def _newest(self) -> range:
        """Rounds that are fitted to when the present one is over."""
        return range(max(0, self.state.rounds + 1 - self._method.window), self.state.rounds + 1)

    def _check(self, scorer: Any, figures: Mapping[str, float], bar: Bar, next_fit_s: float | None = None) -> None:
        """Validate, log, and save, after a round with the time that fitting will take in the next."""
        found, began_s = dict(figures), self.seconds
        try:
            found["validation/delay_s"] = self.validate(scorer, bar)
            if next_fit_s is not None:
                self.state.closing_s = next_fit_s + self.seconds - began_s
        except SimulationError:  # an interrupt from the keyboard ends the validation's processes too
            if not self.stopped:
                raise
            if not (self.folder / "best" / "card.json").is_file():
                self.keep(scorer, None)
        for name, value in found.items():
            self._log.add_scalar(name, value, self.state.steps)
        for tracker in self.trackers:
            tracker.write(found, self.state.steps)
        state = {**vars(self.state), "seconds": self.seconds}
        write_text(self.folder / self.checkpoint, json.dumps(state) + "\n")

    @property
    def finished(self) -> bool:
        """Also when there is no time for a further round."""
        return super().finished or not self._room()

    def _room(self) -> int:
        """How many episodes the next round may have for its fit and validation to be over in time, as far as is known.

        They take as long as those of the last round did, as many at a time as there are processes.
        """
        episodes: int = self._method.episodes
        at_a_time, minutes = self.settings.processes, self.settings.minutes
        if minutes is None or not self.state.batch_s:
            return episodes
        batches = max(0.0, 60 * minutes - self.seconds - self.state.closing_s) // self.state.batch_s
        return min(episodes, at_a_time * int(batches))

    def _drive(self, episodes: int, bar: Bar) -> bool:
        """Simulate the episodes that this round lacks; False if it was broken off.

        When the time of a run is over nevertheless, what its last round has by then is enough.
        """
        began_s = self.seconds
        before, lesson = self.state.steps, self._env.lesson(self.progress)
        rng = np.random.default_rng([self.settings.seed, self.state.rounds])
        seeds = rng.integers(*SEEDS, self._method.episodes).tolist()[:episodes]
        policy = {"_target_": f"{LEARNED}.LearnedController", "folder": str(self.folder / "best")}
        each = cluster.run_each if self._env.workers == "ray" else run_each
        for attempt in range(ATTEMPTS):
            lacking = [k for k in range(len(seeds)) if not self._file(self.state.rounds, k).is_file()]
            self.state.steps = before + sum(rows["decisions"].item() for rows in self._saved(self.state.rounds))
            tasks = [
                {
                    "scenario": self.episodes_at,
                    "config": self._env,
                    "branches": self._branches,
                    "policy": policy,
                    "seed": seeds[k],
                    "lesson": lesson,
                }
                for k in lacking
            ]
            failure: SimulationError | None = None
            for place, outcome in each(_branch, tasks, self.settings.processes) if tasks else ():
                if isinstance(outcome, SimulationError):
                    failure = outcome
                else:
                    self._save_episode(self._file(self.state.rounds, lacking[place]), outcome)
                    bar.show(self.progress)
                if self.ending:
                    break
            if self.ending:
                enough = all if self.stopped or self.pruned else any
                return enough(self._file(self.state.rounds, k).is_file() for k in range(len(seeds)))
            if failure is None:
                if tasks:
                    self.state.batch_s = (self.seconds - began_s) / math.ceil(len(tasks) / self.settings.processes)
                return True
            if attempt == ATTEMPTS - 1:
                raise failure
        return False

    def _save_episode(self, path: Path, arrays: Mapping[str, Any]) -> None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_bytes(path, buffer.getvalue())
        self.state.steps += arrays["decisions"].item()

    def _file(self, number: int, k: int) -> Path:
        return self.folder / "rounds" / f"{number:03d}" / f"{k:04d}.npz"

    def _saved(self, number: int) -> Iterator[dict[str, Any]]:
        """Arrays of each episode of a round that has ended.

        Raises:
            BadInput: a file holds something else.
        """
        for path in sorted((self.folder / "rounds" / f"{number:03d}").glob("*.npz")):
            try:
                with np.load(path) as saved:
                    yield {name: saved[name] for name in PARTS}
            except (OSError, ValueError, KeyError) as error:
                raise BadInput(f"{path}: not an episode of this run: {error}") from error

    def _rows(self, number: int) -> list[Any]:
        target = {"_target_": "greenband.agents.rollouts.Rows"}
        parts = PARTS[:-1]
        return [
            registry.instantiate(target, **{name: rows[name] for name in parts} | {"period": str(rows["period"])})
            for rows in self._saved(number)
        ]


def _branch(task: Mapping[str, Any]) -> dict[str, Any]:
    """Work of a process: one episode; its rows as arrays by name."""
    episode = registry.instantiate({"_target_": f"{BRANCHES}.Episode"}, **task)
    found = registry.instantiate({"_target_": f"{BRANCHES}.branch"}, episode=episode)
    return {name: np.asarray(getattr(found, name)) for name in PARTS}
