"""``greenband scenarios import`` as a user meets it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from greenband import sumo

Program = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lights with arms, whose outer nodes are lights without a choice."""
    path = tmp_path_factory.mktemp("net") / "grid.net.xml"
    shape = ["--grid", "--grid.x-number", "2", "--grid.y-number", "1", "--grid.length", "150"]
    command = [*shape, "--grid.attach-length", "100", "--default-junction-type", "traffic_light", "-o", str(path)]
    subprocess.run([sumo.binary("netgenerate"), *command], check=True, capture_output=True, env=sumo.environment())
    return path


def test_import_describe_evaluate(grid: Path, program: Program) -> None:
    code, out, err = program("scenarios", "import", grid, "--name", "town", "--end", "300", "--warmup", "60")
    assert (code, out) == (0, ""), err
    assert "not controlled: " in err
    assert "1 stage, so that there is nothing to choose; it keeps its program" in err
    assert "town: 2 signals to control, 0 to 300 s" in err
    code, out, err = program("scenarios", "town")
    assert (code, err) == (0, "")
    assert "imported from grid.net.xml" in out
    assert "A0" in out
    assert "assumed" in out
    code, _, err = program(
        "evaluate", "existing", "maxwave", "-s", "town", "--period", "all", "--seeds", "0:1", "--json", "r.json"
    )
    assert code == 0, err
    assert Path("r.json").read_text(encoding="utf-8").count('"violations": 0') == 2


MISTAKES = {
    "nothing": ("", "nothing to import"),
    "missing network": ("gone.net.xml", r"gone\.net\.xml: no such network file"),
    "missing configuration": ("--sumocfg gone.sumocfg", r"gone\.sumocfg: no such file"),
    "missing routes": ("GRID --routes gone.rou.xml", r"gone\.rou\.xml: no such file"),
    "missing extract": ("--osm gone.osm.xml", r"gone\.osm\.xml: no such OpenStreetMap file"),
    "two sources": ("GRID --osm gone.osm.xml", "leave out NET and --sumocfg"),
    "no light": ("plain.net.xml", r"plain\.net\.xml: no traffic light$"),
    "no network": ("plain.rou.xml", "not a SUMO network: its root is <routes>"),
    "unknown light": ("GRID --signals A0,botom0", r"unknown traffic light of \S+ 'botom0'.*did you mean 'bottom0'"),
    "light without a choice": ("GRID --signals left0", "'left0' cannot be controlled: .* 1 stage"),
    "not demand": ("GRID --routes plain.net.xml", r"plain\.net\.xml: <edge> is not demand"),
    "folder in use": ("GRID --out taken", "taken: exists already"),
    "name": ("GRID --name a/b", "--name 'a/b': must be a name"),
    "yellow": ("GRID --yellow -1", "yellow -1 s: must be 0 or more"),
    "warm-up": ("GRID --warmup -1", "warm-up -1 s: must be 0 or more"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_code_2(name: str, grid: Path, program: Program) -> None:
    words, message = MISTAKES[name]
    Path("taken").mkdir()
    Path("plain.net.xml").write_text('<net><edge id="a"/></net>', encoding="utf-8")
    Path("plain.rou.xml").write_text("<routes/>", encoding="utf-8")
    before = sorted(Path().iterdir())
    code, out, err = program("scenarios", "import", *(str(grid) if word == "GRID" else word for word in words.split()))
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("greenband: ")
    assert re.search(message, line), line
    assert sorted(Path().iterdir()) == before
