"""Coordinated control in two rings by SUMO's NEMA controller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from greenband import registry
from greenband.agents.fixed import FixedPlan
from greenband.agents.rings import RingPhase, Rings, rings_of
from greenband.errors import BadInput
from greenband.network import Signal
from greenband.plan.coordination import main_stage
from greenband.plan.model import PlanSet, Provenance, TimingPlan
from greenband.programs import Program
from greenband.scenario import Scenario
from greenband.sensing import Measurement
from greenband.signals import Limits

__all__ = ["Coordinated", "in_order", "shortest_greens"]

ANY = "99"  # SUMO wants a duration and does not use it


class Coordinated:
    """Actuated phases within the cycle, splits and offsets of a plan.

    The stage of the main road's through traffic is coordinated: its green ends as the plan has it. Another phase ends
    once nobody has been on its detectors for ``extension_s``; the time that it leaves over goes to those after it and
    in the end to the coordinated phases, which then start early. Every phase comes in every cycle, and gives away only
    as much as keeps all within maximum green and maximum red. Detectors reach ``detector_m`` before the stop line.
    ``plan`` names the controller that holds the plan; its stages run in the rings' order for the first cycle, as SUMO
    starts its rings anywhere.

    Source: SUMO's type ``NEMA`` (https://sumo.dlr.de/docs/Simulation/NEMA.html), offsets as in NEMA TS2; FHWA, Traffic
    Signal Timing Manual, FHWA-HOP-08-024, 2008, chapter 6.

    Raises (on reset):
        BadInput: ``plan`` is no fixed plan or does not fit; the period has several plans; or a signal's stages do not
            fit into two rings, or it has no all-red.
    """

    interval_s = 1
    blind = True

    def __init__(self, plan: str = "greenwave", extension_s: float = 2.0, detector_m: float = 20.0) -> None:
        for name, value in (("extension_s", extension_s), ("detector_m", detector_m)):
            if isinstance(value, str) or not value > 0:
                raise BadInput(f"{name}={value!r}: must be a number above 0")
        self._plan, self._extension_s, self._detector_m = plan, extension_s, detector_m
        self._ordered: FixedPlan | None = None
        self.programs: tuple[Program, ...] = ()

    def reset(self, scenario: Scenario, period: str) -> Mapping[str, int]:
        """Take the plan of the period and make the programs; returns the stages to begin with."""
        if scenario.period(period).plans:
            raise BadInput(f"coordinated control runs one plan; period {period} of {scenario.name} has several")
        limits_of = {name: signal.limits(scenario.timing) for name, signal in scenario.network.signals.items()}
        for name, limits in limits_of.items():
            if limits.all_red_s < 1:  # where two phases serve a stream, yellow would end in green
                raise BadInput(f"junction {name}: NEMA phases need an all-red of 1 s or more")
        source = registry.controller(self._plan)
        if not isinstance(source, FixedPlan):
            raise BadInput(f"plan={self._plan!r}: coordinated control needs a fixed plan, and that is none")
        source.reset(scenario, period)
        start_s, table = scenario.period(period).start_s, scenario.demand(period)
        ordered, programs = {}, []
        for name, plan in source.active.items():
            signal, limits = scenario.network.signals[name], limits_of[name]
            rings = rings_of(signal, [timing.stage for timing in plan.stages], main_stage(signal, scenario, table))
            ordered[name] = in_order(plan, rings)
            programs.append(self._program(signal, limits, rings, ordered[name], start_s))
        self.programs = tuple(programs)
        self._ordered = FixedPlan(
            PlanSet(provenance=Provenance(subject=self._plan, scenario=scenario.name), plans={period: ordered})
        )
        return self._ordered.reset(scenario, period)

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """The plan's stages where SUMO has not taken over."""
        if self._ordered is None:
            return {}
        waiting = {program.signal for program in self.programs if measurement.time_s < program.since_s}
        return {name: stage for name, stage in self._ordered.decide(measurement).items() if name in waiting}

    def _program(self, signal: Signal, limits: Limits, rings: Rings, plan: TimingPlan, start_s: int) -> Program:
        splits = {timing.stage: timing.go_s for timing in plan.stages}
        main_s = plan.stages[0].go_s
        return Program(
            signal=signal.id,
            kind="NEMA",
            offset_s=plan.offset_s,
            phases=tuple(self._phases(signal, limits, rings, splits)),
            settings={
                "coordinate-mode": "true",
                "controllerType": "TS2",
                "total-cycle-length": str(plan.cycle_s),
                "ring1": _listed(rings.slots[0]),
                "ring2": _listed(rings.slots[1]),
                "barrierPhases": _listed(rings.crossing),
                "coordinatePhases": _listed(rings.coordinated),
                "minRecall": _listed(sorted(rings.phases)),
                "detector-length": str(self._detector_m),
                "detector-length-leftTurnLane": str(self._detector_m),
            },
            stages=_stages_by_name(rings),
            since_s=_first_s(start_s + plan.cycle_s, plan.offset_s + main_s // 2, plan.cycle_s),
        )

    def _phases(
        self, signal: Signal, limits: Limits, rings: Rings, splits_s: Mapping[int, int]
    ) -> Iterator[Mapping[str, str]]:
        least = shortest_greens(rings, splits_s, limits)
        for number, phase in sorted(rings.phases.items()):
            yield {
                "name": str(number),
                "duration": ANY,
                "minDur": str(least[phase.stage]),
                "maxDur": str(splits_s[phase.stage]),
                "vehext": str(self._extension_s),
                "yellow": str(limits.yellow_s),
                "red": str(limits.all_red_s),
                "state": _state(signal, phase),
            }


def in_order(plan: TimingPlan, rings: Rings) -> TimingPlan:
    """The plan with its stages in the rings' order, its reference point the green of the coordinated one.

    That green keeps its place in the cycle. In the plan's own order, a stage that the rings have moved back could be
    red for longer than allowed when SUMO takes over.
    """
    coordinated, *_ = rings.order
    starts_s = accumulate((timing.duration_s for timing in plan.stages), initial=plan.offset_s)
    offset_s = next(s for timing, s in zip(plan.stages, starts_s, strict=False) if timing.stage == coordinated)
    stages = tuple(sorted(plan.stages, key=lambda timing: rings.order.index(timing.stage)))
    return plan.model_copy(update={"offset_s": offset_s % plan.cycle_s, "stages": stages})


def shortest_greens(rings: Rings, splits_s: Mapping[int, int], limits: Limits) -> dict[int, int]:
    """Least green per stage in s: the minimum, or more where a stage that gave away all above it would break a limit.

    What the others give away lengthens the coordinated green, which must keep the maximum; and a phase that comes early
    in one cycle and late in the next is red for longer than in the plan. No stage gives away more than the rest may.
    """
    coordinated, *others = rings.order
    intergreen = limits.intergreen_s
    cycle = sum(green + intergreen for green in splits_s.values())
    least = {**splits_s, coordinated: limits.min_green_s[coordinated]}
    for given in range(1, max(splits_s.values()) + 1):
        tried = {stage: max(limits.min_green_s[stage], splits_s[stage] - given) for stage in others}
        saved = [splits_s[stage] - tried[stage] for stage in others]
        reds = [cycle + sum(saved[:k]) - tried[stage] for k, stage in enumerate(others)]
        if splits_s[coordinated] + sum(saved) > limits.max_green_s or max(reds) > limits.max_red_s:
            break
        least |= tried
    return least


def _first_s(earliest_s: int, within_s: int, cycle_s: int) -> int:
    """The first time from ``earliest_s`` on that is ``within_s`` into a cycle."""
    return earliest_s + (within_s - earliest_s) % cycle_s


def _state(signal: Signal, phase: RingPhase) -> str:
    """A phase's lamps: its stage's, or where it has part of a stage its own links, all others on red."""
    stage = signal.stages[phase.stage]
    if phase.links == stage.greens:
        return stage.state
    stops = {i for other in signal.stages for i, lamp in enumerate(other.state) if lamp == "s"}
    red = ("s" if i in stops else "r" for i in range(signal.lamps))
    return "".join(stage.state[i] if i in phase.links else lamp for i, lamp in enumerate(red))


def _stages_by_name(rings: Rings) -> dict[str, int]:
    """SUMO names what is shown by the phases of both rings; a stage is shown when both are of it."""
    return {
        f"{one}+{two}": rings.phases[one].stage
        for one in filter(None, rings.slots[0])
        for two in filter(None, rings.slots[1])
        if rings.phases[one].stage == rings.phases[two].stage
    }


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
