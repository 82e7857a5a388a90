from __future__ import annotations

from pathlib import Path

import pytest

from greenband.errors import BadInput, SimulationError
from greenband.evaluation.nema_check import differences
from greenband.formats import sumo_nema
from greenband.plan.describe import described
from greenband.plan.model import PlanSet, Provenance
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario


@pytest.fixture(scope="module")
def plans(jincheng: Scenario) -> PlanSet:
    made = {
        name: build_plan(signal, signal.limits(jincheng.timing), 90, [3, 1, 2, 1], 5, "trial")
        for name, signal in jincheng.network.signals.items()
    }
    provenance = Provenance(subject="trial", scenario=jincheng.name)
    return described(PlanSet(provenance=provenance, plans={"AM": made}), jincheng)


def network(scenario: Scenario) -> Path:
    return scenario.folder / scenario.network_file


def rewritten(plans: PlanSet, path: Path, old: str, new: str) -> Path:
    sumo_nema.export(plans, path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_an_offset_that_is_a_second_late_shows(jincheng: Scenario, plans: PlanSet, tmp_path: Path) -> None:
    late = rewritten(plans, tmp_path / "x.add.xml", 'offset="5"', 'offset="6"')
    found = differences(plans, late, network(jincheng), cycles=1)
    first = plans.plans["AM"]["J11"].stages[0]
    through = plans.junctions["J11"].stages[first.stage].green[0]
    seen = {(one.second % 90, one.planned[0], one.shown[0]) for one in found if one.group == through}
    assert seen == {(5, "G", "r"), (5 + first.go_s, "y", "G")}
    assert {(one.junction, one.plan) for one in found} == {("J11", "AM")}
    assert [one.second for one in found] == sorted(one.second for one in found)


def test_the_plan_itself_shows_no_difference(jincheng: Scenario, plans: PlanSet, tmp_path: Path) -> None:
    (path,) = sumo_nema.export(plans, tmp_path / "x.add.xml")
    assert differences(plans, path, network(jincheng), cycles=1) == []


def test_files_that_cannot_be_used(jincheng: Scenario, plans: PlanSet, tmp_path: Path) -> None:
    path = tmp_path / "x.add.xml"
    cases = [
        ("AM nema", "PM nema", "no program 'AM nema' of junction J11"),
        ("</additional>", "", "cannot be read"),
        ("<additional>", "<!DOCTYPE additional><additional>", "a DTD"),
    ]
    for old, new, reason in cases:
        with pytest.raises(BadInput, match=reason):
            differences(plans, rewritten(plans, path, old, new), network(jincheng))
    with pytest.raises(BadInput, match="cannot be read"):
        differences(plans, tmp_path / "none.add.xml", network(jincheng))
    with pytest.raises(BadInput, match="cycles=0"):
        differences(plans, path, network(jincheng), cycles=0)


def test_a_sumo_that_fails_or_hangs_is_told(jincheng: Scenario, plans: PlanSet, tmp_path: Path) -> None:
    short = rewritten(plans, tmp_path / "x.add.xml", 'value="90"', 'value="91"')
    with pytest.raises(SimulationError, match="does not add to cycle length"):
        differences(plans, short, network(jincheng))
    with pytest.raises(SimulationError, match=r"did not end within 0\.001 s"):
        differences(plans, short, network(jincheng), timeout_s=0.001)
