"""``greenband plan --period day``: the day is cut, and its plans run wherever plans run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from greenband.demand import save_profile
from greenband.formats import json as plan_json
from greenband.scenario import PlanSwitch, Scenario

Program = Callable[..., tuple[int, str, str]]

SPANNED = (PlanSwitch(time_s=28800, period="AM"), PlanSwitch(time_s=32400, period="OFF"))


@pytest.fixture
def calm(jincheng: Scenario, tmp_path: Path) -> Path:
    """A scenario folder with a day of two hours, 08:00 to 10:00, in the first of which there is more traffic."""
    folder = tmp_path / "calm"
    shutil.copytree(jincheng.folder, folder)
    slices = [(28800, 32400, "demand_AM.json", 0.2), (32400, 36000, "demand_NIGHT.json", 0.5)]
    save_profile(folder / "calm.profile.json", slices)
    day = jincheng.period("day").model_copy(
        update={"begin_s": 28800, "duration_s": 7200, "demand": "calm.profile.json", "plans": SPANNED}
    )
    hour = jincheng.period("OFF").model_copy(update={"begin_s": 32100, "duration_s": 600, "warmup_s": 60})
    update = {"name": "calm", "folder": folder, "periods": {"day": day, "AM": jincheng.period("AM"), "OFF": hour}}
    jincheng.model_copy(update=update).save()
    return folder


def test_a_day_is_cut_into_plans_that_run_everywhere(calm: Path, program: Program) -> None:
    words = ("--period", "day", "--plans", "2", "--compare", "5", "--jobs", "2")
    code, _, err = program("plan", "maxpressure", "-s", calm, "--out", "made", *words)
    assert code == 0, err
    assert "day cut into 2 plans with 2 changes" in err
    rows = [line.split() for line in err.splitlines() if re.match(r"P[12] +[0-9]{2}:", line)]
    assert [row[:3] for row in rows] == [
        ["P2", "00:00", "08:00"],
        ["P1", "08:00", "09:00"],
        ["P2", "09:00", "24:00"],
    ]
    plans = plan_json.read(Path("made/plan.json"))
    assert [row[3] for row in rows] == [str(plans.plans[row[0]]["J11"].cycle_s) for row in rows]
    assert plans.provenance.seeds == (10000,)
    compared = json.loads(Path("made/results.json").read_text(encoding="utf-8"))
    assert [subject["name"] for subject in compared["subjects"]] == ["existing", "maxpressure", "plan"]
    assert compared["period"] == "day"
    assert all(subject["violations"] == 0 for subject in compared["subjects"])
    code, _, err = program(
        "evaluate", "made/plan.json", "-s", calm, "--period", "OFF", "--seeds", "5", "--json", "r.json"
    )
    assert code == 0, err
    (subject,) = json.loads(Path("r.json").read_text(encoding="utf-8"))["subjects"]
    assert subject["violations"] == 0
    assert "plans" not in subject or not subject["plans"]  # they change at 09:00, within the period
    code, _, err = program("check", "made/plan.json", "-s", calm)
    assert code == 0, err
    code, _, err = program(
        "export", "made/plan.json", "-s", calm, "--out", "tables", "--format", "sumo,csv,json,gat1049"
    )
    assert code == 0, err
