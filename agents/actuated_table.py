"""Runs actuated tables by SUMO's gap-based controller."""

from __future__ import annotations

from collections.abc import Iterator

from greenband.agents.actuated import Actuated, stage_phases, stage_program
from greenband.errors import BadInput
from greenband.network import Signal
from greenband.plan.actuated import ActuatedPlan, ActuatedSet
from greenband.programs import Program
from greenband.scenario import Scenario
from greenband.signals import Limits

__all__ = ["ActuatedTable"]


class ActuatedTable(Actuated):
    """The period's table at every signal: its order of stages, its minimum and maximum greens and passage times.

    SUMO knows passage times by lane: one that serves several stages has the longest of theirs. Detectors lie as
    ``Actuated`` has them.

    Raises (on reset):
        BadInput: a signal or period has no table, the period spans several, or a table breaks its junction's limits.
    """

    def __init__(self, plans: ActuatedSet, detector_gap_s: float = 2.0, passing_time_s: float = 1.9) -> None:
        super().__init__(detector_gap_s=detector_gap_s, passing_time_s=passing_time_s)
        self._plans = plans

    def reset(self, scenario: Scenario, period: str) -> None:
        """Make the programs; the first stage of each table turns green as the simulation starts."""
        span = scenario.period(period)
        if span.plans and period not in self._plans.plans:
            raise BadInput(f"actuated tables run one period; {period} of {scenario.name} has several")
        if period not in self._plans.plans:
            raise BadInput(f"the actuated table has no period {period}: it has {', '.join(self._plans.plans)}")
        tables, programs = self._plans.plans[period], []
        for name, signal in scenario.network.signals.items():
            if name not in tables:
                raise BadInput(f"the actuated table has no junction {name} of scenario {scenario.name}, {period}")
            limits = signal.limits(scenario.timing)
            for fault in _faults(tables[name], limits):
                raise BadInput(f"period {period}, junction {name}: {fault}")
            programs.append(self._of_table(signal, limits, tables[name], span.start_s))
        self.programs = tuple(programs)

    def _of_table(self, signal: Signal, limits: Limits, table: ActuatedPlan, start_s: int) -> Program:
        by_stage = {stage.stage: stage for stage in table.stages}
        shortest = [by_stage[k].min_green_s for k in range(len(by_stage))]
        longest = [by_stage[k].max_green_s for k in range(len(by_stage))]
        phases = list(stage_phases(signal, limits, longest, table.order, shortest))
        gaps = {f"max-gap:{lane}": f"{gap / 10:g}" for lane, gap in _passage_ds(signal, table).items()}
        return stage_program(self.kind, signal, phases, {**self.settings(signal), **gaps}, start_s, self.bounded)


def _passage_ds(signal: Signal, table: ActuatedPlan) -> dict[str, int]:
    """Passage time of each lane before the stop line, in tenths of a second."""
    found: dict[str, int] = {}
    for timing in table.stages:
        for k in signal.stages[timing.stage].movements:
            for lane in signal.movements[k].from_lanes:
                found[lane] = max(found.get(lane, 0), timing.passage_ds)
    return found


def _faults(table: ActuatedPlan, limits: Limits) -> Iterator[str]:
    """What would break the junction's limits."""
    if set(table.order) != set(range(len(limits.min_green_s))):
        yield f"it has stages {sorted(table.order)}, but the junction has {len(limits.min_green_s)}, from 0"
        return
    for stage in table.stages:
        least, red = limits.min_green_s[stage.stage], table.longest_red_s(stage, limits.intergreen_s)
        if stage.min_green_s < least or stage.max_green_s > limits.max_green_s:
            yield (
                f"stage {stage.name!r}: green of {stage.min_green_s} to {stage.max_green_s} s must be within"
                f" {least} to {limits.max_green_s} s"
            )
        if len(table.stages) > 1 and red > limits.max_red_s:
            yield f"stage {stage.name!r}: red of up to {red} s is above the maximum of {limits.max_red_s} s"
