"""Traffic on its way between signals, forecast from what was seen to leave the one behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from greenband.neighbours import Feed
from greenband.network import Network

__all__ = ["HORIZONS_S", "Platoons"]

Floats = npt.NDArray[np.float64]

HORIZONS_S = (0.0, 10.0, 25.0, 45.0)  # arrivals are told for the times between these, in s from now
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
        self._departs = np.zeros((len(feeds), width), np.bool_)
        self._ahead = np.array([place[feed.signal] for feed in feeds], dtype=np.int64)
        self._share = np.zeros((len(feeds), width))  # of an approach's vehicles that come to each movement
        for f, feed in enumerate(feeds):
            self._departs[f, list(feed.departs)] = True
            lanes = [len(network.signals[feed.signal].movements[k].from_lanes) for k in feed.arrives]
            self._share[f, list(feed.arrives)] = np.array(lanes) / sum(lanes)
        self._travel_s = np.array([feed.travel_s for feed in feeds])
        self.reset()

    def reset(self) -> None:
        """Forget the past run."""
        self._seen: deque[tuple[int, Floats]] = deque()  # time in s, vehicles that left since the time before by feed

    def forecast(self, time_s: int, leaving: Floats) -> Floats:
        """Vehicles to come, per signal and movement, between the ``HORIZONS_S``.

        Args:
            time_s: now, later than at the last call.
            leaving: vehicles seen on the exits, per signal and movement, shape ``[signals, width]``.

        Returns:
            Shape ``[signals, width, len(HORIZONS_S) - 1]``.
        """
        on_exits = np.where(self._departs, leaving[self._behind], 0.0).max(axis=1, initial=0.0)
        since_s = time_s - self._seen[-1][0] if self._seen else IN_SIGHT_S
        self._seen.append((time_s, on_exits * since_s / IN_SIGHT_S))
        oldest_s = time_s - self._travel_s.max(initial=0.0)
        while self._seen[0][0] < oldest_s:
            self._seen.popleft()
        due_s = np.array([self._travel_s - (time_s - then_s) for then_s, _ in self._seen])
        bins = np.searchsorted(HORIZONS_S, due_s, side="right") - 1
        left = np.array([count for _, count in self._seen])
        sums = [np.where(bins == k, left, 0.0).sum(axis=0) for k in range(len(HORIZONS_S) - 1)]
        forecast = np.zeros((*leaving.shape, len(sums)))
        np.add.at(forecast, self._ahead, self._share[:, :, None] * np.stack(sums, axis=1)[:, None])
        return forecast
