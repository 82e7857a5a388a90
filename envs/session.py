"""Episodes on one SUMO process: the control loop with observations and rewards, shared by all environment faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from greenband import registry
from greenband.control import ControlLoop
from greenband.envs.curriculum import Lesson, curriculum
from greenband.envs.rewards import RewardTerms, RewardWeights
from greenband.errors import BadInput, UnknownName
from greenband.observation import Encoder
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig
from greenband.simulation import Backend

__all__ = ["TRAINING_SEEDS", "EpisodeConfig", "Session", "Step", "controlled_signals", "episode_seed", "fresh_seed"]

TRAINING_SEEDS = range(10_000, 2**31)
WORKERS = ("processes", "ray")
MODES = ("stage", "cycle")


@dataclass(frozen=True)
class EpisodeConfig:
    """What an episode is. Each one draws a period and a factor on demand at random; ``interval_s`` between decisions.

    ``mode`` says what a decision is: ``stage``, the next one, or ``cycle``, splits, offset and cycle once a cycle; then
    ``interval_s`` is between the observations that a cycle's is the mean of.

    ``signals`` are those under the learner's control, all by default; ``others`` names the controller of the rest.
    ``workers`` says where a training's SUMO processes run: ``processes`` of this machine, or ``ray``.
    A ``curriculum`` narrows what is drawn while a training is young: lessons in the order of their ends, then the rest.

    Raises:
        BadInput: a value is out of range.
    """

    periods: Sequence[str] = ("AM",)
    demand: Sequence[float] = (1.0,)
    curriculum: Sequence[Lesson] = ()
    mode: str = "stage"
    interval_s: int = 5
    sensing: SensingConfig = field(default_factory=SensingConfig)
    reward: RewardWeights = field(default_factory=RewardWeights)
    signals: Sequence[str] | None = None
    others: str = "existing"
    backend: Backend = "auto"
    workers: str = "processes"

    def __post_init__(self) -> None:
        if self.interval_s < 1:
            raise BadInput(f"interval_s must be at least 1 s, not {self.interval_s}")
        if self.mode not in MODES:
            raise UnknownName("mode", self.mode, list(MODES))
        if self.workers not in WORKERS:
            raise UnknownName("kind of workers", self.workers, list(WORKERS))
        object.__setattr__(self, "curriculum", curriculum(self.curriculum))  # a configuration file has plain mappings
        for lesson in range(len(self.curriculum) + 1):
            periods, demand = self.drawn(lesson)
            if not periods or not demand:
                raise BadInput("an episode needs at least one period and one demand factor")
            if not all(factor > 0 for factor in demand):
                raise BadInput(f"demand factors must be above 0, not {', '.join(map(str, demand))}")
            if strange := [period for period in periods if period not in self.periods]:
                raise BadInput(
                    f"curriculum: period {strange[0]} is not among the training's: {', '.join(self.periods)}"
                )

    def lesson(self, progress: float) -> int:
        """Index of the lesson when that share of the training is over; past the last it is their number."""
        return sum(progress >= lesson.until for lesson in self.curriculum)

    def drawn(self, lesson: int) -> tuple[Sequence[str], Sequence[float]]:
        """Periods and demand factors that a lesson's episodes draw from."""
        if lesson >= len(self.curriculum):
            return self.periods, self.demand
        part = self.curriculum[lesson]
        return (
            self.periods if part.periods is None else part.periods,
            self.demand if part.demand is None else part.demand,
        )


@dataclass(frozen=True)
class Step:
    """Result of one decision for all signals; ``terms`` are the weighted reward terms, each of shape ``[signals]``."""

    observations: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    terms: dict[str, npt.NDArray[np.float64]]
    executed: npt.NDArray[np.int64]
    truncated: bool


