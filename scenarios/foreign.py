"""Import of foreign SUMO networks: a scenario folder that stands on its own.

The folder holds a copy of the network, the demand, what else the simulation needs, and the plan found in the network.
In the copy every signal that is to be controlled has one static program, its stages mended (see ``programs.mended``),
so that whoever reads the network finds the same stages; all other lights keep the programs they came with.
"""

from __future__ import annotations

import difflib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband import __version__, sumo
from greenband.errors import BadInput, UnknownName
from greenband.formats import json as plan_json
from greenband.network import Network
from greenband.plan.model import PlanSet, Provenance, TimingPlan
from greenband.scenario import Assumption, Period, Scenario
from greenband.scenarios import trips
from greenband.scenarios.audit import Finding, audit
from greenband.scenarios.existing import phases, plan_of, with_stages
from greenband.scenarios.lights import Light, Places, join_crossing_lamps, set_program, take_program
from greenband.scenarios.programs import Program, programs_in
from greenband.scenarios.sources import Source, choose, read_xml, write_xml
from greenband.signals import SignalTiming

__all__ = ["Imported", "bring", "import_network"]

PERIOD = "all"  # the one period of an imported scenario; ``--period all`` finds it too
NETWORK, DEMAND, TABLE, ADDITIONAL = "network.net.xml", "demand.rou.xml", "demand.json", "additional.add.xml"
EXISTING, REPORT = "existing.json", "import.md"
ASSUMED_S = 3600  # length of a period whose demand is assumed
NEAREST = 20  # names to choose from in a message
CHECKED_S = 3600  # how much of a period is simulated before an import counts as done
DETECTORS = frozenset(
    ("inductionLoop", "e1Detector", "laneAreaDetector", "e2Detector", "entryExitDetector", "e3Detector")
)
RECORDERS = frozenset(
    ("edgeData", "laneData", "routeProbe", "vTypeProbe", "timedEvent", "instantInductionLoop", "poly", "poi")
)  # write files or are drawn; nothing else in SUMO needs them
WITH_INPUT = frozenset(("rerouter", "variableSpeedSign", "calibrator"))
NOWHERE = "NUL"  # SUMO throws away what it writes there, on every system


@dataclass(frozen=True)
class Imported:
    """A scenario as it was imported, and what looked wrong on the way."""

    scenario: Scenario
    findings: tuple[Finding, ...]


