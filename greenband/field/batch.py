"""Many controllers at once: each is downloaded to on its own, and one that fails neither holds up nor taints others.

Every step is on record before the next one is taken, so that a batch that was killed at any moment can go on: what a
controller held is on disk before anything is written to it, and that writing begins is in the journal before it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from greenband.errors import BadInput, GreenbandError
from greenband.field import download
from greenband.field.download import Outcome, Patience, Prepared, Result
from greenband.field.driver import Driver, Refused
from greenband.field.holding import Holding

__all__ = ["MOVED_ON", "Batch", "Record", "Target"]

Found = TypeVar("Found")
MOVED_ON = "it holds something else by now than was shown"
CLERKS = 4  # threads that write records


@dataclass(frozen=True)
class Target:
    """A controller and what it is to hold.

    ``exact`` writes just these objects, as a backup has them; otherwise what stands in their way is cleared too.
    ``left`` is what a batch that was interrupted knew of a download that it had begun. ``release`` discards first what
    such a download left open, for one that is given up.
    """

    junction: str
    connect: Callable[[], Driver]
    wanted: Holding
    exact: bool = False
    left: Prepared | None = None
    release: bool = False


class _OffRecord(Exception):
    """An end could not be recorded."""

    def __init__(self, why: Exception) -> None:
        super().__init__(why)
        self.why = why


class Record(Protocol):
    """What is kept of a batch; each returns once it is on disk, and may be called from any thread."""

    def planned(self, junction: str, plan: Prepared) -> None:
        """What a controller holds, and what it is to hold."""

    def begun(self, junction: str, plan: Prepared) -> None:
        """From now on it may hold something else."""

    def ended(self, junction: str, plan: Prepared | None, outcome: Outcome) -> None:
        """What became of it."""


@dataclass
class Batch:
    """Downloads to many controllers, ``parallel`` at a time.

    ``stop`` begins no further download; those in hand are brought to their end. ``watch`` is called at each end.
    """

    record: Record
    parallel: int = 16
    patience: Patience = field(default_factory=Patience)
    limit_s: float = 900.0  # for one controller, should its driver hang
    watch: Callable[[], None] = lambda: None
    stopped: bool = False
    # Of its own: asyncio's looks up names of hosts too, and a slow one would hold up the records of all.
    _clerks: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, CLERKS), init=False, repr=False)

    def stop(self) -> None:
        """Begin nothing more."""
        self.stopped = True

    async def prepare(self, targets: Sequence[Target]) -> dict[str, Prepared | Outcome]:
        """Read what the controllers hold and keep it; of one that cannot be read, why. Nothing is written."""

        async def one(target: Target) -> Prepared | Outcome:
            async with target.connect() as driver:
                return await self._prepared(driver, target)

        return await self._each(targets, one)

    async def push(self, targets: Sequence[Target], ready: Mapping[str, Prepared] | None = None) -> dict[str, Outcome]:
        """Download to every controller.

        Args:
            targets: the controllers.
            ready: by junction, what ``prepare`` found, where that was before somebody agreed to it; a controller that
                holds something else by now is left alone.
        """
        known = ready or {}

        async def one(target: Target) -> Outcome:
            return await self._pushed(target, known.get(target.junction))

        return await self._each(targets, one)

    async def pull(self, targets: Sequence[Target]) -> dict[str, Outcome]:
        """Read and keep everything that the controllers hold for plans."""

        async def one(target: Target) -> Outcome:
            async with target.connect() as driver:
                held = await driver.everything()
                plan = Prepared(held, held)
                await self.recorded(self.record.planned, target.junction, plan)
                return await self._end(target, plan, Outcome(Result.DONE, "", held))

        return await self._each(targets, one)

    async def compare(self, targets: Sequence[Target]) -> dict[str, Outcome]:
        """Whether every controller holds and runs what it should; nothing is written."""

        async def one(target: Target) -> Outcome:
            async with target.connect() as driver:
                outcome = await download.compared(driver, target.wanted)
                return await self._end(target, None, outcome)

        return await self._each(targets, one)

    async def recorded(self, step: Callable[..., None], *about: object) -> None:
        """Record a step, without holding up the other controllers."""
        await asyncio.get_running_loop().run_in_executor(self._clerks, step, *about)

    async def _each(
        self, targets: Sequence[Target], one: Callable[[Target], Awaitable[Found]]
    ) -> dict[str, Found | Outcome]:
        """Do it with every target, some at a time; whatever goes wrong with one is its outcome."""
        turns = asyncio.Semaphore(self.parallel)

        async def guarded(target: Target) -> Found | Outcome:
            async with turns:
                if self.stopped:
                    return Outcome(Result.SKIPPED)
                try:
                    return await one(target)
                except _OffRecord:
                    raise
                except Exception as error:  # noqa: BLE001 - a fault of the program too must not end the batch
                    return await self._end(target, target.left, _not_begun(target, error))

        found = await asyncio.gather(*(guarded(target) for target in targets), return_exceptions=True)
        for failure in found:  # only now, as those in hand were to come to their end
            if isinstance(failure, _OffRecord):
                raise failure.why
            if isinstance(failure, BaseException):
                raise failure
        ends = (end for end in found if not isinstance(end, BaseException))
        return dict(zip((target.junction for target in targets), ends, strict=True))

    async def _pushed(self, target: Target, ready: Prepared | None) -> Outcome:
        async with target.connect() as driver:
            if (left := target.left) is not None:
                return await self._begun(target, left, partial(download.resumed, driver, left, self.patience))
            plan = await self._prepared(driver, target)
            if ready is not None and plan != ready:
                refused = Outcome(Result.UNCHANGED, MOVED_ON, plan.before)
                return await self._end(target, plan, refused)
            if not plan.changes:
                return await self._end(target, plan, await download.applied(driver, plan, self.patience))
            return await self._begun(target, plan, partial(download.applied, driver, plan, self.patience))

    async def _prepared(self, driver: Driver, target: Target) -> Prepared:
        async with asyncio.timeout(self.limit_s):
            if target.release:
                await driver.release()
            if target.exact:
                plan = Prepared(await driver.read(target.wanted), target.wanted)
            else:
                plan = await download.prepared(driver, target.wanted)
        await self.recorded(self.record.planned, target.junction, plan)
        return plan

    async def _begun(self, target: Target, plan: Prepared, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Work that writes; it is on record that it begins, and how it ends, whatever happens."""
        await self.recorded(self.record.begun, target.junction, plan)
        try:
            async with asyncio.timeout(self.limit_s):
                outcome = await work()
        except Exception as error:  # noqa: BLE001 - a fault of the program too must not end the batch
            outcome = Outcome(Result.UNCLEAR, _reason(error))
        return await self._end(target, plan, outcome)

    async def _end(self, target: Target, plan: Prepared | None, outcome: Outcome) -> Outcome:
        """An end that cannot be recorded is the end of the batch: what is in hand ends, nothing more is begun."""
        try:
            await self.recorded(self.record.ended, target.junction, plan, outcome)
        except Exception as error:
            self.stop()
            raise _OffRecord(error) from error
        self.watch()
        return outcome


def _not_begun(target: Target, error: Exception) -> Outcome:
    """Nothing was written now; but what was begun before is as unknown as it was."""
    if target.left is not None:
        return Outcome(Result.UNCLEAR, _reason(error))
    refused = isinstance(error, Refused | BadInput)
    return Outcome(Result.UNCHANGED if refused else Result.UNREACHABLE, _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no end in sight"
    return str(error) if isinstance(error, GreenbandError) else f"{type(error).__name__}: {error}"
