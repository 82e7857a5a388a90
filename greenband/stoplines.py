"""When each vehicle reached and crossed each stop line, from SUMO's record of the times at which it left edges.

A vehicle *arrives* at a stop line when it would have reached it with nothing in its way: the time at which it came onto
the signal's approach, at the stop line of the signal before or where its trip was due to start, plus the approach at
its own free-flow speed (limit times its speed factor). It *leaves* when it crosses the line. Everything that is said of
a stop line follows from these two times and the lamps: delay, queue, arrivals on green, time waited at red.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from greenband.metrics import Trip
from greenband.monitor import Span, read_lamps
from greenband.network import Movement, Network, Signal
from greenband.passages import Journey, journeys
from greenband.scenario import Scenario
from greenband.simulation import Records

__all__ = ["StopLine", "read_stop_lines"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StopLine:
    """One movement's stop line; a row per vehicle, times in s, shape ``[vehicles]``.

    ``left_s`` is infinite for a vehicle that had not crossed by the end of the run. ``greens`` are the times during
    which one of the movement's lamps was green, from begin up to end, shape ``[greens, 2]``.
    """

    signal: str
    movement: Movement
    arrived_s: Floats
    left_s: Floats
    greens: Floats

    def next_green_s(self) -> Floats:
        """Per vehicle, when it could first go: its arrival if the lamp was green then, infinite if none came."""
        if not len(self.greens):
            return np.full(len(self.arrived_s), math.inf)
        begins, ends = self.greens.T
        k = np.searchsorted(ends, self.arrived_s, side="right")
        found: Floats = np.maximum(np.append(begins, math.inf)[k], self.arrived_s)
        return found


class _Visit(NamedTuple):
    """On a route, the edges ``first`` to ``last`` (places on it) that lead to a stop line, and their free-flow time."""

    line: int
    first: int
    last: int
    free_s: float


def read_stop_lines(records: Records, scenario: Scenario, period: str, trips: Sequence[Trip]) -> list[StopLine]:
    """Arrivals and departures of motor vehicles at every stop line of the scenario's signals, warm-up included.

    Vehicles that halt at stops on the way are left out, as the record does not say where they halted; those that never
    found room to enter stand before the first signal of their route, if the demand tells it.

    Args:
        records: of a session that kept passages.
        scenario, period: what was run.
        trips: all trips of the run.

    Raises:
        SimulationError: SUMO did not complete a record.
    """
    network = scenario.network
    lines = [(s, m) for s in network.signals.values() for m in s.movements if _motor(network, m)]
    visits = _Visits(network, lines)
    known = {trip.id: trip for trip in trips if trip.motor and not trip.stop_s}
    arrived: list[list[float]] = [[] for _ in lines]
    left: list[list[float]] = [[] for _ in lines]
    for journey in chain(journeys(records), _outside(known.values(), scenario.demand(period).routes())):
        if trip := known.get(journey.id):
            for line, arrival, departure in visits.of(journey, trip):
                arrived[line].append(arrival)
                left[line].append(departure)
    shown = {name: read_lamps(records.lamps(name))[1] for name in network.signals}
    return [
        StopLine(signal.id, movement, np.array(a), np.array(d), _greens(shown[signal.id], movement.links))
        for (signal, movement), a, d in zip(lines, arrived, left, strict=True)
    ]


class _Visits:
    """Finds the stop lines on routes; thousands of vehicles share a route."""

    def __init__(self, network: Network, lines: Sequence[tuple[Signal, Movement]]) -> None:
        self._network = network
        self._lines = {(m.from_edge, m.to_edge): k for k, (_, m) in enumerate(lines)}
        self._approaches = [frozenset(signal.approaches) for signal, _ in lines]
        self._on = cache(self._find)
        self._time_s = cache(network.edge_time_s)
        self._crossing_s = cache(network.crossing_time_s)

    def of(self, journey: Journey, trip: Trip) -> Iterator[tuple[int, float, float]]:
        """Line, arrival and departure in s of each stop line that a vehicle came to."""
        for visit in self._on(journey.edges):
            free = visit.free_s
            if visit.first:
                came = journey.left_s[visit.first - 1]
                if came < 0:
                    return
            else:
                came = trip.depart_s
                free -= trip.depart_m / self._network.edge_speed_ms(journey.edges[0])
            crossed = journey.left_s[visit.last]
            left = crossed if crossed >= 0 else math.inf
            yield visit.line, min(came + free / trip.speed_factor, left), left

    def _find(self, edges: tuple[str, ...]) -> list[_Visit]:
        found = []
        for last, pair in enumerate(pairwise(edges)):
            if pair in self._lines:
                line = self._lines[pair]
                first = last
                while first and self._leads_on(edges[first - 1], edges[first], line):
                    first -= 1
                found.append(_Visit(line, first, last, self._free_s(edges, first, last)))
        return found

    def _leads_on(self, edge: str, onto: str, line: int) -> bool:
        """Whether an edge is still part of a line's approach, with no other stop line at its end."""
        return edge in self._approaches[line] and (edge, onto) not in self._lines

    def _free_s(self, edges: tuple[str, ...], first: int, last: int) -> float:
        crossings = sum(self._crossing_s(edges[k - 1], edges[k]) for k in range(max(first, 1), last + 1))
        return sum(self._time_s(edge) for edge in edges[first : last + 1]) + crossings


def _motor(network: Network, movement: Movement) -> bool:
    return movement.to_edge in network.drives.get(movement.from_edge, ())


def _outside(trips: Iterable[Trip], routes: Mapping[str, tuple[str, ...]]) -> Iterator[Journey]:
    """The journeys that never began, of vehicles known by their own id, their flow's or that of whom they double."""
    for trip in trips:
        names = () if trip.entered else (trip.id, f"{trip.route}.", trip.id.rpartition("+")[0])
        for edges in [routes[name] for name in names if name in routes][:1]:
            yield Journey(trip.id, edges, (-1.0,) * len(edges))


def _greens(shown: Sequence[Span], links: Sequence[int]) -> Floats:
    """When any of some links was green, shape ``[greens, 2]``."""
    greens: list[list[float]] = []
    for span in shown:
        if any(span.lamps[link] in "Gg" for link in links):
            if greens and greens[-1][1] == span.begin:
                greens[-1][1] = span.end
            else:
                greens.append([span.begin, span.end])
    return np.array(greens, dtype=float).reshape(-1, 2)
