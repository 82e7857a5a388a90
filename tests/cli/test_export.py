"""``greenband export`` of policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from greenband.agents.learned import save_policy
from greenband.agents.networks import StageScorer

Program = Callable[..., tuple[int, str, str]]


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
