"""Import of foreign SUMO networks: a scenario folder that stands on its own.

The folder holds a copy of the network, the demand, what else the simulation needs, and the plan found in the network.
In the copy every signal that is to be controlled has one static program, its stages mended (see ``programs.mended``),
so that whoever reads the network finds the same stages; all other lights keep the programs they came with.
"""

from __future__ import annotations

import gzip
import math
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
from greenband.network import Network, Signal
from greenband.plan.model import PlanSet, Provenance, TimingPlan
from greenband.plan.splits import build_plan
from greenband.scenario import Assumption, Period, Scenario
from greenband.scenarios import trips
from greenband.scenarios.audit import Finding, audit
from greenband.scenarios.programs import Program, Run, mended, programs_in, stages_of
from greenband.signals import GREEN, Limits, SignalTiming, Stage, transition_lamps

__all__ = ["Imported", "Source", "from_config", "from_osm", "import_network"]

PERIOD = "all"  # the one period of an imported scenario; ``--period all`` finds it too
NETWORK, DEMAND, TABLE, ADDITIONAL = "network.net.xml", "demand.rou.xml", "demand.json", "additional.add.xml"
EXISTING = "existing.json"
ASSUMED_S = 3600  # length of a period whose demand is assumed
CHECKED_S = 3600  # how much of a period is simulated before an import counts as done
DETECTORS = frozenset(
    ("inductionLoop", "e1Detector", "laneAreaDetector", "e2Detector", "entryExitDetector", "e3Detector")
)
RECORDERS = frozenset(
    ("edgeData", "laneData", "routeProbe", "vTypeProbe", "timedEvent", "instantInductionLoop", "poly", "poi")
)  # write files or are drawn; nothing else in SUMO needs them
WITH_INPUT = frozenset(("rerouter", "variableSpeedSign", "calibrator"))
NOWHERE = "NUL"  # SUMO throws away what it writes there, on every system
OSM = "© OpenStreetMap contributors, ODbL 1.0"


@dataclass(frozen=True)
class Source:
    """What an import starts from. Times in s after midnight, None where the demand tells them."""

    network: Path
    routes: tuple[Path, ...] = ()
    additional: tuple[Path, ...] = ()
    begin_s: int | None = None
    end_s: int | None = None
    credit: str = ""


@dataclass(frozen=True)
class Imported:
    """A scenario as it was imported, and what looked wrong on the way."""

    scenario: Scenario
    findings: tuple[Finding, ...]


def from_config(path: Path) -> Source:
    """What a ``.sumocfg`` names: network, route files, additional files, begin and end.

    Raises:
        BadInput: it is missing, no configuration, or names no network.
    """
    root = _xml(path, "a SUMO configuration")
    if root.tag not in ("configuration", "sumoConfiguration"):
        raise BadInput(f"{path}: not a SUMO configuration: its root is <{root.tag}>")
    values = {item.tag: item.get("value", item.get("v", "")) for item in root.iter() if item is not root}

    def named(*names: str) -> str:
        return next((values[name] for name in names if name in values), "")

    def files(*names: str) -> tuple[Path, ...]:
        return tuple(path.parent / part.strip() for part in named(*names).split(",") if part.strip())

    network = files("net-file", "net", "n")
    if not network:
        raise BadInput(f"{path}: net-file: the configuration names no network")
    begin, end = named("begin", "b"), named("end", "e")
    return Source(
        network[0],
        files("route-files", "routes", "r"),
        files("additional-files", "additional", "a"),
        math.floor(trips.seconds(begin)) if begin else None,
        math.ceil(trips.seconds(end)) if end and trips.seconds(end) > 0 else None,
    )


