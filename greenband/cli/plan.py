"""``greenband plan``: replay a subject, distil what it did into one fixed plan per junction and period."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from greenband import formats, registry
from greenband.cli.common import counting, err, periods_of, processes
from greenband.cli.evaluate import compare
from greenband.cli.table import show
from greenband.errors import BadInput
from greenband.evaluation import Subject, parse_seeds, resolve, save
from greenband.evaluation.runner import Task, run_all
from greenband.plan.distil import distil
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario

__all__ = ["make_plans", "run"]


def run(subject: str, scenario: str, out: Path, period: str, seeds: str, compare_on: str, jobs: int) -> None:
    """Write ``plan.json`` into ``out``, then compare existing plan, subject and that file; ``results.json`` too."""
    found, jobs, numbers = registry.scenario(scenario), processes(jobs), parse_seeds(compare_on)
    periods = periods_of(found, period)
    plans = make_plans(resolve(subject), found, periods, parse_seeds(seeds), jobs)
    path = formats.write(plans, found, "json", out)[0]
    err.print(f"plan {plans.content_hash[:12]} in {path}", soft_wrap=True)
    subjects = list(dict.fromkeys(["existing", subject, str(path)]))
    results = [compare(subjects, found, name, numbers, jobs) for name in periods]
    for result in results:
        show(result)
    save(results, out / "results.json")
    err.print(f"  greenband export {path} --format all --out {out / 'tables'}", soft_wrap=True)


def make_plans(
    subject: Subject, scenario: Scenario, periods: Sequence[str], seeds: Sequence[int], jobs: int
) -> PlanSet:
    """Replay over periods and seeds, then distil.

    Raises:
        BadInput: a seed is not one for training, or no plan fits the limits.
        SimulationError: SUMO failed.
    """
    if any(seed < 10_000 for seed in seeds):
        raise BadInput("plans are made on training seeds, 10000 and above: results and validation use those below")
    tasks = [Task(subject, scenario, period, seed) for period in periods for seed in seeds]
    with counting(f"replaying {subject.name}", len(tasks)) as step:
        runs = run_all(tasks, jobs, step)
    n = len(seeds)
    logs = {period: [run.executed for run in runs[k * n : (k + 1) * n]] for k, period in enumerate(periods)}
    return distil(scenario, logs, subject.name, seeds)
