"""``greenband evaluate``: simulate subjects on the same seeds, a table for people, files and text for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from greenband import registry
from greenband.cli.common import announced, counting, err, periods_of, processes
from greenband.cli.table import show, show_junctions
from greenband.errors import BadInput, UnknownName
from greenband.evaluation import Result, Subject, distinct, evaluate, fits, parse_seeds, resolve, save, settled
from greenband.evaluation.parquet import check_parquet, write_parquet
from greenband.evaluation.store import SUFFIX, Store
from greenband.evaluation.texts import FORMATS
from greenband.incident import find_incident
from greenband.scenario import Scenario
from greenband.simulation import Backend

__all__ = ["compare", "run"]


def run(
    subjects: Sequence[str],
    scenario: str,
    period: str,
    seeds: str,
    jobs: int,
    *,
    demand: str,
    sensing: str | None,
    incident: str | None,
    fidelity: str,
    emissions: bool,
    json: Path | None,
    parquet: Path | None,
    resume: bool,
    format: str | None,
    junctions: bool,
    trust: bool,
    backend: Backend,
) -> int:
    """Evaluate every period at every demand and print; files hold one result, or a list of them for several.

    Returns:
        Exit code: 1 if a seed had to be left out because SUMO failed on it twice.
    """
    numbers, found, factors = parse_seeds(seeds), registry.scenario(scenario).at(fidelity), _factors(demand)
    periods = periods_of(found, period)
    grid = [(name, factor) for name in periods for factor in factors]
    if ":" in backend and len(subjects) * len(numbers) * len(grid) > 1:
        raise BadInput("a waiting SUMO serves one run: one subject, period, demand and seed with --remote")
    for option, path in (("--json", json), ("--parquet", parquet)):
        if path is not None and path.is_dir():
            raise BadInput(f"{option} {path}: is a folder")
    if parquet is not None:
        check_parquet()
    if format is not None and format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if sensing is not None:
        registry.make("sensing", sensing)
    for name in periods if incident is not None else ():
        find_incident(found, name, incident or "")
    named = [resolve(text, trust) for text in subjects]
    distinct(named)
    fits(named, found, periods)
    store = _store(json, resume)
    at_once = processes(jobs) if backend == "auto" else 1
    try:
        with settled(named, found, periods, processes(jobs), announced) as ready:
            results = [
                compare(ready, found, name, numbers, at_once, factor, sensing, backend, incident, emissions, store)
                for name, factor in grid
            ]
    except KeyboardInterrupt:
        if store is not None and len(store):
            err.print(f"{len(store)} runs are kept in {store.folder}; --resume goes on from there", soft_wrap=True)
        raise
    _write(results, json, parquet)
    _tell(results, found, junctions, format)
    lost = any(result.failed for result in results)
    if store is not None and not lost:
        store.remove()
    return int(lost)


def compare(
    subjects: Sequence[Subject],
    scenario: Scenario,
    period: str,
    seeds: Sequence[int],
    jobs: int,
    demand: float = 1.0,
    sensing: str | None = None,
    backend: Backend = "auto",
    incident: str | None = None,
    emissions: bool = False,
    store: Store | None = None,
) -> Result:
    """Evaluate with a progress bar."""
    label = f"{scenario.name} {period}" + ("" if demand == 1 else f" × {demand:g}")
    with counting(label, len(subjects) * len(seeds)) as step:
        return evaluate(
            subjects,
            scenario,
            period,
            seeds,
            jobs=jobs,
            demand=demand,
            sensing=sensing,
            incident=None if incident is None else find_incident(scenario, period, incident),
            emissions=emissions,
            backend=backend,
            progress=step,
            store=store,
        )


def _factors(text: str) -> list[float]:
    """Factors on all flows from ``0.8,1.0,1.2``, each once."""
    try:
        factors = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise BadInput(f"--demand {text}: must be a number, or several such as 0.8,1.0,1.2") from error
    if not all(0 < factor < math.inf for factor in factors):
        raise BadInput(f"--demand {text}: must be above 0")
    return list(dict.fromkeys(factors))


def _store(json: Path | None, resume: bool) -> Store | None:
    """Where runs are kept until all are done: a folder beside the JSON file."""
    if json is None:
        if resume:
            raise BadInput("--resume goes with --json: runs that are done are kept beside that file")
        return None
    store = Store(json.with_name(f"{json.name}{SUFFIX}"))
    if len(store) and not resume:
        raise BadInput(f"{store.folder}: {len(store)} runs are kept from before; --resume, or delete the folder")
    return store


def _tell(results: Sequence[Result], scenario: Scenario, junctions: bool, format: str | None) -> None:
    for result in results:
        show(result)
        if junctions:
            show_junctions(result, {j.signal: j.name_en for j in scenario.junctions})
    if format is not None:
        sys.stdout.write(FORMATS[format](results))


def _write(results: Sequence[Result], json: Path | None, parquet: Path | None) -> None:
    if json is not None:
        save(results, json)
        err.print(f"results in {json}", soft_wrap=True)
    if parquet is not None:
        write_parquet(results, parquet)
        err.print(f"figures of every seed in {parquet}", soft_wrap=True)
