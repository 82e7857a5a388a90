"""Crossings on foot: the interlock gives walk and clearance whatever is asked of it, and the monitor sees to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.control import ControlLoop
from greenband.errors import InfeasibleLimits
from greenband.evaluation.runner import Task, run_one
from greenband.evaluation.subjects import resolve
from greenband.formats import sumo as sumo_format
from greenband.monitor import MonitorLimits, conflicts_of, crossings_of, watch
from greenband.plan.display import phases
from greenband.scenario import Scenario
from greenband.scenarios import load
from greenband.signals import Interlock, Limits, Stage, clearance_s, green_lamps

# Links: 0 main through, 1 main right turn, 2 cross through; crossings: 3 over the cross street, 4 over the main road.
STAGES = (Stage("main", "GgrGr", ()), Stage("left", "Grrrr", ()), Stage("cross", "rrGrG", ()))
LIMITS = Limits(3, 2, (20, 8, 33), 60, 120, walks=(((3, 7),), (), ((4, 9),)))
NEEDS = {3: 20 - 7 + 5, 4: 33 - 9 + 5}  # s from the end of walk to the first conflicting green


@pytest.fixture(scope="module")
def people() -> Scenario:
    scenario: Scenario = load("jincheng", people=True)
    return scenario


def test_clearance_is_the_way_over_and_three_seconds() -> None:
    assert clearance_s(30.0, 1.2) == 25 + 3
    assert clearance_s(19.2, 1.0) == 20 + 3


def test_a_green_shows_walk_first_and_then_none() -> None:
    assert list(green_lamps("GgrGG", [(3, 7), (4, 12)])) == [(0, "GgrGG"), (7, "GgrrG"), (12, "Ggrrr")]
    assert list(green_lamps("Gr", [])) == [(0, "Gr")]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(1, 30)), min_size=1, max_size=25))
def test_walk_and_clearance_hold_for_any_requests(asks: list[tuple[int, int]]) -> None:
    lock, shown = Interlock(STAGES, LIMITS, 0), []
    now = 0
    for stage, wait in asks:
        lock.request(stage)
        for _ in range(wait):
            shown.append(lock.lamps)
            now += 1
            lock.tick(now)
    for crossing, foes in ((3, (2,)), (4, (0,))):
        ends = [t for t in range(1, len(shown)) if shown[t - 1][crossing] == "G" != shown[t][crossing]]
        starts = [t for t in range(1, len(shown)) if shown[t - 1][crossing] != "G" == shown[t][crossing]]
        assert all(lamps[crossing] in "Gr" for lamps in shown)  # nobody on foot is shown yellow
        for end in ends:
            begun = max([s for s in starts if s < end], default=0)
            assert end - begun >= 7
            green = [t for t in range(end, len(shown)) if any(shown[t][foe] in "Gg" for foe in foes)]
            assert not green or green[0] - end >= NEEDS[crossing]


def test_walks_longer_than_their_green_are_refused() -> None:
    with pytest.raises(InfeasibleLimits, match="every walk must"):
        replace(LIMITS, walks=(((3, 20),), (), ()))
    with pytest.raises(InfeasibleLimits, match="walks of 1 stages for 3"):
        Interlock(STAGES, replace(LIMITS, walks=(((3, 7),),)), 0)


def test_stages_of_a_junction_with_crossings(people: Scenario) -> None:
    signal = people.network.signals["J11"]
    over = {crossing.index: crossing for crossing in signal.crossings}
    assert len(over) == 4
    main, main_left, cross, cross_left = signal.stages
    assert [len(stage.greens & over.keys()) for stage in signal.stages] == [2, 0, 2, 0]
    for stage in (main, cross):
        for index in stage.greens & over.keys():
            foes = {a + b - index for a, b in signal.conflicts if index in (a, b)}
            assert {stage.state[i] for i in foes} <= set("grs")  # what turns over it yields; the rest is red
    main_road = {m.from_edge for k, m in enumerate(signal.movements) if k in main.movements}
    walked = {edge for index in cross.greens & over.keys() for edge in over[index].edges}
    assert main_road <= walked  # one crosses the main road while the cross street has green
    limits = signal.limits(people.timing)
    longest = max(crossing.length_m for crossing in signal.crossings)
    assert limits.min_green_s[2] == 7 + clearance_s(longest, people.timing.walking_speed_ms) - limits.intergreen_s
    assert len(main_left.greens)
    assert len(cross_left.greens)


@pytest.mark.parametrize("subject", ["existing", "maxpressure"])
def test_a_run_with_people_breaks_no_rule(subject: str, people: Scenario, tmp_path: Path) -> None:
    short = people.period("AM").model_copy(update={"duration_s": 500, "warmup_s": 100})
    scenario = people.model_copy(update={"periods": {"AM": short}})
    run = run_one(Task(resolve(subject), scenario, "AM", 3))
    assert run.violations == ()
    assert run.collisions == 0


def test_people_walk_when_they_may(people: Scenario) -> None:
    loop, seen = ControlLoop(people, "AM"), 0
    crossings = {crossing.id: crossing.index for crossing in people.network.signals["J11"].crossings}
    entered: dict[str, str] = {}
    try:
        loop.reset(1)
        for _ in range(400):
            before = loop.interlocks["J11"].lamps
            loop.step({"J11": loop.now // 40 % 4}, 1)
            api = loop.simulation.api
            for person in api.person.getIDList():
                edge = api.person.getRoadID(person)
                if edge in crossings and entered.get(person) != edge:
                    seen += 1
                    assert before[crossings[edge]] == "G" or loop.interlocks["J11"].lamps[crossings[edge]] == "G"
                entered[person] = edge
    finally:
        loop.close()
    assert seen > 20


def record(path: Path, states: list[str]) -> Path:
    rows = [f'<tlsState time="{t}" id="X" programID="0" phase="0" state="{s}"/>' for t, s in enumerate(states)]
    path.write_text(f"<tlsStates>{''.join(rows)}</tlsStates>", encoding="utf-8")
    return path


def test_the_monitor_finds_a_short_walk_and_a_short_clearance(tmp_path: Path) -> None:
    """Link 0 crosses the crossing 1."""
    limits = MonitorLimits(3, 2, (5, 1), 200, 300, walk_s=7, crossings={1: 20})
    right = ["rG"] * 7 + ["rr"] * 20 + ["Gr"] * 10 + ["yr"] * 3 + ["rr"] * 2 + ["rG"] * 7 + ["rr"]
    assert watch(record(tmp_path / "a.xml", right), {(0, 1)}, limits) == []
    hasty = ["rG"] * 7 + ["rr"] * 19 + ["Gr"] * 10
    assert [v.rule for v in watch(record(tmp_path / "b.xml", hasty), {(0, 1)}, limits)] == ["clearance"]
    short = ["rr"] * 2 + ["rG"] * 6 + ["rr"] * 30
    assert [v.rule for v in watch(record(tmp_path / "c.xml", short), {(0, 1)}, limits)] == ["min-green"]
    both = ["rG"] * 7 + ["GG"] * 3
    assert "conflict" in {v.rule for v in watch(record(tmp_path / "d.xml", both), {(0, 1)}, limits)}


def test_the_monitor_reads_crossings_for_itself(people: Scenario) -> None:
    signal, net = people.network.signals["J11"], people.folder / people.network_file
    speed = people.timing.walking_speed_ms
    expected = {c.index: clearance_s(c.length_m, speed) for c in signal.crossings}
    assert crossings_of(net, "J11", speed) == expected
    assert conflicts_of(net, "J11") == signal.conflicts


def test_tables_of_a_junction_with_crossings_go_through_sumo_format(people: Scenario, tmp_path: Path) -> None:
    plans = resolve("existing").make()
    plans.reset(people, "AM")
    from greenband.formats import json as plan_json
    from greenband.plan.describe import described

    written = plan_json.read(people.existing_plan_file("AM"))
    sumo_format.export(described(written, people), tmp_path / "plan.add.xml")
    assert sumo_format.read(tmp_path / "plan.add.xml", people) == written
    signal, plan = people.network.signals["J11"], written.plans["AM"]["J11"]
    steps = list(phases(signal, plan, signal.limits(people.timing)))
    assert sum(seconds for seconds, _, _ in steps) == plan.cycle_s
    assert all(lamps[c.index] in "Gr" for _, lamps, _ in steps for c in signal.crossings)