def bring(
    folder: Path,
    name: str,
    *,
    net: Path | None = None,
    sumocfg: Path | None = None,
    osm: Path | None = None,
    routes: Sequence[Path] = (),
    signals: Sequence[str] | None = None,
    begin_s: int | None = None,
    end_s: int | None = None,
    warmup_s: int = 0,
    yellow_s: int | None = None,
    all_red_s: int | None = None,
    clear_turns_s: int = 0,
) -> Imported:
    """Import what a user names; see ``sources.choose`` and ``import_network``.

    Raises:
        BadInput: a file or a choice cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch:
        source = choose(net, sumocfg, osm, Path(scratch))
        source = replace(
            source,
            routes=tuple(routes) or source.routes,
            begin_s=source.begin_s if begin_s is None else begin_s,
            end_s=source.end_s if end_s is None else end_s,
        )
        timing = SignalTiming(yellow_s=yellow_s, all_red_s=all_red_s, clear_turns_s=clear_turns_s)
        return import_network(source, folder, name, signals=signals, warmup_s=warmup_s, timing=timing)


def import_network(
    source: Source,
    folder: Path,
    name: str,
    *,
    signals: Sequence[str] | None = None,
    warmup_s: int = 0,
    timing: SignalTiming | None = None,
) -> Imported:
    """Make a scenario folder of a network; the folder appears whole or not at all.

    Args:
        source: what to import; without route files the demand is assumed.
        folder: must not exist yet.
        name: of the scenario.
        signals: traffic lights to control, by default all that have a choice of stages; the rest keep their programs.
        warmup_s: how long traffic runs before it is measured, in s.
        timing: practice that the limits follow; by default yellow and all-red from the geometry.

    Raises:
        BadInput: a file or a choice cannot be used, or SUMO does not run the result.
    """
    if folder.exists():
        raise BadInput(f"{folder}: exists already; name another folder with --out")
    if not source.network.is_file():
        raise BadInput(f"{source.network}: no such network file")
    practice = timing or SignalTiming()
    for what, value in (
        ("warm-up", warmup_s),
        ("yellow", practice.yellow_s),
        ("all-red", practice.all_red_s),
        ("clearing of turns", practice.clear_turns_s),
    ):
        if value is not None and value < 0:
            raise BadInput(f"{what} {value} s: must be 0 or more")
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
    try:
        work = _Work(source, scratch, name, practice)
        scenario = work.scenario(signals, warmup_s)
        scratch.chmod(0o755)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Imported(scenario.model_copy(update={"folder": folder}), tuple(work.findings))


@dataclass
class _Work:
    """An import on its way."""

    source: Source
    folder: Path
    name: str
    timing: SignalTiming
    findings: list[Finding] = field(default_factory=list)
    assumptions: list[Assumption] = field(default_factory=list)

    def scenario(self, wanted: Sequence[str] | None, warmup_s: int) -> Scenario:
        """Write every file of the scenario and run it once."""
        root = read_xml(self.source.network, "a SUMO network")
        if root.tag != "net":
            raise BadInput(f"{self.source.network}: not a SUMO network: its root is <{root.tag}>")
        extra = [item for path in self.source.additional for item in self._parts(path)]
        for item in extra:
            if item.tag == "tlLogic" and item.find("phase") is not None:
                take_program(root, item)
        additional = self._additional(extra)
        lights = self._lights(root, programs_in(root), wanted)
        plans = self._program(root, lights)
        demand, begin, end = self._demand(extra, additional)
        self._note(
            "network", self.source.network.name, "A", self.source.credit or "imported; see its publisher's terms"
        )
        self._note_timing()
        if begin + warmup_s >= end:
            raise BadInput(f"warm-up {warmup_s} s: nothing is left to measure between {begin} s and {end} s")
        origin = Provenance(
            subject="existing",
            scenario=self.name,
            greenband=__version__,
            sumo=sumo.version_string(),
            note=f"the programs of {self.source.network.name}",
        )
        plan_json.write(PlanSet(provenance=origin, plans={PERIOD: plans}), self.folder / EXISTING)
        period = Period(
            begin_s=begin + warmup_s,
            duration_s=end - begin - warmup_s,
            warmup_s=warmup_s,
            demand=demand,
            existing_plan=EXISTING,
        )
        made = Scenario(
            name=self.name,
            title=f"imported from {self.source.network.name}",
            folder=self.folder,
            network_file=NETWORK,
            additional_files=(ADDITIONAL,) if additional else (),
            signals=tuple(plans),
            periods={PERIOD: period},
            timing=self.timing,
            assumptions=tuple(self.assumptions),
        )
        _prove(made)
        _report(made, self.findings)
        made.save()
        return made

    def _say(self, rule: str, signal: str, detail: str, movement: str = "") -> None:
        self.findings.append(Finding(rule, signal, movement, detail))

    def _note(self, figure: str, value: str, grade: str, source: str = "") -> None:
        self.assumptions.append(Assumption(figure=figure, value=value, grade=grade, source=source))

    def _note_timing(self) -> None:
        """Say where yellow and all-red come from, and what is done for turning vehicles."""
        for figure, value in (("yellow", self.timing.yellow_s), ("all-red", self.timing.all_red_s)):
            if value is None:
                self._note(figure, "from approach speed and crossing length", "B", "ITE formula, NCHRP Report 731")
            else:
                self._note(figure, f"{value} s at every signal", "assumed", "chosen at the import")
        if longest_s := self.timing.clear_turns_s:
            self._note("clearing of turns", f"up to {longest_s} s at every signal", "assumed", "chosen at the import")

    def _parts(self, path: Path) -> Iterator[ET.Element]:
        """What an additional file holds, files that its parts name brought along."""
        for item in read_xml(path, "a SUMO additional file"):
            if item.tag == "include":
                raise BadInput(f"{path}: <include> is not followed; name {item.get('href')} itself")
            if item.tag in WITH_INPUT and item.get("file"):
                origin = path.parent / item.attrib["file"]
                if not origin.is_file():
                    raise BadInput(f"{path}: <{item.tag}> {item.get('id')}: no such file {origin}")
                item.set("file", f"{item.tag}_{origin.name}")
                shutil.copyfile(origin, self.folder / item.attrib["file"])
            if item.get("output"):
                item.set("output", NOWHERE)
            if item.tag in DETECTORS:
                item.set("file", NOWHERE)
            yield item

    def _additional(self, extra: Sequence[ET.Element]) -> Path | None:
        """Write what the simulation needs of the additional files: stops, zones, detectors without their output."""
        if any(item.tag == "WAUT" for item in extra):
            self._say("left out", "", "WAUT: signals do not change their programs by the time of day")
        left_out = RECORDERS | {"tlLogic", "WAUT", "wautJunction"}
        kept = [item for item in extra if item.tag not in left_out and not trips.is_demand(item)]
        if not kept:
            return None
        root = ET.Element("additional")
        root.extend(kept)
        return write_xml(root, self.folder / ADDITIONAL)

    def _lights(
        self, root: ET.Element, programs: Mapping[str, Sequence[Program]], wanted: Sequence[str] | None
    ) -> dict[str, Light]:
        """The lights to control, with the program in force and its stages."""
        places = Places.of(root)
        known = sorted(programs.keys() | places.links.keys())
        if not known:
            raise BadInput(f"{self.source.network}: no traffic light")
        for name in wanted or ():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=NEAREST, cutoff=0.0)  # a city has thousands
                raise UnknownName(f"traffic light of {self.source.network}", name, near)
        chosen: dict[str, Light] = {}
        for name in known if wanted is None else wanted:
            light = places.light(name, programs.get(name, ()))
            if isinstance(light, Light):
                chosen[name] = light
            elif wanted is not None:
                raise BadInput(f"{self.source.network}: traffic light {name!r} cannot be controlled: {light}")
            else:
                self._say("not controlled", name, f"{light}; it keeps its program")
        if not chosen:
            first, *others = [finding for finding in self.findings if finding.rule == "not controlled"]
            more = f", and so on for {len(others)} more" if others else ""
            raise BadInput(f"{self.source.network}: no traffic light to control: {first.signal}: {first.detail}{more}")
        return chosen

    def _program(self, root: ET.Element, lights: Mapping[str, Light]) -> dict[str, TimingPlan]:
        """Give each light its mended program in the copy of the network; returns what the programs are as plans."""
        for crossing in join_crossing_lamps(root, lights):
            self._say("lamps joined", "", "both ends show what the first lamp shows", crossing)
        for name, light in lights.items():
            set_program(root, name, 0, ((run.green_s, run.phase.state, "") for run in light.stages))
        path = write_xml(root, self.folder / NETWORK)
        plans: dict[str, TimingPlan] = {}
        for name, shape in Network(path, list(lights)).signals.items():
            light = lights[name]
            self.findings.extend(audit(shape, light.program, light.stages))
            if light.others:
                in_force, others = light.program.id, ", ".join(light.others)
                self._say("left out", name, f"programs {others}: {in_force!r} is in force, the stages are its own")
            signal, light = with_stages(shape, light)
            plan, changes = plan_of(signal, signal.limits(self.timing), light)
            if changes:
                self._say("plan adapted", name, "; ".join(changes))
            set_program(root, name, plan.offset_s, phases(signal, plan))
            plans[name] = plan
        write_xml(root, path)
        return plans

    def _routes(self, path: Path) -> Iterator[ET.Element]:
        """What a route file holds."""
        for item in read_xml(path, "a SUMO route file"):
            if not trips.is_demand(item):
                raise BadInput(f"{path}: <{item.tag}> is not demand: give route files that SUMO itself runs")
            yield item

    def _demand(self, extra: Sequence[ET.Element], additional: Path | None) -> tuple[str, int, int]:
        """Write the demand; its file's name, and when the simulation begins and ends in s."""
        network, source = self.folder / NETWORK, self.source
        elements = [item for item in extra if trips.is_demand(item)]
        elements += [item for path in source.routes for item in self._routes(path)]
        begin = source.begin_s or 0
        if not source.routes and not any(item.tag in trips.TIMED for item in elements):
            table, words = trips.assumed(network)
            table.save(self.folder / TABLE)
            self._note("demand", words, "assumed", "no route file was given")
            self._say("assumed demand", "", words)
            return TABLE, begin, begin + ASSUMED_S if source.end_s is None else source.end_s
        demand = trips.merged(elements, network, additional)
        begin = demand.begin_s if source.begin_s is None else begin
        end = demand.end_s if source.end_s is None else source.end_s
        left = trips.within(demand.root, begin, end)
        if not left:
            raise BadInput(f"{source.network}: nothing departs between {begin} s and {end} s")
        for cause, count in demand.dropped.items():
            self._say("left out", "", f"{count} departures: {cause}")
        if unknown := trips.unrouted(demand.root):
            self._say(
                "unknown flow", "", f"{unknown} departures have no route known beforehand; plans do not count them"
            )
        files = ", ".join(path.name for path in source.routes) or "the additional files"
        self._note("demand", f"{left} departures, flows and persons", "A", files)
        write_xml(demand.root, self.folder / DEMAND)
        return DEMAND, begin, end


