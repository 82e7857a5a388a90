from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband import sumo
from greenband.agents.fixed import FixedPlan
from greenband.control import run
from greenband.errors import BadInput
from greenband.formats import sumo as programs
from greenband.plan.describe import described
from greenband.plan.display import junction_phases
from greenband.plan.model import PlanSet, Provenance
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario
from greenband.simulation import Records

CYCLES = {"AM": 90, "OFF": 100, "PM": 110}
Shown = dict[str, dict[int, str]]


def plans(scenario: Scenario, *periods: str, order: tuple[int, ...] = (0, 2, 3, 1)) -> PlanSet:
    made = {
        period: {
            name: build_plan(
                signal, signal.limits(scenario.timing), CYCLES[period], [3, 1, 2, 1], 17 * k + 5, f"{period} <1>", order
            )
            for k, (name, signal) in enumerate(scenario.network.signals.items())
        }
        for period in periods
    }
    return PlanSet(provenance=Provenance(subject='by "hand"', scenario=scenario.name, seeds=(1000,)), plans=made)


def shown(folder: Path, scenario: Scenario) -> Shown:
    """Displayed lamps by signal and second, from SUMO's SaveTLSStates files."""
    rows = {n: ET.parse(Records(folder).lamps(n)).getroot().findall("tlsState") for n in scenario.network.signals}
    return {n: {int(float(row.attrib["time"])): row.attrib["state"] for row in rows[n]} for n in rows}


