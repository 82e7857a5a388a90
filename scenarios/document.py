"""A page per shipped scenario with every figure, its grade, and how to put a local one in its place."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from greenband.scenario import Scenario
from greenband.scenarios.builder import load

__all__ = ["page"]

GRADES = "**A** sourced, **B** inferred from sourced figures, **C** general knowledge, **assumed** chosen here"


def page(name: str) -> str:
    """The page of a scenario as Markdown; people and e-bikes, which are off by default, are described too."""
    return "\n".join(_lines(name, load(name), load(name, people=True, ebikes=True))) + "\n"


def _lines(name: str, scenario: Scenario, whole: Scenario) -> Iterator[str]:
    yield from (f"# `{name}`", "", f"Modelled on {scenario.title}; no survey of it. Grades: {GRADES}.", "")
    yield from ("This page is written by `make docs`; change the specification, not the page.", "")
    yield from ("## Junctions", "", "| signal | junction | 路口 | m | cross street | name | position |")
    yield "|---|---|---|---|---|---|---|"
    for row in scenario.junctions:
        place = f"{row.position_grade} ±{row.position_uncertainty_m:g} m"
        street = f"{row.name_en} | {row.name_zh} | {row.x_m:g} | {row.cross_street}"
        yield f"| {row.signal} | {street} | {row.name_grade} | {place} |"
    yield from ("", "## Periods", "", "| period | from | to | vehicles an hour |", "|---|---|---|---|")
    for period, span in scenario.periods.items():
        veh_h = sum(flow.veh_h for flow in scenario.demand(period).motor_flows)
        yield f"| {period} | {_clock(span.begin_s)} | {_clock(span.end_s)} | {veh_h:.0f} |"
    yield from ("", "## Every figure", "", "| figure | value | grade | source |", "|---|---|---|---|")
    for figure in whole.assumptions:
        yield f"| {figure.figure} | {_cell(figure.value)} | {figure.grade} | {_cell(figure.source)} |"
    yield from _replace(name)


def _replace(name: str) -> Iterator[str]:
    corridor = _corridor(name)
    yield from ("", "## Putting local figures in their place", "")
    yield f"The specification is `scenarios/data/{corridor}/`; a change there builds the scenario anew at its next use."
    yield ""
    yield from (
        "| to replace | edit |",
        "|---|---|",
        "| junctions, their distances and classes of cross street | `junctions.csv`, a row a junction |",
        "| turning counts | `flows_assumed.csv`: veh/h by junction, period and approach (NB, SB, EB, WB: the way one"
        " drives) |",
        "| lanes, speeds, bays | `geometry` in `corridor.yaml` |",
        "| yellow, all-red, minimum and maximum green and red | `signals` in `corridor.yaml` |",
        "| cycles of the existing plan | `periods` in `corridor.yaml`; whole plans: `greenband evaluate PLAN` |",
        "| shape of the day | `day` in `corridor.yaml`: 24 shares of the peak hour, and whose tables and plans hold |",
        "| vehicles, buses, people, e-bikes | `traffic`, `buses`, `people`, `ebikes` in `corridor.yaml` |",
    )
    yield ""
    yield "Set the grade and source beside each figure that you change. With counts and a network of your own,"
    yield "`greenband scenarios import` and `greenband scenarios calibrate` need no specification at all."


def _corridor(name: str) -> str:
    text = (files("greenband.scenarios") / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("corridor:"))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
