"""MAXBAND: offsets that give an artery the widest green bands in both directions.

A green band is a part of every cycle in which a vehicle that keeps to given travel times meets green at all signals.
The widest bands are a mixed-integer linear programme: Little, The synchronization of traffic signals by mixed-integer
linear programming, Operations Research 14 (1966); Little, Kelson and Gartner, MAXBAND: a program for setting signals on
arteries and triangular networks, Transportation Research Record 795 (1981). Here with the cycle, the speeds and the
order of stages as given; HiGHS solves it.

Times are in seconds. Where MAXBAND lets a band advance by a queue clearance time at a signal, the caller would shorten
the travel time that leads there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Bands", "Direction", "band_middle_s", "bandwidth_s", "maximise"]

Floats = npt.NDArray[np.float64]

SOLVED, INFEASIBLE = 0, 2  # what scipy.optimize.milp reports


@dataclass(frozen=True)
class Direction:
    """One direction of an artery, its signals in the same order for both.

    ``start_s`` is when green starts after the signal's offset, ``green_s`` how long it lasts, and ``passes_s`` when a
    vehicle passes the signal after the first one: growing along the order, or falling below 0 for the way back.
    """

    start_s: tuple[float, ...]
    green_s: tuple[float, ...]
    passes_s: tuple[float, ...]

    def part(self, first: int, last: int) -> Direction:
        """The stretch from one signal to another, both included."""
        here = slice(first, last + 1)
        passes = self.passes_s[here]
        return Direction(self.start_s[here], self.green_s[here], tuple(at - passes[0] for at in passes))


@dataclass(frozen=True)
class Bands:
    """Offsets of the signals, and the width of the band in each direction; 0 where there is none."""

    offsets_s: tuple[float, ...]
    outbound_s: float
    inbound_s: float


def bandwidth_s(cycle_s: float, way: Direction, offsets_s: npt.ArrayLike) -> Floats:
    """The widest band that offsets leave, measured on the time-space diagram.

    Seen by a vehicle that passes the first signal at 0, each green is an arc of the cycle; a band is a stretch that all
    arcs share, and the widest begins where one of them begins.

    Args:
        cycle_s: the common cycle.
        way: greens and travel times of a direction.
        offsets_s: shape ``[..., signals]``.

    Returns:
        widths in s, shape ``[...]``.
    """
    widths: Floats = _widths(cycle_s, way, offsets_s)[1].max(axis=-1)
    return widths


def band_middle_s(cycle_s: float, way: Direction, offsets_s: npt.ArrayLike) -> float:
    """When the middle of the widest band passes the first signal, in s after a cycle's start."""
    begins, widths = _widths(cycle_s, way, offsets_s)
    widest = int(widths.argmax())
    return float(begins[widest] + widths[widest] / 2) % cycle_s


def _widths(cycle_s: float, way: Direction, offsets_s: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Where each green begins for that vehicle, and how wide a band is that begins there; both ``[..., signals]``."""
    green = np.asarray(way.green_s)
    begins: Floats = np.asarray(offsets_s, dtype=np.float64) + way.start_s - way.passes_s
    late = np.mod((begins[..., :, None] - begins[..., None, :]).round(6), cycle_s)  # [.., where it begins, whose green]
    left = np.where(green >= cycle_s, cycle_s, green - late)
    return begins, left.min(axis=-1).clip(min=0.0)


def maximise(
    cycle_s: float, outbound: Direction, inbound: Direction | None = None, ratio: float | None = None
) -> Bands:
    """The widest bands: most of outbound + ``ratio`` x inbound, as MAXBAND weighs them.

    Args:
        cycle_s: the common cycle.
        outbound: greens and travel times along the order of signals.
        inbound: those against it; None on a one-way street.
        ratio: inbound over outbound traffic; the bands' own lies between it and 1. (MAXBAND's constraint, and besides
            the busier direction has no narrower band; without that it may get none.) None lets the sum of the bands
            alone count, even if one gets all of it. Where no offsets give both a band, one gets the widest.
    """
    if inbound is None:
        return _bands(cycle_s, outbound, None, _one_way(outbound))
    options = [_one_way(outbound), _one_way(inbound), *_both_ways(cycle_s, outbound, inbound, ratio)]
    found = [_bands(cycle_s, outbound, inbound, offsets) for offsets in options]
    return max(found, key=lambda bands: (round(_worth(bands, ratio), 4), bands.outbound_s + bands.inbound_s))


def _worth(bands: Bands, ratio: float | None) -> float:
    """The sum that counts, of bands made so narrow that they relate as the ratio asks."""
    out, back = bands.outbound_s, bands.inbound_s
    if ratio is None:
        return out + back
    back = min(back, max(ratio, 1) * out)
    return min(out, back / min(ratio, 1)) + ratio * back


def _bands(cycle_s: float, outbound: Direction, inbound: Direction | None, offsets_s: Floats) -> Bands:
    back = 0.0 if inbound is None else float(bandwidth_s(cycle_s, inbound, offsets_s))
    return Bands(tuple(float(t) for t in offsets_s), float(bandwidth_s(cycle_s, outbound, offsets_s)), back)


def _one_way(way: Direction) -> Floats:
    """Offsets by which every green starts when the band's first vehicle comes."""
    offsets: Floats = np.asarray(way.passes_s) - way.start_s
    return offsets


