"""Closed loop: SUMO runs what was exported, and what it shows is held against the plan, second by second.

Plain SUMO without traffic gets the exported additional file and nothing else. Every lamp string that it logs must be
the one that the plan and its day plan ask for at that second (``greenband.plan.transition``), and the safety monitor
must find no broken rule. Fixed plans do not depend on traffic, so that none is needed for that.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband import sumo
from greenband.errors import BadInput, SimulationError
from greenband.evaluation.tasks import violations_of
from greenband.formats import sumo as sumo_format
from greenband.monitor import Violation, read_lamps
from greenband.plan.display import junction_phases
from greenband.plan.model import PlanSet
from greenband.plan.transition import Step, timeline
from greenband.scenario import Scenario
from greenband.simulation import Records

__all__ = ["DAY_S", "Closed", "Difference", "closed_loop"]

DAY_S = 86_400
LONGEST_S = 1800  # of wall time that SUMO may take


@dataclass(frozen=True)
class Difference:
    """From a second after midnight on, SUMO shows other lamps at a junction than the plan."""

    junction: str
    time_s: int
    plan: str
    planned: str
    shown: str


@dataclass(frozen=True)
class Closed:
    """What came of it.

    ``switches`` are the times at which each junction's program changed, as SUMO logged them; ``planned`` those at which
    it was to change.
    """

    begin_s: int
    end_s: int
    differences: tuple[Difference, ...]
    violations: tuple[Violation, ...]
    switches: Mapping[str, tuple[int, ...]]
    planned: Mapping[str, tuple[int, ...]]

    @property
    def same(self) -> bool:
        """Whether SUMO showed the plan and changed programs on time, and no rule was broken."""
        return not self.differences and not self.violations and self.switches == self.planned


def closed_loop(plans: PlanSet, scenario: Scenario, begin_s: int = 0, end_s: int = DAY_S) -> Closed:
    """Export Monday's day plan, simulate it, and compare.

    Raises:
        BadInput: the plans cannot be exported, or leave out a signal of the scenario.
        SimulationError: SUMO failed or took too long.
    """
    day = plans.plain_day or ""
    for name in scenario.network.signals:
        if name not in plans.junctions:
            raise BadInput(f"the plan has no junction {name} of scenario {scenario.name}")
    steps = {name: timeline(plans, name, day) for name in scenario.network.signals}
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        records = Records(Path(folder))
        _simulate(plans, scenario, records, begin_s, end_s)
        differences = [d for name in steps for d in _differences(plans, name, records.lamps(name), steps[name])]
        violations = [v for name in steps for v in _violations(scenario, name, records.lamps(name))]
        switches = {name: tuple(_switches(records.lamps(name))) for name in steps}
    planned = {name: tuple(s.start_s for s in own if begin_s < s.start_s < end_s) for name, own in steps.items()}
    return Closed(begin_s, end_s, tuple(differences), tuple(violations), switches, planned)


def _simulate(plans: PlanSet, scenario: Scenario, records: Records, begin_s: int, end_s: int) -> None:
    exported, *_ = sumo_format.export(plans, records.folder / "plan.add.xml")
    recorder = ET.Element("additional")
    for name in scenario.network.signals:
        ET.SubElement(recorder, "timedEvent", type="SaveTLSStates", source=name, dest=str(records.lamps(name)))
    ET.ElementTree(recorder).write(records.folder / "recorder.add.xml")
    files = ["-n", str(scenario.folder / scenario.network_file), "-a", f"{exported},{records.folder}/recorder.add.xml"]
    times = ["-b", str(begin_s), "-e", str(end_s), "--no-step-log", "--no-warnings"]
    try:
        done = subprocess.run(
            [sumo.binary("sumo"), *files, *times],
            capture_output=True,
            text=True,
            env=sumo.environment(),
            check=False,
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired as error:
        raise SimulationError(f"SUMO ran the exported plan for more than {LONGEST_S} s") from error
    if done.returncode:
        raise SimulationError(f"SUMO cannot run the exported plan: {' '.join(done.stderr.split())}")


def _differences(plans: PlanSet, signal: str, lamps: Path, steps: Sequence[Step]) -> Iterator[Difference]:
    """Stretches of other lamps than planned, each by its first second."""
    _, spans = read_lamps(lamps)
    begin_s, end_s = spans[0].begin, spans[-1].end
    shown = [span.lamps for span in spans for _ in range(span.length)]
    differs = False
    for time_s, (period, planned) in enumerate(_planned_lamps(plans, signal, steps, begin_s, end_s), begin_s):
        seen = shown[time_s - begin_s]
        if seen != planned and not differs:
            yield Difference(signal, time_s, period, planned, seen)
        differs = seen != planned


def _planned_lamps(
    plans: PlanSet, signal: str, steps: Sequence[Step], begin_s: int, end_s: int
) -> Iterator[tuple[str, str]]:
    """(period, lamps) of every second."""
    junction = plans.junctions[signal]
    ends = [*(step.start_s for step in steps[1:]), end_s]
    for step, until in zip(steps, ends, strict=True):
        phases = junction_phases(junction, step.plan)
        cycle = [lamps for duration, lamps, _ in phases for _ in range(duration)]
        for time_s in range(max(step.start_s, begin_s), min(until, end_s)):
            yield step.period, cycle[(time_s - step.plan.offset_s) % step.plan.cycle_s]


def _switches(lamps: Path) -> Iterator[int]:
    """When SUMO's record names another program than before."""
    before = None
    for _, item in ET.iterparse(lamps):
        if item.tag == "tlsState":
            program = item.attrib["programID"]
            if before is not None and program != before:
                yield int(float(item.attrib["time"]))
            before = program
            item.clear()


def _violations(scenario: Scenario, signal: str, lamps: Path) -> Iterator[Violation]:
    """Broken rules, but for greens that were going on already when the record begins: for how long is not known."""
    _, spans = read_lamps(lamps)
    for violation in violations_of(scenario, signal, lamps):
        if (violation.time_s, violation.rule) != (spans[0].begin, "min-green"):
            yield violation
