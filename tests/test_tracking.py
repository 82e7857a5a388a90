"""Trackers beside TensorBoard: what reaches them, how a resumed run goes on, and what is said where one is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from greenband.errors import BadInput, UnknownName
from greenband.tracking import trackers

SETTINGS = {"seed": 3, "agent": {"gamma": 0.97}}
FIGURES = {"validation/delay_s": 61.5, "time/note": "text", "train/loss": float("nan")}


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory; nothing leaves this machine."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_mlflow_keeps_figures_and_settings_and_a_resumed_run_goes_on(local: Path) -> None:
    import mlflow

    for step in (100, 200):
        (tracker,) = trackers(["mlflow"], local, SETTINGS)
        tracker.write(FIGURES, step)
        tracker.close()
    run = json.loads((local / "trackers.json").read_text(encoding="utf-8"))["mlflow"]
    client = mlflow.MlflowClient()
    found = client.get_run(run)
    assert found.data.params == {"seed": "3", "agent.gamma": "0.97"}
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    history = client.get_metric_history(run, "validation/delay_s")
    assert [(figure.step, figure.value) for figure in history] == [(100, 61.5), (200, 61.5)]
    assert set(found.data.metrics) == {"validation/delay_s"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_wandb_offline_stays_in_the_run_directory(local: Path) -> None:
    import wandb

    (tracker,) = trackers(["wandb"], local, SETTINGS)
    tracker.write(FIGURES, 100)
    tracker.close()
    wandb.teardown()  # a process of its own writes the file; a program waits for it at its end
    run = json.loads((local / "trackers.json").read_text(encoding="utf-8"))["wandb"]
    (written,) = (local / "wandb").rglob(f"run-{run}.wandb")
    assert b"validation/delay_s" in written.read_bytes()


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_named(name: str, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadInput, match=rf'trackers: {name} needs more packages: pip install "greenband\[{name}\]"'):
        trackers([name], local, SETTINGS)


def test_other_names_and_broken_ids_are_refused(local: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown tracker 'wandbb'.*did you mean 'wandb'"):
        trackers(["wandbb"], local, SETTINGS)
    (local / "trackers.json").write_text("[]", encoding="utf-8")
    with pytest.raises(BadInput, match=r"trackers\.json: not the ids"):
        trackers(["mlflow"], local, SETTINGS)
    assert trackers([], local / "new", SETTINGS) == []
