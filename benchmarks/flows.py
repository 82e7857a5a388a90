"""How well the simulated traffic meets the flow table: GEH of every movement.

    python benchmarks/flows.py SCENARIO [--seeds 0:10] [--jobs 2] [--out benchmarks/results/flows_SCENARIO.md]

Counted are motor vehicles that cross the stop line within the measured hour, under the existing plan, mean over the
seeds; they are held against the table's turning flows, which a period takes scaled by the day's profile.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import mean

from greenband import registry, sumo
from greenband.counts import geh, share_good
from greenband.evaluation.seeds import parse_seeds
from greenband.evaluation.subjects import resolve
from greenband.files import write_text
from greenband.passages import drive, stop_lines
from greenband.scenarios.spec import load_section
from greenband.scenarios.traffic import movement_flows


def counted(name: str, period: str, seed: int) -> dict[str, float]:
    """veh/h per movement in one run."""
    scenario = registry.scenario(name)
    span = scenario.period(period)
    passages = drive(scenario, period, seed, resolve("existing").make())
    return {count.location: count.veh_h for count in stop_lines(scenario, passages, span.begin_s, span.end_s)}


def row(period: str, table: dict[str, float], runs: list[dict[str, float]]) -> str:
    """A line of the result table."""
    simulated = {movement: mean(run[movement] for run in runs) for movement in table}
    values = {movement: geh(simulated[movement], veh_h) for movement, veh_h in table.items()}
    worst = max(values, key=lambda movement: values[movement])
    totals = sum(table.values()), sum(simulated.values())
    return (
        f"| {period} | {len(values)} | {share_good(list(values.values())):.1%} | {mean(values.values()):.2f} |"
        f" {worst}: {table[worst]:.0f} wanted, {simulated[worst]:.0f} counted, {values[worst]:.1f} |"
        f" {totals[0]:.0f} | {totals[1]:.0f} |\n"
    )


def main() -> None:
    """Simulate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("scenario")
    parser.add_argument("--seeds", default="0:10")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    name, seeds = options.scenario, parse_seeds(options.seeds)
    section, scenario = load_section(name), registry.scenario(name)
    text = (
        f"`python benchmarks/flows.py {name} --seeds {options.seeds}`, SUMO {sumo.version_string()}, existing plan\n\n"
    )
    text += "| period | movements | GEH below 5 | mean GEH | worst movement, veh/h | sum of the table | counted |\n"
    text += "|---|---|---|---|---|---|---|\n"
    with ProcessPoolExecutor(options.jobs, mp.get_context("spawn")) as pool:
        periods = [period for period, span in scenario.periods.items() if not span.plans]
        jobs = {period: [pool.submit(counted, name, period, seed) for seed in seeds] for period in periods}
        for period, futures in jobs.items():
            text += row(period, movement_flows(section, period), [future.result() for future in futures])
            print(text.splitlines()[-1], flush=True)
    if options.out:
        write_text(options.out, text)


if __name__ == "__main__":
    main()
