"""``greenband plan``: one fixed plan per junction and period, by a method or distilled from what a subject does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from greenband import formats, registry
from greenband.cli.common import announced, clock, counting, err, periods_of, processes
from greenband.cli.evaluate import compare
from greenband.cli.table import show, show_day
from greenband.errors import BadInput, UnknownName
from greenband.evaluation import Subject, parse_seeds, resolve, save
from greenband.evaluation.closed_loop import closed_loop
from greenband.evaluation.nema_check import differences
from greenband.evaluation.runner import Task, run_all
from greenband.evaluation.tabulation import losses
from greenband.evaluation.tasks import Run
from greenband.evaluation.tuning import Budget, refined
from greenband.fidelity import FIDELITIES, Fidelity
from greenband.formats import sumo_nema
from greenband.plan.adaptive import Adjusting, adjusted_plans
from greenband.plan.day import MOST_PLANS, cut_plans
from greenband.plan.describe import described
from greenband.plan.distil import Log, distil
from greenband.plan.greenwave import greenwave
from greenband.plan.model import PlanSet
from greenband.plan.planner import Planner, plan_set
from greenband.scenario import Scenario

__all__ = ["Order", "make_plans", "replayed", "run", "searched", "verified", "with_budget"]

REPLAYED = "10000:10004"  # training seeds from which a plan is distilled, by default
DAY_REPLAYED = "10000"  # those of a whole day, which is long
PLANS = 5  # of a whole day, at most, by default
SHOWN = 10  # differences and broken rules that are told one by one
SEARCHED_S = 1200  # s of a period, after its warm-up, in which they are tried
SEARCHED = 360  # plans that are tried in simulation after that, half of them from the green wave
MAX_CYCLE_S = 120  # s, of the green wave that is a start of the search too
MAINLINE = 0.1  # s of delay that 1 s/km on the main road counts as where plans are chosen


@dataclass(frozen=True)
class Order:
    """What to make tables of, as it was typed; ``compare`` are seeds, ``most`` the plans of a whole day."""

    subject: str
    scenario: str
    out: Path
    period: str = "all"
    seeds: str | None = None
    compare: str = "0:4"
    jobs: int = 0
    budget: int | None = None
    trust: bool = False
    verify: bool = False
    most: int | None = None
    fidelity: str | None = None


def run(order: Order) -> bool:
    """Write ``plan.json`` into ``out``, then compare existing plan, subject and that file; ``results.json`` too.

    Returns whether SUMO showed what was exported, if that was asked.
    """
    subject, seeds, budget, most = order.subject, order.seeds, order.budget, order.most
    found, jobs, numbers = registry.scenario(order.scenario), processes(order.jobs), parse_seeds(order.compare)
    periods = periods_of(found, order.period)
    named = with_budget(resolve(subject, order.trust), budget, order.fidelity)
    planner, whole = named.make(), any(found.period(name).plans for name in periods)
    if most is not None and (not whole or isinstance(planner, Planner)):
        reason = f"{subject} makes plans of its own" if whole else "name a whole day, such as --period day"
        raise BadInput(f"--plans {most}: {reason}")
    if isinstance(planner, Planner):
        if seeds is not None:
            raise BadInput(f"--seeds {seeds}: {subject} is not replayed to make its plans")
        plans, shown = planner.plan_set(found, periods, jobs, announced), []
    elif whole:
        if budget:
            raise BadInput(f"--budget {budget}: plans of a whole day are not searched in simulation")
        if order.fidelity:
            raise BadInput(f"--fidelity {order.fidelity}: plans of a whole day are not searched in simulation")
        plans = make_day(
            named, found, periods, parse_seeds(seeds or DAY_REPLAYED), jobs, PLANS if most is None else most
        )
        shown = [named] if subject != "existing" else []
    else:
        plans = make_plans(named, found, periods, parse_seeds(seeds or REPLAYED), jobs)
        plans = searched(plans, found, SEARCHED if budget is None else budget, jobs, order.fidelity)
        shown = [named] if subject != "existing" else []
    plans = described(plans, found)
    path = formats.write(plans, "json", order.out).all()[0]
    err.print(f"plan {plans.content_hash[:12]} in {path}", soft_wrap=True)
    err.print(plans.provenance.note, soft_wrap=True)
    if whole:
        show_day(plans)
    subjects = [resolve("existing"), *shown, resolve(str(path))]
    results = [compare(subjects, found, name, numbers, jobs) for name in periods]
    for result in results:
        show(result)
        for loss in losses(result, shown[0].name, [subjects[-1].name]) if shown else ():
            err.print(str(loss), soft_wrap=True, markup=False)
    save(results, order.out / "results.json")
    err.print(f"  greenband export {path} --format all --out {order.out / 'tables'}", soft_wrap=True)
    return not order.verify or verified(plans, found)


def verified(plans: PlanSet, scenario: Scenario) -> bool:
    """Say whether SUMO shows the exported plan through a whole day."""
    err.print("simulating the exported plan for 24 h, without traffic")
    closed = closed_loop(plans, scenario)
    switches = sum(len(times) for times in closed.switches.values())
    late = sum(closed.switches[name] != closed.planned[name] for name in closed.switches)
    err.print(
        f"{(closed.end_s - closed.begin_s) / 3600:g} h at {len(closed.switches)} junctions: {switches} changes of"
        f" program, off their times at {late} junctions; {len(closed.differences)} differences from the plan;"
        f" {len(closed.violations)} broken safety rules",
        soft_wrap=True,
    )
    for difference in closed.differences[:SHOWN]:
        err.print(
            f"  {difference.junction} at {clock(difference.time_s)}:{difference.time_s % 60:02d}, {difference.plan}:"
            f" planned {difference.planned}, shown {difference.shown}",
            soft_wrap=True,
        )
    for violation in closed.violations[:SHOWN]:
        err.print(f"  {violation.signal} at {clock(violation.time_s)}: {violation.rule}, {violation.detail}")
    return closed.same and _verified_in_rings(plans, scenario)


def _verified_in_rings(plans: PlanSet, scenario: Scenario) -> bool:
    """The same under SUMO's NEMA controller, where the plans can be told as rings."""
    with TemporaryDirectory(prefix="greenband-") as folder:
        try:
            (programs,) = sumo_nema.export(plans, Path(folder) / "plan.nema.add.xml")
        except BadInput as error:
            err.print(f"not run as ring-barrier plans: {error}", soft_wrap=True, markup=False)
            return True
        found = differences(plans, programs, scenario.folder / scenario.network_file)
    err.print(f"as ring-barrier plans under SUMO's NEMA controller: {len(found)} differences", soft_wrap=True)
    for difference in found[:SHOWN]:
        err.print(f"  {difference}", soft_wrap=True, markup=False)
    return not found


