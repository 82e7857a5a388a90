"""Offsets that let platoons arrive on green.

Model, after TRANSYT (Robertson, Road Research Laboratory report LR 253, 1969): a signal releases a queue at saturation
flow and then arrivals as they come; on the link a platoon disperses by Robertson's recursion
``q'(t + T) = F q(t) + (1 - F) q'(t + T - 1)`` with ``T = 0.8 t`` and ``F = 1 / (1 + 0.35 T)``, where t is the mean
travel time; at the next signal it meets a queue of its own stop line. For each pair of neighbouring signals every whole
second of offset difference is tried, and the least delay over both directions, weighted by flow, is kept. Pairs are
taken independently: exact along a chain, and in a general network along the spanning tree that carries most traffic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from greenband.demand import Demand
from greenband.neighbours import stop_lines
from greenband.network import Network
from greenband.plan.artery import passes
from greenband.plan.display import lamps_by_second
from greenband.plan.model import TimingPlan
from greenband.plan.splits import SATURATION_VEH_H_LANE, free_turn, lane_group, movement_flows
from greenband.signals import GREEN

__all__ = ["Stream", "align", "best_difference", "disperse", "release", "streams"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

START_UP_S = 3.0  # what a vehicle loses to standing start: about v / (2 a) = 13.9 / (2 x 2.0)
ALPHA, BETA = 0.35, 0.8  # Robertson's platoon dispersion and travel time factors
FULLEST = 0.95  # a queue is modelled with at most this share of its capacity, so that it repeats every cycle


@dataclass(frozen=True)
class Stream:
    """Vehicles that pass two signals one after the other.

    ``departs`` and ``arrives`` index the movements of the upstream and the downstream signal.
    """

    upstream: str
    departs: int
    downstream: str
    arrives: int
    veh_h: float
    travel_s: float


def streams(network: Network, table: Demand) -> list[Stream]:
    """All streams between neighbouring signals, from the routes of a flow table; sorted by their ends."""
    at = stop_lines(network)
    veh_h: dict[tuple[str, int, str, int], float] = {}
    travel_s: dict[tuple[str, int, str, int], float] = {}
    for flow in table.motor_flows:
        for key, seconds in _passages(network, flow.edges, at):
            veh_h[key] = veh_h.get(key, 0.0) + flow.veh_h
            travel_s[key] = seconds
    return [Stream(*key, veh_h[key], travel_s[key]) for key in sorted(veh_h)]


def _passages(
    network: Network, edges: Sequence[str], at: Mapping[tuple[str, str], tuple[str, int]]
) -> Iterator[tuple[tuple[str, int, str, int], float]]:
    """Consecutive signals of a route with the time between their stop lines in s, from a standing start."""
    for before, here in itertools.pairwise(passes(network, edges, at)):
        if before.signal != here.signal:
            yield (before.signal, before.movement, here.signal, here.movement), here.at_s - before.at_s + START_UP_S


def release(arrivals: Floats, green: Bools, saturation: float) -> tuple[Floats, Floats]:
    """A queue at a signal that repeats every cycle.

    Args:
        arrivals: vehicles per second of the cycle, shape ``[..., cycle]``.
        green: whether each second is green, shape ``[cycle]``.
        saturation: vehicles per second that leave a standing queue.

    Returns:
        departures per second, shape ``[..., cycle]``, and vehicle-seconds waited per cycle, shape ``[...]``.
    """
    capacity = FULLEST * saturation * green.sum()
    demand = arrivals.sum(axis=-1, keepdims=True)
    inflow = arrivals * np.minimum(1.0, capacity / np.maximum(demand, 1e-12))
    by_second = np.moveaxis(inflow, -1, 0).copy()
    left = np.zeros_like(by_second)
    queue, waited = np.zeros(by_second.shape[1:]), np.zeros(by_second.shape[1:])
    for _ in range(2):  # below capacity the queue of the second cycle already repeats
        waited = np.zeros_like(waited)
        for t, go in enumerate(green):
            queue = queue + by_second[t]
            left[t] = np.minimum(queue, saturation) if go else 0.0
            queue = queue - left[t]
            waited += queue
    return np.moveaxis(left, 0, -1), waited


def disperse(departures: Floats, travel_s: float) -> Floats:
    """Arrivals at the end of a link, per second of the cycle, by Robertson's recursion; cyclic and exact."""
    cycle = len(departures)
    least = BETA * travel_s
    smoothing = 1 / (1 + ALPHA * least)
    lags = np.arange(cycle)
    weights = smoothing * (1 - smoothing) ** lags / (1 - (1 - smoothing) ** cycle)
    spread: Floats = weights[(lags[:, None] - lags) % cycle] @ np.roll(departures, round(least))
    return spread


