"""Learning curves: delay on the validation seeds over decisions trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from greenband.errors import BadInput
from greenband.evaluation.sweep import Choice
from greenband.picture.fonts import families

__all__ = ["draw_curves", "save_curves"]


def save_curves(choices: Sequence[Choice], path: Path) -> None:
    """Draw into a file whose ending tells the format: .png, .pdf or .svg.

    Raises:
        BadInput: matplotlib knows no such format.
    """
    with matplotlib.rc_context({"font.family": families(), "svg.hashsalt": "greenband"}):
        figure = draw_curves(choices)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            figure.savefig(path, dpi=150)
        except ValueError as error:
            raise BadInput(f"{path}: {error}") from error


def draw_curves(choices: Sequence[Choice]) -> Figure:
    """Of each choice the interquartile mean over its runs with the interval, and every run as a thin line."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, choice in enumerate(choices):
        colour = f"C{number % 10}"
        for run in choice.runs:
            axes.plot(run.curve.steps, run.curve.delay_s, color=colour, lw=0.6, alpha=0.5)
        steps, (mean, low, high) = choice.curve()
        count = f"{len(choice.runs)} run" + ("s" if len(choice.runs) > 1 else "")
        axes.plot(steps, mean, color=colour, lw=2, marker="o", ms=3, label=f"{choice.name} ({count})")
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.set_xlabel("decisions trained")
    axes.set_ylabel("delay on validation seeds, s/veh")
    axes.set_title("Learning curves: interquartile mean over runs, 95 % interval", loc="left", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure
