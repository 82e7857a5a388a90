"""Keeps a junction clear of vehicles that turn across oncoming traffic.

Those that wait for a gap behind the stop line need time to go before crossing traffic comes. Where little yellow and no
all-red gives it, they and those behind them stand in the way of crossing traffic, which stands in theirs: in SUMO they
never move again, unless it removes them.
"""

from __future__ import annotations

from typing import Any

from greenband.network import Movement, Signal

__all__ = ["TurnClearing"]

ACROSS = ("far", "back")  # turns that cross oncoming traffic
SLOW_MS = 3.0  # below, a vehicle waits or has just set off


class TurnClearing:
    """Puts off the end of a signal's stages while such vehicles wait within the junction.

    A request for another stage waits for up to ``longest_s`` until they are gone. Then comes a stage in which they need
    not yield, if there is one, before the one that was asked for. Keeps when it began to wait; ``reset`` for each run.

    Args:
        signal: whose stages; in one with ``g`` for such a turn its vehicles have to yield.
        longest_s: how long a request waits, s.
    """

    def __init__(self, signal: Signal, longest_s: int) -> None:
        self._longest_s = longest_s
        self._waiting_lanes: list[list[str]] = []
        self._clearing: list[list[int]] = []
        for stage in signal.stages:
            turning = [m for m in signal.movements if m.turn in ACROSS and _lamps(m, stage.state) <= {"g"}]
            inside = {link.index: link.via_lane for link in signal.links if link.via_lane}
            self._waiting_lanes.append([inside[k] for movement in turning for k in movement.links if k in inside])
            self._clearing.append(
                [k for k, other in enumerate(signal.stages) if all(_lamps(m, other.state) == {"G"} for m in turning)]
            )
        self.reset()

    def reset(self) -> None:
        """Start a new run."""
        self._since_s: int | None = None

    def guide(self, api: Any, shown: int, wanted: int, now_s: int) -> int:
        """Index of the stage to ask for at ``now_s``, s, where ``shown`` is and ``wanted`` was asked for.

        ``api`` is a running SUMO.
        """
        clearing = self._clearing[shown]
        if wanted == shown or not self._held(api, shown):
            self._since_s = None
            return wanted
        if wanted in clearing:
            return wanted
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s < self._longest_s:
            return shown
        return clearing[0] if clearing else wanted

    def _held(self, api: Any, shown: int) -> bool:
        inside = (name for lane in self._waiting_lanes[shown] for name in api.lane.getLastStepVehicleIDs(lane))
        return any(api.vehicle.getSpeed(name) < SLOW_MS for name in inside)


def _lamps(movement: Movement, state: str) -> set[str]:
    return {state[link] for link in movement.links}