def _both_ways(cycle_s: float, outbound: Direction, inbound: Direction, ratio: float | None) -> Iterator[Floats]:
    """Offsets of the widest pair of bands, if any pair exists.

    In cycles: b and b' are the bands, w and w' their distance from the start of green at each signal (w + b <= green).
    The offset follows from either band, which closes Little's loop: w - w' + d = x + m, with d the greens' starts and
    travel times, x the time between the two bands at the first signal, and m a whole number, 0 at the first signal.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    n = len(outbound.green_s)
    start, passes = np.array([outbound.start_s, inbound.start_s]), np.array([outbound.passes_s, inbound.passes_s])
    green = np.array([outbound.green_s, inbound.green_s]).clip(max=cycle_s) / cycle_s
    d = ((start[0] - passes[0]) - (start[1] - passes[1])) / cycle_s
    room = np.where(green < 1, green, 2)  # where it is always green a band may begin anywhere
    one, none, zero = np.eye(n), np.zeros((n, n)), np.zeros((n, 1))
    column = np.ones((n, 1))
    # the unknowns: b, b', x, then w, w' and m of each signal
    constraints = [
        LinearConstraint(np.hstack([column, zero, zero, one, none, none]), -np.inf, room[0]),
        LinearConstraint(np.hstack([zero, column, zero, none, one, none]), -np.inf, room[1]),
        LinearConstraint(np.hstack([zero, zero, -column, one, -one, -one]), -d, -d),
    ]
    if ratio is not None:
        rows = np.zeros((2, 3 + 3 * n))
        rows[:, :2] = [[min(ratio, 1), -1], [-max(ratio, 1), 1]]
        constraints.append(LinearConstraint(rows, -np.inf, 0))
    whole = np.concatenate([np.zeros(3 + 2 * n), np.ones(n)])
    # with m = 0 at the first signal, x lies within one cycle of d there, and so does each m of what its signal needs
    low = np.concatenate([[0, 0, d[0] - 1], np.zeros(2 * n), [0], np.floor(d[1:] - d[0] - 2)])
    high = np.concatenate([[1, 1, d[0] + 1], green[0], green[1], [0], np.ceil(d[1:] - d[0] + 2)])
    cost = np.concatenate([[-1, -(1 if ratio is None else ratio)], np.zeros(1 + 3 * n)])
    for presolve in (True, False):  # HiGHS's presolve fails on a few programmes that it can solve without
        options = {"mip_rel_gap": 0, "presolve": presolve}
        bounds = Bounds(low, high)
        solved = milp(cost, integrality=whole, bounds=bounds, constraints=constraints, options=options)
        if solved.status in (SOLVED, INFEASIBLE):
            break
    if solved.x is not None:
        yield passes[0] - start[0] - solved.x[3 : 3 + n] * cycle_s
