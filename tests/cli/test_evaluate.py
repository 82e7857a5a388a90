"""``greenband evaluate``: tables, text for programs, stress settings, and going on after an interrupt."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenband.cli.table import show, show_junctions
from greenband.evaluation import PlaceResult, Result, SubjectResult, evaluate
from greenband.evaluation.results import Lost
from greenband.scenario import Scenario

Program = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def tiny(jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario folder of one junction and a period of 4 minutes."""
    folder = tmp_path_factory.mktemp("scenarios") / "tiny"
    shutil.copytree(jincheng.folder, folder)
    shorten(jincheng, duration_s=180, warmup_s=60).model_copy(update={"folder": folder}).save()
    return folder


def subject(name: str, delay: float, speed: float) -> SubjectResult:
    per_seed = {
        "delay_s": [delay, delay + 4.0, delay + 9.5],
        "mainline_speed_kmh": [speed, speed + 1, speed + 2],
        "speed_kmh": [speed, speed, speed + 3],
        "stops": [12.5, 13.25, 14.0],
        "delay_p95_s": [3 * delay, 4 * delay, 5 * delay],
        "gridlock_share": [0.0, 0.25, 0.5],
    }
    place = PlaceResult("junction", "J11", "J11", {"control_delay_s": delay / 5, "queue_max_veh": 103.0}, {})
    return SubjectResult(name, per_seed, 0, places=(place,))


@pytest.fixture
def wide() -> Result:
    """Long names and large figures."""
    subjects = (
        subject("existing", 240.0, 11.5),
        subject("maxpressure", 190.0, 21.5),
        subject("runs_of_last_week_of_november_third_try", 180.0, 20.0),
        subject("[bold]", 200.0, 20.0),
        subject("五金城", 200.0, 20.0),
        subject("simopt", 200.0, 20.0),
    )
    lost = Lost("simopt", 4, "its SUMO process ended unexpectedly")
    return Result("shixin", "AM", (0, 1, 2), subjects, 1.2, sensing="field", retried=(lost,), failed=(lost,))


def test_the_table_fits_100_columns(wide: Result, capsys: pytest.CaptureFixture[str]) -> None:
    show(wide)
    text = capsys.readouterr().err
    table = text[: text.index("simopt, seed 4")].splitlines()
    assert max(map(len, table)) <= 100
    assert "…" not in text
    assert "shixin AM, 3 seeds, demand × 1.2, sensing field" in table[0]
    rows = {line.split()[0]: line for line in table if line and not line.startswith(" ")}
    assert "*194.5" not in rows["existing"]
    assert "*22.5" in rows["maxpressure"]
    assert "*184.5" in next(line for line in table if line.startswith("runs_of_"))  # the best delay, its name folded
    assert rows["maxpressure"].count("█") > rows["existing"].count("█") > 0
    assert "[bold]" in text
    assert "180.0–189.5" in text  # an interval
    assert "done at the second attempt" in text
    assert "the seed counts for no subject" in text
    assert re.search(
        r"maxpressure against existing: delay -50.0 s/veh \(-20\.4 %\), 95 % -50\.00 to -50\.00, p 0\.25", text
    )


def test_junctions_fit_100_columns(wide: Result, capsys: pytest.CaptureFixture[str]) -> None:
    show_junctions(wide, {"J11": "Jincheng Road and a long way beyond"})
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 100
    first = next(line for line in lines if line.startswith("J11"))
    assert "48.0 D 103" in first
    assert "*36.0 D 103" in first  # the best of its row, in the table's first five
    assert sum(line.startswith("J11") for line in lines) == 2


def test_one_subject_has_no_best(wide: Result, capsys: pytest.CaptureFixture[str]) -> None:
    show(replace(wide, subjects=wide.subjects[:1], seeds=(0,), retried=(), failed=()))
    assert "*" not in capsys.readouterr().err


