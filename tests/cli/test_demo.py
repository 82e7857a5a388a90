"""``greenband demo``: the README's first command does the whole job."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenband.cli import demo
from greenband.errors import BadInput
from greenband.evaluation import load


def test_the_whole_job_is_done_and_summed_up(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    demo.run(out, str(tiny), "AM", minutes=0.5, seeds="0:1", jobs=1)
    assert (out / "policy" / "best" / "policy.safetensors").is_file()
    assert list((out / "tables" / "csv").glob("*.csv"))
    (result,) = load(out / "results.json")
    assert len(result.subjects) == 4
    assert sum(subject.violations for subject in result.subjects) == 0
    summary = (out / "summary.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in summary.splitlines() if line.startswith("|")][2:]
    assert rows == ["existing plan", "maxpressure", "policy (PPO)", "exported timing tables"]


def test_a_folder_that_holds_something_else_is_left_alone(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match="is no training run"):
        demo.run(tmp_path, str(tiny), "AM", minutes=0.03, seeds="0:1", jobs=1)
    assert (tmp_path / "policy" / "thesis.txt").read_text(encoding="utf-8") == "mine"
