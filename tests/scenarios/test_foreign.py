"""Foreign networks: what is made of them runs without a violation, and what looks wrong in them is said."""

from __future__ import annotations

import importlib.util
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband import sumo
from greenband.agents.actuated import Actuated
from greenband.errors import BadInput
from greenband.evaluation.runner import Run, Task, run_one
from greenband.evaluation.subjects import resolve
from greenband.network import Network
from greenband.plan.ratios import critical_ratios
from greenband.plan.splits import free_turn
from greenband.plan.webster import webster
from greenband.scenario import Scenario
from greenband.scenarios.audit import Finding
from greenband.scenarios.foreign import Imported, bring
from greenband.signals import SignalTiming

TEN_MINUTES = 600
Make = Callable[..., Path]


def program(name: str, *arguments: str) -> None:
    subprocess.run([sumo.binary(name), *arguments], check=True, capture_output=True, env=sumo.environment())


def netgenerate(path: Path, *arguments: str) -> Path:
    program("netgenerate", *arguments, "--output-file", str(path))
    return path


def simulated(scenario: Scenario, subject: str = "maxpressure", seconds: int = TEN_MINUTES) -> Run:
    """A run of a scenario's first minutes."""
    period = scenario.period("all")
    short = period.model_copy(update={"duration_s": min(seconds, period.duration_s)})
    return run_one(Task(resolve(subject), scenario.model_copy(update={"periods": {"all": short}}), "all", seed=1))


def said(made: Imported, rule: str) -> list[Finding]:
    return [finding for finding in made.findings if finding.rule == rule]


@pytest.fixture(scope="module")
def junction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One junction of four arms and two stages."""
    path = tmp_path_factory.mktemp("net") / "junction.net.xml"
    shape = ["--grid", "--grid.number", "1", "--grid.length", "150", "--grid.attach-length", "150"]
    return netgenerate(path, *shape, "--tls.set", "A0", "--tls.left-green.time", "0", "--no-turnarounds")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two by two lights with arms."""
    path = tmp_path_factory.mktemp("net") / "grid.net.xml"
    shape = ["--grid", "--grid.number", "2", "--grid.length", "150", "--grid.attach-length", "150"]
    return netgenerate(path, *shape, "--default-junction-type", "traffic_light")


@pytest.fixture
def rewritten(junction: Path, tmp_path: Path) -> Make:
    """The junction with other phases, (duration in s, lamps) each, and attributes of its program."""

    def make(phases: Sequence[tuple[float, str]], **attributes: str) -> Path:
        tree = ET.parse(junction)
        (logic,) = tree.getroot().findall("tlLogic")
        for phase in list(logic):
            logic.remove(phase)
        for key, value in attributes.items():
            logic.set(key, value)
        for duration, state in phases:
            ET.SubElement(logic, "phase", duration=str(duration), state=state)
        path = tmp_path / "rewritten.net.xml"
        tree.write(path, encoding="utf-8")
        return path

    return make


def states(net: Path) -> list[str]:
    return [phase.get("state", "") for phase in ET.parse(net).getroot().iter("phase")]


# The public yardstick: read from the installed package, never copied (their licences differ).
SPEC = importlib.util.find_spec("sumo_rl")
RESCO = Path(str(SPEC.origin)).parent / "nets" / "RESCO" if SPEC is not None else Path("sumo_rl")


@pytest.mark.skipif(SPEC is None, reason="the package sumo-rl, which holds the RESCO maps, is not installed")
@pytest.mark.parametrize(
    ("name", "signals", "begin_s"),
    [("cologne1", 1, 25200), ("cologne3", 3, 25200), ("cologne8", 8, 25200), ("ingolstadt1", 1, 57600)],
)
def test_resco_maps(name: str, signals: int, begin_s: int, tmp_path: Path) -> None:
    made = bring(tmp_path / name, name, sumocfg=RESCO / name / f"{name}.sumocfg")
    scenario = Scenario.load(tmp_path / name)
    assert len(scenario.network.signals) == signals
    assert (scenario.period("all").start_s, scenario.period("all").duration_s) == (begin_s, 3600)
    assert {finding.rule for finding in made.findings} == {"plan adapted"}
    for subject in ("existing", "maxpressure"):
        run = simulated(scenario, subject)
        assert run.violations == ()
        assert run.metrics["throughput_veh"] > 150


