"""Small pictures of a stage, north up: arrows for what may go, bars for crossings, on the arms of the junction.

Solid arrows are protected, dashed and lighter ones give way. Pictures are PNG with 240 pixels a side, meant to be shown
at half that size, so that print is sharp; the bytes depend on the stage alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from PIL import Image, ImageDraw

from greenband.plan.junction import Junction, SignalGroup

__all__ = ["SIDE_PX", "stage_picture"]

SIDE_PX = 240
COLOURS = ((255, 255, 255), (225, 225, 225), (0, 105, 55), (110, 175, 135), (25, 70, 165))
PAPER, ROAD, GO, YIELD, WALK = range(len(COLOURS))

ARM = 0.5  # half the width of an arm, where the picture reaches from -1 to 1
EDGE = 0.52  # where arms meet the junction
LANE = {"back": 0.1, "far": 0.1, "through": 0.22, "near": 0.36, "crossing": 0.0}  # from the middle of the road

Point = tuple[float, float]
Mark = tuple[int, str, str, bool]  # bearing, turn, kind, permitted


def stage_picture(junction: Junction, stage: int) -> bytes:
    """A stage of a junction as PNG."""
    shown = junction.stages[stage]
    marks = tuple(
        (group.bearing, group.turn, group.kind, group.number in shown.permitted)
        for group in junction.groups
        if group.number in shown.going
    )
    return _picture(marks, _arms(junction.groups), junction.left_hand)


def _arms(groups: Sequence[SignalGroup]) -> tuple[int, ...]:
    """Bearings from the middle along the arms from which vehicles come."""
    return tuple(sorted({(group.bearing + 180) % 360 for group in groups if group.kind != "pedestrian"}))


@lru_cache(maxsize=1024)
def _picture(marks: tuple[Mark, ...], arms: tuple[int, ...], left_hand: bool) -> bytes:
    image = Image.new("P", (SIDE_PX, SIDE_PX), PAPER)
    image.putpalette([value for colour in COLOURS for value in colour])
    draw = ImageDraw.Draw(image)
    side: Literal[1, -1] = -1 if left_hand else 1
    ways = [(mark, _way(mark, arms, side)) for mark in marks if mark[2] != "pedestrian"]
    leaving = {_leaves(mark, arms, side) for mark, _ in ways}
    for bearing in sorted({*arms, *leaving}):
        draw.polygon([_pixel(_at(bearing, *corner)) for corner in ((0, ARM), (1.1, ARM), (1.1, -ARM), (0, -ARM))], ROAD)
    for mark in marks:
        if mark[2] == "pedestrian":
            _bars(draw, mark)
    for (_, _, kind, permitted), way in sorted(ways, key=lambda pair: not pair[0][3]):
        _arrow(draw, way, YIELD if permitted else GO, 3 if kind == "bicycle" else 6, dashed=permitted)
    data = io.BytesIO()
    image.save(data, "PNG", bits=4, compress_level=3)  # higher ones take twice the time for little
    return data.getvalue()


def _at(bearing: float, ahead: float, right: float) -> Point:
    """The point so far ahead of the middle and to the right, seen along a bearing; y grows downwards."""
    angle = math.radians(bearing)
    return ahead * math.sin(angle) + right * math.cos(angle), right * math.sin(angle) - ahead * math.cos(angle)


def _pixel(point: Point) -> Point:
    return (point[0] + 1) * SIDE_PX / 2, (point[1] + 1) * SIDE_PX / 2


def _leaves(mark: Mark, arms: Sequence[int], side: int) -> int:
    """The bearing in which a movement leaves: of the arm nearest to its turn, where there is one within 40 degrees."""
    bearing, turn = mark[:2]
    wanted = (bearing + {"through": 0, "near": 90 * side, "far": -90 * side}.get(turn, 180)) % 360
    nearest = min(arms, key=lambda arm: _apart(arm, wanted))
    return nearest if _apart(nearest, wanted) <= 40 else wanted


def _apart(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)


def _way(mark: Mark, arms: Sequence[int], side: int) -> list[Point]:
    """From the edge of the picture over the junction: straight, a bow, straight."""
    bearing, turn = mark[:2]
    away, lane = _leaves(mark, arms, side), side * LANE[turn]
    starts, ends = _at(bearing, -0.95, lane), _at(away, 0.9, lane)
    if away == bearing:
        return [starts, ends]
    reach = 0.65 * max(_to_bend(lane, away - bearing), 0.05)
    bend = [_at(bearing, ahead, lane) for ahead in (-EDGE, reach - EDGE)]
    bend += [_at(away, ahead, lane) for ahead in (EDGE - reach, EDGE)]
    return [starts, *_bow(bend), ends]


def _to_bend(lane: float, turns: int) -> float:
    """How far from the edge of the junction the ways in and out would meet."""
    return EDGE if turns % 360 == 180 else min(EDGE - lane * math.tan(math.radians(turns) / 2), 2 * EDGE)


def _bow(bend: Sequence[Point], steps: int = 12) -> Iterator[Point]:
    """A cubic Bézier curve."""
    for step in range(steps + 1):
        t = step / steps
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        x, y = (sum(weight * point[axis] for weight, point in zip(weights, bend, strict=True)) for axis in (0, 1))
        yield x, y


def _arrow(draw: ImageDraw.ImageDraw, way: Sequence[Point], colour: int, width: int, *, dashed: bool) -> None:
    pixels = [_pixel(point) for point in way]
    (x0, y0), (x1, y1) = pixels[-2:]
    angle = math.atan2(y1 - y0, x1 - x0)
    head = [
        (x1 + 9 * math.cos(angle), y1 + 9 * math.sin(angle)),
        *((x1 + 15 * math.cos(angle + turn), y1 + 15 * math.sin(angle + turn)) for turn in (2.3, -2.3)),
    ]
    for dash in _dashes(pixels) if dashed else [pixels]:
        draw.line(dash, fill=colour, width=width, joint="curve")
    draw.polygon(head, fill=colour)


def _dashes(pixels: Sequence[Point], on: float = 13, off: float = 8) -> Iterator[list[Point]]:
    """Pieces of a line; each is broken at the line's own corners as well."""
    gone = 0.0
    for (x0, y0), (x1, y1) in pairwise(pixels):
        length = math.hypot(x1 - x0, y1 - y0)
        at = 0.0
        while at < length - 1e-6:
            phase = (gone + at) % (on + off)
            step = min((on if phase < on else on + off) - phase + 1e-9, length - at)
            if phase < on:
                ends = [(at + part) / length for part in (0, step)]
                yield [(x0 + end * (x1 - x0), y0 + end * (y1 - y0)) for end in ends]
            at += step
        gone += length


def _bars(draw: ImageDraw.ImageDraw, mark: Mark) -> None:
    """A zebra over the arm from which traffic of the crossing's bearing comes."""
    bearing = mark[0]
    for bar in range(-4, 5):
        right = bar * ARM / 4.5
        ends = [_pixel(_at(bearing, ahead, right)) for ahead in (-0.76, -0.6)]
        draw.line(ends, fill=WALK, width=6)
