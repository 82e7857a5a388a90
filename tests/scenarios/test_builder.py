"""Scenarios are built once, safely, and as their specification says."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from greenband.errors import UnknownName
from greenband.formats import json as plan_json
from greenband.scenario import Scenario
from greenband.scenarios import available, builder, cache_folder, load
from greenband.scenarios.network import exit_edge, junction_id, legs
from greenband.scenarios.spec import load_section


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GREENBAND_CACHE", str(tmp_path))
    return tmp_path


def test_the_environment_moves_the_cache(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == empty_cache
    monkeypatch.delenv("GREENBAND_CACHE")
    assert cache_folder().name == "scenarios"


def test_the_second_load_does_not_build(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load("jincheng")
    before = {path: path.stat().st_mtime_ns for path in empty_cache.rglob("*")}
    monkeypatch.setattr(builder, "build", None)  # calling it would raise TypeError
    assert load("jincheng") == first
    assert {path: path.stat().st_mtime_ns for path in empty_cache.rglob("*")} == before
    assert [path.name for path in empty_cache.iterdir()] == [first.folder.name]


def test_a_build_that_fails_leaves_nothing(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("half-way")

    with monkeypatch.context() as patch:
        patch.setattr(builder, "write_vehicles", fail)
        with pytest.raises(RuntimeError, match="half-way"):
            load("jincheng")
    assert list(empty_cache.iterdir()) == []
    assert load("jincheng").network.signals


def test_two_processes_may_build_at_once(empty_cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=load, args=("jincheng",)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    (folder,) = empty_cache.iterdir()  # one scenario, no scratch folder left
    assert load("jincheng").folder == folder
    assert set(Scenario.load(folder).network.signals) == {"J11"}


def test_builds_are_the_same_byte_for_byte(jincheng: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENBAND_CACHE", str(tmp_path))
    again = load("jincheng").folder
    names = sorted(path.name for path in again.iterdir())
    assert names == sorted(path.name for path in jincheng.folder.iterdir())
    for name in names:
        assert (again / name).read_bytes() == (jincheng.folder / name).read_bytes(), name


def test_an_unknown_name_is_told_the_nearest() -> None:
    assert {"jincheng", "shixin", "shixin_short"} <= set(available())
    with pytest.raises(UnknownName, match=r"'shixin_shrt'.*did you mean 'shixin_short'"):
        load("shixin_shrt")
    with pytest.raises(UnknownName, match=r"scenario '\.\./jincheng'"):
        load("../jincheng")


@pytest.mark.parametrize("name", ["jincheng", "shixin"])
def test_every_approach_has_the_lanes_and_turns_of_the_specification(name: str, request: pytest.FixtureRequest) -> None:
    scenario: Scenario = request.getfixturevalue(name)
    section, turns = load_section(name), {"l": "left", "s": "through", "r": "right"}
    found = list(legs(section))
    assert len(found) == 4 * len(scenario.network.signals)
    for leg in found:
        signal = scenario.network.signals[junction_id(leg.junction)]
        own = [m for m in signal.movements if m.from_edge == leg.bay]
        lanes = {lane for m in own for lane in m.from_lanes}
        assert lanes == {f"{leg.bay}_{i}" for i in range(leg.approach.lanes)}
        counted = {turns[m.direction]: len(m.from_lanes) for m in own}
        approach = leg.approach
        assert counted == {"left": approach.left, "through": approach.through, "right": max(approach.right, 1)}
        assert scenario.network.edge_speed_ms(leg.bay) == pytest.approx(leg.speed_ms, abs=0.01)
        through = next(m for m in own if m.direction == "s")
        assert through.to_edge == exit_edge(section, leg.junction, leg.heading)


@pytest.mark.parametrize("name", ["jincheng", "shixin_short", "shixin"])
def test_existing_plans_fill_the_cycle_and_keep_the_limits(name: str, request: pytest.FixtureRequest) -> None:
    scenario: Scenario = request.getfixturevalue(name)
    section = load_section(name)
    for period, spec in section.corridor.periods.items():
        plans = plan_json.read(scenario.existing_plan_file(period)).plans[period]
        assert set(plans) == set(scenario.network.signals)
        for signal, plan in plans.items():
            limits = scenario.network.signals[signal].limits(scenario.timing)
            assert plan.cycle_s == spec.cycle_s.value == sum(stage.duration_s for stage in plan.stages)
            assert [stage.stage for stage in plan.stages] == list(range(len(limits.min_green_s)))
            for stage, minimum in zip(plan.stages, limits.min_green_s, strict=True):
                assert minimum <= stage.go_s <= limits.max_green_s
                assert (stage.yellow_s, stage.all_red_s) == (limits.yellow_s, limits.all_red_s)


def test_every_figure_has_a_grade(jincheng: Scenario) -> None:
    assert {row.grade for row in jincheng.assumptions} == {"A", "B", "C", "assumed"}
    assert any("main_lanes" in row.figure for row in jincheng.assumptions)


def test_a_scenario_folder_that_is_broken_is_refused(tmp_path: Path) -> None:
    from greenband.errors import BadInput

    with pytest.raises(BadInput, match=r"scenario\.json: not a scenario"):
        Scenario.load(tmp_path)
    (tmp_path / "scenario.json").write_text(json.dumps({"name": "x"}), encoding="utf-8")
    with pytest.raises(BadInput, match=r"scenario\.json: not a scenario"):
        Scenario.load(tmp_path)
