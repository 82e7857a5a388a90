"""How detectors err and fail: missed vehicles, noise, dropouts, and the last good values that are held meanwhile.

Everything is drawn from generators that the run's seed gives, apart from SUMO's: the same seed gives the same failures
at the same times, however often is measured.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from greenband.detectors import Layout
from greenband.sensing import SensingConfig

__all__ = ["Dropouts", "Faults"]

Floats = npt.NDArray[np.float64]
STREAM = 7_321  # tells these generators from others of the same seed


class Faults:
    """What the detectors of one signal make of their true readings, over one run.

    Args:
        layout: of the readings.
        config: how they err and fail.
        seed: of the run.
        signal: number of the signal among the scenario's.
        start_s: when the run starts.
    """

    def __init__(self, layout: Layout, config: SensingConfig, seed: int, signal: int, start_s: float) -> None:
        self._layout, self._config = layout, config
        self._rng, rng = np.random.default_rng([STREAM, signal, seed]).spawn(2)
        n = layout.serves.shape[1]
        self._dropouts = Dropouts(n, config, rng, start_s) if config.drops_out else None
        self._good_s = np.full(n, -math.inf)  # when each detector last worked
        self._values = np.zeros(len(layout.owner))

    def spoil(self, readings: Floats, time_s: float) -> Floats:
        """What is known of the readings at a time, shape ``[readings]``: seen through the detectors that work, and
        last good values of those that do not, for as long as they are held; then 0. A dead detector counts no passing.
        """
        seen = self._see(readings)
        if self._dropouts is None:
            self._good_s[:] = time_s
            return seen
        working = self._dropouts.working(time_s)
        self._good_s[working] = time_s
        fresh, owner = working[self._layout.owner], self._layout.owner
        self._values = np.where(fresh, seen, self._values)
        held = self._layout.momentary & (time_s - self._good_s <= self._config.hold_s)[owner]
        return np.where(fresh | held, self._values, 0.0)

    def dead(self, time_s: float) -> list[int]:
        """Movements, by number, that have no working detector at a time; times must not go back."""
        if self._dropouts is None:
            return []
        working = self._layout.serves & self._dropouts.working(time_s)
        return [int(k) for k in np.flatnonzero(~working.any(axis=1))]

    def blind_s(self, time_s: float) -> float:
        """For how long some movement has had no working detector: 0 if none is without, infinite if one always was."""
        dead_s = time_s - self._good_s
        return float(np.where(self._layout.serves, dead_s, math.inf).min(axis=1).max())

    def _see(self, readings: Floats) -> Floats:
        """Each vehicle is missed at random; counts of the rest err by a factor of mean 1.

        The factor is gamma distributed, so that none is negative and the mean is kept whatever its deviation.
        """
        seen = readings
        if self._config.miss_rate:
            seen = self._rng.binomial(readings.astype(np.int64), 1 - self._config.miss_rate).astype(np.float64)
        if self._config.noise:
            variance = self._config.noise**2
            factors = self._rng.gamma(1 / variance, variance, len(seen))
            seen = np.where(self._layout.count, seen * factors, seen)
        return seen


class Dropouts:
    """Which of a signal's detectors work: each fails by itself, and the whole junction at times.

    Working times and outages are exponential with the configured means. A run starts in the steady state, not with
    everything in order: an outage of hours has often begun before.
    """

    def __init__(self, detectors: int, config: SensingConfig, rng: np.random.Generator, start_s: float) -> None:
        junction, *single = rng.spawn(1 + detectors)
        self._junction = _Unit(config.junction_dropout_per_h, config.junction_dropout_s, junction, start_s)
        self._single = [_Unit(config.dropout_per_h, config.dropout_s, stream, start_s) for stream in single]

    def working(self, time_s: float) -> npt.NDArray[np.bool_]:
        """Per detector, shape ``[detectors]``; times must not go back."""
        whole = self._junction.works(time_s)
        return np.array([unit.works(time_s) and whole for unit in self._single])


class _Unit:
    """Something that works and fails by turns."""

    def __init__(self, per_h: float, outage_s: float, rng: np.random.Generator, start_s: float) -> None:
        self._rng = rng
        self._working_s = 3600 / per_h if per_h else math.inf
        self._outage_s = outage_s
        self._works = bool(rng.random() < 1 / (1 + outage_s / self._working_s))
        self._until_s = start_s + self._spell_s()

    def works(self, time_s: float) -> bool:
        while self._until_s <= time_s:
            self._works = not self._works
            self._until_s += self._spell_s()
        return self._works

    def _spell_s(self) -> float:
        mean_s = self._working_s if self._works else self._outage_s
        return float(self._rng.exponential(mean_s)) if math.isfinite(mean_s) else math.inf
