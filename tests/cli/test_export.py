"""``greenband export``: many plans at a time, plans that a format cannot hold, and policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from greenband import formats
from greenband.agents.learned import save_policy
from greenband.agents.networks import StageScorer
from greenband.formats.json import write
from greenband.plan.describe import described
from greenband.plan.model import PlanSet, Provenance
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario

Program = Callable[..., tuple[int, str, str]]


def write_plan(path: Path, scenario: Scenario, cycle_s: int = 100) -> PlanSet:
    """A plan file for a scenario's junctions."""
    plans = {
        name: build_plan(signal, replace(signal.limits(scenario.timing), max_green_s=200), cycle_s, [3, 1, 2, 1])
        for name, signal in scenario.network.signals.items()
    }
    made = PlanSet(provenance=Provenance(subject="hand", scenario=scenario.name), plans={"AM": plans})
    whole = described(made, scenario)
    write(whole, path)
    return whole


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_of_many_plans_the_good_ones_are_written_and_the_bad_one_is_named(
    jincheng: Scenario, shixin_short: Scenario, program: Program
) -> None:
    good = {"one": write_plan(Path("one.json"), jincheng), "three": write_plan(Path("three.json"), shixin_short)}
    text = Path("one.json").read_text(encoding="utf-8")
    Path("two.json").write_text(text.replace('"cycle_s": 100', '"cycle_s": 101'), encoding="utf-8")
    words = ("export", "one.json", "two.json", "three.json", "--format", "json,csv", "--out")
    code, out, err = program(*words, "out", "--jobs", "2")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[-1] == "greenband: 1 of 3 plans not exported, see above"
    assert [line for line in lines if line.startswith("two.json: ")] == [
        "two.json: plans.AM.J11: signal J11: stages sum to 100 s, but cycle_s is 101"
    ]
    assert {path.name for path in Path("out").iterdir()} == set(good)
    for name, plans in good.items():
        assert formats.read_plan(Path("out") / name) == plans
        manifest = json.loads((Path("out") / name / "manifest.json").read_text(encoding="utf-8"))
        assert set(manifest["files"]) == {"json", "csv"}
    assert program(*words, "alone", "--jobs", "1")[0] == 2
    assert bytes_below(Path("alone")) == bytes_below(Path("out"))


def test_a_format_that_cannot_hold_a_plan_is_named_and_told_by_the_exit_code(
    jincheng: Scenario, program: Program
) -> None:
    """NTCIP holds cycles up to 255 s."""
    write_plan(Path("fits.json"), jincheng)
    write_plan(Path("long.json"), jincheng, cycle_s=280)
    code, out, err = program(
        "export", "--unchecked", "fits.json", "long.json", "--format", "all", "--out", "out", "--jobs", "1"
    )
    assert (code, out) == (1, "")
    refusals = [line for line in err.splitlines() if line.startswith("  not as ")]
    assert len(refusals) == 1
    assert refusals[0].startswith("  not as ntcip: junction J11, plan 'AM': a cycle of 280 s")
    assert Path("out/fits/ntcip").is_dir()
    assert not Path("out/long/ntcip").exists()
    assert Path("out/long/utdf").is_dir()
    code, _, err = program("export", "--unchecked", "long.json", "--format", "json,ntcip", "--out", "named")
    assert code == 2
    assert "a cycle of 280 s, and NTCIP allows" in err


@pytest.fixture
def run(program: Program) -> Path:
    """A training run's folder in the empty folder where the program runs."""
    save_policy(Path("runs/one/best"), StageScorer(8), {"interval_s": 5, "sensing_range_m": 80.0})
    return Path("runs/one")


def test_a_runs_policy_becomes_an_onnx_file_of_its_name(run: Path, program: Program) -> None:
    assert program("export", run, "--format", "onnx", "--out", "out")[0] == 0
    assert Path("out/one.onnx").stat().st_size > 1000


def test_what_is_no_policy_is_refused(run: Path, program: Program) -> None:
    code, _, err = program("export", "runs", "--format", "onnx", "--out", "out")
    assert (code, err) == (2, "greenband: runs: holds no policy; format onnx is for training runs and policy folders\n")
    code, _, err = program("export", run, run / "best" / ".." / ".." / "one", "--format", "onnx", "--out", "out")
    assert code == 2
    assert "two policies have the same name" in err
    code, _, err = program("export", run, "--format", "onnx,csv", "--out", "out")
    assert code == 2
    assert "unknown format 'onnx'" in err
    assert not Path("out").exists()


def test_a_plan_that_breaks_a_rule_is_not_exported(jincheng: Scenario, program: Program) -> None:
    """But for JSON, which is no table for controllers, where that is asked for, or where it is waived."""
    write_plan(Path("long.json"), jincheng, cycle_s=280)
    code, out, err = program("export", "long.json", "--format", "csv", "--out", "tables")
    assert (code, out) == (2, "")
    assert "long.json: breaks" in err
    assert "min-green at J11 AM" in err
    assert not Path("tables").exists()
    assert program("export", "long.json", "--format", "json", "--out", "tables")[0] == 0
    assert program("export", "long.json", "--format", "csv", "--out", "tables", "--unchecked")[0] == 0
    rules = ("min-green", "max-red")
    Path("ours.yaml").write_text("".join(f"- {{rule: {rule}, reason: tunnel, by: the office}}\n" for rule in rules))
    assert program("export", "long.json", "--format", "csv", "--out", "waived", "--waivers", "ours.yaml")[0] == 0
    assert program("export", "long.json", "--format", "csv", "--out", "us", "--profile", "us")[0] == 2
