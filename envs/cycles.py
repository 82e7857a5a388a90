"""Episodes in cycle mode: once a cycle all signals' splits and offsets and the common cycle are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from greenband.envs.session import EpisodeConfig, Session, Step
from greenband.plan.adaptive import AdaptivePlans
from greenband.scenario import Scenario

__all__ = ["CycleSession", "open_session"]


class CycleSession(Session):
    """As ``Session``; an action of a signal is a row of ``greenband.plan.adaptive.ADJUSTMENTS`` numbers from -1 to 1.

    Observations and reward terms are means over those made every ``interval_s`` in the cycle.
    """

    def __init__(self, scenario: Scenario, config: EpisodeConfig) -> None:
        super().__init__(scenario, config)
        self._plans = {period: AdaptivePlans(scenario, period, self.signals) for period in config.periods}

    @property
    def plans(self) -> AdaptivePlans:
        """Those of the present episode."""
        return self._plans[self.loop.period_name]

    def reset(self, seed: int, lesson: int | None = None) -> npt.NDArray[np.float32]:
        """Start the episode that this seed, and lesson of the curriculum, stand for."""
        observations = super().reset(seed, lesson)
        self.plans.restart(self.loop.now)
        return observations

    def step(self, actions: npt.NDArray[Any]) -> Step:
        """Run a cycle by these adjustments, ``[signals, ADJUSTMENTS]``; or what is left of the period."""
        plans, loop, seen = self.plans, self.loop, []
        plans.begin(loop.now, actions)
        while loop.now < plans.ends_s and not loop.done:
            due_s = min(loop.now + self.config.interval_s, plans.ends_s)
            before = self._stages()
            while loop.now < due_s and not loop.done:
                self._advance(plans.stages(loop.now), plans.steady_s(loop.now, due_s - loop.now))
            seen.append(self._seen(before))
        return Step(
            np.mean([step.observations for step in seen], axis=0, dtype=np.float32),
            np.mean([step.rewards for step in seen], axis=0, dtype=np.float32),
            {name: np.mean([step.terms[name] for step in seen], axis=0) for name in seen[0].terms},
            seen[-1].executed,
            loop.done,
        )

    def _first_stages(self, period: str) -> dict[str, int]:
        """Those of the others, and of the plans at the beginning."""
        plans, start_s = self._plans[period], self.scenario.period(period).start_s
        return {**super()._first_stages(period), **plans.restart(start_s)}


def open_session(scenario: Scenario, config: EpisodeConfig) -> Session:
    """A session of the configuration's mode."""
    return (CycleSession if config.mode == "cycle" else Session)(scenario, config)
