"""Plans add up, say which stage a second belongs to, and come back from a file as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from greenband.agents.planned import GreenWave
from greenband.errors import BadInput
from greenband.formats import json as plan_json
from greenband.plan.describe import described
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.scenario import Scenario

Greens = list[tuple[int, int]]


def stage(number: int, green: int, flash: int = 3) -> StageTiming:
    return StageTiming(
        stage=number, name=f"stage {number}", green_s=green, green_flash_s=flash, yellow_s=3, all_red_s=2
    )


def plan(greens: Greens, offset: int = 0) -> TimingPlan:
    stages = tuple(stage(number, green) for number, green in greens)
    return TimingPlan(signal="J", cycle_s=sum(s.duration_s for s in stages), offset_s=offset, stages=stages)


def plans(**more: Any) -> PlanSet:
    return PlanSet(
        provenance=Provenance(subject="test", scenario="s", **more), plans={"AM": {"J": plan([(0, 20), (1, 10)])}}
    )


def test_stage_times() -> None:
    assert (stage(0, 20).go_s, stage(0, 20).duration_s) == (23, 28)


def test_the_stage_of_every_second_by_hand() -> None:
    """Stage 0 green 0 to 22, its intergreen 23 to 27; stage 2 green 28 to 40, its intergreen 41 to 45; cycle 46."""
    made = plan([(0, 20), (2, 10)], offset=6)
    wanted = [made.stage_at(6 + t) for t in range(46)]
    assert wanted == [0] * 23 + [2] * 18 + [0] * 5
    assert made.stage_at(5) == made.stage_at(5 + 46 * 1000) == 0
    assert made.stage_at(6 + 23) == 2


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_each_stage_is_wanted_for_its_green_and_the_intergreen_before(
    greens: list[int], offset: int, begin: int
) -> None:
    whole = plan(list(enumerate(greens)))
    made = whole.model_copy(update={"offset_s": offset % whole.cycle_s})
    wanted = [made.stage_at(t) for t in range(begin, begin + made.cycle_s)]
    assert {k: wanted.count(k) for k in range(len(greens))} == {k: s.duration_s for k, s in enumerate(made.stages)}
    assert made.stage_at(made.offset_s) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cycle_s": 47}, "stages sum to 46 s, but cycle_s is 47"),
        ({"offset_s": 46}, "must be below cycle_s"),
        ({"stages": []}, "at least 1"),
        ({"nonsense": 1}, "nonsense"),
        ({"offset_s": -1}, "offset_s"),
    ],
)
def test_a_plan_that_does_not_add_up_is_refused(change: dict[str, object], message: str) -> None:
    data = plan([(0, 20), (2, 10)]).model_dump()
    TimingPlan.model_validate(data)
    with pytest.raises(ValidationError, match=message):
        TimingPlan.model_validate({**data, **change})


def test_a_stage_may_appear_once() -> None:
    with pytest.raises(ValidationError, match="appears twice"):
        plan([(0, 20), (0, 10)])


def test_a_plan_is_filed_under_its_signal() -> None:
    origin = Provenance(subject="test", scenario="s")
    with pytest.raises(ValidationError, match="plan of J is filed under K"):
        PlanSet(provenance=origin, plans={"AM": {"K": plan([(0, 20)])}})
    nothing: list[dict[str, dict[str, TimingPlan]]] = [{}, {"AM": {}}]
    for empty in nothing:
        with pytest.raises(ValidationError, match="at least one"):
            PlanSet(provenance=origin, plans=empty)


def test_the_hash_is_of_the_tables_alone() -> None:
    assert plans().content_hash == plans(seeds=(1, 2), note="other").content_hash
    moved = PlanSet(provenance=plans().provenance, plans={"AM": {"J": plan([(0, 20), (1, 10)], offset=1)}})
    assert moved.content_hash != plans().content_hash


def test_a_file_gives_back_the_plans_and_notices_changes(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    plan_json.write(plans(seeds=(1,)), path)
    assert plan_json.read(path) == plans(seeds=(1,))
    assert [(period, p.signal) for period, p in plan_json.read(path)] == [("AM", "J")]
    data = json.loads(path.read_text(encoding="utf-8"))
    data["plans"]["AM"]["J"]["offset_s"] = 9
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadInput, match=r"plan\.json: content_hash does not match"):
        plan_json.read(path)
    data["plans"]["AM"]["J"]["offset_s"] = 99
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadInput, match=r"plan\.json: plans\.AM\.J: .*must be below cycle_s"):
        plan_json.read(path)


def test_the_published_schema_is_that_of_the_model(jincheng: Scenario, tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    published = Path(__file__).parents[2] / "docs" / "plan.schema.json"
    assert published.read_text(encoding="utf-8") == PlanSet.schema_text(), "make docs"
    schema = json.loads(PlanSet.schema_text())
    Draft202012Validator.check_schema(schema)
    plan_json.write(described(GreenWave().plan_set(jincheng, ["AM"]), jincheng), tmp_path / "plan.json")
    data = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(data)
    data["plans"]["AM"]["J11"]["cycle_s"] = "ninety"
    assert [error.json_path for error in Draft202012Validator(schema).iter_errors(data)] == ["$.plans.AM.J11.cycle_s"]