def with_budget(subject: Subject, budget: int | None, fidelity: str | None = None) -> Subject:
    """The subject, tuned with a budget of its own and in a model of its own, if they are given.

    Raises:
        BadInput: it is not tuned, or a fidelity is given to a search that tries no plan.
        UnknownName: there is no such fidelity.
    """
    if fidelity is not None and fidelity not in FIDELITIES:
        raise UnknownName("fidelity", fidelity, FIDELITIES)
    if fidelity is not None and budget == 0:
        raise BadInput(f"--fidelity {fidelity}: no plan is tried with --budget 0")
    given = {"evaluations": budget, "fidelity": fidelity}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes or not isinstance(subject.make(), Planner):
        return subject
    if subject.name != "simopt" or subject.config is None:
        asked = f"--budget {budget}" if budget is not None else f"--fidelity {fidelity}"
        raise BadInput(f"{asked}: {subject.name} is not tuned in simulation; simopt and what is distilled are")
    return replace(subject, config={**subject.config, **changes})


def searched(plans: PlanSet, scenario: Scenario, budget: int, jobs: int, fidelity: str | None = None) -> PlanSet:
    """The distilled plans, bettered by a search in simulation that tries so many in each period; none if 0.

    It begins at the distilled plan and at the green wave, with half of the plans each. They are tried in micro, or at
    the ``fidelity``; the choice among the best of them is made in micro.
    """
    if not budget:
        return plans
    limits = Budget(budget, duration_s=SEARCHED_S, fidelity=cast(Fidelity, fidelity or "micro"))
    name, notes, better = plans.provenance.subject, [plans.provenance.note], {}
    for period, distilled in plans.plans.items():
        starts = {"green wave": greenwave(scenario, period, MAX_CYCLE_S).plans, "distilled": distilled}
        weight = MAINLINE if scenario.mainline else 0.0
        one = refined(name, scenario, period, starts, limits, jobs, announced, weight)
        better[period] = one.plans[period]
        notes.append(one.provenance.note)
    origin = plans.provenance.model_copy(update={"note": "; ".join(notes)})
    return PlanSet(provenance=origin, plans=better)


