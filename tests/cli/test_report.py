"""``greenband report`` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from greenband.evaluation import Result, SubjectResult, save

Program = Callable[..., tuple[int, str, str]]


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "r.json"
    subjects = tuple(SubjectResult(name, {"delay_s": [delay]}, 0) for name, delay in (("a", 2.0), ("b", 1.0)))
    save([Result("nowhere", "AM", (0,), subjects)], path)
    return path


def test_a_result_whose_scenario_is_gone_still_makes_a_report(program: Program, result: Path) -> None:
    code, out, err = program("report", result, "--out", "sub/report.html", "--language", "zh")
    assert (code, out) == (0, "")
    assert "report in sub/report.html" in err
    html = Path("sub/report.html").read_text(encoding="utf-8")
    assert '<html lang="zh">' in html
    assert "unknown scenario &#39;nowhere&#39;" in html


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.json"], "missing.json: not a result file"),
        (["broken.json"], "broken.json: not a result file"),
        (["{result}", "{result}"], "two results of nowhere AM"),
        (["{result}", "--language", "fr"], "unknown language 'fr': choose from en, zh"),
        (["{result}", "--scenario", "jincheng"], "--scenario jincheng: is jincheng, but the result is of nowhere"),
        (["{result}", "--scenario", "jinchen"], "did you mean 'jincheng'?"),
        (["{result}", "--out", "."], "--out .: is a folder"),
    ],
)
def test_bad_input_is_one_line(program: Program, result: Path, words: list[str], message: str) -> None:
    Path("broken.json").write_text(json.dumps([1, "x"]), encoding="utf-8")
    code, _, err = program("report", *(word.format(result=result) for word in words))
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("report.html").exists()
