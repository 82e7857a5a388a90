"""Rewards as named, weighted terms, from ground truth but for what detectors report: ``standing`` and ``pressure``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from greenband.control import ControlLoop
from greenband.errors import BadInput
from greenband.sensing import Measurement

__all__ = ["RewardTerms", "RewardWeights"]

Floats = npt.NDArray[np.float64]
SCALE_VEH = 40.0


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each term; 0 leaves it out. A term of 1 is 40 vehicles.

    ``delay``: minus the vehicles' present loss of speed on the signal's approaches, up to the next signal (sum of
    1 - v / limit, the integrand of time loss), plus the vehicles waiting to enter there.
    ``progress``: vehicles that left the approaches since the last decision minus those that came, waiting ones
    included. With discount g its discounted sum is, but for a constant, -(1 - g) times that of the vehicles held, and
    these are delay (Little's law). It credits a served queue at once, also the part that no camera sees and no critic
    can value.
    ``network``: ``delay``, mean over all signals. ``standing``: minus standing vehicles in camera range.
    ``pressure``: minus the absolute difference of vehicles before and behind the junction in camera range.
    ``switch``: minus 1 where the stage was changed.

    Raises:
        BadInput: a weight is not a finite number.
    """

    delay: float = 0.0
    progress: float = 4.0
    network: float = 0.0
    standing: float = 0.0
    pressure: float = 0.0
    switch: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in asdict(self).items():
            if not isinstance(weight, int | float) or not math.isfinite(weight):
                raise BadInput(f"reward.{name}={weight}: must be a finite number")


class RewardTerms:
    """Computes the terms of all signals of a running loop."""

    def __init__(self, loop: ControlLoop, weights: RewardWeights) -> None:
        network = loop.scenario.network
        self._loop = loop
        self.weights = {name: float(weight) for name, weight in asdict(weights).items()}
        self._edges = {
            name: [(edge, network.edge_speed_ms(edge)) for edge in signal.approaches]
            for name, signal in network.signals.items()
        }
        self._all_edges = [edge for edges in self._edges.values() for edge, _ in edges]
        owner = np.repeat(np.arange(len(self._edges)), [len(edges) for edges in self._edges.values()])
        self._belongs = np.equal.outer(np.arange(len(self._edges)), owner).astype(float)  # [signals, edges]
        self._held = np.zeros(len(self._edges))

    def reset(self) -> None:
        """Start a new episode of the loop."""
        self._held = self._count()

    def compute(self, measurement: Measurement, changed: npt.NDArray[np.bool_]) -> dict[str, Floats]:
        """Weighted terms of the step that just ended, each of shape ``[signals]`` in the network's order."""
        views = measurement.signals.values()
        raw: dict[str, Callable[[], Floats]] = {  # asking SUMO costs time, so only what is weighted is computed
            "delay": lambda: -self._lost() / SCALE_VEH,
            "progress": lambda: self._gain() / SCALE_VEH,
            "network": lambda: np.full(len(self._edges), -self._lost().mean() / SCALE_VEH),
            "standing": lambda: -np.array([view.standing.sum() for view in views]) / SCALE_VEH,
            "pressure": lambda: -np.array([abs((v.present - v.leaving).sum()) for v in views]) / SCALE_VEH,
            "switch": lambda: -changed.astype(float),
        }
        return {name: weight * raw[name]() for name, weight in self.weights.items() if weight}

    def _gain(self) -> Floats:
        """Vehicles fewer on each signal's approaches than at the last call."""
        before, self._held = self._held, self._count()
        return before - self._held

    def _count(self) -> Floats:
        """Vehicles on each signal's approaches, with its share of those waiting to enter."""
        count = self._loop.simulation.api.edge.getLastStepVehicleNumber
        held: Floats = self._belongs.dot([count(edge) for edge in self._all_edges])
        return held + self._waiting()

    def _lost(self) -> Floats:
        """Sum of the vehicles' relative losses of speed on each signal's approaches; one that waits loses all."""
        api = self._loop.simulation.api.edge
        lost = self._waiting()
        for k, edges in enumerate(self._edges.values()):
            for edge, limit in edges:
                if count := api.getLastStepVehicleNumber(edge):
                    lost[k] += count * max(0.0, 1 - api.getLastStepMeanSpeed(edge) / limit)
        return lost

    def _waiting(self) -> Floats:
        """Vehicles waiting to enter: each signal's own on its approaches, and a share of those elsewhere."""
        simulation = self._loop.simulation
        if not (total := simulation.pending()):
            return np.zeros(len(self._edges))
        waiting = simulation.api.edge.getPendingVehicles
        own = np.array([sum(len(waiting(edge)) for edge, _ in edges) for edges in self._edges.values()], dtype=float)
        return own + (total - own.sum()) / len(own)
