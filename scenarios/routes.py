"""Routes that cars may take through a network, so that every counted place lies on one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from greenband.errors import BadInput
from greenband.network import Network

__all__ = ["Route", "passes", "read_routes", "rim_to_rim"]

Route = tuple[str, ...]
START = -9999  # what scipy writes where a path has no predecessor


def passes(route: Route) -> frozenset[str]:
    """Locations on a route: its edges, and ``from>to`` for each step."""
    return frozenset([*route, *(f"{a}>{b}" for a, b in pairwise(route))])


def rim_to_rim(network: Network, locations: Iterable[str]) -> list[Route]:
    """The fastest free-flow route between any two ends of the network, and one through every location they leave out.

    Raises:
        BadInput: the network has no ends to drive between, or no route passes a location without a loop.
    """
    roads = _Roads(network)
    routes = dict.fromkeys(roads.fastest())
    found = {place for route in routes for place in passes(route)}
    for location in locations:
        if location not in found:
            route = roads.through(location)
            routes[route] = None
            found |= passes(route)
    return list(routes)


def read_routes(path: Path, network: Network) -> list[Route]:
    """The different routes of a SUMO route file.

    Raises:
        BadInput: it is none, has no ``<route>``, or one drives where the network has no way.
    """
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise BadInput(f"{path}: not a SUMO route file: {error}") from error
    routes = dict.fromkeys(tuple(item.get("edges", "").split()) for item in root.iter("route"))
    if not any(routes):
        raise BadInput(f'{path}: it has no <route edges="...">; duarouter makes such a file of trips')
    for route in filter(None, routes):
        for edge, onto in pairwise(route):
            if onto not in network.drives.get(edge, ()):
                raise BadInput(f"{path}: a route drives from {edge!r} onto {onto!r}, which the network has no way for")
    return [route for route in routes if route]


class _Roads:
    """Fastest ways between edges: a graph whose nodes are edges and whose arcs are the turns between them."""

    def __init__(self, network: Network) -> None:
        from scipy.sparse import csr_array

        self._network, self._edges = network, list(network.drives)
        self._number = {edge: k for k, edge in enumerate(self._edges)}
        turns = [(edge, onto) for edge, row in network.drives.items() for onto in row if onto in self._number]
        rows, columns = ([self._number[turn[k]] for turn in turns] for k in (0, 1))
        times = [network.edge_time_s(onto) for _, onto in turns]
        self._graph = csr_array((times, (rows, columns)), shape=(len(self._edges), len(self._edges)))
        self._entries, self._exits = network.rim()
        if not self._entries or not self._exits:
            raise BadInput(f"{network.path}: no road leads into it or none out of it")
        self._from_entries = self._search(self._entries)

    def fastest(self) -> Iterator[Route]:
        """Between any two ends, save back to where one came from."""
        for entry in self._entries:
            for out in self._exits:
                if self._network.edge_ends(entry)[0] != self._network.edge_ends(out)[1]:
                    route = self._way(self._from_entries, entry, out)
                    if route:
                        yield route

    def through(self, location: str) -> Route:
        """The fastest route from end to end over a location."""
        edge, _, onto = location.partition(">")
        onward = self._search([onto or edge])
        pairs = [
            (self._time(self._from_entries, a, edge) + self._time(onward, onto or edge, b), a, b)
            for a in self._entries
            for b in self._exits
        ]
        for time, entry, out in sorted(pairs):
            if np.isfinite(time):
                after = self._way(onward, onto or edge, out)
                route = self._way(self._from_entries, entry, edge) + (after if onto else after[1:])
                if len(set(route)) == len(route):
                    return route
        raise BadInput(f"{self._network.path}: no route from end to end of the network passes {location}")

    def _search(self, starts: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        """Per start, times in s to all edges and each one's predecessor, shape ``[edges]``."""
        from scipy.sparse.csgraph import dijkstra

        numbers = [self._number[start] for start in starts]
        times, before = dijkstra(self._graph, indices=numbers, return_predecessors=True)
        return {start: (times[k], before[k]) for k, start in enumerate(starts)}

    def _time(self, found: dict[str, tuple[Any, Any]], start: str, end: str) -> float:
        return float(found[start][0][self._number[end]])

    def _way(self, found: dict[str, tuple[Any, Any]], start: str, end: str) -> Route:
        """Edges from start to end, empty where there is no way."""
        before, at = found[start][1], self._number[end]
        if start != end and before[at] == START:
            return ()
        way = [at]
        while before[at] != START:
            at = int(before[at])
            way.append(at)
        return tuple(self._edges[k] for k in reversed(way))