GAMES = sumo.home() / "tools" / "game"


@pytest.mark.skipif(not GAMES.is_dir(), reason="this SUMO comes without the networks of its games")
@pytest.mark.parametrize(("name", "signals"), [("cross", 1), ("square", 4), ("corridor", 3), ("fkk_in", 1)])
def test_networks_that_come_with_sumo(name: str, signals: int, tmp_path: Path) -> None:
    """Some have their programs in additional files, ids with slashes, lights of one stage and gzipped networks."""
    made = bring(tmp_path / name, name, sumocfg=GAMES / f"{name}.sumocfg")
    assert len(made.scenario.network.signals) == signals
    assert simulated(made.scenario).violations == ()


def any_network(kind: str, seed: int, path: Path) -> Path:
    """A random network of SUMO's netgenerate in a random style."""
    rng = random.Random(f"{kind} {seed}")
    size = {
        "grid": ["--grid.number", str(rng.randint(2, 3)), "--grid.length", "120", "--grid.attach-length", "100"],
        "spider": ["--spider.arm-number", str(rng.randint(3, 6)), "--spider.circle-number", str(rng.randint(1, 2))],
        "rand": ["--rand.iterations", str(rng.randint(10, 20)), "--rand.random-lanenumber"],
    }
    styles = [
        ["--lefthand"],
        ["--sidewalks.guess", "--crossings.guess"],
        ["--turn-lanes", "1"],
        ["--tls.group-signals"],
        ["--tls.join", "--junctions.join"],
        ["--tls.layout", "incoming"],
        ["--tls.allred.time", "2"],
        ["--tls.default-type", rng.choice(["actuated", "delay_based", "NEMA"])],
    ]
    chosen = [word for style in styles if rng.random() < 0.3 for word in style]
    lanes = ["--default.lanenumber", str(rng.randint(1, 3)), "--default-junction-type", "traffic_light"]
    return netgenerate(path, f"--{kind}", *size[kind], *lanes, *chosen, "--seed", str(seed))


@pytest.mark.parametrize("kind", ["grid", "spider", "rand"])
@pytest.mark.parametrize("seed", range(5))
def test_any_network_runs_without_a_violation(kind: str, seed: int, tmp_path: Path) -> None:
    net = any_network(kind, seed, tmp_path / "any.net.xml")
    made = bring(tmp_path / "any", "any", net=net, end_s=TEN_MINUTES)
    run = simulated(made.scenario)
    assert run.violations == ()
    assert run.metrics["throughput_veh"] > 0


@pytest.mark.parametrize("style", [["--lefthand"], ["--sidewalks.guess", "--crossings.guess"]])
def test_greens_that_conflict_are_mended(style: list[str], tmp_path: Path) -> None:
    """With every green protected, left turns and those on foot would meet; in the copy one of each pair yields."""
    size = ["--grid", "--grid.number", "2", "--grid.length", "150", "--grid.attach-length", "100"]
    net = netgenerate(tmp_path / "g.net.xml", *size, "--default-junction-type", "traffic_light", *style)
    net.write_text(all_protected(net.read_text(encoding="utf-8")), encoding="utf-8")
    assert not any("g" in state for state in states(net))
    made = bring(tmp_path / "made", "made", net=net, end_s=TEN_MINUTES)
    assert said(made, "conflicting greens")
    for signal in made.scenario.network.signals.values():
        for stage in signal.stages:
            assert [pair for pair in signal.conflicts if {stage.state[i] for i in pair} == {"G"}] == []
        assert all((stage.state[a], stage.state[b]) != ("G", "g") for stage in signal.stages for a, b in signal.yields)
    assert simulated(made.scenario).violations == ()


def all_protected(text: str) -> str:
    root = ET.fromstring(text)
    for phase in root.iter("phase"):
        phase.set("state", phase.get("state", "").replace("g", "G"))
    return ET.tostring(root, encoding="unicode")


