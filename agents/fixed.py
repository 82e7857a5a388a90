"""Fixed-time control: run a timing plan as a controller would hold it."""

from __future__ import annotations

from collections.abc import Mapping

from greenband.errors import BadInput
from greenband.formats import json as plan_json
from greenband.plan.model import PlanSet, TimingPlan
from greenband.scenario import Scenario
from greenband.sensing import Measurement

__all__ = ["Existing", "FixedPlan"]


class FixedPlan:
    """Runs the plan of the period at every signal.

    Raises (on reset):
        BadInput: a signal or period has no plan, or a plan's yellow, all-red or minimum green is not what its junction
            needs.
    """

    interval_s = 1

    def __init__(self, plans: PlanSet) -> None:
        self._plans = plans
        self._active: Mapping[str, TimingPlan] = {}

    def reset(self, scenario: Scenario, period: str) -> None:
        """Choose the period's plans and hold them against the junctions' limits."""
        if period not in self._plans.plans:
            raise BadInput(f"the plan has no period {period}: it has {', '.join(self._plans.plans)}")
        plans = self._plans.plans[period]
        for name, signal in scenario.network.signals.items():
            if name not in plans:
                raise BadInput(f"the plan has no junction {name} of scenario {scenario.name}, period {period}")
            limits = signal.limits(scenario.timing)
            for stage in plans[name].stages:
                where = f"period {period}, junction {name}, stage {stage.name!r}"
                if not 0 <= stage.stage < len(signal.stages):
                    raise BadInput(f"{where}: the junction has no stage {stage.stage}")
                if (stage.yellow_s, stage.all_red_s) != (limits.yellow_s, limits.all_red_s):
                    raise BadInput(
                        f"{where}: yellow {stage.yellow_s} s and all-red {stage.all_red_s} s,"
                        f" but the junction needs {limits.yellow_s} s and {limits.all_red_s} s"
                    )
                if stage.go_s < limits.min_green_s[stage.stage]:
                    raise BadInput(
                        f"{where}: green {stage.go_s} s is below the minimum of {limits.min_green_s[stage.stage]} s"
                    )
        self._active = {name: plans[name] for name in scenario.network.signals}

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """The stages that the plans hold for this second."""
        return {name: plan.stage_at(measurement.time_s) for name, plan in self._active.items()}


class Existing(FixedPlan):
    """The plan in force today, as the scenario holds it."""

    def __init__(self) -> None:
        self._active = {}

    def reset(self, scenario: Scenario, period: str) -> None:
        """Load the scenario's existing plan for the period."""
        self._plans = plan_json.read(scenario.existing_plan_file(period))
        super().reset(scenario, period)
