"""Sharing out a cycle's green among stages, in whole seconds."""

from __future__ import annotations

from collections.abc import Sequence

from greenband.demand import Demand
from greenband.errors import BadInput
from greenband.network import Movement, Signal
from greenband.plan.model import StageTiming, TimingPlan
from greenband.signals import GREEN, Limits

__all__ = [
    "SATURATION_VEH_H_LANE",
    "build_plan",
    "free_turn",
    "lane_group",
    "longest_greens",
    "movement_flows",
    "needed_cycle_s",
    "optimal_cycle_s",
    "practical_cycle_s",
    "share_green",
]

MAY_GO = GREEN | {"s"}
SATURATION_VEH_H_LANE = 1650.0  # mixed traffic: Shao et al. 2011, doi 10.1016/j.sbspro.2011.04.471
PRACTICAL = 0.9  # degree of saturation: Webster and Cobbe


def share_green(total_s: int, weights: Sequence[float], minima_s: Sequence[int], maximum_s: int) -> list[int]:
    """Whole-second greens that sum to ``total_s``, in proportion to ``weights`` within the bounds.

    Bounded proportional allocation: stages whose share falls outside their bounds are set to the bound and the rest is
    shared again; fractions go to the largest remainders (Hamilton's method).

    Raises:
        BadInput: the minima exceed the total, or the total exceeds what the maxima allow.
    """
    n = len(weights)
    if sum(minima_s) > total_s or n * maximum_s < total_s:
        raise BadInput(
            f"{total_s} s of green cannot be shared among {n} stages with minima {list(minima_s)} s"
            f" and maximum {maximum_s} s"
        )
    low, high = [float(m) for m in minima_s], [float(maximum_s)] * n
    share = _bounded_shares(float(total_s), [max(w, 1e-9) for w in weights], low, high)
    greens = [int(s + 1e-9) for s in share]
    by_remainder = sorted(range(n), key=lambda i: greens[i] - share[i])
    for i in by_remainder[: total_s - sum(greens)]:
        greens[i] += 1
    return greens


def _bounded_shares(total: float, weights: list[float], low: list[float], high: list[float]) -> list[float]:
    """Shares ``clip(w * x, low, high)`` with x such that they sum to ``total`` (bisection on x)."""
    under, over = 0.0, total / min(weights)
    for _ in range(200):
        x = (under + over) / 2
        share = [min(max(w * x, lo), hi) for w, lo, hi in zip(weights, low, high, strict=True)]
        under, over = (x, over) if sum(share) < total else (under, x)
    return share


