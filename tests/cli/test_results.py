"""``greenband results``: what it prints, draws and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from greenband.cli import main


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep"
    for gamma, best in ((0.97, 80.0), (0.99, 70.0)):
        for seed in range(3):
            run = folder / f"{gamma}_{seed}"
            run.mkdir(parents=True)
            (run / "config.yaml").write_text(f"seed: {seed}\nagent: {{gamma: {gamma}}}\n", encoding="utf-8")
            rows = f"60000,300,{best + 9},0\n120000,600,{best + seed},0\n"
            (run / "validation.csv").write_text(f"steps,seconds,delay_s,violations\n{rows}", encoding="utf-8")
    return folder


def test_table_picture_and_figures(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot, figures = tmp_path / "out" / "curves.svg", tmp_path / "results.json"
    with pytest.raises(SystemExit) as end:
        main(["results", str(sweep), "--plot", str(plot), "--json", str(figures)])
    assert not end.value.code
    lines = capsys.readouterr().err.splitlines()
    rows = [line.split() for line in lines if "agent.gamma" in line]
    assert [row[:2] for row in rows] == [["agent.gamma=0.99", "3"], ["agent.gamma=0.97", "3"]]
    assert rows[0][2] == "71.0"
    assert rows[1][-2] == "0.00"
    assert "agent.gamma=0.97 (3 runs)" in plot.read_text(encoding="utf-8")
    best, other = json.loads(figures.read_text(encoding="utf-8"))["choices"]
    assert best["delay_s"]["interquartile_mean"] == pytest.approx(71.0)
    assert other["less_delay_than_first"]["probability"] == 0.0
    assert best["curve"]["steps"] == [60000, 120000]
    assert [run["best_delay_s"] for run in best["runs"]] == [70.0, 71.0, 72.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "nowhere: no such folder"), (["SWEEP", "--plot", "curves.xyz"], "curves.xyz: ")],
)
def test_bad_input_is_one_line(
    sweep: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sweep.parent)
    with pytest.raises(SystemExit, match="2"):
        main(["results", *[str(sweep) if word == "SWEEP" else word for word in arguments]])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"greenband: {message}")
