"""Cutting the day into stretches, each with one of a few plans that may come back.

What is asked of the signals is told for every interval of the day by a row of features. Each plan stands for one point
among them; the day costs what its intervals deviate from the points of their plans, and a penalty for every change of
plan, since signals lose coordination while they get into step, and for every plan beyond the first, which somebody has
to keep. The day is a ring: its last interval comes before its first.

Points and stretches are found in turn, as by k-means: the stretches that cost least for given points exactly, by
dynamic programming, then the mean of each plan's intervals as its point, until nothing changes. It begins at clusters
by Ward's method, for every number of plans that is allowed: of the intervals, with the time of day among the features
and without, and of the stretches that would be best if each had a plan of its own. The penalty says how many plans are
worth it. That finds a local optimum, always the same one.

Sources: Hauser and Scherer, Data mining tools for real-time traffic signal decision support and maintenance, IEEE
International Conference on Systems, Man and Cybernetics (2001), for clusters of intervals by hierarchy; Ratrout, for
breakpoints of the day by k-means on z-scores of flow and time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["Cut", "cut_day", "stretches", "z_scores"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COPIES = 10  # of the heaviest interval in Ward's method, which has no weights
ROUNDS = 100  # far above what it takes; each costs less than the one before
ENOUGH = 1e-9  # a cost that is less by no more than this is the same
LIGHT = 1e-12  # share of an interval without weight, so that a cluster of such has a mean
EXTENDED = -1  # in the dynamic programme: the plan was in force before


@dataclass(frozen=True)
class Cut:
    """The plan of each interval, numbered from 0 in order of first use; and what the day costs with them.

    ``deviation`` is the share of the features' variance that is left within plans.
    """

    plans: tuple[int, ...]
    deviation: float
    changes: int
    cost: float


def z_scores(features: Floats, weights: Floats, least: Floats) -> Floats:
    """Features less their weighted means, in standard deviations; of at least ``least``, so that noise stays small."""
    mean = np.average(features, axis=0, weights=weights)
    spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights))
    scores: Floats = (features - mean) / np.maximum(spread, least)
    return scores


def cut_day(features: Floats, weights: Floats, most: int, penalty: float, stay: int = 1) -> Cut:
    """The plans of a day's intervals that cost least.

    The cost is the mean over features and intervals, by their weights, of squared deviations, and the penalty times
    the number of changes and of plans beyond the first. With z-scores a day under one plan deviates by 1: a penalty of
    0.02 asks that a change explains 2 % of the variance.

    Args:
        features: a row per interval, in units in which they matter alike.
        weights: of the intervals, such as vehicles; at least one above 0.
        most: plans at most.
        penalty: of a change of plan, and of a plan.
        stay: intervals for which a plan stays at least, across midnight too.

    Raises:
        ValueError: figures are missing, infinite or negative where they cannot be.
    """
    if features.ndim != 2 or weights.shape != features.shape[:1] or 0 in features.shape:
        raise ValueError(f"features {features.shape} and weights {weights.shape}: a row and a weight per interval")
    if not (np.isfinite(features).all() and np.isfinite(weights).all()) or weights.min() < 0 or weights.sum() <= 0:
        raise ValueError("features must be finite, and weights 0 or more, but not all 0")
    if most < 1 or stay < 1 or not 0 <= penalty < math.inf:
        raise ValueError(f"most {most}, stay {stay}, penalty {penalty}: 1 or more, 1 or more, 0 or more")
    shares = weights / weights.sum()
    best: Cut | None = None
    for labels in _starts(features, shares, most, penalty, stay):
        cut = _settled(labels, features, shares, penalty, stay)
        if best is None or cut.cost < best.cost - ENOUGH:
            best = cut
    assert best is not None  # one plan is always among the starts
    return best


def stretches(plans: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(plan, first interval, interval after the last) of every stretch in the order of the day."""
    edges = [0, *(k for k in range(1, len(plans)) if plans[k] != plans[k - 1]), len(plans)]
    return [(plans[first], first, after) for first, after in pairwise(edges)]


def _starts(features: Floats, shares: Floats, most: int, penalty: float, stay: int) -> Iterator[Ints]:
    """Clusters of intervals to begin with, few ones first."""
    from scipy.cluster.hierarchy import fcluster, linkage

    n = len(features)
    yield np.zeros(n, dtype=np.int64)
    if n == 1:
        return
    copies = np.maximum(1, np.rint(COPIES * shares / shares.max())).astype(np.int64)
    first = np.cumsum(copies) - copies
    angle = 2 * math.pi * np.arange(n) / n
    clock = math.sqrt(features.shape[1]) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    kinds = (_smoothed(features, shares, penalty, stay), features, np.hstack([features, clock]))
    trees = [linkage(np.repeat(points, copies, axis=0), "ward") for points in kinds]
    for count in range(2, min(most, n) + 1):
        for tree in trees:
            yield fcluster(tree, count, "maxclust")[first].astype(np.int64)


