"""Plans, day plans and schedule as a GB/T 20999-2017 controller holds them; ``gb20999_values`` has their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from greenband.errors import BadInput
from greenband.plan.calendar import DAY_MIN, WEEK, clock

__all__ = [
    "ALL_DATES",
    "CAPTURED",
    "COORDINATED",
    "FIXED",
    "MONTHS",
    "PERIODS",
    "STAGES",
    "Chain",
    "ControllerDay",
    "ControllerPeriod",
    "ControllerPlan",
    "ControllerRow",
    "ControllerStage",
    "ControllerTables",
    "Profile",
    "at",
    "check",
]

FIXED, COORDINATED = 0x21, 0x23  # local run modes
APPEARS = 0x10  # a stage that comes in every cycle
STAGES, PERIODS = 16, 48  # slots of the chains
MONTHS, ALL_DATES = tuple(range(1, 13)), tuple(range(1, 32))

Chain = Literal["slot 1 last", "slot 1 first, at the end", "slot 1 first"]


def check(fine: bool, reason: str) -> None:
    """Refuse what is not fine.

    Raises:
        BadInput: saying why.
    """
    if not fine:
        raise BadInput(reason)


@contextmanager
def at(place: str) -> Iterator[None]:
    """Complaints from within name the place."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from error


@dataclass(frozen=True)
class Profile:
    """What differs between devices or is not settled by public texts; the defaults are what was captured.

    Attributes:
        host: number of the host, 5 in the capture.
        crossing: the crossing in a frame's head, 0 in the capture.
        controllers: number of the controller by junction; without one it is the junction's place along the road.
        belongs_to: the crossing that plans, day plans and rows belong to, 1 in the capture; None leaves it as it is.
        chain: where slot 1 of a chain stands. In the capture it is last and unused slots are zeros before the others
            (modes ``.. 21 21 23`` beside plans ``.. 00 00 01``); an open host program writes the slots in reading order
            after the zeros; an open controller keeps them in reading order before the zeros.
        priority_1_first: whether the schedule row of the smallest priority number goes before the others.
        escaped: whether frames are for TCP or a serial line; if not, they are for UDP.
        max_stages, max_plans, max_day_plans, max_rows: what the controller has room for, as the captured one told.
    """

    host: int = 5
    crossing: int = 0
    controllers: Mapping[str, int] = field(default_factory=dict)
    belongs_to: int | None = 1
    chain: Chain = "slot 1 last"
    priority_1_first: bool = True
    escaped: bool = False
    max_stages: int = 32
    max_plans: int = 128
    max_day_plans: int = 128
    max_rows: int = 128


CAPTURED = Profile()


@dataclass(frozen=True)
class ControllerStage:
    """A stage in a plan: its number, its time with intergreen in seconds, and when it appears."""

    stage: int
    duration_s: int
    appearance: int = APPEARS


@dataclass(frozen=True)
class ControllerPlan:
    """A plan. Times are seconds; ``offset_s`` is that of ``reference_stage``, a number in ``stages``.

    Raises:
        BadInput: it contradicts itself or has more stages than a chain has slots.
    """

    number: int
    cycle_s: int
    offset_s: int
    reference_stage: int
    stages: tuple[ControllerStage, ...]
    belongs_to: int | None = None

    def __post_init__(self) -> None:
        total = sum(stage.duration_s for stage in self.stages)
        check(0 < len(self.stages) <= STAGES, f"{len(self.stages)} stages: a plan has from 1 to {STAGES}")
        check(total == self.cycle_s, f"stage times sum to {total} s, but the cycle is {self.cycle_s} s")
        check(self.offset_s < self.cycle_s, f"offset {self.offset_s} s must be below the cycle, {self.cycle_s} s")
        numbers = [stage.stage for stage in self.stages]
        check(0 not in numbers, "stage 0: stages count from 1")
        check(self.reference_stage in numbers, f"coordinated stage {self.reference_stage} is none of {numbers}")


@dataclass(frozen=True)
class ControllerPeriod:
    """From ``at_min`` minutes after midnight on, a plan is in force, in a run mode."""

    at_min: int
    plan: int
    mode: int = FIXED


@dataclass(frozen=True)
class ControllerDay:
    """A day plan; its periods ascend from midnight.

    Raises:
        BadInput: they do not, or are more than a chain has slots.
    """

    number: int
    periods: tuple[ControllerPeriod, ...]
    belongs_to: int | None = None

    def __post_init__(self) -> None:
        check(0 < len(self.periods) <= PERIODS, f"{len(self.periods)} periods: a day has from 1 to {PERIODS}")
        times = [period.at_min for period in self.periods]
        check(times[0] == 0, f"the first period begins at {clock(times[0])}, not at 00:00")
        check(times[-1] < DAY_MIN, f"{clock(times[-1])} is no time of day")
        for before, after in pairwise(times):
            check(before < after, f"{clock(after)} does not come after {clock(before)}")
        check(all(period.plan for period in self.periods), "plan 0: plans count from 1")


@dataclass(frozen=True)
class ControllerRow:
    """A row of the schedule: a day plan on days that have one of these weekdays, 1 Monday to 7, months and dates.

    Raises:
        BadInput: it is for no day, or for one that there is not.
    """

    number: int
    priority: int
    weekdays: tuple[int, ...]
    months: tuple[int, ...]
    dates: tuple[int, ...]
    day_plan: int
    belongs_to: int | None = None

    def __post_init__(self) -> None:
        for what, days, known in (
            ("weekday", self.weekdays, WEEK),
            ("month", self.months, MONTHS),
            ("date", self.dates, ALL_DATES),
        ):
            check(bool(days), f"the row is for no {what}")
            check(set(days) <= set(known), f"{what}s {list(days)}: they are from 1 to {known[-1]}")


@dataclass(frozen=True)
class ControllerTables:
    """All that is set in one controller. Where there are plans, the day plans name no others; likewise the rows.

    Raises:
        BadInput: they do.
    """

    host: int
    controller: int
    crossing: int
    plans: tuple[ControllerPlan, ...] = ()
    day_plans: tuple[ControllerDay, ...] = ()
    schedule: tuple[ControllerRow, ...] = ()

    def __post_init__(self) -> None:
        plans = {plan.number for plan in self.plans}
        for day in self.day_plans:
            for period in day.periods:
                check(not plans or period.plan in plans, f"day plan {day.number}: there is no plan {period.plan}")
        days = {day.number for day in self.day_plans}
        for row in self.schedule:
            check(not days or row.day_plan in days, f"schedule row {row.number}: there is no day plan {row.day_plan}")
