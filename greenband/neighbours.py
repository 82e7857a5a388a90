"""Which signals are next to each other: what one of them lets go comes to the next."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from greenband.network import Network

__all__ = ["Feed", "feeds", "stop_lines"]

FARTHEST_S = 120.0  # what was let go longer ago than this is a platoon no more


@dataclass(frozen=True)
class Feed:
    """Traffic from one signal to an approach of the next.

    ``departs`` are the movements of the signal ``behind`` that lead there, ``arrives`` those of ``signal`` that start
    from the approach; ``travel_s`` is the time between their stop lines at the speed limits, in s.
    """

    behind: str
    departs: tuple[int, ...]
    signal: str
    arrives: tuple[int, ...]
    travel_s: float


def stop_lines(network: Network) -> dict[tuple[str, str], tuple[str, int]]:
    """Signal and index of the movement, by the edges that it leads from and to."""
    return {
        (m.from_edge, m.to_edge): (signal.id, k)
        for signal in network.signals.values()
        for k, m in enumerate(signal.movements)
    }


def feeds(network: Network) -> tuple[Feed, ...]:
    """All feeds of a network, as far as ``FARTHEST_S``; at a junction without signal traffic may come every way."""
    lines, before = stop_lines(network), _before(network)
    found = []
    for signal in network.signals.values():
        for approach in dict.fromkeys(movement.from_edge for movement in signal.movements):
            arrives = tuple(k for k, movement in enumerate(signal.movements) if movement.from_edge == approach)
            departs: dict[tuple[str, float], list[int]] = {}
            for (behind, movement), travel_s in _upstream(network, approach, before, lines):
                departs.setdefault((behind, travel_s), []).append(movement)
            found += [
                Feed(behind, tuple(movements), signal.id, arrives, travel_s)
                for (behind, travel_s), movements in departs.items()
                if behind != signal.id
            ]
    return tuple(found)


def _before(network: Network) -> dict[str, list[str]]:
    """Per edge the edges from which a car may drive onto it."""
    before: dict[str, list[str]] = {}
    for edge, after in network.drives.items():
        for onto in after:
            before.setdefault(onto, []).append(edge)
    return before


def _upstream(
    network: Network,
    approach: str,
    before: Mapping[str, list[str]],
    lines: Mapping[tuple[str, str], tuple[str, int]],
) -> Iterator[tuple[tuple[str, int], float]]:
    """Stop lines from which ``approach`` is reached without passing another, with the least time in s (Dijkstra)."""
    frontier, done = [(network.edge_time_s(approach), approach)], set[str]()
    while frontier:
        travel_s, edge = heapq.heappop(frontier)
        if edge in done:
            continue
        done.add(edge)
        for earlier in before.get(edge, ()):
            if (line := lines.get((earlier, edge))) is not None:
                yield line, travel_s
            elif travel_s + network.edge_time_s(earlier) <= FARTHEST_S:
                heapq.heappush(frontier, (travel_s + network.edge_time_s(earlier), earlier))
