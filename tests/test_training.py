"""Training runs: what they leave behind, how they stop and go on, and what is refused."""

from __future__ import annotations

import csv
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from greenband import tracking
from greenband.agents.learned import CycleController, LearnedController
from greenband.envs.vector import CorridorVecEnv
from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.revision import revision
from greenband.sensing import SensingConfig
from greenband.training import train

PROGRAM = [sys.executable, "-c", "from greenband.cli import main; main()"]


def overrides(tiny: Path, out: Path, *more: str) -> list[str]:
    """Hydra's words for a run of a few seconds."""
    return [
        *("scenario._target_=greenband.registry.scenario", f"scenario.name={tiny}", f"out={out}", "processes=1"),
        *("validation.seeds='1000'", "validation.every_steps=48", "validation.jobs=1", "steps=64"),
        *(() if "agent=dqn" in more else ("agent.n_steps=16", "agent.batch_size=16", "agent.n_epochs=1")),
        *more,
    ]


def composed(tiny: Path, out: Path, *more: str) -> dict[str, Any]:
    with initialize_config_module("greenband.configs", version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", overrides(tiny, out, *more)), resolve=True)
    return dict(config)


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that came to its end; tests copy it before they change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert train(composed(tiny, out)) == out
    return out


def checkpoint(run: Path) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)
    return saved


