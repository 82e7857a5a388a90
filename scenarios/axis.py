"""The line that the main road follows."""

from __future__ import annotations

import math

import numpy as np

from greenband.scenarios.spec import Section

__all__ = ["Axis", "Point"]

Point = tuple[float, float]
EARTH_M = 6_371_008.8


class Axis:
    """Maps metres along the main road to metres in the plane: straight to the north, or along the section's line.

    A line of longitudes and latitudes is laid out by an equirectangular projection about its first point, which is
    true to less than a metre over a few kilometres.
    """

    def __init__(self, section: Section) -> None:
        self.curved = bool(section.axis)
        self._from_m = section.corridor.geometry.axis_from_m if self.curved else section.junctions[0].x_m
        if self.curved:
            lon, lat = np.radians(np.array(section.axis)).T
            self._xy = EARTH_M * np.column_stack([(lon - lon[0]) * math.cos(lat[0]), lat - lat[0]])
        else:
            self._xy = np.array([[0.0, 0.0], [0.0, 1.0]])
        steps = np.hypot(*np.diff(self._xy, axis=0).T)
        self._at = np.concatenate([[0.0], np.cumsum(steps)])

    def point(self, x_m: float, across_m: float = 0.0) -> Point:
        """Where one is at a distance along the road, and to its right; straight on beyond both ends."""
        gone = x_m - self._from_m
        (x, y), (dx, dy) = self._on_line(gone), self._direction(gone)
        return x + across_m * dy, y - across_m * dx

    def _on_line(self, gone: float) -> Point:
        inside = min(max(gone, 0.0), float(self._at[-1]))
        x, y = (float(np.interp(inside, self._at, self._xy[:, k])) for k in (0, 1))
        dx, dy = self._direction(gone)
        return x + (gone - inside) * dx, y + (gone - inside) * dy

    def _direction(self, gone: float) -> Point:
        """Unit vector along the road, smoothed over 20 m to each side, so that a kink does not turn a side street."""
        low, high = max(gone - 20.0, 0.0), min(gone + 20.0, float(self._at[-1]))
        if gone <= 0.0:
            low, high = 0.0, min(40.0, float(self._at[-1]))
        elif gone >= self._at[-1]:
            low, high = max(float(self._at[-1]) - 40.0, 0.0), float(self._at[-1])
        ends = [np.array([np.interp(at, self._at, self._xy[:, k]) for k in (0, 1)]) for at in (low, high)]
        dx, dy = ends[1] - ends[0]
        length = math.hypot(dx, dy)
        return dx / length, dy / length
