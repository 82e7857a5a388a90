"""Two-way progression on an artery that is too long, or too uneven, for one pair of green bands.

The artery is cut into as few sections as it takes for each to have bands of fair width in both directions by MAXBAND.
Sections are then set so that the direction with more traffic keeps one band from end to end, while the other is stopped
between sections: Tian and Urbanik, System partition technique to improve signal coordination and traffic progression,
Journal of Transportation Engineering 133 (2007).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from greenband.plan.maxband import Bands, Direction, band_middle_s, bandwidth_s, maximise

__all__ = ["FAIR", "Progression", "Section", "measure", "progress", "sections"]

FAIR = 0.13  # least efficiency, bandwidth over cycle, that counts as fair progression (guideline of PASSER II-90)


@dataclass(frozen=True)
class Section:
    """Signals from ``first`` to ``last`` of an artery, by index, and the width in s of the band in each direction."""

    first: int
    last: int
    outbound_s: float
    inbound_s: float


@dataclass(frozen=True)
class Progression:
    """Offsets in s, the bands from end to end, and those of the sections."""

    offsets_s: tuple[float, ...]
    outbound_s: float
    inbound_s: float
    sections: tuple[Section, ...]


def progress(cycle_s: float, outbound: Direction, inbound: Direction | None, ratio: float | None) -> Progression:
    """Offsets, the first signal's 0, by MAXBAND for the whole artery or for the sections it must be cut into.

    Args:
        cycle_s: the common cycle.
        outbound: greens and travel times along the order of signals.
        inbound: those against it; None on a one-way street.
        ratio: inbound over outbound traffic; None where one of them has none, which then counts for nothing.
    """
    n = len(outbound.green_s)

    @cache
    def widest(first: int, last: int) -> Bands:
        back = None if inbound is None else inbound.part(first, last)
        return maximise(cycle_s, outbound.part(first, last), back, ratio)

    parts = [(0, n - 1)] if inbound is None or ratio is None else _cut(cycle_s, n, widest)
    leading = inbound if inbound is not None and ratio is not None and ratio > 1 else outbound
    offsets: list[float] = []
    for first, last in parts:
        own = widest(first, last).offsets_s
        middle = band_middle_s(cycle_s, leading.part(first, last), own)
        offsets.extend(offset + leading.passes_s[first] - middle for offset in own)
    relative = tuple((offset - offsets[0]) % cycle_s for offset in offsets)
    return measure(cycle_s, outbound, inbound, relative, parts)


def sections(
    cycle_s: float, outbound: Direction, inbound: Direction, offsets_s: tuple[float, ...]
) -> list[tuple[int, int]]:
    """First and last signal of the fewest sections with fair bands that offsets leave."""

    def left(first: int, last: int) -> Bands:
        found = measure(cycle_s, outbound, inbound, offsets_s, [(first, last)]).sections[0]
        return Bands(offsets_s[first : last + 1], found.outbound_s, found.inbound_s)

    return _cut(cycle_s, len(offsets_s), left)


def measure(
    cycle_s: float,
    outbound: Direction,
    inbound: Direction | None,
    offsets_s: tuple[float, ...],
    stretches: list[tuple[int, int]],
) -> Progression:
    """The bands that offsets leave, from end to end and on stretches of signals."""

    def width_s(way: Direction | None, first: int, last: int) -> float:
        if way is None:
            return 0.0
        return float(bandwidth_s(cycle_s, way.part(first, last), offsets_s[first : last + 1]))

    last = len(offsets_s) - 1
    return Progression(
        offsets_s,
        width_s(outbound, 0, last),
        width_s(inbound, 0, last),
        tuple(Section(i, j, width_s(outbound, i, j), width_s(inbound, i, j)) for i, j in stretches),
    )


def _cut(cycle_s: float, count: int, bands_of: Callable[[int, int], Bands]) -> list[tuple[int, int]]:
    """The fewest sections with fair bands, as first and last signal; of as few, those with the widest bands.

    By dynamic programming from the end. A section that is not fair has no fair one that begins with it.
    """
    best: list[tuple[int, float, list[tuple[int, int]]]] = [(0, 0.0, [])]  # for the signals from n, n - 1, ... on
    for first in reversed(range(count)):
        options = []
        for last in range(first, count):
            bands = bands_of(first, last)
            if last > first and not _fair(cycle_s, bands):
                break
            number, width, rest = best[count - 1 - last]
            gained = (bands.outbound_s + bands.inbound_s) * (last - first)
            options.append((number - 1, width + gained, [(first, last), *rest]))
        best.append(max(options, key=lambda option: option[:2]))
    return best[count][2]


def _fair(cycle_s: float, bands: Bands) -> bool:
    """Whether both directions have a band, fair on average."""
    return min(bands.outbound_s, bands.inbound_s) > 0 and bands.outbound_s + bands.inbound_s >= 2 * FAIR * cycle_s
