"""What the lamps of a signal show under a timing plan, second by second."""

from __future__ import annotations

from collections.abc import Iterator

from greenband.network import Signal
from greenband.plan.model import TimingPlan
from greenband.signals import Limits, transition_lamps

__all__ = ["lamps_by_second", "phases"]


def phases(signal: Signal, plan: TimingPlan, limits: Limits | None = None) -> Iterator[tuple[int, str, str]]:
    """(duration in s, SUMO lamp string, name) from the first stage's green on, as the interlock shows them.

    Names are ``1 green``, ``1 yellow`` and ``1 all-red``, by stage number from 1; a green in which a crossing goes over
    to red (which takes the limits to know) has several phases of its name. Where the next stage keeps every green of a
    stage there is nothing to clear, and it starts at once.
    """
    for timing, following in zip(plan.stages, (*plan.stages[1:], plan.stages[0]), strict=True):
        stage, after = signal.stages[timing.stage], signal.stages[following.stage]
        number, steps = timing.stage + 1, signal.walk_steps(timing.stage, limits) if limits else [(0, stage.state)]
        ends = [min(begin, timing.go_s) for begin, _ in steps[1:]] + [timing.go_s]
        for (begin, lamps), end in zip(steps, ends, strict=True):
            if end > begin:
                yield end - begin, lamps, f"{number} green"
        yellow, red = transition_lamps(steps[-1][1], after.state)
        if stage.greens <= after.greens:
            yellow = red = after.state
        if timing.yellow_s > 0:
            yield timing.yellow_s, yellow, f"{number} yellow"
        if timing.all_red_s > 0:
            yield timing.all_red_s, red, f"{number} all-red"


def lamps_by_second(signal: Signal, plan: TimingPlan, limits: Limits | None = None) -> list[str]:
    """Lamp string of each second of the cycle, counted from the first stage's green."""
    return [lamps for duration, lamps, _ in phases(signal, plan, limits) for _ in range(duration)]
