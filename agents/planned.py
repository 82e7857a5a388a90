"""Methods that make fixed plans from what is known of a scenario, and run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from greenband.agents.fixed import FixedPlan
from greenband.evaluation.tuning import Budget, tuned
from greenband.fidelity import Fidelity
from greenband.plan import greenwave, webster
from greenband.plan.model import PlanSet
from greenband.plan.planner import Watch, plan_periods, plan_set, unwatched
from greenband.scenario import Scenario

__all__ = ["GreenWave", "SimOpt", "Webster"]


class _Planned(FixedPlan):
    """Makes the plans of a period, or of the parts that it spans, and runs them."""

    def reset(self, scenario: Scenario, period: str) -> Mapping[str, int]:
        """Make the plans; returns the stages to begin with."""
        self._plans = self.plan_set(scenario, [period])
        return super().reset(scenario, period)

    def plan_set(self, scenario: Scenario, periods: Sequence[str], jobs: int = 1, watch: Watch = unwatched) -> PlanSet:
        """Plans for periods; see ``greenband.plan.planner.Planner``."""
        raise AssertionError("a subclass makes the plans")


class Webster(_Planned):
    """Webster's common cycle and splits, offsets 0; see ``greenband.plan.webster``."""

    def __init__(self, max_cycle_s: int = 120) -> None:
        self._max_cycle_s = max_cycle_s

    def plan_set(self, scenario: Scenario, periods: Sequence[str], jobs: int = 1, watch: Watch = unwatched) -> PlanSet:
        """Webster's plans."""
        names = plan_periods(scenario, periods)
        plans = {name: webster.webster(scenario, name, self._max_cycle_s) for name in names}
        cycles = {name: next(iter(by_signal.values())).cycle_s for name, by_signal in plans.items()}
        note = "; ".join(f"{name}: cycle {cycle} s" for name, cycle in cycles.items())
        return plan_set(scenario, "webster", plans, note)


class GreenWave(_Planned):
    """Webster's splits with offsets by MAXBAND; see ``greenband.plan.greenwave``."""

    def __init__(self, max_cycle_s: int = 120) -> None:
        self._max_cycle_s = max_cycle_s

    def plan_set(self, scenario: Scenario, periods: Sequence[str], jobs: int = 1, watch: Watch = unwatched) -> PlanSet:
        """The plans, and in their provenance the green bands."""
        names = plan_periods(scenario, periods)
        waves = {name: greenwave.greenwave(scenario, name, self._max_cycle_s) for name in names}
        note = ". ".join(f"{name}: {wave.describe()}" for name, wave in waves.items())
        return plan_set(scenario, "greenwave", {name: wave.plans for name, wave in waves.items()}, note)


class SimOpt(_Planned):
    """A fixed plan tuned by CMA-ES in simulation from the green wave on; see ``greenband.evaluation.tuning``.

    Tuned once for a period and a budget, then kept in the user's cache.
    """

    def __init__(
        self,
        max_cycle_s: int = 120,
        evaluations: int = 150,
        seeds: int = 1,
        duration_s: int = 1800,
        validation_seeds: int = 4,
        fidelity: Fidelity = "micro",
    ) -> None:
        self._max_cycle_s = max_cycle_s
        self._budget = Budget(evaluations, seeds, duration_s, validation_seeds, fidelity)

    def plan_set(self, scenario: Scenario, periods: Sequence[str], jobs: int = 1, watch: Watch = unwatched) -> PlanSet:
        """The tuned plans, and in their provenance the delays that chose them."""
        names = plan_periods(scenario, periods)
        found = {name: tuned(scenario, name, self._max_cycle_s, self._budget, jobs, watch) for name in names}
        plans = {name: one.plans[name] for name, one in found.items()}
        note = ". ".join(one.provenance.note for one in found.values())
        seeds = dict.fromkeys(seed for one in found.values() for seed in one.provenance.seeds)
        return plan_set(scenario, "simopt", plans, note, tuple(seeds))
