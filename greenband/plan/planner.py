"""Methods that make plans: what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

from greenband import __version__, sumo
from greenband.plan.model import PlanSet, Provenance, TimingPlan
from greenband.scenario import Scenario

__all__ = ["Planner", "Watch", "plan_periods", "plan_set", "unwatched"]

Watch = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


@runtime_checkable
class Planner(Protocol):
    """A controller that first makes plans and then runs them."""

    def plan_set(self, scenario: Scenario, periods: Sequence[str], jobs: int = 1, watch: Watch = ...) -> PlanSet:
        """Plans for periods, of their parts where they span several.

        Args:
            scenario: where.
            periods: when.
            jobs: processes that may simulate at a time.
            watch: given a label and a number of steps, opens a context whose value is called after each step.
        """


@contextmanager
def unwatched(label: str, steps: int) -> Iterator[Callable[[], None]]:
    """Shows nothing."""
    yield lambda: None


def plan_periods(scenario: Scenario, periods: Sequence[str]) -> list[str]:
    """The periods whose plans are in force in these, each once: the parts of the whole day instead of the day.

    Raises:
        UnknownName: the scenario has no such period.
    """
    parts = {name: [switch.period for switch in scenario.period(name).plans] or [name] for name in periods}
    return list(dict.fromkeys(part for name in periods for part in parts[name]))


def plan_set(
    scenario: Scenario,
    subject: str,
    plans: Mapping[str, Mapping[str, TimingPlan]],
    note: str,
    seeds: Sequence[int] = (),
) -> PlanSet:
    """Plans by period and signal, with where they come from."""
    origin = Provenance(
        subject=subject,
        scenario=scenario.name,
        seeds=tuple(seeds),
        greenband=__version__,
        sumo=sumo.version_string(),
        note=note,
    )
    return PlanSet(provenance=origin, plans={period: dict(by_signal) for period, by_signal in plans.items()})