def simulate(scenario: Scenario, plan: Path, folder: Path, begin_s: int, end_s: int) -> Shown:
    """What plain SUMO shows with the exported file alone."""
    recorder = ET.Element("additional")
    for name in scenario.network.signals:
        dest = str(Records(folder).lamps(name))
        ET.SubElement(recorder, "timedEvent", type="SaveTLSStates", source=name, dest=dest)
    folder.mkdir()
    ET.ElementTree(recorder).write(folder / "recorder.add.xml")
    network = str(scenario.folder / scenario.network_file)
    files = f"{plan},{folder / 'recorder.add.xml'}"
    command = [sumo.binary("sumo"), "-n", network, "-a", files, "-b", str(begin_s), "-e", str(end_s), "--no-step-log"]
    done = subprocess.run(command, capture_output=True, text=True, env=sumo.environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr
    return shown(folder, scenario)


def test_plain_sumo_shows_what_the_control_loop_shows(shixin_short: Scenario, tmp_path: Path) -> None:
    wanted = plans(shixin_short, "AM")
    period = shixin_short.period("AM").model_copy(update={"duration_s": 300, "warmup_s": 100})
    short = shixin_short.model_copy(update={"periods": {"AM": period}})
    (path,) = programs.export(described(wanted, short), tmp_path / "plan.add.xml")
    run(FixedPlan(wanted), short, "AM", 1000, demand=0.02, records=Records(tmp_path / "loop"))
    loop = shown(tmp_path / "loop", short)
    plain = simulate(short, path, tmp_path / "plain", period.start_s, period.end_s)
    for name in short.network.signals:
        seconds = [t for t in plain[name] if t >= period.start_s + 2 * CYCLES["AM"]]
        assert len(seconds) >= 2 * CYCLES["AM"]
        assert [plain[name][t] for t in seconds] == [loop[name][t] for t in seconds]


@pytest.mark.parametrize("begin_s", [1000, 25150, 32300, 61150, 68300])
def test_the_day_switches_between_periods(shixin_short: Scenario, tmp_path: Path, begin_s: int) -> None:
    """OFF, AM from 7, OFF from 9, PM from 17, OFF from 19; each in step ten minutes later, whenever SUMO begins."""
    wanted = described(plans(shixin_short, "AM", "OFF", "PM"), shixin_short)
    (path,) = programs.export(wanted, tmp_path / "plan.add.xml")
    plain = simulate(shixin_short, path, tmp_path / "plain", begin_s, begin_s + 900)
    period = {1000: "OFF", 25150: "AM", 32300: "OFF", 61150: "PM", 68300: "OFF"}[begin_s]
    for name in shixin_short.network.signals:
        lamps = list(junction_phases(wanted.junctions[name], wanted.plans[period][name]))
        cycle = [state for duration, state, _ in lamps for _ in range(duration)]
        offset = wanted.plans[period][name].offset_s
        late = range(begin_s + 750, begin_s + 890)
        assert [plain[name][t] for t in late] == [cycle[(t - offset) % len(cycle)] for t in late]


def test_every_day_plan_has_a_file(jincheng: Scenario, tmp_path: Path) -> None:
    data = described(plans(jincheng, "AM", "PM"), jincheng).model_dump(mode="json")
    data["day_plans"]["weekend"] = {"switches": [{"at_min": 0, "plan": "PM"}]}
    data["schedule"] = [
        {"day_plan": "every day", "weekdays": [1, 2, 3, 4, 5]},
        {"day_plan": "weekend", "weekdays": [6, 7]},
    ]
    files = programs.export(PlanSet.model_validate(data), tmp_path / "plan.add.xml")
    assert [file.name for file in files] == ["plan.add.xml", "plan.day2.add.xml"]
    assert "WAUT" in files[0].read_text()
    assert "WAUT" not in files[1].read_text()


def test_round_trip_and_same_bytes(shixin_short: Scenario, tmp_path: Path) -> None:
    wanted = plans(shixin_short, "AM", "PM")
    for name in ("one.add.xml", "two.add.xml"):
        programs.export(described(wanted, shixin_short), tmp_path / name)
    assert programs.read(tmp_path / "one.add.xml") == wanted
    assert programs.read(tmp_path / "one.add.xml", shixin_short) == wanted
    assert (tmp_path / "one.add.xml").read_bytes() == (tmp_path / "two.add.xml").read_bytes()


def rewritten(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def foreign(scenario: Scenario, path: Path) -> Path:
    """An exported file without anything that only greenband writes."""
    programs.export(described(plans(scenario, "AM"), scenario), path)
    tree = ET.parse(path)
    for program in tree.getroot().findall("tlLogic"):
        for param in program.findall("param"):
            program.remove(param)
        for phase in program.findall("phase"):
            del phase.attrib["name"]
            phase.set("duration", phase.attrib["duration"] + ".00")
    tree.write(path)
    return path


def test_other_programs_are_matched_by_their_lamps(jincheng: Scenario, tmp_path: Path) -> None:
    found = programs.read(foreign(jincheng, tmp_path / "x.add.xml"), jincheng).plans["AM"]["J11"]
    wanted = plans(jincheng, "AM").plans["AM"]["J11"]
    assert [(s.stage, s.name, s.go_s, s.yellow_s, s.all_red_s) for s in found.stages] == [
        (s.stage, s.name, s.go_s, s.yellow_s, s.all_red_s) for s in wanted.stages
    ]
    assert found.offset_s == wanted.offset_s
    with pytest.raises(BadInput, match="a scenario is needed"):
        programs.read(tmp_path / "x.add.xml")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('type="static"', 'type="actuated"', "type 'actuated' is not a fixed plan"),
        ('duration="3"', 'duration="3.5"', "phase 2: duration '3.5' must be a whole number of seconds"),
        ('offset="5"', 'offset="-5"', "offset '-5' must be a whole number"),
        ('name="1 green"', 'name="1 yellow"', "phase 1 is yellow: the program must begin with the green of a stage"),
        ('name="3 green"', 'name="1 green"', "is not what the scenario's stage 1 shows"),
        ('state="GGGG', 'state="rGGG', "is not what the scenario's stage 1 shows"),
        ('id="J11"', 'id="J99"', "scenario jincheng has no such junction"),
        ("green_flash_s&quot;: 3", "green_flash_s&quot;: 99", "green_flash_s 99 exceeds its green"),
        ("{&quot;name", "{&quot;nom", "must be JSON with name"),
        ("{&quot;subject", "{&quot;sub", "param 'greenband provenance'"),
        ("</tlLogic>", "", "not XML"),
        ("tlLogic", "tlogic", "not XML"),
    ],
)
def test_a_wrong_program_is_named(jincheng: Scenario, tmp_path: Path, old: str, new: str, reason: str) -> None:
    programs.export(described(plans(jincheng, "AM"), jincheng), tmp_path / "plan.add.xml")
    with pytest.raises(BadInput) as caught:
        programs.read(rewritten(tmp_path / "plan.add.xml", old, new), jincheng)
    assert str(tmp_path / "plan.add.xml") in str(caught.value)
    assert reason in str(caught.value)


def test_a_plan_of_another_road_is_not_written(jincheng: Scenario, shixin_short: Scenario, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="do not fit scenario jincheng: period AM: junction J08 is not among"):
        described(plans(shixin_short, "AM"), jincheng)


@pytest.mark.parametrize(("data", "reason"), [(b"<net/>", "not a SUMO additional file"), (None, "cannot be read")])
def test_other_files_are_refused(tmp_path: Path, data: bytes | None, reason: str) -> None:
    if data is not None:
        (tmp_path / "x.xml").write_bytes(data)
    with pytest.raises(BadInput, match=reason):
        programs.read(tmp_path / "x.xml")
