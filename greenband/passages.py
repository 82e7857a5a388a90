"""Who passed where and when in a simulation, from SUMO's record of the time at which each vehicle left each edge."""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from greenband.control import Controller, run
from greenband.counts import Count
from greenband.errors import SimulationError
from greenband.scenario import Scenario
from greenband.simulation import Records

__all__ = ["Journey", "Passages", "drive", "journeys", "stop_lines"]


class Journey(NamedTuple):
    """A vehicle's edges in order and when it left each of them, in s; -1 for those not left by the end of the run."""

    id: str
    edges: tuple[str, ...]
    left_s: tuple[float, ...]


class Passages:
    """When vehicles left edges: sorted times in s per location, ``from`` and ``from>to``."""

    def __init__(self, events: Iterable[tuple[str, str, float]]) -> None:
        self._times: dict[str, list[float]] = {}
        for from_edge, to_edge, time_s in events:
            self._times.setdefault(from_edge, []).append(time_s)
            if to_edge:
                self._times.setdefault(f"{from_edge}>{to_edge}", []).append(time_s)
        for times in self._times.values():
            times.sort()

    def veh(self, location: str, begin_s: float, end_s: float) -> int:
        """Vehicles that passed a location in ``[begin_s, end_s)``."""
        times = self._times.get(location, [])
        return bisect_left(times, end_s) - bisect_left(times, begin_s)

    @classmethod
    def load(cls, records: Records) -> Passages:
        """Read the routes of a session that was run with ``Records(..., passages=True)``.

        Raises:
            SimulationError: SUMO did not complete the file.
        """
        return cls(_events(journeys(records)))


def journeys(records: Records) -> Iterator[Journey]:
    """All vehicles that entered in a session that was run with ``Records(..., passages=True)``, on the way they took.

    Raises:
        SimulationError: SUMO did not complete the file.
    """
    try:
        for _, item in ET.iterparse(records.routes):
            if item.tag == "vehicle":
                route = item.find("route")
                assert route is not None
                edges, times = route.attrib["edges"].split(), route.attrib["exitTimes"].split()
                yield Journey(item.attrib["id"], tuple(edges), tuple(map(float, times)))
                item.clear()
    except (OSError, ET.ParseError) as error:
        raise SimulationError(f"{records.routes}: SUMO's route record is incomplete: {error}") from error


def _events(found: Iterable[Journey]) -> Iterator[tuple[str, str, float]]:
    """Edge left, edge entered (empty at the trip's end), and time in s."""
    for journey in found:
        for edge, onto, time in zip(journey.edges, [*journey.edges[1:], ""], journey.left_s, strict=True):
            if time >= 0:
                yield edge, onto, time


def drive(scenario: Scenario, period: str, seed: int, controller: Controller) -> Passages:
    """Simulate a period, warm-up included, and tell who passed where and when.

    Raises:
        BadInput: the controller does not fit the scenario.
        SimulationError: SUMO failed.
    """
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        records = Records(Path(folder), passages=True)
        run(controller, scenario, period, seed, records=records)
        return Passages.load(records)


def stop_lines(scenario: Scenario, passages: Passages, begin_s: int, end_s: int) -> list[Count]:
    """Vehicles per movement of the scenario's signals that crossed the stop line in ``[begin_s, end_s)``."""
    movements = [movement for signal in scenario.network.signals.values() for movement in signal.movements]
    return [
        Count(m.from_edge, m.to_edge, begin_s, end_s, passages.veh(m.id, begin_s, end_s))
        for m in movements
        if m.to_edge in scenario.network.drives.get(m.from_edge, ())
    ]
