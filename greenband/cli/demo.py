"""``greenband demo``: the whole job, small, from an empty folder to timing tables that were simulated."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from greenband import formats, registry
from greenband.cli.common import err, processes
from greenband.cli.evaluate import compare
from greenband.cli.plan import make_plans
from greenband.cli.table import show
from greenband.errors import BadInput
from greenband.evaluation import Result, parse_seeds, resolve, save
from greenband.files import write_text
from greenband.plan.describe import described
from greenband.scenario import Scenario

__all__ = ["run"]

PLAN_SEEDS = (10_000, 10_001, 10_002)
MOST_PROCESSES = 4  # more of them would learn too seldom in so short a time
VALIDATE_EVERY = 15_000  # decisions: a few times in all, as a short run's last policy need not be its best


def run(out: Path, scenario: str, period: str, minutes: float, seeds: str, jobs: int) -> None:
    """Build, train, distil, export, and simulate the existing plan, max-pressure, the policy and the tables."""
    started, jobs, numbers = time.monotonic(), processes(jobs), parse_seeds(seeds)
    err.rule("1 of 4: build the road")
    found = registry.scenario(scenario)
    found.period(period)
    err.print(f"{found.title}: {len(found.network.signals)} signals, period {period}")
    err.rule(f"2 of 4: learn for {minutes:g} minutes")
    policy = _train(scenario, period, minutes, jobs, out)
    err.rule("3 of 4: turn the policy into timing tables")
    tables = _export(policy, found, period, jobs, out)
    err.rule(f"4 of 4: compare on {len(numbers)} seeds that nothing was trained or chosen on")
    result = compare(
        [resolve(text) for text in ("existing", "maxpressure", str(policy), str(tables))], found, period, numbers, jobs
    )
    save([result], out / "results.json")
    show(result)
    summary = _summary(result, out, time.monotonic() - started)
    write_text(out / "summary.md", summary)
    err.rule("summary")
    err.print(summary, soft_wrap=True)


def _train(scenario: str, period: str, minutes: float, jobs: int, out: Path) -> Path:
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    from greenband.training import train

    folder = out / "policy"
    if folder.exists() and not (folder / "config.yaml").is_file():
        raise BadInput(f"{folder}: is there already and is no training run; choose another --out")
    shutil.rmtree(folder, ignore_errors=True)
    with initialize_config_module("greenband.configs", version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", ["out=''"]), resolve=True)
    config |= {"minutes": minutes, "processes": min(jobs, MOST_PROCESSES), "out": str(folder)}
    config["scenario"] = {"_target_": "greenband.registry.scenario", "name": scenario}
    config["env"]["periods"] = [period]
    config["validation"] |= {"seeds": "1000:1002", "every_steps": VALIDATE_EVERY, "jobs": jobs}
    return train(config)


def _export(policy: Path, scenario: Scenario, period: str, jobs: int, out: Path) -> Path:
    plans = make_plans(resolve(str(policy)), scenario, [period], PLAN_SEEDS, jobs)
    tables = out / "tables"
    files = formats.write(described(plans, scenario), "all", tables).all()
    err.print(f"{len(files)} files in {tables}", soft_wrap=True)
    return tables / "csv"


def _summary(result: Result, out: Path, seconds: float) -> str:
    existing, _, policy, table = result.subjects
    lines = [
        f"{result.scenario} {result.period}, seeds {result.seeds[0]} to {result.seeds[-1]}, SUMO {result.sumo},"
        f" {seconds / 60:.1f} minutes",
        "",
        "| subject | mainline km/h | delay s/veh | change of delay against existing (95 % interval) | violations |",
        "|---|---|---|---|---|",
    ]
    names = {existing.name: "existing plan", policy.name: "policy (PPO)", table.name: "exported timing tables"}
    for subject in result.subjects:
        mean, interval = result.paired(subject, "delay_s")
        span = "" if interval is None else f" ({interval[0]:+.1f} to {interval[1]:+.1f})"
        change = "" if subject is existing else f"{mean:+.1f} s, {100 * mean / existing.mean('delay_s'):+.1f} %{span}"
        speed, delay = subject.mean("mainline_speed_kmh"), subject.mean("delay_s")
        label = names.get(subject.name, subject.name)
        lines.append(f"| {label} | {speed:.1f} | {delay:.1f} | {change} | {subject.violations} |")
    lines += ["", f"policy {out / 'policy'} · tables {out / 'tables'} · results {out / 'results.json'}"]
    return "\n".join(lines) + "\n"
