"""Plans as a SUMO additional file: a static program per period and signal, and a WAUT that switches between periods.

A program's ``programID`` is its period. SUMO starts phase 0 at the times t with ``(t - offset) mod cycle = 0`` whenever
the simulation begins (measured with SUMO 1.28; see ``tests/formats/test_sumo.py``), which is how a plan counts its
offset. Green flash is inside the green phase: SUMO has no letter for it. Phases are named ``1 green``, ``1 yellow``,
``1 all-red`` by stage number; what else SUMO has no field for stands in ``param`` elements, which it ignores. Periods
switch when their traffic starts, warm-up included, so that a simulation of a period runs its own plan throughout; SUMO
switches in place, without a transition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET

from pydantic import ValidationError

from greenband.errors import BadInput
from greenband.files import write_bytes
from greenband.network import Signal
from greenband.plan.display import junction_phases
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.scenario import Scenario
from greenband.signals import GREEN

__all__ = ["export", "read"]

DAY_S = 24 * 3600
PHASE_NAME = re.compile(r"([1-9][0-9]{0,3}) (green|yellow|all-red)")


def export(plans: PlanSet, path: Path) -> list[Path]:
    """Write the additional file, with all programs, and a WAUT where there are several periods."""
    root = ET.Element("additional")
    origin = plans.provenance.model_dump_json()
    for period, plan in plans:
        root.append(_program(period, plan, plans.junctions[plan.signal], origin))
    if len(plans.plans) > 1:
        root.extend(_switching(plans))
    ET.indent(root)
    write_bytes(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n", durable=False)
    return [path]


def _program(period: str, plan: TimingPlan, junction: Junction, origin: str) -> ET.Element:
    program = ET.Element("tlLogic", id=plan.signal, type="static", programID=period, offset=str(plan.offset_s))
    for duration, lamps, name in junction_phases(junction, plan):
        ET.SubElement(program, "phase", duration=str(duration), state=lamps, name=name)
    about = {"provenance": origin, "plan": plan.name}
    for stage in plan.stages:
        more = {"name": stage.name, "movements": stage.movements, "green_flash_s": stage.green_flash_s}
        about[f"stage {stage.stage + 1}"] = json.dumps(more, ensure_ascii=False)
    for key, value in about.items():
        ET.SubElement(program, "param", key=f"greenband {key}", value=value)
    return program


def _switching(plans: PlanSet) -> Iterator[ET.Element]:
    """A WAUT for each signal, by the day plan of an ordinary Monday."""
    monday = plans.day_plans[plans.schedule[0].day_plan]
    for name in dict.fromkeys(plan.signal for _, plan in plans):
        own = [(60 * s.at_min, s.plan) for s in monday.switches if name in plans.plans[s.plan]]
        if len(own) > 1:
            waut = ET.Element(
                "WAUT", id=f"day {name}".replace(" ", "_"), refTime="0", startProg=own[-1][1], period=str(DAY_S)
            )
            for start, period in own:
                ET.SubElement(waut, "wautSwitch", time=str(start), to=period)
            yield waut
            yield ET.Element("wautJunction", wautID=waut.attrib["id"], junctionID=name)


def read(path: Path, scenario: Scenario | None = None) -> PlanSet:
    """Read the static programs of an additional file.

    Files that greenband wrote read back as they were. Any other needs ``scenario``: its phases are matched with the
    stages of that network by their lamp strings. Where one is given, the lamp strings must be those of its stages.

    Raises:
        BadInput: naming the file, the program and the phase that cannot be used, and why.
    """
    try:
        root = ET.fromstring(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except (ET.ParseError, ValueError, LookupError) as error:
        raise BadInput(f"{path}: not XML: {error}") from error
    programs = root.findall("tlLogic")
    if root.tag != "additional" or not programs:
        raise BadInput(f"{path}: not a SUMO additional file with tlLogic programs")
    plans: dict[str, dict[str, TimingPlan]] = {}
    for element in programs:
        program = _Program(path, element, scenario)
        if program.signal in plans.setdefault(program.period, {}):
            program.fail("it stands in the file twice")
        plans[program.period][program.signal] = program.plan()
    return PlanSet(provenance=_provenance(path, programs[0], scenario), plans=plans)


def _provenance(path: Path, program: ET.Element, scenario: Scenario | None) -> Provenance:
    text = _params(program).get("provenance")
    if text is None:
        return Provenance(subject=path.name, scenario=scenario.name if scenario else "")
    try:
        return Provenance.model_validate_json(text)
    except ValidationError as error:
        raise BadInput(f"{path}: param 'greenband provenance': {error.errors()[0]['msg']}") from error


def _params(program: ET.Element) -> dict[str, str]:
    pairs = ((param.get("key", ""), param.get("value", "")) for param in program.findall("param"))
    return {key.removeprefix("greenband "): value for key, value in pairs if key.startswith("greenband ")}


class _Program:
    """One ``tlLogic`` element on its way to a plan."""

    def __init__(self, path: Path, element: ET.Element, scenario: Scenario | None) -> None:
        self._path, self._element, self._about = path, element, _params(element)
        self.signal, self.period = element.get("id", ""), element.get("programID", "")
        self._known: Signal | None = None
        self._greens: dict[str, int] = {}  # stage by the lamps it shows
        if element.get("type", "static") != "static":
            self.fail(f"type {element.get('type')!r} is not a fixed plan: it must be static")
        if scenario is not None:
            self._known = scenario.network.signals.get(self.signal)
            if self._known is None:
                self.fail(f"scenario {scenario.name} has no such junction")
            limits = self._known.limits(scenario.timing)
            shown = [self._known.walk_steps(k, limits) for k in range(len(self._known.stages))]
            self._greens = {lamps: stage for stage, steps in reversed([*enumerate(shown)]) for _, lamps in steps}

    def fail(self, reason: str) -> NoReturn:
        """Raise BadInput for this program."""
        raise BadInput(f"{self._path}: program {self.period!r} of junction {self.signal!r}: {reason}")

    def plan(self) -> TimingPlan:
        """The program as a plan."""
        found: list[tuple[int, dict[str, int]]] = []
        for number, phase in enumerate(self._element.findall("phase"), 1):
            stage, role = self._role(number, phase)
            walk_over = role == "green" and found and found[-1][0] == stage and not found[-1][1]["yellow"]
            if role == "green" and not walk_over:
                found.append((stage, {"green": 0, "yellow": 0, "all-red": 0}))
            elif not found:
                self.fail(f"phase {number} is {role}: the program must begin with the green of a stage")
            found[-1][1][role] += self._whole(phase.get("duration", ""), f"phase {number}: duration")
        stages = tuple(self._timing(stage, seconds) for stage, seconds in found)
        cycle = sum(stage.duration_s for stage in stages)
        if not cycle:
            self.fail("it has no phases")
        offset = self._whole(self._element.get("offset", "0"), "offset") % cycle
        name = self._about.get("plan", "")
        try:
            return TimingPlan(signal=self.signal, name=name, cycle_s=cycle, offset_s=offset, stages=stages)
        except ValidationError as error:
            self.fail(error.errors()[0]["msg"].removeprefix("Value error, "))

    def _whole(self, text: str, what: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}(\.0*)?", text):
            self.fail(f"{what} {text!r} must be a whole number of seconds")
        return int(text.partition(".")[0])

    def _role(self, number: int, phase: ET.Element) -> tuple[int, str]:
        """Stage index and ``green``, ``yellow`` or ``all-red``: by the phase's name, else by its lamps."""
        lamps, named = phase.get("state", ""), PHASE_NAME.fullmatch(phase.get("name", ""))
        if named is not None:
            stage, role = int(named[1]) - 1, named[2]
            if self._greens and role == "green" and self._greens.get(lamps) != stage:
                self.fail(f"phase {number}: {lamps!r} is not what the scenario's stage {stage + 1} shows")
            return stage, role
        if self._known is None:
            self.fail(f"phase {number} has no name such as '1 green': not written by greenband; a scenario is needed")
        if lamps in self._greens:
            return self._greens[lamps], "green"
        if "y" not in lamps and not GREEN.isdisjoint(lamps):
            states = ", ".join(stage.state for stage in self._known.stages)
            self.fail(f"phase {number}: {lamps!r} is no stage of the scenario: its stages are {states}")
        return -1, "yellow" if "y" in lamps else "all-red"

    def _timing(self, stage: int, seconds: dict[str, int]) -> StageTiming:
        name, flash = f"stage {stage + 1}", 0
        movements: tuple[str, ...] = ()
        if self._known is not None:
            known = self._known.stages[stage]
            name, movements = known.name, tuple(self._known.movements[k].id for k in known.movements)
        text = self._about.get(f"stage {stage + 1}")
        if text is not None:
            name, movements, flash = self._told(text, stage)
        if flash > seconds["green"]:
            self.fail(f"stage {stage + 1}: green_flash_s {flash} exceeds its green of {seconds['green']} s")
        return StageTiming(
            stage=stage,
            name=name,
            movements=movements,
            green_s=seconds["green"] - flash,
            green_flash_s=flash,
            yellow_s=seconds["yellow"],
            all_red_s=seconds["all-red"],
        )

    def _told(self, text: str, stage: int) -> tuple[str, tuple[str, ...], int]:
        """Name, movements and green flash from a stage's param."""
        try:
            told = StageTiming.model_validate(
                {"stage": stage, "green_s": 0, "yellow_s": 0, "all_red_s": 0, **json.loads(text)}
            )
        except (ValueError, TypeError):
            self.fail(f"param 'greenband stage {stage + 1}': {text!r} must be JSON with name, movements, green_flash_s")
        return told.name, told.movements, told.green_flash_s
