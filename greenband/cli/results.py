"""``greenband results``: training runs in one table and one picture."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from greenband.cli.common import err
from greenband.evaluation.sweep import Choice, choices, find_runs, read_run
from greenband.files import write_text

__all__ = ["run"]


def run(runs: Sequence[Path], plot: Path | None, json: Path | None) -> None:
    """Print the table; write picture and figures where asked."""
    found = choices([read_run(folder) for folder in find_runs(runs)])
    err.print(_table(found))
    if plot is not None:
        from greenband.picture.curves import save_curves

        save_curves(found, plot)
        err.print(f"learning curves in {plot}", soft_wrap=True)
    if json is not None:
        write_text(json, jsonlib.dumps({"choices": [_figures(choice, found[0]) for choice in found]}, indent=1) + "\n")
        err.print(f"figures in {json}", soft_wrap=True)


def _table(found: Sequence[Choice]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, title_justify="left")
    table.title = "validation delay of the policies kept: interquartile mean over runs, 95 % interval"
    table.add_column("settings", overflow="fold")
    table.add_column("runs", justify="right")
    table.add_column("delay s", justify="right", no_wrap=True)
    table.add_column("first to last run s", justify="right", no_wrap=True)
    table.add_column("minutes", justify="right")
    table.add_column("P(less delay\nthan the first)", justify="right", no_wrap=True)
    for choice in found:
        delays = sorted(choice.delays_s)
        table.add_row(
            escape(choice.name),
            str(len(choice.runs)),
            f"{choice.delay_s:.1f}{_between(choice.delay_ci95_s, 1)}",
            f"{delays[0]:.1f}–{delays[-1]:.1f}",
            f"{sum(run.seconds for run in choice.runs) / len(choice.runs) / 60:.0f}",
            "" if choice is found[0] else _chance(choice, found[0]),
        )
    return table


def _chance(choice: Choice, first: Choice) -> str:
    probability, interval = choice.better_than(first)
    return f"{probability:.2f}{_between(interval, 2)}"


def _between(interval: tuple[float, float] | None, digits: int) -> str:
    return "" if interval is None else f" [dim]{interval[0]:.{digits}f}–{interval[1]:.{digits}f}[/dim]"


def _figures(choice: Choice, first: Choice) -> dict[str, Any]:
    probability, interval = choice.better_than(first)
    steps, (mean, low, high) = choice.curve()
    return {
        "settings": choice.name,
        "runs": [
            {
                "folder": str(run.folder),
                "seconds": run.seconds,
                "best_delay_s": run.best_delay_s,
                "steps": run.curve.steps.tolist(),
                "delay_s": run.curve.delay_s.tolist(),
            }
            for run in choice.runs
        ],
        "delay_s": {"interquartile_mean": choice.delay_s, "ci95": choice.delay_ci95_s},
        "less_delay_than_first": {"probability": probability, "ci95": interval},
        "curve": {"steps": steps.tolist(), "delay_s": mean.tolist(), "low": low.tolist(), "high": high.tolist()},
    }
