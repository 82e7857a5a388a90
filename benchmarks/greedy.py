"""Max-wave and max-pressure to the letter, as simple scripts have them: they ask SUMO, not greenband's detectors.

Counted at a signal are vehicles on its stop-line lanes (those that end at it) within reach of the stop line. A stage's
score is the sum over its green links, permissive ones included. Each signal shows the stage of the highest score; ties
go to the first. greenband's own rules share out lanes by movements instead, count moving vehicles for pressure too, and
keep the present stage in ties.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenband.control import ControlLoop
from greenband.evaluation.tasks import violations_of
from greenband.metrics import read_travel, travel_metrics
from greenband.network import Signal
from greenband.scenario import Scenario
from greenband.simulation import Records

STANDING_MS = 0.1  # below it SUMO counts a vehicle as waiting


@dataclass(frozen=True)
class Seen:
    """A vehicle on a stop-line lane, the link index that it takes next at the signal there, and its speed in m/s."""

    id: str
    lane: str
    link: int
    speed_ms: float


class MaxWave:
    """Serves most vehicles, moving or standing, within 50 m of the stop line, each for the link it takes next."""

    reach_m = 50.0

    def __init__(self, signals: Mapping[str, Signal]) -> None:
        self._signals = signals

    def decide(self, api: Any) -> dict[str, int]:
        """Stage index per signal; ``api`` is a running SUMO."""
        counted = {name: self.counted(name, self._seen(api, name)) for name in self._signals}
        lanes = Counter(vehicle.lane for vehicles in counted.values() for vehicle in vehicles)
        return {name: self._best(name, Counter(v.link for v in counted[name]), lanes) for name in self._signals}

    def counted(self, name: str, seen: list[Seen]) -> list[Seen]:
        """Those of the vehicles seen before a signal that count."""
        return seen

    def scores(self, signal: Signal, links: Mapping[int, int], lanes: Mapping[str, int]) -> list[int]:
        """Score of each link of ``signal``, in their order, from the vehicles counted per link index and, at all
        signals, per stop-line lane.
        """
        return [links[link.index] for link in signal.links]

    def _best(self, name: str, links: Mapping[int, int], lanes: Mapping[str, int]) -> int:
        signal = self._signals[name]
        scored = list(zip(signal.links, self.scores(signal, links, lanes), strict=True))
        totals = [sum(score for link, score in scored if link.index in stage.greens) for stage in signal.stages]
        return totals.index(max(totals))

    def _seen(self, api: Any, name: str) -> list[Seen]:
        seen = []
        for lane in sorted({link.from_lane for link in self._signals[name].links}):
            for vehicle in api.lane.getLastStepVehicleIDs(lane):
                ahead = api.vehicle.getNextTLS(vehicle)  # signals ahead: id, link index, distance in m, lamp
                if ahead and ahead[0][0] == name and ahead[0][2] <= self.reach_m:
                    seen.append(Seen(vehicle, lane, ahead[0][1], api.vehicle.getSpeed(vehicle)))
        return seen


class MaxPressure(MaxWave):
    """Serves the longest queues within 200 m, less those on the exit lanes.

    A vehicle is in the queue from the first decision at which it stands (below 0.1 m/s) until it is no longer seen
    before the signal: one that has begun to move still counts. A queue counts for every link of its lane, whichever way
    its vehicles go. From it goes that on the link's exit lane, if this is a stop-line lane of a next signal; else none
    is seen. Keeps the queues; for one run only.
    """

    reach_m = 200.0

    def __init__(self, signals: Mapping[str, Signal]) -> None:
        super().__init__(signals)
        self._queued: dict[str, set[str]] = {name: set() for name in signals}

    def counted(self, name: str, seen: list[Seen]) -> list[Seen]:
        """Those that stand, or stood at an earlier decision."""
        queue = [v for v in seen if v.speed_ms < STANDING_MS or v.id in self._queued[name]]
        self._queued[name] = {vehicle.id for vehicle in queue}
        return queue

    def scores(self, signal: Signal, links: Mapping[int, int], lanes: Mapping[str, int]) -> list[int]:
        """Queue before each link less that on its exit lane."""
        return [lanes[link.from_lane] - lanes[link.to_lane] for link in signal.links]


@dataclass(frozen=True)
class Task:
    """One simulation to do: a class of rule decides every ``interval_s``."""

    rule: type[MaxWave]
    scenario: Scenario
    period: str
    seed: int
    interval_s: int


def run_one(task: Task) -> tuple[float, int]:
    """Delay in s/veh and broken safety rules of a run, read as those of greenband's subjects are."""
    scenario, period = task.scenario, task.scenario.period(task.period)
    signals = scenario.network.signals
    rule, loop = task.rule(signals), ControlLoop(scenario, task.period, by_the_clock=signals)
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        records = Records(Path(folder))
        try:
            loop.reset(task.seed, records=records)
            while not loop.done:
                loop.step(rule.decide(loop.simulation.api), task.interval_s)
        finally:
            loop.close()
        travel = read_travel(records, period.end_s, scenario.vehicle_classes(task.period))
        delay_s = travel_metrics(travel.within(period.begin_s, period.end_s), scenario)["delay_s"]
        return delay_s, sum(len(violations_of(scenario, name, records.lamps(name))) for name in signals)
