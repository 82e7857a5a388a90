"""Loss from tabulation: what a table costs against the policy that it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenband.evaluation.results import Result
from greenband.evaluation.statistics import paired_difference

__all__ = ["Loss", "losses"]


@dataclass(frozen=True)
class Loss:
    """Delay in s/veh that a table adds to its policy's, on the same seeds; negative where it saves some.

    ``relative`` is to the policy's delay; ``ci95`` is None for a single seed.
    """

    table: str
    policy: str
    delay_s: float
    relative: float
    ci95: tuple[float, float] | None

    def __str__(self) -> str:
        text = f"loss from tabulation, {self.table} against {self.policy}: delay {self.delay_s:+.1f} s"
        text += f" ({100 * self.relative:+.1f} %)"
        return text if self.ci95 is None else f"{text}, 95 % {self.ci95[0]:+.2f} to {self.ci95[1]:+.2f}"


def losses(result: Result, policy: str, tables: Sequence[str]) -> Iterator[Loss]:
    """The loss of each table among the subjects of a result."""
    base = result.subject(policy)
    for name in tables:
        mean, interval = paired_difference(result.subject(name).per_seed["delay_s"], base.per_seed["delay_s"])
        yield Loss(name, policy, mean, mean / base.mean("delay_s"), interval)
