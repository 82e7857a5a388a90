"""``greenband scenarios import``: a scenario of any SUMO network, with what looks wrong in it."""

from __future__ import annotations

from pathlib import Path

from greenband import registry
from greenband.cli.common import err
from greenband.errors import BadInput
from greenband.scenario import Scenario

__all__ = ["run"]

SHOWN = 20  # findings; all of them are in import.md


def run(
    net: Path | None,
    name: str,
    routes: str,
    sumocfg: Path | None,
    osm: Path | None,
    out: Path | None,
    signals: str,
    begin: int | None,
    end: int | None,
    warmup: int,
    yellow: int | None,
    all_red: int | None,
    clear_turns: int,
) -> None:
    """Import, and report to stderr.

    Raises:
        BadInput: a file or an option cannot be used.
    """
    if not name or name != Path(name).name:
        raise BadInput(f"--name {name!r}: must be a name, not a path")
    folder = out or Path(name)
    made = registry.instantiate(
        {"_target_": "greenband.scenarios.foreign.bring"},
        folder=folder,
        name=name,
        net=net,
        sumocfg=sumocfg,
        osm=osm,
        routes=[Path(part) for part in _list(routes)],
        signals=_list(signals) or None,
        begin_s=begin,
        end_s=end,
        warmup_s=warmup,
        yellow_s=yellow,
        all_red_s=all_red,
        clear_turns_s=clear_turns,
    )
    for finding in made.findings[:SHOWN]:
        err.print(str(finding), soft_wrap=True, markup=False)
    if len(made.findings) > SHOWN:
        err.print(f"and {len(made.findings) - SHOWN} more findings")
    err.print(_summary(made.scenario, folder), soft_wrap=True, markup=False)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _summary(scenario: Scenario, folder: Path) -> str:
    controlled, period = len(scenario.network.signals), scenario.period("all")
    return (
        f"{folder}: {controlled} signal{'s' if controlled != 1 else ''} to control, {period.start_s} to"
        f" {period.end_s} s; findings in {folder / 'import.md'}; try: greenband evaluate existing maxpressure"
        f" --scenario {folder} --period all"
    )
