"""``greenband field``: controllers on the network, from reading what they hold to downloading plans to them."""

from __future__ import annotations

import asyncio
import datetime
import re
import shlex
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer

from greenband import interrupts
from greenband.cli.check import counts, judged
from greenband.cli.common import counted, counting, err, read_whole
from greenband.cli.field_view import print_changes, print_trial, summary, told
from greenband.errors import BadInput
from greenband.field.backups import Records
from greenband.field.batch import Batch, Record, Target
from greenband.field.desk import Desk, find_batch
from greenband.field.download import Outcome, Prepared, Result
from greenband.field.holding import Holding
from greenband.field.inventory import load
from greenband.field.journal import Journal
from greenband.field.trial import Trial, Trials, period_now
from greenband.field.wording import held_plans
from greenband.formats.json import write as write_plan
from greenband.plan.model import PlanSet
from greenband.plan.rules import load_profile, load_waivers

__all__ = ["Options", "Rules", "pull", "push", "rollback", "try_out", "verify"]

LAST = "last"
DECLINED = "nobody agreed"
TOUCHED = (Result.DONE, Result.UNCLEAR, Result.BROKEN)
Found = TypeVar("Found")


@dataclass(frozen=True)
class Options:
    """What all commands that speak to controllers share."""

    inventory: Path
    only: str | None = None
    records: Path | None = None
    parallel: int = 32
    insecure: bool = False

    @property
    def as_typed(self) -> str:
        """What a command that goes on with the same records and controllers must be told."""
        records = f" --records {shlex.quote(str(self.records))}" if self.records else ""
        return f"-i {shlex.quote(str(self.inventory))}{records}{' --insecure-v2c' if self.insecure else ''}"

    def desk(self) -> Desk:
        """Open the inventory; say what a person should know of it."""
        if self.parallel < 1:
            raise BadInput(f"--parallel {self.parallel}: must be 1 or more")
        if not self.inventory.is_file():
            raise BadInput(
                f"{self.inventory}: no such inventory; name yours with --inventory, or let greenband field simulate"
                " make one to practise on"
            )
        inventory = load(self.inventory)
        if self.only is not None:
            inventory = inventory.only(_names(self.only))
        desk = Desk(inventory, Records(self.records) if self.records else None, insecure=self.insecure)
        if remark := desk.secrets.remark:
            err.print(remark, soft_wrap=True, markup=False)
        if bare := [name for name, one in desk.controllers.items() if one.insecure]:
            names_of = ", ".join(bare)
            warning = f"warning: unencrypted, so that anyone on the way can read and change it: {names_of}"
            err.print(warning, soft_wrap=True, markup=False)
        return desk