def crossing_with_two_lamps(folder: Path) -> Path:
    """A junction of four arms with pavements, whose western crossing has a lamp of its own for the way back."""
    ends = {"W": (-150, 0), "E": (150, 0), "N": (0, 150), "S": (0, -150)}
    nodes = "".join(f'<node id="{name}" x="{x}" y="{y}"/>' for name, (x, y) in ends.items())
    ways = [way for name in ends for way in ((name, "C"), ("C", name))]
    edges = "".join(f'<edge id="{a}{b}" from="{a}" to="{b}" sidewalkWidth="2"/>' for a, b in ways)
    lamps = {"W": 'linkIndex="16" linkIndex2="20"', "E": 'linkIndex="17"', "N": 'linkIndex="18"', "S": 'linkIndex="19"'}
    crossings = "".join(f'<crossing node="C" edges="{name}C C{name}" {row}/>' for name, row in lamps.items())
    plain = {
        "nodes": f'{nodes}<node id="C" x="0" y="0" type="traffic_light"/>',
        "edges": edges,
        "connections": crossings,
    }
    for kind, text in plain.items():
        (folder / f"{kind}.xml").write_text(f"<{kind}>{text}</{kind}>", encoding="utf-8")
    files = [word for kind in plain for word in (f"--{kind[:-1]}-files", str(folder / f"{kind}.xml"))]
    program("netconvert", *files, "--output-file", str(folder / "two.net.xml"))
    return folder / "two.net.xml"


def test_people_cross_and_both_ends_of_a_crossing_show_the_same(tmp_path: Path) -> None:
    net = crossing_with_two_lamps(tmp_path)
    assert Network(net).signals["C"].lamps == 21
    (tmp_path / "people.rou.xml").write_text(
        '<routes><vType id="walker" vClass="pedestrian"/>'
        '<flow id="cars" begin="0" end="600" period="6" from="NC" to="CS"/>'
        '<personFlow id="there" type="walker" begin="0" end="600" period="9"><walk from="WC" to="CN"/></personFlow>'
        '<personFlow id="back" type="walker" begin="0" end="600" period="9"><walk from="NC" to="CW"/></personFlow>'
        "</routes>",
        encoding="utf-8",
    )
    made = bring(tmp_path / "made", "made", net=net, routes=[tmp_path / "people.rou.xml"])
    (joined,) = said(made, "lamps joined")
    (signal,) = made.scenario.network.signals.values()
    assert joined.movement in {crossing.id for crossing in signal.crossings}
    assert {crossing.index for crossing in signal.crossings} == {16, 17, 18, 19}
    assert signal.lamps == 20
    run = simulated(made.scenario)
    assert run.violations == ()
    assert run.metrics["throughput_veh"] > 80


PLANTED = "GGggrrrsoO"


@pytest.mark.parametrize("seed", range(3))
def test_programs_made_of_any_lamps_run_without_a_violation(seed: int, tmp_path: Path) -> None:
    """Phases of random lamps and lengths: foes green together, no yellow, lamps off, more stages than usual."""
    net = any_network("grid", seed, tmp_path / "any.net.xml")
    rng, tree = random.Random(seed), ET.parse(net)
    for logic in tree.getroot().iter("tlLogic"):
        for phase in logic.findall("phase") * 2:
            lamps = "".join(rng.choice(PLANTED) for _ in phase.get("state", ""))
            ET.SubElement(logic, "phase", duration=str(rng.choice([1, 4, 20, 95.5])), state=lamps)
    tree.write(net, encoding="utf-8")
    made = bring(tmp_path / "any", "any", net=net, end_s=TEN_MINUTES)
    assert said(made, "conflicting greens")
    for subject in ("existing", "maxpressure"):
        assert simulated(made.scenario, subject).violations == ()