def from_osm(path: Path, scratch: Path) -> Source:
    """A network made by netconvert from an OpenStreetMap extract, in a scratch folder.

    The options are those that SUMO's manual recommends for OpenStreetMap
    (https://sumo.dlr.de/docs/Networks/Import/OpenStreetMap.html#recommended_netconvert_options).

    Raises:
        BadInput: the file is missing or netconvert refuses it.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such OpenStreetMap file")
    network = scratch / NETWORK
    options = ["--geometry.remove", "--roundabouts.guess", "--ramps.guess", "--junctions.join"]
    options += ["--tls.guess-signals", "--tls.discard-simple", "--tls.join", "--tls.default-type", "static"]
    types = sumo.home() / "data" / "typemap" / "osmNetconvert.typ.xml"
    options += ["--type-files", str(types)] if types.is_file() else []
    command = [sumo.binary("netconvert"), "--osm-files", str(path), "--output-file", str(network), *options]
    done = subprocess.run(command, capture_output=True, text=True, env=sumo.environment(), check=False)
    if done.returncode or not network.is_file():
        raise BadInput(f"{path}: netconvert makes no network of it: {trips.reason(done.stderr)}")
    return Source(network, credit=OSM)


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
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
    try:
        work = _Work(source, scratch, name, timing or SignalTiming())
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
        root = _xml(self.source.network, "a SUMO network")
        if root.tag != "net":
            raise BadInput(f"{self.source.network}: not a SUMO network: its root is <{root.tag}>")
        extra = [item for path in self.source.additional for item in self._parts(path)]
        for item in extra:
            if item.tag == "tlLogic" and item.find("phase") is not None:
                _take_program(root, item)
        additional = self._additional(extra)
        lights = self._lights(root, programs_in(root), wanted)
        plans = self._program(root, lights)
        demand, begin, end = self._demand(extra, additional)
        self._note(
            "network", self.source.network.name, "A", self.source.credit or "imported; see its publisher's terms"
        )
        self._note("yellow and all-red", "from speed and crossing length", "B", "ITE formula, NCHRP Report 731")
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
        made.save()
        return made

    def _say(self, rule: str, signal: str, detail: str, movement: str = "") -> None:
        self.findings.append(Finding(rule, signal, movement, detail))

    def _note(self, figure: str, value: str, grade: str, source: str = "") -> None:
        self.assumptions.append(Assumption(figure=figure, value=value, grade=grade, source=source))

    def _parts(self, path: Path) -> Iterator[ET.Element]:
        """What an additional file holds, files that its parts name brought along."""
        for item in _xml(path, "a SUMO additional file"):
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
        return _write(root, self.folder / ADDITIONAL)

    def _lights(
        self, root: ET.Element, programs: Mapping[str, Sequence[Program]], wanted: Sequence[str] | None
    ) -> dict[str, _Light]:
        """The lights to control, with the program in force and its stages."""
        places = _Places.of(root)
        known = sorted(programs.keys() | places.links.keys())
        if not known:
            raise BadInput(f"{self.source.network}: no traffic light")
        for name in wanted or ():
            if name not in known:
                raise UnknownName(f"traffic light of {self.source.network}", name, known)
        chosen: dict[str, _Light] = {}
        for name in known if wanted is None else wanted:
            light = places.light(name, programs.get(name, ()))
            if isinstance(light, _Light):
                chosen[name] = light
            elif wanted is not None:
                raise BadInput(f"{self.source.network}: traffic light {name!r} cannot be controlled: {light}")
            else:
                self._say("not controlled", name, f"{light}; it keeps its program")
        if not chosen:
            raise BadInput(f"{self.source.network}: no traffic light to control: {'; '.join(map(str, self.findings))}")
        return chosen

    def _program(self, root: ET.Element, lights: Mapping[str, _Light]) -> dict[str, TimingPlan]:
        """Give each light its mended program in the copy of the network; returns what the programs are as plans."""
        for name, light in lights.items():
            _set_program(root, name, 0, ((run.green_s, run.phase.state, "") for run in light.stages))
        path = _write(root, self.folder / NETWORK)
        plans: dict[str, TimingPlan] = {}
        for name, shape in Network(path, list(lights)).signals.items():
            light = lights[name]
            self.findings.extend(audit(shape, light.program, light.stages))
            for other in light.others:
                self._say("left out", name, f"program {other!r}: its stages are not used")
            stages = tuple(_stage(k, run, shape) for k, run in enumerate(light.stages, 1))
            signal = replace(shape, stages=stages)
            limits = signal.limits(self.timing)
            plan, changes = _plan(signal, limits, light)
            if changes:
                self._say("plan adapted", name, "; ".join(changes))
            _set_program(root, name, plan.offset_s, _phases(signal, plan))
            plans[name] = plan
        _write(root, path)
        return plans

    def _demand(self, extra: Sequence[ET.Element], additional: Path | None) -> tuple[str, int, int]:
        """Write the demand; its file's name, and when the simulation begins and ends in s."""
        network, source = self.folder / NETWORK, self.source
        elements = [item for item in extra if trips.is_demand(item)]
        elements += [item for path in source.routes for item in _xml(path, "a SUMO route file")]
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
        files = ", ".join(path.name for path in source.routes) or "the additional files"
        self._note("demand", f"{left} departures, flows and persons", "A", files)
        _write(demand.root, self.folder / DEMAND)
        return DEMAND, begin, end