def _names(text: str) -> list[str]:
    """Junctions from a list; an empty one, as of a variable that is not set, must not mean all."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise BadInput(f"--only {text!r}: names no junction; leave it out for all")
    return names


@dataclass(frozen=True)
class Rules:
    """What a plan is held against before it is sent."""

    profile: str = "cn"
    waivers: Path | None = None
    scenario: str | None = None

    def lawful(self, path: Path) -> PlanSet:
        """A plan that breaks none of them; others are never sent."""
        plans = read_whole(path, self.scenario)
        accepted = load_waivers(self.waivers) if self.waivers else []
        findings = judged(plans, self.scenario, load_profile(self.profile), accepted)
        if broken := [finding for finding in findings if counts(finding)]:
            first = broken[0]
            raise BadInput(
                f"{path}: breaks {len(broken)} rules of profile {self.profile}, such as {first.rule} at"
                f" {first.junction} {first.plan} {first.place}: {first.measured}, required {first.required};"
                f" greenband check {path} tells all of them"
            )
        return plans


class _Nothing:
    """A record of nothing, for dry runs."""

    def planned(self, junction: str, plan: Prepared) -> None:
        """Not kept."""

    def begun(self, junction: str, plan: Prepared) -> None:
        """Not kept."""

    def ended(self, junction: str, plan: Prepared | None, outcome: Outcome) -> None:
        """Not kept."""


def push(
    path: Path | None,
    options: Options,
    rules: Rules,
    *,
    yes: bool,
    dry_run: bool,
    resume: str | None,
) -> bool:
    """Download a plan, or go on with a batch; whether every controller holds and runs it."""
    if (path is None) == (resume is None):
        raise BadInput("name a plan to download, or --resume a batch that was interrupted: one of them")
    desk = options.desk()
    if path is None:
        return _resumed(desk, options, resume, yes=yes, dry_run=dry_run)
    plans = rules.lawful(path)
    targets = _of(desk, plans, options)
    if dry_run:
        return _shown(desk, plans, _looked(options, targets))
    with desk.records.lock("push"), desk.records.journal(desk.secrets) as journal:
        _nothing_open(desk.records, options)
        batch = desk.records.new_batch("push", plans)
        keeper = desk.keeper(journal, batch, "push", plans.content_hash)
        keeper.listed(desk.controllers)
        outcomes = _agreed(desk, options, keeper, plans, targets, yes)
        well = summary(desk, outcomes, batch, journal)
        return well or _advised(batch, outcomes, options)


def try_out(
    path: Path, options: Options, rules: Rules, time: str, period: str | None, *, yes: bool, dry_run: bool
) -> bool:
    """Let the controllers run a plan for a while; whether every one does."""
    desk = options.desk()
    plans = rules.lawful(path)
    now = datetime.datetime.now()
    trial = Trial(plans, period or period_now(plans, now), _minutes(time))
    targets = _of(desk, plans, options)
    by_schedule = [name for name, one in desk.controllers.items() if one.protocol == "ntcip"]
    if dry_run:
        looking = Trials(_Nothing(), options.parallel)
        found = _run(looking, looking.look(targets, trial, by_schedule), "reading", len(targets))
        print_trial(trial, found)
        return _dry(desk, found)
    with desk.records.lock("trial"), desk.records.journal(desk.secrets) as journal:
        _nothing_open(desk.records, options)
        batch = desk.records.new_batch("trial", plans)
        keeper = desk.keeper(journal, batch, "trial", plans.content_hash)
        runner = Trials(keeper, options.parallel)
        ready: dict[str, Prepared] | None = None
        outcomes: dict[str, Outcome] = {}
        if not yes:
            found = _run(runner, runner.look(targets, trial, by_schedule), "reading", len(targets))
            print_trial(trial, found)
            ready, outcomes = _parted(found)
            question = f"Run plan {trial.period} for {trial.minutes} min at {counted(len(ready), 'controller')}?"
            if not ready or runner.stopped or not _asked(question):
                return summary(desk, outcomes | _declined(runner, keeper, ready), batch, journal)
            targets = [target for target in targets if target.junction in ready]
        work = runner.begin(targets, trial, by_schedule, ready)
        return summary(desk, outcomes | _run(runner, work, "beginning", len(targets)), batch, journal)


def _minutes(text: str) -> int:
    """A time such as ``60m`` or ``2h``."""
    found = re.fullmatch(r"([0-9]{1,4})(m|min|h)", text.strip())
    if not found:
        raise BadInput(f"--for {text}: write minutes or hours, such as 60m or 2h")
    return int(found[1]) * (60 if found[2] == "h" else 1)


def verify(path: Path, options: Options, scenario: str | None) -> bool:
    """Whether every controller holds a plan and runs it; nothing is written to them."""
    desk = options.desk()
    plans = read_whole(path, scenario)
    targets = _of(desk, plans, options)
    with desk.records.journal(desk.secrets) as journal:
        batch = desk.records.new_batch("verify", plans)
        runner = Batch(desk.keeper(journal, batch, "verify", plans.content_hash), options.parallel)
        outcomes = _run(runner, runner.compare(targets), "comparing", len(targets))
        print_changes(desk, plans, dict(_differing(outcomes)), "differ, from what it holds to what it should")
        return summary(desk, outcomes, batch, journal)


def rollback(batch: str, options: Options, *, yes: bool, dry_run: bool) -> bool:
    """Bring controllers back to what they held when a batch read them; whether all are."""
    desk = options.desk()
    with desk.records.lock("rollback"), desk.records.journal(desk.secrets) as journal:
        name = find_batch(desk.records, None if batch == LAST else batch)
        plans = _plans_of(desk, name)
        targets, trials = desk.back(journal, name), desk.commanded(journal, name)
        if trials:
            names = ", ".join(target.junction for target in trials)
            err.print(f"a trial behind a platform ends by a command: {names}", soft_wrap=True, markup=False)
        if dry_run:
            return _shown(desk, plans, _looked(options, targets))
        own = desk.records.new_batch("rollback", plans)
        keeper = desk.keeper(journal, own, "rollback", plans.content_hash if plans else "")
        outcomes = _agreed(desk, options, keeper, plans, targets, yes, "Bring back") if targets else {}
        if trials and (yes or _asked(f"End the trial at {counted(len(trials), 'controller')}?")):
            runner = Trials(keeper, options.parallel)
            outcomes |= _run(runner, runner.end(trials), "ending", len(trials))
        _close(desk, journal, name, outcomes)
        return summary(desk, outcomes, own, journal)


def pull(options: Options, like: Path | None, scenario: str | None, *, dry_run: bool) -> bool:
    """Keep what every controller holds, as a plan too where it can be read as one; whether all could be read."""
    desk = options.desk()
    targets, plans = desk.everything(), read_whole(like, scenario) if like else None
    if dry_run:
        runner = Batch(_Nothing(), options.parallel)
        outcomes = _run(runner, runner.pull(targets), "reading", len(targets))
        err.print("dry run: nothing was kept")
        return told(desk, outcomes)
    with desk.records.journal(desk.secrets) as journal:
        batch = desk.records.new_batch("pull")
        runner = Batch(desk.keeper(journal, batch, "pull"), options.parallel)
        outcomes = _run(runner, runner.pull(targets), "reading", len(targets))
        for name, outcome in outcomes.items():
            if outcome.after is not None and plans is not None:
                _as_plan(desk, batch, name, outcome.after, plans)
        return summary(desk, outcomes, batch, journal)


def _as_plan(desk: Desk, batch: str, junction: str, held: Holding, like: PlanSet) -> None:
    try:
        found = held_plans(held, desk.controllers[junction], like)
    except BadInput as error:
        err.print(f"{junction}: no plan file: {error}", markup=False, soft_wrap=True)
    else:
        write_plan(found, desk.records.plan_of(batch, junction))


def _of(desk: Desk, plans: PlanSet, options: Options) -> list[Target]:
    targets = desk.of(plans)
    if (without := desk.inventory.checked(plans)) and not options.only:
        err.print(f"no controller here for {', '.join(without)}", soft_wrap=True, markup=False)
    return targets


def _nothing_open(records: Records, options: Options) -> None:
    if left := records.unfinished():
        one = left[-1]
        about = f"{one.batch} {options.as_typed}"
        go_on = f"go on with greenband field push --resume {about}, or " if one.action == "push" else ""
        raise BadInput(f"batch {one.batch} came to no end: {go_on}give it up with greenband field rollback {about}")


def _plans_of(desk: Desk, batch: str) -> PlanSet | None:
    try:
        return desk.records.plan(batch)
    except BadInput:
        return None  # a pull keeps no plan


def _looked(options: Options, targets: Sequence[Target]) -> dict[str, Prepared | Outcome]:
    """What controllers hold and are to hold; nothing is kept."""
    runner = Batch(_Nothing(), options.parallel)
    return _run(runner, runner.prepare(targets), "reading", len(targets))


def _shown(desk: Desk, plans: PlanSet | None, found: Mapping[str, Prepared | Outcome]) -> bool:
    """What would change; whether every controller could be read."""
    print_changes(desk, plans, found, most=None)
    return _dry(desk, found)


def _dry(desk: Desk, found: Mapping[str, Prepared | Outcome]) -> bool:
    _, failed = _parted(found)
    err.print("dry run: nothing was written")
    return told(desk, failed) if failed else True


def _parted(found: Mapping[str, Prepared | Outcome]) -> tuple[dict[str, Prepared], dict[str, Outcome]]:
    """What can be written, and what could not be read."""
    ready = {name: plan for name, plan in found.items() if isinstance(plan, Prepared)}
    return ready, {name: outcome for name, outcome in found.items() if isinstance(outcome, Outcome)}


def _declined(runner: Batch, keeper: Record, ready: Mapping[str, Prepared]) -> dict[str, Outcome]:
    """Nothing is written, as a person said no, or broke off before being asked."""
    declined = Outcome(Result.SKIPPED, "interrupted" if runner.stopped else DECLINED)
    for name, plan in ready.items():
        keeper.ended(name, plan, declined)
    return dict.fromkeys(ready, declined)


def _agreed(
    desk: Desk,
    options: Options,
    keeper: Record,
    plans: PlanSet | None,
    targets: Sequence[Target],
    yes: bool,
    doing: str = "Download to",
) -> dict[str, Outcome]:
    """Download; without ``yes`` after a person has seen what changes and agreed.

    Where a download was begun before, nothing is shown: what the controller holds is looked at first.
    """
    runner = Batch(keeper, options.parallel)
    if yes or not targets:
        return _run(runner, runner.push(targets), "downloading", len(targets))
    begun = [target.junction for target in targets if target.left is not None]
    fresh = [target for target in targets if target.left is None]
    found = _run(runner, runner.prepare(fresh), "reading", len(fresh))
    print_changes(desk, plans, found)
    for name in begun:
        about = f"{name}: its download was begun and is brought to its end"
        err.print(about, style="bold", soft_wrap=True, markup=False)
    ready, failed = _parted(found)
    changing = sum(1 for plan in ready.values() if plan.changes) + len(begun)
    question = (
        f"{doing} {counted(changing, 'controller')}?"
        if changing
        else "Nothing differs. See whether all run their plans?"
    )
    if not (ready or begun) or runner.stopped or not _asked(question):
        as_before = dict.fromkeys(begun, Outcome(Result.UNCLEAR, "as before"))
        return failed | _declined(runner, keeper, ready) | as_before
    chosen = [target for target in targets if target.junction in {*ready, *begun}]
    return failed | _run(runner, runner.push(chosen, ready), "downloading", len(chosen))


def _asked(question: str) -> bool:
    """Whether a person agrees; an interrupt, or no answer at all, is no."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        err.print()
        return False


