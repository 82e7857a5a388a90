"""Training by rollouts: what a run leaves behind, and that a resumed one comes to the same result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from safetensors.torch import load_file

from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.scenario import Scenario
from greenband.training import train
from greenband.training.rollouts import RolloutRun


@pytest.fixture(scope="module")
def tiny(jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario folder of one junction and a period of 4 minutes."""
    folder = tmp_path_factory.mktemp("scenarios") / "tiny"
    shutil.copytree(jincheng.folder, folder)
    shorten(jincheng, duration_s=180, warmup_s=60).model_copy(update={"name": "tiny", "folder": folder}).save()
    return folder


def composed(tiny: Path, out: Path, *more: str) -> dict[str, Any]:
    words = [
        *("scenario._target_=greenband.registry.scenario", f"scenario.name={tiny}", f"out={out}", "processes=1"),
        *("agent=rollouts", "agent.episodes=2", "agent.branches.share=0.5", "agent.branches.horizon_s=30"),
        *("agent.epochs=2", "agent.hidden=8", "agent.batch_size=16", "validation.seeds='1000'", "validation.jobs=1"),
        *more,
    ]
    with initialize_config_module("greenband.configs", version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", words), resolve=True)
    return dict(config)


def validations(run: Path) -> list[str]:
    """Steps, delay and violations of each; the time it took is another each time."""
    rows = (run / "validation.csv").read_text(encoding="utf-8").splitlines()[1:]
    return [",".join([*row.split(",")[:1], *row.split(",")[2:]]) for row in rows]


def test_a_resumed_run_comes_to_the_same_result(tiny: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    limits = "agent.wait_limit_s={AM: 90, OFF: 60}"
    train(composed(tiny, whole, "steps=400", limits))
    rounds = json.loads((whole / "rounds.json").read_text(encoding="utf-8"))["rounds"]
    assert rounds >= 2
    train(composed(tiny, parts, "steps=100", limits))
    assert json.loads((parts / "rounds.json").read_text(encoding="utf-8"))["rounds"] < rounds
    lost = parts / "rounds" / "001" / "0000.npz"  # as a killed run leaves it: one episode of a round that is not done
    lost.parent.mkdir(exist_ok=True)
    shutil.copy(whole / "rounds" / "001" / "0000.npz", lost)
    with (parts / "validation.csv").open("a", encoding="utf-8") as file:
        file.write("9999,1,1.0,0\n")  # and a validation that the checkpoint does not know
    train(composed(tiny, parts, "steps=400", limits, f"resume={parts}"))
    assert validations(parts) == validations(whole)
    assert validations(whole)[0].startswith("0,")
    for folder in ("best", "candidate"):
        ours, theirs = (load_file(run / folder / "policy.safetensors") for run in (parts, whole))
        assert all((ours[name] == theirs[name]).all() for name in theirs)
    assert list((whole / "tensorboard").glob("events.*"))
    policy: Any = resolve(str(whole)).make()
    assert (policy.interval_s, policy.network.wait_limit_s) == (5, {"AM": 90, "OFF": 60})
    with pytest.raises(BadInput, match="the run is finished"):
        train(composed(tiny, parts, "steps=400", limits, f"resume={parts}"))


def test_a_run_may_start_from_a_policy(tiny: Path, tmp_path: Path) -> None:
    train(composed(tiny, tmp_path / "one", "steps=10"))
    kept = load_file(tmp_path / "one" / "best" / "policy.safetensors")
    with pytest.raises(BadInput, match=r"has hidden=8, this run has agent\.hidden=16"):
        train(composed(tiny, tmp_path / "wide", "steps=10", f"start={tmp_path / 'one'}", "agent.hidden=16"))
    train(gradient(tiny, tmp_path / "two", tmp_path / "one", *PPO))
    begun = load_file(tmp_path / "two" / "candidate" / "policy.safetensors")
    assert all((begun[name] == kept[name]).all() for name in kept)


def test_when_the_time_is_over_the_rows_there_are_are_fitted(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seconds(run: Any) -> float:
        return 61.0 if len(list((run.folder / "rounds").rglob("*.npz"))) >= 3 else 0.0

    monkeypatch.setattr(RolloutRun, "seconds", property(seconds))
    train(composed(tiny, tmp_path, "minutes=1", "agent.episodes=9"))
    state = json.loads((tmp_path / "rounds.json").read_text(encoding="utf-8"))
    episodes = list((tmp_path / "rounds" / "000").iterdir())
    assert (state["rounds"], len(validations(tmp_path)), len(episodes)) == (1, 2, 3)
    monkeypatch.undo()
    train(composed(tiny, tmp_path, "minutes=null", f"steps={state['steps'] + 1}", f"resume={tmp_path}"))
    assert json.loads((tmp_path / "rounds.json").read_text(encoding="utf-8"))["rounds"] == 2


def test_the_last_round_has_as_many_episodes_as_there_is_time_for(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that counts 10 s for an episode and 20 s for a validation: 60 s are over after a round of two."""

    def seconds(run: Any) -> float:
        validated = validations(run.folder) if (run.folder / "validation.csv").is_file() else []
        return 10.0 * len(list((run.folder / "rounds").rglob("*.npz"))) + 20.0 * len(validated)

    monkeypatch.setattr(RolloutRun, "seconds", property(seconds))
    train(composed(tiny, tmp_path, f"minutes={95 / 60}"))
    episodes = list((tmp_path / "rounds" / "001").iterdir())
    state = json.loads((tmp_path / "rounds.json").read_text(encoding="utf-8"))
    assert (state["rounds"], len(episodes), state["seconds"]) == (2, 1, 90)
    with pytest.raises(BadInput, match="the run is finished; give more steps= or minutes="):
        train(composed(tiny, tmp_path, f"minutes={115 / 60}", f"resume={tmp_path}"))


PPO = ("agent.n_steps=16", "agent.batch_size=16", "steps=16")
DQN = (
    "agent=dqn",
    "agent.learning_starts=8",
    "agent.batch_size=8",
    "agent.target_update_interval=8",
    "agent.tau=1",
    "steps=16",
)


def gradient(tiny: Path, out: Path, start: Path, *more: str) -> dict[str, Any]:
    """A run of PPO or DQN that begins as another policy, whose shape it takes, and learns nothing."""
    words = [
        *("scenario._target_=greenband.registry.scenario", f"scenario.name={tiny}", "processes=1", f"out={out}"),
        *(f"start={start}", "validation.seeds='1000'", "agent.learning_rate=0", *more),
    ]
    with initialize_config_module("greenband.configs", version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", words), resolve=True)
    return dict(config)


def test_a_policy_of_two_parts_is_trained_on_in_every_way(tiny: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    train(composed(tiny, one, "steps=10"))
    train(composed(tiny, two, "steps=10", f"start={one}", "agent.first=0.5", "agent.rule=0.1"))
    card = json.loads((two / "candidate" / "card.json").read_text(encoding="utf-8"))
    assert card["parts"] == 2
    for name, words in {"ppo": PPO, "dqn": DQN}.items():
        train(gradient(tiny, tmp_path / name, two / "candidate", *words))
        kept, begun = (load_file(run / "candidate" / "policy.safetensors") for run in (two, tmp_path / name))
        assert begun.keys() == kept.keys()
        assert all((begun[weights] == kept[weights]).all() for weights in kept)
    train(composed(tiny, tmp_path / "three", "steps=10", f"start={two / 'candidate'}", "agent.first=0.5"))
    card = json.loads((tmp_path / "three" / "candidate" / "card.json").read_text(encoding="utf-8"))
    assert card["parts"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("agent.discount=2", "agent.discount=2"),
        ("agent.branches.share=0", "branches: share=0"),
        ("+agent.branches.speed=3", "configuration: agent: .*speed"),
        ("start=nowhere", "nowhere"),
    ],
)
def test_settings_that_cannot_be_are_refused(tiny: Path, tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        train(composed(tiny, tmp_path / "run", change))


def test_a_broken_checkpoint_is_refused(tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for text in ("nonsense", "[]", '{"steps": 3}'):
        (run / "rounds.json").write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match=r"rounds\.json: not a checkpoint"):
            train(composed(tiny, run, f"resume={run}"))
