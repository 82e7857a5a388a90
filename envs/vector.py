"""A stable-baselines3 VecEnv in which each signal of each of N SUMO processes is one slot, for one shared policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from greenband.envs.session import EpisodeConfig, Step, controlled_signals, fresh_seed
from greenband.envs.spaces import action_space, observation_space
from greenband.envs.worker import Link, ProcessLink, Worker
from greenband.observation import OBSERVATION_SIZE, action_mask
from greenband.scenario import Scenario

__all__ = ["CorridorVecEnv", "Seen"]


@dataclass(frozen=True)
class Seen:
    """A decision's results at some processes, one row per slot: observations have shape ``[slots, OBSERVATION_SIZE]``.

    ``observations`` are those to decide on next, ``last`` those that the decision led to; they differ where an episode
    ended (``truncated``) and another began. ``steps`` are the results as they came, one per process.
    """

    observations: npt.NDArray[np.float32]
    last: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    truncated: npt.NDArray[np.bool_]
    steps: Sequence[Step]


class CorridorVecEnv(VecEnv):
    """Slots in the order process by process, signal by signal. Every episode has a fresh seed from the training range.

    An episode ends by truncation only (``TimeLimit.truncated`` in its last info). Infos hold ``executed``, the stage
    that the interlock shows, and ``reward_terms``, the weighted terms.

    Args:
        scenario: what to run; ``config``: what an episode is.
        processes: number of SUMO processes.
        seed: fixes the stream of episode seeds.
        progress: tells the share of the training that is over, by which the curriculum's lesson is chosen.
    """

    def __init__(
        self,
        scenario: Scenario,
        config: EpisodeConfig | None = None,
        processes: int = 1,
        seed: int = 0,
        progress: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.scenario, self.config = scenario, config or EpisodeConfig()
        self.signals = controlled_signals(scenario, self.config)
        self._progress = progress
        self._streams = [np.random.default_rng([seed, k]) for k in range(processes)]
        link = _ray_link(processes) if self.config.workers == "ray" else ProcessLink
        self._workers = [Worker(scenario, self.config, link) for _ in range(processes)]
        super().__init__(processes * len(self.signals), observation_space(), action_space(self.config.mode))
        self._observations = np.zeros((self.num_envs, OBSERVATION_SIZE), np.float32)
        self.reset_infos = [{} for _ in range(self.num_envs)]

    @property
    def processes(self) -> int:
        """Number of SUMO processes."""
        return len(self._workers)

    @property
    def halves(self) -> list[range]:
        """The processes in two halves, to ``send`` and ``receive`` in turn; a single one is all there is."""
        middle = (self.processes + 1) // 2
        return [half for half in (range(middle), range(middle, self.processes)) if half]

    def slots(self, processes: range) -> slice:
        """Where these processes' slots are among all."""
        return slice(processes.start * len(self.signals), processes.stop * len(self.signals))

    def reset(self) -> npt.NDArray[np.float32]:
        """Start a fresh episode in every process; observations of shape ``[slots, OBSERVATION_SIZE]``."""
        for k, worker in enumerate(self._workers):
            worker.send("reset", self._next_episode(k))
        for k, worker in enumerate(self._workers):
            self._observations[self._slots(k)] = worker.receive()
        return self._observations.copy()

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Send each process the actions of its signals."""
        self.send(range(self.processes), actions)

    def step_wait(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_], list[Any]]:
        """Gather observations, rewards, dones and infos; a process whose episode ended starts the next one at once."""
        seen = self.receive(range(self.processes))
        infos = [info for step in seen.steps for info in _infos(step)]
        return seen.observations, seen.rewards, seen.truncated, infos

    def send(self, processes: range, actions: npt.NDArray[Any]) -> None:
        """Send these processes the actions of their slots, one row each. They simulate until it is received."""
        rows = np.asarray(actions, dtype=self.action_space.dtype)
        for k, part in zip(processes, np.split(rows, len(processes)), strict=True):
            self._workers[k].send("step", part)

    def receive(self, processes: range) -> Seen:
        """Wait for what came of the actions sent to these processes.

        Raises:
            SimulationError: SUMO failed, and so did that of the processes that replaced the one.
        """
        steps: list[Step] = []
        for k in processes:
            steps.append(self._workers[k].receive())
            if steps[-1].truncated:
                self._workers[k].send("reset", self._next_episode(k))
        last = np.concatenate([step.observations for step in steps])
        slots = self.slots(processes)
        self._observations[slots] = last
        for k, step in zip(processes, steps, strict=True):
            if step.truncated:
                self._observations[self._slots(k)] = self._workers[k].receive()
        return Seen(
            self._observations[slots].copy(),
            last,
            np.concatenate([step.rewards for step in steps]),
            np.repeat([step.truncated for step in steps], len(self.signals)),
            steps,
        )

    def state(self) -> dict[str, Any]:
        """Where the episodes are, in tensors, numbers and text: for ``restore``, between two steps."""
        episodes = [worker.episode for worker in self._workers]
        kind, shape = self.action_space.dtype, (-1, len(self.signals), *(self.action_space.shape or ()))
        return {
            "streams": [json.dumps(stream.bit_generator.state) for stream in self._streams],
            "begun": [list(begun) for begun, _ in episodes],
            "actions": [torch.from_numpy(np.array(actions, kind).reshape(shape)) for _, actions in episodes],
        }

    def restore(self, state: dict[str, Any]) -> npt.NDArray[np.float32]:
        """Simulate the episodes anew up to where another environment's were; returns the observations there.

        Raises:
            ValueError: that one had another number of processes or signals.
            SimulationError: SUMO failed.
        """
        streams, begun, actions = state["streams"], state["begun"], state["actions"]
        if len(begun) != len(self._workers):
            raise ValueError(f"its episodes are those of processes={len(begun)}, not {len(self._workers)}")
        if any(rows.shape[1] != len(self.signals) for rows in actions):
            raise ValueError(f"its episodes are not those of {len(self.signals)} signals")
        for stream, saved in zip(self._streams, streams, strict=True):
            stream.bit_generator.state = json.loads(saved)
        for worker, (seed, lesson) in zip(self._workers, begun, strict=True):
            worker.send("reset", (seed, lesson))
        for k, worker in enumerate(self._workers):
            self._observations[self._slots(k)] = worker.receive()
        for step in range(max(len(rows) for rows in actions)):
            going_on = [(k, worker) for k, worker in enumerate(self._workers) if step < len(actions[k])]
            for k, worker in going_on:
                worker.send("step", actions[k][step].numpy())
            for k, worker in going_on:
                self._observations[self._slots(k)] = worker.receive().observations
        return self._observations.copy()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Allowed stages of every slot, shape ``[slots, MAX_STAGES]``."""
        return action_mask(self._observations)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Fix the stream of episode seeds from the next reset on."""
        if seed is not None:
            self._streams = [np.random.default_rng([seed, k]) for k in range(len(self._workers))]
        return [seed] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the vector environment, once per slot."""
        return [getattr(self, attr_name, None)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute; slots share it."""
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Call a method that returns one value per slot."""
        values = getattr(self, method_name)(*method_args, **method_kwargs)
        return [values[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Slots are never wrapped."""
        return [False] * len(list(self._get_indices(indices)))

    def _slots(self, k: int) -> slice:
        return self.slots(range(k, k + 1))

    def _next_episode(self, k: int) -> tuple[int, int]:
        """Seed and lesson."""
        return fresh_seed(self._streams[k]), self.config.lesson(self._progress())


def _ray_link(processes: int) -> Callable[[Scenario, EpisodeConfig], Link]:
    from greenband.cluster import connect
    from greenband.envs.remote import RayLink

    connect(processes)  # one that is too small would keep the last ones waiting for ever
    return RayLink


def _infos(step: Step) -> Iterator[dict[str, Any]]:
    """What is told of each slot beside observation and reward."""
    for i, executed in enumerate(step.executed.tolist()):
        info: dict[str, Any] = {
            "executed": executed,
            "reward_terms": {name: float(values[i]) for name, values in step.terms.items()},
        }
        if step.truncated:
            info["TimeLimit.truncated"] = True
            info["terminal_observation"] = step.observations[i]
        yield info