def make_day(
    subject: Subject, scenario: Scenario, periods: Sequence[str], seeds: Sequence[int], jobs: int, most: int
) -> PlanSet:
    """Replay over a whole day, cut it into the hours of at most so many plans, then distil.

    Raises:
        BadInput: other periods are named beside the day, or too few or many plans; or as ``make_plans``.
        SimulationError: SUMO failed.
    """
    if len(periods) > 1:
        raise BadInput(f"--period {','.join(periods)}: a whole day is cut by itself, without other periods")
    if not 1 <= most <= MOST_PLANS:
        raise BadInput(f"--plans {most}: must be 1 to {MOST_PLANS}")
    logs = replayed(subject, scenario, periods, seeds, jobs)
    return cut_plans(scenario, periods[0], logs[periods[0]], subject.name, seeds, most)


def make_plans(
    subject: Subject, scenario: Scenario, periods: Sequence[str], seeds: Sequence[int], jobs: int
) -> PlanSet:
    """Replay over periods and seeds, then distil; what adjusts plans itself is asked for them.

    Raises:
        BadInput: a seed is not one for training, or no plan fits the limits.
        SimulationError: SUMO failed.
    """
    if isinstance(subject.make(), Adjusting):
        runs = simulated(subject, scenario, periods, seeds, jobs)
        means = {period: np.mean([run.adjustments for run in of], axis=0) for period, of in runs.items()}
        plans = {period: adjusted_plans(scenario, period, mean) for period, mean in means.items()}
        return plan_set(scenario, subject.name, plans, "the policy's mean adjustments of the green wave", seeds)
    return distil(scenario, replayed(subject, scenario, periods, seeds, jobs), subject.name, seeds)


def replayed(
    subject: Subject,
    scenario: Scenario,
    periods: Sequence[str],
    seeds: Sequence[int],
    jobs: int,
    demand: float = 1.0,
) -> dict[str, list[Log]]:
    """What a subject executes: per period a log for each seed, at a factor on all flows; errors as ``simulated``."""
    runs = simulated(subject, scenario, periods, seeds, jobs, demand)
    return {period: [run.executed for run in of] for period, of in runs.items()}


def simulated(
    subject: Subject,
    scenario: Scenario,
    periods: Sequence[str],
    seeds: Sequence[int],
    jobs: int,
    demand: float = 1.0,
) -> dict[str, list[Run]]:
    """Runs by period, one for each seed.

    Raises:
        BadInput: a seed is not one for training.
        SimulationError: SUMO failed.
    """
    if any(seed < 10_000 for seed in seeds):
        raise BadInput("plans are made on training seeds, 10000 and above: results and validation use those below")
    tasks = [Task(subject, scenario, period, seed, demand) for period in periods for seed in seeds]
    label = f"replaying {subject.name}" + ("" if demand == 1 else f" at demand × {demand:g}")
    with counting(label, len(tasks)) as step:
        runs = run_all(tasks, jobs, step)
    n = len(seeds)
    return {period: runs[k * n : (k + 1) * n] for k, period in enumerate(periods)}
