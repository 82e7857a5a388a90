"""SUMO's mesoscopic model beside its microscopic one: do fixed plans come out alike, and how much faster is it?

    python benchmarks/fidelity.py [--scenario shixin_short] [--periods AM,OFF,PM] [--seeds 1000:1004] [--jobs 2]
                                  [--out benchmarks/results/fidelity.md]

What ``greenband/fidelity.py`` and ``greenband/meso.py`` set was chosen by hand on the plans of shixin_short, seeds
1000 and 1001, and shixin, seed 1000; other seeds, and any other road, say how far that carries. Besides the existing
plan, Webster's and the green wave there is the wave with offsets at random and with a longer cycle, so that plans
differ in what they do badly.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import cast

from scipy.stats import spearmanr

from greenband import registry, sumo
from greenband.control import ControlLoop
from greenband.evaluation import Subject, parse_seeds, resolve
from greenband.evaluation.runner import Task, run_all
from greenband.fidelity import FIDELITIES
from greenband.files import write_text
from greenband.formats import json as plan_json
from greenband.plan.model import PlanSet
from greenband.plan.planner import Planner
from greenband.scenario import Scenario

LONGER_S = 40  # of the cycle, given to each junction's longest green
INTERVAL_S, TIMED_S = 5, 900


def main() -> None:
    """Simulate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin_short")
    parser.add_argument("--periods", default="AM,OFF,PM")
    parser.add_argument("--seeds", default="1000:1004")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = (
        f"`python benchmarks/fidelity.py --scenario {options.scenario} --periods {options.periods}"
        f" --seeds {options.seeds}`, SUMO {sumo.version_string()}\n\n"
        "Delay in s/veh of fixed plans, mean over the seeds; rho is Spearman's, of a period's plans.\n\n"
        "| period | plan | micro | meso | meso is off by | rho |\n|---|---|---|---|---|---|\n"
    )
    scenario, seeds = registry.scenario(options.scenario), parse_seeds(options.seeds)
    for period in options.periods.split(","):
        with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
            plans = list(_plans(scenario, period, Path(folder)))
            tasks = [Task(p, scenario.at(f), period, s) for p in plans for f in FIDELITIES for s in seeds]
            runs = iter(run_all(tasks, options.jobs))
            rows = [[mean(next(runs).metrics["delay_s"] for _ in seeds) for _ in FIDELITIES] for _ in plans]
        rho = f"{spearmanr(*zip(*rows, strict=True)).statistic:.2f}"
        for plan, (micro, meso) in zip(plans, rows, strict=True):
            text += f"| {period} | {plan.name} | {micro:.1f} | {meso:.1f} | {meso / micro - 1:+.0%} | {rho} |\n"
            rho = ""
    micro, meso = (_seconds(scenario.at(f), options.periods.split(",")[0], seeds[0]) for f in FIDELITIES)
    text += (
        f"\nThe control loop with cameras that are asked every {INTERVAL_S} s, under the existing plan, takes"
        f" {micro:.1f} s for {TIMED_S} s in micro and {meso:.2f} s in meso, {micro / meso:.0f} times less.\n"
    )
    print(text)
    if options.out:
        write_text(options.out, text)


def _plans(scenario: Scenario, period: str, folder: Path) -> Iterator[Subject]:
    """Fixed plans that differ in splits, offsets and cycle."""
    yield resolve("existing")
    makers = {name: cast(Planner, registry.controller(name)) for name in ("webster", "greenwave")}
    plans = {name: maker.plan_set(scenario, [period]) for name, maker in makers.items()}
    wave = plans["greenwave"]
    for name, plan in {**plans, "random offsets": _scattered(wave), "long cycle": _longer(wave)}.items():
        plan_json.write(plan, folder / f"{name}.json")
        yield Subject(name, plan=folder / f"{name}.json")


def _scattered(wave: PlanSet) -> PlanSet:
    rng, data = random.Random(0), wave.model_dump(mode="json")
    for plan in (plan for plans in data["plans"].values() for plan in plans.values()):
        plan["offset_s"] = rng.randrange(plan["cycle_s"])
    return PlanSet.model_validate(data)


def _longer(wave: PlanSet) -> PlanSet:
    data = wave.model_dump(mode="json")
    for plan in (plan for plans in data["plans"].values() for plan in plans.values()):
        max(plan["stages"], key=lambda stage: float(stage["green_s"]))["green_s"] += LONGER_S
        plan["cycle_s"] += LONGER_S
    return PlanSet.model_validate(data)


def _seconds(scenario: Scenario, period: str, seed: int) -> float:
    controller = registry.controller("existing")
    loop = ControlLoop(scenario, period)
    try:
        loop.reset(seed, begin_with=controller.reset(scenario, period))
        until = loop.period.begin_s + TIMED_S
        while loop.now < loop.period.begin_s:
            loop.step(controller.decide(loop.measure()), INTERVAL_S)
        start = time.perf_counter()
        while loop.now < until:
            loop.step(controller.decide(loop.measure()), INTERVAL_S)
        return time.perf_counter() - start
    finally:
        loop.close()


if __name__ == "__main__":
    main()
