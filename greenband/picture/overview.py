"""The whole road to scale: lanes, flows as bands beside them, and every junction's name with its grades."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from scipy.optimize import isotonic_regression

from greenband.picture.fonts import printable
from greenband.picture.shapes import BLUE, GRADES, GREY, INK, LANES, Array, Ground, ribbon, round_length
from greenband.scenario import Junction, Scenario

__all__ = ["draw_overview", "junction", "label"]

BAND = 0.015  # of the road's length: width of the widest flow band
NEAREST_IN = 0.27  # names on the page


def junction(scenario: Scenario, signal: str) -> Junction | None:
    """What is known of a signal's place, if anything."""
    return next((row for row in scenario.junctions if row.signal == signal), None)


def label(scenario: Scenario, signal: str) -> str:
    """Number and names of a junction, or the signal's id where it has none."""
    found = junction(scenario, signal)
    if found is None:
        return printable(signal) or "signal"
    return " ".join(filter(None, (signal, found.name_en, printable(found.name_zh))))


def draw_overview(axes: Axes, scenario: Scenario, ground: Ground, flows: Mapping[str, float], m_per_in: float) -> None:
    """Draw into axes that are to scale; ``flows`` are veh/h by edge, names stand above the axes."""
    low, high = ground.extent
    band, most = BAND * float(high[0] - low[0]), max(flows.values(), default=0.0) or 1.0
    axes.add_collection(PolyCollection(_bands(ground, flows, band / most), facecolors=BLUE, alpha=0.35, linewidths=0))
    lanes, outlines, areas = ground.surface(low, high)
    axes.add_collection(PolyCollection(areas, facecolors=LANES["cars"], linewidths=0))
    axes.add_collection(PolyCollection(outlines, facecolors=[LANES[lane.users] for lane in lanes], linewidths=0))
    _names(axes, scenario, ground, m_per_in)
    _scales(axes, ground, band, most, m_per_in)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.axis("off")


def _bands(ground: Ground, flows: Mapping[str, float], m_per_veh: float) -> list[Array]:
    """A band per edge along its kerb."""
    side = -1 if ground.network.left_hand else 1
    kerbs: dict[str, tuple[Array, float]] = {}
    for lane, line in ground.lanes:
        kerbs.setdefault(lane.id.rpartition("_")[0], (line, lane.width_m))  # SUMO counts lanes from the kerb
    widths = {edge: m_per_veh * flows.get(edge, 0.0) for edge in kerbs}
    return [ribbon(line, widths[edge], side * (widths[edge] + lane) / 2) for edge, (line, lane) in kerbs.items()]


def _names(axes: Axes, scenario: Scenario, ground: Ground, m_per_in: float) -> None:
    """Names above the road, each coloured by its grade, and bars as wide as the places are uncertain, likewise."""
    signals = list(scenario.network.signals.values())
    places = ground.frame.turn([signal.position_m for signal in signals])
    order = np.argsort(places[:, 0], kind="stable")
    top = float(ground.extent[1, 1])
    gaps = NEAREST_IN * m_per_in * np.arange(len(order))
    feet = isotonic_regression(places[order, 0] - gaps).x + gaps  # as near to their junctions as keeps them apart
    for number, (k, foot) in enumerate(zip(order, feet, strict=True)):
        (x, y), found = places[k], junction(scenario, signals[k].id)
        bar, base = top + (0.05 + 0.05 * (number % 3)) * m_per_in, top + 0.32 * m_per_in
        axes.plot([x, x, foot], [y, top + 0.17 * m_per_in, base], color=GREY, lw=0.5, clip_on=False, zorder=3)
        axes.plot([x], [y], "o", ms=3.5, mfc="white", mec=INK, mew=0.8, zorder=4)
        text, colour = label(scenario, signals[k].id), INK
        if found:
            reach, colour = found.position_uncertainty_m, GRADES[found.name_grade]
            text = f"{text} [{found.name_grade}, {found.position_grade}]"
            axes.plot(
                [x - reach, x + reach],
                [bar, bar],
                color=GRADES[found.position_grade],
                lw=2.2,
                solid_capstyle="butt",
                clip_on=False,
            )
        axes.text(
            foot, base, text, rotation=40, rotation_mode="anchor", ha="left", va="center", fontsize=7.5, color=colour
        )


def _scales(axes: Axes, ground: Ground, band: float, most: float, m_per_in: float) -> None:
    """Below the road: a scale bar, the widest flow band, and where north is."""
    (x, y), length = ground.extent[0], round_length(float(np.ptp(ground.extent[:, 0])))
    y -= 0.27 * m_per_in
    axes.plot([x, x + length], [y, y], color=INK, lw=1.2, clip_on=False)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.text(x + length / 2, y + 0.03 * m_per_in, text, ha="center", va="bottom", fontsize=7.5)
    start = x + length + 0.4 * m_per_in
    sample = ribbon(np.array([[start, y], [start + 0.5 * m_per_in, y]]), band)
    axes.add_collection(PolyCollection([sample], facecolors=BLUE, alpha=0.35, linewidths=0, clip_on=False))
    axes.text(start + 0.6 * m_per_in, y, f"{most:.0f} veh/h", va="center", fontsize=7.5)
    middle = np.array([start + 1.8 * m_per_in, y])
    north = ground.frame.north * 0.12 * m_per_in
    axes.annotate(
        "",
        tuple(middle + north),
        tuple(middle - north),
        annotation_clip=False,
        arrowprops={"arrowstyle": "-|>", "lw": 1, "color": INK, "shrinkA": 0, "shrinkB": 0},
    )
    x, y = (middle + 1.8 * north).tolist()
    axes.text(x, y, "N", ha="center", va="center", fontsize=7.5)
