"""Programs that SUMO runs by itself, and which stages they show.

SUMO has traffic-responsive controllers of its own. One of them decides inside the simulator, so it gets a program of
stages, yellow and all-red instead of an interlock; the safety monitor judges the lamps it displays like any others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from greenband.network import Signal
from greenband.signals import Limits

__all__ = ["PROGRAM_ID", "Program", "Readback", "write"]

PROGRAM_ID = "greenband"


@dataclass(frozen=True)
class Program:
    """One signal's ``tlLogic``; SUMO runs the last one that it is given of a signal.

    Args:
        signal: the traffic light.
        kind: SUMO's type of the program, such as ``actuated``.
        offset_s: as the type counts it.
        phases: attributes of each phase.
        settings: SUMO's parameters of the type.
        stages: which stage is green under a phase name; other phases are changes between stages.
        bounded: SUMO may overrun a phase's ``maxDur``, so the phase is ended from outside.
        since_s: when SUMO takes over, in s; the start of the simulation by default. Until then the program runs unseen.
    """

    signal: str
    kind: str
    offset_s: int
    phases: tuple[Mapping[str, str], ...]
    settings: Mapping[str, str]
    stages: Mapping[str, int]
    bounded: bool = False
    since_s: int = 0

    def called(self, stages: Collection[int]) -> Program:
        """The program with a constant call for some stages: they last as long as they may, or until their force-off.

        That is what controllers do about a dead detector (FHWA-HOP-08-024, Traffic Signal Timing Manual, 5.5).
        """
        phases = tuple(
            {**phase, **_called(phase)}
            if "maxDur" in phase and self.stages.get(phase.get("name", "")) in stages
            else phase
            for phase in self.phases
        )
        return replace(self, phases=phases) if stages else self

    def element(self) -> ET.Element:
        """The program as SUMO reads it."""
        root = ET.Element("tlLogic", id=self.signal, type=self.kind, programID=PROGRAM_ID, offset=str(self.offset_s))
        for key, value in self.settings.items():
            ET.SubElement(root, "param", key=key, value=value)
        for phase in self.phases:
            ET.SubElement(root, "phase", dict(phase))
        return root


def _called(phase: Mapping[str, str]) -> dict[str, str]:
    """What a constant call changes of a phase."""
    if "latestEnd" in phase:
        return {"earliestEnd": phase["latestEnd"]}
    return {"minDur": phase["maxDur"], "duration": phase["maxDur"]}


def write(path: Path, programs: Iterable[Program]) -> None:
    """Write programs as an additional file."""
    root = ET.Element("additional")
    root.extend(program.element() for program in programs)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


class Readback:
    """The stages that a program of SUMO's shows at one signal, logged as the interlock logs its own.

    ``executed`` holds (time in s at which the change to the stage began, stage). Phases that are no stage, such as
    those in which only one ring of two has moved on, count as the stage before them. ``before`` is the log until SUMO
    took over.
    """

    def __init__(
        self, program: Program, signal: Signal, limits: Limits, now: int, before: Iterable[tuple[int, int]] = ()
    ) -> None:
        self.executed: list[tuple[int, int]] = list(before)
        self._program, self._signal, self._limits = program, signal, limits
        self._begin = now
        self._phase, self._since = -1, now

    def follow(self, api: Any, now: int) -> None:
        """Take notice of the second before ``now``; to be called every second of a running SUMO."""
        lights, name = api.trafficlight, self._program.signal
        stage = self._program.stages.get(lights.getPhaseName(name))
        if stage is not None and (not self.executed or stage != self.executed[-1][1]):
            self.executed.append((self._called(stage, now - 1), stage))
        if self._program.bounded:
            self._end_when_due(lights, now)

    def _called(self, stage: int, green_s: int) -> int:
        """When the change began to a stage that is green since ``green_s``."""
        if not self.executed:
            return self._begin
        before, after = self._signal.stages[self.executed[-1][1]], self._signal.stages[stage]
        return green_s - (0 if before.greens <= after.greens else self._limits.intergreen_s)

    def _end_when_due(self, lights: Any, now: int) -> None:
        name, phases = self._program.signal, self._program.phases
        phase = lights.getPhase(name)
        if phase != self._phase:
            self._phase, self._since = phase, now - 1
        longest = phases[phase].get("maxDur")
        if longest is not None and now - self._since >= int(longest):
            lights.setPhase(name, (phase + 1) % len(phases))
