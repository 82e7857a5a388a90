"""Traffic demand: route flows in veh/h, and one random hour of arrivals drawn from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from greenband.errors import BadInput

__all__ = ["FlowTable", "RouteFlow"]


@dataclass(frozen=True)
class RouteFlow:
    """Vehicles per hour on one route; ``edges`` in driving order."""

    id: str
    edges: tuple[str, ...]
    veh_h: float


@dataclass(frozen=True)
class FlowTable:
    """Route flows of one period. Vehicle ids are ``<route id>.<number>``, so that a trip tells its route."""

    flows: tuple[RouteFlow, ...]
    vehicle_type: str

    @classmethod
    def load(cls, path: Path) -> FlowTable:
        """Read a flow table written by ``save``.

        Raises:
            BadInput: the file is missing or not a flow table.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            flows = tuple(RouteFlow(f["id"], tuple(f["edges"]), float(f["veh_h"])) for f in data["flows"])
            return cls(flows, data["vehicle_type"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path}: not a flow table: {error}") from error

    def save(self, path: Path) -> None:
        """Write the table as JSON."""
        flows = [{"id": f.id, "edges": list(f.edges), "veh_h": f.veh_h} for f in self.flows]
        path.write_text(json.dumps({"vehicle_type": self.vehicle_type, "flows": flows}, indent=1), encoding="utf-8")

    def draw(self, begin_s: int, end_s: int, seed: int, scale: float = 1.0) -> list[tuple[float, int, int]]:
        """One random realisation of arrivals: sorted (time in s, index of the flow, number within the flow).

        At each entry edge arrivals are a Poisson process conditioned on its expected count: that many times,
        independent and uniform (Ross, Introduction to Probability Models, order-statistic property). So every seed has
        the given flow with fresh headways, and each arrival takes a route in proportion to the flows. A fractional
        count is rounded up with the probability of its fraction.
        """
        rng = np.random.default_rng(seed)
        entries: dict[str, list[int]] = {}
        for index, flow in enumerate(self.flows):
            entries.setdefault(flow.edges[0], []).append(index)
        arrivals: list[tuple[float, int]] = []
        for indices in entries.values():
            rates = np.array([self.flows[i].veh_h for i in indices])
            expected = rates.sum() * scale * (end_s - begin_s) / 3600
            count = int(expected) + int(rng.random() < expected % 1)
            times = rng.uniform(begin_s, end_s, count).round(2)
            routes = rng.choice(indices, count, p=rates / rates.sum())
            arrivals.extend(zip(times.tolist(), routes.tolist(), strict=True))
        numbers = [0] * len(self.flows)
        drawn = []
        for time, index in sorted(arrivals):
            drawn.append((time, index, numbers[index]))
            numbers[index] += 1
        return drawn

    def write(self, path: Path, begin_s: int, end_s: int, seed: int, scale: float = 1.0) -> None:
        """Write one realisation (see ``draw``) as a SUMO route file."""
        path.write_text("".join(self._xml(begin_s, end_s, seed, scale)), encoding="utf-8")

    def _xml(self, begin_s: int, end_s: int, seed: int, scale: float) -> Iterator[str]:
        yield "<routes>\n"
        for flow in self.flows:
            yield f"<route id={quoteattr(flow.id)} edges={quoteattr(' '.join(flow.edges))}/>\n"
        kind = quoteattr(self.vehicle_type)
        for time, index, number in self.draw(begin_s, end_s, seed, scale):
            route = self.flows[index].id
            yield (
                f"<vehicle id={quoteattr(f'{route}.{number}')} type={kind} route={quoteattr(route)}"
                f' depart="{time:.2f}" departLane="best" departSpeed="max"/>\n'
            )
        yield "</routes>\n"
