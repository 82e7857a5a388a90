"""Runs on disk: read back exactly, and only for the very same plan, road, traffic and settings."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from greenband.evaluation import Subject, resolve
from greenband.evaluation.store import Store, _code, fingerprint
from greenband.evaluation.tasks import Run, Task
from greenband.incident import Incident
from greenband.junction_metrics import Place
from greenband.monitor import Violation
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig

RUN = Run(
    {"delay_s": 0.1 + 0.2, "mainline_speed_kmh": math.inf},
    (Violation("J11", 27000, 3, "all-red", "too short"),),
    1,
    2,
    {},
    (Place("junction", "J11", "J11", {"control_delay_s": 1 / 3}),),
)


@pytest.fixture
def task(jincheng: Scenario) -> Task:
    return Task(resolve("existing"), jincheng, "AM", 3)


def test_a_run_comes_back_as_it_was(task: Task, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    assert (store.get(task), len(store)) == (None, 0)
    store.put(task, RUN)
    assert (store.get(task), len(store)) == (RUN, 1)
    assert store.get(replace(task, seed=4)) is None
    (store.folder / "notes.json").write_text("somebody's own", encoding="utf-8")
    assert len(store) == 1
    store.remove()
    assert [path.name for path in store.folder.iterdir()] == ["notes.json"]
    (store.folder / "notes.json").unlink()
    store.remove()
    assert not store.folder.exists()


def test_runs_kept_inside_the_scenario_do_not_change_it(task: Task, jincheng: Scenario, tmp_path: Path) -> None:
    shutil.copytree(jincheng.folder, tmp_path / "road")
    inside = replace(task, scenario=jincheng.model_copy(update={"folder": tmp_path / "road"}))
    store = Store(tmp_path / "road" / "r.json.runs")
    store.put(inside, RUN)
    assert store.get(inside) == RUN


def test_other_code_is_another_run(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agents.py").write_text("a = 1", encoding="utf-8")
    monkeypatch.setattr("greenband.evaluation.store.files", lambda package: tmp_path)
    _code.cache_clear()
    before = fingerprint(task)
    (tmp_path / "agents.py").write_text("a = 2", encoding="utf-8")
    _code.cache_clear()
    assert fingerprint(task) != before
    _code.cache_clear()


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"metrics": {}, "places": [{}]}'])
def test_a_file_that_cannot_be_read_is_no_run(text: str, task: Task, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(task, RUN)
    (file,) = tmp_path.iterdir()
    file.write_text(text, encoding="utf-8")
    assert store.get(task) is None


def test_other_settings_are_other_runs(task: Task) -> None:
    cut = task.scenario.model_copy(update={"periods": {"AM": task.scenario.period("PM")}})
    seeing = replace(task.subject, sensing=SensingConfig(120.0))
    variants = [
        task,
        replace(task, subject=resolve("maxpressure")),
        replace(task, subject=seeing),
        replace(task, period="PM"),
        replace(task, scenario=cut),
        replace(task, seed=4),
        replace(task, demand=1.2),
        replace(task, incident=Incident("a_1", 30.0, 27000)),
        replace(task, emissions=True),
    ]
    assert len({fingerprint(variant) for variant in variants}) == len(variants)
    assert fingerprint(replace(task, subject=resolve("existing"))) == fingerprint(task)


def test_content_counts_not_place(task: Task, jincheng: Scenario, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    shutil.copy(jincheng.existing_plan_file("AM"), plan)
    before = fingerprint(replace(task, subject=Subject("plan", plan=plan)))
    shutil.copy(plan, tmp_path / "other.json")
    assert fingerprint(replace(task, subject=Subject("other", plan=tmp_path / "other.json"))) == before
    data = json.loads(plan.read_text(encoding="utf-8"))
    plan.write_text(json.dumps(data, indent=3), encoding="utf-8")
    assert fingerprint(replace(task, subject=Subject("plan", plan=plan))) != before


def test_a_changed_road_or_policy_is_another(task: Task, jincheng: Scenario, tmp_path: Path) -> None:
    shutil.copytree(jincheng.folder, tmp_path / "road")
    moved = replace(task, scenario=jincheng.model_copy(update={"folder": tmp_path / "road"}))
    assert fingerprint(moved) == fingerprint(task)
    flows = tmp_path / "road" / jincheng.period("AM").demand
    flows.write_text(flows.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert fingerprint(moved) != fingerprint(task)
    (tmp_path / "policy").mkdir()
    policy = Subject("p", config={"_target_": "a.b", "folder": str(tmp_path / "policy")})
    (tmp_path / "policy" / "card.json").write_text("1", encoding="utf-8")
    before = fingerprint(replace(task, subject=policy))
    (tmp_path / "policy" / "card.json").write_text("22", encoding="utf-8")
    assert fingerprint(replace(task, subject=policy)) != before
