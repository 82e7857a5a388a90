"""Episodes on one SUMO process: the control loop with observations and rewards, shared by all environment faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from greenband.control import ControlLoop
from greenband.envs.rewards import RewardTerms, RewardWeights
from greenband.errors import BadInput
from greenband.observation import Encoder
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig
from greenband.simulation import Backend

__all__ = ["TRAINING_SEEDS", "EpisodeConfig", "Session", "Step", "fresh_seed"]

TRAINING_SEEDS = range(10_000, 2**31)


@dataclass(frozen=True)
class EpisodeConfig:
    """What an episode is. Each one draws a period and a factor on demand at random; ``interval_s`` between decisions.

    Raises:
        BadInput: a value is out of range.
    """

    periods: Sequence[str] = ("AM",)
    demand: Sequence[float] = (1.0,)
    interval_s: int = 5
    sensing: SensingConfig = field(default_factory=SensingConfig)
    reward: RewardWeights = field(default_factory=RewardWeights)
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        if self.interval_s < 1:
            raise BadInput(f"interval_s must be at least 1 s, not {self.interval_s}")
        if not self.periods or not self.demand:
            raise BadInput("an episode needs at least one period and one demand factor")


@dataclass(frozen=True)
class Step:
    """Result of one decision for all signals; ``terms`` are the weighted reward terms, each of shape ``[signals]``."""

    observations: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    terms: dict[str, npt.NDArray[np.float64]]
    executed: npt.NDArray[np.int64]
    truncated: bool


class Session:
    """Runs episodes of a scenario; signals are in the network's order."""

    def __init__(self, scenario: Scenario, config: EpisodeConfig) -> None:
        self.scenario, self.config = scenario, config
        self.signals = list(scenario.network.signals)
        self._loops = {period: ControlLoop(scenario, period, config.sensing) for period in config.periods}
        self._loop = self._loops[config.periods[0]]
        self._rewards = {period: RewardTerms(loop, config.reward) for period, loop in self._loops.items()}
        self._encoder = Encoder(scenario.network, self._loop.limits)

    def reset(self, seed: int) -> npt.NDArray[np.float32]:
        """Start the episode that this seed stands for; returns observations ``[signals, OBSERVATION_SIZE]``."""
        self.close()
        rng = np.random.default_rng(seed)
        self._period = str(rng.choice(list(self.config.periods)))
        self._loop = self._loops[self._period]
        factor = float(rng.choice(list(self.config.demand)))
        measurement = self._loop.reset(seed, demand=factor, backend=self.config.backend)
        self._encoder.reset()
        return self._encoder.encode(measurement)

    def step(self, actions: npt.NDArray[np.int64]) -> Step:
        """Ask each signal for a stage and run to the next decision."""
        loop = self._loop
        before = self._stages()
        loop.step(dict(zip(self.signals, actions.tolist(), strict=True)), self.config.interval_s)
        measurement, executed = loop.measure(), self._stages()
        rewards = self._rewards[self._period]
        terms = rewards.compute(measurement, executed != before)
        return Step(
            self._encoder.encode(measurement),
            rewards.total(terms).astype(np.float32),
            {name: rewards.weights[name] * value for name, value in terms.items()},
            executed,
            loop.done,
        )

    def close(self) -> None:
        """End the SUMO session, if any."""
        self._loop.close()

    def _stages(self) -> npt.NDArray[np.int64]:
        return np.array([interlock.stage for interlock in self._loop.interlocks.values()])


def fresh_seed(rng: np.random.Generator) -> int:
    """A seed from the training range."""
    return int(rng.integers(TRAINING_SEEDS.start, TRAINING_SEEDS.stop))
