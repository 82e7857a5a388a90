"""Classical adaptive controllers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from greenband.network import Signal
from greenband.scenario import Scenario
from greenband.sensing import Measurement, SignalView

__all__ = ["MaxPressure", "MaxWave"]


class _GreedyController:
    """Asks, at each signal, for the allowed stage with the highest score; ties keep the present stage."""

    def __init__(self, interval_s: int = 5) -> None:
        self.interval_s = interval_s
        self._serves: dict[str, npt.NDArray[np.float64]] = {}

    def reset(self, scenario: Scenario, period: str) -> None:
        """Take the network's signals."""
        self._serves = {name: _served(signal) for name, signal in scenario.network.signals.items()}

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """Best allowed stage per signal."""
        return {name: self._best(self._serves[name], view) for name, view in measurement.signals.items()}

    def _best(self, serves: npt.NDArray[np.float64], view: SignalView) -> int:
        scores = serves @ self.movement_scores(view)
        scores[view.stage] += 1e-6
        return int(np.argmax(np.where(view.allowed, scores, -np.inf)))

    def movement_scores(self, view: SignalView) -> npt.NDArray[np.float64]:
        """Score of each movement, shape ``[movements]``; a stage's score is their sum."""
        raise AssertionError("a subclass scores the movements")


class MaxWave(_GreedyController):
    """Serves the stage with most approaching plus standing vehicles in camera range.

    Source: the MAXWAVE baseline of RESCO (Ault and Sharon, NeurIPS Datasets and Benchmarks 2021).
    """

    def movement_scores(self, view: SignalView) -> npt.NDArray[np.float64]:
        """Vehicles before the stop line."""
        return view.present


class MaxPressure(_GreedyController):
    """Serves the stage with the greatest sum of upstream minus downstream vehicles.

    Source: Varaiya, Transportation Research Part C 36 (2013), with vehicles in camera range for queues.
    """

    def movement_scores(self, view: SignalView) -> npt.NDArray[np.float64]:
        """Pressure: vehicles before the stop line minus vehicles on the exit lanes."""
        return view.present - view.leaving


def _served(signal: Signal) -> npt.NDArray[np.float64]:
    """Which movements each stage serves, shape ``[stages, movements]``."""
    serves = np.zeros((len(signal.stages), len(signal.movements)))
    for k, stage in enumerate(signal.stages):
        serves[k, list(stage.movements)] = 1.0
    return serves
