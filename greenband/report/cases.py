"""Results put together: those of one road and period are a case, which may have been run at several demands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenband.errors import BadInput
from greenband.evaluation import Result, SubjectResult

__all__ = ["Case", "gather"]


@dataclass(frozen=True)
class Case:
    """Results by growing demand; ``base`` is the one whose demand is nearest to the scenario's own."""

    results: tuple[Result, ...]

    @property
    def base(self) -> Result:
        """What all figures but the sensitivity to demand show."""
        return min(self.results, key=lambda result: (abs(result.demand - 1), result.demand))

    @property
    def reference(self) -> SubjectResult:
        """The first subject, to which others are compared."""
        return self.base.subjects[0]

    @property
    def best(self) -> SubjectResult:
        """The subject with the least mean delay but the first, which stands alone where there is no other."""
        return min(self.base.subjects[1:], key=lambda subject: subject.mean("delay_s"), default=self.reference)

    @property
    def compared(self) -> tuple[SubjectResult, ...]:
        """The reference and the best, whose runs and timings are shown."""
        return (self.reference,) if self.best is self.reference else (self.reference, self.best)


def gather(results: Iterable[Result]) -> list[Case]:
    """Cases in the order of their first results.

    Raises:
        BadInput: a result has no seed, subject or delay, or two are of the same road, period, settings and demand.
    """
    groups: dict[tuple[str, str, str | None, str | None], list[Result]] = {}
    for result in results:
        _check(result)
        group = groups.setdefault((result.scenario, result.period, result.sensing, result.incident), [])
        if any(result.demand == other.demand for other in group):
            raise BadInput(f"two results of {result.title}: a report takes one; evaluate the subjects together")
        group.append(result)
    return [Case(tuple(sorted(group, key=lambda result: result.demand))) for group in groups.values()]


def _check(result: Result) -> None:
    title = f"{result.scenario} {result.period}"
    if not result.seeds or not result.subjects:
        raise BadInput(f"{title}: the result has no {'subject' if result.seeds else 'seed'}")
    for subject in result.subjects:
        _check_subject(title, subject, result.seeds)


def _check_subject(title: str, subject: SubjectResult, seeds: Sequence[int]) -> None:
    if "delay_s" not in subject.per_seed:
        raise BadInput(f"{title}: {subject.name} has no delay_s")
    for metric, values in subject.per_seed.items():
        if len(values) != len(seeds):
            raise BadInput(f"{title}: {subject.name} has {len(values)} values of {metric} for {len(seeds)} seeds")