def longest_greens(limits: Limits, weights: Sequence[float]) -> list[int]:
    """Maximum green per stage in s, such that no stage is red for longer than the maximum red when all others last.

    As long a round as that allows, shared by ``weights`` within minimum and maximum green.
    """
    n = len(limits.min_green_s)
    if n == 1:
        return [limits.max_green_s]
    others = limits.max_red_s - n * limits.intergreen_s  # green that all stages but one may have together
    most = min(n * limits.max_green_s, others + others // (n - 1))
    for total in range(most, sum(limits.min_green_s), -1):
        greens = share_green(total, weights, limits.min_green_s, limits.max_green_s)
        if total - min(greens) <= others:
            return greens
    return list(limits.min_green_s)


def movement_flows(table: Demand) -> dict[str, float]:
    """Flows in veh/h by movement id (``from>to``), summed over the routes of motor vehicles."""
    flows: dict[str, float] = {}
    for route in table.motor_flows:
        for onto in zip(route.edges, route.edges[1:], strict=False):
            flows[">".join(onto)] = flows.get(">".join(onto), 0.0) + route.veh_h
    return flows


def lane_group(signal: Signal, k: int) -> tuple[list[Movement], set[str]]:
    """The movements that share a lane with movement ``k``, itself included, and all their lanes."""
    group = [m for m in signal.movements if set(m.from_lanes) & set(signal.movements[k].from_lanes)]
    return group, {lane for m in group for lane in m.from_lanes}


def free_turn(signal: Signal, k: int) -> bool:
    """Whether a movement turns to the near side from lanes of its own and may always go, on red after a stop.

    Imported programs may hold back such a turn: there it shows a plain red in some stage.
    """
    own, links = set(signal.movements[k].from_lanes), signal.movements[k].links
    return (
        signal.movements[k].turn == "near"
        and all(own.isdisjoint(m.from_lanes) for i, m in enumerate(signal.movements) if i != k)
        and all(stage.state[index] in MAY_GO for stage in signal.stages for index in links)
    )


def optimal_cycle_s(ratios: Sequence[float], lost_s: float) -> float:
    """Webster's cycle of least delay in s; infinite where demand exceeds capacity at any cycle.

    ``C = (1.5 L + 5) / (1 - Y)``: lost time L in s, sum of the stages' flow ratios Y (Webster, Traffic Signal Settings,
    Road Research Technical Paper 39, 1958).
    """
    spare = 1 - sum(ratios)
    return (1.5 * lost_s + 5) / spare if spare > 0 else float("inf")


def practical_cycle_s(ratios: Sequence[float], lost_s: float, saturation: float) -> float:
    """Shortest cycle in s at which no stage exceeds a degree of saturation; infinite where none is long enough.

    ``C = L x / (x - Y)``: lost time L in s, degree of saturation x, sum of the stages' flow ratios Y (Webster and
    Cobbe, Traffic Signals, Road Research Technical Paper 56, 1966).
    """
    spare = saturation - sum(ratios)
    return lost_s * saturation / spare if spare > 0 else float("inf")


def needed_cycle_s(limits: Limits, ratios: Sequence[float]) -> float:
    """Cycle in s that a signal needs: Webster's optimum.

    Its lost time are the intergreens. Where no traffic needs some stage, its movements being green in others too, the
    minimum green of that is lost as well: then at least the practical cycle for a degree of saturation of 0.9.
    """
    between = limits.intergreen_s * len(ratios)
    unneeded = sum(least for least, ratio in zip(limits.min_green_s, ratios, strict=True) if ratio == 0)
    optimum = optimal_cycle_s(ratios, between)
    return max(optimum, practical_cycle_s(ratios, between + unneeded, PRACTICAL)) if unneeded else optimum


def build_plan(
    signal: Signal,
    limits: Limits,
    cycle_s: int,
    weights: Sequence[float],
    offset_s: int = 0,
    name: str = "",
    order: Sequence[int] | None = None,
    minima_s: Sequence[int] | None = None,
) -> TimingPlan:
    """A plan with every stage of the signal once, green shared by ``weights``.

    ``weights`` and ``minima_s`` (by default the minimum greens) go by stage index; ``order`` is the sequence of stages,
    by default as the signal lists them.

    Raises:
        BadInput: the cycle is too short for minimum greens and intergreens, or too long for the maximum greens.
    """
    n = len(signal.stages)
    lowest = limits.min_green_s if minima_s is None else minima_s
    try:
        greens = share_green(cycle_s - n * limits.intergreen_s, weights, lowest, limits.max_green_s)
    except BadInput as error:
        raise BadInput(f"signal {signal.id}, cycle {cycle_s} s: {error}") from error
    stages = tuple(
        StageTiming(
            stage=k,
            name=signal.stages[k].name,
            movements=tuple(signal.movements[m].id for m in signal.stages[k].movements),
            green_s=greens[k] - min(greens[k], limits.green_flash_s),
            green_flash_s=min(greens[k], limits.green_flash_s),
            yellow_s=limits.yellow_s,
            all_red_s=limits.all_red_s,
        )
        for k in (range(n) if order is None else order)
    )
    return TimingPlan(signal=signal.id, name=name, cycle_s=cycle_s, offset_s=offset_s % cycle_s, stages=stages)
