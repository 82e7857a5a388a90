"""Plans as SUMO additional files: a static program per period and signal, and a WAUT that switches between periods.

A program's ``programID`` is its period. SUMO starts phase 0 at the times t with ``(t - offset) mod cycle = 0`` whenever
the simulation begins (measured with SUMO 1.28; see ``tests/formats/test_sumo.py``), which is how a plan counts its
offset. Green flash is inside the green phase: SUMO has no letter for it. Phases are named ``1 green``, ``1 yellow``,
``1 all-red`` by stage number; what else SUMO has no field for stands in ``param`` elements, which it ignores.

SUMO changes programs in place, at the second that the WAUT names. So each switch names the end of a cycle, and programs
of a single cycle lead to the next plan's offset, see ``greenband.plan.transition``. ``plan.add.xml`` is an ordinary
Monday, from midnight on; every other day plan has a file of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET

from pydantic import ValidationError

from greenband.errors import BadInput
from greenband.files import write_bytes
from greenband.formats.bounded import xml_root
from greenband.network import Signal
from greenband.plan.display import junction_phases
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.plan.transition import Step, timeline
from greenband.scenario import Scenario
from greenband.signals import GREEN

__all__ = ["export", "read"]

MAX_BYTES = 200_000_000
PHASE_NAME = re.compile(r"([1-9][0-9]{0,3}) (green|yellow|all-red)")


def export(plans: PlanSet, path: Path) -> list[Path]:
    """Write an additional file for Monday's day plan, and beside it one for every other.

    Raises:
        BadInput: a junction cannot get into step with its next plan.
    """
    monday = plans.plain_day or ""
    others = [name for name in plans.day_plans if name != monday]
    files = {monday: path}
    for number, name in enumerate(others, 2):
        files[name] = path.with_name(path.name.replace(".add.xml", f".day{number}.add.xml"))
    data = {file: _document(plans, name) for name, file in files.items()}
    for file, content in data.items():
        write_bytes(file, content, durable=False)
    return list(data)


def _document(plans: PlanSet, day_plan: str) -> bytes:
    root = ET.Element("additional")
    root.append(ET.Comment(f" day plan {day_plan.replace('--', '- -')} "))
    origin = plans.provenance.model_dump_json()
    for period, plan in plans:
        root.append(_program(period, plan, plans.junctions[plan.signal], {"provenance": origin}))
    for name in dict.fromkeys(plan.signal for _, plan in plans):
        root.extend(_switching(plans.junctions[name], timeline(plans, name, day_plan)))
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _program(program_id: str, plan: TimingPlan, junction: Junction, about: Mapping[str, str]) -> ET.Element:
    program = ET.Element("tlLogic", id=plan.signal, type="static", programID=program_id, offset=str(plan.offset_s))
    for duration, lamps, name in junction_phases(junction, plan):
        ET.SubElement(program, "phase", duration=str(duration), state=lamps, name=name)
    told = {**about, "plan": plan.name}
    for stage in plan.stages:
        more = {"name": stage.name, "movements": stage.movements, "green_flash_s": stage.green_flash_s}
        told[f"stage {stage.stage + 1}"] = json.dumps(more, ensure_ascii=False)
    for key, value in told.items():
        ET.SubElement(program, "param", key=f"greenband {key}", value=value)
    return program


def _switching(junction: Junction, steps: Sequence[Step]) -> Iterator[ET.Element]:
    """Programs of the cycles in between, and a WAUT that switches from step to step."""
    first, *later = steps
    waut = ET.Element("WAUT", id=f"day {junction.signal}".replace(" ", "_"), refTime="0", startProg=first.period)
    for step in later:
        program_id = f"{step.period} from {step.start_s}" if step.between else step.period
        if step.between:
            yield _program(program_id, step.plan, junction, {"between": step.period})
        ET.SubElement(waut, "wautSwitch", time=str(step.start_s), to=program_id)
    if later:
        yield waut
        yield ET.Element("wautJunction", wautID=waut.attrib["id"], junctionID=junction.signal)


def read(path: Path, scenario: Scenario | None = None) -> PlanSet:
    """Read the static programs of an additional file.

    Files that greenband wrote read back as they were. Any other needs ``scenario``: its phases are matched with the
    stages of that network by their lamp strings. Where one is given, the lamp strings must be those of its stages.

    Raises:
        BadInput: naming the file, the program and the phase that cannot be used, and why.
    """
    root = xml_root(path, MAX_BYTES)
    programs = [program for program in root.findall("tlLogic") if "between" not in _params(program)]
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