def test_what_looks_wrong_is_said_by_rule_signal_and_movement(junction: Path, rewritten: Make, tmp_path: Path) -> None:
    signal = next(iter(Network(junction).signals.values()))
    first, second = (stage.state for stage in signal.stages)
    (turn, *_) = (m for m in signal.movements if m.direction == "r" and set(m.links) <= signal.stages[0].greens)
    (link,) = turn.links
    only = "".join("r" if i == link else lamp for i, lamp in enumerate(first))
    alone = "".join("g" if i == link else "r" for i in range(signal.lamps))
    made = bring(tmp_path / "a", "a", net=rewritten([(30, only), (30, second)]), end_s=60)
    (never,) = said(made, "never green")
    assert (never.signal, never.movement) == (signal.id, turn.id)
    missing = {finding.movement for finding in said(made, "missing yellow")}
    assert missing == {m.id for m in signal.movements} - {turn.id}
    assert f"never green: {signal.id} {turn.id}" in (tmp_path / "a" / "import.md").read_text(encoding="utf-8")
    made = bring(tmp_path / "b", "b", net=rewritten([(30, alone), (3, "y" * signal.lamps), (30, second)]), end_s=60)
    (free,) = said(made, "needless yield")
    assert (free.movement, "stage 1" in free.detail) == (turn.id, True)


@pytest.mark.parametrize("held", [False, True])
def test_right_turns_that_are_shown_red_have_to_wait(held: bool, jincheng: Scenario, tmp_path: Path) -> None:
    """At a junction whose right turns have lanes of their own; ``s`` lets them go on red, ``r`` holds them back."""
    tree = ET.parse(jincheng.folder / jincheng.network_file)
    for phase in tree.getroot().iter("phase"):
        phase.set("state", phase.get("state", "").replace("s", "r" if held else "s"))
    tree.write(tmp_path / "rights.net.xml", encoding="utf-8")
    scenario = bring(tmp_path / "made", "made", net=tmp_path / "rights.net.xml", end_s=TEN_MINUTES).scenario
    (signal,) = scenario.network.signals.values()
    rights = [k for k, movement in enumerate(signal.movements) if movement.turn == "near"]
    assert len(rights) == 4
    assert {free_turn(signal, k) for k in rights} == {not held}
    only = {signal.movements[rights[0]].id: 1650.0}
    assert sorted(critical_ratios(signal, only, 1650.0)) == pytest.approx([0, 0, 0, 1.0 if held else 0])
    actuated = Actuated()
    actuated.reset(scenario, "all")
    assert ("NO_DETECTOR" in actuated.programs[0].settings.values()) is not held


def test_lamps_that_are_off_and_phases_between_are_no_stages(junction: Path, rewritten: Make, tmp_path: Path) -> None:
    """An actuated program: a turn blinks throughout, and two seconds in which only that goes are a clearance."""
    signal = next(iter(Network(junction).signals.values()))
    (link, *_) = (m.links[0] for m in signal.movements if m.direction == "r")

    def off(state: str) -> str:
        return state[:link] + "o" + state[link + 1 :]

    first, second = (off(stage.state) for stage in signal.stages)
    stop = off("r" * signal.lamps)
    change = [(3, first.replace("G", "y").replace("g", "y")), (2, stop), (30, second)]
    back = [(3, second.replace("G", "y").replace("g", "y")), (2, stop)]
    net = rewritten([(40, first), *change, *back], type="actuated", offset="7")
    made = bring(tmp_path / "made", "made", net=net, end_s=TEN_MINUTES)
    (shape,) = made.scenario.network.signals.values()
    assert [stage.state for stage in shape.stages] == [state.replace("o", "g") for state in (first, second)]
    plan = (tmp_path / "made" / "existing.json").read_text(encoding="utf-8")
    assert '"offset_s": 7' in plan
    assert simulated(made.scenario, "existing").violations == ()


