"""The control loop: measure, decide, interlock, lamps. It exists once; environments and evaluation both run it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from greenband.clearing import TurnClearing
from greenband.detectors import Report, detectors
from greenband.errors import BadInput, UnknownName
from greenband.fallback import FixedPatterns
from greenband.faults import Faults
from greenband.incident import Incident
from greenband.plan.model import PlanSet
from greenband.programs import PROGRAM_ID, Program, Readback
from greenband.scenario import Scenario
from greenband.sensing import Measurement, SensingConfig, SignalView
from greenband.signals import Interlock
from greenband.simulation import Backend, Records, Simulation

__all__ = ["ControlLoop", "Controller", "run"]


@runtime_checkable
class Controller(Protocol):
    """Decides which stage each signal should show. Asked every ``interval_s`` seconds.

    One that only reads the clock may say so with an attribute ``blind = True``; it is spared the detectors. So is one
    that reads them now and then, for the times at which it is blind; blind from the start, it needs no fixed patterns
    where detectors fail. One that needs vehicles counted at the stop lines has an attribute ``counts = True``. One that
    leaves signals to SUMO has an attribute ``programs``, filled by ``reset``: the programs that SUMO runs there. A
    method ``fallback(scenario, period)`` returns plans for signals whose detectors fail; else they follow the existing
    ones.
    """

    interval_s: int

    def reset(self, scenario: Scenario, period: str) -> Mapping[str, int] | None:
        """Prepare for a new run; may return the stages to begin with, the signals' first by default."""

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """Wanted stage index per signal; a signal left out keeps its stage."""


