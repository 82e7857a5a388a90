"""The page: title, the whole road, a panel per junction, and what the colours say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from greenband.errors import BadInput, UnknownName
from greenband.formats import json as plan_json
from greenband.network import Signal
from greenband.picture.fonts import families, printable
from greenband.picture.overview import draw_overview, junction, label
from greenband.picture.panel import Panel
from greenband.picture.shapes import GRADES, GREY, INK, Ground
from greenband.plan.splits import movement_flows
from greenband.scenario import Scenario

__all__ = ["draw", "save"]

# inches
WIDTH, MARGIN, HEAD, FOOT = 16.0, 0.35, 0.75, 0.45
TALLEST_ROAD = 4.5
SIGN = 0.064  # mean width of a sign of a name
CELL_WIDTH, CELL_HEIGHT = 3.8, 2.75
COLUMNS = 4
MOST_ENLARGED = 1.9  # of the panels, where there are few
DPI = 170


def save(scenario: Scenario, period: str, path: Path) -> None:
    """Draw into a file whose ending names its kind: png, pdf or svg.

    Raises:
        UnknownName: there is no such period, or the ending is none of these.
        BadInput: the file cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in ("png", "pdf", "svg"):
        raise UnknownName("kind of picture", kind, ["png", "pdf", "svg"])
    with matplotlib.rc_context({"font.family": families()}):
        figure = draw(scenario, period)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=DPI)
        except OSError as error:
            raise BadInput(f"{path}: cannot be written: {error.strerror}") from error


def draw(scenario: Scenario, period: str) -> Figure:
    """The page as a figure.

    Raises:
        UnknownName: there is no such period.
    """
    network, ground = scenario.network, Ground(scenario.network)
    along, across = np.ptp(ground.extent, axis=0).tolist()
    slant = SIGN * max(sum(1 + (ord(c) > 0x2E80) for c in label(scenario, name)) + 12 for name in network.signals)
    names, beside = 0.4 + 0.65 * slant, 0.77 * slant
    m_per_in = max(along / (WIDTH - 2 * MARGIN - beside), across / TALLEST_ROAD)
    columns = min(COLUMNS, len(network.signals))
    size = min(MOST_ENLARGED, (WIDTH - 2 * MARGIN) / (columns * CELL_WIDTH))
    rows, road = math.ceil(len(network.signals) / columns), across / m_per_in
    panels = HEAD + names + road + 0.6
    height = panels + rows * size * CELL_HEIGHT + FOOT + MARGIN
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    page = _Page(figure, height)
    page.text(MARGIN, 0.3, f"{scenario.name}, {period}: modelled on {scenario.title}, no survey", 15)
    page.text(MARGIN, 0.58, _subtitle(scenario), 8, GREY)
    left = max(MARGIN, (WIDTH - along / m_per_in) / 2 - beside / 2)
    axes = page.axes(left, HEAD + names, along / m_per_in, road)
    draw_overview(axes, scenario, ground, _by_edge(scenario, period), m_per_in)
    turns, greens = movement_flows(scenario.demand(period)), _greens(scenario, period)
    most = max((turns.get(m.id, 0.0) for s in network.signals.values() for m in s.movements), default=0.0) or 1.0
    left = (WIDTH - columns * size * CELL_WIDTH) / 2
    for number, signal in enumerate(network.signals.values()):
        x, y = left + number % columns * size * CELL_WIDTH, panels + number // columns * size * CELL_HEIGHT
        cell = _Cell(page, x, y, size)
        _heading(cell, scenario, signal.id)
        panel = Panel(ground, signal, size)
        panel.map(cell.axes(0.1, 0.37, 2.25), turns, most)
        _stages(cell, signal, panel, greens.get(signal.id, {}))
    _legend(page, height)
    return figure