def test_the_existing_plan_is_the_networks_own(junction: Path, rewritten: Make, tmp_path: Path) -> None:
    """Where it keeps to the limits it stays as it is, to the second, beginning where the program does."""
    first, second = (stage.state for stage in next(iter(Network(junction).signals.values())).stages)
    limits = next(iter(Network(junction).signals.values())).limits(SignalTiming())
    clear = (limits.all_red_s, "r" * len(first))
    phases = [(41, first), (limits.yellow_s, yellow(first)), clear]
    net = rewritten([*phases, (22, second), (limits.yellow_s, yellow(second)), clear], offset="30")
    made = bring(tmp_path / "made", "made", net=net, end_s=60)
    assert said(made, "plan adapted") == []
    copied = ET.parse(made.scenario.folder / "network.net.xml").getroot()
    assert programs(made.scenario.folder / "network.net.xml") == programs(net)
    assert [logic.get("offset") for logic in copied.iter("tlLogic")] == ["30"]


def test_yellow_and_all_red_may_be_chosen(junction: Path, tmp_path: Path) -> None:
    made = bring(tmp_path / "made", "made", net=junction, end_s=TEN_MINUTES, yellow_s=5, all_red_s=0)
    (signal,) = made.scenario.network.signals.values()
    limits = signal.limits(Scenario.load(tmp_path / "made").timing)
    assert (limits.yellow_s, limits.all_red_s) == (5, 0)
    assert ("5 s at every signal", "assumed") in [(row.value, row.grade) for row in made.scenario.assumptions]
    for subject in ("existing", "maxpressure"):
        assert simulated(made.scenario, subject).violations == ()


def test_a_green_may_wait_for_turning_vehicles(junction: Path, tmp_path: Path) -> None:
    made = bring(tmp_path / "made", "made", net=junction, end_s=60, clear_turns_s=20)
    assert Scenario.load(tmp_path / "made").timing.clear_turns_s == 20
    assert "up to 20 s at every signal" in [row.value for row in made.scenario.assumptions]
    with pytest.raises(BadInput, match="clearing of turns -1 s: must be 0 or more"):
        bring(tmp_path / "other", "other", net=junction, clear_turns_s=-1)


def yellow(state: str) -> str:
    return state.replace("G", "y").replace("g", "y")


def test_a_subset_is_controlled_and_the_rest_keep_their_programs(grid: Path, tmp_path: Path) -> None:
    made = bring(tmp_path / "made", "made", net=grid, signals=["B1", "A0"], end_s=TEN_MINUTES)
    scenario = Scenario.load(tmp_path / "made")
    assert list(scenario.network.signals) == ["B1", "A0"]
    before, after = (programs(path) for path in (grid, scenario.folder / scenario.network_file))
    assert {name for name in before if before[name] == after[name]} >= {"A1", "B0"}
    assert simulated(made.scenario).violations == ()


def programs(net: Path) -> dict[str, list[tuple[str | None, str | None]]]:
    root = ET.parse(net).getroot()
    return {
        logic.get("id", ""): [(phase.get("duration"), phase.get("state")) for phase in logic.iter("phase")]
        for logic in root.iter("tlLogic")
    }


