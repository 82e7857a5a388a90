"""Plane geometry and colours of pictures. Points are pairs of metres."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from greenband.network import Lane, Network, Point

__all__ = ["BLUE", "GRADES", "GREY", "INK", "LANES", "Frame", "Ground", "direction", "ribbon", "round_length"]

Array = npt.NDArray[np.float64]
INK, GREY, BLUE = "#24292f", "#8c959f", "#0969da"
GRADES = {"A": "#1a7f37", "B": "#0969da", "C": "#bf6a02", "assumed": "#cf222e"}
LANES = {"cars": "#6e7781", "bicycles": "#7fae8a", "people": "#d8cfc0"}


@dataclass(frozen=True)
class Frame:
    """Turns the map so that the main road runs from left to right."""

    angle: float  # radians, counterclockwise

    @classmethod
    def along(cls, network: Network) -> Frame:
        """From the first signal to the last along the line that fits all best; for one, along its widest approach."""
        signals = list(network.signals.values())
        places = np.array([signal.position_m for signal in signals])
        if len(signals) > 1:
            _, _, axes = np.linalg.svd(places - places.mean(axis=0))
            way = axes[0] * (1 if axes[0] @ (places[-1] - places[0]) >= 0 else -1)
            return cls(-math.atan2(way[1], way[0]))
        widest = max(signals[0].movements, key=lambda m: (len(m.from_lanes), m.turn == "through"))
        return cls(math.radians(widest.bearing) - math.pi / 2)

    def turn(self, points: Iterable[Point]) -> Array:
        """Points on the page, shape ``[points, 2]``."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return np.asarray(np.array(list(points), dtype=float) @ np.array([[c, s], [-s, c]]))

    @property
    def north(self) -> Array:
        """Unit vector to the north on the page."""
        return np.asarray(self.turn([(0.0, 1.0)])[0])


class Ground:
    """Lanes and junctions of a network as they lie on the page, worked out once."""

    def __init__(self, network: Network) -> None:
        self.network, self.frame = network, Frame.along(network)
        self.lanes: list[tuple[Lane, Array]] = [(lane, self.frame.turn(lane.shape)) for lane in network.lanes()]
        self.lines = {lane.id: line for lane, line in self.lanes}
        self.areas = {name: self.frame.turn(outline) for name, outline in network.areas().items()}

    @cached_property
    def extent(self) -> Array:
        """Corners of all lanes in m: ``[[left, bottom], [right, top]]``."""
        points = np.vstack(list(self.lines.values()))
        return np.array([points.min(axis=0), points.max(axis=0)])

    def surface(self, low: Array, high: Array) -> tuple[list[Lane], list[Array], list[Array]]:
        """Lanes, their outlines, and outlines of junctions, of what lies in a rectangle or reaches into it."""
        near = [(lane, line) for lane, line in self.lanes if _inside(line, low, high)]
        outlines = [ribbon(line, lane.width_m) for lane, line in near]
        return [lane for lane, _ in near], outlines, [a for a in self.areas.values() if _inside(a, low, high)]


def _inside(points: Array, low: Array, high: Array) -> bool:
    return bool(np.all(points.max(axis=0) >= low) and np.all(points.min(axis=0) <= high))


def direction(line: Array, at_end: bool) -> Array:
    """Unit vector in which a line ends or starts."""
    way = line[-1] - line[-2] if at_end else line[1] - line[0]
    return np.asarray(way / max(float(np.hypot(*way)), 1e-9))


def ribbon(line: Array, width: float, shift: float = 0.0) -> Array:
    """Outline of a band along a line; ``shift`` moves its middle to the right. Shape ``[2 points, 2]``."""
    steps = np.diff(line, axis=0)
    steps = steps / np.maximum(np.hypot(*steps.T), 1e-9)[:, None]
    ways = np.vstack([steps[:1], (steps[:-1] + steps[1:]) / 2, steps[-1:]])
    right = np.column_stack([ways[:, 1], -ways[:, 0]])
    return np.vstack([line + right * (shift + width / 2), (line + right * (shift - width / 2))[::-1]])


def round_length(extent: float) -> float:
    """A round length of about a fifth of an extent, for a scale bar."""
    power: float = 10.0 ** math.floor(math.log10(extent / 5))
    return max(step * power for step in (1, 2, 5) if step * power <= extent / 5)