@dataclass(frozen=True)
class _Light:
    """A light to control: the program in force, its stages, and the programs not used."""

    program: Program
    stages: tuple[Run, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class _Places:
    """What the lamps of each light stand for: all links, those of roads, and those of crossings on foot."""

    links: Mapping[str, frozenset[int]]
    roads: Mapping[str, frozenset[int]]
    crossings: Mapping[str, frozenset[int]]

    @classmethod
    def of(cls, root: ET.Element) -> _Places:
        """Read them from a network's connections."""
        function = {edge.get("id", ""): edge.get("function", "") for edge in root.iter("edge")}
        links: dict[str, set[int]] = {}
        roads: dict[str, set[int]] = {}
        crossings: dict[str, set[int]] = {}
        for connection in root.iter("connection"):
            name = connection.get("tl", "")
            if not name:
                continue
            index = int(connection.get("linkIndex", "-1"))
            links.setdefault(name, set()).add(index)
            ends = {function.get(connection.get(end, ""), "") for end in ("from", "to")}
            if not ends & {"internal", "crossing", "walkingarea"}:
                roads.setdefault(name, set()).add(index)
            elif "crossing" in ends:
                crossings.setdefault(name, set()).add(index)
        return cls(*({name: frozenset(found) for name, found in part.items()} for part in (links, roads, crossings)))

    def light(self, name: str, programs: Sequence[Program]) -> _Light | str:
        """The light, or why it cannot be controlled."""
        links, roads = self.links.get(name, frozenset()), self.roads.get(name, frozenset())
        crossings = self.crossings.get(name, frozenset())
        in_use = [program for program in programs if not program.off]
        if not programs:
            return "it has no program, as rail signals have none"
        if not in_use:
            return "all its programs are switched off"
        if not roads:
            return "no road leads through it"
        if roads & crossings:
            return "a lamp serves a road and a crossing on foot at once"
        if any(len(phase.state) <= max(links) for phase in in_use[-1].phases):
            return f"program {in_use[-1].id!r} has fewer lamps than the light has links"
        stages = tuple(stages_of(in_use[-1], crossings))
        if len(stages) < 2:
            return f"program {in_use[-1].id!r} has {len(stages)} stage, so that there is nothing to choose"
        return _Light(in_use[-1], stages, tuple(program.id for program in programs if program is not in_use[-1]))


def _stage(number: int, run: Run, signal: Signal) -> Stage:
    state = mended(run.phase.state[: signal.lamps], signal)
    served = (k for k, m in enumerate(signal.movements) if any(state[i] in GREEN for i in m.links))
    return Stage(run.phase.name or f"stage {number}", state, tuple(served))


def _plan(signal: Signal, limits: Limits, light: _Light) -> tuple[TimingPlan, list[str]]:
    """The program as a plan, as near to it as the limits allow, and what had to be changed."""
    program, greens = light.program, [run.green_s for run in light.stages]
    n, wanted = len(greens), max(1, round(program.cycle_s))
    intergreens = n * limits.intergreen_s
    shortest = sum(limits.min_green_s) + intergreens
    cycle = min(max(wanted, shortest), n * limits.max_green_s + intergreens)
    plan = build_plan(signal, limits, cycle, greens)
    while cycle > shortest and cycle - min(stage.go_s for stage in plan.stages) > limits.max_red_s:
        cycle -= 1
        plan = build_plan(signal, limits, cycle, greens)
    offset = round(program.offset_s + light.stages[0].begin_s) % cycle
    changes = []
    if cycle != wanted:
        changes.append(f"cycle {cycle} s instead of {wanted} s, to fit greens and reds into their limits")
    shown = [stage.go_s for stage in plan.stages]
    if shown != [round(green) for green in greens]:
        was = ", ".join(f"{green:g}" for green in greens)
        changes.append(
            f"greens {', '.join(map(str, shown))} s instead of {was} s, with yellow {limits.yellow_s} s,"
            f" all-red {limits.all_red_s} s and minimum greens kept"
        )
    name = f"program {program.id}"
    return plan.model_copy(update={"offset_s": offset, "name": name}), changes


def _phases(signal: Signal, plan: TimingPlan) -> Iterator[tuple[float, str, str]]:
    """A plan as phases: stage, yellow, all-red.

    Where some streams stay green through the all-red, those about to start show ``u`` (red and yellow, SUMO holds
    traffic as on red), so that nobody takes it for a stage; where none starts, the next stage begins at once.
    """
    for timing, following in zip(plan.stages, (*plan.stages[1:], plan.stages[0]), strict=True):
        before, after = signal.stages[timing.stage], signal.stages[following.stage]
        yellow, red = transition_lamps(before.state, after.state)
        starts = after.greens - before.greens
        if before.greens <= after.greens:
            yield timing.duration_s, before.state, before.name
            continue
        yield timing.go_s, before.state, before.name
        waiting = "".join("u" if i in starts else lamp for i, lamp in enumerate(red))
        if GREEN.isdisjoint(red) or starts:
            yield timing.yellow_s, yellow, "yellow"
            yield timing.all_red_s, red if GREEN.isdisjoint(red) else waiting, "all-red"
        else:
            yield timing.yellow_s + timing.all_red_s, yellow, "yellow"


def _set_program(root: ET.Element, name: str, offset_s: int, phases: Iterator[tuple[float, str, str]]) -> None:
    """Make these phases the one program of a light."""
    program = ET.Element("tlLogic", id=name, type="static", programID="0", offset=str(offset_s))
    for duration, state, label in phases:
        if duration > 0:
            more = {"name": label} if label else {}
            ET.SubElement(program, "phase", duration=f"{duration:g}", state=state, **more)
    old = [item for item in root.findall("tlLogic") if item.get("id") == name]
    root.insert(list(root).index(old[0]), program)
    for item in old:
        root.remove(item)


def _take_program(root: ET.Element, own: ET.Element) -> None:
    """Put a program of an additional file into the network, over one of the same name; the last one is in force."""
    old = [item for item in root.findall("tlLogic") if item.get("id") == own.get("id")]
    place = max((list(root).index(item) for item in root.findall("tlLogic")), default=len(root) - 1) + 1
    root.insert(place, own)
    for item in old:
        if item.get("programID") == own.get("programID"):
            root.remove(item)


def _xml(path: Path, kind: str) -> ET.Element:
    """The root of an XML file, gzipped or not."""
    if not path.is_file():
        raise BadInput(f"{path}: no such file; it should be {kind}")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return ET.parse(file).getroot()
    except (OSError, EOFError, ET.ParseError) as error:
        raise BadInput(f"{path}: not {kind}: {error}") from error


def _write(root: ET.Element, path: Path) -> Path:
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


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