def test_demand_and_additional_files_come_along(junction: Path, tmp_path: Path) -> None:
    """Trips and flows get their routes, times become seconds, what cannot travel is left out, detectors stay silent."""
    signal = next(iter(Network(junction).signals.values()))
    straight = next(m for m in signal.movements if m.direction == "s")
    ends = f'from="{straight.from_edge}" to="{straight.to_edge}"'
    (tmp_path / "late.rou.xml").write_text(
        f'<routes><trip id="a" type="slow" depart="0:02:00" {ends}/><trip id="b" depart="5" {ends}/></routes>',
        encoding="utf-8",
    )
    (tmp_path / "more.rou.xml").write_text(
        f'<routes><flow id="f" begin="10" end="110" period="10" {ends}/>'
        f'<trip id="c" depart="9" from="{straight.to_edge}" to="{straight.from_edge}"/>'
        '<vehicle id="d" depart="7"><route edges="nowhere"/></vehicle></routes>',
        encoding="utf-8",
    )
    (tmp_path / "extra.add.xml").write_text(
        f'<additional><vType id="slow" maxSpeed="5"/><edgeData id="e" file="stolen.xml"/>'
        f'<inductionLoop id="i" lane="{straight.from_lanes[0]}" pos="1" period="60" file="stolen.xml"/></additional>',
        encoding="utf-8",
    )
    (tmp_path / "s.sumocfg").write_text(
        f'<configuration><input><net-file value="{junction}"/>'
        '<route-files value="late.rou.xml,more.rou.xml"/><additional-files value="extra.add.xml"/>'
        "</input></configuration>",
        encoding="utf-8",
    )
    made = bring(tmp_path / "made", "made", sumocfg=tmp_path / "s.sumocfg")
    root = ET.parse(made.scenario.folder / "demand.rou.xml").getroot()
    assert [item.get("id") for item in root] == ["slow", "b", "f", "a"]
    assert root[3].get("depart") == "120"
    edges = [route.get("edges") for route in root.iter("route")]
    assert edges == [f"{straight.from_edge} {straight.to_edge}"] * 3
    period = made.scenario.period("all")
    assert (period.start_s, period.end_s) == (5, 121)
    assert sorted(finding.detail for finding in said(made, "left out")) == [
        "1 departures: an edge that the network lacks",
        "1 departures: no route",
    ]
    (flow,) = made.scenario.demand("all").motor_flows
    assert flow.veh_h == pytest.approx(12 / (115 / 3600))
    assert simulated(made.scenario).metrics["throughput_veh"] >= 5
    assert not list(tmp_path.rglob("stolen.xml"))


def test_departures_without_a_route_known_beforehand_are_said(junction: Path, tmp_path: Path) -> None:
    """The way of a type drawn at random is found by SUMO as it departs; so is one of several routes."""
    signal = next(iter(Network(junction).signals.values()))
    straight = next(m for m in signal.movements if m.direction == "s")
    ends = f'from="{straight.from_edge}" to="{straight.to_edge}"'
    way = f'edges="{straight.from_edge} {straight.to_edge}"'
    mixed = '<vTypeDistribution id="mix"><vType id="x"/><vType id="y"/></vTypeDistribution>'
    choice = f'<routeDistribution id="any"><route id="p" {way} probability="1"/></routeDistribution>'
    known_way = f'<route id="q" {way}/>'
    unknown = f'<trip id="a" type="mix" depart="5" {ends}/><vehicle id="b" route="any" depart="6"/>'
    known = f'<trip id="c" depart="7" {ends}/><vehicle id="d" route="q" depart="8"/>'
    person = f'<person id="e" depart="9"><walk edges="{straight.from_edge}"/></person>'
    (tmp_path / "d.rou.xml").write_text(
        f"<routes>{mixed}{choice}{known_way}{unknown}{known}{person}</routes>", encoding="utf-8"
    )
    made = bring(tmp_path / "made", "made", net=junction, routes=[tmp_path / "d.rou.xml"], end_s=TEN_MINUTES)
    (finding,) = said(made, "unknown flow")
    assert finding.detail == "2 departures have no route known beforehand; plans do not count them"
    assert sum(flow.veh_h for flow in made.scenario.demand("all").motor_flows) > 0
    (tmp_path / "d.rou.xml").write_text(f"<routes>{mixed}{choice}{unknown}</routes>", encoding="utf-8")
    made = bring(tmp_path / "none", "none", net=junction, routes=[tmp_path / "d.rou.xml"], end_s=TEN_MINUTES)
    with pytest.raises(BadInput, match="scenario none, period all: no departure has a route known beforehand"):
        webster(made.scenario, "all", 120)


def test_programs_in_an_additional_file_are_in_force(junction: Path, tmp_path: Path) -> None:
    signal = next(iter(Network(junction).signals.values()))
    first, second = (stage.state for stage in signal.stages)
    rows = [(50, second), (3, yellow(second)), (60, first)]
    phases = "".join(f'<phase duration="{duration}" state="{state}"/>' for duration, state in rows)
    logic = f'<tlLogic id="{signal.id}" type="static" programID="new" offset="0">{phases}</tlLogic>'
    (tmp_path / "new.add.xml").write_text(f"<additional>{logic}</additional>", encoding="utf-8")
    (tmp_path / "s.sumocfg").write_text(
        f'<configuration><n v="{junction}"/><a v="new.add.xml"/><end value="600"/></configuration>', encoding="utf-8"
    )
    made = bring(tmp_path / "made", "made", sumocfg=tmp_path / "s.sumocfg")
    (shape,) = made.scenario.network.signals.values()
    assert [stage.state for stage in shape.stages] == [second, first]
    (left_out,) = said(made, "left out")
    assert "'new' is in force" in left_out.detail
    assert simulated(made.scenario).violations == ()


