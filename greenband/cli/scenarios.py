"""``greenband scenarios``: list them; describe one with the grade of every figure, draw it, or open SUMO's GUI."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from greenband import registry
from greenband.cli.common import clock, err
from greenband.scenario import Scenario

__all__ = ["list_all", "plot", "show", "watch"]

out = Console(highlight=False)
GRADES = "Grades: A sourced, B inferred from sourced figures, C general knowledge, assumed = chosen by the authors."


def list_all() -> None:
    """Print one line per shipped scenario to stdout."""
    table = Table("scenario", "signals", "periods", "what it is")
    for each in registry.names("scenario"):
        found = registry.scenario(each)
        ends = f"{found.junctions[0].name_en} to {found.junctions[-1].name_en}"
        place = ends if len(found.junctions) > 1 else found.junctions[0].name_en
        table.add_row(each, str(len(found.network.signals)), " ".join(found.periods), f"{found.title}, {place}")
    out.print(table)


def show(name: str) -> None:
    """Print what a scenario is made of to stdout."""
    _describe(registry.scenario(name))


def plot(name: str, period: str | None, path: Path) -> None:
    """Draw a scenario into a file."""
    from greenband.picture import save

    scenario = registry.scenario(name)
    save(scenario, period or next(iter(scenario.periods)), path)
    err.print(f"picture in {path}", soft_wrap=True)


def watch(name: str, period: str | None) -> None:
    """Open a scenario in SUMO's GUI and wait until it is closed."""
    from greenband.viewer import watch as open_viewer

    scenario = registry.scenario(name)
    open_viewer(scenario, period or next(iter(scenario.periods)))


def _describe(scenario: Scenario) -> None:
    junctions, periods = _junctions(scenario) if scenario.junctions else _signals(scenario), _periods(scenario)
    origin = f"modelled on {scenario.title}; no survey of it" if scenario.junctions else scenario.title
    out.print(f"[bold]{scenario.name}[/bold]: {origin}. {GRADES}")
    out.print(junctions)
    out.print(periods)
    figures = Table("figure", "value", "grade", "source", title="Figures", title_justify="left")
    for row in scenario.assumptions:
        figures.add_row(row.figure, row.value, row.grade, row.source)
    out.print(figures)
    out.print(f"files in {scenario.folder}", soft_wrap=True)


def _junctions(scenario: Scenario) -> Table:
    table = Table("signal", "junction", "路口", "x m", "cross street", "stages", "name", "position", title="Junctions")
    table.title_justify = "left"
    for row in scenario.junctions:
        stages = len(scenario.network.signals[row.signal].stages)
        place = f"{row.position_grade} ±{row.position_uncertainty_m:g} m"
        table.add_row(
            row.signal, row.name_en, row.name_zh, f"{row.x_m:g}", row.cross_street, str(stages), row.name_grade, place
        )
    return table


def _signals(scenario: Scenario) -> Table:
    """Signals without names of their own, as in an imported network."""
    table = Table("signal", "movements", "stages", "crossings on foot", title="Signals", title_justify="left")
    for name, signal in scenario.network.signals.items():
        table.add_row(name, str(len(signal.movements)), str(len(signal.stages)), str(len(signal.crossings)))
    return table


def _periods(scenario: Scenario) -> Table:
    table = Table("period", "measured", "warm-up s", "veh/h", title="Periods", title_justify="left")
    for name, period in scenario.periods.items():
        total = sum(flow.veh_h for flow in scenario.demand(name).motor_flows)
        table.add_row(name, f"{clock(period.begin_s)} to {clock(period.end_s)}", f"{period.warmup_s}", f"{total:.0f}")
    return table
