"""Rewards as named, weighted terms, each about -1 to 0 in ordinary traffic, from ground truth and not from sensors."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from greenband.control import ControlLoop
from greenband.sensing import Measurement

__all__ = ["RewardTerms", "RewardWeights"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each term; 0 leaves it out.

    ``delay``: minus the vehicles' present loss of speed on the signal's approaches, up to the next signal
    (sum of 1 - v / limit, the integrand of time loss) and its share of vehicles waiting to enter, over 40 vehicles.
    ``network``: the same, mean over all signals. ``standing``: minus standing vehicles in camera range over 40.
    ``pressure``: minus absolute difference of vehicles before and behind the junction over 40. ``switch``: minus 1
    where the stage was changed.
    """

    delay: float = 1.0
    network: float = 0.0
    standing: float = 0.0
    pressure: float = 0.0
    switch: float = 0.0


class RewardTerms:
    """Computes the terms of all signals of a running loop."""

    SCALE_VEH = 40.0

    def __init__(self, loop: ControlLoop, weights: RewardWeights) -> None:
        network = loop.scenario.network
        self._loop = loop
        self.weights = {f.name: float(getattr(weights, f.name)) for f in fields(weights)}
        self._edges = {
            name: [(edge, network.edge_speed_ms(edge)) for edge in signal.approaches]
            for name, signal in network.signals.items()
        }

    def compute(self, measurement: Measurement, changed: npt.NDArray[np.bool_]) -> dict[str, Floats]:
        """Unweighted terms that have a weight, each of shape ``[signals]`` in the network's order."""
        terms: dict[str, Floats] = {}
        views = measurement.signals.values()
        if self.weights["delay"] or self.weights["network"]:
            lost = -self._lost_vehicles() / self.SCALE_VEH
            terms["delay"] = lost
            terms["network"] = np.full_like(lost, lost.mean())
        if self.weights["standing"]:
            terms["standing"] = -np.array([view.standing.sum() for view in views]) / self.SCALE_VEH
        if self.weights["pressure"]:
            terms["pressure"] = -np.array([abs((v.present - v.leaving).sum()) for v in views]) / self.SCALE_VEH
        if self.weights["switch"]:
            terms["switch"] = -changed.astype(float)
        return {name: value for name, value in terms.items() if self.weights[name]}

    def total(self, terms: dict[str, Floats]) -> Floats:
        """Weighted sum of the terms, shape ``[signals]``."""
        return np.sum([self.weights[name] * value for name, value in terms.items()], axis=0)

    def _lost_vehicles(self) -> Floats:
        edge_api = self._loop.simulation.api.edge
        pending = self._loop.simulation.pending() / len(self._edges)
        lost = []
        for edges in self._edges.values():
            total = pending
            for edge, limit in edges:
                if count := edge_api.getLastStepVehicleNumber(edge):
                    total += count * max(0.0, 1 - edge_api.getLastStepMeanSpeed(edge) / limit)
            lost.append(total)
        return np.array(lost)