def _resumed(desk: Desk, options: Options, resume: str | None, *, yes: bool, dry_run: bool) -> bool:
    """Go on with a batch: what ended well stays, what was begun is looked at first, the rest is done."""
    with desk.records.lock("push"), desk.records.journal(desk.secrets) as journal:
        left = desk.left(journal, find_batch(desk.records, None if resume == LAST else resume, "push"))
        meant = {entry.junction for entry in journal.entries(batch=left.batch)}
        targets = [target for target in left.targets if target.junction in meant]
        err.print(f"batch {left.batch}: {len(left.done)} ended well before, {len(targets)} to go", soft_wrap=True)
        if dry_run:
            return _shown(desk, left.plans, _looked(options, targets))
        keeper = desk.keeper(journal, left.batch, left.action, left.plans.content_hash)
        outcomes = _agreed(desk, options, keeper, left.plans, targets, yes)
        _supersede(desk, journal, {**left.done, **outcomes})
        well = summary(desk, {**left.done, **outcomes}, left.batch, journal)
        return well or _advised(left.batch, outcomes, options)


def _differing(outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, Prepared]]:
    """What a download would change where something differs."""
    for name, outcome in outcomes.items():
        if outcome.after is not None and outcome.wanted is not None:
            yield name, Prepared(outcome.after, outcome.wanted)


