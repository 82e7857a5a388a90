"""What detectors see: a camera of finite range at every approach and exit of a signal.

A camera counts vehicles per lane within its range of the stop line, and standing ones among them (below 0.1 m/s,
SUMO's halting speed). Where a lane serves several movements, before or at the stop line, it cannot tell them apart and
each gets an equal share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from greenband.errors import BadInput
from greenband.network import Network, Signal

__all__ = ["Camera", "Measurement", "SensingConfig", "SignalView"]

Floats = npt.NDArray[np.float64]
STANDING_MS = 0.1


@dataclass(frozen=True)
class SensingConfig:
    """``range_m`` is how far a camera sees from the stop line; infinity is all-knowing sensing, for research only.

    Raises:
        BadInput: the range is not positive.
    """

    range_m: float = 80.0

    def __post_init__(self) -> None:
        if not self.range_m > 0:
            raise BadInput(f"sensing range_m must be above 0, not {self.range_m}")


@dataclass(frozen=True)
class SignalView:
    """One signal at one moment. Per movement, shape ``[movements]``: ``approaching`` and ``standing`` vehicles before
    the stop line, ``leaving`` vehicles on the exit lanes. Per stage, shape ``[stages]``: ``red_s`` since it was last
    left, ``allowed`` whether the interlock would take it. ``stage`` is shown, or being brought in if ``in_transition``.
    """

    approaching: Floats
    standing: Floats
    leaving: Floats
    stage: int
    in_transition: bool
    green_s: int
    red_s: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.bool_]

    @property
    def present(self) -> Floats:
        """Approaching plus standing vehicles per movement."""
        return self.approaching + self.standing


@dataclass(frozen=True)
class Measurement:
    """All controlled signals at a simulation time in seconds."""

    time_s: int
    signals: Mapping[str, SignalView]


@dataclass(frozen=True)
class _Patch:
    """A piece of lane that a camera sees: from its start or its end, the whole of it if ``reach_m`` is None."""

    lane: str
    reach_m: float | None
    length_m: float
    at_end: bool


class Camera:
    """The cameras of one signal."""

    def __init__(self, network: Network, signal: Signal, config: SensingConfig) -> None:
        patches: dict[_Patch, int] = {}
        m = len(signal.movements)
        weights_in: list[tuple[int, int, float]] = []
        weights_out: list[tuple[int, int, float]] = []
        served = {lane: 0 for movement in signal.movements for lane in movement.from_lanes}
        for movement in signal.movements:
            for lane in movement.from_lanes:
                served[lane] += 1
        for k, movement in enumerate(signal.movements):
            for lane in movement.from_lanes:
                for patch, share in _upstream(network, lane, config.range_m, 1 / served[lane]):
                    weights_in.append((k, patches.setdefault(patch, len(patches)), share))
            for lane in {link.to_lane for link in signal.links if link.index in movement.links}:
                length = network.lane_length_m(lane)
                reach = config.range_m if length > config.range_m else None
                patch = _Patch(lane, reach, length, at_end=False)
                weights_out.append((k, patches.setdefault(patch, len(patches)), 1.0))
        self._patches = tuple(patches)
        self._in, self._out = np.zeros((m, len(patches))), np.zeros((m, len(patches)))
        for k, p, share in weights_in:
            self._in[k, p] += share
        _share_patches(self._in)
        for k, p, share in weights_out:
            self._out[k, p] = share
        self._counts, self._standing = np.zeros(len(patches)), np.zeros(len(patches))

    def look(self, api: Any) -> tuple[Floats, Floats, Floats]:
        """Moving, standing and leaving vehicles per movement, each of shape ``[movements]``."""
        lane, vehicle = api.lane, api.vehicle
        counts, standing = self._counts, self._standing
        for p, patch in enumerate(self._patches):
            if patch.reach_m is None:
                counts[p] = n = lane.getLastStepVehicleNumber(patch.lane)
                standing[p] = lane.getLastStepHaltingNumber(patch.lane) if n and patch.at_end else 0
                continue
            counts[p], standing[p] = _count_part(lane, vehicle, patch)
        still = self._in @ standing
        return self._in @ counts - still, still, self._out @ counts


def _count_part(lane: Any, vehicle: Any, patch: _Patch) -> tuple[int, int]:
    """Vehicles on part of a lane. SUMO lists a lane's vehicles from its start, so few positions need asking."""
    assert patch.reach_m is not None
    count = standing = 0
    ids = lane.getLastStepVehicleIDs(patch.lane)
    if patch.at_end:
        begin = patch.length_m - patch.reach_m
        for name in reversed(ids):
            if vehicle.getLanePosition(name) < begin:
                break
            count += 1
            standing += vehicle.getSpeed(name) < STANDING_MS
    else:
        for name in ids:
            if vehicle.getLanePosition(name) > patch.reach_m:
                break
            count += 1
    return count, standing


def _upstream(network: Network, lane: str, range_m: float, share: float) -> Iterator[tuple[_Patch, float]]:
    """Pieces of lane within range before the end of ``lane``, across widenings, with the movement's share of each."""
    length = network.lane_length_m(lane)
    if length > range_m:
        yield _Patch(lane, range_m, length, at_end=True), share
        return
    yield _Patch(lane, None, length, at_end=True), share
    rest = range_m - length
    if rest >= 1.0:
        for before in network.upstream_lanes(lane):
            yield from _upstream(network, before, rest, share)


def _share_patches(weights: Floats) -> None:
    """Scale so that each vehicle counts once over all movements that its lane leads to."""
    total = weights.sum(axis=0)
    np.divide(weights, total, out=weights, where=total > 0)
