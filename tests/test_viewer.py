"""SUMO's GUI gets the scenario's hour and existing plan, and says so in one line where it cannot open."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband import sumo, viewer
from greenband.errors import BadInput, SimulationError
from greenband.scenario import Scenario

STAND_IN = """#!{python}
# A GUI that needs no display: keeps what it was asked, and runs it in SUMO.
import json, pathlib, subprocess, sys
words = sys.argv[1:]
place = words.index("--delay")
del words[place : place + 2]
here = pathlib.Path(__file__).parent
(here / "words.json").write_text(json.dumps(words))
done = subprocess.run([{sumo!r}, *words, "--tripinfo-output", here / "trips.xml", "--save-state.times", {at!r},
                       "--save-state.files", here / "state.xml", "--summary-output", here / "steps.xml"])
sys.exit(done.returncode)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "sumo-gui"
    text = STAND_IN.format(python=sys.executable, sumo=sumo.binary("sumo"), at="27200")
    program.write_text(text, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sumo, "binary", lambda name: str(tmp_path / name))
    monkeypatch.setenv("DISPLAY", ":0")
    return tmp_path


def test_it_is_given_an_hour_of_traffic_under_the_existing_plan(
    jincheng: Scenario, shorten: Callable[..., Scenario], stand_in: Path
) -> None:
    scenario = shorten(jincheng, duration_s=300)
    span = scenario.period("AM")
    viewer.watch(scenario, "AM")
    words = json.loads((stand_in / "words.json").read_text(encoding="utf-8"))
    assert words[words.index("--begin") + 1] == str(span.begin_s)
    assert words[words.index("--end") + 1] == str(span.end_s)
    state = ET.parse(stand_in / "state.xml").getroot()
    shown = {logic.get("id"): logic.get("programID") for logic in state.iter("tlLogic")}
    assert shown == {"J11": "AM"}  # the plan, not the network's own program
    arrived = len(list(ET.parse(stand_in / "trips.xml").getroot().iter("tripinfo")))
    assert arrived > 100


def test_without_a_display_it_says_so(jincheng: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(BadInput, match="needs a display"):
        viewer.watch(jincheng, "AM")


def test_a_display_that_is_not_there_is_one_line(jincheng: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":77")
    with pytest.raises(SimulationError, match=r"GUI could not be opened: .*:77") as caught:
        viewer.watch(jincheng, "AM")
    assert "\n" not in str(caught.value)