class Session:
    """Runs episodes of a scenario. Arrays have one row per controlled signal, in the order of ``signals``.

    Raises:
        UnknownName: the scenario lacks a period or a signal of the configuration.
        BadInput: the other signals' controller is one that SUMO runs.
    """

    def __init__(self, scenario: Scenario, config: EpisodeConfig) -> None:
        self.scenario, self.config = scenario, config
        self.signals = controlled_signals(scenario, config)
        self._rows = [list(scenario.network.signals).index(name) for name in self.signals]
        partial = len(self.signals) < len(scenario.network.signals)
        self._others = registry.controller(config.others) if partial else None
        if hasattr(self._others, "programs"):
            raise BadInput(
                f"others={config.others!r}: SUMO runs that controller's signals, and a learner cannot see them"
            )
        clock = set(scenario.network.signals) - set(self.signals) if getattr(self._others, "blind", False) else ()
        self._loops = {period: ControlLoop(scenario, period, config.sensing, clock) for period in config.periods}
        self._period = config.periods[0]
        self._loop = self._loops[self._period]
        self._rewards = {period: RewardTerms(loop, config.reward) for period, loop in self._loops.items()}
        self._encoder = Encoder(scenario.network, self._loop.limits)

    @property
    def loop(self) -> ControlLoop:
        """The control loop of the present episode."""
        return self._loop

    def reset(self, seed: int, lesson: int | None = None) -> npt.NDArray[np.float32]:
        """Start the episode that this seed, and lesson of the curriculum, stand for; without one it is past the last.

        Returns observations ``[signals, OBSERVATION_SIZE]``.
        """
        self.close()
        rng = np.random.default_rng(seed)
        periods, demand = self.config.drawn(len(self.config.curriculum) if lesson is None else lesson)
        self._period = str(rng.choice(list(periods)))
        self._loop = self._loops[self._period]
        factor = float(rng.choice(list(demand)))
        begin_with = self._first_stages(self._period)
        measurement = self._loop.reset(seed, begin_with=begin_with, demand=factor, backend=self.config.backend)
        self._encoder.reset()
        self._rewards[self._period].reset()
        return self._encoder.encode(measurement)[self._rows]

    def step(self, actions: npt.NDArray[np.int64]) -> Step:
        """Ask each controlled signal for a stage and run to the next decision."""
        before = self._stages()
        self._advance(dict(zip(self.signals, actions.tolist(), strict=True)), self.config.interval_s)
        return self._seen(before)

    def _seen(self, before: npt.NDArray[np.int64]) -> Step:
        """What is to be said of the time since the stages were those."""
        measurement, executed = self._loop.measure(), self._stages()
        terms = self._rewards[self._period].compute(measurement, executed != before)
        total = np.sum(list(terms.values()), axis=0) if terms else np.zeros(len(executed))
        return Step(
            self._encoder.encode(measurement)[self._rows],
            total.astype(np.float32)[self._rows],
            {name: values[self._rows] for name, values in terms.items()},
            executed[self._rows],
            self._loop.done,
        )

    def _first_stages(self, period: str) -> Mapping[str, int]:
        """What signals begin with that do not begin with their first one."""
        return {} if self._others is None else self._others.reset(self.scenario, period) or {}

    def _advance(self, requests: dict[str, int], seconds: int) -> None:
        """Some seconds; the other signals' controller is asked as often as it wants."""
        if self._others is None:
            self._loop.step(requests, seconds)
            return
        until = self._loop.now + seconds
        while self._loop.now < until and not self._loop.done:
            wishes = self._others.decide(self._loop.perceive(self._others))
            rest = {name: stage for name, stage in wishes.items() if name not in self.signals}
            self._loop.step({**rest, **requests}, min(self._others.interval_s, until - self._loop.now))
            requests = {}

    def close(self) -> None:
        """End the SUMO session, if any."""
        self._loop.close()

    def _stages(self) -> npt.NDArray[np.int64]:
        return np.array([interlock.stage for interlock in self._loop.interlocks.values()])


def controlled_signals(scenario: Scenario, config: EpisodeConfig) -> list[str]:
    """Signals under the learner's control, in the network's order.

    Raises:
        UnknownName: the scenario has no such signal.
    """
    known = list(scenario.network.signals)
    wanted = known if config.signals is None else list(config.signals)
    for name in wanted:
        if name not in known:
            raise UnknownName(f"signal of {scenario.name}", name, known)
    return [name for name in known if name in wanted]


def fresh_seed(rng: np.random.Generator) -> int:
    """A seed from the training range."""
    return int(rng.integers(TRAINING_SEEDS.start, TRAINING_SEEDS.stop))


def episode_seed(rng: np.random.Generator, options: Mapping[str, Any] | None) -> int:
    """The seed that ``options`` ask for as ``episode``, or a fresh one."""
    wanted = (options or {}).get("episode")
    return fresh_seed(rng) if wanted is None else int(wanted)
