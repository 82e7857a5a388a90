"""What a SUBJECT on the command line may be, and what is said of anything else."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from greenband import formats, registry
from greenband.agents.fixed import FixedPlan
from greenband.agents.learned import LearnedController, save_policy
from greenband.agents.networks import StageScorer
from greenband.control import Controller
from greenband.errors import BadInput, UnknownName
from greenband.evaluation import resolve
from greenband.plan.describe import described
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig

SENSING = SensingConfig(120.0, miss_rate=0.1, dropout_per_h=0.5, dropout_s=60.0)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A training run that has kept a policy."""
    torch.manual_seed(0)
    save_policy(tmp_path / "run7" / "best", StageScorer(8), {"interval_s": 5, "sensing": asdict(SENSING)})
    (tmp_path / "run7" / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    return tmp_path / "run7"


@pytest.fixture
def existing(jincheng: Scenario) -> PlanSet:
    return formats.read_plan(jincheng.existing_plan_file("AM"))


@pytest.mark.parametrize("name", registry.names("controller"))
def test_a_controller_by_name(name: str) -> None:
    subject = resolve(name)
    assert (subject.name, subject.plan, subject.sensing) == (name, None, None)
    assert isinstance(subject.make(), Controller)
    assert pickle.loads(pickle.dumps(subject)) == subject


@pytest.mark.parametrize("inside", ["", "best", "best/policy.safetensors"])
def test_a_run_a_policy_folder_and_a_policy_file(inside: str, run_folder: Path) -> None:
    subject = resolve(str(run_folder / inside))
    assert subject.name == {"": "run7", "best": "best", "best/policy.safetensors": "policy"}[inside]
    assert subject.sensing == SENSING
    assert isinstance(subject.make(), LearnedController)
    assert pickle.loads(pickle.dumps(subject)) == subject


def test_the_reference_is_the_policy_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subject = resolve("reference")
    assert (subject.name, subject.sensing) == ("reference", SensingConfig())
    assert isinstance(subject.make(), LearnedController)
    assert pickle.loads(pickle.dumps(subject)) == subject


def test_a_card_may_name_the_cameras_range_alone(run_folder: Path) -> None:
    path = run_folder / "best" / "card.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    del card["sensing"]
    path.write_text(json.dumps({**card, "sensing_range_m": 60.0}), encoding="utf-8")
    assert resolve(str(run_folder)).sensing == SensingConfig(60.0)


@pytest.mark.parametrize("suffix", [".zip", ".pt", ".pkl"])
def test_a_file_that_would_run_code_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"policy{suffix}"
    path.write_bytes(b"")
    with pytest.raises(BadInput, match=r"would run code that is inside.*--trust"):
        resolve(str(path))


def test_two_runs_can_be_told_apart(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_folder)
    assert resolve(".").name == "run7"


def test_plans_in_every_format(jincheng: Scenario, existing: PlanSet, tmp_path: Path) -> None:
    formats.write(described(existing, jincheng), "all", tmp_path / "tables")
    for inside in ("", "plan.json", "csv", "plan.add.xml"):
        subject = resolve(str(tmp_path / "tables" / inside))
        made = subject.make()
        assert isinstance(made, FixedPlan)
        made.reset(jincheng, "AM")


def test_neither_name_nor_path_gets_the_nearest_match(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown subject .*'maxpresure': .*did you mean 'maxpressure'"):
        resolve("maxpresure")
    with pytest.raises(UnknownName, match="unknown subject"):
        resolve(str(tmp_path / "gone.json"))


def test_a_run_without_policy_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    with pytest.raises(BadInput, match="has not kept a policy yet"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[1]", '{"sensing_range_m": "far"}', '{"sensing_range_m": null}'),
        *(
            '{"sensing": 3}',
            '{"sensing": {"reach": 80}}',
            '{"sensing": {"range_m": "far"}}',
            '{"sensing": {"noise": -1}}',
        ),
    ],
)
def test_a_broken_card_is_refused_at_once(text: str, run_folder: Path) -> None:
    (run_folder / "best" / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"card\.json: not a policy card"):
        resolve(str(run_folder))


def test_broken_weights_are_refused_at_once(run_folder: Path) -> None:
    (run_folder / "best" / "policy.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"policy\.safetensors: not the weights"):
        resolve(str(run_folder)).make()


@pytest.mark.parametrize("name", ["plan.json", "plan.add.xml", "notes.txt"])
def test_files_that_hold_no_plan_are_refused_at_once(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("<additional><tlLogic", encoding="utf-8")
    with pytest.raises(BadInput, match=name.replace(".", r"\.")):
        resolve(str(tmp_path / name))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no plan"):
        resolve(str(tmp_path / "empty"))


def test_a_plan_whose_splits_do_not_sum_is_named(
    jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    data = json.loads(jincheng.existing_plan_file("AM").read_text(encoding="utf-8"))
    data["plans"]["AM"]["J11"]["stages"][0]["green_s"] += 5
    (tmp_path / "wrong.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadInput, match=r"wrong\.json: .*J11: stages sum to \d+ s, but cycle_s is \d+"):
        resolve(str(tmp_path / "wrong.json"))
