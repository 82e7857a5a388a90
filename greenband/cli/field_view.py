"""What ``greenband field`` shows a person: what would change at each controller, and what became of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from greenband.cli.common import counted, err
from greenband.field.desk import Desk
from greenband.field.download import Outcome, Prepared, Result
from greenband.field.journal import Journal
from greenband.field.redaction import redacted
from greenband.field.trial import Trial
from greenband.field.wording import described
from greenband.plan.model import PlanSet

__all__ = ["print_changes", "print_trial", "summary", "told"]

MOST_LINES = 12  # of changes at one controller, where somebody is to read them before they agree


def print_trial(trial: Trial, found: Mapping[str, Prepared | Outcome]) -> None:
    """What each controller is to run meanwhile. The rows that this takes say nothing to a person."""
    ends = datetime.datetime.now() + datetime.timedelta(minutes=trial.minutes)
    for name, one in found.items():
        if isinstance(one, Prepared):
            plan = trial.plans.plans[trial.period][name]
            greens = ", ".join(f"{stage.name or stage.stage + 1} {stage.go_s} s" for stage in plan.stages)
            err.print(
                f"{name}: plan {trial.period} until about {ends:%H:%M}", style="bold", markup=False, soft_wrap=True
            )
            about = f"  cycle {plan.cycle_s} s, offset {plan.offset_s} s; greens: {greens}"
            err.print(about, markup=False, soft_wrap=True)


def print_changes(
    desk: Desk,
    plans: PlanSet | None,
    found: Mapping[str, Prepared | Outcome],
    doing: str = "to change",
    most: int | None = MOST_LINES,
) -> None:
    """What differs at each controller, at most so many lines of each; of those that could not be read, nothing."""
    for name, plan in found.items():
        if not isinstance(plan, Prepared):
            continue
        lines = described(plan, desk.controllers[name], plans)
        objects = counted(len(plan.changes), "object")
        about = f"{name}: {f'{objects} {doing}' if lines else 'nothing differs'}"
        err.print(about, style="bold", soft_wrap=True, markup=False)
        for line in lines[:most]:
            err.print(f"  {line}", markup=False, soft_wrap=True)
        if most is not None and len(lines) > most:
            err.print(f"  and {counted(len(lines) - most, 'more change')}; --dry-run shows all")


def summary(desk: Desk, outcomes: Mapping[str, Outcome], batch: str, journal: Journal) -> bool:
    """The outcome at every controller, and where it is on record."""
    well = told(desk, outcomes)
    err.print(f"batch {batch}, kept in {desk.records.folder}", soft_wrap=True, markup=False)
    err.print(f"head of the journal {journal.head}", soft_wrap=True)
    return well


def told(desk: Desk, outcomes: Mapping[str, Outcome]) -> bool:
    """The outcome at every controller; whether all are well."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("junction", "controller", "result"):
        table.add_column(column, no_wrap=True)
    table.add_column("", overflow="fold")
    for name in desk.controllers:
        if name in outcomes:
            one = outcomes[name]
            style = "" if one.well else "bold"
            detail = "see above" if one.result is Result.DIFFERS else redacted(one.detail, desk.secrets)
            texts = name, desk.controllers[name].device, one.result.value, detail
            table.add_row(*map(escape, texts), style=style)
    err.print(table)
    failed = [name for name, outcome in outcomes.items() if not outcome.well]
    err.print(f"{len(outcomes) - len(failed)} of {counted(len(outcomes), 'controller')} well", soft_wrap=True)
    return not failed
