"""``greenband evaluate``: simulate subjects on the same seeds, a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from greenband import registry
from greenband.cli.common import announced, counting, err, periods_of, processes
from greenband.cli.table import show
from greenband.errors import BadInput
from greenband.evaluation import Result, Subject, evaluate, fits, parse_seeds, resolve, save, settled
from greenband.scenario import Scenario
from greenband.simulation import Backend

__all__ = ["compare", "run"]


def run(
    subjects: Sequence[str],
    scenario: str,
    period: str,
    seeds: str,
    jobs: int,
    demand: float,
    sensing: str | None,
    json: Path | None,
    backend: Backend,
) -> None:
    """Evaluate and print; the JSON file holds one object, or a list of them for several periods."""
    if not demand > 0:
        raise BadInput(f"--demand {demand}: must be above 0")
    numbers, found = parse_seeds(seeds), registry.scenario(scenario)
    if ":" in backend and len(subjects) * len(numbers) * len(periods_of(found, period)) > 1:
        raise BadInput("a waiting SUMO serves one run: give one subject, one period and one seed with --remote")
    if json is not None and json.is_dir():
        raise BadInput(f"--json {json}: is a folder")
    periods = periods_of(found, period)
    if sensing is not None:
        registry.make("sensing", sensing)
    named = [resolve(text) for text in subjects]
    fits(named, found, periods)
    at_once = processes(jobs) if backend == "auto" else 1
    with settled(named, found, periods, processes(jobs), announced) as ready:
        results = [compare(ready, found, name, numbers, at_once, demand, sensing, backend) for name in periods]
    for result in results:
        show(result)
    if json is not None:
        save(results, json)
        err.print(f"results in {json}", soft_wrap=True)


def compare(
    subjects: Sequence[Subject],
    scenario: Scenario,
    period: str,
    seeds: Sequence[int],
    jobs: int,
    demand: float = 1.0,
    sensing: str | None = None,
    backend: Backend = "auto",
) -> Result:
    """Evaluate with a progress bar."""
    with counting(f"{scenario.name} {period}", len(subjects) * len(seeds)) as step:
        return evaluate(
            subjects, scenario, period, seeds, jobs=jobs, demand=demand, sensing=sensing, backend=backend, progress=step
        )
