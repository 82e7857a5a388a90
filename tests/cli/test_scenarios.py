"""``greenband scenarios`` as a user meets it: calibrate from counts, draw, and mistakes in one line."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from greenband import counts
from greenband.counts import Count
from greenband.plan.splits import movement_flows
from greenband.scenario import Scenario

Program = Callable[..., tuple[int, str, str]]


@pytest.fixture
def program(program: Program) -> Program:
    """Runs ``greenband scenarios`` with some words."""
    return lambda *words: program("scenarios", *words)


@pytest.fixture
def counted(jincheng: Scenario, tmp_path: Path) -> list[str | Path]:
    """Network and counts: a quarter of an hour of one junction as its own flow table has it."""
    flows = movement_flows(jincheng.demand("AM"))
    (signal,) = jincheng.network.signals.values()
    table = [Count(m.from_edge, m.to_edge, 27000, 27900, round(flows[m.id] / 4)) for m in signal.movements]
    counts.write(tmp_path / "counts.csv", table)
    return ["--network", jincheng.folder / jincheng.network_file, "--counts", "counts.csv"]


def test_calibrate_makes_a_scenario_and_reports_every_count(program: Program, counted: list[str | Path]) -> None:
    code, out, err = program("calibrate", *counted, "--name", "made", "--seeds", "1000:1002")
    assert code == 0, err
    assert out.count("07:30-07:45") == 12
    assert re.search(r"GEH below 5 at 100% of 12 counts for the demand, at (9|10)\d% simulated", err)
    with Path("made/calibration.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row in rows:
        assert float(row["fitted_geh"]) < 1
        assert 0 < float(row["simulated_veh_h"]) < 3 * float(row["counted_veh_h"])
    code, out, err = program("made")
    assert (code, err) == (0, "")
    assert "made: network.net.xml with the counts of counts.csv" in out
    code, out, err = program("made", "--plot", "made.svg")
    assert (code, out) == (0, "")
    assert "picture in made.svg" in err
    assert Path("made.svg").stat().st_size > 10_000


def test_what_cannot_be_driven_is_told_by_exit_code_1(program: Program, jincheng: Scenario, tmp_path: Path) -> None:
    """Ten times what a lane carries."""
    counts.write(tmp_path / "counts.csv", [Count("S_J11.bay", "J11_W11", 0, 900, 4000)])
    network = jincheng.folder / jincheng.network_file
    code, out, err = program(
        "calibrate", "--network", network, "--counts", "counts.csv", "--out", "x", "--seeds", "1000"
    )
    assert code == 1
    assert "16000" in out
    assert "GEH below 5 at 100% of 1 counts for the demand, at 0% simulated" in err
    assert "not calibrated: more than 85% are needed" in err


MISTAKES: dict[str, tuple[str, str]] = {
    "no table": ("--counts gone.csv", r"gone\.csv: cannot be read: No such file"),
    "no network": ("--network gone.net.xml", r"gone\.net\.xml: no such network file"),
    "folder in use": ("--out .", r"\.: is not empty; name another folder with --out"),
    "name": ("--name a/b", "--name 'a/b': must be a plain name"),
    "routes": ("--routes counts.csv", r"counts\.csv: not a SUMO route file"),
    "seeds": ("--seeds 3:3", "seeds '3:3': the range 3:3 is empty"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_calibrate_is_one_line(name: str, program: Program, counted: list[str | Path]) -> None:
    words, message = MISTAKES[name]
    _refused(program("calibrate", *counted, *words.split()), message)


SHOWN_WRONG: dict[str, tuple[str, str]] = {
    "period alone": ("jincheng --period AM", "--period goes with --plot or --gui"),
    "kind": ("jincheng --plot out.gif", "unknown kind of picture 'gif': choose from pdf, png, svg"),
    "period": ("jincheng --plot out.png --period XM", "unknown period of jincheng 'XM'"),
    "no display": ("jincheng --gui", "--gui needs a display"),
}


@pytest.mark.parametrize("name", SHOWN_WRONG)
def test_what_cannot_be_shown_is_one_line(name: str, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    words, message = SHOWN_WRONG[name]
    _refused(program(*words.split()), message)


def _refused(done: tuple[int, str, str], message: str) -> None:
    code, out, err = done
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert err.startswith("greenband: ")
    assert re.search(message, err), err
