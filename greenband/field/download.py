"""A plan for one controller: read what it holds, write, read back, and the way back if anything is wrong.

Whatever happens on the way, the controller ends with exactly the new plan or exactly what it held, and the outcome says
which; where that cannot be had, because it stopped answering, the outcome says that.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from enum import StrEnum

from greenband.field.driver import Driver, FieldError, TakenBack, Unreachable
from greenband.field.holding import Holding

__all__ = ["Outcome", "Patience", "Prepared", "Result", "applied", "compared", "prepared", "restored", "resumed"]

MAX_TEXT = 60
INTERRUPTED = "interrupted"


class Result(StrEnum):
    """What a controller holds after a download, or after a comparison."""

    DONE = "done"  # the new plan, written now, read back, and it runs
    HELD = "held already"  # the new plan, without writing
    DIFFERS = "differs"  # something else than the plan; only compared
    UNCHANGED = "not changed"  # what it held
    ROLLED_BACK = "rolled back"  # what it held, written back and read
    UNREACHABLE = "unreachable"  # what it held: nothing was begun
    UNCLEAR = "unclear"  # nobody knows: it stopped answering amid the download, or cannot discard it
    BROKEN = "broken"  # neither the new plan nor what it held, or a new plan that it does not run
    SKIPPED = "not begun"  # what it held: the batch was interrupted before


@dataclass(frozen=True)
class Outcome:
    """The result, why it is not the wanted one, and what the controller held in the end where that is known.

    ``wanted`` is what a comparison held that against.
    """

    result: Result
    detail: str = ""
    after: Holding | None = None
    wanted: Holding | None = None

    @property
    def well(self) -> bool:
        """Whether the controller holds the new plan and runs it."""
        return self.result in (Result.DONE, Result.HELD)


@dataclass(frozen=True)
class Prepared:
    """What a controller holds, and what it is to hold, at the same objects."""

    before: Holding
    target: Holding

    @property
    def changes(self) -> Holding:
        """What is to be written."""
        return self.target.changed_from(self.before)

    @property
    def reverse(self) -> Prepared:
        """The way back."""
        return Prepared(self.target, self.before)


@dataclass(frozen=True)
class Patience:
    """How long to wait for a controller that fell silent amid a download, perhaps to start anew, in s.

    It is asked after ``first_s``, then twice as late each time up to ``longest_s``, until ``total_s`` are over.
    """

    total_s: float = 90.0
    first_s: float = 0.5
    longest_s: float = 8.0
    writes: int = 3  # tries to write back


async def prepared(driver: Driver, wanted: Holding) -> Prepared:
    """Read what the controller holds.

    Raises:
        Unreachable, Refused: as the driver's ``prepared``.
    """
    before, target = await driver.prepared(wanted)
    return Prepared(before, target)


async def compared(driver: Driver, wanted: Holding) -> Outcome:
    """Whether the controller holds what is wanted and runs it; nothing is written.

    Raises:
        Unreachable, Refused: as the driver's ``prepared``.
    """
    found = await prepared(driver, wanted)
    if found.changes:
        return Outcome(Result.DIFFERS, _first(found.target, found.before), found.before, found.target)
    return await _running(driver, Result.HELD, found.target)


async def applied(driver: Driver, plan: Prepared, patience: Patience) -> Outcome:
    """Write what differs, all or nothing, and see that the controller holds it and runs it.

    Where it does not, what it held before is written back. Where there is nothing to write, nothing is.
    """
    if not plan.changes:
        return await _quietly(driver, plan)
    try:
        await driver.write(plan.changes)
    except Unreachable as error:
        return Outcome(Result.UNREACHABLE, str(error), plan.before)
    except FieldError as error:
        outcome = await _settled(driver, plan, patience, str(error))
        if isinstance(error, TakenBack) and outcome.result is Result.UNCHANGED:
            return replace(outcome, result=Result.ROLLED_BACK)
        return outcome
    return await _judged(driver, plan, patience, "read back")


async def resumed(driver: Driver, plan: Prepared, patience: Patience) -> Outcome:
    """Go on with a download of which only the beginning is known; what was written already is not written again."""
    outcome = await _settled(driver, plan, patience, INTERRUPTED)
    again = outcome.result in (Result.UNCHANGED, Result.ROLLED_BACK) and outcome.detail == INTERRUPTED
    return await applied(driver, plan, patience) if again else outcome


async def restored(driver: Driver, plan: Prepared, patience: Patience, why: str) -> Outcome:
    """Write back what the controller held before, and read that it holds it.

    It is tried again after a pause, as somebody else may be writing to the controller just then.
    """
    held, pause = None, patience.first_s
    for left in reversed(range(patience.writes)):
        held = await _patiently(driver, plan.before, patience)
        if held is None:
            return await _unclear(driver, plan, why)
        if held == plan.before:
            return Outcome(Result.ROLLED_BACK, why, held)
        try:
            await driver.write(plan.before.changed_from(held))
        except FieldError as error:
            why = f"{why}; writing back: {error}"
            await asyncio.sleep(pause if left else 0)
            pause = min(4 * pause, patience.longest_s)
    held = await _patiently(driver, plan.before, patience)
    if held == plan.before:
        return Outcome(Result.ROLLED_BACK, why, held)
    if held is None:
        return await _unclear(driver, plan, why)
    return Outcome(Result.BROKEN, f"{why}; it holds the new plan still" if held == plan.target else why, held)


async def _quietly(driver: Driver, plan: Prepared) -> Outcome:
    try:
        return await _running(driver, Result.HELD, plan.target)
    except FieldError as error:
        return Outcome(Result.UNREACHABLE, str(error), plan.before)


async def _running(driver: Driver, result: Result, held: Holding) -> Outcome:
    """The result if the controller runs what it holds."""
    if troubles := await driver.troubles():
        return Outcome(Result.UNCHANGED, f"it holds the plan, but {'; '.join(troubles)}", held)
    return Outcome(result, "", held)


async def _settled(driver: Driver, plan: Prepared, patience: Patience, why: str) -> Outcome:
    """See what the controller holds after a write that failed."""
    held = await _patiently(driver, plan.target, patience)
    if held is None:
        return await _unclear(driver, plan, why)
    if held == plan.target:
        return await _judged(driver, plan, patience, why)
    if held == plan.before:
        return Outcome(Result.UNCHANGED, why, held)
    return await restored(driver, plan, patience, why)


async def _judged(driver: Driver, plan: Prepared, patience: Patience, why: str) -> Outcome:
    """Keep the new plan if all of it is there and runs, else go back."""
    held = await _patiently(driver, plan.target, patience)
    if held is None:
        return await _unclear(driver, plan, why)
    if held != plan.target:
        return await restored(driver, plan, patience, f"read back: {_first(plan.target, held)}")
    try:
        troubles = await driver.troubles()
    except FieldError as error:
        troubles = [str(error)]
    if troubles:
        return await restored(driver, plan, patience, "; ".join(troubles))
    return Outcome(Result.DONE, "", held)


async def _patiently(driver: Driver, names: Holding, patience: Patience) -> Holding | None:
    """What the controller holds, with nothing of ours left open; None if it does not answer for long."""
    ends, pause = time.monotonic() + patience.total_s, patience.first_s
    while True:
        try:
            await driver.release()
            return await driver.read(names)
        except FieldError:
            if time.monotonic() + pause > ends:
                return None
        await asyncio.sleep(pause)
        pause = min(2 * pause, patience.longest_s)


async def _unclear(driver: Driver, plan: Prepared, why: str) -> Outcome:
    """Patience is over; it may still tell what it holds, though not whether what was begun is discarded."""
    try:
        held = await driver.read(plan.target)
    except FieldError:
        return Outcome(Result.UNCLEAR, f"{why}; then it stopped answering")
    known = {plan.before: "what it held", plan.target: "the new plan"}
    found = known.get(held, "neither the new plan nor what it held")
    return Outcome(Result.UNCLEAR, f"{why}; it holds {found}, and what was begun may still be open", held)


def _first(wanted: Holding, held: Holding) -> str:
    """What differs, in a line: the first object, and how many more."""
    found = list(held.differences(wanted))
    if not found:
        return "nothing differs"
    one = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{one.name} is {_short(one.was)}, not {_short(one.is_now)}{more}"


def _short(text: str | None) -> str:
    if text is None:
        return "missing"
    return repr(text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}...")
