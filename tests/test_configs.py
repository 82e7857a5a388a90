"""Every configuration file can be used, alone and composed, and a sweep runs every combination."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from greenband import registry
from greenband.cli.train import GROUPS
from greenband.control import Controller
from greenband.envs import EpisodeConfig, RewardWeights
from greenband.evaluation import parse_seeds
from greenband.scenario import Scenario
from greenband.sensing import SensingConfig

ROOT = Path(__file__).parents[1] / "configs"
EVERY = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.yaml"))
FILES = [file for file in EVERY if not file.startswith("hydra/")]  # those are Hydra's groups, see test_sweeps.py
OPTIONS = [(file.partition("/")[0], Path(file).stem) for file in FILES if "/" in file]
IN_TRAINING = [(group, name) for group, name in OPTIONS if group in GROUPS]


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("greenband.configs", version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", ["out=x", *overrides]), resolve=True)
    return dict(config)


def test_files_are_where_they_are_looked_for() -> None:
    assert "train.yaml" in FILES
    assert [file for file in FILES if file.count("/") != 1] == ["train.yaml"]
    for group in {group for group, _ in OPTIONS}:
        assert registry.names(group) == [name for g, name in OPTIONS if g == group]
    assert {group for group, _ in OPTIONS} == {*GROUPS, "controller"}


@pytest.mark.parametrize(("group", "name"), IN_TRAINING)
def test_training_composes_with_each_option(group: str, name: str) -> None:
    config = composed(f"{group}={name}")
    plain = yaml.safe_load((ROOT / group / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config[group]["_target_"] == plain["_target_"]
    episode = registry.instantiate(config["env"])
    assert isinstance(episode, EpisodeConfig)
    assert episode.sensing == registry.instantiate(config["sensing"])
    assert episode.reward == registry.instantiate(config["reward"])
    assert parse_seeds(config["validation"]["seeds"])
    assert min(parse_seeds(config["validation"]["seeds"])) >= 1000


@pytest.mark.parametrize(("group", "name"), [(g, n) for g, n in OPTIONS if g not in ("agent", "env")])
def test_each_option_makes_what_its_group_is_of(group: str, name: str) -> None:
    # env options need sensing and are made above; agents need an environment, see tests/agents/test_policies.py
    kinds: dict[str, Any] = {
        "scenario": Scenario,
        "sensing": SensingConfig,
        "controller": Controller,
        "reward": RewardWeights,
    }
    made = registry.make(group, name)
    assert isinstance(made, kinds[group])
    if group == "scenario":
        assert made.name == name


def test_a_reward_is_that_of_the_mode_unless_another_is_asked_for() -> None:
    assert registry.make("reward", "progress") == RewardWeights()
    for words, option in [
        ([], "progress"),
        (["env=cycle"], "network"),
        (["env=cycle", "reward=delay"], "delay"),
        (["reward=pressure", "env=cycle"], "pressure"),
    ]:
        assert registry.instantiate(composed(*words)["env"]).reward == registry.make("reward", option), words
    weighted = composed("reward=delay", "reward.switch=0.2")
    assert registry.instantiate(weighted["env"]).reward == RewardWeights(progress=0.0, delay=1.0, switch=0.2)


def test_the_default_periods_exist_in_every_scenario() -> None:
    for name in registry.names("scenario"):
        assert set(composed()["env"]["periods"]) <= set(registry.scenario(name).periods)


def test_a_sweep_runs_every_combination(jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file in jincheng.folder.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "scenario.json").unlink()
    shorten(jincheng, duration_s=30, warmup_s=10).model_copy(update={"folder": folder}).save()
    words = [
        *("scenario._target_=greenband.registry.scenario", f"scenario.name={folder}", "processes=1", "steps=8"),
        *("validation.seeds='1000'", "validation.jobs=1", "scenario=jincheng", "agent=ppo,dqn", "seed=1,2"),
    ]
    command = [sys.executable, "-c", "from greenband.cli import main; main()", "train", "-m", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    runs = [path for path in (tmp_path / "runs").iterdir() if (path / "best" / "card.json").is_file()]
    kinds = sorted(path.name.split("_jincheng_")[1] for path in runs)
    assert kinds == ["dqn_1_2", "dqn_2_3", "ppo_1_0", "ppo_2_1"]  # learner, seed, job
    assert [path.name for path in (tmp_path / "runs").iterdir() if path not in runs] == ["sweeps"]  # Hydra's own notes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "tiny"]
    for run in runs:
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        assert (config["agent"]["_target_"].rpartition(".")[2], str(config["seed"])) == tuple(
            run.name.split("_jincheng_")[1].split("_")[:2]
        )
