"""Learners of stable-baselines3: PPO and DQN, on N SUMO processes."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from greenband import registry
from greenband.errors import BadInput, SimulationError
from greenband.files import write_bytes
from greenband.tracking import Tracker
from greenband.training import checkpoint
from greenband.training.run import LEARNED, Bar, Run

if TYPE_CHECKING:
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    Learner = OnPolicyAlgorithm | OffPolicyAlgorithm

__all__ = ["GradientRun"]

SAVE_EVERY_S, SAVE_REPLAY_EVERY_S = 30.0, 120.0  # a replay buffer is large


class GradientRun(Run):
    """A learner that follows gradients from rollout to rollout."""

    checkpoint = "checkpoint.pt"
    _learner: Learner
    _env: Any = None

    def prepare(self) -> None:
        """Make environment and learner, and restore them."""
        self._saved = time.monotonic()
        self._validated = -1, -1  # steps and updates at the last validation
        self._snapshot: dict[str, Any] | None = None  # of the learner, as the last rollout began
        self._fresh = False  # whether that is the present one
        self._env = registry.instantiate(
            {"_target_": "greenband.envs.vector.CorridorVecEnv"},
            scenario=self.episodes_at,
            config=registry.instantiate(self.config["env"]),
            processes=self.settings.processes,
            seed=self.settings.seed,
            progress=lambda: self.progress,
        )
        try:
            self._learner = registry.instantiate(
                self.config["agent"],
                **self._shape(),
                env=self._env,
                seed=self.settings.seed,
                progress=lambda: self.progress,
                log_dir=self.folder / "tensorboard",
            )
        except (TypeError, ValueError, AssertionError) as error:  # what the learners say of settings they cannot use
            raise BadInput(f"configuration: agent: {error}") from error
        if self.settings.start is not None:
            for scorer in self._learner.policy.scorers():  # type: ignore[operator]
                registry.instantiate({"_target_": f"{LEARNED}.copy_policy"}, folder=self.settings.start, network=scorer)
        self._load()

    def _shape(self) -> dict[str, int]:
        """The shape of the policy that the run begins with, if any, which is then its own."""
        if self.settings.start is None:
            return {}
        shape: dict[str, int] = registry.instantiate({"_target_": f"{LEARNED}.shape_of"}, folder=self.settings.start)
        return shape

    def close(self) -> None:
        """End the SUMO processes."""
        if self._env is not None:
            self._env.close()

    def learn(self, bar: Bar) -> None:
        """Follow gradients, with a checkpoint every few seconds."""
        learner = self._learner
        save_every_s = SAVE_REPLAY_EVERY_S if checkpoint.off_policy(learner) else SAVE_EVERY_S

        def before_rollout() -> None:
            due = time.monotonic() - self._saved > save_every_s
            validated = learner.num_timesteps + checkpoint.rollout(learner) >= self.state.next_validation
            self._fresh = due or validated or self.ending or not checkpoint.off_policy(learner)
            if self._fresh:
                self._snapshot = checkpoint.snapshot(learner)
            if due:
                self._save()

        def after_step() -> bool:
            self.state.steps = learner.num_timesteps
            bar.show(self.progress)
            if learner.num_timesteps >= self.state.next_validation:
                self._check(bar)
            return not (self.ending and self._fresh)  # a rollout that is broken off is made anew on resuming

        if self.state.next_validation == 0:
            self.state.next_validation = self.settings.validation.every_steps
        remaining = self.settings.steps - self.state.steps
        if remaining > 0 and self.progress < 1.0:
            watch = _callback(before_rollout, after_step, self.trackers)
            learner.learn(remaining, callback=watch, reset_num_timesteps=False)
        if not self.ending:
            self._snapshot = checkpoint.snapshot(learner)
        self._check(bar)

    def _check(self, bar: Bar) -> None:
        """Validate and keep the policy if it is the best so far; then save everything to resume from."""
        learner = self._learner
        scorer = learner.policy.scorers()[0]  # type: ignore[operator]
        if not self.stopped and self._validated != (learner.num_timesteps, learner._n_updates):
            try:
                delay = self.validate(scorer, bar)
                self._validated = learner.num_timesteps, learner._n_updates
                learner.logger.record("validation/delay_s", delay)
            except SimulationError:  # an interrupt from the keyboard ends the validation's processes too
                if not self.stopped:
                    raise
        if self.stopped and not (self.folder / "best" / "card.json").is_file():
            self.keep(scorer, None)
        self._save()

    def _save(self) -> None:
        import torch

        if self._snapshot is None:
            return
        state = {**vars(self.state), "steps": self._snapshot["steps"], "seconds": self.seconds}
        buffer = io.BytesIO()
        torch.save({**self._snapshot, "state": state}, buffer)
        write_bytes(self.folder / self.checkpoint, buffer.getvalue())
        self._saved = time.monotonic()

    def _load(self) -> None:
        path = self.folder / self.checkpoint
        if not path.is_file():
            return
        saved = checkpoint.read(path)
        self.state = self.saved_state(saved.get("state"), path)
        if self.progress < 1.0:
            checkpoint.restore(self._learner, saved, path)
            self.forget_validations(self.state.next_validation)


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
