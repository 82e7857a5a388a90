"""Sharing out a cycle's green among stages, in whole seconds."""

from __future__ import annotations

from collections.abc import Sequence

from greenband.errors import BadInput
from greenband.network import Signal
from greenband.plan.model import StageTiming, TimingPlan
from greenband.signals import Limits

__all__ = ["build_plan", "critical_ratios", "share_green"]


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


def critical_ratios(signal: Signal, flows_veh_h: dict[str, float], saturation_veh_h_lane: float) -> list[float]:
    """Per stage, the largest flow ratio (demand over saturation flow) among its lane groups.

    ``flows_veh_h`` maps movement ids to veh/h. Movements that share lanes form one lane group. Turns that may also go
    on red count with the movement they share a lane with, and not at all on a lane of their own.
    """
    ratios = []
    for stage in signal.stages:
        worst = 0.0
        for k in stage.movements:
            movement = signal.movements[k]
            if movement.direction in "rR" and _own_lanes(signal, k):
                continue
            group = [m for m in signal.movements if set(m.from_lanes) & set(movement.from_lanes)]
            lanes = {lane for m in group for lane in m.from_lanes}
            flow = sum(flows_veh_h.get(m.id, 0.0) for m in group)
            worst = max(worst, flow / (saturation_veh_h_lane * len(lanes)))
        ratios.append(worst)
    return ratios


def _own_lanes(signal: Signal, k: int) -> bool:
    own = set(signal.movements[k].from_lanes)
    return all(own.isdisjoint(m.from_lanes) for i, m in enumerate(signal.movements) if i != k)


def build_plan(
    signal: Signal, limits: Limits, cycle_s: int, weights: Sequence[float], offset_s: int = 0, name: str = ""
) -> TimingPlan:
    """A plan with the signal's stages in their order, green shared by ``weights``.

    Raises:
        BadInput: the cycle is too short for minimum greens and intergreens, or too long for the maximum greens.
    """
    n = len(signal.stages)
    try:
        greens = share_green(cycle_s - n * limits.intergreen_s, weights, limits.min_green_s, limits.max_green_s)
    except BadInput as error:
        raise BadInput(f"signal {signal.id}, cycle {cycle_s} s: {error}") from error
    stages = tuple(
        StageTiming(
            stage=k,
            name=stage.name,
            movements=tuple(signal.movements[m].id for m in stage.movements),
            green_s=greens[k] - min(greens[k], limits.green_flash_s),
            green_flash_s=min(greens[k], limits.green_flash_s),
            yellow_s=limits.yellow_s,
            all_red_s=limits.all_red_s,
        )
        for k, stage in enumerate(signal.stages)
    )
    return TimingPlan(signal=signal.id, name=name, cycle_s=cycle_s, offset_s=offset_s % cycle_s, stages=stages)
