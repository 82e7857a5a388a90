"""Self-organising traffic lights: each signal answers what waits before it, and platoons form by themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from greenband.errors import BadInput
from greenband.network import Signal
from greenband.plan.splits import free_turn
from greenband.scenario import Scenario
from greenband.sensing import Measurement, SignalView

__all__ = ["SelfOrganising"]

Floats = npt.NDArray[np.float64]


class SelfOrganising:
    """Switches to the stage whose red has gathered enough waiting, but does not cut off the tail of a platoon.

    Every movement on red adds up the vehicles before its stop line, second by second, and begins anew once it is green,
    in whichever stage. The stage whose movements have gathered most, once that is ``threshold_veh_s`` or more, turns
    green, unless there are still vehicles before the green, but no
    more than ``platoon_veh``: those pass first. Where nobody is before the green, the threshold need not be reached.
    Vehicles are counted as far as the sensing reaches; those that may turn on red wait for nobody and are left out.

    Source: ``sotl-platoon`` of Gershenson, Self-organizing traffic lights, Complex Systems 16 (2005), as in Cools,
    Gershenson and D'Hooghe, Self-organizing traffic lights: a realistic simulation, in Advances in Applied
    Self-Organizing Systems (2013); the rule for a green without vehicles is that of Gershenson and Rosenblueth,
    Self-organizing traffic lights at multiple-street intersections, Complexity 17 (2012). Here for any number of
    stages.
    """

    def __init__(self, threshold_veh_s: float = 400.0, platoon_veh: float = 1.0, interval_s: int = 1) -> None:
        for name, value in (("threshold_veh_s", threshold_veh_s), ("platoon_veh", platoon_veh)):
            if isinstance(value, str) or value < 0:
                raise BadInput(f"{name}={value!r}: must be a number of at least 0")
        self.interval_s = interval_s
        self._threshold, self._platoon = threshold_veh_s, platoon_veh
        self._serves: dict[str, Floats] = {}
        self._gathered: dict[str, Floats] = {}

    def reset(self, scenario: Scenario, period: str) -> None:
        """Take the network's signals; nothing has gathered."""
        self._serves = {name: _served(signal) for name, signal in scenario.network.signals.items()}
        self._gathered = {name: np.zeros(serves.shape[1]) for name, serves in self._serves.items()}

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """The stage that has gathered enough, at each signal where its turn has come."""
        wanted = {name: self._wanted(name, view) for name, view in measurement.signals.items()}
        return {name: stage for name, stage in wanted.items() if stage is not None}

    def _wanted(self, name: str, view: SignalView) -> int | None:
        serves, gathered = self._serves[name], self._gathered[name]
        green = serves[view.stage]
        gathered += view.present * self.interval_s
        gathered[green > 0] = 0.0
        waited = np.where(view.allowed, serves @ gathered, 0.0)
        best, before_green = int(np.argmax(waited)), float(green @ view.present)
        if best == view.stage or 0 < before_green <= self._platoon:
            return None
        enough = 0.0 if before_green == 0 else self._threshold
        return best if waited[best] > 0 and waited[best] >= enough else None


def _served(signal: Signal) -> Floats:
    """1 where a movement must wait for a stage, shape ``[stages, movements]``."""
    serves = np.zeros((len(signal.stages), len(signal.movements)))
    for k, stage in enumerate(signal.stages):
        serves[k, [m for m in stage.movements if not free_turn(signal, m)]] = 1.0
    return serves
