"""What a batch leaves behind at each step: backups on disk, and entries of the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from greenband.field.backups import Records
from greenband.field.controllers import Controller
from greenband.field.download import Outcome, Prepared
from greenband.field.journal import Action, Event, Journal, Step

__all__ = ["Keeper"]


@dataclass(frozen=True)
class Keeper:
    """A ``greenband.field.batch.Record``: first the backup, then the journal's entry that relies on it."""

    records: Records
    journal: Journal
    batch: str
    action: Action
    controllers: Mapping[str, Controller]
    plan_hash: str = ""

    def listed(self, junctions: Iterable[str]) -> None:
        """These are what the batch is for, so that those which it never comes to are known too."""
        self.journal.record_all([self._event(junction, "listed") for junction in junctions])

    def planned(self, junction: str, plan: Prepared) -> None:
        """Keep what it holds and what it is to hold; nothing was written yet, so that what was kept may be replaced."""
        one = self.controllers[junction]
        about = one.protocol, one.device
        self.records.keep(self.batch, junction, "before", *about, plan.before, replace=True)
        self.records.keep(self.batch, junction, "target", *about, plan.target, replace=True)
        self._enter(junction, "planned", plan)

    def begun(self, junction: str, plan: Prepared) -> None:
        """From now on what it held before is only in the backup."""
        self._enter(junction, "begun", plan)

    def ended(self, junction: str, plan: Prepared | None, outcome: Outcome) -> None:
        """What became of it."""
        self._enter(junction, "ended", plan, outcome)

    def _enter(self, junction: str, step: Step, plan: Prepared | None, outcome: Outcome | None = None) -> None:
        self.journal.record(self._event(junction, step, plan, outcome))

    def _event(self, junction: str, step: Step, plan: Prepared | None = None, outcome: Outcome | None = None) -> Event:
        after = outcome.after.hash if outcome and outcome.after else ""
        return Event(
            batch=self.batch,
            action=self.action,
            step=step,
            junction=junction,
            device=self.controllers[junction].device,
            plan_hash=self.plan_hash,
            before_hash=plan.before.hash if plan else "",
            after_hash=after,
            result=outcome.result.value if outcome else "",
            detail=outcome.detail if outcome else "",
        )