def test_speeds_that_nobody_drove_are_left_out(wide: Result, capsys: pytest.CaptureFixture[str]) -> None:
    """On a long road a seed may have no vehicle from end to end, and one may have had none that entered."""
    for one in wide.subjects[:2]:
        one.per_seed["mainline_speed_kmh"] = [math.nan, math.nan, 20.0]
    wide.subjects[0].per_seed["delay_s"] = [0.0, 0.0, 0.0]
    show(wide)
    text = capsys.readouterr().err
    assert "nan" not in text
    assert "maxpressure against existing: delay +194.5 s/veh, 95 %" in text  # no share of nothing
    assert "maxpressure against existing: mainline speed +0.0 km/h (+0.0 %)" in text
    for one in wide.subjects:
        one.per_seed["mainline_speed_kmh"] = [math.nan] * 3
    show(wide)
    text = capsys.readouterr().err
    assert "nan" not in text
    assert "mainline speed +" not in text


def test_stress_settings_and_text_for_programs(tiny: Path, program: Program) -> None:
    """Two demands with a closed lane: twice the rows; the table stays off stdout; the same command, the same text."""
    words = ("evaluate", "existing", "maxpressure", "-s", tiny, "--seeds", "0:2", "--demand", "0.5,1")
    stress = ("--incident", "middle", "--sensing", "field", "--emissions")
    code, out, err = program(*words, *stress, "--jobs", "2", "--format", "csv", "--parquet", "r.parquet")
    assert code == 0, err
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {(row["demand"], row["subject"]) for row in rows} == {
        (demand, name) for demand in ("0.5", "1.0") for name in ("existing", "maxpressure")
    }
    assert all(re.fullmatch(r"lane \S+ closed \d\d:\d\d to \d\d:\d\d", row["incident"]) for row in rows)
    assert {row["sensing"] for row in rows} == {"field"}
    co2 = [float(row["mean"]) for row in rows if row["metric"] == "co2_g_km"]
    assert len(co2) == 4
    assert all(100 < value < 1000 for value in co2)
    assert "jincheng AM, 2 seeds, demand × 0.5" in err
    assert Path("r.parquet").stat().st_size > 1000
    again = program(*words, *stress, "--jobs", "1", "--format", "csv")
    assert again[1] == out
    code, out, err = program(*words[:-2], "--format", "markdown", "--junctions", "--jobs", "2")
    assert (code, out.count("\n| existing |"), "level of service" in err) == (0, 1, True)


def test_an_interrupted_evaluation_goes_on(tiny: Path, tmp_path: Path) -> None:
    """Killed for real after some of its runs: the rest is done with --resume, with the figures of a run in one go."""
    words = ["evaluate", "existing", "maxpressure", "-s", str(tiny), "--seeds", "0:12", "--jobs", "1", "--json"]
    kept = tmp_path / "r.json.runs"
    with start(tmp_path, *words, "r.json") as process:
        wait_for(lambda: len(list(kept.glob("*.json"))) >= 2)
        process.send_signal(signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in kept.glob("*.json")}
    assert 2 <= len(before) < 24
    assert not (tmp_path / "r.json").exists()
    with start(tmp_path, *words, "r.json", "--resume") as process:
        wait_for(lambda: len(list(kept.glob("*.json"))) > len(before))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"\d+ runs are kept in r\.json\.runs; --resume goes on", err)
    assert "Traceback" not in err
    assert all(path.stat().st_mtime_ns == before[path] for path in before)
    for target in ("r.json", "whole.json"):
        with start(tmp_path, *words, target, "--resume") as process:
            _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert not kept.exists()
    resumed, whole = (json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in ("r.json", "whole.json"))
    assert resumed == whole
    assert resumed["seeds"] == list(range(12))


def test_a_lost_seed_is_exit_code_1(tiny: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results are there, and the other runs are kept for another try."""

    def lossy(*args: Any, **kwargs: Any) -> Result:
        result = evaluate(*args, **kwargs)
        return replace(result, failed=(Lost("existing", 9, "its SUMO process ended unexpectedly"),))

    monkeypatch.setattr("greenband.cli.evaluate.evaluate", lossy)
    code, _, err = program("evaluate", "existing", "-s", tiny, "--seeds", "0", "--jobs", "1", "--json", "r.json")
    assert code == 1
    assert "existing, seed 9: its SUMO process ended unexpectedly twice" in err
    assert Path("r.json").is_file()
    assert len(list(Path("r.json.runs").iterdir())) == 1


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """The program, listening to interrupts even where these tests run in the background, whose jobs ignore them."""
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = [sys.executable, "-c", f"{listen}; from greenband.cli import main; main()", *words]
    return subprocess.Popen(
        program, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "100"}
    )


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
