"""Measurement to arrays: one fixed layout for a signal of any shape.

Per stage, padded to ``MAX_STAGES`` rows, ``STAGE_FEATURES``; then ``SIGNAL_FEATURES`` once. All values are scaled to
about [0, 1]. The first feature of each stage is the action mask, so that every learner has it with the observation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from greenband.errors import BadInput
from greenband.network import Network, Signal
from greenband.sensing import Measurement, SignalView
from greenband.signals import Limits

__all__ = ["MAX_STAGES", "OBSERVATION_SIZE", "SIGNAL_FEATURES", "STAGE_FEATURES", "Encoder", "action_mask"]

Array = npt.NDArray[np.float32]

MAX_STAGES = 8
STAGE_FEATURES = (
    "allowed",  # the interlock would take a request for this stage
    "exists",  # 0 in padding
    "present",  # shown, or being brought in
    "red",  # s since it was last left / 120
    "approaching",  # moving vehicles in camera range before its stop lines / 40
    "standing",  # standing vehicles there / 40
    "standing_per_lane",  # of its fullest movement, per lane / 12
    "leaving",  # vehicles on its exits within camera range / 40
    "usual",  # exponential mean of approaching + standing over about 3 minutes / 40
    "lanes",  # lanes it serves / 12
    "min_green",  # s / 30
)
SIGNAL_FEATURES = ("in_transition", "green", "intergreen")  # flag, s / 60, s / 10
OBSERVATION_SIZE = MAX_STAGES * len(STAGE_FEATURES) + len(SIGNAL_FEATURES)
MEMORY_S = 180.0


def action_mask(observation: Array) -> npt.NDArray[np.bool_]:
    """The mask inside observations of shape ``[..., OBSERVATION_SIZE]``, as ``[..., MAX_STAGES]``."""
    width = len(STAGE_FEATURES)
    return observation[..., 0 : MAX_STAGES * width : width] > 0.5


class Encoder:
    """Turns measurements of a network's signals into observations. Keeps a running mean; ``reset`` for each run.

    Raises:
        BadInput: a signal has more than ``MAX_STAGES`` stages.
    """

    def __init__(self, network: Network, limits: Mapping[str, Limits]) -> None:
        self._signals = {name: _SignalEncoder(signal, limits[name]) for name, signal in network.signals.items()}

    def reset(self) -> None:
        """Forget the past run."""
        for encoder in self._signals.values():
            encoder.reset()

    def encode(self, measurement: Measurement) -> Array:
        """Observations of all signals in the network's order, shape ``[signals, OBSERVATION_SIZE]``."""
        rows = [enc.encode(measurement.time_s, measurement.signals[name]) for name, enc in self._signals.items()]
        return np.stack(rows)


class _SignalEncoder:
    def __init__(self, signal: Signal, limits: Limits) -> None:
        n, m = len(signal.stages), len(signal.movements)
        if n > MAX_STAGES:
            raise BadInput(f"signal {signal.id} has {n} stages; observations hold at most {MAX_STAGES}")
        self._serves = np.zeros((n, m))
        for k, stage in enumerate(signal.stages):
            self._serves[k, list(stage.movements)] = 1.0
        lanes = np.array([len(movement.from_lanes) for movement in signal.movements], dtype=float)
        self._per_lane = self._serves / lanes
        self._fixed = np.zeros((MAX_STAGES, len(STAGE_FEATURES)), dtype=np.float32)
        self._fixed[:n, 1] = 1.0
        self._fixed[:n, 9] = self._serves @ lanes / 12
        self._fixed[:n, 10] = np.array(limits.min_green_s) / 30
        self._intergreen = limits.intergreen_s / 10
        self._n = n
        self.reset()

    def reset(self) -> None:
        self._usual = np.zeros(self._n)
        self._last_s: int | None = None

    def encode(self, time_s: int, view: SignalView) -> Array:
        n, serves = self._n, self._serves
        approaching, standing = serves @ view.approaching, serves @ view.standing
        self._remember(time_s, approaching + standing)
        table = self._fixed.copy()
        table[:n, 0] = view.allowed
        table[view.stage, 2] = 1.0
        table[:n, 3] = view.red_s / 120
        table[:n, 4] = approaching / 40
        table[:n, 5] = standing / 40
        table[:n, 6] = (self._per_lane * view.standing).max(axis=1) / 12
        table[:n, 7] = serves @ view.leaving / 40
        table[:n, 8] = self._usual / 40
        whole = np.array([view.in_transition, view.green_s / 60, self._intergreen], dtype=np.float32)
        return np.concatenate([table.ravel(), whole])

    def _remember(self, time_s: int, present: npt.NDArray[np.float64]) -> None:
        if self._last_s is None:
            self._usual = present.copy()
        else:
            keep = np.exp(-(time_s - self._last_s) / MEMORY_S)
            self._usual = keep * self._usual + (1 - keep) * present
        self._last_s = time_s
