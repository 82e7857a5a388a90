"""Traffic on its way between signals, forecast from what was seen to leave the one behind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from greenband.neighbours import Feed
from greenband.network import Network

__all__ = ["HORIZONS_S", "Platoons"]

Floats = npt.NDArray[np.float64]

HORIZONS_S = (0.0, 10.0, 25.0, 45.0)  # arrivals are told for the times between these, in s from now
BEGINS_S, ENDS_S = np.array([*pairwise(HORIZONS_S)]).T[:, :, None, None]  # [horizons, 1, 1], beside [times, feeds]
IN_SIGHT_S = 6.0  # for which a camera of 80 m sees a vehicle that leaves at about 50 km/h


class Platoons:
    """Vehicles that will come to the stop lines of each movement soon.

    A vehicle that is seen to leave one signal comes to the next after the time of travel at the speed limit. Which way
    it will go there is not known, so an approach's movements share it by their lanes.

    Args:
        network: the signals.
        feeds: what comes from where.
        width: the most movements of a signal.
    """

    def __init__(self, network: Network, feeds: Sequence[Feed], width: int) -> None:
        place = {name: s for s, name in enumerate(network.signals)}
        self._behind = np.array([place[feed.behind] for feed in feeds], dtype=np.int64)
        self._departs = np.zeros((width, len(feeds)))  # 1 where a movement leads into a feed
        self._onto = np.zeros((len(place), len(feeds)))  # 1 where a feed comes to a signal
        self._share = np.zeros((len(feeds), width))  # of an approach's vehicles that come to each movement
        for f, feed in enumerate(feeds):
            self._departs[list(feed.departs), f] = 1.0
            self._onto[place[feed.signal], f] = 1.0
            lanes = [len(network.signals[feed.signal].movements[k].from_lanes) for k in feed.arrives]
            self._share[f, list(feed.arrives)] = np.array(lanes) / sum(lanes)
        self._travel_s = np.array([feed.travel_s for feed in feeds])
        self._longest_s = self._travel_s.max(initial=0.0)
        self.reset()

    def reset(self) -> None:
        """Forget the past run."""
        self._then_s = np.zeros(0)  # when was looked
        self._left = np.zeros((0, len(self._travel_s)))  # vehicles by feed that had left since the time before

    def forecast(self, time_s: int, leaving: Floats) -> Floats:
        """Vehicles to come, per signal and movement, between the ``HORIZONS_S``.

        Args:
            time_s: now, later than at the last call.
            leaving: vehicles seen on the exits, per signal and movement, shape ``[signals, width]``.

        Returns:
            Shape ``[signals, width, len(HORIZONS_S) - 1]``.
        """
        on_exits = (self._departs * leaving.T[:, self._behind]).max(axis=0, initial=0.0)
        since_s = time_s - self._then_s[-1] if len(self._then_s) else IN_SIGHT_S
        over = self._then_s.searchsorted(time_s - self._longest_s)
        self._then_s = np.concatenate([self._then_s[over:], [time_s]])
        self._left = np.concatenate([self._left[over:], (on_exits * since_s / IN_SIGHT_S)[None]])
        due_s = self._travel_s - (time_s - self._then_s[:, None])
        within = (due_s >= BEGINS_S) & (due_s < ENDS_S)
        coming = np.where(within, self._left, 0.0).sum(axis=1)
        return np.ascontiguousarray((self._onto @ (self._share * coming[:, :, None])).transpose(1, 2, 0))
