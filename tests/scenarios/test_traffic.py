"""The whole day, bus lines, people, e-bikes, and a road on which traffic keeps left."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband import registry
from greenband.demand import BusLine, FlowTable, Profile, RouteFile, RouteFlow, Slice, Walk
from greenband.demand import load as load_demand
from greenband.errors import BadInput, UnknownName
from greenband.evaluation.runner import Task, run_one
from greenband.evaluation.subjects import resolve
from greenband.network import Network
from greenband.plan.splits import movement_flows as summed
from greenband.scenario import Scenario
from greenband.scenarios import available, load
from greenband.scenarios.spec import load_section
from greenband.scenarios.traffic import movement_flows

HOUR = 3600


def vehicles(path: Path) -> list[ET.Element]:
    return list(ET.parse(path).getroot().iter("vehicle"))


@pytest.mark.parametrize("name", ["jincheng", "shixin_full", "macau_amizade"])
def test_routes_and_buses_add_up_to_the_table(name: str) -> None:
    scenario, section = load(name), load_section(name)
    for period, span in scenario.periods.items():
        if span.plans:
            continue
        flows, table = summed(scenario.demand(period)), movement_flows(section, period)
        for movement, veh_h in table.items():
            assert flows.get(movement, 0.0) == pytest.approx(veh_h, rel=0.02, abs=3.0), (period, movement)


def test_a_day_follows_the_profile(tmp_path: Path) -> None:
    scenario, day = load("jincheng"), load_section("jincheng").corridor.day
    scenario.demand("day").write(tmp_path / "day.xml", 0, 24 * HOUR, 4)
    found = vehicles(tmp_path / "day.xml")
    assert len({v.attrib["id"] for v in found}) == len(found)
    assert [float(v.attrib["depart"]) for v in found] == sorted(float(v.attrib["depart"]) for v in found)
    cars = Counter(int(float(v.attrib["depart"]) // HOUR) for v in found if "line" not in v.attrib)
    for hour, (share, pattern) in enumerate(zip(day.share.value, day.pattern.value, strict=True)):
        spec = load_section("jincheng").corridor.periods[pattern]
        table = scenario.demand(pattern)
        assert isinstance(table, FlowTable)
        expected = sum(f.veh_h for f in table.flows) * share / day.share.value[spec.hour]
        assert cars[hour] == pytest.approx(expected, abs=len({f.edges[0] for f in table.flows}))


def test_plans_of_the_day_switch_with_the_hours(tmp_path: Path) -> None:
    scenario = load("jincheng")
    day = scenario.period("day")
    assert [day.plan_period(h * HOUR) for h in (0, 6, 7, 9, 17, 19, 22)] == [
        *("NIGHT", "EVE", "AM", "OFF", "PM", "EVE", "NIGHT")
    ]
    cut = day.model_copy(update={"begin_s": 8 * HOUR + 3300, "duration_s": 900})
    run = run_one(Task(resolve("existing"), scenario.model_copy(update={"periods": {"day": cut}}), "day", 0))
    assert run.violations == ()
    starts = [time for time, stage in run.executed["J11"] if stage == 0]
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    assert 130 in gaps
    assert 100 in gaps


def test_buses_halt_at_their_stops_by_timetable(tmp_path: Path) -> None:
    line = BusLine("B", ("a", "b"), 300.0, 60.0, ("stop",), 20.0, "bus")
    table = FlowTable((RouteFlow("a-b", ("a", "b"), 100.0),), "car", (line,))
    table.write(tmp_path / "r.xml", 0, HOUR, 1, scale=2.0)
    buses = [v for v in vehicles(tmp_path / "r.xml") if v.get("line") == "B"]
    assert len(buses) == 12  # a timetable does not grow with demand
    for number, bus in enumerate(buses):
        assert 0 <= float(bus.attrib["depart"]) - (60 + 300 * number) <= 60
        stop = bus.find("stop")
        assert stop is not None
        assert (stop.get("busStop"), stop.get("duration"), stop.get("parking")) == ("stop", "20", "true")
    assert sum(f.veh_h for f in table.motor_flows) == 112


def test_bus_lines_run_through_every_section() -> None:
    for name in available():
        table = load(name).demand("AM")
        assert isinstance(table, FlowTable)
        assert table.lines, name
    full = load("shixin_full").demand("AM")
    assert isinstance(full, FlowTable)
    assert any(len(line.stops) >= 5 for line in full.lines)


def test_people_and_ebikes_only_where_switched_on(tmp_path: Path) -> None:
    for people, ebikes in (("off", False), ("on", False), (False, True)):
        persons, bikes = people == "on", ebikes
        scenario = load("jincheng", people=people, ebikes=ebikes)
        scenario.demand("AM").write(tmp_path / "r.xml", 0, HOUR, 1)
        root = ET.parse(tmp_path / "r.xml").getroot()
        assert bool(list(root.iter("person"))) is persons
        assert any(v.attrib["type"] == "ebike" for v in root.iter("vehicle")) is bikes
        assert bool(scenario.network.signals["J11"].crossings) is persons
        assert any(not link.motor for link in scenario.network.signals["J11"].links) is bikes
        assert ("people" in {a.figure.split(" ")[0] for a in scenario.assumptions}) is persons
    with pytest.raises(UnknownName, match=r"unknown value of scenario\.people 'maybe'"):
        load("jincheng", people="maybe")


def test_ebikes_keep_to_their_lanes_and_out_of_the_vehicles_figures(tmp_path: Path) -> None:
    scenario = load("jincheng", ebikes=True)
    signal = scenario.network.signals["J11"]
    cycle = {link.from_lane for link in signal.links if not link.motor}
    assert cycle
    assert not cycle & {lane for m in signal.movements for lane in m.from_lanes}
    short = scenario.period("AM").model_copy(update={"duration_s": 300, "warmup_s": 100})
    scenario = scenario.model_copy(update={"periods": {"AM": short}})
    with_bikes = run_one(Task(resolve("existing"), scenario, "AM", 0))
    wanted = sum(f.veh_h for f in scenario.demand("AM").motor_flows) / 12
    assert with_bikes.metrics["throughput_veh"] < wanted * 1.1
    assert with_bikes.violations == ()


def test_walks_are_poisson_with_the_given_mean(tmp_path: Path) -> None:
    walk = Walk("w", ("a", "b"), 600.0, -15.0, 15.0)
    counts = []
    for seed in range(60):
        FlowTable((), "car", (), (walk,)).write(tmp_path / "w.xml", 0, HOUR, seed)
        counts.append(len(list(ET.parse(tmp_path / "w.xml").getroot().iter("person"))))
    mean = sum(counts) / len(counts)
    assert mean == pytest.approx(600, abs=4 * (600 / 60) ** 0.5)
    assert sum((c - mean) ** 2 for c in counts) / len(counts) == pytest.approx(600, rel=0.6)


def test_profiles_and_route_files_are_told_apart(tmp_path: Path) -> None:
    table = FlowTable((RouteFlow("r", ("a", "b"), 60.0),), "car")
    table.save(tmp_path / "t.json")
    profile = Profile((Slice(0, HOUR, table), Slice(HOUR, 2 * HOUR, table, 3.0)))
    assert profile.motor_flows[0].veh_h == 120.0
    (tmp_path / "d.profile.json").write_text(
        '{"slices": [{"begin_s": 0, "end_s": 3600, "table": "t.json"},'
        ' {"begin_s": 3600, "end_s": 7200, "table": "t.json", "factor": 3.0}]}',
        encoding="utf-8",
    )
    assert load_demand(tmp_path / "d.profile.json") == profile
    profile.write(tmp_path / "r.rou.xml", 0, 2 * HOUR, 0)
    again = load_demand(tmp_path / "r.rou.xml")
    assert isinstance(again, RouteFile)
    again.write(tmp_path / "same.xml", 0, HOUR, 5)
    assert (tmp_path / "same.xml").read_text() == (tmp_path / "r.rou.xml").read_text()
    (tmp_path / "bad.profile.json").write_text('{"slices": [{"begin_s": "x"}]}', encoding="utf-8")
    with pytest.raises(BadInput, match=r"bad\.profile\.json: not a demand profile: slices"):
        load_demand(tmp_path / "bad.profile.json")
    with pytest.raises(BadInput, match="no such route file"):
        load_demand(tmp_path / "gone.rou.xml")


def test_options_after_a_plus() -> None:
    assert registry.scenario("jincheng+people").name == "jincheng+people"
    with pytest.raises(UnknownName, match=r"unknown option of scenario jincheng 'peeple'.*did you mean 'people'"):
        registry.scenario("jincheng+peeple")
    with pytest.raises(BadInput, match="people cannot be switched on"):
        registry.scenario(str(load("jincheng").folder), people=True)


def test_macau_keeps_left() -> None:
    scenario = load("macau_amizade")
    network: Network = scenario.network
    assert network.left_hand
    assert not load("jincheng").network.left_hand
    assert len(network.signals) == 6
    for signal in network.signals.values():
        turns = {(m.direction, m.turn) for m in signal.movements}
        assert turns == {("s", "through"), ("l", "near"), ("r", "far")}
        through, far = signal.stages[0], signal.stages[1]
        served = {signal.movements[k].direction for k in far.movements}
        assert served == {"r"}
        assert {signal.movements[k].direction for k in through.movements} == {"s", "l"}
    assert any("OpenStreetMap" in row.source or "OpenStreetMap" in row.value for row in scenario.assumptions)


def test_macau_runs_without_a_violation(scenario_cut: Scenario) -> None:
    for subject in ("existing", "maxpressure"):
        run = run_one(Task(resolve(subject), scenario_cut, "AM", 2))
        assert run.violations == ()
        assert run.collisions == 0
        assert run.metrics["throughput_veh"] > 100


@pytest.fixture
def scenario_cut() -> Scenario:
    scenario: Scenario = load("macau_amizade")
    short = scenario.period("AM").model_copy(update={"duration_s": 400, "warmup_s": 200})
    return scenario.model_copy(update={"periods": {"AM": short}})