class ControlLoop:
    """Runs one scenario and period, a seed at a time, through interlocks.

    SUMO is stopped only where a lamp changes or a decision is due. A signal whose last measurement found it blind for
    longer than good values are held follows its fixed pattern, whatever is requested, until a measurement finds its
    data back; signals in ``by_the_clock`` need no data and are left alone. Requests to other signals wait until the
    junction is clear where that is the scenario's practice, see ``greenband.clearing``. A signal that SUMO runs itself
    has no interlock and is not measured; what it shows is read back each second.
    """

    def __init__(
        self,
        scenario: Scenario,
        period: str,
        sensing: SensingConfig | None = None,
        by_the_clock: Collection[str] = (),
    ) -> None:
        self.scenario = scenario
        self.period_name = period
        self.period = scenario.period(period)
        network = scenario.network
        self._sensing = config = sensing or SensingConfig()
        self.limits = {name: signal.limits(scenario.timing) for name, signal in network.signals.items()}
        self._detectors = {
            name: detectors(network, signal, config, scenario.fidelity) for name, signal in network.signals.items()
        }
        self._faults: dict[str, Faults] = {}
        self._seen: tuple[int, dict[str, Report]] | None = None  # at a time in s
        self._patterns: FixedPatterns | None = None
        self._watched = [name for name in network.signals if name not in by_the_clock]
        self._blind: list[str] = []
        self._clearings = self._turn_clearings()
        self.interlocks: dict[str, Interlock] = {}
        self._programs: list[Program] = []  # that SUMO has not taken over yet
        self._readbacks: dict[str, Readback] = {}
        self._shown: dict[str, str] = {}
        self._simulation: Simulation | None = None
        self.now = self.period.start_s

    @property
    def simulation(self) -> Simulation:
        """The running session.

        Raises:
            BadInput: none is running.
        """
        if self._simulation is None:
            raise BadInput("the control loop is not running: call reset first")
        return self._simulation

    @property
    def executed(self) -> dict[str, list[tuple[int, int]]]:
        """Per signal, the stages executed so far as (time in s at which each was called in, stage index)."""
        logs: dict[str, Readback | Interlock] = {**self.interlocks, **self._readbacks}
        return {name: list(logs[name].executed) for name in self.scenario.network.signals}

    @property
    def done(self) -> bool:
        """Whether the period's end is reached."""
        return self.now >= self.period.end_s

    def reset(
        self,
        seed: int,
        *,
        begin_with: Mapping[str, int] | None = None,
        programs: Sequence[Program] = (),
        demand: float = 1.0,
        records: Records | None = None,
        incident: Incident | None = None,
        backend: Backend = "auto",
        fallback: PlanSet | None = None,
    ) -> Measurement:
        """Start a fresh session; every signal begins in its first stage or the one in ``begin_with``.

        Signals with one of ``programs`` are left to SUMO, from the program's time on; where a detector is dead at the
        start, the stages that need it last as long as they may. ``fallback`` are the plans of signals that are blind.
        """
        self.close()
        self.now = self.period.start_s
        self._reset_sensing(seed)
        programs = [self._called(program) for program in programs]
        if self._sensing.drops_out:
            self._patterns = FixedPatterns(self.scenario, self.period_name, self.limits, fallback)
        self._simulation = Simulation(
            self.scenario,
            self.period_name,
            seed,
            demand=demand,
            records=records,
            loops=[loop for seeing in self._detectors.values() for loop in seeing.loops],
            programs=programs,
            incident=incident,
            backend=backend,
        )
        self.now = self._simulation.now
        at_once = [program for program in programs if program.since_s <= self.now]
        self._programs = [program for program in programs if program not in at_once]
        self._readbacks = {program.signal: self._readback(program) for program in at_once}
        self.interlocks = {
            name: Interlock(signal.stages, self.limits[name], self.now, (begin_with or {}).get(name, 0))
            for name, signal in self.scenario.network.signals.items()
            if name not in self._readbacks
        }
        self._shown = {}
        self._show()
        return self.measure()

    def step(self, requests: Mapping[str, int], seconds: int) -> None:
        """Pass requests to the interlocks, then run for some seconds, or less where the period ends.

        Raises:
            UnknownName: a request names no signal of the scenario.
        """
        if unknown := requests.keys() - self.interlocks.keys():
            raise UnknownName("signal", sorted(unknown)[0], self.interlocks)
        for name, stage in requests.items():
            if name not in self._blind:
                self.interlocks[name].request(self._cleared(name, stage))
        self._show()
        until = min(self.now + seconds, self.period.end_s)
        while self.now < until:
            self._guide_blind()
            self._hand_over()
            change = min((interlock.next_change for interlock in self.interlocks.values()), default=math.inf)
            every_second = self._blind or self._readbacks or self._programs
            self.now = int(min(self.now + 1 if every_second else until, change))
            self.simulation.advance(self.now)
            for readback in self._readbacks.values():
                readback.follow(self.simulation.api, self.now)
            for interlock in self.interlocks.values():
                interlock.tick(self.now)
            self._show()

    def perceive(self, controller: Controller) -> Measurement:
        """What a controller needs to see now: the clock alone, without signals, where it is ``blind``."""
        return Measurement(self.now, {}) if getattr(controller, "blind", False) else self.measure()

    def measure(self) -> Measurement:
        """What the detectors see now; asked again within the same second they say the same."""
        if self._seen is None or self._seen[0] != self.now:
            self._seen = self.now, {name: self._look(name) for name in self.interlocks}
            self._blind = [name for name in self._watched if self._blind_s(name) > self._sensing.hold_s]
        return Measurement(self.now, {name: self._view(name, report) for name, report in self._seen[1].items()})

    def close(self) -> None:
        """End the session, if one is running."""
        if self._simulation is not None:
            self._simulation.close()
            self._simulation = None

    def _turn_clearings(self) -> dict[str, TurnClearing]:
        longest_s = self.scenario.timing.clear_turns_s
        if not longest_s:
            return {}
        if self.scenario.fidelity == "meso":
            raise BadInput("clear_turns_s needs lanes within the junction, which fidelity meso does not have")
        return {name: TurnClearing(self.scenario.network.signals[name], longest_s) for name in self._watched}

    def _cleared(self, name: str, stage: int) -> int:
        """The stage to request instead, while the junction is not clear."""
        if name not in self._clearings:
            return stage
        shown = self.interlocks[name].stage
        return self._clearings[name].guide(self.simulation.api, shown, stage, self.now)

    def _called(self, program: Program) -> Program:
        """The program under constant calls where its detectors are dead."""
        if program.signal not in self._faults:
            return program
        signal, movements = self.scenario.network.signals[program.signal], self._faults[program.signal].dead(self.now)
        always = signal.always_green()
        stages = {
            k for k, stage in enumerate(signal.stages) for m in stage.movements if m in movements and m not in always
        }
        return program.called(stages)

    def _reset_sensing(self, seed: int) -> None:
        for seeing in self._detectors.values():
            seeing.reset()
        for clearing in self._clearings.values():
            clearing.reset()
        if not self._sensing.faultless:
            self._faults = {
                name: Faults(seeing.layout, self._sensing, seed, number, self.now)
                for number, (name, seeing) in enumerate(self._detectors.items())
            }
        self._seen, self._blind = None, []

    def _look(self, name: str) -> Report:
        seeing = self._detectors[name]
        readings = seeing.read(self.simulation.api)
        if name in self._faults:
            readings = self._faults[name].spoil(readings, self.now)
        return seeing.report(readings)

    def _blind_s(self, name: str) -> float:
        return self._faults[name].blind_s(self.now) if name in self._faults else 0.0

    def _view(self, name: str, report: Report) -> SignalView:
        lock = self.interlocks[name]
        return SignalView(
            approaching=report.approaching,
            standing=report.standing,
            leaving=report.leaving,
            stage=lock.stage,
            in_transition=lock.in_transition,
            green_s=lock.green_elapsed(),
            red_s=lock.red_elapsed(),
            allowed=lock.mask(),
            passed=report.passed,
            blind_s=self._blind_s(name),
        )

    def _guide_blind(self) -> None:
        """Ask for the fixed pattern at signals without data; due every second, as the pattern's changes are."""
        if self._blind and self._patterns is not None:
            for name in self._blind:
                if name in self.interlocks:
                    self.interlocks[name].request(self._patterns.stage_at(name, self.now))
            self._show()

    def _hand_over(self) -> None:
        """Leave signals to SUMO whose time has come."""
        for program in [program for program in self._programs if program.since_s <= self.now]:
            self._programs.remove(program)
            log = self.interlocks.pop(program.signal).executed
            self._readbacks[program.signal] = self._readback(program, log)
            self.simulation.api.trafficlight.setProgram(program.signal, PROGRAM_ID)

    def _readback(self, program: Program, log: Sequence[tuple[int, int]] = ()) -> Readback:
        signal = self.scenario.network.signals[program.signal]
        return Readback(program, signal, self.limits[program.signal], self.now, log)

    def _show(self) -> None:
        for name, interlock in self.interlocks.items():
            if self._shown.get(name) != interlock.lamps:
                self._shown[name] = interlock.lamps
                self.simulation.show(name, interlock.lamps)


