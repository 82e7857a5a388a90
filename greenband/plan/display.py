"""What the lamps of a signal show under a timing plan, second by second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from greenband.network import Signal
from greenband.plan.junction import Junction
from greenband.plan.model import TimingPlan
from greenband.signals import GREEN, Limits, transition_lamps

__all__ = ["Phase", "junction_phases", "lamps_by_second", "phases"]

Phase = tuple[int, str, str]  # duration in s, SUMO lamp string, name


def phases(signal: Signal, plan: TimingPlan, limits: Limits | None = None) -> Iterator[Phase]:
    """What the signal shows from the first stage's green on, as the interlock shows it.

    Names are ``1 green``, ``1 yellow`` and ``1 all-red``, by stage number from 1; a green in which a crossing goes over
    to red (which takes the limits to know) has several phases of its name. Where the next stage keeps every green of a
    stage there is nothing to clear, and it starts at once.
    """
    steps = {
        k.stage: signal.walk_steps(k.stage, limits) if limits else [(0, signal.stages[k.stage].state)]
        for k in plan.stages
    }
    return _phases(plan, steps)


def junction_phases(junction: Junction, plan: TimingPlan) -> Iterator[Phase]:
    """The same for a junction as a plan set describes it."""
    return _phases(plan, {k.stage: junction.walk_steps(k.stage) for k in plan.stages})


def _phases(plan: TimingPlan, shown: Mapping[int, Sequence[tuple[int, str]]]) -> Iterator[Phase]:
    for timing, following in zip(plan.stages, (*plan.stages[1:], plan.stages[0]), strict=True):
        number, steps, after = timing.stage + 1, shown[timing.stage], shown[following.stage][0][1]
        ends = [min(begin, timing.go_s) for begin, _ in steps[1:]] + [timing.go_s]
        for (begin, lamps), end in zip(steps, ends, strict=True):
            if end > begin:
                yield end - begin, lamps, f"{number} green"
        yellow, red = transition_lamps(steps[-1][1], after)
        if _greens(steps[0][1]) <= _greens(after):
            yellow = red = after
        if timing.yellow_s > 0:
            yield timing.yellow_s, yellow, f"{number} yellow"
        if timing.all_red_s > 0:
            yield timing.all_red_s, red, f"{number} all-red"


def _greens(lamps: str) -> set[int]:
    return {index for index, lamp in enumerate(lamps) if lamp in GREEN}


def lamps_by_second(signal: Signal, plan: TimingPlan, limits: Limits | None = None) -> list[str]:
    """Lamp string of each second of the cycle, counted from the first stage's green."""
    return [lamps for duration, lamps, _ in phases(signal, plan, limits) for _ in range(duration)]
