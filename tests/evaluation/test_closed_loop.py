from __future__ import annotations

from pathlib import Path

import pytest

from greenband.errors import BadInput
from greenband.evaluation.closed_loop import closed_loop
from greenband.formats import sumo as sumo_format
from greenband.plan.describe import described
from greenband.plan.model import PlanSet, Provenance
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario


def whole(scenario: Scenario) -> PlanSet:
    """Plans that differ in cycle, offsets and order of stages."""
    made = {
        period: {
            name: build_plan(signal, signal.limits(scenario.timing), cycle, [3, 1, 2, 1], 17 * k, period, order)
            for k, (name, signal) in enumerate(scenario.network.signals.items())
        }
        for period, cycle, order in (("AM", 96, (0, 1, 2, 3)), ("OFF", 81, (2, 3, 0, 1)), ("PM", 110, (1, 0, 3, 2)))
    }
    return described(PlanSet(provenance=Provenance(subject="hand", scenario=scenario.name), plans=made), scenario)


def test_sumo_shows_the_exported_plan_through_its_changes(shixin_short: Scenario) -> None:
    """OFF until 7:00, AM until 9:00, then OFF: cycles in between, and each change on the second."""
    closed = closed_loop(whole(shixin_short), shixin_short, 24_900, 34_000)
    assert closed.same
    for times in closed.switches.values():
        assert len([t for t in times if 25_200 <= t < 26_000]) >= 1
        assert len([t for t in times if 32_400 <= t < 33_200]) >= 1
        assert len(times) == len([t for t in times if t < 26_000 or 32_400 <= t < 33_200])


def test_what_sumo_shows_otherwise_is_told(jincheng: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exported file is altered on its way: a stage is cut to four seconds."""
    plans = whole(jincheng)
    export = sumo_format.export

    def altered(plans: PlanSet, path: Path) -> list[Path]:
        files = export(plans, path)
        text = path.read_text(encoding="utf-8")
        green = f'<phase duration="{plans.plans["OFF"]["J11"].stages[0].go_s}"'
        assert green in text
        path.write_text(text.replace(green, '<phase duration="4"'), encoding="utf-8")
        return files

    monkeypatch.setattr(sumo_format, "export", altered)
    closed = closed_loop(plans, jincheng, 0, 600)
    assert not closed.same
    assert closed.differences[0].plan == "OFF"
    assert closed.differences[0].planned != closed.differences[0].shown
    assert {violation.rule for violation in closed.violations} >= {"min-green"}


def test_a_signal_without_a_plan_is_refused(shixin_short: Scenario, jincheng: Scenario) -> None:
    with pytest.raises(BadInput, match="no junction J08 of scenario shixin_short"):
        closed_loop(whole(jincheng), shixin_short, 0, 100)
