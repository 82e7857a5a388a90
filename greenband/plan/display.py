"""What the lamps of a signal show under a timing plan, second by second."""

from __future__ import annotations

from collections.abc import Iterator

from greenband.network import Signal
from greenband.plan.model import TimingPlan
from greenband.signals import transition_lamps

__all__ = ["lamps_by_second", "phases"]


def phases(signal: Signal, plan: TimingPlan) -> Iterator[tuple[int, str]]:
    """(duration in s, SUMO lamp string) from the first stage's green on, as the interlock shows them.

    Where the next stage keeps every green of a stage there is nothing to clear, and it starts at once.
    """
    for timing, following in zip(plan.stages, (*plan.stages[1:], plan.stages[0]), strict=True):
        stage, after = signal.stages[timing.stage], signal.stages[following.stage]
        yield timing.go_s, stage.state
        yellow, red = transition_lamps(stage.state, after.state)
        if stage.greens <= after.greens:
            yellow = red = after.state
        yield from ((s, lamps) for s, lamps in ((timing.yellow_s, yellow), (timing.all_red_s, red)) if s > 0)


def lamps_by_second(signal: Signal, plan: TimingPlan) -> list[str]:
    """Lamp string of each second of the cycle, counted from the first stage's green."""
    return [lamps for duration, lamps in phases(signal, plan) for _ in range(duration)]