class _Page:
    """Places things by inches from the top left."""

    def __init__(self, figure: Figure, height: float) -> None:
        self._figure, self._height = figure, height

    def axes(self, x: float, y: float, width: float, height: float) -> matplotlib.axes.Axes:
        """Axes with their top left at a place."""
        bottom = (self._height - y - height) / self._height
        return self._figure.add_axes((x / WIDTH, bottom, width / WIDTH, height / self._height))

    def text(self, x: float, y: float, text: str, size: float, colour: str = INK) -> None:
        """A line of text that starts at a place."""
        self._figure.text(x / WIDTH, 1 - y / self._height, printable(text), fontsize=size, color=colour, va="center")


def _subtitle(scenario: Scenario) -> str:
    flows = next((row for row in scenario.assumptions if row.figure == "flows"), None)
    grade = f"Flows: grade {flows.grade} ({flows.value})." if flows else "Flows: no grade."
    named = " [name, position]: grades; bar: uncertainty of the position." if scenario.junctions else ""
    return f"{grade} Width of blue bands by motor vehicles per hour.{named}"


@dataclass(frozen=True)
class _Cell:
    """Places things by inches from a cell's top left, times its ``size``."""

    page: _Page
    x: float
    y: float
    size: float

    def axes(self, x: float, y: float, side: float) -> matplotlib.axes.Axes:
        """Square axes."""
        return self.page.axes(self.x + self.size * x, self.y + self.size * y, self.size * side, self.size * side)

    def text(self, x: float, y: float, text: str, points: float, colour: str = INK) -> None:
        """A line of text."""
        self.page.text(self.x + self.size * x, self.y + self.size * y, text, self.size * points, colour)


def _heading(cell: _Cell, scenario: Scenario, signal: str) -> None:
    cell.text(0.1, 0.1, label(scenario, signal), 8.5)
    row = junction(scenario, signal)
    if row:
        cell.text(0.1, 0.26, f"name {row.name_grade}", 6, GRADES[row.name_grade])
        place = f"position {row.position_grade} ±{row.position_uncertainty_m:g} m"
        cell.text(0.75 if len(row.name_grade) > 1 else 0.5, 0.26, place, 6, GRADES[row.position_grade])


def _stages(cell: _Cell, signal: Signal, panel: Panel, greens: Mapping[int, int]) -> None:
    """Diagrams in two columns beside the map, in as many as it takes if that gets too long."""
    number = len(signal.stages)
    columns = 2 if number <= 6 else math.ceil(math.sqrt(number))
    side = min(1.35 / columns - 0.06, 2.25 / math.ceil(number / columns) - 0.14)
    for k, stage in enumerate(signal.stages):
        title = f"{k + 1}" + (f" · {greens[k]} s" if k in greens else "")
        x, y = 2.42 + k % columns * (side + 0.06), 0.49 + k // columns * (side + 0.16)
        panel.stage(cell.axes(x, y, side), stage, title)


def _by_edge(scenario: Scenario, period: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for flow in scenario.demand(period).motor_flows:
        for edge in flow.edges:
            found[edge] = found.get(edge, 0.0) + flow.veh_h
    return found


def _greens(scenario: Scenario, period: str) -> dict[str, dict[int, int]]:
    """Green of each stage in s by signal, in the plan in force, where the scenario comes with one."""
    if scenario.period(period).existing_plan is None:
        return {}
    plans = plan_json.read(scenario.existing_plan_file(period)).plans.get(period, {})
    return {name: {stage.stage: stage.go_s for stage in plan.stages} for name, plan in plans.items()}


def _legend(page: _Page, height: float) -> None:
    y = height - MARGIN - 0.1
    page.text(MARGIN, y, "Grades:", 7.5)
    words = {"A": "A sourced", "B": "B inferred from sourced figures", "C": "C general knowledge", "assumed": "assumed"}
    for place, (grade, text) in zip((0.9, 1.7, 3.6, 5.0), words.items(), strict=True):
        page.text(MARGIN + place, y, text, 7.5, GRADES[grade])
    page.text(
        MARGIN + 6.0,
        y,
        "Stages: number · green of the existing plan; solid: protected, dashed: yields; blue bar: crossing on foot.",
        7.5,
    )
