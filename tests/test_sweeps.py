"""Sweeps: the jobs of every launcher leave runs of their own, and a search tells, prunes and goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from greenband.errors import BadInput
from greenband.sweeps.search import _distribution
from greenband.sweeps.trial import Trial, storage

PROGRAM = [sys.executable, "-c", "from greenband.cli import main; main()", "train"]


def train(where: Path, tiny: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A sweep of runs of a few seconds, started in a folder."""
    short = ["processes=1", "validation.seeds='1000'", "validation.every_steps=16", "validation.jobs=1", "steps=16"]
    agent = ["agent.n_steps=16", "agent.batch_size=16", "agent.n_epochs=1"]
    command = [*PROGRAM, "-m", f"scenario={tiny}", *short, *agent, *words]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=600, check=False)


def runs(where: Path) -> list[Path]:
    return sorted(card.parents[1] for card in where.glob("runs/**/best/card.json"))


@pytest.mark.parametrize("launcher", ["basic", "joblib", "ray", "submitit_local"])
def test_jobs_of_a_launcher_leave_runs_of_their_own(
    launcher: str, tiny: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if launcher == "ray":
        request.getfixturevalue("ray_alone")
    done = train(tmp_path, tiny, f"hydra/launcher={launcher}", "agent.gamma=0.9,0.95")
    assert done.returncode == 0, done.stderr
    # by the time that they began, which is a cluster's own affair
    assert sorted(run.name.rpartition("_")[2] for run in runs(tmp_path)) == ["0", "1"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("launcher", ["joblib", "ray"])
def test_a_job_that_fails_elsewhere_fails_the_sweep_without_a_traceback(
    launcher: str, tiny: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if launcher == "ray":
        request.getfixturevalue("ray_alone")
    done = train(tmp_path, tiny, f"hydra/launcher={launcher}", "agent.temperature=0,0.5")
    assert done.returncode == 2, done.stderr
    assert "agent.temperature=0: must be above 0" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(runs(tmp_path)) == 1


def test_a_search_trains_its_trials_and_goes_on(tiny: Path, tmp_path: Path) -> None:
    words = [
        "hydra/sweeper=optuna",
        "hydra.sweep.dir=runs/study",
        "agent.gamma=interval(0.9,0.99)",
        "agent.n_epochs=1,2",
    ]
    assert train(tmp_path, tiny, *words, "hydra.sweeper.trials=2").returncode == 0
    again = train(tmp_path, tiny, *words, "hydra.sweeper.trials=3")
    assert again.returncode == 0, again.stderr
    assert "best of 3 trials" in again.stdout
    assert [run.name for run in runs(tmp_path)] == ["0000", "0001", "0002"]
    study = optuna.load_study(study_name="search", storage=storage(tmp_path / "runs/study/search.journal"))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    assert all(trial.value is not None and trial.value > 0 for trial in study.trials)
    assert all(0.9 <= trial.params["agent.gamma"] <= 0.99 for trial in study.trials)
    assert [len(trial.intermediate_values) for trial in study.trials] == [2, 2, 2]  # before and after the last update


def test_a_search_whose_trials_all_fail_says_why(tiny: Path, tmp_path: Path) -> None:
    done = train(tmp_path, tiny, "hydra/sweeper=optuna", "hydra.sweep.dir=runs/x", "agent.temperature=interval(-2,-1)")
    assert done.returncode == 2
    assert "must be above 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_search_of_nothing_is_refused(tiny: Path, tmp_path: Path) -> None:
    done = train(tmp_path, tiny, "hydra/sweeper=optuna")
    assert done.returncode == 2
    assert "nothing to search" in done.stderr


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a=interval(0.5,2)", FloatDistribution(0.5, 2.0)),
        ("a=tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("a=int(interval(16,64))", IntDistribution(16, 64)),
        ("a=range(1,8,3)", IntDistribution(1, 7, step=3)),
        ("a=range(0,1,0.25)", FloatDistribution(0.0, 0.75, step=0.25)),
        ("a=x,y", CategoricalDistribution(["x", "y"])),
        ("a=choice(1,x)", CategoricalDistribution(["1", "x"])),
    ],
)
def test_what_is_drawn_from(word: str, expected: Any) -> None:
    assert _distribution(OverridesParser.create().parse_override(word)) == expected


def test_an_impossible_range_is_refused() -> None:
    with pytest.raises(BadInput, match="a=tag"):
        _distribution(OverridesParser.create().parse_override("a=tag(log,interval(0,1))"))


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """A study with three trials of 10, 20 and 30 s after one and two validations, and a fourth that has begun."""
    path = str(tmp_path / "study.journal")
    study = optuna.create_study(study_name="s", storage=storage(path))
    for delay in (10.0, 20.0, 30.0):
        trial = study.ask()
        for validation in (1, 2):
            trial.report(delay, validation)
        study.tell(trial, delay)
    study.ask()
    return path


def test_a_trial_behind_the_median_is_pruned_once_it_may_be(journal: str) -> None:
    trial = Trial(journal, "s", 3, startup=2, warmup=1)
    assert not trial.report(25.0, 1)
    assert trial.report(25.0, 2)
    trial.end(25.0, pruned=True)
    assert optuna.load_study(study_name="s", storage=storage(journal)).trials[3].state == TrialState.PRUNED


def test_a_trial_ahead_of_the_median_goes_on_to_its_end(journal: str) -> None:
    trial = Trial(journal, "s", 3, startup=2, warmup=0)
    assert not trial.report(15.0, 1)
    trial.end(14.0, pruned=False)
    assert optuna.load_study(study_name="s", storage=storage(journal)).trials[3].value == 14.0


def test_a_trial_that_is_not_there_is_refused(journal: str) -> None:
    with pytest.raises(BadInput, match="has no trial 7 of a study 's'"):
        Trial(journal, "s", 7, startup=1, warmup=1)