def _advised(batch: str, outcomes: Mapping[str, Outcome], options: Options) -> bool:
    """What may be done after a push that did not end well everywhere."""
    if all(outcome.result is Result.SKIPPED and outcome.detail == DECLINED for outcome in outcomes.values()):
        return False
    about = f"{batch} {options.as_typed}"
    err.print(f"to try the others again: greenband field push --resume {about}", markup=False, soft_wrap=True)
    if any(outcome.result in TOUCHED for outcome in outcomes.values()):
        err.print(f"to bring all back: greenband field rollback {about}", markup=False, soft_wrap=True)
    return False


def _supersede(desk: Desk, journal: Journal, outcomes: Mapping[str, Outcome]) -> None:
    """A rollback that came to no end is over where the controller holds and runs the plan after all."""
    for left in desk.records.unfinished():
        keeper = desk.keeper(journal, left.batch, left.action)
        for name in (*left.begun, *left.planned):
            if left.action == "rollback" and name in outcomes and outcomes[name].well:
                keeper.ended(name, None, Outcome(Result.SKIPPED, "superseded"))


def _close(desk: Desk, journal: Journal, batch: str, outcomes: Mapping[str, Outcome]) -> None:
    """A batch that was rolled back has come to its end, and so has what was begun before, as other rollbacks."""
    untouched = Outcome(Result.SKIPPED, "given up")
    for left in desk.records.unfinished():
        keeper = desk.keeper(journal, left.batch, left.action)
        for name in desk.controllers:
            outcome = outcomes.get(name, untouched)
            if name in left.planned and left.batch == batch:
                keeper.ended(name, None, untouched)
            elif outcome.well and name in (left.begun + left.planned if left.action == "rollback" else left.begun):
                keeper.ended(name, None, Outcome(Result.ROLLED_BACK, "given up", outcome.after))


def _run(runner: Batch, work: Coroutine[None, None, dict[str, Found]], label: str, total: int) -> dict[str, Found]:
    """Run it; the first interrupt begins nothing more, and what is in hand is brought to its end."""

    def stop() -> None:
        runner.stop()
        err.print("interrupted: those in hand are brought to their end; once more to end at once")

    with counting(label, total) as step, interrupts.deferred(stop):
        runner.watch = step
        return asyncio.run(work)
