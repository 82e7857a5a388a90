"""Dead detectors: a policy's signals follow its own plan, SUMO's controllers are called constantly."""

from __future__ import annotations

from greenband import registry
from greenband.agents.actuated import Actuated
from greenband.control import ControlLoop, run
from greenband.evaluation import resolve
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig

OUTAGE = SensingConfig(dropout_per_h=4e-4, dropout_s=1e6)


def programs_of(scenario: Scenario, sensing: SensingConfig, seed: int) -> tuple[ControlLoop, dict[str, set[int]]]:
    """The loop, and per signal the stages that last as long as they may."""
    controller = Actuated()
    controller.reset(scenario, "AM")
    loop = ControlLoop(scenario, "AM", sensing, scenario.network.signals)
    loop.reset(seed, programs=controller.programs, demand=0.05)
    running = loop.simulation.api.trafficlight
    fixed = {}
    for program in controller.programs:
        (logic,) = [logic for logic in running.getAllProgramLogics(program.signal) if logic.programID == "greenband"]
        greens = [phase for phase in logic.phases if phase.name in program.stages]
        fixed[program.signal] = {program.stages[p.name] for p in greens if p.minDur == p.maxDur}
    return loop, fixed


def test_a_dead_detector_is_a_constant_call(shixin_short: Scenario) -> None:
    loop, fixed = programs_of(shixin_short, OUTAGE, 4)
    try:
        for name, signal in shixin_short.network.signals.items():
            dead = {signal.movements[k].from_edge for k in loop._faults[name].dead(loop.now)}
            needing = {
                k
                for k, stage in enumerate(signal.stages)
                if any(signal.movements[m].from_edge in dead for m in set(stage.movements) - signal.always_green())
            }
            assert fixed[name] == needing
        assert any(fixed.values())
    finally:
        loop.close()


def test_a_second_run_has_the_same_dead_detectors(shixin_short: Scenario) -> None:
    """A loop that ran before begins its failures at the start of the period again."""
    loop, fixed = programs_of(shixin_short, OUTAGE, 4)
    dead = {name: faults.dead(loop.now) for name, faults in loop._faults.items()}
    controller = Actuated()
    controller.reset(shixin_short, "AM")
    try:
        loop.step({}, 300)
        loop.reset(4, programs=controller.programs, demand=0.05)
        assert loop.now == loop.period.start_s
        assert {name: faults.dead(loop.now) for name, faults in loop._faults.items()} == dead
    finally:
        loop.close()
    assert any(fixed.values())


def test_without_faults_every_green_is_flexible(shixin_short: Scenario) -> None:
    loop, fixed = programs_of(shixin_short, SensingConfig(), 3)
    loop.close()
    assert not any(fixed.values())


def test_a_policy_falls_back_on_its_green_wave(shixin_short: Scenario) -> None:
    """With every detector dead it runs the wave, but for the time until that is known."""
    short = shixin_short.period("AM").model_copy(update={"duration_s": 300, "warmup_s": 300})
    scenario = shixin_short.model_copy(update={"periods": {"AM": short}})
    dead = SensingConfig(dropout_per_h=3600.0, dropout_s=1e9)
    policy = resolve("reference").make()
    plans: PlanSet = policy.fallback(scenario, "AM")  # type: ignore[attr-defined]  # a learned one's own
    executed = run(policy, scenario, "AM", 1, demand=0.05, sensing=dead)
    wave = run(registry.controller("greenwave"), scenario, "AM", 1, demand=0.05)
    for name, log in executed.items():
        late = [row for row in log if row[0] >= short.begin_s]
        assert late == [row for row in wave[name] if row[0] >= short.begin_s]
        assert {stage.stage for stage in plans.plans["AM"][name].stages} == {stage for _, stage in late}
