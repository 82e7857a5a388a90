"""Runs actuated tables by SUMO's gap-based controller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from greenband.agents.actuated import Actuated, Phase, stage_phases, stage_program
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
    ``Actuated`` has them. Where a table is coordinated, SUMO holds its force-offs: the coordinated stage rests in green
    until the yield point, the others end at their force-offs at the latest, though not before their minimum greens. It
    begins with the stage that is in step then. Minimum, maximum and so the maximum red hold all the same.

    Raises (on reset):
        BadInput: a signal or period has no table, the period spans several, or a table breaks its junction's limits.
    """

    def __init__(self, plans: ActuatedSet, detector_gap_s: float = 2.0, passing_time_s: float = 1.9) -> None:
        super().__init__(detector_gap_s=detector_gap_s, passing_time_s=passing_time_s)
        self._plans = plans

    def reset(self, scenario: Scenario, period: str) -> None:
        """Make the programs; a stage of each turns green as the simulation starts, without coordination the first."""
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
        gaps = {f"max-gap:{lane}": f"{gap / 10:g}" for lane, gap in _passage_ds(signal, table).items()}
        settings = {**self.settings(signal), **gaps}
        if table.coordination is None:
            phases = list(stage_phases(signal, limits, longest, table.order, shortest))
            return stage_program(self.kind, signal, phases, settings, start_s, self.bounded)
        yielded_s = (start_s - table.coordination.offset_s - table.yield_s) % table.coordination.cycle_s
        order = _order_from(table, yielded_s, limits.intergreen_s)
        phases = _forced_off(stage_phases(signal, limits, longest, order, shortest), order, table)
        settings |= {"coordinated": "true", "cycleTime": str(table.coordination.cycle_s)}
        program = stage_program(self.kind, signal, phases, settings, start_s, self.bounded)
        return _in_step(program, table.coordination.cycle_s, yielded_s, start_s)


def _order_from(table: ActuatedPlan, yielded_s: int, intergreen_s: int) -> list[int]:
    """The stages from the one on that is in step if it turns green so many s after the yield point.

    It is the last that could have come by then if those before it took their minimum greens.
    """
    first, *rest = table.force_offs_s
    turn, least_s = [*rest, first], {stage.stage: stage.min_green_s + intergreen_s for stage in table.stages}
    earliest_s = accumulate((least_s[stage] for stage in turn[:-1]), initial=intergreen_s)
    begin = max(sum(earliest <= yielded_s for earliest in earliest_s) - 1, 0)
    return turn[begin:] + turn[:begin]


def _forced_off(phases: Iterable[Phase], order: Sequence[int], table: ActuatedPlan) -> list[Phase]:
    """The flexible greens with the second of SUMO's cycle at which they end at the latest; the coordinated one rests.

    SUMO cannot hold a force-off that lies in the next cycle, so its cycles begin at the yield point: in step no green
    goes on past that.
    """
    assert table.coordination is not None
    flexible, cycle_s, forced = iter(order), table.coordination.cycle_s, []
    for phase in phases:
        if "maxDur" in phase:
            stage = next(flexible)
            latest = str((table.force_offs_s[stage] - table.yield_s) % cycle_s or cycle_s)
            rests = stage == table.coordination.stage
            phase = {**phase, "latestEnd": latest, **({"earliestEnd": latest} if rests else {})}
        forced.append(phase)
    return forced


def _in_step(program: Program, cycle_s: int, yielded_s: int, start_s: int) -> Program:
    """The program with SUMO's cycles begun at the yield point, and its first stage as the simulation starts.

    SUMO takes both from the offset: modulo the cycle, and modulo the sum of durations. A flexible green's duration says
    nothing else, so the last one is lengthened until the two agree.
    """
    total_s = sum(int(phase["duration"]) for phase in program.phases)
    more_s = (yielded_s - total_s) % cycle_s
    phases = list(program.phases)
    last = max(k for k, phase in enumerate(phases) if "maxDur" in phase)
    phases[last] = {**phases[last], "duration": str(int(phases[last]["duration"]) + more_s)}
    return replace(program, phases=tuple(phases), offset_s=start_s - total_s - more_s)


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
