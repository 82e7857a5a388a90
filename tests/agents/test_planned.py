"""Methods that make plans: each is a controller, and its plans keep to what every other subject keeps to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from greenband import registry
from greenband.agents.fixed import FixedPlan
from greenband.agents.planned import GreenWave, Webster
from greenband.control import run
from greenband.errors import UnknownName
from greenband.evaluation import Subject, evaluate, resolve, settled
from greenband.plan.planner import Planner
from greenband.scenario import Scenario


@pytest.mark.parametrize("name", ["webster", "greenwave", "simopt"])
def test_each_is_a_planner_with_the_longest_cycle_from_its_configuration(name: str) -> None:
    assert isinstance(registry.controller(name), Planner)
    with pytest.raises(UnknownName, match="max_cycle_s"):
        registry.controller(name, max_cycle=100)


@pytest.mark.parametrize("method", [Webster, GreenWave])
def test_the_plans_keep_the_limits_and_say_where_they_come_from(
    method: type[Webster] | type[GreenWave], shixin_short: Scenario
) -> None:
    plans = method().plan_set(shixin_short, ["AM", "PM"])
    assert set(plans.plans) == {"AM", "PM"}
    FixedPlan(plans).reset(shixin_short, "AM")  # which refuses plans that break limits
    assert plans.provenance.subject == method.__name__.lower()
    assert "AM: cycle 87 s" in plans.provenance.note
    assert "PM: cycle 8" in plans.provenance.note


def test_the_whole_day_follows_its_parts(jincheng: Scenario) -> None:
    plans = Webster().plan_set(jincheng, ["day"])
    assert set(plans.plans) == {switch.period for switch in jincheng.period("day").plans}
    controller = Webster()
    assert set(controller.reset(jincheng, "day")) == {"J11"}


def test_the_longest_cycle_can_be_set(jincheng: Scenario) -> None:
    method = registry.controller("webster", max_cycle_s=70)
    assert isinstance(method, Planner)
    plans = method.plan_set(jincheng, ["AM"])
    assert plans.plans["AM"]["J11"].cycle_s == 70


def test_it_runs_at_its_cycle(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    executed = run(Webster(), shorten(jincheng, duration_s=300), "AM", 0)["J11"]
    starts = [time for time, stage in executed if stage == 0][1:]
    assert {b - a for a, b in pairwise(starts)} == {75}


def test_plans_are_made_once_and_stand_in_for_their_maker(jincheng: Scenario, tmp_path: Path) -> None:
    subjects = [resolve("webster"), resolve("maxwave")]
    with settled(subjects, jincheng, ["AM"]) as ready:
        assert [subject.name for subject in ready] == ["webster", "maxwave"]
        assert ready[0].config is None
        assert ready[0].plan is not None
        assert ready[0].plan.is_file()
        assert ready[1] == subjects[1]
    assert not ready[0].plan.exists()


def test_files_that_change_meanwhile_change_nothing(jincheng: Scenario, tmp_path: Path) -> None:
    plan, policy = tmp_path / "own.json", tmp_path / "best"
    shutil.copy(jincheng.existing_plan_file("AM"), plan)
    policy.mkdir()
    (policy / "card.json").write_text("first", encoding="utf-8")
    stand_in = {"_target_": "types.SimpleNamespace", "folder": str(policy)}
    subjects = [Subject("own", plan=plan), Subject("run", config=stand_in)]
    with settled(subjects, jincheng, ["AM"]) as (kept, learned):
        before = kept.make().reset(jincheng, "AM")
        plan.unlink()
        (policy / "card.json").write_text("second", encoding="utf-8")
        assert kept.make().reset(jincheng, "AM") == before
        assert learned.config is not None
        assert Path(learned.config["folder"], "card.json").read_text(encoding="utf-8") == "first"


def test_an_evaluation_of_a_method_is_that_of_its_plan(
    jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    from greenband.formats import json as plan_json

    short, path = shorten(jincheng, duration_s=120, warmup_s=30), tmp_path / "own.json"
    plan_json.write(Webster().plan_set(short, ["AM"]), path)
    result = evaluate([resolve("webster"), Subject("own", plan=path)], short, "AM", [0])
    first, second = result.subjects
    assert first.per_seed == second.per_seed
    assert first.violations == 0
