"""``greenband plan --kind``: several kinds of table of the same policy, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.markup import escape

from greenband import registry
from greenband.cli.common import announced, err, periods_of, processes
from greenband.cli.evaluate import compare
from greenband.cli.plan import REPLAYED, SEARCHED, Order, replayed, searched, verified, with_budget
from greenband.cli.table import show
from greenband.errors import BadInput, UnknownName
from greenband.evaluation import Subject, parse_seeds, resolve, save
from greenband.evaluation.tabulation import losses
from greenband.formats import json as table_json
from greenband.plan.describe import described
from greenband.plan.distil import Log, distil, distil_period
from greenband.plan.distil_actuated import distil_actuated
from greenband.plan.library import Level, library_of
from greenband.plan.model import PlanSet, TimingPlan
from greenband.plan.planner import Planner
from greenband.plan.tables import Table
from greenband.scenario import Scenario

__all__ = ["run"]

FILES = {
    "fixed": "plan.json",
    "actuated": "actuated_plan.json",
    "coordinated": "coordinated_plan.json",
    "responsive": "responsive_plan.json",
}
LEVELS = (0.7, 1.2)  # factors on the flows of a period whose plans join its own in a library


def run(kind: str, order: Order) -> bool:
    """Write the tables into ``out``, then compare existing plan, subject and them; ``results.json`` too.

    Returns whether SUMO showed the fixed plan as exported, if that was asked.
    """
    kinds, numbers = _kinds(kind), parse_seeds(order.compare)
    if order.verify and "fixed" not in kinds:
        raise BadInput("--verify: only fixed plans have times to hold SUMO against; add fixed to --kind")
    found, jobs, budget = registry.scenario(order.scenario), processes(order.jobs), order.budget
    periods = periods_of(found, order.period)
    named = with_budget(resolve(order.subject, order.trust), budget, order.fidelity)
    if order.most is not None or any(found.period(name).plans for name in periods):
        raise BadInput(f"--kind {kind}: only fixed plans are made of a whole day; name periods, without --plans")
    if isinstance(named.make(), Planner):
        tables, shown = _planned(kinds, named, found, periods, order.seeds, jobs), []
    else:
        on = parse_seeds(order.seeds or REPLAYED)
        most = SEARCHED if budget is None else budget
        tables = _distilled(kinds, named, found, periods, on, jobs, most, order.fidelity)
        shown = [named] if order.subject != "existing" else []
    made = [resolve(str(_written(tables[name], order.out / FILES[name]))) for name in kinds]
    results = [compare([resolve("existing"), *shown, *made], found, name, numbers, jobs) for name in periods]
    for result in results:
        show(result)
        for loss in losses(result, shown[0].name, [table.name for table in made]) if shown else ():
            err.print(escape(str(loss)), soft_wrap=True)
    save(results, order.out / "results.json")
    fixed = tables.get("fixed")
    return not (order.verify and isinstance(fixed, PlanSet)) or verified(fixed, found)


def _kinds(text: str) -> list[str]:
    """Kinds from a list or ``all``, each once, in the order of ``FILES``."""
    wanted = list(FILES) if text == "all" else [name.strip() for name in text.split(",")]
    for name in wanted:
        if name not in FILES:
            raise UnknownName("kind of table", name, [*FILES, "all"])
    return [name for name in FILES if name in wanted]


def _planned(
    kinds: Sequence[str], subject: Subject, scenario: Scenario, periods: Sequence[str], seeds: str | None, jobs: int
) -> dict[str, Table]:
    """Tables of a method that makes fixed plans itself."""
    if seeds is not None:
        raise BadInput(f"--seeds {seeds}: {subject.name} is not replayed to make its plans")
    for name in ("actuated", "coordinated"):
        if name in kinds:
            raise BadInput(f"--kind {name}: {subject.name} makes fixed plans; name a policy or an adaptive controller")
    planner = subject.make()
    assert isinstance(planner, Planner)
    plans = described(planner.plan_set(scenario, periods, jobs, announced), scenario)
    tables: dict[str, Table] = {"fixed": plans}
    if "responsive" in kinds:
        if len(plans.plans) < 2:
            raise BadInput(f"--kind responsive: {subject.name} makes one plan a period; name several periods")
        tables["responsive"] = library_of(scenario, _levels(plans), plans.provenance)
    return tables


def _distilled(
    kinds: Sequence[str],
    subject: Subject,
    scenario: Scenario,
    periods: Sequence[str],
    seeds: Sequence[int],
    jobs: int,
    budget: int,
    fidelity: str | None,
) -> dict[str, Table]:
    """Tables of what a subject does when it is replayed."""
    logs = replayed(subject, scenario, periods, seeds, jobs)
    tables: dict[str, Table] = {}
    passage_s = float(registry.config("controller", "actuated")["max_gap_s"])
    if "actuated" in kinds:
        tables["actuated"] = distil_actuated(scenario, logs, subject.name, seeds, passage_s)
    if {"fixed", "coordinated", "responsive"} & set(kinds):
        plans = searched(distil(scenario, logs, subject.name, seeds), scenario, budget, jobs, fidelity)
        tables["fixed"] = described(plans, scenario)
        if "coordinated" in kinds:
            tables["coordinated"] = distil_actuated(scenario, logs, subject.name, seeds, passage_s, plans)
        if "responsive" in kinds:
            levels = _levels(plans)
            if len(periods) == 1:
                levels |= _other_levels(subject, scenario, periods[0], seeds, jobs)
            tables["responsive"] = library_of(scenario, levels, plans.provenance)
    return tables


def _levels(plans: PlanSet) -> dict[Level, Mapping[str, TimingPlan]]:
    return {(period, 1.0): by_signal for period, by_signal in plans.plans.items()}


def _other_levels(
    subject: Subject, scenario: Scenario, period: str, seeds: Sequence[int], jobs: int
) -> dict[Level, Mapping[str, TimingPlan]]:
    """Plans distilled at other levels of demand; they are not searched on."""
    found: dict[Level, Mapping[str, TimingPlan]] = {}
    for factor in LEVELS:
        logs: Sequence[Log] = replayed(subject, scenario, [period], seeds, jobs, factor)[period]
        found[period, factor] = distil_period(scenario, period, logs, factor=factor)
    return found


def _written(table: Table, path: Path) -> Path:
    try:
        table_json.write(table, path)
    except OSError as error:
        raise BadInput(f"{error.filename or path}: cannot be written: {error.strerror}") from error
    err.print(f"{path.stem.replace('_', ' ')} {table.content_hash[:12]} in {path}", soft_wrap=True)
    err.print(table.provenance.note, soft_wrap=True)
    return path
