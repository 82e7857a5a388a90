"""``greenband scenarios calibrate``: make demand that reproduces counts, simulate it, and say how well both agree."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

from greenband import registry
from greenband.cli.common import clock, counting, err
from greenband.counts import GOOD_SHARE, Agreement, Count, share_good, write_agreement
from greenband.errors import BadInput
from greenband.evaluation import parse_seeds
from greenband.passages import Passages, drive
from greenband.scenario import Scenario

__all__ = ["run"]

CALIBRATE = "greenband.scenarios.calibrate.calibrate"
REPORT = "calibration.csv"


def run(network: Path, counts: Path, name: str | None, out: Path | None, routes: Path | None, seeds: str) -> None:
    """Write the scenario folder and the report; exit code 1 where the simulation misses too many counts."""
    numbers = parse_seeds(seeds)
    name = name or network.name.removesuffix(".xml").removesuffix(".net")
    if not name or Path(name).name != name:
        raise BadInput(f"--name {name!r}: must be a plain name; --out names the folder")
    folder = out or Path(name)
    scenario, fitted = registry.instantiate(
        {"_target_": CALIBRATE},
        network_file=network,
        counts_file=counts,
        name=name,
        folder=folder,
        routes_file=routes,
    )
    rows = _agreement(scenario, fitted, numbers)
    write_agreement(folder / REPORT, rows)
    _show(rows, len(numbers))
    good = share_good([row.simulated_geh for row in rows])
    err.print(
        f"GEH below 5 at {share_good([row.fitted_geh for row in rows]):.0%} of {len(rows)} counts for the demand, "
        f"at {good:.0%} simulated; scenario in {folder}, report in {folder / REPORT}",
        soft_wrap=True,
    )
    if good <= GOOD_SHARE:
        err.print(f"not calibrated: more than {GOOD_SHARE:.0%} are needed (DMRB, FHWA)")
        sys.exit(1)


def _agreement(scenario: Scenario, fitted: Sequence[tuple[Count, float]], seeds: Sequence[int]) -> list[Agreement]:
    """Simulate every period under the plan that the scenario was given, and take the mean over seeds."""
    runs: dict[str, list[Passages]] = {}
    with counting("simulating", len(scenario.periods) * len(seeds)) as step:
        for period in scenario.periods:
            runs[period] = []
            for seed in seeds:
                runs[period].append(drive(scenario, period, seed, registry.controller("existing")))
                step()
    return [Agreement(count, veh_h, _simulated(scenario, count, runs)) for count, veh_h in fitted]


def _simulated(scenario: Scenario, count: Count, runs: dict[str, list[Passages]]) -> float:
    period = next(n for n, span in scenario.periods.items() if span.begin_s <= count.begin_s < span.end_s)
    return fmean(run.veh(count.location, count.begin_s, count.end_s) for run in runs[period]) / count.hours


def _show(rows: Sequence[Agreement], seeds: int) -> None:
    table = Table(title=f"veh/h and GEH per count; simulated: mean of {seeds} seeds", title_justify="left")
    table.add_column("count", overflow="fold")
    table.add_column("time", no_wrap=True)
    for column in ("counted", "fitted", "GEH", "simulated", "GEH"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        count, time = row.count, f"{clock(row.count.begin_s)}-{clock(row.count.end_s)}"
        fitted = (f"{row.fitted_veh_h:.0f}", f"{row.fitted_geh:.1f}")
        simulated = (f"{row.simulated_veh_h:.0f}", f"{row.simulated_geh:.1f}")
        table.add_row(count.location, time, f"{count.veh_h:.0f}", *fitted, *simulated)
    Console(highlight=False).print(table)
