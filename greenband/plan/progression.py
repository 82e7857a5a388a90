"""Two-way progression on an artery that is too long, or too uneven, for one pair of green bands.

The artery is cut into as few sections as it takes for each to have bands of fair width in both directions by MAXBAND.
Sections are then set so that the direction with more traffic keeps one band from end to end, while the other is stopped
between sections: Tian and Urbanik, System partition technique to improve signal coordination and traffic progression,
Journal of Transportation Engineering 133 (2007).
"""

from __future__ import annotations

from dataclasses import dataclass

from greenband.plan.maxband import Bands, Direction, band_middle_s, bandwidth_s, maximise

__all__ = ["FAIR", "Progression", "Section", "measure", "progress"]

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
    last = len(outbound.green_s) - 1
    if inbound is None or ratio is None:
        cuts, bands = [0], [maximise(cycle_s, outbound, inbound, ratio)]
    else:
        cuts, bands = _cut(cycle_s, outbound, inbound, ratio)
    ends = [*(cut - 1 for cut in cuts[1:]), last]
    leading = inbound if inbound is not None and ratio is not None and ratio > 1 else outbound
    offsets: list[float] = []
    for first, end, band in zip(cuts, ends, bands, strict=True):
        middle = band_middle_s(cycle_s, leading.part(first, end), band.offsets_s)
        offsets.extend(offset + leading.passes_s[first] - middle for offset in band.offsets_s)
    relative = tuple((offset - offsets[0]) % cycle_s for offset in offsets)
    return measure(cycle_s, outbound, inbound, relative, list(zip(cuts, ends, strict=True)))


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

    sections = tuple(Section(i, j, width_s(outbound, i, j), width_s(inbound, i, j)) for i, j in stretches)
    last = len(offsets_s) - 1
    return Progression(offsets_s, width_s(outbound, 0, last), width_s(inbound, 0, last), sections)


def _cut(cycle_s: float, outbound: Direction, inbound: Direction, ratio: float) -> tuple[list[int], list[Bands]]:
    """First signal and bands of each of the fewest sections with fair bands; of as few, those with the widest bands.

    By dynamic programming from the end. A section that is not fair has no fair one that begins with it.
    """
    n = len(outbound.green_s)
    best: list[tuple[int, float, list[int], list[Bands]]] = [(0, 0.0, [], [])]  # for the signals from n, n - 1, ... on
    for first in reversed(range(n)):
        options = []
        for last in range(first, n):
            bands = maximise(cycle_s, outbound.part(first, last), inbound.part(first, last), ratio)
            if last > first and not _fair(cycle_s, bands):
                break
            number, width, cuts, rest = best[n - 1 - last]
            gained = (bands.outbound_s + bands.inbound_s) * (last - first)
            options.append((number - 1, width + gained, [first, *cuts], [bands, *rest]))
        best.append(max(options, key=lambda option: option[:2]))
    _, _, cuts, found = best[n]
    return cuts, found


def _fair(cycle_s: float, bands: Bands) -> bool:
    """Whether both directions have a band, fair on average."""
    return min(bands.outbound_s, bands.inbound_s) > 0 and bands.outbound_s + bands.inbound_s >= 2 * FAIR * cycle_s
