"""The artery of a scenario: signals one after the other on the main road, and how traffic passes them each way."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from greenband.demand import RouteFlow
from greenband.neighbours import stop_lines
from greenband.network import Network, Signal
from greenband.scenario import Scenario

__all__ = ["SPEED_FACTOR", "Artery", "Pass", "Way", "find_artery", "passes"]

SPEED_FACTOR = 0.95  # mean speed of a free platoon over the speed limit (Graded 'following' of the shipped scenarios)


@dataclass(frozen=True)
class Pass:
    """A vehicle passes a stop line: the signal, the index of its movement, and the time in s since it set out."""

    signal: str
    movement: int
    at_s: float


@dataclass(frozen=True)
class Way:
    """One direction of an artery: per signal, in the artery's order, the movement and the time in s after the first."""

    name: str
    movements: tuple[int, ...]
    passes_s: tuple[float, ...]


@dataclass(frozen=True)
class Artery:
    """Signals in outbound order, and the two directions; ``inbound`` is None on a one-way street."""

    signals: tuple[str, ...]
    outbound: Way
    inbound: Way | None


Line = tuple[Pass, ...]


def passes(network: Network, edges: Sequence[str], lines: Mapping[tuple[str, str], tuple[str, int]]) -> Iterator[Pass]:
    """Stop lines on a route, with the time at which a vehicle in free flow comes to them."""
    seconds = 0.0
    for pair in itertools.pairwise(edges):
        if pair in lines:
            signal, k = lines[pair]
            yield Pass(signal, k, seconds)
            seconds += _crossing_s(network.signals[signal], k)
        seconds += network.lane_length_m(f"{pair[1]}_0") / (SPEED_FACTOR * network.edge_speed_ms(pair[1]))


def _crossing_s(signal: Signal, k: int) -> float:
    link = next(link for link in signal.links if link.index in signal.movements[k].links)
    return link.length_m / (SPEED_FACTOR * link.speed_ms)


def find_artery(scenario: Scenario, period: str) -> Artery | None:
    """The scenario's main road; None where there is no line of two signals or more.

    It is what ``mainline`` names. Elsewhere it is the line of most signals that some route passes straight on, the
    busiest of those as long; its way back is the busiest line of straight movements past the same signals in reverse.
    """
    flows = scenario.demand(period).motor_flows
    named = _mainline(scenario, flows)
    if named:
        (name, there), *others = named.items()
        return _artery(name, there, others)
    lines = _straight_lines(scenario.network, flows)
    if not lines:
        return None
    there = max(lines, key=lambda line: (len(line), lines[line]))
    busiest_first = sorted(lines, key=lambda line: lines[line], reverse=True)
    return _artery("outbound", there, [("inbound", line) for line in busiest_first])


def _mainline(scenario: Scenario, flows: Iterable[RouteFlow]) -> dict[str, Line]:
    """Per direction the signals on its first route, where there are two or more."""
    at = stop_lines(scenario.network)
    edges = {flow.id: flow.edges for flow in flows}
    routes = {name: next((edges[r] for r in ids if r in edges), ()) for name, ids in scenario.mainline.items()}
    found = {name: _each_once(passes(scenario.network, route, at)) for name, route in routes.items()}
    return {name: line for name, line in found.items() if len(line) > 1}


def _each_once(line: Iterable[Pass]) -> Line:
    """A signal with several stop lines on the way counts at the first."""
    first: dict[str, Pass] = {}
    for one in line:
        first.setdefault(one.signal, one)
    return tuple(first.values())


def _straight_lines(network: Network, flows: Iterable[RouteFlow]) -> dict[Line, float]:
    """Lines of two signals or more that routes pass straight on, as long as they go, with their veh/h."""
    at = stop_lines(network)
    veh_h: dict[tuple[tuple[str, int], ...], float] = {}
    lines: dict[tuple[tuple[str, int], ...], Line] = {}
    for flow in flows:
        for straight, run in itertools.groupby(
            passes(network, flow.edges, at),
            key=lambda one: network.signals[one.signal].movements[one.movement].turn == "through",
        ):
            line = _each_once(run)
            if straight and len(line) > 1:
                key = tuple((one.signal, one.movement) for one in line)
                lines.setdefault(key, line)
                veh_h[key] = veh_h.get(key, 0.0) + flow.veh_h
    return {lines[key]: veh_h[key] for key in sorted(lines)}


def _artery(name: str, there: Line, others: Iterable[tuple[str, Line]]) -> Artery:
    """The artery along ``there``, and back along the first of the others that passes its signals in reverse."""
    back = next(((other, way) for other, line in others if (way := _reversed(line, there))), None)
    return Artery(
        tuple(one.signal for one in there), _way(name, there), None if back is None else _way(back[0], back[1])
    )


def _reversed(line: Line, there: Line) -> Line:
    """How a line passes the signals of another, in that one's order; empty if it does not pass them in reverse."""
    wanted = [one.signal for one in reversed(there)]
    on_it = tuple(one for one in line if one.signal in wanted)
    return on_it[::-1] if [one.signal for one in on_it] == wanted else ()


def _way(name: str, line: Line) -> Way:
    return Way(name, tuple(one.movement for one in line), tuple(one.at_s - line[0].at_s for one in line))
