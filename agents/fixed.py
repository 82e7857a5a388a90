"""Fixed-time control: run a timing plan as a controller would hold it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from greenband.errors import BadInput
from greenband.formats import json as plan_json
from greenband.plan.model import PlanSet, TimingPlan
from greenband.scenario import Period, Scenario
from greenband.sensing import Measurement
from greenband.signals import Limits

__all__ = ["Existing", "FixedPlan", "PlanRunner", "checked_plans"]


class PlanRunner:
    """Shows the stages of fixed plans by the clock."""

    interval_s = 1
    _active: Mapping[str, TimingPlan] = {}
    _first: Mapping[str, int] = {}  # stages to begin with, until the plan comes to them

    def begin(self, scenario: Scenario, plans: Mapping[str, TimingPlan], start_s: int) -> Mapping[str, int]:
        """Put plans into force at the start of a run; returns the stages to begin with."""
        self._active = plans
        self._first = {
            name: plan.first_stage(start_s, scenario.network.signals[name].limits(scenario.timing).min_green_s)
            for name, plan in plans.items()
        }
        return self._first

    def stages_at(self, time_s: int) -> Mapping[str, int]:
        """The stages that the plans hold for a second; where another plan has come into force the interlock bridges."""
        wanted = {name: plan.stage_at(time_s) for name, plan in self._active.items()}
        self._first = {name: stage for name, stage in self._first.items() if stage != wanted[name]}
        return wanted | self._first


class FixedPlan(PlanRunner):
    """Runs the plan of the period at every signal.

    Raises (on reset):
        BadInput: a signal or period has no plan, or a plan breaks its junction's limits, so that the interlock would
            override it.
    """

    blind = True
    _switches: Sequence[tuple[int, Mapping[str, TimingPlan]]] = ()

    def __init__(self, plans: PlanSet) -> None:
        self._plans = plans

    def reset(self, scenario: Scenario, period: str) -> Mapping[str, int]:
        """Choose the period's plans and hold them against the junctions' limits; returns the stages to begin with.

        A period for which there is no plan of its name takes those of Monday's day plan, in turn where it changes
        during the period. Without a day plan a period that spans several, such as the whole day, takes theirs.
        """
        span = scenario.period(period)
        wanted = self._wanted(span, period)
        chosen = {name: self._checked(scenario, name) for name in dict.fromkeys(name for _, name in wanted)}
        (_, self._active), *self._switches = [(time_s, chosen[name]) for time_s, name in wanted]
        self._switch(span.start_s)
        return self.begin(scenario, self._active, span.start_s)

    def _wanted(self, span: Period, period: str) -> list[tuple[int, str]]:
        """(time in s, name of the plans) in turn; the warm-up has those that the period begins with."""
        day = self._plans.plain_day
        if period in self._plans.plans:
            return [(span.start_s, period)]
        if day is None:
            return [(switch.time_s, switch.period) for switch in span.plans] or [(span.start_s, period)]
        (_, first), *later = self._plans.day_plans[day].between(span.begin_s, span.end_s)
        return [(span.start_s, first), *later]

    @property
    def changes(self) -> bool:
        """Whether other plans are to come into force."""
        return bool(self._switches)

    @property
    def active(self) -> Mapping[str, TimingPlan]:
        """The plans in force, by signal."""
        return self._active

    def _checked(self, scenario: Scenario, period: str) -> Mapping[str, TimingPlan]:
        if period not in self._plans.plans:
            has = ", ".join(self._plans.plans)
            raise BadInput(f"the plan has no period {period}: it has {has}, and no day plan that says when")
        return checked_plans(scenario, period, self._plans.plans[period])

    def _switch(self, time_s: int) -> None:
        while self._switches and self._switches[0][0] <= time_s:
            (_, self._active), *self._switches = self._switches

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """The stages that the plans hold for this second."""
        self._switch(measurement.time_s)
        return self.stages_at(measurement.time_s)


class Existing(FixedPlan):
    """The plan in force today, as the scenario holds it."""

    def __init__(self) -> None:
        """Its plans come with the scenario."""

    def reset(self, scenario: Scenario, period: str) -> Mapping[str, int]:
        """Load the scenario's existing plan for the period."""
        self._plans = plan_json.read(scenario.existing_plan_file(period))
        return super().reset(scenario, period)


def checked_plans(scenario: Scenario, period: str, plans: Mapping[str, TimingPlan]) -> Mapping[str, TimingPlan]:
    """The plans of the scenario's signals, called ``period`` in what is said of them.

    Raises:
        BadInput: a signal has none, or one breaks its junction's limits.
    """
    for name, signal in scenario.network.signals.items():
        if name not in plans:
            raise BadInput(f"the plan has no junction {name} of scenario {scenario.name}, period {period}")
        for fault in _faults(plans[name], signal.limits(scenario.timing)):
            raise BadInput(f"period {period}, junction {name}: {fault}")
    return {name: plans[name] for name in scenario.network.signals}


def _faults(plan: TimingPlan, limits: Limits) -> Iterator[str]:
    """What the interlock would not show as planned; a plan that it must override would not be what is measured."""
    stages = {stage.stage for stage in plan.stages}
    if stages != set(range(len(limits.min_green_s))):
        yield f"it has stages {sorted(stages)}, but the junction has {len(limits.min_green_s)}, from 0"
        return
    for stage in plan.stages:
        shortest, red = limits.min_green_s[stage.stage], plan.cycle_s - stage.go_s
        if (stage.yellow_s, stage.all_red_s) != (limits.yellow_s, limits.all_red_s):
            yield (
                f"stage {stage.name!r}: yellow {stage.yellow_s} s and all-red {stage.all_red_s} s,"
                f" but the junction needs {limits.yellow_s} s and {limits.all_red_s} s"
            )
        if not shortest <= stage.go_s <= limits.max_green_s:
            yield f"stage {stage.name!r}: green {stage.go_s} s must be {shortest} to {limits.max_green_s} s"
        if red > limits.max_red_s:
            yield f"stage {stage.name!r}: red {red} s is above the maximum of {limits.max_red_s} s"
