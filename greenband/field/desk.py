"""Where an operator works: an inventory with its secrets, its records, and drivers for its controllers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from greenband.errors import BadInput
from greenband.field.backups import Records
from greenband.field.batch import Target
from greenband.field.connections import Connections, wanted
from greenband.field.controllers import Controller
from greenband.field.credentials import Secrets
from greenband.field.download import Outcome, Prepared, Result
from greenband.field.holding import Holding
from greenband.field.inventory import Inventory
from greenband.field.journal import Action, Entry, Journal
from greenband.field.keeping import Keeper
from greenband.plan.model import PlanSet

__all__ = ["Desk", "Left", "find_batch"]

WELL = (Result.DONE, Result.HELD)
UNKNOWN = (Result.UNCLEAR, Result.BROKEN)  # what such a controller holds must be looked at before anything else


@dataclass(frozen=True)
class Left:
    """A batch that goes on: its plan, what ended well, and what is left to do."""

    batch: str
    action: Action
    plans: PlanSet
    done: Mapping[str, Outcome]
    targets: list[Target]


class Desk:
    """Makes targets for batches of plans, backups, and batches that came to no end."""

    def __init__(self, inventory: Inventory, records: Records | None = None, *, insecure: bool = False) -> None:
        """Look up the secrets of all controllers.

        Args:
            inventory: the controllers to work with.
            records: by default those beside the inventory.
            insecure: speak to controllers without encryption too.

        Raises:
            BadInput: a secret cannot be had, or a controller is insecure and nobody asked for it.
        """
        self.inventory = inventory
        self.records = records or Records.beside(inventory.path)
        self.secrets: Secrets = inventory.secrets()
        self.controllers: Mapping[str, Controller] = {one.junction: one for one in inventory.controllers}
        self._connections = Connections(inventory, self.secrets, insecure=insecure)

    def keeper(self, journal: Journal, batch: str, action: Action, plan_hash: str = "") -> Keeper:
        """What records a batch."""
        return Keeper(self.records, journal, batch, action, self.controllers, plan_hash)

    def everything(self) -> list[Target]:
        """All controllers, to be read."""
        return [self._target(name, Holding({})) for name in self.controllers]

    def of(self, plans: PlanSet) -> list[Target]:
        """What a plan set asks of every controller.

        Raises:
            BadInput: it lacks a controller's junction, or a protocol cannot express it.
        """
        self.inventory.checked(plans)
        return [self._target(name, wanted(plans, one)) for name, one in self.controllers.items()]

    def left(self, journal: Journal, batch: str) -> Left:
        """What is left of a push.

        Raises:
            BadInput: there is no such batch, it is no push, or its plan is not the one that the journal has.
        """
        last = self._last(journal, batch)
        first = next(iter(last.values()))
        if first.action != "push":
            raise BadInput(f"{batch}: is a {first.action}; only a push can go on")
        plans = self.records.plan(batch)
        if plans.content_hash != first.plan_hash:
            raise BadInput(f"{self.records.folder / batch}: its plan is not the one that the journal has")
        ended = {name: one for name, one in last.items() if _in(one, WELL)}
        since = {name for name, one in ended.items() if _written_since(journal, one)}
        done = {name: Outcome(Result(one.result), one.detail) for name, one in ended.items() if name not in since}
        targets = []
        for target in self.of(plans):
            one = last.get(target.junction)
            # planned anew it would lose the backup of what it held before this batch
            if one is not None and (target.junction in since or _uncertain(one)):
                targets.append(self._target(target.junction, target.wanted, left=self._kept(batch, target.junction)))
            elif target.junction not in done:
                targets.append(target)
        return Left(batch, first.action, plans, done, targets)

    def back(self, journal: Journal, batch: str) -> list[Target]:
        """What brings controllers back to what they held when a batch read them.

        A push names exactly the objects that it may have changed; what a pull has is put back with what stands in the
        way cleared. There is nothing to bring back at a controller that was not written to (of a pull: not read), as
        the batch was interrupted before, or that got a command, see ``commanded``.

        Raises:
            BadInput: there is no such batch, or it did nothing to any of these controllers.
        """
        last = self._last(journal, batch)
        touched = {one.junction for one in journal.entries(batch=batch) if one.action == "pull" or one.step == "begun"}
        targets = []
        for name in self.controllers:
            if name in touched and not self._is_command(name, last) and self.records.has(batch, name, "before"):
                held, one = self.records.kept(batch, name, "before"), last[name]
                self._same_device(held.device, name, batch)
                exact, release = one.action != "pull", _uncertain(one)
                targets.append(self._target(name, held.holding, exact=exact, release=release))
        open_still = any(left.batch == batch for left in self.records.unfinished())
        if not (targets or open_still or self.commanded(journal, batch)):
            read = any(one.action == "pull" for one in last.values())
            what = "has no backup of" if read else "has nothing to bring back, as it wrote to none of"
            raise BadInput(f"{self.records.folder / batch}: {what} these controllers")
        return targets

    def commanded(self, journal: Journal, batch: str) -> list[Target]:
        """The controllers of a trial that was a command to their platform, which only a command can end."""
        last = self._last(journal, batch)
        begun = {one.junction for one in journal.entries(batch=batch) if one.step == "begun"}
        names = [name for name in self.controllers if name in begun and self._is_command(name, last)]
        return [self._target(name, Holding({})) for name in names]

    def _is_command(self, junction: str, last: Mapping[str, Entry]) -> bool:
        trial = junction in last and last[junction].action == "trial"
        return trial and self.controllers[junction].protocol == "gat1049"

    def _kept(self, batch: str, junction: str) -> Prepared:
        before, target = (self.records.kept(batch, junction, kind) for kind in ("before", "target"))
        self._same_device(before.device, junction, batch)
        return Prepared(before.holding, target.holding)

    def _same_device(self, device: str, junction: str, batch: str) -> None:
        """A backup is for the device that it is of: another one at the junction may be wired otherwise."""
        if device != self.controllers[junction].device:
            raise BadInput(
                f"{self.records.folder / batch}: is of {junction} at {device}, and the inventory has it at"
                f" {self.controllers[junction].device}"
            )

    def _last(self, journal: Journal, batch: str) -> dict[str, Entry]:
        """The last entry of each controller in a batch."""
        found = {entry.junction: entry for entry in journal.entries(batch=batch)}
        if not found:
            raise BadInput(f"{batch}: no such batch in the journal of {self.records.folder}")
        return found

    def _target(
        self,
        junction: str,
        holding: Holding,
        *,
        exact: bool = False,
        left: Prepared | None = None,
        release: bool = False,
    ) -> Target:
        return Target(junction, self._connections.maker(junction), holding, exact, left, release)


def find_batch(records: Records, name: str | None, action: Action | None = None) -> str:
    """A batch by its name, or the last one, of an action, that came to no end; a rollback only where there is no other.

    Raises:
        BadInput: all came to their end.
    """
    if name:
        return name
    if not (left := [one for one in records.unfinished() if action in (None, one.action)]):
        raise BadInput(f"{records.folder}: no {action or 'batch'} was interrupted")
    return ([one for one in left if one.action != "rollback"] or left)[-1].batch


def _written_since(journal: Journal, last: Entry) -> bool:
    """Whether another batch, as a rollback, has begun to write to the controller after this entry."""
    return any(
        one.step == "begun" and one.id > last.id and one.batch != last.batch
        for one in journal.entries(junction=last.junction)
    )


def _in(entry: Entry, results: tuple[Result, ...]) -> bool:
    return entry.step == "ended" and entry.result in results


def _uncertain(entry: Entry) -> bool:
    return entry.step == "begun" or _in(entry, UNKNOWN)
