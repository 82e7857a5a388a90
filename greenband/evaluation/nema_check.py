"""Whether SUMO's own NEMA controller shows the greens of a plan of stages: a trial of the ring-barrier plan in it.

SUMO runs the exported programs alone, without traffic and without any control from outside, from the time of day at
which the plan comes into force. The first cycles are left out, as it begins anywhere in its rings.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband import sumo
from greenband.errors import BadInput, SimulationError
from greenband.formats.sumo_nema import program_id
from greenband.plan.display import junction_phases
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, TimingPlan
from greenband.signals import GREEN

__all__ = ["Difference", "differences"]

SETTLING = 2  # cycles
MAX_BYTES = 50 * 2**20


@dataclass(frozen=True)
class Difference:
    """A second after midnight in which a signal group is green in the plan or in SUMO, and not in both.

    ``plan`` is the period. ``planned`` and ``shown`` are lamps of the group's links in SUMO's letters.
    """

    junction: str
    plan: str
    second: int
    group: int
    planned: str
    shown: str


def differences(
    plans: PlanSet, programs: Path, network: Path, cycles: int = 2, timeout_s: float = 120
) -> list[Difference]:
    """Where SUMO's greens are not those of the plans, in order of time; none means that the rings are equivalent.

    Args:
        plans: the plans of stages, with their junctions.
        programs: what ``greenband.formats.sumo_nema`` wrote of them.
        network: the SUMO network.
        cycles: how many cycles to compare, after those in which SUMO comes into step.
        timeout_s: limit of each run of SUMO, one a period, in s.

    Raises:
        BadInput: the file of programs cannot be read, or lacks one.
        SimulationError: SUMO is missing, fails or runs out of time.
    """
    if cycles < 1:
        raise BadInput(f"cycles={cycles}: must be 1 or more")
    found: list[Difference] = []
    for period, by_signal in plans.plans.items():
        begin = _begin_s(plans, period)
        longest = max(plan.cycle_s for plan in by_signal.values())
        with tempfile.TemporaryDirectory() as folder:
            own = _own(programs, period, by_signal, Path(folder))
            _run(own, network, begin, begin + (SETTLING + cycles) * longest, timeout_s)
            for number, (name, plan) in enumerate(by_signal.items()):
                shown = _shown(_record(Path(folder), number), program_id(period))
                settled = {t: lamps for t, lamps in shown.items() if t >= begin + SETTLING * plan.cycle_s}
                if len(settled) < cycles * plan.cycle_s:
                    raise SimulationError(f"SUMO showed program {program_id(period)!r} of {name} for too short a time")
                found += _compared(plans.junctions[name], period, plan, settled)
    return sorted(found, key=lambda one: one.second)


def _begin_s(plans: PlanSet, period: str) -> int:
    """When a period's plans first come into force in a day, in s."""
    switches = (switch for day in plans.day_plans.values() for switch in day.switches)
    return min((60 * switch.at_min for switch in switches if switch.plan == period), default=0)


def _record(folder: Path, number: int) -> Path:
    return folder / f"lamps-{number}.xml"


def _own(programs: Path, period: str, by_signal: Mapping[str, TimingPlan], folder: Path) -> Path:
    """An additional file of the period's programs and recorders alone: of several programs SUMO runs the last."""
    elements = _root(programs).findall("tlLogic")
    there = {element.get("id"): element for element in elements if element.get("programID") == program_id(period)}
    root = ET.Element("additional")
    for number, name in enumerate(by_signal):
        if name not in there:
            raise BadInput(f"{programs}: no program {program_id(period)!r} of junction {name}")
        root.append(there[name])
        ET.SubElement(root, "timedEvent", type="SaveTLSStates", source=name, dest=str(_record(folder, number)))
    path = folder / "programs.add.xml"
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def _root(programs: Path) -> ET.Element:
    try:
        with programs.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES or b"<!DOCTYPE" in data:
            raise BadInput(
                f"{programs}: larger than {MAX_BYTES // 2**20} MB, or with a DTD, which these files never are"
            )
        return ET.fromstring(data)
    except (OSError, ET.ParseError, ValueError, LookupError) as error:
        raise BadInput(f"{programs}: cannot be read: {error}") from error


def _run(programs: Path, network: Path, begin_s: int, end_s: int, timeout_s: float) -> None:
    command = [sumo.binary("sumo"), "-n", str(network), "-a", str(programs), "-b", str(begin_s), "-e", str(end_s)]
    command += ["--no-step-log", "--no-warnings", "--xml-validation", "never"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=sumo.environment(), check=False, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise SimulationError(f"SUMO did not end within {timeout_s:g} s") from error
    if done.returncode != 0:
        raise SimulationError(f"SUMO failed: {done.stderr.strip() or done.returncode}")


def _shown(record: Path, program: str) -> dict[int, str]:
    """Lamps that a program showed, by second after midnight."""
    rows = ET.parse(record).getroot().findall("tlsState")
    return {int(float(row.attrib["time"])): row.attrib["state"] for row in rows if row.get("programID") == program}


def _compared(junction: Junction, period: str, plan: TimingPlan, shown: Mapping[int, str]) -> Iterator[Difference]:
    lamps = [state for duration, state, _ in junction_phases(junction, plan) for _ in range(duration)]
    for second, state in shown.items():
        planned = lamps[(second - plan.offset_s) % plan.cycle_s]
        for group in junction.groups:
            ours, theirs = ("".join(text[link] for link in group.links) for text in (planned, state))
            if [lamp in GREEN for lamp in ours] != [lamp in GREEN for lamp in theirs]:
                yield Difference(junction.signal, period, second, group.number, ours, theirs)
