"""One junction: its lanes to scale with turn arrows and flows, and a small diagram per stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path as Curve

from greenband.network import Movement, Signal
from greenband.picture.shapes import BLUE, INK, LANES, Array, Ground, direction
from greenband.signals import Stage

__all__ = ["Panel"]

AROUND_M = 45.0  # of road shown beyond the junction's outline
WIDEST_PT = 5.0  # flow of the busiest movement
GREEN, FLOW = "#1a7f37", "#9ecbff"
TURNS = {"s": "straight", "l": "left", "r": "right", "t": "back"}
HEADS = {"s": ((5.0, 0.0),), "l": ((2.5, 2.4),), "r": ((2.5, -2.4),), "t": ((-1.0, 2.4),)}  # ahead, to the left, in m


class Panel:
    """Draws one signal; ``size`` is the factor on text and lines."""

    def __init__(self, ground: Ground, signal: Signal, size: float) -> None:
        self._ground, self._signal, self._size = ground, signal, size
        self._lanes = list(dict.fromkeys(link.from_lane for link in signal.links))
        ends = np.array([ground.lines[lane][-1] for lane in self._lanes])
        ends = np.vstack([ends, *(ground.lines[link.to_lane][:1] for link in signal.links)])
        self._middle = (ends.min(axis=0) + ends.max(axis=0)) / 2
        self._reach = float(np.abs(ends - self._middle).max())

    def map(self, axes: Axes, flows: Mapping[str, float], most: float) -> None:
        """Lanes with turn arrows, flows by width, veh/h per approach; ``flows`` by movement id, ``most`` of all."""
        reach = self._reach + AROUND_M
        self._roads(axes, reach, LANES, "white")
        for name in self._lanes:
            self._turn_arrows(axes, name)
        for movement in self._signal.movements:
            width = self._size * WIDEST_PT * flows.get(movement.id, 0.0) / most
            if width > 0:
                axes.add_patch(
                    FancyArrowPatch(
                        path=self._way(movement, 0.0),
                        arrowstyle="-",
                        lw=max(0.4, width),
                        color=FLOW,
                        alpha=0.75,
                        capstyle="butt",
                    )
                )
        for edge in dict.fromkeys(m.from_edge for m in self._signal.movements):
            self._approach_flow(axes, edge, flows, reach)
        x, y = self._middle + np.array([reach - 20, 1.04 * reach])
        axes.plot([x, x + 20], [y, y], color=INK, lw=1, clip_on=False)
        axes.text(x - 2, y, "20 m", fontsize=5.5 * self._size, ha="right", va="center")
        self._frame_axes(axes, reach)

    def stage(self, axes: Axes, stage: Stage, title: str) -> None:
        """Who has green: solid arrows, dashed where they yield to others; crossings as blue bars."""
        reach = self._reach + 10
        self._roads(axes, reach, dict.fromkeys(LANES, "#e4e7eb"), "#f6f8fa")
        for k in stage.movements:
            movement = self._signal.movements[k]
            yields = all(stage.state[link] != "G" for link in movement.links)
            axes.add_patch(
                FancyArrowPatch(
                    path=self._way(movement, 6.0),
                    arrowstyle="-|>",
                    mutation_scale=5 * self._size,
                    lw=self._size,
                    color=GREEN,
                    ls=(0, (2, 1)) if yields else "-",
                )
            )
        for crossing in self._signal.crossings:
            if crossing.index in stage.greens:
                line = self._ground.frame.turn(self._ground.network.crossing_line(crossing))
                axes.plot(*line.T, color=BLUE, lw=1.8 * self._size, solid_capstyle="butt")
        axes.set_title(title, fontsize=6 * self._size, pad=1.5, color=INK)
        self._frame_axes(axes, reach)

    def _frame_axes(self, axes: Axes, reach: float) -> None:
        axes.set_xlim(self._middle[0] - reach, self._middle[0] + reach)
        axes.set_ylim(self._middle[1] - reach, self._middle[1] + reach)
        axes.set_aspect("equal")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(color="#d0d7de", linewidth=0.6)

    def _roads(self, axes: Axes, reach: float, colours: Mapping[str, str], between: str) -> None:
        lanes, outlines, areas = self._ground.surface(self._middle - reach, self._middle + reach)
        fills = [colours[lane.users] for lane in lanes]
        axes.add_collection(PolyCollection(areas, facecolors=colours["cars"], linewidths=0))
        axes.add_collection(PolyCollection(outlines, facecolors=fills, edgecolors=between, linewidths=0.4))

    def _turn_arrows(self, axes: Axes, lane: str) -> None:
        """White arrows before the stop line, one head per direction in which the lane leads."""
        line = self._ground.lines[lane]
        ahead = direction(line, at_end=True)
        left = np.array([-ahead[1], ahead[0]])
        foot, fork = line[-1] - 14 * ahead, line[-1] - 7 * ahead
        axes.plot(*np.array([foot, fork]).T, color="white", lw=0.7, solid_capstyle="butt")
        ways = {link.direction.lower() for link in self._signal.links if link.from_lane == lane}
        for forward, across in (head for way in sorted(ways) for head in HEADS.get(way, ())):
            tip = fork + forward * ahead + across * left
            axes.add_patch(
                FancyArrowPatch(
                    tuple(fork),
                    tuple(tip),
                    arrowstyle="-|>",
                    mutation_scale=2.5,
                    lw=0.6,
                    color="white",
                    shrinkA=0,
                    shrinkB=0,
                )
            )

    def _way(self, movement: Movement, run_m: float) -> Curve:
        """From the middle of the movement's lanes at the stop line to that of those it enters, with a run on each."""
        start, entering = _middle([self._ground.lines[lane] for lane in movement.from_lanes], at_end=True)
        end, leaving = _middle([self._ground.lines[lane] for lane in movement.to_lanes], at_end=False)
        foot, tip = start - run_m * entering, end + run_m * leaving
        bend = 0.5 * float(np.hypot(*(end - start)))
        points = [foot, start, start + bend * entering, end - bend * leaving, end, tip]
        codes = [Curve.MOVETO, Curve.LINETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4, Curve.LINETO]
        return Curve(np.array(points), codes)

    def _approach_flow(self, axes: Axes, edge: str, flows: Mapping[str, float], reach: float) -> None:
        """veh/h of an approach and of its turns, on the kerb's side of it."""
        own = [m for m in self._signal.movements if m.from_edge == edge]
        entering = _middle([self._ground.lines[lane] for m in own for lane in m.from_lanes], at_end=True)[1]
        kerb = np.array([entering[1], -entering[0]]) * (-1 if self._ground.network.left_hand else 1)
        corner = np.clip(0.97 * (kerb - entering), -0.97, 0.97)
        x, y = (self._middle + reach * corner).tolist()
        turns = [(m, flows.get(m.id, 0.0)) for m in own]
        lines = [
            f"{sum(veh_h for _, veh_h in turns):.0f} veh/h",
            *(f"{TURNS[m.direction.lower()]} {veh_h:.0f}" for m, veh_h in turns),
        ]
        axes.text(
            x,
            y,
            "\n".join(lines),
            fontsize=5 * self._size,
            linespacing=1.05,
            color=INK,
            ha="right" if corner[0] > 0 else "left",
            va="top" if corner[1] > 0 else "bottom",
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8},
        )


def _middle(lines: Sequence[Array], at_end: bool) -> tuple[Array, Array]:
    """Mean end point of some lanes, and the direction of the first there."""
    points = np.array([line[-1 if at_end else 0] for line in lines])
    return points.mean(axis=0), direction(lines[0], at_end)