class _Plans:
    """The plans of a period with the flows through their signals."""

    def __init__(self, network: Network, plans: Mapping[str, TimingPlan], flows: Mapping[str, float]) -> None:
        self._network, self._flows = network, flows
        self._lamps = {name: lamps_by_second(network.signals[name], plan) for name, plan in plans.items()}
        self.cycle_s = {plan.cycle_s for plan in plans.values()}.pop()

    def green(self, name: str, k: int) -> Bools:
        """Seconds of the cycle, from the first stage's green, in which a movement may go; all if it is a free turn."""
        signal = self._network.signals[name]
        if free_turn(signal, k):
            return np.ones(self.cycle_s, dtype=np.bool_)
        links = signal.movements[k].links
        return np.array([any(lamps[i] in GREEN for i in links) for lamps in self._lamps[name]])

    def group(self, name: str, k: int) -> tuple[float, float]:
        """Vehicles per second that arrive at a movement's lanes and that these lanes can release."""
        movements, lanes = lane_group(self._network.signals[name], k)
        flow = sum(self._flows.get(m.id, 0.0) for m in movements)
        return flow / 3600, SATURATION_VEH_H_LANE * len(lanes) / 3600

    def departures(self, stream: Stream) -> Floats:
        """Vehicles of a stream that leave upstream in each second of that signal's cycle."""
        flow, saturation = self.group(stream.upstream, stream.departs)
        uniform = np.full(self.cycle_s, flow)
        left, _ = release(uniform, self.green(stream.upstream, stream.departs), saturation)
        return left * (stream.veh_h / 3600 * self.cycle_s / max(float(left.sum()), 1e-12))


def best_difference(
    network: Network, plans: Mapping[str, TimingPlan], flows: Mapping[str, float], links: Sequence[Stream], first: str
) -> int:
    """Seconds by which the other signal's offset should exceed that of ``first``; ``links`` run between the two."""
    model = _Plans(network, plans, flows)
    waited = np.zeros(model.cycle_s)
    for arrives in sorted({(s.downstream, s.arrives) for s in links}):
        if free_turn(network.signals[arrives[0]], arrives[1]):
            continue
        stopping = [s for s in links if (s.downstream, s.arrives) == arrives]
        waited += _waits(model, arrives, stopping, sign=-1 if arrives[0] != first else 1)
    return int(np.argmin(waited.round(6)))


def _waits(model: _Plans, arrives: tuple[str, int], stopping: Sequence[Stream], sign: int) -> Floats:
    """Vehicle-seconds per cycle at one stop line for every offset difference; ``sign`` -1 if it is the later signal."""
    flow, saturation = model.group(*arrives)
    platoons = sum((disperse(model.departures(s), s.travel_s) for s in stopping), np.zeros(model.cycle_s))
    others = max(0.0, flow - sum(s.veh_h for s in stopping) / 3600)
    shifted = np.stack([np.roll(platoons, sign * d) for d in range(model.cycle_s)])
    return release(shifted + others, model.green(*arrives), saturation)[1]


def align(network: Network, plans: Mapping[str, TimingPlan], table: Demand) -> dict[str, TimingPlan]:
    """The plans with offsets for least delay; the first signal of each connected part keeps offset 0.

    All plans must have one cycle.
    """
    found = streams(network, table)
    pairs: dict[tuple[str, str], list[Stream]] = {}
    for stream in found:
        low, high = sorted((stream.upstream, stream.downstream))
        pairs.setdefault((low, high), []).append(stream)
    offsets: dict[str, int] = {}
    tree = _spanning_tree(pairs)
    for root in plans:
        if root not in offsets:
            offsets[root] = 0
            _spread(root, offsets, tree, network, plans, movement_flows(table))
    return {name: plan.model_copy(update={"offset_s": offsets[name] % plan.cycle_s}) for name, plan in plans.items()}


def _spanning_tree(pairs: Mapping[tuple[str, str], Sequence[Stream]]) -> dict[tuple[str, str], Sequence[Stream]]:
    """The pairs of a spanning forest with the most vehicles (Kruskal's algorithm)."""
    part = {name: name for pair in pairs for name in pair}

    def root(name: str) -> str:
        while part[name] != name:
            name = part[name]
        return name

    tree: dict[tuple[str, str], Sequence[Stream]] = {}
    for pair in sorted(pairs, key=lambda p: (-sum(s.veh_h for s in pairs[p]), p)):
        a, b = root(pair[0]), root(pair[1])
        if a != b:
            part[b] = a
            tree[pair] = pairs[pair]
    return tree


def _spread(
    start: str,
    offsets: dict[str, int],
    tree: Mapping[tuple[str, str], Sequence[Stream]],
    network: Network,
    plans: Mapping[str, TimingPlan],
    flows: Mapping[str, float],
) -> None:
    """Offsets of all signals that the tree connects to ``start``, pair by pair."""
    frontier = [start]
    while frontier:
        here = frontier.pop(0)
        for pair, links in tree.items():
            there = pair[1] if pair[0] == here else pair[0]
            if here in pair and there not in offsets:
                offsets[there] = offsets[here] + best_difference(network, plans, flows, links, here)
                frontier.append(there)
