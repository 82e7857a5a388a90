"""Training runs gathered: reading them, telling their settings apart, and the figures over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from greenband.errors import BadInput
from greenband.evaluation.sweep import choices, find_runs, read_run

Rows = Sequence[tuple[int, float]]


def make(folder: Path, rows: Rows, **changes: Any) -> Path:
    """A run directory as training leaves it; ``changes`` by dotted name with __ for the dot."""
    folder.mkdir(parents=True)
    config: dict[str, Any] = {
        "seed": 0,
        "out": str(folder),
        "processes": 2,
        "agent": {"_target_": "greenband.agents.learners.ppo", "gamma": 0.97},
        "scenario": {"name": "shixin_short"},
        "validation": {"jobs": 2},
    }
    for name, value in changes.items():
        *parents, key = name.split("__")
        part = config
        for parent in parents:
            part = part.setdefault(parent, {})
        part[key] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    lines = [f"{steps},{steps / 100},{delay},0" for steps, delay in rows]
    (folder / "validation.csv").write_text(
        "\n".join(["steps,seconds,delay_s,violations", *lines, ""]), encoding="utf-8"
    )
    return folder


def test_a_run_keeps_its_best_policy(tmp_path: Path) -> None:
    run = read_run(make(tmp_path / "a", [(100, 80.0), (200, 70.0), (300, 75.0)], seed=3))
    assert (run.best_delay_s, run.seconds) == (70.0, 3.0)
    assert run.curve.steps.tolist() == [100, 200, 300]
    assert "seed" not in run.settings
    assert run.settings["agent.gamma"] == 0.97


def test_runs_are_found_in_folders_once(tmp_path: Path) -> None:
    inside = [make(tmp_path / "sweep" / str(k), [(100, 80.0)]) for k in range(3)]
    (tmp_path / "sweep" / "begun").mkdir()
    assert find_runs([tmp_path / "sweep", inside[1]]) == inside
    for bad, message in (
        (tmp_path / "none", "no such folder"),
        (tmp_path / "sweep" / "begun", "holds no training run"),
    ):
        with pytest.raises(BadInput, match=message):
            find_runs([bad])


def test_choices_are_named_by_what_differs_and_sorted_by_delay(tmp_path: Path) -> None:
    for seed in range(4):
        make(tmp_path / f"a{seed}", [(100, 80.0 + seed)], seed=seed, validation__jobs=seed + 1)
        make(tmp_path / f"b{seed}", [(100, 70.0 + seed)], seed=seed, agent__gamma=0.99)
    better, worse = choices([read_run(folder) for folder in find_runs([tmp_path])])
    assert (better.name, worse.name) == ("agent.gamma=0.99", "agent.gamma=0.97")
    assert len(better.runs) == len(worse.runs) == 4
    assert (better.delay_s, worse.delay_s) == (71.5, 81.5)  # of 70 to 73 the middle two
    low, high = better.delay_ci95_s or (0.0, 0.0)
    assert 70 <= low < 71.5 < high <= 73
    assert better.better_than(worse) == (1.0, (1.0, 1.0))
    assert worse.better_than(better)[0] == 0.0


def test_another_learner_stands_for_all_its_settings(tmp_path: Path) -> None:
    make(tmp_path / "ppo", [(100, 80.0)])
    dqn = make(tmp_path / "dqn", [(100, 90.0)], agent___target_="greenband.agents.learners.dqn", agent__tau=0.1)
    assert read_run(dqn).settings["agent._target_"] == "greenband.agents.learners.dqn"
    found = choices([read_run(folder) for folder in find_runs([tmp_path])])
    assert [choice.name for choice in found] == ["agent=ppo", "agent=dqn"]
    assert found[0].delay_ci95_s is None


def test_a_single_choice_is_named_by_its_scenario(tmp_path: Path) -> None:
    (one,) = choices([read_run(make(tmp_path / "a", [(100, 80.0)]))])
    assert one.name == "shixin_short"


def test_curves_run_over_what_all_runs_have(tmp_path: Path) -> None:
    make(tmp_path / "a", [(100, 80.0), (200, 60.0), (300, 50.0)], seed=1)
    make(tmp_path / "b", [(150, 90.0), (250, 70.0)], seed=2)
    (one,) = choices([read_run(folder) for folder in find_runs([tmp_path])])
    steps, (mean, low, high) = one.curve()
    assert steps.tolist() == [150, 200, 250]
    np.testing.assert_allclose(mean, [(70 + 90) / 2, (60 + 80) / 2, (55 + 70) / 2])
    assert (low <= mean).all()
    assert (mean <= high).all()


def test_runs_without_common_ground_have_an_empty_curve(tmp_path: Path) -> None:
    make(tmp_path / "a", [(100, 80.0)], seed=1)
    make(tmp_path / "b", [(200, 80.0)], seed=2)
    (one,) = choices([read_run(folder) for folder in find_runs([tmp_path])])
    steps, delays = one.curve()
    assert (steps.size, delays.shape) == (0, (3, 0))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.yaml", "[1, 2]", "config.yaml: not a run's configuration"),
        ("config.yaml", "a: [", "config.yaml: not a run's configuration"),
        ("validation.csv", "steps,seconds\n1,2\n", "validation.csv: not a run's validations"),
        ("validation.csv", "steps,seconds,delay_s\n1,2,soon\n", "validation.csv: not a run's validations"),
        ("validation.csv", "steps,seconds,delay_s\n", "validation.csv: no validation yet"),
    ],
)
def test_broken_runs_are_refused_by_name(tmp_path: Path, file: str, text: str, message: str) -> None:
    folder = make(tmp_path / "a", [(100, 80.0)])
    (folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        read_run(folder)
