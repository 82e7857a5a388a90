"""Route flows from counts: the most likely ones among those that agree with what was counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from greenband.errors import SimulationError
from greenband.scenarios.routes import Route, passes

__all__ = ["most_likely_flows"]

SLACK = 1e-3  # weight of entropy against counts: they are met to about this share where they do not contradict
ROUNDS = 200

Array = npt.NDArray[np.float64]


def most_likely_flows(routes: Sequence[Route], locations: Sequence[str], counted: Sequence[float]) -> Array:
    """Flow on each route, shape ``[routes]``, in the unit of ``counted``, shape ``[locations]``.

    Many route flows agree with the same counts. The most likely ones, given that every route is as likely as any other
    before anything is counted, have the greatest entropy (van Zuylen and Willumsen, The most likely trip matrix
    estimated from traffic counts, Transportation Research B 14, 1980). Where every turn of a road is counted these are
    the flows of drivers who turn at each junction by the counted shares, wherever they came from. Counts that
    contradict each other are met in the least-squares sense, each weighted by its variance as a Poisson count, so that
    the sum of squared GEH is least. With A the routes' passages of the locations, c the counts, v = max(c, 1) and p an
    even flow, the flows x minimise ``sum x (ln(x / p) - 1) + sum (A x - c)^2 / (2 SLACK v)``. They are
    ``p exp(A' u)`` with u the maximum of the concave dual, which Newton's method finds.

    Raises:
        SimulationError: Newton's method did not converge.
    """
    from scipy.sparse import csr_array

    on = [passes(route) for route in routes]
    a = csr_array([[float(place in route) for route in on] for place in locations])
    c = np.asarray(counted, dtype=float)
    v, even = np.maximum(c, 1.0), c.sum() / a.sum()
    u = np.zeros(len(c))

    def flows(at: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(even * np.exp(a.T @ at))

    def cost(at: Array) -> float:
        return float(flows(at).sum() - c @ at + SLACK / 2 * v @ at**2)

    for _ in range(ROUNDS):
        x = flows(u)
        slope = a @ x - c + SLACK * v * u
        if np.max(np.abs(slope) / v) < 1e-6:
            return x
        curve = (a * x) @ a.T
        step = np.linalg.solve(curve.toarray() + np.diag(SLACK * v), -slope)
        size, now, gain = 1.0, cost(u), float(slope @ step)
        while not cost(u + size * step) <= now + 1e-4 * size * gain + 1e-9 * abs(now) and size > 1e-12:
            size /= 2
        u = u + size * step
    raise SimulationError(f"the flows that fit the counts best were not found in {ROUNDS} steps")