OSM = """<osm version="0.6"><bounds minlat="30.0" minlon="120.0" maxlat="30.01" maxlon="120.01"/>
<node id="1" lat="30.005" lon="120.005"><tag k="highway" v="traffic_signals"/></node>
<node id="2" lat="30.008" lon="120.005"/><node id="3" lat="30.002" lon="120.005"/>
<node id="4" lat="30.005" lon="120.008"/><node id="5" lat="30.005" lon="120.002"/>
<way id="10"><nd ref="2"/><nd ref="1"/><nd ref="3"/><tag k="highway" v="primary"/><tag k="lanes" v="4"/></way>
<way id="11"><nd ref="4"/><nd ref="1"/><nd ref="5"/><tag k="highway" v="secondary"/></way></osm>"""


def test_an_openstreetmap_extract(tmp_path: Path) -> None:
    (tmp_path / "town.osm.xml").write_text(OSM, encoding="utf-8")
    made = bring(tmp_path / "made", "made", osm=tmp_path / "town.osm.xml", end_s=TEN_MINUTES)
    assert len(made.scenario.network.signals) == 1
    assert any("© OpenStreetMap contributors" in row.source for row in made.scenario.assumptions)
    assert any(row.grade == "assumed" and "150 veh/h" in row.value for row in made.scenario.assumptions)
    run = simulated(made.scenario)
    assert run.violations == ()
    assert run.metrics["throughput_veh"] > 20


def test_a_nema_program_is_not_blamed_for_yellow(tmp_path: Path) -> None:
    """Its phases have their yellow as an attribute; rings come as phase after phase."""
    shape = ["--grid", "--grid.number", "1", "--grid.length", "150", "--grid.attach-length", "150", "--tls.set", "A0"]
    net = netgenerate(tmp_path / "nema.net.xml", *shape, "--tls.default-type", "NEMA")
    made = bring(tmp_path / "made", "made", net=net, end_s=TEN_MINUTES)
    assert said(made, "missing yellow") == []
    (signal,) = made.scenario.network.signals.values()
    assert 2 <= len(signal.stages) <= 8
    assert simulated(made.scenario).violations == ()


@pytest.mark.parametrize("subject", ["actuated", "coordinated", "delaybased", "sotl"])
def test_responsive_control_of_a_foreign_network_is_safe(subject: str, grid: Path, tmp_path: Path) -> None:
    made = bring(tmp_path / "made", "made", net=grid)
    run = simulated(made.scenario, subject)
    assert run.violations == ()
    assert set(run.executed) == set(made.scenario.network.signals)
    assert all(len(log) > 10 for log in run.executed.values())
    assert run.metrics["throughput_veh"] > 20


def test_nothing_is_left_of_an_import_that_fails(junction: Path, rewritten: Make, tmp_path: Path) -> None:
    lamps = len(states(junction)[0])
    place = tmp_path / "place"
    with pytest.raises(BadInput, match="1 stage, so that there is nothing to choose"):
        bring(place / "made", "made", net=rewritten([(30, "G" * lamps)]))
    with pytest.raises(BadInput, match="all its programs are switched off"):
        bring(place / "made", "made", net=rewritten([(30, "o" * lamps)]))
    with pytest.raises(BadInput, match="fewer lamps than the light has links"):
        bring(place / "made", "made", net=rewritten([(30, "Gr"), (30, "rG")]))
    with pytest.raises(BadInput, match="nothing is left to measure between 0 s and 60 s"):
        bring(place / "made", "made", net=junction, end_s=60, warmup_s=60)
    assert list(place.iterdir()) == []
