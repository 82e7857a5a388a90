"""The way of an artery on the ground: its edges, and how far along them the stop lines are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from greenband.plan.artery import Artery, Way
from greenband.scenario import Scenario

__all__ = ["Course", "find_course"]


@dataclass(frozen=True)
class Course:
    """One direction of an artery; distances in m from its first stop line, in the direction of travel.

    ``stop_lines_m`` follow the artery's order of signals, so they fall on the way back. ``edge_starts_m`` has every
    edge from the approach to the first stop line to the exit of the last.
    """

    way: Way
    stop_lines_m: tuple[float, ...]
    edge_starts_m: Mapping[str, float]


def find_course(scenario: Scenario, period: str, artery: Artery, way: Way) -> Course | None:
    """Where the way runs: along the first flow that passes all its stop lines; None where no flow does."""
    network = scenario.network
    stops = [
        (network.signals[name].movements[k].from_edge, network.signals[name].movements[k].to_edge)
        for name, k in zip(artery.signals, way.movements, strict=True)
    ]
    for flow in scenario.demand(period).motor_flows:
        if set(stops) <= set(pairwise(flow.edges)):
            return _measure(scenario, way, flow.edges, stops)
    return None


def _measure(scenario: Scenario, way: Way, edges: tuple[str, ...], stops: list[tuple[str, str]]) -> Course:
    network, pairs = scenario.network, list(pairwise(edges))
    inside = {
        (link.from_edge, link.to_edge): link.length_m for signal in network.signals.values() for link in signal.links
    }
    starts, ends, reached = [], [], 0.0
    for k, edge in enumerate(edges):
        starts.append(reached)
        reached += network.lane_length_m(f"{edge}_0")
        ends.append(reached)
        reached += inside.get(pairs[k], 0.0) if k < len(pairs) else 0.0
    at = [pairs.index(stop) for stop in stops]
    origin, last = ends[min(at)], max(at) + 1
    return Course(
        way,
        tuple(ends[k] - origin for k in at),
        {edge: starts[k] - origin for k, edge in enumerate(edges[: last + 1])},
    )