def _smoothed(features: Floats, shares: Floats, penalty: float, stay: int) -> Floats:
    """Every interval's features as the mean of its stretch, where stretches cost least if each has a plan of its own.

    As in ``_cheapest`` every interval is tried as the beginning.
    """
    n, heavy = len(features), shares + LIGHT
    ring = (np.arange(n)[:, None] + np.arange(n)) % n
    weights, sums, squares = (
        np.concatenate([np.zeros((n, 1, *one.shape[1:])), np.cumsum(one[ring], axis=1)], axis=1)
        for one in (heavy, heavy[:, None] * features, heavy * (features**2).mean(axis=1))
    )
    arcs = squares - (sums**2).mean(axis=2) / np.maximum(weights, LIGHT)  # by beginning and number of intervals
    least, before = np.full((n, n + 1), math.inf), np.zeros((n, n + 1), dtype=np.int64)
    least[:, 0] = 0.0
    for t in range(min(stay, n), n + 1):
        begins = np.arange(max(1, t - stay + 1))
        costs = least[:, begins] + arcs[(np.arange(n)[:, None] + begins) % n, t - begins] + penalty
        before[:, t] = np.argmin(costs, axis=1)
        least[:, t] = costs.min(axis=1)
    start, t = int(np.argmin(least[:, n])), n
    smooth = np.empty_like(features)
    while t > 0:
        own = ring[start, before[start, t] : t]
        smooth[own] = np.average(features[own], axis=0, weights=heavy[own])
        t = int(before[start, t])
    return smooth


def _settled(labels: Ints, features: Floats, shares: Floats, penalty: float, stay: int) -> Cut:
    """The cut that clusters lead to."""
    cost = math.inf
    for _ in range(ROUNDS):
        found, total = _cheapest(_costs(labels, features, shares), penalty, stay)
        if total >= cost - ENOUGH:
            break
        labels, cost = found, total
    order = list(dict.fromkeys(labels.tolist()))
    numbers = np.array([order.index(label) for label in labels.tolist()])
    left = float(_costs(numbers, features, shares)[np.arange(len(numbers)), numbers].sum())
    changes = int((numbers != np.roll(numbers, 1)).sum())
    return Cut(tuple(numbers.tolist()), left, changes, left + penalty * (changes + len(order) - 1))


def _costs(labels: Ints, features: Floats, shares: Floats) -> Floats:
    """What each interval (rows) deviates from the mean of each cluster, in the order of their labels."""
    costs = []
    for label in np.unique(labels):
        own = labels == label
        point = np.average(features[own], axis=0, weights=shares[own] + LIGHT)
        costs.append(shares * ((features - point) ** 2).mean(axis=1))
    return np.stack(costs, axis=1)


def _cheapest(costs: Floats, penalty: float, stay: int) -> tuple[Ints, float]:
    """The plan of each interval that costs least, exactly, and its cost.

    Every interval is tried as the beginning of a stretch; going round from there, ``least[k]`` is the cost up to an
    interval that plan k ends with, having been in force for ``stay`` intervals or more.

    Args:
        costs: of each interval (rows) under each plan.
        penalty: of a change of plan.
        stay: least length of a stretch.
    """
    n, plans = costs.shape
    alone = costs.sum(axis=0)
    constant, lowest = np.full(n, int(np.argmin(alone))), float(alone.min())
    if plans == 1 or 2 * stay > n:
        return constant, lowest
    ring = costs[(np.arange(n)[:, None] + np.arange(n)) % n]  # by beginning, interval after it, and plan
    sums = np.concatenate([np.zeros((n, 1, plans)), np.cumsum(ring, axis=1)], axis=1)
    least = np.full((n, n + 1, plans), math.inf)
    before = np.full((n, n + 1, plans), EXTENDED)
    least[:, stay] = sums[:, stay]
    for t in range(stay + 1, n + 1):
        longer = least[:, t - 1] + ring[:, t - 1]
        other = np.argmin(least[:, t - stay], axis=1)
        opened = least[np.arange(n), t - stay, other][:, None] + penalty + sums[:, t] - sums[:, t - stay]
        least[:, t] = np.minimum(longer, opened)
        before[:, t] = np.where(opened < longer, other[:, None], EXTENDED)
    total = least[:, n].min(axis=1) + penalty  # the beginning is a change too
    begin = int(np.argmin(total))
    if total[begin] >= lowest - ENOUGH:
        return constant, lowest
    return np.roll(_traced(before[begin], int(np.argmin(least[begin, n])), stay), begin), float(total[begin])


def _traced(before: Ints, plan: int, stay: int) -> Ints:
    """The plans that led to the last interval's, from the table of what was in force before."""
    found, t = np.zeros(len(before) - 1, dtype=np.int64), len(before) - 1
    while t > 0:
        other = int(before[t, plan])
        length = stay if t == stay or other != EXTENDED else 1
        found[t - length : t] = plan
        t, plan = t - length, plan if other == EXTENDED else other
    return found
