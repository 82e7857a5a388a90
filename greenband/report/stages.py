"""What each stage of a junction lets go, as a drawing and in words, and how long it lasts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from greenband.network import Movement, Signal, Turn
from greenband.plan.model import TimingPlan
from greenband.report.texts import LANGUAGES, TEXTS, Text, say
from greenband.signals import Stage

__all__ = ["StageTime", "describe", "draw", "movement_label", "stage_times"]

POINTS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
TURNS = {"s": 0.0, "r": 90.0, "R": 45.0, "l": -90.0, "L": -45.0, "t": 180.0, "T": 180.0}  # degrees clockwise
REACH, MOUTH = 46.0, 20.0  # of arms and of the junction, in the drawing's own units
ASIDE: Mapping[Turn, float] = {"back": 1.0, "far": 5.0, "through": 9.5, "near": 14.0}  # of the arm's middle


@dataclass(frozen=True)
class StageTime:
    """How long a stage is: of a fixed plan in s; of any other subject as share of time, mean in s, times per hour."""

    number: int
    share: float
    timing: tuple[int, int, int, int] | None = None  # green, flash, yellow, all-red
    mean_s: float = 0.0
    per_hour: float = 0.0


def stage_times(
    signal: str,
    plans: Mapping[str, TimingPlan],
    executed: Mapping[str, Sequence[tuple[int, int]]] | None,
    begin_s: int,
    end_s: int,
) -> list[StageTime]:
    """Of the plan if the signal has one, else of what was executed; empty if neither is known."""
    if signal in plans:
        plan = plans[signal]
        return [
            StageTime(s.stage + 1, s.duration_s / plan.cycle_s, (s.green_s, s.green_flash_s, s.yellow_s, s.all_red_s))
            for s in plan.stages
        ]
    lengths: dict[int, list[int]] = {}
    for stage, length in _spans((executed or {}).get(signal, ()), begin_s, end_s):
        lengths.setdefault(stage, []).append(length)
    hours = (end_s - begin_s) / 3600
    return [
        StageTime(k + 1, sum(own) / (end_s - begin_s), None, sum(own) / len(own), len(own) / hours)
        for k, own in sorted(lengths.items())
    ]


def _spans(log: Sequence[tuple[int, int]], begin_s: int, end_s: int) -> Iterator[tuple[int, int]]:
    """(stage index, seconds) of what was shown within a period."""
    for (time, stage), (end, _) in pairwise([*log, (end_s, 0)]):
        if (length := min(end, end_s) - max(time, begin_s)) > 0:
            yield stage, length


def movement_label(movement: Movement) -> Text:
    """``from the north, left``."""
    approach = say(f"from_{_point(movement.bearing + 180)}")
    turn = say(f"turn_{movement.direction.lower()}")
    return Text(f"{approach.en}, {turn.en}", f"{approach.zh}{turn.zh}")


def describe(signal: Signal, stage: Stage) -> Text:
    """Who has green, by approach."""
    by_approach: dict[str, list[str]] = {}
    for k in stage.movements:
        movement = signal.movements[k]
        by_approach.setdefault(_point(movement.bearing + 180), []).append(f"turn_{movement.direction.lower()}")
    words = []
    for language, (colon, comma, semicolon) in zip(LANGUAGES, ((": ", ", ", "; "), ("", "、", "；")), strict=True):
        parts = [
            getattr(TEXTS[f"from_{point}"], language)
            + colon
            + comma.join(getattr(TEXTS[turn], language) for turn in dict.fromkeys(turns))
            for point, turns in by_approach.items()
        ]
        words.append(semicolon.join(parts))
    return Text(*words)


def draw(signal: Signal, stage: Stage, left_hand: bool) -> Markup:
    """An SVG drawing, north up. The words of ``describe`` say the same."""
    side = -1.0 if left_hand else 1.0
    arms = sorted({round(bearing, 1) for m in signal.movements for bearing in (m.bearing + 180, _exit(m))})
    parts = [_line("arm", _along(0, 0, bearing, 0, 0), _along(0, 0, bearing, REACH, 0)) for bearing in arms]
    for crossing in signal.crossings:
        if crossing.index in stage.greens:
            parts += [_crosswalk(m.bearing + 180) for m in signal.movements if m.from_edge in crossing.edges][:1]
    for k in stage.movements:
        movement = signal.movements[k]
        yields = all(stage.state[link] != "G" for link in movement.links)
        parts.append(_arrow(movement, side, "go yields" if yields else "go"))
    return Markup(f'<svg viewBox="-50 -50 100 100" aria-hidden="true" focusable="false">{"".join(parts)}</svg>')


def _exit(movement: Movement) -> float:
    return (movement.bearing + TURNS.get(movement.direction, 0.0)) % 360


def _point(bearing: float) -> str:
    return POINTS[round(bearing % 360 / 45) % 8]


def _along(x: float, y: float, bearing: float, ahead: float, right: float) -> tuple[float, float]:
    """A point so far ahead and to the right of another, for one who heads for a bearing; y grows downwards."""
    sin, cos = math.sin(math.radians(bearing)), math.cos(math.radians(bearing))
    return x + ahead * sin + right * cos, y - ahead * cos + right * sin


def _arrow(movement: Movement, side: float, kind: str) -> str:
    aside, heading, leaving = side * ASIDE[movement.turn], movement.bearing, _exit(movement)
    tail, stop = _along(0, 0, heading, -REACH + 4, aside), _along(0, 0, heading, -MOUTH, aside)
    back = side * ASIDE["far"] if movement.turn == "back" else aside
    mouth, tip = _along(0, 0, leaving, MOUTH, back), _along(0, 0, leaving, REACH - 12, back)
    bend = 0.5 * math.dist(stop, mouth)
    first, second = _along(*stop, heading, bend, 0), _along(*mouth, leaving, -bend, 0)
    way = f"M{_xy(tail)}L{_xy(stop)}C{_xy(first)} {_xy(second)} {_xy(mouth)}L{_xy(tip)}"
    left, right = _along(*tip, leaving, -1, -4), _along(*tip, leaving, -1, 4)
    head = f"M{_xy(left)}L{_xy(_along(*tip, leaving, 8, 0))}L{_xy(right)}Z"
    return f'<path class="{kind}" d="{way}"/><path class="head" d="{head}"/>'


def _crosswalk(bearing: float) -> str:
    return _line("walk", _along(0, 0, bearing, MOUTH + 4, -18), _along(0, 0, bearing, MOUTH + 4, 18))


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    return f'<path class="{kind}" d="M{_xy(start)}L{_xy(end)}"/>'


def _xy(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"
