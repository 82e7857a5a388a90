"""Critical flow ratios: the share of time that each stage of a signal must be green for its traffic to pass.

A linear programme of all lanes and stages at once, after Allsop (Delay-minimizing settings for fixed-time traffic
signals at a single road junction, Journal of the Institute of Mathematics and its Applications 8, 1971; Estimating the
traffic capacity of a signalized road junction, Transportation Research 6, 1972): movements that are green in several
stages, or may choose among lanes, use those in which they cost least. Where every movement has one stage, the result is
Webster's largest flow ratio of each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from greenband.network import Signal
from greenband.plan.splits import free_turn, lane_group
from greenband.signals import GREEN

__all__ = ["critical_ratios", "permitted_veh_h"]

CRITICAL_GAP_S, FOLLOW_UP_S = 4.5, 2.5  # of turns across oncoming traffic: Highway Capacity Manual
FULLEST = 0.95  # an oncoming queue is taken to clear after this share of the time at most
SMALLEST = 1e-6  # above what HiGHS takes for equal

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Use:
    """A movement on a lane in a stage: what a vehicle takes of the lane's time, in saturation headways.

    ``oncoming`` is the share of time that the oncoming queue takes to clear; 0 where the movement need not wait.
    """

    movement: int
    lane: str
    stage: int
    headways: float
    oncoming: float


def critical_ratios(signal: Signal, flows_veh_h: Mapping[str, float], saturation_veh_h_lane: float) -> list[float]:
    """Per stage, the share of time that it must be green for all traffic to pass; their sum is the least.

    Vehicles choose their lanes as serves them best. A lane on which some have red is blocked by the first of them: it
    counts only in stages in which most of its movements are green. Turns that give way (lamp ``g``) to traffic that is
    green beside them pass at ``permitted_veh_h``, and only once the oncoming queue has cleared: of a stage's share u
    that leaves ``(u - y) / (1 - y)``, y the oncoming flow ratio (Webster and Cobbe, Traffic Signals, Road Research
    Technical Paper 56, 1966). Turns that may go on red from a lane of their own do not count.

    Where the least sum leaves a choice, the largest share is made as small as can be, then the next.

    Args:
        signal: the traffic light.
        flows_veh_h: veh/h by movement id.
        saturation_veh_h_lane: saturation flow in veh/h of a lane.
    """
    waiting = {
        k: flows_veh_h[m.id] / saturation_veh_h_lane
        for k, m in enumerate(signal.movements)
        if flows_veh_h.get(m.id, 0.0) > 0 and not free_turn(signal, k)
    }
    uses = list(_uses(signal, flows_veh_h, waiting, saturation_veh_h_lane))
    if not uses:
        return [0.0] * len(signal.stages)
    return _least(len(signal.stages), uses, waiting)


def permitted_veh_h(oncoming_veh_h: float) -> float:
    """Flow of turns in veh/h through the gaps of oncoming traffic.

    ``v exp(-v t_c / 3600) / (1 - exp(-v t_f / 3600))`` with critical gap t_c = 4.5 s and follow-up time t_f = 2.5 s
    (Highway Capacity Manual, signalized intersections, permitted left turns).
    """
    per_s = oncoming_veh_h / 3600
    if per_s == 0:
        return 3600 / FOLLOW_UP_S
    return oncoming_veh_h * math.exp(-per_s * CRITICAL_GAP_S) / -math.expm1(-per_s * FOLLOW_UP_S)


def _uses(
    signal: Signal, flows_veh_h: Mapping[str, float], waiting: Mapping[int, float], saturation: float
) -> Iterator[_Use]:
    """Every way in which the movements with traffic can pass."""
    stages = range(len(signal.stages))
    for lane in dict.fromkeys(lane for k in waiting for lane in signal.movements[k].from_lanes):
        lamps = {k: _links(signal, k, lane) for k in waiting if lane in signal.movements[k].from_lanes}
        opened = [frozenset(k for k in lamps if _shows(signal, stage, lamps[k], GREEN)) for stage in stages]
        for stage in stages:
            if any(opened[stage] < other for other in opened):
                continue
            for k in opened[stage]:
                oncoming_veh_h, oncoming = _oncoming(signal, stage, lamps[k], flows_veh_h, saturation)
                rate = min(saturation, permitted_veh_h(oncoming_veh_h)) if oncoming else saturation
                yield _Use(k, lane, stage, saturation / rate, min(oncoming, FULLEST))


def _links(signal: Signal, k: int, lane: str) -> set[int]:
    """Lamps of a movement on one of its lanes."""
    onto = signal.movements[k].to_edge
    return {link.index for link in signal.links if link.from_lane == lane and link.to_edge == onto}


def _shows(signal: Signal, stage: int, links: set[int], lamps: frozenset[str]) -> bool:
    return any(signal.stages[stage].state[index] in lamps for index in links)


def _oncoming(
    signal: Signal, stage: int, links: set[int], flows_veh_h: Mapping[str, float], saturation: float
) -> tuple[float, float]:
    """Traffic in veh/h to which a movement gives way in a stage, and the largest flow ratio of its lanes."""
    state = signal.stages[stage].state
    first = {b for a, b in signal.yields if a in links and state[a] == "g" and state[b] in GREEN}
    veh_h, ratio = 0.0, 0.0
    for k, movement in enumerate(signal.movements):
        if first & set(movement.links) and flows_veh_h.get(movement.id, 0.0) > 0:
            veh_h += flows_veh_h[movement.id]
            group, lanes = lane_group(signal, k)
            ratio = max(ratio, sum(flows_veh_h.get(m.id, 0.0) for m in group) / (saturation * len(lanes)))
    return veh_h, ratio


def _least(n: int, uses: Sequence[_Use], waiting: Mapping[int, float]) -> list[float]:
    """Shares of ``n`` stages: of least sum, then level.

    Variables of the linear programme are the shares, the flow ratio of each use, and a level that bounds the shares.
    """
    width = n + len(uses) + 1
    below, limit = _capacities(n, uses, width)
    served = sorted({use.movement for use in uses})
    passed = np.zeros((len(served), width))
    passed[[served.index(use.movement) for use in uses], range(n, width - 1)] = 1.0
    total, level = np.zeros(width), np.zeros(width)
    total[:n], level[-1] = 1.0, 1.0
    flows = [waiting[k] for k in served]
    least, _ = _solved(total, below, limit, passed, flows)
    below, limit = np.vstack([below, total]), np.append(limit, least[:n].sum() + SMALLEST)
    settled: dict[int, float] = {}
    while len(settled) < n:  # the highest shares that cannot be lower, then the highest of the others
        open_ = [j for j in range(n) if j not in settled]
        rows = np.zeros((n, width))
        rows[range(n), range(n)] = 1.0
        rows[open_, -1] = -1.0
        heights = [settled.get(j, 0.0) + (SMALLEST if j in settled else 0.0) for j in range(n)]
        shares, tight = _solved(level, np.vstack([below, rows]), np.append(limit, heights), passed, flows)
        stuck = [j for j in open_ if tight[len(limit) + j]] or open_
        settled |= {j: float(shares[j]) for j in stuck}
    return [max(0.0, round(settled[j], 5)) for j in range(n)]


def _capacities(n: int, uses: Sequence[_Use], width: int) -> tuple[Floats, Floats]:
    """Rows and limits: what passes on each lane in each stage takes no longer than the stage, nor, of what has to wait
    for an oncoming queue, than what that leaves of it."""
    rows, limits = [], []
    for lane, stage in dict.fromkeys((use.lane, use.stage) for use in uses):
        here = [i for i, use in enumerate(uses) if (use.lane, use.stage) == (lane, stage)]
        kept = [i for i in here if uses[i].oncoming > 0]
        for which, queue in ((here, 0.0), (kept, max((uses[i].oncoming for i in kept), default=0.0))):
            row = np.zeros(width)
            row[stage] = -1 / (1 - queue)
            row[[n + i for i in which]] = [uses[i].headways for i in which]
            rows.append(row)
            limits.append(-queue / (1 - queue))
    return np.array(rows), np.array(limits)


def _solved(
    cost: Floats, below: Floats, limit: Floats, equal: Floats, value: Sequence[float]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The optimum, and which rows of ``below`` hold it back."""
    from scipy.optimize import linprog

    found = linprog(cost, A_ub=below, b_ub=limit, A_eq=equal, b_eq=value, method="highs")
    if not found.success:
        raise AssertionError(f"flow ratios: {found.message}")
    return np.asarray(found.x), np.asarray(found.ineqlin.marginals) < -SMALLEST
