"""Plans on trial: controllers run them for a while and return to their own, whatever becomes of greenband meanwhile.

An NTCIP controller gets rows of its schedule for today (``greenband.field.ntcip.trial``), written and read back as any
download; behind a signal platform it is a CenterPlan with a time to run.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from greenband.errors import BadInput, UnknownName
from greenband.field import download
from greenband.field.batch import MOVED_ON, Batch, Target
from greenband.field.download import Outcome, Prepared, Result
from greenband.field.driver import Driver, FieldError, Refused
from greenband.field.gat1049 import Gat1049Driver
from greenband.field.holding import Holding
from greenband.field.ntcip import NtcipDriver
from greenband.formats import gat1049, ntcip
from greenband.formats.ntcip_tables import NtcipTables
from greenband.plan.calendar import day_plan_on
from greenband.plan.model import PlanSet

__all__ = ["MOST_MINUTES", "Trial", "Trials", "period_now"]

MOST_MINUTES = 1440  # GA/T 1049.2, MaxRunTime
NOTHING = Holding({"CenterPlan": ""})


@dataclass(frozen=True)
class Trial:
    """The plans of a period, to run for some minutes.

    Raises:
        BadInput: there is no such period, or the time is not from 1 to 1440 min.
    """

    plans: PlanSet
    period: str
    minutes: int

    def __post_init__(self) -> None:
        if self.period not in self.plans.plans:
            raise UnknownName("period of the plan", self.period, self.plans.plans)
        if not 1 <= self.minutes <= MOST_MINUTES:
            raise BadInput(f"a trial of {self.minutes} min: it may last 1 to {MOST_MINUTES} min")

    @property
    def pattern(self) -> int:
        """The number of its pattern in tables of NTCIP."""
        return list(self.plans.plans).index(self.period) + 1

    @property
    def command(self) -> Holding:
        """What a signal platform is told, in short."""
        return Holding({"CenterPlan": f"{self.period} for {self.minutes} min"})


def period_now(plans: PlanSet, now: datetime.datetime) -> str:
    """The period whose plans the plan set has for a moment.

    Raises:
        BadInput: its schedule has none.
    """
    day = day_plan_on(now.date(), plans.schedule)
    if day is None:
        raise BadInput(f"the plan's schedule has nothing for {now:%Y-%m-%d}; name the period to try")
    return plans.day_plans[day].plan_at(60 * now.hour + now.minute)


@dataclass
class Trials(Batch):
    """A batch that lets controllers try a plan."""

    async def begin(
        self,
        targets: Sequence[Target],
        trial: Trial,
        by_schedule: Collection[str],
        ready: Mapping[str, Prepared] | None = None,
    ) -> dict[str, Outcome]:
        """Begin the trial at every controller.

        Args:
            targets: the controllers.
            trial: what they are to run.
            by_schedule: the junctions whose controllers speak NTCIP.
            ready: by junction, what ``look`` found, where that was before somebody agreed to it; a controller that
                holds something else by now is left alone.

        Raises:
            BadInput: a junction has no plan in the period, or NTCIP cannot express its plans.
        """
        tables = _tables(targets, trial, by_schedule)

        async def one(target: Target) -> Outcome:
            async with target.connect() as driver:
                if isinstance(driver, Gat1049Driver):
                    return await self._center_plan(target, driver, trial)
                shown = (ready or {}).get(target.junction)
                return await self._schedule(target, driver, tables[target.junction], trial, shown)

        return await self._each(targets, one)

    async def look(
        self, targets: Sequence[Target], trial: Trial, by_schedule: Collection[str]
    ) -> dict[str, Prepared | Outcome]:
        """What the trial would change at every controller; nothing is written.

        Args and raises:
            As ``begin``.
        """
        tables = _tables(targets, trial, by_schedule)

        async def one(target: Target) -> Prepared | Outcome:
            async with target.connect() as driver:
                if isinstance(driver, NtcipDriver):
                    before, wanted, _ = await driver.trial(tables[target.junction], trial.pattern, trial.minutes)
                    return Prepared(before, wanted)
                return Prepared(NOTHING, trial.command)

        return await self._each(targets, one)

    async def end(self, targets: Sequence[Target]) -> dict[str, Outcome]:
        """End trials behind signal platforms before their time; rows of a schedule are rolled back instead."""

        async def one(target: Target) -> Outcome:
            async with target.connect() as driver:
                assert isinstance(driver, Gat1049Driver)
                return await self._commanded(target, Prepared(NOTHING, NOTHING), partial(_ended, driver))

        return await self._each(targets, one)

    async def _schedule(
        self, target: Target, driver: Driver, plan: NtcipTables, trial: Trial, shown: Prepared | None
    ) -> Outcome:
        assert isinstance(driver, NtcipDriver)
        before, wanted, ends = await driver.trial(plan, trial.pattern, trial.minutes)
        prepared = Prepared(before, wanted)
        if shown is not None and before != shown.before:  # what is wanted has moved on with the clock
            return await self._end(target, prepared, Outcome(Result.UNCHANGED, MOVED_ON, before))
        await self.recorded(self.record.planned, target.junction, prepared)

        async def work() -> Outcome:
            outcome = await download.applied(driver, prepared, self.patience)
            return replace(outcome, detail=f"until {ends:%H:%M}") if outcome.well else outcome

        return await self._begun(target, prepared, work)

    async def _center_plan(self, target: Target, driver: Gat1049Driver, trial: Trial) -> Outcome:
        junction, plan = trial.plans.junctions[target.junction], trial.plans.plans[trial.period][target.junction]
        along = target.junction in gat1049.coordinated_signals(trial.plans)
        ends = datetime.datetime.now() + datetime.timedelta(minutes=trial.minutes)
        if troubles := await driver.troubles():
            return await self._end(target, None, Outcome(Result.UNCHANGED, "; ".join(troubles)))

        async def command() -> Outcome:
            if await driver.trial(junction, plan, trial.minutes, coordinated=along) is None:
                return Outcome(Result.UNCLEAR, "the platform took the plan, but does not tell how the junction runs")
            try:
                if troubles := await driver.troubles():
                    await driver.end_trial()
                    return Outcome(Result.ROLLED_BACK, "; ".join(troubles))
            except FieldError as error:
                return Outcome(Result.UNCLEAR, f"it has begun, and it is not known how it goes: {error}")
            return Outcome(Result.DONE, f"until {ends:%H:%M}")

        return await self._commanded(target, Prepared(NOTHING, trial.command), command)

    async def _commanded(
        self, target: Target, prepared: Prepared, command: Callable[[], Awaitable[Outcome]]
    ) -> Outcome:
        """A command that the platform carries out at once, or refuses."""
        await self.recorded(self.record.planned, target.junction, prepared)

        async def work() -> Outcome:
            try:
                return await command()
            except (BadInput, Refused) as error:
                return Outcome(Result.UNCHANGED, str(error))
            except FieldError as error:
                return Outcome(Result.UNCLEAR, str(error))

        return await self._begun(target, prepared, work)


async def _ended(driver: Gat1049Driver) -> Outcome:
    told = await driver.end_trial()
    return Outcome(Result.DONE, "ended" if told else "ended; the platform does not tell how the junction runs")


def _tables(targets: Sequence[Target], trial: Trial, by_schedule: Collection[str]) -> dict[str, NtcipTables]:
    """The tables that have the plan, of junctions whose controllers speak NTCIP."""
    for target in targets:
        if target.junction not in trial.plans.plans[trial.period]:
            raise BadInput(f"junction {target.junction}: it has no plan {trial.period!r} to try")
    return {name: ntcip.tables(trial.plans, name) for name in by_schedule}