def validations(run: Path) -> list[dict[str, str]]:
    with (run / "validation.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_policy_checkpoint_validation_and_log(finished: Path) -> None:
    rows = validations(finished)
    assert [row["steps"] for row in rows] == ["48", "64"]
    assert all(row["violations"] == "0" and float(row["delay_s"]) > 0 for row in rows)
    card = json.loads((finished / "best" / "card.json").read_text(encoding="utf-8"))
    assert card["validation"] == {
        "seeds": [1000],
        "delay_s": pytest.approx(min(float(r["delay_s"]) for r in rows), abs=1e-3),
    }
    assert (card["scenario"], card["periods"], card["seed"]) == ("tiny", ["AM"], 0)
    assert card["config"]["agent"]["n_steps"] == 16
    assert card["revision"] == revision()
    assert SensingConfig(**card["sensing"]) == resolve(str(finished)).sensing == SensingConfig()
    assert checkpoint(finished)["state"]["steps"] == 64
    assert list((finished / "tensorboard").rglob("events.*"))
    assert yaml.safe_load((finished / "config.yaml").read_text(encoding="utf-8"))["steps"] == 64
    assert isinstance(resolve(str(finished)).make(), LearnedController)
    assert resolve(str(finished)).name == "finished"


def test_a_run_without_progress_ends_early(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    standing = ("agent.learning_rate=0", "validation.every_steps=16", "validation.patience=2", "steps=160")
    train(composed(tiny, out, *standing))
    assert [row["steps"] for row in validations(out)] == ["16", "32", "48"]
    assert "ended early: 2 validations in a row brought no better policy" in capsys.readouterr().err
    card = json.loads((out / "best" / "card.json").read_text(encoding="utf-8"))
    assert card["steps"] == 16
    with pytest.raises(BadInput, match="run is finished: 2 validations in a row brought no better policy"):
        train(composed(tiny, out, *standing, f"resume={out}"))


def test_figures_go_to_trackers_too(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, dict[str, Any]]] = []

    class Noted:
        id = "7"

        def __init__(self, folder: Path, settings: dict[str, Any], known: str | None) -> None:
            assert (folder, settings["seed"], known) == (tmp_path / "run", 0, None)

        def write(self, figures: dict[str, Any], step: int) -> None:
            seen.append((step, dict(figures)))

        def close(self) -> None:
            seen.append((-1, {}))

    monkeypatch.setitem(tracking.TRACKERS, "mlflow", Noted)
    train(composed(tiny, tmp_path / "run", "trackers=[mlflow]", "validation.every_steps=16"))
    assert seen[-1] == (-1, {})
    delays = [figures["validation/delay_s"] for _, figures in seen if "validation/delay_s" in figures]
    noted = [float(row["delay_s"]) for row in validations(tmp_path / "run")]
    assert delays == pytest.approx(noted[: len(delays)], abs=1e-3)
    assert len(delays) >= 2
    with pytest.raises(BadInput, match="unknown tracker 'tensorbord'"):
        train(composed(tiny, tmp_path / "other", "trackers=[tensorbord]"))


def test_a_curriculum_goes_by_the_share_of_the_run(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    real = CorridorVecEnv._next_episode

    def note(self: CorridorVecEnv, k: int) -> tuple[int, int]:
        seed, lesson = real(self, k)
        begun.append(lesson)
        return seed, lesson

    monkeypatch.setattr(CorridorVecEnv, "_next_episode", note)
    lessons = "env.curriculum=[{until: 0.4, demand: [0.5]}]"
    train(composed(tiny, tmp_path / "run", lessons, "validation.every_steps=64"))
    assert begun == [0, 0, 1, 1, 1]  # an episode is 16 decisions, a quarter of the run


def test_starting_over_a_run_is_refused(tiny: Path, finished: Path) -> None:
    with pytest.raises(BadInput, match="holds a training run already; resume it or choose out="):
        train(composed(tiny, finished))


def test_resuming_a_folder_without_checkpoint_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no checkpoint to resume"):
        train(composed(tiny, tmp_path, f"resume={tmp_path}"))


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_bad_checkpoint_is_refused_and_runs_no_code(tiny: Path, finished: Path, tmp_path: Path) -> None:
    run, mark = tmp_path / "run", tmp_path / "code ran"
    shutil.copytree(finished, run)
    good = (run / "checkpoint.pt").read_bytes()
    config = composed(tiny, run, f"resume={run}")

    def refused(data: bytes) -> None:
        (run / "checkpoint.pt").write_bytes(data)
        with pytest.raises(BadInput, match=r"checkpoint\.pt: (not a checkpoint|does not fit)"):
            train(config)

    for data in (b"", b"nonsense", good[: len(good) // 2], pickle.dumps(Bomb(mark)), pickle.dumps({"state": 3})):
        refused(data)
    contents: list[Any] = [Bomb(mark), {"state": Bomb(mark)}, [1, 2], {"state": {}, "policy": {}}]
    for content in contents:
        torch.save(content, run / "checkpoint.pt")
        refused((run / "checkpoint.pt").read_bytes())
    torch.save({**checkpoint(finished), "state": {"steps": "many"}}, run / "checkpoint.pt")
    refused((run / "checkpoint.pt").read_bytes())
    torch.save(
        {**checkpoint(finished), "policy": {}, "state": {**checkpoint(finished)["state"], "steps": 1}},
        run / "checkpoint.pt",
    )
    refused((run / "checkpoint.pt").read_bytes())
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("steps=0", "configuration: steps=0: .*greater than 0"),
        ("minutes=-1", "configuration: minutes=-1: .*greater than 0"),
        ("processes=0", "configuration: processes=0"),
        ("validation.seeds=x:y", "seeds 'x:y'"),
        ("env.periods=[XM]", "unknown period of tiny 'XM'"),
        ("env.interval_s=0", "interval_s must be at least 1 s"),
        ("env.demand=[-1.0]", "demand factors must be above 0"),
        ("sensing.range_m=-1", "sensing range_m must be above 0"),
        ("reward.delay=lots", "reward.delay=lots: must be a finite number"),
        ("reward.delay=inf", "reward.delay=inf: must be a finite number"),
        ("agent.gamma=x", "agent.gamma='x': must be a number"),
        ("agent.hidden=x", "agent.hidden='x': must be a number"),
        ("agent.wait_limit_s={AM: 90}", "agent.wait_limit_s={'AM': 90}: must be a number"),
        ("agent.learning_rate=x", "agent.learning_rate='x': must be a number"),
        ("+agent.gama=0.9", "gama"),
    ],
)
def test_settings_out_of_range_are_named(change: str, message: str, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        train(composed(tiny, tmp_path / "run", change))


@contextmanager
def running(tiny: Path, out: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """``greenband train`` in a group of processes of its own, as a shell starts it."""
    limits = ("steps=1000000", "minutes=3")  # so that it ends by itself should the test be killed
    words = [*PROGRAM, "train", *overrides(tiny, out, *limits, *more)]
    process = subprocess.Popen(words, text=True, stderr=subprocess.PIPE, start_new_session=True, cwd=out.parent)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("validation_every", "until"),
    [("1000000", "tensorboard"), ("48", "candidate")],
    ids=["in training", "in validation"],
)
def test_an_interrupt_at_the_keyboard_leaves_a_checkpoint(
    validation_every: str, until: str, tiny: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with running(tiny, run, f"validation.every_steps={validation_every}") as process:
        wait_for(run / until, process)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "greenband: interrupted" in errors
    assert "Traceback" not in errors
    assert int(checkpoint(run)["state"]["steps"]) > 0
    assert (run / "best" / "card.json").is_file()


def test_a_terminated_run_goes_on_from_the_command_line(tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with running(tiny, run, "validation.every_steps=1000000") as process:
        wait_for(run / "tensorboard", process)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "greenband: interrupted" in errors
    before = int(checkpoint(run)["state"]["steps"])
    words = [*PROGRAM, "train", "--resume", str(run), f"steps={before + 32}"]
    done = subprocess.run(words, text=True, capture_output=True, timeout=100, cwd=run.parent, check=False)
    assert done.returncode == 0, done.stderr
    after = int(checkpoint(run)["state"]["steps"])
    assert (before > 0, after) == (True, before + 32)
    assert [int(row["steps"]) for row in validations(run)][-1] == after


AGENTS = {
    "ppo": (),
    "dqn": ("agent=dqn", "agent.learning_starts=20", "agent.batch_size=8", "agent.target_update_interval=10"),
}


@pytest.mark.parametrize(
    ("agent", "how"),
    [("ppo", signal.SIGKILL), ("dqn", signal.SIGKILL), ("ppo", signal.SIGINT), ("dqn", signal.SIGTERM)],
)
def test_a_run_that_was_ended_comes_to_the_same_result_as_one_that_was_not(
    agent: str, how: signal.Signals, tiny: Path, tmp_path: Path
) -> None:
    words = ("steps=200", "validation.every_steps=48", *AGENTS[agent])
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    train(composed(tiny, whole, *words))
    with running(tiny, ended, *AGENTS[agent], "steps=200", "minutes=null") as process:
        wait_for(ended / ("checkpoint.pt" if how == signal.SIGKILL else "tensorboard"), process)
        os.killpg(process.pid, how)
        process.communicate(timeout=60)
    assert checkpoint(ended)["state"]["steps"] < 200
    train(composed(tiny, ended, f"resume={ended}", *words))
    one, other = checkpoint(whole), checkpoint(ended)
    assert one["policy"].keys() == other["policy"].keys()
    for name, weights in one["policy"].items():
        assert torch.equal(weights, other["policy"][name]), name
    rows = [[(row["steps"], row["delay_s"]) for row in validations(run)] for run in (whole, ended)]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 5
    best = [(run / "best" / "policy.safetensors").read_bytes() for run in (whole, ended)]
    assert best[0] == best[1]


def test_a_killed_run_goes_on_from_its_last_checkpoint(tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with running(tiny, run) as process:
        wait_for(run / "checkpoint.pt", process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
    best = float(checkpoint(run)["state"]["best_delay_s"])
    before = int(checkpoint(run)["state"]["steps"])
    train(composed(tiny, run, f"resume={run}", f"steps={before + 32}"))
    assert before == 32  # the rollout in which the validation at 48 fell
    assert checkpoint(run)["state"]["steps"] == before + 32
    assert float(checkpoint(run)["state"]["best_delay_s"]) <= best
    assert not list(run.glob(".checkpoint*"))


@pytest.mark.parametrize(("weight", "kept"), [(0, 50.0), (1, 52.0)])
def test_the_main_road_counts_by_its_weight_where_the_best_is_chosen(
    weight: float, kept: float, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(50.0, 30.0), (52.0, 40.0), (60.0, 38.0)]  # delay in s, and mainline speed in km/h: 120, 90 and 95 s/km

    def simulated(*_: Any) -> list[Any]:
        delay, speed = found.pop(0)
        return [SimpleNamespace(metrics={"delay_s": delay, "mainline_speed_kmh": speed}, violations=[])]

    monkeypatch.setattr("greenband.training.run.run_all", simulated)
    words = [f"validation.mainline={weight}", "steps=32", "validation.every_steps=16"]
    out = train(composed(tiny, tmp_path / "run", *words))
    assert json.loads((out / "best" / "card.json").read_text(encoding="utf-8"))["validation"]["delay_s"] == kept


def test_a_weight_of_a_main_road_that_is_not_there_is_refused(tiny: Path, tmp_path: Path) -> None:
    words = ["scenario._target_=greenband.registry.scenario", "validation.mainline=1"]
    bare = tmp_path / "bare"
    shutil.copytree(tiny, bare)
    path = bare / "scenario.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "mainline": {}}), encoding="utf-8")
    with pytest.raises(BadInput, match=r"validation\.mainline: tiny names no main road"):
        train(composed(bare, tmp_path / "run", *words))


def test_plans_are_learned_too_and_a_run_goes_on(tiny: Path, tmp_path: Path) -> None:
    words = ["env=cycle", "agent=cycle_ppo", "agent.n_steps=4", "agent.batch_size=4", "validation.every_steps=4"]
    run = tmp_path / "run"
    train(composed(tiny, run, *words, "steps=8"))
    card = json.loads((run / "best" / "card.json").read_text(encoding="utf-8"))
    assert card["mode"] == "cycle"
    assert isinstance(resolve(str(run)).make(), CycleController)
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    train({**config, "steps": 12, "resume": str(run)})
    found = [int(row["steps"]) for row in validations(run)]
    assert (max(found), found) == (12, sorted(found))


def test_rollouts_of_plans_are_refused(tiny: Path, tmp_path: Path) -> None:
    words = [word for word in overrides(tiny, tmp_path / "run") if not word.startswith("agent.")]
    with initialize_config_module("greenband.configs", version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", [*words, "agent=rollouts", "env=cycle"]), resolve=True)
    with pytest.raises(BadInput, match="needs env=stage"):
        train(config)
