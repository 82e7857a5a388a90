from __future__ import annotations

import json
from pathlib import Path

import pytest

from greenband.errors import BadInput
from greenband.formats import json as plan_json
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan


def plans() -> PlanSet:
    stages = (
        StageTiming(
            stage=0, name="main 直行", movements=("a>b",), green_s=20, green_flash_s=3, yellow_s=3, all_red_s=2
        ),
        StageTiming(stage=1, name="side", green_s=10, yellow_s=3, all_red_s=1),
    )
    plan = TimingPlan(signal="J1", name="morning", cycle_s=42, offset_s=7, stages=stages)
    return PlanSet(provenance=Provenance(subject="hand", scenario="none", seeds=(1000,)), plans={"AM": {"J1": plan}})


def test_round_trip_and_same_bytes(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        plan_json.write(plans(), tmp_path / name)
    assert plan_json.read(tmp_path / "one.json") == plans()
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def altered(path: Path, change: dict[str, object]) -> Path:
    plan_json.write(plans(), path)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["plans"]["AM"]["J1"].update(change)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_splits_that_do_not_sum_are_refused_in_one_line(tmp_path: Path) -> None:
    path = altered(tmp_path / "plan.json", {"cycle_s": 43})
    with pytest.raises(BadInput) as caught:
        plan_json.read(path)
    assert str(caught.value) == f"{path}: plans.AM.J1: signal J1: stages sum to 42 s, but cycle_s is 43"


def test_an_altered_plan_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"plan\.json: content_hash does not match"):
        plan_json.read(altered(tmp_path / "plan.json", {"offset_s": 8}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "not JSON"), ("[1]", "not a plan set"), ("{}", "provenance: Field required"), ("\ud800", "not JSON")],
)
def test_other_files_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput, match=reason):
        plan_json.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        plan_json.read(tmp_path / "no.json")