def run(
    controller: Controller,
    scenario: Scenario,
    period: str,
    seed: int,
    *,
    demand: float = 1.0,
    sensing: SensingConfig | None = None,
    records: Records | None = None,
    incident: Incident | None = None,
    backend: Backend = "auto",
) -> dict[str, list[tuple[int, int]]]:
    """Run a controller for a whole period; it is not told of an ``incident``.

    Returns:
        Per signal, the executed stages as (time in s at which it was called in, stage index).
    """
    if controller.interval_s < 1:
        raise BadInput(f"a controller's interval_s must be at least 1 s, not {controller.interval_s}")
    if getattr(controller, "counts", False):
        sensing = replace(sensing or SensingConfig(), count_passed=True)
    by_the_clock = scenario.network.signals if getattr(controller, "blind", False) else ()
    loop = ControlLoop(scenario, period, sensing, by_the_clock)
    try:
        begin_with = controller.reset(scenario, period)
        plans_of = getattr(controller, "fallback", None) if sensing is not None and sensing.drops_out else None
        loop.reset(
            seed,
            begin_with=begin_with,
            programs=getattr(controller, "programs", ()),
            demand=demand,
            records=records,
            incident=incident,
            backend=backend,
            fallback=plans_of(scenario, period) if plans_of else None,
        )
        while not loop.done:
            loop.step(controller.decide(loop.perceive(controller)), controller.interval_s)
        return loop.executed
    finally:
        loop.close()