def _report(scenario: Scenario, findings: Sequence[Finding]) -> None:
    """Write ``import.md``: what was decided, and what looked wrong."""
    rows = [f"| {item.figure} | {item.value} | {item.grade} | {item.source} |" for item in scenario.assumptions]
    lines = [
        f"# {scenario.name}, {scenario.title}",
        "",
        "| figure | value | grade | source |",
        "|---|---|---|---|",
        *rows,
    ]
    lines += ["", "## Findings", *(f"- {finding}" for finding in findings)] if findings else []
    (scenario.folder / REPORT).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _prove(scenario: Scenario) -> None:
    """Let SUMO run the scenario with the network's programs, an hour of it at most.

    Raises:
        BadInput: SUMO ends with an error; it is the message.
    """
    period = scenario.period(PERIOD)
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch:
        routes = Path(scratch) / DEMAND
        scenario.demand(PERIOD).write(routes, period.start_s, period.end_s, 0)
        until = min(period.end_s, period.start_s + CHECKED_S)
        command = [sumo.binary("sumo"), "--net-file", str(scenario.folder / scenario.network_file)]
        command += ["--route-files", str(routes), "--begin", str(period.start_s), "--end", str(until)]
        if scenario.additional_files:
            command += ["--additional-files", str(scenario.folder / scenario.additional_files[0])]
        command += ["--no-step-log", "--no-warnings", "--time-to-teleport", "-1", "--xml-validation", "never"]
        done = subprocess.run(command, capture_output=True, text=True, env=sumo.environment(), check=False)
    if done.returncode:
        raise BadInput(f"{scenario.title}: SUMO does not run it: {trips.reason(done.stderr)}")
